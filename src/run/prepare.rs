//! From a request to a [`Job`]: everything that is decided, checked or refused before any work.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::fault::Fault;
use super::journal::{self, Header, Journal, Recovery};
use super::progress::span;
use super::records::{Finished, Records};
use super::root::snapshot_of;
use super::{RunRequest, codec};
use crate::comm::{Comm, MAX_MESSAGE, agree};
use crate::error::BadInput;
use crate::experiment::Unit;
use crate::files::{Existing, Target, place};
use crate::machine::{self, blas, terminal};
use crate::plan::assign::share_of;
use crate::plan::memory::{PROCESS, THREAD};
use crate::plan::{self, Plan, Resources};
use crate::results::Provenance;
use crate::status;

/// One rank's part of a run.
pub struct Job {
    pub request: RunRequest,
    pub plan: Plan,
    /// Worker threads of this rank, and on rank 0 those of every rank.
    pub threads: usize,
    pub threads_by_rank: Vec<u64>,
    /// Predicted seconds of one unit of each cell, the same on all ranks.
    pub costs: Vec<f64>,
    /// This rank's units, the most costly first.
    pub units: Vec<Unit>,
    /// How many units of each cell the job has, those of all ranks and of runs before.
    pub units_per_cell: Vec<usize>,
    pub fault: Option<Fault>,
    /// UTC, RFC 3339.
    started: String,
}

/// What this rank is to do.
pub enum Part {
    /// All is done already.
    Nothing,
    /// That of rank 0: it has the files.
    Root(Box<Past>),
    /// That of another rank.
    Worker,
}

/// What rank 0 knows before the work: what an earlier run has done.
pub struct Past {
    pub records: Records,
    pub journal: Journal,
    /// `None` if there was no earlier run.
    pub recovery: Option<Recovery>,
}

/// Plans the request, takes over what an earlier run has done, and finds this rank's share of the rest. Collective; an error is the same
/// on all ranks and has been printed.
pub fn prepare(comm: &dyn Comm, mut request: RunRequest) -> anyhow::Result<(Job, Part)> {
    let started = machine::now_utc();
    let resources = agree(comm, resources(request.threads, request.memory, comm.ranks_on_node()).map_err(Into::into))?;
    agree(comm, request.experiment.inputs_law.load().map_err(Into::into))?;
    let (plan, fault) = agree(comm, check(comm, &request, resources))?;
    let costs = agree(comm, common_costs(comm, &request, &plan))?;
    let threads_by_rank = comm.gather(resources.threads as u64);
    let threads = threads_by_rank.iter().sum::<u64>() as usize;
    let part = agree(comm, if comm.rank() == 0 { root_part(&request, &plan, threads) } else { Ok(Part::Worker) })?;
    // Nothing to broadcast says that there is nothing to do: an experiment has a unit.
    let finished = comm.broadcast(match &part {
        Part::Root(past) => Finished::of(&past.records).into_bytes(),
        Part::Worker | Part::Nothing => Vec::new(),
    });
    let part = if finished.is_empty() { Part::Nothing } else { part };
    let finished = Finished::from_bytes(plan.networks, finished);
    let shard = request.shard.map(|shard| HashSet::from_iter(shard.units(&request.experiment)));
    let is_ours = |unit| shard.as_ref().is_none_or(|own: &HashSet<Unit>| own.contains(&unit));
    let mut units_per_cell = vec![if shard.is_none() { plan.networks } else { 0 }; costs.len()];
    shard.iter().flatten().for_each(|unit| units_per_cell[unit.cell] += 1);
    let units = share_of(comm.rank(), &costs, plan.networks, comm.size(), |unit| is_ours(unit) && !finished.contains(unit));
    let threads = resources.threads;
    Ok((Job { request, plan, threads, threads_by_rank, costs, units, units_per_cell, fault, started }, part))
}

