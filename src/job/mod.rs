//! The job engine: distributes tasks over ranks and threads, gathers their results on rank 0, journals and resumes.
//!
//! A [`Task`] is an index within a [`Group`]; its result is bytes that only the [`Client`] interprets. Every rank computes its own share of
//! the tasks ([`assign`]) and runs it on its worker threads, cheap ones first and then the most expensive, without barriers. The main thread of a rank does not
//! compute: it calls MPI, moves results and shows progress. Rank 0 computes like the others and is the only one to write files; it writes the output
//! of complete groups while the job goes on ([`ahead`]).
//!
//! The tasks of some groups are computed by [`teams`]: all threads of a rank, or of several, each with its part of every task. They come first,
//! those of the largest teams before others.
//!
//! Tasks run in rounds; most jobs have one. When all tasks of a round are finished, rank 0 asks the client for [`more`](Client::more) and
//! broadcasts them. Only then is there a barrier.
//!
//! Bad input is refused before the work, by all ranks together ([`agree`]). After that a failure on any rank aborts all ([`end_job`]). A
//! job that is stopped ([`stop`]) leaves a [`journal`] from which the same command resumes.

mod ahead;
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
mod rounds;
pub mod seen;
mod stop;
pub mod store;
mod teams;
mod trouble;
mod workers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Table;

use crate::comm::failure::{self, end_job_on_panic};
use crate::comm::{self, agree};
use crate::files::{Existing, Target};
use crate::provenance::Provenance;
use crate::team::Team;
use prepare::Part;
use stop::Stop;

pub use resources::{Ranks, Resources};
pub use store::Store;
pub use trouble::warn;

/// The unit of scheduling: number `index` of group `group`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Task {
    pub group: usize,
    pub index: usize,
}

/// Tasks of about equal cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    pub count: usize,
    /// Predicted seconds per task on one thread.
    pub seconds: f64,
    /// Bytes that a running task holds, on each of its ranks.
    pub bytes: u64,
    /// Who computes a task; `None`: one thread.
    pub team: Option<TeamTime>,
}

/// The team that computes a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TeamTime {
    /// Number of consecutive ranks, ≥ 1, with all their threads. The numbers of the groups of a job divide each other.
    pub ranks: usize,
    /// Predicted seconds from start to end of a task.
    pub seconds: f64,
}

impl Group {
    /// Tasks for one thread each.
    pub fn on_threads(count: usize, seconds: f64, bytes: u64) -> Self {
        Self { count, seconds, bytes, team: None }
    }

    /// Predicted seconds from start to end of a task.
    pub fn duration(&self) -> f64 {
        self.team.map_or(self.seconds, |team| team.seconds)
    }
}

/// Results of a job that another file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub file: PathBuf,
    pub results: Vec<(Task, Vec<u8>)>,
    /// Number of tasks of which the file holds a part of the result.
    pub parts: usize,
}

/// What a job took from another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub file: PathBuf,
    pub results: usize,
    /// Number of tasks of which it took a part of the result.
    pub parts: usize,
}

impl Taken {
    /// `12 of 120 networks taken from part.h5, and 3 in part`, for a job of `total` tasks, called `tasks`.
    pub fn text(&self, total: usize, tasks: &str) -> String {
        let parts = if self.parts > 0 { format!(", and {} in part", self.parts) } else { String::new() };
        format!("{} of {total} {tasks} taken from {}{parts}", self.results, self.file.display())
    }
}

/// How a job is run. None of it affects the results.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Worker threads of each rank, ≥ 1; `None`: all cores that the rank may use.
    pub threads: Option<usize>,
    /// Bytes that each rank may use, ≥ 1; `None`: its share of the node's free memory.
    pub memory: Option<u64>,
    /// The output file.
    pub out: PathBuf,
    pub overwrite: bool,
    /// Move the output and journal of an earlier start aside.
    pub fresh: bool,
    /// Interval at which a partial file is written, if at all.
    pub snapshot: Option<Duration>,
    /// Time limit from the start of the job, if any.
    pub max_time: Option<Duration>,
    /// How long a stop waits for running tasks, and how long saving is retried at the end.
    pub grace: Duration,
    pub quiet: bool,
    /// The command line, quoted for a shell.
    pub command_line: String,
}

