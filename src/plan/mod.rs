//! The plan of an experiment: engine, search, flops, bytes and predicted time of each cell, and the units of each shard.

pub mod calibrate;
pub mod cost;
pub mod forecast;
pub mod memory;
pub mod precision;
pub mod remaining;
pub mod report;
pub mod teams;
pub mod traffic;

use bytesize::ByteSize;

use crate::error::BadInput;
use crate::experiment::{Experiment, Shard};
use crate::job::assign::{assign, share_of};
use crate::job::{Group, Ranks, Resources, Task, TeamTime};
use crate::measure::CellRun;
use crate::method;
use crate::model::{Cell, EngineChoice, EngineName, Method, Precision, Unit};

pub use cost::UnitCost;
use memory::Footprint;
use teams::{CellTeam, TeamChoice, Teams};

/// An engine slower by more than this factor is not suggested in place of one that does not fit.
const SLOWEST_WAY_OUT: f64 = 20.0;

/// How the units of one cell are run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellPlan {
    pub run: CellRun,
    pub cost: UnitCost,
    /// Peak bytes of one running unit, on each of its ranks.
    pub unit_bytes: u64,
    /// Who computes a unit; `None`: one thread.
    pub team: Option<CellTeam>,
}

/// The plan of an experiment on ranks with equal [`Resources`].
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the order of [`Experiment::cells`].
    pub cells: Vec<CellPlan>,
    /// Units per cell.
    pub networks: usize,
    /// Bytes per rank available to running units.
    pub unit_memory: u64,
    /// Other bytes of a rank.
    pub process_bytes: u64,
}

impl Plan {
    /// The units of each cell, as tasks of a job.
    pub fn groups(&self) -> Vec<Group> {
        let group = |cell: &CellPlan| Group {
            team: cell.team.map(|team| TeamTime { ranks: team.ranks, seconds: team.seconds }),
            ..Group::on_threads(self.networks, cell.cost.seconds, cell.unit_bytes)
        };
        self.cells.iter().map(group).collect()
    }

    /// Predicted thread-seconds of the experiment, if no unit is computed by a team.
    pub fn seconds(&self) -> f64 {
        self.cells.iter().map(|cell| cell.cost.seconds).sum::<f64>() * self.networks as f64
    }
}

/// Plans `experiment` on a rank with `resources`, one thread a unit.
///
/// # Errors
/// If a single unit of some cell does not fit the memory of the rank.
pub fn plan(experiment: &Experiment, resources: Resources) -> Result<Plan, BadInput> {
    plan_on(experiment, Ranks::equal(1, resources), TeamChoice::Never, experiment.networks)
}

/// Plans `experiment` on `ranks`, with teams by `choice`, in a job that has `networks` units of each cell.
///
/// # Errors
/// If a unit of some cell fits neither the memory of a rank nor that of a team, or if there are fewer ranks than chosen.
pub fn plan_on(experiment: &Experiment, ranks: Ranks, choice: TeamChoice, networks: usize) -> Result<Plan, BadInput> {
    let Resources { threads, memory } = ranks.own;
    let process = memory::process_bytes(experiment, threads);
    let unit_memory = memory.saturating_sub(process);
    let cells: Vec<(Cell, Method)> = experiment.cells().into_iter().map(|cell| (cell, method::of(cell, experiment))).collect();
    let teams = Teams { experiment, ranks, networks };
    let chosen = teams.decide(&cells, choice)?;
    let too_large = |cell: Cell| does_not_fit(cell, &teams, choice);
    let cells = cells.into_iter().zip(chosen).map(|((cell, method), team)| {
        let run = |keep| CellRun { cell, method, keep };
        if let Some(team) = team {
            if !teams.fits(team.member_bytes) {
                return Err(part_does_not_fit(cell, &teams, team));
            }
            let unit_bytes = team.member_bytes.saturating_mul(threads as u64);
            return Ok(CellPlan { run: run(team.keep), cost: team.cost, unit_bytes, team: Some(team) });
        }
        let footprints = memory::footprints(cell, experiment, method);
        let Footprint { keep, bytes } = memory::fastest(&footprints, unit_memory, threads).ok_or(cell).map_err(too_large)?;
        let cost = cost::of_unit(cell, experiment, method, keep);
        Ok(CellPlan { run: run(keep), cost, unit_bytes: bytes, team: None })
    });
    Ok(Plan { cells: cells.collect::<Result<_, _>>()?, networks: experiment.networks, unit_memory, process_bytes: process })
}

/// The units of `experiment` with the fastest storage choice regardless of memory, and so the same on every machine.
pub fn nominal_groups(experiment: &Experiment) -> Vec<Group> {
    let unlimited = Resources { threads: 1, memory: u64::MAX };
    plan(experiment, unlimited).expect("every cell fits unlimited memory").groups()
}

/// The units of each of `count` shards, most expensive first.
pub fn units_of_shards(experiment: &Experiment, count: usize) -> Vec<Vec<Unit>> {
    let shares = assign(&nominal_groups(experiment), &vec![1; count]);
    shares.into_iter().map(|share| share.single.into_iter().map(unit_of).collect()).collect()
}

/// The units of `shard`, most expensive first.
pub fn shard_units(experiment: &Experiment, shard: Shard) -> Vec<Unit> {
    let share = share_of(shard.number() - 1, &nominal_groups(experiment), &vec![1; shard.count()], |_| true);
    share.single.into_iter().map(unit_of).collect()
}

/// The unit of a task: groups are cells.
pub fn unit_of(task: Task) -> Unit {
    Unit { cell: task.group, network: task.index }
}

