//! The smallest step along the gradient line.
//!
//! For one input: s = sign f(x), p = −s ∇f(x) and φ(t) = s·f(x + t p), so that φ(0) = |f(x)| > 0 and φ'(0) = −‖∇f(x)‖². The smallest
//! step η* is the smallest t in (0, bound] with φ(t) ≤ 0. Along the line a ReLU network is piecewise linear, at any depth.

pub mod one_layer;
pub mod scan;
pub mod trace;

use crate::unit::Status;

/// The line through one input that is not dead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    pub input: usize,
    /// s = sign f(x).
    pub sign: f64,
    /// φ(0) = |f(x)| > 0.
    pub value: f64,
    /// −φ'(0) = ‖∇f(x)‖² > 0.
    pub decline: f64,
}

impl Start {
    /// η̂ = |f| / ‖∇f‖², the step at which the linear prediction of f is zero.
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
    /// Work: network evaluations (scan), linear pieces visited (trace), or passes over the neurons (one layer).
    pub evaluations: u32,
}

impl Outcome {
    fn none(evaluations: u32) -> Self {
        Self { step: f64::NAN, status: Status::NoneWithinBound, evaluations }
    }
}

/// The smallest step where d = 1. The line through x then runs through the origin, along a ray on which f is linear: f is lost exactly
/// at x = 0, that is at η̂.
pub fn through_the_origin(line: &Start, bound: f64) -> Outcome {
    let step = line.predicted_step();
    if step <= bound { Outcome { step, status: Status::FoundExact, evaluations: 0 } } else { Outcome::none(0) }
}