impl Settings {
    /// Whether an existing file is replaced.
    pub fn existing(&self) -> Existing {
        if self.overwrite { Existing::Replace } else { Existing::Refuse }
    }
}

/// What a job computes. The same on all ranks, except for what depends on their resources.
pub trait Client: Sync {
    /// Everything that determines the results: a journal is resumed only by a job of the same identity.
    fn identity(&self) -> Table;

    /// The tasks, in groups.
    fn groups(&self) -> &[Group];

    /// Whether the task is part of this job: a shard has a subset of each group.
    fn has(&self, _task: Task) -> bool {
        true
    }

    /// Whether the task runs in any case. The others run only if [`more`](Self::more) asks for them.
    fn is_in_first_round(&self, task: Task) -> bool {
        self.has(task)
    }

    /// The tasks of the next round, none of them finished; empty: the job is complete. Called on rank 0 whenever all tasks so far are
    /// finished.
    ///
    /// After a restart it is called with the results recovered, which may include those of later rounds. So it must decide from the first
    /// round on, from the results of tasks that it has asked for, and return the first ones that are missing.
    fn more(&self, _store: &Store) -> anyhow::Result<Vec<Task>> {
        Ok(Vec::new())
    }

    /// Results that need not be computed, because other files hold them; they are valid, and tasks of this job. Called once, on rank 0,
    /// before anything is written.
    ///
    /// # Errors
    /// A file has none, or those of another job.
    fn held(&self) -> anyhow::Result<Vec<Held>> {
        Ok(Vec::new())
    }

    /// What all ranks have to [learn](Self::learn) from rank 0 before the work. Called on rank 0, after [`held`](Self::held).
    fn news(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Called on all ranks before the work, with the [news](Self::news) of rank 0.
    fn learn(&self, _news: Vec<u8>) {}

    /// Predicted thread-seconds of `task` on this machine, without what is [held](Self::held) of it. Only for people:
    /// [`Group::seconds`] order and assign the tasks. Called after [`learn`](Self::learn).
    fn seconds(&self, task: Task) -> f64 {
        self.groups()[task.group].seconds
    }

    /// Measures this machine, for at most a few seconds with `threads` threads, to correct [`seconds`](Self::seconds); returns whether it did.
    /// Called on rank 0, at most once, before long work.
    fn calibrate(&self, _threads: usize) -> bool {
        false
    }

    /// The whole result of `task` from that of its [worker](Self::worker), which may leave out what is [held](Self::held). Called on rank 0.
    fn complete(&self, _task: Task, result: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        Ok(result)
    }

    /// Memory budget for the running tasks of a rank, in bytes.
    fn memory(&self) -> u64;

    /// Largest size of a result, in bytes.
    fn largest_result(&self) -> usize;

    /// The worker of one thread. Called on that thread.
    fn worker(&self) -> Box<dyn Worker + '_>;

    /// The worker of a member of `team`, all of which are given the same tasks in the same order; the result of member 0 counts. Called on the
    /// member's thread. By default, every member computes all of a task.
    fn worker_in(&self, _team: &Team) -> Box<dyn Worker + '_> {
        self.worker()
    }

    /// Validates `result` as a result of `task`.
    ///
    /// # Errors
    /// Why it is not one.
    fn check(&self, task: Task, result: &[u8]) -> Result<(), String>;

    /// What is about to run, as a noun phrase for the first progress line.
    fn summary(&self) -> String;

    /// What tasks and groups are called in messages.
    fn nouns(&self) -> Nouns;

    /// Whether the file at `path` is the finished output of this job.
    fn is_finished(&self, path: &Path) -> bool;

    /// Output files besides [`Settings::out`], with the options that name them.
    fn other_outputs(&self) -> Vec<(PathBuf, &'static str)> {
        Vec::new()
    }

    /// Writes those of the [other outputs](Client::other_outputs) that are in `others`, from the finished file `out`.
    fn write_others(&self, _out: &Path, _others: &[Target], _existing: Existing) -> anyhow::Result<()> {
        Ok(())
    }

