//! Lemma 7: the variation of ∇f along a fixed direction, for ReLU.

use super::lemma_5::{self, radius};
use crate::audit::{Entry, Measured, Network, Setting, Statement};
use crate::model::Activation;

pub struct Lemma7;

impl Statement for Lemma7 {
    fn id(&self) -> &'static str {
        "lemma-7"
    }

    fn citation(&self) -> &'static str {
        "Lemma 7, appendix C"
    }

    fn claim(&self) -> &'static str {
        "⟨∇f(x) − ∇f(x + δ), v⟩ ≤ 2 √(log(1/γ)/d) ((2R √(log d/d))^(1/4) + √(log(1/γ)/k)) with probability 1 − γ, for fixed ‖δ‖ ≤ R, R ≥ 1, ‖v‖ = 1 \
         and ReLU"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation == Activation::Relu
    }

    fn cost(&self, setting: &Setting) -> f64 {
        16.0 * setting.d() * setting.k()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        lemma_5::columns()
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        lemma_5::measure(network)
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let setting = &measured.setting;
        let (d, k, log) = (setting.d(), setting.k(), (1.0 / gamma).ln());
        let root = (2.0 * radius(setting) * (d.ln() / d).sqrt()).powf(0.25);
        lemma_5::judge(measured, gamma, 2.0 * (log / d).sqrt() * (root + (log / k).sqrt()))
    }
}
