//! Verified scan: bracket the first sign change of φ on a grid, then shrink the bracket superlinearly.
//!
//! The grid spacing is η̂/2 at first (η̂ is the linear prediction; η*/η̂ mostly lies in [1, 1.8]) and then grows in proportion to
//! t, up to the [`spacing`](Start::spacing) of the line, so every bracket is preceded by verification points with φ > 0. Where three neighbouring points form a dip that could reach
//! below 0, points are inserted. Each evaluation is a pass over the network. So, from the second round on, a point is placed
//! where φ(0), φ'(0) and the points so far predict the root (inverse interpolation with up to four nodes), slightly overshooting
//! so that the bracket closes from both sides, and never beyond the next grid point. When few lines are left, each gets more
//! points per round, hence fewer rounds. A scan ends when the bracket is narrower than [`TOLERANCE`], or narrower than [`NARROW`]
//! with linear and higher-order interpolation agreeing to [`AGREEMENT`]; the step is the interpolated root. Two crossings between
//! adjacent verification points are missed; `cargo bench --bench search_threshold` measures how often.
//!
//! A bracket that ends on the right with φ = 0, bit for bit, may be where φ vanishes. The end of the zeros is then bracketed likewise, and the
//! scan ends there if φ < 0 beyond them, or starts again from there if φ > 0. A single zero is a root that was hit exactly.

use arrayvec::ArrayVec;

use crate::kernels::Real;
use crate::network::{LinePoint, Lines};
use crate::record::Status;

use super::{NotFinite, Outcome, PHI, Start};

/// Relative bracket width at which a scan ends.
pub const TOLERANCE: f64 = 4e-5;
/// Relative bracket width at which a scan ends if the interpolants agree; a step is never farther than this from a sign change …
pub const NARROW: f64 = 1e-2;
/// … to this relative distance.
pub const AGREEMENT: f64 = 1e-5;
/// Grid spacing: the larger of this multiple of η̂ …
const SPACING: f64 = 0.5;
/// … and this multiple of t.
const WIDENING: f64 = 0.25;
/// Maximum number of points per line and round, not counting points in dips …
pub const ROUND_POINTS: usize = 2;
/// … and in rounds with few lines left, whose time is that of reading the weights (or regenerating their products) however few
/// points there are.
const LAST_POINTS: usize = 4;
/// Extra points in a bracket: the next point mirrored at the predicted root, and two at this fraction of its distance from the
/// root.
const CLOSER: f64 = 0.1;
/// Extra points are added once at most this fraction of the lines is unfinished.
const LAST: f64 = 0.1;
/// A dip is refined until it is narrower than this multiple of η̂; where the grid is wider, in proportion to its spacing.
const NARROWEST_DIP: f64 = 0.1;
/// Points overshoot the predicted root by this fraction of its distance to the nearest evaluated point, to land on the other
/// side.
const OVERSHOOT: f64 = 0.03;
/// |φ| below this fraction of φ(0) is indistinguishable from 0.
const FLAT: f64 = 1e-6;
/// Interpolation nodes.
const NODES: usize = 4;

/// The smallest step on each of `lines`.
///
/// # Errors
/// If f is not finite at an evaluated point.
pub fn smallest_steps<T: Real>(network: &mut impl Lines<T>, lines: &[Start]) -> Result<Vec<Outcome>, NotFinite> {
    let mut scans: Vec<Scan> = lines.iter().map(Scan::new).collect();
    loop {
        let points: Vec<LinePoint> =
            scans.iter().flat_map(|scan| scan.next.iter().map(|&t| LinePoint { input: scan.line.input, t })).collect();
        if points.is_empty() {
            break;
        }
        let mut values = network.evaluate(&points).into_iter();
        for scan in &mut scans {
            let count = scan.next.len();
            scan.receive(values.by_ref().take(count))?;
        }
        let left = scans.iter().filter(|scan| !scan.next.is_empty()).count();
        if left as f64 <= LAST * lines.len() as f64 {
            scans.iter_mut().for_each(Scan::add_points);
        }
    }
    Ok(scans.into_iter().map(Scan::outcome).collect())
}

/// φ at one t.
#[derive(Debug, Clone, Copy)]
struct Node {
    t: f64,
    phi: f64,
}

