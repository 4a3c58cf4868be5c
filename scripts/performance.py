#!/usr/bin/env python3
"""Generates docs/performance.md, and the figure scaling.svg beside it, from the measurements of scripts/bench.sh.

Usage: scripts/performance.py BENCH.json SCALING.json DOCUMENT.md      (SCALING.json may be missing)
"""

import json
import os
import pathlib
import sys


def seconds(value):
    """A time in the unit that suits it."""
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.1f} ms" if value >= 1e-3 else f"{1e6 * value:.0f} µs"


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(entry) for entry in line) + " |" for line in lines) + "\n"


def cell(numbers):
    return "({}, {}, {})".format(*numbers)


def verdict(value, target):
    return f"{value:.2g} (target {target:g}{'' if value >= target else ', missed'})"


AMX = """
Products of precision bf16x3 with AMX tiles have not been measured. On a processor that has them
`scripts/bench.sh --document docs/performance-amx.md --out benches/results/amx` does it.
"""

# Ways to multiply two matrices.
WAYS = [("rows", "our kernel, rows with rows"), ("columns", "our kernel, rows with columns"), ("blas", "OpenBLAS")]


# Narrowest layers whose time is mostly that of the work in the bound.
BOUNDED = 1000


def is_bounded(row):
    """Whether the bound means anything for this cell."""
    return row["cell"][2] >= BOUNDED


def clock_text(bench):
    """What a second is."""
    load = " and ".join(f"{load:.1f}" for load in bench["load"])
    if not bench["busy"]:
        return f"Wall time; load average {load} before and after."
    return (
        f"The machine had other work, load average {load} before and after: times per network are CPU seconds over cores, every peer but the plain"
        " one runs one process per core, and ratios are of CPU time (`--busy`)."
    )


def products_text(products):
    """Rates at the shapes of the dense engine."""
    rates = products["rates"]
    rows = []
    for index, shape in enumerate(products["shapes"]):
        n, m, q, *transposed = shape.split(",")
        of_shape = [f"{rates[name][index] / 1e9:.0f}" for name in ["ours", "openblas", "gemm", "faer"]]
        best = max(rates[name][index] for name in ["openblas", "gemm", "faer"])
        rows.append([f"{n} × {m} × {q}", "rows" if transposed else "columns", *of_shape, f"{rates['ours'][index] / best:.2f}"])
    return f"""### Thin products

f32 products n × m × q of inputs or activations (n × q) with a block of weights, in GF/s of one core: with its rows (W is m × q) or its columns (q × m).
`cargo bench --locked --bench thin_products`, and `benches/peers/products` for the crates `gemm` and `faer`.

{table(["n × m × q", "with", "our kernel", "OpenBLAS", "gemm", "faer", "ours / best other"], rows)}"""


PEERS = """## Against PyTorch and JAX

Time per network with 100 inputs on all cores, including the weights; compiled code and caches are warm. *Plain* (`benches/peers/plain_torch.py`) is
what a practitioner would write: autograd, a grid of 200 steps up to 20, bisection, all inputs in one batch. *Tuned* (`benches/peers/tuned_torch.py`) is
what an expert would write: masks instead of autograd; the first layer as z + t u along the line; at L = 1 the breakpoints in a window sorted, and f at all
of them from cumulative sums, without an evaluation; deeper, bracketing on multiples of the linear prediction, regula falsi, and finished inputs
dropped; weights drawn on all threads. *Compiled* fuses its element-wise passes with `torch.compile`. *Medium* is
`set_float32_matmul_precision("medium")`, products in bf16{medium}. *JAX* (`benches/peers/jax_cpu.py`) is the same method compiled by XLA, with
evaluations at every depth. PyTorch {torch}, JAX {jax}; each with its own BLAS. Except for the plain program the faster of one process on all cores and
one process per core counts. After warm-up ours computes 40 to 2,000 networks per round and a peer 2 to 200, fewer the slower it is.

*Error* is the median relative error of the step against f64 with the same weights (`benches/peers/reference.py`; ours against our own precision f64, by the
exact search where the engine has explicit weights), and *other* the share of inputs whose step is another sign change, or found by one of the two
only. Ratios are medians over the rounds, with minimum and maximum in brackets. At (6, 10, 100) ours scans, as the
peers do (`--search scan`); by default it traces every linear piece, which takes the time given [below](#narrow-and-small-cells).

"""


