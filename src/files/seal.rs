//! The seal of an HDF5 file: a checksum at its end that detects damage before the HDF5 library opens it.
//!
//! HDF5 does not checksum most of a file, and its library can crash or hang on a damaged one. The seal is 20 bytes after the HDF5 end of
//! file, which readers ignore, little-endian: 8 bytes [`MAGIC`], u64 length of the file before it, u32 CRC-32 (IEEE) of those bytes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crc32fast::Hasher;

const MAGIC: [u8; 8] = *b"advsteps";
const BYTES: u64 = 20;

/// Bytes read at a time.
const READ: usize = 1 << 20;

/// Appends a seal to the file at `path`, which must not have one.
pub fn seal(path: &Path) -> io::Result<()> {
    Pieces::default().seal(path)
}

/// Checksums of parts of a file that is still being written: those parts do not change any more, and need not be read for the seal.
#[derive(Default)]
pub struct Pieces {
    /// Length and hash, by start.
    sums: BTreeMap<u64, (u64, Hasher)>,
    /// Of reading.
    buffer: Vec<u8>,
}

impl Pieces {
    /// Reads the `length` bytes from `start` on of `file`. Pieces do not overlap.
    pub fn add(&mut self, file: &File, start: u64, length: u64) -> io::Result<()> {
        let sum = self.hash(file, start, length)?;
        self.sums.insert(start, (length, sum));
        Ok(())
    }

    /// As [`seal`]: reads what is in none of the pieces.
    pub fn seal(mut self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let total = file.metadata()?.len();
        let (mut sum, mut at) = (Hasher::new(), 0);
        for (start, (length, piece)) in std::mem::take(&mut self.sums) {
            sum.combine(&self.hash(&file, at, start - at)?);
            sum.combine(&piece);
            at = start + length;
        }
        sum.combine(&self.hash(&file, at, total - at)?);
        OpenOptions::new().append(true).open(path)?.write_all(&bytes(total, sum.finalize()))
    }

    /// The hash of the `length` bytes from `start` on.
    fn hash(&mut self, file: &File, mut start: u64, length: u64) -> io::Result<Hasher> {
        let (mut hasher, end) = (Hasher::new(), start + length);
        self.buffer.resize(READ, 0);
        while start < end {
            let part = &mut self.buffer[..READ.min((end - start) as usize)];
            file.read_exact_at(part, start)?;
            hasher.update(part);
            start += part.len() as u64;
        }
        Ok(hasher)
    }
}

/// Why the seal of the file at `path` is missing or does not match; `None` if it matches.
pub fn flaw(path: &Path) -> io::Result<Option<&'static str>> {
    let mut file = BufReader::new(File::open(path)?);
    let total = file.get_ref().metadata()?.len();
    let Some(length) = total.checked_sub(BYTES) else { return Ok(Some("it is not a results file: it is too short")) };
    let sum = checksum(file.by_ref().take(length))?;
    let mut found = Vec::new();
    file.take(BYTES).read_to_end(&mut found)?;
    Ok(match found == bytes(length, sum) {
        true => None,
        false if found.starts_with(&MAGIC) => {
            Some("it was changed after advstep-hpc wrote it, or is damaged: its checksum does not match")
        }
        false => Some("it is not a results file, or was changed after advstep-hpc wrote it: it has no seal"),
    })
}

fn bytes(length: u64, sum: u32) -> Vec<u8> {
    [&MAGIC[..], &length.to_le_bytes(), &sum.to_le_bytes()].concat()
}

fn checksum(mut source: impl Read) -> io::Result<u32> {
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; READ]);
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces in any order, adjacent or not, at the start, at the end, empty, or the whole file; longer than what is read at a time.
    #[test]
    fn pieces_do_not_change_the_seal() {
        let directory = tempfile::tempdir().unwrap();
        let contents: Vec<u8> = (0..3 * READ + 17).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 11) as u8).collect();
        let sealed = |pieces: &[(usize, usize)]| {
            let path = directory.path().join("x");
            std::fs::write(&path, &contents).unwrap();
            let mut sums = Pieces::default();
            let file = File::open(&path).unwrap();
            pieces.iter().for_each(|&(start, length)| sums.add(&file, start as u64, length as u64).unwrap());
            sums.seal(&path).unwrap();
            assert_eq!(flaw(&path).unwrap(), None, "{pieces:?}");
            std::fs::read(&path).unwrap()
        };
        let all = contents.len();
        let whole = sealed(&[]);
        let expected = [&contents[..], &bytes(all as u64, crc32fast::hash(&contents))].concat();
        assert!(whole == expected);
        for pieces in [&[(0, all)][..], &[(all - 5, 5), (0, 3)], &[(10, 2 * READ), (10 + 2 * READ, 7), (3, 1)], &[(all, 0)]] {
            assert!(sealed(pieces) == whole, "{pieces:?}");
        }
        // A piece that changed is noticed.
        let path = directory.path().join("y");
        std::fs::write(&path, &contents).unwrap();
        let mut sums = Pieces::default();
        sums.add(&File::open(&path).unwrap(), 100, 50).unwrap();
        let mut changed = contents.clone();
        changed[120] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        sums.seal(&path).unwrap();
        assert!(flaw(&path).unwrap().is_some());
    }
}
