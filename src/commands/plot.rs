//! `plot`: draws the figures of results files, an audit file or a measurement.

use std::path::{Path, PathBuf};

use super::print;
use crate::audit;
use crate::error::BadInput;
use crate::files::format::{self, FileKind};
use crate::given;
use crate::plot::options::Options;
use crate::plot::{self, Input};
use crate::results::{self, Results};

/// Files to draw: readable, contents unchecked.
#[derive(Debug, Clone)]
pub struct PlotRequest {
    /// At least one, each with its name in legends.
    pub files: Vec<(PathBuf, String)>,
    pub options: Options,
    /// Directory of the figures; writable, or can be created.
    pub out: PathBuf,
    /// At least one, sorted, distinct.
    pub formats: Vec<plot::ImageFormat>,
    /// Whether the numbers of each figure are written, too.
    pub data: bool,
    /// Whether nothing but the look is chosen, which is all that figures of audits and measurements have.
    pub is_plain: bool,
    /// Whether a file without a valid seal, as other programs leave it, is accepted.
    pub unsealed: bool,
    /// Do not print the names of the figures.
    pub quiet: bool,
}

impl PlotRequest {
    /// Draws `file` into [`directory_of`] it.
    pub fn beside(file: &Path, formats: Vec<plot::ImageFormat>, quiet: bool) -> Self {
        let files = vec![(file.to_path_buf(), String::new())];
        let options = Options::default();
        Self { files, options, out: directory_of(file), formats, data: false, is_plain: true, unsealed: false, quiet }
    }
}

/// The default directory of the figures of `file`: `results/quick-figures` for `results/quick.h5`.
pub fn directory_of(file: &Path) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_os_string();
    name.push("-figures");
    file.with_file_name(name)
}

pub fn execute(request: &PlotRequest) -> anyhow::Result<()> {
    let PlotRequest { files, options, out, formats, data, is_plain, unsealed, quiet } = request;
    // A file of another kind than results.
    let alone = files.iter().find_map(|(file, _)| match format::of(file, *unsealed)? {
        kind @ (FileKind::Audit | FileKind::Measurement) => Some((file, kind)),
        _ => None,
    });
    let pictures = match alone {
        Some((file, kind)) if !is_plain => {
            let noun = if kind == FileKind::Audit { "audit file" } else { "measurement" };
            let what = format!("cannot draw the {noun} {} with these options", file.display());
            let why = "its figures cannot be chosen, and stand alone";
            let remedy = "give one FILE and no options but --out, --format, --style, --size, --font, --title and --unsealed";
            return Err(BadInput::new(what, why, remedy).into());
        }
        Some((file, kind)) => {
            let pictures = match kind {
                FileKind::Audit => audit::figures::draw(&audit::file::read(file, *unsealed)?, &options.look),
                _ => given::figures::draw(&given::file::read(file, *unsealed)?, &options.look),
            };
            if pictures.is_empty() {
                let what = format!("there is nothing to draw of {}", file.display());
                return Err(BadInput::new(what, "no entry has a bound", "see `advstep-hpc show FILE.h5 --full`").into());
            }
            plot::check_sizes(&pictures, "give a larger --size or a smaller --font")?;
            plot::write_with(&pictures, out, formats, &options.look.font, false)?
        }
        None => {
            let input =
                |(file, label): &(PathBuf, String)| anyhow::Ok(Input { label: label.clone(), results: read(file, *unsealed)? });
            let inputs = files.iter().map(input).collect::<anyhow::Result<_>>()?;
            plot::write_with(&plot::figures(inputs, options)?, out, formats, &options.look.font, *data)?
        }
    };
    if *quiet {
        return Ok(());
    }
    let lines = pictures.iter().map(|picture| format!("{}\n", picture.display()));
    Ok(print(&lines.collect::<String>())?)
}

/// The results in `file`.
pub fn read(file: &Path, unsealed: bool) -> anyhow::Result<Results> {
    if unsealed { results::read_unsealed(file) } else { results::read(file) }
}
