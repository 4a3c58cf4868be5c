//! Fault injection, for tests.
//!
//! `ADVSTEP_FAULT=panic:rank=1:unit=3` panics when rank 1 starts its third task; with `error`, `stop` or `kill` in place of `panic` the
//! task fails, or the process gets SIGUSR1 or SIGKILL. `rank=*` is every rank.

use std::sync::atomic::{AtomicU64, Ordering};

use signal_hook::consts::{SIGKILL, SIGUSR1};
use signal_hook::low_level;

use crate::error::BadInput;

const VARIABLE: &str = "ADVSTEP_FAULT";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Panic,
    Error,
    Signal(i32),
}

/// The requested fault, and how many tasks this rank has started.
#[derive(Debug)]
pub struct Fault {
    kind: Kind,
    /// `None`: every rank.
    rank: Option<usize>,
    unit: u64,
    started: AtomicU64,
}

impl Fault {
    /// The fault requested in the environment, if any.
    pub fn from_env() -> Result<Option<Self>, BadInput> {
        let Ok(text) = std::env::var(VARIABLE) else { return Ok(None) };
        let bad = || {
            let what = format!("the environment variable {VARIABLE} is {text:?}");
            BadInput::new(what, "it is not of the form panic:rank=1:unit=3, with panic, error, stop or kill", "unset it")
        };
        Self::parse(&text).map(Some).ok_or_else(bad)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let kind = match parts.next()? {
            "panic" => Kind::Panic,
            "error" => Kind::Error,
            "stop" => Kind::Signal(SIGUSR1),
            "kill" => Kind::Signal(SIGKILL),
            _ => return None,
        };
        let rank = match parts.next()?.strip_prefix("rank=")? {
            "*" => None,
            number => Some(number.parse().ok()?),
        };
        let unit = parts.next()?.strip_prefix("unit=")?.parse().ok()?;
        parts.next().is_none().then_some(Self { kind, rank, unit, started: AtomicU64::new(0) })
    }

    /// Called by the threads of `rank` when they start a task.
    pub fn strike(&self, rank: usize) -> anyhow::Result<()> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        if number != self.unit || self.rank.is_some_and(|wanted| wanted != rank) {
            return Ok(());
        }
        match self.kind {
            Kind::Panic => panic!("{VARIABLE} requests a panic at task {number}"),
            Kind::Error => anyhow::bail!("{VARIABLE} requests an error at task {number}"),
            Kind::Signal(signal) => Ok(low_level::raise(signal)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_the_named_rank_at_the_named_task() {
        let fault = Fault::parse("error:rank=1:unit=3").unwrap();
        assert!(fault.strike(1).is_ok() && fault.strike(1).is_ok());
        assert!(fault.strike(1).is_err());
        assert!(fault.strike(1).is_ok());
        let elsewhere = Fault::parse("panic:rank=1:unit=1").unwrap();
        assert!(elsewhere.strike(0).is_ok());
        let everywhere = Fault::parse("error:rank=*:unit=1").unwrap();
        assert!(everywhere.strike(7).is_err());
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "panic",
            "panic:rank=1",
            "panic:unit=3:rank=1",
            "error:rank=x:unit=1",
            "crash:rank=1:unit=3",
            "panic:rank=1:unit=3:",
        ] {
            assert!(Fault::parse(text).is_none(), "{text:?}");
        }
    }
}
