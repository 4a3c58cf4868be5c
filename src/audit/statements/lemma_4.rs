//! Lemma 4: ‖∇f(x)‖ against the root mean square of the derivatives of the neurons.

use crate::audit::network::norm;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};

pub struct Lemma4;

impl Statement for Lemma4 {
    fn id(&self) -> &'static str {
        "lemma-4"
    }

    fn citation(&self) -> &'static str {
        "Lemma 4, appendix A"
    }

    fn claim(&self) -> &'static str {
        "‖∇f(x)‖ ≥ (1 − 5 √(log(2/γ)/d)) √(Σ ψ'(w_ℓ·x)²/k)"
    }

    fn cost(&self, setting: &Setting) -> f64 {
        2.0 * setting.d() * setting.k()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["‖∇f(x)‖/√(Σψ'²/k)".to_string()]
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        let squares: f64 = network.z.iter().map(|&z| network.activation().derivative(z).powi(2)).sum();
        let root_mean_square = squares.sqrt() * network.scale();
        // All neurons inactive: 0 ≥ 0.
        if root_mean_square == 0.0 {
            return vec![f64::INFINITY];
        }
        vec![norm(network.gradient_at_input().view()) / root_mean_square]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let bound = 1.0 - 5.0 * ((2.0 / gamma).ln() / measured.setting.d()).sqrt();
        let claim = Claim::of(measured, gamma, "‖∇f(x)‖/√(Σψ'²/k)");
        vec![claim.assuming(gamma < 2.0 / std::f64::consts::E, "γ < 2/e").at_least(&measured.column(0), bound)]
    }
}
