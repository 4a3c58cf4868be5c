//! Infinite width: the distribution of the smallest step for one input of an infinitely wide ReLU network.
//!
//! At k = ∞, f is a Gaussian process with covariance K(x, x') = c·(|x||x'|/d)·κ(∠(x, x')), where κ is the arc-cosine map (Cho & Saul 2009)
//! iterated L times, in angles, and c = gain^(L−1)/2^L; both readouts have the same limit. f is homogeneous of degree 1 and the line
//! x − s·t·∇f(x) lies in the plane of x and ∇f(x), so s·f(x_t) = √c·(|x_t|/√d)·Z(θ_t) on it: Z is a stationary Gaussian process on the circle
//! with covariance κ(θ − θ'), conditioned on Z(0) = ζ = |N(0, 1)| and Z'(0) = −χ, with χ chi-distributed with d − 1 degrees of freedom. With
//! u = t√c/d, θ_t is the angle of the point (1 − uζ, uχ); it increases with t, and the smallest step is the first zero of Z. Depth
//! enters through κ, the gain only through the scale of t.
//!
//! Inputs are independent draws: the inputs of a "network" share nothing. [`kernel`] has the covariance, [`grid`] samples a path of Z, [`path`]
//! finds its first zero.

pub mod grid;
pub mod kernel;
pub mod path;

use rand::Rng;
use rand::distr::Distribution;

use crate::model::{Bound, Cell};
use crate::random::NetworkStreams;
use crate::random::chi_squared::ChiSquared;
use crate::random::normal::StandardNormal;
use crate::record::{Sample, Status};
use crate::search::NotFinite;
use grid::Grid;
use path::Path;

/// Sampling resolution of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// Grid points per 1/√d of angle, where a typical path crosses zero; beyond 4/√d the spacing grows with the angle.
    pub points: usize,
    /// Bisections of a grid interval that may hold a crossing.
    pub halvings: u32,
}

/// The resolution of every run: a step is the zero of a chord over 1/4096 of a typical step, for up to 4 typical steps.
pub const RESOLUTION: Resolution = Resolution { points: 16, halvings: 8 };

/// Largest ζ and χ − √d covered by the grid; larger ones have probability below 10⁻¹⁸.
const FARTHEST: f64 = 9.0;

/// The joint distribution of f, ‖∇f‖ and η* at one input.
pub struct Limit {
    dim: f64,
    /// √c.
    scale: f64,
    /// The correlation of f(x) and f(−x), κ(π).
    opposite: f64,
    bound: Bound,
    /// `None` at d = 1, where the line passes through the origin.
    grid: Option<(Grid, ChiSquared)>,
}

impl Limit {
    /// The limit for `depth` hidden layers, input dimension `dim` and searches up to `bound`.
    pub fn new(depth: usize, dim: usize, gain: f64, bound: impl Into<Bound>, resolution: Resolution) -> Self {
        let bound = bound.into();
        let grid = (dim > 1).then(|| {
            (Grid::new(depth, grid_angles(depth, dim, gain, bound.step, resolution.points), resolution), ChiSquared::new(dim - 1))
        });
        let opposite = kernel::excess(std::f64::consts::PI, depth).0 - 1.0;
        Self { dim: dim as f64, scale: variance(depth, gain).sqrt(), opposite, bound, grid }
    }

    /// Draws one sample; `input` is named in errors.
    ///
    /// # Errors
    /// If a value of the path is not finite.
    pub fn sample(&self, input: usize, random: &mut impl Rng) -> Result<Sample, NotFinite> {
        let normal = StandardNormal.sample(random);
        let zeta = normal.abs();
        let chi = self.grid.as_ref().map_or(0.0, |(_, degrees)| degrees.sample(random).sqrt());
        let value = self.scale * normal;
        let gradient_norm = self.scale * (libm::hypot(zeta, chi) / self.dim.sqrt());
        let bound = self.bound.along(gradient_norm);
        let none = Sample { status: Status::NoneWithinBound, ..Sample::unsearched(value, gradient_norm, self.dim.sqrt()) };
        if zeta == 0.0 {
            return Ok(Sample { status: Status::Dead, ..none });
        }
        let Some((grid, _)) = &self.grid else {
            // f is linear up to the origin, f(x_t) = f(x)·(1 − t|f(x)|), and beyond it goes on from 0 as f(−x), which is correlated with f(x).
            let step = 1.0 / (self.scale * zeta);
            if step > bound {
                return Ok(none);
            }
            let independent: f64 = StandardNormal.sample(random);
            let opposite = self.opposite * zeta + (1.0 - self.opposite * self.opposite).sqrt() * independent;
            return Ok(match opposite < 0.0 {
                true => none.flipping_at(step, Status::FoundExact),
                false => Sample { zero_step: step, status: Status::Vanished, ..none },
            });
        };
        let u = bound * self.scale / self.dim;
        let end = libm::atan2(u * chi, 1.0 - u * zeta);
        let mut path = Path::sample(grid, zeta, chi, end, random);
        let crossing = path.first_crossing(random).filter(|&angle| angle <= end);
        path.values().try_for_each(|(_, value)| NotFinite::check("Z on the path", input, value))?;
        let evaluations = path.points();
        Ok(match crossing {
            None => Sample { evaluations, ..none },
            Some(angle) => {
                let (sin, cos) = libm::sincos(angle);
                let step = self.dim / self.scale * sin / (chi * cos + zeta * sin);
                Sample { evaluations, ..none.flipping_at(step, Status::FoundScan) }
            }
        })
    }
}

/// c = gain^(L−1)/2^L: Var f(x) = E ‖∇f(x)‖².
fn variance(depth: usize, gain: f64) -> f64 {
    libm::pow(gain / 2.0, (depth - 1) as f64) / 2.0
}

/// The grid angles, ascending, at `points` per 1/√d.
pub fn grid_angles(depth: usize, dim: usize, gain: f64, bound: f64, points: usize) -> Vec<f64> {
    let scale = 1.0 / (dim as f64).sqrt();
    let u = bound * variance(depth, gain).sqrt() / dim as f64;
    let (zeta, chi) = (FARTHEST, (dim as f64).sqrt() + FARTHEST);
    // A line long enough to pass behind the origin reaches any angle.
    let end = if u * zeta < 1.0 { libm::atan2(u * chi, 1.0 - u * zeta) } else { std::f64::consts::PI };
    let spacing = |angle: f64| scale / points as f64 * (angle / (4.0 * scale)).max(1.0);
    let mut angles = Vec::new();
    let mut angle = 0.0;
    while angle + 1.5 * spacing(angle) < end {
        angle += spacing(angle);
        angles.push(angle);
    }
    angles.push(end);
    angles
}

/// Number of grid points for `cell`.
pub fn points(cell: Cell, gain: f64, bound: f64) -> usize {
    grid_angles(cell.depth, cell.dim, gain, bound, RESOLUTION.points).len()
}

/// The samples of one unit, each from its input's stream.
///
/// # Errors
/// If a path is not finite.
pub fn samples(streams: NetworkStreams, cell: Cell, inputs: usize, gain: f64, bound: Bound) -> Result<Vec<Sample>, NotFinite> {
    let limit = Limit::new(cell.depth, cell.dim, gain, bound, RESOLUTION);
    (0..inputs).map(|input| limit.sample(input, &mut streams.path(input))).collect()
}
