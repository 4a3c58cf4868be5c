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
use tree::{Merge, Partials};

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

    /// The whole from the parts of all members. Every member must call it, with equal `merge`.
    pub fn combine(&self, partials: Partials, merge: &Merge) -> Vec<f64> {
        let total = match &self.seat {
            None => partials.into_total(),
            Some(seat) => seat.meeting.combine(seat.thread, partials, merge),
        };
        let Traffic { reductions, numbers } = TRAFFIC.get();
        TRAFFIC.set(Traffic { reductions: reductions + 1, numbers: numbers + total.len() as u64 });
        total
    }

    /// Whether `flag` is true on any member. Every member must call it.
    pub fn any(&self, flag: bool) -> bool {
        let Some(seat) = &self.seat else { return flag };
        let mut partials = Partials::new(seat.members);
        let merge: &Merge = &|left, right| left[0] = left[0].max(right[0]);
        partials.push(seat.member, vec![f64::from(u8::from(flag))], merge);
        seat.meeting.combine(seat.thread, partials, merge)[0] != 0.0
    }
}

thread_local! {
    static TRAFFIC: Cell<Traffic> = const { Cell::new(Traffic { reductions: 0, numbers: 0 }) };
}

/// What a team of several members would have exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Sums over all neurons, each a meeting of the whole team.
    pub reductions: u64,
    /// Numbers in their totals, 8 bytes each.
    pub numbers: u64,
}

/// The traffic of this thread so far; alone, it is counted as in a team.
pub fn traffic() -> Traffic {
    TRAFFIC.get()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Condvar, Mutex};
    use std::thread;

    use super::*;

    /// Queues between ranks that are threads of this process.
    #[derive(Default)]
    pub struct Post {
        queues: Mutex<std::collections::HashMap<(usize, usize), VecDeque<Vec<f64>>>>,
        arrived: Condvar,
    }

    struct LocalLink {
        rank: usize,
        ranks: usize,
        post: Arc<Post>,
    }

    impl Link for LocalLink {
        fn rank(&self) -> usize {
            self.rank
        }
        fn ranks(&self) -> usize {
            self.ranks
        }
        fn send(&self, to: usize, message: &[f64]) {
            self.post.queues.lock().unwrap().entry((self.rank, to)).or_default().push_back(message.to_vec());
            self.post.arrived.notify_all();
        }
        fn receive(&self, from: usize, _is_lost: &dyn Fn() -> bool) -> Vec<f64> {
            let mut queues = self.post.queues.lock().unwrap();
            loop {
                if let Some(message) = queues.get_mut(&(from, self.rank)).and_then(VecDeque::pop_front) {
                    return message;
                }
                queues = self.post.arrived.wait(queues).unwrap();
            }
        }
    }

    /// Runs `work` on every member of a team of ranks with these many threads.
    pub fn in_team<R: Send>(threads: &[usize], work: impl Fn(Team) -> R + Sync) -> Vec<R> {
        let post = Arc::new(Post::default());
        let members = threads.iter().sum();
        let mut teams = Vec::new();
        for (rank, &count) in threads.iter().enumerate() {
            let link = LocalLink { rank, ranks: threads.len(), post: Arc::clone(&post) };
            let link: Option<Box<dyn Link>> = (threads.len() > 1).then(|| Box::new(link) as _);
            teams.extend(Team::of_threads(count, link, teams.len(), members));
        }
        thread::scope(|scope| {
            let running: Vec<_> = teams.into_iter().map(|team| scope.spawn(|| work(team))).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    const TEAMS: [&[usize]; 9] = [&[1], &[2], &[3], &[1, 1], &[1, 2], &[4], &[2, 2], &[3, 1, 3], &[1, 1, 1, 1, 1, 1, 1]];

    /// Sums of numbers of very different sizes: another order would give other bits.
    #[test]
    fn sums_have_the_same_bits_in_every_team() {
        for length in [1, 5000, 4096 * 7 + 100, 4096 * 64, 300 * 4096 + 1] {
            let number = |index: usize| (index as f64 * 0.7).sin() * 10f64.powi((index * 13 % 37) as i32 - 18);
            let sum = |team: Team| {
                let share = Share::of(length, &team);
                (0..3)
                    .map(|round| {
                        share.sum(2, |range, sum| {
                            for index in range {
                                sum[0] += number(share.start() + index + round);
                                sum[1] += 1.0;
                            }
                        })
                    })
                    .collect::<Vec<_>>()
            };
            let alone = sum(Team::alone());
            assert!(alone.iter().all(|sums| sums[1] == length as f64));
            for threads in TEAMS {
                for sums in in_team(threads, sum) {
                    assert_eq!(sums, alone, "{length} numbers, {threads:?} threads");
                }
            }
        }
    }

    #[test]
    fn a_flag_of_any_member_is_seen_by_all() {
        for threads in TEAMS {
            let members: usize = threads.iter().sum();
            for raised in 0..=members {
                assert!(in_team(threads, |team| team.any(team.member() == raised)).iter().all(|&any| any == (raised < members)));
            }
        }
    }

    #[test]
    fn a_member_that_panics_does_not_leave_the_others_waiting() {
        let outcome = std::panic::catch_unwind(|| {
            in_team(&[3], |team| {
                assert!(team.member() != 1, "on purpose");
                team.any(true)
            })
        });
        assert!(outcome.is_err());
    }
}
