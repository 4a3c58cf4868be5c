//! What journalling may cost while a job runs: a hundredth of its processor time, and a quarter of rank 0's main thread.
//!
//! A network that takes more than some hundred times what it costs to keep its record never waits. Records of smaller ones are written, in
//! the order in which they came, as far as the allowance goes; the rest waits in memory, and is written when networks that take longer have
//! made room, or at the latest when the job stops. What a killed job loses of them is cheap to compute again.

use std::time::{Duration, Instant};

use crate::machine::clock::thread_time;

/// Of the processor time of all worker threads of the job.
const SHARE_OF_JOB: f64 = 0.01;
/// Of the main thread, which also takes in the records of all ranks.
pub const SHARE_OF_MAIN_THREAD: f64 = 0.25;
/// The job is taken to have run this much longer, so that records of its first moments are kept too.
const HEAD_START: Duration = Duration::from_secs(1);

/// What has been spent on a journal, and what may be. Processor time counts: while the disk is waited for, the workers go on.
pub struct Allowance {
    /// Of the time that passes.
    share: f64,
    started: Instant,
    /// Processor time of the main thread.
    spent: Duration,
}

impl Allowance {
    /// For a job of `threads` worker threads in all, which starts now.
    pub fn new(threads: usize) -> Self {
        let share = SHARE_OF_MAIN_THREAD.min(SHARE_OF_JOB * threads as f64);
        Self { share, started: Instant::now(), spent: Duration::ZERO }
    }

    /// Whether more may be spent now.
    pub fn is_left(&self) -> bool {
        self.is_left_after(self.started.elapsed())
    }

    fn is_left_after(&self, elapsed: Duration) -> bool {
        self.spent < (elapsed + HEAD_START).mul_f64(self.share)
    }

    /// Charges what this thread has done since its processor time was `begun`.
    pub fn charge_since(&mut self, begun: Duration) {
        self.spent += thread_time().saturating_sub(begun);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_left(threads: usize, seconds: f64, spent: f64) -> bool {
        let [elapsed, spent] = [seconds, spent].map(Duration::from_secs_f64);
        Allowance { spent, ..Allowance::new(threads) }.is_left_after(elapsed)
    }

    #[test]
    fn a_hundredth_of_the_job_may_be_spent() {
        assert!(is_left(1, 0.0, 0.0) && !is_left(0, 9.0, 0.0));
        assert!(is_left(1, 99.0, 0.99) && !is_left(1, 99.0, 1.01));
        assert!(is_left(8, 99.0, 7.9) && !is_left(8, 99.0, 8.1));
    }

    #[test]
    fn the_main_thread_is_not_kept_from_its_other_work() {
        assert!(is_left(64, 99.0, 24.0) && !is_left(64, 99.0, 26.0));
    }

    #[test]
    fn work_is_charged() {
        let mut allowance = Allowance::new(1);
        let begun = thread_time();
        while thread_time().saturating_sub(begun) < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        allowance.charge_since(begun);
        assert!(allowance.spent >= Duration::from_millis(30));
        assert!(!allowance.is_left_after(Duration::from_secs(1)) && allowance.is_left_after(Duration::from_secs(3600)));
    }
}
