//! The constant of Theorems 1 and 2: the smallest C for which the step |η| = C √log(1/γ)/‖∇f(x)‖² flips the sign of f with probability 1 − γ.
//!
//! A step is parametrised by its *drop* c = |η| ‖∇f‖², the decrease of f if it were linear, so C = c/√log(1/γ). The theorems are about the sign at
//! exactly that step, and a longer one may flip it back, so all drops at which the sign changes are recorded.

use super::network::norm;
use super::{DeepNetwork, Estimate, Network};
use crate::stats::interval::probability;

/// The grid of drops: geometric until neighbours are [`LONGEST`] apart in input space, about the resulting change of a pre-activation, then
/// uniform, with at least [`FINEST`]. Two sign changes between neighbours are missed.
const SMALLEST: f64 = 0.01;
pub const LARGEST: f64 = 200.0;
const RATIO: f64 = 1.04;
const LONGEST: f64 = 1.0;
const FINEST: f64 = 0.01;
/// Bisections of a grid interval.
const HALVINGS: usize = 30;

/// Sign changes recorded per line. ReLU lines have few; with ψ = sin they never end, but later ones are beyond the mesoscopic scale. Even, so that
/// beyond the last one a line counts as not flipped.
pub const CHANGES: usize = 16;

/// Sign changes along the line of one network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// ‖∇f(x)‖.
    pub gradient_norm: f64,
    /// Drops at which the sign of f changes, ascending, padded with ∞.
    pub changes: [f64; CHANGES],
}

impl Line {
    /// The line from x against the gradient, or along it if f < 0. f = 0 counts as changed; without a direction (f(x) = 0 or ∇f(x) = 0) the sign
    /// never changes.
    pub fn of(network: &Network) -> Self {
        let value = network.value(network.z.view());
        let gradient = network.gradient(network.z.view());
        let gradient_norm = norm(gradient.view());
        let slope = network.forward(gradient.view()) * (-value.signum() / gradient_norm.powi(2));
        let activation = network.activation();
        let has_flipped = |drop: f64| {
            let terms = network.a.iter().zip(&network.z).zip(&slope).map(|((a, z), slope)| a * activation.value(z + drop * slope));
            value.signum() * terms.sum::<f64>() <= 0.0
        };
        Self::search(value, gradient_norm, has_flipped)
    }

    /// The same line of a network of any depth.
    pub fn of_deep(network: &DeepNetwork) -> Self {
        let (value, gradient) = network.value_and_gradient(network.x.view());
        let gradient_norm = norm(gradient.view());
        let first = network.weights[0].dot(&network.x);
        let slope = network.weights[0].dot(&gradient) * (-value.signum() / gradient_norm.powi(2));
        let has_flipped = |drop: f64| value.signum() * network.value_above(&first + &(&slope * drop)) <= 0.0;
        Self::search(value, gradient_norm, has_flipped)
    }

    /// Sign changes, where `has_flipped` tells the sign at a drop.
    fn search(value: f64, gradient_norm: f64, has_flipped: impl Fn(f64) -> bool) -> Self {
        let mut line = Line { gradient_norm, changes: [f64::INFINITY; CHANGES] };
        if value == 0.0 || gradient_norm == 0.0 {
            return line;
        }
        let (mut count, mut low, mut was) = (0, 0.0, false);
        let mut high = SMALLEST;
        while low < LARGEST && count < CHANGES {
            let is = has_flipped(high);
            if is != was {
                line.changes[count] = change_between(low, high, |drop| has_flipped(drop) == is);
                count += 1;
            }
            (low, was) = (high, is);
            high = (high * RATIO).min(high + (LONGEST * line.gradient_norm).max(FINEST)).min(LARGEST);
        }
        line
    }

    /// Whether the step of `drop` flips the sign; `None` beyond the recorded range.
    pub fn is_flipped_at(&self, drop: f64) -> Option<bool> {
        let is_known = drop <= self.changes[CHANGES - 1].min(LARGEST);
        is_known.then(|| self.changes.iter().filter(|change| **change <= drop).count() % 2 == 1)
    }
}

/// The point in [`low`, `high`] where `has_changed` becomes true, by bisection.
fn change_between(mut low: f64, mut high: f64, has_changed: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        match has_changed(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    high
}

/// The smallest drop at which a fraction 1 − γ of `lines` is flipped; ∞ if there is none. The interval ends at the smallest drops where the upper
/// and lower Clopper–Pearson limits of that fraction reach 1 − γ (95 % if no line flips back).
pub fn smallest_drop(lines: &[Line], gamma: f64) -> Estimate {
    // Odd sign changes flip a line, even ones flip it back.
    let changes = |line: &Line| line.changes.into_iter().zip([1, -1].into_iter().cycle()).filter(|(drop, _)| drop.is_finite());
    let mut events: Vec<(f64, i64)> = lines.iter().flat_map(|line| changes(line).collect::<Vec<_>>()).collect();
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    // (drop, lines flipped from there on).
    let mut flipped = vec![(0.0, 0)];
    for at_once in events.chunk_by(|a, b| a.0 == b.0) {
        let before = flipped[flipped.len() - 1].1;
        flipped.push((at_once[0].0, before + at_once.iter().map(|(_, change)| change).sum::<i64>()));
    }
    let trials = lines.len() as u64;
    let first = |reached: &dyn Fn(Estimate) -> f64| {
        let needed = first_count(trials, |hits| reached(probability(hits, trials)) >= 1.0 - gamma);
        let place = needed.and_then(|needed| flipped.iter().find(|(_, count)| *count >= needed as i64));
        place.map_or(f64::INFINITY, |(drop, _)| *drop)
    };
    Estimate { value: first(&|share| share.value + 1e-12), low: first(&|share| share.high), high: first(&|share| share.low) }
}

/// The smallest number in 0..=`most` that is `enough` (a monotone predicate), by bisection.
fn first_count(most: u64, enough: impl Fn(u64) -> bool) -> Option<u64> {
    if !enough(most) {
        return None;
    }
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low) / 2;
        match enough(middle) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Some(high)
}

/// √log(1/γ), the factor in the theorems' step and its length.
pub fn root_log(gamma: f64) -> f64 {
    (1.0 / gamma).ln().sqrt()
}
