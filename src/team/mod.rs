//! One network on many workers: each owns some of its neurons, and sums over neurons do not depend on who owns them.
//!
//! A layer's neurons are divided into [slabs](slabs), whose number depends on the width alone. A [`Team`] is the threads of one or more ranks;
//! every member runs the same program on its own slabs of every layer, and wherever the program needs a sum over all neurons, each slab
//! contributes a partial sum and these are added along one fixed [`tree`]. So every member gets the same total, bit for bit, in any team. What does
//! not grow with the width (inputs, gradients, small factors, the state of a search) each member has and computes itself.
//!
//! Threads of one rank [meet](meeting) in memory; between ranks one thread of each exchanges messages over a [`Link`].

mod meeting;
pub mod slabs;
pub mod tree;

use std::cell::Cell;
use std::sync::Arc;

use meeting::Meeting;
pub use slabs::Share;
use tree::{Part, Partials};

/// Messages between the ranks of a team. One thread of each rank calls it.
pub trait Link: Send + Sync {
    /// This rank's number in the team, from 0.
    fn rank(&self) -> usize;

    /// Number of ranks in the team.
    fn ranks(&self) -> usize;

    /// Sends `message` to rank `to` of the team; messages between two ranks arrive in order.
    fn send(&self, to: usize, message: &[f64]);

    /// The next message from rank `from` of the team; waits for it, and panics if `is_lost` says that this rank has failed.
    fn receive(&self, from: usize, is_lost: &dyn Fn() -> bool) -> Vec<f64>;
}

/// A member of a team, on its thread.
#[derive(Clone)]
pub struct Team {
    /// `None`: alone.
    seat: Option<Arc<Seat>>,
}

struct Seat {
    member: usize,
    members: usize,
    /// Number of this thread on its rank.
    thread: usize,
    meeting: Arc<Meeting>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.meeting.break_up();
        }
    }
}

impl Team {
    /// A worker without others.
    pub fn alone() -> Self {
        Self { seat: None }
    }

    /// The `threads` members of one rank, in a team of `members`: members `first` to `first + threads − 1`. `link` leads to the team's other
    /// ranks, if any.
    pub fn of_threads(threads: usize, link: Option<Box<dyn Link>>, first: usize, members: usize) -> Vec<Self> {
        assert!(threads > 0 && first + threads <= members, "members {first}..{} of {members}", first + threads);
        let meeting = Arc::new(Meeting::new(threads, link));
        let seat = |thread: usize| Seat { member: first + thread, members, thread, meeting: Arc::clone(&meeting) };
        (0..threads).map(|thread| Self { seat: Some(Arc::new(seat(thread))) }).collect()
    }

    /// This member's number, from 0.
    pub fn member(&self) -> usize {
        self.seat.as_ref().map_or(0, |seat| seat.member)
    }

    /// Number of members.
    pub fn members(&self) -> usize {
        self.seat.as_ref().map_or(1, |seat| seat.members)
    }

    /// The whole from the parts of all members. Every member must call it.
    pub fn combine<P: Part + 'static>(&self, partials: Partials<P>) -> P {
        let total = match &self.seat {
            None => partials.into_total(),
            Some(seat) => seat.meeting.combine(seat.thread, partials),
        };
        let Traffic { reductions, numbers } = TRAFFIC.get();
        TRAFFIC.set(Traffic { reductions: reductions + 1, numbers: numbers + total.size() as u64 });
        total
    }

    /// Whether `flag` is true on any member. Every member must call it.
    pub fn any(&self, flag: bool) -> bool {
        let mut partials = Partials::new(self.members());
        partials.push(self.member(), vec![f64::from(u8::from(flag))]);
        self.combine(partials)[0] != 0.0
    }
}

thread_local! {
    static TRAFFIC: Cell<Traffic> = const { Cell::new(Traffic { reductions: 0, numbers: 0 }) };
}

/// What the members of a team tell each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Totals over all slabs, each a meeting of the whole team.
    pub reductions: u64,
    /// Numbers in these totals, 8 bytes each.
    pub numbers: u64,
}

/// The traffic of this thread so far; alone, as it would be in a team.
pub fn traffic() -> Traffic {
    TRAFFIC.get()
}