def peers_text(bench):
    """Every program on every cell, and the strongest."""
    medium = "" if bench["has_bf16"] else ": not run, because this processor has none"
    text = PEERS.format(medium=medium, **bench["versions"])
    rows = []
    for row in bench["cells"]:
        for line in row["programs"]:
            ours = line["program"] == "advstep-hpc"
            processes = f"{line['processes']} × {bench['ceilings']['threads'] // line['processes']}" if line["processes"] else ""
            rounds = line["ratios_of_rounds"]
            ratio = "" if ours else f"{line['ratio']:.1f} [{min(rounds):.1f}, {max(rounds):.1f}]"
            if line["program"] == row["strongest"]:
                ratio = f"**{ratio}**"
            error = f"{line['relative_error']:.0e}" if line["relative_error"] is not None else ""
            label = cell(row["cell"]) + f": {row['engine']}, {row['search']}" if ours else ""
            rows.append([label, line["program"], processes, seconds(line["seconds"]), ratio, error, f"{100 * line['other_answers']:.2g} %"])
    text += table(["(L, d, k)", "program", "processes × threads", "time", "time / ours", "error", "other"], rows)
    text += f"\nThe strongest line of each cell, against the targets: more than {bench['targets'][0]} for any, {bench['targets'][1]} for the fastest with f32 products.\n\n"
    rows = []
    for row in bench["cells"]:
        entry = [cell(row["cell"])]
        for name, target in zip([row["strongest"], row["strongest_in_f32"]], bench["targets"]):
            line = next(line for line in row["programs"] if line["program"] == name)
            # No program with our method can be faster than the bound.
            at_bound = f"; at the bound {line['seconds'] / row['bound']:.1f}" if is_bounded(row) else ""
            missed = f" (missed{at_bound})" if line["ratio"] < target else ""
            entry += [name, f"{line['ratio']:.1f}{missed}"]
        rows.append(entry)
    return text + table(["(L, d, k)", "fastest", "ratio", "fastest in f32", "ratio"], rows)


