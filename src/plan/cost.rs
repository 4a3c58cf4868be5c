//! Cost model: normals, flops and predicted thread-seconds of one unit, per engine and search.
//!
//! Rates are those of one core of the machine of `benches/results`; `cargo bench --bench cost_model` prints predicted and measured seconds.
//! Predictions order the units, assign them to ranks and shards, and drive the progress bar; they are constants so that shards are the same
//! on every machine. They do not choose the engine: see [`method`](crate::method). [`calibrate`](super::calibrate) corrects them for people.

use crate::experiment::Experiment;
use crate::infinite;
use crate::kernels::masks;
use crate::model::Activation;
use crate::model::{Cell, Direction, Precision, Readout};
use crate::model::{EngineName, Method, SearchName};
use crate::network::dense::{Keep, Storage};
use crate::network::implicit::FirstLayer;
use crate::search::certify;
use crate::search::trace;

/// Predicted cost of one unit (one network) of a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UnitCost {
    /// Normal variates drawn, for weights or for matrix products in their place.
    pub normals: f64,
    /// Flops in matrix products.
    pub flops: f64,
    /// Thread-seconds.
    pub seconds: f64,
    /// Those of them that every member of a team spends, because their work is not divided.
    pub undivided: f64,
    /// Those of them in kernels whose speed differs between machines; the rest are vector passes over neurons.
    pub kernels: KernelSeconds,
}

/// Thread-seconds by kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct KernelSeconds {
    /// Drawing normals.
    pub normals: f64,
    pub matmul_f32: f64,
    /// Matmuls and factorisations in f64.
    pub matmul_f64: f64,
    /// Thin f64 matmuls in traces.
    pub matmul_trace: f64,
    /// Traces of narrow networks, which follow one line at a time and work on short rows.
    pub narrow_trace: f64,
    /// Products with weights in bf16 parts.
    pub matmul_bf16x3: f64,
    /// Divisions, functions of libm, and bookkeeping: one number at a time.
    pub scalar: f64,
}

impl KernelSeconds {
    /// Σ of the products with the factors of `other`.
    pub fn dot(self, other: Self) -> f64 {
        self.normals * other.normals
            + self.matmul_f32 * other.matmul_f32
            + self.matmul_f64 * other.matmul_f64
            + self.matmul_trace * other.matmul_trace
            + self.narrow_trace * other.narrow_trace
            + self.matmul_bf16x3 * other.matmul_bf16x3
            + self.scalar * other.scalar
    }

    pub fn total(self) -> f64 {
        let matmuls = self.matmul_f32 + self.matmul_f64 + self.matmul_trace + self.matmul_bf16x3;
        self.normals + matmuls + self.narrow_trace + self.scalar
    }

    fn plus(self, other: Self) -> Self {
        self.map2(other, |one, other| one + other)
    }

    fn map2(self, other: Self, of: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            normals: of(self.normals, other.normals),
            matmul_f32: of(self.matmul_f32, other.matmul_f32),
            matmul_f64: of(self.matmul_f64, other.matmul_f64),
            matmul_trace: of(self.matmul_trace, other.matmul_trace),
            narrow_trace: of(self.narrow_trace, other.narrow_trace),
            matmul_bf16x3: of(self.matmul_bf16x3, other.matmul_bf16x3),
            scalar: of(self.scalar, other.scalar),
        }
    }
}

impl UnitCost {
    /// Of `count` units like this one.
    pub fn times(self, count: f64) -> Self {
        let kernels = self.kernels.map2(self.kernels, |seconds, _| count * seconds);
        let Self { normals, flops, seconds, undivided, .. } = self;
        Self { normals: count * normals, flops: count * flops, seconds: count * seconds, undivided: count * undivided, kernels }
    }

    /// Of both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            normals: self.normals + other.normals,
            flops: self.flops + other.flops,
            seconds: self.seconds + other.seconds,
            undivided: self.undivided + other.undivided,
            kernels: self.kernels.plus(other.kernels),
        }
    }
}