    /// Path of the partial file beside `out`, for jobs that support one.
    fn snapshot_path(&self, _out: &Path) -> Option<PathBuf> {
        None
    }

    /// Writes the results so far to `path` if they suffice for a file; returns whether they do.
    fn write_snapshot(&self, _store: &mut Store, _provenance: Provenance, _path: &Path) -> anyhow::Result<bool> {
        Ok(false)
    }

    /// The output file `out`, to be written while the job goes on; `None` if it is only written at the end, as the [product](Self::product). For
    /// jobs of one round that have all tasks of their groups.
    fn draft(&self, _out: &Path) -> Option<Box<dyn Draft>> {
        None
    }

    /// The output of a complete job; `None` if that is its journal, closed.
    fn product(&self, store: &mut Store, provenance: Provenance) -> anyhow::Result<Option<Box<dyn Product>>>;
}

/// Runs tasks on one thread.
pub trait Worker {
    /// The result of `task`.
    fn run(&mut self, task: Task) -> anyhow::Result<Vec<u8>>;

    /// Frees memory cached between tasks: the next one is of another group.
    fn release(&mut self) {}
}

/// Plural nouns for progress and messages.
#[derive(Debug, Clone, Copy)]
pub struct Nouns {
    pub tasks: &'static str,
    pub groups: &'static str,
}

/// The complete output, ready to be written.
pub trait Product {
    fn write(&self, out: &Target, existing: Existing) -> anyhow::Result<()>;

    /// The text for standard output once it is written to `name`.
    fn text(&self, name: &str) -> String;
}

/// The output file while the job goes on, written aside. Dropping it removes it.
pub trait Draft: Send {
    /// Writes `group` with all of its `results`, by index. Each group is added once, in any order.
    ///
    /// # Errors
    /// The file cannot be written; it is of no use then.
    fn add(&mut self, group: usize, results: &[Arc<[u8]>]) -> anyhow::Result<()>;

    /// Completes the file, to which all groups have been added, and gives it its name. Returns the text for standard output, as
    /// [`Product::text`] with `name`.
    fn finish(self: Box<Self>, provenance: Provenance, existing: Existing, name: &str) -> anyhow::Result<String>;
}

/// Runs a job on all ranks of this launch and writes its output. `request` parses the command line, `client` builds the client for the
/// resources of the ranks; both are called after MPI has started, so that an error of theirs is printed once and not by each rank.
///
/// To be called at most once per process, on the main thread. Returns whether this is rank 0.
///
/// # Errors
/// Bad input, as [`Reported`](comm::failure::Reported) once it has been printed. A failure during the work ends the process.
pub fn run<R, C: Client>(
    request: impl FnOnce() -> anyhow::Result<(Settings, R)>,
    client: impl FnOnce(R, Ranks) -> anyhow::Result<C>,
) -> anyhow::Result<bool> {
    let comm = comm::start().or_else(failure::rank_0_reports)?;
    let comm = &*comm;
    end_job_on_panic(comm);
    let (settings, request) = agree(comm, request())?;
    let stop = agree(comm, Stop::listen(settings.max_time, settings.grace))?;
    let started = crate::machine::now_utc();
    let resources = resources::resources(settings.threads, settings.memory, comm.ranks_on_node()).map_err(Into::into);
    let resources = agree(comm, resources)?;
    let client = agree(comm, client(request, Ranks::of(comm, resources)))?;
    let (job, part, share) = prepare::prepare(comm, &client, settings, resources, started)?;
    match part {
        Part::Nothing => {}
        Part::Root(past) => rounds::work_and_write(comm, &job, *past, share, &stop),
        Part::Worker => rounds::work(comm, &job, share, &stop),
    }
    Ok(comm.rank() == 0)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A client whose tasks square their indices.
    pub struct Squares {
        groups: Vec<Group>,
    }

    impl Squares {
        /// Groups of these many tasks.
        pub fn new(counts: &[usize]) -> Self {
            Self { groups: counts.iter().map(|&count| Group::on_threads(count, 1.0, 1)).collect() }
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