/// Where φ vanishes.
#[derive(Debug, Clone, Copy)]
struct Zeros {
    root: f64,
    /// The first point at which φ was evaluated and 0.
    from: f64,
}

/// The scan of one line.
struct Scan {
    line: Start,
    /// The first t with φ = 0 on an interval; NaN if none so far.
    zero_step: f64,
    /// The root and the first evaluated zero beyond it, while the end of the zeros is being bracketed; then there is no bracket of a root.
    zeros: Option<Zeros>,
    /// η*, once it is known.
    step: Option<f64>,
    /// Evaluated points with φ > 0, ascending from t = 0, or from the end of the zeros.
    positive: Vec<Node>,
    /// Evaluated points with φ ≤ 0, ascending.
    nonpositive: Vec<Node>,
    /// Points to evaluate next, ascending; empty when the scan is finished.
    next: Vec<f64>,
    evaluations: u32,
}

impl Scan {
    fn new(line: &Start) -> Self {
        let mut scan = Self {
            line: *line,
            zero_step: f64::NAN,
            zeros: None,
            step: None,
            positive: vec![Node { t: 0.0, phi: line.value }],
            nonpositive: Vec::new(),
            next: Vec::new(),
            evaluations: 0,
        };
        scan.next = scan.grid(0.0, ROUND_POINTS);
        scan
    }

    /// Right end of the bracket: the first point with φ ≤ 0.
    fn right(&self) -> Option<Node> {
        self.nonpositive.first().copied()
    }

    /// Points with φ > 0 to the left of [`right`](Self::right), ascending.
    fn before(&self) -> &[Node] {
        let count = self.right().map_or(self.positive.len(), |right| self.positive.partition_point(|point| point.t < right.t));
        &self.positive[..count]
    }

    /// Left end of the bracket: the last of these.
    fn left(&self) -> Node {
        *self.before().last().expect("φ(0) > 0")
    }

    /// The next `count` grid points beyond `t`.
    fn grid(&self, mut t: f64, count: usize) -> Vec<f64> {
        let mut points = Vec::with_capacity(count);
        while points.len() < count && t < self.line.bound {
            t = (t + self.spacing(t)).min(self.line.bound);
            points.push(t);
        }
        points
    }

    /// Grid spacing at `t`.
    fn spacing(&self, t: f64) -> f64 {
        (SPACING * self.line.predicted_step()).max(WIDENING * t).min(self.line.spacing)
    }

    /// Points inside dips that could reach 0: three neighbours whose middle value is the lowest, and at most half the larger drop
    /// to it.
    fn dips(&self) -> Vec<f64> {
        let mut points = Vec::new();
        for dip in self.before().windows(3) {
            let [before, lowest, after] = dip else { unreachable!("windows of three") };
            let drop = (before.phi - lowest.phi).max(after.phi - lowest.phi);
            let is_dip = lowest.phi < before.phi && lowest.phi <= after.phi && lowest.phi <= 0.5 * drop;
            if is_dip && after.t - before.t > NARROWEST_DIP / SPACING * self.spacing(lowest.t) {
                points.extend([0.5 * (before.t + lowest.t), 0.5 * (lowest.t + after.t)]);
            }
        }
        points
    }

    /// Processes f at the points of `next` and chooses the following ones.
    ///
    /// # Errors
    /// If a value is not finite.
    fn receive(&mut self, values: impl Iterator<Item = f64>) -> Result<(), NotFinite> {
        let old_width = self.right().filter(|_| self.zeros.is_none()).map(|right| right.t - self.left().t);
        for (t, f) in std::mem::take(&mut self.next).into_iter().zip(values) {
            self.evaluations += 1;
            NotFinite::check_at(PHI, self.line.input, t, f)?;
            let point = Node { t, phi: self.line.sign * f };
            let points = if point.phi > 0.0 { &mut self.positive } else { &mut self.nonpositive };
            let place = points.partition_point(|other| other.t < t);
            points.insert(place, point);
        }
        self.next = match self.zeros {
            Some(zeros) => self.bracket_end(zeros),
            None => self.bracket_root(old_width),
        };
        Ok(())
    }

