//! Proposition 5: the variation of ∇f in a ball, for ReLU at small width.

use super::variations;
use crate::audit::variation::{Effort, at, small_width_radius};
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::model::Activation;

pub struct Proposition5;

impl Statement for Proposition5 {
    fn id(&self) -> &'static str {
        "proposition-5"
    }

    fn citation(&self) -> &'static str {
        "Proposition 5, section 3 and appendix C"
    }

    fn claim(&self) -> &'static str {
        "sup over ‖δ‖ ≤ √k/log⁶ d of ‖∇f(x) − ∇f(x + δ)‖ ≤ 60/log d with probability 1 − γ, for ReLU, 20 log³ d log 1/γ ≤ k ≤ d log³ d and \
         d ≥ 20 log³ d log 1/γ"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation == Activation::Relu
    }

    fn networks(&self, _setting: &Setting, asked: usize) -> usize {
        asked.min(variations::NETWORKS)
    }

    fn cost(&self, setting: &Setting) -> f64 {
        Effort::AUDIT.cost(setting.d(), setting.k(), 1)
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        ["found", "at most"].map(|side| format!("sup ‖∇f(x) − ∇f(x + δ)‖ {side}")).to_vec()
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        let bracket = at(network, small_width_radius(&network.setting));
        vec![bracket.found, bracket.at_most]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let setting = &measured.setting;
        let (d, k, log_d) = (setting.d(), setting.k(), setting.d().ln());
        let least = 20.0 * log_d.powi(3) * (1.0 / gamma).ln();
        let most = d * log_d.powi(3);
        let claim = Claim::of(measured, gamma, variations::QUANTITY)
            .part("R = √k/log⁶ d")
            .assuming(k >= least, format!("k ≥ 20 log³ d log 1/γ = {least:.0}"))
            .assuming(k <= most, format!("k ≤ d log³ d = {most:.0}"))
            .assuming(d >= least, format!("d ≥ 20 log³ d log 1/γ = {least:.0}"));
        vec![claim.supremum_at_most(&measured.column(0), Some(&measured.column(1)), 60.0 / log_d)]
    }
}
