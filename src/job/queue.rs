//! The tasks of this rank, handed to its threads in order, within the rank's memory.
//!
//! Tasks are taken in the order given (largest first). A task starts when its bytes and those of the tasks that run fit the budget;
//! a task always starts when nothing else runs. While the first task waits for room, smaller tasks may overtake it, but only as many
//! as fit beside it: when the tasks that were running before have ended, there is room for it. So no task starves and no thread
//! idles without need.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Task;

/// A queue shared by the threads of a rank.
pub struct TaskQueue {
    budget: u64,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Default)]
struct State {
    /// Stretches of tasks with equal bytes, none of them empty.
    stretches: VecDeque<Stretch>,
    /// Bytes of the tasks that run.
    used: u64,
    /// Number of tasks taken from the front so far: it names the task that is first in the queue.
    front: u64,
    /// Bytes of the tasks that run and have overtaken the task that is first now.
    overtaking: u64,
}

struct Stretch {
    bytes: u64,
    tasks: VecDeque<Task>,
}

/// A task that may run now. Its bytes are free again when this is dropped.
pub struct Claim<'q> {
    pub task: Task,
    bytes: u64,
    /// [`State::front`] when it overtook the first task.
    overtook: Option<u64>,
    queue: &'q TaskQueue,
}

impl TaskQueue {
    /// A queue of tasks with the bytes that each holds while it runs, under `budget` bytes in all.
    pub fn new(tasks: impl IntoIterator<Item = (Task, u64)>, budget: u64) -> Self {
        let mut stretches: VecDeque<Stretch> = VecDeque::new();
        for (task, bytes) in tasks {
            match stretches.back_mut().filter(|last| last.bytes == bytes) {
                Some(last) => last.tasks.push_back(task),
                None => stretches.push_back(Stretch { bytes, tasks: VecDeque::from([task]) }),
            }
        }
        Self { budget, state: Mutex::new(State { stretches, ..State::default() }), released: Condvar::new() }
    }

    /// The next task to run, once there is room for one; `None` when all have been taken.
    pub fn take(&self) -> Option<Claim<'_>> {
        let mut state = self.lock();
        while !state.stretches.is_empty() {
            if let Some((task, bytes, overtook)) = state.admit(self.budget) {
                return Some(Claim { task, bytes, overtook, queue: self });
            }
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// From now on no task is taken; those that run go on.
    pub fn close(&self) {
        self.lock().stretches.clear();
        self.released.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// Goes on to the first task of the queue, in the room of the task that has ended, if both are of one group; returns whether it does.
    pub fn go_on(&mut self) -> bool {
        let mut state = self.queue.lock();
        let next = state.stretches.front().and_then(|first| first.tasks.front());
        if self.overtook == Some(state.front) || next.is_none_or(|next| next.group != self.task.group) {
            return false;
        }
        state.used -= self.bytes;
        self.bytes = state.stretches[0].bytes;
        state.front += 1;
        state.overtaking = 0;
        self.overtook = None;
        self.task = state.start(0);
        true
    }
}

impl State {
    /// Starts the first task if it fits, or else the first of those behind it that may overtake it.
    fn admit(&mut self, budget: u64) -> Option<(Task, u64, Option<u64>)> {
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

    fn start(&mut self, at: usize) -> Task {
        let stretch = &mut self.stretches[at];
        let task = stretch.tasks.pop_front().expect("no stretch is empty");
        self.used = self.used.saturating_add(stretch.bytes);
        if stretch.tasks.is_empty() {
            self.stretches.remove(at);
        }
        task
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

    /// A queue of tasks of these bytes, numbered by `index`.
    fn queue(bytes: &[u64], budget: u64) -> TaskQueue {
        TaskQueue::new(bytes.iter().enumerate().map(|(index, &bytes)| (Task { group: 0, index }, bytes)), budget)
    }

    /// What `take` would return now, without waiting.
    fn take_now(queue: &TaskQueue) -> Option<Claim<'_>> {
        let (task, bytes, overtook) = queue.lock().admit(queue.budget)?;
        Some(Claim { task, bytes, overtook, queue })
    }

    fn number(claim: &Option<Claim<'_>>) -> Option<usize> {
        claim.as_ref().map(|claim| claim.task.index)
    }

    #[test]
    fn units_that_fit_start_in_order() {
        let queue = queue(&[5, 5, 1, 1], 100);
        let claims: Vec<_> = (0..4).map(|_| take_now(&queue)).collect();
        assert_eq!(claims.iter().map(number).collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(3)]);
        assert!(queue.take().is_none());
    }

    #[test]
    fn a_thread_goes_on_with_the_same_group_only() {
        let tasks = [(0, 6), (0, 6), (1, 6), (2, 2)].into_iter().enumerate();
        let queue = TaskQueue::new(tasks.map(|(network, (cell, bytes))| (Task { group: cell, index: network }, bytes)), 10);
        let mut claim = take_now(&queue).unwrap();
        assert!(claim.go_on());
        assert_eq!((claim.task.index, queue.lock().used), (1, 6));
        assert!(!claim.go_on(), "the next task is of another group");
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
        // Two tasks of 6 do not fit 10 together; beside one of them there is room for 4, whoever waits.
        let queue = queue(&[6, 6, 2, 2, 2, 2], 10);
        let running = take_now(&queue);
        let small = [take_now(&queue), take_now(&queue)];
        assert_eq!((number(&small[0]), number(&small[1])), (Some(2), Some(3)));
        assert_eq!(number(&take_now(&queue)), None);
        drop(running);
        let waited = take_now(&queue);
        assert_eq!(number(&waited), Some(1), "the small tasks that overtook it leave it room");
        drop(small);
        assert_eq!(number(&take_now(&queue)), Some(4));
    }

    #[test]
    fn small_units_do_not_starve_a_unit_that_needs_the_whole_budget() {
        let queue = queue(&[4, 10, 1, 1, 1], 10);
        let running = take_now(&queue);
        assert_eq!(number(&take_now(&queue)), None, "a small task now would keep the first waiting");
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
            // One thread gets the small task, the other waits for room, until the queue is closed.
            let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| queue.take().map(|claim| claim.task.index))).collect();
            queue.close();
            assert!(waiting.into_iter().map(|thread| thread.join().unwrap()).all(|task| task.is_none() || task == Some(2)));
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
                        let bytes = bytes[claim.task.index];
                        peak.fetch_max(used.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                        taken[claim.task.index].fetch_add(1, Ordering::SeqCst);
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
