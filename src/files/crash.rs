//! Makes a crash of the HDF5 library an error. It can crash on damaged files, and only our own have a seal to tell.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::comm::failure::LAUNCHER_KILLS;
use crate::comm::launched_rank;
use crate::error::{BadInput, EXIT_BAD_INPUT, report};
use crate::machine::signals::with_last_words;

/// Reads the file at `path`. If the HDF5 library crashes meanwhile, the process ends as for bad input. Calls do not nest.
pub fn guarded<T>(path: &Path, read: impl FnOnce() -> T) -> T {
    static READING: Mutex<()> = Mutex::new(());
    let _reading = READING.lock().unwrap_or_else(PoisonError::into_inner);
    let error = BadInput::new(
        format!("cannot read {}", path.display()),
        "the HDF5 library crashed on it, so it is damaged",
        "give a file that h5dump reads, or the same data in another format",
    );
    let delay = if launched_rank() == 0 { 0 } else { LAUNCHER_KILLS.as_secs() as u32 };
    with_last_words(&format!("{}\n", report(&error.into(), "")), delay, EXIT_BAD_INPUT, read)
}
