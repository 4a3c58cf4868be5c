//! The plan of an experiment: engine, search, flops, bytes and predicted time of each cell, and the units of each shard.

pub mod calibrate;
pub mod cost;
pub mod forecast;
pub mod memory;
pub mod remaining;
pub mod report;

use bytesize::ByteSize;

use crate::error::BadInput;
use crate::experiment::{Experiment, Shard};
use crate::job::assign::{assign, share_of};
use crate::job::{Group, Resources, Task};
use crate::measure::CellRun;
use crate::method;
use crate::model::{Cell, EngineChoice, EngineName, Precision, Unit};

pub use cost::UnitCost;
use memory::Footprint;

/// An engine slower by more than this factor is not suggested in place of one that does not fit.
const SLOWEST_WAY_OUT: f64 = 20.0;

/// How the units of one cell are run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellPlan {
    pub run: CellRun,
    pub cost: UnitCost,
    /// Peak bytes of one running unit.
    pub unit_bytes: u64,
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
        let group = |cell: &CellPlan| Group { count: self.networks, seconds: cell.cost.seconds, bytes: cell.unit_bytes };
        self.cells.iter().map(group).collect()
    }

    /// Predicted thread-seconds of the experiment.
    pub fn seconds(&self) -> f64 {
        self.cells.iter().map(|cell| cell.cost.seconds).sum::<f64>() * self.networks as f64
    }
}

/// Plans `experiment` on ranks with `resources` each.
///
/// # Errors
/// If a single unit of some cell does not fit the memory of a rank.
pub fn plan(experiment: &Experiment, resources: Resources) -> Result<Plan, BadInput> {
    let process = memory::process_bytes(experiment, resources.threads);
    let unit_memory = resources.memory.saturating_sub(process);
    let share = unit_memory / resources.threads as u64;
    let cells = experiment.cells().into_iter().map(|cell| {
        let method = method::of(cell, experiment);
        let footprints = memory::footprints(cell, experiment, method);
        let fits = |limit: u64| footprints.iter().copied().find(|footprint| footprint.bytes <= limit);
        let footprint = fits(share).or(fits(unit_memory))?;
        let cost = cost::of_unit(cell, experiment, method, footprint.keep);
        Some(CellPlan { run: CellRun { cell, method, keep: footprint.keep }, cost, unit_bytes: footprint.bytes })
    });
    let cells = cells.collect::<Option<_>>().ok_or_else(|| does_not_fit(experiment, resources))?;
    Ok(Plan { cells, networks: experiment.networks, unit_memory, process_bytes: process })
}

/// The units of `experiment` with the fastest storage choice regardless of memory, and so the same on every machine.
pub fn nominal_groups(experiment: &Experiment) -> Vec<Group> {
    let unlimited = Resources { threads: 1, memory: u64::MAX };
    plan(experiment, unlimited).expect("every cell fits unlimited memory").groups()
}

/// The units of each of `count` shards, most expensive first.
pub fn units_of_shards(experiment: &Experiment, count: usize) -> Vec<Vec<Unit>> {
    let shares = assign(&nominal_groups(experiment), count);
    shares.into_iter().map(|share| share.into_iter().map(unit_of).collect()).collect()
}

/// The units of `shard`, most expensive first.
pub fn shard_units(experiment: &Experiment, shard: Shard) -> Vec<Unit> {
    let share = share_of(shard.number() - 1, &nominal_groups(experiment), shard.count(), |_| true);
    share.into_iter().map(unit_of).collect()
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

fn does_not_fit(experiment: &Experiment, resources: Resources) -> BadInput {
    let Leanest { cell, engine, bytes, seconds } = Leanest::largest(experiment);
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
    let process = memory::process_bytes(experiment, resources.threads);
    let least = least_memory(experiment, resources.threads).div_ceil(1 << 20);
    BadInput::new(
        format!("cell {cell} does not fit into {} of memory per rank", ByteSize(resources.memory)),
        format!("one network needs {} {how}, and the rank needs {} besides", ByteSize(bytes), ByteSize(process)),
        format!("give --memory {least}MiB or more, fewer --inputs{instead}{narrower}"),
    )
}

/// Bytes per number.
pub(crate) fn number_bytes(precision: Precision) -> u64 {
    match precision {
        Precision::F32 => 4,
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