    /// The next points on the way to a root.
    fn bracket_root(&mut self, old_width: Option<f64>) -> Vec<f64> {
        let dips = self.dips();
        if !dips.is_empty() {
            return dips;
        }
        let Some(right) = self.right() else { return self.ahead() };
        let next = self.refine_bracket(right, old_width);
        if !next.is_empty() {
            return next;
        }
        let root = self.root();
        if right.phi < 0.0 {
            self.step = Some(root);
            return next;
        }
        let zeros = Zeros { root, from: right.t };
        self.zeros = Some(zeros);
        self.bracket_end(zeros)
    }

    /// The next points on the way to the end of `zeros`.
    fn bracket_end(&mut self, zeros: Zeros) -> Vec<f64> {
        let behind = |points: &[Node]| points.iter().copied().find(|point| point.t > zeros.from && point.phi != 0.0);
        let first = [behind(&self.positive), behind(&self.nonpositive)].into_iter().flatten().min_by(|a, b| a.t.total_cmp(&b.t));
        let end = first.map_or(f64::INFINITY, |first| first.t);
        let last_zero =
            self.nonpositive.iter().rfind(|point| point.phi == 0.0 && point.t < end).map_or(zeros.from, |point| point.t);
        if last_zero > zeros.from && self.zero_step.is_nan() {
            self.zero_step = zeros.root;
        }
        let Some(first) = first else { return self.grid(last_zero, ROUND_POINTS) };
        if first.t - last_zero > TOLERANCE * first.t {
            return vec![0.5 * (last_zero + first.t)];
        }
        if first.phi < 0.0 {
            self.step = Some(if last_zero > zeros.from { 0.5 * (last_zero + first.t) } else { zeros.root });
            return Vec::new();
        }
        self.zeros = None;
        self.positive.retain(|point| point.t >= first.t);
        self.nonpositive.retain(|point| point.t > first.t);
        self.bracket_root(None)
    }

    /// Adds points to the next round: further grid points or, in a bracket, points on both sides of the predicted root, so that
    /// an accurate prediction gives a narrow bracket.
    fn add_points(&mut self) {
        let Some(&last) = self.next.last().filter(|_| self.zeros.is_none()) else { return };
        let left = self.left();
        if let Some(right) = self.right() {
            // The next points refine a dip, left of the bracket.
            if last < left.t {
                return;
            }
            let (root, off) = (self.root(), last - self.root());
            let around = [root - off, root + CLOSER * off, root - CLOSER * off];
            self.next.extend(around.into_iter().filter(|&t| t > left.t && t < right.t));
            self.next.sort_by(f64::total_cmp);
            self.next.dedup();
            return;
        }
        let mut t = last.max(left.t);
        while self.next.len() < LAST_POINTS && t < self.line.bound {
            t = (t + self.spacing(t)).min(self.line.bound);
            self.next.push(t);
        }
    }

    /// Next points while there is no bracket.
    fn ahead(&self) -> Vec<f64> {
        let left = self.left();
        let grid = self.grid(left.t, ROUND_POINTS);
        let root = self.predicted_root().filter(|&root| root > left.t);
        match (root, grid.first()) {
            (Some(root), Some(&first)) if root < first => vec![(root + OVERSHOOT * (root - left.t)).min(first)],
            (Some(root), Some(&first)) if grid.last().is_some_and(|&last| root < last) => vec![first],
            _ => grid,
        }
    }

    /// The next point inside the bracket; none if that is narrow enough.
    fn refine_bracket(&self, right: Node, old_width: Option<f64>) -> Vec<f64> {
        let left = self.left();
        let width = right.t - left.t;
        let linear = interpolated_root(left, right);
        let root = self.root();
        let agree = !self.is_flat(&right) && (root - linear).abs() <= AGREEMENT * right.t;
        if width <= TOLERANCE * right.t || width <= NARROW * right.t && agree {
            return Vec::new();
        }
        if old_width.is_some_and(|old| width > 0.5 * old) {
            return vec![0.5 * (left.t + right.t)];
        }
        let smallest = 0.3 * TOLERANCE * right.t;
        let next = match root - left.t < right.t - root {
            true => root + (OVERSHOOT * (root - left.t)).max(smallest),
            false => root - (OVERSHOOT * (right.t - root)).max(smallest),
        };
        let is_inside = next > left.t && next < right.t;
        vec![if is_inside { next } else { 0.5 * (left.t + right.t) }]
    }

