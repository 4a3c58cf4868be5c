//! Equations (6) and (9): the variation of ∇f on the microscopic, mesoscopic and macroscopic scale.

use crate::audit::Bracket;
use crate::audit::claim::Exponent;
use crate::audit::network::norm;
use crate::audit::table::number;
use crate::audit::variation::{Effort, at};
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::stats::exponent::{SizedSample, exponent_of_quantile};
use crate::stats::interval::quantile;

pub struct Equation6;

/// A radius as a function of d, its name, and whether it is o(√d), where f is nearly linear by (6).
struct Scale {
    name: &'static str,
    radius: fn(f64) -> f64,
    is_small: bool,
}

/// One radius per scale (the paper, section 1.2), and R = 1, the length of an adversarial step.
const SCALES: [Scale; 4] = [
    Scale { name: "microscopic, R = d^(−1/4)", radius: |d| d.powf(-0.25), is_small: true },
    Scale { name: "mesoscopic, R = 1", radius: |_| 1.0, is_small: true },
    Scale { name: "mesoscopic, R = d^(1/4)", radius: |d| d.powf(0.25), is_small: true },
    Scale { name: "macroscopic, R = √d", radius: f64::sqrt, is_small: false },
];

const SMALL: &str = "‖δ‖ = o(√d)";

impl Statement for Equation6 {
    fn id(&self) -> &'static str {
        "equation-6"
    }

    fn citation(&self) -> &'static str {
        "(6), section 1.2; (9), section 1.3"
    }

    fn claim(&self) -> &'static str {
        "‖∇f(x) − ∇f(x + δ)‖ = o(‖∇f(x)‖) for all ‖δ‖ = o(√d)"
    }

    fn networks(&self, _setting: &Setting, asked: usize) -> usize {
        asked.min(40)
    }

    fn cost(&self, setting: &Setting) -> f64 {
        Effort::AUDIT.cost(setting.d(), setting.k(), SCALES.len())
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        let pair =
            |scale: &Scale| ["found", "at most"].map(|side| format!("sup ‖∇f(x) − ∇f(x + δ)‖/‖∇f(x)‖ {side}, {}", scale.name));
        SCALES.iter().flat_map(pair).collect()
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        let radii = SCALES.map(|scale| (scale.radius)(network.setting.d()));
        let gradient_norm = norm(network.gradient_at_input().view());
        // Where ∇f(x) = 0 no change is small beside it, and none at all is 0 times as large.
        let relative = |change: f64| if change > 0.0 { change / gradient_norm } else { 0.0 };
        let brackets = radii.map(|radius| at(network, radius));
        brackets.into_iter().flat_map(|Bracket { found, at_most }| [relative(found), relative(at_most)]).collect()
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let entry = |(index, scale): (usize, &Scale)| {
            let at_most = quantile(&measured.column(2 * index + 1), 1.0 - gamma).value;
            Claim::of(measured, gamma, "sup ‖∇f(x) − ∇f(x + δ)‖/‖∇f(x)‖ found")
                .part(scale.name)
                .assuming(scale.is_small, SMALL)
                .note(format!("at most {} by the bound of each network", number(at_most)))
                .named(quantile(&measured.column(2 * index), 1.0 - gamma))
        };
        SCALES.iter().enumerate().map(entry).collect()
    }

    fn across(&self, all: &[Measured], gamma: f64) -> Vec<Entry> {
        let entry = |(index, scale): (usize, &Scale)| {
            let point = |measured: &Measured| SizedSample {
                group: measured.setting.width,
                size: measured.setting.d(),
                sample: measured.column(2 * index),
            };
            let points: Vec<SizedSample> = all.iter().map(point).collect();
            let measured = exponent_of_quantile(&points, 1.0 - gamma);
            let claim = Claim::across(all, &points, gamma, "exponent in d of sup ‖∇f(x) − ∇f(x + δ)‖/‖∇f(x)‖ found")
                .part(scale.name)
                .assuming(scale.is_small, SMALL);
            match (scale.is_small, measured) {
                (true, _) => claim.note("o(1) wants it to fall, so an exponent below 0").exponent(measured, Exponent::AtMost(0.0)),
                (false, Ok(measured)) => claim.named(measured),
                (false, Err(why)) => claim.not_testable(f64::NAN, why),
            }
        };
        SCALES.iter().enumerate().map(entry).collect()
    }
}