def bench_text(bench):
    ceilings, machine = bench["ceilings"], bench["machine"]
    forced = f"OPENBLAS_CORETYPE={bench['coretype']}" if bench["coretype"] else "OPENBLAS_CORETYPE not set"
    gigaflops = lambda key: f"{ceilings[key] / 1e9:.0f} GF/s"
    threads = ceilings["threads"]
    rows = [
        *[[f"sgemm 2048³, {name}", *(f"{ceilings[key][way] / 1e9:.0f} GF/s" for key in ["sgemm_one_of", "sgemm_all_of"])] for way, name in WAYS],
        [f"sgemm 2048³, PyTorch {ceilings['torch']}", gigaflops("torch_sgemm_one"), gigaflops("torch_sgemm_all")],
        [f"Gaussian fill, {ceilings['simd']}", f"{ceilings['normals_one'] / 1e9:.2f} G/s", f"{ceilings['normals_all'] / 1e9:.2f} G/s"],
        ["rand_distr::StandardNormal, f32", f"{ceilings['normals_rand_distr'] / 1e9:.2f} G/s", ""],
        *[
            [f"thin product 100 × 512 × 1024, {name}", gigaflops(key), ""]
            for name, key in [("f32", "thin_f32"), (f"bf16x3 (AMX tiles: {ceilings.get('tiles')})", "thin_bf16x3")]
            if key in ceilings
        ],
        ["memory, triad", f"{ceilings['bytes_one'] / 1e9:.0f} GB/s", f"{ceilings['bytes_all'] / 1e9:.0f} GB/s"],
    ]
    text = f"""# Performance

Generated by `scripts/performance.py` from the measurements of `scripts/bench.sh`; do not edit. {machine['processor']}, {machine['cores']} cores;
our kernels at level {ceilings['simd']}; {ceilings['blas']} with its {ceilings['blas_core']} kernels ({forced}); medians of {bench['rounds']} rounds in
which all programs take turns; program revision {ceilings['revision']}. The speed on Arm
(NEON kernels) was not measured. {clock_text(bench)}

## Ceilings of the machine

{table(["", "one core", f"{threads} cores"], rows)}
On one core the Gaussian fill is {ceilings['normals_one'] / ceilings['normals_rand_distr']:.1f} times as fast as `rand_distr`. G/s: 10⁹ numbers per second. Rates are per CPU second.

{products_text(bench["thin_products"])}
{peers_text(bench)}"""
    numbers = cell(bench["agreement"][0]["cell"])
    text += f"\nAll programs agree in law; (L, d, k) = {numbers}, mean ± standard error over networks:\n\n"
    rows = []
    for record in bench["agreement"]:
        fraction = f"{record['fraction']:.4f} ± {record['fraction_error']:.4f}"
        rows.append([record["program"], record["networks"], fraction, f"{record['step_mean']:.3f} ± {record['step_error']:.3f}"])
    text += table(["program", "networks", "fraction switched", "mean step"], rows)
    text += """
## Against the machine

The bound is the time of the work the method requires, each kind at its ceiling on all cores (the median of measurements between the cells) and
without overlap: flops of the matrix products, every weight drawn once, data kept between passes written and read once. A product with the masks
of the last layer uses tables; an addition counts as two flops, because it takes one instruction like a fused multiply-add. Triangular products count
up to the diagonal. Other flops of the implicit engine are counted as executed, with the second passes that Gram–Schmidt needs for the nearly parallel
points of a line; so are vectors that a pass reads or writes, once each, if they do not fit the last-level cache (a pass that needs sums over the
whole previous one cannot be fused with it). Images count as drawn once, although they are regenerated rather than stored. The ceiling of products is the
best in the table above. Cells of narrower layers are [below](#narrow-and-small-cells).

"""
    rows = []
    target = bench["least_achieved"]
    for row in filter(is_bounded, [*bench["cells"], *bench["roofline"]]):
        method = f"{row['engine']}, {row['search']}"
        rows.append([cell(row["cell"]), method, seconds(row["bound"]), seconds(row["seconds"]), verdict(row["achieved"], target)])
    text += table(["(L, d, k)", "engine, search", "bound", "measured", "bound / measured"], rows)
    text += """
## Where the time goes

Processor seconds of one thread per network, the other core idle: inputs and stored weights; f and ∇f; the first layer along the lines (at L = 1 part of
the first pass of the search); points of the lines or passes over the neurons; and the rest (choosing points, norms, memory). The implicit engine draws its numbers inside the products.

"""
    rows = []
    for row in bench["cells"]:
        stages = row["stages"]
        named = [stages[name] for name in ["build", "gradient", "directions", "search"]]
        rest = max(stages["whole"] - sum(named), 0.0)
        rows.append([cell(row["cell"]), *(f"{seconds(part)} ({100 * part / stages['whole']:.0f} %)" for part in [*named, rest])])
    text += table(["(L, d, k)", "weights", "f and ∇f", "first layer of lines", "search", "rest"], rows)
    if profile := bench.get("profile"):
        text += """
The same time by kind of function, according to `perf` (`scripts/profile.py`); products include packing. Pages: memory that the kernel clears and
maps.

"""
        rows = [[cell(row["cell"]), row["engine"], *(f"{100 * share:.0f} %" for share in row["shares"].values())] for row in profile]
        text += table(["(L, d, k)", "engine", *profile[0]["shares"]], rows)
        text += "\n" + beside_bound_text(bench)
    return text


BESIDE_BOUND = """Time per network on all cores, split by these shares, next to the matching part of the bound. Products fall short of their ceiling because they
have 100 rows and often only 100 to 256 terms ([thin products](#thin-products)), because operands are packed, and because table additions take their
operands from L1 rather than registers. Numbers may be drawn more than once: for gradients and again for lines by the shallow engine and, at L = 1
beyond 16 MiB of weights, by the dense one; for every product by the implicit engine. We tried storing them in the shallow engine; the memory traffic
cost as much as redrawing. Copying, masks and their overlaps, activations, line searches and clearing of pages are not in the bound; memory traffic has
no column of its own, as it is part of the other functions' time.

"""


