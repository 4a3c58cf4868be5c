//! The subcommands and their arguments as typed. Only their syntax is checked here.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand};

use super::plot::{PlotArgs, ReportArgs};
use crate::experiment::Shard;
use crate::experiment::presets::Preset;
use crate::given::options::parse_output;
use crate::interchange::network::Slopes;
use crate::measure::given::Output;
use crate::model::Activation;
use crate::model::{Direction, EngineChoice, Precision, Readout, SearchChoice};
use crate::plan::teams::TeamChoice;
use crate::plot;
use crate::results::show;

const EXAMPLES: &str = "\
Examples:
  advstep-hpc
      Run preset quick, into results/quick.h5.
  advstep-hpc plan --preset paper --memory 24GiB
      Predict the cost of the paper's experiment on this machine.
  mpirun -n 4 advstep-hpc --preset paper --memory 24GiB --out paper.h5
      Run it on four ranks.
  advstep-hpc --depths 1 --dims 10,100 --widths 10,1e3,inf --seed 7 --out wide.h5
      Run quick on another grid, with other networks and the limit k = ∞.
  advstep-hpc --hidden 1000,500,100 --out narrowing.h5
      Three hidden layers of different widths.
  advstep-hpc --config my.toml
      Run an experiment of your own, into results/my.h5.
  advstep-hpc show results/quick.h5
  advstep-hpc plot results/quick.h5 --format svg,pdf
      Print and draw the results.
  advstep-hpc --shard 3/16
  advstep-hpc merge results/quick.*-of-16.shard --out results/quick.h5
      Run the third of sixteen independent shards; merge all of them.
  advstep-hpc export --depth 1 --dim 20 --width 50 --network 3 --out net.h5
      Export one network to check it in another framework.
  advstep-hpc audit --list
  advstep-hpc audit
      List the paper's statements; measure the margin of their bounds.";

const RUN_EXAMPLES: &str = "\
Finished networks are saved in FILE.h5.journal. After any interruption the same command resumes from it, also with other ranks, threads
and memory. SIGTERM, SIGINT and SIGUSR1 stop a run within --grace; a second SIGINT stops it at once.

Exit codes:
  0   finished
  1   failed
  2   bad input, nothing was done
  75  stopped; re-run to resume

Examples:
  advstep-hpc run --preset paper --threads 8 --memory 24GiB
  advstep-hpc run --config my.toml --seed 7 --out results/my-seed7.h5
  mpirun -n 4 advstep-hpc run --depths 1,2 --widths 10,100,1e3,inf --overwrite
  advstep-hpc run --networks 400 --extend results/quick.h5 --out results/quick-400.h5
  advstep-hpc run --preset paper --shard 3/16
  advstep-hpc run --preset paper --max-hours 11.5 --snapshot 30min";

const PLAN_EXAMPLES: &str = "\
Examples:
  advstep-hpc plan --preset paper --memory 24GiB
  advstep-hpc plan --depths 3 --widths 1e4,inf --memory 4GiB --threads 2 --all
  advstep-hpc plan --preset paper --ranks 64 --threads 1 --memory 24GiB
  advstep-hpc plan --preset paper --ranks 64 --threads 1 --memory 24GiB --sbatch
  advstep-hpc plan --networks 400 --extend results/quick.h5 --out results/quick-400.h5 --calibrate";

const STATUS_EXAMPLES: &str = "\
For batch scripts: launchers do not always pass on the exit code of the ranks. Takes the arguments of the run, or a file.

Exit codes:
  0   finished: the file is complete and of this experiment
  1   neither a finished file nor a journal of this run
  2   bad input
  75  not finished: it has a journal; re-run to resume

Examples:
  advstep-hpc status --preset paper --out results/paper.h5
  advstep-hpc status results/paper.h5";

const MERGE_EXAMPLES: &str = "\
Shards must be all those of one experiment. Results files must agree in seed, number of networks and everything else that decides the \
numbers; they may overlap. The merged file is what one run of all their cells would write, whether or not these form a full grid.

