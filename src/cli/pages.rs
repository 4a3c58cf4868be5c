//! Shell completions and man pages, generated from the command line definition.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Cli;

/// The completion script for `shell`.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "advstep-hpc", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The man page of the program, in roff.
pub fn man() -> anyhow::Result<String> {
    let mut page = Vec::new();
    Man::new(Cli::command()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Writes the man pages of the program and of each command to `directory`, which is created.
pub fn write_man(directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), directory))
        .with_context(|| format!("cannot write man pages to {}", directory.display()))
}
