//! The journal: finished results on disk beside the output file, from which a job resumes.
//!
//! `FILE.journal` starts with a [`header`] that identifies the job; results follow in [`frames`], in any order. Only rank 0, which holds
//! the lock of the output file, appends to it; it is removed once the output file is in place. Results also stay in memory, so a failed
//! write is retried. [`allowance`] bounds the CPU time.

mod allowance;
mod frames;
mod header;
mod start;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::prepare::is_known;
use super::{Client, Store, Task};
use crate::error::BadInput;
use crate::files::lock::is_at;
use crate::files::{Existing, Target, place};
use crate::machine::clock::thread_time;
use allowance::Allowance;
pub use allowance::SHARE_OF_MAIN_THREAD;
use frames::{Frames, Section};
pub use header::{Header, REVISION, identity};
pub use start::Start;

/// Write interval: a killed process loses at most this much work, besides what the [`Allowance`] held back.
const SAVE_INTERVAL: Duration = Duration::from_millis(100);
/// fsync interval: the same for a crash of the machine.
const SYNC_INTERVAL: Duration = Duration::from_secs(5);
/// Write size, in bytes.
const WRITE: usize = 1 << 20;

/// Path of the journal of the output file `out`.
pub fn path_of(out: &Path) -> PathBuf {
    place::with_suffix(out, ".journal")
}

/// The journal of the output file `out`, behind all links, if there is one.
pub fn beside(out: &Path) -> Option<PathBuf> {
    Some(path_of(&place::behind_links(out))).filter(|journal| journal.exists())
}

/// A journal of this job, open behind its header.
pub struct Found {
    path: PathBuf,
    header: Header,
    file: File,
    /// Revision of the program that created it, if different.
    pub other_revision: Option<String>,
}

/// What was recovered from a journal.
#[derive(Debug, Default, PartialEq)]
pub struct Recovery {
    /// Number of results.
    pub results: usize,
    /// Byte ranges that hold no result of this job.
    pub damage: Vec<Range<u64>>,
    /// Bytes cut off the end.
    pub cut: u64,
}

