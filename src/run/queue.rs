//! The units of this rank, handed to its threads in order, within the rank's memory.
//!
//! Units are taken in the order given (largest first). A unit starts when its bytes and those of the units that run fit the budget;
//! a unit always starts when nothing else runs. While the first unit waits for room, smaller units may overtake it, but only as many
//! as fit beside it: when the units that were running before have ended, there is room for it. So no unit starves and no thread
//! idles without need.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::experiment::Unit;

/// A queue shared by the threads of a rank.
pub struct UnitQueue {
    budget: u64,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Default)]
struct State {
    /// Stretches of units with equal bytes, none of them empty.
    stretches: VecDeque<Stretch>,
    /// Bytes of the units that run.
    used: u64,
    /// Number of units taken from the front so far: it names the unit that is first in the queue.
    front: u64,
    /// Bytes of the units that run and have overtaken the unit that is first now.
    overtaking: u64,
}

struct Stretch {
    bytes: u64,
    units: VecDeque<Unit>,
}

/// A unit that may run now. Its bytes are free again when this is dropped.
pub struct Claim<'q> {
    pub unit: Unit,
    bytes: u64,
    /// [`State::front`] when it overtook the first unit.
    overtook: Option<u64>,
    queue: &'q UnitQueue,
}

impl UnitQueue {
    /// A queue of units with the bytes that each holds while it runs, under `budget` bytes in all.
    pub fn new(units: impl IntoIterator<Item = (Unit, u64)>, budget: u64) -> Self {
        let mut stretches: VecDeque<Stretch> = VecDeque::new();
        for (unit, bytes) in units {
            match stretches.back_mut().filter(|last| last.bytes == bytes) {
                Some(last) => last.units.push_back(unit),
                None => stretches.push_back(Stretch { bytes, units: VecDeque::from([unit]) }),
            }
        }
        Self { budget, state: Mutex::new(State { stretches, ..State::default() }), released: Condvar::new() }
    }

