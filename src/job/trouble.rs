//! Writing that fails: said once, tried again, and said once when it works again.

use std::time::{Duration, Instant};

use anyhow::Error;

use crate::machine::terminal;

/// How long after a failed write the next is tried.
pub const RETRY: Duration = Duration::from_secs(2);

/// What is wrong with the writing of one file, if anything is.
#[derive(Default)]
pub struct Trouble {
    /// The error that was said last, and when to try again.
    known: Option<(String, Instant)>,
}

impl Trouble {
    /// Whether it is too early to try again.
    pub fn is_waiting(&self) -> bool {
        self.known.as_ref().is_some_and(|(_, again)| Instant::now() < *again)
    }

    /// Notes that something was written.
    pub fn written(&mut self) {
        if let Some((trouble, _)) = self.known.take() {
            warn(&format!("writing works again, after: {trouble}"));
        }
    }

    /// Notes an error.
    pub fn failed(&mut self, error: &Error) {
        let text = format!("{error:#}");
        if self.known.as_ref().is_none_or(|(known, _)| *known != text) {
            warn(&format!("{text}: results are safe in memory; free disk space, retrying"));
        }
        self.known = Some((text, Instant::now() + RETRY));
    }
}

/// Says what went wrong, even to those who want no progress.
pub fn warn(text: &str) {
    terminal::say(&format!("warning: {text}"));
}
