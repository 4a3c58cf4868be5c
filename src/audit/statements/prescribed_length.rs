//! The sign after a gradient step of prescribed length, and the joint law of f(x) and f(x′) there.
//!
//! x′ = x − sign(f) t ∇f/‖∇f‖ with t in units of ‖x‖/√d = 1. The law at infinite width is in [`limit`](crate::audit::limit).

use super::at_infinite_width;
use crate::audit::limit::joint_law;
use crate::audit::network::norm;
use crate::audit::{Claim, DeepNetwork, Entry, Estimate, Measured, Setting, Statement};
use crate::stats::bootstrap::{RESAMPLES, generator, interval, resample};
use crate::stats::interval::probability;

pub struct PrescribedLength;

/// Lengths of the step.
const LENGTHS: [f64; 4] = [0.5, 1.0, 2.0, 4.0];

impl Statement for PrescribedLength {
    fn id(&self) -> &'static str {
        "prescribed-length"
    }

    fn citation(&self) -> &'static str {
        "Montanari & Wu 2022"
    }

    fn claim(&self) -> &'static str {
        "a gradient step of length O(‖x‖/√d) flips the sign with high probability at any depth; no constant is named"
    }

    fn is_multilayer(&self) -> bool {
        true
    }

    fn cost(&self, setting: &Setting) -> f64 {
        (6.0 + 2.0 * LENGTHS.len() as f64) * setting.cell().weights()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        std::iter::once("f(x)".to_string()).chain(LENGTHS.map(|t| format!("f(x′), t = {t}"))).collect()
    }

    fn measure_deep(&self, network: &DeepNetwork) -> Vec<f64> {
        let (value, gradient) = network.value_and_gradient(network.x.view());
        let length = norm(gradient.view());
        // Without a direction x stays where it is.
        let unit = if length > 0.0 { gradient / length } else { gradient };
        let at = |t: f64| network.value((&network.x - &(&unit * (value.signum() * t))).view());
        std::iter::once(value).chain(LENGTHS.map(at)).collect()
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let setting = measured.setting;
        let mut entries = Vec::new();
        for (place, t) in LENGTHS.into_iter().enumerate() {
            let law = joint_law(setting.activation, setting.gain(), setting.cell().depth, setting.dim, t);
            let claim = |quantity: &str, limit: Option<f64>| {
                Claim::of(measured, gamma, quantity).part(format!("‖δ‖√d/‖x‖ = {t}")).note(at_infinite_width(limit, 3))
            };
            let flipped = measured.rows.iter().filter(|row| row[0] * row[1 + place] < 0.0).count() as u64;
            entries.push(claim("P(flip)", law.map(|law| law.flip)).named(probability(flipped, measured.rows.len() as u64)));
            let pairs: Vec<(f64, f64)> = measured.rows.iter().map(|row| (row[0], row[1 + place])).collect();
            let statistics: [(&str, Option<f64>, Statistic); 2] = [
                ("corr(f(x), f(x′))", law.map(|law| law.correlation), correlation_of),
                ("std f(x′) ÷ std f(x)", law.map(|law| law.ratio), ratio_of),
            ];
            for (quantity, limit, statistic) in statistics {
                let claim = claim(quantity, limit);
                entries.push(match bootstrapped(&pairs, statistic) {
                    Some(estimate) => claim.named(estimate),
                    None => claim.not_testable(f64::NAN, "f is 0 in too many networks"),
                });
            }
        }
        entries
    }
}

/// Of the joint law of f(x) and f(x′); the means are 0 by the signs of the readout.
type Statistic = fn(&[(f64, f64)]) -> f64;

fn moments(pairs: &[(f64, f64)]) -> (f64, f64, f64) {
    pairs.iter().fold((0.0, 0.0, 0.0), |(xx, xy, yy), (x, y)| (xx + x * x, xy + x * y, yy + y * y))
}

fn correlation_of(pairs: &[(f64, f64)]) -> f64 {
    let (xx, xy, yy) = moments(pairs);
    xy / (xx * yy).sqrt()
}

fn ratio_of(pairs: &[(f64, f64)]) -> f64 {
    let (xx, _, yy) = moments(pairs);
    (yy / xx).sqrt()
}

/// With a bootstrap interval; `None` where the statistic is undefined.
fn bootstrapped(pairs: &[(f64, f64)], statistic: Statistic) -> Option<Estimate> {
    // Squares of f leave f64 in deep networks of extreme gain.
    let largest = pairs.iter().fold(0.0_f64, |largest, (x, y)| largest.max(x.abs()).max(y.abs()));
    let pairs: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (x / largest, y / largest)).collect();
    let value = statistic(&pairs);
    let mut generator = generator();
    let draws = (0..RESAMPLES).map(|_| statistic(&resample(&pairs, &mut generator).copied().collect::<Vec<_>>()));
    let estimate = interval(value, draws.filter(|draw| draw.is_finite()));
    (value.is_finite() && estimate.low <= value && value <= estimate.high).then_some(estimate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Cell};

    /// Wide networks have the law of infinitely wide ones, for ReLU and a smooth ψ: 400 networks, four standard errors and 0.01 to 0.03 for
    /// the width.
    #[test]
    fn wide_networks_have_the_law_of_infinitely_wide_ones() {
        let relu = Activation::Relu;
        for (activation, depth, width, gain) in [(relu, 1, 1000, 2.0), (relu, 2, 300, 2.0), (Activation::Tanh, 2, 300, 1.5)] {
            let setting = Setting::deep(Cell::new(depth, 20, width), gain, activation);
            let rows: Vec<_> = (0..400).map(|index| PrescribedLength.measure_deep(&DeepNetwork::new(5, setting, index))).collect();
            for (place, t) in LENGTHS.into_iter().enumerate() {
                let law = joint_law(activation, gain, depth, 20, t).unwrap();
                let share = rows.iter().filter(|row| row[0] * row[1 + place] < 0.0).count() as f64 / 400.0;
                let error = 4.0 * (law.flip * (1.0 - law.flip) / 400.0).sqrt() + 0.01;
                assert!((share - law.flip).abs() < error, "{activation:?}, depth {depth}, t = {t}: {share} against {law:?}");
                let pairs: Vec<(f64, f64)> = rows.iter().map(|row| (row[0], row[1 + place])).collect();
                // Of a correlation ρ the standard error is (1 − ρ²)/√n, of a ratio r at most r/√n.
                let error = 4.0 * (1.0 - law.correlation.powi(2)) / 20.0 + 0.03;
                assert!((correlation_of(&pairs) - law.correlation).abs() < error, "t = {t}: {}, {law:?}", correlation_of(&pairs));
                assert!((ratio_of(&pairs) / law.ratio - 1.0).abs() < 0.23, "t = {t}: {}, {law:?}", ratio_of(&pairs));
            }
        }
    }
}
