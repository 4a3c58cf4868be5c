//! `show`: what is in a results file or in that of an audit, for people and scripts.

use std::io::stdout;
use std::path::PathBuf;

use super::print;
use crate::audit;
use crate::error::BadInput;
use crate::files::format;
use crate::results::{self, show};

/// A file to print. It can be opened; what it holds is unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct ShowRequest {
    pub file: PathBuf,
    pub format: show::Format,
    /// Of an audit: print every entry.
    pub full: bool,
    /// Whether it may have lost its seal to another program.
    pub unsealed: bool,
}

pub fn execute(request: &ShowRequest) -> anyhow::Result<()> {
    let ShowRequest { file, format, full, unsealed } = request;
    if format::of(file) == Some(format::Format::Audit) {
        let audit = audit::file::read(file, *unsealed)?;
        return Ok(print(&match format {
            show::Format::Table => audit::table::text(&audit, *full),
            show::Format::Json => audit::table::json(&audit)?,
            show::Format::Csv => audit::table::csv(&audit)?,
        })?);
    }
    if *full {
        let what = format!("--full does not apply to {}", file.display());
        return Err(BadInput::new(what, "it is the file of no audit", "leave --full out").into());
    }
    let results = if *unsealed { results::read_unsealed(file)? } else { results::read(file)? };
    show::show(&results, *format, &mut stdout().lock())
}
