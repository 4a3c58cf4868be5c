//! The CPU budget of journalling: 1 % of the CPU time of the job, and 25 % of rank 0's main thread.
//!
//! The result of a network that takes more than about 100 times the CPU time of writing it is written at once. Results of cheaper networks
//! are written in order as far as the budget allows; the rest stays in memory until more expensive networks have earned budget, or the job
//! stops. Those that a killed job loses are cheap to recompute.

use std::time::{Duration, Instant};

use crate::machine::clock::thread_time;

/// Fraction of the CPU time of all worker threads of the job.
const SHARE_OF_JOB: f64 = 0.01;
/// Fraction of rank 0's main thread, which also receives the results of all ranks.
pub const SHARE_OF_MAIN_THREAD: f64 = 0.25;
/// Initial budget, as elapsed time, so that the first results are written at once.
const HEAD_START: Duration = Duration::from_secs(1);

/// The budget of a journal. Counts CPU time: waiting for the disk does not slow the workers.
pub struct Allowance {
    /// CPU seconds that may be spent per second elapsed.
    share: f64,
    started: Instant,
    /// CPU time of the main thread spent so far.
    spent: Duration,
}

impl Allowance {
    /// For a job of `threads` worker threads in total that starts now.
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

    /// Charges the CPU time of this thread since [`thread_time`] was `begun`.
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
