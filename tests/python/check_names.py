#!/usr/bin/env python3
"""Selects directions and shapes of a results file by name, with xarray (h5netcdf and netCDF4 engines), h5py and netCDF4.

Arguments: the file, made of shapes, and its directions in order. Exits non-zero at the first thing that is not as documented.
"""

import sys

import h5py
import netCDF4
import numpy as np
import xarray as xr


def check(condition, message):
    if not condition:
        sys.exit(f"names: {message}")


def main():
    path, directions = sys.argv[1], sys.argv[2:]
    with h5py.File(path) as file:
        check(file.attrs["format_version"] == 7, f"format version {file.attrs['format_version']}")
        check([name.decode() for name in file["direction"][()]] == directions, "h5py: direction")
        distance = file["distance"][()]
    with netCDF4.Dataset(path) as file:
        check(list(file["direction"][:]) == directions, "netCDF4: direction")
    for engine in ("h5netcdf", "netcdf4"):
        with xr.open_dataset(path, engine=engine) as data:
            check(data["direction"].values.tolist() == directions, f"{engine}: {data['direction'].values}")
            for index, direction in enumerate(directions):
                found = data.distance.sel(direction=direction)
                check(found.dims == ("cell", "network", "input"), f"{engine}: axes {found.dims}")
                check(np.array_equal(found.values, distance[:, :, index], equal_nan=True), f"{engine}: distance along {direction}")
            some = data.fraction.sel(direction=directions[1:3], shape="5,9", dim=8)
            check(some.dims == ("direction",) and some.sizes["direction"] == 2, f"{engine}: a list of directions")
            ratio = data.distance.sel(direction="nearest") / data.distance.sel(direction="gradient")
            check(float(ratio.max()) <= 1.0 + 1e-6, f"{engine}: nearest is farther than the gradient")
            # Every coordinate along an axis is a number or a string, and selects itself.
            for name, coordinate in data.coords.items():
                if coordinate.dims == (name,):
                    first = coordinate.values[0]
                    check(data.sel({name: first})[name].values == first, f"{engine}: {name} = {first}")
    print("names: ok")


if __name__ == "__main__":
    main()
