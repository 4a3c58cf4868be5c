//! One sampled path and its first zero.
//!
//! The path is drawn on the grid up to its first value ≤ 0 or the end of the line. Then, in order, every interval with a sign change, or with a
//! dip below zero not excluded at [`DIP`] standard deviations, is bisected repeatedly, each midpoint drawn conditionally on its neighbours. So
//! crossings between grid points are found with their true probability.

use rand::Rng;
use rand::distr::Distribution;

use super::grid::{Conditional, Grid, NEIGHBOURS};
use super::kernel::Angle;
use crate::random::normal::StandardNormal;

/// A dip below zero is excluded if the midpoint is this many standard deviations away from it.
const DIP: f64 = 6.0;

/// A sampled point of the path.
#[derive(Debug, Clone, Copy)]
struct PathPoint {
    angle: Angle,
    value: f64,
    /// Value minus its conditional mean given Z(0) and Z'(0).
    deviation: f64,
}

/// A path of Z with Z(0) = ζ > 0 and Z'(0) = −χ.
pub struct Path<'a> {
    grid: &'a Grid,
    zeta: f64,
    chi: f64,
    /// Grid points and, between them, refinements; ascending.
    points: Vec<PathPoint>,
}

impl<'a> Path<'a> {
    /// Draws a path on the grid, up to its first value ≤ 0 or the first angle ≥ `end`.
    pub fn sample(grid: &'a Grid, zeta: f64, chi: f64, end: f64, random: &mut impl Rng) -> Self {
        let mut path = Self { grid, zeta, chi, points: Vec::new() };
        let mut normals = Vec::new();
        for angle in grid.angles() {
            let deviation = grid.next_deviation(&mut normals, random);
            let point = path.point(*angle, deviation);
            path.points.push(point);
            if point.value <= 0.0 || angle.theta >= end {
                break;
            }
        }
        path
    }

    /// (θ, Z(θ)) at all points sampled so far.
    pub fn values(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.points.iter().map(|point| (point.angle.theta, point.value))
    }

    /// Number of points sampled so far.
    pub fn points(&self) -> u32 {
        self.points.len() as u32
    }

    /// The angle of the first zero, if any.
    pub fn first_crossing(&mut self, random: &mut impl Rng) -> Option<f64> {
        let intervals = self.points.len();
        // Index of the right end of the interval; refinement inserts points before it.
        let mut right = 0;
        for interval in 0..intervals {
            if self.points[right].value <= 0.0 || self.may_dip_on_grid(interval, right) {
                let crossing;
                (crossing, right) = self.refine(right, self.grid.resolution().halvings, random);
                if crossing.is_some() {
                    return crossing;
                }
            }
            right += 1;
        }
        None
    }

    fn point(&self, angle: Angle, deviation: f64) -> PathPoint {
        PathPoint { angle, value: angle.mean(self.zeta, self.chi) + deviation, deviation }
    }

    /// Angle and value at the left end of the interval ending at point `right`.
    fn left(&self, right: usize) -> (f64, f64) {
        match right.checked_sub(1) {
            None => (0.0, self.zeta),
            Some(left) => (self.points[left].angle.theta, self.points[left].value),
        }
    }

    /// Whether a dip below zero just before grid point `interval` (point `right`) cannot be excluded. Conditions on grid points only, which is
    /// conservative: refinements further left would only reduce the variance.
    fn may_dip_on_grid(&self, interval: usize, right: usize) -> bool {
        let (angle, conditional) = self.grid.middle(interval);
        let first = self.grid.angles()[interval.saturating_sub(NEIGHBOURS)].theta;
        let mut given = self.grid.angles()[interval.saturating_sub(NEIGHBOURS)..=interval].iter().peekable();
        // The grid points among the points sampled.
        let start = self.points[..=right].partition_point(|point| point.angle.theta < first);
        let deviations = self.points[start..=right].iter().filter_map(|point| {
            let is_grid = given.peek().is_some_and(|angle| angle.theta == point.angle.theta);
            is_grid.then(|| {
                given.next();
                point.deviation
            })
        });
        let mean = angle.mean(self.zeta, self.chi) + conditional.mean(deviations);
        may_dip(self.left(right).1, mean - DIP * conditional.std, self.points[right].value)
    }

    /// The first crossing in the interval ending at point `right`, and the new index of that point.
    fn refine(&mut self, right: usize, halvings: u32, random: &mut impl Rng) -> (Option<f64>, usize) {
        let ((left_angle, left_value), end) = (self.left(right), self.points[right]);
        if halvings == 0 {
            let share = left_value / (left_value - end.value);
            let crossing = (end.value <= 0.0).then_some(left_angle + share * (end.angle.theta - left_angle));
            return (crossing, right);
        }
        let angle = Angle::new((left_angle + end.angle.theta) / 2.0, self.grid.depth());
        let near = &self.points[right.saturating_sub(NEIGHBOURS)..self.points.len().min(right + NEIGHBOURS)];
        let mut given = [angle; 2 * NEIGHBOURS];
        for (given, point) in given.iter_mut().zip(near) {
            *given = point.angle;
        }
        let conditional = Conditional::new(&angle, &given[..near.len()], self.grid.depth());
        let mean = conditional.mean(near.iter().map(|point| point.deviation));
        let lowest = angle.mean(self.zeta, self.chi) + mean - DIP * conditional.std;
        if end.value > 0.0 && !may_dip(left_value, lowest, end.value) {
            return (None, right);
        }
        let normal = StandardNormal.sample(random);
        let middle = self.point(angle, mean + conditional.std * normal);
        self.points.insert(right, middle);
        match self.refine(right, halvings - 1, random) {
            (Some(crossing), middle) => (Some(crossing), middle + 1),
            (None, middle) => self.refine(middle + 1, halvings - 1, random),
        }
    }
}

/// Whether the parabola through both ends (positive) and the midpoint of an interval dips to zero inside it.
fn may_dip(left: f64, middle: f64, right: f64) -> bool {
    let (slope, curvature) = (4.0 * middle - 3.0 * left - right, 2.0 * (left + right) - 4.0 * middle);
    // left + slope·x + curvature·x² for x in [0, 1].
    let lowest = -slope / (2.0 * curvature);
    middle <= 0.0 || (curvature > 0.0 && (0.0..=1.0).contains(&lowest) && left + slope * lowest / 2.0 <= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dips_are_those_of_the_parabola() {
        assert!(!may_dip(1.0, 0.5, 0.1));
        assert!(may_dip(1.0, -0.1, 1.0));
        assert!(may_dip(1.0, 0.05, 0.01)); // its minimum is at 3/4
        assert!(!may_dip(1.0, 1.0, 1.0));
        assert!(!may_dip(0.01, 0.5, 0.01));
        assert!(!may_dip(1.0, 0.75, 0.6));
    }
}
