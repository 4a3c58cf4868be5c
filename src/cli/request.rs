//! What is asked for: arguments turned into validated plain structs, one for each command that does work.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;

use super::args::{ExperimentArgs, ExportArgs, LawArgs, PlotArgs, RunArgs, ShowArgs};
use super::paths::{check_input, check_output, check_output_dir};
use crate::error::BadInput;
use crate::experiment::options::Options;
use crate::experiment::presets::Preset;
use crate::experiment::{EngineChoice, Experiment, Unit};
use crate::figures;
use crate::results::show;

/// More threads than this are taken for a slip.
const MAX_THREADS: f64 = 4096.0;
/// Largest index of a network: one less than the most networks of a cell.
const MAX_NETWORK: f64 = 1e9 - 1.0;

/// An experiment to run or to plan, and the means to do it with.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRequest {
    pub experiment: Experiment,
    /// Worker threads of each rank, ≥ 1; all that this rank may use when `None`.
    pub threads: Option<usize>,
    /// Bytes that each rank may use, ≥ 1; its share of the machine when `None`.
    pub memory: Option<u64>,
    /// The results file. [`check_output`] has not been called on it: planning needs none.
    pub out: PathBuf,
    pub overwrite: bool,
    pub quiet: bool,
    /// What was typed, quoted for a shell.
    pub command_line: String,
}

/// A results file to print. It can be opened; what it holds is unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct ShowRequest {
    pub file: PathBuf,
    pub format: show::Format,
}

/// A results file to draw. It can be opened; what it holds is unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotRequest {
    pub file: PathBuf,
    /// Directory of the pictures; it can be written in, or created.
    pub out: PathBuf,
    /// At least one, ascending, distinct.
    pub formats: Vec<figures::Format>,
}

/// One network to write to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportRequest {
    /// An experiment of one cell, with enough networks for `unit`.
    pub experiment: Experiment,
    pub unit: Unit,
    /// The file to write; it can be.
    pub out: PathBuf,
    pub overwrite: bool,
    /// What was typed, quoted for a shell.
    pub command_line: String,
}

impl RunArgs {
    /// # Errors
    /// Any value that is out of range, and a config file that cannot be read.
    pub fn request(self) -> Result<RunRequest, BadInput> {
        let (base, name) = self.experiment.base()?;
        Ok(RunRequest {
            experiment: self.experiment.options().overlay(base).validate()?,
            threads: self.threads.map(threads).transpose()?,
            memory: self.memory.map(memory).transpose()?,
            out: self.out.unwrap_or_else(|| results_file(name)),
            overwrite: self.overwrite,
            quiet: self.quiet,
            command_line: command_line(),
        })
    }
}

impl ExperimentArgs {
    /// The options that the flags are laid over, and the name of their preset or file.
    fn base(&self) -> Result<(Options, OsString), BadInput> {
        match &self.config {
            Some(path) => Ok((Options::read(path)?, path.file_stem().unwrap_or_default().into())),
            None => {
                let preset = self.preset.unwrap_or(Preset::Quick);
                Ok((preset.options(), preset.name().into()))
            }
        }
    }

    /// The options that were typed.
    fn options(self) -> Options {
        Options {
            depths: self.depths,
            dims: self.dims,
            widths: self.widths,
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
            bound: self.bound,
            seed: self.seed,
            precision: self.precision,
            search: self.search,
            ..Options::default()
        }
    }
}

impl ShowArgs {
    /// # Errors
    /// A file that cannot be opened.
    pub fn request(self) -> Result<ShowRequest, BadInput> {
        check_input(&self.file)?;
        Ok(ShowRequest { file: self.file, format: self.format })
    }
}

impl PlotArgs {
    /// # Errors
    /// A file that cannot be opened, and a directory that cannot be written in.
    pub fn request(self) -> Result<PlotRequest, BadInput> {
        check_input(&self.file)?;
        let out = self.out.unwrap_or_else(|| {
            let mut name = self.file.file_stem().unwrap_or_default().to_os_string();
            name.push("-figures");
            self.file.with_file_name(name)
        });
        check_output_dir(&out)?;
        let mut formats = self.format;
        formats.sort_unstable();
        formats.dedup();
        Ok(PlotRequest { file: self.file, out, formats })
    }
}

