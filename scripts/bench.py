#!/usr/bin/env python3
"""Runs what scripts/bench.sh has built, in turn, and writes what came out as JSON. See scripts/bench.sh --help."""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

# (L, d, k); networks of ours, plain and tuned in one round; least ratio to the plain and the tuned peer.
CELLS = [
    ((1, 100, 10_000), (300, 2, 60), (40, 10)),
    ((1, 500, 100_000), (10, 1, 3), (60, 12)),
    ((2, 100, 5_000), (10, 1, 4), (15, 3.5)),
    ((6, 100, 1_000), (40, 1, 6), (30, 2.5)),
]
# Cells without peers: options of ours, networks, least achieved / bound.
BOUNDS = [
    ((1, 500, 100_000), ["--engine", "dense"], 10, 0.75),
    ((3, 100, 3_000), ["--engine", "dense"], 8, 0.75),
    ((2, 100, 100_000), ["--engine", "implicit"], 4, 0.6),
]
# A cell on which all programs must agree in law, and networks of each program.
AGREEMENT = ((2, 20, 50), (300, 100, 300))

QUICK_CELLS = [((1, 100, 1_000), (50, 2, 10), (40, 10)), ((2, 100, 300), (20, 2, 10), (15, 3.5))]
QUICK_BOUNDS = [((3, 100, 300), ["--engine", "dense"], 8, 0.75)]


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
    """sgemm of 2048³ through PyTorch, flops a second, on one core and on all."""
    code = """
import json, statistics, sys, time, torch
torch.set_num_threads(int(sys.argv[1]))
x, w = torch.ones(2048, 2048), torch.ones(2048, 2048)
def once():
    start = time.perf_counter(); x @ w.T; return time.perf_counter() - start
once()
print(json.dumps({"rate": 2 * 2048**3 / statistics.median(once() for _ in range(7)), "version": torch.__version__}))
"""
    return run([sys.executable, "-c", code, threads])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, required=True)
    for path in ["--ceilings", "--end-to-end", "--peers", "--out"]:
        parser.add_argument(path, type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    cells, bounds = (QUICK_CELLS, QUICK_BOUNDS) if arguments.quick else (CELLS, BOUNDS)
    rounds = 1 if arguments.quick else arguments.rounds

    def ours(cell, networks, options=(), seed=2020):
        return run([arguments.end_to_end, *cell, "--networks", networks, "--seed", seed, *options])

    def peer(name, cell, networks, threads, seed=0):
        program = arguments.peers / f"{name}_torch.py"
        return run([sys.executable, program, *cell, "--networks", networks, "--threads", threads, "--seed", seed])

    def measured_ceilings():
        ceilings = run([arguments.ceilings])
        one, every = torch_ceilings(1), torch_ceilings(ceilings["threads"])
        return ceilings | {"torch_sgemm_one": one["rate"], "torch_sgemm_all": every["rate"], "torch": one["version"]}

    # The clock of a machine goes up and down: ceilings are measured again between the cells.
    ceilings_seen = [measured_ceilings()]
    threads = ceilings_seen[0]["threads"]

    cell, networks = AGREEMENT
    agreement = [ours(cell, networks[0]), peer("plain", cell, networks[1], 1), peer("tuned", cell, networks[2], 1)]

    table = []
    for cell, networks, targets in cells:
        records = [
            [ours(cell, networks[0], seed=seed), peer("plain", cell, networks[1], threads, seed), peer("tuned", cell, networks[2], threads, seed)]
            for seed in range(1, rounds + 1)
        ]
        seconds = [[record["seconds_per_network"] for record in round] for round in records]
        ratios = [[round[peer] / round[0] for round in seconds] for peer in (1, 2)]
        table.append(
            {
                "cell": cell,
                "engine": records[0][0]["engine"],
                "search": records[0][0]["search"],
                "seconds": [statistics.median(column) for column in zip(*seconds)],
                "ratios": [statistics.median(of_peer) for of_peer in ratios],
                "ratios_of_rounds": ratios,
                "targets": targets,
            }
        )
        ceilings_seen.append(measured_ceilings())
    runs = []
    for cell, options, networks, target in bounds:
        runs.append([ours(cell, networks, options, seed) for seed in range(1, rounds + 1)])
    ceilings_seen.append(measured_ceilings())
    ceilings = medians(ceilings_seen)
    roofline = []
    for (cell, options, networks, target), records in zip(bounds, runs):
        seconds = statistics.median(record["seconds_per_network"] for record in records)
        least = statistics.median(bound(ceilings, record) for record in records)
        work = {key: records[0][key] for key in ["engine", "search", "evaluations", "flops", "normals", "bytes"]}
        roofline.append({"cell": cell, "seconds": seconds, "bound": least, "achieved": least / seconds, "target": target, **work})
    for row, (cell, networks, _) in zip(table, cells):
        record = ours(cell, networks[0])
        row["bound"] = bound(ceilings, record)
        row["stages"] = record["stages"]
        row["achieved"] = row["bound"] / row["seconds"][0]

    result = {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()},
        "coretype": os.environ.get("OPENBLAS_CORETYPE"),
        "rounds": rounds,
        "ceilings": ceilings,
        "agreement": agreement,
        "cells": table,
        "roofline": roofline,
    }
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")


def processor():
    """The processor's name, where the system tells it."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