Examples:
  advstep-hpc merge results/paper.*-of-16.shard --out results/paper.h5
  advstep-hpc merge narrow.h5 wide.h5 deep.h5 --out all.h5";

const SHOW_EXAMPLES: &str = "\
Columns of the table, one line per cell (and direction):
  L, d, k          depth (hidden layers), input dimension, width
  shape            widths of the hidden layers, first to last, in place of k for runs with --hidden
  direction        direction of the steps, if not only the gradient
  found %          inputs whose sign flips at a step of at most the bound
  lost %           the same, counting also inputs at which f becomes 0 and does not flip; only where that happens
  η*               smallest step that flips the sign, over the found inputs: mean, std, quantiles
  ‖δ‖, ‖δ‖/‖x‖     Euclidean distance to the flip (for descents the straight one), also relative to the input: mean over the found inputs
  ‖δ‖∞             largest change of a coordinate: mean over the found inputs, direction sign only
  path             length of the path to the flip, at least ‖δ‖: mean over the found inputs, direction descent only
  ratio            ‖δ‖ over that along the first direction, input by input, where both are found: median, 5 % and 95 % quantiles
  certified        with --certify: distance below which no direction changes the sign, mean over the inputs of direction nearest, and the
                   median of its ratio to ‖δ‖
  ‖∇f‖             gradient norm at the inputs
  dead             number of inputs with f = 0 or ∇f = 0; no step is searched there
  evals            work of the search per input; its unit depends on the search: passes over the neurons (line, march), linear
                   pieces (trace), network evaluations (scan), gradient steps (descent), sampled points (path), moves (direction nearest)
  search           how the smallest step is searched
  thread-s         seconds of one thread for all networks of the cell, in the first of its lines: directions are measured together
  networks         only of a journal: the networks finished so far, of all, in cells that are in part
json and csv add std over networks (*_std_networks), the engine and the settings, in full precision.

Of a journal, FILE.h5.journal, it prints what is done, the rate, the time left and the table so far, also while the job runs: it takes no
lock and changes nothing. So does FILE.h5 as long as there is only its journal.

Examples:
  advstep-hpc show results/quick.h5
  advstep-hpc show results/quick.h5.journal
  advstep-hpc show results/quick.h5 --format json
  advstep-hpc show results/quick.h5 --format csv";

const COMPARE_EXAMPLES: &str = "\
Examples:
  advstep-hpc compare results/quick.h5 results/quick-again.h5";

const PLOT_EXAMPLES: &str = "\
Examples:
  advstep-hpc plot results/quick.h5
  advstep-hpc plot results/paper.h5 --out figures --format svg,png,pdf
  advstep-hpc plot results/quick.h5 --figure fraction,phase --depths 1,2 --style paper --format pdf
  advstep-hpc plot results/quick.h5 --x d --y eta --widths 100,1000 --size 3.3in,2.5in --data
  advstep-hpc plot relu.h5 tanh.h5 --label relu,tanh --out activations
  advstep-hpc plot nearest.h5 --overlay --band stderr --log xy";

const REPORT_EXAMPLES: &str = "\
The page is a single file and works offline. Its figures show the value under the pointer (or use the arrow keys); the legend hides \
and shows curves, axes are linear or logarithmic, and a click on a column heading sorts the table. Distributions are drawn from at most 100 \
quantiles each.

Examples:
  advstep-hpc report results/quick.h5 --out report.html
  advstep-hpc report relu.h5 tanh.h5 --label relu,tanh --title Activations --out activations.html";

const EXPORT_EXAMPLES: &str = "\
Examples:
  advstep-hpc export --depth 1 --dim 20 --width 50 --network 3 --inputs 10 --seed 7 --out net.h5
  advstep-hpc export --depth 4 --dim 10 --width 100 --gain 2 --precision f64 --out deep.h5
  advstep-hpc export --hidden 60,20,40 --dim 10 --out uneven.h5
  advstep-hpc export --depth 2 --dim 10 --width 30 --out net.safetensors";

const AUDIT_EXAMPLES: &str = "\
All statements are measured on the same networks; where a verdict is undecided or not refuted, networks are added. The results do not depend on the number of ranks and threads. An audit is stopped and
resumed like a run.

