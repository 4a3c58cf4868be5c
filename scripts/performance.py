#!/usr/bin/env python3
"""Makes docs/performance.md, and the figure scaling.svg beside it, from what scripts/bench.sh has measured.

Usage: scripts/performance.py BENCH.json SCALING.json DOCUMENT.md      (SCALING.json may be missing)
"""

import json
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


# Ways to multiply two matrices.
WAYS = [("rows", "our kernel, rows with rows"), ("columns", "our kernel, rows with columns"), ("blas", "OpenBLAS")]


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
        ["memory, triad", f"{ceilings['bytes_one'] / 1e9:.0f} GB/s", f"{ceilings['bytes_all'] / 1e9:.0f} GB/s"],
    ]
    text = f"""# Performance

Made by `scripts/performance.py` from what `scripts/bench.sh` measured; do not edit. {machine['processor']}, {machine['cores']} cores;
our kernels at level {ceilings['simd']}; {ceilings['blas']} with its {ceilings['blas_core']} kernels ({forced}); medians of {bench['rounds']} rounds in which all programs take turns;
the program at revision {ceilings['revision']}.

## Ceilings of the machine

{table(["", "one core", f"{threads} cores"], rows)}
The fill is {ceilings['normals_one'] / ceilings['normals_rand_distr']:.1f} times as fast as `rand_distr`'s on one core.

## Against PyTorch

Seconds per network with 100 inputs on all cores, weights drawn and everything else included. *Plain* (`benches/peers/plain_torch.py`) is what
a practitioner would write: autograd, a grid of 200 steps up to 20, bisection, all inputs in one batch. *Tuned*
(`benches/peers/tuned_torch.py`) is what an expert would: masks in place of autograd, the first layer z + t u along the line, bracketing on
multiples of the linear prediction, regula falsi, inputs dropped when done. PyTorch brings its own BLAS, whose rate is in the table above.
Ratios are medians of the rounds, with the smallest and the largest.

"""
    rows = []
    for row in bench["cells"]:
        ours, plain, tuned = row["seconds"]
        ratios = [
            f"{ratio:.1f} [{min(rounds):.1f}, {max(rounds):.1f}] ({'≥' if ratio >= target else 'missed:'} {target:g})"
            for ratio, rounds, target in zip(row["ratios"], row["ratios_of_rounds"], row["targets"])
        ]
        rows.append([cell(row["cell"]), f"{row['engine']}, {row['search']}", seconds(ours), seconds(plain), seconds(tuned), *ratios])
    text += table(["(L, d, k)", "engine, search", "advstep-hpc", "plain", "tuned", "plain / ours", "tuned / ours"], rows)
    numbers = cell(bench["agreement"][0]["cell"])
    text += f"\nThe three agree in law; (L, d, k) = {numbers}, mean ± standard error over networks:\n\n"
    rows = []
    for record in bench["agreement"]:
        fraction = f"{record['fraction']:.4f} ± {record['fraction_error']:.4f}"
        rows.append([record["program"], record["networks"], fraction, f"{record['step_mean']:.3f} ± {record['step_error']:.3f}"])
    text += table(["program", "networks", "fraction switched", "mean step"], rows)
    text += """
## Against the machine

The bound is the time of the work that the method cannot do without, each kind at its ceiling on all cores (the median of measurements between the cells) and one after the
other: flops of the matrix products, every weight drawn once, what is kept between passes written and read once. A product with the masks of the
last layer is made by tables, and an addition counts as two flops, because it takes an instruction as a fused multiply-add does. For the implicit engine
flops are counted as they are made, with the second passes that Gram–Schmidt needs for points of a line, which are nearly parallel; so are
vectors that a pass reads or writes, once each, where the last cache does not hold them (a pass that needs sums over all of the one before
cannot be joined with it); images count as drawn once, though they are drawn again rather than kept. The ceiling of products is the best of
the table above.

"""
    rows = []
    everything = [(row, row["seconds"][0], None) for row in bench["cells"]]
    everything += [(row, row["seconds"], row["target"]) for row in bench["roofline"]]
    for row, measured, target in everything:
        share = verdict(row["achieved"], target) if target else f"{row['achieved']:.2f}"
        rows.append([cell(row["cell"]), f"{row['engine']}, {row['search']}", seconds(row["bound"]), seconds(measured), share])
    text += table(["(L, d, k)", "engine, search", "bound", "measured", "bound / measured"], rows)
    missed = []
    for row in bench["cells"]:
        for peer, ratio, target, measured in zip(["plain", "tuned"], row["ratios"], row["targets"], row["seconds"][1:]):
            if ratio < target:
                best = measured / row["bound"]
                missed.append([cell(row["cell"]), peer, f"{ratio:.1f}", f"{target:g}", f"{best:.1f}", f"{row['achieved']:.2f}"])
    if missed:
        text += f"""
Ratios to a peer that fall short of their target, and what a program at the bound would reach. The tuned peer makes the products of the
dense method at {gigaflops('torch_sgemm_all')} in matrices of 2048, where ours go at {gigaflops('sgemm_all')} (the better of both ways, each time): where its ratio at the bound is below the
target, no program of our method can reach it on this machine.

"""
        text += table(["(L, d, k)", "peer", "ratio", "target", "at the bound", "bound / measured"], missed)
    text += """
## Where the time goes

Processor seconds of one thread for a network, the other core idle: inputs and stored weights; f and ∇f; the first layer along the lines;
points of the lines or passes over the neurons; and what is left (choosing points, norms, memory). The implicit engine draws its numbers
in the products with them.

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
The same time by kind of function, as `perf` sees it (`scripts/profile.py`); products with their packing. Pages are memory that the system
clears and maps.

"""
        rows = [[cell(row["cell"]), row["engine"], *(f"{100 * share:.0f} %" for share in row["shares"].values())] for row in profile]
        text += table(["(L, d, k)", "engine", *profile[0]["shares"]], rows)
    return text


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
        text += f", and {by_model} are the cost model's, times the median ratio of what was measured to what it predicts"
    return text