def beside_bound_text(bench):
    """Measured time and bound, by kind of work."""
    ceilings = bench["ceilings"]
    shares = {(*entry["cell"], entry["engine"]): entry["shares"] for entry in bench["profile"]}
    rows = []
    for row in filter(is_bounded, [*bench["cells"], *bench["roofline"]]):
        share = shares[(*row["cell"], row["engine"])]
        products, normals = share["matrix products"] + share["products with masks"], share["normals"]
        bounds = [row["flops"] / ceilings["sgemm_all"], row["normals"] / ceilings["normals_all"], row["bytes"] / ceilings["bytes_all"]]
        of_kinds = [products * row["seconds"], normals * row["seconds"]]
        beside = [f"{seconds(least)} / {seconds(measured)}" for least, measured in zip(bounds, of_kinds)]
        other = seconds((1 - products - normals) * row["seconds"])
        rows.append([cell(row["cell"]), row["engine"], *beside, seconds(bounds[2]), other])
    header = ["(L, d, k)", "engine", "products: bound / measured", "normals: bound / measured", "memory: bound", "all else: measured"]
    return BESIDE_BOUND + table(header, rows)


def unfit(scaling, ceilings):
    """Why the measurements of scaling do not belong beside those of the bench, or None."""
    if "revision" not in scaling:
        return "it does not say which revision of the program it is of"
    if scaling.get("simd") != ceilings["simd"]:
        return f"it is of level {scaling.get('simd')}, the bench of {ceilings['simd']}"
    return None


def unit_times_text(prediction):
    """Where the times of units come from."""
    cells, from_file, by_model = (prediction[key] for key in ["cells", "from_file", "by_model"])
    sources = []
    if from_file:
        revisions = ", ".join(prediction["unit_times_revisions"])
        sources.append(f"{from_file} by `cargo bench --locked --bench cost_model` at revision {revisions}")
    if here := cells - from_file - by_model:
        sources.append(f"{here} by this bench")
    text = f"those of {f'{cells - by_model} of the' if by_model else 'all'} {cells} cells are measured"
    if sources:
        text += f" ({', '.join(sources)})"
    if by_model:
        text += f", and {by_model} are from the cost model, times the median ratio of measurement to prediction"
    return text


def end_of_run_text(prediction):
    """What the end of a run costs in the row with most samples, and why."""
    row = max(prediction["rows"], key=lambda row: row["samples"])
    end, samples = prediction["end_of_run"], row["samples"]
    ahead = end["ahead"]
    share = 100 * row["end_of_run"] / row["seconds"]
    parts = f"{seconds(ahead['sample'] * samples)} of one processor and {seconds(ahead['bytes'] * samples / end['disk'])} of the disk"
    return f"""- **The end of the run.** Statistics, compression and writing are done cell by cell, by a thread of rank 0 beside its workers, as soon as a cell is
  complete. The cheap networks, which are most, are computed first, so that only costly cells are left for the end. With {row['ranks']:,} ranks and
  {row['networks']:,} networks per cell, {samples:,} samples, the file takes {parts}, but the job ends
  {seconds(row['end_of_run'])} after the last record, {share:.1f} % of the run; all at the end it would be {seconds(row['at_once'])}. That thread and
  receiving need {100 * (row['writing'] + row['root_busy']):.0f} % of a core beside the workers of rank 0: give it one worker less if it has none to spare.
"""


