//! Records → per-cell statistics and the HDF5 results file, documented in `docs/file-format.md`.
//!
//! [`summary`] computes the statistics, [`schema`] lists the contents of a file, [`write`](mod@write) and [`read`](mod@read) convert; [`show`]
//! prints tables, JSON and CSV, [`switching`] estimates the sizes at which all inputs switch, [`onset`] prints those that a search found.
//! [`compare`] compares two files bit for bit, [`merge`](mod@merge) puts files together, [`extend`] finds the networks of a run in other files,
//! and [`journal`] reads those of a job that is not finished.

pub mod compare;
pub mod extend;
pub mod head;
pub mod journal;
pub mod merge;
pub mod onset;
pub mod read;
pub mod scales;
pub mod schema;
pub mod shard;
pub mod show;
mod statistics;
pub mod summary;
pub mod switching;
mod unite;
pub mod write;

use std::borrow::Cow;

use crate::experiment::Experiment;
use crate::model::{Cell, Direction, Method, SearchName};
use crate::provenance::Provenance;
use crate::record::UnitRecord;
use crate::threshold::Request;

pub use compare::{first_difference, first_differing_sample};
pub use merge::merge;
pub use read::{read, read_unsealed};
pub use summary::Summary;
pub use write::{Writer, write, write_partial};

/// The measurements of one cell.
#[derive(Debug, Clone)]
pub struct CellResults {
    pub cell: Cell,
    pub method: Method,
    /// One per network, in network order; for several directions see [`UnitRecord::samples`].
    pub records: Vec<UnitRecord>,
}

impl CellResults {
    /// Statistics of all samples; meaningful for a single direction.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.records)
    }

    /// Statistics per direction of `experiment`.
    pub fn summaries(&self, experiment: &Experiment) -> Vec<Summary> {
        let coordinates = self.cell.dim - usize::from(experiment.bias);
        let directions = experiment.directions.len();
        let distances = |record: &UnitRecord| -> Vec<f64> {
            let inputs = record.samples.len() / directions;
            record.samples[..inputs].iter().map(|sample| sample.distance).collect()
        };
        let first: Vec<Vec<f64>> = if directions > 1 { self.records.iter().map(distances).collect() } else { Vec::new() };
        let summary = |(index, &direction): (usize, &Direction)| {
            let summary = match (directions, index) {
                (1, _) => self.summary(),
                (_, 0) => self.along(0, directions).summary(),
                _ => {
                    let records = self.along(index, directions).records;
                    Summary::of(&records).relative_to(&first, &records)
                }
            };
            if direction == Direction::Sign { summary.along_signs(coordinates) } else { summary }
        };
        experiment.directions.iter().enumerate().map(summary).collect()
    }

    /// The cell without its samples.
    pub fn summarised(&self, experiment: &Experiment) -> CellSummary {
        let Self { cell, method, ref records } = *self;
        CellSummary { cell, method, networks: records.len(), along: self.summaries(experiment) }
    }

    /// The samples of direction `direction` of `directions`; `seconds` stay those of the whole unit.
    pub fn along(&self, direction: usize, directions: usize) -> CellResults {
        let part = |record: &UnitRecord| {
            let inputs = record.samples.len() / directions;
            UnitRecord { samples: record.samples[direction * inputs..][..inputs].to_vec(), ..*record }
        };
        CellResults { records: self.records.iter().map(part).collect(), ..*self }
    }

    /// The search used in `direction`.
    pub fn search_along(&self, direction: Direction) -> SearchName {
        search_along(self.method, direction)
    }
}

fn search_along(method: Method, direction: Direction) -> SearchName {
    if direction == Direction::Descent { SearchName::Descent } else { method.search }
}

/// What is known of a cell without its samples.
#[derive(Debug, Clone)]
pub struct CellSummary {
    pub cell: Cell,
    pub method: Method,
    pub networks: usize,
    /// Statistics per direction of the experiment.
    pub along: Vec<Summary>,
}

impl CellSummary {
    /// The search used in `direction`.
    pub fn search_along(&self, direction: Direction) -> SearchName {
        search_along(self.method, direction)
    }
}

/// The contents of a results file.
#[derive(Debug, Clone)]
pub struct Results {
    pub experiment: Experiment,
    /// In the order of [`Experiment::cells`]; a partial file holds the finished cells only.
    pub cells: Vec<CellResults>,
    pub provenance: Provenance,
    /// The search that chose the cells, if one did.
    pub threshold: Option<Request>,
}

impl Results {
    /// The cells with the samples of direction number `index` of the experiment.
    pub fn cells_along(&self, index: usize) -> Cow<'_, [CellResults]> {
        match self.experiment.directions.len() {
            1 => Cow::Borrowed(&self.cells),
            count => Cow::Owned(self.cells.iter().map(|cell| cell.along(index, count)).collect()),
        }
    }

    /// The cells without their samples.
    pub fn summarised(&self) -> Vec<CellSummary> {
        self.cells.iter().map(|cell| cell.summarised(&self.experiment)).collect()
    }

    /// Whether all cells of the experiment are present.
    pub fn is_complete(&self) -> bool {
        self.cells.len() == self.experiment.cells().len()
    }
}
