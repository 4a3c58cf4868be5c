//! The linear pieces of f along a line grow with the number of neurons, not exponentially with depth (Hanin & Rolnick 2019).
//!
//! A neuron starts a piece where its pre-activation changes sign. On |t| ≤ ‖x‖ of a line through x, orthogonal to it, a neuron of an infinitely
//! wide ReLU network does so 1/2 times in the mean, at every depth: by Rice's formula a stationary process on the circle with κ''(0) = −1 has
//! 1/π zeros per radian, and the line is seen under an angle of π/2. In the first layer this holds at any width.

use super::groups_of_depth;
use crate::audit::claim::Exponent;
use crate::audit::{Claim, DeepNetwork, Entry, Estimate, Measured, Setting, Statement};
use crate::stats::exponent::{SizedSample, exponent};
use crate::stats::moments::{mean, mean_and_std};

pub struct LinearPieces;

impl Statement for LinearPieces {
    fn id(&self) -> &'static str {
        "linear-pieces"
    }

    fn citation(&self) -> &'static str {
        "Hanin & Rolnick 2019"
    }

    fn claim(&self) -> &'static str {
        "the mean number of linear pieces along a line grows in proportion to the number of neurons N"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation.is_piecewise_linear()
    }

    fn is_multilayer(&self) -> bool {
        true
    }

    fn cost(&self, setting: &Setting) -> f64 {
        // Half as many knots as neurons.
        setting.cell().weights() * (2.0 + setting.cell().neurons())
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["changes of sign of pre-activations".to_string()]
    }

    fn measure_deep(&self, network: &DeepNetwork) -> Vec<f64> {
        let radius = network.x.dot(&network.x).sqrt();
        vec![network.crossings(network.direction().view(), radius) as f64]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let per_neuron: Vec<f64> = measured.column(0).iter().map(|count| count / measured.setting.cell().neurons()).collect();
        let moments = mean_and_std(per_neuron.iter().copied());
        let error = 1.96 * moments.std / (per_neuron.len() as f64).sqrt();
        let estimate = Estimate { value: moments.mean, low: moments.mean - error, high: moments.mean + error };
        let claim = Claim::of(measured, gamma, "(pieces − 1)/N, mean").part("|t| ≤ ‖x‖");
        vec![claim.note("1/2 at infinite width for ReLU").named(estimate)]
    }

    fn across(&self, all: &[Measured], gamma: f64) -> Vec<Entry> {
        let point = |(measured, group): (&Measured, usize)| SizedSample {
            group,
            size: measured.setting.cell().neurons(),
            sample: measured.column(0).iter().map(|count| count + 1.0).collect(),
        };
        let points: Vec<SizedSample> = all.iter().zip(groups_of_depth(all)).map(point).collect();
        let claim = Claim::across(all, &points, gamma, "pieces, mean").part("exponent in N");
        vec![claim.exponent(exponent(&points, |sample| mean(sample.iter().copied())), Exponent::Exactly(1.0))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Cell};

    /// Mean over networks of sign changes per neuron, with its standard error.
    fn per_neuron(cell: Cell, networks: usize) -> (f64, f64) {
        let setting = Setting::deep(cell, 2.0, Activation::Relu);
        let count = |index| LinearPieces.measure_deep(&DeepNetwork::new(5, setting, index))[0] / cell.neurons();
        let moments = mean_and_std((0..networks).map(count).collect::<Vec<f64>>().into_iter());
        (moments.mean, moments.std / (networks as f64).sqrt())
    }

    #[test]
    fn half_of_the_neurons_of_one_layer_change_sign() {
        let (mean, error) = per_neuron(Cell::new(1, 10, 40), 400);
        assert!((mean - 0.5).abs() < 4.0 * error && error < 0.005, "{mean} ± {error}");
    }

    #[test]
    fn so_do_those_of_wide_deeper_networks() {
        let (mean, error) = per_neuron(Cell::new(3, 30, 150), 60);
        assert!((mean - 0.5).abs() < 4.0 * error + 0.01, "{mean} ± {error}");
    }
}
