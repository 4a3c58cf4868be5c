//! Messages between the ranks of a team over MPI: a worker thread of each rank calls them while the main thread goes on with those of the world.

use std::mem::ManuallyDrop;
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use mpi::point_to_point::{Message, Status};
use mpi::request::{Request, Scope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

use super::mpi::{calls, test};
use crate::team::Link;

/// Most numbers in an MPI message. The last piece of a message is shorter, if need be empty.
const PIECE: usize = 1 << 27;
/// A waiting thread polls without a pause for this long, and then at this interval.
const SPIN: Duration = Duration::from_millis(1);
const NAP: Duration = Duration::from_micros(50);

/// A link over a communicator of the team's ranks alone.
pub struct MpiLink {
    rank: usize,
    ranks: usize,
    piece: usize,
    /// Not freed: that would be collective, and a rank that has failed does not take part.
    team: ManuallyDrop<SimpleCommunicator>,
}

// SAFETY: the communicator is a handle, and every call with it holds the lock `calls`; MPI has been asked for MPI_THREAD_SERIALIZED.
unsafe impl Send for MpiLink {}
unsafe impl Sync for MpiLink {}

impl MpiLink {
    /// A link between the ranks of `team`. The caller holds [`calls`].
    pub fn new(team: SimpleCommunicator) -> Self {
        Self { rank: team.rank() as usize, ranks: team.size() as usize, piece: PIECE, team: ManuallyDrop::new(team) }
    }

    fn send_piece(&self, to: usize, piece: &[f64]) {
        mpi::request::scope(|scope| {
            let sending = {
                let _calls = calls();
                self.team.process_at_rank(to as i32).immediate_send(scope, piece)
            };
            complete(sending);
        });
    }

    /// Appends the next piece from rank `from`; returns its length.
    fn receive_piece(&self, from: usize, is_lost: &dyn Fn() -> bool, whole: &mut Vec<f64>) -> usize {
        let (message, status) = self.arrival(from, is_lost);
        let count = {
            let _calls = calls();
            status.count(f64::equivalent_datatype())
        };
        let length = usize::try_from(count).expect("a message has a length");
        let begin = whole.len();
        whole.resize(begin + length, 0.0);
        mpi::request::scope(|scope| {
            let receiving = {
                let _calls = calls();
                message.immediate_matched_receive_into(scope, &mut whole[begin..])
            };
            complete(receiving);
        });
        length
    }

    /// Waits for a message.
    fn arrival(&self, from: usize, is_lost: &dyn Fn() -> bool) -> (Message, Status) {
        let begun = Instant::now();
        loop {
            let arrived = {
                let _calls = calls();
                self.team.process_at_rank(from as i32).immediate_matched_probe()
            };
            if let Some(arrived) = arrived {
                return arrived;
            }
            assert!(!is_lost(), "another member of the team has failed");
            pause(begun);
        }
    }
}

impl Link for MpiLink {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn send(&self, to: usize, message: &[f64]) {
        let pieces = message.chunks_exact(self.piece);
        let last = pieces.remainder();
        pieces.for_each(|piece| self.send_piece(to, piece));
        self.send_piece(to, last);
    }

    fn receive(&self, from: usize, is_lost: &dyn Fn() -> bool) -> Vec<f64> {
        let mut whole = Vec::new();
        while self.receive_piece(from, is_lost, &mut whole) == self.piece {}
        whole
    }
}

/// Waits for a request.
fn complete<'a, D: ?Sized, S: Scope<'a>>(mut request: Request<'a, D, S>) {
    let begun = Instant::now();
    while let Err(pending) = test(request) {
        request = pending;
        pause(begun);
    }
}

/// Between two polls of a thread that has waited since `begun`.
fn pause(begun: Instant) {
    if begun.elapsed() < SPIN { yield_now() } else { sleep(NAP) }
}
