//! The command line: arguments as typed ([`args`]), and their conversion into the validated requests of the commands ([`request`]).
//!
//! No other module sees an argument.

pub mod args;
pub mod pages;
mod plot;
pub mod request;
mod usage;

use std::thread::sleep;

use clap::Parser;
use clap::error::ErrorKind;

pub use args::{Cli, Command};

use crate::comm::failure::RANK_0_SPEAKS;
use crate::commands::print;
use crate::error::{EXIT_BAD_INPUT, report};
use crate::machine::terminal;
use crate::{comm, provenance};

/// Parses the arguments of this process. Help, version and usage errors are printed on rank 0 and end the process, with the exit codes
/// 0, 0 and 2.
pub fn parse() -> Cli {
    match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if comm::launched_rank() != 0 => {
            if error.exit_code() != 0 {
                sleep(RANK_0_SPEAKS);
            }
            std::process::exit(error.exit_code())
        }
        // Made on demand: the version text calls into the libraries.
        Err(error) if error.kind() == ErrorKind::DisplayVersion => {
            let _ = print(&format!("{}\n", provenance::version_text().trim_end()));
            std::process::exit(0)
        }
        Err(error) if error.use_stderr() => {
            let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
            terminal::write_last(&report(&usage::bad_input(&error, &words).into(), ""));
            std::process::exit(EXIT_BAD_INPUT)
        }
        Err(error) => error.exit(),
    }
}

/// Whether the error is a closed pipe (`| head`), which is not a failure.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(closed))
}
