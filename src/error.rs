//! Errors as the user sees them: `error: what is wrong: why`, then `help: what to do`.

use std::fmt;
use std::io::{self, ErrorKind};

/// Exit code of a run that failed.
pub const EXIT_FAILED: i32 = 1;
/// Exit code of bad input, refused before any work.
pub const EXIT_BAD_INPUT: i32 = 2;
/// Exit code of a run that was stopped on purpose and can be resumed: `EX_TEMPFAIL` of `sysexits.h`.
pub const EXIT_AGAIN: i32 = 75;

/// Bad input. Displays as `what: why`; [`report`] adds the remedy. The process exits with [`EXIT_BAD_INPUT`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BadInput {
    /// What is wrong, e.g. `--widths holds 0`.
    pub what: String,
    /// Why, e.g. `a layer needs at least one neuron`.
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

/// A failure during the work, with a remedy. Displays as `what`; `why` is its source. The process exits with [`EXIT_FAILED`].
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Failed {
    /// What failed, e.g. `cannot write x.h5`.
    pub what: String,
    #[source]
    pub why: Box<dyn std::error::Error + Send + Sync>,
    /// What to do, e.g. `free disk space and re-run`.
    pub remedy: String,
}

impl Failed {
    /// `why` is another error or a text.
    pub fn new(
        what: impl Into<String>,
        why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), why: why.into(), remedy: remedy.into() }
    }

    /// A broken invariant of the program.
    pub fn bug(what: impl Into<String>, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(what, why, REPORT_BUG)
    }
}

/// The remedy for a panic or a broken invariant.
pub const REPORT_BUG: &str = "report this bug, with this output, to the authors named in CITATION.cff";

/// The lines printed for `error`: `error: what: why`, then `help: what to do` if it has a remedy. `origin` names the rank, e.g.
/// `rank 3 of 7: `.
pub fn report(error: &anyhow::Error, origin: &str) -> String {
    let help = error.chain().find_map(remedy).map_or_else(String::new, |remedy| format!("\nhelp: {remedy}"));
    format!("error: {origin}{error:#}{help}")
}

/// The remedy of one link of an error chain: its own, or that of a system error which has an obvious one.
fn remedy<'e>(cause: &'e (dyn std::error::Error + 'static)) -> Option<&'e str> {
    if let Some(bad) = cause.downcast_ref::<BadInput>() {
        return Some(&bad.remedy);
    }
    if let Some(failed) = cause.downcast_ref::<Failed>() {
        return Some(&failed.remedy);
    }
    match cause.downcast_ref::<io::Error>()?.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("free disk space, or write to another disk"),
        ErrorKind::FileTooLarge => Some("raise the file size limit (ulimit -f), or write to another disk"),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some("give a path that you may write to"),
        ErrorKind::AlreadyExists | ErrorKind::IsADirectory | ErrorKind::NotADirectory => {
            Some("move that file or directory away, or give another path")
        }
        _ => None,
    }
}

/// The exit code for an error: bad input anywhere in its chain makes it [`EXIT_BAD_INPUT`].
pub fn exit_code(error: &anyhow::Error) -> i32 {
    match error.chain().any(|cause| cause.is::<BadInput>()) {
        true => EXIT_BAD_INPUT,
        false => EXIT_FAILED,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_report_has_the_whole_chain_and_the_remedy() {
        let failed = Failed::new("cannot write x.h5", io::Error::from(ErrorKind::StorageFull), "free disk space and re-run");
        let error = anyhow::Error::from(failed).context("while saving");
        assert_eq!(
            report(&error, "rank 1 of 2: "),
            "error: rank 1 of 2: while saving: cannot write x.h5: no storage space\nhelp: free disk space and re-run"
        );
        assert_eq!(exit_code(&error), EXIT_FAILED);
        let bad = anyhow::Error::from(BadInput::new("a", "b", "c"));
        assert_eq!((report(&bad, "").as_str(), exit_code(&bad)), ("error: a: b\nhelp: c", EXIT_BAD_INPUT));
    }

    #[test]
    fn a_full_disk_has_a_remedy_of_its_own() {
        let full = Err::<(), _>(io::Error::from_raw_os_error(libc::ENOSPC)).context("writing x.svg").unwrap_err();
        assert!(report(&full, "").ends_with("\nhelp: free disk space, or write to another disk"), "{}", report(&full, ""));
        assert_eq!(report(&anyhow::anyhow!("lost"), ""), "error: lost");
    }
}
