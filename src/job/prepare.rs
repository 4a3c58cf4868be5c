//! From a client and its settings to a [`Job`]: everything that is checked or decided before the work.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use super::assign::{Share, levels, loads_of_threads, share_of};
use super::fault::Fault;
use super::journal::{self, Header, Journal, Recovery};
use super::message;
use super::progress::span;
use super::resources::Resources;
use super::store::{Bits, Store};
use super::teams::Teams;
use super::{Client, Group, Held, Settings, Taken, Task, TeamTime};
use crate::comm::{Comm, MAX_MESSAGE, agree};
use crate::error::{BadInput, Failed};
use crate::files::{Existing, Target, place};
use crate::machine::terminal;
use crate::provenance::{Provenance, program_revision};
use crate::text::counted;

/// Predicted time from which on the machine is measured to correct it.
const LONG: Duration = Duration::from_secs(60);

/// One rank's part of a job.
pub struct Job<'c> {
    pub client: &'c dyn Client,
    pub settings: Settings,
    /// Worker threads of this rank.
    pub threads: usize,
    /// Worker threads of every rank.
    pub threads_by_rank: Vec<u64>,
    /// The tasks of all ranks, with the costs predicted by rank 0.
    pub groups: Vec<Group>,
    /// The teams of this rank's threads.
    pub teams: Teams,
    pub fault: Option<Fault>,
    /// UTC, RFC 3339.
    pub started: String,
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
    /// The tasks of all ranks that come first.
    pub round: Vec<Task>,
    pub journal: Journal,
    /// The other output files, claimed.
    pub others: Vec<Target>,
    /// `None` if there was no earlier start.
    pub recovery: Option<Recovery>,
    /// Per other file.
    pub taken: Vec<Taken>,
}

/// Recovers the results of an earlier start; also returns this rank's [share](Job::share) of the first tasks to run. Collective.
///
/// # Errors
/// [`Reported`](crate::comm::failure::Reported), the same on all ranks.
pub fn prepare<'c>(
    comm: &dyn Comm,
    client: &'c dyn Client,
    settings: Settings,
    resources: Resources,
    started: String,
) -> anyhow::Result<(Job<'c>, Part, Share)> {
    agree(comm, check_messages(comm, client))?;
    let fault = agree(comm, Fault::from_env().map_err(Into::into))?;
    let groups = agree(comm, common_groups(comm, client))?;
    let threads_by_rank = threads_by_rank(comm, resources.threads);
    let threads = threads_by_rank.iter().sum::<u64>() as usize;
    let part = agree(comm, if comm.rank() == 0 { root_part(client, &settings, threads) } else { Ok(Part::Worker) })?;
    // Empty: nothing to do, for a job has at least one task.
    let round = comm.broadcast(match &part {
        Part::Root(past) => past.store.bits(past.round.iter().copied()).into_bytes(),
        Part::Worker | Part::Nothing => Vec::new(),
    });
    client.learn(comm.broadcast(if comm.rank() == 0 { client.news() } else { Vec::new() }));
    let part = if round.is_empty() { Part::Nothing } else { part };
    let teams = agree(comm, Teams::form(comm, &groups, &threads_by_rank).map_err(Into::into))?;
    let job = Job { client, settings, threads: resources.threads, threads_by_rank, groups, teams, fault, started };
    let share = job.share(comm, round);
    Ok((job, part, share))
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
    let held = client.held()?;
    if settings.fresh {
        let files = [Some(target.path()), Some(&journal), snapshot.as_deref()];
        place::move_aside(&files.into_iter().flatten().collect::<Vec<_>>())?;
    }
    let header = Header(client.identity());
    let mut store = Store::new(client.groups());
    let found = match journal::find(&journal, &header) {
        // Of a job that ended before its first result. Without the lock it might be that of a job that runs.
        Err(_) if target.is_locked() && journal::is_empty(&journal) => {
            std::fs::remove_file(&journal).with_context(|| format!("cannot remove {}", journal.display()))?;
            None
        }
        found => found?,
    };
    if target.is_locked() {
        snapshot.iter().for_each(|snapshot| place::remove_leftovers(snapshot));
    }
    let (mut journal, recovery) = match found {
        Some(found) => {
            let (journal, recovery) = found.recover(target, client, &mut store, threads)?;
            (journal, Some(recovery))
        }
        None => (Journal::create(target, &header, threads)?, None),
    };
    let mut taken = Vec::with_capacity(held.len());
    for Held { file, results, parts } in held {
        let before = store.count();
        for (task, result) in results {
            if store.get(task).is_none() {
                store.insert(task, result)?;
                journal.note(task);
            }
        }
        taken.push(Taken { file, results: store.count() - before, parts });
    }
    let round = first_round(client, &store)?;
    Ok(Part::Root(Box::new(Past { store, round, journal, others, recovery, taken })))
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

/// Worker threads of every rank. Collective.
fn threads_by_rank(comm: &dyn Comm, own: usize) -> Vec<u64> {
    let gathered = comm.gather(own as u64);
    let bytes = comm.broadcast(gathered.into_iter().flat_map(u64::to_le_bytes).collect());
    bytes.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("chunks of 8 bytes"))).collect()
}

