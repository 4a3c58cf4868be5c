//! Measurements: a [`Sample`] per input, a [`UnitRecord`] per network.

pub mod codec;

use crate::model::Unit;
use crate::text::short;

/// Rounding allowance for steps at the bound.
const BOUND_SLACK: f64 = 1.0 + 1e-6;

/// Outcome of the search for one input. Discriminants are the codes in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The smallest step, certified.
    FoundExact = 0,
    /// A crossing bracketed by a verified scan; an earlier one is unlikely but not excluded.
    FoundScan = 1,
    /// No sign change within the bound.
    NoneWithinBound = 2,
    /// f(x) = 0 or ∇f(x) = 0: no direction to step in.
    Dead = 3,
}

impl Status {
    pub const ALL: [Status; 4] = [Status::FoundExact, Status::FoundScan, Status::NoneWithinBound, Status::Dead];

    /// The status with file code `code`.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Status::FoundExact => "found-exact",
            Status::FoundScan => "found-scan",
            Status::NoneWithinBound => "none-within-bound",
            Status::Dead => "dead",
        }
    }

    pub fn is_found(self) -> bool {
        matches!(self, Status::FoundExact | Status::FoundScan)
    }
}

/// The measurement at one input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// η*: the smallest t > 0 at which f(x − sign(f(x))·t·∇f(x)) has lost the sign of f(x), or the same along another direction of length
    /// ‖∇f(x)‖; NaN unless found. The distance is η*·‖∇f(x)‖.
    pub step: f64,
    /// ‖∇f(x)‖, without the coordinate of a bias unit.
    pub gradient_norm: f64,
    /// f(x).
    pub value: f64,
    pub status: Status,
    /// Work of the search: passes over the neurons (`line`, `march`), linear pieces (`trace`), network evaluations (`scan`), sampled points
    /// (`path`), or steps (`descent`).
    pub evaluations: u32,
}

/// All samples of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitRecord {
    pub unit: Unit,
    /// One per input, in input order; with several directions, direction-major.
    pub samples: Vec<Sample>,
    /// Thread-seconds of the unit: the only field that may differ between runs.
    pub seconds: f64,
}

/// Checks a sample's invariants; `bound` is the largest step.
///
/// # Errors
/// The first violation.
pub fn check_sample(sample: &Sample, bound: f64) -> Result<(), String> {
    let Sample { step, gradient_norm, value, status, .. } = *sample;
    if status.is_found() && !(0.0..=bound * BOUND_SLACK).contains(&step) {
        return Err(format!("a step of {} is found within the bound of {}", short(step), short(bound)));
    }
    if !status.is_found() && !step.is_nan() {
        return Err(format!("a step of {} where none was found", short(step)));
    }
    if !(0.0..f64::INFINITY).contains(&gradient_norm) {
        return Err(format!("a gradient of norm {}", short(gradient_norm)));
    }
    if !value.is_finite() {
        return Err(format!("a value of {value}"));
    }
    Ok(())
}

/// Checks that a time is finite and not negative.
///
/// # Errors
/// If it is not.
pub fn check_seconds(seconds: f64) -> Result<(), String> {
    match (0.0..f64::INFINITY).contains(&seconds) {
        true => Ok(()),
        false => Err(format!("a time of {} s", short(seconds))),
    }
}
