//! What the main thread of a rank does while its workers compute: records go to rank 0, which puts them in their places.
//!
//! A message holds one or more records ([`codec`]); an empty message says that its rank has sent all of them. Messages of one rank
//! arrive in order, so rank 0 knows when nothing more can come.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam_channel::RecvTimeoutError;

use super::codec;
use super::progress::Progress;
use super::records::Records;
use super::workers::Finished;
use crate::comm::Comm;
use crate::comm::failure::Failure;

/// How long the main thread sleeps when there is nothing to do: it shares the cores with the workers.
const NAP: Duration = Duration::from_millis(5);

/// A message goes out when it is this old or this long, so that many small units do not flood rank 0.
const MESSAGE_AGE: Duration = Duration::from_millis(100);
const MESSAGE_BYTES: usize = 1 << 20;

/// On ranks other than 0: sends what the workers finish, until they have ended.
pub fn send(comm: &dyn Comm, finished: &Finished) -> Result<(), Failure> {
    let mut message = Vec::new();
    let mut begun = Instant::now();
    loop {
        // Nothing to send: no need to wake before there is.
        let received = match message.is_empty() {
            true => finished.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => finished.recv_deadline(begun + MESSAGE_AGE),
        };
        match received {
            Ok(outcome) => {
                if message.is_empty() {
                    begun = Instant::now();
                }
                codec::encode(&outcome?, &mut message);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if message.len() >= MESSAGE_BYTES || begun.elapsed() >= MESSAGE_AGE {
            comm.send_to_root(&message)?;
            message.clear();
        }
    }
    if !message.is_empty() {
        comm.send_to_root(&message)?;
    }
    Ok(comm.send_to_root(&[])?)
}

/// On rank 0: takes the records of its own workers and of all other ranks, until every rank has sent all it has.
pub fn collect(comm: &dyn Comm, finished: &Finished, records: &mut Records, progress: &mut Progress) -> Result<(), Failure> {
    let mut take = |record: crate::unit::UnitRecord, progress: &mut Progress| {
        progress.count(record.unit);
        records.insert(record)
    };
    let mut computing = true;
    let mut sending = comm.size() - 1;
    while computing || sending > 0 {
        if computing {
            match finished.recv_timeout(NAP) {
                Ok(outcome) => take(outcome?, progress)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => computing = false,
            }
        } else {
            sleep(NAP);
        }
        while let Some((rank, message)) = comm.try_receive() {
            if message.is_empty() {
                sending -= 1;
            }
            for record in codec::decode_all(&message).with_context(|| format!("a message of rank {rank} is damaged"))? {
                take(record, progress)?;
            }
        }
        progress.show();
    }
    Ok(())
}
