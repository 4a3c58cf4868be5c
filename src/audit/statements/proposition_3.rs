//! Proposition 3: |f(x)| and ‖∇f(x)‖ for ReLU with explicit constants, and their simplification (17).

use super::proposition_1::BOTH;
use crate::audit::network::norm;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::model::Activation;

pub struct Proposition3;

impl Statement for Proposition3 {
    fn id(&self) -> &'static str {
        "proposition-3"
    }

    fn citation(&self) -> &'static str {
        "Proposition 3 and (17), section 3"
    }

    fn claim(&self) -> &'static str {
        "ReLU: |f(x)| ≤ √(2 log 2/γ) (1 + √(log(2/γ)/k)) and ‖∇f(x)‖ as in Lemma 2; |f(x)| ≤ 2 √(log 2/γ), ‖∇f(x)‖ ≥ 1/4 for d, k above an unnamed constant"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation == Activation::Relu
    }

    fn cost(&self, setting: &Setting) -> f64 {
        2.0 * setting.d() * setting.k()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["|f(x)|".to_string(), "‖∇f(x)‖".to_string()]
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        vec![network.value_at_input().abs(), norm(network.gradient_at_input().view())]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let (d, k) = (measured.setting.d(), measured.setting.k());
        let log = |n: f64| (n / gamma).ln();
        let value = (2.0 * log(2.0)).sqrt() * (1.0 + (log(2.0) / k).sqrt());
        let root = (0.5 - (2.0 * log(4.0) / k).sqrt() * (1.0 + (log(1.0) / k).sqrt())).sqrt();
        let gradient = root * (1.0 - 5.0 * (log(4.0) / d).sqrt());
        let (values, gradients) = (measured.column(0), measured.column(1));
        let claim = |quantity: &str, part: &str| Claim::of(measured, gamma, quantity).part(part);
        let simple = |quantity: &str| claim(quantity, "(17)").assuming_unnamed("k ≥ C log 1/γ and d ≥ C log 4/γ");
        vec![
            claim("|f(x)|", "").at_most(&values, value),
            claim("‖∇f(x)‖", "").at_least(&gradients, gradient),
            claim(BOTH, "").both((&values, value), (&gradients, gradient)),
            simple("|f(x)|").at_most(&values, 2.0 * log(2.0).sqrt()),
            simple("‖∇f(x)‖").at_least(&gradients, 0.25),
            simple(BOTH).both((&values, 2.0 * log(2.0).sqrt()), (&gradients, 0.25)),
        ]
    }
}