Examples:
  advstep-hpc audit --list
  advstep-hpc audit
  advstep-hpc audit --dims 100,200 --widths 1e3 --gamma 0.05 --networks 400 --statements lemma-8,lemma-9
  advstep-hpc audit --depths 1,2,3 --hidden 100,10,100 --dims 50,200
  advstep-hpc audit --activation erf,gelu --figures audit-figures --markdown audit.md
  mpirun -n 4 advstep-hpc audit --networks 1000 --gamma 0.1,0.01
  advstep-hpc show results/audit.h5 --full";

const MEASURE_EXAMPLES: &str = "\
The search along a line is exact for piecewise linear networks (relu, leaky-relu) up to width 100, or at any width with --search exact. \
Wider deep networks and smooth activations are scanned. The results do not depend on the number of ranks and threads. A measurement stops \
and resumes like a run.

Examples:
  advstep-hpc measure mlp.safetensors --activation relu --inputs digits.npz --logits predicted
  advstep-hpc measure mlp.npz --activation tanh --inputs table.csv --labels ::kind --logits 3,5 --direction gradient,nearest
  advstep-hpc measure net.h5 --inputs net.h5::X --search exact --out net-steps.h5
  mpirun -n 4 advstep-hpc measure mlp.safetensors --activation relu --inputs images.npy --rescale --figures figures
  advstep-hpc show results/measure.h5";

const THRESHOLD_EXAMPLES: &str = "\
Searches over widths at a fixed --dim, or over input dimensions at a fixed --width. Writes a results file with the cells measured; show
prints the thresholds again. Stopped and resumed like a run.

Examples:
  advstep-hpc threshold --depths 1-6 --dim 500 --level 0.99
  advstep-hpc threshold --depths 1 --width 1000 --out dims.h5
  advstep-hpc threshold --depths 1-3 --width inf --to 2000
  advstep-hpc threshold --depths 2 --dim 500 --ratio 1.2 --networks 200 --max-networks 3200
  advstep-hpc show results/threshold.h5";

const PAGES_EXAMPLES: &str = "\
Examples:
  advstep-hpc completions bash
  advstep-hpc man
  advstep-hpc man --out man1";

/// How small a gradient step flips the sign of a random network's output?
///
/// Measures the smallest step against the gradient that flips the sign of the output, over many random networks and inputs. Without a
/// command it runs; without options it runs preset quick.
#[derive(Debug, Parser)]
#[command(name = "advstep-hpc", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
}

impl Cli {
    /// The command given, or `run`.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment and write its results to one HDF5 file (the default command)
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Predict the time and memory of an experiment, without running it
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArgs),
    /// Check on disk whether a run is finished
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Merge the files of all shards, or finished results files, into one results file
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(MergeArgs),
    /// Print the statistics of each cell of a results file
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Compare two results files bit for bit, apart from provenance and times; exit code 1 if they differ
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// Measure the paper's statements on two-layer networks: printed bounds, measured values, verdicts
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(AuditArgs),
    /// Draw the paper's figures from a results file, or chosen ones from several
    #[command(after_help = PLOT_EXAMPLES)]
    Plot(PlotArgs),
    /// Write one HTML page with figures, tables, experiment and machine of results files
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Write one network exactly as `run --engine dense` uses it, with its inputs and their steps, or as safetensors, NPZ or ONNX
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Measure smallest steps of a given network, trained or not, at given inputs
    #[command(after_help = MEASURE_EXAMPLES)]
    Measure(MeasureArgs),
    /// Find the width or input dimension from which on a fraction of the inputs switches, by bisection
    #[command(after_help = THRESHOLD_EXAMPLES)]
    Threshold(ThresholdArgs),
    /// Print a completion script for a shell
    #[command(after_help = PAGES_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the man page, or write the man pages of all commands
    #[command(after_help = PAGES_EXAMPLES)]
    Man(ManArgs),
}

