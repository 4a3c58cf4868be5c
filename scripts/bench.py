#!/usr/bin/env python3
"""Runs what scripts/bench.sh has built, in turn, and writes what came out as JSON. See scripts/bench.sh --help."""

import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

# (L, d, k); networks of ours and of each peer in one round; networks and inputs that are compared with f64; our options. Only a thread's first
# network pays for page faults; ours are enough to amortise them as a cell of 100 networks would. The peers scan, so ours does too in the narrow deep
# cell, where it would trace by default.
CELLS = [
    ((1, 100, 10_000), 300, {"plain": 2, "tuned": 40, "jax": 40}, (5, 100)),
    ((1, 500, 100_000), 40, {"plain": 2, "tuned": 4, "jax": 4}, (1, 100)),
    ((2, 100, 5_000), 40, {"plain": 2, "tuned": 4, "jax": 4}, (1, 100)),
    ((6, 100, 1_000), 60, {"plain": 2, "tuned": 6, "jax": 6}, (2, 20)),
    ((6, 10, 100), 400, {"plain": 2, "tuned": 20, "jax": 20}, (5, 100), "--search", "scan"),
    ((1, 10, 20), 2000, {"plain": 2, "tuned": 200, "jax": 200}, (20, 100)),
]
# Program and options of each line of peers. Networks are counted by the first word of the name.
PEERS = {
    "plain": ("plain_torch.py", []),
    "tuned": ("tuned_torch.py", []),
    "tuned, compiled": ("tuned_torch.py", ["--compile"]),
    "tuned, medium": ("tuned_torch.py", ["--precision", "medium"]),
    "jax": ("jax_cpu.py", []),
}
# Lines whose products are in bf16, where the processor has them: less accurate, so that only being ahead of them counts.
IN_BF16 = {"tuned, medium"}
# Least ratio to the fastest line, and to the fastest with f32 products.
TARGETS = (1, 3)
# Cells without peers: options of ours, networks.
BOUNDS = [
    ((1, 500, 100_000), ["--engine", "dense"], 40),
    ((3, 100, 3_000), ["--engine", "dense"], 40),
    ((2, 100, 100_000), ["--engine", "implicit"], 16),
]
# Least achieved / bound.
LEAST_ACHIEVED = 0.7
# A cell on which all programs must agree in law, and networks of ours and of the peers.
AGREEMENT = ((2, 20, 50), 300, {"plain": 100, "tuned": 300, "jax": 300})
# Thin products n × m × q, of x (n × q) with rows (`t`: w is m × q) or with columns.
SHAPES = ["100,256,500,t", "100,500,256", "100,256,1000,t", "100,1000,256", "10,256,500,t", "100,256,100,t", "100,100,100,t"]

QUICK_CELLS = [
    ((1, 100, 1_000), 50, {"plain": 2, "tuned": 10, "jax": 10}, (2, 20)),
    ((2, 100, 300), 20, {"plain": 2, "tuned": 10, "jax": 10}, (1, 10)),
]
QUICK_BOUNDS = [((3, 100, 300), ["--engine", "dense"], 8)]


def run(command):
    """The line of JSON that a program prints."""
    words = [str(word) for word in command]
    print("  " + " ".join(pathlib.Path(word).name for word in words), file=sys.stderr)
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)


def bound(ceilings, record):
    """Least seconds a network on all cores: flops, normals and bytes one after the other, each at its ceiling."""
    return (
        record["flops"] / ceilings["sgemm_all"]
        + record["normals"] / ceilings["normals_all"]
        + record["bytes"] / ceilings["bytes_all"]
    )


def medians(records):
    """The median of every number of these records, in whatever depth of the first; else what the first has."""
    first = records[0]
    if isinstance(first, dict):
        return {key: medians([record[key] for record in records]) for key in first}
    return statistics.median(records) if isinstance(first, float) else first


def torch_ceilings(threads):
    """sgemm of 2048³ through PyTorch, flops per CPU second of a core, times the cores."""
    code = """
import json, statistics, sys, time, torch
threads = int(sys.argv[1])
torch.set_num_threads(threads)
x, w = torch.ones(2048, 2048), torch.ones(2048, 2048)
def once():
    start = time.process_time(); x @ w.T; return (time.process_time() - start) / threads
once()
print(json.dumps({"rate": 2 * 2048**3 / statistics.median(once() for _ in range(7)), "version": torch.__version__}))
"""
    return run([sys.executable, "-c", code, threads])


