//! The seal of a results file: its last bytes, by which damage shows before the HDF5 library sees the file.
//!
//! HDF5 keeps no checksums of most of what it writes, and its library can crash or hang on a damaged file. The seal is 20 bytes behind
//! what HDF5 counts as the file, where no reader minds them: 8 bytes [`MAGIC`], 8 bytes length of what is before (u64), 4 bytes CRC-32
//! (IEEE) of that; little-endian.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use crc32fast::Hasher;

const MAGIC: [u8; 8] = *b"advsteps";
const BYTES: u64 = 20;

/// Puts a seal at the end of the file at `path`, which must have none.
pub fn seal(path: &Path) -> io::Result<()> {
    let length = std::fs::metadata(path)?.len();
    let sum = checksum(File::open(path)?.take(length))?;
    OpenOptions::new().append(true).open(path)?.write_all(&bytes(length, sum))
}

/// Why the file at `path` is not one that was sealed and not changed since; `None` if it is.
pub fn flaw(path: &Path) -> io::Result<Option<&'static str>> {
    let mut file = BufReader::new(File::open(path)?);
    let total = file.get_ref().metadata()?.len();
    let Some(length) = total.checked_sub(BYTES) else { return Ok(Some("it is too short to be a results file")) };
    let sum = checksum(file.by_ref().take(length))?;
    let mut found = Vec::new();
    file.take(BYTES).read_to_end(&mut found)?;
    Ok(match found == bytes(length, sum) {
        true => None,
        false if found.starts_with(&MAGIC) => {
            Some("it was changed after advstep-hpc wrote it, or is damaged: its checksum is another")
        }
        false => Some("it was changed after advstep-hpc wrote it, is damaged, or is no results file: its seal is missing"),
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
