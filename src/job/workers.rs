//! Worker threads: each takes its part in the tasks of the rank's teams, and then runs tasks from the queue. They call neither MPI, except by the
//! link of a team, nor the terminal.

use crossbeam_channel::{Receiver, Sender};

use super::Task;
use super::assign::Share;
use super::prepare::Job;
use super::queue::{Claim, TaskQueue};
use super::stop::Stop;
use crate::comm::failure::{Failure, catch};

/// A task and its result.
pub type Done = (Task, Vec<u8>);

/// The channel from the worker threads of a rank to its main thread. Disconnected when all of them have ended.
pub type Finished = Receiver<Result<Done, Failure>>;

/// Where a worker thread is.
#[derive(Clone, Copy)]
pub struct Place {
    pub rank: usize,
    /// Number of the thread on its rank.
    pub thread: usize,
}

/// [`work`], with a panic outside the tasks as a failure, too: other members of a team may be waiting for this thread.
pub fn start(place: Place, job: &Job, share: &Share, queue: &TaskQueue, stop: &Stop, finished: &Sender<Result<Done, Failure>>) {
    let outcome = catch(|| {
        work(place, job, share, queue, stop, finished);
        Ok(())
    });
    if let Err(failure) = outcome {
        // The main thread may have ended already.
        let _ = finished.send(Err(failure));
    }
}

/// Runs the tasks of `share` for teams and then those of `queue` until it is empty, a task fails, or this process is asked to stop.
fn work(place: Place, job: &Job, share: &Share, queue: &TaskQueue, stop: &Stop, finished: &Sender<Result<Done, Failure>>) {
    if !work_in_teams(place, job, &share.in_teams, queue, stop, finished) {
        return;
    }
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
        let outcome = catch(|| {
            job.strike(place.rank)?;
            Ok(worker.run(task)?)
        });
        let failed = outcome.is_err();
        if finished.send(outcome.map(|result| (task, result))).is_err() || failed {
            return;
        }
    }
}

/// Runs `tasks` with the other members of the rank's teams; returns whether to go on.
///
/// A member that fails leaves the others waiting: the main thread ends the process.
fn work_in_teams(
    place: Place,
    job: &Job,
    tasks: &[Task],
    queue: &TaskQueue,
    stop: &Stop,
    finished: &Sender<Result<Done, Failure>>,
) -> bool {
    let ranks = |task: &Task| job.groups[task.group].team.map_or(1, |team| team.ranks);
    for tasks in tasks.chunk_by(|a, b| ranks(a) == ranks(b)) {
        let team = job.teams.place(ranks(&tasks[0]), place.thread);
        let mut worker = job.client.worker_in(team);
        for of_group in tasks.chunk_by(|a, b| a.group == b.group) {
            for &task in of_group {
                // All members stop together: otherwise some would wait for one that has left.
                if team.any(stop.wanted().is_some() || queue.is_closed()) {
                    return false;
                }
                let outcome = catch(|| {
                    if place.thread == 0 {
                        job.strike(place.rank)?;
                    }
                    Ok(worker.run(task)?)
                });
                let failed = outcome.is_err();
                let is_sent = failed || team.member() == 0;
                let is_alone = is_sent && finished.send(outcome.map(|result| (task, result))).is_err();
                if failed || is_alone {
                    return false;
                }
            }
            worker.release();
        }
        drop(worker);
        // What follows has the memory of the rank: no member may hold any longer what it needed here.
        if team.any(false) {
            return false;
        }
    }
    true
}