def scaling_text(scaling, bench, figure):
    strong, prediction = scaling["strong"], scaling["prediction"]
    end, revision = prediction["end_of_run"], scaling["revision"]
    ahead, rest = end["ahead"], end["rest"]
    strong_rows = [
        [cell(row["cell"]), row["networks"], *(seconds(row[key]) for key in ["one_rank", "two_ranks"]), f"{row['speedup']:.2f}",
         f"{row['speedup_without_start']:.2f}", seconds(row["apart"]), f"{row['speedup_apart']:.2f}"]
        for row in strong["cells"]
    ]
    processor = scaling.get("processor") or bench["machine"]["processor"]
    elsewhere = "" if processor == bench["machine"]["processor"] else f" on another machine, with {processor} processors,"
    differs = "" if revision == bench["ceilings"].get("revision") else f" at revision {revision}, not that of the tables above,"
    text = f"""
## Scaling

Measured by `cargo bench --locked --bench scaling`{elsewhere}{differs} at level {scaling['simd']}. A run of one tiny
network takes {seconds(strong['start_up'])} from start to end; under mpirun {seconds(strong['begin_one'])} on one rank and {seconds(strong['begin_two'])} on two, the start-up time of
MPI. The 100 networks of cell (6, 10, 10) take {seconds(strong['small_cell'])} on one thread. Whole program, one thread per rank, 100 inputs per network,
against two independent processes with half of the networks each:

{table(["(L, d, k)", "networks", "one rank", "two ranks", "speedup", "without start-up", "two processes", "speedup"], strong_rows)}
Predicted for preset `paper` by simulation: units are assigned as in the program, by predicted cost, with the teams of its plan for single-threaded
ranks of {prediction['memory'] / 2**30:.0f} GiB each, {1e6 * prediction['latency']:.0f} µs and {prediction['bandwidth'] / 1e9:.0f} GB/s between them. Unit times are processor seconds of one
thread; {unit_times_text(prediction)}. Units scatter by {100 * prediction['spread']:.0f} %, as in {prediction['spread_cells']} cells of which
several were measured one by one. Rank 0 needs {1e6 * prediction['taken_in']:.1f} µs to receive a record, {1e6 * prediction['journalled']:.1f} µs to journal it, and an assumed
{1e6 * prediction['message']:.0f} µs per message. Once it has a cell, a thread of it needs {1e6 * ahead['sample']:.2f} µs of processor time per sample (decoding, statistics, compression,
checksums) and {1e3 * ahead['cell']:.1f} ms, and writes {ahead['bytes']:.1f} bytes per sample at {end['disk'] / 1e6:.0f} MB/s, one cell after the other. When the last one is written,
{1e3 * rest['cell']:.2f} ms per cell, {1e9 * rest['sample']:.1f} ns per sample and {1e3 * rest['fixed']:.0f} ms are left: measured up to {end['samples']:,} samples, linear beyond. (An independent
experiment took {end['check']:.2f} times the predicted time.) {prediction['ranks_per_node']} ranks per node, each with its largest unit.

"""
    rows = []
    for row in prediction["rows"]:
        rows.append(
            [
                f"{row['ranks']:,}",
                f"{row['networks']:,}",
                row["in_teams"],
                row["largest_team"],
                seconds(row["seconds"]),
                seconds(row["end_of_run"]),
                f"{100 * row['efficiency']:.1f} %",
                f"{100 * row['root_busy']:.2f} %",
                f"{100 * row['writing']:.2f} %",
                f"{100 * row['journal']:.2f} %",
                f"{row['root_bytes'] / 1e9:.1f} GB",
                f"{row['node_bytes'] / 1e9:.0f} GB",
            ]
        )
    header = ["ranks", "networks", "cells in teams", "ranks of the largest team", "time", "end of run", "efficiency", "rank 0 receiving", "writing", "journal", "memory of rank 0", "memory per node"]
    text += table(header, rows)
    takes_in = max(row["root_busy"] for row in prediction["rows"])
    node = prediction["rows"][0]["node_bytes"]
    text += f"""
Time is wall time including the end of the run; receiving, writing and journal are shares of the time before it.

What breaks first, and the remedy:

- **Memory of a node.** A cell that does not fit the `--memory` of a rank is computed by a team of ranks, and refused, before any work, only if no team
  holds it; {prediction['ranks_per_node']} ranks of {prediction['memory'] / 2**30:.0f} GiB use at most {node / 1e9:,.0f} GB of a node. `plan --ranks N` prints what a rank needs. A single rank per node with many threads
  has all of the memory: it computes as many networks at once as fit, large ones beside small ones.
- **Number of networks.** The preset has {prediction['units']:,} networks, and the longest {'takes' if prediction['longest_is_measured'] else 'is predicted to take'} {seconds(prediction['longest_unit'])} on one thread. With more ranks than
  networks, teams share the long ones; what no team computes, deep dense networks and narrow ones, then decides how long the run takes. More networks
  per cell (`--networks`) fill the ranks.
{end_of_run_text(prediction)}- **Memory of rank 0**, which keeps every sample until the file is written. Experiments are limited to 10⁹ samples: larger ones
  are refused before they start and have to be split into several with different seeds.
- **Time of rank 0** before the end: it spends at most {100 * takes_in:.1f} % of it receiving records, because each message carries many; the
  journal has an allowance.

Growth of the time per network (exponent between the two largest points):

"""
    rows = [[row["axis"], row["fixed"], f"{row['exponent']:.2f}", f"{row['model_exponent']:.2f}"] for row in scaling["growth"]]
    return text + table(["in", "at", "measured", "model"], rows) + f"\n![Time of a network against k, d, L and inputs]({figure})\n"


