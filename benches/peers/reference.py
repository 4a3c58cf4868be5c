"""The smallest step in f64, slowly: what the peers' steps are compared with.

At depth 1 φ(t) = s f(x − t s ∇f(x)) is summed over its sorted breakpoints, which is exact. Deeper, the first sign change is bracketed on a
grid of 2 % of the linear prediction (or of t, where that is larger) and bisected; two sign changes within one spacing are missed.
"""

import numpy

SPACING = 0.02
BISECTIONS = 45
# Steps that differ by more are at different sign changes.
OTHER = 1e-2


def smallest_steps(layers, readout, x, bound):
    """η* of each input, NaN where there is none up to `bound`; W_1 … W_L (k × fan-in), a/√k, and inputs (n × d), of any precision."""
    layers = [numpy.asarray(weight, dtype=numpy.float64) for weight in layers]
    readout, x = (numpy.asarray(array, dtype=numpy.float64) for array in (readout, x))
    z = x @ layers[0].T
    activations = [numpy.maximum(z, 0)]
    for weight in layers[1:]:
        activations.append(numpy.maximum(activations[-1] @ weight.T, 0))
    value = activations[-1] @ readout
    gradient = numpy.broadcast_to(readout, activations[-1].shape)
    for weight, h in zip(reversed(layers), reversed(activations)):
        gradient = (gradient * (h > 0)) @ weight
    sign = numpy.sign(value)
    u = (-sign[:, None] * gradient) @ layers[0].T
    slope = (gradient**2).sum(axis=1)
    if len(layers) == 1:
        return numpy.array([by_breakpoints(*line, readout, bound) for line in zip(z, u, sign, value)])

    def phi(t, inputs):
        h = numpy.maximum(z[inputs] + t[:, None] * u[inputs], 0)
        for weight in layers[1:]:
            h = numpy.maximum(h @ weight.T, 0)
        return sign[inputs] * (h @ readout)

    return by_grid(phi, numpy.abs(value), slope, bound)


def by_breakpoints(z, u, sign, value, readout, bound):
    """The first root of φ(t) = s Σ a relu(z + t u)."""
    with numpy.errstate(divide="ignore", invalid="ignore"):
        t = -z / u
    ahead = (t > 0) & (t < bound)
    order = numpy.argsort(t[ahead])
    ends = numpy.append(t[ahead][order], bound)
    # The slope changes by a |u| where a neuron goes on or off; φ is linear in between.
    changes = (sign * readout[ahead] * numpy.abs(u[ahead]))[order]
    active = (z > 0) | ((z == 0) & (u > 0))
    slopes = sign * (readout[active] @ u[active]) + numpy.append(0, numpy.cumsum(changes))
    phi = abs(value) + numpy.cumsum(slopes * numpy.diff(ends, prepend=0))
    if value == 0 or not (phi < 0).any():
        return numpy.nan
    piece = int((phi < 0).argmax())
    return ends[piece] - phi[piece] / slopes[piece]


def by_grid(phi, value, slope, bound):
    """The first sign change of `phi(t, inputs)` for each input."""
    steps = numpy.full(len(value), numpy.nan)
    inputs = numpy.flatnonzero((value != 0) & (slope > 0))
    spacing = SPACING * value / numpy.where(slope > 0, slope, 1)
    left = numpy.zeros(len(value))
    while len(inputs):
        right = numpy.minimum(left[inputs] + numpy.maximum(spacing[inputs], SPACING * left[inputs]), bound)
        crossed = phi(right, inputs) < 0
        if crossed.any():
            at, low, high = inputs[crossed], left[inputs[crossed]], right[crossed]
            for _ in range(BISECTIONS):
                middle = 0.5 * (low + high)
                is_right = phi(middle, at) < 0
                low, high = numpy.where(is_right, low, middle), numpy.where(is_right, middle, high)
            steps[at] = 0.5 * (low + high)
        left[inputs] = right
        inputs = inputs[~crossed & (right < bound)]
    return steps


def compare(steps, exact):
    """Relative errors of the steps where both are found and at the same sign change, and the number of inputs where they are not."""
    both = numpy.isfinite(steps) & numpy.isfinite(exact)
    error = numpy.abs(steps[both] / exact[both] - 1)
    others = (numpy.isfinite(steps) != numpy.isfinite(exact)).sum() + (error > OTHER).sum()
    return error[error <= OTHER], int(others)
