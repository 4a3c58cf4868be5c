//! Message passing behind one small trait; nothing else in the tree names the MPI crate.
//!
//! All calls are made from the main thread of a rank (`MPI_THREAD_FUNNELED`). A start without a launcher, or with one rank, is
//! [`Serial`]: MPI is not even initialised, because that costs time and can fail on machines with odd networks.
//! How a job ends when something goes wrong is in [`failure`].

pub mod failure;
mod launch;
pub mod library;
#[cfg(feature = "mpi")]
mod mpi;
mod serial;

use crate::error::BadInput;
use launch::Launch;

pub use failure::agree;
pub use serial::Serial;

/// The ranks of one job. Rank 0 is the root.
///
/// `lowest`, `gather`, `broadcast` and `barrier` are collective: every rank must call them, in the same order.
pub trait Comm {
    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// Number of ranks.
    fn size(&self) -> usize;

    /// Number of ranks on this rank's node.
    fn ranks_on_node(&self) -> usize;

    /// Sends `message` from another rank to the root; messages of one rank arrive in order. Returns when
    /// the root has begun to receive it; waits without using a core.
    /// A message of more than [`MAX_MESSAGE`] bytes is an error.
    fn send_to_root(&self, message: &[u8]) -> anyhow::Result<()>;

    /// On the root: a message that has arrived and the rank it is from, or `None` at once.
    fn try_receive(&self) -> Option<(usize, Vec<u8>)>;

    /// On the root, once in a job: tells every other rank that there is nothing more to do. Returns at once.
    fn call_end(&self);

    /// On another rank: whether the root has called [`call_end`](Comm::call_end). Every rank must ask until it has.
    fn end_is_called(&self) -> bool;

    /// The smallest `value` of all ranks; at most `i64::MAX`.
    fn lowest(&self, value: u64) -> u64;

    /// On the root: the `value` of every rank, by rank; empty on the others.
    fn gather(&self, value: u64) -> Vec<u64>;

    /// The root's `message`, at most [`MAX_MESSAGE`] bytes; what other ranks pass is dropped.
    fn broadcast(&self, message: Vec<u8>) -> Vec<u8>;

    /// Returns once every rank has called it. Waits without using a core.
    fn barrier(&self);

    /// Ends this process with exit code `code` once every rank has called it, and does not wait for other threads.
    fn leave(&self, code: i32) -> !;

    /// Ends the processes of all ranks at once with exit code `code`.
    fn abort(&self, code: i32) -> !;
}

/// Longest message in bytes: MPI counts are 32-bit signed integers.
pub const MAX_MESSAGE: usize = i32::MAX as usize;

/// The ranks of this job: [`Serial`] unless a launcher has started several processes. To be called once, on the main thread;
/// dropping the result finalises MPI.
pub fn start() -> Result<Box<dyn Comm>, BadInput> {
    let launch = Launch::detect(|name| std::env::var(name).ok());
    let comm: Box<dyn Comm> = match launch.is_parallel() {
        true => connect()?,
        false => Box::new(Serial),
    };
    launch.check(comm.size(), cfg!(feature = "mpi"))?;
    Ok(comm)
}

/// The rank of this process as its launcher has it in the environment; can be called before [`start`].
pub fn launched_rank() -> usize {
    launch::rank(|name| std::env::var(name).ok())
}

#[cfg(feature = "mpi")]
fn connect() -> Result<Box<dyn Comm>, BadInput> {
    Ok(Box::new(mpi::Mpi::start()?))
}

#[cfg(not(feature = "mpi"))]
fn connect() -> Result<Box<dyn Comm>, BadInput> {
    Ok(Box::new(Serial))
}

/// Ends this process as it is. Exit handlers do not run: those of libraries free what other threads still compute with (OpenBLAS unmaps the
/// buffers of its products), and such a thread would then end the process by SIGSEGV.
fn leave(code: i32) -> ! {
    let _ = std::io::Write::flush(&mut std::io::stdout());
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(code) }
}
