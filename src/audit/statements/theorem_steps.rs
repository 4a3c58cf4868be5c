//! Shared by Theorems 1 and 2: the smallest constant of the step, and the step's length.

use crate::audit::claim::Exponent;
use crate::audit::step_constant::{CHANGES, LARGEST, Line, root_log, smallest_drop};
use crate::audit::{Claim, Entry, Estimate, Measured, Network, Setting};
use crate::stats::exponent::{SizedSample, exponent_of_quantile};
use crate::stats::interval::quantile;

/// The line is evaluated at about 500 points.
pub fn cost(setting: &Setting) -> f64 {
    (6.0 * setting.d() + 500.0 * 20.0) * setting.k()
}

pub fn columns() -> Vec<String> {
    let changes = (1..=CHANGES).map(|i| format!("|η| ‖∇f(x)‖² at change of sign {i}"));
    std::iter::once("‖∇f(x)‖".to_string()).chain(changes).collect()
}

pub fn measure(network: &Network) -> Vec<f64> {
    let Line { gradient_norm, changes } = Line::of(network);
    std::iter::once(gradient_norm).chain(changes).collect()
}

/// The lines, from the measured columns.
pub fn lines(measured: &Measured) -> Vec<Line> {
    let line = |row: &Vec<f64>| Line { gradient_norm: row[0], changes: std::array::from_fn(|i| row[1 + i]) };
    measured.rows.iter().map(line).collect()
}

/// The smallest constant of the step; the length of that step, with ‖x‖/√d = 1; and a constant of the length for which both parts of the
/// theorem hold jointly at that C in a fraction 1 − γ of the networks: the length of the longest step that flips.
pub fn judge(measured: &Measured, gamma: f64, lines: &[Line]) -> Vec<Entry> {
    let root_log = root_log(gamma);
    let drop = smallest_drop(lines, gamma);
    let claim = |quantity: &str| Claim::of(measured, gamma, quantity).part("smallest C");
    if drop.value.is_infinite() {
        let why = format!("no step up to |η| ‖∇f(x)‖² = {LARGEST} flips a share 1 − γ of the networks");
        return vec![claim("C").not_testable(f64::NAN, why)];
    }
    let constant = Estimate { value: drop.value / root_log, low: drop.low / root_log, high: drop.high / root_log };
    let length = |line: &Line| drop.value / line.gradient_norm;
    let lengths: Vec<f64> = lines.iter().map(length).collect();
    let flips = |line: &&Line| line.is_flipped_at(drop.value) == Some(true);
    let longest = lines.iter().filter(flips).map(length).fold(0.0, f64::max);
    vec![
        claim("C").named(constant),
        claim("√d ‖η∇f(x)‖/‖x‖").note("at the step of that C").named(quantile(&lengths, 1.0 - gamma)),
        claim("‖η∇f(x)‖/√(log 1/γ)")
            .note("the longest step that flips: with it both halves hold in a share 1 − γ")
            .named(Estimate { value: longest / root_log, ..Estimate::NONE }),
    ]
}

/// ‖η∇f‖/‖x‖ against 1/√d, for the shortest η that flips the sign of a network.
pub fn length_exponent(all: &[Measured], gamma: f64) -> Entry {
    let point = |measured: &Measured| {
        let length = |line: Line| line.changes[0] / line.gradient_norm / measured.setting.d().sqrt();
        SizedSample {
            group: measured.setting.width,
            size: measured.setting.d(),
            sample: lines(measured).into_iter().map(length).collect(),
        }
    };
    let points: Vec<SizedSample> = all.iter().map(point).collect();
    Claim::across(all, &points, gamma, "exponent of ‖η∇f(x)‖/‖x‖ in d")
        .part("shortest step that flips")
        .note("‖η∇f(x)‖ = O(‖x‖/√d) wants −1/2 or less")
        .exponent(exponent_of_quantile(&points, 1.0 - gamma), Exponent::AtMost(-0.5))
}
