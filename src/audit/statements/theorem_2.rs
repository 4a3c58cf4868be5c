//! Theorem 2: one gradient step flips the sign, for ReLU. The paper does not specify its constants.

use super::theorem_steps as steps;
use crate::audit::{Entry, Measured, Network, Setting, Statement};
use crate::model::Activation;

pub struct Theorem2;

impl Statement for Theorem2 {
    fn id(&self) -> &'static str {
        "theorem-2"
    }

    fn citation(&self) -> &'static str {
        "Theorem 2, sections 1 and 3"
    }

    fn claim(&self) -> &'static str {
        "the step |η| = C₄ √(log 1/γ)/‖∇f(x)‖² flips the sign of f with probability 1 − γ, and ‖η∇f(x)‖ ≤ C₅ √(log 1/γ), for ReLU"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation == Activation::Relu
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
        steps::judge(measured, gamma, &steps::lines(measured))
    }

    fn across(&self, all: &[Measured], gamma: f64) -> Vec<Entry> {
        vec![steps::length_exponent(all, gamma)]
    }
}
