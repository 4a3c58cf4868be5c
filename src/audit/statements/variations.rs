//! Shared by Propositions 2 and 4: the supremum of ‖∇f(x) − ∇f(x + δ)‖ at the same radii.

use crate::audit::Bracket;
use crate::audit::variation::{Effort, at};
use crate::audit::{Network, Setting};

/// Networks needed to show a failure probability below 0.1.
pub const NETWORKS: usize = 40;

pub const QUANTITY: &str = "sup ‖∇f(x) − ∇f(x + δ)‖ found";

/// From R = 1, the smallest that the propositions allow, through d^(1/4) to √d/2, the largest of Proposition 4.
pub fn radii(setting: &Setting) -> [f64; 3] {
    [1.0, setting.d().powf(0.25), setting.d().sqrt() / 2.0]
}

/// Names of the radii.
pub const PARTS: [&str; 3] = ["R = 1", "R = d^(1/4)", "R = √d/2"];

pub fn cost(setting: &Setting) -> f64 {
    Effort::AUDIT.cost(setting.d(), setting.k(), 3)
}

/// Lower and upper bound at each radius.
pub fn columns() -> Vec<String> {
    let pair = |part: &str| ["found", "at most"].map(|side| format!("sup ‖∇f(x) − ∇f(x + δ)‖ {side}, {part}"));
    PARTS.into_iter().flat_map(pair).collect()
}

pub fn measure(network: &Network) -> Vec<f64> {
    let brackets = radii(&network.setting).map(|radius| at(network, radius));
    brackets.into_iter().flat_map(|Bracket { found, at_most }| [found, at_most]).collect()
}
