//! The engine of every long command: tasks shared out over ranks and threads, their results gathered on rank 0, journalled and resumed.
//!
//! A [`Task`] is known by its place in its [`Group`], and by the bytes that it leaves; what those mean only the [`Client`] knows. Every rank
//! works out which tasks are its own ([`assign`]) and does them on its worker threads, the most costly first, with no barrier in between.
//! The main thread of a rank computes nothing: it alone calls MPI, moves results and shows progress. Rank 0 computes like the others, gathers
//! the results of all, and alone writes.
//!
//! Whatever can be refused is refused before the work, by all ranks together ([`agree`]). From then on a failure anywhere ends the processes of
//! all ranks ([`end_job`]). A job that is asked to stop ([`stop`]) leaves a [`journal`] from which the same command resumes it.

pub mod assign;
mod fault;
mod gather;
pub mod journal;
mod message;
mod prepare;
pub mod progress;
mod queue;
pub mod resources;
mod root;
mod stop;
pub mod store;
mod trouble;
mod workers;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Error;
use crossbeam_channel::unbounded;
use toml::Table;

use crate::comm::failure::{Failure, end_job, end_job_on_panic};
use crate::comm::{self, Comm, agree};
use crate::error::EXIT_AGAIN;
use crate::files::{Existing, Target};
use crate::provenance::Provenance;
use prepare::{Job, Part, Past};
use queue::TaskQueue;
use root::Root;
use stop::Stop;

pub use resources::Resources;
pub use store::Store;
pub use trouble::warn;

/// One piece of work: number `index` of group `group`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Task {
    pub group: usize,
    pub index: usize,
}

/// Tasks that take about the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    pub count: usize,
    /// Predicted seconds of one thread for each.
    pub seconds: f64,
    /// Bytes that one holds while it runs.
    pub bytes: u64,
}

/// How a job is run. Nothing of it decides a byte of the results.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Worker threads of each rank, ≥ 1; all that the rank may use when `None`.
    pub threads: Option<usize>,
    /// Bytes that each rank may use, ≥ 1; its share of the machine when `None`.
    pub memory: Option<u64>,
    /// The file that the job leaves.
    pub out: PathBuf,
    pub overwrite: bool,
    /// Move aside what an earlier start has left.
    pub fresh: bool,
    /// How often a partial file is written, if at all.
    pub snapshot: Option<Duration>,
    /// When the job is to be over, if ever, counted from its start.
    pub max_time: Option<Duration>,
    /// How long a stop waits for tasks that run, and saving is tried in the end.
    pub grace: Duration,
    pub quiet: bool,
    /// What was typed, quoted for a shell.
    pub command_line: String,
}

impl Settings {
    /// What becomes of a file that is there.
    pub fn existing(&self) -> Existing {
        if self.overwrite { Existing::Replace } else { Existing::Refuse }
    }
}

/// What a job is about. A client is the same on all ranks but for what depends on their resources.
pub trait Client: Sync {
    /// Everything that decides the bytes of the results, so that a journal is resumed by its own job only.
    fn identity(&self) -> Table;

    /// The tasks, in groups.
    fn groups(&self) -> &[Group];

    /// Whether the task is part of this job: a shard has some of each group.
    fn has(&self, _task: Task) -> bool {
        true
    }

    /// Bytes that the tasks of a rank may hold together.
    fn memory(&self) -> u64;

    /// Most bytes of a result.
    fn largest_result(&self) -> usize;

    /// What one thread does its tasks with. Called on that thread.
    fn worker(&self) -> Box<dyn Worker + '_>;

    /// Refuses bytes that are no result of `task`.
    fn check(&self, task: Task, result: &[u8]) -> Result<(), String>;

    /// What is about to run, in some words.
    fn summary(&self) -> String;

    /// What the tasks and groups are called.
    fn nouns(&self) -> Nouns;

    /// Whether the file at `path` is that of this job, finished.
    fn is_finished(&self, path: &Path) -> bool;

    /// Files besides [`Settings::out`] that the job will leave, with the options that name them.
    fn other_outputs(&self) -> Vec<(PathBuf, &'static str)> {
        Vec::new()
    }

    /// The partial file beside the file at `out`, for jobs that can leave one.
    fn snapshot_path(&self, _out: &Path) -> Option<PathBuf> {
        None
    }

    /// Writes what is there so far to `path`, if that is enough for a file; returns whether it is.
    fn write_snapshot(&self, _store: &mut Store, _provenance: Provenance, _path: &Path) -> anyhow::Result<bool> {
        Ok(false)
    }

    /// What the job leaves once everything is there; `None` if that is its journal, closed.
    fn product(&self, store: &mut Store, provenance: Provenance) -> anyhow::Result<Option<Box<dyn Product>>>;
}

/// Does tasks, one after another, on one thread.
pub trait Worker {
    /// The result of `task`.
    fn run(&mut self, task: Task) -> anyhow::Result<Vec<u8>>;

    /// Frees the memory that is kept from one task for the next, because the next one is of another group.
    fn release(&mut self) {}
}

/// Words for progress and messages.
#[derive(Debug, Clone, Copy)]
pub struct Nouns {
    pub tasks: &'static str,
    pub groups: &'static str,
}

