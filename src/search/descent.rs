//! Gradient descent with small steps, as in Daniely & Schacham (2020): how far does it go until the sign is lost?
//!
//! From x₀ = x, x_{j+1} = x_j − s·τ·∇f(x_j) with τ = η̂/[`STEPS`], so that a linear f is lost after [`STEPS`] steps. It ends when s·f ≤ 0; the
//! crossing is interpolated linearly in the last step. The *distance* is the length of the path. Reported as its step is distance/‖∇f(x)‖,
//! so that here as for straight lines distance = step·‖∇f(x)‖ and steps are bounded alike. It is given up as not found when that
//! passes the bound, at a zero gradient, and after [`BUDGET`] steps.

use ndarray::{Array2, ArrayView2, Axis};

use crate::kernels::Real;
use crate::network::{Differentiated, ValueAndGradient};
use crate::record::Status;

use super::{NotFinite, Outcome, Start};

/// Steps in which a linear f would be lost.
pub const STEPS: f64 = 16.0;
/// Most steps.
pub const BUDGET: u32 = 320;

/// One descent.
struct Walk {
    line: Start,
    /// φ where the walk is.
    value: f64,
    /// Length of the path so far.
    distance: f64,
    steps: u32,
    outcome: Option<Outcome>,
}

/// The descents from the inputs of `lines`; `inputs` and `gradient` are x and ∇f at all inputs, n × d. With `bias` the last coordinate, in which `gradient` is 0,
/// stays as it is.
///
/// # Errors
/// f or the length of a step that is not finite.
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

    /// Takes in f after a step of this length.
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
