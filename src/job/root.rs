//! The state of rank 0: the results of all ranks, the journal, the snapshot, the progress display and the output file.
//!
//! A failing disk does not stop the job: results stay in memory and every write is retried. It is an error only if results cannot be
//! saved in the end.

use std::fs;
use std::io::{ErrorKind, Write, stdout};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::ahead::Ahead;
use super::assign::Share;
use super::journal::{Journal, Recovery, Start};
use super::prepare::{Job, Past, next_round};
use super::progress::Progress;
use super::stop::Stop;
use super::store::Store;
use super::trouble::{RETRY, Trouble, warn};
use super::{Nouns, Product, Taken, Task};
use crate::error::Failed;
use crate::files::Target;

/// Write rate of a snapshot on a slow disk, in bytes of results per second.
const SNAPSHOT_RATE: f64 = 50e6;
/// Time that a small snapshot may take, in seconds.
const SNAPSHOT_LEAST: f64 = 1.0;

/// The results and the files of a job.
pub struct Root<'j> {
    job: &'j Job<'j>,
    store: Store,
    /// Tasks known so far: those in `store` and those of the round.
    total: usize,
    journal: Journal,
    others: Vec<Target>,
    recovery: Option<Recovery>,
    /// Per other file.
    taken: Vec<Taken>,
    /// The output file, from the first complete group on, if the client writes it before the end.
    ahead: Option<Ahead>,
    /// Whether the output file is written at the end only.
    gave_up: bool,
    progress: Progress,
    next_snapshot: Option<Instant>,
    /// The state of writing to the journal, the snapshot and the output file.
    journal_trouble: Trouble,
    snapshot_trouble: Trouble,
    file_trouble: Trouble,
}

impl<'j> Root<'j> {
    /// Resumes from `past` and prints what is about to run.
    ///
    /// `share` are the first tasks of this rank.
    pub fn new(job: &'j Job, past: Past, share: &Share) -> Self {
        let Past { store, round, journal, others, recovery, taken } = past;
        let mut progress = Progress::new(&job.groups, job.client.nouns().groups, job.settings.quiet);
        progress.add(store.tasks().chain(round.iter().copied()));
        store.tasks().for_each(|task| progress.take_over(task));
        let total = store.count() + round.len();
        let next_snapshot = job.settings.snapshot.and_then(|interval| Instant::now().checked_add(interval));
        let [journal_trouble, snapshot_trouble, file_trouble] = Default::default();
        let mut root = Self {
            job,
            store,
            total,
            journal,
            others,
            recovery,
            taken,
            ahead: None,
            gave_up: false,
            progress,
            next_snapshot,
            journal_trouble,
            snapshot_trouble,
            file_trouble,
        };
        root.introduce(share);
        root.begin_journal();
        (0..job.groups.len()).for_each(|group| root.write_ahead(group));
        root
    }

    /// Hands `group` to the writer of the output file if it is complete and others are not.
    fn write_ahead(&mut self, group: usize) {
        if !self.store.has_group(group) || self.is_round_complete() || self.gave_up {
            return;
        }
        if self.ahead.is_none() {
            let draft = self.job.client.draft(self.journal.target().path());
            self.ahead = draft.and_then(|draft| Ahead::start(draft, self.job.groups.len()));
            self.gave_up = self.ahead.is_none();
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.give(group, &self.store);
        }
    }

    /// Removes the output file as far as it is written: the job may end before it is complete.
    fn give_up_ahead(&mut self) {
        self.gave_up = true;
        if let Some(ahead) = self.ahead.take() {
            ahead.give_up();
        }
    }

    /// Reports that the output file cannot be written now, and removes what there is of it.
    fn warn_of_ahead(&mut self, error: &anyhow::Error) {
        self.gave_up = true;
        warn(&format!("{error:#}"), "free disk space; the results file is written at the end of the job");
    }

    /// Saves the results taken from other files, and notes in the journal that the job starts.
    fn begin_journal(&mut self) {
        let Job { threads_by_rank, started, .. } = self.job;
        let start = Start { started: started.clone(), ranks: threads_by_rank.len(), threads: threads_by_rank.iter().sum() };
        if let Err(error) = self.journal.begin(&self.store, &start.to_toml()) {
            self.journal_trouble.failed(&error);
        }
    }

