//! From a client and its settings to a [`Job`]: everything that is checked or decided before the work.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use super::assign::share_of;
use super::fault::Fault;
use super::journal::{self, Header, Journal, Recovery};
use super::message;
use super::progress::span;
use super::resources::Resources;
use super::store::{Bits, Store};
use super::{Client, Group, Settings, Task};
use crate::comm::{Comm, MAX_MESSAGE, agree};
use crate::error::BadInput;
use crate::files::{Existing, Target, place};
use crate::machine::terminal;
use crate::provenance::{Provenance, program_revision};

/// One rank's part of a job.
pub struct Job<'c> {
    pub client: &'c dyn Client,
    pub settings: Settings,
    /// Worker threads of this rank.
    pub threads: usize,
    /// On rank 0: worker threads of every rank.
    pub threads_by_rank: Vec<u64>,
    /// The tasks of all ranks, with the costs predicted by rank 0.
    pub groups: Vec<Group>,
    /// Tasks of this job per group, including those of earlier starts.
    pub counts: Vec<usize>,
    /// This rank's tasks, most expensive first.
    pub tasks: Vec<Task>,
    pub fault: Option<Fault>,
    /// UTC, RFC 3339.
    started: String,
}

/// The role of this rank.
pub enum Part {
    /// The job is already complete.
    Nothing,
    /// Rank 0, which owns the files.
    Root(Box<Past>),
    /// Any other rank.
    Worker,
}

/// The files of rank 0, and the results of an earlier start.
pub struct Past {
    pub store: Store,
    pub journal: Journal,
    /// The other output files, claimed.
    pub others: Vec<Target>,
    /// `None` if there was no earlier start.
    pub recovery: Option<Recovery>,
}

/// Recovers the results of an earlier start and computes this rank's share of the remaining tasks. Collective.
///
/// # Errors
/// [`Reported`](crate::comm::failure::Reported), the same on all ranks.
pub fn prepare<'c>(
    comm: &dyn Comm,
    client: &'c dyn Client,
    settings: Settings,
    resources: Resources,
    started: String,
) -> anyhow::Result<(Job<'c>, Part)> {
    agree(comm, check_messages(comm, client))?;
    let fault = agree(comm, Fault::from_env().map_err(Into::into))?;
    let groups = agree(comm, common_groups(comm, client))?;
    let threads_by_rank = comm.gather(resources.threads as u64);
    let threads = threads_by_rank.iter().sum::<u64>() as usize;
    let part = agree(comm, if comm.rank() == 0 { root_part(client, &settings, threads) } else { Ok(Part::Worker) })?;
    // Empty: nothing to do, for a job has at least one task.
    let finished = comm.broadcast(match &part {
        Part::Root(past) => past.store.bits().into_bytes(),
        Part::Worker | Part::Nothing => Vec::new(),
    });
    let part = if finished.is_empty() { Part::Nothing } else { part };
    let finished = Bits::from_bytes(&groups, finished);
    let count = |(group, of): (usize, &Group)| (0..of.count).filter(|&index| client.has(Task { group, index })).count();
    let counts = groups.iter().enumerate().map(count).collect();
    let tasks = share_of(comm.rank(), &groups, comm.size(), |task| client.has(task) && !finished.contains(task));
    let threads = resources.threads;
    Ok((Job { client, settings, threads, threads_by_rank, groups, counts, tasks, fault, started }, part))
}

