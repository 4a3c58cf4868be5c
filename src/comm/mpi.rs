//! The ranks of an MPI job, through rsmpi.
//!
//! Worker threads may have [links](super::mpi_link) to other ranks. MPI is called by one thread at a time: every call holds [`calls`], and what
//! waits for other ranks releases it between two polls.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::point_to_point::{MatchedReceiveVec, Status};
use mpi::request::{Request, Scope, StaticScope};
use mpi::topology::{Color, SimpleCommunicator};
use mpi::traits::*;

use super::mpi_link::MpiLink;
use super::{Comm, MAX_MESSAGE, leave};
use crate::error::{BadInput, Failed};
use crate::team::Link;

/// Polling interval of a waiting rank: MPI's own wait would spin on a core that a worker needs.
const NAP: Duration = Duration::from_millis(1);

/// The message of [`Comm::call_end`].
const END: u8 = 0;
/// Send buffer for one such message, in bytes: more than the `MPI_BSEND_OVERHEAD` of any library.
const END_BUFFER: usize = 512;

/// Held during every call of MPI.
static CALLS: Mutex<()> = Mutex::new(());

/// The permission to call MPI, for the shortest time possible.
pub fn calls() -> MutexGuard<'static, ()> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All ranks of `MPI_COMM_WORLD`.
pub struct Mpi {
    rank: usize,
    size: usize,
    ranks_on_node: usize,
    world: SimpleCommunicator,
    /// Whether MPI may be called from threads in turn.
    is_serialized: bool,
    end_called: Cell<bool>,
    /// Finalises MPI when dropped.
    universe: Cell<Option<Universe>>,
}

impl Mpi {
    /// Initialises MPI. Collective.
    ///
    /// # Errors
    /// MPI has been initialised before in this process, or lacks `MPI_THREAD_FUNNELED`.
    pub fn start() -> Result<Self, BadInput> {
        let (mut universe, threading) = mpi::initialize_with_threading(Threading::Serialized).ok_or_else(|| {
            BadInput::new("MPI is already initialised", "a process can do so only once", "start one run per process")
        })?;
        if threading < Threading::Funneled {
            return Err(BadInput::new(
                "the MPI library does not provide MPI_THREAD_FUNNELED",
                "each rank computes on several threads",
                "use an MPI library built with thread support, or build with --no-default-features",
            ));
        }
        let world = universe.world();
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        let ranks_on_node = world.split_shared(rank as i32).size() as usize;
        if rank == 0 {
            universe.set_buffer_size(END_BUFFER * size);
        }
        let is_serialized = threading >= Threading::Serialized;
        Ok(Self {
            rank,
            size,
            ranks_on_node,
            world,
            is_serialized,
            end_called: Cell::new(false),
            universe: Cell::new(Some(universe)),
        })
    }
}

