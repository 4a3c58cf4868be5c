"""Evaluates an exported network in NumPy, on its own, and compares f, grad, p and step with what the file says.

Usage: check_export.py FILE

Knows only what is documented: f(x) = a . h_L / sqrt(width) with h_l = psi(W_l h_{l-1}) and h_0 = x, the directions p, that the sign of f
flips at x + step * p and nowhere before, and that f is 0 from zero_step on for a while. The nearest flips are compared with those of an attack,
DDN (Rony et al., CVPR 2019) with 300 steps. Exits with 1 and says why if anything disagrees.
"""

import math
import sys

import h5py
import numpy as np

FOUND_EXACT, FOUND_SCAN, NONE_WITHIN_BOUND, DEAD, VANISHED = 0, 1, 2, 3, 4

erf = np.vectorize(math.erf, otypes=[float])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def density(z):
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


# psi and its derivative
ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky-relu": (lambda z: np.maximum(z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "erf": (erf, lambda z: 2 / np.sqrt(np.pi) * np.exp(-(z**2))),
    "softplus": (lambda z: np.logaddexp(z, 0) - np.log(2), sigmoid),
    "gelu": (
        lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
        lambda z: (1 + erf(z / np.sqrt(2))) / 2 + z * density(z),
    ),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) + z * sigmoid(z) * sigmoid(-z)),
    "sine": (np.sin, np.cos),
}


class Network:
    def __init__(self, weights, a, activation):
        self.weights, self.a = weights, a
        self.psi, self.slope = ACTIVATIONS[activation]

    def values(self, x):
        """f at the rows of x."""
        h = x
        for w in self.weights:
            h = self.psi(h @ w.T)
        return h @ self.a / np.sqrt(len(self.a))

    def gradients(self, x):
        """The gradient of f at the rows of x, by the chain rule."""
        slopes, h = [], x
        for w in self.weights:
            z = h @ w.T
            slopes.append(self.slope(z))
            h = self.psi(z)
        g = np.broadcast_to(self.a / np.sqrt(len(self.a)), h.shape)
        for w, slope in zip(reversed(self.weights), reversed(slopes)):
            g = (g * slope) @ w
        return g

    def linear_gradient(self):
        """The gradient of the network without activations: (1/sqrt(k)) sum_l a_l w_l at depth 1."""
        g = self.a / np.sqrt(len(self.a))
        for w in reversed(self.weights):
            g = g @ w
        return g


def expected_direction(direction, network, f, g, bias):
    """p at one input with f(x) = f and gradient g, or None if that is random."""
    if direction == "gradient":
        p = g
    elif direction == "sign":
        p = np.sign(g)
    elif direction == "universal":
        p = network.linear_gradient()
        if bias:
            p[-1] = 0
        p = p * np.sign(p @ g)
    else:
        return None
    return -np.sign(f) * np.linalg.norm(g) * p / np.linalg.norm(p)


def descend(network, x, f, g, bias, bound):
    """The step of a descent: the length of its path over the norm of the first gradient."""
    norm, sign = np.linalg.norm(g), np.sign(f)
    tau = abs(f) / norm**2 / 16
    distance, value = 0.0, abs(f)
    for _ in range(320):
        length = tau * np.linalg.norm(g)
        x = x - sign * tau * g
        after = sign * network.values(x[None])[0]
        if after < 0:
            return (distance + length * value / (value - after)) / norm
        distance, value = distance + length, after
        if distance > bound * norm or length == 0 or after == 0:
            break
        g = network.gradients(x[None])[0]
        if bias:
            g[-1] = 0
    return np.nan


def ddn(network, x, f, bias, steps=300, gamma=0.05):
    """The length of the shortest adversarial perturbation that DDN finds from each row of x; inf if none."""
    sign = np.sign(f)[:, None]
    delta, radius = np.zeros_like(x), np.ones(len(x))
    shortest = np.full(len(x), np.inf)
    for step in range(steps):
        flips = sign[:, 0] * network.values(x + delta) < 0
        lengths = np.linalg.norm(delta, axis=1)
        shortest = np.where(flips, np.minimum(shortest, lengths), shortest)
        g = -sign * network.gradients(x + delta)
        if bias:
            g[:, -1] = 0
        norms = np.linalg.norm(g, axis=1, keepdims=True)
        rate = 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2
        delta = delta + rate * g / np.maximum(norms, 1e-300)
        radius = np.where(flips, (1 - gamma) * radius, (1 + gamma) * radius)
        delta *= radius[:, None] / np.maximum(np.linalg.norm(delta, axis=1, keepdims=True), 1e-300)
    return shortest


