//! Framing of the results in a journal: damage loses only the results that it touches.
//!
//! A frame, little-endian: 8 bytes [`MAGIC`], u64 length of the body, u32 CRC-32 (IEEE) of length and body, then the body: u64 group and
//! u64 index of the task, and its result. A frame with the magic [`START`] or [`END`] has a text as body: the job starts or resumes, or the
//! journal is closed. The length is checked against the largest result of the job before memory is allocated. After damage, reading resumes
//! at the next magic.

use std::io::{self, Read};
use std::ops::Range;

use crc32fast::Hasher;

use crate::job::Task;

/// Starts the frame of a result; unlikely to occur in an array of floats.
pub const MAGIC: [u8; 8] = *b"\xd7unit\r\n\x1a";
/// Starts the frame that a job writes when it starts or resumes.
pub const START: [u8; 8] = *b"\xd7open\r\n\x1a";
/// Starts the last frame of a closed journal.
pub const END: [u8; 8] = *b"\xd7done\r\n\x1a";
/// Size of the frame header, in bytes.
const HEAD: usize = 20;
/// Size of the task in the body, in bytes.
const TASK: usize = 16;
/// Read size, in bytes.
const READ: usize = 1 << 18;
/// Longest text of a frame, in bytes.
const LONGEST_TEXT: usize = 1 << 20;

/// Appends the frame of a result to `bytes`.
pub fn append(task: Task, result: &[u8], bytes: &mut Vec<u8>) {
    append_frame(MAGIC, &[&(task.group as u64).to_le_bytes(), &(task.index as u64).to_le_bytes(), result], bytes);
}

/// Appends the frame of a job that starts or resumes.
pub fn append_start(text: &str, bytes: &mut Vec<u8>) {
    append_frame(START, &[text.as_bytes()], bytes);
}

/// Appends the frame that closes a journal.
pub fn append_end(text: &str, bytes: &mut Vec<u8>) {
    append_frame(END, &[text.as_bytes()], bytes);
}

fn append_frame(magic: [u8; 8], body: &[&[u8]], bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend(magic);
    bytes.extend((body.iter().map(|part| part.len()).sum::<usize>() as u64).to_le_bytes());
    bytes.extend([0; 4]);
    body.iter().for_each(|part| bytes.extend(*part));
    let (head, body) = bytes[start..].split_at_mut(HEAD);
    let sum = checksum(&head[8..16], body);
    head[16..].copy_from_slice(&sum.to_le_bytes());
}

fn is_magic(bytes: &[u8]) -> bool {
    [MAGIC, START, END].iter().any(|magic| bytes == magic)
}

fn checksum(length: &[u8], body: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(length);
    hasher.update(body);
    hasher.finalize()
}

/// A contiguous section of a journal.
#[derive(Debug, PartialEq)]
pub enum Section {
    Result(Task, Vec<u8>),
    /// The text of a job that starts or resumes.
    Start(String),
    /// The text of the frame that closes the journal.
    End(String),
    /// A byte range without a frame, relative to where reading started.
    Damage(Range<u64>),
}

/// Reads frames from arbitrary bytes. Holds at most two frames in memory.
pub struct Frames<R> {
    source: R,
    longest_body: usize,
    /// `buffer[start..]` is read but not parsed; it begins at byte `offset` of the source.
    buffer: Vec<u8>,
    start: usize,
    offset: u64,
}

impl<R: Read> Frames<R> {
    /// Reads results of at most `longest` bytes from the current position of `source`.
    pub fn new(source: R, longest: usize) -> Self {
        let longest_body = longest.saturating_add(TASK).max(LONGEST_TEXT);
        Self { source, longest_body, buffer: Vec::new(), start: 0, offset: 0 }
    }

    /// The next section; `None` at the end of the source.
    pub fn next(&mut self) -> io::Result<Option<Section>> {
        self.fill(HEAD)?;
        if self.rest().is_empty() {
            return Ok(None);
        }
        if let Some((section, length)) = self.frame()? {
            self.skip(length);
            return Ok(Some(section));
        }
        let from = self.offset;
        self.skip(1);
        self.skip_to_magic()?;
        Ok(Some(Section::Damage(from..self.offset)))
    }

    /// End of the last section returned, in bytes.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// The frame at the current position, if there is one, and its length.
    fn frame(&mut self) -> io::Result<Option<(Section, usize)>> {
        let Some(head) = self.rest().get(..HEAD) else { return Ok(None) };
        let length = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes"));
        let has_magic = is_magic(&head[..8]);
        let Some(body) = usize::try_from(length).ok().filter(|body| has_magic && *body <= self.longest_body) else {
            return Ok(None);
        };
        self.fill(HEAD + body)?;
        let Some((head, body)) = self.rest().get(..HEAD + body).map(|frame| frame.split_at(HEAD)) else { return Ok(None) };
        if head[16..] != checksum(&head[8..16], body).to_le_bytes() {
            return Ok(None);
        }
        let text = || String::from_utf8(body.to_vec()).ok();
        let section = if head[..8] == END {
            text().map(Section::End)
        } else if head[..8] == START {
            text().map(Section::Start)
        } else {
            body.split_at_checked(TASK).map(|(task, result)| {
                let number = |at: usize| u64::from_le_bytes(task[at..at + 8].try_into().expect("eight bytes")) as usize;
                Section::Result(Task { group: number(0), index: number(8) }, result.to_vec())
            })
        };
        Ok(section.map(|section| (section, HEAD + body.len())))
    }