    /// Estimate of the root inside the bracket.
    fn root(&self) -> f64 {
        let (left, right) = (self.left(), self.right().expect("there is a bracket"));
        self.predicted_root().filter(|&root| root > left.t && root < right.t).unwrap_or_else(|| interpolated_root(left, right))
    }

    /// Whether φ is 0 up to rounding, as where all neurons of a layer are inactive. Such a point says nothing about the slope
    /// before it.
    fn is_flat(&self, point: &Node) -> bool {
        point.phi.abs() < FLAT * self.line.value
    }

    /// The root by inverse interpolation: t as a polynomial in φ through the nodes nearest to the root. `None` unless φ falls
    /// along them. If t = 0 is a node, φ'(0) < 0 is interpolated too.
    fn predicted_root(&self) -> Option<f64> {
        let before = self.before();
        let after: ArrayVec<Node, { NODES / 2 }> =
            self.nonpositive.iter().filter(|point| !self.is_flat(point)).take(NODES / 2).copied().collect();
        let before = &before[before.len().saturating_sub(NODES - after.len())..];
        let nodes: ArrayVec<Node, NODES> = before.iter().chain(&after).copied().collect();
        let is_falling = nodes.is_sorted_by(|a, b| a.phi > b.phi);
        let slope_at_zero = (self.line.slope < 0.0).then(|| 1.0 / self.line.slope);
        is_falling.then(|| inverse_interpolation(&nodes, slope_at_zero))
    }

    fn outcome(self) -> Outcome {
        let none = Outcome::none(self.evaluations);
        self.step.map_or(none, |step| Outcome::found(step, Status::FoundScan, self.evaluations)).after_zero(self.zero_step)
    }
}

/// Root of the secant through `left` (φ > 0) and `right` (φ ≤ 0).
fn interpolated_root(left: Node, right: Node) -> f64 {
    (left.t + (right.t - left.t) * left.phi / (left.phi - right.phi)).clamp(left.t, right.t)
}

/// t(0) of the polynomial t(φ) through at most [`NODES`] `nodes` (falling φ), by Newton's divided differences; with slope dt/dφ at the node t = 0,
/// if that is one and a slope is given.
fn inverse_interpolation(nodes: &[Node], slope_at_zero: Option<f64>) -> f64 {
    let double = nodes.first().filter(|first| first.t == 0.0 && slope_at_zero.is_some());
    let nodes: ArrayVec<Node, { NODES + 1 }> = double.into_iter().chain(nodes).copied().collect();
    let mut differences: ArrayVec<f64, { NODES + 1 }> = nodes.iter().map(|point| point.t).collect();
    for order in 1..nodes.len() {
        for last in (order..nodes.len()).rev() {
            let step = nodes[last].phi - nodes[last - order].phi;
            let is_double = last == 1 && order == 1 && nodes[1].t == 0.0;
            differences[last] = match slope_at_zero {
                Some(slope) if is_double => slope,
                _ => (differences[last] - differences[last - 1]) / step,
            };
        }
    }
    // Horner's scheme for the Newton form at φ = 0.
    differences.iter().zip(&nodes).rev().fold(0.0, |sum, (difference, point)| difference - point.phi * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_interpolation_is_exact_for_its_polynomials() {
        let t = |phi: f64| 2.0 - 3.0 * phi + 0.5 * phi * phi - 0.25 * phi * phi * phi;
        let nodes = |phis: &[f64]| -> Vec<Node> { phis.iter().map(|&phi| Node { t: t(phi), phi }).collect() };
        assert!((inverse_interpolation(&nodes(&[1.0, 0.4, 0.1, -0.3]), None) - 2.0).abs() < 1e-12);
        // With the slope at t = 0: shifted so that φ = 1 lies there.
        let shifted: Vec<Node> = nodes(&[1.0, 0.5, 0.2]).iter().map(|point| Node { t: point.t - t(1.0), ..*point }).collect();
        let slope = -3.0 + 1.0 - 0.75;
        assert!((inverse_interpolation(&shifted, Some(slope)) - (2.0 - t(1.0))).abs() < 1e-12);
    }
}