/// Normals/s.
const NORMALS: f64 = 2.4e9;
/// Rounded and taken apart: 1.5 times as long, as with AVX2 on Zen 3.
const NORMALS_BF16X3: f64 = NORMALS / 1.5;
/// Flop/s of matmuls with a block of weights, in f32 and in f64.
const MATMUL_F32: f64 = 1.9e11;
const MATMUL_F64: f64 = 9.0e10;
/// Flop/s (two per term of a sum) of products with weights in bf16 parts, without tiles: those in f32 over 4.8, as with AVX2 on Zen 3.
pub(super) const MATMUL_BF16X3: f64 = MATMUL_F32 / 4.8;
/// The same with AMX tiles: 2.4 times the rate in f32, as a C prototype on an Emerald Rapids core. Not measured with this program.
pub(super) const MATMUL_TILES: f64 = 2.4 * MATMUL_F32;
/// Flop/s of the thin f64 matmuls of a trace.
pub(super) const MATMUL_TRACE: f64 = 6.4e10;
/// The same for narrow networks, propagated one line at a time.
const MATMUL_NARROW: f64 = 4.2e10;
/// Seconds per neuron and input at depth 1 besides matmuls, including the exact line search, for at most [`FEW`] neurons × inputs and above.
/// The BEND terms are divided by d: lines bend more at small d.
const LINE_FEW: f64 = 0.7e-9;
const LINE_BEND_FEW: f64 = 1.3e-8;
const LINE: f64 = 0.6e-9;
const LINE_BEND: f64 = 2.8e-8;
const FEW: f64 = 5.0e6;
/// Seconds per neuron, input and evaluation for activations and masks.
const ACTIVATION: f64 = 0.3e-9;
/// Seconds per element of the implicit engine's input and output vectors, besides matmuls.
const VECTOR: f64 = 0.2e-9;
/// Flop/s of the implicit engine's f32 matmuls.
const MATMUL_IMPLICIT: f64 = 1.85e11;
/// Fraction of a full matmul's flops that triangular products take, at 100 inputs: 0.56 (trmm) and 0.70 (syrk) with AVX-512, and both 0.66 in bf16 parts.
const TRIANGLE: f64 = 0.66;
/// Flops per inputs² × d of the first layer's implicit products that are on the side of the inputs: bases, images and answers of three products.
const INPUT_SIDE: f64 = 20.0;
/// Seconds per inputs³ for the small factorisations of one implicit product; the shallow engine has about three.
const SMALL: f64 = 0.5e-9;
const SHALLOW_SMALL: f64 = 3.0 * SMALL;
/// Seconds per neuron and input of the shallow engine for masks, overlaps (100 inputs), readout and packing, besides matmuls and line search.
const SHALLOW: f64 = 1.4e-9;
/// Seconds of a trace per linear piece and layer, and per linear piece and neuron; per piece and layer of a narrow network.
const PIECE: f64 = 2.1e-8;
const PIECE_NEURON: f64 = 1.2e-9;
const PIECE_NARROW: f64 = 1.5e-8;
/// Fixed seconds per unit, and per input.
const UNIT: f64 = 7.0e-6;
const INPUT: f64 = 4.3e-7;
/// Seconds per input coordinate.
const INPUT_NUMBER: f64 = 5.0e-9;
/// Scan rounds with few points, times √d, and seconds per direction element read in one, besides drawing its image.
const LAST_ROUNDS: f64 = 25.0;
const READ_AGAIN: f64 = 1.0e-9;
/// Evaluation rounds of a scan until the last line of a network is done.
pub(super) const SCAN_ROUNDS: f64 = 9.0;
/// Mean passes over the neurons per line in an exact line search, for layers of up to [`LINE_PASSES_UP_TO`] neurons. Empirical, as are the next four.
const LINE_PASSES: f64 = 1.2;
const LINE_PASSES_UP_TO: f64 = 3.0e5;
/// Additional passes for each factor of 10 in width beyond that; proportionally fewer at input dimensions above [`BENT_BELOW`].
const PASSES_PER_DECADE: f64 = 0.4;
const BENT_BELOW: f64 = 20.0;
/// Largest mean.
const MOST_LINE_PASSES: f64 = 2.4;
/// Additional passes of the slowest line of a network over those of its mean line, at 100 lines and 10⁹ neurons.
const SLOWEST_LINE: f64 = 3.0;
/// Cost of starting and storing a matmul tile, in terms of its sums.
const TILE_TERMS: f64 = 4.5;

