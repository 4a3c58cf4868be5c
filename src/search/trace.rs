//! Exact smallest step for deep networks, by tracing the line through its linear regions in order.
//!
//! Inside a linear region every pre-activation is α + β t. Given the masks of all layers, these pairs follow from the first layer
//! by a product with two columns per layer, [α; β] ← W (mask ∘ [α; β]). The region ends at the earliest mask flip over all
//! layers; if the linear piece of φ has its root before that, the root is η*. Where all masks of a layer are 0, φ is exactly 0 and the trace
//! goes on until it is not. A flip in layer l leaves the pre-activations of
//! layers ≤ l unchanged, so a flip in the last layer needs no product at all. Lines of wide networks are traced in lockstep, with
//! one GEMM per layer and step; those of narrow networks one at a time, with weights in L1. The number of regions grows like L·k,
//! so tracing is for small k. It runs in f64 at any precision of the network.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip, s};

use crate::kernels::Real;
use crate::kernels::linear_piece::{self, MAX_FAN_IN, Piece, padded};
use crate::linalg::matmul::times;
use crate::network::{LayerWeights, Lines};
use crate::record::Status;

use super::{NotFinite, Outcome, PHI, Start};

/// Maximum number of regions per neuron; then the trace is abandoned. `cargo bench --bench search_threshold` prints how many are
/// typical.
const MAX_REGIONS_PER_NEURON: usize = 100;

/// A root at this relative distance from the end of its region may be where φ vanishes, in the next one. Looking there costs a region.
const NEAR_END: f64 = 1e-6;

/// Relative difference of breakpoints that are the same up to rounding.
const ROUNDING: f64 = 1e-12;

/// Maximum width (neurons) for tracing line by line.
const NARROW: usize = 32;
const _: () = assert!(NARROW <= MAX_FAN_IN);

/// Whether a network with hidden layers of these widths is traced line by line rather than in lockstep.
pub fn is_narrow(mut widths: impl Iterator<Item = usize>) -> bool {
    widths.all(|width| width <= NARROW)
}

/// The smallest step on each of `lines`; `None` where the trace was abandoned, and on every line if the engine has no explicit
/// weights or ψ is not piecewise linear.
///
/// # Errors
/// If φ is not finite at the start of a region.
pub fn smallest_steps<T: Real>(network: &mut impl Lines<T>, lines: &[Start]) -> Result<Vec<Option<Outcome>>, NotFinite> {
    let Some(mut tracer) = Tracer::new(network, lines) else { return Ok(vec![None; lines.len()]) };
    let lockstep = if tracer.is_narrow { 1 } else { lines.len() };
    let mut unfinished = Vec::new();
    for start in (0..lines.len()).step_by(lockstep.max(1)) {
        unfinished.extend(start..lines.len().min(start + lockstep));
        while !unfinished.is_empty() {
            tracer.propagate(&unfinished);
            let mut failed = Ok(());
            unfinished.retain(|&line| match tracer.advance(line) {
                Ok(is_done) => !is_done,
                Err(error) => {
                    failed = Err(error);
                    false
                }
            });
            failed?;
        }
    }
    Ok(tracer.lines.into_iter().map(|line| line.outcome).collect())
}

/// One layer on all lines, each in its current region: z = α + β t and ψ', one zero-padded row of `stride` entries per line.
struct Layer {
    stride: usize,
    alpha: Vec<f64>,
    beta: Vec<f64>,
    /// 1 for active neurons, the leak (0 for ReLU) for inactive ones.
    mask: Vec<f64>,
}

impl Layer {
    fn new(lines: usize, width: usize) -> Self {
        let stride = padded(width);
        let zeros = vec![0.0; lines * stride];
        Self { stride, alpha: zeros.clone(), beta: zeros.clone(), mask: zeros }
    }

    fn piece(&self, line: usize) -> Piece<'_> {
        let row = line * self.stride..(line + 1) * self.stride;
        Piece { alpha: &self.alpha[row.clone()], beta: &self.beta[row.clone()], mask: &self.mask[row] }
    }

    /// Rows α and β of a line.
    fn pair_mut(&mut self, line: usize) -> (&mut [f64], &mut [f64]) {
        let row = line * self.stride..(line + 1) * self.stride;
        (&mut self.alpha[row.clone()], &mut self.beta[row])
    }

    /// Sets the masks of a line at t = 0.
    fn set_masks(&mut self, line: usize, leak: f64) {
        let row = line * self.stride..(line + 1) * self.stride;
        for (mask, alpha) in self.mask[row.clone()].iter_mut().zip(&self.alpha[row]) {
            *mask = if *alpha > 0.0 { 1.0 } else { leak };
        }
    }
}

/// Trace state of one line.
struct Line {
    input: usize,
    /// s = sign f(x).
    sign: f64,
    bound: f64,
    /// t at the start of the current region.
    now: f64,
    /// Regions visited.
    regions: u32,
    /// Lowest layer (index into `layers`) with stale pre-activations.
    stale_from: usize,
    /// The first t at which φ vanished; NaN if it has not.
    zero: f64,
    /// Whether φ is 0 at `now` because it was in the regions before.
    is_behind_zeros: bool,
    /// A root at the end of the region before: the step, unless φ vanishes in this one.
    pending: Option<f64>,
    /// Result; `None` while unfinished or if abandoned.
    outcome: Option<Outcome>,
}

