//! Results → pictures: Figure 1 (fraction switched), two panels for each depth (Figures 2–7), the phase diagram, the distributions of
//! step and gradient at each depth, and the depth conjecture; all of them for each direction, if there are several.
//!
//! The pictures are vector drawings in points (1/72 inch), laid out at their size in print. Each is drawn once, as SVG; [`encode`]
//! makes PNG and PDF of it. Nothing here knows about result files: [`draw`] takes cells with their summaries, [`plot`] all
//! samples.

pub mod axis;
pub mod canvas;
mod distribution;
mod encode;
pub mod frame;
pub mod layout;
mod lines;
mod phase;
mod series;
pub mod style;
mod switching;
pub mod text;

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::error::BadInput;
use crate::experiment::Experiment;
use crate::files::{Existing, place};
use crate::model::{Cell, Direction, Readout};
use crate::results::switching::switching;
use crate::results::{Results, Summary, show};
use crate::stats::distinct;
use crate::text::short;

/// File format of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Format {
    Svg,
    /// 300 dots an inch.
    Png,
    Pdf,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Format::Svg => "svg",
            Format::Png => "png",
            Format::Pdf => "pdf",
        }
    }
}

/// A drawn picture: the stem of its file name, and the drawing as an SVG document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub name: String,
    pub svg: String,
}

/// Draws all pictures of `results` and writes them into `directory`, which is created if need be. Returns the files written,
/// picture by picture. Files of the same names are replaced; each appears whole or not at all.
///
/// # Errors
/// [`BadInput`] if the results hold no cell or `directory` cannot be made; otherwise when a file cannot be written.
pub fn plot(results: &Results, directory: &Path, formats: &[Format]) -> anyhow::Result<Vec<PathBuf>> {
    if results.cells.is_empty() {
        let what = "there is nothing to plot";
        return Err(BadInput::new(what, "the results hold no cell", "give the file of a finished experiment").into());
    }
    let partial = if results.is_complete() { "" } else { "PARTIAL: " };
    let note = format!("{partial}{}", note(&results.experiment));
    let directions = &results.experiment.directions;
    let mut pictures = Vec::new();
    for (index, direction) in directions.iter().enumerate() {
        let (note, suffix) = match directions.as_slice() {
            [Direction::Gradient] => (note.clone(), String::new()),
            [_] => (format!("steps: {}; {note}", direction.name()), String::new()),
            _ => (format!("steps: {}; {note}", direction.name()), format!("_{}", direction.name())),
        };
        let cells = &*results.cells_along(index);
        let summaries: Vec<(Cell, Summary)> = cells.iter().map(|cell| (cell.cell, cell.summary())).collect();
        let drawn = draw(&summaries, &note).into_iter().chain(distribution::pictures(cells, &note));
        let drawn = drawn.chain(switching::conjecture(&switching(cells), &note));
        pictures.extend(drawn.map(|picture| Picture { name: format!("{}{suffix}", picture.name), ..picture }));
    }
    write(&pictures, directory, formats)
}

/// Draws all pictures of `cells` that need no more than their summaries; `note` is one line under each title that says what was
/// run. No cells, no pictures.
///
/// Depths, dims and widths are those that occur in `cells`, in any order; not every combination needs to be there.
pub fn draw(cells: &[(Cell, Summary)], note: &str) -> Vec<Picture> {
    if cells.is_empty() {
        return Vec::new();
    }
    let mut pictures = vec![lines::fraction(cells, note)];
    pictures.extend(series::depths(cells).into_iter().map(|depth| lines::step_and_gradient(cells, depth, note)));
    pictures.push(phase::diagram(cells, note));
    pictures
}

/// Writes each picture in each format into `directory`. Everything is encoded before the first file is written.
///
/// # Errors
/// As for [`plot`].
pub fn write(pictures: &[Picture], directory: &Path, formats: &[Format]) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory).map_err(|cause| {
        let what = format!("cannot make the directory {}", directory.display());
        BadInput::new(what, cause.to_string(), "give --out a directory that you may write to")
    })?;
    let formats = distinct(formats.iter().copied());
    let mut files = Vec::new();
    for picture in pictures {
        for &format in &formats {
            let bytes = encode::encode(&picture.svg, format).with_context(|| format!("cannot encode {}", picture.name))?;
            files.push((directory.join(format!("{}.{}", picture.name, format.extension())), bytes));
        }
    }
    for (path, bytes) in &files {
        place::write_bytes(path, Existing::Replace, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// What was run, in one line.
fn note(experiment: &Experiment) -> String {
    let readout = match experiment.readout {
        Readout::Sign => "±1",
        Readout::Gaussian => "Gaussian",
    };
    let Experiment { networks, inputs, .. } = experiment;
    let (gain, bound) = (short(experiment.gain), short(experiment.bound));
    let (networks_word, inputs_word) = (plural(*networks, "network"), plural(*inputs, "input"));
    format!(
        "{networks} {networks_word} × {inputs} {inputs_word} per point, {readout} readout, gain {gain}, {}*η* ≤ {bound}",
        show::form(experiment)
    )
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
