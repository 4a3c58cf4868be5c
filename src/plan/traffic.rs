//! What the members of a team exchange for one unit, and how long it takes.
//!
//! A member waits for the others wherever a sum over all neurons is needed. `team::traffic()` counts these sums in a run.

use crate::experiment::Experiment;
use crate::model::{Cell, Direction, EngineName, Method, SearchName};
use crate::network::implicit::FirstLayer;
use crate::search::one_layer;

use super::cost;

/// Seconds for a message to arrive, and bytes per second, of the network between ranks: ordinary for a cluster.
pub const LATENCY: f64 = 2.0e-6;
pub const BANDWIDTH: f64 = 1.0e10;
/// Seconds for the threads of a rank to meet.
const MEETING: f64 = 4.0e-6;

/// Sums in a product of the implicit engine: inner products with both bases, orthonormalised in one pass or two, and their images.
const SUMS_OF_PRODUCT: f64 = 4.0;
/// Sums of n × n matrices of the shallow engine.
const SUMS_OF_SHALLOW: f64 = 5.0;
/// Numbers in them, over n².
const NUMBERS_OF_SHALLOW: f64 = 16.0;
/// Passes of an exact line search with a sum each, and numbers per bin, with those of the list.
const SUMS_OF_LINE: f64 = 1.3;
const NUMBERS_OF_BIN: f64 = 16.0;
/// Sums of a march, one each pass.
const SUMS_OF_MARCH: f64 = 12.0;

/// Sums over all neurons in one unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traffic {
    pub reductions: f64,
    /// Numbers in their totals, 8 bytes each.
    pub numbers: f64,
}

impl Traffic {
    /// Of one unit of `cell`.
    pub fn of_unit(cell: Cell, experiment: &Experiment, Method { engine, search }: Method) -> Self {
        let (n, d) = (experiment.inputs as f64, cell.dim as f64);
        let lines = experiment.directions.iter().filter(|direction| direction.is_line()).count() as f64;
        let mut traffic = match engine {
            EngineName::Implicit => Self::of_products(cell, experiment, search, lines),
            EngineName::Shallow => Self { reductions: SUMS_OF_SHALLOW, numbers: NUMBERS_OF_SHALLOW * n * n },
            // f and ∇f.
            EngineName::Dense | EngineName::Limit => Self { reductions: 1.0, numbers: n * (d + 1.0) },
        };
        let has_descent = experiment.directions.contains(&Direction::Descent);
        let searched = match search {
            SearchName::Line => Self {
                reductions: lines * SUMS_OF_LINE,
                numbers: lines * SUMS_OF_LINE * n * NUMBERS_OF_BIN * one_layer::bins(cell.width) as f64,
            },
            SearchName::March => Self { reductions: lines * SUMS_OF_MARCH, numbers: lines * SUMS_OF_MARCH * 4.0 * n },
            SearchName::Scan => Self { reductions: lines * cost::SCAN_ROUNDS, numbers: lines * n * cost::scan_points(cell) },
            SearchName::Trace | SearchName::Descent | SearchName::Path => Self { reductions: 0.0, numbers: 0.0 },
        };
        traffic.reductions += searched.reductions + if has_descent { 50.0 } else { 0.0 };
        traffic.numbers += searched.numbers + if has_descent { 50.0 * n * d } else { 0.0 };
        traffic
    }

    fn of_products(cell: Cell, experiment: &Experiment, search: SearchName, lines: f64) -> Self {
        let n = experiment.inputs as f64;
        let hidden = cell.depth as f64 - 1.0;
        let (mut products, mut vectors) = (2.0 * hidden, 4.0 * hidden * n * n);
        if search == SearchName::Scan {
            let points = lines * cost::scan_points(cell);
            products += hidden * lines * cost::SCAN_ROUNDS;
            // Each vector with all before it, in both passes.
            vectors += hidden * points * n * (2.0 + points) * n;
        }
        match FirstLayer::of(cell, experiment.inputs) {
            FirstLayer::Implicit => (products, vectors) = (products + 3.0, vectors + 6.0 * n * n),
            FirstLayer::Drawn => (products, vectors) = (products + 1.0 / SUMS_OF_PRODUCT, vectors + n * cell.dim as f64),
        }
        Self { reductions: SUMS_OF_PRODUCT * products, numbers: vectors }
    }

    /// Seconds that a team of `ranks` ranks of `threads` threads spends on it: up a binary tree and down again.
    pub fn seconds(&self, ranks: usize, threads: usize) -> f64 {
        let steps = 2.0 * f64::from(ranks.next_power_of_two().ilog2());
        let meeting = if threads > 1 { MEETING } else { 0.0 };
        self.reductions * (meeting + steps * LATENCY) + steps * 8.0 * self.numbers / BANDWIDTH
    }
}
