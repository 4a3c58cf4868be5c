#!/usr/bin/env python3
"""Compares `advstep-hpc measure` with PyTorch on networks that PyTorch trains, in f64.

    torch_measure.py [--program advstep-hpc] [--activations relu,tanh] [--hidden 32 --hidden 48,24] [--directory DIR]

Needs the program, and PyTorch, NumPy and h5py. For each activation and shape it trains a classifier with biases on Gaussian clusters (f32, Adam),
saves its state_dict as safetensors and fresh inputs as NPZ, and lets the program measure the directions `gradient` and `sign` with

    --logits predicted   the margin of the predicted class over every other one
    --logits 0,1         the difference of two outputs

The same function is then evaluated by PyTorch alone, with the saved weights in f64: autograd gives the direction, a scan of --points points up to
the program's bound the first interval at whose end the sign differs, and bisection the flip. Prints a row per network, function and direction:

    found        inputs at which the program finds a flip, and PyTorch
    status       inputs at which one of them finds a flip and the other does not
    farther      inputs at which the program's step is longer by more than the tolerance: it has missed a flip
    nearer       inputs at which it is shorter, and PyTorch confirms the flip: the scan was too coarse
    wrong        inputs at which it is shorter and PyTorch does not confirm the flip
    rel. error   largest relative difference of the steps of all other inputs
    classes      predicted and reached classes that differ (`reached` where the steps agree)
    value        largest difference of f(x), relative to the largest |f|; of ‖∇f(x)‖, relative; and of step · ‖∇f(x)‖ from the distance

Searches that are exact by the program's rule (one hidden layer, or a piecewise linear activation and widths up to 100) must agree to 1e-8, and
others to 1e-4 except for a share --missed of the inputs, because a scan may miss a pair of crossings. Exits with 1 if they do not, if a class
differs or a step is wrong, or if f(x) or ‖∇f(x)‖ differ by more than 1e-10.
"""

import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch

CLASSES = 5
FUNCTIONS = ("predicted", "0,1")
DIRECTIONS = ("gradient", "sign")
ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "leaky-relu": torch.nn.LeakyReLU,
    "tanh": torch.nn.Tanh,
    "softplus": torch.nn.Softplus,
    "gelu": torch.nn.GELU,
    "silu": torch.nn.SiLU,
}
PIECEWISE_LINEAR = ("relu", "leaky-relu")
# Up to this width deep piecewise linear networks are traced.
TRACED = 100
# Relative difference of steps, of exact searches and of scans.
TOLERANCES = {True: 1e-8, False: 1e-4}
# Largest difference of f(x) and its gradient's norm that is rounding.
ROUNDING = 1e-10
# Points evaluated at once.
BATCH = 200_000


def clusters(rows, dim, seed):
    """Inputs and classes: Gaussian clusters that overlap, with means that do not depend on `seed`."""
    means = torch.randn(2 * CLASSES, dim, generator=torch.Generator().manual_seed(0))
    random = torch.Generator().manual_seed(seed)
    cluster = torch.randint(2 * CLASSES, (rows,), generator=random)
    return means[cluster] + 0.7 * torch.randn(rows, dim, generator=random), cluster % CLASSES


