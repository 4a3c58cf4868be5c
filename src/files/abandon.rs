//! Half-written files are removed when a signal ends the process.

use std::ffi::{CString, c_char};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level;

use crate::machine::is_ignored;

/// Files that are being written, and locks. A process has a few at a time.
static PATHS: [AtomicPtr<c_char>; 16] = [const { AtomicPtr::new(ptr::null_mut()) }; 16];

/// A file that nobody needs once this process is dead, until this is dropped.
#[derive(Debug)]
pub struct Abandoned(Option<&'static AtomicPtr<c_char>>);

impl Abandoned {
    /// Has the file at `path`, which may be made later, removed if a signal ends the process, once [`remove_on_signals`] was called.
    pub fn on_signal(path: &Path) -> Self {
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return Self(None) };
        // Not freed: a handler may be reading it at any moment.
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

/// From now on SIGINT, SIGTERM and SIGHUP, unless they are ignored, remove what is being written before they end the process. For commands that cannot be resumed;
/// jobs have handlers of their own.
pub fn remove_on_signals() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal)) {
        let remove = move || {
            for slot in &PATHS {
                let path = slot.load(Ordering::SeqCst);
                if !path.is_null() {
                    // SAFETY: a C string that is never freed.
                    unsafe { libc::unlink(path) };
                }
            }
            let _ = low_level::emulate_default_handler(signal);
        };
        // SAFETY: loads, unlink(2) and what signal-hook calls safe in handlers.
        unsafe { low_level::register(signal, remove)? };
    }
    Ok(())
}
