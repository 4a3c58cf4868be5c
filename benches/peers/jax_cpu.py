#!/usr/bin/env python3
"""The experiment as an expert would write it in JAX, compiled for the CPU.

The method of tuned_torch.py with f evaluated at every depth: shapes are fixed in a compiled program, so that breakpoints in a window cannot be
picked out, and XLA fuses a point of the line at depth 1 into one pass over z and u, which is cheaper than sorting them all. A compiled loop runs
until half of the inputs are done; the others go on in a smaller batch. Weights are drawn by NumPy on all threads, which is faster than JAX's
generators on a CPU.
"""

import os

import numpy

import timing
from timing import BOUND

SPACING = 0.5  # of the grid that brackets the root, in units of the linear prediction
WIDENING = 0.25  # … or of t, where that is larger
TOLERANCE = 4e-5  # relative width of the bracket
SMALLEST_BATCH = 8


class Peer:
    WARM_UP = 2

    def __init__(self, threads, seed):
        # XLA starts a thread for each core that it may use when it is loaded.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        import jax

        self.jax, self.threads = jax, threads
        self.generators = [numpy.random.Generator(numpy.random.SFC64([seed, thread])) for thread in range(threads)]
        self.first_pass, self.search, self.take = compiled(jax)

    def normals(self, rows, columns, scale):
        """rows × columns numbers N(0, scale²), an equal share of the rows by each thread."""
        out = numpy.empty((rows, columns), dtype=numpy.float32)
        parts = numpy.array_split(out, self.threads if out.size >= 1 << 16 else 1)

        def fill(thread, part):
            self.generators[thread].standard_normal(dtype=numpy.float32, out=part)
            part *= numpy.float32(scale)

        timing.in_threads(len(parts), fill, parts)
        return out

    def draw(self, depth, dim, width, inputs):
        """Weights of all layers, the scaled readout, and inputs; W_1 ~ N(0, 1/d), W_l ~ N(0, 1/k), a = ±1."""
        layers = [self.normals(width, dim, dim**-0.5)] + [self.normals(width, width, width**-0.5) for _ in range(depth - 1)]
        readout = self.generators[0].integers(0, 2, width).astype(numpy.float32) * 2 - 1
        x = self.normals(inputs, dim, 1.0)
        x *= numpy.float32(dim**0.5) / numpy.linalg.norm(x, axis=1, keepdims=True)
        return layers, readout * numpy.float32(width**-0.5), x

    def arrays(self, drawn):
        return drawn

    def steps(self, drawn):
        """The smallest step of each input, NaN where there is none up to the bound."""
        layers, readout, x = [self.jax.numpy.asarray(array) for array in drawn[0]], *map(self.jax.numpy.asarray, drawn[1:])
        state, lines = self.first_pass(layers, readout, x)
        step, inputs = numpy.full(len(x), numpy.nan, dtype=numpy.float32), numpy.arange(len(x))
        while True:
            state = self.search(layers[1:], readout, lines, state)
            done, alive, root = (numpy.asarray(state[key]) for key in ("done", "alive", "root"))
            step[inputs[done]] = root[done]
            left = numpy.flatnonzero(alive)
            if len(left) == 0:
                return step
            # Half the batch, filled up with lines that are done.
            order = numpy.concatenate([left, numpy.flatnonzero(~alive)])[: max(SMALLEST_BATCH, -(-len(alive) // 2))]
            inputs = inputs[order]
            lines, state = self.take(lines, state, order)


def compiled(jax):
    """The compiled functions: f, ∇f and the lines; the search until half of the batch is done; and a part of the batch."""
    jnp = jax.numpy

    @jax.jit
    def first_pass(layers, readout, x):
        z = x @ layers[0].T
        activations = [jax.nn.relu(z)]
        for weight in layers[1:]:
            activations.append(jax.nn.relu(activations[-1] @ weight.T))
        value = activations[-1] @ readout
        gradient = jnp.broadcast_to(readout, activations[-1].shape)
        for weight, h in zip(reversed(layers), reversed(activations)):
            gradient = (gradient * (h > 0)) @ weight
        sign = jnp.sign(value)
        decline = jnp.square(gradient).sum(axis=1)
        spacing = SPACING * jnp.abs(value) / decline
        zero = jnp.zeros_like(value)
        state = {
            "point": jnp.minimum(spacing, BOUND), "left": zero, "phi_left": jnp.abs(value), "right": zero + jnp.inf, "phi_right": zero,
            "last": zero, "root": zero, "done": zero > 0, "alive": (value != 0) & (decline > 0),
        }  # fmt: skip
        return state, {"z": z, "u": (gradient * -sign[:, None]) @ layers[0].T, "sign": sign, "spacing": spacing}

    @jax.jit
    def search(above, readout, lines, state):
        def is_worth_it(state):
            alive = state["alive"].sum()
            batch = len(state["alive"])
            return (alive > 0) & ((2 * alive > batch) | (batch <= SMALLEST_BATCH))

        def advance(state):
            h = jax.nn.relu(lines["z"] + state["point"][:, None] * lines["u"])
            for weight in above:
                h = jax.nn.relu(h @ weight.T)
            phi = lines["sign"] * (h @ readout if above else (h * readout).sum(axis=1))
            new = narrowed(phi, lines["spacing"], **state)
            return {key: jnp.where(state["alive"], new[key], state[key]) for key in state}

        return jax.lax.while_loop(is_worth_it, advance, state)

    def narrowed(phi, spacing, point, left, phi_left, right, phi_right, last, root, done, alive):
        """The state after `phi` was found at `point`: the bracket [left, right] with φ > 0 ≥ φ, and which end moved last (−1 left, 1 right)."""
        positive = phi > 0
        # Illinois: the value at an end that stays for a second time counts half.
        phi_left = jnp.where(positive, phi, jnp.where(last > 0, 0.5 * phi_left, phi_left))
        phi_right = jnp.where(positive, jnp.where(last < 0, 0.5 * phi_right, phi_right), phi)
        last = jnp.where(jnp.isfinite(right), jnp.where(positive, -1.0, 1.0), 0.0)
        left, right = jnp.where(positive, point, left), jnp.where(positive, right, point)
        bracketed = jnp.isfinite(right)
        root = jnp.where(bracketed, left + (right - left) * phi_left / (phi_left - phi_right), 0.0)
        done = bracketed & ((right - left <= TOLERANCE * right) | (jnp.abs(root - point) <= 0.25 * TOLERANCE * root))
        ahead = jnp.minimum(left + jnp.maximum(spacing, WIDENING * left), BOUND)
        return {
            "point": jnp.where(bracketed, root, ahead), "left": left, "phi_left": phi_left, "right": right, "phi_right": phi_right,
            "last": last, "root": root, "done": done, "alive": ~(done | (~bracketed & (left >= BOUND))),
        }  # fmt: skip

    @jax.jit
    def take(lines, state, order):
        return jax.tree.map(lambda array: array[order], (lines, state))

    return first_pass, search, take


if __name__ == "__main__":
    timing.main(__doc__, "jax", Peer)
