//! A step of order ‖x‖/√d along the gradient flips the sign at any constant depth: the smallest constant of the step, and its length.

use super::theorem_steps;
use crate::audit::step_constant::{CHANGES, Line};
use crate::audit::{DeepNetwork, Entry, Measured, Setting, Statement};

pub struct DeepStep;

impl Statement for DeepStep {
    fn id(&self) -> &'static str {
        "deep-step"
    }

    fn citation(&self) -> &'static str {
        "Bartlett, Bubeck & Cherapanamjeri 2021"
    }

    fn claim(&self) -> &'static str {
        "at constant depth a step |η| = C √(log 1/γ)/‖∇f‖² flips the sign, of length O(‖x‖/√d); no constant is named"
    }

    fn is_multilayer(&self) -> bool {
        true
    }

    fn cost(&self, setting: &Setting) -> f64 {
        6.0 * setting.cell().weights() + 500.0 * (2.0 * setting.cell().weights_above_first() + 20.0 * setting.cell().neurons())
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        theorem_steps::columns()
    }

    fn measure_deep(&self, network: &DeepNetwork) -> Vec<f64> {
        let Line { gradient_norm, changes } = Line::of_deep(network);
        let mut row = Vec::with_capacity(1 + CHANGES);
        row.push(gradient_norm);
        row.extend(changes);
        row
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        theorem_steps::judge(measured, gamma, &theorem_steps::lines(measured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Network;
    use crate::model::{Activation, Cell};

    /// One hidden layer is the network of Theorems 1 and 2: the same lines.
    #[test]
    fn at_depth_one_it_is_the_step_of_the_theorems() {
        for activation in [Activation::Relu, Activation::Tanh] {
            for index in 0..4 {
                let deep = DeepNetwork::new(3, Setting::deep(Cell::new(1, 20, 70), 2.0, activation), index);
                let two_layer = Network::new(3, Setting::two_layer(20, 70, activation), index);
                let pairs = DeepStep.measure_deep(&deep).into_iter().zip(theorem_steps::measure(&two_layer));
                pairs.for_each(|(a, b)| assert!(a == b || (a / b - 1.0).abs() < 1e-6, "{a} against {b}"));
            }
        }
    }
}
