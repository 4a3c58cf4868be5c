//! The journal: every finished unit, on disk beside the results file soon after it is finished.
//!
//! `FILE.h5.journal` begins with a [`header`] of what decides the bytes of its records; the records follow in [`frames`], in any order.
//! It is appended to by rank 0 alone, which holds the lock of the results file, and removed when the results file is in place. Whatever happens to the disk
//! meanwhile, the records stay in memory: what could not be written is written later. What it may cost is in [`allowance`].

mod allowance;
mod frames;
mod header;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::records::Records;
use crate::error::BadInput;
use crate::experiment::Unit;
use crate::files::lock::is_at;
use crate::files::{Target, place};
use crate::machine::clock::thread_time;
use allowance::Allowance;
pub use allowance::SHARE_OF_MAIN_THREAD;
use frames::{Frames, Piece};
pub use header::Header;

/// How often finished units are handed to the system: what a killed process loses at most, besides what the [`Allowance`] held back.
const SAVE_INTERVAL: Duration = Duration::from_millis(100);
/// How often they are brought to the disk: the same for a machine that stops.
const SYNC_INTERVAL: Duration = Duration::from_secs(5);
/// Bytes written at a time, at least if there are as many.
const WRITE: usize = 1 << 20;

/// The journal of the results file `out`.
pub fn path_of(out: &Path) -> PathBuf {
    place::with_suffix(out, ".journal")
}

/// A journal of this very experiment, its header read.
pub struct Found {
    path: PathBuf,
    header: Header,
    file: File,
    /// Revision of the program that began it, if it was another.
    pub other_revision: Option<String>,
}

/// What was read from a journal.
#[derive(Debug, Default, PartialEq)]
pub struct Recovery {
    /// Units taken over.
    pub units: usize,
    /// Stretches of the file that hold no record of this experiment, by byte.
    pub damage: Vec<Range<u64>>,
    /// Bytes cut off at the end.
    pub cut: u64,
}

/// Opens the journal at `path`, if there is one. Changes nothing.
///
/// # Errors
/// A file that cannot be read or is no journal, and one of another experiment.
pub fn find(path: &Path, header: &Header) -> Result<Option<Found>, BadInput> {
    let name = path.display();
    let refuse = |why: String| {
        let remedy = "give --fresh to move it aside and start over, or --out another path";
        BadInput::new(format!("cannot go on from {name}"), why, remedy)
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refuse(error.to_string())),
        Ok(found) if !found.is_file() => return Err(refuse("it is not a regular file".into())),
        Ok(_) => {}
    }
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| refuse(error.to_string()))?;
    let theirs = Header::read(&mut file).map_err(refuse)?;
    if let Some(difference) = theirs.difference(header) {
        return Err(refuse(difference));
    }
    let other_revision = theirs.other_revision(header).map(str::to_string);
    Ok(Some(Found { path: path.to_path_buf(), header: header.clone(), file, other_revision }))
}

impl Found {
    /// Puts all records into `records`, cuts off what is behind the last, and goes on from there, in a job of `threads` worker threads in
    /// all that is to leave `target`.
    pub fn recover(self, target: Target, records: &mut Records, threads: usize) -> anyhow::Result<(Journal, Recovery)> {
        let Found { path, header, mut file, .. } = self;
        let context = || format!("reading {}", path.display());
        let start = file.stream_position().with_context(context)?;
        let length = file.metadata().with_context(context)?.len();
        let mut recovery = Recovery::default();
        let mut frames = Frames::new(BufReader::new(&file), records.inputs());
        let mut sound = start;
        while let Some(piece) = frames.next().with_context(context)? {
            let end = start + frames.position();
            match piece {
                Piece::Record(record) => {
                    sound = end;
                    // A unit that is there twice does no harm: both records hold the same bytes.
                    recovery.units += usize::from(records.get(record.unit).is_none() && records.insert(record).is_ok());
                }
                Piece::Damage(range) => recovery.damage.push(start + range.start..start + range.end),
            }
        }
        recovery.damage.retain(|range| range.end <= sound);
        recovery.cut = length.saturating_sub(sound);
        let mut journal = Journal::new(target, header, threads);
        if recovery.cut > 0 {
            file.set_len(sound).with_context(|| format!("cutting damaged bytes off {}", journal.path.display()))?;
        }
        file.seek(SeekFrom::Start(sound))?;
        (journal.file, journal.length) = (Some(file), sound);
        Ok((journal, recovery))
    }
}