    /// Prints what is about to run, and which results are there already.
    fn introduce(&self, share: &Share) {
        self.progress.say(&self.job.summary(share));
        let targets = [self.journal.target()].into_iter().chain(&self.others);
        for warning in targets.filter_map(Target::warning) {
            warn(&warning, "do not start another command with the same output");
        }
        self.introduce_recovery();
        self.taken.iter().for_each(|taken| self.say(&taken.text(self.total, self.nouns().tasks)));
        if !self.taken.is_empty() {
            self.say(&format!("{} of {} {} to compute", self.total - self.store.count(), self.total, self.nouns().tasks));
        }
    }

    /// Prints what was recovered from the journal.
    fn introduce_recovery(&self) {
        let Some(recovery) = &self.recovery else { return };
        let journal = self.journal.path().display();
        let (taken, total, tasks) = (recovery.results, self.total, self.nouns().tasks);
        self.say(&format!("{taken} of {total} {tasks} recovered from {journal}"));
        for range in &recovery.damage {
            warn(&format!("bytes {} to {} of {journal} are damaged: {tasks} in them are recomputed", range.start, range.end), "");
        }
        if recovery.cut > 0 {
            warn(&format!("the last {} bytes of {journal} were cut off: they are not a complete record", recovery.cut), "");
        }
    }

    pub fn nouns(&self) -> Nouns {
        self.job.client.nouns()
    }

    /// Prints a message above the progress bar.
    pub fn say(&self, text: &str) {
        self.progress.say(&format!("advstep-hpc: {text}"));
    }

    /// Stores a result.
    pub fn take(&mut self, task: Task, result: Vec<u8>) -> anyhow::Result<()> {
        let result = self.job.client.complete(task, result)?;
        self.store.insert(task, result)?;
        self.progress.count(task);
        self.journal.note(task);
        self.write_ahead(task.group);
        Ok(())
    }

    /// Updates journal, snapshot and progress display where due. Cheap otherwise; to be called often.
    pub fn tend(&mut self) {
        self.progress.show();
        if let Some(ahead) = self.ahead.take_if(|ahead| ahead.has_failed())
            && let Err(error) = ahead.end()
        {
            self.warn_of_ahead(&error);
        }
        if !self.journal_trouble.is_waiting() {
            match self.journal.tend(&self.store) {
                Ok(true) => self.journal_trouble.written(),
                Ok(false) => {}
                Err(error) => self.journal_trouble.failed(&error),
            }
        }
        if !self.snapshot_trouble.is_waiting() && self.next_snapshot.is_some_and(|next| Instant::now() >= next) {
            self.write_snapshot();
            // From now, not from the due time: slow writes must not follow each other without a pause.
            self.next_snapshot = self.job.settings.snapshot.and_then(|interval| Instant::now().checked_add(interval));
        }
    }

    /// Writes a partial file of the results so far, if the client supports it.
    fn write_snapshot(&mut self) {
        let Some(path) = self.job.client.snapshot_path(self.journal.target().path()) else { return };
        let written = self.job.client.write_snapshot(&mut self.store, self.job.provenance(), &path);
        match written.context("cannot write the snapshot") {
            Ok(true) => self.snapshot_trouble.written(),
            Ok(false) => {}
            Err(error) => self.snapshot_trouble.failed(&error),
        }
    }

    /// Whether every task of the round is finished.
    pub fn is_round_complete(&self) -> bool {
        self.store.count() == self.total
    }

    /// The tasks of the next round as [`Bits`](super::store::Bits); `None`: the job is complete.
    pub fn next_round(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let round = next_round(self.job.client, &self.store)?;
        self.total += round.len();
        self.progress.add(round.iter().copied());
        Ok((!round.is_empty()).then(|| self.store.bits(round).into_bytes()))
    }

    /// Saves everything before the job ends unfinished; `since` is when it was asked to stop. A snapshot is written only if it is sure to
    /// be complete within the grace, after which a batch system may kill the job.
    ///
    /// # Errors
    /// Some results could not be written to the journal before the grace was over.
    pub fn leave(mut self, stop: &Stop, since: Instant) -> anyhow::Result<()> {
        let (finished, total, tasks) = (self.store.count(), self.total, self.nouns().tasks);
        self.insist(stop, |root| root.journal.flush(&root.store), |root| &mut root.journal_trouble)
            .inspect_err(|_| self.progress.clear())
            .map_err(|error| {
                let remedy =
                    format!("free disk space and re-run: {tasks} that are not in the journal are lost and will be recomputed");
                Failed::new(format!("cannot save the finished {tasks}"), error, remedy)
            })?;
        self.give_up_ahead();
        let bytes = finished as f64 * self.job.client.largest_result() as f64;
        let time = Duration::try_from_secs_f64(SNAPSHOT_LEAST + bytes / SNAPSHOT_RATE).unwrap_or(Duration::MAX);
        if since.elapsed().saturating_add(time) <= stop.grace {
            self.write_snapshot();
        }
        self.progress.end();
        let journal = self.journal.path().display();
        warn(&format!("stopped after {finished} of {total} {tasks}: they are saved in {journal}"), "re-run to resume");
        Ok(())
    }

