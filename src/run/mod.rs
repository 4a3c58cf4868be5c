//! The loop: my units → records → rank 0 → one file.
//!
//! Every rank works out which units are its own and computes them on its worker threads, the most costly first; there is no barrier
//! between cells. The main thread of a rank computes nothing: it alone calls MPI, moves records and shows progress. Rank 0 computes
//! like the others, gathers the records of all, and alone writes.
//!
//! Whatever can be refused is refused before the work, by all ranks together ([`agree`]). From then on a failure anywhere ends the
//! processes of all ranks ([`end_job`]).

pub mod codec;
mod fault;
mod gather;
pub mod prepare;
mod progress;
mod queue;
mod records;
mod workers;

use std::io::{Write, stdout};
use std::thread;

use anyhow::Error;
use crossbeam_channel::unbounded;

use crate::cli::request::RunRequest;
use crate::comm::failure::{Failure, end_job, end_job_on_panic};
use crate::comm::{self, Comm, agree};
use crate::results::{self, Results};
use prepare::Job;
use progress::Progress;
use queue::UnitQueue;
use records::Records;

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
    let job = prepare::prepare(comm, request)?;
    if let Err(error) = work(comm, &job) {
        end_job(comm, &Failure::Error(error));
    }
    comm.barrier();
    Ok(())
}

/// Computes this rank's units; on rank 0, also gathers and writes.
fn work(comm: &dyn Comm, job: &Job) -> anyhow::Result<()> {
    let experiment = &job.request.experiment;
    if comm.rank() > 0 {
        compute(comm, job, |finished| gather::send(comm, finished));
        return Ok(());
    }
    let mut records = Records::new(job.plan.cells.len(), job.plan.networks, experiment.inputs);
    let mut progress = Progress::new(&job.costs, job.plan.networks, job.request.quiet);
    progress.say(&job.summary(comm.size()));
    compute(comm, job, |finished| gather::collect(comm, finished, &mut records, &mut progress));
    progress.end();
    let results =
        Results { experiment: experiment.clone(), cells: records.into_cells(&job.plan)?, provenance: job.provenance(comm.size()) };
    results::write(&job.request.out, &results)?;
    if !job.request.quiet {
        // The file is written: a reader of the table who has gone is no failure.
        let _ = writeln!(stdout(), "{}\nResults are in {}", results::show::table(&results), job.request.out.display());
    }
    Ok(())
}

/// Computes this rank's units on its worker threads while `serve` takes what they finish, on this thread, until there is no more.
fn compute(comm: &dyn Comm, job: &Job, serve: impl FnOnce(&workers::Finished) -> Result<(), Failure>) {
    let units = job.units.iter().map(|&unit| (unit, job.plan.cells[unit.cell].unit_bytes));
    let queue = UnitQueue::new(units, job.plan.unit_memory);
    let rank = comm.rank();
    thread::scope(|scope| {
        let (sender, finished) = unbounded();
        for number in 0..job.threads.min(job.units.len()) {
            let (queue, sender) = (&queue, sender.clone());
            let worker = thread::Builder::new().name(format!("worker-{number}"));
            // Here as below the job ends inside the scope, whose own end would wait for units that may take minutes.
            if let Err(error) = worker.spawn_scoped(scope, move || workers::work(rank, job, queue, &sender)) {
                end_job(comm, &Failure::Error(Error::from(error).context("cannot start a worker thread")));
            }
        }
        drop(sender);
        if let Err(failure) = serve(&finished) {
            end_job(comm, &failure);
        }
    })
}
