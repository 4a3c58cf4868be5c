//! What rank 0 holds: the records of all ranks, their journal, the snapshot, the progress, and in the end the results file.
//!
//! Trouble with the disk stops nothing: the records are in memory, and every write is tried again. Only what cannot be saved in the end
//! is an error.

use std::fs;
use std::io::{ErrorKind, Write, stdout};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::journal::{Journal, Recovery};
use super::prepare::Job;
use super::product::Product;
use super::progress::Progress;
use super::records::Records;
use super::stop::Stop;
use super::trouble::{RETRY, Trouble, warn};
use crate::files::Existing;
use crate::results::{self, Results};
use crate::unit::{Sample, UnitRecord};

/// Bytes of samples a second that a snapshot is sure to be written at, on a disk of no great speed.
const SNAPSHOT_RATE: f64 = 50e6;
/// Seconds that even a small one may take.
const SNAPSHOT_LEAST: f64 = 1.0;

/// The snapshot beside the results file `out`: `results.partial.h5` beside `results.h5`.
pub fn snapshot_of(out: &Path) -> PathBuf {
    let stem = if out.extension().is_some_and(|extension| extension == "h5") { out.file_stem() } else { out.file_name() };
    let mut name = stem.unwrap_or_default().to_os_string();
    name.push(".partial.h5");
    out.with_file_name(name)
}

/// The records and the files of a job.
pub struct Root<'j> {
    job: &'j Job,
    records: Records,
    journal: Journal,
    progress: Progress,
    next_snapshot: Option<Instant>,
    /// What goes wrong with the journal, the snapshot, and the results file.
    journal_trouble: Trouble,
    snapshot_trouble: Trouble,
    results_trouble: Trouble,
}

impl<'j> Root<'j> {
    /// Goes on from `records`, which were in `journal` already.
    pub fn new(job: &'j Job, records: Records, journal: Journal) -> Self {
        let mut progress = Progress::new(&job.costs, &job.units_per_cell, job.request.quiet);
        records.units().for_each(|unit| progress.take_over(unit));
        let next_snapshot = job.request.snapshot.and_then(|interval| Instant::now().checked_add(interval));
        let [journal_trouble, snapshot_trouble, results_trouble] = Default::default();
        Self { job, records, journal, progress, next_snapshot, journal_trouble, snapshot_trouble, results_trouble }
    }

    /// Says what is about to run, and what was found of an earlier run.
    pub fn introduce(&self, recovery: Option<&Recovery>) {
        self.progress.say(&self.job.summary());
        self.journal.target().warning().iter().for_each(|warning| warn(warning));
        let Some(recovery) = recovery else { return };
        let journal = self.journal.path().display();
        let (taken, total) = (recovery.units, self.job.units_in_all());
        self.say(&format!("{taken} of {total} networks are taken over from {journal}"));
        for range in &recovery.damage {
            warn(&format!("bytes {} to {} of {journal} are damaged; their networks are computed again", range.start, range.end));
        }
        if recovery.cut > 0 {
            warn(&format!("the last {} bytes of {journal} are no whole record and were cut off", recovery.cut));
        }
    }

    /// Says something that is not progress.
    pub fn say(&self, text: &str) {
        self.progress.say(&format!("advstep-hpc: {text}"));
    }

    /// Puts a record in its place.
    pub fn take(&mut self, record: UnitRecord) -> anyhow::Result<()> {
        let unit = record.unit;
        self.records.insert(record)?;
        self.progress.count(unit);
        self.journal.note(unit);
        Ok(())
    }

    /// Does what is due: journal, snapshot, progress. Cheap when nothing is; to be called often.
    pub fn tend(&mut self) {
        self.progress.show();
        if !self.journal_trouble.is_waiting() {
            match self.journal.tend(&self.records) {
                Ok(true) => self.journal_trouble.written(),
                Ok(false) => {}
                Err(error) => self.journal_trouble.failed(&error),
            }
        }
        if !self.snapshot_trouble.is_waiting() && self.next_snapshot.is_some_and(|next| Instant::now() >= next) {
            self.write_snapshot();
            // From now, not from when it was due: a file that takes long to write must not take all the time there is.
            self.next_snapshot = self.job.request.snapshot.and_then(|interval| Instant::now().checked_add(interval));
        }
    }

