//! `report`: results files as one HTML page.

use std::path::PathBuf;

use super::plot::read;
use super::print;
use crate::error::BadInput;
use crate::files::format::{self, FileKind};
use crate::files::{self, Existing, Target};
use crate::plot::Input;
use crate::report;

/// Files to report: readable, contents unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRequest {
    /// At least one, each with its name in legends.
    pub files: Vec<(PathBuf, String)>,
    pub title: String,
    /// The page to write.
    pub out: PathBuf,
    pub existing: Existing,
    /// Whether files without a valid seal, as other programs leave them, are accepted.
    pub unsealed: bool,
}

pub fn execute(request: &ReportRequest) -> anyhow::Result<()> {
    let ReportRequest { files: given, title, out, existing, unsealed } = request;
    files::remove_on_signals()?;
    let target = Target::claim(out, "--out", &[])?;
    target.check_free(*existing)?;
    let mut inputs = Vec::new();
    for (file, label) in given {
        if let Some(kind @ (FileKind::Audit | FileKind::Measurement)) = format::of(file, *unsealed) {
            let (noun, remedy) = match kind {
                FileKind::Audit => ("audit file", "use show and plot, or audit --markdown"),
                _ => ("measurement", "use show and plot"),
            };
            let what = format!("cannot report the {noun} {}", file.display());
            return Err(BadInput::new(what, "reports are of results files", remedy).into());
        }
        let results = read(file, *unsealed)?;
        if results.cells.is_empty() {
            let what = format!("cannot report {}", file.display());
            return Err(BadInput::new(what, "the results hold no cell", "give the file of a finished experiment").into());
        }
        inputs.push(Input { label: label.clone(), results });
    }
    let page = report::page(&inputs, title);
    target.write(*existing, |path| Ok(std::fs::write(path, &page)?))?;
    Ok(print(&format!("{}\n", out.display()))?)
}
