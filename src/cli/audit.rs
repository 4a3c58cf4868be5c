//! `advstep-hpc audit`: what may be typed, and what it asks for.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;

use super::args::number;
use super::request::{command_line, existing, memory, threads};
use crate::model::Activation;
use crate::audit::Options;
use crate::audit::options::Typed;
use crate::error::BadInput;
use crate::plot;
use crate::files::Existing;

pub const EXAMPLES: &str = "\
Every network is measured by all statements; runs of the same options give the same numbers on any number of ranks and threads.

Examples:
  advstep-hpc audit --list
  advstep-hpc audit
  advstep-hpc audit --dims 100,200 --widths 1e3 --gamma 0.05 --networks 400 --statements lemma-8,lemma-9
  advstep-hpc audit --activation erf,gelu --figures audit-figures --markdown audit.md
  mpirun -n 4 advstep-hpc audit --networks 1000 --gamma 0.1,0.01";

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
    /// Worker threads of each rank [default: all cores this rank may use]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = number, help_heading = "Machine")]
    pub threads: Option<f64>,
    /// Memory that each rank may use, such as 8GiB or 500MB; fewer threads work where not all would fit [default: its share of what is free]
    #[arg(long, value_name = "SIZE", help_heading = "Machine")]
    pub memory: Option<ByteSize>,
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
    pub format: Vec<figures::Format>,
    /// Replace the files if they exist
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Print a line for each setting, not one that sums them up
    #[arg(long, help_heading = "Output")]
    pub full: bool,
    /// No table, only errors
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

/// An audit to make.
#[derive(Debug, Clone)]
pub struct AuditRequest {
    pub options: Options,
    /// List the statements and do nothing else.
    pub list: bool,
    /// Worker threads of each rank, ≥ 1; all that this rank may use when `None`.
    pub threads: Option<usize>,
    /// Bytes that each rank may use, ≥ 1; its share of what is free when `None`.
    pub memory: Option<u64>,
    pub out: PathBuf,
    pub markdown: Option<PathBuf>,
    pub figures: Option<PathBuf>,
    pub formats: Vec<figures::Format>,
    pub overwrite: bool,
    /// Print every entry.
    pub full: bool,
    pub quiet: bool,
    /// What was typed, quoted for a shell.
    pub command_line: String,
}

impl AuditRequest {
    /// What becomes of files that are there.
    pub fn existing(&self) -> Existing {
        existing(self.overwrite)
    }
}

impl AuditArgs {
    /// # Errors
    /// Any value that is out of range.
    pub fn request(self) -> Result<AuditRequest, BadInput> {
        let typed = Typed {
            dims: self.dims,
            widths: self.widths,
            gammas: self.gamma,
            activations: self.activation,
            networks: self.networks,
            statements: self.statements,
            seed: self.seed,
        };
        if self.markdown.as_ref() == Some(&self.out) {
            let what = format!("--out and --markdown are both {}", self.out.display());
            return Err(BadInput::new(what, "one would replace the other", "give them different paths"));
        }
        Ok(AuditRequest {
            options: typed.validate()?,
            list: self.list,
            threads: self.threads.map(threads).transpose()?,
            memory: self.memory.map(memory).transpose()?,
            out: self.out,
            markdown: self.markdown,
            figures: self.figures,
            formats: self.format,
            overwrite: self.overwrite,
            full: self.full,
            quiet: self.quiet,
            command_line: command_line(),
        })
    }
}
