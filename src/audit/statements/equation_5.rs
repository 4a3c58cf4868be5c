//! Equation (5): the operator norm of the Hessian on a whole ball, for smooth ψ.

use super::Radius;
use ndarray::Array1;
use rand::distr::Distribution;

use super::equation_4::{constant, exponents_in_dim};
use crate::audit::hessian::{self, norm_in_ball, operator_norm};
use crate::audit::network::Purpose;
use crate::audit::{Entry, Measured, Network, Setting, Statement};
use crate::random::normal::StandardNormal;

pub struct Equation5;

/// Starting points on the sphere, and ascent steps.
const STARTS: usize = 2;
const STEPS: usize = 6;

/// The radii, ascending: ‖x‖ = √d, and a larger power for poly(d).
const RADII: [Radius; 2] = [("‖δ‖ ≤ √d", f64::sqrt), ("‖δ‖ ≤ d", |d| d)];

impl Statement for Equation5 {
    fn id(&self) -> &'static str {
        "equation-5"
    }

    fn citation(&self) -> &'static str {
        "(5), section 1.2"
    }

    fn claim(&self) -> &'static str {
        "‖∇²f(y)‖_op = Õ(1/√d) for all ‖y‖ = poly(d) at once, for smooth ψ"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation.smoothness().is_some()
    }

    fn networks(&self, _setting: &Setting, asked: usize) -> usize {
        asked.min(20)
    }

    fn cost(&self, setting: &Setting) -> f64 {
        let ascents = STARTS * RADII.len();
        (16 * ascents * STEPS) as f64 * setting.d() * setting.k() + (1 + ascents) as f64 * hessian::cost(setting)
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        RADII.iter().map(|(name, _)| format!("sup ‖∇²f(x + δ)‖ found, {name}")).collect()
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        let mut generator = network.generator(Purpose::Ball);
        let mut start = || -> Array1<f64> { StandardNormal.sample_iter(&mut generator).take(network.setting.dim).collect() };
        // x is a point of every ball. What is found in one ball does not count as found in the next.
        let at_centre = operator_norm(network, network.z.view(), start().view());
        let mut found = |radius: f64| {
            let norms = (0..STARTS).map(|_| norm_in_ball(network, radius, start().view(), STEPS));
            norms.fold(at_centre, f64::max)
        };
        RADII.iter().map(|(_, radius)| found(radius(network.setting.d()))).collect()
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let entry = |(column, (name, _)): (usize, &Radius)| {
            constant(measured, gamma, column, &format!("sup ‖∇²f(x + δ)‖ √d found, {name}"))
        };
        RADII.iter().enumerate().map(entry).collect()
    }

    fn across(&self, all: &[Measured], gamma: f64) -> Vec<Entry> {
        let entries = |(column, (name, _)): (usize, &Radius)| {
            exponents_in_dim(all, gamma, column, &format!("sup ‖∇²f(x + δ)‖ found, {name},"))
        };
        RADII.iter().enumerate().flat_map(entries).collect()
    }
}
