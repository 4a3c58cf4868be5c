//! The commands: what each of them asks for, as a validated plain struct, and what it does. The command line only fills these structs.

pub mod audit;
pub mod compare;
pub mod export;
pub mod merge;
pub mod plan;
pub mod plot;
pub mod run;
pub mod show;
pub mod status;

use std::io::{self, Write};

/// Writes `text` to standard output, whole. Unlike `print!` it does not panic when the reader has gone.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
