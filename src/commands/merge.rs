//! `merge`: all shard files of an experiment, or finished results files → one results file.

use std::path::PathBuf;

use super::print;
use crate::files::{self, Existing, Target};
use crate::results::{self, merge, show};

/// Files to merge.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeRequest {
    /// Readable files, contents unchecked.
    pub files: Vec<PathBuf>,
    /// The results file to write.
    pub out: PathBuf,
    pub existing: Existing,
    pub quiet: bool,
    /// The command line, quoted for a shell.
    pub command_line: String,
}

pub fn execute(request: &MergeRequest) -> anyhow::Result<()> {
    files::remove_on_signals()?;
    let target = Target::claim(&request.out, "--out", &[])?;
    target.check_free(request.existing)?;
    let results = merge(&request.files, &request.command_line)?;
    results::write(target.path(), request.existing, &results)?;
    match request.quiet {
        true => Ok(()),
        false => Ok(print(&format!(
            "{}\nResults are in {}\n",
            show::table(&results.experiment, &results.summarised()),
            request.out.display()
        ))?),
    }
}
