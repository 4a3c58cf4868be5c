//! What an experiment costs before it runs: engine, search, flops, bytes and predicted time of each cell, and who does what.

pub mod assign;

pub use crate::standin::plan;

use crate::experiment::Cell;
use crate::results::{EngineName, SearchName};

/// What one unit (one network) of a cell is predicted to take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitCost {
    /// Normal variates drawn.
    pub normals: f64,
    /// Floating-point operations in matrix products.
    pub flops: f64,
    /// Predicted seconds of one thread.
    pub seconds: f64,
}

/// How the units of one cell will be run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellPlan {
    pub cell: Cell,
    pub engine: EngineName,
    pub search: SearchName,
    pub cost: UnitCost,
    /// Peak bytes that one unit holds while it runs.
    pub unit_bytes: u64,
    /// Whether the weight matrices are kept between passes, or made again from their streams. Changes no result.
    pub stores_weights: bool,
}

/// The plan of an experiment on ranks that have `threads` threads and `memory` bytes each.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the order of [`Experiment::cells`].
    pub cells: Vec<CellPlan>,
    /// Units of each cell.
    pub networks: usize,
}
