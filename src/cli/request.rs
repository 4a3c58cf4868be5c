//! Arguments as typed → validated requests of the commands.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;

use super::args::{
    AuditArgs, CompareArgs, ExperimentArgs, ExportArgs, JobArgs, LawArgs, Layers, MeasureArgs, MergeArgs, PlanArgs, Range, RunArgs,
    ShowArgs, StatusArgs, ThresholdArgs,
};
use crate::audit::job::Outputs;
use crate::audit::options::Typed;
use crate::commands::audit::AuditRequest;
use crate::commands::compare::CompareRequest;
use crate::commands::export::ExportRequest;
use crate::commands::measure::MeasureRequest;
use crate::commands::merge::MergeRequest;
use crate::commands::plan::PlanRequest;
use crate::commands::plot;
use crate::commands::run::{self, RunRequest};
use crate::commands::show::ShowRequest;
use crate::commands::status::StatusRequest;
use crate::commands::threshold::ThresholdRequest;
use crate::error::BadInput;
use crate::experiment::options::{Count, DIM, NETWORKS, Options, WIDTH};
use crate::experiment::presets::Preset;
use crate::experiment::{Experiment, Shard, inputs_file};
use crate::files::{Existing, check_file, check_input, check_not_input, check_output_dir};
use crate::given::options::Choice;
use crate::interchange::inputs::{LabelSource, Source};
use crate::interchange::network::Format;
use crate::job::{Settings, journal};
use crate::model::{Activation, EngineChoice, Unit};
use crate::stats::distinct;
use crate::text::short;
use crate::threshold::request::{LARGEST_DIM, LARGEST_WIDTH};
use crate::threshold::{Along, Request};

/// Upper limit of --threads, to catch typos.
const MAX_THREADS: f64 = 4096.0;
/// Upper limit of --ranks, to catch typos.
const MAX_RANKS: f64 = 1e6;
/// Largest index of a network: the limit of networks per cell, less 1.
const MAX_NETWORK: f64 = 1e9 - 1.0;

impl JobArgs {
    /// The settings of a job that writes `out`.
    fn settings(self, out: PathBuf, snapshot: Option<Duration>) -> Result<Settings, BadInput> {
        Ok(Settings {
            threads: self.threads.map(threads).transpose()?,
            memory: self.memory.map(memory).transpose()?,
            out,
            overwrite: self.overwrite,
            fresh: self.fresh,
            snapshot,
            max_time: self.max_hours.map(|hours| max_time(hours, self.grace)).transpose()?,
            grace: self.grace,
            quiet: self.quiet,
            command_line: command_line(),
        })
    }
}

impl RunArgs {
    /// # Errors
    /// A value is out of range, or the config file cannot be read.
    pub fn request(self) -> Result<RunRequest, BadInput> {
        let (base, mut name) = (self.experiment.base()?, self.experiment.name());
        name.push(self.shard.map_or_else(|| ".h5".to_string(), Shard::suffix));
        let config = self.experiment.config.clone();
        let experiment = self.experiment.options().overlay(base).validate()?;
        if let Some(out) = &self.out {
            check_not_input(out, "--out", config.as_deref().into_iter().chain(experiment.inputs_law.path()))?;
        }
        let out = self.out.unwrap_or_else(|| Path::new("results").join(name));
        // FILE may also be what the run writes besides its results, and removes at the end.
        for written in [out.clone(), journal::path_of(&out), run::snapshot_of(&out)] {
            check_not_input(&written, "--out", self.extend.iter().map(PathBuf::as_path))?;
        }
        let plot = distinct(self.plot.unwrap_or_default());
        if let Some(shard) = self.shard.filter(|_| !plot.is_empty()) {
            let why = "figures need the whole experiment";
            return Err(BadInput::new(format!("cannot plot {shard}"), why, "merge the shards and plot the results file"));
        }
        if !plot.is_empty() {
            check_output_dir(&plot::directory_of(&out), "--out")?;
        }
        Ok(RunRequest {
            experiment,
            shard: self.shard,
            extend: self.extend,
            plot,
            team: self.team.team,
            settings: self.job.settings(out, self.snapshot)?,
        })
    }
}

