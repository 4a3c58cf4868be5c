//! What may be typed: the subcommands and their arguments. Only their form is checked here.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand};

use crate::experiment::Shard;
use crate::experiment::presets::Preset;
use crate::model::Activation;
use crate::model::{Direction, EngineChoice, Precision, Readout, SearchChoice};
use crate::plot;
use crate::results::show;

const EXAMPLES: &str = "\
Examples:
  advstep-hpc
      Run preset quick, into results/quick.h5.
  advstep-hpc plan --preset paper --memory 24GiB
      What the paper's experiment would cost here.
  mpirun -n 4 advstep-hpc --preset paper --memory 24GiB --out paper.h5
      Run it on four ranks.
  advstep-hpc --depths 1 --dims 10,100 --widths 10,1e3,1e5 --seed 7 --out wide.h5
      Run quick with another grid and other networks.
  advstep-hpc --hidden 1000,500,100 --out narrowing.h5
      Three hidden layers of different widths.
  advstep-hpc --config my.toml
      Run an experiment of your own, into results/my.h5.
  advstep-hpc show results/quick.h5
  advstep-hpc plot results/quick.h5 --format svg,pdf
      Look at the results.
  advstep-hpc --shard 3/16
  advstep-hpc merge results/quick.*-of-16.shard --out results/quick.h5
      The third of sixteen parts, which run apart from each other, and their union.
  advstep-hpc export --depth 1 --dim 20 --width 50 --network 3 --out net.h5
      One network, to check it in another framework.
  advstep-hpc audit --list
  advstep-hpc audit
      The paper's statements, and how much room they leave.";

const RUN_EXAMPLES: &str = "\
While it runs, finished networks are kept in FILE.h5.journal. The same command goes on from there after any interruption, also
with other ranks, threads and memory. SIGTERM, SIGINT and SIGUSR1 stop a run within --grace; a second SIGINT at once.

Exit codes:
  0   finished
  1   failed
  2   refused: bad input, nothing was done
  75  stopped: start it again to go on

Examples:
  advstep-hpc run --preset paper --threads 8 --memory 24GiB
  advstep-hpc run --config my.toml --seed 7 --out results/my-seed7.h5
  mpirun -n 4 advstep-hpc run --depths 1,2 --widths 10,100,1e3 --overwrite
  advstep-hpc run --preset paper --shard 3/16
  advstep-hpc run --preset paper --max-hours 11.5 --snapshot 30min";

const PLAN_EXAMPLES: &str = "\
Examples:
  advstep-hpc plan --preset paper --memory 24GiB
  advstep-hpc plan --depths 3 --widths 1e4 --memory 4GiB --threads 2
  advstep-hpc plan --preset paper --ranks 64 --threads 1 --memory 24GiB
  advstep-hpc plan --preset paper --ranks 64 --threads 1 --memory 24GiB --sbatch";

const STATUS_EXAMPLES: &str = "\
For batch scripts: launchers do not always pass on how the ranks ended. Give it the arguments of the run, or a file.

Exit codes:
  0   finished: the file is there, complete, and of this experiment
  1   there is nothing of this run
  2   refused: bad input
  75  not finished: there is a journal; re-run to resume

Examples:
  advstep-hpc status --preset paper --out results/paper.h5
  advstep-hpc status results/paper.h5";

const MERGE_EXAMPLES: &str = "\
Examples:
  advstep-hpc merge results/paper.*-of-16.shard --out results/paper.h5";

const SHOW_EXAMPLES: &str = "\
Examples:
  advstep-hpc show results/quick.h5
  advstep-hpc show results/quick.h5 --format json
  advstep-hpc show results/quick.h5 --format csv";

const COMPARE_EXAMPLES: &str = "\
Examples:
  advstep-hpc compare results/quick.h5 results/quick-again.h5";

const PLOT_EXAMPLES: &str = "\
Examples:
  advstep-hpc plot results/quick.h5
  advstep-hpc plot results/paper.h5 --out figures --format svg,png,pdf";

const EXPORT_EXAMPLES: &str = "\
Examples:
  advstep-hpc export --depth 1 --dim 20 --width 50 --network 3 --inputs 10 --seed 7 --out net.h5
  advstep-hpc export --depth 4 --dim 10 --width 100 --gain 2 --precision f64 --out deep.h5
  advstep-hpc export --hidden 60,20,40 --dim 10 --out uneven.h5";

