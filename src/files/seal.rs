//! The seal of an HDF5 file: a checksum at its end that detects damage before the HDF5 library opens it.
//!
//! HDF5 does not checksum most of a file, and its library can crash or hang on a damaged one. The seal is 20 bytes after the HDF5 end of
//! file, which readers ignore, little-endian: 8 bytes [`MAGIC`], u64 length of the file before it, u32 CRC-32 (IEEE) of those bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use crc32fast::Hasher;

const MAGIC: [u8; 8] = *b"advsteps";
const BYTES: u64 = 20;

/// Appends a seal to the file at `path`, which must not have one.
pub fn seal(path: &Path) -> io::Result<()> {
    let length = std::fs::metadata(path)?.len();
    let sum = checksum(File::open(path)?.take(length))?;
    OpenOptions::new().append(true).open(path)?.write_all(&bytes(length, sum))
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
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 1 << 20]);
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
