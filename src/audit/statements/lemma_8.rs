//! Lemma 8: the operator norm of W, that is its largest singular value.

use crate::audit::lanczos::extremes;
use crate::audit::network::Purpose;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use ndarray::Array1;
use rand_distr::{Distribution, StandardNormal};

pub struct Lemma8;

/// Relative change below which the Lanczos process on WᵀW ends.
const TOLERANCE: f64 = 1e-10;

impl Statement for Lemma8 {
    fn id(&self) -> &'static str {
        "lemma-8"
    }

    fn citation(&self) -> &'static str {
        "Lemma 8, p. 21"
    }

    fn claim(&self) -> &'static str {
        "‖W‖ ≤ 2 (1 + √(10 (k + log 1/γ)/d)) with probability 1 − γ"
    }

    fn cost(&self, setting: &Setting) -> f64 {
        2.0 * setting.d() * setting.k() * setting.d().min(setting.k())
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["‖W‖".to_string()]
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        vec![operator_norm(network)]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let (d, k) = (measured.setting.d(), measured.setting.k());
        let bound = 2.0 * (1.0 + (10.0 * (k + (1.0 / gamma).ln()) / d).sqrt());
        vec![Claim::of(measured, gamma, "‖W‖").at_most(&measured.column(0), bound)]
    }
}

/// The largest singular value of W: the root of the largest eigenvalue of the smaller one of WᵀW and WWᵀ, by Lanczos.
fn operator_norm(network: &Network) -> f64 {
    let w = &network.w;
    let gram = if w.nrows() < w.ncols() { w.dot(&w.t()) } else { w.t().dot(w) };
    let mut generator = network.generator(Purpose::Lanczos);
    let start: Array1<f64> = StandardNormal.sample_iter(&mut generator).take(gram.nrows()).collect();
    extremes(start.view(), TOLERANCE, |v| gram.dot(&v)).high.sqrt()
}
