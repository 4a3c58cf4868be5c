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
        let footprint = fits(share).or(fits(unit_memory))?;
        let cost = cost::of_unit(cell, experiment, engine, search, footprint.keep);
        Some(CellPlan { cell, engine, search, cost, unit_bytes: footprint.bytes, keep: footprint.keep })
    });
    let cells = cells.collect::<Option<_>>().ok_or_else(|| does_not_fit(experiment, resources))?;
    Ok(Plan { cells, networks: experiment.networks, unit_memory, process_bytes: process })
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

/// A cell, and the way to run it that takes the least memory.
struct Leanest {
    cell: Cell,
    engine: EngineName,
    bytes: u64,
    seconds: f64,
}

impl Leanest {
    fn of(cell: Cell, experiment: &Experiment) -> Self {
        let (engine, search) = method(cell, experiment);
        let footprints = memory::footprints(cell, experiment, engine, search);
        let Footprint { keep, bytes } =
            footprints.into_iter().min_by_key(|footprint| footprint.bytes).expect("there is always a way to run a cell");
        Self { cell, engine, bytes, seconds: cost::of_unit(cell, experiment, engine, search, keep).seconds }
    }

    /// The cell of `experiment` that takes the most even so.
    fn largest(experiment: &Experiment) -> Self {
        let cells = experiment.cells().into_iter().map(|cell| Self::of(cell, experiment));
        cells.max_by_key(|cell| cell.bytes).expect("an experiment has a cell")
    }
}

/// Bytes of a rank with this many threads below which [`plan`] refuses `experiment`.
pub fn least_memory(experiment: &Experiment, threads: usize) -> u64 {
    Leanest::largest(experiment).bytes.saturating_add(memory::process_bytes(experiment, threads))
}

fn does_not_fit(experiment: &Experiment, resources: Resources) -> BadInput {
    let Leanest { cell, engine, bytes, seconds } = Leanest::largest(experiment);
    let (how, other) = match engine {
        EngineName::Dense if experiment.directions.contains(&Direction::Descent) => {
            ("even with its weights made again at every pass", None)
        }
        EngineName::Dense => ("even with its weights made again at every pass", Some(("implicit", EngineChoice::Implicit))),
        EngineName::Implicit => ("for the products with its weights", Some(("dense", EngineChoice::Dense))),
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
        format!("cell {cell} does not fit into {} of memory a rank", ByteSize(resources.memory)),
        format!("one network needs {} {how}, and the rank needs {} besides", ByteSize(bytes), ByteSize(process)),
        format!("give --memory {least}MiB or more, fewer --inputs{instead}{narrower}"),
    )
}

/// Bytes of one number.
pub(crate) fn number_bytes(precision: Precision) -> u64 {
    match precision {
        Precision::F32 => 4,
        Precision::F64 => 8,
    }
}
