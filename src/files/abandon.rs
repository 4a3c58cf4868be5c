//! Removes partially written files when a signal ends the process.

use std::ffi::{CString, c_char};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level;

use crate::machine::is_ignored;

/// Paths of temporary files and locks. A process has only a few at a time.
static PATHS: [AtomicPtr<c_char>; 16] = [const { AtomicPtr::new(ptr::null_mut()) }; 16];

/// Registers a file for removal when a signal ends the process, until dropped.
#[derive(Debug)]
pub struct Abandoned(Option<&'static AtomicPtr<c_char>>);

impl Abandoned {
    /// Registers the file at `path`, which need not exist yet. Takes effect once [`remove_on_signals`] has been called.
    pub fn on_signal(path: &Path) -> Self {
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return Self(None) };
        // Leaked: a signal handler may read it at any time.
        let path = path.into_raw();
        let is_taken =
            |slot: &&AtomicPtr<c_char>| slot.compare_exchange(ptr::null_mut(), path, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        Self(PATHS.iter().find(is_taken))
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if let Some(slot) = self.0 {
            slot.store(ptr::null_mut(), Ordering::SeqCst);
        }
    }
}

/// Makes SIGINT, SIGTERM and SIGHUP, unless ignored, remove the registered files before they end the process. For commands that cannot
/// be resumed; jobs have their own handlers.
///
/// # Errors
/// A handler cannot be installed.
pub fn remove_on_signals() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal)) {
        let remove = move || {
            for slot in &PATHS {
                let path = slot.load(Ordering::SeqCst);
                if !path.is_null() {
                    // SAFETY: a C string, never freed.
                    unsafe { libc::unlink(path) };
                }
            }
            let _ = low_level::emulate_default_handler(signal);
        };
        // SAFETY: the handler only does atomic loads, unlink(2) and what signal-hook documents as async-signal-safe.
        unsafe { low_level::register(signal, remove)? };
    }
    Ok(())
}
