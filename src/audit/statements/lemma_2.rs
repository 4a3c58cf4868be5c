//! Lemma 2: ‖∇f(x)‖ is bounded below.
//!
//! The lemma holds for any σ' and c' with E|ψ'(X)|^(2q) ≤ (q!/2) σ'² c'^(q−2) for all q ≥ 2. The paper uses |ψ'| ≤ 1, which gives σ' = c' = 1; for
//! Lipschitz constant λ it is σ' = c' = λ².

use crate::audit::network::norm;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};

pub struct Lemma2;

impl Statement for Lemma2 {
    fn id(&self) -> &'static str {
        "lemma-2"
    }

    fn citation(&self) -> &'static str {
        "Lemma 2, section 1.4"
    }

    fn claim(&self) -> &'static str {
        "‖∇f(x)‖ ≥ (E ψ'² − √(2σ'² log(2/γ)/k) − c' log(2/γ)/k)^½ (1 − 5 √(log(4/γ)/d))"
    }

    fn cost(&self, setting: &Setting) -> f64 {
        2.0 * setting.d() * setting.k()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["‖∇f(x)‖".to_string()]
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        vec![norm(network.gradient_at_input().view())]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let Setting { activation, .. } = measured.setting;
        let (d, k) = (measured.setting.d(), measured.setting.k());
        let sigma = activation.lipschitz().powi(2);
        let log = (2.0 / gamma).ln();
        let mean = activation.derivative_second_moment() - ((2.0 * sigma * sigma * log / k).sqrt() + sigma * log / k);
        let bound = mean.sqrt() * (1.0 - 5.0 * ((4.0 / gamma).ln() / d).sqrt());
        vec![Claim::of(measured, gamma, "‖∇f(x)‖").at_least(&measured.column(0), bound)]
    }
}
