//! Lemma 5: the variation of ∇f along a fixed direction, for smooth ψ.

use ndarray::Array1;
use rand::distr::Distribution;

use crate::audit::hessian::scaled_to;
use crate::audit::network::Purpose;
use crate::audit::variation::along;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::random::normal::StandardNormal;

pub struct Lemma5;

/// δ is random, so nearly orthogonal to x; v is parallel or orthogonal to δ. Other (x, δ, v) are not tested.
pub const PARTS: [&str; 2] = ["v parallel to δ", "v ⊥ δ"];

/// R = d^(1/4).
pub fn radius(setting: &Setting) -> f64 {
    setting.d().powf(0.25)
}

/// ⟨∇f(x) − ∇f(x + δ), v⟩ for δ of norm R independent of the network, and v parallel and orthogonal to it.
pub fn measure(network: &Network) -> Vec<f64> {
    let mut generator = network.generator(Purpose::Direction);
    let mut random = || -> Array1<f64> { StandardNormal.sample_iter(&mut generator).take(network.setting.dim).collect() };
    let (parallel, other) = (scaled_to(random().view(), 1.0), random());
    let across = scaled_to((&other - &(&parallel * parallel.dot(&other))).view(), 1.0);
    let delta = &parallel * radius(&network.setting);
    [parallel, across].iter().map(|v| along(network, delta.view(), v.view())).collect()
}

pub fn columns() -> Vec<String> {
    PARTS.iter().map(|part| format!("⟨∇f(x) − ∇f(x + δ), v⟩, {part}")).collect()
}

/// One entry per angle.
pub fn judge(measured: &Measured, gamma: f64, bound: f64) -> Vec<Entry> {
    let entry = |(index, part): (usize, &&str)| {
        Claim::of(measured, gamma, "⟨∇f(x) − ∇f(x + δ), v⟩")
            .part(format!("R = d^(1/4), {part}"))
            .at_most(&measured.column(index), bound)
    };
    PARTS.iter().enumerate().map(entry).collect()
}

impl Statement for Lemma5 {
    fn id(&self) -> &'static str {
        "lemma-5"
    }

    fn citation(&self) -> &'static str {
        "Lemma 5, appendix B"
    }

    fn claim(&self) -> &'static str {
        "⟨∇f(x) − ∇f(x + δ), v⟩ ≤ (4RL/d) √(log 1/γ) (1 + √(log(1/γ)/k)) with probability 1 − γ, for fixed ‖δ‖ ≤ R, ‖v‖ = 1 and L-smooth ψ"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation.smoothness().is_some()
    }

    fn cost(&self, setting: &Setting) -> f64 {
        16.0 * setting.d() * setting.k()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        columns()
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        measure(network)
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let setting = &measured.setting;
        let Some(smoothness) = setting.activation.smoothness() else { return Vec::new() };
        let log = (1.0 / gamma).ln();
        let bound = 4.0 * radius(setting) * smoothness / setting.d() * log.sqrt() * (1.0 + (log / setting.k()).sqrt());
        judge(measured, gamma, bound)
    }
}
