//! Turns a crash of the HDF5 library into an error. It can crash on damaged files, and only our own files carry a seal that reveals damage.

use std::path::Path;

use super::attribute::Form;
use crate::comm::failure::LAUNCHER_KILLS;
use crate::comm::launched_rank;
use crate::error::{BadInput, EXIT_BAD_INPUT, report};
use crate::machine::last_words::with_last_words;

/// Runs `read` on the HDF5 file at `path`. If the process crashes meanwhile, it prints an error and exits as for bad input. Calls must not nest.
pub fn guarded<T>(path: &Path, read: impl FnOnce() -> T) -> T {
    let error = BadInput::new(
        format!("cannot read {}", path.display()),
        "the HDF5 library crashed: the file is damaged, or memory ran out",
        "give a file that h5dump reads, or the same data in another format",
    );
    let delay = if launched_rank() == 0 { 0 } else { LAUNCHER_KILLS.as_secs() as u32 };
    with_last_words(format!("{}\n", report(&error.into(), "")), delay, EXIT_BAD_INPUT, read)
}

/// As [`guarded`], but runs `read` directly on a sealed file, whose checksum has been verified.
pub fn guarded_as<T>(form: Form, path: &Path, read: impl FnOnce() -> T) -> T {
    if form == Form::Own { read() } else { guarded(path, read) }
}
