"""Changes a results file as users of h5py and xarray do, and as nobody should.

Usage: change_results.py FILE CHANGE
"""

import sys

import h5py
import numpy as np

# What leaves every value as it is.


def opened(file):
    """Opened for writing, and nothing changed."""


def annotated(file):
    file.attrs["note"] = "mine"
    file["step"].attrs["checked_by"] = np.bytes_("me")
    file["mine"] = np.arange(3.0)


def attributes_as_arrays(file):
    for place in (file, file["provenance"]):
        for name, value in dict(place.attrs).items():
            if isinstance(value, str):
                place.attrs.create(name, [value], dtype=h5py.string_dtype())
            else:
                place.attrs.create(name, np.array([value]))


def fixed_strings(file):
    for place in (file, file["provenance"]):
        for name, value in dict(place.attrs).items():
            if isinstance(value, str):
                text = value.encode()
                place.attrs.create(name, text, dtype=h5py.string_dtype("utf-8", max(len(text), 1)))


def wider_numbers(file):
    for name in ("format_version", "seed", "complete"):
        file.attrs.create(name, np.int64(file.attrs[name]))


def no_provenance(file):
    del file["provenance"]


def chunked(file):
    for name in ("step", "fraction", "status"):
        old = file[name]
        values, attributes = old[...], dict(old.attrs)
        del file[name]
        new = file.create_dataset(name, data=values, chunks=True, compression="gzip", shuffle=True)
        for key, value in attributes.items():
            if key != "DIMENSION_LIST":
                new.attrs[key] = value


HARMLESS = [opened, annotated, attributes_as_arrays, fixed_strings, wider_numbers, no_provenance, chunked]

# What is to be found out.


def first_found(file):
    return tuple(index[0] for index in np.nonzero(file["status"][...] <= 1))


def a_step(file):
    at = first_found(file)
    file["step"][at] = 0.5 * file["step"][at]


def a_distance(file):
    at = first_found(file)
    file["distance"][at] = 0.5 * file["distance"][at]


def a_zero(file):
    at = tuple(index[0] for index in np.nonzero(file["status"][...] == 2))
    file["status"][at] = 4
    file["zero_step"][at] = 1.0


def a_value(file):
    at = first_found(file)
    file["value"][at] += 1.0


def a_norm(file):
    file["gradient_norm"][first_found(file)] = -1.0


def a_step_beyond_the_bound(file):
    file["step"][first_found(file)] = 1e6


def a_status(file):
    file["status"][first_found(file)] = 2


def an_unknown_status(file):
    file["status"][first_found(file)] = 77


def evaluations(file):
    file["evaluations"][first_found(file)] += 100


def a_statistic(file):
    values = file["grad_mean"][...]
    values[np.isfinite(values)] *= 1.001
    file["grad_mean"][...] = values


def a_statistic_of_nothing(file):
    values = file["step_mean"][...]
    values[np.isnan(values)] = 1.0
    values.flat[0] = np.nan
    file["step_mean"][...] = values


def dead(file):
    file["dead"][...] = file["dead"][...] + 1


def cell_index(file):
    file["cell_index"][...] = file["cell_index"][...] + 1


def an_axis(file):
    file["width"][0] = 11


def a_cell(file):
    file["cell_dim"][0] = 6


def an_engine(file):
    file["engine"][0] = 9


def a_time(file):
    file["provenance/unit_seconds"][0, 0] = -1.0


def a_shape(file):
    values = file["step"][...]
    del file["step"]
    file["step"] = values[:-1]


def a_type(file):
    values = file["value"][...]
    del file["value"]
    file["value"] = values.astype("f4")


def an_array(file):
    del file["step_q50"]


def the_seed(file):
    file.attrs["seed"] = np.uint64(99)


def the_experiment(file):
    file.attrs["experiment"] = file.attrs["experiment"].replace("bound = 20", "bound = 19")


def the_format(file):
    file.attrs["format"] = "advstep-hpc network"


def the_version(file):
    file.attrs["format_version"] = np.uint32(9)


def negative_completeness(file):
    file.attrs["complete"] = np.int64(-1)


def two_seeds(file):
    file.attrs["seed"] = np.array([1, 2], dtype="u8")


def a_number_for_a_text(file):
    file.attrs["format"] = 3.5


def a_link(file):
    del file["value_std"]
    file["value_std"] = h5py.ExternalLink("elsewhere.h5", "/value_std")


HARMFUL = [
    a_step, a_distance, a_zero, a_value, a_norm, a_step_beyond_the_bound, a_status, an_unknown_status, evaluations, a_statistic, a_statistic_of_nothing, dead,
    cell_index, an_axis, a_cell, an_engine, a_time, a_shape, a_type, an_array, the_seed, the_experiment, the_format, the_version,
    negative_completeness, two_seeds, a_number_for_a_text, a_link,
]

# xarray reads the root group, and writes a file of its own.


def through_xarray(path, engine):
    import xarray  # takes a second, which few changes need

    data = xarray.load_dataset(path, engine=engine)
    data.to_netcdf(path, engine=engine)


def main(path, change):
    if change in ("h5netcdf", "netcdf4"):
        return through_xarray(path, change)
    (change,) = (function for function in HARMLESS + HARMFUL if function.__name__ == change)
    with h5py.File(path, "a") as file:
        change(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