/// Arguments of `run`, `plan` and `status`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub experiment: ExperimentArgs,
    /// Run shard i of n (i from 1 to n) of the experiment, into a file for `merge`. Shards take about equal time; which networks they have
    /// does not depend on the machine
    #[arg(long, value_name = "i/n", help_heading = "Output")]
    pub shard: Option<Shard>,
    /// Results file [default: results/NAME.h5, or results/NAME.i-of-n.shard; NAME is the preset, or the config file without its extension]
    #[arg(long, value_name = "FILE.h5", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Reuse the networks in this results file, journal or shard of the same experiment on another grid or with other --networks, and
    /// compute the rest. May be repeated; the file is not changed. `plan` tells what is reused and what the rest costs
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub extend: Vec<PathBuf>,
    /// Interval at which the finished cells are written to FILE.partial.h5, such as 10min [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Output")]
    pub snapshot: Option<Duration>,
    /// Draw the figures at the end, into FILE-figures, in these formats [without a value: svg,png]
    #[arg(long, value_enum, value_name = "FORMAT,...", value_delimiter = ',', num_args = 0..=1, default_missing_value = "svg,png", require_equals = true, help_heading = "Output")]
    pub plot: Option<Vec<plot::ImageFormat>>,
    #[command(flatten)]
    pub team: TeamArgs,
    #[command(flatten)]
    pub job: JobArgs,
}

/// The argument of `run`, `plan` and `threshold` about who computes a network.
#[derive(Debug, Args)]
pub struct TeamArgs {
    /// Who computes a network: one thread (none); or, where that can be, all threads of N ranks together (N); or such teams where a network would
    /// not fit a rank or would take too long (auto). The results are the same
    #[arg(long, value_name = "auto|none|N", value_parser = team, default_value = "auto", help_heading = "Machine")]
    pub team: TeamChoice,
}

/// Arguments of `run`, `audit`, `measure` and `threshold`: how the job is run.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// Replace the output if it exists; an unfinished job is still resumed
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Start over: move the output and the journal of an unfinished job aside, to FILE.old-1 and so on
    #[arg(long, help_heading = "Output")]
    pub fresh: bool,
    /// Print neither progress nor the table, only errors and warnings
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
    /// Worker threads per rank [default: all cores the rank may use]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = number, help_heading = "Machine")]
    pub threads: Option<f64>,
    /// Memory per rank, such as 8GiB or 500MB [default: its share of the node's free memory]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Machine")]
    pub memory: Option<ByteSize>,
    /// Stop after this many hours, the grace included; re-run to resume
    #[arg(long, value_name = "H", allow_negative_numbers = true, value_parser = number, help_heading = "Machine")]
    pub max_hours: Option<f64>,
    /// How long a stop waits for running networks, and how long saving to a full disk is retried, such as 90 (seconds) or 2min
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s", help_heading = "Machine")]
    pub grace: Duration,
}

/// Arguments of `audit`.
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
    /// Networks per setting at first, with one input each; expensive statements measure fewer [default: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number, help_heading = "Audit")]
    pub networks: Option<f64>,
    /// Networks per setting up to which they are doubled while a verdict is undecided or not refuted; proportionally fewer for expensive statements [default:
    /// four times --networks, or what --gamma needs]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number, help_heading = "Audit")]
    pub max_networks: Option<f64>,
    /// Numbers of hidden layers: audits the multi-layer statements, at every depth and width [default widths: 50,200,800]
    #[arg(long, value_name = "L,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number, help_heading = "Audit")]
    pub depths: Option<Vec<f64>>,
    /// Widths of the hidden layers, first to last, such as 100,10,100, for the multi-layer statements; repeat for several networks
    #[arg(long, value_name = "K,...", allow_hyphen_values = true, value_parser = layers, help_heading = "Audit")]
    pub hidden: Option<Vec<Layers>>,
    /// Gains of the multi-layer statements: weights above the first layer have variance gain/fan-in [default: 2]
    #[arg(long, value_name = "G,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number, help_heading = "Audit")]
    pub gain: Option<Vec<f64>>,
    /// Statements to audit, as in --list [default: all of two-layer networks, or all multi-layer ones]
    #[arg(long, value_name = "ID,...", value_delimiter = ',', help_heading = "Audit")]
    pub statements: Option<Vec<String>>,
    /// Master seed of all random numbers [default: 2020]
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = seed, help_heading = "Audit")]
    pub seed: Option<i64>,
    /// List the statements and exit
    #[arg(long, help_heading = "Audit")]
    pub list: bool,
    /// Audit file
    #[arg(long, value_name = "FILE.h5", default_value = "results/audit.h5", help_heading = "Output")]
    pub out: PathBuf,
    /// Also write the tables in Markdown
    #[arg(long, value_name = "FILE.md", help_heading = "Output")]
    pub markdown: Option<PathBuf>,
    #[command(flatten)]
    pub figures: FiguresArgs,
    /// Print one line per setting instead of a summary line
    #[arg(long, help_heading = "Output")]
    pub full: bool,
    #[command(flatten)]
    pub job: JobArgs,
}

