//! Writes that fail: one warning per error, retries, and one message when writing works again.

use std::time::{Duration, Instant};

use anyhow::Error;

use crate::machine::terminal;

/// Retry interval after a failed write.
pub const RETRY: Duration = Duration::from_secs(2);

/// The state of writing to one file.
#[derive(Default)]
pub struct Trouble {
    /// The last error reported, and when to retry.
    known: Option<(String, Instant)>,
}

impl Trouble {
    /// Whether it is too early to retry.
    pub fn is_waiting(&self) -> bool {
        self.known.as_ref().is_some_and(|(_, again)| Instant::now() < *again)
    }

    /// Records a successful write.
    pub fn written(&mut self) {
        if let Some((trouble, _)) = self.known.take() {
            warn(&format!("writing works again, after: {trouble}"), "");
        }
    }

    /// Records a failed write; warns unless the error is the same as last time.
    pub fn failed(&mut self, error: &Error) {
        let text = format!("{error:#}");
        if self.known.as_ref().is_none_or(|(known, _)| *known != text) {
            warn(&text, "free disk space; results are safe in memory, retrying");
        }
        self.known = Some((text, Instant::now() + RETRY));
    }
}

/// Prints `warning: text`, then `help: help` unless that is empty. Not silenced by `--quiet`.
pub fn warn(text: &str, help: &str) {
    let help = if help.is_empty() { String::new() } else { format!("\nhelp: {help}") };
    terminal::say(&format!("warning: {text}{help}"));
}
