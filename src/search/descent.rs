//! Gradient descent with small steps until the sign of f flips, as in Daniely & Schacham (2020).
//!
//! From x₀ = x, x_{j+1} = x_j − s·τ·∇f(x_j) with τ = η̂/[`STEPS`], so that a linear f reaches 0 after [`STEPS`] steps. The
//! descent ends when s·f < 0; the crossing is interpolated linearly within the last step. The reported step is the length of the path over
//! ‖∇f(x)‖, so that the bound means the same as for straight lines; the claim of the paper is about the *distance* ‖x_T − x‖, which is at most
//! that. Where f and ∇f are 0, f has vanished and the descent ends; zeros between two of its points go unnoticed. The result is "not found" if the step exceeds the bound, if the
//! gradient vanishes, or after [`BUDGET`] steps.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

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
    length: f64,
    steps: u32,
    result: Option<Descended>,
}

/// Result of a descent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Descended {
    pub outcome: Outcome,
    /// ‖x_T − x‖ at the crossing; NaN if there is none.
    pub distance: f64,
}

/// Runs the descents from the inputs of `lines`; `inputs` and `gradient` are x and ∇f at all inputs, n × d. With `bias` the last
/// coordinate is held fixed; the caller has set it to 0 in `gradient`. The line's bound limits the path, `bound_distance` the distance.
///
/// Returns the results, and the last points x_T, lines × d: where the sign has flipped they are behind the crossing.
///
/// # Errors
/// If f or the length of a step is not finite.
pub fn descend<T: Real>(
    network: &mut impl Differentiated<T>,
    inputs: ArrayView2<T>,
    gradient: &Array2<T>,
    lines: &[Start],
    bias: bool,
    bound_distance: f64,
) -> Result<(Vec<Descended>, Array2<T>), NotFinite> {
    let mut walks: Vec<Walk> = lines.iter().map(Walk::new).collect();
    let of_lines: Vec<usize> = lines.iter().map(|line| line.input).collect();
    let (mut x, mut x_before, mut gradient) =
        (inputs.select(Axis(0), &of_lines), inputs.select(Axis(0), &of_lines), gradient.select(Axis(0), &of_lines));
    loop {
        let active: Vec<usize> = (0..walks.len()).filter(|&walk| walks[walk].result.is_none()).collect();
        if active.is_empty() {
            return Ok((walks.into_iter().map(|walk| walk.result.expect("no walk is active")).collect(), x));
        }
        let mut lengths = Vec::with_capacity(active.len());
        for &walk in &active {
            let step = walks[walk].line.predicted_step() / STEPS;
            let scale = T::of_f64(-walks[walk].line.sign * step);
            let mut squares = 0.0;
            x_before.row_mut(walk).assign(&x.row(walk));
            x.row_mut(walk).zip_mut_with(&gradient.row(walk), |x, g| {
                squares += g.to_f64() * g.to_f64();
                *x = *x + scale * *g;
            });
            lengths.push(step * squares.sqrt());
        }
        let ValueAndGradient { value, gradient: there } = network.value_and_gradient_at(x.select(Axis(0), &active).view());
        for (row, (&walk, length)) in active.iter().zip(lengths).enumerate() {
            let is_flat = there.row(row).iter().all(|g| *g == T::zero());
            let [x0, x1, x2] = [inputs.row(walks[walk].line.input), x_before.row(walk), x.row(walk)];
            walks[walk].update(value[row], is_flat, length, |part| distance_along(x0, x1, x2, part), bound_distance)?;
            gradient.row_mut(walk).assign(&there.row(row));
            if bias {
                gradient.row_mut(walk).iter_mut().next_back().into_iter().for_each(|g| *g = T::zero());
            }
        }
    }
}

/// ‖x₁ + `part`·(x₂ − x₁) − x₀‖.
fn distance_along<T: Real>(x0: ArrayView1<T>, x1: ArrayView1<T>, x2: ArrayView1<T>, part: f64) -> f64 {
    let coordinates = x0.iter().zip(x1).zip(x2).map(|((x0, x1), x2)| [x0.to_f64(), x1.to_f64(), x2.to_f64()]);
    let displacements = coordinates.map(|[x0, x1, x2]| x1 - x0 + part * (x2 - x1));
    displacements.map(|displacement| displacement * displacement).sum::<f64>().sqrt()
}

impl Walk {
    fn new(line: &Start) -> Self {
        Self { line: *line, value: line.value, length: 0.0, steps: 0, result: None }
    }

    /// Updates the walk after a step of this length that led to the value `f`, and to a gradient of 0 if `is_flat`. `distance` gives ‖x' − x‖ after a
    /// part of the step.
    ///
    /// # Errors
    /// If `f` or `length` is not finite.
    fn update(
        &mut self,
        f: f64,
        is_flat: bool,
        length: f64,
        distance: impl Fn(f64) -> f64,
        bound_distance: f64,
    ) -> Result<(), NotFinite> {
        NotFinite::check("the length of a step of the descent", self.line.input, length)?;
        NotFinite::check("f on the way of the descent", self.line.input, f)?;
        let (bound, norm) = (self.line.bound, self.line.decline.sqrt());
        let value = self.line.sign * f;
        self.steps += 1;
        let unfound = |outcome| Descended { outcome, distance: f64::NAN };
        let none = Outcome::none(self.steps);
        if value < 0.0 {
            let part = self.value / (self.value - value);
            let step = (self.length + length * part) / norm;
            let outcome = Outcome::found(step, Status::FoundScan, self.steps);
            let distance = distance(part);
            let is_within = step <= bound && distance <= bound_distance;
            self.result = Some(if is_within { Descended { outcome, distance } } else { unfound(none) });
            return Ok(());
        }
        self.length += length;
        if value == 0.0 && is_flat {
            let step = self.length / norm;
            self.result = Some(unfound(if step <= bound { none.after_zero(step) } else { none }));
            return Ok(());
        }
        self.value = value;
        if self.length > bound * norm || length == 0.0 || self.steps >= BUDGET {
            self.result = Some(unfound(none));
        }
        Ok(())
    }
}
