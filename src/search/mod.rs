//! The smallest step along a line.
//!
//! For one input: s = sign f(x), p a direction and φ(t) = s·f(x + t p), so that φ(0) = |f(x)| > 0. The smallest step η* is the smallest t
//! in (0, bound] with φ(t) ≤ 0. For the paper's p = −s ∇f(x), φ'(0) = −‖∇f(x)‖²; the [other directions](crate::measure::directions) are scaled
//! to the same length ‖∇f(x)‖. Along the line a ReLU network is piecewise linear, at any depth, and so is one of leaky ReLUs.

pub mod descent;
pub mod march;
pub mod one_layer;
pub mod scan;
pub mod trace;

use crate::record::Status;

/// The line through one input that is not dead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    pub input: usize,
    /// s = sign f(x).
    pub sign: f64,
    /// φ(0) = |f(x)| > 0.
    pub value: f64,
    /// ‖∇f(x)‖² > 0: how fast φ would fall along the gradient, and the square of the length of p.
    pub decline: f64,
    /// φ'(0) = s·⟨∇f(x), p⟩; −`decline` along the gradient.
    pub slope: f64,
}

impl Start {
    /// η̂ = |f| / ‖∇f‖², the step at which the linear prediction of f along the gradient is zero: the scale of steps.
    pub fn predicted_step(&self) -> f64 {
        self.value / self.decline
    }
}

/// What a search found on one line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// η*, or NaN if there is no sign change within the bound.
    pub step: f64,
    pub status: Status,
    /// Work: network evaluations (scan), linear pieces visited (trace), passes over the neurons (one layer, march), or steps (descent).
    pub evaluations: u32,
}

impl Outcome {
    fn none(evaluations: u32) -> Self {
        Self { step: f64::NAN, status: Status::NoneWithinBound, evaluations }
    }
}

/// A number that left the range of its arithmetic, so that nothing can be said of the line.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what} of input {input} is {number}{}", at.map_or(String::new(), |t| format!(" at t = {t:e}")))]
pub struct NotFinite {
    /// What the number is, such as `f(x + t·p)`.
    pub what: &'static str,
    pub input: usize,
    /// Where on the line, if it is one.
    pub at: Option<f64>,
    pub number: f64,
}

impl NotFinite {
    /// Refuses a `number` that is not finite.
    pub fn check(what: &'static str, input: usize, number: f64) -> Result<(), Self> {
        if number.is_finite() { Ok(()) } else { Err(Self { what, input, at: None, number }) }
    }

    /// The same for φ or a part of it at the point `t` of a line.
    fn check_at(what: &'static str, input: usize, t: f64, number: f64) -> Result<(), Self> {
        if number.is_finite() { Ok(()) } else { Err(Self { what, input, at: Some(t), number }) }
    }
}

/// What φ is called in messages.
const PHI: &str = "f(x + t·p)";

/// The smallest step where d = 1 and ψ(cz) = cψ(z) for c > 0. The line through x then runs through the origin, along a ray on which f is linear: f is lost exactly
/// at x = 0, that is at −φ(0)/φ'(0), or nowhere.
pub fn through_the_origin(line: &Start, bound: f64) -> Outcome {
    let step = line.value / -line.slope;
    if line.slope < 0.0 && step <= bound { Outcome { step, status: Status::FoundExact, evaluations: 0 } } else { Outcome::none(0) }
}
