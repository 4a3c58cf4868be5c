//! Stopping on purpose: SIGTERM, SIGINT, SIGHUP, SIGUSR1, and the time limit.
//!
//! A stop requested of any rank stops the job: that rank tells rank 0, which tells all. Running tasks may finish within the grace; those
//! that do not are dropped and recomputed by the next start. A second SIGINT ends the process at once. A signal that is ignored when the
//! process starts (nohup) stays ignored.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level};

use crate::error::EXIT_AGAIN;
use crate::machine::is_ignored;

/// Whether this process has been asked to stop.
pub struct Stop {
    /// The last signal received, 0 if none.
    signal: Arc<AtomicUsize>,
    deadline: Option<Instant>,
    /// How long running tasks may take to finish.
    pub grace: Duration,
}

/// Why to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Signal(i32),
    TimeIsUp,
    /// Another rank was asked to stop.
    OtherRank,
}

impl Stop {
    /// Installs the signal handlers. The time limit is `time` from now, including the grace.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn listen(time: Option<Duration>, grace: Duration) -> anyhow::Result<Self> {
        let signal = Arc::new(AtomicUsize::new(0));
        let interrupted = Arc::new(AtomicBool::new(false));
        let listen = || {
            for number in [SIGTERM, SIGINT, SIGHUP, SIGUSR1].into_iter().filter(|&number| !is_ignored(number)) {
                if number == SIGINT {
                    // In this order, so that the first SIGINT finds the flag unset.
                    flag::register_conditional_shutdown(SIGINT, EXIT_AGAIN, Arc::clone(&interrupted))?;
                    flag::register(SIGINT, Arc::clone(&interrupted))?;
                }
                flag::register_usize(number, Arc::clone(&signal), number as usize)?;
            }
            Ok::<_, std::io::Error>(())
        };
        listen().context("cannot install signal handlers")?;
        // A file size limit (ulimit -f) becomes an error of the write.
        // SAFETY: ignoring a signal runs no code.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        // A time beyond the range of the clock is no limit.
        let deadline = time.and_then(|time| Instant::now().checked_add(time.saturating_sub(grace)));
        Ok(Self { signal, deadline, grace })
    }

    /// Why this process should stop, if it should.
    pub fn wanted(&self) -> Option<Reason> {
        match self.signal.load(Ordering::Relaxed) {
            0 => self.deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(Reason::TimeIsUp),
            number => Some(Reason::Signal(number as i32)),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Signal(number) => out.write_str(low_level::signal_name(*number).unwrap_or("signal")),
            Reason::TimeIsUp => out.write_str("--max-hours"),
            Reason::OtherRank => out.write_str("requested of another rank"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_is_part_of_the_time() {
        let seconds = Duration::from_secs;
        assert_eq!(Stop::listen(Some(seconds(30)), seconds(30)).unwrap().wanted(), Some(Reason::TimeIsUp));
        assert_eq!(Stop::listen(Some(seconds(10)), seconds(30)).unwrap().wanted(), Some(Reason::TimeIsUp));
        assert_eq!(Stop::listen(Some(seconds(90)), seconds(30)).unwrap().wanted(), None);
        assert_eq!(Stop::listen(Some(Duration::MAX), Duration::ZERO).unwrap().wanted(), None);
        assert_eq!(Stop::listen(None, Duration::ZERO).unwrap().wanted(), None);
    }

    #[test]
    fn reasons_have_names() {
        assert_eq!([Reason::Signal(SIGUSR1), Reason::TimeIsUp].map(|reason| reason.to_string()), ["SIGUSR1", "--max-hours"]);
    }
}
