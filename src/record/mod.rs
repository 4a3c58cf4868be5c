//! Measurements: a [`Sample`] per input, a [`UnitRecord`] per network.

pub mod codec;

use crate::model::{Bound, Unit};
use crate::text::short;

/// Rounding allowance for steps at the bound.
const BOUND_SLACK: f64 = 1.0 + 1e-6;
/// Rounding allowance for positions near an input in f32, relative to its norm.
const ROUNDING: f64 = 1e-5;

/// Outcome of the search for one input. Discriminants are the codes in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The smallest step that flips the sign, certified.
    FoundExact = 0,
    /// A crossing bracketed by a verified scan; an earlier one is unlikely but not excluded.
    FoundScan = 1,
    /// f keeps its sign up to the bound.
    NoneWithinBound = 2,
    /// f(x) = 0 or ∇f(x) = 0: no direction to step in.
    Dead = 3,
    /// f becomes 0 within the bound but does not take the other sign.
    Vanished = 4,
}

impl Status {
    pub const ALL: [Status; 5] = [Status::FoundExact, Status::FoundScan, Status::NoneWithinBound, Status::Dead, Status::Vanished];

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
            Status::Vanished => "vanished",
        }
    }

    /// Whether the sign flips.
    pub fn is_found(self) -> bool {
        matches!(self, Status::FoundExact | Status::FoundScan)
    }

    /// Whether f loses its sign: it flips or becomes 0.
    pub fn is_lost(self) -> bool {
        self.is_found() || self == Status::Vanished
    }
}

/// The measurement at one input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// η*: the infimum of the t > 0 at which f(x − sign(f(x))·t·∇f(x)) has the sign opposite to that of f(x), or the same along another
    /// direction of length ‖∇f(x)‖; NaN unless found. For a descent, the length of the path over ‖∇f(x)‖.
    pub step: f64,
    /// The smallest step at which f is 0 without flipping there, as where the last active neuron turns off; NaN unless smaller than `step`.
    pub zero_step: f64,
    /// ‖δ‖₂, the distance from x to the point of the flip; NaN unless found. Along a line η*·‖∇f(x)‖; for a descent the straight distance,
    /// which is at most the length of the path.
    pub distance: f64,
    /// ‖∇f(x)‖, without the coordinate of a bias unit.
    pub gradient_norm: f64,
    /// f(x).
    pub value: f64,
    /// ‖x‖, without the coordinate of a bias unit.
    pub input_norm: f64,
    /// A distance below which f keeps its sign in every direction, certified; NaN if not asked for.
    pub certified: f64,
    pub status: Status,
    /// Work of the search: moves (direction nearest), passes over the neurons (`line`, `march`), linear pieces (`trace`), network evaluations (`scan`), sampled points
    /// (`path`), or steps (`descent`).
    pub evaluations: u32,
}

impl Sample {
    /// A sample without a direction to step in, or before the search.
    pub fn unsearched(value: f64, gradient_norm: f64, input_norm: f64) -> Self {
        let nothing = f64::NAN;
        let (status, evaluations) = (Status::Dead, 0);
        let (step, zero_step, distance, certified) = (nothing, nothing, nothing, nothing);
        Self { step, zero_step, distance, gradient_norm, value, input_norm, certified, status, evaluations }
    }

    /// The same with a flip at `step` on a line.
    pub fn flipping_at(self, step: f64, status: Status) -> Self {
        Self { step, distance: step * self.gradient_norm, status, ..self }
    }

    /// The smallest step at which f has lost its sign, by a flip or by becoming 0: what a comparison of signs finds. NaN if none.
    pub fn lost_step(&self) -> f64 {
        if self.zero_step.is_nan() { self.step } else { self.zero_step }
    }
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

/// Checks a sample's invariants within the `bound` of its search.
///
/// # Errors
/// The first violation.
pub fn check_sample(sample: &Sample, bound: Bound) -> Result<(), String> {
    let Sample { step, zero_step, distance, gradient_norm, value, input_norm, certified, status, .. } = *sample;
    let within_bound = 0.0..=bound.step * BOUND_SLACK;
    if status.is_found() && !within_bound.contains(&step) {
        return Err(format!("a step of {} is found within the bound of {}", short(step), short(bound.step)));
    }
    if !status.is_found() && !step.is_nan() {
        return Err(format!("a step of {} where none was found", short(step)));
    }
    if status == Status::Vanished && !within_bound.contains(&zero_step) {
        return Err(format!("f vanishes at a step of {} within the bound of {}", short(zero_step), short(bound.step)));
    }
    let is_before_flip = status.is_found() && (0.0..step).contains(&zero_step);
    if !(zero_step.is_nan() || is_before_flip || status == Status::Vanished) {
        return Err(format!("f vanishes at a step of {}, after its flip or without one", short(zero_step)));
    }
    if !(0.0..f64::INFINITY).contains(&gradient_norm) {
        return Err(format!("a gradient of norm {}", short(gradient_norm)));
    }
    if !value.is_finite() {
        return Err(format!("a value of {value}"));
    }
    let is_reachable = (0.0..=step * gradient_norm * BOUND_SLACK + ROUNDING * input_norm).contains(&distance);
    if status.is_found() != is_reachable || !status.is_found() && !distance.is_nan() {
        return Err(format!("a distance of {} by a step of {}", short(distance), short(step)));
    }
    if !(0.0..f64::INFINITY).contains(&input_norm) {
        return Err(format!("an input of norm {}", short(input_norm)));
    }
    let nearest = if status.is_found() { distance } else { f64::INFINITY };
    if !(certified.is_nan() || (0.0..f64::INFINITY).contains(&certified) && certified <= nearest) {
        return Err(format!("a certified distance of {} with a flip at {}", short(certified), short(distance)));
    }
    if distance > bound.distance * BOUND_SLACK + ROUNDING * input_norm {
        return Err(format!("a distance of {} within the bound of {}", short(distance), short(bound.distance)));
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
