#!/usr/bin/env python3
"""The experiment as an expert would write it in PyTorch: masks instead of autograd, the first layer along the line for free.

With z = W_1 x and u = W_1 p the first layer at x + t p is relu(z + t u), so a point of the line costs L − 1 products, and none but a
sum at depth 1. The first sign change is bracketed on multiples of the linear prediction and closed by the Illinois variant of regula
falsi; inputs that are done leave the batch. Same output as plain_torch.py.
"""

import torch

import timing

BOUND = 20.0
SPACING = 0.5  # of the grid that brackets the root, in units of the linear prediction
WIDENING = 0.25  # … or of t, where that is larger
TOLERANCE = 4e-5  # relative width of the bracket


class Network:
    """Weights of all layers and the readout, W_1 ~ N(0, 1/d), W_l ~ N(0, 1/k), a = ±1."""

    def __init__(self, depth, dim, width):
        self.layers = [torch.randn(width, dim).mul_(dim**-0.5)]
        self.layers += [torch.randn(width, width).mul_(width**-0.5) for _ in range(depth - 1)]
        self.readout = torch.randint(0, 2, (width,)).mul_(2).sub_(1).float().mul_(width**-0.5)

    def above(self, h):
        """f from the activations of the first layer."""
        for weight in self.layers[1:]:
            h = (h @ weight.T).relu_()
        return h @ self.readout

    def value_and_gradient(self, x):
        """f, its gradient, and the pre-activations of the first layer."""
        z = x @ self.layers[0].T
        activations = [z.relu()]
        for weight in self.layers[1:]:
            activations.append((activations[-1] @ weight.T).relu_())
        value = activations[-1] @ self.readout
        gradient = self.readout.expand(len(x), -1)
        for weight, h in zip(reversed(self.layers), reversed(activations)):
            gradient = (gradient * (h > 0)) @ weight
        return value, gradient, z


@torch.inference_mode()
def measure(depth, dim, width, inputs):
    """The smallest step of each input, NaN where there is none up to the bound."""
    network = Network(depth, dim, width)
    x = torch.randn(inputs, dim)
    x.mul_(dim**0.5 / x.norm(dim=1, keepdim=True))
    value, gradient, z = network.value_and_gradient(x)
    sign = value.sign()
    u = (gradient * -sign[:, None]) @ network.layers[0].T
    step = torch.full((inputs,), torch.nan)

    # Of the inputs that are not done: index, sign, first layer, and the bracket [left, right] with φ > 0 ≥ φ (right once it is seen).
    index = torch.arange(inputs)
    predicted = value.abs() / gradient.square().sum(dim=1)
    left, phi_left = torch.zeros(inputs), value.abs()
    right, phi_right = torch.full((inputs,), torch.inf), torch.zeros(inputs)
    last = torch.zeros(inputs)  # the end that moved last: −1 left, 1 right, 0 while there is no bracket
    point = (SPACING * predicted).clamp(max=BOUND)
    alive = (value != 0) & predicted.isfinite()
    while True:
        if not alive.all():
            index, sign, predicted, left, phi_left, right, phi_right, last, point, z, u = (
                array[alive] for array in (index, sign, predicted, left, phi_left, right, phi_right, last, point, z, u)
            )
        if len(index) == 0:
            return step
        phi = sign * network.above(torch.addcmul(z, point[:, None], u).relu_())
        positive = phi > 0
        # Illinois: the value at an end that stays for a second time counts half.
        phi_left = torch.where(positive, phi, torch.where(last > 0, 0.5 * phi_left, phi_left))
        phi_right = torch.where(positive, torch.where(last < 0, 0.5 * phi_right, phi_right), phi)
        last = torch.where(right.isfinite(), torch.where(positive, -1.0, 1.0), 0.0)
        left, right = torch.where(positive, point, left), torch.where(positive, right, point)
        bracketed = right.isfinite()
        root = left + (right - left) * phi_left / (phi_left - phi_right)
        done = bracketed & ((right - left <= TOLERANCE * right) | ((root - point).abs() <= 0.25 * TOLERANCE * root))
        step[index[done]] = root[done]
        ended = ~bracketed & (left >= BOUND)
        alive = ~(done | ended)
        ahead = (left + torch.maximum(SPACING * predicted, WIDENING * left)).clamp(max=BOUND)
        point = torch.where(bracketed, root, ahead)


if __name__ == "__main__":
    timing.main(__doc__, "tuned", measure)
