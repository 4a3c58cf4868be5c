//! Opens HDF5 files at any path, without HDF5's file locks.
//!
//! A file is private until it is renamed into place and immutable after that, so HDF5's locks are unnecessary. They would
//! fail on file systems without locks, and child processes would inherit them. Library versions without the setting read
//! `HDF5_USE_FILE_LOCKING`.

use std::io::Read;
use std::path::Path;

use hdf5::File;
use hdf5::file::{FileBuilder, LibraryVersion};
use hdf5::plist::file_access::FileAccessBuilder;
use hdf5::plist::file_create::LinkCreationOrder;

use super::place::openable;

/// The HDF5 file signature.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Whether the file at `path` starts with the HDF5 signature.
pub fn has_signature(path: &Path) -> bool {
    let mut start = [0; SIGNATURE.len()];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == SIGNATURE
}

/// Opens the file at `path` for reading.
pub fn open(path: &Path) -> hdf5::Result<File> {
    // Kept open until HDF5 has opened the file, perhaps through this handle.
    let handle = std::fs::File::open(path).map_err(|error| error.to_string())?;
    builder().open(openable(path, &handle))
}

/// Opens the file at `path` for reading and writing. A change invalidates its seal.
pub fn open_rw(path: &Path) -> hdf5::Result<File> {
    let handle = std::fs::File::open(path).map_err(|error| error.to_string())?;
    builder().open_rw(openable(path, &handle))
}

/// Creates or truncates the file at `path`. It is readable with HDF5 1.8 and tracks the creation order of objects, which netCDF-C shows.
pub fn create(path: &Path) -> hdf5::Result<File> {
    let mut builder = builder();
    builder.with_fcpl(|create| create.link_creation_order(LinkCreationOrder::Indexed));
    builder.with_fapl(|access| without_locks(access).libver_bounds(LibraryVersion::Earliest, LibraryVersion::V18));
    builder.create(path)
}

/// Reduces an HDF5 error to the message of the operating system.
pub fn plain(error: anyhow::Error) -> anyhow::Error {
    const SYSTEM: &str = "error message = '";
    let said = format!("{error:#}");
    let Some((_, system)) = said.split_once(SYSTEM) else { return error };
    let what = said.split(':').next().unwrap_or_default();
    anyhow::anyhow!("{what}: {}", system.split('\'').next().unwrap_or_default())
}

fn builder() -> FileBuilder {
    let mut builder = FileBuilder::new();
    builder.with_fapl(without_locks);
    builder
}

#[cfg(hdf5_file_locking)]
fn without_locks(access: &mut FileAccessBuilder) -> &mut FileAccessBuilder {
    access.file_locking(false)
}

#[cfg(not(hdf5_file_locking))]
fn without_locks(access: &mut FileAccessBuilder) -> &mut FileAccessBuilder {
    access
}