/// Seconds per evaluation of a smooth ψ and ψ'.
const SMOOTH: f64 = 1.5e-8;
/// Lines and normals from one start of direction nearest, until the last input of a network is done.
const NEAREST_LINES: f64 = 35.0;
const NEAREST_NORMALS: f64 = 15.0;
/// Gradient evaluations of a descent.
const DESCENT_STEPS: f64 = 25.0;

/// Passes over the neurons in a march; sup |φ''| ∝ √k/d limits its steps. Empirical fit.
fn march_passes(cell: Cell) -> f64 {
    4.0 + 2.0 * ((cell.width as f64).sqrt() / cell.dim as f64).sqrt()
}

/// Mean passes over the neurons per line in an exact line search.
fn line_passes(cell: Cell) -> f64 {
    let decades = libm::log10(cell.width as f64 / LINE_PASSES_UP_TO).max(0.0);
    (LINE_PASSES + PASSES_PER_DECADE * decades * (BENT_BELOW / cell.dim as f64).min(1.0)).min(MOST_LINE_PASSES)
}

/// Passes until the slowest line of a network is done. Each regenerates weights and products for all lines.
fn all_line_passes(cell: Cell) -> f64 {
    LINE_PASSES + SLOWEST_LINE * (line_passes(cell) - LINE_PASSES)
}

/// Seconds of the exact line search.
fn line_seconds(cell: Cell, inputs: usize) -> f64 {
    let neurons = inputs as f64 * cell.width as f64;
    let (straight, bend) = if neurons <= FEW { (LINE_FEW, LINE_BEND_FEW) } else { (LINE, LINE_BEND) };
    neurons * (straight + bend / cell.dim as f64) * line_passes(cell) / LINE_PASSES
}

/// Network evaluations per line in a scan; lines bend more at small d. Empirical fit to means over networks; at d = 10 single networks differ by
/// up to a third.
pub(super) fn scan_points(cell: Cell) -> f64 {
    (3.6 + 9.0 * libm::pow(cell.dim as f64, -0.59)).min(9.0)
}

/// Scan rounds of few points, in which the implicit engine mostly rereads all directions and redraws their images. Fitted to times, so it also
/// covers costs not modelled.
fn last_rounds(cell: Cell) -> f64 {
    LAST_ROUNDS / (cell.dim as f64).sqrt()
}

/// Flop/s of the tridiagonal reduction, and seconds per weight and form for copying its row (AMD Zen 3).
const REDUCTION: f64 = 3.0e9;
const CERTIFIED_WEIGHT: f64 = 1.0e-9;

/// Flop/s of the Cholesky factorisation and the paths at infinite width.
const LIMIT_FLOPS: f64 = 3.3e10;
/// Seconds per covariance at infinite width, over depth^0.9: one per pair of grid points of a unit, and those of refinements.
const COVARIANCE: f64 = 2.1e-8;
/// Covariances for the refinement of one path.
const REFINED: f64 = 440.0;

/// The cost of one unit of a cell of infinite width.
fn of_limit(cell: Cell, experiment: &Experiment) -> UnitCost {
    let points = infinite::points(cell, experiment.gain, experiment.bound) as f64;
    let (inputs, depth) = (experiment.inputs as f64, cell.depth as f64);
    let flops = points * points * points / 3.0 + inputs * points * points;
    let covariances = points * points / 2.0 + inputs * REFINED;
    let seconds = flops / LIMIT_FLOPS + COVARIANCE * libm::pow(depth, 0.9) * covariances + UNIT + INPUT * inputs;
    let scalar = COVARIANCE * libm::pow(depth, 0.9) * covariances + UNIT + INPUT * inputs;
    let kernels = KernelSeconds { matmul_f64: flops / LIMIT_FLOPS, scalar, ..KernelSeconds::default() };
    UnitCost { normals: inputs * points, flops, seconds, undivided: seconds, kernels }
}

