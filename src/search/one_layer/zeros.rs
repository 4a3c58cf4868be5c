//! Lines on which φ may be 0 on an interval: the flip beyond it.

use super::Outcome;
use super::pass::{breakpoints, push_breakpoints};
use super::window::Segment;
use crate::kernels::line::Breakpoint;
use crate::record::Status;
use crate::team::tree::Part;

/// The [`Zeros`] of all lines.
#[derive(Clone)]
pub(super) struct AllZeros(pub(super) Vec<Zeros>);

impl Part for AllZeros {
    fn merge(&mut self, right: Self) {
        for (left, right) in self.0.iter_mut().zip(right.0) {
            left.falling.extend(right.falling);
            left.rising.extend(right.rising);
        }
    }

    fn size(&self) -> usize {
        self.0.iter().map(|zeros| 2 + zeros.falling.len() + 2 * zeros.rising.len()).sum()
    }

    fn to_numbers(&self) -> Vec<f64> {
        let mut numbers = Vec::with_capacity(self.size());
        for Zeros { falling, rising } in &self.0 {
            numbers.extend([falling.len() as f64, rising.len() as f64]);
            numbers.extend(falling);
            push_breakpoints(&mut numbers, rising);
        }
        numbers
    }

    fn from_numbers(mut numbers: &[f64]) -> Self {
        let mut all = Vec::new();
        while let [falling, rising, rest @ ..] = numbers {
            let (off, rest) = rest.split_at(*falling as usize);
            let (on, rest) = rest.split_at(2 * *rising as usize);
            all.push(Zeros { falling: off.to_vec(), rising: breakpoints(on) });
            numbers = rest;
        }
        Self(all)
    }
}

/// The neurons of a line without a permanently active one, by breakpoint.
#[derive(Clone, Default)]
pub(super) struct Zeros {
    /// t at which neurons turn off.
    falling: Vec<f64>,
    /// t at which neurons turn on, and the slope s·a·u that they add.
    rising: Vec<Breakpoint>,
}

impl Zeros {
    pub(super) fn visit(&mut self, z: f64, u: f64, a: f64) {
        if z > 0.0 && u < 0.0 {
            self.falling.push(-z / u);
        } else if z <= 0.0 && u > 0.0 {
            self.rising.push(Breakpoint { t: -z / u, jump: a * u });
        }
    }

    /// `outcome`, the first root of φ, if φ flips there; else the flip beyond the interval of zeros that begins there.
    pub(super) fn resolve(mut self, outcome: Outcome, bound: f64) -> Outcome {
        self.rising.sort_unstable_by(|a, b| (a.t, a.jump).partial_cmp(&(b.t, b.jump)).expect("breakpoints are numbers"));
        self.falling.sort_unstable_by(f64::total_cmp);
        let Some((&last_off, before)) = self.falling.split_last() else { return outcome };
        let first_on = self.rising.first().map_or(f64::INFINITY, |point| point.t);
        // Only one neuron is active on the last piece before the zeros, so φ has no root inside it.
        let piece_start = before.last().copied().unwrap_or(0.0);
        let flips_before = outcome.step <= 0.5 * (piece_start + last_off);
        if last_off >= first_on || flips_before || outcome.step.is_nan() && last_off > bound {
            return outcome;
        }
        let flip = self.first_flip().filter(|flip| *flip <= bound);
        let none = Outcome::none(outcome.evaluations);
        let beyond = flip.map_or(none, |flip| Outcome::found(flip, Status::FoundExact, outcome.evaluations));
        beyond.after_zero(last_off.min(bound))
    }

    /// The first t beyond the zeros from which φ < 0; `rising` is sorted.
    fn first_flip(&self) -> Option<f64> {
        let mut segment = Segment { t: 0.0, value: 0.0, slope: 0.0 };
        let ends = self.rising.iter().map(|point| (point.t, point.jump)).chain([(f64::INFINITY, 0.0)]);
        for (t, jump) in ends {
            let Segment { t: start, value, slope } = segment;
            if slope < 0.0 && value + slope * (t - start) < 0.0 {
                return Some(start - value / slope);
            }
            let value = if slope == 0.0 { value } else { value + slope * (t - start) };
            segment = Segment { t, value, slope: slope + jump };
        }
        None
    }
}
