//! The standard error stream: lines for people. What cannot be written is dropped: no computation ends or waits because nobody reads.

use std::io::{IsTerminal, Write, stderr};
use std::os::fd::AsRawFd;

/// How long a reader that is busy is waited for, in milliseconds.
const PATIENCE: i32 = 100;

/// Whether it is a terminal that can write a line anew. Dumb ones, as they call themselves in `TERM`, get lines as a file does.
pub fn can_redraw() -> bool {
    stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb")
}

/// Writes a line, unless the reader is stopped (a pipe that is full, a terminal that is held).
pub fn say(line: &str) {
    let mut ready = libc::pollfd { fd: stderr().as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one structure, which is told.
    if unsafe { libc::poll(&mut ready, 1, PATIENCE) } != 0 {
        write(line);
    }
}

/// Writes a line, in the place of a progress bar if there may be one, however long that takes: the last words of a process.
pub fn write_last(line: &str) {
    let clear = if can_redraw() { "\r\x1b[K" } else { "" };
    write(&format!("{clear}{line}"));
}

fn write(line: &str) {
    // In one call, so that lines of several ranks do not mix.
    let _ = stderr().lock().write_all(format!("{line}\n").as_bytes());
}