/// Linear pieces on a line up to its smallest step or the bound: they scale with the angle the line subtends at 0, which is smaller at large d.
/// Quadratic fit of ln(pieces) in ln L, ln d and ln k for L ≤ 6 and d ≤ 500; clamped beyond.
fn linear_pieces(cell: Cell) -> f64 {
    let (depth, dim, width) = (cell.depth.min(6) as f64, cell.dim.min(500) as f64, cell.neurons() / cell.depth as f64);
    let (l, d, k) = (libm::log(depth), libm::log(dim), libm::log(width));
    let linear = -0.342 + 1.535 * l - 0.297 * d + 0.922 * k;
    let quadratic = -0.667 * l * l + 0.043 * d * d - 0.037 * k * k + 0.092 * l * d + 0.250 * l * k - 0.095 * d * k;
    libm::exp(linear + quadratic)
}

/// Seconds of a certified distance: for each form, the product of a third of the neurons, and the tridiagonal reduction.
fn certificate_seconds(cell: Cell) -> f64 {
    let (dim, width) = (cell.dim as f64, cell.width as f64);
    let reduction = 8.0 / 3.0 * dim * dim * dim;
    let product = 2.0 / 3.0 * width * dim * dim;
    certify::FORMS as f64 * (reduction / REDUCTION + product / MATMUL_F64 + CERTIFIED_WEIGHT * width * dim)
}

/// The predicted cost of one unit of `cell`.
pub fn of_unit(cell: Cell, experiment: &Experiment, method: Method, keep: Keep) -> UnitCost {
    let Method { engine, search } = method;
    let has = |direction| experiment.directions.contains(&direction);
    let starts = if has(Direction::Nearest) { experiment.nearest_starts as f64 } else { 0.0 };
    let lines = experiment.directions.iter().filter(|direction| direction.is_line()).count() as f64 + NEAREST_LINES * starts;
    let shape = Shape {
        cell,
        inputs: experiment.inputs as f64,
        depth: cell.depth as f64,
        dim: cell.dim as f64,
        first: cell.width_of(1) as f64,
        above_first: cell.weights_above_first(),
        neurons: cell.neurons(),
        points: if search == SearchName::Scan { lines * scan_points(cell) } else { 0.0 },
        lines,
        gradients: 1.0 + if has(Direction::Descent) { DESCENT_STEPS } else { 0.0 } + NEAREST_NORMALS * starts,
        is_relu: experiment.activation == Activation::Relu,
        counts_overlaps: experiment.readout == Readout::Sign,
        activation: match experiment.activation.is_piecewise_linear() {
            true if search == SearchName::Line => 0.0,
            true => ACTIVATION,
            false => SMOOTH,
        },
        is_smooth: !experiment.activation.is_piecewise_linear(),
        precision: experiment.precision,
        product_rate: match experiment.precision {
            Precision::F32 => MATMUL_F32,
            Precision::F64 => MATMUL_F64,
            Precision::Bf16x3 => MATMUL_BF16X3,
        },
        certificates: if experiment.certify { experiment.inputs as f64 * certificate_seconds(cell) } else { 0.0 },
        line: match search {
            SearchName::Line => lines * line_seconds(cell, experiment.inputs),
            SearchName::March => lines * march_passes(cell) * SMOOTH * experiment.inputs as f64 * cell.width as f64,
            _ => 0.0,
        },
    };
    match engine {
        EngineName::Dense => shape.dense(search, keep),
        EngineName::Shallow => shape.shallow(experiment.inputs, keep),
        EngineName::Implicit => shape.implicit(experiment.inputs),
        EngineName::Limit => of_limit(cell, experiment),
    }
}

/// The parameters of a unit that the engines' costs depend on.
struct Shape {
    cell: Cell,
    inputs: f64,
    depth: f64,
    dim: f64,
    /// Neurons of the first hidden layer, weights of the others, and neurons of all.
    first: f64,
    above_first: f64,
    neurons: f64,
    /// Network evaluations per input, over all its lines.
    points: f64,
    /// Lines per input.
    lines: f64,
    /// Forward and backward passes.
    gradients: f64,
    is_relu: bool,
    /// Whether mask overlaps are counted by popcount rather than multiplied.
    counts_overlaps: bool,
    /// Seconds per neuron, input and evaluation.
    activation: f64,
    /// Of products with weights, and their flop/s.
    precision: Precision,
    product_rate: f64,
    /// Whether ψ is a function of libm.
    is_smooth: bool,
    /// Seconds of the exact line searches.
    line: f64,
    /// Seconds of the certified distances.
    certificates: f64,
}

