//! `plot`: draws the figures of a results file, an audit file or a measurement.

use std::path::{Path, PathBuf};

use super::print;
use crate::audit;
use crate::files::format::{self, FileKind};
use crate::given;
use crate::plot;
use crate::results;

/// A file to draw: readable, contents unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotRequest {
    pub file: PathBuf,
    /// Directory of the figures; writable, or can be created.
    pub out: PathBuf,
    /// At least one, sorted, distinct.
    pub formats: Vec<plot::ImageFormat>,
    /// Whether a file without a valid seal, as other programs leave it, is accepted.
    pub unsealed: bool,
    /// Do not print the names of the figures.
    pub quiet: bool,
}

impl PlotRequest {
    /// Draws `file` into [`directory_of`] it.
    pub fn beside(file: &Path, formats: Vec<plot::ImageFormat>, quiet: bool) -> Self {
        Self { out: directory_of(file), file: file.to_path_buf(), formats, unsealed: false, quiet }
    }
}

/// The default directory of the figures of `file`: `results/quick-figures` for `results/quick.h5`.
pub fn directory_of(file: &Path) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_os_string();
    name.push("-figures");
    file.with_file_name(name)
}

pub fn execute(request: &PlotRequest) -> anyhow::Result<()> {
    let PlotRequest { file, out, formats, unsealed, quiet } = request;
    let pictures = match format::of(file, *unsealed) {
        Some(FileKind::Audit) => plot::write(&audit::figures::draw(&audit::file::read(file, *unsealed)?), out, formats)?,
        Some(FileKind::Measurement) => plot::write(&given::figures::draw(&given::file::read(file, *unsealed)?), out, formats)?,
        _ => {
            let results = if *unsealed { results::read_unsealed(file)? } else { results::read(file)? };
            plot::plot(&results, out, formats)?
        }
    };
    if *quiet {
        return Ok(());
    }
    let lines = pictures.iter().map(|picture| format!("{}\n", picture.display()));
    Ok(print(&lines.collect::<String>())?)
}
