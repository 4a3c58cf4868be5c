//! A worker thread: takes tasks from the queue and does them. It calls neither MPI nor the terminal.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::{Receiver, Sender};

use super::prepare::Job;
use super::queue::{Claim, TaskQueue};
use super::stop::Stop;
use super::{Task, Worker};
use crate::comm::failure::Failure;

/// A task and what it leaves.
pub type Done = (Task, Vec<u8>);

/// What the worker threads of a rank hand to its main thread. Disconnected when all of them have ended.
pub type Finished = Receiver<Result<Done, Failure>>;

/// Does tasks of `queue` until there are no more, until one fails, or until this process is asked to stop.
pub fn work(rank: usize, job: &Job, queue: &TaskQueue, stop: &Stop, finished: &Sender<Result<Done, Failure>>) {
    let mut claim = None;
    // Dropped before the claim, which is for its memory.
    let mut worker = job.client.worker();
    while stop.wanted().is_none() {
        if !claim.as_mut().is_some_and(Claim::go_on) {
            worker.release();
            drop(claim.take());
            claim = queue.take();
        }
        let Some(task) = claim.as_ref().map(|claim| claim.task) else { return };
        // The panic hook has printed the message by the time that the panic is caught.
        let outcome = catch_unwind(AssertUnwindSafe(|| run(rank, job, &mut *worker, task)));
        let outcome = outcome.unwrap_or(Err(Failure::Panicked));
        let failed = outcome.is_err();
        if finished.send(outcome.map(|result| (task, result))).is_err() || failed {
            return;
        }
    }
}

fn run(rank: usize, job: &Job, worker: &mut dyn Worker, task: Task) -> Result<Vec<u8>, Failure> {
    if let Some(fault) = &job.fault {
        fault.strike(rank)?;
    }
    Ok(worker.run(task)?)
}
