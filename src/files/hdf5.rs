//! Opening HDF5 files, at any path, without the library's own locks.
//!
//! Files that this program writes are its own until they are in place, and are not changed after that; so HDF5's locks would only fail where
//! the file system has none, and be inherited by other programs. Library versions that cannot be told so read `HDF5_USE_FILE_LOCKING`.

use std::io::Read;
use std::path::Path;

use hdf5::File;
use hdf5::file::{FileBuilder, LibraryVersion};
use hdf5::plist::file_access::FileAccessBuilder;
use hdf5::plist::file_create::LinkCreationOrder;

use super::place::openable;

/// What an HDF5 file begins with.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Whether the file at `path` begins as HDF5 files do.
pub fn has_signature(path: &Path) -> bool {
    let mut start = [0; SIGNATURE.len()];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == SIGNATURE
}

/// Opens the file at `path` to read.
pub fn open(path: &Path) -> hdf5::Result<File> {
    // Open until HDF5 has opened it, too: it may be by this handle.
    let handle = std::fs::File::open(path).map_err(|error| error.to_string())?;
    builder().open(openable(path, &handle))
}

/// Opens the file at `path` to read and write. Its seal is broken by a change.
pub fn open_rw(path: &Path) -> hdf5::Result<File> {
    let handle = std::fs::File::open(path).map_err(|error| error.to_string())?;
    builder().open_rw(openable(path, &handle))
}

/// Creates the file at `path`, or empties it. Objects are listed in the order in which they are made, as netCDF-C shows them, and HDF5 1.8
/// can read it.
pub fn create(path: &Path) -> hdf5::Result<File> {
    let mut builder = builder();
    builder.with_fcpl(|create| create.link_creation_order(LinkCreationOrder::Indexed));
    builder.with_fapl(|access| without_locks(access).libver_bounds(LibraryVersion::Earliest, LibraryVersion::V18));
    builder.create(path)
}

/// An error of the HDF5 library that says what the system said, not where in the library that was.
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