/// The groups with the costs predicted by rank 0, because those of other machines may differ. Collective.
///
/// # Errors
/// This rank does not run the same program and job as rank 0.
fn common_groups(comm: &dyn Comm, client: &dyn Client) -> anyhow::Result<Vec<Group>> {
    let groups = client.groups();
    let numbers = |group: &Group| {
        let TeamTime { ranks, seconds } = group.team.unwrap_or(TeamTime { ranks: 0, seconds: 0.0 });
        [group.seconds, seconds, ranks as f64].map(f64::to_le_bytes).concat()
    };
    let costs = comm.broadcast(groups.iter().flat_map(numbers).collect());
    let mine = fingerprint(client).to_le_bytes();
    if comm.broadcast(mine.to_vec()) != mine {
        return Err(BadInput::new(
            format!("rank {} and rank 0 do not run the same job", comm.rank()),
            "their options, config files or program versions differ",
            "start all ranks with the same program, options and files",
        )
        .into());
    }
    let (costs, _) = costs.as_chunks::<8>();
    let common = groups.iter().zip(costs.chunks_exact(3)).map(|(group, costs)| {
        let [seconds, of_team, ranks] = [costs[0], costs[1], costs[2]].map(f64::from_le_bytes);
        let team = (ranks > 0.0).then_some(TeamTime { ranks: ranks as usize, seconds: of_team });
        Group { seconds, team, ..*group }
    });
    let common: Vec<Group> = common.collect();
    let ranks = |group: &Group| group.team.map(|team| team.ranks);
    if common.iter().zip(groups).any(|(common, own)| ranks(common) != ranks(own)) {
        // Besides --team, a plan depends only on what all ranks have in common.
        let what = format!("rank {} and rank 0 do not form the same teams", comm.rank());
        return Err(BadInput::new(what, "their --team differs", "start all ranks with the same --team").into());
    }
    Ok(common)
}

/// A hash of the job and the program version.
fn fingerprint(client: &dyn Client) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{} {}", program_revision(), client.identity()).hash(&mut hasher);
    hasher.finish()
}

/// The unfinished tasks of the first round or, if it is finished, of the next; empty: the job is complete.
fn first_round(client: &dyn Client, store: &Store) -> anyhow::Result<Vec<Task>> {
    let tasks = client.groups().iter().enumerate().flat_map(|(group, of)| (0..of.count).map(move |index| Task { group, index }));
    let round: Vec<Task> = tasks.filter(|&task| client.is_in_first_round(task) && store.get(task).is_none()).collect();
    if round.is_empty() { next_round(client, store) } else { Ok(round) }
}

