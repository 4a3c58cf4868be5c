//! Equation (4): the operator norm of the Hessian at x, for smooth ψ.

use ndarray::Array1;
use rand::distr::Distribution;

use crate::audit::claim::Exponent;
use crate::audit::hessian::{self, operator_norm};
use crate::audit::network::Purpose;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::random::normal::StandardNormal;
use crate::stats::exponent::{SizedSample, comparable, exponent_of_quantile};
use crate::stats::interval::quantile;

pub struct Equation4;

impl Statement for Equation4 {
    fn id(&self) -> &'static str {
        "equation-4"
    }

    fn citation(&self) -> &'static str {
        "(4), section 1.2"
    }

    fn claim(&self) -> &'static str {
        "‖∇²f(x)‖_op = Õ(1/√d) for smooth ψ"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation.smoothness().is_some()
    }

    fn networks(&self, _setting: &Setting, asked: usize) -> usize {
        asked.min(50)
    }

    fn cost(&self, setting: &Setting) -> f64 {
        hessian::cost(setting)
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["‖∇²f(x)‖".to_string()]
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        let start: Array1<f64> =
            StandardNormal.sample_iter(network.generator(Purpose::Lanczos)).take(network.setting.dim).collect();
        vec![operator_norm(network, network.z.view(), start.view())]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        vec![constant(measured, gamma, 0, "‖∇²f(x)‖ √d")]
    }

    fn across(&self, all: &[Measured], gamma: f64) -> Vec<Entry> {
        exponents_in_dim(all, gamma, 0, "‖∇²f(x)‖")
    }
}

/// The constant in Õ(1/√d) at one setting.
pub fn constant(measured: &Measured, gamma: f64, column: usize, quantity: &str) -> Entry {
    let scaled: Vec<f64> = measured.column(column).iter().map(|norm| norm * measured.setting.d().sqrt()).collect();
    Claim::of(measured, gamma, quantity).part("constant").named(quantile(&scaled, 1.0 - gamma))
}

/// The exponent in d of the 1 − γ quantile, −1/2 by Õ(1/√d). The derivation (a central limit of k terms in each of d directions) needs k ≥ d;
/// with fewer neurons the norm is that of k nearly orthogonal terms, of order 1/√k for every d.
pub fn exponents_in_dim(all: &[Measured], gamma: f64, column: usize, quantity: &str) -> Vec<Entry> {
    let is_wide = |measured: &&Measured| measured.setting.width >= measured.setting.dim;
    let (wide, narrow): (Vec<&Measured>, Vec<&Measured>) = all.iter().partition(is_wide);
    let entry = |part: &str, of: &[&Measured]| {
        let point = |measured: &&Measured| SizedSample {
            group: measured.setting.width,
            size: measured.setting.d(),
            sample: measured.column(column),
        };
        let points: Vec<SizedSample> = of.iter().map(point).collect();
        Claim::across(all, &points, gamma, format!("exponent of {quantity} in d"))
            .part(part)
            .assuming(part == "k ≥ d", "k ≥ d, for the central limit that it is derived from")
            .note("−1/2, and what a factor √log d of the Õ adds between these d")
            .exponent(exponent_of_quantile(&points, 1.0 - gamma), Exponent::AtMost(-0.5 + of_logarithm(&points)))
    };
    let parts = [("k ≥ d", wide), ("k < d", narrow)];
    parts.into_iter().filter(|(_, of)| !of.is_empty()).map(|(part, of)| entry(part, &of)).collect()
}

/// The contribution of a factor √log d to the exponent between the smallest and largest usable d.
fn of_logarithm(points: &[SizedSample]) -> f64 {
    let sizes = || comparable(points).map(|point| point.size);
    let (smallest, largest) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
    if smallest > 1.0 && smallest < largest { 0.5 * (largest.ln() / smallest.ln()).ln() / (largest / smallest).ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::growth;
    use crate::model::Activation;

    /// What `networks` networks have measured at (d, k), all the same.
    fn measured((dim, width, networks): (usize, usize, usize)) -> Measured {
        let setting = Setting::two_layer(dim, width, Activation::Tanh);
        let rows = vec![vec![1.0 / setting.d().sqrt()]; networks];
        Measured { statement: "equation-4", setting, columns: vec!["x".to_string()], rows }
    }

    #[test]
    fn an_exponent_counts_the_networks_that_tell_it() {
        // d = 5 is too small to tell; at k = 100 there is one d on each side of k.
        let settings = [(5, 100, 1), (50, 100, 2), (50, 1000, 4), (150, 100, 8), (150, 1000, 16), (500, 1000, 32)];
        let all = settings.map(measured);
        let counted: Vec<(String, usize)> =
            exponents_in_dim(&all, 0.1, 0, "x").into_iter().map(|entry| (entry.part, entry.networks)).collect();
        // Of k < d there is one size only: what was looked at is counted.
        assert_eq!(counted, [("k ≥ d".to_string(), 4 + 16 + 32), ("k < d".to_string(), 8)]);
        let grown = growth::entries(&all, 0.1, "x", 0, 0.5, Exponent::AtMost(0.0));
        assert_eq!(grown.iter().map(|entry| entry.networks).collect::<Vec<_>>(), [2 + 8 + 4 + 16 + 32, 2 + 4 + 8 + 16]);
    }

    #[test]
    fn sizes_that_do_not_tell_add_no_logarithm() {
        let bound = |settings: &[(usize, usize, usize)]| {
            let all: Vec<Measured> = settings.iter().copied().map(measured).collect();
            exponents_in_dim(&all, 0.1, 0, "x")[0].bound
        };
        let settings = [(50, 1000, 5), (500, 1000, 5)];
        assert_eq!(bound(&settings), bound(&[&[(5, 1000, 5), (12, 20, 5)], &settings[..]].concat()));
    }
}
