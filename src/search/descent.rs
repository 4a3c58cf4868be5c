//! Gradient descent with small steps until the sign of f flips, as in Daniely & Schacham (2020).
//!
//! From x₀ = x, x_{j+1} = x_j − s·τ·∇f(x_j) with τ = η̂/[`STEPS`], so that a linear f reaches 0 after [`STEPS`] steps. The
//! descent ends when s·f ≤ 0; the crossing is interpolated linearly within the last step. The *distance* is the path length. The
//! reported step is distance/‖∇f(x)‖, so that distance = step·‖∇f(x)‖ and the bound means the same as for straight lines. The
//! result is "not found" if the step exceeds the bound, if the gradient vanishes, or after [`BUDGET`] steps.

use ndarray::{Array2, ArrayView2, Axis};

use crate::kernels::Real;
use crate::network::{Differentiated, ValueAndGradient};
use crate::record::Status;

use super::{NotFinite, Outcome, Start};

/// Number of steps after which a linear f reaches 0.
pub const STEPS: f64 = 16.0;
/// Maximum number of steps.
pub const BUDGET: u32 = 320;

/// The descent from one input.
struct Walk {
    line: Start,
    /// s·f at the current point.
    value: f64,
    /// Length of the path so far.
    distance: f64,
    steps: u32,
    outcome: Option<Outcome>,
}

/// Runs the descents from the inputs of `lines`; `inputs` and `gradient` are x and ∇f at all inputs, n × d. With `bias` the last
/// coordinate is held fixed; the caller has set it to 0 in `gradient`.
///
/// # Errors
/// If f or the length of a step is not finite.
pub fn smallest_steps<T: Real>(
    network: &mut impl Differentiated<T>,
    inputs: ArrayView2<T>,
    gradient: &Array2<T>,
    lines: &[Start],
    bias: bool,
    bound: f64,
) -> Result<Vec<Outcome>, NotFinite> {
    let mut walks: Vec<Walk> = lines.iter().map(Walk::new).collect();
    let of_lines: Vec<usize> = lines.iter().map(|line| line.input).collect();
    let (mut x, mut gradient) = (inputs.select(Axis(0), &of_lines), gradient.select(Axis(0), &of_lines));
    loop {
        let active: Vec<usize> = (0..walks.len()).filter(|&walk| walks[walk].outcome.is_none()).collect();
        if active.is_empty() {
            return Ok(walks.into_iter().map(|walk| walk.outcome.expect("no walk is active")).collect());
        }
        let mut lengths = Vec::with_capacity(active.len());
        for &walk in &active {
            let step = walks[walk].line.predicted_step() / STEPS;
            let scale = T::of_f64(-walks[walk].line.sign * step);
            let mut squares = 0.0;
            x.row_mut(walk).zip_mut_with(&gradient.row(walk), |x, g| {
                squares += g.to_f64() * g.to_f64();
                *x = *x + scale * *g;
            });
            lengths.push(step * squares.sqrt());
        }
        let ValueAndGradient { value, gradient: there } = network.value_and_gradient_at(x.select(Axis(0), &active).view());
        for (row, (&walk, length)) in active.iter().zip(lengths).enumerate() {
            walks[walk].update(value[row], length, bound)?;
            gradient.row_mut(walk).assign(&there.row(row));
            if bias {
                gradient.row_mut(walk).iter_mut().next_back().into_iter().for_each(|g| *g = T::zero());
            }
        }
    }
}

impl Walk {
    fn new(line: &Start) -> Self {
        Self { line: *line, value: line.value, distance: 0.0, steps: 0, outcome: None }
    }

    /// Updates the walk after a step of this length that led to the value `f`.
    ///
    /// # Errors
    /// If `f` or `length` is not finite.
    fn update(&mut self, f: f64, length: f64, bound: f64) -> Result<(), NotFinite> {
        NotFinite::check("the length of a step of the descent", self.line.input, length)?;
        NotFinite::check("f on the way of the descent", self.line.input, f)?;
        let value = self.line.sign * f;
        let norm = self.line.decline.sqrt();
        self.steps += 1;
        let evaluations = self.steps;
        if value <= 0.0 {
            let step = (self.distance + length * self.value / (self.value - value)) / norm;
            let found = Outcome { step, status: Status::FoundScan, evaluations };
            self.outcome = Some(if step <= bound { found } else { Outcome::none(evaluations) });
            return Ok(());
        }
        self.distance += length;
        self.value = value;
        if self.distance > bound * norm || length == 0.0 || self.steps >= BUDGET {
            self.outcome = Some(Outcome::none(evaluations));
        }
        Ok(())
    }
}
