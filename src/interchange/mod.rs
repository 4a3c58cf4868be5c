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

/// The bytes of a regular file of at most [`MOST_BYTES`].
///
/// # Errors
/// Those of the file system, and for other files.
pub fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if found.len() > MOST_BYTES {
        return Err(io::Error::other(format!("it has {} bytes, and no more than {MOST_BYTES} are read", found.len())));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Fails if an array of this shape has more than [`MOST_NUMBERS`], else returns how many.
pub fn count_of(shape: &[usize]) -> Result<usize, Why> {
    let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size)).filter(|&count| count <= MOST_NUMBERS);
    count.ok_or_else(|| format!("an array of shape {shape:?} has more than {MOST_NUMBERS} numbers"))
}
