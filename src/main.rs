//! Entry point: parses the command line and executes the command's request.

use std::process::ExitCode;

use advstep_hpc::cli::args::ManArgs;
use advstep_hpc::cli::{self, Command, pages};
use advstep_hpc::comm::failure::conclude;
use advstep_hpc::commands::{audit, compare, export, measure, merge, plan, plot, print, report, run, show, status, threshold};
use advstep_hpc::{files, machine};

fn main() -> ExitCode {
    let outcome = machine::prepare().and_then(|()| dispatch(cli::parse().into_command()));
    match outcome {
        Err(error) if cli::is_closed_pipe(&error) => ExitCode::SUCCESS,
        outcome => conclude(outcome),
    }
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => run::execute(|| Ok(args.request()?)),
        Command::Plan(args) => plan::execute(&args.request()?),
        Command::Status(args) => status::execute(&args.request()?),
        Command::Merge(args) => merge::execute(&args.request()?),
        Command::Show(args) => show::execute(&args.request()?),
        Command::Compare(args) => compare::execute(&args.request()?),
        Command::Audit(args) if args.list => audit::list(),
        Command::Audit(args) => audit::execute(|| Ok(args.request()?)),
        Command::Measure(args) => measure::execute(|| Ok(args.request()?)),
        Command::Threshold(args) => threshold::execute(|| Ok(args.request()?)),
        Command::Plot(args) => plot::execute(&args.request()?),
        Command::Report(args) => report::execute(&args.request()?),
        Command::Export(args) => export::execute(&args.request()?),
        Command::Completions(args) => Ok(print(&pages::completions(args.shell))?),
        Command::Man(args) => man(args),
    }
}

fn man(args: ManArgs) -> anyhow::Result<()> {
    let Some(directory) = args.out else { return Ok(print(&pages::man()?)?) };
    files::check_output_dir(&directory, "--out")?;
    pages::write_man(&directory)
}
