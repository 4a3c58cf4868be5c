//! What journalling may cost while a job runs: a hundredth of its processor time, and a quarter of rank 0's main thread.
//!
//! A network that takes more than some hundred times what it costs to keep its record never waits. Records of smaller ones are written, in
//! the order in which they came, as far as the allowance goes; the rest waits in memory, and is written when networks that take longer have
//! made room, or at the latest when the job stops. What a killed job loses of them is cheap to compute again.

use std::time::{Duration, Instant};

use crate::machine::clock::thread_time;

/// Of the processor time of all worker threads of the job.
const SHARE_OF_JOB: f64 = 0.01;
/// Of the processor time of the main thread, which also takes in the records of all ranks.
const SHARE_OF_MAIN_THREAD: f64 = 0.25;
/// Of the time that passes: a disk that is slow must not keep it from that either.
const SHARE_OF_TIME: f64 = 0.5;
/// The job is taken to have run this much longer, so that records of its first moments are kept too.
const HEAD_START: Duration = Duration::from_secs(1);

/// What has been spent on a journal, and what may be.
pub struct Allowance {
    /// Worker threads of the job.
    threads: usize,
    started: Instant,
    /// Processor time, and time passed on the main thread.
    spent: Spent,
}

#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    processor: Duration,
    passed: Duration,
}

/// The beginning of something that is to be charged.
pub struct Begun {
    processor: Duration,
    at: Instant,
}

impl Begun {
    pub fn now() -> Self {
        Self { processor: thread_time(), at: Instant::now() }
    }
}

impl Allowance {
    /// For a job of `threads` worker threads in all, which starts now.
    pub fn new(threads: usize) -> Self {
        Self { threads, started: Instant::now(), spent: Spent::default() }
    }

    /// Whether more may be spent now.
    pub fn is_left(&self) -> bool {
        self.is_left_after(self.started.elapsed())
    }

    fn is_left_after(&self, elapsed: Duration) -> bool {
        let elapsed = elapsed + HEAD_START;
        let Spent { processor, passed } = self.spent;
        let share = SHARE_OF_MAIN_THREAD.min(SHARE_OF_JOB * self.threads as f64);
        processor < elapsed.mul_f64(share) && passed < elapsed.mul_f64(SHARE_OF_TIME)
    }

    /// Charges what this thread has done since `begun`.
    pub fn charge(&mut self, begun: &Begun) {
        self.spent.processor += thread_time().saturating_sub(begun.processor);
        self.spent.passed += begun.at.elapsed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: f64, threads: usize, processor: f64, passed: f64) -> bool {
        let [processor, passed, elapsed] = [processor, passed, seconds].map(Duration::from_secs_f64);
        Allowance { threads, started: Instant::now(), spent: Spent { processor, passed } }.is_left_after(elapsed)
    }

    #[test]
    fn a_hundredth_of_the_job_may_be_spent() {
        assert!(after(0.0, 1, 0.0, 0.0) && !after(9.0, 0, 0.0, 0.0));
        assert!(after(99.0, 1, 0.99, 2.0) && !after(99.0, 1, 1.01, 2.0));
        assert!(after(99.0, 8, 7.9, 8.0) && !after(99.0, 8, 8.1, 8.5));
    }

    #[test]
    fn the_main_thread_is_not_kept_from_its_other_work() {
        assert!(after(99.0, 64, 24.0, 24.0) && !after(99.0, 64, 26.0, 26.0));
        assert!(after(99.0, 64, 1.0, 49.0) && !after(99.0, 64, 1.0, 51.0), "waiting for a slow disk counts");
    }

    #[test]
    fn work_is_charged() {
        let mut allowance = Allowance::new(1);
        let begun = Begun::now();
        while thread_time().saturating_sub(begun.processor) < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        allowance.charge(&begun);
        assert!(allowance.spent.processor >= Duration::from_millis(30) && allowance.spent.passed >= allowance.spent.processor / 2);
        assert!(!allowance.is_left_after(Duration::from_secs(1)) && allowance.is_left_after(Duration::from_secs(3600)));
    }
}
