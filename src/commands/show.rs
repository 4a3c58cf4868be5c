//! `show`: the contents of a results file, an audit file, a measurement or a journal, for people and scripts.

use std::io::stdout;
use std::path::PathBuf;

use super::{print, so_far};
use crate::audit;
use crate::error::BadInput;
use crate::files::format;
use crate::given;
use crate::job::journal::Header;
use crate::results::{self, show};

/// A file to print: readable, contents unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct ShowRequest {
    pub file: PathBuf,
    pub format: show::Format,
    /// Audits only: print every entry.
    pub full: bool,
    /// Whether a file without a valid seal, as other programs leave it, is accepted.
    pub unsealed: bool,
}

pub fn execute(request: &ShowRequest) -> anyhow::Result<()> {
    let ShowRequest { file, format, full, unsealed } = request;
    if Header::is_at(file) && !*full {
        return so_far::execute(file, *format);
    }
    let kind = format::of(file, *unsealed);
    if kind == Some(format::FileKind::Audit) {
        let audit = audit::file::read(file, *unsealed)?;
        return Ok(print(&match format {
            show::Format::Table => audit::table::text(&audit, *full),
            show::Format::Json => audit::table::json(&audit)?,
            show::Format::Csv => audit::table::csv(&audit)?,
        })?);
    }
    if *full {
        let what = format!("--full does not apply to {}", file.display());
        return Err(BadInput::new(what, "it is not an audit file", "omit --full").into());
    }
    if kind == Some(format::FileKind::Measurement) {
        let measurement = given::file::read(file, *unsealed)?;
        return Ok(print(&match format {
            show::Format::Table => given::table::text(&measurement),
            show::Format::Json => given::table::json(&measurement)?,
            show::Format::Csv => given::table::csv(&measurement)?,
        })?);
    }
    let results = if *unsealed { results::read_unsealed(file)? } else { results::read(file)? };
    show::show(&results, *format, &mut stdout().lock())
}