/// A journal that is being written, and the results file that it is to become.
pub struct Journal {
    target: Target,
    path: PathBuf,
    header: Header,
    /// `None` while it has to be begun anew.
    file: Option<File>,
    /// Bytes known to be whole.
    length: u64,
    /// Units that are finished but not written, in the order in which they came.
    pending: VecDeque<Unit>,
    /// Frames on their way to the file.
    buffer: Vec<u8>,
    allowance: Allowance,
    synced: bool,
    next_save: Instant,
    next_sync: Instant,
}

impl Journal {
    fn new(target: Target, header: Header, threads: usize) -> Self {
        let now = Instant::now();
        Self {
            path: path_of(target.path()),
            target,
            header,
            file: None,
            length: 0,
            pending: VecDeque::new(),
            buffer: Vec::new(),
            allowance: Allowance::new(threads),
            synced: true,
            next_save: now,
            next_sync: now,
        }
    }

    /// Begins the journal of `target`, where there must be none, of a job of `threads` worker threads in all. It appears with its whole header
    /// or not at all.
    pub fn create(target: Target, header: &Header, threads: usize) -> anyhow::Result<Self> {
        let mut journal = Self::new(target, header.clone(), threads);
        journal.begin()?;
        Ok(journal)
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        self.target.keep()?;
        let bytes = self.header.to_bytes();
        let file = place::create(&self.path, &bytes).with_context(|| format!("beginning the journal {}", self.path.display()))?;
        (self.file, self.length) = (Some(file), bytes.len() as u64);
        Ok(())
    }

    /// Notes that `unit` is finished; it is written at the next save that the [`Allowance`] has room for.
    pub fn note(&mut self, unit: Unit) {
        self.pending.push_back(unit);
    }

    /// Units that are noted but not written.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Writes and syncs what is due by the clock, as far as the [`Allowance`] goes; returns whether anything was. Cheap when nothing is due; to
    /// be called often.
    pub fn tend(&mut self, records: &Records) -> anyhow::Result<bool> {
        let now = Instant::now();
        let outcome = if now >= self.next_sync {
            self.next_sync = now + SYNC_INTERVAL;
            self.target.keep()?;
            self.save(records, Allowance::is_left).and_then(|saved| Ok(saved | self.sync(records)?))
        } else if now >= self.next_save {
            self.save(records, Allowance::is_left)
        } else {
            return Ok(false);
        };
        // A slow disk may take half of the time of this thread, not all of it.
        self.next_save = Instant::now() + now.elapsed().clamp(SAVE_INTERVAL, SYNC_INTERVAL);
        outcome
    }

    /// Brings everything that is finished to the disk, whatever it costs.
    pub fn flush(&mut self, records: &Records) -> anyhow::Result<()> {
        self.save(records, |_| true)?;
        self.sync(records)?;
        Ok(())
    }

