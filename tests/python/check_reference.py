"""Compares the steps of an exported f64 network with those of the reference for the peers of the benchmarks.

Usage: check_reference.py FILE
"""

import pathlib
import sys

import h5py
import numpy

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches/peers"))
import reference

with h5py.File(sys.argv[1]) as file:
    layers = [file[f"W{layer}"][()] for layer in range(1, file.attrs["depth"] + 1)]
    readout = file["a"][()] / len(file["a"]) ** 0.5
    expected = reference.smallest_steps(layers, readout, file["X"][()], file.attrs["bound"])
    steps = file["step"][()]
errors, others = reference.compare(steps, expected)
found = int(numpy.isfinite(steps).sum())
if others or not 0 < len(errors) == found or errors.max() > 1e-9:
    sys.exit(f"{others} of {len(steps)} steps are others, {found} found, largest relative error {errors.max(initial=0):.1e}")
# A reference that agrees with anything would agree with these, too.
_, others = reference.compare(steps * 1.02, expected)
if others != found:
    sys.exit("steps that are off by 2 % pass")
print("steps agree")