/// Largest number of a range such as 1-6, to catch typos.
const LONGEST_RANGE: f64 = 1000.0;

impl ThresholdArgs {
    /// # Errors
    /// A value is out of range.
    pub fn request(self) -> Result<ThresholdRequest, BadInput> {
        let (along, held, largest) = match (self.dim, self.width) {
            (Some(dim), None) => (Along::Width, dim, LARGEST_WIDTH),
            (None, Some(width)) => (Along::Dim, width, LARGEST_DIM),
            (Some(_), Some(_)) => {
                let why = "one of them is searched, the other one is fixed";
                return Err(BadInput::new("--dim and --width are both given", why, "give one of them"));
            }
            (None, None) => {
                let why = "a search over one takes a fixed value of the other";
                return Err(BadInput::new(
                    "neither --dim nor --width is given",
                    why,
                    "give --dim such as 500 to search over widths",
                ));
            }
        };
        let mut depths = Vec::new();
        for Range(first, last) in self.depths {
            if first > last || last - first > LONGEST_RANGE {
                let what = format!("the depths {}-{} are not a range", short(first), short(last));
                return Err(BadInput::new(what, "it goes from the first depth up to the last", "give --depths such as 1-6"));
            }
            depths.extend(std::iter::successors(Some(first), |depth| Some(depth + 1.0).filter(|&depth| depth <= last)));
        }
        let whole = |option: &str, count: &Count, value: f64| {
            count.whole(value).map_err(|bad| BadInput { what: format!("{option}: {}", bad.what), ..bad })
        };
        let size = if along == Along::Width { WIDTH } else { DIM };
        let (from, to) = (whole("--from", &size, self.from)?, self.to.map_or(Ok(largest), |to| whole("--to", &size, to))?);
        let max_networks = self.max_networks.map(|networks| whole("--max-networks", &NETWORKS, networks)).transpose()?;
        let (dims, widths) = if along == Along::Width { (held, from as f64) } else { (from as f64, held) };
        let options = Options {
            depths: (!depths.is_empty()).then_some(depths),
            dims: Some(vec![dims]),
            widths: Some(vec![widths]),
            networks: self.networks,
            engine: self.engine,
            ..self.law.options()
        };
        let experiment = options.validate()?;
        check_not_input(&self.out, "--out", experiment.inputs_law.path())?;
        let search = Request::new(experiment, along, [self.level, self.ratio], max_networks, [from, to])?;
        Ok(ThresholdRequest { search, team: self.team.team, settings: self.job.settings(self.out, None)? })
    }
}

impl PlanArgs {
    /// # Errors
    /// A value is out of range, or the config file cannot be read.
    pub fn request(self) -> Result<PlanRequest, BadInput> {
        let name = self.run.experiment.name().to_string_lossy().into_owned();
        let ranks = self.ranks.map(ranks).transpose()?;
        if let Some(shard) = self.run.shard {
            return Err(BadInput::new(
                format!("cannot plan {shard}"),
                "a plan is of the whole experiment",
                format!("give --ranks {0} instead of --shard: {0} shards take about the same time", shard.count()),
            ));
        }
        Ok(PlanRequest { run: self.run.request()?, ranks, all: self.all, sbatch: self.sbatch, calibrate: self.calibrate, name })
    }
}

impl StatusArgs {
    /// # Errors
    /// A value is out of range, or the config file cannot be read.
    pub fn request(self) -> Result<StatusRequest, BadInput> {
        match self.file {
            Some(file) => Ok(StatusRequest::File(file)),
            None => {
                let mut run = self.run.request()?;
                // The checksum of an inputs file is part of the experiment.
                inputs_file::load(&mut run.experiment.inputs_law, run.experiment.inputs)?;
                Ok(StatusRequest::Run(Box::new(run)))
            }
        }
    }
}

