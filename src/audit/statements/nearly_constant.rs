//! Deep networks are nearly constant: the share of the variance of f that is common to all inputs of a network.
//!
//! One-way analysis of variance over networks: with n inputs each, the variance of network means exceeds that of the common part by 1/n of the
//! variance within a network. At infinite width the share is the mean correlation of f at two independent inputs.

use super::at_infinite_width;
use crate::audit::limit::mean_correlation;
use crate::audit::{Claim, DeepNetwork, Entry, Measured, Setting, Statement};
use crate::stats::bootstrap::{RESAMPLES, generator, interval, resample};
use crate::stats::moments::mean_and_std;

pub struct NearlyConstant;

/// Inputs per network.
const INPUTS: usize = 8;

impl Statement for NearlyConstant {
    fn id(&self) -> &'static str {
        "nearly-constant"
    }

    fn citation(&self) -> &'static str {
        "Bartlett, Bubeck & Cherapanamjeri 2021; Cho & Saul 2009"
    }

    fn claim(&self) -> &'static str {
        "the share of the variance of f common to all inputs of a network tends to 1 with depth for ReLU"
    }

    fn is_multilayer(&self) -> bool {
        true
    }

    fn cost(&self, setting: &Setting) -> f64 {
        2.0 * INPUTS as f64 * setting.cell().weights()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        (0..INPUTS).map(|input| format!("f(x_{input})")).collect()
    }

    fn measure_deep(&self, network: &DeepNetwork) -> Vec<f64> {
        (0..INPUTS).map(|input| network.value(network.input(input).view())).collect()
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let Setting { dim, activation, .. } = measured.setting;
        let claim = Claim::of(measured, gamma, "common share of Var f");
        let value = common_share(measured.rows.iter());
        if !value.is_finite() {
            return vec![claim.not_testable(f64::NAN, "f is the same at all inputs of all networks")];
        }
        let mut generator = generator();
        let draws = (0..RESAMPLES).map(|_| common_share(resample(&measured.rows, &mut generator)));
        let mut estimate = interval(value, draws.filter(|draw| draw.is_finite()));
        (estimate.low, estimate.high) = (estimate.low.min(value), estimate.high.max(value));
        let limit = mean_correlation(activation, measured.setting.gain(), measured.setting.cell().depth, dim);
        vec![claim.note(at_infinite_width(limit, 4)).named(estimate)]
    }
}

/// Variance of the common part over the whole, unbiased each; NaN without variance.
fn common_share<'r>(rows: impl Iterator<Item = &'r Vec<f64>>) -> f64 {
    let networks: Vec<_> = rows.map(|row| mean_and_std(row.iter().copied())).collect();
    let within = networks.iter().map(|network| network.std.powi(2)).sum::<f64>() / networks.len() as f64;
    let means = mean_and_std(networks.iter().map(|network| network.mean));
    let common = means.std.powi(2) - within / INPUTS as f64;
    common / (common + within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Cell};

    fn share(cell: Cell, networks: usize) -> f64 {
        let setting = Setting::deep(cell, 2.0, Activation::Relu);
        let rows: Vec<_> = (0..networks).map(|index| NearlyConstant.measure_deep(&DeepNetwork::new(5, setting, index))).collect();
        common_share(rows.iter())
    }

    /// At depth 1 Cov(f(x), f(x′)) = E ψψ′ at every width: the share is exactly that of infinite width, 0.32 here. Its standard error over 3000
    /// networks is below 0.01.
    #[test]
    fn at_depth_one_the_share_is_that_of_infinite_width() {
        let (measured, exact) = (share(Cell::new(1, 30, 20), 3000), mean_correlation(Activation::Relu, 2.0, 1, 30).unwrap());
        assert!((measured - exact).abs() < 0.04, "{measured} against {exact}");
    }

    /// Below the infinite width's 0.986: narrow networks fluctuate in scale, and the share is 0.78 to 0.88 at width 30.
    #[test]
    fn at_depth_64_a_network_is_nearly_constant() {
        let exact = mean_correlation(Activation::Relu, 2.0, 64, 20).unwrap();
        assert!(exact > 0.98, "{exact}");
        let measured = share(Cell::new(64, 20, 200), 60);
        assert!(measured > 0.9 && measured <= exact, "{measured}");
    }
}
