#!/usr/bin/env python3
"""The experiment as an expert would write it in PyTorch: masks instead of autograd, and nothing evaluated that is known already.

With z = W_1 x and u = W_1 p the first layer at x + t p is relu(z + t u). At depth 1 f is linear between the breakpoints −z/u: those in a
window of a few linear predictions are sorted, and their cumulative sums are f at all of them, without an evaluation. Deeper, a point of the
line costs L − 1 products; the first sign change is bracketed on multiples of the linear prediction and closed by the Illinois variant of
regula falsi, and inputs that are done leave the batch. Weights are drawn on all threads. `--compile` fuses the element-wise passes with
torch.compile; `--precision medium` lets products run in bf16.
"""

import torch

import timing
from timing import BOUND

WINDOW = 2.0  # of breakpoints, in units of the linear prediction; it grows by this factor while an input is not done
SPACING = 0.5  # of the grid that brackets the root, in units of the linear prediction
WIDENING = 0.25  # … or of t, where that is larger
TOLERANCE = 4e-5  # relative width of the bracket
ROWS_AT_ONCE = 4096  # of a weight matrix, to be drawn by one thread


def value_and_mask(z, readout):
    """f of one hidden layer, and the readout of the active neurons."""
    return z.relu() @ readout, (z > 0) * readout


def are_in_window(z, u, start, end):
    """Whether the breakpoint −z/u of each neuron is in (start, end], for each row."""
    ahead = torch.where(u > 0, -z, z)
    size = u.abs()
    return (ahead > start[:, None] * size) & (ahead <= end[:, None] * size)


def on_line(z, u, t):
    """The first layer at t."""
    return torch.addcmul(z, t[:, None], u).relu()


def narrowed(phi, bracket, spacing):
    """The bracket (left, φ(left), right, φ(right), which end moved last) and the next point after `phi` was found at `point`; which are done."""
    point, left, phi_left, right, phi_right, last = bracket
    positive = phi > 0
    # Illinois: the value at an end that stays for a second time counts half.
    phi_left = torch.where(positive, phi, torch.where(last > 0, 0.5 * phi_left, phi_left))
    phi_right = torch.where(positive, torch.where(last < 0, 0.5 * phi_right, phi_right), phi)
    last = torch.where(right.isfinite(), torch.where(positive, -1.0, 1.0), 0.0)
    left, right = torch.where(positive, point, left), torch.where(positive, right, point)
    bracketed = right.isfinite()
    root = left + (right - left) * phi_left / (phi_left - phi_right)
    done = bracketed & ((right - left <= TOLERANCE * right) | ((root - point).abs() <= 0.25 * TOLERANCE * root))
    alive = ~(done | (~bracketed & (left >= BOUND)))
    ahead = (left + torch.maximum(spacing, WIDENING * left)).clamp(max=BOUND)
    return torch.where(bracketed, root, ahead), left, phi_left, right, phi_right, last, root, done, alive


