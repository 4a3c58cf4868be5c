#!/usr/bin/env python3
"""Compares the distances of `--direction nearest` with those of Foolbox's DDNAttack, from the same inputs of the same networks.

    foolbox_ddn.py [--program advstep-hpc] [--cells L,d,k ...] [-- OPTIONS]

Needs the program and

    pip install -r scripts/requirements-bench.txt

Each network is exported in f64 and attacked in f64 as a classifier with logits (s f(x), -s f(x))/2, where s is the sign of f at the input: the
attack succeeds where the sign of f has flipped, and a zero of f does not count. The inputs' bounds are +-1000, which DDN never reaches and
which do not affect its step sizes. Whatever Foolbox reports, every flip is confirmed in NumPy with the exported weights.
OPTIONS go to both `run` and `export`, such as --gain 2 --readout gaussian --seed 7. ReLU only, without a bias unit.

DDN (Rony et al., CVPR 2019) multiplies the radius by 1 +- gamma in each step and never places its points on the boundary, so its distances
exceed those along its own directions. The column "on line" has the distance to the first flip on the segment from the input to DDN's point.

Prints a table, a row per cell. Ratios are of means, with the standard error of a ratio of means (delta method, independent inputs).

    inputs           flipped by all three: the gradient's step, nearest and DDN
    none             inputs without a flip: gradient/nearest/DDN
    mean distance    over `inputs`; their ratio is nearest / DDN
    without grad.    the same ratio over the inputs that nearest and DDN flip
    > gradient       inputs that nearest flips farther away than the gradient's step, or not at all, although the gradient's step does
    DDN nearer       inputs at which nearest / DDN exceeds 1.005, and the largest nearest / DDN

Exits with 1 if a ratio exceeds --tolerance or an input is counted under > gradient. There a relative 1e-12 is rounding and does not count.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import foolbox
import h5py
import numpy as np
import torch

CELLS = [(1, 30, 200), (2, 30, 100), (3, 20, 60), (3, 50, 300), (1, 100, 1000), (2, 50, 300)]
BOUNDS = (-1e3, 1e3)
# A nearest / DDN beyond this counts as DDN nearer.
NEARER = 1.005


class Network:
    """An exported ReLU network and its inputs: f(x) = a . h_L / sqrt(k), h_l = max(W_l h_(l-1), 0), h_0 = x."""

    def __init__(self, path):
        with h5py.File(path) as file:
            if file.attrs["activation"] != "relu" or file.attrs["bias"]:
                sys.exit("error: not a ReLU network without a bias unit: only these are supported")
            self.weights = [file[f"W{layer}"][()] for layer in range(1, int(file.attrs["depth"]) + 1)]
            self.a, self.x, self.f = file["a"][()], file["X"][()], file["f"][()]
        if np.abs(self.values(self.x) - self.f).max() > 1e-10 * np.abs(self.f).max():
            sys.exit(f"error: {path}: NumPy disagrees with f")

    def values(self, x):
        """f at the rows of x, in NumPy."""
        h = x
        for w in self.weights:
            h = np.maximum(h @ w.T, 0)
        return h @ self.a / np.sqrt(len(self.a))

    def module(self, sign):
        """The classifier (s f, -s f)/2 for a batch with one sign s per row."""
        weights, a = [torch.tensor(w) for w in self.weights], torch.tensor(self.a / np.sqrt(len(self.a)))
        sign = torch.tensor(sign)

        class Classifier(torch.nn.Module):
            def forward(self, x):
                h = x
                for w in weights:
                    h = torch.relu(h @ w.T)
                half = sign * (h @ a) / 2
                return torch.stack([half, -half], dim=1)

        return Classifier().eval()


def ddn(network, options):
    """Distance to DDN's point, and to the first flip on the segment up to it, from each input; NaN where none is confirmed."""
    sign = np.where(network.f < 0, -1.0, 1.0)
    model = foolbox.PyTorchModel(network.module(sign), bounds=BOUNDS, device="cpu")
    attack = foolbox.attacks.DDNAttack(steps=options.steps, gamma=options.gamma, init_epsilon=options.init_epsilon)
    labels = torch.zeros(len(sign), dtype=torch.long)
    _, points, _ = attack(model, torch.tensor(network.x), labels, epsilons=None)
    delta = points.numpy() - network.x
    flips = (network.f != 0) & (sign * network.values(network.x + delta) < 0)
    distance = np.where(flips, np.linalg.norm(delta, axis=1), np.nan)
    return distance, distance * first_flip(network, sign, delta)


def first_flip(network, sign, delta, points=400):
    """The smallest t in (0, 1] at which the sign of f at x + t delta has flipped: on a grid, then by bisection. 1 if none is found."""

    def flipped(t):
        return sign * network.values(network.x + t[:, None] * delta) < 0

    rows = len(delta)
    above, known = np.ones(rows), np.zeros(rows, dtype=bool)
    for t in np.arange(1, points) / points:
        first = flipped(np.full(rows, t)) & ~known
        above, known = np.where(first, t, above), known | first
    below = above - 1 / points
    for _ in range(40):
        middle = (below + above) / 2
        beyond = flipped(middle)
        above, below = np.where(beyond, middle, above), np.where(beyond, below, middle)
    return above


