"""Evaluates an exported network in NumPy and compares its values with those in an HDF5 export of the same network.

Usage: check_network.py NETWORK EXPORT.h5

NETWORK is .npz or .safetensors: weights (outputs x inputs) and biases named as in a PyTorch nn.Sequential, 0.weight, 0.bias, 2.weight and so on,
with the activation of PyTorch between the layers. EXPORT.h5 has the inputs and the values. Exits with 1 and says why if they disagree.
"""

import math
import sys

import h5py
import numpy as np

erf = np.vectorize(math.erf, otypes=[float])

# As PyTorch defines them: its softplus is not shifted.
ACTIVATIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky-relu": lambda z: np.maximum(z, 0.01 * z),
    "tanh": np.tanh,
    "erf": erf,
    "softplus": lambda z: np.logaddexp(z, 0),
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + np.exp(-z)),
    "sine": np.sin,
}


def tensors(path):
    if path.endswith(".npz"):
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    from safetensors.numpy import load_file

    return load_file(path)


def main():
    network, export = sys.argv[1:]
    with h5py.File(export) as file:
        x, f, psi = file["X"][:].astype(float), file["f"][:], ACTIVATIONS[file.attrs["activation"]]
        has_bias = file.attrs["bias"] == 1
        tolerance = 1e-4 if file["W1"].dtype == np.float32 else 1e-12
    if has_bias:
        x = x[:, :-1]
    found = tensors(network)
    layers = sorted({int(name.split(".")[0]) for name in found})
    for layer in layers:
        w = found[f"{layer}.weight"].astype(float)
        x = x @ w.T + found.get(f"{layer}.bias", np.zeros(len(w)))
        if layer != layers[-1]:
            x = psi(x)
    error = np.abs(x[:, 0] - f).max() / np.abs(f).max()
    if x.shape != (len(f), 1) or error > tolerance:
        sys.exit(f"the values differ by {error}, relative to the largest")
    print("values agree")


main()
