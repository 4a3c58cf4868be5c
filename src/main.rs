//! The program, as its architecture: what was typed → what is asked for → one call of the library.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;

use advstep_hpc::cli::args::{CompareArgs, ExportArgs, ManArgs, MergeArgs, PlanArgs, PlotArgs, RunArgs, ShowArgs, StatusArgs};
use advstep_hpc::cli::audit::AuditArgs;
use advstep_hpc::cli::request::CompareRequest;
use advstep_hpc::cli::{self, Command, pages};
use advstep_hpc::comm::failure::{Reported, conclude};
use advstep_hpc::files::{self, Target};
use advstep_hpc::machine;
use advstep_hpc::plan::forecast::forecast;
use advstep_hpc::plan::{self, report};
use advstep_hpc::results::{self, Results, show};
use advstep_hpc::{audit, export, plot, run, shard};

fn main() -> ExitCode {
    let outcome = machine::prepare().and_then(|()| dispatch(cli::parse().into_command()));
    match outcome {
        Err(error) if cli::is_closed_pipe(&error) => ExitCode::SUCCESS,
        outcome => conclude(outcome),
    }
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => run(args),
        Command::Plan(args) => plan(args),
        Command::Status(args) => status(args),
        Command::Merge(args) => merge(args),
        Command::Show(args) => show(args),
        Command::Compare(args) => compare(args),
        Command::Audit(args) => audit(args),
        Command::Plot(args) => plot(args),
        Command::Export(args) => export(args),
        Command::Completions(args) => Ok(cli::print(&pages::completions(args.shell))?),
        Command::Man(args) => man(args),
    }
}

fn run(args: RunArgs) -> anyhow::Result<()> {
    run::run(|| Ok(args.request()?))
}

fn plan(args: PlanArgs) -> anyhow::Result<()> {
    let request = args.request()?;
    let resources = run::prepare::resources(request.run.threads, request.run.memory, 1)?;
    let plan = plan::plan(&request.run.experiment, resources)?;
    let forecast = forecast(&plan, resources, request.ranks.unwrap_or(1));
    match request.sbatch {
        true => Ok(cli::print(&forecast.sbatch(&request.name))?),
        false => Ok(cli::print(&(report::table(&plan) + &forecast.line()))?),
    }
}

/// Ends with the exit code of the status.
fn status(args: StatusArgs) -> anyhow::Result<()> {
    let request = args.request()?;
    let status = request.status();
    cli::print(&format!("{}: {}\n", request.out().display(), status.text()))?;
    match status.exit_code() {
        0 => Ok(()),
        code => Err(Reported { code }.into()),
    }
}

fn merge(args: MergeArgs) -> anyhow::Result<()> {
    let request = args.request()?;
    files::remove_on_signals()?;
    let target = Target::claim(&request.out, "--out", &[])?;
    target.check_free(request.existing)?;
    let results = shard::merge(&request.shards, &request.command_line)?;
    results::write(target.path(), request.existing, &results)?;
    match request.quiet {
        true => Ok(()),
        false => Ok(cli::print(&format!("{}\nResults are in {}\n", show::table(&results), request.out.display()))?),
    }
}

fn show(args: ShowArgs) -> anyhow::Result<()> {
    let request = args.request()?;
    let results = read(&request.file, request.unsealed)?;
    show::show(&results, request.format, &mut std::io::stdout().lock())
}

fn compare(args: CompareArgs) -> anyhow::Result<()> {
    let request = args.request()?;
    let CompareRequest { one, other, unsealed } = &request;
    let difference = match unsealed {
        true => results::first_differing_sample(&results::read_unsealed(one)?, &results::read_unsealed(other)?),
        false => {
            // One after the other, so that one is in memory at a time.
            results::read(one)?;
            results::read(other)?;
            results::first_difference(one, other)?
        }
    };
    match difference {
        Some(difference) => bail!("the results differ ({difference}) they are not of one experiment, program and kind of machine"),
        None => Ok(cli::print("The results are the same\n")?),
    }
}

fn read(file: &Path, unsealed: bool) -> anyhow::Result<Results> {
    if unsealed { results::read_unsealed(file) } else { results::read(file) }
}

fn audit(args: AuditArgs) -> anyhow::Result<()> {
    audit::run::run(|| Ok(args.request()?))
}

fn plot(args: PlotArgs) -> anyhow::Result<()> {
    let request = args.request()?;
    let results = read(&request.file, request.unsealed)?;
    let pictures = figures::plot(&results, &request.out, &request.formats)?;
    let lines = pictures.iter().map(|picture| format!("{}\n", picture.display()));
    Ok(cli::print(&lines.collect::<String>())?)
}

fn export(args: ExportArgs) -> anyhow::Result<()> {
    let request = args.request()?;
    export::export(&request)?;
    Ok(cli::print(&format!("{}\n", request.out.display()))?)
}

fn man(args: ManArgs) -> anyhow::Result<()> {
    let Some(directory) = args.out else { return Ok(cli::print(&pages::man()?)?) };
    files::check_output_dir(&directory, "--out")?;
    pages::write_man(&directory)
}