def measured(cell, directory, options):
    """Distances along the gradient and to the nearest flip, of DDN, and of DDN on its line: one array each, (networks x inputs)."""
    depth, dim, width = map(str, cell)
    shared = ["--inputs", str(options.inputs), "--precision", "f64", *options.options]
    results = directory / "run.h5"
    execute(
        options.program, "run", "--depths", depth, "--dims", dim, "--widths", width, "--networks", str(options.networks),
        "--direction", "gradient,nearest", "--engine", "dense", "--threads", str(options.threads), "--quiet", "--overwrite",
        "--out", str(results), *shared,
    )  # fmt: skip
    with h5py.File(results) as file:
        gradient, nearest = (file["distance"][0, :, direction] for direction in (0, 1))
        value = file["value"][0, :, 0]
    attacks = []
    for index in range(options.networks):
        path = directory / "network.h5"
        execute(
            options.program, "export", "--depth", depth, "--dim", dim, "--width", width, "--network", str(index),
            "--overwrite", "--out", str(path), *shared,
        )  # fmt: skip
        network = Network(path)
        if not np.array_equal(network.f, value[index]):
            sys.exit(f"error: network {index} of {cell}: export and run disagree on f")
        attacks.append(ddn(network, options))
    by_ddn, on_line = np.array(attacks).transpose(1, 0, 2)
    return gradient, nearest, by_ddn, on_line


def execute(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"error: cannot run {command[0]}: {error.strerror}\nhelp: name the binary with --program")
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)}:\n{done.stderr}")


def ratio(numerator, denominator):
    """Ratio of the means and its standard error."""
    value = numerator.mean() / denominator.mean()
    residual = numerator - value * denominator
    return value, residual.std(ddof=1) / len(residual) ** 0.5 / denominator.mean()


def cell_of(text):
    numbers = tuple(int(number) for number in text.split(","))
    if len(numbers) != 3:
        raise argparse.ArgumentTypeError(f"{text} is not L,d,k")
    return numbers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="advstep-hpc", help="the binary [%(default)s]")
    parser.add_argument("--cells", type=cell_of, nargs="+", default=CELLS, metavar="L,d,k", help="depth, dim and width [six cells]")
    parser.add_argument("--networks", type=int, default=1, help="networks per cell [%(default)s]")
    parser.add_argument("--inputs", type=int, default=50, help="inputs per network [%(default)s]")
    parser.add_argument("--steps", type=int, default=300, help="steps of DDN [%(default)s]")
    parser.add_argument("--gamma", type=float, default=0.05, help="gamma of DDN [%(default)s, Foolbox's default]")
    parser.add_argument("--init-epsilon", type=float, default=1.0, help="first radius of DDN [%(default)s, Foolbox's default]")
    parser.add_argument("--tolerance", type=float, default=1.005, help="largest accepted nearest / DDN [%(default)s]")
    parser.add_argument("--threads", type=int, default=1, help="threads of the program and of PyTorch [%(default)s]")
    parser.add_argument("--show", action="store_true", help="also list the inputs that DDN flips nearer, or alone")
    parser.add_argument("options", nargs="*", help="after --: options of run and export")
    return parser.parse_args()


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)  # DDN draws a direction where the gradient is 0
    print(f"Foolbox {foolbox.__version__}, PyTorch {torch.__version__}, DDN with {options.steps} steps, gamma {options.gamma:g}, f64")
    print(f"{'':>31}{'mean distance':^36}{'nearest / DDN':>17} {'nearest / DDN':>17}")
    print(
        f"{'L':>2} {'d':>4} {'k':>5} {'inputs':>6} {'none':>10} {'gradient':>8} {'nearest':>8} {'DDN':>8} {'on line':>8}"
        f" {'':>17} {'without grad.':>17} {'> gradient':>11} {'DDN nearer':>12}"
    )
    accepted = True
    for cell in options.cells:
        with tempfile.TemporaryDirectory() as directory:
            distances = measured(cell, pathlib.Path(directory), options)
        gradient, nearest, by_ddn, _ = distances
        all_three, both = np.isfinite(distances).all(axis=0), np.isfinite([nearest, by_ddn]).all(axis=0)
        none = "/".join(str(np.isnan(distance).sum()) for distance in (gradient, nearest, by_ddn))
        farther = (~(nearest <= gradient * (1 + 1e-12)) & np.isfinite(gradient)).sum()
        ratios = [ratio(nearest[inputs], by_ddn[inputs]) for inputs in (all_three, both)]
        is_nearer = nearest > NEARER * by_ddn
        print(
            "{:>2} {:>4} {:>5}".format(*cell),
            f"{all_three.sum():>6} {none:>10}",
            *(f"{distance[all_three].mean():>8.4f}" for distance in distances),
            *(f"{value:>8.4f} ± {error:.4f}" for value, error in ratios),
            f"{farther:>11} {is_nearer.sum():>4} ({np.nanmax(nearest / by_ddn):.3f})",
            flush=True,
        )
        accepted = accepted and farther == 0 and all(value <= options.tolerance for value, _ in ratios)
        if options.show:
            for at in map(tuple, np.argwhere(is_nearer | (np.isnan(nearest) & np.isfinite(by_ddn)))):
                names = ("gradient", "nearest", "DDN", "on line")
                listed = ", ".join(f"{name} {distance[at]:.4f}" for name, distance in zip(names, distances))
                print(f"        network {at[0]} input {at[1]}: {listed}")
    sys.exit(0 if accepted else 1)


if __name__ == "__main__":
    main()