struct Tracer {
    max_regions: u32,
    is_narrow: bool,
    /// ψ'(z) at z < 0.
    leak: f64,
    /// Wᵀ of layers 2..L, fan-in × stride.
    weights: Vec<Array2<f64>>,
    /// a/√k_L, padded to the stride of the last layer.
    readout: Vec<f64>,
    /// Layers 1..L.
    layers: Vec<Layer>,
    lines: Vec<Line>,
    /// Next flip (t, neuron) per line and layer; lines × layers.
    flips: Vec<(f64, usize)>,
    /// Masked [α; β] of the stale lines, and their product with Wᵀ.
    pairs: Vec<f64>,
    products: Vec<f64>,
    /// Lines to propagate through the current layer.
    stale: Vec<usize>,
}

impl Tracer {
    /// All lines at t = 0, with first-layer pre-activations only.
    fn new<T: Real>(network: &mut impl Lines<T>, starts: &[Start]) -> Option<Self> {
        let depth = network.depth();
        let leak = network.activation().leak()?;
        let widths: Vec<usize> = (1..=depth).map(|layer| network.width(layer)).collect();
        let mut layers: Vec<Layer> = widths.iter().map(|&width| Layer::new(starts.len(), width)).collect();
        let drawn: &mut dyn LayerWeights<T> = network.weights()?;
        let weights = (2..=depth).map(|layer| padded_transpose(&drawn.layer(layer))).collect();
        let scale = (widths[depth - 1] as f64).sqrt();
        let mut readout: Vec<f64> = drawn.readout().iter().map(|a| a.to_f64() / scale).collect();
        readout.resize(layers[depth - 1].stride, 0.0);
        network.visit_first_layer(&mut |block| {
            for (line, start) in starts.iter().enumerate() {
                let (alpha, beta) = layers[0].pair_mut(line);
                for (out, row) in [(alpha, block.z.row(start.input)), (beta, block.u.row(start.input))] {
                    out[block.neurons.clone()].iter_mut().zip(row).for_each(|(out, z)| *out = z.to_f64());
                }
            }
        });
        let line = |start: &Start| Line {
            input: start.input,
            sign: start.sign,
            bound: start.bound,
            now: 0.0,
            regions: 0,
            stale_from: 1,
            zero: f64::NAN,
            is_behind_zeros: false,
            pending: None,
            outcome: None,
        };
        let mut tracer = Self {
            max_regions: u32::try_from(MAX_REGIONS_PER_NEURON * widths.iter().sum::<usize>()).unwrap_or(u32::MAX),
            is_narrow: is_narrow(widths.iter().copied()),
            leak,
            weights,
            readout,
            layers,
            lines: starts.iter().map(line).collect(),
            flips: vec![(f64::INFINITY, 0); starts.len() * depth],
            pairs: Vec::new(),
            products: Vec::new(),
            stale: Vec::new(),
        };
        (0..starts.len()).for_each(|line| tracer.update(line, 0));
        Some(tracer)
    }

    /// Recomputes the stale layers of `lines`.
    fn propagate(&mut self, lines: &[usize]) {
        for upper in 1..self.layers.len() {
            let mut stale = std::mem::take(&mut self.stale);
            stale.clear();
            stale.extend(lines.iter().filter(|&&line| self.lines[line].stale_from <= upper));
            match self.is_narrow {
                true => stale.iter().for_each(|&line| self.multiply_one(line, upper)),
                false => self.multiply_all(&stale, upper),
            }
            stale.iter().for_each(|&line| self.update(line, upper));
            self.stale = stale;
        }
    }

    /// Propagates [α; β] of one line to layer `upper` from the layer below.
    fn multiply_one(&mut self, line: usize, upper: usize) {
        let (below, above) = self.layers.split_at_mut(upper);
        let weights = self.weights[upper - 1].as_slice().expect("contiguous");
        let (alpha, beta) = above[0].pair_mut(line);
        linear_piece::propagate(weights, below[upper - 1].piece(line), alpha, beta);
    }

    /// Propagates [α; β] of several lines to layer `upper` with one GEMM.
    fn multiply_all(&mut self, lines: &[usize], upper: usize) {
        let weights = &self.weights[upper - 1];
        let (fan_in, stride) = weights.dim();
        self.pairs.clear();
        for &line in lines {
            let Piece { alpha, beta, mask } = self.layers[upper - 1].piece(line);
            for row in [alpha, beta] {
                self.pairs.extend(row[..fan_in].iter().zip(mask).map(|(z, mask)| z * mask));
            }
        }
        self.products.resize(2 * lines.len() * stride, 0.0);
        let pairs = ArrayView2::from_shape((2 * lines.len(), fan_in), &self.pairs).expect("two rows per line");
        let products = ArrayViewMut2::from_shape((2 * lines.len(), stride), &mut self.products).expect("two rows per line");
        times(pairs, weights.view(), products);
        for (&line, product) in lines.iter().zip(self.products.chunks_exact(2 * stride)) {
            let (alpha, beta) = self.layers[upper].pair_mut(line);
            alpha.copy_from_slice(&product[..stride]);
            beta.copy_from_slice(&product[stride..]);
        }
    }