impl MergeArgs {
    /// # Errors
    /// A file cannot be opened.
    pub fn request(self) -> Result<MergeRequest, BadInput> {
        self.files.iter().try_for_each(|file| check_input(file))?;
        check_not_input(&self.out, "--out", self.files.iter().map(PathBuf::as_path))?;
        let existing = existing(self.overwrite);
        Ok(MergeRequest { files: self.files, out: self.out, existing, quiet: self.quiet, command_line: command_line() })
    }
}

impl ExperimentArgs {
    /// The options of the preset or config file. To be called once: the file may be a pipe.
    fn base(&self) -> Result<Options, BadInput> {
        self.config.as_ref().map_or_else(|| Ok(self.preset().options()), |path| Options::read(path))
    }

    /// The name of the preset or config file.
    fn name(&self) -> OsString {
        let of_file = |path: &PathBuf| path.file_stem().unwrap_or_default().into();
        self.config.as_ref().map_or_else(|| self.preset().name().into(), of_file)
    }

    /// The preset if there is no config file.
    fn preset(&self) -> Preset {
        self.preset.unwrap_or(Preset::Quick)
    }

    /// The options given on the command line.
    fn options(self) -> Options {
        Options {
            depths: self.depths,
            dims: self.dims,
            widths: self.widths,
            hidden: self.hidden.map(|hidden| hidden.into_iter().map(|Layers(widths)| widths).collect()),
            networks: self.networks,
            engine: self.engine,
            ..self.law.options()
        }
    }
}

impl LawArgs {
    fn options(self) -> Options {
        Options {
            inputs: self.inputs,
            gain: self.gain,
            readout: self.readout,
            activation: self.activation,
            bias: self.bias.then_some(true),
            inputs_law: self.inputs_law,
            directions: self.direction,
            nearest_starts: self.nearest_starts,
            certify: self.certify.then_some(true),
            bound: self.bound,
            bound_distance: self.bound_distance,
            seed: self.seed,
            precision: self.precision,
            search: self.search,
            ..Options::default()
        }
    }
}

impl ShowArgs {
    /// # Errors
    /// The file cannot be opened.
    pub fn request(self) -> Result<ShowRequest, BadInput> {
        let journal = journal::beside(&self.file).filter(|_| !self.file.exists());
        let file = journal.unwrap_or(self.file);
        check_input(&file)?;
        Ok(ShowRequest { file, format: self.format, full: self.full, unsealed: self.unsealed })
    }
}

impl CompareArgs {
    /// # Errors
    /// The file cannot be opened.
    pub fn request(self) -> Result<CompareRequest, BadInput> {
        check_input(&self.one)?;
        check_input(&self.other)?;
        Ok(CompareRequest { one: self.one, other: self.other, unsealed: self.unsealed })
    }
}

impl ExportArgs {
    /// # Errors
    /// A value is out of range, or an inputs file cannot be read.
    pub fn request(self) -> Result<ExportRequest, BadInput> {
        let network = network_index(self.network)?;
        if self.width == Some(f64::INFINITY) {
            let why = "an infinitely wide network has no weights to write";
            return Err(BadInput::new("the width inf cannot be exported", why, "give a finite --width"));
        }
        let options = Options {
            depths: self.depth.map(|depth| vec![depth]),
            dims: Some(vec![self.dim]),
            widths: self.width.map(|width| vec![width]),
            hidden: self.hidden.map(|Layers(widths)| vec![widths]),
            engine: Some(EngineChoice::Dense),
            networks: Some(1.0),
            ..self.law.options()
        };
        let mut experiment = Experiment { networks: network + 1, ..options.validate()? };
        if let [first, .., last] = experiment.directions.as_slice() {
            let what = format!("cannot export steps along both {} and {}", first.name(), last.name());
            return Err(BadInput::new(what, "the file has one step per input", "give one --direction"));
        }
        let Some(format) = Format::of(&self.out) else {
            let what = format!("cannot export to {}", self.out.display());
            let why = "its extension names no format that is written";
            return Err(BadInput::new(what, why, "give --out with the extension .h5, .safetensors, .npz or .onnx"));
        };
        inputs_file::load(&mut experiment.inputs_law, experiment.inputs)?;
        check_not_input(&self.out, "--out", experiment.inputs_law.path())?;
        Ok(ExportRequest {
            experiment,
            format,
            unit: Unit { cell: 0, network },
            out: self.out,
            existing: existing(self.overwrite),
            command_line: command_line(),
        })
    }
}