def trained(activation, hidden, dim, epochs):
    """A classifier trained in f32."""
    torch.manual_seed(1)
    sizes = [dim, *hidden]
    modules = []
    for below, above in zip(sizes, sizes[1:]):
        modules += [torch.nn.Linear(below, above), ACTIVATIONS[activation]()]
    model = torch.nn.Sequential(*modules, torch.nn.Linear(sizes[-1], CLASSES))
    x, y = clusters(2000, dim, 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(epochs):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def save_safetensors(path, state):
    """The format by hand, without its package: length of the header, header as JSON, numbers."""
    header, data = {}, b""
    for name, tensor in state.items():
        numbers = tensor.detach().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(numbers)]}
        data += numbers
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Function:
    """f > 0 at `x`: the margin of the predicted class, or a difference of outputs times its sign at x."""

    def __init__(self, model, x, name):
        self.model, self.name = model, name
        with torch.no_grad():
            outputs = model(x)
        self.predicted = outputs.argmax(1)
        self.sign = torch.sign(outputs[:, 0] - outputs[:, 1])

    def margins(self, x, rows):
        """l_p - l_j of every class j, and infinity for j = p; or one column."""
        outputs = self.model(x)
        if self.name != "predicted":
            return (self.sign[rows] * (outputs[:, 0] - outputs[:, 1]))[:, None]
        own = self.predicted[rows][:, None]
        return (outputs.gather(1, own) - outputs).scatter(1, own, torch.inf)

    def values(self, x, rows):
        return self.margins(x, rows).min(1).values

    def gradients(self, x):
        x = x.clone().requires_grad_()
        values = self.values(x, torch.arange(len(x)))
        return values.detach(), torch.autograd.grad(values.sum(), x)[0]


