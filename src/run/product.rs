//! What a job leaves in the end: the results file of an experiment, or the file of a shard.

use std::path::Path;

use super::prepare::Job;
use super::records::Records;
use crate::files::Existing;
use crate::results::{self, Results};
use crate::shard::file::{self as shard_file, ShardResults};

/// The finished work, ready to be written.
pub enum Product {
    Whole(Results),
    Part(ShardResults),
}

impl Product {
    /// Of the records of every unit of `job`, which are no longer in `records` then.
    pub fn of(job: &Job, records: &mut Records) -> Self {
        let (experiment, provenance) = (job.request.experiment.clone(), job.provenance());
        match job.request.shard {
            None => Product::Whole(Results { experiment, cells: records.take_finished_cells(&job.plan), provenance }),
            Some(shard) => Product::Part(ShardResults {
                shard,
                experiment,
                methods: job.plan.cells.iter().map(|cell| (cell.engine, cell.search)).collect(),
                provenance,
                records: records.take_all(),
            }),
        }
    }

    /// Writes the file to `path`.
    pub fn write(&self, path: &Path, existing: Existing) -> anyhow::Result<()> {
        match self {
            Product::Whole(results) => results::write(path, existing, results),
            Product::Part(results) => shard_file::write(path, existing, results),
        }
    }

    /// What to tell of it once it is written to the file `name`.
    pub fn text(&self, name: &str) -> String {
        match self {
            Product::Whole(results) => format!("{}\nResults are in {}", results::show::table(results), name),
            Product::Part(results) => format!("The results of {} are in {}", results.shard, name),
        }
    }
}