impl Shape {
    fn dense(&self, search: SearchName, keep: Keep) -> UnitCost {
        let Self { cell, inputs, depth, dim, above_first, neurons, points, lines, gradients, .. } = *self;
        let first = 2.0 * inputs * dim * self.first;
        let hidden = 2.0 * inputs * above_first;
        let keeps_line = keep.line == Storage::Stored || cell.depth > 1;

        // Matmuls: forward, backward, and along the line.
        let line_products = match (search, keeps_line) {
            // Each point is multiplied by W₁ instead, and counted below.
            (SearchName::Scan, _) if cell.depth == 1 => 0.0,
            (_, true) => lines,
            (_, false) => lines * 2.0 * all_line_passes(cell),
        };
        let point = if cell.depth == 1 { first } else { hidden };
        let products = (2.0 * gradients + line_products) * first + 2.0 * gradients * hidden + points * point - self.spared();
        let pieces = if search == SearchName::Trace { lines * linear_pieces(cell) } else { 0.0 };
        // A flip recomputes on average half of the upper layers, for α and β.
        let traced = pieces * inputs * 2.0 * 2.0 * above_first / 2.0;

        let passes = match keep.weights {
            Storage::Stored => 1.0,
            Storage::Regenerated if cell.depth == 1 => {
                let of_line = match (search, keeps_line) {
                    (SearchName::Scan, _) => SCAN_ROUNDS,
                    (_, true) => 1.0,
                    (_, false) => all_line_passes(cell),
                };
                gradients + lines * of_line
            }
            Storage::Regenerated => 2.0 * gradients + if points > 0.0 { lines * SCAN_ROUNDS } else { 0.0 },
        };
        let normals = cell.weights() * passes;
        let trace = match trace::is_narrow(cell.widths()) {
            true => {
                let narrow_trace = traced / MATMUL_NARROW + pieces * inputs * PIECE_NARROW * depth;
                KernelSeconds { narrow_trace, ..KernelSeconds::default() }
            }
            false => KernelSeconds {
                matmul_trace: traced / MATMUL_TRACE,
                scalar: pieces * inputs * (PIECE * depth + PIECE_NEURON * neurons),
                ..KernelSeconds::default()
            },
        };
        let starts =
            (gradients + line_products + if cell.depth == 1 { points } else { 0.0 }) * 2.0 * inputs * TILE_TERMS * self.first;
        let product_seconds = self.product_seconds(products + starts, self.tables() + starts);
        let seconds = normals / self.normal_rate() + product_seconds.total() + trace.total() + self.other_seconds();
        let kernels = KernelSeconds {
            normals: normals / self.normal_rate(),
            matmul_f64: self.certificates,
            scalar: self.scalar_seconds(),
            ..KernelSeconds::default()
        };
        let kernels = kernels.plus(product_seconds).plus(trace);
        UnitCost { normals, flops: products + traced, seconds, undivided: self.input_seconds(), kernels }
    }

    /// Flops saved by multiplying masks with tables.
    fn spared(&self) -> f64 {
        if !self.is_relu {
            return 0.0;
        }
        let (neurons, fan_in) = (self.cell.width_of(self.cell.depth), self.cell.fan_in(self.cell.depth));
        let product = 2.0 * self.inputs * neurons as f64 * fan_in as f64;
        self.gradients * (product - 2.0 * masks::additions(self.inputs as usize, neurons, fan_in))
    }

    /// Flops of these tables.
    fn tables(&self) -> f64 {
        let (neurons, fan_in) = (self.cell.width_of(self.cell.depth), self.cell.fan_in(self.cell.depth));
        let additions = masks::additions(self.inputs as usize, neurons, fan_in);
        if self.is_relu { self.gradients * 2.0 * additions } else { 0.0 }
    }

