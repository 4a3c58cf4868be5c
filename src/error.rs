//! Errors a user reads: `error: what is wrong: why`, then `help: what to do`.

use std::fmt;

/// Exit code of a run that failed.
pub const EXIT_FAILED: i32 = 1;
/// Exit code of input that was refused before any work was done.
pub const EXIT_BAD_INPUT: i32 = 2;
/// Exit code of a run that was stopped on purpose and can be started again: `EX_TEMPFAIL` of `sysexits.h`.
pub const EXIT_AGAIN: i32 = 75;

/// Refused input. Displays as `what: why`; [`report`] adds the remedy. The process exits with [`EXIT_BAD_INPUT`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BadInput {
    /// What is wrong, e.g. `--widths holds 0`.
    pub what: String,
    /// Why that is wrong, e.g. `a layer needs at least one neuron`.
    pub why: String,
    /// What to do, e.g. `give widths of 1 or more`.
    pub remedy: String,
}

impl BadInput {
    pub fn new(what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for BadInput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.what, self.why)
    }
}

/// A failure during the work for which there is a remedy; the process exits with [`EXIT_FAILED`].
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Failed {
    /// What failed, e.g. `cannot write x.h5`.
    pub what: String,
    pub remedy: String,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What the user reads: `error: what: why`, then `help: what to do` if the error has a remedy. `origin` names the rank, e.g. `rank 3 of 7: `.
pub fn report(error: &anyhow::Error, origin: &str) -> String {
    let remedy = error.chain().find_map(|cause| {
        let bad_input = cause.downcast_ref::<BadInput>().map(|bad| &bad.remedy);
        bad_input.or_else(|| Some(&cause.downcast_ref::<Failed>()?.remedy))
    });
    let help = remedy.map_or_else(String::new, |remedy| format!("\nhelp: {remedy}"));
    format!("error: {origin}{error:#}{help}")
}

/// The exit code for an error: bad input anywhere in its chain makes it [`EXIT_BAD_INPUT`].
pub fn exit_code(error: &anyhow::Error) -> i32 {
    match error.chain().any(|cause| cause.is::<BadInput>()) {
        true => EXIT_BAD_INPUT,
        false => EXIT_FAILED,
    }
}