    /// Updates the next flip of a layer after its pre-activations or masks changed; sets the masks in the first region.
    fn update(&mut self, line: usize, layer: usize) {
        let flip = &mut self.flips[line * self.layers.len() + layer];
        let Line { now, regions, .. } = self.lines[line];
        let layer = &mut self.layers[layer];
        if regions == 0 {
            layer.set_masks(line, self.leak);
        }
        *flip = linear_piece::next_flip(layer.piece(line), now);
    }

    /// Advances a line through regions; returns true when it is finished, false when a flip below the last layer requires
    /// re-propagation.
    fn advance(&mut self, index: usize) -> Result<bool, NotFinite> {
        let depth = self.layers.len();
        loop {
            let (flipping, (t, neuron)) = earliest(&self.flips[index * depth..(index + 1) * depth]);
            let event = self.event(index, t)?;
            let line = &mut self.lines[index];
            line.regions += 1;
            match event {
                // A root at 0 means that φ(0) > 0 does not hold in f64: leave the line to the scan.
                Event::Root(0.0) => return Ok(true),
                Event::Zeros if line.now == 0.0 => return Ok(true),
                Event::Root(step) => {
                    line.outcome = Some(Outcome::found(step, Status::FoundExact, line.regions).after_zero(line.zero));
                    return Ok(true);
                }
                Event::Zeros => {
                    line.zero = if line.zero.is_nan() { line.now } else { line.zero };
                    (line.is_behind_zeros, line.pending) = (true, None);
                }
                Event::RootAtEnd(step) => line.pending = Some(step),
                Event::Point => {}
                Event::None => line.is_behind_zeros = false,
            }
            if t >= line.bound {
                line.outcome = Some(Outcome::none(line.regions).after_zero(line.zero));
                return Ok(true);
            }
            if line.regions >= self.max_regions {
                return Ok(true);
            }
            line.now = t;
            line.stale_from = flipping + 1;
            let layer = &mut self.layers[flipping];
            let mask = &mut layer.mask[index * layer.stride + neuron];
            *mask = 1.0 + self.leak - *mask;
            self.update(index, flipping);
            if flipping + 1 < depth {
                return Ok(false);
            }
        }
    }

    /// What φ, linear there, does in the current region, which ends at `end`.
    fn event(&self, line: usize, end: f64) -> Result<Event, NotFinite> {
        let top = self.layers.last().expect("there is a layer").piece(line);
        let (value, slope) = linear_piece::value_and_slope(&self.readout, top);
        let Line { input, sign, now, bound, is_behind_zeros, pending, .. } = self.lines[line];
        let (value, slope) = (sign * value, sign * slope);
        let phi = value + slope * now;
        NotFinite::check_at(PHI, input, now, phi)?;
        if value == 0.0 && slope == 0.0 {
            return Ok(Event::Zeros);
        }
        // The layers above one that turns off or on reach 0 at the same t, up to rounding.
        if let Some(step) = pending {
            return Ok(if end <= step * (1.0 + ROUNDING) { Event::Point } else { Event::Root(step) });
        }
        if is_behind_zeros {
            return Ok(match () {
                () if end <= now * (1.0 + ROUNDING) => Event::Point,
                () if slope < 0.0 => Event::Root(now),
                () => Event::None,
            });
        }
        let root = match phi <= 0.0 {
            true => now,
            false => (-value / slope).max(now),
        };
        Ok(match () {
            () if phi > 0.0 && !(slope < 0.0 && root <= end.min(bound)) => Event::None,
            () if end < bound && root >= end * (1.0 - NEAR_END) => Event::RootAtEnd(root),
            () => Event::Root(root),
        })
    }
}

/// What φ does in a linear region.
enum Event {
    /// It stays positive.
    None,
    /// It reaches 0 here, …
    Root(f64),
    /// … or so close to the end of the region that the next one decides whether it flips or vanishes.
    RootAtEnd(f64),
    /// It is 0 everywhere.
    Zeros,
    /// The region is a point, up to rounding, before or after zeros.
    Point,
}

/// Layer index and (t, neuron) of the earliest flip.
fn earliest(flips: &[(f64, usize)]) -> (usize, (f64, usize)) {
    let mut first = 0;
    for layer in 1..flips.len() {
        first = if flips[layer].0 < flips[first].0 { layer } else { first };
    }
    (first, flips[first])
}

/// Wᵀ in f64 with zero-padded rows.
fn padded_transpose<T: Real>(w: &Array2<T>) -> Array2<f64> {
    let mut transpose = Array2::zeros((w.ncols(), padded(w.nrows())));
    Zip::from(transpose.slice_mut(s![.., ..w.nrows()])).and(w.t()).for_each(|out, w| *out = w.to_f64());
    transpose
}