const AUDIT_EXAMPLES: &str = "\
Every network is measured by all statements; runs of the same options give the same numbers on any number of ranks and threads.
An audit is stopped and resumed as a run is.

Examples:
  advstep-hpc audit --list
  advstep-hpc audit
  advstep-hpc audit --dims 100,200 --widths 1e3 --gamma 0.05 --networks 400 --statements lemma-8,lemma-9
  advstep-hpc audit --activation erf,gelu --figures audit-figures --markdown audit.md
  mpirun -n 4 advstep-hpc audit --networks 1000 --gamma 0.1,0.01
  advstep-hpc show results/audit.h5 --full";

const PAGES_EXAMPLES: &str = "\
Examples:
  advstep-hpc completions bash
  advstep-hpc man
  advstep-hpc man --out man1";

/// The smallest gradient step that flips the sign of a random ReLU network
///
/// Measures, over many random networks and inputs, how short a step against the gradient suffices to flip the sign of the
/// network's output. Without a subcommand it runs; without any options it runs preset quick.
#[derive(Debug, Parser)]
#[command(name = "advstep-hpc", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
}

impl Cli {
    /// The command to carry out: `run` when none is named.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment and write its results to one HDF5 file (the default command)
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Show what an experiment would cost, and run nothing
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArgs),
    /// Tell by the files on disk whether a run is finished
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Make one results file of the files of all shards
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(MergeArgs),
    /// Print the statistics of each cell of a results file
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Tell whether two results files hold the same, bit for bit, whenever and wherever they were made; exit code 1 if not
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// Measure the paper's statements on two-layer networks: bounds as printed, what was measured, verdicts
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(AuditArgs),
    /// Draw the paper's figures from a results file
    #[command(after_help = PLOT_EXAMPLES)]
    Plot(PlotArgs),
    /// Write one network exactly as `run --engine dense` uses it, with its inputs and their steps
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Print a completion script for a shell
    #[command(after_help = PAGES_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the man page, or write those of all commands
    #[command(after_help = PAGES_EXAMPLES)]
    Man(ManArgs),
}

/// What `run` and `plan` share.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub experiment: ExperimentArgs,
    /// Run one of n parts of the experiment, i from 1 to n, into a file for `merge`. The parts take about equal time, and have
    /// the same networks on every machine
    #[arg(long, value_name = "i/n", help_heading = "Output")]
    pub shard: Option<Shard>,
    /// Results file [default: results/NAME.h5, or results/NAME.i-of-n.shard, NAME being that of the preset or of the config file without its extension,
    /// whatever the other options]
    #[arg(long, value_name = "FILE.h5", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Write the cells finished so far to FILE.partial.h5 this often, such as 10min
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Output")]
    pub snapshot: Option<Duration>,
    /// Draw the figures in the end, into FILE-figures, in these formats [default when given without a value: svg,png]
    #[arg(long, value_enum, value_name = "FORMAT,...", value_delimiter = ',', num_args = 0..=1, default_missing_value = "svg,png", require_equals = true, help_heading = "Output")]
    pub plot: Option<Vec<plot::Format>>,
    #[command(flatten)]
    pub job: JobArgs,
}

/// How a job is run: what `run` and `audit` share.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// Replace the output if it exists. A job that was not finished goes on all the same
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Start over: the output, and the journal of a job that was not finished, are moved aside to FILE.old-1 and so on
    #[arg(long, help_heading = "Output")]
    pub fresh: bool,
    /// No progress and no table, only errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
    /// Worker threads of each rank [default: all cores this rank may use]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = number, help_heading = "Machine")]
    pub threads: Option<f64>,
    /// Memory that each rank may use, such as 8GiB or 500MB [default: its share of what is free]
    #[arg(long, value_name = "SIZE", help_heading = "Machine")]
    pub memory: Option<ByteSize>,
    /// Stop when this many hours are over, the grace included, to be started again
    #[arg(long, value_name = "H", allow_negative_numbers = true, value_parser = number, help_heading = "Machine")]
    pub max_hours: Option<f64>,
    /// How long a stop waits for networks that run, and how long saving is tried when the disk is full; seconds, or such as 2min
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s", help_heading = "Machine")]
    pub grace: Duration,
}