/// Opens the journal at `path`, if there is one. Changes nothing.
///
/// # Errors
/// The file cannot be read, is not a journal, or is that of another job.
pub fn find(path: &Path, header: &Header) -> Result<Option<Found>, BadInput> {
    let name = path.display();
    let refuse = |why: String| {
        let remedy = "give --fresh to move it aside and start over, or --out another path";
        BadInput::new(format!("cannot resume from {name}"), why, remedy)
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

/// Whether the file at `path` is a sound journal without a result, of whichever job: nothing is lost without it.
pub fn is_empty(path: &Path) -> bool {
    let contents = read(path, |_| Ok(usize::MAX));
    contents.is_ok_and(|contents| contents.results.is_empty() && contents.damage == 0 && contents.end.is_none())
}

impl Found {
    /// Reads all results of `client` into `store`, truncates the file after the last one, and continues it as the journal of `target`, for
    /// a job of `threads` worker threads in total.
    pub fn recover(
        self,
        target: Target,
        client: &dyn Client,
        store: &mut Store,
        threads: usize,
    ) -> anyhow::Result<(Journal, Recovery)> {
        let Found { path, header, mut file, .. } = self;
        let context = || format!("cannot read {}", path.display());
        let start = file.stream_position().with_context(context)?;
        let length = file.metadata().with_context(context)?.len();
        let mut recovery = Recovery::default();
        let mut frames = Frames::new(BufReader::new(&file), client.largest_result());
        let (mut sound, mut closed) = (start, start);
        while let Some(section) = frames.next().with_context(context)? {
            let end = start + frames.position();
            match section {
                Section::Result(task, result) => {
                    sound = end;
                    // A duplicate is harmless: it has the same bytes.
                    let is_new = store.get(task).is_none() && is_result(client, task, &result);
                    recovery.results += usize::from(is_new && store.insert(task, result).is_ok());
                }
                Section::Start(_) => sound = end,
                // The job was killed while closing it; it will be closed again.
                Section::End(_) => closed = end,
                Section::Damage(range) => recovery.damage.push(start + range.start..start + range.end),
            }
        }
        recovery.damage.retain(|range| range.end <= sound);
        recovery.cut = length.saturating_sub(sound.max(closed));
        let mut journal = Journal::new(target, header, threads);
        if length > sound {
            file.set_len(sound).with_context(|| format!("cannot truncate {}", journal.path.display()))?;
        }
        file.seek(SeekFrom::Start(sound))?;
        (journal.file, journal.length) = (Some(file), sound);
        Ok((journal, recovery))
    }
}

/// A journal being written, and its output file.
pub struct Journal {
    target: Target,
    path: PathBuf,
    header: Header,
    /// `None` if it has to be created again.
    file: Option<File>,
    /// Length without a partial frame, in bytes.
    length: u64,
    /// Finished tasks that are not written yet, in order of arrival.
    pending: VecDeque<Task>,
    /// Write buffer.
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

    /// Creates the journal of `target`, where there must be none, for a job of `threads` worker threads in total. It appears with its
    /// complete header or not at all.
    pub fn create(target: Target, header: &Header, threads: usize) -> anyhow::Result<Self> {
        let mut journal = Self::new(target, header.clone(), threads);
        journal.start()?;
        Ok(journal)
    }

    fn start(&mut self) -> anyhow::Result<()> {
        self.target.keep()?;
        let bytes = self.header.to_bytes();
        let file = place::create(&self.path, &bytes).with_context(|| format!("cannot create {}", self.path.display()))?;
        (self.file, self.length) = (Some(file), bytes.len() as u64);
        Ok(())
    }

    /// Writes all queued results, and then that the job starts or resumes; `text` says when and on what.
    pub fn begin(&mut self, store: &Store, text: &str) -> anyhow::Result<()> {
        self.flush(store)?;
        self.buffer.clear();
        frames::append_start(text, &mut self.buffer);
        self.write_buffer()
    }

    /// Queues the result of `task`, to be written when the [`Allowance`] permits.
    pub fn note(&mut self, task: Task) {
        self.pending.push_back(task);
    }

    /// Number of queued results.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Writes and syncs if due, as far as the [`Allowance`] permits; returns whether it did. Cheap otherwise; to be called often.
    pub fn tend(&mut self, store: &Store) -> anyhow::Result<bool> {
        let now = Instant::now();
        let outcome = if now >= self.next_sync {
            self.next_sync = now + SYNC_INTERVAL;
            self.target.keep()?;
            self.save(store, Allowance::is_left).and_then(|saved| Ok(saved | self.sync(store)?))
        } else if now >= self.next_save {
            self.save(store, Allowance::is_left)
        } else {
            return Ok(false);
        };
        // A slow disk gets at most half the time of this thread.
        self.next_save = Instant::now() + now.elapsed().clamp(SAVE_INTERVAL, SYNC_INTERVAL);
        outcome
    }

    /// Writes and syncs all queued results, regardless of the [`Allowance`].
    pub fn flush(&mut self, store: &Store) -> anyhow::Result<()> {
        self.save(store, |_| true)?;
        self.sync(store)?;
        Ok(())
    }

    /// Whether every result is written, to a file that still exists.
    pub fn is_whole(&self) -> bool {
        self.pending.is_empty() && self.file.as_ref().is_some_and(|file| is_at(file, &self.path))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The output file.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Removes the journal.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    /// Writes pending results while `may_spend`; returns whether it wrote any. Results that fail stay pending.
    fn save(&mut self, store: &Store, may_spend: impl Fn(&Allowance) -> bool) -> anyhow::Result<bool> {
        let mut has_saved = false;
        while !self.pending.is_empty() && may_spend(&self.allowance) {
            let begun = thread_time();
            let outcome = self.save_some(store);
            self.allowance.charge_since(begun);
            outcome?;
            has_saved = true;
        }
        Ok(has_saved)
    }

    /// Writes the first pending results in one write, or one by one if that fails, to use what is left of the disk.
    fn save_some(&mut self, store: &Store) -> anyhow::Result<()> {
        if self.file.is_none() {
            return self.start();
        }
        self.buffer.clear();
        let mut count = 0;
        while let Some(&task) = self.pending.get(count)
            && self.buffer.len() < WRITE
        {
            frames::append(task, store.get(task).expect("pending tasks are finished"), &mut self.buffer);
            count += 1;
        }
        match self.write_buffer() {
            Err(_) if count > 1 => {
                for _ in 0..count {
                    self.buffer.clear();
                    let task = self.pending[0];
                    frames::append(task, store.get(task).expect("pending tasks are finished"), &mut self.buffer);
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

    /// Appends the buffer to the file, all or nothing.
    fn write_buffer(&mut self) -> anyhow::Result<()> {
        if let Err(error) = self.append() {
            let file = self.file.as_mut().expect("the journal is open");
            // Cut off the partial write. If that fails too, the reader skips it as damage.
            let _ = file.set_len(self.length).and_then(|()| file.seek(SeekFrom::Start(self.length)));
            return Err(error).with_context(|| format!("cannot write {}", self.path.display()));
        }
        self.length += self.buffer.len() as u64;
        self.synced = false;
        Ok(())
    }

    /// Appends the buffer to the file; reopens it if an NFS server has invalidated the handle.
    fn append(&mut self) -> io::Result<()> {
        let file = self.file.as_mut().expect("the journal is open");
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

    /// Syncs what was written; returns whether there was anything. Creates the journal again if it has been removed or replaced.
    fn sync(&mut self, store: &Store) -> anyhow::Result<bool> {
        if let Some(file) = &self.file
            && !is_at(file, &self.path)
        {
            self.file = None;
            self.pending = store.tasks().collect();
            self.start().context("the journal has been removed")?;
            self.save(store, |_| true)?;
        }
        if let Some(file) = &self.file
            && !self.synced
        {
            let begun = thread_time();
            let outcome = file.sync_all().with_context(|| format!("cannot write {}", self.path.display()));
            self.allowance.charge_since(begun);
            outcome?;
            self.synced = true;
            return Ok(true);
        }
        Ok(false)
    }
}

impl Journal {
    /// Closes a complete journal with `text` at its end and renames it to the output file. Can be retried.
    pub fn close(&mut self, store: &Store, text: &str, existing: Existing) -> anyhow::Result<()> {
        self.flush(store)?;
        self.buffer.clear();
        frames::append_end(text, &mut self.buffer);
        let whole = self.length;
        let closed = self.write_buffer().and_then(|()| {
            self.file.as_ref().expect("the journal is open").sync_all()?;
            place::rename(&self.path, self.target.path(), existing)?;
            Ok(())
        });
        if closed.is_err() {
            // Remove the end, for a retry.
            if let Some(file) = &mut self.file {
                let _ = file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole)));
            }
            self.length = whole;
        }
        closed
    }
}

/// What a journal holds, whether its job runs, has stopped, or has closed it.
#[derive(Debug)]
pub struct Contents {
    pub header: Header,
    pub results: Vec<(Task, Vec<u8>)>,
    /// For every start of the job, how many of `results` were there before, and the text of [`Journal::begin`].
    pub starts: Vec<(usize, String)>,
    /// The text of [`Journal::close`].
    pub end: Option<String>,
    /// Bytes that are in no frame: damage, or a frame that is being written.
    pub damage: u64,
}

/// A journal that is read without locking or changing it, frame by frame.
pub struct Reader {
    pub header: Header,
    frames: Frames<BufReader<File>>,
}

impl Reader {
    /// Opens the journal at `path`; `longest` returns the size of its largest result from the header.
    ///
    /// # Errors
    /// The journal cannot be read, or its header is damaged.
    pub fn open(path: &Path, longest: impl FnOnce(&Header) -> Result<usize, String>) -> Result<Self, String> {
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        let header = Header::read(&mut file)?;
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        let longest = longest(&header)?.min(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(Self { header, frames: Frames::new(BufReader::new(file), longest) })
    }

    /// The next result, skipping damage; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next_result(&mut self) -> Result<Option<(Task, Vec<u8>)>, String> {
        loop {
            match self.frames.next().map_err(|error| error.to_string())? {
                Some(Section::Result(task, result)) => return Ok(Some((task, result))),
                None | Some(Section::End(_)) => return Ok(None),
                Some(Section::Start(_) | Section::Damage(_)) => {}
            }
        }
    }
}

/// Reads all of the journal at `path`; `longest` returns the size of its largest result from the header.
///
/// # Errors
/// As [`Reader::open`]. Memory use is bounded by a multiple of the file size.
pub fn read(path: &Path, longest: impl FnOnce(&Header) -> Result<usize, String>) -> Result<Contents, String> {
    let Reader { header, mut frames } = Reader::open(path, longest)?;
    let mut contents = Contents { header, results: Vec::new(), starts: Vec::new(), end: None, damage: 0 };
    loop {
        let start = frames.position();
        let Some(section) = frames.next().map_err(|error| error.to_string())? else { return Ok(contents) };
        match section {
            _ if contents.end.is_some() => contents.damage += frames.position() - start,
            Section::Result(task, result) => contents.results.push((task, result)),
            Section::Start(text) => contents.starts.push((contents.results.len(), text)),
            Section::End(text) => contents.end = Some(text),
            Section::Damage(range) => contents.damage += range.end - range.start,
        }
    }
}

/// A closed journal.
#[derive(Debug)]
pub struct Closed {
    pub header: Header,
    pub results: Vec<(Task, Vec<u8>)>,
    /// The text of [`Journal::close`].
    pub text: String,
}

/// Reads the closed journal at `path`; `longest` returns the size of its largest result from the header.
///
/// # Errors
/// Why it is not a sound closed journal. Memory use is bounded by a multiple of the file size.
pub fn read_closed(path: &Path, longest: impl FnOnce(&Header) -> Result<usize, String>) -> Result<Closed, String> {
    let Contents { header, results, end, damage, .. } = read(path, longest)?;
    if damage > 0 {
        return Err("it is damaged".to_string());
    }
    let text = end.ok_or("it is truncated, or its job is not finished")?;
    Ok(Closed { header, results, text })
}

/// Whether `task` is a task of `client` and `result` a valid result of it.
fn is_result(client: &dyn Client, task: Task, result: &[u8]) -> bool {
    is_known(client, task) && client.check(task, result).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::tests::{Squares, square};

    const RESULT: [u8; 8] = 49_u64.to_le_bytes();

    #[test]
    fn what_the_allowance_holds_back_is_written_in_order_when_the_job_stops() {
        let client = Squares::new(&[9]);
        let header = Header(client.identity());
        let directory = tempfile::tempdir().unwrap();
        let target = || Target::claim(&directory.path().join("x.h5"), "--out", &[]).unwrap();
        let path = directory.path().join("x.h5.journal");
        let mut store = Store::new(client.groups());
        // No threads: the allowance is 0.
        let mut journal = Journal::create(target(), &header, 0).unwrap();
        let empty = fs::metadata(&path).unwrap().len();
        let tasks = [4, 0, 7].map(|index| Task { group: 0, index });
        for task in tasks {
            store.insert(task, square(task)).unwrap();
            journal.note(task);
            assert!(!journal.tend(&store).unwrap(), "nothing may be spent, so nothing is tried");
        }
        assert_eq!((journal.waiting(), fs::metadata(&path).unwrap().len()), (3, empty));
        journal.flush(&store).unwrap();
        assert_eq!((journal.waiting(), journal.is_whole()), (0, true));
        drop(journal);
        let mut bytes = &fs::read(&path).unwrap()[empty as usize..];
        let mut frames = Frames::new(&mut bytes, 8);
        for expected in tasks {
            assert!(matches!(frames.next().unwrap(), Some(Section::Result(task, _)) if task == expected));
        }
        let mut recovered = Store::new(client.groups());
        let found = find(&path, &header).unwrap().unwrap();
        let (_, recovery) = found.recover(target(), &client, &mut recovered, 1).unwrap();
        assert_eq!((recovery.results, recovered.tasks().collect::<Vec<_>>()), (3, vec![tasks[1], tasks[0], tasks[2]]));
    }

    #[test]
    fn a_journal_is_read_while_it_is_written() {
        let client = Squares::new(&[9]);
        let header = Header(client.identity());
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("x.h5");
        let path = path_of(&out);
        let mut store = Store::new(client.groups());
        let mut journal = Journal::create(Target::claim(&out, "--out", &[]).unwrap(), &header, 1).unwrap();
        let tasks = [4, 0, 7].map(|index| Task { group: 0, index });
        for task in tasks {
            store.insert(task, square(task)).unwrap();
            journal.note(task);
            journal.begin(&store, &format!("start {}", task.index)).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        let contents = read(&path, |_| Ok(8)).unwrap();
        assert_eq!(contents.results, tasks.map(|task| (task, square(task))));
        assert_eq!(contents.starts, [(1, "start 4".to_string()), (2, "start 0".into()), (3, "start 7".into())]);
        assert_eq!((contents.end, contents.damage, contents.header), (None, 0, header));
        // Every state in which a reader may find the file: a prefix.
        for length in Header(client.identity()).to_bytes().len()..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let part = read(&path, |_| Ok(8)).unwrap();
            assert!(part.results.iter().eq(contents.results.iter().take(part.results.len())), "{length} bytes");
            assert_eq!(fs::read(&path).unwrap(), whole[..length]);
        }
    }

    #[test]
    fn results_that_the_client_refuses_are_not_taken_over() {
        let client = Squares::new(&[9]);
        let header = Header(client.identity());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.h5.journal");
        let mut bytes = header.to_bytes();
        frames::append(Task { group: 0, index: 7 }, &RESULT, &mut bytes);
        frames::append(Task { group: 0, index: 6 }, &RESULT, &mut bytes);
        frames::append(Task { group: 0, index: 9 }, &81_u64.to_le_bytes(), &mut bytes);
        frames::append(Task { group: 1, index: 7 }, &RESULT, &mut bytes);
        fs::write(&path, bytes).unwrap();
        let target = Target::claim(&directory.path().join("x.h5"), "--out", &[]).unwrap();
        let mut store = Store::new(client.groups());
        let (_, recovery) = find(&path, &header).unwrap().unwrap().recover(target, &client, &mut store, 1).unwrap();
        assert_eq!((recovery.results, store.tasks().collect::<Vec<_>>()), (1, vec![Task { group: 0, index: 7 }]));
    }

    #[test]
    fn a_closed_journal_is_read_back_and_no_other() {
        let client = Squares::new(&[3, 2]);
        let header = Header(client.identity());
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("x.shard");
        let mut journal = Journal::create(Target::claim(&out, "--out", &[]).unwrap(), &header, 1).unwrap();
        let mut store = Store::new(client.groups());
        for task in [(0, 2), (1, 1), (0, 0), (0, 1), (1, 0)].map(|(group, index)| Task { group, index }) {
            store.insert(task, square(task)).unwrap();
            journal.note(task);
        }
        fs::write(&out, "in the way").unwrap();
        assert!(journal.close(&store, "the end", Existing::Refuse).is_err());
        fs::remove_file(&out).unwrap();
        journal.close(&store, "the end", Existing::Refuse).unwrap();
        drop(journal);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        let closed = read_closed(&out, |_| Ok(8)).unwrap();
        assert_eq!((&closed.header, closed.text.as_str(), closed.results.len()), (&header, "the end", 5));
        assert!(closed.results.iter().all(|(task, result)| client.check(*task, result).is_ok()));
        let bytes = fs::read(&out).unwrap();
        for length in 0..bytes.len() {
            fs::write(&out, &bytes[..length]).unwrap();
            assert!(read_closed(&out, |_| Ok(8)).is_err(), "{length} bytes");
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&out, &flipped).unwrap();
            assert!(read_closed(&out, |_| Ok(8)).is_err(), "bit {bit}");
        }
    }
}
