//! The sign after a gradient step of prescribed length, and the joint law of f(x) and f(x′) there.
//!
//! x′ = x − sign(f) t ∇f/‖∇f‖ with t in units of ‖x‖/√d = 1. For ReLU the probability of a flip at infinite width is in [`limit`].

use crate::audit::limit::relu_flip_probability;
use crate::audit::network::norm;
use crate::audit::{Claim, DeepNetwork, Entry, Estimate, Measured, Setting, Statement};
use crate::model::Activation;
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
            let flipped = measured.rows.iter().filter(|row| row[0] * row[1 + place] < 0.0).count() as u64;
            let mut claim = Claim::of(measured, gamma, "P(flip)").part(format!("‖δ‖√d/‖x‖ = {t}"));
            if setting.activation == Activation::Relu {
                claim = claim.note(format!("at infinite width {:.3}", relu_flip_probability(setting.cell().depth, setting.dim, t)));
            }
            entries.push(claim.named(probability(flipped, measured.rows.len() as u64)));
            let pairs: Vec<(f64, f64)> = measured.rows.iter().map(|row| (row[0], row[1 + place])).collect();
            let claim = |quantity: &str| Claim::of(measured, gamma, quantity).part(format!("‖δ‖√d/‖x‖ = {t}"));
            for (quantity, statistic) in STATISTICS {
                let entry = match bootstrapped(&pairs, statistic) {
                    Some(estimate) => claim(quantity).named(estimate),
                    None => claim(quantity).not_testable(f64::NAN, "f is 0 in too many networks"),
                };
                entries.push(entry);
            }
        }
        entries
    }
}

type Statistic = fn(&[(f64, f64)]) -> f64;

/// Of the joint law of f(x) and f(x′); the means are 0 by the signs of the readout.
const STATISTICS: [(&str, Statistic); 2] = [("corr(f(x), f(x′))", correlation), ("std f(x′) ÷ std f(x)", ratio)];

fn moments(pairs: &[(f64, f64)]) -> (f64, f64, f64) {
    pairs.iter().fold((0.0, 0.0, 0.0), |(xx, xy, yy), (x, y)| (xx + x * x, xy + x * y, yy + y * y))
}

fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let (xx, xy, yy) = moments(pairs);
    xy / (xx * yy).sqrt()
}

fn ratio(pairs: &[(f64, f64)]) -> f64 {
    let (xx, _, yy) = moments(pairs);
    (yy / xx).sqrt()
}

/// With a bootstrap interval; `None` where the statistic is undefined.
fn bootstrapped(pairs: &[(f64, f64)], statistic: Statistic) -> Option<Estimate> {
    let value = statistic(pairs);
    let mut generator = generator();
    let draws = (0..RESAMPLES).map(|_| statistic(&resample(pairs, &mut generator).copied().collect::<Vec<_>>()));
    let estimate = interval(value, draws.filter(|draw| draw.is_finite()));
    (value.is_finite() && estimate.low <= value && value <= estimate.high).then_some(estimate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cell;

    /// Wide networks flip as often as infinitely wide ones: 400 networks, four standard errors.
    #[test]
    fn wide_networks_flip_as_often_as_infinitely_wide_ones() {
        for (depth, width) in [(1, 1000), (2, 300)] {
            let setting = Setting::deep(Cell::new(depth, 20, width), 2.0, Activation::Relu);
            let rows: Vec<_> = (0..400).map(|index| PrescribedLength.measure_deep(&DeepNetwork::new(5, setting, index))).collect();
            for (place, t) in LENGTHS.into_iter().enumerate() {
                let share = rows.iter().filter(|row| row[0] * row[1 + place] < 0.0).count() as f64 / 400.0;
                let exact = relu_flip_probability(depth, 20, t);
                let error = 4.0 * (exact * (1.0 - exact) / 400.0).sqrt() + 0.01;
                assert!((share - exact).abs() < error, "depth {depth}, t = {t}: {share} against {exact}");
            }
        }
    }
}
