#!/usr/bin/env python3
"""Checks a results file with h5py, xarray (h5netcdf and netCDF4 engines) and netCDF4.

Opens it in every library, checks axes and attributes, computes all statistics again from the raw arrays with NumPy, and runs the
Python examples of docs/file-format.md. Exits non-zero at the first thing that is not as documented.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import warnings

try:
    import h5netcdf  # noqa: F401
    import h5py
    import netCDF4
    import numpy as np
    import xarray as xr
except ImportError as error:
    sys.exit(
        f"cannot check the results file ({error}) "
        f"run `{sys.executable} -m pip install numpy h5py xarray h5netcdf netCDF4`, or set ADVSTEP_PYTHON to a Python that has them"
    )

GRID = ("depth", "dim", "width")
AXES = GRID + ("cell", "network", "input")
# Of experiments made of shapes.
SHAPES = ("shape", "dim")
LAYER = "layer"
RAW = {
    "step": "f8",
    "zero_step": "f8",
    "distance": "f8",
    "gradient_norm": "f8",
    "value": "f8",
    "input_norm": "f8",
    "status": "u1",
    "evaluations": "u4",
}
FOUND = (0, 1)
DEAD = 3
VANISHED = 4


def check(condition, message):
    if not condition:
        sys.exit(f"results file: {message}")


def check_h5py(path):
    with h5py.File(path) as file:
        attributes = {"format", "format_version", "science_version", "method_version", "program", "experiment", "seed", "complete"}
        check(set(file.attrs) == attributes, f"root attributes {set(file.attrs)}")
        check(file.attrs["format"] == "advstep-hpc results", "format")
        check(file.attrs["format_version"] == (6 if "shape" in file else 5), "format version")
        seen = []

        def visit(name, item):
            if not isinstance(item, h5py.Dataset):
                return
            seen.append(name)
            check(isinstance(item.attrs["units"], str) and item.attrs["units"], f"{name} has no units")
            check(isinstance(item.attrs["long_name"], str) and item.attrs["long_name"], f"{name} has no long_name")
            if name in AXES + SHAPES + (LAYER,):
                check(item.is_scale, f"{name} is not a dimension scale")
                return
            for axis, dimension in enumerate(item.dims):
                check(len(dimension) == 1, f"axis {axis} of {name} has {len(dimension)} scales")
                check(dimension[0].name.lstrip("/") in AXES + SHAPES + (LAYER,), f"axis {axis} of {name} runs along {dimension[0].name}")

        file.visititems(visit)
        for name, kind in RAW.items():
            check(file[name].dtype == np.dtype(kind), f"{name} has type {file[name].dtype}")
            check(file[name].chunks is not None, f"{name} is not chunked")
        check(list(file["status"].attrs["flag_values"]) == [0, 1, 2, 3, 4, 255], "flag_values of status")
        check(file["status"].attrs["flag_meanings"] == "found-exact found-scan none-within-bound dead vanished not-run", "flag_meanings of status")
        check(isinstance(file["provenance"].attrs["command_line"], str), "command line")
        return seen


def mean(values):
    return values.mean() if values.size else np.nan


def std(values):
    return values.std(ddof=1) if values.size > 1 else np.nan


def statistics(step, zero_step, distance, gradient, value, input_norm, status, evaluations):
    """The statistics of a cell from arrays over (network, input)."""
    found = np.isin(status, FOUND)
    steps, distances, relative = step[found], distance[found], (distance / input_norm)[found]
    per_network = np.array([mean(s[f]) for s, f in zip(step, found)])
    quantiles = np.quantile(steps, [0.05, 0.5, 0.95]) if steps.size else [np.nan] * 3
    distance_quantiles = np.quantile(distances, [0.05, 0.5, 0.95]) if steps.size else [np.nan] * 3
    return {
        "fraction": found.mean(),
        "fraction_std_networks": std(found.mean(axis=1)),
        "fraction_lost": (found | (status == VANISHED)).mean(),
        "dead": (status == DEAD).sum(),
        "step_mean": mean(steps),
        "step_std": std(steps),
        "step_std_networks": std(per_network[~np.isnan(per_network)]),
        "step_q05": quantiles[0],
        "step_q50": quantiles[1],
        "step_q95": quantiles[2],
        "distance_mean": mean(distances),
        "distance_std": std(distances),
        "distance_q05": distance_quantiles[0],
        "distance_q50": distance_quantiles[1],
        "distance_q95": distance_quantiles[2],
        "relative_distance_mean": mean(relative),
        "relative_distance_std": std(relative),
        "path_mean": mean((step * gradient)[found]),
        "grad_mean": gradient.mean(),
        "grad_std": std(gradient),
        "grad_std_networks": std(gradient.mean(axis=1)),
        "value_mean": value.mean(),
        "value_std": std(value),
        "evaluations_mean": evaluations.mean(),
    }


def place(data, cell, grid):
    """The coordinates of a cell in the arrays of the statistics."""
    at = {axis: int(data[f"cell_{axis}"][cell]) for axis in grid}
    if "shape" in at:
        at["shape"] = str(data["shape"].values[at["shape"]])
    return at


def check_statistics(data, timing, lines, grid):
    run = np.zeros(data.cell_index.shape, bool)
    for cell in range(data.sizes["cell"]):
        at = place(data, cell, grid)
        summary = data.sel(at)
        check(int(summary.cell_index) == cell, f"cell_index at {at}")
        run[tuple(int(np.flatnonzero(data[axis].values == at[axis])[0]) for axis in grid)] = True
        raw = [data[name].isel(cell=cell).values for name in RAW]
        step, zero_step, distance, gradient, _, _, status, _ = raw
        found = np.isin(status, FOUND)
        check(np.array_equal(np.isnan(step), ~found), f"step is NaN where not found, at {at}")
        check(np.array_equal(np.isnan(distance), ~found), f"distance is NaN where not found, at {at}")
        check((np.isnan(zero_step) | (zero_step < step) | (status == VANISHED)).all(), f"zeros are before the flip, at {at}")
        check((~np.isnan(zero_step[status == VANISHED])).all(), f"f vanishes somewhere, at {at}")
        check(np.allclose(distance[found], (step * gradient)[found], rtol=1e-12), f"distance along a line, at {at}")
        expected = statistics(*raw)
        for name, value in expected.items():
            check(np.allclose(summary[name], value, rtol=1e-12, atol=1e-14, equal_nan=True), f"{name} at {at}: {float(summary[name])}, NumPy {value}")
        seconds = float(timing.cell_seconds.sel(at))
        check(np.isclose(seconds, timing.unit_seconds.isel(cell=cell).sum()), f"seconds at {at}")
        if lines:
            line = lines[cell]
            check({axis: line[axis] for axis in grid} == at, f"line {cell} of show is another cell")
            named = {**expected, "evaluations": expected["evaluations_mean"], "seconds": seconds}
            del named["evaluations_mean"]
            for name, value in named.items():
                shown = np.nan if line[name] is None else line[name]
                check(np.isclose(shown, value, rtol=1e-12, atol=1e-14, equal_nan=True), f"show's {name} at {at}: {shown}, NumPy {value}")
    for name in data:
        if data[name].dims == grid:
            rest = data[name].values[~run]
            check((rest == 0).all() if name == "dead" else (rest == -1).all() if name == "cell_index" else np.isnan(rest).all(), f"{name} where not run")


def check_layers(data, lines):
    """The widths of hidden layers that differ."""
    check(data.shape_hidden.dims == ("shape", LAYER), f"shape_hidden has axes {data.shape_hidden.dims}")
    widths = data.shape_hidden.values
    check((np.count_nonzero(widths, axis=1) == data.shape_depth.values).all(), "shape_hidden has not a width for each layer")
    labels = [",".join(str(width) for width in row if width) for row in widths]
    check(data["shape"].values.tolist() == labels, f"shapes {data['shape'].values} are not {labels}")
    for line, row in zip(lines, widths[data.cell_shape.values]):
        check(line["hidden"] == [width for width in row if width], f"hidden {line['hidden']} of show is not {row}")


def check_xarray(path, engine, names, lines):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_dataset(path, engine=engine) as data, xr.open_dataset(path, engine=engine, group="provenance") as timing:
            check(set(data.variables) == {name for name in names if "/" not in name}, f"{engine}: variables {set(data.variables)}")
            grid = SHAPES if "shape" in names else GRID
            for axis in grid + AXES[len(GRID):]:
                check(data[axis].dims == (axis,), f"{engine}: {axis} is not a coordinate")
            for name in RAW:
                check(data[name].dims == ("cell", "network", "input"), f"{engine}: {name} has axes {data[name].dims}")
                check(data[name].dtype == np.dtype(RAW[name]), f"{engine}: {name} has type {data[name].dtype}")
                check(f"cell_{grid[0]}" in data[name].coords, f"{engine}: {name} lacks the coordinates of its cells")
            check(data.fraction.dims == grid, f"{engine}: fraction has axes {data.fraction.dims}")
            check(timing.unit_seconds.dims == ("cell", "network"), f"{engine}: unit_seconds has axes {timing.unit_seconds.dims}")
            check(timing.unit_seconds.dtype == np.dtype("f8"), f"{engine}: unit_seconds has type {timing.unit_seconds.dtype}")
            check("host" in timing.attrs and "experiment" in data.attrs, f"{engine}: attributes")
            if LAYER in names:
                check_layers(data, lines)
            check_statistics(data, timing.assign_coords(data.coords), lines, grid)


def check_netcdf4(path):
    with netCDF4.Dataset(path) as file:
        grid = SHAPES if "shape" in file.dimensions else GRID
        expected = set(grid + AXES[len(GRID):] + ((LAYER,) if grid == SHAPES else ()))
        check(set(file.dimensions) == expected, f"netCDF4: dimensions {list(file.dimensions)}")
        check(file["step"].dimensions == ("cell", "network", "input"), "netCDF4: axes of step")
        check(file["provenance"]["cell_seconds"].dimensions == grid, "netCDF4: axes of cell_seconds")
        check(file["fraction"].units == "1" and file["provenance"]["cell_seconds"].units == "s", "netCDF4: units")


def run_examples(path, document):
    """Runs every Python block of the document beside a file called results.h5."""
    with open(document, encoding="utf-8") as file:
        blocks = re.findall(r"```python\n(.*?)```", file.read(), re.DOTALL)
    check(len(blocks) >= 2, f"{document} has {len(blocks)} Python examples")
    path, here = os.path.abspath(path), os.getcwd()
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(path, os.path.join(directory, "results.h5"))
        os.chdir(directory)
        try:
            for block in blocks:
                exec(compile(block, document, "exec"), {})
        finally:
            os.chdir(here)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", help="results file of advstep-hpc")
    parser.add_argument("--json", help="what `advstep-hpc show --format json` printed for it")
    parser.add_argument("--doc", help="document whose Python examples are run on it")
    arguments = parser.parse_args()
    lines = None
    if arguments.json:
        with open(arguments.json, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
    names = check_h5py(arguments.file)
    for engine in ("h5netcdf", "netcdf4"):
        check_xarray(arguments.file, engine, names, lines)
    check_netcdf4(arguments.file)
    if arguments.doc:
        run_examples(arguments.file, arguments.doc)
    print("results file: ok")


if __name__ == "__main__":
    main()