impl AuditArgs {
    /// # Errors
    /// A value is out of range.
    pub fn request(self) -> Result<AuditRequest, BadInput> {
        let typed = Typed {
            dims: self.dims,
            widths: self.widths,
            gammas: self.gamma,
            activations: self.activation,
            networks: self.networks,
            max_networks: self.max_networks,
            statements: self.statements,
            seed: self.seed,
            depths: self.depths,
            hidden: self.hidden.map(|hidden| hidden.into_iter().map(|Layers(widths)| widths).collect()),
            gains: self.gain,
        };
        let options = typed.validate()?;
        if self.figures.directory.is_some() && options.settings.iter().any(|setting| setting.layers.is_some()) {
            return Err(BadInput::new(
                "--figures with multi-layer statements",
                "they have no bounds to draw",
                "leave out --figures; `advstep-hpc show FILE.h5 --full` prints every entry",
            ));
        }
        if self.markdown.as_ref() == Some(&self.out) {
            let what = format!("--out and --markdown are both {}", self.out.display());
            return Err(BadInput::new(what, "one would overwrite the other", "give them different paths"));
        }
        Ok(AuditRequest {
            options,
            outputs: Outputs { markdown: self.markdown, full: self.full },
            figures: self.figures.directory,
            formats: distinct(self.figures.format),
            settings: self.job.settings(self.out, None)?,
        })
    }
}

impl MeasureArgs {
    /// # Errors
    /// A file cannot be opened, or would be overwritten.
    pub fn request(self) -> Result<MeasureRequest, BadInput> {
        let inputs = Source::parse(&self.inputs);
        let labels = LabelSource::parse(self.labels.as_deref());
        let check = |path: &Path, option: &str, what: &str| check_file(path, &format!("give {option} the path of {what}"));
        check(&self.network, "NET", "a network as .safetensors, .npz, .onnx or .h5")?;
        check(&inputs.path, "--inputs", "inputs as .npy, .npz, .h5 or .csv")?;
        let labels_file = match &labels {
            LabelSource::File(source) => Some(source.path.as_path()),
            _ => None,
        };
        labels_file.map_or(Ok(()), |path| check(path, "--labels", "labels, ::NAME for those in the inputs file, or none"))?;
        let files = [self.network.as_path(), &inputs.path].into_iter().chain(labels_file);
        check_not_input(&self.out, "--out", files)?;
        let activation = match (&self.slope, self.activation) {
            (Some(_), Some(other)) if other != Activation::LeakyRelu => {
                let why = format!("{} has no slope to choose", other.name());
                return Err(BadInput::new("--slope does not apply", why, "omit --slope, or give --activation leaky-relu"));
            }
            (Some(_), _) => Some(Activation::LeakyRelu),
            (None, activation) => activation,
        };
        Ok(MeasureRequest {
            activation,
            slopes: self.slope,
            labels,
            rescale: self.rescale,
            search: self.search,
            choice: Choice {
                output: self.logits,
                directions: distinct(self.direction),
                bound: self.bound,
                bound_distance: self.bound_distance,
                nearest_starts: self.nearest_starts,
                seed: self.seed,
            },
            figures: self.figures.directory,
            formats: distinct(self.figures.format),
            settings: self.job.settings(self.out, None)?,
            inputs,
            network: self.network,
        })
    }
}

/// Whether existing files are replaced.
fn existing(overwrite: bool) -> Existing {
    if overwrite { Existing::Replace } else { Existing::Refuse }
}

fn threads(threads: f64) -> Result<usize, BadInput> {
    if (1.0..=MAX_THREADS).contains(&threads) && threads.fract() == 0.0 {
        return Ok(threads as usize);
    }
    let remedy = format!("give --threads a whole number from 1 to {MAX_THREADS}, or omit it");
    Err(BadInput::new(
        format!("cannot run {} threads", short(threads)),
        format!("it is not a whole number from 1 to {MAX_THREADS}"),
        remedy,
    ))
}