/// The figures that `audit` and `measure` draw of their file.
#[derive(Debug, Args)]
pub struct FiguresArgs {
    /// Directory to draw the figures into [default: no figures]
    #[arg(long = "figures", id = "figures", value_name = "DIR", help_heading = "Output")]
    pub directory: Option<PathBuf>,
    /// Formats of the figures
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT,...",
        value_delimiter = ',',
        default_value = "svg,png",
        requires = "figures",
        help_heading = "Output"
    )]
    pub format: Vec<plot::ImageFormat>,
}

/// Arguments of `measure`.
#[derive(Debug, Args)]
pub struct MeasureArgs {
    /// Fully connected network: a PyTorch state_dict as .safetensors or .npz, an .onnx model, or .h5 as written by export
    #[arg(value_name = "NET")]
    pub network: PathBuf,
    /// Inputs, one per row: FILE.npy, FILE.npz, FILE.h5 or FILE.csv; FILE::NAME for one of several arrays
    #[arg(long, value_name = "FILE[::NAME]", help_heading = "Measurement")]
    pub inputs: String,
    /// Labels of the inputs: a file of the same formats, ::NAME for an array or column of the inputs file, or none, which makes all columns of a
    /// CSV file inputs [default: the array or column named label, labels or y, if there is one]
    #[arg(long, value_name = "FILE[::NAME]|none", help_heading = "Measurement")]
    pub labels: Option<String>,
    /// Scale every input to norm √d, as in a run
    #[arg(long, help_heading = "Measurement")]
    pub rescale: bool,
    /// Activation of the hidden layers, for files that do not say
    #[arg(long, value_enum, help_heading = "Measurement")]
    pub activation: Option<Activation>,
    /// Slope below 0 of the leaky ReLU of a state_dict: one, one per hidden layer, or prelu, the weights of PReLU in the file [default: 0.01]
    #[arg(long, value_name = "A,...|prelu", allow_hyphen_values = true, value_parser = slopes, help_heading = "Measurement")]
    pub slope: Option<Slopes>,
    /// The function f of a network with several outputs: the difference of two outputs, such as 3,5; one output, such as 3; or predicted, the margin
    /// of the predicted class over every other one
    #[arg(long, value_name = "I,J|predicted", value_parser = logits, help_heading = "Measurement")]
    pub logits: Option<Output>,
    /// Directions of the steps
    #[arg(
        long,
        value_enum,
        value_name = "DIRECTION,...",
        value_delimiter = ',',
        default_value = "gradient",
        help_heading = "Measurement"
    )]
    pub direction: Vec<Direction>,
    /// Starting points of direction nearest, per input: the gradient, then random turns of the best direction [default: 4]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number, help_heading = "Measurement")]
    pub nearest_starts: Option<f64>,
    /// Largest step η searched, in units of the gradient [default: none, if the distance is bounded]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = number, help_heading = "Measurement")]
    pub bound: Option<f64>,
    /// Largest distance ‖δ‖ searched [default: twice the largest norm of an input, unless --bound is given]
    #[arg(long, value_name = "D", allow_negative_numbers = true, value_parser = number, help_heading = "Measurement")]
    pub bound_distance: Option<f64>,
    /// Master seed of random directions and turns [default: 2020]
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = seed, help_heading = "Measurement")]
    pub seed: Option<i64>,
    /// Search for the smallest step
    #[arg(long, value_enum, default_value = "auto", help_heading = "Measurement")]
    pub search: SearchChoice,
    /// File of the measurement
    #[arg(long, value_name = "FILE.h5", default_value = "results/measure.h5", help_heading = "Output")]
    pub out: PathBuf,
    #[command(flatten)]
    pub figures: FiguresArgs,
    #[command(flatten)]
    pub job: JobArgs,
}