def first_flip(function, x, direction, bound, points):
    """The smallest t <= bound at which f(x + t * direction) < 0, and the class that passes; NaN where there is none. Rows are measured together."""
    rows = torch.arange(len(x))
    below, above = torch.zeros(len(x), dtype=x.dtype), torch.full((len(x),), torch.nan, dtype=x.dtype)
    grid = bound * torch.arange(1, points + 1, dtype=x.dtype) / points
    step = max(1, BATCH // len(x))
    for start in range(0, points, step):
        at = grid[start : start + step]
        shape = (len(at), len(x))
        where = x + at[:, None, None] * direction
        flipped = function.values(where.flatten(0, 1), rows.expand(shape).flatten()).reshape(shape) < 0
        first = flipped.int().argmax(0)
        new = flipped.any(0) & above.isnan()
        above = torch.where(new, at[first], above)
    below = above - bound / points
    for _ in range(60):
        middle = (below + above) / 2
        flipped = function.values(x + middle[:, None] * direction, rows) < 0
        above, below = torch.where(flipped, middle, above), torch.where(flipped, below, middle)
    return above, function.margins(x + above.nan_to_num()[:, None] * direction, rows).argmin(1)


@torch.no_grad()
def compared(function, x, values, gradients, file, column, is_exact, options):
    """The numbers of one row of the table, and whether they are right."""
    direction = -(gradients if DIRECTIONS[column] == "gradient" else torch.sign(gradients))
    direction = direction / direction.norm(dim=1, keepdim=True)
    tolerance = TOLERANCES[is_exact]
    theirs, reached = first_flip(function, x, direction, options.bound_distance, options.points)
    ours = torch.tensor(file["distance"][:, column])
    both = ours.isfinite() & theirs.isfinite()
    status = int((ours.isfinite() != theirs.isfinite()).sum())
    error = ours / theirs - 1
    is_near = error.abs() <= tolerance
    farther, nearer = both & (error > tolerance), both & (error < -tolerance)
    rows = torch.arange(len(x))
    beyond = function.values(x + (ours.nan_to_num() * (1 + tolerance))[:, None] * direction, rows) < 0
    wrong = nearer & ~beyond
    nearer &= beyond
    largest = float(error[both & is_near].abs().max()) if (both & is_near).any() else float("nan")
    value = float((torch.tensor(file["value"][()]).abs() - values).abs().max() / values.max())
    norms = gradients.norm(dim=1)
    norm = float((torch.tensor(file["gradient_norm"][()]) / norms - 1).abs().max())
    # The step has the unit of the gradient, whatever the direction.
    unit = float(((torch.tensor(file["step"][:, column]) * norms)[both] / ours[both] - 1).abs().max()) if both.any() else 0.0
    classes = 0
    if function.name == "predicted":
        classes = int((torch.tensor(file["predicted"][()]) != function.predicted).sum())
        # Near a tie of two others either may be first.
        classes += int((torch.tensor(file["reached"][:, column]) != reached)[both & is_near].sum())
    counts = [int(mask.sum()) for mask in (ours.isfinite(), theirs.isfinite(), farther, nearer, wrong)]
    text = "{:>5} {:>5} {:>6} {:>7} {:>6} {:>5}".format(counts[0], counts[1], status, *counts[2:])
    print(f"{text} {classes:>7} {largest:>10.1e} {value:>8.0e} {norm:>8.0e} {unit:>8.0e}", flush=True)
    missed = 0 if is_exact else options.missed * len(x)
    return status + counts[2] <= missed and not (classes or counts[4]) and max(value, norm, unit) <= ROUNDING


def check(activation, hidden, directory, options):
    """Measures one network in all ways; whether all numbers are right."""
    model = trained(activation, hidden, options.dim, options.epochs)
    network, inputs = directory / "network.safetensors", directory / "inputs.npz"
    save_safetensors(network, model.state_dict())
    model = model.double()
    x, labels = clusters(options.inputs, options.dim, 2)
    np.savez(inputs, X=x.numpy(), y=labels.numpy())
    x = x.double()
    accuracy = float((model(x).argmax(1) == labels).double().mean())
    shape = ",".join(map(str, hidden))
    print(f"{activation} {options.dim}-{shape}-{CLASSES}: accuracy {accuracy:.1%}", flush=True)
    is_exact = len(hidden) == 1 or activation in PIECEWISE_LINEAR and max(hidden) <= TRACED
    if options.search != "auto":
        is_exact = options.search == "exact" and (len(hidden) == 1 or activation in PIECEWISE_LINEAR)
    is_right = True
    for name in FUNCTIONS:
        out = directory / "measure.h5"
        command = [
            options.program, "measure", str(network), "--inputs", str(inputs), "--activation", activation, "--logits", name, "--direction",
            ",".join(DIRECTIONS), "--bound-distance", str(options.bound_distance), "--search", options.search, "--threads", str(options.threads),
            "--quiet", "--overwrite", "--out", str(out),
        ]  # fmt: skip
        if subprocess.run(command).returncode != 0:
            sys.exit(f"error: failed: {' '.join(command)}")
        function = Function(model, x, name)
        values, gradients = function.gradients(x)
        with h5py.File(out) as file:
            for column, direction in enumerate(DIRECTIONS):
                print(f"  {name:<9} {direction:<8}", end=" ")
                is_right &= compared(function, x, values, gradients, file, column, is_exact, options)
    return is_right


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="What the columns mean is in the head of this file.")
    parser.add_argument("--program", default="advstep-hpc")
    parser.add_argument("--activations", default="relu,tanh", help="comma-separated, of " + ", ".join(ACTIVATIONS))
    parser.add_argument("--hidden", action="append", metavar="K1,K2,...", help="widths; repeat for several networks [default: 32 and 48,24]")
    parser.add_argument("--dim", type=int, default=12)
    parser.add_argument("--inputs", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--bound-distance", type=float, default=12.0)
    parser.add_argument("--search", choices=["auto", "exact", "scan"], default="auto")
    parser.add_argument("--points", type=int, default=4000, help="of the scan")
    parser.add_argument("--missed", type=float, default=0.01, help="share of the inputs at which a scan may miss a flip")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--directory", type=pathlib.Path, help="keep the files here [default: a temporary directory]")
    options = parser.parse_args()
    activations = options.activations.split(",")
    if unknown := [name for name in activations if name not in ACTIVATIONS]:
        parser.error(f"unknown activation {unknown[0]}")
    torch.set_num_threads(options.threads)
    shapes = [[int(width) for width in text.split(",")] for text in options.hidden or ["32", "48,24"]]
    print("  function  direction found torch status farther nearer wrong classes rel. error    value gradient     unit")
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or pathlib.Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        results = [check(activation, hidden, directory, options) for activation in activations for hidden in shapes]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