/// The tasks that `client` wants run next; empty: the job is complete.
pub fn next_round(client: &dyn Client, store: &Store) -> anyhow::Result<Vec<Task>> {
    check_round(client, store, client.more(store)?)
}

/// `round`, sorted and distinct.
///
/// # Errors
/// A task is none of `client`, or finished: the job would not advance.
pub fn check_round(client: &dyn Client, store: &Store, mut round: Vec<Task>) -> anyhow::Result<Vec<Task>> {
    round.sort_unstable();
    round.dedup();
    match round.iter().find(|task| !is_known(client, **task) || store.get(**task).is_some()) {
        Some(task) => Err(Failed::bug(format!("cannot run {task:?} next"), "it is not a task of this job, or finished").into()),
        None => Ok(round),
    }
}

/// Whether `task` is a task of `client`.
pub fn is_known(client: &dyn Client, task: Task) -> bool {
    client.groups().get(task.group).is_some_and(|group| task.index < group.count) && client.has(task)
}

/// Whether results decide on further tasks.
fn has_later_rounds(client: &dyn Client) -> bool {
    let first = |group: usize| Task { group, index: 0 };
    let last = |group: usize, count: usize| Task { group, index: count - 1 };
    let is_later = |task| client.has(task) && !client.is_in_first_round(task);
    client
        .groups()
        .iter()
        .enumerate()
        .any(|(group, known)| known.count > 0 && (is_later(first(group)) || is_later(last(group, known.count))))
}

impl Job<'_> {
    /// This rank's tasks of a round. `round` is [`Bits`] of all ranks' tasks.
    pub fn share(&self, comm: &dyn Comm, round: Vec<u8>) -> Share {
        let round = Bits::from_bytes(&self.groups, round);
        share_of(comm.rank(), &self.groups, &self.threads_by_rank, |task| round.contains(task))
    }

    /// What is about to run, in one line. `share` are the tasks of this rank.
    pub fn summary(&self, share: &Share) -> String {
        let mut predicted = self.predicted(share);
        let is_calibrated = predicted > LONG && !self.settings.quiet && self.client.calibrate(self.threads);
        if is_calibrated {
            predicted = self.predicted(share);
        }
        format!(
            "advstep-hpc: {} on {} with {}{}; predicted{}{}: {}",
            self.client.summary(),
            counted(self.threads_by_rank.len(), "rank"),
            counted(self.threads, "thread"),
            levels(&self.groups).first().map_or(String::new(), |&ranks| format!(", in teams of up to {}", counted(ranks, "rank"))),
            if has_later_rounds(self.client) { " for the first round" } else { "" },
            if is_calibrated { " (calibrated)" } else { "" },
            span(predicted),
        )
    }

    /// The requested fault, if a thread of `rank` has it when it starts a task. A task of a team is started by the first thread of each rank.
    pub fn strike(&self, rank: usize) -> anyhow::Result<()> {
        self.fault.as_ref().map_or(Ok(()), |fault| fault.strike(rank))
    }

    /// Predicted time of the tasks of this rank on its threads. Those of teams are longer than planned by the factor of their thread-seconds.
    fn predicted(&self, share: &Share) -> Duration {
        let sum = |seconds: &dyn Fn(Task) -> f64| share.in_teams.iter().map(|&task| seconds(task)).sum::<f64>();
        let planned = sum(&|task| self.groups[task.group].seconds);
        let slower = if planned > 0.0 { sum(&|task| self.client.seconds(task)) / planned } else { 1.0 };
        let single = loads_of_threads(&share.single, self.threads, |task| self.client.seconds(task));
        let seconds = share.teams_end * slower + single.into_iter().fold(0.0, f64::max);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// The provenance of results that are complete now.
    pub fn provenance(&self) -> Provenance {
        Provenance::now(&self.settings.command_line, &self.threads_by_rank, &self.started)
    }
}
