//! The tasks of a rank, handed to its threads in order, within the rank's memory budget.
//!
//! Tasks start in the order given. A task starts if it fits the budget together with the running tasks, or if none
//! runs. While the first task waits for memory, smaller tasks may overtake it, but only if they fit beside it: once the tasks that ran
//! before have ended, it can start. So no task starves and no thread idles needlessly.

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
    /// Runs of tasks of equal size, none of them empty.
    batches: VecDeque<Batch>,
    /// Bytes of the running tasks.
    used: u64,
    /// Number of tasks taken from the front so far: identifies the first task of the queue.
    front: u64,
    /// Bytes of the running tasks that have overtaken the current first task.
    overtaking: u64,
    is_closed: bool,
}

struct Batch {
    bytes: u64,
    tasks: VecDeque<Task>,
}

/// A task that may run now. Dropping it frees its bytes in the budget.
pub struct Claim<'q> {
    pub task: Task,
    bytes: u64,
    /// [`State::front`] when this task overtook the first one, if it did.
    overtook: Option<u64>,
    queue: &'q TaskQueue,
}

impl TaskQueue {
    /// A queue of tasks, each with its size in bytes, under a budget of `budget` bytes.
    pub fn new(tasks: impl IntoIterator<Item = (Task, u64)>, budget: u64) -> Self {
        let mut batches: VecDeque<Batch> = VecDeque::new();
        for (task, bytes) in tasks {
            match batches.back_mut().filter(|last| last.bytes == bytes) {
                Some(last) => last.tasks.push_back(task),
                None => batches.push_back(Batch { bytes, tasks: VecDeque::from([task]) }),
            }
        }
        Self { budget, state: Mutex::new(State { batches, ..State::default() }), released: Condvar::new() }
    }

