//! Statistics of one cell, from the records of its networks.
//!
//! Inputs of one network share its weights, so they are correlated, strongly so at depth 2 and more. Every spread therefore comes
//! twice: over the pooled samples (the paper's band), and over the per-network means (`*_std_networks`), which is the one that gives
//! standard errors: std_networks / √networks.

use crate::unit::UnitRecord;

/// The summary of a cell. A statistic of no samples is NaN. Standard deviations have the divisor n − 1, and are NaN at n = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Fraction of all inputs whose sign was switched within the bound (Figure 1).
    pub fraction: f64,
    /// Std over networks of the per-network fraction.
    pub fraction_std_networks: f64,
    /// Number of dead inputs: f(x) = 0 or ∇f(x) = 0.
    pub dead: u64,
    /// Mean of η* over the inputs found (Figures 2a–7a).
    pub step_mean: f64,
    pub step_std: f64,
    pub step_std_networks: f64,
    pub step_q05: f64,
    pub step_q50: f64,
    pub step_q95: f64,
    /// Mean of ‖∇f(x)‖ over all inputs (Figures 2b–7b).
    pub grad_mean: f64,
    pub grad_std: f64,
    pub grad_std_networks: f64,
    /// Mean of f(x) over all inputs.
    pub value_mean: f64,
    pub value_std: f64,
    /// Mean number of network evaluations along the line, an input.
    pub evaluations: f64,
    /// Thread-seconds of all networks together.
    pub seconds: f64,
}

impl Summary {
    /// Summarises the records of one cell, in network order.
    pub fn of(records: &[UnitRecord]) -> Self {
        let _ = records;
        panic!()
    }
}
