//! A worker thread: takes units from the queue and measures them. It calls neither MPI nor the terminal.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::{Receiver, Sender};

use super::prepare::Job;
use super::queue::{Claim, UnitQueue};
use super::stop::Stop;
use crate::comm::failure::Failure;
use crate::experiment::Unit;
use crate::machine::allocator::KeepLarge;
use crate::unit::{self, UnitRecord};

/// What the worker threads of a rank hand to its main thread. Disconnected when all of them have ended.
pub type Finished = Receiver<Result<UnitRecord, Failure>>;

/// Measures units of `queue` until there are no more, until one fails, or until this process is asked to stop.
pub fn work(rank: usize, job: &Job, queue: &UnitQueue, stop: &Stop, finished: &Sender<Result<UnitRecord, Failure>>) {
    let mut claim = None;
    // Dropped before the claim, in whose room it is.
    let large = KeepLarge::new();
    while stop.wanted().is_none() {
        if !claim.as_mut().is_some_and(Claim::go_on) {
            // What this thread keeps is in the room that it has claimed.
            large.give_back();
            drop(claim.take());
            claim = queue.take();
        }
        let Some(unit) = claim.as_ref().map(|claim| claim.unit) else { return };
        // The panic hook has printed the message by the time that the panic is caught.
        let outcome = catch_unwind(AssertUnwindSafe(|| measure(rank, job, unit)));
        let outcome = outcome.unwrap_or(Err(Failure::Panicked));
        let failed = outcome.is_err();
        if finished.send(outcome).is_err() || failed {
            return;
        }
    }
}

fn measure(rank: usize, job: &Job, unit: Unit) -> Result<UnitRecord, Failure> {
    if let Some(fault) = &job.fault {
        fault.strike(rank)?;
    }
    unit::measure(&job.request.experiment, &job.plan.cells[unit.cell], unit).map_err(|error| Failure::Error(error.into()))
}
