//! The loop: my units → records → rank 0 → journal → one file.
//!
//! Every rank works out which units are its own and computes them on its worker threads, the most costly first; there is no barrier
//! between cells. The main thread of a rank computes nothing: it alone calls MPI, moves records and shows progress. Rank 0 computes
//! like the others, gathers the records of all, and alone writes.
//!
//! Whatever can be refused is refused before the work, by all ranks together ([`agree`]). From then on a failure anywhere ends the
//! processes of all ranks ([`end_job`]). A job that is asked to stop ([`stop`]) leaves a journal from which the next start goes on.

pub mod codec;
mod fault;
mod gather;
pub mod journal;
pub mod prepare;
mod product;
mod progress;
mod queue;
pub mod records;
mod root;
mod stop;
mod trouble;
mod workers;

use std::thread;
use std::time::Instant;

use anyhow::Error;
use crossbeam_channel::unbounded;

use crate::cli::request::RunRequest;
use crate::comm::failure::{Failure, end_job, end_job_on_panic};
use crate::comm::{self, Comm, agree};
use crate::error::EXIT_AGAIN;
use prepare::{Job, Part, Past};
use queue::UnitQueue;
use root::Root;
use stop::Stop;

/// Runs an experiment on all ranks that this process was started with, and writes its file. `request` makes the request from what
/// was typed; it is called once the ranks know each other, so that what it refuses is printed once.
///
/// To be called at most once in a process, on the main thread. An error of type [`Reported`](comm::failure::Reported) has been
/// printed; [`conclude`](comm::failure::conclude) knows.
pub fn run(request: impl FnOnce() -> anyhow::Result<RunRequest>) -> anyhow::Result<()> {
    let comm = comm::start()?;
    let comm = &*comm;
    end_job_on_panic(comm);
    let request = agree(comm, request())?;
    let stop = agree(comm, Stop::listen(request.max_time, request.grace))?;
    let (job, part) = prepare::prepare(comm, request)?;
    match part {
        Part::Nothing => {}
        Part::Root(past) => work_and_write(comm, &job, *past, &stop),
        Part::Worker => compute(comm, &job, &stop, |finished, queue| {
            gather::send(comm, finished, queue, &stop)?;
            match common_end(comm, 0) {
                0 => Ok(()),
                // Units that run are left alone: they may take minutes.
                code => comm.leave(code),
            }
        }),
    }
    Ok(())
}

/// On rank 0: computes its units, gathers those of all ranks, and writes.
fn work_and_write(comm: &dyn Comm, job: &Job, past: Past, stop: &Stop) {
    let Past { records, journal, recovery } = past;
    let mut root = Root::new(job, records, journal);
    root.introduce(recovery.as_ref());
    let root = compute(comm, job, stop, |finished, queue| {
        let gathered = gather::collect(comm, finished, queue, stop, &mut root).inspect_err(|_| root.rescue())?;
        if root.is_complete() {
            return Ok(root);
        }
        root.leave(stop, gathered.stopping.unwrap_or_else(Instant::now))?;
        if !gathered.all_answered {
            comm.abort(EXIT_AGAIN);
        }
        common_end(comm, EXIT_AGAIN);
        comm.leave(EXIT_AGAIN)
    });
    if let Err(error) = root.finish(stop) {
        end_job(comm, &Failure::Error(error));
    }
    common_end(comm, 0);
}

/// The end of the job: once every rank is here, the exit code that rank 0 gives to all.
fn common_end(comm: &dyn Comm, code: i32) -> i32 {
    comm.barrier();
    let code = comm.broadcast(code.to_le_bytes().to_vec());
    i32::from_le_bytes(code.try_into().expect("four bytes"))
}

/// Computes this rank's units on its worker threads while `serve` takes what they finish, on this thread, until there is no more.
fn compute<T>(
    comm: &dyn Comm,
    job: &Job,
    stop: &Stop,
    serve: impl FnOnce(&workers::Finished, &UnitQueue) -> Result<T, Failure>,
) -> T {
    let units = job.units.iter().map(|&unit| (unit, job.plan.cells[unit.cell].unit_bytes));
    let queue = UnitQueue::new(units, job.plan.unit_memory);
    let rank = comm.rank();
    thread::scope(|scope| {
        let (sender, finished) = unbounded();
        for number in 0..job.threads.min(job.units.len()) {
            let (queue, sender) = (&queue, sender.clone());
            let worker = thread::Builder::new().name(format!("worker-{number}"));
            // Here as below the job ends inside the scope, whose own end would wait for units that may take minutes.
            if let Err(error) = worker.spawn_scoped(scope, move || workers::work(rank, job, queue, stop, &sender)) {
                end_job(comm, &Failure::Error(Error::from(error).context("cannot start a worker thread")));
            }
        }
        drop(sender);
        serve(&finished, &queue).unwrap_or_else(|failure| end_job(comm, &failure))
    })
}
