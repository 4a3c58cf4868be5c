"""Reads an audit with h5py, and makes the entries of Lemmas 8 and 9 and of (17) again from the numbers of the networks."""

import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1]) as file:
    assert file.attrs["format"] == "advstep-hpc audit" and file.attrs["format_version"] == 4
    names = ["id", "citation", "claim"]
    statements = {name: file["statements"][name].asstr()[:] for name in names}
    assert len(set(statements["id"])) == len(statements["id"]) == len(statements["claim"])
    entries = {name: data.asstr()[:] if h5py.check_string_dtype(data.dtype) else data[:] for name, data in file["entries"].items()}
    count = len(entries["statement"])
    assert count > 0 and all(len(values) == count for values in entries.values())
    assert set(entries["statement"]) == set(statements["id"])
    words = ["holds", "not refuted", "fails", "undecided", "measured", "not testable here"]
    assert all(any(verdict.startswith(word) for word in words) for verdict in entries["verdict"])
    # Why something cannot be tested is always said.
    assert all(why for why, verdict in zip(entries["why"], entries["verdict"]) if verdict in ("undecided", "not testable here"))

    bounds = {
        "lemma-8": lambda d, k, gamma: 2 * (1 + np.sqrt(10 * (k + np.log(1 / gamma)) / d)),
        "lemma-9": lambda d, k, gamma: 2 * k / np.log(d) ** 3,
    }
    checked = 0
    for i in range(count):
        statement, d, k, gamma = entries["statement"][i], entries["dim"][i], entries["width"][i], entries["gamma"][i]
        if statement not in bounds:
            continue
        data = file[f"measured/{statement}/{entries['activation'][i]}-d{d}-k{k}"]
        assert data.shape == (entries["networks"][i], len(data.attrs["columns"].split("\t")))
        x = np.sort(data[:, 0])
        bound = bounds[statement](d, k, gamma)
        quantile = x[int(np.ceil(len(x) * (1 - gamma) - 1e-9)) - 1]
        assert np.isclose(entries["bound"][i], bound, rtol=1e-12) and entries["estimate"][i] == quantile
        assert entries["failures"][i] == np.sum(x > bound) and entries["trials"][i] == len(x)
        assert quantile == 0 or np.isclose(entries["margin"][i], bound / quantile)
        checked += 1
    assert checked == 2 * 4 * 2, checked
    # (17) claims two things of one network: those that break either are counted.
    both = 0
    for i in range(count):
        if not (entries["statement"][i] == "proposition-3" and entries["part"][i] == "(17)" and entries["quantity"][i].startswith("both")):
            continue
        data = file[f"measured/proposition-3/relu-d{entries['dim'][i]}-k{entries['width'][i]}"]
        breaks = (data[:, 0] > 2 * np.sqrt(np.log(2 / entries["gamma"][i]))) | (data[:, 1] < 1 / 4)
        assert entries["failures"][i] == breaks.sum() and entries["trials"][i] == len(data)
        both += 1
    assert both == 4 * 2, both
    assert file["provenance"].attrs["command_line"].find("audit") >= 0

print("audit file: ok")
