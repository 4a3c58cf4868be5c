//! The statements, one file each. To add one, implement [`Statement`] in a new file here and add it to [`ALL`].

mod deep_step;
mod equation_2;
mod equation_24;
mod equation_3;
mod equation_39;
mod equation_4;
mod equation_5;
mod equation_6;
mod layer_scales;
mod lemma_1;
mod lemma_2;
mod lemma_3;
mod lemma_4;
mod lemma_5;
mod lemma_6;
mod lemma_7;
mod lemma_8;
mod lemma_9;
mod linear_pieces;
mod local_linearity;
mod nearly_constant;
mod prescribed_length;
mod proposition_1;
mod proposition_2;
mod proposition_3;
mod proposition_4;
mod proposition_5;
mod theorem_1;
mod theorem_2;
mod theorem_steps;
mod variations;

use super::{Measured, Statement};
use crate::stats::distinct;

/// A name, and the radius as a function of d.
type Radius = (&'static str, fn(f64) -> f64);

/// All statements: theorems, the claims of section 1.2, lemmas, propositions, and equations in their proofs; then what others state of
/// networks of any depth.
pub const ALL: &[&dyn Statement] = &[
    &theorem_1::Theorem1,
    &theorem_2::Theorem2,
    &equation_2::Equation2,
    &equation_3::Equation3,
    &equation_4::Equation4,
    &equation_5::Equation5,
    &equation_6::Equation6,
    &lemma_1::Lemma1,
    &lemma_2::Lemma2,
    &lemma_3::Lemma3,
    &lemma_4::Lemma4,
    &lemma_5::Lemma5,
    &lemma_6::Lemma6,
    &lemma_7::Lemma7,
    &lemma_8::Lemma8,
    &lemma_9::Lemma9,
    &proposition_1::Proposition1,
    &proposition_2::Proposition2,
    &proposition_3::Proposition3,
    &proposition_4::Proposition4,
    &proposition_5::Proposition5,
    &equation_24::Equation24,
    &equation_39::Equation39,
    &deep_step::DeepStep,
    &prescribed_length::PrescribedLength,
    &local_linearity::LocalLinearity,
    &layer_scales::LayerScales,
    &nearly_constant::NearlyConstant,
    &linear_pieces::LinearPieces,
];

/// The statement with this [`id`](Statement::id).
pub fn find(id: &str) -> Option<&'static dyn Statement> {
    ALL.iter().copied().find(|statement| statement.id() == id)
}

/// The note on a value at infinite width, if it is known.
fn at_infinite_width(limit: Option<f64>, decimals: usize) -> String {
    let Some(limit) = limit else { return String::new() };
    let scale = 10_f64.powi(decimals as i32);
    // No −0.000.
    let rounded = (limit * scale).round() / scale + 0.0;
    format!("at infinite width {rounded:.decimals$}").replace('-', "−")
}

/// A number for each of `all`: the same for networks of one shape and gain, which differ in d.
fn groups_of_shape(all: &[Measured]) -> Vec<usize> {
    groups(all.iter().map(|Measured { setting, .. }| (setting.cell().widths().collect::<Vec<_>>(), setting.gain().to_bits())))
}

/// The same for networks of one dim, depth and gain, which differ in width.
fn groups_of_depth(all: &[Measured]) -> Vec<usize> {
    groups(all.iter().map(|Measured { setting, .. }| (setting.dim, setting.cell().depth, setting.gain().to_bits())))
}

/// Counted down from the largest number: exponents ignore groups that are small sizes.
fn groups<K: PartialEq + Ord + Clone>(keys: impl Iterator<Item = K> + Clone) -> Vec<usize> {
    let known = distinct(keys.clone());
    keys.map(|key| usize::MAX - known.iter().position(|other| *other == key).unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::options::Typed;
    use crate::audit::{DeepNetwork, Network, Outcome, Setting, job};
    use crate::model::{Activation, Cell};

    #[test]
    fn names_are_distinct() {
        let mut ids: Vec<&str> = ALL.iter().map(|statement| statement.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ALL.len());
    }

    /// With one or two neurons all may be inactive, so f, ∇f and every change are 0, and bounds may be negative or undefined. No measurement may be
    /// NaN, no verdict may rest on a NaN, and failures must be outside the hypotheses.
    #[test]
    fn the_smallest_networks_are_no_trouble() {
        let two_layer = Typed {
            dims: Some(vec![2.0, 40.0]),
            widths: Some(vec![1.0, 2.0]),
            networks: Some(40.0),
            gammas: Some(vec![1.0 - 1e-9, 0.9, 0.3, 1e-12]),
            activations: Some(Activation::ALL.to_vec()),
            ..Typed::default()
        };
        let deep = Typed {
            depths: Some(vec![1.0, 2.0]),
            hidden: Some(vec![vec![1.0, 4.0]]),
            activations: Some(vec![Activation::Relu, Activation::Softplus]),
            ..two_layer.clone()
        };
        [two_layer, deep].into_iter().for_each(no_trouble);
    }

    fn no_trouble(typed: Typed) {
        let audit = job::audit(&typed.validate().unwrap());
        for measured in &audit.measured {
            assert!(measured.rows.iter().flatten().all(|x| !x.is_nan()), "{measured:?}");
        }
        for entry in &audit.entries {
            let shown = format!("{entry:?}");
            let estimate = entry.estimate;
            match entry.verdict.outcome {
                Outcome::NotTestable | Outcome::Undecided => assert!(!entry.why.is_empty(), "{shown}"),
                Outcome::Measured => assert!(!estimate.value.is_nan(), "{shown}"),
                _ => assert!(!(estimate.value.is_nan() || entry.bound.is_nan()), "{shown}"),
            }
            assert!(estimate.low.is_nan() || (estimate.low <= estimate.value && estimate.value <= estimate.high), "{shown}");
            assert!(entry.verdict.outcome != Outcome::Fails || entry.verdict.outside, "{shown}");
            assert!(!(entry.why.contains("NaN") || entry.why.contains("inf ")), "{shown}");
        }
    }

    #[test]
    fn every_statement_measures_what_its_columns_say() {
        for activation in [Activation::Relu, Activation::Tanh] {
            let two_layer = Setting::two_layer(12, 30, activation);
            let deep = Setting::deep(Cell::of_layers(12, &[30, 7]), 2.0, activation);
            for setting in [two_layer, deep] {
                for statement in ALL.iter().filter(|statement| statement.concerns(&setting)) {
                    let measure = || match setting.layers {
                        None => statement.measure(&Network::new(1, setting, 0)),
                        Some(_) => statement.measure_deep(&DeepNetwork::new(1, setting, 0)),
                    };
                    let row = measure();
                    assert_eq!(row.len(), statement.columns(&setting).len(), "{}", statement.id());
                    assert_eq!(row, measure(), "{} is not a function of the network", statement.id());
                    assert!(statement.cost(&setting) > 0.0 && statement.networks(&setting, 9) <= 9, "{}", statement.id());
                }
            }
        }
    }
}