    /// Whether every finished unit was written, to a file that is still there.
    pub fn is_whole(&self) -> bool {
        self.pending.is_empty() && self.file.as_ref().is_some_and(|file| is_at(file, &self.path))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The results file.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Removes the journal. Its records are no longer needed.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    /// Hands units that are pending to the system as long as there are some and `goes_on`; returns whether it did. What fails is pending
    /// still.
    fn save(&mut self, records: &Records, goes_on: impl Fn(&Allowance) -> bool) -> anyhow::Result<bool> {
        let mut has_saved = false;
        while !self.pending.is_empty() && goes_on(&self.allowance) {
            let begun = thread_time();
            let outcome = self.save_some(records);
            self.allowance.charge_since(begun);
            outcome?;
            has_saved = true;
        }
        Ok(has_saved)
    }

    /// Hands the first units that are pending to the system, in one write; one by one if they are too many for what is left of the disk.
    fn save_some(&mut self, records: &Records) -> anyhow::Result<()> {
        if self.file.is_none() {
            return self.begin();
        }
        self.buffer.clear();
        let mut count = 0;
        while let Some(&unit) = self.pending.get(count)
            && self.buffer.len() < WRITE
        {
            frames::append(records.get(unit).expect("what is pending is finished"), &mut self.buffer);
            count += 1;
        }
        match self.write_buffer() {
            Err(_) if count > 1 => {
                for _ in 0..count {
                    self.buffer.clear();
                    frames::append(records.get(self.pending[0]).expect("what is pending is finished"), &mut self.buffer);
                    self.write_buffer()?;
                    self.pending.pop_front();
                }
            }
            outcome => {
                outcome?;
                self.pending.drain(..count);
            }
        }
        Ok(())
    }

    /// Writes the buffer at the end of the file, whole or not at all.
    fn write_buffer(&mut self) -> anyhow::Result<()> {
        if let Err(error) = self.append() {
            let file = self.file.as_mut().expect("the journal has been begun");
            // Cut off what was written in part. Should that fail too, the next records follow the torn one.
            let _ = file.set_len(self.length).and_then(|()| file.seek(SeekFrom::Start(self.length)));
            return Err(error).with_context(|| format!("writing {}", self.path.display()));
        }
        self.length += self.buffer.len() as u64;
        self.synced = false;
        Ok(())
    }

    /// Writes the buffer where the file ends. A server that was restarted may not know the open file any more: it is opened again.
    fn append(&mut self) -> io::Result<()> {
        let file = self.file.as_mut().expect("the journal has been begun");
        match file.write_all(&self.buffer) {
            Err(error) if error.raw_os_error() == Some(libc::ESTALE) => {
                let mut again = OpenOptions::new().read(true).write(true).open(&self.path)?;
                again.set_len(self.length)?;
                again.seek(SeekFrom::Start(self.length))?;
                *file = again;
                file.write_all(&self.buffer)
            }
            written => written,
        }
    }

    /// Brings what was written to the disk; returns whether there was anything. A journal that has been removed or replaced meanwhile is begun
    /// anew.
    fn sync(&mut self, records: &Records) -> anyhow::Result<bool> {
        if let Some(file) = &self.file
            && !is_at(file, &self.path)
        {
            self.file = None;
            self.pending = records.units().collect();
            self.begin().context("the journal has vanished")?;
            self.save(records, |_| true)?;
        }
        if let Some(file) = &self.file
            && !self.synced
        {
            let begun = thread_time();
            let outcome = file.sync_all().with_context(|| format!("writing {}", self.path.display()));
            self.allowance.charge_since(begun);
            outcome?;
            self.synced = true;
            return Ok(true);
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;
    use crate::plan::{self, Resources};
    use crate::unit::{Sample, Status, UnitRecord};

    #[test]
    fn what_the_allowance_holds_back_is_written_in_order_when_the_job_stops() {
        let experiment =
            Experiment::from_toml("depths = [1]\ndims = [2]\nwidths = [3]\nnetworks = 9\ninputs = 4\n", "test").unwrap();
        let plan = plan::plan(&experiment, Resources { threads: 1, memory: 1 << 33 }).unwrap();
        let header = Header::new(&experiment, None, &plan);
        let directory = tempfile::tempdir().unwrap();
        let target = || Target::claim(&directory.path().join("x.h5"), "--out", &[]).unwrap();
        let path = directory.path().join("x.h5.journal");
        let mut records = Records::new(1, 9, 4);
        // A job of no threads: there is nothing that may be spent.
        let mut journal = Journal::create(target(), &header, 0).unwrap();
        let empty = fs::metadata(&path).unwrap().len();
        let units = [4, 0, 7].map(|network| Unit { cell: 0, network });
        for unit in units {
            let sample = Sample { step: 1.0, gradient_norm: 1.0, value: 1.0, status: Status::FoundExact, evaluations: 1 };
            records.insert(UnitRecord { unit, samples: vec![sample; 4], seconds: 0.0 }).unwrap();
            journal.note(unit);
            assert!(!journal.tend(&records).unwrap(), "nothing may be spent, so nothing is tried");
        }
        assert_eq!((journal.waiting(), fs::metadata(&path).unwrap().len()), (3, empty));
        journal.flush(&records).unwrap();
        assert_eq!((journal.waiting(), journal.is_whole()), (0, true));
        drop(journal);
        let mut bytes = &fs::read(&path).unwrap()[empty as usize..];
        let mut frames = Frames::new(&mut bytes, 4);
        for unit in units {
            assert!(matches!(frames.next().unwrap(), Some(Piece::Record(record)) if record.unit == unit));
        }
        let mut recovered = Records::new(1, 9, 4);
        let (_, recovery) = find(&path, &header).unwrap().unwrap().recover(target(), &mut recovered, 1).unwrap();
        assert_eq!((recovery.units, recovered.units().collect::<Vec<_>>()), (3, vec![units[1], units[0], units[2]]));
    }
}
