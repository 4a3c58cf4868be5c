//! Lemma 9: few neurons are near their kink.

use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::model::Activation;

pub struct Lemma9;

impl Statement for Lemma9 {
    fn id(&self) -> &'static str {
        "lemma-9"
    }

    fn citation(&self) -> &'static str {
        "Lemma 9, appendix C"
    }

    fn claim(&self) -> &'static str {
        "#{i : |w_i·x| ≤ 1/log³ d} ≤ 2 k/log³ d, for k ≥ 10 log³ d log 1/γ"
    }

    /// Independent of ψ; stated for ReLU.
    fn applies(&self, setting: &Setting) -> bool {
        setting.activation == Activation::Relu
    }

    fn cost(&self, setting: &Setting) -> f64 {
        setting.k()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["neurons with |w_i·x| ≤ 1/log³ d".to_string()]
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        let threshold = network.setting.d().ln().powi(-3);
        vec![network.z.iter().filter(|z| z.abs() <= threshold).count() as f64]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let k = measured.setting.k();
        let cube = measured.setting.d().ln().powi(3);
        let least = 10.0 * cube * (1.0 / gamma).ln();
        let claim = Claim::of(measured, gamma, "neurons with |w_i·x| ≤ 1/log³ d");
        let claim = claim.assuming(k >= least, format!("k ≥ 10 log³ d log 1/γ = {least:.0}"));
        vec![claim.at_most(&measured.column(0), 2.0 * k / cube)]
    }
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;

    #[test]
    fn the_count_has_the_mean_of_the_normal_law() {
        let setting = Setting::two_layer(20, 2000, Activation::Relu);
        let networks = 50;
        let counts: f64 = (0..networks).map(|index| Lemma9.measure(&Network::new(11, setting, index))[0]).sum();
        let probability = 2.0 * Normal::standard().cdf(setting.d().ln().powi(-3)) - 1.0;
        let trials = networks as f64 * setting.k();
        let z = (counts - trials * probability) / (trials * probability * (1.0 - probability)).sqrt();
        assert!(z.abs() < 3.5, "{z} standard errors");
    }
}