    /// Skips to the next magic or the end.
    fn skip_to_magic(&mut self) -> io::Result<()> {
        loop {
            self.fill(READ)?;
            if let Some(at) = self.rest().windows(MAGIC.len()).position(is_magic) {
                self.skip(at);
                return Ok(());
            }
            let ended = self.rest().len() < READ;
            // A magic may straddle the end of the buffer.
            let keep = if ended { 0 } else { MAGIC.len() - 1 };
            self.skip(self.rest().len() - keep);
            if ended {
                return Ok(());
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn skip(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Reads until the buffer has `wanted` bytes or the source ends.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        if self.rest().len() >= wanted {
            return Ok(());
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let missing = wanted.max(READ) - self.buffer.len();
        self.source.by_ref().take(missing as u64).read_to_end(&mut self.buffer)?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // lists of ranges that happen to have one
mod tests {
    use super::*;

    /// Size of a frame with a result of `length` bytes.
    fn frame_bytes(length: usize) -> usize {
        HEAD + TASK + length
    }

    fn result(index: usize, length: usize) -> Vec<u8> {
        (0..length).map(|byte| (byte * 7 + index) as u8).collect()
    }

    fn journal(results: usize, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        (0..results).for_each(|index| append(Task { group: 3, index }, &result(index, length), &mut bytes));
        bytes
    }

    /// The tasks read, and the damaged ranges.
    fn read(bytes: &[u8], longest: usize) -> (Vec<usize>, Vec<(usize, usize)>) {
        let mut frames = Frames::new(bytes, longest);
        let (mut tasks, mut damage) = (Vec::new(), Vec::new());
        while let Some(section) = frames.next().unwrap() {
            match section {
                Section::Result(task, found) => {
                    assert_eq!(found, result(task.index, found.len()));
                    tasks.push(task.index);
                }
                Section::Damage(range) => damage.push((range.start as usize, range.end as usize)),
                Section::Start(text) => assert_eq!(text, "begun"),
                Section::End(text) => assert_eq!(text, "closed"),
            }
        }
        (tasks, damage)
    }

    #[test]
    fn appended_results_are_read_back() {
        // The last is longer than a read.
        for (results, length) in [(0, 3), (1, 0), (10, 7), (1000, 100), (3, 3_000_000)] {
            let mut bytes = Vec::new();
            append_start("begun", &mut bytes);
            bytes.extend(journal(results, length));
            assert_eq!(bytes.len(), HEAD + 5 + results * frame_bytes(length));
            append_end("closed", &mut bytes);
            assert_eq!(read(&bytes, length), ((0..results).collect(), vec![]));
        }
    }

    #[test]
    fn results_of_different_lengths_follow_one_another() {
        let mut bytes = Vec::new();
        for (index, length) in [5, 0, 1000, 3].into_iter().enumerate() {
            append(Task { group: 0, index }, &result(index, length), &mut bytes);
        }
        assert_eq!(read(&bytes, 1000), (vec![0, 1, 2, 3], vec![]));
    }

    #[test]
    fn every_cut_costs_the_last_result_only() {
        let (bytes, frame) = (journal(4, 2), frame_bytes(2));
        for cut in 0..bytes.len() {
            let (tasks, damage) = read(&bytes[..cut], 2);
            assert_eq!(tasks, (0..cut / frame).collect::<Vec<_>>());
            let torn = (cut / frame * frame, cut);
            assert_eq!(damage, if torn.0 == torn.1 { vec![] } else { vec![torn] });
        }
    }

    #[test]
    fn every_flipped_byte_costs_its_result_only() {
        let (bytes, frame) = (journal(4, 50), frame_bytes(50));
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            let hit = at / frame;
            let (tasks, damage) = read(&bytes, 50);
            assert_eq!(tasks, (0..4).filter(|task| *task != hit).collect::<Vec<_>>(), "byte {at}");
            assert_eq!(damage, [(hit * frame, (hit + 1) * frame)], "byte {at}");
        }
    }

    #[test]
    fn bytes_lost_or_added_cost_the_result_they_are_in() {
        let (bytes, frame) = (journal(5, 60), frame_bytes(60));
        let mut lost = bytes.clone();
        lost.drain(2 * frame + 30..2 * frame + 37);
        assert_eq!(read(&lost, 60).0, [0, 1, 3, 4]);
        let mut added = bytes.clone();
        added.splice(2 * frame + 30..2 * frame + 30, MAGIC.repeat(50));
        assert_eq!(read(&added, 60).0, [0, 1, 3, 4]);
        let mut between = bytes;
        between.splice(2 * frame..2 * frame, vec![0; 3 * READ]);
        assert_eq!(read(&between, 60), (vec![0, 1, 2, 3, 4], vec![(2 * frame, 2 * frame + 3 * READ)]));
    }

    #[test]
    fn a_length_that_no_result_has_is_damage() {
        let mut bytes = journal(3, LONGEST_TEXT + 1);
        let (tasks, damage) = read(&bytes, 100);
        assert!(tasks.is_empty());
        assert_eq!(damage.iter().map(|(from, to)| to - from).sum::<usize>(), bytes.len());
        bytes[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(read(&bytes, LONGEST_TEXT + 1).0, [1, 2]);
    }
}
