//! What the main thread of a rank does while its workers compute: results go to rank 0, which puts them in their places.
//!
//! A message to rank 0 holds one or more results ([`message`]); [`STOP`] says that its rank was asked to stop; an empty message says that
//! its rank has sent all it has. Messages of one rank arrive in order, so rank 0 knows when nothing more can come. Rank 0 calls the end
//! ([`Comm::call_end`]) when all is there or when the job is to stop, and no rank leaves before.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam_channel::RecvTimeoutError;

use super::message;
use super::queue::TaskQueue;
use super::root::Root;
use super::stop::{Reason, Stop};
use super::workers::{Done, Finished};
use crate::comm::Comm;
use crate::comm::failure::Failure;

/// How long the main thread sleeps when there is nothing to do: it shares the cores with the workers.
const NAP: Duration = Duration::from_millis(5);

/// A message goes out when it is this old or this long, so that many small tasks do not flood rank 0. The other ranks look at this
/// interval whether they are to stop.
const MESSAGE_AGE: Duration = Duration::from_millis(100);
const MESSAGE_BYTES: usize = 1 << 20;

/// Shorter than any result with its head.
const STOP: &[u8] = b"stop";

/// How long after the grace rank 0 waits for ranks that do not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// On ranks other than 0: sends what the workers finish, until they have ended or the grace of a stop is over.
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
                let (task, result) = outcome?;
                message::push(&mut message, task, &result);
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
    /// Whether every rank has sent all it has: one that hangs is not waited for when the job is to stop.
    pub all_answered: bool,
    /// When the job was asked to stop, if it was.
    pub stopping: Option<Instant>,
}

/// On rank 0: takes the results of its own workers and of all other ranks, until every rank has sent all it has.
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
        // No more than one from each rank, so that the other work gets its turn however fast they come.
        for (rank, message) in (1..comm.size()).map_while(|_| comm.try_receive()) {
            match &message[..] {
                [] => sending -= 1,
                STOP => wanted = wanted.or(Some(Reason::OtherRank)),
                results => {
                    let results = message::results(results).with_context(|| format!("a message of rank {rank} is damaged"))?;
                    results.into_iter().try_for_each(|(task, result)| root.take(task, result.to_vec()))?;
                }
            }
        }
        root.tend();
        match (stopping, wanted) {
            (None, Some(reason)) => {
                root.say(&format!(
                    "stopping ({reason}): {} that run have {} to end",
                    root.nouns().tasks,
                    super::progress::span(stop.grace)
                ));
                queue.close();
                comm.call_end();
                // Who sent the signal may not wait as long as the grace.
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
