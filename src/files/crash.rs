//! Makes a crash of the HDF5 library an error. It can crash on damaged files, and only our own have a seal to tell.

use std::path::Path;

use super::attribute::Form;
use crate::comm::failure::LAUNCHER_KILLS;
use crate::comm::launched_rank;
use crate::error::{BadInput, EXIT_BAD_INPUT, report};
use crate::machine::signals::with_last_words;

/// Reads the HDF5 file at `path`. If the process crashes meanwhile, it ends with the error and the exit code of bad input. Calls must not nest.
pub fn guarded<T>(path: &Path, read: impl FnOnce() -> T) -> T {
    let error = BadInput::new(
        format!("cannot read {}", path.display()),
        "the HDF5 library crashed: the file is damaged, or memory ran out",
        "give a file that h5dump reads, or the same data in another format",
    );
    let delay = if launched_rank() == 0 { 0 } else { LAUNCHER_KILLS.as_secs() as u32 };
    with_last_words(format!("{}\n", report(&error.into(), "")), delay, EXIT_BAD_INPUT, read)
}

/// The same for a file read in this form: one with a seal is known to be whole.
pub fn guarded_as<T>(form: Form, path: &Path, read: impl FnOnce() -> T) -> T {
    if form == Form::Own { read() } else { guarded(path, read) }
}