fn ranks(ranks: f64) -> Result<usize, BadInput> {
    if (1.0..=MAX_RANKS).contains(&ranks) && ranks.fract() == 0.0 {
        return Ok(ranks as usize);
    }
    let remedy = format!("give --ranks a whole number from 1 to {MAX_RANKS}");
    let why = format!("it is not a whole number from 1 to {MAX_RANKS}");
    Err(BadInput::new(format!("cannot plan for {} ranks", short(ranks)), why, remedy))
}

/// A time limit in hours, which must exceed the `grace` at its end.
fn max_time(hours: f64, grace: Duration) -> Result<Duration, BadInput> {
    let refuse = |why: String, remedy: &str| Err(BadInput::new(format!("cannot stop after {} hours", short(hours)), why, remedy));
    match Duration::try_from_secs_f64(3600.0 * hours) {
        Err(_) | Ok(Duration::ZERO) => refuse("it is not a positive time".into(), "give --max-hours a number such as 11.5"),
        Ok(time) if time <= grace => refuse(
            format!("the grace of {} is part of it and leaves no time to work", humantime::format_duration(grace)),
            "give more --max-hours or a shorter --grace",
        ),
        Ok(time) => Ok(time),
    }
}

fn memory(memory: ByteSize) -> Result<u64, BadInput> {
    match memory.as_u64() {
        0 => Err(BadInput::new("the memory 0 is too small", "a network needs memory", "give --memory a size such as 8GiB")),
        bytes => Ok(bytes),
    }
}

fn network_index(network: f64) -> Result<usize, BadInput> {
    if (0.0..=MAX_NETWORK).contains(&network) && network.fract() == 0.0 {
        return Ok(network as usize);
    }
    let remedy = format!("give --network a whole number from 0 to {MAX_NETWORK}");
    Err(BadInput::new(format!("there is no network {}", short(network)), "networks of a cell are numbered from 0", remedy))
}