    /// Mirrors the operations of `network::shallow`.
    fn shallow(&self, count: usize, keep: Keep) -> UnitCost {
        let Self { cell, inputs, dim, first: width, .. } = *self;
        let product = 2.0 * inputs * inputs * width;
        let masked = 2.0 * masks::additions(count, cell.width_of(1), count);
        let (z, u) = (TRIANGLE * product, (2.0 + TRIANGLE) * product);
        let gram = if self.counts_overlaps { 0.0 } else { TRIANGLE * product };
        let (passes, z_passes) =
            if keep.line == Storage::Stored { (1.0, 1.0) } else { (all_line_passes(cell), 1.0 + all_line_passes(cell)) };
        // Operations of length d: bases of inputs and directions, mask combinations orthogonal to the inputs, gradients.
        let independent = inputs.min(width);
        let bases = 2.0 * TRIANGLE * 2.0 * inputs * inputs + (2.0 + 2.0 + 2.0 + 1.0) * inputs * independent;
        let flops = z_passes * z + gram + passes * u + 2.0 * masked + 2.0 * bases * dim;
        let normals = 2.0 * (1.0 + passes) * inputs * width + independent * dim;
        let besides = SHALLOW * inputs * width + SHALLOW_SMALL * inputs * inputs * inputs + self.other_seconds();
        let of_vectors = gram + passes * product + 2.0 * masked + 2.0 * bases * dim;
        let product_seconds = self.product_seconds(flops, of_vectors);
        let seconds = normals / self.normal_rate() + product_seconds.total() + besides;
        let small = SHALLOW_SMALL * inputs * inputs * inputs;
        let undivided =
            small + independent * dim / self.normal_rate() + 2.0 * bases * dim / self.vector_rate() + self.input_seconds();
        let kernels = KernelSeconds {
            normals: normals / self.normal_rate(),
            matmul_f64: small,
            scalar: self.scalar_seconds(),
            ..KernelSeconds::default()
        };
        UnitCost { normals, flops, seconds, undivided, kernels: kernels.plus(product_seconds) }
    }

    fn implicit(&self, count: usize) -> UnitCost {
        let Self { cell, inputs, dim, points, lines, .. } = *self;
        let width = self.first;
        let mut products = Products::default();
        match FirstLayer::of(cell, count) {
            FirstLayer::Drawn => {
                products.normals = 3.0 * dim * width;
                products.flops = 6.0 * inputs * dim * width;
            }
            FirstLayer::Implicit => {
                products.add(inputs, Passes::One, Known { rank: 0.0, dim }, Known { rank: 0.0, dim: width });
                products.add(inputs, Passes::One, Known { rank: 0.0, dim: width }, Known { rank: inputs, dim });
                products.add(inputs, Passes::One, Known { rank: inputs, dim }, Known { rank: inputs, dim: width });
            }
        }
        for layer in 2..=cell.depth {
            let [below, here] = [cell.fan_in(layer) as f64, cell.width_of(layer) as f64];
            products.add(inputs, Passes::One, Known { rank: 0.0, dim: below }, Known { rank: 0.0, dim: here });
            products.add(inputs, Passes::One, Known { rank: 0.0, dim: here }, Known { rank: inputs, dim: below });
            let all = (1.0 + points) * inputs;
            let mut asked = inputs;
            while asked < all {
                let next = inputs.min(all - asked);
                // A fully known matrix gains no directions.
                let rank = if here <= inputs { inputs } else { asked };
                products.add(next, Passes::Two, Known { rank, dim: below }, Known { rank: inputs, dim: here });
                asked += next;
            }
            if points > 0.0 {
                let drawn = if here <= inputs { here * below } else { all.min(below) * here + inputs.min(here) * below };
                products.normals += lines * last_rounds(cell) * drawn;
                products.read_again += lines * last_rounds(cell) * drawn;
            }
        }
        let Products { normals, flops, of_vectors, numbers, read_again, small } = products;
        let slower = MATMUL_F32 / MATMUL_IMPLICIT;
        let product_seconds = self.product_seconds(slower * flops, slower * of_vectors);
        let vectors = VECTOR * numbers + READ_AGAIN * read_again + SMALL * small;
        let seconds = normals / self.normal_rate() + product_seconds.total() + vectors + self.other_seconds();
        let of_inputs = match FirstLayer::of(cell, count) {
            FirstLayer::Drawn => 0.0,
            FirstLayer::Implicit => INPUT_SIDE * inputs * inputs * dim,
        };
        let undivided = SMALL * small + slower * of_inputs / self.vector_rate() + self.input_seconds();
        let kernels = KernelSeconds {
            normals: normals / self.normal_rate(),
            matmul_f64: SMALL * small,
            scalar: self.scalar_seconds(),
            ..KernelSeconds::default()
        };
        UnitCost { normals, flops, seconds, undivided, kernels: kernels.plus(product_seconds) }
    }

