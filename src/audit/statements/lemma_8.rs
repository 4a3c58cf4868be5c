//! Lemma 8: the operator norm of W, its largest singular value.

use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement, spectrum};
use crate::model::Activation;

pub struct Lemma8;

impl Statement for Lemma8 {
    fn id(&self) -> &'static str {
        "lemma-8"
    }

    fn citation(&self) -> &'static str {
        "Lemma 8, appendix C"
    }

    fn claim(&self) -> &'static str {
        "‖W‖ ≤ 2 (1 + √(10 (k + log 1/γ)/d))"
    }

    /// Independent of ψ; stated for ReLU.
    fn applies(&self, setting: &Setting) -> bool {
        setting.activation == Activation::Relu
    }

    fn cost(&self, setting: &Setting) -> f64 {
        let small = setting.d().min(setting.k());
        2.0 * setting.d() * setting.k() * small + spectrum::cost(small)
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["‖W‖".to_string()]
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        vec![network.operator_norm()]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let (d, k) = (measured.setting.d(), measured.setting.k());
        let bound = 2.0 * (1.0 + (10.0 * (k + (1.0 / gamma).ln()) / d).sqrt());
        vec![Claim::of(measured, gamma, "‖W‖").at_most(&measured.column(0), bound)]
    }
}
