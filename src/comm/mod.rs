//! Message passing behind one small trait; only this module uses the MPI crate.
//!
//! All calls are made from the main thread of a rank, except those of a [`Link`] between the ranks of a [team](crate::team), which one worker
//! thread makes; never two at a time (`MPI_THREAD_SERIALIZED`; without links, `MPI_THREAD_FUNNELED` will do). Without a launcher, or with one rank,
//! the communicator is [`Serial`] and MPI is not initialised: that costs time and can fail on machines with unusual networks. [`failure`] ends jobs
//! that fail.

pub mod failure;
mod launch;
pub mod library;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(feature = "mpi")]
mod mpi_link;
mod serial;

use std::time::Duration;

use crate::error::BadInput;
use crate::team::Link;
use launch::Launch;

pub use failure::agree;
pub use serial::Serial;

/// The ranks of one job. Rank 0 is the root.
///
/// `lowest`, `gather`, `broadcast`, `link` and `barrier` are collective: every rank must call them, in the same order.
pub trait Comm {
    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// Number of ranks.
    fn size(&self) -> usize;

    /// Number of ranks on this rank's node.
    fn ranks_on_node(&self) -> usize;

    /// Sends `message` from another rank to the root; messages of one rank arrive in order. Returns when the root has begun to receive
    /// it; waits without spinning.
    ///
    /// # Errors
    /// `message` exceeds [`MAX_MESSAGE`] bytes.
    fn send_to_root(&self, message: &[u8]) -> anyhow::Result<()>;

    /// Sends `message` from another rank to the root, which will abort the job; returns only if it has not done so after `patience`.
    /// No other call but `abort` may follow.
    fn hand_over(&self, message: Vec<u8>, patience: Duration);

    /// On the root: a message that has arrived and its source rank. Does not wait.
    fn try_receive(&self) -> Option<(usize, Vec<u8>)>;

    /// On the root, once in a round of messages: tells all other ranks that the round ends. Does not wait.
    fn call_end(&self);

    /// On another rank: whether the root has called [`call_end`](Comm::call_end) in this round. Every rank must poll until it has.
    fn end_is_called(&self) -> bool;

    /// Starts another round of messages: [`end_is_called`](Comm::end_is_called) is false again. After a collective call that follows the end
    /// of the last round.
    fn start_round(&self);

    /// The minimum of `value`, at most `i64::MAX`, over all ranks.
    fn lowest(&self, value: u64) -> u64;

    /// On the root: the `value` of every rank, by rank; empty on the others.
    fn gather(&self, value: u64) -> Vec<u64>;

    /// The root's `message`, at most [`MAX_MESSAGE`] bytes; that of other ranks is ignored.
    fn broadcast(&self, message: Vec<u8>) -> Vec<u8>;

    /// Whether a worker thread of each rank can exchange messages with other ranks.
    fn has_links(&self) -> bool;

    /// Links between the ranks of each block of `ranks` > 1 consecutive ranks, the first of which is a multiple of `ranks`; `None` on ranks beyond
    /// the last whole block. After [`has_links`](Comm::has_links). A link lasts as long as the process.
    fn link(&self, ranks: usize) -> Option<Box<dyn Link>>;

    /// Returns once every rank has called it. Waits without spinning.
    fn barrier(&self);

    /// Exits with `code` once every rank has called it, without waiting for other threads; their links are dead from then on.
    fn leave(&self, code: i32) -> !;

    /// Aborts all ranks with exit code `code`.
    fn abort(&self, code: i32) -> !;
}

/// Longest message, in bytes: MPI counts are 32-bit signed integers.
pub const MAX_MESSAGE: usize = i32::MAX as usize;

/// The communicator of this job: [`Serial`] unless a launcher has started several processes. To be called once, on the main thread;
/// dropping the result finalises MPI.
///
/// # Errors
/// MPI cannot be used, or this process is alone although its launcher started several.
pub fn start() -> Result<Box<dyn Comm>, BadInput> {
    let launch = Launch::detect(|name| std::env::var(name).ok());
    let comm: Box<dyn Comm> = match launch.is_parallel() {
        true => connect()?,
        false => Box::new(Serial),
    };
    launch.check(comm.size(), cfg!(feature = "mpi"))?;
    Ok(comm)
}

/// The rank of this process according to the launcher's environment variables. May be called before [`start`].
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

/// Exits without running exit handlers: those of libraries free memory that worker threads still use (OpenBLAS unmaps its GEMM buffers),
/// which would end the process with SIGSEGV.
fn leave(code: i32) -> ! {
    let _ = std::io::Write::flush(&mut std::io::stdout());
    // SAFETY: does not return.
    unsafe { libc::_exit(code) }
}
