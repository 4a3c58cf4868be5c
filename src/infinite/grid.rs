//! Samples the process on a grid given value and slope at 0, and between grid points given their neighbours.
//!
//! The Cholesky factor of the covariance depends on depth and grid only and is computed once for all paths. Between grid points the process is
//! nearly Markov in (value, slope), like a spline: the influence of neighbours decays by 2 − √3 per point.

use rand::Rng;
use rand::distr::Distribution;

use super::Resolution;
use super::kernel::Angle;
use crate::random::normal::StandardNormal;

/// Neighbours on each side that a new point is conditioned on, besides value and slope at 0.
pub const NEIGHBOURS: usize = 4;

/// Distribution of the deviation Z − E Z at a new point given its neighbours' deviations dᵢ: N(Σ wᵢ dᵢ, std²).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditional {
    weights: [f64; 2 * NEIGHBOURS],
    pub std: f64,
}

impl Conditional {
    /// At `angle`, given at most 2·[`NEIGHBOURS`] angles `given`.
    pub fn new(angle: &Angle, given: &[Angle], depth: usize) -> Self {
        const MOST: usize = 2 * NEIGHBOURS;
        // Cholesky factor of the correlations of `given`, and the scaled covariances with `angle`.
        let (mut factor, mut stds, mut along) = ([[0.0; MOST]; MOST], [0.0; MOST], [0.0; MOST]);
        let mut variance = angle.covariance(angle, depth);
        for (i, point) in given.iter().enumerate() {
            stds[i] = point.covariance(point, depth).max(f64::MIN_POSITIVE).sqrt();
            for j in 0..=i {
                let correlation = if i == j { 1.0 } else { point.covariance(&given[j], depth) / (stds[i] * stds[j]) };
                let rest = correlation - dot(&factor[i][..j], &factor[j][..j]);
                factor[i][j] = if i == j { rest.max(f64::EPSILON).sqrt() } else { rest / factor[j][j] };
            }
            let covariance = angle.covariance(point, depth) / stds[i];
            along[i] = (covariance - dot(&factor[i][..i], &along[..i])) / factor[i][i];
            variance -= along[i] * along[i];
        }
        let mut weights = along;
        for i in (0..given.len()).rev() {
            let above: f64 = (i + 1..given.len()).map(|j| factor[j][i] * weights[j]).sum();
            weights[i] = (weights[i] - above) / factor[i][i];
        }
        for (weight, std) in weights.iter_mut().zip(stds).take(given.len()) {
            *weight /= std;
        }
        Self { weights, std: variance.max(0.0).sqrt() }
    }

    /// Mean of the deviation; `deviations` in the order of `given`.
    pub fn mean(&self, deviations: impl Iterator<Item = f64>) -> f64 {
        self.weights.iter().zip(deviations).map(|(weight, deviation)| weight * deviation).sum()
    }
}

/// The grid of one depth and dim.
pub struct Grid {
    depth: usize,
    resolution: Resolution,
    angles: Vec<Angle>,
    /// Cholesky factor of the conditional covariance: packed lower triangle, row-major.
    factor: Vec<f64>,
    /// Midpoint between each grid point and the previous one (0 before the first), with its distribution given the grid points so far.
    middles: Vec<(Angle, Conditional)>,
    smallest_pivot: f64,
}

impl Grid {
    /// A grid at `angles` in (0, π], ascending.
    pub fn new(depth: usize, angles: Vec<f64>, resolution: Resolution) -> Self {
        let angles: Vec<Angle> = angles.into_iter().map(|theta| Angle::new(theta, depth)).collect();
        let (factor, smallest_pivot) = cholesky(&angles, depth);
        let middle = |right: usize| {
            let left = if right == 0 { 0.0 } else { angles[right - 1].theta };
            let middle = Angle::new((left + angles[right].theta) / 2.0, depth);
            let given = &angles[right.saturating_sub(NEIGHBOURS)..=right];
            (middle, Conditional::new(&middle, given, depth))
        };
        let middles = (0..angles.len()).map(middle).collect();
        Self { depth, resolution, angles, factor, middles, smallest_pivot }
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    pub fn resolution(&self) -> Resolution {
        self.resolution
    }

    pub fn angles(&self) -> &[Angle] {
        &self.angles
    }

    /// Half way between grid point `right` and the one before, with its law given grid points `right` − [`NEIGHBOURS`] to `right`.
    pub fn middle(&self, right: usize) -> (&Angle, &Conditional) {
        let (angle, conditional) = &self.middles[right];
        (angle, conditional)
    }

    /// The smallest share of a point's variance that the points before leave open. Rounding is about 10⁻¹⁵ times the ratio of the largest
    /// to the smallest angle to the power 3/2; below it a point would count as known.
    pub fn smallest_pivot(&self) -> f64 {
        self.smallest_pivot
    }

    /// Draws the deviation from the mean at the next grid point; `normals` has one standard normal for each point before.
    pub fn next_deviation(&self, normals: &mut Vec<f64>, random: &mut impl Rng) -> f64 {
        let point = normals.len();
        normals.push(StandardNormal.sample(random));
        dot(&self.factor[point * (point + 1) / 2..][..=point], normals)
    }
}

/// Packed rows of the Cholesky factor of the conditional covariance, and the smallest pivot of the correlations.
fn cholesky(angles: &[Angle], depth: usize) -> (Vec<f64>, f64) {
    let mut factor: Vec<f64> = Vec::with_capacity(angles.len() * (angles.len() + 1) / 2);
    let stds: Vec<f64> = angles.iter().map(|angle| angle.covariance(angle, depth).max(f64::MIN_POSITIVE).sqrt()).collect();
    let mut smallest = f64::INFINITY;
    for (i, angle) in angles.iter().enumerate() {
        let start = factor.len();
        for j in 0..=i {
            let above = j * (j + 1) / 2;
            let correlation = if i == j { 1.0 } else { angle.covariance(&angles[j], depth) / (stds[i] * stds[j]) };
            let rest = correlation - dot(&factor[start..start + j], &factor[above..above + j]);
            if i == j {
                smallest = smallest.min(rest);
            }
            factor.push(if i == j {
                rest.max(0.0).sqrt()
            } else if factor[above + j] > 0.0 {
                rest / factor[above + j]
            } else {
                0.0
            });
        }
    }
    for (i, std) in stds.iter().enumerate() {
        for entry in &mut factor[i * (i + 1) / 2..][..=i] {
            *entry *= std;
        }
    }
    (factor, smallest)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four sums at a time: one alone waits for itself.
    let (fours_a, rest_a) = a.as_chunks::<4>();
    let (fours_b, rest_b) = b[..a.len()].as_chunks::<4>();
    let sums = fours_a.iter().zip(fours_b).fold([0.0; 4], |sums, (a, b)| std::array::from_fn(|i| sums[i] + a[i] * b[i]));
    sums.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f64>()
}