impl ExportArgs {
    /// # Errors
    /// Any value that is out of range, and a file that cannot be written.
    pub fn request(self) -> Result<ExportRequest, BadInput> {
        let network = network_index(self.network)?;
        if self.width == f64::INFINITY {
            let why = "an infinitely wide network has no weights to write";
            return Err(BadInput::new("the width inf cannot be exported", why, "give --width a whole number"));
        }
        let options = Options {
            depths: Some(vec![self.depth]),
            dims: Some(vec![self.dim]),
            widths: Some(vec![self.width]),
            engine: Some(EngineChoice::Dense),
            networks: Some(1.0),
            ..self.law.options()
        };
        let experiment = Experiment { networks: network + 1, ..options.validate()? };
        check_output(&self.out, self.overwrite)?;
        Ok(ExportRequest {
            experiment,
            unit: Unit { cell: 0, network },
            out: self.out,
            overwrite: self.overwrite,
            command_line: command_line(),
        })
    }
}

/// Where the results of the preset or config file called `name` go.
fn results_file(mut name: OsString) -> PathBuf {
    name.push(".h5");
    Path::new("results").join(name)
}

fn threads(threads: f64) -> Result<usize, BadInput> {
    if (1.0..=MAX_THREADS).contains(&threads) && threads.fract() == 0.0 {
        return Ok(threads as usize);
    }
    let remedy = format!("give --threads a whole number from 1 to {MAX_THREADS}, or leave it out");
    Err(BadInput::new(format!("cannot run {threads} threads"), "threads are counted, and at least one does the work", remedy))
}

fn memory(memory: ByteSize) -> Result<u64, BadInput> {
    match memory.as_u64() {
        0 => Err(BadInput::new("the memory 0 is too small", "networks need some", "give --memory a size such as 8GiB")),
        bytes => Ok(bytes),
    }
}

fn network_index(network: f64) -> Result<usize, BadInput> {
    if (0.0..=MAX_NETWORK).contains(&network) && network.fract() == 0.0 {
        return Ok(network as usize);
    }
    let remedy = format!("give --network a whole number from 0 to {MAX_NETWORK}");
    Err(BadInput::new(format!("there is no network {network}"), "networks of a cell are numbered from 0", remedy))
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
    use crate::experiment::{Cell, Readout};

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
        assert_eq!(request.out, Path::new("results/quick.h5"));
        assert_eq!((request.threads, request.memory, request.overwrite, request.quiet), (None, None, false, false));
    }

    #[test]
    fn every_flag_arrives() {
        let request = run("advstep-hpc --depths 2 --dims 3 --widths 4 --networks 5 --inputs 6 --gain 7 --readout gaussian --bound 8 \
                           --seed 9 --precision f64 --engine dense --search exact --threads 10 --memory 11kB --out x.h5 --overwrite -q")
        .unwrap();
        let toml = "depths=[2]\ndims=[3]\nwidths=[4]\nnetworks=5\ninputs=6\ngain=7\nreadout='gaussian'\nbound=8\nseed=9\n\
                    precision='f64'\nengine='dense'\nsearch='exact'";
        assert_eq!(request.experiment, Experiment::from_toml(toml, "test").unwrap());
        assert_eq!((request.threads, request.memory), (Some(10), Some(11_000)));
        assert_eq!((request.out.as_path(), request.overwrite, request.quiet), (Path::new("x.h5"), true, true));
    }

    #[test]
    fn a_config_names_the_results() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("my.own.toml");
        std::fs::write(&file, "depths = [1]\ndims = [2]\nwidths = [3]\n").unwrap();
        let request = run(&format!("advstep-hpc --config {} --widths 4", file.display())).unwrap();
        assert_eq!(request.experiment.cells(), [Cell { depth: 1, dim: 2, width: 4 }]);
        assert_eq!(request.out, Path::new("results/my.own.h5"));
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
        assert_eq!(request.experiment.cells(), [Cell { depth: 1, dim: 20, width: 50 }]);
        assert_eq!(request.unit, Unit { cell: 0, network: 3 });
        assert_eq!((request.experiment.networks, request.experiment.inputs, request.experiment.seed), (4, 10, 7));
        assert_eq!(request.experiment.readout, Readout::Sign);
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
        assert_eq!(request.formats, [figures::Format::Svg, figures::Format::Pdf]);
    }
}
