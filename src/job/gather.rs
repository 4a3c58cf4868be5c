//! The main thread of a rank while its workers compute: sends their results to rank 0, which stores them.
//!
//! A message to rank 0 is one or more results ([`message`]); [`STOP`]: its rank was asked to stop; a [`Report`]: its rank has failed; or
//! empty: its rank has sent everything. Messages of one rank arrive in order. Rank 0 calls the end ([`Comm::call_end`]) when it has all
//! results of the round or the job is to stop; no rank leaves before that.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Error;
use crossbeam_channel::RecvTimeoutError;

use super::message;
use super::queue::TaskQueue;
use super::root::Root;
use super::stop::{Reason, Stop};
use super::workers::{Done, Finished};
use crate::comm::Comm;
use crate::comm::failure::{Failure, Report};
use crate::error::Failed;

/// Polling interval of the main thread, which shares the cores with the workers.
const NAP: Duration = Duration::from_millis(5);

/// A message is sent at this age or size, so that small tasks do not flood rank 0 with messages. Other ranks poll for a stop at this
/// interval.
const MESSAGE_AGE: Duration = Duration::from_millis(100);
const MESSAGE_BYTES: usize = 1 << 20;

/// Shorter than the header of any result.
const STOP: &[u8] = b"stop";

/// How long after the grace rank 0 waits for unresponsive ranks.
const PATIENCE: Duration = Duration::from_secs(10);

/// On ranks other than 0: sends the workers' results until they have ended or the grace of a stop is over.
pub fn send(comm: &dyn Comm, finished: &Finished, queue: &TaskQueue, stop: &Stop) -> Result<(), Failure> {
    let mut message = Vec::new();
    let mut begun = Instant::now();
    let mut stopping: Option<Instant> = None;
    let mut computing = true;
    while computing && stopping.is_none_or(|since| since.elapsed() < stop.grace) {
        match finished.recv_timeout(MESSAGE_AGE) {
            Ok(outcome) => {
                if message.is_empty() {
                    begun = Instant::now();
                }
                match outcome {
                    Ok((task, result)) => message::push(&mut message, task, &result),
                    Err(failure) => {
                        // Rank 0 saves these results before it ends the job.
                        if !message.is_empty() {
                            comm.send_to_root(&message)?;
                        }
                        return Err(failure);
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => computing = false,
        }
        if message.len() >= MESSAGE_BYTES || !message.is_empty() && begun.elapsed() >= MESSAGE_AGE {
            comm.send_to_root(&message)?;
            message.clear();
        }
        if stopping.is_none() {
            let asked = stop.wanted().is_some();
            if asked {
                comm.send_to_root(STOP)?;
            }
            if asked || comm.end_is_called() {
                queue.close();
                stopping = Some(Instant::now());
            }
        }
    }
    if !message.is_empty() {
        comm.send_to_root(&message)?;
    }
    comm.send_to_root(&[])?;
    while !comm.end_is_called() {
        sleep(NAP);
    }
    Ok(())
}

/// How the gathering ended.
pub struct Gathered {
    /// Whether every rank has sent everything: a stop does not wait for a rank that hangs.
    pub all_answered: bool,
    /// When the job was asked to stop, if it was.
    pub stopping: Option<Instant>,
}

/// On rank 0: stores the results of its own workers and of all other ranks until every rank has sent everything.
pub fn collect(comm: &dyn Comm, finished: &Finished, queue: &TaskQueue, stop: &Stop, root: &mut Root) -> Result<Gathered, Failure> {
    let mut computing = true;
    let mut sending = comm.size() - 1;
    let mut stopping: Option<Instant> = None;
    while computing || sending > 0 {
        if computing {
            match finished.recv_timeout(NAP) {
                Ok(outcome) => {
                    let mut take = |outcome: Result<Done, Failure>| {
                        let (task, result) = outcome?;
                        Ok::<_, Failure>(root.take(task, result)?)
                    };
                    take(outcome)?;
                    finished.try_iter().try_for_each(take)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => computing = false,
            }
        } else {
            sleep(NAP);
        }
        let mut wanted = stop.wanted();
        // At most one message per rank, so that the work below is not starved.
        for (rank, message) in (1..comm.size()).map_while(|_| comm.try_receive()) {
            if let Some(report) = Report::from_bytes(&message) {
                return Err(Failure::Reported(report));
            }
            match &message[..] {
                [] => sending -= 1,
                STOP => wanted = wanted.or(Some(Reason::OtherRank)),
                results => {
                    let damaged = |why| Error::from(Failed::bug(format!("a message of rank {rank} is damaged"), why));
                    let results = message::results(results).map_err(damaged)?;
                    results.into_iter().try_for_each(|(task, result)| root.take(task, result.to_vec()))?;
                }
            }
        }
        root.tend();
        match (stopping, wanted) {
            (None, Some(reason)) => {
                root.say(&format!(
                    "stopping ({reason}): running {} have {} to finish",
                    root.nouns().tasks,
                    super::progress::span(stop.grace)
                ));
                queue.close();
                comm.call_end();
                // The sender of the signal may kill this process before the grace is over.
                root.rescue();
                stopping = Some(Instant::now());
            }
            (Some(since), _) if since.elapsed() >= stop.grace + PATIENCE => return Ok(Gathered { all_answered: false, stopping }),
            (Some(since), _) if since.elapsed() >= stop.grace => computing = false,
            _ => {}
        }
    }
    if stopping.is_none() {
        comm.call_end();
    }
    Ok(Gathered { all_answered: true, stopping })
}
