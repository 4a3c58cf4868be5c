#!/usr/bin/env python3
"""Compares the steps of `advstep-hpc measure` with attacks of two toolboxes, IBM's ART and Foolbox, on exported networks.

    check_attacks.py [--program advstep-hpc] [--inputs 20] [--grid 0.005]

Needs the program, and

    pip install -r scripts/requirements-attacks.txt

Each network is exported with its inputs and measured in the directions `gradient` and `sign`. The toolboxes attack the classifier with the logits
(f(x), -f(x))/2, evaluated and differentiated in NumPy with the exported weights. Their fast gradient methods move along the gradient of the cross
entropy (norm 2), or its sign (norm inf), by multiples of --grid until the class changes: ART by FastGradientMethod(minimal=True) in f32, Foolbox by
L2FastGradientAttack and LinfFastGradientAttack in f64. Both gradients are along that of f, so that the first multiple has to be the measured length
rounded up to the grid: the Euclidean distance for norm 2, and distance / sqrt(d) for norm inf.

Prints a row per network, direction and toolbox:

    found       inputs that the program flips within the toolbox's largest multiple
    flipped     inputs that the toolbox flips
    largest     largest difference of the two lengths, in units of the grid: below 1
    wrong       inputs that one of them flips and the other does not, or whose lengths differ by more than the grid

Exits with 1 if any is wrong, or if fewer than half of the inputs are flipped. Lengths may differ by 1e-5 besides, because ART computes in f32.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

# Foolbox imports GitPython, which complains where there is no git.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import eagerpy
import foolbox
import h5py
import numpy as np
from art.attacks.evasion import FastGradientMethod
from art.estimators import BaseEstimator, LossGradientsMixin
from art.estimators.classification import ClassifierMixin

NETWORKS = [
    "--depth 1 --dim 20 --width 100",
    "--depth 3 --dim 10 --width 40",
    "--depth 2 --dim 12 --width 50 --bias",
    "--depth 1 --dim 20 --width 100 --activation tanh --readout gaussian",
]
# Activations and their derivatives.
ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
}
# The norm in which the toolboxes measure each direction.
NORMS = {"gradient": 2, "sign": np.inf}
ROUNDING = 1e-5
# Foolbox clips to them; no step comes near.
BOUNDS = (-1e3, 1e3)


class Network(LossGradientsMixin, ClassifierMixin, BaseEstimator):
    """An exported network as a classifier of two classes."""

    def __init__(self, path):
        super().__init__(model=None, clip_values=None)
        with h5py.File(path) as file:
            depth, self.has_bias = int(file.attrs["depth"]), bool(file.attrs["bias"])
            self.weights = [file[f"W{layer}"][()].astype(float) for layer in range(1, depth + 1)]
            self.a = file["a"][()] / np.sqrt(len(file["a"]))
            self.psi, self.derivative = ACTIVATIONS[file.attrs["activation"]]
            x = file["X"][()].astype(float)
        # The last coordinate is the bias unit's.
        self.x = x[:, :-1] if self.has_bias else x
        self.nb_classes = 2

    @property
    def input_shape(self):
        return self.x.shape[1:]

    def fit(self, x, y, **kwargs):
        raise NotImplementedError

    def forward(self, x):
        """f at the rows of x, and z of every layer."""
        h, z = (np.column_stack([x, np.ones(len(x))]) if self.has_bias else x), []
        for w in self.weights:
            z.append(h @ w.T)
            h = self.psi(z[-1])
        return h @ self.a, z

    def predict(self, x, **kwargs):
        f = self.forward(np.asarray(x, float))[0]
        return np.column_stack([f, -f]) / 2

    def loss_gradient(self, x, y, **kwargs):
        """Of the cross entropy ln(1 + exp(-s f)), where s = 1 for class 0 and -1 for class 1."""
        f, z = self.forward(np.asarray(x, float))
        sign = np.where(np.argmax(y, axis=1) == 0, 1.0, -1.0)
        back = np.tile(self.a, (len(f), 1))
        for w, z in zip(self.weights[::-1], z[::-1]):
            back = (back * self.derivative(z)) @ w
        back = back[:, : self.x.shape[1]]
        return back * (-sign / (1 + np.exp(sign * f)))[:, None]


def art(network, norm, multiples):
    """The points at which ART flips the rows of network.x, or gives up."""
    attack = FastGradientMethod(
        network, norm=norm, eps=multiples[-1], eps_step=multiples[0], minimal=True, batch_size=len(network.x)
    )
    return attack.generate(network.x.astype(np.float32)).astype(float)


def foolbox_fgm(network, norm, multiples):
    """The same by Foolbox, which differentiates only through PyTorch, TensorFlow or JAX: the gradient is ours, all else Foolbox's."""
    base = foolbox.attacks.L2FastGradientAttack if norm == 2 else foolbox.attacks.LinfFastGradientAttack
    classes = np.argmax(network.predict(network.x), 1)
    one_hot = np.eye(2)[classes]

    class Attack(base):
        def value_and_grad(self, loss_fn, x):
            return loss_fn(x), eagerpy.astensor(network.loss_gradient(x.numpy(), one_hot))

    model = foolbox.NumPyModel(network.predict, bounds=BOUNDS)
    _, points, flips = Attack()(model, eagerpy.astensor(network.x), eagerpy.astensor(classes), epsilons=list(multiples))
    first = np.argmax(flips.numpy(), axis=0)
    return np.stack([points[multiple].numpy()[row] for row, multiple in enumerate(first)])