    /// The next task that fits the budget; waits until there is one. `None` if all have been taken.
    pub fn take(&self) -> Option<Claim<'_>> {
        let mut state = self.lock();
        while !state.batches.is_empty() {
            if let Some((task, bytes, overtook)) = state.admit(self.budget) {
                return Some(Claim { task, bytes, overtook, queue: self });
            }
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Whether [`close`](Self::close) has been called.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Drops the tasks that have not started.
    pub fn close(&self) {
        let mut state = self.lock();
        state.batches.clear();
        state.is_closed = true;
        drop(state);
        self.released.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// Replaces the finished task by the first of the queue if both are of one group, and hence of one size; returns whether it did.
    pub fn next_of_group(&mut self) -> bool {
        let mut state = self.queue.lock();
        let next = state.batches.front().and_then(|first| first.tasks.front());
        if self.overtook == Some(state.front) || next.is_none_or(|next| next.group != self.task.group) {
            return false;
        }
        state.used -= self.bytes;
        self.bytes = state.batches[0].bytes;
        state.front += 1;
        state.overtaking = 0;
        self.overtook = None;
        self.task = state.start(0);
        true
    }
}

impl State {
    /// Starts the first task if it fits, else the first behind it that may overtake it.
    fn admit(&mut self, budget: u64) -> Option<(Task, u64, Option<u64>)> {
        let first = self.batches.front()?.bytes;
        let free = budget.saturating_sub(self.used);
        if first <= free || self.used == 0 {
            self.front += 1;
            self.overtaking = 0;
            return Some((self.start(0), first, None));
        }
        let beside_first = budget.saturating_sub(first.saturating_add(self.overtaking));
        let at = self.batches.iter().position(|batch| batch.bytes <= free.min(beside_first))?;
        let bytes = self.batches[at].bytes;
        self.overtaking += bytes;
        Some((self.start(at), bytes, Some(self.front)))
    }

    fn start(&mut self, at: usize) -> Task {
        let batch = &mut self.batches[at];
        let task = batch.tasks.pop_front().expect("no batch is empty");
        self.used = self.used.saturating_add(batch.bytes);
        if batch.tasks.is_empty() {
            self.batches.remove(at);
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

    /// A queue of tasks of these sizes, numbered by `index`.
    fn queue(bytes: &[u64], budget: u64) -> TaskQueue {
        TaskQueue::new(bytes.iter().enumerate().map(|(index, &bytes)| (Task { group: 0, index }, bytes)), budget)
    }

    /// [`TaskQueue::take`] without waiting.
    fn take_now(queue: &TaskQueue) -> Option<Claim<'_>> {
        let (task, bytes, overtook) = queue.lock().admit(queue.budget)?;
        Some(Claim { task, bytes, overtook, queue })
    }

    fn number(claim: &Option<Claim<'_>>) -> Option<usize> {
        claim.as_ref().map(|claim| claim.task.index)
    }

    #[test]
    fn tasks_that_fit_start_in_order() {
        let queue = queue(&[5, 5, 1, 1], 100);
        let claims: Vec<_> = (0..4).map(|_| take_now(&queue)).collect();
        assert_eq!(claims.iter().map(number).collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(3)]);
        assert!(queue.take().is_none());
    }

    #[test]
    fn a_thread_keeps_to_tasks_of_its_group() {
        let tasks = [(0, 6), (0, 6), (1, 6), (2, 2)].into_iter().enumerate();
        let queue = TaskQueue::new(tasks.map(|(network, (cell, bytes))| (Task { group: cell, index: network }, bytes)), 10);
        let mut claim = take_now(&queue).unwrap();
        assert!(claim.next_of_group());
        assert_eq!((claim.task.index, queue.lock().used), (1, 6));
        assert!(!claim.next_of_group(), "the next task is of another group");
        let small = take_now(&queue);
        assert_eq!(number(&small), Some(3));
        drop(claim);
        assert_eq!(number(&take_now(&queue)), Some(2));
    }

    #[test]
    fn a_task_beyond_the_budget_runs_alone() {
        let queue = queue(&[50, 50], 10);
        let first = take_now(&queue);
        assert_eq!(number(&first), Some(0));
        assert_eq!(number(&take_now(&queue)), None);
        drop(first);
        assert_eq!(number(&take_now(&queue)), Some(1));
    }

    #[test]
    fn small_tasks_overtake_only_if_they_fit_beside_the_first() {
        // Two tasks of 6 do not fit into 10; one of them leaves 4.
        let queue = queue(&[6, 6, 2, 2, 2, 2], 10);
        let running = take_now(&queue);
        let small = [take_now(&queue), take_now(&queue)];
        assert_eq!((number(&small[0]), number(&small[1])), (Some(2), Some(3)));
        assert_eq!(number(&take_now(&queue)), None);
        drop(running);
        let waited = take_now(&queue);
        assert_eq!(number(&waited), Some(1), "the small tasks that overtook it fit beside it");
        drop(small);
        assert_eq!(number(&take_now(&queue)), Some(4));
    }

    #[test]
    fn small_tasks_do_not_starve_one_that_needs_the_whole_budget() {
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
            // One thread gets the small task, the other waits until the queue is closed.
            let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| queue.take().map(|claim| claim.task.index))).collect();
            queue.close();
            assert!(waiting.into_iter().map(|thread| thread.join().unwrap()).all(|task| task.is_none() || task == Some(2)));
        });
        drop(running);
        assert!(queue.take().is_none());
    }

    #[test]
    fn an_overtaker_that_ends_frees_memory_for_another() {
        let queue = queue(&[6, 8, 2, 2], 10);
        let _running = take_now(&queue);
        let overtaker = take_now(&queue);
        assert_eq!(number(&overtaker), Some(2));
        assert_eq!(number(&take_now(&queue)), None);
        drop(overtaker);
        assert_eq!(number(&take_now(&queue)), Some(3));
    }

    #[test]
    fn threads_take_every_task_once_and_stay_within_the_budget() {
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
