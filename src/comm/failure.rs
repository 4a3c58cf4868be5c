//! How a job fails: which rank prints the error, and the exit code of all ranks.
//!
//! Before the work, the ranks [`agree`]: if any has an error, the lowest such rank prints it and all exit cleanly with its exit code.
//! During the work [`end_job`] aborts all ranks: rank 0 prints the first report that reaches it. A panic is a failure like any other,
//! see [`catch`] and [`end_job_on_panic`].

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Error;

use super::Comm;
use crate::error::{BadInput, EXIT_BAD_INPUT, EXIT_FAILED, REPORT_BUG, exit_code, report};
use crate::machine::terminal;

/// How long other ranks wait before they exit with an error that rank 0 prints: launchers kill all ranks when one has failed.
pub const RANK_0_SPEAKS: Duration = Duration::from_secs(1);
/// How long ranks other than 0 wait before they print the error of a command without MPI. Launchers take a while to kill on a busy node.
pub const LAUNCHER_KILLS: Duration = Duration::from_secs(5);
/// How long a rank that fails waits for rank 0, which may be writing to a slow disk, to print its report.
const PATIENCE: Duration = Duration::from_secs(30);

/// An error that this rank or another has printed. It carries the exit code.
#[derive(Debug, thiserror::Error)]
#[error("the job has ended with exit code {code}: the reason is printed above")]
pub struct Reported {
    pub code: i32,
}

/// What stops the work of a rank.
#[derive(Debug)]
pub enum Failure {
    Error(Error),
    /// A panic, or the failure of another rank.
    Reported(Report),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

/// `local` on every rank if it is `Ok` on all ranks. Otherwise the lowest rank with an error prints it, and every rank returns
/// [`Reported`] with that error's exit code. Collective.
pub fn agree<T>(comm: &dyn Comm, local: anyhow::Result<T>) -> anyhow::Result<T> {
    // Not u64::MAX: MPICH 4.0 was seen to reduce u64 with a signed comparison.
    const FINE: u64 = i64::MAX as u64;
    let rank = comm.rank() as u64;
    let mine = local.as_ref().map_or_else(|error| rank << 32 | exit_code(error) as u64, |_| FINE);
    let first = comm.lowest(mine);
    if first == FINE {
        return local;
    }
    if let Some(error) = local.err().filter(|_| first >> 32 == rank)
        && !error.is::<Reported>()
    {
        // An error of rank 0 concerns the whole job.
        terminal::write_last(&if rank == 0 { lines(None, &error) } else { lines(Some((comm.rank(), comm.size())), &error) });
    }
    comm.barrier();
    Err(Reported { code: (first & 0xffff_ffff) as i32 }.into())
}

/// Of an error before the ranks know each other, which all of them have: rank 0 of the launcher prints it.
pub fn rank_0_reports<T>(error: BadInput) -> anyhow::Result<T> {
    match super::launched_rank() {
        0 => Err(error.into()),
        _ => {
            thread::sleep(RANK_0_SPEAKS);
            Err(Reported { code: EXIT_BAD_INPUT }.into())
        }
    }
}

/// Prints this rank's failure and ends the processes of all ranks. Another rank hands its report to rank 0 and prints it only if rank 0
/// does not answer: of several ranks that fail at once, one is heard.
pub fn end_job(comm: &dyn Comm, failure: &Failure) -> ! {
    let report = match failure {
        Failure::Error(error) => Report { code: exit_code(error), text: lines(Some((comm.rank(), comm.size())), error) },
        Failure::Reported(report) => report.clone(),
    };
    if comm.rank() > 0 {
        comm.hand_over(report.to_bytes(), PATIENCE);
    }
    terminal::write_last(&report.text);
    comm.abort(report.code)
}

/// The report of a failure, on its way to rank 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub code: i32,
    /// The lines to print.
    pub text: String,
}

impl Report {
    /// No message with results starts like this: the bytes would be a group number.
    const TAG: [u8; 8] = [0xff; 8];

    fn to_bytes(&self) -> Vec<u8> {
        [&Self::TAG[..], &self.code.to_le_bytes(), self.text.as_bytes()].concat()
    }

    /// The report in `message`; `None` if it is a message of another kind.
    pub fn from_bytes(message: &[u8]) -> Option<Self> {
        let (code, text) = message.strip_prefix(&Self::TAG)?.split_first_chunk()?;
        Some(Self { code: i32::from_le_bytes(*code), text: String::from_utf8_lossy(text).into_owned() })
    }
}

