//! The ranks of an MPI job, through rsmpi.

use std::cell::Cell;
use std::thread::sleep;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::point_to_point::MatchedReceiveVec;
use mpi::request::{Request, Scope, StaticScope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

use super::{Comm, MAX_MESSAGE, leave};
use crate::error::{BadInput, Failed};

/// Polling interval of a waiting rank: MPI's own wait would spin on a core that a worker needs.
const NAP: Duration = Duration::from_millis(1);

/// The message of [`Comm::call_end`].
const END: u8 = 0;
/// Send buffer for one such message, in bytes: more than the `MPI_BSEND_OVERHEAD` of any library.
const END_BUFFER: usize = 512;

/// All ranks of `MPI_COMM_WORLD`.
pub struct Mpi {
    rank: usize,
    size: usize,
    ranks_on_node: usize,
    world: SimpleCommunicator,
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
        let (mut universe, threading) = mpi::initialize_with_threading(Threading::Funneled).ok_or_else(|| {
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
        Ok(Self { rank, size, ranks_on_node, world, end_called: Cell::new(false), universe: Cell::new(Some(universe)) })
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
        let root = self.world.process_at_rank(0);
        // Synchronous: a standard send may stall half-way until this rank's next MPI call, which can be minutes later.
        mpi::request::scope(|scope| wait(root.immediate_synchronous_send(scope, message)));
        Ok(())
    }

    fn hand_over(&self, message: Vec<u8>, patience: Duration) {
        let begun = Instant::now();
        // Leaked, and the request forgotten: the process ends with the send pending if rank 0 does not receive.
        let message: &'static [u8] = message.leak();
        let mut request = self.world.process_at_rank(0).immediate_synchronous_send(StaticScope, message);
        while begun.elapsed() < patience {
            match request.test() {
                Ok(_) => return sleep(patience.saturating_sub(begun.elapsed())),
                Err(pending) => request = pending,
            }
            sleep(NAP);
        }
        std::mem::forget(request);
    }

    fn try_receive(&self) -> Option<(usize, Vec<u8>)> {
        let arrived = self.world.any_process().immediate_matched_probe()?;
        let (bytes, status) = arrived.matched_receive_vec();
        Some((status.source_rank() as usize, bytes))
    }

    fn call_end(&self) {
        for rank in 1..self.size {
            // Buffered: the other rank may be blocked in a send to the root.
            self.world.process_at_rank(rank as i32).buffered_send(&END);
        }
    }

    fn end_is_called(&self) -> bool {
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
        let mut lowest = value;
        self.world.all_reduce_into(&value, &mut lowest, SystemOperation::min());
        lowest
    }

    fn gather(&self, value: u64) -> Vec<u64> {
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

    fn barrier(&self) {
        wait(self.world.immediate_barrier());
    }

    fn leave(&self, code: i32) -> ! {
        drop(self.universe.take());
        leave(code)
    }

    fn abort(&self, code: i32) -> ! {
        abort(code)
    }
}

/// Waits for a request without spinning.
fn wait<'a, D: ?Sized, S: Scope<'a>>(mut request: Request<'a, D, S>) {
    while let Err(pending) = request.test() {
        request = pending;
        sleep(NAP);
    }
}

/// Time for the launcher to forward the output of a rank before an abort: MPICH's kills its proxies, and with them what they have not
/// read yet.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Aborts all ranks, from the main thread of any of them; before `MPI_Init` and after `MPI_Finalize`, only this process.
pub fn abort(code: i32) -> ! {
    match mpi::environment::is_initialized() && !mpi::environment::is_finalized() {
        true => {
            sleep(LAST_WORDS);
            SimpleCommunicator::world().abort(code)
        }
        false => leave(code),
    }
}
