//! Lemma 6: the probability that a neuron changes sign, (32) between x and x + δ, and (33) somewhere near x + δ.

use super::Radius;
use ndarray::Array1;
use rand::distr::Distribution;

use crate::audit::flips::{flips, flips_nearby, largest_flip_probability, worst_move};
use crate::audit::network::Purpose;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::random::normal::StandardNormal;

pub struct Lemma6;

/// ‖δ‖ in (32).
const RADII: [Radius; 3] = [("R = 1", |_| 1.0), ("R = d^(1/4)", |d| d.powf(0.25)), ("R = √d/2", |d| d.sqrt() / 2.0)];
/// ε in (33).
const EPSILONS: [f64; 3] = [0.001, 0.01, 0.1];

impl Statement for Lemma6 {
    fn id(&self) -> &'static str {
        "lemma-6"
    }

    fn citation(&self) -> &'static str {
        "Lemma 6, (32) and (33), appendix C; (19), section 3"
    }

    fn claim(&self) -> &'static str {
        "P(sign(w·x) ≠ sign(w·(x + δ))) ≤ R √(2 log d/d) + 1/d for ‖δ‖ ≤ R; \
         P(∃δ', ‖δ' − δ‖ ≤ ε: sign(w·(x + δ)) ≠ sign(w·(x + δ'))) ≤ 2ε (1 + 2 √(log(2/ε)/d)) for ‖δ‖ ≤ √d/2"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation.is_piecewise_linear()
    }

    fn cost(&self, setting: &Setting) -> f64 {
        (4 * RADII.len() + 6 * EPSILONS.len()) as f64 * setting.d() * setting.k()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        let first = RADII.iter().map(|(name, _)| format!("neurons flipped, {name}"));
        first.chain(EPSILONS.iter().map(|epsilon| format!("neurons that may flip nearby, ε = {epsilon}"))).collect()
    }

    /// In (32) δ maximises the probability (δ ⊥ x + δ); in (33) δ = −x/2, which minimises |w·(x + δ)|.
    fn measure(&self, network: &Network) -> Vec<f64> {
        let (w, x) = (network.w.view(), network.x.view());
        let beside: Array1<f64> =
            StandardNormal.sample_iter(network.generator(Purpose::Direction)).take(network.setting.dim).collect();
        let between = RADII.iter().map(|(_, radius)| {
            let delta = worst_move(x, beside.view(), radius(network.setting.d()));
            flips(w, x, delta.view()).happened as f64
        });
        let halfway = -0.5 * &network.x;
        let nearby = EPSILONS.iter().map(|&epsilon| flips_nearby(w, x, halfway.view(), epsilon).happened as f64);
        between.chain(nearby).collect()
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let d = measured.setting.d();
        let hits = |column: usize| measured.column(column).iter().sum::<f64>() as u64;
        let trials = (measured.setting.width * measured.rows.len()) as u64;
        let between = RADII.iter().enumerate().map(|(column, (name, radius))| {
            let radius = radius(d);
            let exact = largest_flip_probability(radius, measured.setting.dim);
            Claim::of(measured, gamma, "P(sign(w·x) ≠ sign(w·(x + δ)))")
                .part(format!("(32), {name}"))
                .note(format!("exactly asin(R/√d)/π = {exact:.4}"))
                .probability_at_most(hits(column), trials, radius * (2.0 * d.ln() / d).sqrt() + 1.0 / d)
        });
        let nearby = EPSILONS.iter().enumerate().map(|(index, epsilon)| {
            Claim::of(measured, gamma, "P(a flip within ε of x + δ)").part(format!("(33), ε = {epsilon}")).probability_at_most(
                hits(RADII.len() + index),
                trials,
                2.0 * epsilon * (1.0 + 2.0 * ((2.0 / epsilon).ln() / d).sqrt()),
            )
        });
        between.chain(nearby).collect()
    }
}