/// On rank 0: claims the results file, and finds what an earlier run has left of it, in a job of `threads` worker threads in all. Whatever is
/// refused is refused with nothing changed.
fn root_part(request: &RunRequest, plan: &Plan, threads: usize) -> anyhow::Result<Part> {
    let target = Target::claim(&request.out, "--out", &[journal::path_of, snapshot_of])?;
    let (journal, snapshot) = (journal::path_of(target.path()), snapshot_of(target.path()));
    if request.fresh {
        place::move_aside(&[target.path(), &journal, &snapshot])?;
    } else if !request.overwrite && target.exists() {
        if status::is_finished(target.path(), &request.experiment, request.shard) {
            if !request.quiet {
                terminal::say(&format!("advstep-hpc: {} is already complete", request.out.display()));
            }
            return Ok(Part::Nothing);
        }
        target.check_free(Existing::Refuse)?;
    }
    let header = Header::new(&request.experiment, request.shard, plan);
    let mut records = Records::new(plan.cells.len(), plan.networks, request.experiment.samples_of_network());
    let found = journal::find(&journal, &header)?;
    if target.is_locked() {
        place::remove_leftovers(&snapshot);
    }
    let (journal, recovery) = match found {
        Some(found) => {
            let (journal, recovery) = found.recover(target, &mut records, threads)?;
            (journal, Some(recovery))
        }
        None => (Journal::create(target, &header, threads)?, None),
    };
    Ok(Part::Root(Box::new(Past { records, journal, recovery })))
}

/// Address space that a worker thread takes besides the memory that it uses: the buffer that OpenBLAS maps for it, its arena and stack.
const ADDRESSES: u64 = 320 << 20;

/// What this rank, one of `ranks` on its node, has: what was asked for, or all that it may use.
///
/// # Errors
/// What was asked for, or one thread, does not fit a limit of the address space (`ulimit -v`): OpenBLAS would wait for ever for its buffer.
pub fn resources(threads: Option<usize>, memory: Option<u64>, ranks: usize) -> Result<Resources, BadInput> {
    let wanted = match blas::is_safe_for_threads() {
        true => threads.unwrap_or_else(|| machine::cores_of_this_rank(ranks)),
        false => 1,
    };
    within(machine::address_space_left(), threads, wanted, memory, machine::memory_of_this_rank(ranks))
}

/// `wanted` threads, fewer if `threads` does not ask for them, and `memory`, or at most `all` of it, within `left` bytes of address space.
fn within(left: Option<u64>, threads: Option<usize>, wanted: usize, memory: Option<u64>, all: u64) -> Result<Resources, BadInput> {
    let Some(left) = left else { return Ok(Resources { threads: wanted, memory: memory.unwrap_or(all) }) };
    let least = PROCESS + THREAD;
    let fit = usize::try_from(left.saturating_sub(least) / (ADDRESSES + THREAD)).unwrap_or(usize::MAX);
    let threads = if threads.is_some() { wanted } else { wanted.min(fit.max(1)) };
    let addresses = ADDRESSES * threads as u64;
    let memory = memory.unwrap_or_else(|| all.min(left.saturating_sub(addresses)).max(least));
    if addresses.saturating_add(memory) > left {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        return Err(BadInput::new(
            format!("{threads} threads and {} MiB of memory do not fit the address space", mebibytes(memory)),
            format!("a limit (ulimit -v) leaves {} MiB, and each thread takes {} besides", left >> 20, mebibytes(ADDRESSES)),
            "raise the limit (ulimit -v unlimited; in batch systems by the memory that the job asks for), or give fewer --threads or less --memory",
        ));
    }
    Ok(Resources { threads, memory })
}

