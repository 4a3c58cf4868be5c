//! The commands: for each a request, which is a plain validated struct filled by [`cli`](crate::cli), and a function that executes it.

pub mod audit;
pub mod compare;
mod draft;
pub mod export;
pub mod measure;
pub mod merge;
mod networks;
mod parts;
pub mod plan;
pub mod plot;
pub mod report;
pub mod run;
pub mod show;
mod so_far;
pub mod status;
pub mod threshold;

use std::io::{self, Write};

/// Writes `text` to standard output and flushes. Unlike `print!` it returns an error on a closed pipe instead of panicking.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
