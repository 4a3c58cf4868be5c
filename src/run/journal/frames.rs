//! Records in a journal: framed, so that damage costs no more than the records that it touches.
//!
//! A frame, little-endian: 8 bytes [`MAGIC`], 8 bytes length of the record (u64), 4 bytes CRC-32 (IEEE) of length and record, then the
//! record as [`codec`] lays it out. All records of an experiment have the same length, so a frame of another length is damage, and
//! nothing that a file claims decides how much memory is taken. Behind damage, reading goes on at the next magic.

use std::io::{self, Read};
use std::ops::Range;

use crc32fast::Hasher;

use crate::run::codec;
use crate::unit::UnitRecord;

/// Starts every frame. The last bytes of a float that is followed by the first of another: not a likely pair.
pub const MAGIC: [u8; 8] = *b"\xd7unit\r\n\x1a";
/// Bytes before the record.
const HEAD: usize = 20;
/// How much is read from the file at a time, at least.
const READ: usize = 1 << 18;

/// Bytes of a frame whose record has `inputs` samples.
pub fn frame_bytes(inputs: usize) -> usize {
    HEAD.saturating_add(codec::record_bytes(inputs))
}

/// Appends the frame of `record` to `bytes`.
pub fn append(record: &UnitRecord, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend(MAGIC);
    bytes.extend((codec::record_bytes(record.samples.len()) as u64).to_le_bytes());
    bytes.extend([0; 4]);
    codec::encode(record, bytes);
    let (head, body) = bytes[start..].split_at_mut(HEAD);
    let sum = checksum(&head[8..16], body);
    head[16..].copy_from_slice(&sum.to_le_bytes());
}

fn checksum(length: &[u8], body: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(length);
    hasher.update(body);
    hasher.finalize()
}

/// A stretch of a journal.
#[derive(Debug, PartialEq)]
pub enum Piece {
    Record(UnitRecord),
    /// Bytes, counted from where reading began, that hold no record.
    Damage(Range<u64>),
}

/// Reads frames one after another, whatever the bytes. Holds two frames in memory at most.
pub struct Frames<R> {
    source: R,
    frame: usize,
    /// Read but not yet looked at: `buffer[start..]`, which begins at byte `offset` of the source.
    buffer: Vec<u8>,
    start: usize,
    offset: u64,
}

impl<R: Read> Frames<R> {
    /// Reads records of `inputs` samples from where `source` stands.
    pub fn new(source: R, inputs: usize) -> Self {
        Self { source, frame: frame_bytes(inputs), buffer: Vec::new(), start: 0, offset: 0 }
    }

    /// The next piece; `None` at the end of the source.
    pub fn next(&mut self) -> io::Result<Option<Piece>> {
        self.fill(self.frame)?;
        if self.rest().is_empty() {
            return Ok(None);
        }
        if let Some(record) = self.record() {
            self.skip(self.frame);
            return Ok(Some(Piece::Record(record)));
        }
        let from = self.offset;
        self.skip(1);
        self.skip_to_magic()?;
        Ok(Some(Piece::Damage(from..self.offset)))
    }

    /// Bytes read so far, the pieces returned.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// The record of the frame that starts here, if one does.
    fn record(&self) -> Option<UnitRecord> {
        let (head, body) = self.rest().get(..self.frame)?.split_at(HEAD);
        let length = (self.frame - HEAD) as u64;
        let sound =
            head[..8] == MAGIC && head[8..16] == length.to_le_bytes() && head[16..] == checksum(&head[8..16], body).to_le_bytes();
        let (record, rest) = codec::decode(body).ok().filter(|_| sound)?;
        rest.is_empty().then_some(record)
    }

