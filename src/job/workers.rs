//! Worker threads: each runs tasks from the queue. They call neither MPI nor the terminal.

use crossbeam_channel::{Receiver, Sender};

use super::prepare::Job;
use super::queue::{Claim, TaskQueue};
use super::stop::Stop;
use super::{Task, Worker};
use crate::comm::failure::{Failure, catch};

/// A task and its result.
pub type Done = (Task, Vec<u8>);

/// The channel from the worker threads of a rank to its main thread. Disconnected when all of them have ended.
pub type Finished = Receiver<Result<Done, Failure>>;

/// Runs tasks of `queue` until it is empty, a task fails, or this process is asked to stop.
pub fn work(rank: usize, job: &Job, queue: &TaskQueue, stop: &Stop, finished: &Sender<Result<Done, Failure>>) {
    let mut claim = None;
    // Dropped before the claim that accounts for its memory.
    let mut worker = job.client.worker();
    while stop.wanted().is_none() {
        if !claim.as_mut().is_some_and(Claim::next_of_group) {
            worker.release();
            drop(claim.take());
            claim = queue.take();
        }
        let Some(task) = claim.as_ref().map(|claim| claim.task) else { return };
        let outcome = catch(|| run(rank, job, &mut *worker, task));
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
