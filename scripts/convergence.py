#!/usr/bin/env python3
"""How fast networks approach infinite width: Var ||grad f||^2 minus that of the limit, from k = 10 to 10^6, with a figure.

    scripts/convergence.py RESULTS.h5 [FIGURE.svg]

RESULTS.h5 is what this command writes; with inputs of 10^6 coordinates the limit itself hardly varies (its variance goes like 1/d), so that
what a finite width adds is resolved up to k = 10^6:

    advstep-hpc run --depths 1,2,3 --dims 1e6 --widths 10,30,100,300,1e3,3e3,1e4,3e4,1e5,3e5,1e6,inf --networks 400 --inputs 2 --out RESULTS.h5

Theory: ||grad f||^2 is a product over the layers of independent factors of mean 1/2. The readout's is the share of neurons that are on,
with relative variance 1/k; a hidden layer's is the mean of a^2 over neurons that are on, a ~ N(0, 1), with relative variance 5/k. So the variance
is 4^(-L) (5L - 4)/k to leading order, beside the limit's. Errors are those of the networks' means.
"""

import sys

import h5py
import numpy

INFINITE = numpy.iinfo(numpy.int64).max


def excess(file):
    """Rows (depth, width, variance minus the limit's, standard error, theory)."""
    cells = [tuple(int(file[name][i]) for name in ("cell_depth", "cell_width")) for i in range(file["gradient_norm"].shape[0])]
    values = {}
    for index, (depth, width) in enumerate(cells):
        squares = (file["gradient_norm"][index] ** 2 - 0.5**depth) ** 2
        networks = squares.mean(axis=1)
        values[depth, width] = networks.mean(), networks.std(ddof=1) / len(networks) ** 0.5
    for depth, width in cells:
        if width != INFINITE:
            (mean, error), (limit, limit_error) = values[depth, width], values[depth, INFINITE]
            yield depth, width, mean - limit, numpy.hypot(error, limit_error), 4.0**-depth * (5 * depth - 4) / width


def slope(rows):
    """The exponent of k in a least-squares line through the logarithms, weighted by their errors, and its standard error."""
    x = numpy.log([row[1] for row in rows])
    y = numpy.log([row[2] for row in rows])
    weight = (numpy.array([row[2] for row in rows]) / [row[3] for row in rows]) ** 2
    x_mean, y_mean = numpy.average(x, weights=weight), numpy.average(y, weights=weight)
    spread = (weight * (x - x_mean) ** 2).sum()
    return (weight * (x - x_mean) * (y - y_mean)).sum() / spread, spread**-0.5


def draw(rows, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "convergence"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4.2), layout="constrained")
    for depth in sorted({row[0] for row in rows}):
        ours = numpy.array([row[1:] for row in rows if row[0] == depth])
        line = axes.errorbar(ours[:, 0], ours[:, 1], yerr=ours[:, 2], fmt="o", markersize=4, label=f"L = {depth}")
        axes.plot(ours[:, 0], ours[:, 3], "--", linewidth=1, color=line[0].get_color())
    axes.set(xscale="log", yscale="log", xlabel="width k", ylabel="Var ‖∇f‖² − that of the limit")
    axes.set_title("Finite width against the limit, d = 10⁶ (dashed: 4⁻ᴸ (5L − 4)/k)", fontsize=10)
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    with h5py.File(sys.argv[1]) as file:
        rows = list(excess(file))
    print("  L        k   excess variance      error     theory   measured/theory")
    for depth, width, measured, error, theory in rows:
        print(f"{depth:>3} {width:>8} {measured:>17.3e} {error:>10.1e} {theory:>10.3e} {measured / theory:>9.2f} ± {error / theory:.2f}")
    print()
    for depth in sorted({row[0] for row in rows}):
        wide = [row for row in rows if row[0] == depth and row[1] >= 100 and row[2] > 2 * row[3]]
        exponent, error = slope(wide)
        print(f"L = {depth}: k^({exponent:.3f} ± {error:.3f}) from k = {wide[0][1]} to {wide[-1][1]}")
    if len(sys.argv) == 3:
        draw(rows, sys.argv[2])


if __name__ == "__main__":
    main()
