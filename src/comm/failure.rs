//! How a job ends when something is wrong: who prints the message, and with which exit code every rank ends.
//!
//! Before the work, the ranks [`agree`]: if any has an error, the first of them prints it and all end cleanly with its exit code.
//! During the work there is no time to agree: the rank that fails prints its message and [`end_job`] ends all processes.
//! A panic is a failure like any other, see [`end_job_on_panic`].

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::thread;

use anyhow::Error;

use super::Comm;
use crate::error::{EXIT_FAILED, exit_code, report};
use crate::machine::terminal;

/// An error that has been printed already, by this rank or another: what is left is the exit code.
#[derive(Debug, thiserror::Error)]
#[error("the job has ended with exit code {code} (the reason is printed above)")]
pub struct Reported {
    pub code: i32,
}

/// What stops the work of a rank.
#[derive(Debug)]
pub enum Failure {
    Error(Error),
    /// The panic hook has printed the message.
    Panicked,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

/// `local` on every rank if it is `Ok` on every rank. If not, the lowest rank with an error prints it, once, and every rank gets
/// [`Reported`] with that error's exit code. Collective.
pub fn agree<T>(comm: &dyn Comm, local: anyhow::Result<T>) -> anyhow::Result<T> {
    // The largest that is the same number with and without a sign: MPICH 4.0 was seen to compare with one.
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
        // What rank 0 refuses concerns the job, not the rank.
        terminal::write_last(&if rank == 0 { lines(None, &error) } else { lines(Some((comm.rank(), comm.size())), &error) });
    }
    comm.barrier();
    Err(Reported { code: (first & 0xffff_ffff) as i32 }.into())
}

/// Prints this rank's failure and ends the processes of all ranks.
pub fn end_job(comm: &dyn Comm, failure: &Failure) -> ! {
    match failure {
        Failure::Error(error) => {
            terminal::write_last(&lines(Some((comm.rank(), comm.size())), error));
            comm.abort(exit_code(error))
        }
        Failure::Panicked => comm.abort(EXIT_FAILED),
    }
}

/// From now on a panic prints one line that names the rank (and a backtrace if `RUST_BACKTRACE` asks for one). On this thread,
/// which must be the main thread, it then ends the job. On any other it unwinds: who started that thread must notice and tell
/// the main thread, which alone may call MPI.
pub fn end_job_on_panic(comm: &dyn Comm) {
    let (rank, size) = (comm.rank(), comm.size());
    let main = thread::current().id();
    panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let message = text(info.payload());
        terminal::write_last(&format!(
            "error: {}panic{place}: {message}\nhelp: this is a bug; please report it with this output",
            of(rank, size)
        ));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            terminal::write_last(&backtrace.to_string());
        }
        if thread::current().id() == main {
            abort(EXIT_FAILED);
        }
    }));
}

/// The end of `main`: prints an error that has not been printed yet, and gives the exit code.
pub fn conclude(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let code = match error.downcast_ref::<Reported>() {
        Some(reported) => reported.code,
        None => {
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

/// The report of an error; it names no rank in a job of one, or where the rank does not matter.
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
    use crate::error::{BadInput, EXIT_BAD_INPUT};

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
}