/// On rank 0: claims the output files and recovers the journal of an earlier start, for a job of `threads` worker threads in total. An
/// error leaves all files unchanged.
fn root_part(client: &dyn Client, settings: &Settings, threads: usize) -> anyhow::Result<Part> {
    let target = Target::claim(&settings.out, "--out", &[journal::path_of])?;
    let (journal, snapshot) = (journal::path_of(target.path()), client.snapshot_path(target.path()));
    let is_finished = !settings.fresh && !settings.overwrite && target.exists() && client.is_finished(target.path());
    if !is_finished && !settings.fresh {
        target.check_free(settings.existing())?;
    }
    let claim = |(path, option): (PathBuf, &'static str)| {
        let target = Target::claim(&path, option, &[])?;
        target.check_free(settings.existing())?;
        Ok::<_, BadInput>(target)
    };
    let is_wanted = |(path, _): &(PathBuf, &'static str)| !is_finished || !path.exists();
    let others = client.other_outputs().into_iter().filter(is_wanted).map(claim).collect::<Result<Vec<_>, _>>()?;
    if is_finished {
        if !settings.quiet {
            terminal::say(&format!("advstep-hpc: {} is already complete", settings.out.display()));
        }
        client.write_others(target.path(), &others, Existing::Refuse)?;
        return Ok(Part::Nothing);
    }
    if settings.fresh {
        let files = [Some(target.path()), Some(&journal), snapshot.as_deref()];
        place::move_aside(&files.into_iter().flatten().collect::<Vec<_>>())?;
    }
    let header = Header(client.identity());
    let mut store = Store::new(client.groups());
    let found = journal::find(&journal, &header)?;
    if target.is_locked() {
        snapshot.iter().for_each(|snapshot| place::remove_leftovers(snapshot));
    }
    let (journal, recovery) = match found {
        Some(found) => {
            let (journal, recovery) = found.recover(target, client, &mut store, threads)?;
            (journal, Some(recovery))
        }
        None => (Journal::create(target, &header, threads)?, None),
    };
    Ok(Part::Root(Box::new(Past { store, journal, others, recovery })))
}

fn check_messages(comm: &dyn Comm, client: &dyn Client) -> anyhow::Result<()> {
    let bytes = client.largest_result().saturating_add(message::HEAD);
    if comm.size() > 1 && bytes > MAX_MESSAGE {
        return Err(BadInput::new(
            format!("a result of {bytes} bytes does not fit into an MPI message"),
            format!("the limit is {MAX_MESSAGE} bytes"),
            "give fewer inputs and more networks, or run on one rank",
        )
        .into());
    }
    Ok(())
}

/// The groups with the costs predicted by rank 0, because those of other machines may differ. Collective.
///
/// # Errors
/// This rank does not run the same program and job as rank 0.
fn common_groups(comm: &dyn Comm, client: &dyn Client) -> anyhow::Result<Vec<Group>> {
    let groups = client.groups();
    let costs = comm.broadcast(groups.iter().flat_map(|group| group.seconds.to_le_bytes()).collect());
    let mine = fingerprint(client).to_le_bytes();
    if comm.broadcast(mine.to_vec()) != mine {
        return Err(BadInput::new(
            format!("rank {} and rank 0 do not run the same job", comm.rank()),
            "their options, config files or program versions differ",
            "start all ranks with the same program, options and files",
        )
        .into());
    }
    let costs = costs.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().expect("chunks of 8 bytes")));
    Ok(groups.iter().zip(costs).map(|(group, seconds)| Group { seconds, ..*group }).collect())
}

/// A hash of the job and the program version.
fn fingerprint(client: &dyn Client) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{} {}", program_revision(), client.identity()).hash(&mut hasher);
    hasher.finish()
}

impl Job<'_> {
    /// Tasks of all ranks, including those of earlier starts.
    pub fn task_count(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The groups with the task counts of this job.
    pub fn own_groups(&self) -> Vec<Group> {
        self.groups.iter().zip(&self.counts).map(|(group, &count)| Group { count, ..*group }).collect()
    }

    /// What is about to run, in one line.
    pub fn summary(&self) -> String {
        let counted = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        let mine: f64 = self.tasks.iter().map(|task| self.groups[task.group].seconds).sum();
        let predicted = Duration::try_from_secs_f64(mine / self.threads as f64).unwrap_or(Duration::MAX);
        format!(
            "advstep-hpc: {} on {} with {}; predicted: {}",
            self.client.summary(),
            counted(self.threads_by_rank.len(), "rank"),
            counted(self.threads, "thread"),
            span(predicted),
        )
    }

    /// The provenance of results that are complete now.
    pub fn provenance(&self) -> Provenance {
        Provenance::now(&self.settings.command_line, &self.threads_by_rank, &self.started)
    }
}
