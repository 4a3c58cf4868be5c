//! Theorem 1: one gradient step flips the sign, for smooth ψ.

use super::proposition_2;
use super::theorem_steps as steps;
use crate::audit::step_constant::{Line, root_log};
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
        // The proof needs ‖∇f(x) − ∇f(x + δ)‖ ≤ c_ψ/4 for ‖δ‖ ≤ R, from Proposition 2, which requires R ≥ 1.
        let radius = (64.0 / c_psi.powi(3) * root_log).max(1.0);
        let variation = proposition_2::bound(setting, gamma, radius, smoothness);
        let asks =
            format!("(14): the bound of Proposition 2 at R = {radius:.0} is {variation:.0}, not below c_ψ/4 = {:.3}", c_psi / 4.0);
        let claim = |quantity: &str| {
            Claim::of(measured, gamma, quantity)
                .part("C = 32/c_ψ²")
                .assuming(setting.activation.lipschitz() <= 1.0, "a Lipschitz constant of 1, (12)")
                .assuming(variation <= c_psi / 4.0, asks.clone())
        };
        let (constant, longest) = (32.0 / c_psi.powi(2), 64.0 / c_psi.powi(3));
        let drop = constant * root_log;
        let flips = |line: &Line| line.is_flipped_at(drop).unwrap_or(false);
        let length = |line: &Line| constant / line.gradient_norm;
        let unknown = lines.iter().filter(|line| line.is_flipped_at(drop).is_none()).count();
        let why = format!("the sign at that step is not known of {unknown} networks: it lies beyond those that were searched");
        let share = |quantity: &str, breaks: &dyn Fn(&Line) -> bool| {
            let broken = lines.iter().filter(|line| breaks(line)).count() as u64;
            claim(quantity).empty_if(unknown > 0, why.clone()).probability_at_most(broken, lines.len() as u64, gamma)
        };
        let lengths: Vec<f64> = lines.iter().map(length).collect();
        entries.push(share("P(the sign is kept)", &|line| !flips(line)));
        entries.push(claim("‖η∇f(x)‖/√(log 1/γ)").at_most(&lengths, longest));
        entries.push(share("P(the sign is kept, or the step longer)", &|line| !(flips(line) && length(line) <= longest)));
        entries
    }

    fn across(&self, all: &[Measured], gamma: f64) -> Vec<Entry> {
        vec![steps::length_exponent(all, gamma)]
    }
}
