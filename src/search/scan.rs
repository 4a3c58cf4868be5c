//! Verified scan: bracket the first sign change of φ on a grid, then close the bracket superlinearly.
//!
//! The grid has spacing η̂/2 at first (η̂ is the linear prediction; η*/η̂ lies mostly in [1, 1.8]) and widens in proportion to t, so that
//! every bracket is preceded by verification points that show φ > 0. The bracket is closed by pairs of points around the interpolated root
//! until its relative width is below [`TOLERANCE`]; the step is the interpolated root of the last bracket. An earlier pair of
//! crossings between two grid points is missed; `cargo bench --bench search_threshold` measures how often.

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
    /// The last point with φ > 0 before any with φ ≤ 0.
    left: Point,
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
        let left = Point { t: 0.0, phi: line.value };
        let mut scan = Self { line: *line, bound, left, right: None, next: Vec::new(), pair: 0.05, evaluations: 0 };
        scan.next = scan.grid(FIRST_POINTS);
        scan
    }

    /// The next `count` grid points after the last one with φ > 0.
    fn grid(&self, count: usize) -> Vec<f64> {
        let mut t = self.left.t;
        let mut points = Vec::with_capacity(count);
        while points.len() < count && t < self.bound {
            t = (t + (SPACING * self.line.predicted_step()).max(WIDENING * t)).min(self.bound);
            points.push(t);
        }
        points
    }

    /// Takes in f at the points of `next`, and decides the points after them.
    fn take_in(&mut self, values: impl Iterator<Item = f64>) {
        let old_width = self.right.map(|right| right.t - self.left.t);
        for (t, f) in std::mem::take(&mut self.next).into_iter().zip(values) {
            self.evaluations += 1;
            let point = Point { t, phi: self.line.sign * f };
            let is_before_right = self.right.is_none_or(|right| t < right.t);
            if is_before_right && point.phi > 0.0 && t > self.left.t {
                self.left = point;
            } else if is_before_right && point.phi <= 0.0 {
                self.right = Some(point);
            }
        }
        self.next = match (self.right, old_width) {
            (None, _) => self.grid(NEXT_POINTS),
            (Some(right), _) if right.t - self.left.t <= TOLERANCE * right.t => Vec::new(),
            (Some(right), Some(old)) if right.t - self.left.t > 0.5 * old => vec![0.5 * (self.left.t + right.t)],
            (Some(right), _) => self.pair_around_root(right),
        };
    }

    /// Two points close to the interpolated root, one on each side, inside the bracket.
    fn pair_around_root(&mut self, right: Point) -> Vec<f64> {
        let width = right.t - self.left.t;
        let root = self.interpolated_root(right);
        let half = (self.pair * width).max(0.4 * TOLERANCE * right.t);
        self.pair *= 0.2;
        let inside = |t: &f64| *t > self.left.t && *t < right.t;
        let pair: Vec<f64> = [root - half, root + half].into_iter().filter(inside).collect();
        if pair.is_empty() { vec![0.5 * (self.left.t + right.t)] } else { pair }
    }

    fn interpolated_root(&self, right: Point) -> f64 {
        let Point { t, phi } = self.left;
        (t + (right.t - t) * phi / (phi - right.phi)).clamp(t, right.t)
    }

    fn outcome(self) -> Outcome {
        match self.right {
            Some(right) => {
                Outcome { step: self.interpolated_root(right), status: Status::FoundScan, evaluations: self.evaluations }
            }
            None => Outcome::none(self.evaluations),
        }
    }
}
