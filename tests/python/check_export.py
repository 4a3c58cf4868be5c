"""Evaluates an exported network in NumPy, on its own, and compares f, grad and step with what the file says.

Usage: check_export.py FILE

Knows only what is documented: f(x) = a . h_L / sqrt(width) with h_l = max(W_l h_{l-1}, 0) and h_0 = x, and that the sign of f is lost
at x - sign(f) * step * grad and nowhere before. Exits with 1 and says why if anything disagrees.
"""

import sys

import h5py
import numpy as np

FOUND_EXACT, FOUND_SCAN, NONE_WITHIN_BOUND, DEAD = 0, 1, 2, 3


def values(weights, a, x):
    """f at the rows of x."""
    h = x
    for w in weights:
        h = np.maximum(h @ w.T, 0.0)
    return h @ a / np.sqrt(len(a))


def gradients(weights, a, x):
    """The gradient of f at the rows of x, by the chain rule."""
    masks, h = [], x
    for w in weights:
        z = h @ w.T
        masks.append(z > 0)
        h = np.maximum(z, 0.0)
    g = np.broadcast_to(a / np.sqrt(len(a)), h.shape)
    for w, mask in zip(reversed(weights), reversed(masks)):
        g = (g * mask) @ w
    return g


def main(path):
    with h5py.File(path, "r") as file:
        depth = sum(name.startswith("W") for name in file)
        weights = [file[f"W{layer}"][()].astype(np.float64) for layer in range(1, depth + 1)]
        a, x = file["a"][()].astype(np.float64), file["X"][()].astype(np.float64)
        f, grad, step, status = (file[name][()] for name in ("f", "grad", "step", "status"))
        bound = float(file.attrs["bound"])
        single = file.attrs["precision"] == "f32"

    assert np.allclose(np.linalg.norm(x, axis=1), np.sqrt(x.shape[1]), rtol=1e-6), "inputs are not on the sphere of radius sqrt(d)"
    tolerance = 2e-5 if single else 1e-10
    scale = max(np.abs(f).max(), 1e-30)
    assert np.abs(values(weights, a, x) - f).max() <= tolerance * scale, "f disagrees"
    scale = max(np.abs(grad).max(), 1e-30)
    assert np.abs(gradients(weights, a, x) - grad).max() <= tolerance * scale, "grad disagrees"

    found = 0
    for i in range(len(f)):
        if status[i] == DEAD:
            assert f[i] == 0 or not grad[i].any(), f"input {i} is called dead"
            continue
        direction = -np.sign(f[i]) * grad[i]

        def phi(t):
            return np.sign(f[i]) * values(weights, a, x[i] + np.outer(np.atleast_1d(t), direction))

        if status[i] == NONE_WITHIN_BOUND:
            assert np.isnan(step[i]), f"input {i}: a step although none was found"
            assert (phi(np.linspace(0, bound, 2001)) > 0).all(), f"input {i}: NumPy finds a sign change"
            continue
        assert status[i] in (FOUND_EXACT, FOUND_SCAN) and 0 < step[i] <= bound, f"input {i}: status {status[i]}, step {step[i]}"
        slack = 1e-4 + (1e-5 * scale / abs(f[i]) if single else 0)
        before, after = phi([step[i] * (1 - slack), step[i] * (1 + slack)])
        assert before > 0 >= after, f"input {i}: no sign change at step {step[i]}: {before}, {after}"
        if status[i] == FOUND_EXACT:
            assert (phi(np.linspace(0, step[i] * (1 - slack), 1001)) > 0).all(), f"input {i}: an earlier sign change"
        found += 1
    print(f"{path}: {len(f)} inputs, {found} steps agree")


if __name__ == "__main__":
    main(sys.argv[1])
