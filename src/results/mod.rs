//! Records → per-cell statistics, and the one HDF5 file an experiment leaves. `docs/file-format.md` is the schema in words.
//!
//! [`summary`] owns the statistics, [`schema`] the list of everything in a file, [`write`](mod@write) and [`read`](mod@read) the
//! two directions, [`show`] the table, JSON and CSV for people and scripts, [`switching`] the sizes at which all inputs switch, by
//! depth, [`compare`] the proof that two files hold the same science.

pub mod compare;
pub mod head;
pub mod merge;
pub mod read;
mod scales;
pub mod schema;
pub mod shard;
pub mod show;
mod statistics;
pub mod summary;
pub mod switching;
pub mod write;

use std::borrow::Cow;

use crate::experiment::Experiment;
use crate::model::{Cell, Direction, Method, SearchName};
use crate::provenance::Provenance;
use crate::record::UnitRecord;

pub use compare::{first_difference, first_differing_sample};
pub use merge::merge;
pub use read::{read, read_unsealed};
pub use summary::Summary;
pub use write::{write, write_partial};

/// A cell with everything measured in it.
#[derive(Debug, Clone)]
pub struct CellResults {
    pub cell: Cell,
    pub method: Method,
    /// One for each network, in network order; with several directions their samples are as in [`UnitRecord`].
    pub records: Vec<UnitRecord>,
}

impl CellResults {
    /// The statistics of all samples: of the direction, where there is one.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.records)
    }

    /// The statistics of each of `directions` directions.
    pub fn summaries(&self, directions: usize) -> Vec<Summary> {
        if directions == 1 {
            return vec![self.summary()];
        }
        (0..directions).map(|direction| Summary::of(&self.along(direction, directions).records)).collect()
    }

    /// The part of direction `direction` of `directions`: records with a sample an input, with the seconds of the whole.
    pub fn along(&self, direction: usize, directions: usize) -> CellResults {
        let part = |record: &UnitRecord| {
            let inputs = record.samples.len() / directions;
            UnitRecord { samples: record.samples[direction * inputs..][..inputs].to_vec(), ..*record }
        };
        CellResults { records: self.records.iter().map(part).collect(), ..*self }
    }

    /// The search that found the steps in `direction`.
    pub fn search_along(&self, direction: Direction) -> SearchName {
        if direction == Direction::Descent { SearchName::Descent } else { self.method.search }
    }
}

/// The values of [`schema::CELL_HIDDEN`].
fn hidden_layers(cells: &[Cell], axes: &schema::Axes) -> Vec<i64> {
    let layers = axes.along(schema::Axis::Layer).len();
    cells.iter().flat_map(|cell| cell.widths().map(|width| width as i64).chain(std::iter::repeat(0)).take(layers)).collect()
}

/// An experiment in memory: what is written to a file, and what is read back from one.
#[derive(Debug, Clone)]
pub struct Results {
    pub experiment: Experiment,
    /// In the order of [`Experiment::cells`]. All of them, or those that were finished when a partial file was written.
    pub cells: Vec<CellResults>,
    pub provenance: Provenance,
}

impl Results {
    /// The cells with the samples of one direction, by its place in the experiment's list.
    pub fn cells_along(&self, index: usize) -> Cow<'_, [CellResults]> {
        match self.experiment.directions.len() {
            1 => Cow::Borrowed(&self.cells),
            count => Cow::Owned(self.cells.iter().map(|cell| cell.along(index, count)).collect()),
        }
    }

    /// Whether every cell of the experiment is there.
    pub fn is_complete(&self) -> bool {
        self.cells.len() == self.experiment.cells().len()
    }
}