/// What may be audited.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Input dimensions d [default: 50,150,500]
    #[arg(long, value_name = "D,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number, help_heading = "Audit")]
    pub dims: Option<Vec<f64>>,
    /// Widths k [default: 50,1e3,1e4]
    #[arg(long, value_name = "K,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number, help_heading = "Audit")]
    pub widths: Option<Vec<f64>>,
    /// Failure probabilities γ of the statements that hold with probability 1 − γ [default: 0.1]
    #[arg(long, value_name = "G,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number, help_heading = "Audit")]
    pub gamma: Option<Vec<f64>>,
    /// Activations ψ [default: relu,tanh]
    #[arg(long, value_enum, value_name = "PSI,...", value_delimiter = ',', help_heading = "Audit")]
    pub activation: Option<Vec<Activation>>,
    /// Networks at each setting, with one input each; statements that take long measure fewer [default: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number, help_heading = "Audit")]
    pub networks: Option<f64>,
    /// Statements to audit, as in --list [default: all]
    #[arg(long, value_name = "ID,...", value_delimiter = ',', help_heading = "Audit")]
    pub statements: Option<Vec<String>>,
    /// Master seed: every random number follows from it [default: 2020]
    #[arg(long, value_name = "S", allow_negative_numbers = true, help_heading = "Audit")]
    pub seed: Option<i64>,
    /// List the statements, and audit none
    #[arg(long, help_heading = "Audit")]
    pub list: bool,
    /// File of the audit
    #[arg(long, value_name = "FILE.h5", default_value = "results/audit.h5", help_heading = "Output")]
    pub out: PathBuf,
    /// Write the tables in Markdown, too
    #[arg(long, value_name = "FILE.md", help_heading = "Output")]
    pub markdown: Option<PathBuf>,
    /// Draw the figures into this directory
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub figures: Option<PathBuf>,
    /// Formats of the figures
    #[arg(long, value_enum, value_name = "FORMAT,...", value_delimiter = ',', default_value = "svg,png", help_heading = "Output")]
    pub format: Vec<plot::Format>,
    /// Print a line for each setting, not one that sums them up
    #[arg(long, help_heading = "Output")]
    pub full: bool,
    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// Tell what it takes on this many ranks, each with the --threads and the --memory given [default: 1]
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = number, help_heading = "Machine")]
    pub ranks: Option<f64>,
    /// Print the head of a Slurm batch script for that, and nothing else
    #[arg(long, help_heading = "Output")]
    pub sbatch: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// File of the run, whatever its experiment; in place of the arguments of `run`
    #[arg(conflicts_with = "out")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Files of all shards of one experiment, in any order
    #[arg(required = true)]
    pub shards: Vec<PathBuf>,
    /// Results file
    #[arg(long, value_name = "FILE.h5", help_heading = "Output")]
    pub out: PathBuf,
    /// Replace the results file if it exists
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// No table, only errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

/// What decides the experiment. Each option given overrides the preset or file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Experiment")]
pub struct ExperimentArgs {
    /// Start from a preset [default: quick, unless --config is given]
    #[arg(long, value_enum, conflicts_with = "config")]
    pub preset: Option<Preset>,
    /// Start from a TOML file in the format of the presets
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Numbers of hidden layers L, such as 1,2
    #[arg(long, value_name = "L,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number)]
    pub depths: Option<Vec<f64>>,
    /// Input dimensions d, such as 10,100
    #[arg(long, value_name = "D,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number)]
    pub dims: Option<Vec<f64>>,
    /// Widths k of the hidden layers, such as 10,1e3,inf; at every depth, in place of all widths of the preset or file
    #[arg(long, value_name = "K,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number)]
    pub widths: Option<Vec<f64>>,
    /// Widths of the hidden layers, first to last, of a network whose layers differ, such as 1000,500,100; given several times, of several. In
    /// place of depths and widths
    #[arg(long, value_name = "K1,K2,...", allow_hyphen_values = true, value_parser = layers)]
    pub hidden: Option<Vec<Layers>>,
    /// Networks of each cell (a depth, dim and width) [presets: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number)]
    pub networks: Option<f64>,
    #[command(flatten)]
    pub law: LawArgs,
    /// How layers of finite width are multiplied [presets: auto]
    #[arg(long, value_enum)]
    pub engine: Option<EngineChoice>,
}

