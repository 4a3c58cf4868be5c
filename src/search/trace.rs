//! Exact smallest step for deep networks, by tracing the linear pieces of the line one after the other.
//!
//! Inside a linear region every pre-activation is α + β t. Given the masks of all layers these pairs follow from the first layer by two
//! columns a layer, [α; β] ← W (mask ∘ [α; β]). The next neuron to leave its mask, over all layers, ends the region; if the piece of
//! φ has its root before that, the root is η*. All inputs of a network are traced in lockstep, so each step is a GEMM a layer; a flip in
//! layer l leaves the layers up to l as they are, and a flip in the last layer needs no product at all. The number of regions grows
//! like L·k, so tracing is for small k. It runs in f64 whatever the precision of the network.

use ndarray::{Array2, Axis, Zip, s};

use crate::kernels::Real;
use crate::kernels::line::next_flip;
use crate::network::{Engine, times_transposed};
use crate::unit::Status;

use super::{Outcome, Start};

/// Regions after which a trace is given up, as a multiple of the number of neurons; `cargo bench --bench search_threshold` prints how
/// many they need.
const MAX_REGIONS_PER_NEURON: usize = 100;

/// The smallest step on each of `lines`, or `None` where tracing was given up: for all lines of an engine that has no
/// weights, or whose ψ is not piecewise linear.
pub fn smallest_steps<T: Real>(engine: &mut dyn Engine<T>, lines: &[Start], bound: f64) -> Vec<Option<Outcome>> {
    let Some(mut tracer) = Tracer::new(engine, lines) else { return vec![None; lines.len()] };
    let neurons: usize = (1..=engine.depth()).map(|layer| engine.width(layer)).sum();
    let max_regions = (MAX_REGIONS_PER_NEURON * neurons) as u32;
    loop {
        tracer.propagate();
        for line in 0..lines.len() {
            tracer.advance(line, bound, max_regions);
        }
        if tracer.results.iter().all(Option::is_some) {
            break;
        }
    }
    tracer.results.into_iter().map(|result| result.expect("the loop ends when all are there")).collect()
}

/// The pre-activations of one layer on all lines, in the current regions.
struct Layer {
    /// z = α + β t; n × k_l.
    alpha: Array2<f64>,
    beta: Array2<f64>,
    /// ψ': 1 for neurons that are on, the leak (0 for ReLU) for those that are off; n × k_l.
    mask: Array2<f64>,
    /// For each line, the next flip of this layer and its neuron.
    next_flip: Vec<(f64, usize)>,
}

impl Layer {
    fn new(alpha: Array2<f64>, beta: Array2<f64>, leak: f64) -> Self {
        let mask = alpha.mapv(|z| if z > 0.0 { 1.0 } else { leak });
        let mut layer = Self { next_flip: vec![(0.0, 0); alpha.nrows()], alpha, beta, mask };
        for line in 0..layer.next_flip.len() {
            layer.find_next_flip(line, 0.0);
        }
        layer
    }

    fn find_next_flip(&mut self, line: usize, now: f64) {
        let [alpha, beta, mask] =
            [&self.alpha, &self.beta, &self.mask].map(|array| array.row(line).to_slice().expect("contiguous"));
        self.next_flip[line] = next_flip(alpha, beta, mask, now);
    }

    /// mask ∘ α and mask ∘ β of these lines, stacked: 2m × k_l.
    fn masked_pairs(&self, lines: &[usize]) -> Array2<f64> {
        let mut pairs = Array2::zeros((2 * lines.len(), self.alpha.ncols()));
        for (row, &line) in lines.iter().enumerate() {
            let mask = self.mask.row(line);
            for (pair, array) in [(2 * row, &self.alpha), (2 * row + 1, &self.beta)] {
                Zip::from(pairs.row_mut(pair)).and(array.row(line)).and(mask).for_each(|out, z, mask| *out = z * mask);
            }
        }
        pairs
    }
}

struct Tracer {
    /// ψ'(z) at z < 0.
    leak: f64,
    /// Weights of layers 2..L.
    weights: Vec<Array2<f64>>,
    /// a/√k_L; for each line it would differ by the sign s only.
    readout: Vec<f64>,
    signs: Vec<f64>,
    /// Layers 1..L.
    layers: Vec<Layer>,
    /// Where each line is.
    now: Vec<f64>,
    /// For each line, the lowest layer (index into `layers`) whose pre-activations are out of date.
    stale_from: Vec<usize>,
    regions: Vec<u32>,
    /// What is known of each line: nothing yet, an outcome, or that tracing was given up.
    results: Vec<Option<Option<Outcome>>>,
}

