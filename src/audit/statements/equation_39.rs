//! Equation (39): sums over few neurons are short.
//!
//! Printed with probability 1 − γ/8, so at failure probability γ the printed γ is 8γ. [`subsets`] bounds the supremum over sets.

use crate::audit::{Bracket, subsets};
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::model::Activation;

pub struct Equation39;

impl Statement for Equation39 {
    fn id(&self) -> &'static str {
        "equation-39"
    }

    fn citation(&self) -> &'static str {
        "Equation (39), appendix C"
    }

    fn claim(&self) -> &'static str {
        "sup over |S| ≤ 4d of ‖Σ_S a_i w_i‖/√k ≤ 9 √(d/k) √(log 4k + log(1/γ)/d)"
    }

    /// Independent of ψ; stated for ReLU.
    fn applies(&self, setting: &Setting) -> bool {
        setting.activation == Activation::Relu
    }

    fn networks(&self, _setting: &Setting, asked: usize) -> usize {
        asked.min(50)
    }

    fn cost(&self, setting: &Setting) -> f64 {
        subsets::cost(setting.d(), setting.k())
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["supremum, found".to_string(), "supremum, at most".to_string()]
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        let Bracket { found, at_most } = subsets::supremum(network, 4 * network.setting.dim);
        vec![found, at_most]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let (d, k) = (measured.setting.d(), measured.setting.k());
        let bound = 9.0 * (d / k).sqrt() * ((4.0 * k).ln() + (1.0 / gamma).ln() / d).sqrt();
        let claim = Claim::of(measured, gamma, "sup ‖Σ_S a_i w_i‖/√k");
        vec![claim.supremum_at_most(&measured.column(0), Some(&measured.column(1)), bound)]
    }
}