/// How a network is drawn and searched: what `run`, `plan` and `export` share.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Experiment")]
pub struct LawArgs {
    /// Inputs of each network [presets: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number)]
    pub inputs: Option<f64>,
    /// Variance of a weight of layers 2..L times the width: 1 is the paper's, 2 is He scaling [presets: 1]
    #[arg(long, value_name = "G", allow_negative_numbers = true, value_parser = number)]
    pub gain: Option<f64>,
    /// Law of the readout weights [presets: sign]
    #[arg(long, value_enum)]
    pub readout: Option<Readout>,
    /// Activation of every layer [presets: relu]
    #[arg(long, value_enum)]
    pub activation: Option<Activation>,
    /// Make the last coordinate of every input a bias unit: it is 1, and steps are projected so that they leave it alone
    #[arg(long)]
    pub bias: bool,
    /// Law of the inputs: sphere (of radius √d), gaussian, hypercube (±1), or rows of a file, scaled to the length √d: file:PATH.npy,
    /// file:PATH.h5 or file:PATH.h5:DATASET [presets: sphere]
    #[arg(long, value_name = "LAW")]
    pub inputs_law: Option<String>,
    /// Where steps go; with several, each is taken from the same inputs of the same networks [presets: gradient]
    #[arg(long, value_enum, value_name = "DIRECTION,...", value_delimiter = ',')]
    pub direction: Option<Vec<Direction>>,
    /// Largest step searched [presets: 20]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = number)]
    pub bound: Option<f64>,
    /// Master seed: every random number follows from it [presets: 2020]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub seed: Option<i64>,
    /// Arithmetic of the networks [presets: f32]
    #[arg(long, value_enum)]
    pub precision: Option<Precision>,
    /// How the smallest step is searched for; not at infinite width, where paths are sampled [presets: auto]
    #[arg(long, value_enum)]
    pub search: Option<SearchChoice>,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Results file of `run`, or the file of an audit
    pub file: PathBuf,
    /// Form of the output; json is one object a line and a cell
    #[arg(long, value_enum, default_value = "table")]
    pub format: show::Format,
    /// Of an audit: print a line for each setting, not one that sums them up
    #[arg(long)]
    pub full: bool,
    /// Read a file that another program has changed (h5py, h5repack, nccopy, xarray), after a check of every value. Not for damaged files, on
    /// which the HDF5 library can crash
    #[arg(long)]
    pub unsealed: bool,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Results file of `run` or `merge`, or the file of an audit
    pub one: PathBuf,
    /// Another
    pub other: PathBuf,
    /// Read files that another program has changed (h5py, h5repack, nccopy, xarray), after a check of every value, and compare experiments,
    /// methods and samples. Not for damaged files, on which the HDF5 library can crash
    #[arg(long)]
    pub unsealed: bool,
}

#[derive(Debug, Args)]
pub struct PlotArgs {
    /// Results file of `run`, or the file of an audit
    pub file: PathBuf,
    /// Directory of the pictures, which replace those of the same names [default: FILE without its extension, with -figures]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Formats of the pictures
    #[arg(long, value_enum, value_name = "FORMAT,...", value_delimiter = ',', default_value = "svg,png")]
    pub format: Vec<plot::Format>,
    /// Read a file that another program has changed (h5py, h5repack, nccopy, xarray), after a check of every value. Not for damaged files, on
    /// which the HDF5 library can crash
    #[arg(long)]
    pub unsealed: bool,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Number of hidden layers L
    #[arg(long, value_name = "L", allow_negative_numbers = true, value_parser = number, required_unless_present = "hidden")]
    pub depth: Option<f64>,
    /// Input dimension d
    #[arg(long, value_name = "D", allow_negative_numbers = true, value_parser = number)]
    pub dim: f64,
    /// Width k of the hidden layers
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = number, required_unless_present = "hidden")]
    pub width: Option<f64>,
    /// Widths of the hidden layers, first to last, such as 1000,500,100: in place of depth and width
    #[arg(long, value_name = "K1,K2,...", allow_hyphen_values = true, value_parser = layers, conflicts_with_all = ["depth", "width"])]
    pub hidden: Option<Layers>,
    /// Index of the network within its cell, from 0
    #[arg(long, value_name = "I", allow_negative_numbers = true, value_parser = number, default_value = "0")]
    pub network: f64,
    #[command(flatten)]
    pub law: LawArgs,
    /// File to write
    #[arg(long, value_name = "FILE.h5", help_heading = "Output")]
    pub out: PathBuf,
    /// Replace the file if it exists
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Directory to write the page of every command to, replacing those there
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// A number in any notation of floating-point numbers. NaN and infinity pass: validation has better words for them.
fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| "not a number; write it as 10 or 1e3".to_string())
}