/// Finished work, ready to be written.
pub trait Product {
    /// Writes the file `out`, and the [others](Client::other_outputs).
    fn write(&self, out: &Target, others: &[Target], existing: Existing) -> anyhow::Result<()>;

    /// What to print once it is written to the file called `name`.
    fn text(&self, name: &str) -> String;
}

/// Runs a job on all ranks that this process was started with, and writes its file. `request` makes the request from what was typed, `client`
/// the client from that and what this rank has; both are called once the ranks know each other, so that what they refuse is printed once.
///
/// To be called at most once in a process, on the main thread. Returns whether this is the rank that wrote. An error of type
/// [`Reported`](comm::failure::Reported) has been printed; [`conclude`](comm::failure::conclude) knows.
pub fn run<R, C: Client>(
    request: impl FnOnce() -> anyhow::Result<(Settings, R)>,
    client: impl FnOnce(R, Resources) -> anyhow::Result<C>,
) -> anyhow::Result<bool> {
    let comm = comm::start()?;
    let comm = &*comm;
    end_job_on_panic(comm);
    let (settings, request) = agree(comm, request())?;
    let stop = agree(comm, Stop::listen(settings.max_time, settings.grace))?;
    let started = crate::machine::now_utc();
    let resources = resources::resources(settings.threads, settings.memory, comm.ranks_on_node()).map_err(Into::into);
    let resources = agree(comm, resources)?;
    let client = agree(comm, client(request, resources))?;
    let (job, part) = prepare::prepare(comm, &client, settings, resources, started)?;
    match part {
        Part::Nothing => {}
        Part::Root(past) => work_and_write(comm, &job, *past, &stop),
        Part::Worker => compute(comm, &job, &stop, |finished, queue| {
            gather::send(comm, finished, queue, &stop)?;
            match common_end(comm, 0) {
                0 => Ok(()),
                // Tasks that run are left alone: they may take minutes.
                code => comm.leave(code),
            }
        }),
    }
    Ok(comm.rank() == 0)
}

/// On rank 0: does its tasks, gathers the results of all, and writes.
fn work_and_write(comm: &dyn Comm, job: &Job, past: Past, stop: &Stop) {
    let mut root = Root::new(job, past);
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

/// Does this rank's tasks on its worker threads while `serve` takes what they finish, on this thread, until there is no more.
fn compute<T>(
    comm: &dyn Comm,
    job: &Job,
    stop: &Stop,
    serve: impl FnOnce(&workers::Finished, &TaskQueue) -> Result<T, Failure>,
) -> T {
    let tasks = job.tasks.iter().map(|&task| (task, job.groups[task.group].bytes));
    let queue = TaskQueue::new(tasks, job.client.memory());
    let rank = comm.rank();
    thread::scope(|scope| {
        let (sender, finished) = unbounded();
        for number in 0..job.threads.min(job.tasks.len()) {
            let (queue, sender) = (&queue, sender.clone());
            let worker = thread::Builder::new().name(format!("worker-{number}"));
            // Here as below the job ends inside the scope, whose own end would wait for tasks that may take minutes.
            if let Err(error) = worker.spawn_scoped(scope, move || workers::work(rank, job, queue, stop, &sender)) {
                end_job(comm, &Failure::Error(Error::from(error).context("cannot start a worker thread")));
            }
        }
        drop(sender);
        serve(&finished, &queue).unwrap_or_else(|failure| end_job(comm, &failure))
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A client whose tasks are to square their indices.
    pub struct Squares {
        groups: Vec<Group>,
    }

    impl Squares {
        /// Groups of these many tasks.
        pub fn new(counts: &[usize]) -> Self {
            Self { groups: counts.iter().map(|&count| Group { count, seconds: 1.0, bytes: 1 }).collect() }
        }
    }

    impl Client for Squares {
        fn identity(&self) -> Table {
            "what = 'squares'".parse().unwrap()
        }
        fn groups(&self) -> &[Group] {
            &self.groups
        }
        fn memory(&self) -> u64 {
            u64::MAX
        }
        fn largest_result(&self) -> usize {
            8
        }
        fn worker(&self) -> Box<dyn Worker + '_> {
            Box::new(Squarer)
        }
        fn check(&self, task: Task, result: &[u8]) -> Result<(), String> {
            if result == square(task) { Ok(()) } else { Err("not the square".to_string()) }
        }
        fn summary(&self) -> String {
            "squares".to_string()
        }
        fn nouns(&self) -> Nouns {
            Nouns { tasks: "squares", groups: "groups" }
        }
        fn is_finished(&self, _path: &Path) -> bool {
            false
        }
        fn product(&self, _store: &mut Store, _provenance: Provenance) -> anyhow::Result<Option<Box<dyn Product>>> {
            Ok(None)
        }
    }

    struct Squarer;

    impl Worker for Squarer {
        fn run(&mut self, task: Task) -> anyhow::Result<Vec<u8>> {
            Ok(square(task))
        }
    }

    pub fn square(task: Task) -> Vec<u8> {
        (task.index as u64).pow(2).to_le_bytes().to_vec()
    }
}
