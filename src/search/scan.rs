//! Verified scan: bracket the first sign change of φ on a grid, then close the bracket superlinearly.
//!
//! The grid has spacing η̂/2 at first (η̂ is the linear prediction; η*/η̂ lies mostly in [1, 1.8]) and widens in proportion to t, so that
//! every bracket is preceded by verification points that show φ > 0. Where three neighbouring points form a dip that could reach below
//! 0, points are put between them. The bracket is closed by pairs of points around the interpolated root until its relative width is
//! below [`TOLERANCE`]; the step is the interpolated root of the last bracket. A pair of crossings narrower than that is missed;
//! `cargo bench --bench search_threshold` measures how often.

use crate::kernels::Real;
use crate::network::{Engine, LinePoint};
use crate::unit::Status;

use super::{Outcome, Start};

/// Relative width of the final bracket around η*.
pub const TOLERANCE: f64 = 4e-5;
/// Grid spacing: the larger of this multiple of η̂ …
const SPACING: f64 = 0.5;
/// … and this multiple of t.
const WIDENING: f64 = 0.25;
/// Grid points of the first round and of the later ones.
pub const FIRST_POINTS: usize = 4;
const NEXT_POINTS: usize = 2;
/// A dip is looked into until its two sides together are narrower than this multiple of η̂, or of t where the grid is wider.
const NARROWEST_DIP: f64 = 0.1;

/// The smallest step on each of `lines`.
pub fn smallest_steps<T: Real>(engine: &mut dyn Engine<T>, lines: &[Start], bound: f64) -> Vec<Outcome> {
    let mut scans: Vec<Scan> = lines.iter().map(|line| Scan::new(line, bound)).collect();
    loop {
        let points: Vec<LinePoint> =
            scans.iter().flat_map(|scan| scan.next.iter().map(|&t| LinePoint { input: scan.line.input, t })).collect();
        if points.is_empty() {
            break;
        }
        let mut values = engine.evaluate(&points).into_iter();
        for scan in &mut scans {
            let count = scan.next.len();
            scan.take_in(values.by_ref().take(count));
        }
    }
    scans.into_iter().map(Scan::outcome).collect()
}

/// A point of the line and φ there.
#[derive(Debug, Clone, Copy)]
struct Point {
    t: f64,
    phi: f64,
}

/// The scan of one line.
struct Scan {
    line: Start,
    bound: f64,
    /// The points seen with φ > 0, ascending; t = 0 is the first.
    positive: Vec<Point>,
    /// The first point seen with φ ≤ 0.
    right: Option<Point>,
    /// Points to evaluate next, ascending; empty when the scan is over.
    next: Vec<f64>,
    /// Half the width of the next pair, relative to the bracket.
    pair: f64,
    evaluations: u32,
}

impl Scan {
    fn new(line: &Start, bound: f64) -> Self {
        let positive = vec![Point { t: 0.0, phi: line.value }];
        let mut scan = Self { line: *line, bound, positive, right: None, next: Vec::new(), pair: 0.05, evaluations: 0 };
        scan.next = scan.grid(FIRST_POINTS);
        scan
    }

    /// The last point with φ > 0 before any with φ ≤ 0.
    fn left(&self) -> Point {
        let before = self.right.map_or(self.positive.len(), |right| self.positive.partition_point(|point| point.t < right.t));
        self.positive[before - 1]
    }

    /// The next `count` points of the grid.
    fn grid(&self, count: usize) -> Vec<f64> {
        let mut t = self.left().t;
        let mut points = Vec::with_capacity(count);
        while points.len() < count && t < self.bound {
            t = (t + self.spacing(t)).min(self.bound);
            points.push(t);
        }
        points
    }

    /// Spacing of the grid at `t`.
    fn spacing(&self, t: f64) -> f64 {
        (SPACING * self.line.predicted_step()).max(WIDENING * t)
    }

    /// Points inside dips that could reach below 0: where φ is lower than on both sides, and going on at half the slope it would get there.
    fn dips(&self) -> Vec<f64> {
        let mut points = Vec::new();
        for dip in self.positive.windows(3) {
            let [before, lowest, after] = dip else { unreachable!("windows of three") };
            let drop = (before.phi - lowest.phi).max(after.phi - lowest.phi);
            let is_dip = lowest.phi < before.phi && lowest.phi <= after.phi && lowest.phi <= 0.5 * drop;
            if is_dip && after.t - before.t > NARROWEST_DIP / SPACING * self.spacing(lowest.t) {
                points.extend([0.5 * (before.t + lowest.t), 0.5 * (lowest.t + after.t)]);
            }
        }
        points
    }

    /// Takes in f at the points of `next`, and decides the points after them.
    fn take_in(&mut self, values: impl Iterator<Item = f64>) {
        let old_width = self.right.map(|right| right.t - self.left().t);
        for (t, f) in std::mem::take(&mut self.next).into_iter().zip(values) {
            self.evaluations += 1;
            let point = Point { t, phi: self.line.sign * f };
            if point.phi > 0.0 {
                let place = self.positive.partition_point(|other| other.t < t);
                self.positive.insert(place, point);
            } else if self.right.is_none_or(|right| t < right.t) {
                self.right = Some(point);
            }
        }
        let Some(right) = self.right else {
            self.next = self.dips();
            if self.next.is_empty() {
                self.next = self.grid(NEXT_POINTS);
            }
            return;
        };
        let left = self.left();
        let width = right.t - left.t;
        self.next = match old_width {
            _ if width <= TOLERANCE * right.t => Vec::new(),
            Some(old) if width > 0.5 * old => vec![0.5 * (left.t + right.t)],
            _ => self.pair_around_root(left, right),
        };
    }

    /// Two points close to the interpolated root, one on each side, inside the bracket.
    fn pair_around_root(&mut self, left: Point, right: Point) -> Vec<f64> {
        let width = right.t - left.t;
        let root = interpolated_root(left, right);
        let half = (self.pair * width).max(0.4 * TOLERANCE * right.t);
        self.pair *= 0.2;
        let inside = |t: &f64| *t > left.t && *t < right.t;
        let pair: Vec<f64> = [root - half, root + half].into_iter().filter(inside).collect();
        if pair.is_empty() { vec![0.5 * (left.t + right.t)] } else { pair }
    }

    fn outcome(self) -> Outcome {
        match self.right {
            Some(right) => {
                Outcome { step: interpolated_root(self.left(), right), status: Status::FoundScan, evaluations: self.evaluations }
            }
            None => Outcome::none(self.evaluations),
        }
    }
}

/// The root of the line through two points with φ > 0 ≥ φ.
fn interpolated_root(left: Point, right: Point) -> f64 {
    (left.t + (right.t - left.t) * left.phi / (left.phi - right.phi)).clamp(left.t, right.t)
}
