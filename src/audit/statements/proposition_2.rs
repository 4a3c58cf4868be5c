//! Proposition 2: the variation of ∇f in a ball, for smooth ψ.

use super::variations;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};

pub struct Proposition2;

/// The bound as printed: 20 R L (√(log(Rk/γ)/d) + log(1/γ)/√k).
pub fn bound(setting: &Setting, gamma: f64, radius: f64, smoothness: f64) -> f64 {
    let (d, k) = (setting.d(), setting.k());
    20.0 * radius * smoothness * (((radius * k / gamma).ln() / d).sqrt() + (1.0 / gamma).ln() / k.sqrt())
}

impl Statement for Proposition2 {
    fn id(&self) -> &'static str {
        "proposition-2"
    }

    fn citation(&self) -> &'static str {
        "Proposition 2, section 2 and appendix B"
    }

    fn claim(&self) -> &'static str {
        "sup over ‖δ‖ ≤ R of ‖∇f(x) − ∇f(x + δ)‖ ≤ 20 R L (√(log(Rk/γ)/d) + log(1/γ)/√k) with probability 1 − γ, for R ≥ 1 and L-smooth ψ"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation.smoothness().is_some()
    }

    fn networks(&self, _setting: &Setting, asked: usize) -> usize {
        asked.min(variations::NETWORKS)
    }

    fn cost(&self, setting: &Setting) -> f64 {
        variations::cost(setting)
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        variations::columns()
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        variations::measure(network)
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let setting = &measured.setting;
        let Some(smoothness) = setting.activation.smoothness() else { return Vec::new() };
        let lipschitz = setting.activation.lipschitz();
        let entry = |(index, radius): (usize, f64)| {
            Claim::of(measured, gamma, variations::QUANTITY)
                .part(variations::PARTS[index])
                .assuming(radius >= 1.0, "R ≥ 1")
                .assuming(lipschitz <= 1.0, format!("ψ with Lipschitz constant 1, not {lipschitz:.3}"))
                .supremum_at_most(
                    &measured.column(2 * index),
                    Some(&measured.column(2 * index + 1)),
                    bound(setting, gamma, radius, smoothness),
                )
        };
        variations::radii(setting).into_iter().enumerate().map(entry).collect()
    }
}