    /// Goes on to the next magic, or to the end.
    fn skip_to_magic(&mut self) -> io::Result<()> {
        loop {
            self.fill(self.frame)?;
            if let Some(at) = self.rest().windows(MAGIC.len()).position(|bytes| bytes == MAGIC) {
                self.skip(at);
                return Ok(());
            }
            let ended = self.rest().len() < self.frame;
            // A magic may have begun at the end of what has been read.
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

    /// Reads until there are `wanted` bytes at hand, or no more.
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
    use crate::experiment::Unit;
    use crate::unit::{Sample, Status};

    fn record(network: usize, inputs: usize) -> UnitRecord {
        let sample = |i: usize| Sample {
            step: i as f64 + 0.5,
            gradient_norm: 1.0,
            value: -0.25,
            status: Status::FoundScan,
            evaluations: network as u32,
        };
        UnitRecord { unit: Unit { cell: 3, network }, samples: (0..inputs).map(sample).collect(), seconds: 0.5 }
    }

    fn journal(records: usize, inputs: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        (0..records).for_each(|network| append(&record(network, inputs), &mut bytes));
        bytes
    }

    /// The networks read, and where each damaged stretch begins and ends.
    fn read(bytes: &[u8], inputs: usize) -> (Vec<usize>, Vec<(usize, usize)>) {
        let mut frames = Frames::new(bytes, inputs);
        let (mut networks, mut damage) = (Vec::new(), Vec::new());
        while let Some(piece) = frames.next().unwrap() {
            match piece {
                Piece::Record(record) => networks.push(record.unit.network),
                Piece::Damage(range) => damage.push((range.start as usize, range.end as usize)),
            }
        }
        (networks, damage)
    }

    #[test]
    fn what_was_appended_is_read() {
        // The last is longer than a read.
        for (records, inputs) in [(0, 3), (1, 0), (10, 7), (1000, 100), (3, 20_000)] {
            let bytes = journal(records, inputs);
            assert_eq!(bytes.len(), records * frame_bytes(inputs));
            assert_eq!(read(&bytes, inputs), ((0..records).collect(), vec![]));
        }
    }

    #[test]
    fn every_cut_costs_the_last_record_only() {
        let (bytes, frame) = (journal(4, 2), frame_bytes(2));
        for cut in 0..bytes.len() {
            let (networks, damage) = read(&bytes[..cut], 2);
            assert_eq!(networks, (0..cut / frame).collect::<Vec<_>>());
            let torn = (cut / frame * frame, cut);
            assert_eq!(damage, if torn.0 == torn.1 { vec![] } else { vec![torn] });
        }
    }

    #[test]
    fn every_flipped_byte_costs_its_record_only() {
        let (bytes, frame) = (journal(4, 2), frame_bytes(2));
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            let hit = at / frame;
            let (networks, damage) = read(&bytes, 2);
            assert_eq!(networks, (0..4).filter(|network| *network != hit).collect::<Vec<_>>(), "byte {at}");
            assert_eq!(damage, [(hit * frame, (hit + 1) * frame)], "byte {at}");
        }
    }

    #[test]
    fn bytes_lost_or_added_cost_the_record_they_are_in() {
        let (bytes, frame) = (journal(5, 2), frame_bytes(2));
        let mut lost = bytes.clone();
        lost.drain(2 * frame + 30..2 * frame + 37);
        assert_eq!(read(&lost, 2).0, [0, 1, 3, 4]);
        let mut added = bytes.clone();
        added.splice(2 * frame + 30..2 * frame + 30, MAGIC.repeat(50));
        assert_eq!(read(&added, 2).0, [0, 1, 3, 4]);
        let mut between = bytes;
        between.splice(2 * frame..2 * frame, vec![0; 3 * READ]);
        assert_eq!(read(&between, 2), (vec![0, 1, 2, 3, 4], vec![(2 * frame, 2 * frame + 3 * READ)]));
    }

    #[test]
    fn records_of_another_length_are_damage() {
        let (networks, damage) = read(&journal(3, 5), 6);
        assert!(networks.is_empty());
        assert_eq!(damage.iter().map(|(from, to)| to - from).sum::<usize>(), 3 * frame_bytes(5));
    }
}