/// Arguments of `threshold`.
#[derive(Debug, Args)]
pub struct ThresholdArgs {
    /// Depths L (numbers of hidden layers), such as 1-6 or 1,2,4
    #[arg(long, value_name = "L,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = range, help_heading = "Search")]
    pub depths: Vec<Range>,
    /// Search over widths, at this input dimension d
    #[arg(long, value_name = "D", allow_negative_numbers = true, value_parser = number, help_heading = "Search")]
    pub dim: Option<f64>,
    /// Search over input dimensions, at this width k, such as 1e3 or inf
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = number, help_heading = "Search")]
    pub width: Option<f64>,
    /// Fraction of the inputs that is to switch, between 0 and 1
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = number, default_value = "0.99", help_heading = "Search")]
    pub level: f64,
    /// Wanted ratio of the limits of an interval
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = number, default_value = "1.1", help_heading = "Search")]
    pub ratio: f64,
    /// Smallest size searched
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number, default_value = "1", help_heading = "Search")]
    pub from: f64,
    /// Largest size searched [default: a width of 1e5, a dim of 1e4]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number, help_heading = "Search")]
    pub to: Option<f64>,
    /// Networks per cell at first [default: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number, help_heading = "Search")]
    pub networks: Option<f64>,
    /// Networks per cell up to which they are doubled [default: four times --networks, or what the level needs without a failure]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number, help_heading = "Search")]
    pub max_networks: Option<f64>,
    #[command(flatten)]
    pub law: LawArgs,
    /// How layers of finite width are multiplied: with explicit weights or implicitly [presets: auto]
    #[arg(long, value_enum, help_heading = "Experiment")]
    pub engine: Option<EngineChoice>,
    /// Results file
    #[arg(long, value_name = "FILE.h5", default_value = "results/threshold.h5", help_heading = "Output")]
    pub out: PathBuf,
    #[command(flatten)]
    pub team: TeamArgs,
    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// Predict for this many ranks, each with the given --threads and --memory [default: 1]
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = number, help_heading = "Machine")]
    pub ranks: Option<f64>,
    /// Measure this machine for two seconds, on as many threads as a rank has, and correct the predicted times; else they are those of cores with
    /// AVX-512. `run` does the same before a run that is predicted to take more than a minute
    #[arg(long, help_heading = "Machine")]
    pub calibrate: bool,
    /// Print one row per cell instead of one per depth
    #[arg(long, help_heading = "Output")]
    pub all: bool,
    /// Print only the header of a Slurm batch script for it
    #[arg(long, help_heading = "Output")]
    pub sbatch: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Output file of the run, of any experiment; instead of the arguments of `run`
    #[arg(conflicts_with = "out")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Files of all shards of one experiment, or finished results files, in any order
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Results file
    #[arg(long, value_name = "FILE.h5", help_heading = "Output")]
    pub out: PathBuf,
    /// Replace the results file if it exists
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Print no table, only errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

