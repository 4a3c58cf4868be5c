//! Searches for the smallest step along a line.
//!
//! For one input let s = sign f(x), p a direction and φ(t) = s·f(x + t p), so that φ(0) = |f(x)| > 0. The smallest step η* is the
//! infimum of the t in (0, bound] with φ(t) < 0. For the paper's p = −s ∇f(x), φ'(0) = −‖∇f(x)‖²; [other
//! directions](crate::measure::directions) are scaled to the same length ‖∇f(x)‖. For ReLU and leaky ReLU, φ is piecewise linear
//! at any depth.
//!
//! With ReLU, φ can also become 0 and stay 0 over an interval: where the last active neuron of a layer turns off. That is not a flip; the search
//! notes where it began, and goes on beyond it. [`trace`] recognises an interval of zeros by its masks, with which φ is 0 bit for bit, and [`one_layer`]
//! by the breakpoints of the neurons; a root on the last linear piece before it is its beginning, so rounding does not decide between the two.
//! [`scan`] and [`descent`] go by evaluated zeros.

pub mod certify;
pub mod descent;
pub mod march;
pub mod nearest;
pub mod one_layer;
pub mod scan;
pub mod trace;

use crate::kernels::Real;
use crate::model::SearchName;
use crate::network::Lines;
use crate::record::Status;

/// The line through an input with f(x) ≠ 0 and ∇f(x) ≠ 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    pub input: usize,
    /// s = sign f(x).
    pub sign: f64,
    /// φ(0) = |f(x)| > 0.
    pub value: f64,
    /// ‖∇f(x)‖² = ‖p‖² > 0, the rate at which φ initially falls along the gradient.
    pub decline: f64,
    /// φ'(0) = s·⟨∇f(x), p⟩; −`decline` along the gradient.
    pub slope: f64,
    /// Largest step.
    pub bound: f64,
    /// Widest spacing of a scan.
    pub spacing: f64,
}

impl Start {
    /// η̂ = |f(x)| / ‖∇f(x)‖², the zero of the linearisation of φ along the gradient. Sets the scale of all steps.
    pub fn predicted_step(&self) -> f64 {
        self.value / self.decline
    }
}

/// Result of a search on one line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// η*, or NaN if there is no flip within the bound.
    pub step: f64,
    /// The smallest step at which φ is 0 without a flip there; NaN if none before `step` or the bound.
    pub zero_step: f64,
    pub status: Status,
    /// Work: network evaluations (scan), linear regions visited (trace), passes over the neurons (one layer, march), or steps
    /// (descent).
    pub evaluations: u32,
}

impl Outcome {
    /// `status` is one of the two of a step that is found.
    fn found(step: f64, status: Status, evaluations: u32) -> Self {
        Self { step, zero_step: f64::NAN, status, evaluations }
    }

    fn none(evaluations: u32) -> Self {
        Self { step: f64::NAN, zero_step: f64::NAN, status: Status::NoneWithinBound, evaluations }
    }

    /// The same, with φ = 0 at `zero_step` (NaN: nowhere).
    fn after_zero(self, zero_step: f64) -> Self {
        let is_vanished = !zero_step.is_nan() && !self.status.is_found();
        Self { zero_step, status: if is_vanished { Status::Vanished } else { self.status }, ..self }
    }
}

/// A quantity overflowed or became NaN, so the line has no valid result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what} of input {input} is {number}{}", at.map_or(String::new(), |t| format!(" at t = {t:e}")))]
pub struct NotFinite {
    /// Name of the quantity, such as `f(x + t·p)`.
    pub what: &'static str,
    pub input: usize,
    /// t, if the quantity belongs to a point of the line.
    pub at: Option<f64>,
    pub number: f64,
}

impl NotFinite {
    /// Fails if `number` is not finite.
    pub fn check(what: &'static str, input: usize, number: f64) -> Result<(), Self> {
        if number.is_finite() { Ok(()) } else { Err(Self { what, input, at: None, number }) }
    }

    /// As [`check`](Self::check), for a quantity at the point `t` of a line.
    fn check_at(what: &'static str, input: usize, t: f64, number: f64) -> Result<(), Self> {
        if number.is_finite() { Ok(()) } else { Err(Self { what, input, at: Some(t), number }) }
    }
}

/// Name of φ in error messages.
const PHI: &str = "f(x + t·p)";

/// The smallest steps for d = 1 and positively homogeneous ψ. f is then linear on the ray from the origin through x, so φ first becomes
/// 0 at x = 0, at the step −φ(0)/φ'(0), or not at all. Whether it flips there depends on the sign of f beyond the origin: `opposite`
/// holds f(−x) for each line.
pub fn through_the_origin(lines: &[Start], opposite: &[f64]) -> Vec<Outcome> {
    let outcome = |(line, opposite): (&Start, &f64)| {
        let step = line.value / -line.slope;
        match line.slope < 0.0 && step <= line.bound {
            true if line.sign * opposite < 0.0 => Outcome::found(step, Status::FoundExact, 0),
            true => Outcome::none(0).after_zero(step),
            false => Outcome::none(0),
        }
    };
    lines.iter().zip(opposite).map(outcome).collect()
}

/// The smallest step on each of `lines` by `search`; lines that a certified search abandons are scanned.
///
/// # Errors
/// If an intermediate value is not finite.
pub fn smallest_steps<T: Real>(
    network: &mut impl Lines<T>,
    lines: &[Start],
    search: SearchName,
) -> Result<Vec<Outcome>, NotFinite> {
    let certified = match search {
        SearchName::Line => return one_layer::smallest_steps(network, lines),
        SearchName::Scan => return scan::smallest_steps(network, lines),
        SearchName::March => march::smallest_steps(network, lines)?,
        SearchName::Trace => trace::smallest_steps(network, lines)?,
        SearchName::Path => unreachable!("infinite width is sampled by infinite::samples"),
        SearchName::Descent => unreachable!("a descent is not a line search"),
    };
    let given_up: Vec<Start> =
        lines.iter().zip(&certified).filter(|(_, outcome)| outcome.is_none()).map(|(line, _)| *line).collect();
    let mut scanned = match given_up.is_empty() {
        true => Vec::new(),
        false => scan::smallest_steps(network, &given_up)?,
    }
    .into_iter();
    let outcomes = certified.into_iter();
    Ok(outcomes.map(|outcome| outcome.unwrap_or_else(|| scanned.next().expect("one per abandoned line"))).collect())
}