TOOLBOXES = {"ART": art, "Foolbox": foolbox_fgm}


def check(words, directory, options):
    """Attacks one network with every toolbox; whether all lengths agree."""
    network, measurement = directory / "net.h5", directory / "measure.h5"
    for command in (
        ["export", *words.split(), "--inputs", str(options.inputs), "--precision", "f64", "--overwrite", "--out", str(network)],
        ["measure", str(network), "--inputs", f"{network}::X", "--direction", ",".join(NORMS), "--quiet", "--overwrite",
         "--out", str(measurement)],
    ):  # fmt: skip
        if subprocess.run([options.program, *command], stdout=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"error: failed: {' '.join(command)}")
    classifier = Network(network)
    with h5py.File(measurement) as file:
        distances, norms, steps = file["distance"][()], file["gradient_norm"][()], file["step"][()]
    # Of the gradient, whose step is in units of it.
    np.testing.assert_allclose(steps[:, 0] * norms, distances[:, 0], rtol=1e-9)
    x, is_right = classifier.x, True
    for column, (direction, norm) in enumerate(NORMS.items()):
        ours = distances[:, column] / (1 if norm == 2 else np.sqrt(x.shape[1]))
        multiples = options.grid * np.arange(1, 1.2 * np.nanmax(ours) / options.grid)
        found = np.isfinite(ours)
        for toolbox, attack in TOOLBOXES.items():
            moved = attack(classifier, norm, multiples)
            theirs = np.linalg.norm(moved - x, ord=norm, axis=1)
            flipped = np.argmax(classifier.predict(moved), 1) != np.argmax(classifier.predict(x), 1)
            differences = theirs - ours
            is_near = (differences >= -ROUNDING) & (differences <= options.grid + ROUNDING)
            wrong = int(((found != flipped) | (found & ~is_near)).sum())
            largest = np.abs(differences[found & flipped]).max() / options.grid
            row = f"{words:<70} {direction:<9} {toolbox:<7} {found.sum():>5} {flipped.sum():>7} {largest:>8.4f} {wrong:>6}"
            print(row, flush=True)
            is_right &= wrong == 0 and 2 * found.sum() >= len(x)
    return is_right


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="What the columns mean is in the head of this file.")
    parser.add_argument("--program", default="advstep-hpc")
    parser.add_argument("--inputs", type=int, default=20)
    parser.add_argument("--grid", type=float, default=0.005)
    options = parser.parse_args()
    print(f"{'network':<70} direction toolbox found flipped  largest  wrong")
    with tempfile.TemporaryDirectory() as directory:
        results = [check(words, pathlib.Path(directory), options) for words in NETWORKS]
    if not all(results):
        sys.exit("attacks: they differ")
    print("attacks: ok")


if __name__ == "__main__":
    main()
