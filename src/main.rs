//! The program, as its architecture: what was typed → what is asked for → one call of the library.

use std::process::ExitCode;

use advstep_hpc::cli::args::{ExportArgs, ManArgs, PlotArgs, RunArgs, ShowArgs};
use advstep_hpc::cli::{self, Command, pages, paths};
use advstep_hpc::error;

fn main() -> ExitCode {
    match dispatch(cli::parse().into_command()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if cli::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            cli::report(&error);
            ExitCode::from(error::exit_code(&error) as u8)
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => run(args),
        Command::Plan(args) => plan(args),
        Command::Show(args) => show(args),
        Command::Plot(args) => plot(args),
        Command::Export(args) => export(args),
        Command::Completions(args) => Ok(cli::print(&pages::completions(args.shell))?),
        Command::Man(args) => man(args),
    }
}

fn run(args: RunArgs) -> anyhow::Result<()> {
    let request = args.request()?;
    paths::check_output(&request.out, request.overwrite)?;
    anyhow::bail!("run is not built in this worktree")
}

fn plan(args: RunArgs) -> anyhow::Result<()> {
    let _request = args.request()?;
    anyhow::bail!("plan is not built in this worktree")
}

fn show(args: ShowArgs) -> anyhow::Result<()> {
    let _request = args.request()?;
    anyhow::bail!("show is not built in this worktree")
}

fn plot(args: PlotArgs) -> anyhow::Result<()> {
    let _request = args.request()?;
    anyhow::bail!("plot is not built in this worktree")
}

fn export(args: ExportArgs) -> anyhow::Result<()> {
    let _request = args.request()?;
    anyhow::bail!("export is not built in this worktree")
}

fn man(args: ManArgs) -> anyhow::Result<()> {
    let Some(directory) = args.out else { return Ok(cli::print(&pages::man()?)?) };
    paths::check_output_dir(&directory)?;
    pages::write_man(&directory)
}