def has_bf16_products(peers):
    """Whether the processor has products of bf16 numbers, by the test of the peers."""
    sys.path.insert(0, str(peers))
    import timing

    return timing.has_bf16_products()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--rounds", type=int, required=True)
    for path in ["--ceilings", "--end-to-end", "--thin-products", "--crates", "--peers", "--out"]:
        parser.add_argument(path, type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    cells, bounds = (QUICK_CELLS, QUICK_BOUNDS) if arguments.quick else (CELLS, BOUNDS)
    rounds = 1 if arguments.quick else arguments.rounds
    load_before = os.getloadavg()[1]

    def ours(cell, networks, options=(), seed=2020):
        return run([arguments.end_to_end, *cell, "--networks", networks, "--seed", seed, *options])

    def peer(name, cell, networks, layout, seed=0, options=()):
        """`layout`: processes and threads in all."""
        program, own_options = PEERS[name]
        words = [sys.executable, arguments.peers / program, *cell, "--networks", max(networks[name.split(",")[0]], layout[0])]
        return run([*words, "--processes", layout[0], "--threads", layout[1], "--seed", seed, *own_options, *options])

    def seconds_of(record):
        """Seconds per network on all cores; on a busy machine CPU seconds over cores."""
        return record["processor_seconds_per_network"] / threads if arguments.busy else record["seconds_per_network"]

    def measured_ceilings():
        ceilings = run([arguments.ceilings])
        one, every = torch_ceilings(1), torch_ceilings(ceilings["threads"])
        return ceilings | {"torch_sgemm_one": one["rate"], "torch_sgemm_all": every["rate"], "torch": one["version"]}

    # The clock of a machine goes up and down: ceilings are measured again between the cells.
    ceilings_seen = [measured_ceilings()]
    threads = ceilings_seen[0]["threads"]
    names = [name for name in PEERS if name not in IN_BF16 or has_bf16_products(arguments.peers)]
    # One process on all cores, and one process per core. CPU time is that of the second.
    layouts = [(threads, threads)] if arguments.busy or threads == 1 else [(1, threads), (threads, threads)]

    cell, networks, of_peers = AGREEMENT
    agreement = [ours(cell, networks), *(peer(name, cell, of_peers, (1, 1)) for name in names)]

    table = []
    for cell, networks, of_peers, (compared, inputs), *own in cells:
        first = ours(cell, networks, [*own, "--accuracy", compared, "--accuracy-inputs", inputs], 1)
        lines = {}
        for name in names:
            # The practitioner has one process; of the others the faster layout counts.
            of_layouts = layouts if name != "plain" else layouts[:1]
            tried = [(layout, peer(name, cell, of_peers, layout, 1, ["--accuracy", compared])) for layout in of_layouts]
            lines[name] = min(tried, key=lambda line: seconds_of(line[1]))
        records = [[first, *(record for _, record in lines.values())]]
        for seed in range(2, rounds + 1):
            records.append([ours(cell, networks, own, seed), *(peer(name, cell, of_peers, lines[name][0], seed) for name in names)])
        seconds = [[seconds_of(record) for record in of_round] for of_round in records]
        programs = []
        for index, accuracy in enumerate(records[0]):
            ratios = [of_round[index] / of_round[0] for of_round in seconds]
            programs.append(
                {
                    "program": ["advstep-hpc", *names][index],
                    "processes": records[0][index].get("processes"),
                    "seconds": statistics.median(of_round[index] for of_round in seconds),
                    "ratio": statistics.median(ratios),
                    "ratios_of_rounds": ratios,
                    **{key: accuracy[key] for key in ["accuracy_networks", "relative_error", "other_answers"]},
                }
            )
        of_f32 = [line for line in programs[1:] if line["program"] not in IN_BF16]
        row = {
            "cell": cell,
            "engine": first["engine"],
            "search": first["search"],
            "programs": programs,
            "strongest": min(programs[1:], key=lambda line: line["ratio"])["program"],
            "strongest_in_f32": min(of_f32, key=lambda line: line["ratio"])["program"],
            "seconds": programs[0]["seconds"],
            "stages": first["stages"],
        }
        table.append(row | {key: first[key] for key in ["evaluations", "flops", "normals", "bytes"]})
        ceilings_seen.append(measured_ceilings())
    runs = []
    for cell, options, networks in bounds:
        runs.append([ours(cell, networks, options, seed) for seed in range(1, rounds + 1)])
    ceilings_seen.append(measured_ceilings())
    ceilings = medians(ceilings_seen)
    for row in table:
        row["bound"] = bound(ceilings, row)
        row["achieved"] = row["bound"] / row["seconds"]
    roofline = []
    for (cell, options, networks), records in zip(bounds, runs):
        seconds = statistics.median(seconds_of(record) for record in records)
        work = {key: records[0][key] for key in ["engine", "search", "evaluations"]}
        work |= {key: statistics.median(record[key] for record in records) for key in ["flops", "normals", "bytes"]}
        least = bound(ceilings, work)
        roofline.append({"cell": cell, "seconds": seconds, "bound": least, "achieved": least / seconds, **work})

    products = [run([arguments.thin_products, *SHAPES]) | run([arguments.crates, *SHAPES]) for _ in range(rounds)]
    rates = {name: [statistics.median(column) for column in zip(*(round[name] for round in products))] for name in ["ours", "openblas", "gemm", "faer"]}

    result = {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()},
        "load": [load_before, os.getloadavg()[1]],
        "busy": arguments.busy,
        "coretype": os.environ.get("OPENBLAS_CORETYPE"),
        "rounds": rounds,
        "ceilings": ceilings,
        "versions": versions(),
        "has_bf16": has_bf16_products(arguments.peers),
        "targets": TARGETS,
        "least_achieved": LEAST_ACHIEVED,
        "agreement": agreement,
        "cells": table,
        "roofline": roofline,
        "thin_products": {"shapes": SHAPES, "rates": rates},
    }
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")


def versions():
    """Versions of the peers."""
    return {name: importlib.metadata.version(name) for name in ["torch", "jax"]}


def processor():
    """The processor's name, where the system tells it."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
