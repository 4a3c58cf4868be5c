//! The result of an audit for one statement, or a part of it, at one setting.

use super::{Regime, Setting};
use crate::stats::Estimate;

/// Whether the measurement supports a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Holds,
    /// A supremum with a lower bound from search only, which does not contradict the statement.
    HoldsAsSearched,
    /// An exponent whose interval reaches what is claimed, but also beyond.
    NotRefuted,
    Fails,
    /// More networks may tell whether it holds or fails.
    Undecided,
    /// No stated bound, for example an unspecified constant.
    Measured,
    /// Not testable; [`Entry::why`] has the reason.
    NotTestable,
}

/// An outcome, and whether it is outside the hypotheses of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub outcome: Outcome,
    pub outside: bool,
}

impl Verdict {
    /// The inverse of [`label`](Self::label).
    pub fn parse(label: &str) -> Option<Self> {
        let verdicts = Outcome::ALL.into_iter().flat_map(|outcome| [false, true].map(|outside| Verdict { outcome, outside }));
        verdicts.into_iter().find(|verdict| verdict.label() == label)
    }

    /// The label in tables and files.
    pub fn label(self) -> &'static str {
        match (self.outcome, self.outside) {
            (Outcome::Holds, false) => "holds",
            (Outcome::Holds, true) => "holds, outside its hypotheses",
            (Outcome::HoldsAsSearched, false) => "holds as far as searched",
            (Outcome::HoldsAsSearched, true) => "holds as far as searched, outside its hypotheses",
            (Outcome::NotRefuted, false) => "not refuted",
            (Outcome::NotRefuted, true) => "not refuted, outside its hypotheses",
            (Outcome::Fails, false) => "fails",
            (Outcome::Fails, true) => "fails, outside its hypotheses",
            (Outcome::Undecided, false) => "undecided",
            (Outcome::Undecided, true) => "undecided, outside its hypotheses",
            (Outcome::Measured, _) => "measured",
            (Outcome::NotTestable, _) => "not testable here",
        }
    }
}

impl Outcome {
    pub const ALL: [Outcome; 7] = [
        Outcome::Holds,
        Outcome::HoldsAsSearched,
        Outcome::NotRefuted,
        Outcome::Fails,
        Outcome::Undecided,
        Outcome::Measured,
        Outcome::NotTestable,
    ];

    /// What it means, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Outcome::Holds => "the 95 % interval lies within what is claimed",
            Outcome::HoldsAsSearched => "the search found no violation, and no certificate excludes one",
            Outcome::NotRefuted => "the 95 % interval of the exponent overlaps the claimed range but is not contained in it",
            Outcome::Fails => "the 95 % interval lies outside what is claimed",
            Outcome::Undecided => "the 95 % interval of how often it fails reaches to both sides of what is claimed",
            Outcome::Measured => "the paper states no constant; the value is what a version with explicit constants would need",
            Outcome::NotTestable => "the claim is vacuous at this size, or has nothing to compare; `show --full` has the reason",
        }
    }
}

/// The settings of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scope {
    One(Setting),
    /// All settings of an activation together.
    Across(crate::model::Activation),
}

/// One row of the audit.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// [`Statement::id`](super::Statement::id).
    pub statement: &'static str,
    /// The part of the statement, e.g. `R = 4`; empty if it has a single one.
    pub part: String,
    pub scope: Scope,
    pub gamma: f64,
    /// The quantity estimated, e.g. `‖W‖, quantile 1 − γ`.
    pub quantity: String,
    /// As printed in the paper, at γ; NaN if undefined or not stated.
    pub bound: f64,
    pub estimate: Estimate,
    /// (violations, trials), over networks, or neurons for statements on one neuron.
    pub failures: Option<(u64, u64)>,
    /// Networks measured.
    pub networks: usize,
    /// bound ÷ measured, inverted for lower bounds: violated below 1. NaN without a bound.
    pub margin: f64,
    pub verdict: Verdict,
    /// Unmet conditions, the reason for *not testable*, and remarks; may be empty.
    pub why: String,
}

impl Entry {
    /// Whether more networks could decide it.
    pub fn is_open(&self) -> bool {
        matches!(self.verdict.outcome, Outcome::Undecided | Outcome::NotRefuted)
    }

    /// Whether it is about networks of `setting`, alone or among others.
    pub fn is_on(&self, setting: &Setting) -> bool {
        match self.scope {
            Scope::One(own) => own == *setting,
            Scope::Across(activation) => activation == setting.activation,
        }
    }

    /// The regime of a two-layer network; the paper defines none for others.
    pub fn regime(&self) -> Option<Regime> {
        match self.scope {
            Scope::One(setting) if setting.layers.is_none() => Some(setting.regime(self.gamma)),
            _ => None,
        }
    }
}