/// The experiment. Options override the preset or config file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Experiment")]
pub struct ExperimentArgs {
    /// Start from a preset [default: quick, unless --config is given]
    #[arg(long, value_enum, conflicts_with = "config")]
    pub preset: Option<Preset>,
    /// Start from a TOML file in the format of the presets
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Depths L (numbers of hidden layers), such as 1,2
    #[arg(long, value_name = "L,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number)]
    pub depths: Option<Vec<f64>>,
    /// Input dimensions d, such as 10,100
    #[arg(long, value_name = "D,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number)]
    pub dims: Option<Vec<f64>>,
    /// Widths k of the hidden layers, such as 10,1e3,inf; for every depth, replacing all widths of the preset or file
    #[arg(long, value_name = "K,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number)]
    pub widths: Option<Vec<f64>>,
    /// Widths of the hidden layers, first to last, if they differ, such as 1000,500,100; repeat for several networks. Replaces depths and
    /// widths
    #[arg(long, value_name = "K1,K2,...", allow_hyphen_values = true, value_parser = layers)]
    pub hidden: Option<Vec<Layers>>,
    /// Networks per cell (a depth, dim and width) [presets: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number)]
    pub networks: Option<f64>,
    #[command(flatten)]
    pub law: LawArgs,
    /// How layers of finite width are multiplied: with explicit weights or implicitly [presets: auto]
    #[arg(long, value_enum)]
    pub engine: Option<EngineChoice>,
}

/// Arguments of `run`, `plan`, `status` and `export`: how a network is drawn and searched.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Experiment")]
pub struct LawArgs {
    /// Inputs per network [presets: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number)]
    pub inputs: Option<f64>,
    /// Variance of a weight of layers 2..L, times the width: 1 in the paper, 2 for He scaling [presets: 1]
    #[arg(long, value_name = "G", allow_negative_numbers = true, value_parser = number)]
    pub gain: Option<f64>,
    /// Distribution of the readout weights [presets: sign]
    #[arg(long, value_enum)]
    pub readout: Option<Readout>,
    /// Activation of every layer [presets: relu]
    #[arg(long, value_enum)]
    pub activation: Option<Activation>,
    /// Make the last coordinate of every input a bias unit: fixed at 1, with steps projected onto the other coordinates
    #[arg(long)]
    pub bias: bool,
    /// Distribution of the inputs: sphere (radius √d), gaussian, hypercube (±1), or rows of a file scaled to norm √d: file:PATH.npy,
    /// file:PATH.h5 or file:PATH.h5:DATASET [presets: sphere]
    #[arg(long, value_name = "LAW")]
    pub inputs_law: Option<String>,
    /// Directions of the steps, all from the same inputs of the same networks [presets: gradient]
    #[arg(long, value_enum, value_name = "DIRECTION,...", value_delimiter = ',')]
    pub direction: Option<Vec<Direction>>,
    /// Starting points of direction nearest, per input: the gradient, then random turns of the best direction [presets: 4]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number)]
    pub nearest_starts: Option<f64>,
    /// Certify a lower bound on the distance for direction nearest (one hidden layer; time grows as d³ + k d² per input)
    #[arg(long)]
    pub certify: bool,
    /// Largest step searched [presets: 20]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = number)]
    pub bound: Option<f64>,
    /// Largest distance ‖δ‖ searched, besides --bound, which limits η
    #[arg(long, value_name = "D", allow_negative_numbers = true, value_parser = number)]
    pub bound_distance: Option<f64>,
    /// Master seed of all random numbers [presets: 2020]
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<i64>,
    /// Floating-point precision of the networks: f32, f64, or bf16x3 (weights of 16 significant bits, products in bf16 parts, for CPUs with
    /// AMX tiles) [presets: f32]
    #[arg(long, value_enum)]
    pub precision: Option<Precision>,
    /// Search for the smallest step; no effect at infinite width, where paths are sampled [presets: auto]
    #[arg(long, value_enum)]
    pub search: Option<SearchChoice>,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Results file of `run`, audit file, measurement, or the journal of a job that is running or has stopped
    pub file: PathBuf,
    /// Output format; json is one object per line
    #[arg(long, value_enum, default_value = "table")]
    pub format: show::Format,
    /// Audits only: print one line per setting instead of a summary line
    #[arg(long)]
    pub full: bool,
    /// Accept a file rewritten by another program (h5py, h5repack, nccopy, xarray), after a check of every value. Not for damaged files,
    /// on which the HDF5 library can hang
    #[arg(long)]
    pub unsealed: bool,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Results file of `run` or `merge`, audit file or measurement
    pub one: PathBuf,
    /// The file to compare it with
    pub other: PathBuf,
    /// Accept files rewritten by another program (h5py, h5repack, nccopy, xarray): check every value, and compare experiments, methods and
    /// samples. Not for damaged files, on which the HDF5 library can hang
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
    /// Widths of the hidden layers, first to last, such as 1000,500,100; replaces depth and width
    #[arg(long, value_name = "K1,K2,...", allow_hyphen_values = true, value_parser = layers, conflicts_with_all = ["depth", "width"])]
    pub hidden: Option<Layers>,
    /// Index of the network within its cell, from 0
    #[arg(long, value_name = "I", allow_negative_numbers = true, value_parser = number, default_value = "0")]
    pub network: f64,
    #[command(flatten)]
    pub law: LawArgs,
    /// File to write, by its extension: .h5 with the inputs and their steps, or the network alone as .safetensors, .npz or .onnx
    #[arg(long, value_name = "FILE", help_heading = "Output")]
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
    /// Directory for the man pages of all commands; existing ones are replaced
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Any floating-point number. NaN and infinity are left to the validation, whose message is more specific.
pub fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| "not a number; write it as 10 or 1e3".to_string())
}

