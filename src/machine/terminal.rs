//! What is at the other end of the standard error stream.

use std::io::{IsTerminal, stderr};

/// Whether it is a terminal that can write a line anew. Dumb ones, as they call themselves in `TERM`, get lines as a file does.
pub fn can_redraw() -> bool {
    stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb")
}