impl Tracer {
    fn new<T: Real>(engine: &mut dyn Engine<T>, lines: &[Start]) -> Option<Self> {
        let depth = engine.depth();
        let leak = engine.activation().leak()?;
        let shape = (lines.len(), engine.width(1));
        let (mut alpha, mut beta) = (Array2::zeros(shape), Array2::zeros(shape));
        let scale = (engine.width(depth) as f64).sqrt();
        let readout = engine.readout().iter().map(|a| a.to_f64() / scale).collect();
        engine.visit_first_layer(&mut |block| {
            for (row, line) in lines.iter().enumerate() {
                alpha.slice_mut(s![row, block.neurons.clone()]).assign(&block.z.row(line.input).mapv(T::to_f64));
                beta.slice_mut(s![row, block.neurons.clone()]).assign(&block.u.row(line.input).mapv(T::to_f64));
            }
        });
        let weights = (2..=depth).map(|layer| Some(engine.layer_weights(layer)?.mapv(T::to_f64)));
        let weights = weights.collect::<Option<Vec<Array2<f64>>>>()?;
        let mut layers = vec![Layer::new(alpha, beta, leak)];
        let all: Vec<usize> = (0..lines.len()).collect();
        for w in &weights {
            let below = layers.last().expect("there is a first layer");
            let pairs = product_of_pairs(below, &all, w);
            layers.push(Layer::new(pairs.slice(s![0..;2, ..]).to_owned(), pairs.slice(s![1..;2, ..]).to_owned(), leak));
        }
        Some(Self {
            leak,
            weights,
            readout,
            signs: lines.iter().map(|line| line.sign).collect(),
            layers,
            now: vec![0.0; lines.len()],
            stale_from: vec![depth; lines.len()],
            regions: vec![1; lines.len()],
            results: vec![None; lines.len()],
        })
    }

    /// Brings the stale layers of all unfinished lines up to date.
    fn propagate(&mut self) {
        for upper in 1..self.layers.len() {
            let stale: Vec<usize> =
                (0..self.now.len()).filter(|&line| self.results[line].is_none() && self.stale_from[line] <= upper).collect();
            if stale.is_empty() {
                continue;
            }
            let pairs = product_of_pairs(&self.layers[upper - 1], &stale, &self.weights[upper - 1]);
            let layer = &mut self.layers[upper];
            for (row, &line) in stale.iter().enumerate() {
                layer.alpha.row_mut(line).assign(&pairs.row(2 * row));
                layer.beta.row_mut(line).assign(&pairs.row(2 * row + 1));
                layer.find_next_flip(line, self.now[line]);
            }
        }
        self.stale_from.fill(self.layers.len());
    }

    /// Moves `line` through regions until it has an outcome, or a flip below the last layer makes products necessary.
    fn advance(&mut self, line: usize, bound: f64, max_regions: u32) {
        while self.results[line].is_none() {
            let (flipping, (t, neuron)) = self.earliest_flip(line);
            let regions = self.regions[line];
            if let Some(step) = self.root(line, t.min(bound)) {
                // A root at 0 says that φ(0) > 0 does not survive the change of precision: there is nothing to certify.
                let outcome = Outcome { step, status: Status::FoundExact, evaluations: regions };
                self.results[line] = Some((step > 0.0).then_some(outcome));
            } else if t >= bound {
                self.results[line] = Some(Some(Outcome::none(regions)));
            } else if regions >= max_regions {
                self.results[line] = Some(None);
            } else {
                self.regions[line] += 1;
                self.now[line] = t;
                let last = self.layers.len() - 1;
                let layer = &mut self.layers[flipping];
                layer.mask[[line, neuron]] = 1.0 + self.leak - layer.mask[[line, neuron]];
                layer.find_next_flip(line, t);
                if flipping < last {
                    self.stale_from[line] = flipping + 1;
                    return;
                }
            }
        }
    }

    fn earliest_flip(&self, line: usize) -> (usize, (f64, usize)) {
        let flips = self.layers.iter().map(|layer| layer.next_flip[line]).enumerate();
        flips.min_by(|a, b| a.1.0.total_cmp(&b.1.0)).expect("there is a layer")
    }

    /// The first t in [now, end] with φ(t) ≤ 0 in the current region.
    fn root(&self, line: usize, end: f64) -> Option<f64> {
        let top = self.layers.last().expect("there is a layer");
        let (mut value, mut slope) = (0.0, 0.0);
        let rows = [&top.alpha, &top.beta, &top.mask].map(|array| array.index_axis(Axis(0), line));
        for (neuron, a) in self.readout.iter().enumerate() {
            let masked = a * rows[2][neuron];
            value += masked * rows[0][neuron];
            slope += masked * rows[1][neuron];
        }
        let (value, slope) = (self.signs[line] * value, self.signs[line] * slope);
        let now = self.now[line];
        if value + slope * now <= 0.0 {
            return Some(now);
        }
        let root = -value / slope;
        (slope < 0.0 && root <= end).then_some(root.max(now))
    }
}

/// W·(mask ∘ [α; β]) of these lines: 2m × k_l, a row of α and one of β for each line.
fn product_of_pairs(below: &Layer, lines: &[usize], w: &Array2<f64>) -> Array2<f64> {
    let pairs = below.masked_pairs(lines);
    let mut out = Array2::zeros((pairs.nrows(), w.nrows()));
    times_transposed(pairs.view(), w.view(), out.view_mut());
    out
}