def main(path):
    with h5py.File(path, "r") as file:
        depth = sum(name.startswith("W") for name in file)
        weights = [file[f"W{layer}"][()].astype(np.float64) for layer in range(1, depth + 1)]
        a, x = file["a"][()].astype(np.float64), file["X"][()].astype(np.float64)
        f, grad, step, status = (file[name][()] for name in ("f", "grad", "step", "status"))
        zero_step, distance = file["zero_step"][()], file["distance"][()]
        bound, bias, direction = float(file.attrs["bound"]), bool(file.attrs["bias"]), file.attrs["direction"]
        bound_distance = float(file.attrs["bound_distance"])
        network = Network(weights, a, file.attrs["activation"])
        single, law = file.attrs["precision"] != "f64", file.attrs["inputs_law"]
        p = None if direction in ("descent", "nearest") else file["p"][()].astype(np.float64)

    if law == "sphere":
        assert np.allclose(np.linalg.norm(x, axis=1), np.sqrt(x.shape[1]), rtol=1e-6), "inputs are not on the sphere of radius sqrt(d)"
    if law == "hypercube":
        assert (np.abs(x) == 1).all(), "inputs are not corners of the cube"
    assert not bias or (x[:, -1] == 1).all(), "there is no bias unit"
    tolerance = 2e-5 if single else 1e-10
    scale = max(np.abs(f).max(), 1e-30)
    assert np.abs(network.values(x) - f).max() <= tolerance * scale, "f disagrees"
    scale = max(np.abs(grad).max(), 1e-30)
    assert np.abs(network.gradients(x) - grad).max() <= tolerance * scale, "grad disagrees"

    if direction == "nearest":
        attack = ddn(network, x, f, bias)
        both = np.isfinite(distance) & np.isfinite(attack)
        ratio = distance[both].mean() / attack[both].mean()
        assert both.sum() > len(f) // 2 and ratio <= 1.005, f"the nearest flips are at {ratio:.4f} times the distance that DDN finds"
        print(f"{path}: {both.sum()} steps agree: {ratio:.4f} of the distance by DDN")
        return
    found = 0
    for i in range(len(f)):
        g = grad[i].astype(np.float64)
        if bias:
            g[-1] = 0
        if status[i] == DEAD:
            assert f[i] == 0 or not g.any(), f"input {i} is called dead"
            continue
        if p is None:
            again = descend(network, x[i], f[i], g, bias, bound)
            assert np.isclose(step[i], again, rtol=1e-3 if single else 1e-6, equal_nan=True), f"input {i}: step {step[i]}, NumPy {again}"
            found += np.isfinite(step[i])
            continue
        assert np.isclose(np.linalg.norm(p[i]), np.linalg.norm(g), rtol=1e-5), f"input {i}: p is not as long as grad"
        assert not bias or p[i][-1] == 0, f"input {i}: p changes the bias unit"
        expected = expected_direction(direction, network, f[i], g, bias)
        if expected is not None:
            assert np.abs(p[i] - expected).max() <= 1e-5 * np.linalg.norm(g), f"input {i}: p is not the {direction} direction"

        def phi(t):
            return np.sign(f[i]) * network.values(x[i] + np.outer(np.atleast_1d(t), p[i]))

        if status[i] in (NONE_WITHIN_BOUND, VANISHED):
            end = min(bound, bound_distance / np.linalg.norm(p[i]))
            assert np.isnan(step[i]), f"input {i}: a step although none was found"
            assert (phi(np.linspace(0, end, 2001)) >= 0).all(), f"input {i}: NumPy finds a flip"
            assert np.isnan(zero_step[i]) == (status[i] == NONE_WITHIN_BOUND), f"input {i}: zero_step is {zero_step[i]}"
            continue
        assert status[i] in (FOUND_EXACT, FOUND_SCAN) and 0 < step[i] <= bound, f"input {i}: status {status[i]}, step {step[i]}"
        slack = 1e-4 + (1e-5 * scale / abs(f[i]) if single else 0)
        before, after = phi([step[i] * (1 - slack), step[i] * (1 + slack)])
        assert before >= 0 > after, f"input {i}: no flip at step {step[i]}: {before}, {after}"
        assert np.isclose(distance[i], step[i] * np.linalg.norm(p[i]), rtol=1e-5), f"input {i}: distance {distance[i]}"
        if status[i] == FOUND_EXACT:
            assert (phi(np.linspace(0, step[i] * (1 - slack), 1001)) >= 0).all(), f"input {i}: an earlier flip"
            lost = step[i] if np.isnan(zero_step[i]) else zero_step[i]
            assert (phi(np.linspace(0, lost * (1 - slack), 1001)) > 0).all(), f"input {i}: an earlier zero"
        found += 1
    print(f"{path}: {len(f)} inputs, {found} steps agree")


if __name__ == "__main__":
    main(sys.argv[1])
