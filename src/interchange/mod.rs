//! Networks and arrays in the formats of other programs: safetensors, NPY, NPZ, ONNX, CSV, and our own HDF5 exports.
//!
//! Files are untrusted: sizes that they declare are checked against what they hold, or against [`MOST_BYTES`], before memory is allocated, and nothing
//! in them panics. A reader's error is the reason alone; [`network::read`] and [`inputs::read`] add the file and the remedy.

pub mod archive;
pub mod csv_table;
pub mod inputs;
pub mod network;
pub mod network_file;
pub mod npy;
pub mod npz;
pub mod onnx;
pub mod safetensors;
pub mod state_dict;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most numbers of an array or a network.
pub const MOST_NUMBERS: usize = 1 << 30;
/// Most bytes of a file, or of an archive's members together.
pub const MOST_BYTES: u64 = 8 * MOST_NUMBERS as u64 + (1 << 16);

/// Why a file is refused.
pub type Why = String;

/// The extension of `path`, in lower case; empty without one.
pub fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// How much may be read, whatever a file declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Of an array or a network.
    numbers: usize,
    /// Of a file, or of an archive's members together.
    bytes: u64,
}

impl Limit {
    /// That of the formats.
    pub const MOST: Self = Self { numbers: MOST_NUMBERS, bytes: MOST_BYTES };

    /// For a program that may use `bytes` of memory: numbers are held twice as f64, as read and as the engines take them.
    pub fn of_memory(bytes: u64) -> Self {
        let numbers = usize::try_from(bytes / 16).unwrap_or(usize::MAX);
        Self { numbers: numbers.min(MOST_NUMBERS), bytes: bytes.min(MOST_BYTES) }
    }

    /// Fails if there are more than `count` numbers.
    pub fn check_numbers(self, count: usize) -> Result<(), Why> {
        match count <= self.numbers {
            true => Ok(()),
            false => Err(format!("it holds {}", self.more_numbers())),
        }
    }

    /// Fails if an array of this shape has too many numbers, else returns how many.
    pub fn count_of(self, shape: &[usize]) -> Result<usize, Why> {
        let product = |least: usize| shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size.max(least)));
        // A size of 0 hides none of the others.
        let count = product(1).filter(|&count| count <= self.numbers).and_then(|_| product(0));
        count.ok_or_else(|| format!("an array of shape {shape:?} has {}", self.more_numbers()))
    }

    fn more_numbers(self) -> String {
        match self.numbers {
            MOST_NUMBERS => format!("more than {MOST_NUMBERS} numbers"),
            fewer => format!("more than {fewer} numbers, which do not fit the memory of this rank (--memory)"),
        }
    }

    /// Fails if there are more than `bytes`, which the caller says what they are of.
    fn check_bytes(self, bytes: u64) -> Result<(), Why> {
        match bytes <= self.bytes {
            true => Ok(()),
            false if self.bytes == MOST_BYTES => Err(format!("{bytes} bytes, and no more than {MOST_BYTES} are read")),
            false => Err(format!("{bytes} bytes, which do not fit the memory of this rank (--memory)")),
        }
    }
}

/// The bytes of a regular file, within `limit`.
///
/// # Errors
/// Those of the file system, and for other files.
pub fn bytes_of(path: &Path, limit: Limit) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    limit.check_bytes(found.len()).map_err(|why| io::Error::other(format!("it has {why}")))?;
    let mut bytes = Vec::new();
    file.take(limit.bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_sizes_are_counted_before_anything_is_held() {
        let limit = Limit::of_memory(16 * 1000);
        assert_eq!(limit.count_of(&[10, 100]), Ok(1000));
        assert_eq!(limit.count_of(&[10, 0]), Ok(0));
        assert!(limit.count_of(&[10, 101]).unwrap_err().contains("more than 1000 numbers, which do not fit the memory"));
        for shape in [&[1 << 60, 8][..], &[1 << 60, 0], &[1 << 40, 0, 1 << 40], &[1 << 30, 2]] {
            assert!(Limit::MOST.count_of(shape).unwrap_err().ends_with("has more than 1073741824 numbers"), "{shape:?}");
        }
        assert_eq!(Limit::of_memory(u64::MAX), Limit::MOST);
    }
}
