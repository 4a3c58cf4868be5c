//! Theorem 1: one gradient step flips the sign, for smooth ψ.

use super::proposition_2;
use super::theorem_steps as steps;
use crate::audit::step_constant::{LARGEST, root_log};
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};

pub struct Theorem1;

impl Statement for Theorem1 {
    fn id(&self) -> &'static str {
        "theorem-1"
    }

    fn citation(&self) -> &'static str {
        "Theorem 1, sections 1 and 2"
    }

    fn claim(&self) -> &'static str {
        "the step |η| = C₃ √(log 1/γ)/‖∇f(x)‖² flips the sign of f with probability 1 − γ, and ‖η∇f(x)‖ ≤ C₄ √(log 1/γ), for smooth ψ; \
         in the proof C₃ = 32/c_ψ² and C₄ = 64/c_ψ³"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation.smoothness().is_some()
    }

    fn cost(&self, setting: &Setting) -> f64 {
        steps::cost(setting)
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        steps::columns()
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        steps::measure(network)
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let lines = steps::lines(measured);
        let mut entries = steps::judge(measured, gamma, &lines);
        let setting = &measured.setting;
        let Some(smoothness) = setting.activation.smoothness() else { return entries };
        let c_psi = setting.activation.derivative_second_moment().sqrt();
        let root_log = root_log(gamma);
        // The proof wants ‖∇f(x) − ∇f(x + δ)‖ ≤ c_ψ/4 for ‖δ‖ ≤ R, and has it from Proposition 2.
        let radius = 64.0 / c_psi.powi(3) * root_log;
        let variation = proposition_2::bound(setting, gamma, radius, smoothness);
        let asks =
            format!("(14): the bound of Proposition 2 at R = {radius:.0} is {variation:.0}, not below c_ψ/4 = {:.3}", c_psi / 4.0);
        let claim = |quantity: &str| {
            Claim::of(measured, gamma, quantity).part("C = 32/c_ψ²").assuming(variation <= c_psi / 4.0, asks.clone())
        };
        let constant = 32.0 / c_psi.powi(2);
        let drop = constant * root_log;
        let kept = lines.iter().filter(|line| !line.is_flipped_at(drop)).count() as u64;
        let claim_of_sign = claim("P(the sign is kept)").empty_if(drop > LARGEST, "the step lies beyond those that were searched");
        entries.push(claim_of_sign.probability_at_most(kept, lines.len() as u64, gamma));
        let lengths: Vec<f64> = lines.iter().map(|line| constant / line.gradient_norm).collect();
        entries.push(claim("‖η∇f(x)‖/√(log 1/γ)").at_most(&lengths, 64.0 / c_psi.powi(3)));
        entries
    }

    fn across(&self, all: &[Measured], gamma: f64) -> Vec<Entry> {
        vec![steps::length_exponent(all, gamma)]
    }
}