impl Comm for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn ranks_on_node(&self) -> usize {
        self.ranks_on_node
    }

    fn send_to_root(&self, message: &[u8]) -> anyhow::Result<()> {
        if message.len() > MAX_MESSAGE {
            let what = format!("cannot send a message of {} bytes", message.len());
            return Err(Failed::new(what, "MPI counts are 32-bit", "give fewer inputs per network, or run on one rank").into());
        }
        // Synchronous: a standard send may stall half-way until this rank's next MPI call, which can be minutes later.
        mpi::request::scope(|scope| {
            let sending = {
                let _calls = calls();
                self.world.process_at_rank(0).immediate_synchronous_send(scope, message)
            };
            wait(sending);
        });
        Ok(())
    }

    fn hand_over(&self, message: Vec<u8>, patience: Duration) {
        let begun = Instant::now();
        // Leaked, and the request forgotten: the process ends with the send pending if rank 0 does not receive.
        let message: &'static [u8] = message.leak();
        let mut request = {
            let _calls = calls();
            self.world.process_at_rank(0).immediate_synchronous_send(StaticScope, message)
        };
        while begun.elapsed() < patience {
            match test(request) {
                Ok(_) => return sleep(patience.saturating_sub(begun.elapsed())),
                Err(pending) => request = pending,
            }
            sleep(NAP);
        }
        std::mem::forget(request);
    }

    fn try_receive(&self) -> Option<(usize, Vec<u8>)> {
        let _calls = calls();
        let arrived = self.world.any_process().immediate_matched_probe()?;
        let (bytes, status) = arrived.matched_receive_vec();
        Some((status.source_rank() as usize, bytes))
    }

    fn call_end(&self) {
        let _calls = calls();
        for rank in 1..self.size {
            // Buffered: the other rank may be blocked in a send to the root.
            self.world.process_at_rank(rank as i32).buffered_send(&END);
        }
    }

    fn end_is_called(&self) -> bool {
        let _calls = calls();
        if !self.end_called.get()
            && let Some(arrived) = self.world.process_at_rank(0).immediate_matched_probe()
        {
            arrived.matched_receive_vec::<u8>();
            self.end_called.set(true);
        }
        self.end_called.get()
    }

    fn start_round(&self) {
        self.end_called.set(false);
    }

    fn lowest(&self, value: u64) -> u64 {
        let _calls = calls();
        let mut lowest = value;
        self.world.all_reduce_into(&value, &mut lowest, SystemOperation::min());
        lowest
    }

    fn gather(&self, value: u64) -> Vec<u64> {
        let _calls = calls();
        let root = self.world.process_at_rank(0);
        if self.rank > 0 {
            root.gather_into(&value);
            return Vec::new();
        }
        let mut values = vec![0; self.size];
        root.gather_into_root(&value, &mut values[..]);
        values
    }

    fn broadcast(&self, mut message: Vec<u8>) -> Vec<u8> {
        let _calls = calls();
        let root = self.world.process_at_rank(0);
        let mut length = message.len() as u64;
        root.broadcast_into(&mut length);
        message.resize(length as usize, 0);
        // The pointer of an empty `Vec<u8>` is 1, which is Open MPI's MPI_IN_PLACE.
        if !message.is_empty() {
            root.broadcast_into(&mut message[..]);
        }
        message
    }

    fn has_links(&self) -> bool {
        self.is_serialized
    }

    fn link(&self, ranks: usize) -> Option<Box<dyn Link>> {
        let _calls = calls();
        let block = self.rank / ranks;
        let is_whole = (block + 1) * ranks <= self.size;
        let team = self.world.split_by_color(if is_whole { Color::with_value(block as i32) } else { Color::undefined() })?;
        Some(Box::new(MpiLink::new(team)))
    }

    fn barrier(&self) {
        let barrier = {
            let _calls = calls();
            self.world.immediate_barrier()
        };
        wait(barrier);
    }

    fn leave(&self, code: i32) -> ! {
        // Never released: a link that still waits for another rank must not call MPI while it is finalised, nor afterwards.
        std::mem::forget(calls());
        drop(self.universe.take());
        leave(code)
    }

    fn abort(&self, code: i32) -> ! {
        abort(code)
    }
}

/// Waits for a request without spinning.
fn wait<'a, D: ?Sized, S: Scope<'a>>(mut request: Request<'a, D, S>) {
    while let Err(pending) = test(request) {
        request = pending;
        sleep(NAP);
    }
}

/// Whether a request is complete.
pub fn test<'a, D: ?Sized, S: Scope<'a>>(request: Request<'a, D, S>) -> Result<Status, Request<'a, D, S>> {
    let _calls = calls();
    request.test()
}

/// Time for the launcher to forward the output of a rank before an abort: MPICH's kills its proxies, and with them what they have not
/// read yet.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Aborts all ranks, from the main thread of any of them; before `MPI_Init` and after `MPI_Finalize`, only this process.
pub fn abort(code: i32) -> ! {
    match mpi::environment::is_initialized() && !mpi::environment::is_finalized() {
        true => {
            let begun = Instant::now();
            // Not at any price: this thread may have panicked within a call.
            while let Err(TryLockError::WouldBlock) = CALLS.try_lock().map(std::mem::forget)
                && begun.elapsed() < LAST_WORDS
            {
                sleep(NAP);
            }
            sleep(LAST_WORDS.saturating_sub(begun.elapsed()));
            SimpleCommunicator::world().abort(code)
        }
        false => leave(code),
    }
}