/// The arguments of this process, quoted for a shell.
fn command_line() -> String {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Cli, Command};
    use super::*;
    use crate::model::{Cell, Readout};
    use crate::plot::ImageFormat;

    fn command(words: &str) -> Command {
        Cli::try_parse_from(words.split_whitespace()).unwrap().into_command()
    }

    fn run(words: &str) -> Result<RunRequest, BadInput> {
        match command(words) {
            Command::Run(args) => args.request(),
            other => panic!("{words} gave {other:?}"),
        }
    }

    #[test]
    fn no_options_mean_quick() {
        let request = run("advstep-hpc").unwrap();
        assert_eq!(request.experiment, Preset::Quick.options().validate().unwrap());
        assert_eq!(request.settings.out, Path::new("results/quick.h5"));
        assert_eq!(
            (request.settings.threads, request.settings.memory, request.settings.overwrite, request.settings.quiet),
            (None, None, false, false)
        );
    }

    #[test]
    fn every_flag_arrives() {
        let request = run("advstep-hpc --depths 2 --dims 3 --widths 4 --networks 5 --inputs 6 --gain 7 --readout gaussian --activation tanh --bias --inputs-law gaussian --direction sign,gradient --bound 8 \
                           --seed 9 --precision f64 --engine dense --search scan --threads 10 --memory 11kB --out x.h5 --overwrite --fresh --snapshot 10min --max-hours 1.5 \
                           --grace 12 -q")
        .unwrap();
        let toml = "depths=[2]\ndims=[3]\nwidths=[4]\nnetworks=5\ninputs=6\ngain=7\nreadout='gaussian'\nactivation='tanh'\nbias=true\ninputs_law='gaussian'\ndirections=['gradient','sign']\nbound=8\nseed=9\n\
                    precision='f64'\nengine='dense'\nsearch='scan'";
        assert_eq!(request.experiment, Experiment::from_toml(toml, "test").unwrap());
        assert_eq!((request.settings.threads, request.settings.memory), (Some(10), Some(11_000)));
        assert_eq!(
            (request.settings.out.as_path(), request.settings.overwrite, request.settings.fresh, request.settings.quiet),
            (Path::new("x.h5"), true, true, true)
        );
        let seconds = Duration::from_secs;
        assert_eq!(
            (request.settings.snapshot, request.settings.max_time, request.settings.grace),
            (Some(seconds(600)), Some(seconds(5400)), seconds(12))
        );
    }

    #[test]
    fn a_config_names_the_results() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("my.own.toml");
        std::fs::write(&file, "depths = [1]\ndims = [2]\nwidths = [3]\n").unwrap();
        let request = run(&format!("advstep-hpc --config {} --widths 4", file.display())).unwrap();
        assert_eq!(request.experiment.cells(), [Cell::new(1, 2, 4)]);
        assert_eq!(request.settings.out, Path::new("results/my.own.h5"));
    }

    #[test]
    fn a_shard_is_named_after_its_number() {
        assert_eq!(run("advstep-hpc --shard 3/16").unwrap().settings.out, Path::new("results/quick.03-of-16.shard"));
        assert_eq!(run("advstep-hpc --shard 3/16 --out a.shard").unwrap().settings.out, Path::new("a.shard"));
    }

    #[test]
    fn a_plan_is_for_a_number_of_ranks() {
        let plan = |words: &str| match command(words) {
            Command::Plan(args) => args.request(),
            other => panic!("{words} gave {other:?}"),
        };
        let request = plan("advstep-hpc plan --preset paper --ranks 64 --sbatch").unwrap();
        assert_eq!((request.ranks, request.sbatch, request.name.as_str()), (Some(64), true, "paper"));
        for ranks in ["0", "-1", "1.5", "nan", "1e9"] {
            assert!(plan(&format!("advstep-hpc plan --ranks {ranks}")).unwrap_err().remedy.contains("--ranks"), "{ranks}");
        }
        assert!(plan("advstep-hpc plan --shard 1/4").unwrap_err().remedy.contains("--ranks 4"));
    }

    #[test]
    fn an_export_is_the_network_that_run_uses() {
        let dir = tempfile::tempdir().unwrap();
        let words = format!(
            "advstep-hpc export --depth 1 --dim 20 --width 50 --network 3 --inputs 10 --seed 7 --out {}",
            dir.path().join("net.h5").display()
        );
        let Command::Export(args) = command(&words) else { panic!("not an export") };
        let request = args.request().unwrap();
        assert_eq!(request.experiment.cells(), [Cell::new(1, 20, 50)]);
        assert_eq!(request.unit, Unit { cell: 0, network: 3 });
        assert_eq!((request.experiment.networks, request.experiment.inputs, request.experiment.seed), (4, 10, 7));
        assert_eq!(request.experiment.readout, Readout::Sign);
    }

    #[test]
    fn hidden_layers_of_different_widths_arrive() {
        let request = run("advstep-hpc --hidden 30,20,10 --hidden 1e3,10 --dims 5").unwrap();
        assert_eq!(request.experiment.cells(), [Cell::of_layers(5, &[1000, 10]), Cell::of_layers(5, &[30, 20, 10])]);
        let refused = run("advstep-hpc --hidden 30,20 --widths 10").unwrap_err();
        assert_eq!(refused.what, "hidden and widths cannot go together");
        let dir = tempfile::tempdir().unwrap();
        let words = format!("advstep-hpc export --hidden 7,3 --dim 5 --out {}", dir.path().join("net.h5").display());
        let Command::Export(args) = command(&words) else { panic!("not an export") };
        assert_eq!(args.request().unwrap().experiment.cells(), [Cell::of_layers(5, &[7, 3])]);
    }

    #[test]
    fn pictures_go_beside_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("some.h5");
        std::fs::write(&file, "").unwrap();
        let Command::Plot(args) = command(&format!("advstep-hpc plot {} --format pdf,svg,pdf", file.display())) else {
            panic!("not a plot")
        };
        let request = args.request().unwrap();
        assert_eq!(request.out, dir.path().join("some-figures"));
        assert_eq!(request.formats, [ImageFormat::Svg, ImageFormat::Pdf]);
    }
}
