//! Proposition 4: the variation of ∇f in a ball, for ReLU at large width.

use super::variations;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::model::Activation;

pub struct Proposition4;

impl Statement for Proposition4 {
    fn id(&self) -> &'static str {
        "proposition-4"
    }

    fn citation(&self) -> &'static str {
        "Proposition 4, section 3 and appendix C"
    }

    fn claim(&self) -> &'static str {
        "sup over ‖δ‖ ≤ R of ‖∇f(x) − ∇f(x + δ)‖ ≤ 20 (R log²(Rk) √(log d/d))^(1/4) + 40 √(d/k) log(Rk) with probability 1 − γ, for ReLU, \
         1 ≤ R ≤ √d/2, √k ≥ 52 and d ≥ log 1/γ"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation == Activation::Relu
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
        let (d, k, log) = (setting.d(), setting.k(), (1.0 / gamma).ln());
        let entry = |(index, radius): (usize, f64)| {
            let log_rk = (radius * k).ln();
            let bound = 20.0 * (radius * log_rk.powi(2) * (d.ln() / d).sqrt()).powf(0.25) + 40.0 * (d / k).sqrt() * log_rk;
            Claim::of(measured, gamma, variations::QUANTITY)
                .part(variations::PARTS[index])
                .assuming(k.sqrt() >= 52.0, "√k ≥ 52, k ≥ 2704")
                .assuming(d >= log, format!("d ≥ log 1/γ = {log:.3}"))
                .assuming((1.0..=d.sqrt() / 2.0).contains(&radius), "1 ≤ R ≤ √d/2")
                .supremum_at_most(&measured.column(2 * index), Some(&measured.column(2 * index + 1)), bound)
        };
        variations::radii(setting).into_iter().enumerate().map(entry).collect()
    }
}