    /// Writes a partial results file of the cells finished so far, if there are any.
    fn write_snapshot(&mut self) {
        let cells = self.records.take_finished_cells(&self.job.plan);
        let results = Results { experiment: self.job.request.experiment.clone(), cells, provenance: self.job.provenance() };
        if !results.cells.is_empty() {
            let path = snapshot_of(self.journal.target().path());
            match results::write_partial(&path, Existing::Replace, &results).context("cannot write the snapshot") {
                Ok(()) => self.snapshot_trouble.written(),
                Err(error) => self.snapshot_trouble.failed(&error),
            }
        }
        self.records.put_back(results.cells);
    }

    /// Whether every unit is finished.
    pub fn is_complete(&self) -> bool {
        self.records.count() == self.job.units_in_all()
    }

    /// Brings everything to the disk before the job ends unfinished, `since` the moment when it was asked to stop. A snapshot is written only
    /// if it is sure to be there before the grace is over: a batch system may kill what takes longer.
    ///
    /// # Errors
    /// When some records are not in the journal although that was tried until the grace was over.
    pub fn leave(mut self, stop: &Stop, since: Instant) -> anyhow::Result<()> {
        let (finished, total) = (self.records.count(), self.job.units_in_all());
        self.insist(stop, |root| root.journal.flush(&root.records), |root| &mut root.journal_trouble)
            .context("networks that are finished could not be saved")
            .inspect_err(|_| self.progress.clear())?;
        let samples = finished * self.records.inputs() * size_of::<Sample>();
        let time = Duration::from_secs_f64(SNAPSHOT_LEAST + samples as f64 / SNAPSHOT_RATE);
        if since.elapsed() + time <= stop.grace {
            self.write_snapshot();
        }
        self.progress.end();
        let journal = self.journal.path().display();
        warn(&format!("stopped after {finished} of {total} networks (saved in {journal}); re-run to resume"));
        Ok(())
    }

    /// Brings what is finished to the disk, in case that this process does not live to do it in time.
    pub fn rescue(&mut self) {
        if let Err(error) = self.journal.flush(&self.records) {
            warn(&format!("{error:#}"));
        }
    }

    /// Writes the results file, or that of the shard, and removes the journal and the snapshot.
    ///
    /// # Errors
    /// When the file cannot be written. The records are in the journal then, or that too was tried until the grace was over.
    pub fn finish(mut self, stop: &Stop) -> anyhow::Result<()> {
        if let Err(error) = self.journal.flush(&self.records) {
            self.journal_trouble.failed(&error);
        }
        let product = Product::of(self.job, &mut self.records);
        let existing = if self.job.request.overwrite { Existing::Replace } else { Existing::Refuse };
        let path = self.journal.target().path().to_path_buf();
        let written = match product.write(&path, existing) {
            Err(error) if !self.journal.is_whole() && !is_in_the_way(&error) => {
                self.results_trouble.failed(&error);
                self.insist(stop, |_| product.write(&path, existing), |root| &mut root.results_trouble)
            }
            written => written,
        };
        self.progress.end();
        let name = self.journal.target().name().display().to_string();
        if let Err(error) = written {
            let remedy = if is_in_the_way(&error) { "move that file away" } else { "free disk space" };
            let fate = match self.journal.is_whole() {
                true => format!("(all networks are in {}) {remedy} and re-run", self.journal.path().display()),
                false => "(nor could the journal) the results are lost".to_string(),
            };
            return Err(error.context(format!("the results could not be written to {name} {fate}")));
        }
        for removed in [self.journal.remove(), fs::remove_file(snapshot_of(&path))] {
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => warn(&format!("cannot clean up: {error}")),
                _ => {}
            }
        }
        if !self.job.request.quiet {
            // The file is written: a reader of the table who has gone is no failure.
            let _ = writeln!(stdout(), "{}", product.text(&name));
        }
        Ok(())
    }

    /// Tries `write` again and again, until it works or the grace of `stop` is over.
    fn insist(
        &mut self,
        stop: &Stop,
        mut write: impl FnMut(&mut Self) -> anyhow::Result<()>,
        trouble: impl Fn(&mut Self) -> &mut Trouble,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let Err(error) = write(self) else {
                trouble(self).written();
                return Ok(());
            };
            if started.elapsed() + RETRY > stop.grace {
                return Err(error);
            }
            trouble(self).failed(&error);
            sleep(RETRY);
        }
    }
}

/// Whether a file appeared under the name of the results while the job ran, which no waiting mends.
fn is_in_the_way(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::AlreadyExists))
}
