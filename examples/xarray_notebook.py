# %% [markdown]
# # The samples of a results file in xarray
#
# A notebook as a script: VS Code, Spyder and Jupyter (with jupytext) run its cells one by one, Python all at once. It needs
# `pip install xarray h5netcdf`, and draws if matplotlib is there. The two files, a few seconds each:
#
#     advstep-hpc --depths 1 --dims 100 --widths 10,100,1e3 --direction gradient,sign --out results/paired.h5
#     advstep-hpc --depths 1 --dims 100 --widths 10,100,1e3,inf --out results/limit.h5
#
# docs/file-format.md lists every array. Set ADVSTEP_RESULTS to another directory with files of these names.

# %%
import os
from pathlib import Path

import numpy as np
import xarray

directory = Path(os.environ.get("ADVSTEP_RESULTS", "results"))
paired = xarray.open_dataset(directory / "paired.h5", engine="h5netcdf")
limit = xarray.open_dataset(directory / "limit.h5", engine="h5netcdf")


def cell_of(data, **where):
    """The samples of one cell: step, distance, status, ... over (network, [direction,] input)."""
    return data.isel(cell=int(data.cell_index.sel(**where)))


# %% [markdown]
# ## Directions, paired
#
# All directions are measured on the same networks and inputs, so they are compared input by input. Inputs of one network
# are not independent: the standard error comes from resampling whole networks.

# %%
random = np.random.default_rng(1)

print("L = 1, d = 100: distance along sign(∇f) over distance along ∇f, inputs that flip along both")
print("     k  pairs  median ± s.e.")
for width in paired.width.values:
    distance = cell_of(paired, depth=1, dim=100, width=width).distance  # NaN unless found
    ratio = (distance.sel(direction="sign") / distance.sel(direction="gradient")).values  # (network, input)
    networks = len(ratio)
    resampled = [np.nanmedian(ratio[random.integers(networks, size=networks)]) for _ in range(500)]
    print(f"{width:6}  {np.isfinite(ratio).sum():5}  {np.nanmedian(ratio):.4f} ± {np.std(resampled, ddof=1):.4f}")

# %% [markdown]
# ## A histogram of η* of one's own
#
# On a logarithmic axis, as a density over all inputs: its integral is the fraction that flips.

# %%
cell = cell_of(limit, depth=1, dim=100, width=1000)
found = cell.status.values <= 1  # found-exact, found-scan
steps = cell.step.values[found]
edges = np.geomspace(steps.min(), steps.max(), 13)
counts, _ = np.histogram(steps, edges)
density = counts / found.size / np.diff(edges)

print(f"\nk = 1000: η* of {found.sum()} of {found.size} inputs")
for left, right, count in zip(edges, edges[1:], counts):
    print(f"{left:8.4f} to {right:8.4f} {count:5}  {'#' * round(60 * count / counts.max())}")
fraction = float(limit.fraction.sel(depth=1, dim=100, width=1000))
print(f"integral of the density {np.sum(density * np.diff(edges)):.4f}, fraction of the file {fraction:.4f}")

# %% [markdown]
# ## Against the law at infinite width
#
# The distribution function of η*, F(η) = P(the sign flips within η), at finite k and in the limit. Inputs that do not flip
# count: their η* is beyond the bound. The Kolmogorov distance is the largest difference of two distribution functions.

# %%


def sorted_steps(width):
    """η* of all inputs of a cell, ascending, infinite where the sign does not flip."""
    return np.sort(cell_of(limit, depth=1, dim=100, width=width).step.fillna(np.inf).values.ravel())


def kolmogorov_distance(one, other):
    at = np.unique(np.concatenate([one, other]))
    at = at[np.isfinite(at)]
    one, other = (np.searchsorted(steps, at, side="right") / len(steps) for steps in (one, other))
    return np.abs(one - other).max()


infinite = limit.width.infinite_width
law = sorted_steps(infinite)
print("\nL = 1, d = 100: distance of the distribution of η* from the law at infinite width")
print("     k  Kolmogorov distance")
for width in limit.width.values[limit.width.values != infinite]:
    print(f"{width:6}  {kolmogorov_distance(sorted_steps(width), law):.4f}")
print(f"two samples of {len(law)} independent inputs from one law differ by less than {1.36 * (2 / len(law)) ** 0.5:.4f} in 95 % of cases")

# %%
try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None
if plt:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.stairs(density, edges, fill=True)
    left.set(xscale="log", xlabel="η*", ylabel="density", title="L = 1, d = 100, k = 1000")
    for width in limit.width.values:
        is_law = width == infinite
        steps = sorted_steps(width)
        label, style = ("k = ∞", "k--") if is_law else (f"k = {width}", "-")
        right.step(steps, np.arange(1, len(steps) + 1) / len(steps), style, where="post", label=label)
    right.set(xscale="log", xlabel="η", ylabel="P(η* ≤ η)", title="L = 1, d = 100")
    right.legend()
    figure.savefig(directory / "xarray_notebook.png", dpi=150)
    print(f"\n{directory / 'xarray_notebook.png'}")
