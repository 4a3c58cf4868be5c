#!/usr/bin/env python3
"""The experiment as a practitioner would write it in PyTorch: autograd, a grid over the step, bisection.

For one network and a batch of inputs: f and its gradient by autograd, f on a grid of 200 values of the step up to 20, the first sign
change of each input, and bisection inside it. All inputs of a network are evaluated together. Prints one line of JSON: seconds a
network (drawing the weights included), fraction of inputs switched and mean step.
"""

import torch

import timing
from timing import BOUND

GRID = 200
BISECTIONS = 20


def network(depth, dim, width):
    """Weights of all layers and the readout, W_1 ~ N(0, 1/d), W_l ~ N(0, 1/k), a = ±1."""
    layers = [torch.randn(width, dim) / dim**0.5]
    layers += [torch.randn(width, width) / width**0.5 for _ in range(depth - 1)]
    readout = (torch.randint(0, 2, (width,)) * 2 - 1).float()
    return layers, readout


def forward(layers, readout, x):
    """f at each row of x."""
    h = x
    for weight in layers:
        h = torch.relu(h @ weight.T)
    return h @ readout / len(readout) ** 0.5


class Peer:
    def __init__(self, threads, seed):
        torch.set_num_threads(threads)
        torch.manual_seed(seed)

    def draw(self, depth, dim, width, inputs):
        """A network and its inputs, uniform on the sphere of radius √d."""
        x = torch.randn(inputs, dim)
        return *network(depth, dim, width), x / x.norm(dim=1, keepdim=True) * dim**0.5

    def arrays(self, drawn):
        layers, readout, x = drawn
        return [weight.numpy() for weight in layers], readout.numpy() / len(readout) ** 0.5, x.detach().numpy()

    def steps(self, drawn):
        return smallest_steps(*drawn).numpy()


def smallest_steps(layers, readout, x):
    """The smallest step of each input, NaN where there is none up to the bound."""
    x.requires_grad_(True)
    value = forward(layers, readout, x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    with torch.no_grad():
        sign = torch.sign(value)
        direction = -sign[:, None] * gradient

        def phi(step):
            return sign * forward(layers, readout, x + step[:, None] * direction)

        grid = torch.linspace(BOUND / GRID, BOUND, GRID)
        crossed = torch.stack([phi(step.expand(len(x))) <= 0 for step in grid], dim=1)
        found = crossed.any(dim=1)
        right = grid[crossed.int().argmax(dim=1)]
        left = right - BOUND / GRID
        for _ in range(BISECTIONS):
            middle = 0.5 * (left + right)
            positive = phi(middle) > 0
            left = torch.where(positive, middle, left)
            right = torch.where(positive, right, middle)
        return torch.where(found, 0.5 * (left + right), torch.nan)


if __name__ == "__main__":
    timing.main(__doc__, "plain", Peer)