/// A cell with its smallest memory footprint.
struct Leanest {
    cell: Cell,
    engine: EngineName,
    bytes: u64,
    seconds: f64,
}

impl Leanest {
    fn of(cell: Cell, experiment: &Experiment) -> Self {
        let method = method::of(cell, experiment);
        let footprints = memory::footprints(cell, experiment, method);
        let Footprint { keep, bytes } =
            footprints.into_iter().min_by_key(|footprint| footprint.bytes).expect("there is always a way to run a cell");
        Self { cell, engine: method.engine, bytes, seconds: cost::of_unit(cell, experiment, method, keep).seconds }
    }

    /// The cell of `experiment` that needs the most.
    fn largest(experiment: &Experiment) -> Self {
        let cells = experiment.cells().into_iter().map(|cell| Self::of(cell, experiment));
        cells.max_by_key(|cell| cell.bytes).expect("an experiment has a cell")
    }
}

/// Smallest memory (bytes per rank) for which [`plan`] accepts `experiment`.
pub fn least_memory(experiment: &Experiment, threads: usize) -> u64 {
    Leanest::largest(experiment).bytes.saturating_add(memory::process_bytes(experiment, threads))
}

/// No thread or team can compute `cell`, or a larger one.
fn does_not_fit(cell: Cell, teams: &Teams, choice: TeamChoice) -> BadInput {
    let (experiment, resources) = (teams.experiment, teams.ranks.own);
    let is_in_team = |cell: Cell| choice == TeamChoice::Auto && teams.is_held(cell, method::of(cell, experiment));
    let too_large = experiment.cells().into_iter().filter(|&cell| !is_in_team(cell)).map(|cell| Leanest::of(cell, experiment));
    let largest = too_large.max_by_key(|cell| cell.bytes).unwrap_or_else(|| Leanest::of(cell, experiment));
    let Leanest { cell, engine, bytes, seconds } = largest;
    let (how, other) = match engine {
        EngineName::Dense if experiment.directions.iter().any(|direction| !direction.is_line()) => {
            ("even with its weights regenerated at every pass", None)
        }
        EngineName::Dense => ("even with its weights regenerated at every pass", Some(("implicit", EngineChoice::Implicit))),
        EngineName::Implicit | EngineName::Shallow => ("for the products with its weights", Some(("dense", EngineChoice::Dense))),
        EngineName::Limit => ("for its paths", None),
    };
    let is_way_out = |engine: EngineChoice| {
        let otherwise = Experiment { engine, ..experiment.clone() };
        let fits = least_memory(&otherwise, resources.threads) <= resources.memory;
        fits && Leanest::of(cell, &otherwise).seconds < SLOWEST_WAY_OUT * seconds
    };
    let instead = other.filter(|(_, engine)| is_way_out(*engine)).map_or(String::new(), |(name, _)| format!(", --engine {name}"));
    let narrower = if cell.is_infinite() { "" } else { ", or a smaller width" };
    let ranks = match choice {
        TeamChoice::Auto => teams.fewest_ranks(cell, method::of(cell, experiment)).filter(|&ranks| ranks > 1),
        TeamChoice::Never | TeamChoice::Ranks(_) => None,
    };
    let together = ranks.map_or(String::new(), |ranks| format!("; {ranks} ranks with this memory hold it together"));
    let process = memory::process_bytes(experiment, resources.threads);
    let least = bytes.saturating_add(process).div_ceil(1 << 20);
    BadInput::new(
        format!("cell {cell} does not fit into {} of memory per rank", ByteSize(resources.memory)),
        format!("one network needs {} {how}, and the rank needs {} besides", ByteSize(bytes), ByteSize(process)),
        format!("give --memory {least}MiB or more, fewer --inputs{instead}{narrower}{together}"),
    )
}

/// The members of the team that was asked for do not fit their ranks.
fn part_does_not_fit(cell: Cell, teams: &Teams, team: CellTeam) -> BadInput {
    let (ranks, threads, memory) = (team.ranks, teams.ranks.most_threads, teams.ranks.least.memory);
    let bytes = team.member_bytes.saturating_mul(threads as u64);
    let process = memory::process_bytes(teams.experiment, threads);
    BadInput::new(
        format!(
            "cell {cell} does not fit into {} of memory on each of {ranks} rank{}",
            ByteSize(memory),
            if ranks == 1 { "" } else { "s" }
        ),
        format!("the part of a rank needs {}, and the rank needs {} besides", ByteSize(bytes), ByteSize(process)),
        format!("give --memory {}MiB or more, a larger --team, or --team auto", bytes.saturating_add(process).div_ceil(1 << 20)),
    )
}

/// Bytes per number.
pub(crate) fn number_bytes(precision: Precision) -> u64 {
    match precision {
        Precision::F32 | Precision::Bf16x3 => 4,
        Precision::F64 => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_divide_the_units_of_an_experiment() {
        let toml = "depths = [1, 2]\ndims = [5, 10]\nwidths = [10, 300]\nnetworks = 7\ninputs = 3";
        let experiment = Experiment::from_toml(toml, "test").unwrap();
        for count in [1, 2, 5, 100] {
            let units_of = |number| shard_units(&experiment, Shard::new(number, count).unwrap());
            let each: Vec<Vec<Unit>> = (1..=count).map(units_of).collect();
            assert_eq!(each, units_of_shards(&experiment, count));
            let mut units = each.concat();
            units.sort();
            let all = (0..8).flat_map(|cell| (0..7).map(move |network| Unit { cell, network }));
            assert!(units.into_iter().eq(all), "{count} shards");
        }
    }
}
