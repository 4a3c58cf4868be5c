//! The cost model: normals, flops and predicted seconds of one unit.
//!
//! The rates are those of one core of the machine on which `cargo bench --bench cost_model` was last run; that bench prints predicted
//! and measured seconds side by side. Predictions order the units and drive the progress bar; they change no result.

use crate::experiment::{Cell, Experiment, Precision};
use crate::limit;
use crate::network::dense::{Keep, Storage};
use crate::results::SearchName;

/// What one unit (one network) of a cell is predicted to take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitCost {
    /// Normal variates drawn for weights.
    pub normals: f64,
    /// Floating-point operations in matrix products.
    pub flops: f64,
    /// Predicted seconds of one thread.
    pub seconds: f64,
}

/// Normal variates a second.
const NORMALS: f64 = 1.2e9;
/// Flops a second in products with a block of weights, in f32; f64 runs at half of it.
const PRODUCT_F32: f64 = 6.0e10;
/// Flops a second in the thin products of a trace, in f64.
const PRODUCT_TRACE: f64 = 1.5e10;
/// Seconds a neuron and input of all passes of the exact line search together.
const LINE: f64 = 4.0e-9;
/// Seconds a neuron and input of activations and masks, a layer and evaluation.
const ACTIVATION: f64 = 0.6e-9;
/// Seconds a linear piece of a trace, and a neuron of one.
const PIECE: f64 = 2.0e-6;
const PIECE_NEURON: f64 = 4.0e-9;
/// Seconds a unit and an input that nothing else accounts for.
const UNIT: f64 = 3.0e-5;
const INPUT: f64 = 1.0e-6;
/// Network evaluations a line in a scan.
const SCAN_POINTS: f64 = 9.5;
/// Passes over the neurons in an exact line search.
const LINE_PASSES: f64 = 2.2;

/// The cost of one unit with `inputs` inputs.
pub fn of_unit(cell: Cell, inputs: usize, precision: Precision, search: SearchName, keep: Keep) -> UnitCost {
    let (inputs, depth) = (inputs as f64, cell.depth as f64);
    let (dim, width) = (cell.dim as f64, cell.width as f64);
    let first = 2.0 * inputs * dim * width;
    let hidden = 2.0 * inputs * width * width * (depth - 1.0);
    let keeps_line = keep.line == Storage::Stored || cell.depth > 1;

    // Products: forward, backward, and along the line.
    let line_products = if keeps_line { 1.0 } else { 2.0 * LINE_PASSES };
    let points = if search == SearchName::Scan { SCAN_POINTS } else { 0.0 };
    let point = if cell.depth == 1 { first } else { hidden };
    let products = (2.0 + line_products) * first + 2.0 * hidden + points * point;
    let pieces = if search == SearchName::Trace { linear_pieces(cell) } else { 0.0 };
    // A flip recomputes half of the layers above the first on average, in two columns.
    let traced = pieces * inputs * 2.0 * 2.0 * width * width * (depth - 1.0) / 2.0;

    let passes = match keep.weights {
        Storage::Stored => 1.0,
        Storage::Regenerated if cell.depth == 1 => 1.0 + if keeps_line { 1.0 } else { LINE_PASSES },
        Storage::Regenerated => 2.0 + points,
    };
    let normals = cell.weights() * passes;

    let rate = match precision {
        Precision::F32 => PRODUCT_F32,
        Precision::F64 => PRODUCT_F32 / 2.0,
    };
    let line = if search == SearchName::Line { LINE * inputs * width } else { 0.0 };
    let activations = ACTIVATION * inputs * width * depth * (3.0 + points);
    let trace = pieces * inputs * (PIECE + PIECE_NEURON * depth * width);
    let seconds = normals / NORMALS + products / rate + traced / PRODUCT_TRACE + line + activations + trace + UNIT + INPUT * inputs;
    UnitCost { normals, flops: products + traced, seconds }
}

/// Flops a second in the factor of the limit's covariance and in its paths.
const LIMIT_FLOPS: f64 = 2.0e9;
/// Seconds of a covariance of the limit, a layer; a unit makes one for each pair of grid points, and a sample for its refinements.
const COVARIANCE: f64 = 2.5e-8;
/// Covariances that refine one path.
const REFINED: f64 = 600.0;

/// The cost of one unit of a cell of infinite width.
pub fn of_limit(cell: Cell, experiment: &Experiment) -> UnitCost {
    let points = limit::points(cell, experiment) as f64;
    let (inputs, depth) = (experiment.inputs as f64, cell.depth as f64);
    let flops = points.powi(3) / 3.0 + inputs * points.powi(2);
    let covariances = points.powi(2) / 2.0 + inputs * REFINED;
    let seconds = flops / LIMIT_FLOPS + COVARIANCE * depth * covariances + UNIT + INPUT * inputs;
    UnitCost { normals: inputs * points, flops, seconds }
}

/// Linear pieces of the network on a line up to its smallest step or the bound, roughly: a sixth of the neurons.
fn linear_pieces(cell: Cell) -> f64 {
    1.0 + cell.depth as f64 * cell.width as f64 / 6.0
}
