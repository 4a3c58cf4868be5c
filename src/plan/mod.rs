//! What an experiment costs before it runs: engine, search, flops, bytes and predicted time of each cell, and who does what.

pub mod assign;
pub mod cost;
pub mod forecast;
pub mod memory;
pub mod report;

use bytesize::ByteSize;

use crate::error::BadInput;
use crate::experiment::{Cell, Direction, EngineChoice, Experiment, Precision, SearchChoice};
use crate::network::dense::{Keep, Storage};
use crate::results::{EngineName, SearchName};

pub use cost::UnitCost;
use memory::Footprint;

/// Widest deep network whose steps are traced exactly under `--search auto`. Above it a scan misses so few earlier crossings, and tracing
/// costs so much more, that steps are scanned: `cargo bench --bench search_threshold` prints both.
pub const WIDEST_TRACED: usize = 100;

/// An engine that is slower by more than this is not offered in place of one that does not fit.
const SLOWEST_WAY_OUT: f64 = 20.0;

/// What one rank has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Bytes.
    pub memory: u64,
}

/// How the units of one cell will be run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellPlan {
    pub cell: Cell,
    pub engine: EngineName,
    pub search: SearchName,
    pub cost: UnitCost,
    /// Peak bytes that one unit holds while it runs.
    pub unit_bytes: u64,
    /// What a unit keeps in memory between passes. Changes no result; means nothing at infinite width.
    pub keep: Keep,
}

/// The plan of an experiment on ranks that have the same [`Resources`] each.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the order of [`Experiment::cells`].
    pub cells: Vec<CellPlan>,
    /// Units of each cell.
    pub networks: usize,
    /// Bytes of a rank that units may hold together.
    pub unit_memory: u64,
    /// Bytes that a rank holds besides.
    pub process_bytes: u64,
}

impl Plan {
    /// Predicted thread-seconds of the whole experiment.
    pub fn seconds(&self) -> f64 {
        self.cells.iter().map(|cell| cell.cost.seconds).sum::<f64>() * self.networks as f64
    }
}

/// Plans `experiment` on ranks with `resources` each.
///
/// Refuses an experiment with a cell of which not even one unit fits the memory of a rank.
pub fn plan(experiment: &Experiment, resources: Resources) -> Result<Plan, BadInput> {
    let process = memory::process_bytes(experiment, resources.threads);
    let unit_memory = resources.memory.saturating_sub(process);
    let share = unit_memory / resources.threads as u64;
    let cells = experiment.cells().into_iter().map(|cell| {
        let (engine, search) = method(cell, experiment);
        let footprints = memory::footprints(cell, experiment, engine, search);
        let fits = |limit: u64| footprints.iter().copied().find(|footprint| footprint.bytes <= limit);
        let footprint = fits(share).or(fits(unit_memory));
        let footprint = footprint.ok_or_else(|| does_not_fit(cell, experiment, engine, process, resources))?;
        let cost = cost::of_unit(cell, experiment, engine, search, footprint.keep);
        Ok(CellPlan { cell, engine, search, cost, unit_bytes: footprint.bytes, keep: footprint.keep })
    });
    Ok(Plan { cells: cells.collect::<Result<_, BadInput>>()?, networks: experiment.networks, unit_memory, process_bytes: process })
}

/// Predicted seconds of one unit of each cell by the fastest way to run it, whatever memory that takes: the same on every machine.
pub fn nominal_costs(experiment: &Experiment) -> Vec<f64> {
    let unlimited = Resources { threads: 1, memory: u64::MAX };
    let plan = plan(experiment, unlimited).expect("every cell fits unlimited memory");
    plan.cells.iter().map(|cell| cell.cost.seconds).collect()
}

/// The engine and the search of a cell. A function of the experiment alone, not of this machine: both decide bytes in the file.
fn method(cell: Cell, experiment: &Experiment) -> (EngineName, SearchName) {
    if cell.is_infinite() {
        return (EngineName::Limit, SearchName::Path);
    }
    let search = search(experiment, cell);
    let without_weights = if search == SearchName::Trace { SearchName::Scan } else { search };
    match experiment.engine {
        EngineChoice::Dense => (EngineName::Dense, search),
        EngineChoice::Implicit => (EngineName::Implicit, without_weights),
        EngineChoice::Auto if search == SearchName::Trace || experiment.directions.contains(&Direction::Descent) => {
            (EngineName::Dense, search)
        }
        EngineChoice::Auto => {
            let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
            let seconds = |engine| cost::of_unit(cell, experiment, engine, search, keep).seconds;
            let is_cheaper = seconds(EngineName::Implicit) < seconds(EngineName::Dense);
            (if is_cheaper { EngineName::Implicit } else { EngineName::Dense }, search)
        }
    }
}

/// The search used in a cell by an engine that has weights.
fn search(experiment: &Experiment, cell: Cell) -> SearchName {
    if experiment.directions == [Direction::Descent] {
        return SearchName::Descent;
    }
    let is_piecewise_linear = experiment.activation.is_piecewise_linear();
    match (experiment.search, cell.depth) {
        (SearchChoice::Scan, _) => SearchName::Scan,
        (_, 1) if is_piecewise_linear => SearchName::Line,
        (_, 1) => SearchName::March,
        (SearchChoice::Exact, _) => SearchName::Trace,
        (SearchChoice::Auto, _) if is_piecewise_linear && cell.width <= WIDEST_TRACED => SearchName::Trace,
        (SearchChoice::Auto, _) => SearchName::Scan,
    }
}

fn does_not_fit(cell: Cell, experiment: &Experiment, engine: EngineName, process: u64, resources: Resources) -> BadInput {
    let leanest = |engine, search| {
        let Footprint { keep, bytes } =
            memory::footprints(cell, experiment, engine, search).pop().expect("there is always a way to run a cell");
        (bytes, cost::of_unit(cell, experiment, engine, search, keep).seconds)
    };
    let dense = || leanest(EngineName::Dense, search(experiment, cell));
    let implicit = || leanest(EngineName::Implicit, SearchName::Scan);
    let ((bytes, seconds), how, other) = match engine {
        EngineName::Dense if experiment.directions.contains(&Direction::Descent) => {
            (dense(), "even with its weights made again at every pass", None)
        }
        EngineName::Dense => (dense(), "even with its weights made again at every pass", Some(("implicit", implicit()))),
        EngineName::Implicit => (implicit(), "for the products with its weights", Some(("dense", dense()))),
        EngineName::Limit => (leanest(engine, SearchName::Path), "for its paths", None),
    };
    let in_all = |bytes: u64| bytes.saturating_add(process);
    let is_way_out = |(bytes, other): (u64, f64)| in_all(bytes) <= resources.memory && other < SLOWEST_WAY_OUT * seconds;
    let instead = other.filter(|(_, cost)| is_way_out(*cost)).map_or(String::new(), |(other, _)| format!(", --engine {other}"));
    let narrower = if cell.is_infinite() { "" } else { ", or a smaller width" };
    BadInput::new(
        format!("cell {cell} does not fit into {} of memory a rank", ByteSize(resources.memory)),
        format!("one network needs {} {how}, and the rank needs {} besides", ByteSize(bytes), ByteSize(process)),
        format!("give --memory {} or more, fewer --inputs{instead}{narrower}", ByteSize(in_all(bytes).next_multiple_of(1 << 30))),
    )
}

/// Bytes of one number.
pub(crate) fn number_bytes(precision: Precision) -> u64 {
    match precision {
        Precision::F32 => 4,
        Precision::F64 => 8,
    }
}