/// The widths of the hidden layers of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers(pub Vec<f64>);

fn layers(text: &str) -> Result<Layers, String> {
    let widths: Result<_, String> = text.split(',').map(number).collect();
    Ok(Layers(widths.map_err(|_| "not a list of numbers; write it as 1000,500,100".to_string())?))
}

/// A time such as 90, 90s or 1min 30s.
fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let seconds = text.parse().ok().map(|seconds: u64| Ok(Duration::from_secs(seconds)));
    seconds.unwrap_or_else(|| humantime::parse_duration(text)).map_err(|_| "not a time; write it as 30s, 10min or 2h".to_string())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn run_args(words: &str) -> RunArgs {
        match Cli::try_parse_from(words.split_whitespace()).unwrap().into_command() {
            Command::Run(args) => args,
            other => panic!("{words} gave {other:?}"),
        }
    }

    #[test]
    fn the_derived_parser_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn no_subcommand_means_run() {
        for words in ["advstep-hpc --preset paper --widths 10,1e3", "advstep-hpc run --preset paper --widths 10,1e3"] {
            let args = run_args(words);
            assert_eq!(args.experiment.preset, Some(Preset::Paper));
            assert_eq!(args.experiment.widths, Some(vec![10.0, 1e3]));
        }
    }

    #[test]
    fn memory_has_units() {
        for (text, bytes) in [("8GiB", 8 << 30), ("500MB", 500_000_000), ("1.5kB", 1500), ("4096", 4096)] {
            assert_eq!(run_args(&format!("advstep-hpc --memory {text}")).job.memory, Some(ByteSize(bytes)));
        }
    }

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10min", 600), ("1h30m", 5400), ("0", 0)] {
            assert_eq!(run_args(&format!("advstep-hpc --grace {text}")).job.grace, Duration::from_secs(seconds));
        }
        assert_eq!(run_args("advstep-hpc --snapshot 10min").snapshot, Some(Duration::from_secs(600)));
        for text in ["soon", "-1", "1.5", "10 parsecs", ""] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_said_of_the_presets_are_theirs() {
        use clap::CommandFactory;
        let experiment = Preset::Quick.options().validate().unwrap();
        let said = |id: &str| {
            let command = Cli::command();
            let help = command.get_arguments().find(|argument| argument.get_id() == id).unwrap().get_help().unwrap().to_string();
            help.split_once("[presets: ").unwrap().1.trim_end_matches(']').to_string()
        };
        let name = |value: Option<clap::builder::PossibleValue>| value.unwrap().get_name().to_string();
        for (id, value) in [
            ("networks", experiment.networks.to_string()),
            ("inputs", experiment.inputs.to_string()),
            ("gain", experiment.gain.to_string()),
            ("readout", name(experiment.readout.to_possible_value())),
            ("activation", experiment.activation.name().to_string()),
            ("inputs_law", experiment.inputs_law.to_string()),
            ("direction", name(experiment.directions[0].to_possible_value())),
            ("bound", experiment.bound.to_string()),
            ("seed", experiment.seed.to_string()),
            ("precision", name(experiment.precision.to_possible_value())),
            ("engine", name(experiment.engine.to_possible_value())),
            ("search", name(experiment.search.to_possible_value())),
        ] {
            assert_eq!(said(id), value, "--{id}");
        }
    }

    #[test]
    fn examples_in_the_help_parse() {
        let texts = [
            EXAMPLES,
            RUN_EXAMPLES,
            PLAN_EXAMPLES,
            STATUS_EXAMPLES,
            MERGE_EXAMPLES,
            SHOW_EXAMPLES,
            COMPARE_EXAMPLES,
            PLOT_EXAMPLES,
            EXPORT_EXAMPLES,
            AUDIT_EXAMPLES,
            PAGES_EXAMPLES,
        ];
        let mut examples = 0;
        for line in texts.iter().flat_map(|text| text.lines()) {
            let Some(start) = line.find("advstep-hpc") else { continue };
            let parsed = Cli::try_parse_from(line[start..].split_whitespace());
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            examples += 1;
        }
        assert!(examples >= 20, "{examples}");
    }
}