    /// The next unit to run, once there is room for one; `None` when all have been taken.
    pub fn take(&self) -> Option<Claim<'_>> {
        let mut state = self.lock();
        while !state.stretches.is_empty() {
            if let Some((unit, bytes, overtook)) = state.admit(self.budget) {
                return Some(Claim { unit, bytes, overtook, queue: self });
            }
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// From now on no unit is taken; those that run go on.
    pub fn close(&self) {
        self.lock().stretches.clear();
        self.released.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// Goes on to the first unit of the queue, in the room of the unit that has ended, if both are of one cell; returns whether it does.
    pub fn go_on(&mut self) -> bool {
        let mut state = self.queue.lock();
        let next = state.stretches.front().and_then(|first| first.units.front());
        if self.overtook == Some(state.front) || next.is_none_or(|next| next.cell != self.unit.cell) {
            return false;
        }
        state.used -= self.bytes;
        self.bytes = state.stretches[0].bytes;
        state.front += 1;
        state.overtaking = 0;
        self.overtook = None;
        self.unit = state.start(0);
        true
    }
}

impl State {
    /// Starts the first unit if it fits, or else the first of those behind it that may overtake it.
    fn admit(&mut self, budget: u64) -> Option<(Unit, u64, Option<u64>)> {
        let first = self.stretches.front()?.bytes;
        let room = budget.saturating_sub(self.used);
        if first <= room || self.used == 0 {
            self.front += 1;
            self.overtaking = 0;
            return Some((self.start(0), first, None));
        }
        let beside_first = budget.saturating_sub(first.saturating_add(self.overtaking));
        let at = self.stretches.iter().position(|stretch| stretch.bytes <= room.min(beside_first))?;
        let bytes = self.stretches[at].bytes;
        self.overtaking += bytes;
        Some((self.start(at), bytes, Some(self.front)))
    }

    fn start(&mut self, at: usize) -> Unit {
        let stretch = &mut self.stretches[at];
        let unit = stretch.units.pop_front().expect("no stretch is empty");
        self.used = self.used.saturating_add(stretch.bytes);
        if stretch.units.is_empty() {
            self.stretches.remove(at);
        }
        unit
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.used -= self.bytes;
        if self.overtook == Some(state.front) {
            state.overtaking -= self.bytes;
        }
        self.queue.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::*;

    /// A queue of units of these bytes, numbered by `network`.
    fn queue(bytes: &[u64], budget: u64) -> UnitQueue {
        UnitQueue::new(bytes.iter().enumerate().map(|(network, &bytes)| (Unit { cell: 0, network }, bytes)), budget)
    }

    /// What `take` would return now, without waiting.
    fn take_now(queue: &UnitQueue) -> Option<Claim<'_>> {
        let (unit, bytes, overtook) = queue.lock().admit(queue.budget)?;
        Some(Claim { unit, bytes, overtook, queue })
    }

    fn number(claim: &Option<Claim<'_>>) -> Option<usize> {
        claim.as_ref().map(|claim| claim.unit.network)
    }

    #[test]
    fn units_that_fit_start_in_order() {
        let queue = queue(&[5, 5, 1, 1], 100);
        let claims: Vec<_> = (0..4).map(|_| take_now(&queue)).collect();
        assert_eq!(claims.iter().map(number).collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(3)]);
        assert!(queue.take().is_none());
    }

    #[test]
    fn a_thread_goes_on_with_the_same_cell_only() {
        let units = [(0, 6), (0, 6), (1, 6), (2, 2)].into_iter().enumerate();
        let queue = UnitQueue::new(units.map(|(network, (cell, bytes))| (Unit { cell, network }, bytes)), 10);
        let mut claim = take_now(&queue).unwrap();
        assert!(claim.go_on());
        assert_eq!((claim.unit.network, queue.lock().used), (1, 6));
        assert!(!claim.go_on(), "the next unit is of another cell");
        let small = take_now(&queue);
        assert_eq!(number(&small), Some(3));
        drop(claim);
        assert_eq!(number(&take_now(&queue)), Some(2));
    }

    #[test]
    fn a_unit_beyond_the_budget_runs_alone() {
        let queue = queue(&[50, 50], 10);
        let first = take_now(&queue);
        assert_eq!(number(&first), Some(0));
        assert_eq!(number(&take_now(&queue)), None);
        drop(first);
        assert_eq!(number(&take_now(&queue)), Some(1));
    }

    #[test]
    fn small_units_overtake_only_into_room_that_the_first_does_not_need() {
        // Two units of 6 do not fit 10 together; beside one of them there is room for 4, whoever waits.
        let queue = queue(&[6, 6, 2, 2, 2, 2], 10);
        let running = take_now(&queue);
        let small = [take_now(&queue), take_now(&queue)];
        assert_eq!((number(&small[0]), number(&small[1])), (Some(2), Some(3)));
        assert_eq!(number(&take_now(&queue)), None);
        drop(running);
        let waited = take_now(&queue);
        assert_eq!(number(&waited), Some(1), "the small units that overtook it leave it room");
        drop(small);
        assert_eq!(number(&take_now(&queue)), Some(4));
    }

    #[test]
    fn small_units_do_not_starve_a_unit_that_needs_the_whole_budget() {
        let queue = queue(&[4, 10, 1, 1, 1], 10);
        let running = take_now(&queue);
        assert_eq!(number(&take_now(&queue)), None, "a small unit now would keep the first waiting");
        drop(running);
        let whole = take_now(&queue);
        assert_eq!(number(&whole), Some(1));
        assert_eq!(number(&take_now(&queue)), None);
    }

    #[test]
    fn a_closed_queue_hands_out_nothing() {
        let queue = queue(&[6, 6, 2], 10);
        let running = take_now(&queue);
        std::thread::scope(|scope| {
            // One thread gets the small unit, the other waits for room, until the queue is closed.
            let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| queue.take().map(|claim| claim.unit.network))).collect();
            queue.close();
            assert!(waiting.into_iter().map(|thread| thread.join().unwrap()).all(|unit| unit.is_none() || unit == Some(2)));
        });
        drop(running);
        assert!(queue.take().is_none());
    }

    #[test]
    fn an_overtaker_that_ends_makes_room_for_another() {
        let queue = queue(&[6, 8, 2, 2], 10);
        let _running = take_now(&queue);
        let overtaker = take_now(&queue);
        assert_eq!(number(&overtaker), Some(2));
        assert_eq!(number(&take_now(&queue)), None);
        drop(overtaker);
        assert_eq!(number(&take_now(&queue)), Some(3));
    }

    #[test]
    fn threads_take_every_unit_once_and_stay_within_the_budget() {
        let bytes: Vec<u64> = (0..2000).map(|i| [700, 300, 120, 60, 1][i / 400] + (i as u64 % 3)).collect();
        let (budget, threads) = (1000, 8);
        let queue = queue(&bytes, budget);
        let taken: Vec<AtomicUsize> = bytes.iter().map(|_| AtomicUsize::new(0)).collect();
        let (used, peak) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(claim) = queue.take() {
                        let bytes = bytes[claim.unit.network];
                        peak.fetch_max(used.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                        taken[claim.unit.network].fetch_add(1, Ordering::SeqCst);
                        std::thread::yield_now();
                        used.fetch_sub(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(taken.iter().all(|count| count.load(Ordering::SeqCst) == 1));
        let peak = peak.load(Ordering::SeqCst);
        assert!(peak <= budget, "{peak} bytes of {budget}");
    }
}