def draw(growth, path):
    """Measured times and the model's, a panel for each axis."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "scaling"
    from matplotlib import pyplot, ticker

    axes_names = list(dict.fromkeys(row["axis"] for row in growth))
    figure, panels = pyplot.subplots(1, len(axes_names), figsize=(3.2 * len(axes_names), 3.4), layout="constrained", sharey=True)
    for name, panel in zip(axes_names, panels):
        for colour, row in enumerate(row for row in growth if row["axis"] == name):
            panel.loglog(row["x"], row["measured"], "o-", color=f"C{colour}", label=f"{row['fixed']}: {row['exponent']:.2f}")
            panel.loglog(row["x"], row["model"], "--", color=f"C{colour}", linewidth=1)
        panel.set_xlabel(name)
        if name in ("L", "inputs"):
            panel.set_xticks(next(row["x"] for row in growth if row["axis"] == name))
            panel.xaxis.set_major_formatter(ticker.FormatStrFormatter("%d"))
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_minor_formatter(ticker.NullFormatter())
        panel.legend(fontsize=7, title="exponent at the end", title_fontsize=7)
        panel.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("seconds a network, one thread")
    figure.suptitle("Time of a network: measured (points) and the cost model (dashed)", fontsize=10)
    figure.savefig(path, metadata={"Date": None})


SMALL_CELLS = """Narrow and small cells are most of a phase diagram. Microseconds per network of 100 inputs on one thread (`cargo bench --locked --bench small_cells`, run by
`scripts/bench.sh`), in CPU time, medians of five rounds: of the network alone, and of the whole program with journal, results file and
statistics, less its start-up. Start-up is a run of one network with one input per rank, from start to end; its wall time includes waiting for other
load.

"""

FORECASTS = """Thread-seconds per network that `plan` predicts, with the rates of the cost model and with those that `plan --calibrate` measures, against
those that `run` reports, on one thread: medians of rounds of a calibration, in CPU time, and a run, in wall time (`scripts/check-forecast.sh
>benches/results/forecast.md`). The narrow-trace rate was fitted on an Emerald Rapids Xeon, so row (3, 20, 30) does not test the model there.

"""


def main():
    if len(sys.argv) != 4 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    bench, scaling, document = (pathlib.Path(argument) for argument in sys.argv[1:])
    results = json.loads(bench.read_text())
    text = bench_text(results)
    small = bench.with_name("small_cells.md")
    if small.exists():
        text += "\n## Narrow and small cells\n\n" + SMALL_CELLS + small.read_text()
    measured = json.loads(scaling.read_text()) if scaling.exists() else None
    if measured and (why := unfit(measured, results["ceilings"])):
        print(f"performance: {scaling} is left out: {why}", file=sys.stderr)
    elif measured:
        figure = document.with_name(document.stem.replace("performance", "scaling") + ".svg")
        draw(measured["growth"], figure)
        text += scaling_text(measured, results, figure.name)
    forecast = bench.with_name("forecast.md")
    if forecast.exists():
        text += "\n## Forecasts\n\n" + FORECASTS + forecast.read_text()
        for other in sorted(bench.parent.glob("*/forecast.md")):
            text += f"\nOn another machine: [{other.parent.name}]({os.path.relpath(other, document.parent)}).\n"
    others = sorted(path.name for path in document.parent.glob("performance-*.md") if path != document)
    if others:
        text += "\n## Other machines\n\n" + "".join(f"- [{name}]({name})\n" for name in others)
    if not (document.parent / "performance-amx.md").exists():
        text += AMX
    document.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
