//! The results file of `run` while the networks are measured: each cell is written as soon as it is complete.

use std::io;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Error};

use super::networks::end_text;
use crate::experiment::Experiment;
use crate::files::Existing;
use crate::files::place::Aside;
use crate::job::Draft;
use crate::model::{Cell, Method, Unit};
use crate::provenance::Provenance;
use crate::results::{CellResults, Writer, shard, show};

/// Bytes of results after which the file is synced beside the writing, so that at the end the disk has little left to do.
const SYNC: usize = 64 << 20;

/// A results file that is being written; groups are cells.
pub struct ResultsDraft {
    out: PathBuf,
    experiment: Experiment,
    cells: Vec<(Cell, Method)>,
    /// From the first cell on. The writer is dropped before its file.
    file: Option<(Writer, Aside)>,
    /// Bytes of the results written since the last sync was started.
    unsynced: usize,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl ResultsDraft {
    /// For the file `out` of `experiment`; `cells` are its cells. Writes nothing yet.
    pub fn new(out: PathBuf, experiment: Experiment, cells: Vec<(Cell, Method)>) -> Self {
        Self { out, experiment, cells, file: None, unsynced: 0, syncing: None }
    }

    fn file(&mut self) -> anyhow::Result<&mut (Writer, Aside)> {
        if self.file.is_none() {
            let aside = Aside::create(&self.out)?;
            let writer = Writer::create(&aside.openable(), &self.experiment, None)?;
            self.file = Some((writer, aside));
        }
        Ok(self.file.as_mut().expect("just created"))
    }

    /// Waits for the sync that was started, so that no more than two such portions wait for a slow disk.
    fn wait_for_disk(&mut self) -> anyhow::Result<()> {
        let Some(syncing) = self.syncing.take() else { return Ok(()) };
        syncing.join().unwrap_or_else(|panic| resume_unwind(panic)).context("cannot sync the results so far")
    }
}

impl Draft for ResultsDraft {
    fn add(&mut self, group: usize, results: &[Arc<[u8]>]) -> anyhow::Result<()> {
        let record = |(network, result): (usize, &Arc<[u8]>)| {
            shard::record(&self.experiment, Unit { cell: group, network }, result).map_err(Error::msg)
        };
        let records = results.iter().enumerate().map(record).collect::<anyhow::Result<_>>()?;
        let (cell, method) = self.cells[group];
        self.unsynced += results.iter().map(|result| result.len()).sum::<usize>();
        self.file()?.0.write(group, &CellResults { cell, method, records })?;
        if self.unsynced >= SYNC {
            self.wait_for_disk()?;
            self.syncing = self.file()?.1.start_sync().context("cannot sync the results so far")?;
            self.unsynced = 0;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, provenance: Provenance, existing: Existing, name: &str) -> anyhow::Result<String> {
        self.wait_for_disk()?;
        self.file()?;
        let (writer, aside) = self.file.take().expect("it is open");
        let cells = writer.finish(&provenance)?;
        aside.put(existing)?;
        Ok(end_text(&show::table(&self.experiment, &cells), None, name))
    }
}
