//! Deep networks are close to linear on balls of radius of order ‖x‖/√d: how far the gradient changes there.

use super::groups_of_shape;
use crate::audit::claim::Exponent;
use crate::audit::network::norm;
use crate::audit::{Claim, DeepNetwork, Entry, Measured, Setting, Statement, deep_variation};
use crate::stats::exponent::{SizedSample, exponent_of_quantile};
use crate::stats::interval::quantile;

pub struct LocalLinearity;

/// Radii of the balls, in units of ‖x‖/√d = 1.
const RADII: [f64; 3] = [0.25, 1.0, 4.0];

impl Statement for LocalLinearity {
    fn id(&self) -> &'static str {
        "local-linearity"
    }

    fn citation(&self) -> &'static str {
        "Bartlett, Bubeck & Cherapanamjeri 2021"
    }

    fn claim(&self) -> &'static str {
        "f is close to linear at the scale of the step: sup ‖∇f(x) − ∇f(y)‖/‖∇f(x)‖ over ‖x − y‖ ≤ R is small for large d; no rate is named"
    }

    fn is_multilayer(&self) -> bool {
        true
    }

    fn networks(&self, _setting: &Setting, asked: usize) -> usize {
        asked.min(40)
    }

    fn cost(&self, setting: &Setting) -> f64 {
        deep_variation::cost(setting.cell().weights(), setting.d(), RADII.len())
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        RADII.map(|radius| format!("sup ‖∇f(x) − ∇f(y)‖/‖∇f(x)‖ found, R = {radius}")).to_vec()
    }

    fn measure_deep(&self, network: &DeepNetwork) -> Vec<f64> {
        let gradient_norm = norm(network.value_and_gradient(network.x.view()).1.view());
        let relative = |found: f64| if found == 0.0 { 0.0 } else { found / gradient_norm };
        deep_variation::found(network, &RADII).into_iter().map(relative).collect()
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let entry = |(place, radius): (usize, f64)| {
            let claim = Claim::of(measured, gamma, "sup ‖∇f(x) − ∇f(y)‖/‖∇f(x)‖").part(format!("R = {radius}"));
            claim.note("found by ascent: a lower bound").named(quantile(&measured.column(place), 1.0 - gamma))
        };
        RADII.into_iter().enumerate().map(entry).collect()
    }

    fn across(&self, all: &[Measured], gamma: f64) -> Vec<Entry> {
        let groups = groups_of_shape(all);
        let of_radius = |(place, radius): (usize, f64)| {
            let point = |(measured, &group): (&Measured, &usize)| SizedSample {
                group,
                size: measured.setting.d(),
                sample: measured.column(place),
            };
            let points: Vec<SizedSample> = all.iter().zip(&groups).map(point).collect();
            let claim = Claim::across(all, &points, gamma, "exponent in d of sup ‖∇f(x) − ∇f(y)‖/‖∇f(x)‖");
            claim
                .part(format!("R = {radius}"))
                .note("of what the ascent finds")
                .exponent(exponent_of_quantile(&points, 1.0 - gamma), Exponent::AtMost(0.0))
        };
        RADII.into_iter().enumerate().map(of_radius).collect()
    }
}
