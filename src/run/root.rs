//! What rank 0 holds: the records of all ranks, their journal, the snapshot, the progress, and in the end the results file.
//!
//! Trouble with the disk stops nothing: the records are in memory, and every write is tried again. Only what cannot be saved in the end
//! is an error.

use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Error};

use super::journal::{Journal, Recovery};
use super::prepare::Job;
use super::product::Product;
use super::progress::Progress;
use super::records::Records;
use super::stop::Stop;
use crate::results::{self, Results};
use crate::unit::UnitRecord;

/// How long after a failed write the next is tried.
const RETRY: Duration = Duration::from_secs(2);

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
    ranks: usize,
    records: Records,
    journal: Journal,
    progress: Progress,
    next_snapshot: Option<Instant>,
    /// The writing that failed last, and when to try it again.
    trouble: Option<(String, Instant)>,
}

impl<'j> Root<'j> {
    /// Goes on from `records`, which were in `journal` already.
    pub fn new(job: &'j Job, ranks: usize, records: Records, journal: Journal) -> Self {
        let mut progress = Progress::new(&job.costs, &job.units_per_cell, job.request.quiet);
        records.units().for_each(|unit| progress.take_over(unit));
        let next_snapshot = job.request.snapshot.and_then(|interval| Instant::now().checked_add(interval));
        Self { job, ranks, records, journal, progress, next_snapshot, trouble: None }
    }

    /// Says what is about to run, and what was found of an earlier run.
    pub fn introduce(&self, recovery: Option<&Recovery>) {
        self.progress.say(&self.job.summary(self.ranks));
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
        if self.trouble.as_ref().is_some_and(|(_, again)| Instant::now() < *again) {
            return;
        }
        let mut outcome = self.journal.tend(&self.records);
        if outcome.is_ok() && self.next_snapshot.is_some_and(|next| Instant::now() >= next) {
            outcome = self.write_snapshot();
            // From now, not from when it was due: a file that takes long to write must not take all the time there is.
            self.next_snapshot = self.job.request.snapshot.and_then(|interval| Instant::now().checked_add(interval));
        }
        self.note_trouble(outcome);
    }

    /// Says once what goes wrong, and once that it is over.
    fn note_trouble(&mut self, outcome: anyhow::Result<()>) {
        match outcome {
            Ok(()) => {
                if let Some((trouble, _)) = self.trouble.take() {
                    warn(&format!("writing works again (it did not: {trouble})"));
                }
            }
            Err(error) => {
                let text = format!("{error:#}");
                if self.trouble.as_ref().is_none_or(|(known, _)| *known != text) {
                    warn(&format!("{text} (the results are kept in memory) make room; it is tried again"));
                }
                self.trouble = Some((text, Instant::now() + RETRY));
            }
        }
    }

    /// Writes a partial results file of the cells finished so far, if there are any.
    fn write_snapshot(&mut self) -> anyhow::Result<()> {
        let cells = self.records.take_finished_cells(&self.job.plan);
        let results =
            Results { experiment: self.job.request.experiment.clone(), cells, provenance: self.job.provenance(self.ranks) };
        let outcome = match results.cells.is_empty() {
            true => Ok(()),
            false => results::write_partial(&snapshot_of(&self.job.request.out), &results).context("cannot write the snapshot"),
        };
        self.records.put_back(results.cells);
        outcome
    }

    /// Whether every unit is finished.
    pub fn is_complete(&self) -> bool {
        self.records.count() == self.job.units_in_all()
    }

    /// Brings everything to the disk before the job ends unfinished.
    ///
    /// # Errors
    /// When some records are not in the journal although that was tried until the grace was over.
    pub fn leave(mut self, stop: &Stop) -> anyhow::Result<()> {
        let (finished, total) = (self.records.count(), self.job.units_in_all());
        let saved = self.insist(stop, |root| root.journal.flush(&root.records));
        let snapshot = self.write_snapshot();
        self.progress.end();
        saved.context("networks that are finished could not be saved")?;
        if let Err(error) = snapshot {
            warn(&format!("{error:#}"));
        }
        let journal = self.journal.path().display();
        warn(&format!("stopped: {finished} of {total} networks are finished, in {journal}; start again to go on"));
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
        let flushed = self.journal.flush(&self.records);
        self.note_trouble(flushed);
        let product = Product::of(self.job, self.ranks, &mut self.records);
        let out = &self.job.request.out;
        let written = match product.write(out) {
            Err(error) if !self.journal.is_whole() => {
                self.note_trouble(Err(error));
                self.insist(stop, |_| product.write(out))
            }
            written => written,
        };
        if written.is_ok() {
            self.note_trouble(Ok(()));
        }
        self.progress.end();
        if let Err(error) = written {
            let fate = match self.journal.is_whole() {
                true => format!("(all networks are in {}) make room and start again", self.journal.path().display()),
                false => "(nor could the journal) the results are lost".to_string(),
            };
            return Err(error.context(format!("the results could not be written {fate}")));
        }
        for removed in [self.journal.remove(), fs::remove_file(snapshot_of(out))] {
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => warn(&format!("cannot clean up: {error}")),
                _ => {}
            }
        }
        if !self.job.request.quiet {
            // The file is written: a reader of the table who has gone is no failure.
            let _ = writeln!(stdout(), "{}", product.text(out));
        }
        Ok(())
    }

    /// Tries `write` again and again, until it works or the grace of `stop` is over.
    fn insist(&mut self, stop: &Stop, mut write: impl FnMut(&mut Self) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let error: Error = match write(self) {
                Ok(()) => {
                    self.note_trouble(Ok(()));
                    return Ok(());
                }
                Err(error) => error,
            };
            if started.elapsed() + RETRY > stop.grace {
                return Err(error);
            }
            self.note_trouble(Err(error));
            sleep(RETRY);
        }
    }
}

/// Says what went wrong, even to those who want no progress.
fn warn(text: &str) {
    eprintln!("advstep-hpc: {text}");
}
