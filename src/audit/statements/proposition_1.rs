//! Proposition 1: |f(x)| and ‖∇f(x)‖ for smooth ψ with explicit constants, and their simplification (13).

use crate::audit::network::norm;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};

pub struct Proposition1;

/// The statement is joint; its consequence for each quantity alone is tested as well.
pub const BOTH: &str = "both: worse of measured/bound";

impl Statement for Proposition1 {
    fn id(&self) -> &'static str {
        "proposition-1"
    }

    fn citation(&self) -> &'static str {
        "Proposition 1 and (13), section 2"
    }

    fn claim(&self) -> &'static str {
        "smooth ψ: |f(x)| and ‖∇f(x)‖ as in Lemmas 1 and 2 with σ = c = σ' = c' = 1; |f(x)| ≤ 2 √(log 1/γ), ‖∇f(x)‖ ≥ c_ψ/2 for d, k above an unnamed constant"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation.smoothness().is_some()
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
        let Setting { activation, .. } = measured.setting;
        let (d, k) = (measured.setting.d(), measured.setting.k());
        let log = |n: f64| (n / gamma).ln();
        let moment = activation.derivative_second_moment();
        let value = (2.0 * log(1.0)).sqrt() * (1.0 + (log(2.0) / k).sqrt());
        let root = (moment - (2.0 * log(4.0) / k).sqrt() * (1.0 + (log(4.0) / k).sqrt())).sqrt();
        let gradient = root * (1.0 - 5.0 * (log(8.0) / d).sqrt());
        let (values, gradients) = (measured.column(0), measured.column(1));
        let claim = |quantity: &str, part: &str| {
            let claim = Claim::of(measured, gamma, quantity).part(part);
            claim.assuming(activation.lipschitz() <= 1.0, "a Lipschitz constant of 1, (12)")
        };
        let simple = |quantity: &str| claim(quantity, "(13)").assuming_unnamed("k ≥ C log 2/γ and d ≥ C log 8/γ");
        vec![
            claim("|f(x)|", "").at_most(&values, value),
            claim("‖∇f(x)‖", "").at_least(&gradients, gradient),
            claim(BOTH, "").both((&values, value), (&gradients, gradient)),
            simple("|f(x)|").at_most(&values, 2.0 * log(1.0).sqrt()),
            simple("‖∇f(x)‖").at_least(&gradients, moment.sqrt() / 2.0),
            simple(BOTH).both((&values, 2.0 * log(1.0).sqrt()), (&gradients, moment.sqrt() / 2.0)),
        ]
    }
}
