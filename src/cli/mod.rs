//! The command line: what was typed ([`args`]), and the request of a command that it is turned into ([`request`]).
//!
//! Nothing here computes, and no other code sees an argument.

pub mod args;
pub mod pages;
pub mod request;

use std::thread::sleep;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

pub use args::{Cli, Command};

use crate::commands::print;
use crate::{comm, provenance};

/// How long other ranks leave rank 0 to say what is wrong before they end: launchers end all ranks when one has failed.
const RANK_0_SPEAKS: Duration = Duration::from_secs(1);

/// Parses the arguments of this process. Help, version and usage errors end it here, with the exit codes 0, 0 and 2. Of several ranks, rank
/// 0 prints them.
pub fn parse() -> Cli {
    match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if comm::launched_rank() != 0 => {
            if error.exit_code() != 0 {
                sleep(RANK_0_SPEAKS);
            }
            std::process::exit(error.exit_code())
        }
        // The long version text asks the libraries: it is made only when it is wanted.
        Err(error) if error.kind() == ErrorKind::DisplayVersion => {
            let _ = print(&format!("{}\n", provenance::version_text().trim_end()));
            std::process::exit(0)
        }
        Err(error) => error.exit(),
    }
}

/// Whether the error is that the reader of standard output has gone (`| head`), which is nobody's fault.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(closed))
}