thread_local! {
    /// Whether [`catch`] runs on this thread, and the report of the panic that it will catch.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// `work`, with a panic in it as a [`Failure`]. After [`end_job_on_panic`].
pub fn catch<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let outer = CAUGHT.replace(Some(String::new()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    let text = CAUGHT.replace(outer).unwrap_or_default();
    outcome.unwrap_or(Err(Failure::Reported(Report { code: EXIT_FAILED, text })))
}

/// Installs the panic hook of a job: a panic is an error that names the rank, with a backtrace if `RUST_BACKTRACE` is set. Within
/// [`catch`] it becomes a [`Failure`]; on the main thread, which must be the calling one, it ends the job.
pub fn end_job_on_panic(comm: &dyn Comm) {
    let (rank, size) = (comm.rank(), comm.size());
    let main = thread::current().id();
    panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let message = text(info.payload());
        let mut report = format!("error: {}panic{place}: {message}\nhelp: {REPORT_BUG}", of(rank, size));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            report += &format!("\n{backtrace}");
        }
        if CAUGHT.with_borrow(Option::is_some) {
            return CAUGHT.set(Some(report));
        }
        terminal::write_last(&report);
        if thread::current().id() == main {
            abort(EXIT_FAILED);
        }
    }));
}

/// Ends `main`: prints an error that has not been printed yet, and returns the exit code. Under a launcher, ranks other than 0 wait before they
/// print: if all fail alike, as a command without MPI does, the launcher has killed them by then.
pub fn conclude(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let code = match error.downcast_ref::<Reported>() {
        Some(reported) => reported.code,
        None => {
            if super::launched_rank() != 0 {
                thread::sleep(LAUNCHER_KILLS);
            }
            terminal::write_last(&lines(None, &error));
            exit_code(&error)
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(EXIT_FAILED as u8))
}

#[cfg(feature = "mpi")]
fn abort(code: i32) -> ! {
    super::mpi::abort(code)
}

#[cfg(not(feature = "mpi"))]
fn abort(code: i32) -> ! {
    super::leave(code)
}

/// The report of an error, with the rank if there are several and it matters.
fn lines(rank: Option<(usize, usize)>, error: &Error) -> String {
    report(error, &rank.map_or_else(String::new, |(rank, size)| of(rank, size)))
}

fn of(rank: usize, size: usize) -> String {
    if size == 1 { String::new() } else { format!("rank {rank} of {size}: ") }
}

/// The message of a panic.
fn text(payload: &dyn Any) -> &str {
    let string = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(string).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::Serial;

    #[test]
    fn agreement_keeps_the_value_or_the_exit_code() {
        assert_eq!(agree(&Serial, Ok(7)).unwrap(), 7);
        let refused = agree::<()>(&Serial, Err(BadInput::new("a", "b", "c").into())).unwrap_err();
        assert_eq!(refused.downcast_ref::<Reported>().unwrap().code, EXIT_BAD_INPUT);
        let failed = agree::<()>(&Serial, Err(anyhow::anyhow!("disk"))).unwrap_err();
        assert_eq!(failed.downcast_ref::<Reported>().unwrap().code, EXIT_FAILED);
    }

    #[test]
    fn messages_name_the_rank_of_a_parallel_job_only() {
        let error = anyhow::anyhow!("disk full").context("cannot write x.h5");
        assert_eq!(lines(Some((3, 7)), &error), "error: rank 3 of 7: cannot write x.h5: disk full");
        assert_eq!(lines(Some((0, 1)), &error), "error: cannot write x.h5: disk full");
        let refused = BadInput::new("--widths holds 0", "a layer needs a neuron", "give widths of 1 or more").into();
        assert_eq!(lines(None, &refused), "error: --widths holds 0: a layer needs a neuron\nhelp: give widths of 1 or more");
    }

    #[test]
    fn reports_travel_as_messages_of_their_own_kind() {
        let report = Report { code: 2, text: "error: a: b\nhelp: ö".into() };
        assert_eq!(Report::from_bytes(&report.to_bytes()), Some(report));
        for other in [&b""[..], b"stop", &[0; 24], &[0xff; 11]] {
            assert_eq!(Report::from_bytes(other), None);
        }
    }
}