    /// Saves the finished results, and leaves nothing else behind, in case this process is killed.
    pub fn rescue(&mut self) {
        if let Err(error) = self.journal.flush(&self.store) {
            warn(&format!("{error:#}"), "");
        }
        self.give_up_ahead();
    }

    /// Writes the output file, or closes the journal in its place; then removes the journal and the snapshot.
    ///
    /// # Errors
    /// The file cannot be written. The results are then in the journal, unless it could not be written either before the grace was over.
    pub fn finish(mut self, stop: &Stop) -> anyhow::Result<()> {
        match self.journal.flush(&self.store) {
            Ok(()) => self.journal_trouble.written(),
            Err(error) => self.journal_trouble.failed(&error),
        }
        let name = self.journal.target().name().display().to_string();
        // Of the written file; `None` if it is the journal.
        let (written, text) = match self.finish_ahead(&name) {
            Some(text) => (Ok(()), Some(text)),
            None => {
                let product = self.job.client.product(&mut self.store, self.job.provenance())?;
                let written = match self.write(product.as_deref()) {
                    Err(error) if !self.journal.is_whole() && !is_in_the_way(&error) => {
                        self.file_trouble.failed(&error);
                        self.insist(stop, |root| root.write(product.as_deref()), |root| &mut root.file_trouble)
                    }
                    written => written,
                };
                let text = product.filter(|_| written.is_ok()).map(|product| product.text(&name));
                (written, text)
            }
        };
        self.progress.end();
        if let Err(error) = written {
            let remedy = if is_in_the_way(&error) { "move that file away" } else { "free disk space" };
            let fate = match self.journal.is_whole() {
                true => format!("all {} are in {}", self.nouns().tasks, self.journal.path().display()),
                false => "the results are lost, for the journal could not be written either".to_string(),
            };
            return Err(
                Failed::new(format!("cannot write the results to {name}"), error, format!("{remedy} and re-run; {fate}")).into()
            );
        }
        // Whether or not the journal could be written in the end, the file could.
        self.journal_trouble.written();
        let snapshot = self.job.client.snapshot_path(self.journal.target().path());
        let removed = [text.is_some().then(|| self.journal.remove()), snapshot.map(fs::remove_file)];
        for error in removed.into_iter().flatten().filter_map(Result::err).filter(|error| error.kind() != ErrorKind::NotFound) {
            warn(&format!("cannot remove the journal or the snapshot: {error}"), "remove them by hand");
        }
        if !self.job.settings.quiet {
            let text = text.unwrap_or_else(|| format!("Results are in {name}"));
            // The file is written: a closed pipe is not a failure.
            let _ = writeln!(stdout(), "{text}");
        }
        let existing = self.job.settings.existing();
        self.job.client.write_others(self.journal.target().path(), &self.others, existing).map_err(|error| {
            let what = format!("the results are in {name}, but another output is missing");
            Failed::new(what, error, "re-run to write it").into()
        })
    }

    /// Completes the output file if it has been begun; `None` if it has yet to be written.
    fn finish_ahead(&mut self, name: &str) -> Option<String> {
        let mut ahead = self.ahead.take()?;
        (0..self.job.groups.len()).for_each(|group| ahead.give(group, &self.store));
        let finished = ahead.end().and_then(|draft| draft.finish(self.job.provenance(), self.job.settings.existing(), name));
        // Reported when it is tried again.
        let is_new = |error: &anyhow::Error| !is_in_the_way(error);
        finished
            .inspect_err(|error| {
                if is_new(error) {
                    self.warn_of_ahead(error)
                }
            })
            .ok()
    }

    /// Writes the output file: the product, or the journal itself.
    fn write(&mut self, product: Option<&dyn Product>) -> anyhow::Result<()> {
        let existing = self.job.settings.existing();
        match product {
            Some(product) => product.write(self.journal.target(), existing),
            None => self.journal.close(&self.store, &self.job.provenance().to_toml(), existing),
        }
    }

    /// Retries `write` until it succeeds or the grace of `stop` is over.
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

/// Whether the output file appeared while the job ran: retrying would not help.
fn is_in_the_way(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::AlreadyExists))
}