class Peer:
    def __init__(self, threads, seed, compiled=False, precision="highest"):
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        self.threads = threads
        self.generators = [torch.Generator().manual_seed(1000 * seed + thread) for thread in range(threads)]
        # `dynamic`: the number of inputs shrinks.
        compiler = torch.compile(dynamic=True) if compiled else lambda function: function
        self.value_and_mask, self.are_in_window, self.on_line, self.narrowed = map(
            compiler, (value_and_mask, are_in_window, on_line, narrowed)
        )

    @classmethod
    def configured(cls, name, arguments):
        """The name and the constructor that the options ask for."""
        options = [word for word, given in [("compiled", arguments.compile), ("medium", arguments.precision == "medium")] if given]
        return " ".join([name, *options]), Variant(arguments.compile, arguments.precision)

    def normals(self, rows, columns, scale):
        """rows × columns numbers N(0, scale²), an equal share of the rows by each thread."""
        out = torch.empty(rows, columns)
        parts = out.tensor_split(self.threads if rows * columns >= 1 << 16 else 1)

        @torch.inference_mode()
        def fill(thread, part):
            for piece in part.split(ROWS_AT_ONCE):
                piece.normal_(0.0, scale, generator=self.generators[thread])

        timing.in_threads(len(parts), fill, parts)
        return out

    @torch.inference_mode()
    def draw(self, depth, dim, width, inputs):
        """Weights of all layers, the scaled readout, and inputs; W_1 ~ N(0, 1/d), W_l ~ N(0, 1/k), a = ±1."""
        layers = [self.normals(width, dim, dim**-0.5)] + [self.normals(width, width, width**-0.5) for _ in range(depth - 1)]
        readout = torch.randint(0, 2, (width,), generator=self.generators[0]).mul_(2).sub_(1).float().mul_(width**-0.5)
        x = self.normals(inputs, dim, 1.0)
        return layers, readout, x.mul_(dim**0.5 / x.norm(dim=1, keepdim=True))

    def arrays(self, drawn):
        layers, readout, x = drawn
        return [weight.numpy() for weight in layers], readout.numpy(), x.numpy()

    @torch.inference_mode()
    def steps(self, drawn):
        """The smallest step of each input, NaN where there is none up to the bound."""
        layers, readout, x = drawn
        z = x @ layers[0].T
        if len(layers) == 1:
            value, masked = self.value_and_mask(z, readout)
            gradient = masked @ layers[0]
        else:
            activations = [z.relu()]
            for weight in layers[1:]:
                activations.append((activations[-1] @ weight.T).relu_())
            value = activations[-1] @ readout
            gradient = readout.expand(len(x), -1)
            for weight, h in zip(reversed(layers), reversed(activations)):
                gradient = (gradient * (h > 0)) @ weight
        sign = value.sign()
        u = (gradient * -sign[:, None]) @ layers[0].T
        decline = gradient.square().sum(dim=1)
        search = self.along_breakpoints if len(layers) == 1 else self.by_evaluations
        return search(layers, readout, z, u, sign, value.abs(), decline).numpy()

    def along_breakpoints(self, layers, readout, z, u, sign, value, decline):
        """Depth 1: sorted breakpoints and cumulative sums, window by window."""
        step = torch.full_like(value, torch.nan)
        index = ((value > 0) & (decline > 0)).nonzero().squeeze(1)
        # φ and its slope at the start of the window.
        phi, slope = value[index].double(), -decline[index].double()
        start, end = torch.zeros(len(index)), (WINDOW * value[index] / decline[index]).clamp(max=BOUND)
        while len(index):
            if len(index) < len(z):
                z, u, sign = z[kept], u[kept], sign[kept]
            inside = self.are_in_window(z, u, start, end)
            row, column = inside.nonzero(as_tuple=True)
            count = inside.sum(dim=1)
            place = torch.arange(len(row)) - (count.cumsum(0) - count)[row]
            u_inside = u[row, column]
            # Rows of breakpoints, padded with the end of the window, where the slope does not change.
            t = end[:, None].repeat(1, int(count.max()) + 1)
            change = torch.zeros_like(t)
            t[row, place] = -z[row, column] / u_inside
            change[row, place] = sign[row] * readout[column] * u_inside.abs()
            t, order = t.sort(dim=1)
            slopes = slope[:, None] + change.gather(1, order).cumsum(1, dtype=torch.double)
            before = torch.cat([slope[:, None], slopes[:, :-1]], dim=1)
            values = phi[:, None] + (before * t.double().diff(dim=1, prepend=start[:, None].double())).cumsum(1)
            crossed = values < 0
            found = crossed.any(dim=1)
            piece = crossed.int().argmax(dim=1, keepdim=True)
            root = (t.gather(1, piece) - values.gather(1, piece) / before.gather(1, piece)).squeeze(1).float()
            step[index[found]] = root[found]
            kept = (~found & (end < BOUND)).nonzero().squeeze(1)
            index, start, phi, slope = index[kept], end[kept], values[kept, -1], slopes[kept, -1]
            end = (WINDOW * start).clamp(max=BOUND)
        return step

    def by_evaluations(self, layers, readout, z, u, sign, value, decline):
        """Bracketing and regula falsi on f."""
        step = torch.full_like(value, torch.nan)
        index, spacing = torch.arange(len(value)), SPACING * value / decline
        zero = torch.zeros_like(value)
        bracket = (spacing.clamp(max=BOUND), zero, value, torch.full_like(value, torch.inf), zero, zero)
        alive = (value > 0) & (decline > 0)
        while True:
            if not alive.all():
                index, sign, spacing, z, u, *bracket = (array[alive] for array in (index, sign, spacing, z, u, *bracket))
            if len(index) == 0:
                return step
            h = self.on_line(z, u, bracket[0])
            for weight in layers[1:]:
                h = (h @ weight.T).relu_()
            *bracket, root, done, alive = self.narrowed(sign * (h @ readout), bracket, spacing)
            step[index[done]] = root[done]


class Variant:
    """The constructor of a peer with options; spawned processes can receive it."""

    WARM_UP = 2

    def __init__(self, compiled, precision):
        self.options = (compiled, precision)

    def __call__(self, threads, seed):
        return Peer(threads, seed, *self.options)


def add_options(parser):
    parser.add_argument("--compile", action="store_true", help="fuse element-wise passes with torch.compile")
    parser.add_argument("--precision", choices=["highest", "medium"], default="highest", help="set_float32_matmul_precision")


if __name__ == "__main__":
    timing.main(__doc__, "tuned", Peer, add_options)