    /// Seconds of products in the precision of the experiment, of `flops` in all; `of_vectors` of them are not with weights.
    fn product_seconds(&self, flops: f64, of_vectors: f64) -> KernelSeconds {
        let none = KernelSeconds::default();
        match self.precision {
            Precision::F32 => KernelSeconds { matmul_f32: flops / self.product_rate, ..none },
            Precision::F64 => KernelSeconds { matmul_f64: flops / self.product_rate, ..none },
            Precision::Bf16x3 => KernelSeconds {
                matmul_f32: of_vectors / self.vector_rate(),
                matmul_bf16x3: (flops - of_vectors).max(0.0) / self.product_rate,
                ..none
            },
        }
    }

    /// Normals/s, in the format of the weights.
    fn normal_rate(&self) -> f64 {
        if self.precision == Precision::Bf16x3 { NORMALS_BF16X3 } else { NORMALS }
    }

    /// Flop/s of products of vectors with each other, and of tables.
    fn vector_rate(&self) -> f64 {
        if self.precision == Precision::Bf16x3 { MATMUL_F32 } else { self.product_rate }
    }

    /// Those of the [`other_seconds`](Self::other_seconds) that compute one number at a time.
    fn scalar_seconds(&self) -> f64 {
        let functions = match self.is_smooth {
            true => self.line + self.activation * self.inputs * self.neurons * (1.0 + 2.0 * self.gradients + self.points),
            false => 0.0,
        };
        functions + UNIT + INPUT * self.inputs
    }

    /// Seconds besides matmuls and normals.
    fn other_seconds(&self) -> f64 {
        self.line
            + self.certificates
            + self.activation * self.inputs * self.neurons * (1.0 + 2.0 * self.gradients + self.points)
            + self.input_seconds()
    }

    /// Seconds for the inputs, besides products.
    fn input_seconds(&self) -> f64 {
        UNIT + (INPUT + INPUT_NUMBER * self.dim) * self.inputs
    }
}

/// One side of a Gaussian matrix: `rank` known directions of length `dim`.
#[derive(Clone, Copy)]
struct Known {
    rank: f64,
    dim: f64,
}

/// Operation counts of products with a Gaussian matrix.
#[derive(Default)]
struct Products {
    normals: f64,
    flops: f64,
    /// Those of them between vectors, not with drawn numbers.
    of_vectors: f64,
    /// Elements of input and output vectors.
    numbers: f64,
    /// Elements of basis directions read in rounds with few points.
    read_again: f64,
    /// Σ m³ over products of m vectors.
    small: f64,
}

impl Products {
    /// Adds one product with `count` vectors, mirroring `network::implicit`.
    fn add(&mut self, count: f64, passes: Passes, own: Known, other: Known) {
        self.numbers += count * (own.dim + other.dim);
        if other.rank >= other.dim {
            // The matrix is known.
            self.flops += 2.0 * count * (own.dim * (own.rank.min(own.dim) + other.dim) + other.dim * other.dim);
            self.of_vectors += 2.0 * count * (own.dim * own.rank.min(own.dim) + other.dim * other.dim);
            self.normals += other.dim * own.dim;
            return;
        }
        let new = count.min(own.dim - own.rank).max(0.0);
        let rank = own.rank.min(own.dim);
        // Each pass projects and orthonormalises by CholeskyQR.
        let directions =
            if let Passes::One = passes { 1.0 } else { 2.0 } * own.dim * (4.0 * count * rank + 4.0 * TRIANGLE * new * new);
        let images = 2.0 * new * other.rank * (own.dim + other.dim);
        let answers = 2.0 * count * (rank + TRIANGLE * new + other.rank) * other.dim;
        self.flops += directions + images + answers;
        self.of_vectors += directions + 2.0 * count * other.rank * other.dim;
        // Images of own directions are redrawn for the answer, those of the other side once.
        self.normals += (rank + new) * other.dim + other.rank * own.dim;
        self.small += new * new * new;
    }
}

/// Orthonormalisation passes; one is enough for well-conditioned vectors such as inputs and their gradients.
enum Passes {
    One,
    Two,
}
