//! `audit`: measures the paper's statements, as a job.

use std::path::PathBuf;

use super::plot::{self, PlotRequest};
use super::print;
use crate::audit::job::{Job, Outputs};
use crate::audit::{Options, table};
use crate::comm;
use crate::files::check_output_dir;
use crate::job::{self, Settings};
use crate::plot::ImageFormat;

/// An audit to run.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRequest {
    pub options: Options,
    pub outputs: Outputs,
    /// Directory of the figures, if any.
    pub figures: Option<PathBuf>,
    pub formats: Vec<ImageFormat>,
    pub settings: Settings,
}

/// Prints the list of statements, on rank 0.
pub fn list() -> anyhow::Result<()> {
    if comm::launched_rank() == 0 { Ok(print(&table::list())?) } else { Ok(()) }
}

/// Runs an audit on all ranks of this launch.
pub fn execute(request: impl FnOnce() -> anyhow::Result<AuditRequest>) -> anyhow::Result<()> {
    let mut figures = None;
    let split = || {
        let AuditRequest { options, outputs, figures: directory, formats, settings } = request()?;
        if let Some(out) = directory {
            check_output_dir(&out, "--figures")?;
            figures = Some(PlotRequest { out, ..PlotRequest::beside(&settings.out, formats, true) });
        }
        Ok((settings, (options, outputs)))
    };
    let is_root = job::run(split, |(options, outputs), ranks| Ok(Job::new(options, outputs, ranks.own)?))?;
    match figures.filter(|_| is_root) {
        Some(request) => plot::execute(&request),
        None => Ok(()),
    }
}