/// What each rank can check alone.
fn check(comm: &dyn Comm, request: &RunRequest, resources: Resources) -> anyhow::Result<(Plan, Option<Fault>)> {
    let inputs = request.experiment.samples_of_network();
    if comm.size() > 1 && codec::record_bytes(inputs) > MAX_MESSAGE {
        return Err(BadInput::new(
            format!("{inputs} samples a network do not fit a message between ranks"),
            format!("their record has {} bytes and MPI messages end at {MAX_MESSAGE}", codec::record_bytes(inputs)),
            "give fewer inputs and more networks, or run on one rank",
        )
        .into());
    }
    Ok((plan::plan(&request.experiment, resources)?, Fault::from_env()?))
}

/// The predicted costs by which all ranks share out the units: rank 0's, because those of other machines may differ. Checks that all
/// ranks run the same program and experiment. Collective.
fn common_costs(comm: &dyn Comm, request: &RunRequest, plan: &Plan) -> anyhow::Result<Vec<f64>> {
    let mine = plan.cells.iter().flat_map(|cell| cell.cost.seconds.to_le_bytes()).collect();
    let costs = comm.broadcast(mine);
    let mine = identity(request, plan).to_le_bytes();
    if comm.broadcast(mine.to_vec()) != mine {
        return Err(BadInput::new(
            format!("rank {} and rank 0 do not run the same experiment", comm.rank()),
            "their options, configuration files or program versions differ",
            "start all ranks with the same program, options and files",
        )
        .into());
    }
    Ok(costs.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().expect("chunks of 8 bytes"))).collect())
}

/// A number that tells experiments, shards, programs and the engine and search of every cell apart.
fn identity(request: &RunRequest, plan: &Plan) -> u64 {
    let methods: Vec<_> = plan.cells.iter().map(|cell| (cell.cell, cell.engine, cell.search)).collect();
    let mut hasher = DefaultHasher::new();
    let RunRequest { experiment, shard, .. } = request;
    format!("{} {experiment:?} {shard:?} {methods:?}", machine::program_revision()).hash(&mut hasher);
    hasher.finish()
}

impl Job {
    /// Units of all ranks, and of runs before.
    pub fn units_in_all(&self) -> usize {
        self.units_per_cell.iter().sum()
    }

    /// What is about to run, in one line.
    pub fn summary(&self) -> String {
        let (cells, networks) = (self.plan.cells.len(), self.plan.networks);
        let units = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        let mine: f64 = self.units.iter().map(|unit| self.costs[unit.cell]).sum();
        let predicted = Duration::try_from_secs_f64(mine / self.threads as f64).unwrap_or(Duration::MAX);
        format!(
            "advstep-hpc: {}{} of {} and {} on {} with {}; predicted: {}",
            self.request.shard.map_or_else(String::new, |shard| format!("{shard} of ")),
            units(cells, "cell"),
            units(networks, "network"),
            units(self.request.experiment.inputs, "input"),
            units(self.threads_by_rank.len(), "rank"),
            units(self.threads, "thread"),
            span(predicted),
        )
    }

    /// Where the results come from; the run ends now.
    pub fn provenance(&self) -> Provenance {
        machine::provenance(&self.request.command_line, &self.threads_by_rank, &self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_and_memory_fit_the_address_space() {
        let gib = 1u64 << 30;
        let take = |left, threads, memory| within(left, threads, threads.unwrap_or(4), memory, 8 * gib);
        assert_eq!(take(None, Some(9), None), Ok(Resources { threads: 9, memory: 8 * gib }));
        assert_eq!(take(Some(100 * gib), None, None), Ok(Resources { threads: 4, memory: 8 * gib }));
        for left in [gib / 2, gib, 2 * gib, 3 * gib] {
            let Resources { threads, memory } = take(Some(left), None, None).unwrap();
            assert!(threads as u64 * ADDRESSES + memory <= left && memory >= PROCESS + THREAD, "{left}: {threads} {memory}");
        }
        assert!(take(Some(gib), Some(4), None).unwrap_err().why.contains("leaves 1024 MiB"));
        assert!(take(Some(3 * gib), Some(4), Some(2 * gib)).is_err());
        assert!(take(Some(gib / 4), None, None).is_err());
    }
}