/// Whole numbers from the first to the last, or one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range(pub f64, pub f64);

fn range(text: &str) -> Result<Range, String> {
    let whole = |text: &str| text.trim().parse::<u32>().ok().filter(|_| !text.trim().starts_with('+')).map(f64::from);
    match text.split_once('-').and_then(|(first, last)| Some((whole(first)?, whole(last)?))) {
        Some((first, last)) => Ok(Range(first, last)),
        None => number(text)
            .map(|number| Range(number, number))
            .map_err(|_| "neither a number nor a range; write it as 3 or 1-6".into()),
    }
}

/// The widths of the hidden layers of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers(pub Vec<f64>);

fn layers(text: &str) -> Result<Layers, String> {
    let widths: Result<_, String> = text.split(',').map(number).collect();
    Ok(Layers(widths.map_err(|_| "not a list of numbers; write it as 1000,500,100".to_string())?))
}

/// Slopes, or `prelu`.
fn slopes(text: &str) -> Result<Slopes, String> {
    if text.trim() == "prelu" {
        return Ok(Slopes::Prelu);
    }
    let slopes: Option<Vec<f64>> =
        text.split(',').map(|slope| slope.trim().parse().ok().filter(|slope: &f64| slope.is_finite())).collect();
    slopes.map(Slopes::Given).ok_or_else(|| "not a list of slopes; write it as 0.1, 0.1,0.2 or prelu".to_string())
}

/// An output, two of them, or `predicted`.
fn logits(text: &str) -> Result<Output, String> {
    parse_output(text).ok_or_else(|| "not a function of the outputs; write it as 3,5 or predicted".to_string())
}

/// A seed. Negative ones are left to the validation.
fn seed(text: &str) -> Result<i64, String> {
    text.trim().parse().map_err(|_| "not a whole number below 2^63; write it as 2020".to_string())
}

fn size(text: &str) -> Result<ByteSize, String> {
    text.trim().parse().map_err(|_| "not a size; write it as 8GiB or 500MB".to_string())
}

fn team(text: &str) -> Result<TeamChoice, String> {
    match text.trim() {
        "auto" => Ok(TeamChoice::Auto),
        "none" => Ok(TeamChoice::Never),
        number => match number.parse() {
            Ok(ranks) if ranks >= 1 => Ok(TeamChoice::Ranks(ranks)),
            _ => Err("not a team; write it as auto, none or a number of ranks".to_string()),
        },
    }
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
    fn help_has_no_doc_links() {
        use clap::CommandFactory;
        let mut command = Cli::command();
        command.build();
        let helps = std::iter::once(&command).chain(command.get_subcommands());
        for help in helps.map(|command| command.clone().render_long_help().to_string()) {
            // Arrays in files are named like that.
            let help = ["::NAME", "::X", "::kind"].iter().fold(help, |help, name| help.replace(name, ""));
            assert!(!help.contains("](") && !help.contains("[`") && !help.contains("::"), "{help}");
        }
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
            REPORT_EXAMPLES,
            EXPORT_EXAMPLES,
            AUDIT_EXAMPLES,
            MEASURE_EXAMPLES,
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
