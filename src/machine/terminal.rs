//! Messages on standard error. Lines that cannot be written are dropped: a computation neither fails nor blocks on them.

use std::io::{IsTerminal, Write, stderr};
use std::os::fd::AsRawFd;

/// How long to wait for a busy reader, in ms.
const PATIENCE: i32 = 100;

/// Whether standard error is a terminal that can redraw a line; `TERM=dumb` cannot.
pub fn can_redraw() -> bool {
    stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb")
}

/// Writes a line, or drops it if the reader is blocked (a full pipe, a stopped terminal).
pub fn say(line: &str) {
    let mut ready = libc::pollfd { fd: stderr().as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: an array of one structure.
    if unsafe { libc::poll(&mut ready, 1, PATIENCE) } != 0 {
        write(line);
    }
}

/// Writes the last line of a process, over a progress bar if there is one. May block.
pub fn write_last(line: &str) {
    let clear = if can_redraw() { "\r\x1b[K" } else { "" };
    write(&format!("{clear}{line}"));
}

fn write(line: &str) {
    // In one call, so that lines of several ranks do not interleave.
    let _ = stderr().lock().write_all(format!("{line}\n").as_bytes());
}
