//! A test hook: a fault on purpose, to see that the whole job ends with the message of the rank that failed.
//!
//! `ADVSTEP_FAULT=panic:rank=1:unit=3` panics when rank 1 starts its third unit; `error:…` in place of `panic:…` returns an error,
//! `stop:…` sends the process a SIGUSR1, and `kill:…` kills it.

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

/// The fault that was asked for, and how many units this rank has started.
#[derive(Debug)]
pub struct Fault {
    kind: Kind,
    rank: usize,
    unit: u64,
    started: AtomicU64,
}

impl Fault {
    /// The fault in the environment, if any.
    pub fn from_env() -> Result<Option<Self>, BadInput> {
        let Ok(text) = std::env::var(VARIABLE) else { return Ok(None) };
        let bad = || {
            let what = format!("the environment variable {VARIABLE} is {text:?}");
            BadInput::new(what, "it is not of the form panic:rank=1:unit=3, or error, stop or kill in place of panic", "unset it")
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
        let rank = parts.next()?.strip_prefix("rank=")?.parse().ok()?;
        let unit = parts.next()?.strip_prefix("unit=")?.parse().ok()?;
        parts.next().is_none().then_some(Self { kind, rank, unit, started: AtomicU64::new(0) })
    }

    /// Called by the threads of `rank` when they start a unit.
    pub fn strike(&self, rank: usize) -> anyhow::Result<()> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        if (rank, number) != (self.rank, self.unit) {
            return Ok(());
        }
        match self.kind {
            Kind::Panic => panic!("{VARIABLE} asked for a panic at unit {number}"),
            Kind::Error => anyhow::bail!("{VARIABLE} asked for an error at unit {number}"),
            Kind::Signal(signal) => Ok(low_level::raise(signal)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_the_named_rank_at_the_named_unit() {
        let fault = Fault::parse("error:rank=1:unit=3").unwrap();
        assert!(fault.strike(1).is_ok() && fault.strike(1).is_ok());
        assert!(fault.strike(1).is_err());
        assert!(fault.strike(1).is_ok());
        let elsewhere = Fault::parse("panic:rank=1:unit=1").unwrap();
        assert!(elsewhere.strike(0).is_ok());
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