def end_of_run_text(prediction):
    """What the end of a run costs in the row where it takes the largest share, and what is done about it."""
    row = max(prediction["rows"], key=lambda row: row["end_of_run"] / row["seconds"])
    end, shards = prediction["end_of_run"], prediction["shards"]
    whole, samples = end["whole"], row["samples"]
    share = 100 * row["end_of_run"] / row["seconds"]
    parts = f"{seconds(whole['sample'] * samples)} of one processor and {seconds(whole['bytes'] * samples / end['disk'])} of the disk"
    return f"""- **The end of the run.** Once rank 0 has the last record, it alone makes the statistics and compresses and writes the file. With
  {row['ranks']:,} ranks and {row['networks']:,} networks a cell, {samples:,} samples, that is {seconds(row['end_of_run'])}, {share:.1f} % of the run: {parts}.
  As {shards} shards (`--shard i/{shards}`) the same networks are {shards} jobs, each of which writes its records as they are, in {seconds(row['end_of_shard'])}
  to such a disk; `merge` makes the file later, on one node. Several experiments, each with a seed of its own, have no end in common.
"""


def scaling_text(scaling, bench, figure):
    strong, prediction = scaling["strong"], scaling["prediction"]
    end, revision = prediction["end_of_run"], scaling["revision"]
    whole = end["whole"]
    strong_rows = [
        [cell(row["cell"]), row["networks"], *(seconds(row[key]) for key in ["one_rank", "two_ranks"]), f"{row['speedup']:.2f}",
         f"{row['speedup_without_start']:.2f}", seconds(row["apart"]), f"{row['speedup_apart']:.2f}"]
        for row in strong["cells"]
    ]
    processor = scaling.get("processor") or bench["machine"]["processor"]
    elsewhere = "" if processor == bench["machine"]["processor"] else f" on another machine, with {processor} processors,"
    differs = "" if revision == bench["ceilings"].get("revision") else f" at revision {revision}, which is not that of the tables above,"
    text = f"""
## Scaling

Measured by `cargo bench --locked --bench scaling`{elsewhere}{differs} at level {scaling['simd']}. A run of one tiny
network takes {seconds(strong['start_up'])} from start to end, under mpirun {seconds(strong['begin_one'])} on one rank and {seconds(strong['begin_two'])} on two, which MPI needs to start;
the 100 networks of cell (6, 10, 10) take {seconds(strong['small_cell'])} on one thread. Whole program, a thread a rank, and two processes that share
nothing but the machine, each with half of the networks, of 100 inputs each:

{table(["(L, d, k)", "networks", "one rank", "two ranks", "faster by", "without the start", "two processes apart", "faster by"], strong_rows)}
Predicted for preset `paper` by simulation: units dealt as in the program, by predicted cost. Unit times are processor seconds of one thread;
{unit_times_text(prediction)}. Units scatter by {100 * prediction['spread']:.0f} %, as in {prediction['spread_cells']} cells of which several
were measured one by one. Rank 0 needs {1e6 * prediction['taken_in']:.1f} µs to take in a record and {1e6 * prediction['journalled']:.1f} µs to journal it, and an assumed
{1e6 * prediction['message']:.0f} µs for a message. At the end of the run it needs {1e6 * whole['sample']:.2f} µs of its processor for a sample (statistics, compression,
checksums) and has {whole['bytes']:.1f} bytes of it to write, to a disk that takes {end['disk'] / 1e6:.0f} MB/s here: measured up to {end['samples']:,} samples, linear
beyond. (An experiment that these numbers do not come from took {end['check']:.2f} times what they give it.) {prediction['ranks_per_node']} ranks a node, each with its largest unit.

"""
    rows = []
    for row in prediction["rows"]:
        rows.append(
            [
                f"{row['ranks']:,}",
                f"{row['networks']:,}",
                seconds(row["seconds"]),
                seconds(row["end_of_run"]),
                f"{100 * row['efficiency']:.1f} %",
                f"{100 * row['imbalance']:.1f} %",
                f"{100 * row['root_busy']:.2f} %",
                f"{100 * row['journal']:.2f} %",
                f"{row['root_bytes'] / 1e9:.1f} GB",
                f"{row['node_bytes'] / 1e9:.0f} GB",
            ]
        )
    header = ["ranks", "networks", "time", "end of run", "efficiency", "imbalance", "rank 0 takes in", "journal", "memory of rank 0", "memory a node"]
    text += table(header, rows)
    takes_in = max(row["root_busy"] for row in prediction["rows"])
    node = prediction["rows"][0]["node_bytes"]
    text += f"""
Time is from start to end, the end of the run included; what rank 0 takes in and its journal are shares of the time before.

What breaks first, and what is done about it:

- **Memory of a node.** {prediction['ranks_per_node']} ranks that each hold the largest network, {prediction['largest_unit'] / 1e9:.1f} GB, want {node / 1e9:,.0f} GB of a node. A rank
  refuses a cell that does not fit its `--memory`, before any work; `plan --ranks N` prints what a rank needs. One rank a node with many
  threads has all of its memory: it computes as many networks at once as fit, large ones beside small ones.
- **Number of networks.** The preset has {prediction['units']:,} networks, and the longest {'takes' if prediction['longest_is_measured'] else 'is predicted to take'} {seconds(prediction['longest_unit'])}: with more ranks than
  networks some ranks stay idle, and no run is shorter than that one. More networks a cell fill the ranks (`--networks`).
{end_of_run_text(prediction)}- **Memory of rank 0**, which keeps every sample until the file is written. Experiments end at 10⁹ samples: larger ones are refused before
  they start, and go as several, each with a seed of its own.
- **Time of rank 0** before the end: it is busy with taking records in for {100 * takes_in:.1f} % of it at most, because they travel in messages of many; the
  journal has an allowance.

How the time of a network grows (exponent between the two largest points):

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


def main():
    if len(sys.argv) != 4 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    bench, scaling, document = (pathlib.Path(argument) for argument in sys.argv[1:])
    results = json.loads(bench.read_text())
    text = bench_text(results)
    measured = json.loads(scaling.read_text()) if scaling.exists() else None
    if measured and (why := unfit(measured, results["ceilings"])):
        print(f"performance: {scaling} is left out: {why}", file=sys.stderr)
    elif measured:
        figure = document.with_name(document.stem.replace("performance", "scaling") + ".svg")
        draw(measured["growth"], figure)
        text += scaling_text(measured, results, figure.name)
    others = sorted(path.name for path in document.parent.glob("performance-*.md") if path != document)
    if others:
        text += "\n## Other machines\n\n" + "".join(f"- [{name}]({name})\n" for name in others)
    document.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
