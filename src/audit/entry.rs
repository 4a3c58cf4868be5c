//! What an audit says of one statement (or one part of it) at one setting.

use super::{Regime, Setting};
use crate::stats::Estimate;

/// Whether the measurement bears a statement out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Holds,
    /// The statement is on a supremum which was searched from below only: nothing was found that contradicts it.
    HoldsAsSearched,
    Fails,
    /// The paper claims nothing that could be broken here, such as a constant that it does not name: the number is for the reader.
    Measured,
    /// Nothing can be said here, and [`Entry::why`] says why.
    NotTestable,
}

/// An outcome, and whether it was had where the statement says nothing, because a condition on d or k is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub outcome: Outcome,
    pub outside: bool,
}

impl Verdict {
    /// The verdict of this [`label`](Self::label).
    pub fn parse(label: &str) -> Option<Self> {
        let outcomes = [Outcome::Holds, Outcome::HoldsAsSearched, Outcome::Fails, Outcome::Measured, Outcome::NotTestable];
        let verdicts = outcomes.into_iter().flat_map(|outcome| [false, true].map(|outside| Verdict { outcome, outside }));
        verdicts.into_iter().find(|verdict| verdict.label() == label)
    }

    /// The words in tables and files.
    pub fn label(self) -> &'static str {
        match (self.outcome, self.outside) {
            (Outcome::Holds, false) => "holds",
            (Outcome::Holds, true) => "holds, outside its hypotheses",
            (Outcome::HoldsAsSearched, false) => "holds as far as searched",
            (Outcome::HoldsAsSearched, true) => "holds as far as searched, outside its hypotheses",
            (Outcome::Fails, false) => "fails",
            (Outcome::Fails, true) => "fails, outside its hypotheses",
            (Outcome::Measured, _) => "measured",
            (Outcome::NotTestable, _) => "not testable here",
        }
    }
}

/// Which settings an entry is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scope {
    One(Setting),
    /// All settings of an activation together.
    Across(crate::model::Activation),
}

/// One line of the audit.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// [`Statement::id`](super::Statement::id).
    pub statement: &'static str,
    /// Which part of the statement, e.g. `R = 4`; empty if it has one.
    pub part: String,
    pub scope: Scope,
    pub gamma: f64,
    /// What was estimated, in words and symbols, e.g. `‖W‖, quantile 1 − γ`.
    pub quantity: String,
    /// As printed in the paper, at γ; NaN where it is not defined or the paper does not name it.
    pub bound: f64,
    pub estimate: Estimate,
    /// Networks (or neurons, where the statement is on one neuron) in which the bound was not kept, of how many.
    pub failures: Option<(u64, u64)>,
    /// Networks that it is made of.
    pub networks: usize,
    /// How many times the measured number fits into the bound (or the bound into it, for a lower bound): above 1 there is a margin. NaN if
    /// there is no bound.
    pub margin: f64,
    pub verdict: Verdict,
    /// The conditions that are not met, or why nothing can be said, or what the reader should know; may be empty.
    pub why: String,
}

impl Entry {
    pub fn regime(&self) -> Option<Regime> {
        match self.scope {
            Scope::One(setting) => Some(setting.regime(self.gamma)),
            Scope::Across(_) => None,
        }
    }
}
