//! Results → figures: Figure 1 (fraction that flips), step and gradient norm per depth (Figures 2–7), the distance, the phase diagram, distributions
//! of step and gradient norm, and the depth conjecture, or points by shape; one set per direction, and figures that compare directions.
//!
//! Figures are vector drawings in points (1/72 inch) at print size, drawn once as SVG; [`encode`] converts to PNG and PDF. [`draw`] needs summaries
//! only, [`plot`] all samples; neither reads files.

pub mod axis;
pub mod canvas;
mod distribution;
mod encode;
pub mod frame;
pub mod layout;
mod lines;
mod phase;
mod ratios;
mod series;
mod shapes;
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
pub enum ImageFormat {
    Svg,
    /// 300 dpi.
    Png,
    Pdf,
}

impl ImageFormat {
    fn extension(self) -> &'static str {
        match self {
            ImageFormat::Svg => "svg",
            ImageFormat::Png => "png",
            ImageFormat::Pdf => "pdf",
        }
    }
}

/// A figure: file stem and SVG document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub name: String,
    pub svg: String,
}

/// Draws all figures of `results` into `directory`, creating it if necessary, and returns the files written. Existing files are replaced
/// atomically.
///
/// # Errors
/// [`BadInput`] if there are no cells or `directory` cannot be created; I/O errors otherwise.
pub fn plot(results: &Results, directory: &Path, formats: &[ImageFormat]) -> anyhow::Result<Vec<PathBuf>> {
    if results.cells.is_empty() {
        let what = "there is nothing to plot";
        return Err(BadInput::new(what, "the results hold no cell", "give the file of a finished experiment").into());
    }
    let partial = if results.is_complete() { "" } else { "PARTIAL: " };
    let note = format!("{partial}{}", note(&results.experiment));
    let directions = &results.experiment.directions;
    let has_shapes = !results.experiment.hidden.is_empty();
    let mut pictures = Vec::new();
    for (index, direction) in directions.iter().enumerate() {
        let (note, suffix) = match directions.as_slice() {
            [Direction::Gradient] => (note.clone(), String::new()),
            [_] => (format!("steps: {}; {note}", direction.name()), String::new()),
            _ => (format!("steps: {}; {note}", direction.name()), format!("_{}", direction.name())),
        };
        let cells = &*results.cells_along(index);
        let summaries: Vec<(Cell, Summary)> = cells.iter().map(|cell| (cell.cell, cell.summary())).collect();
        let of_summaries = if has_shapes { shapes::pictures(&summaries, &note) } else { draw(&summaries, &note) };
        let drawn = of_summaries.into_iter().chain(distribution::pictures(cells, &note));
        let drawn = drawn.chain(switching::conjecture(&switching(cells), &note));
        pictures.extend(drawn.map(|picture| Picture { name: format!("{}{suffix}", picture.name), ..picture }));
    }
    if directions.len() > 1 {
        let summaries: Vec<(Cell, Vec<Summary>)> =
            results.cells.iter().map(|cell| (cell.cell, cell.summaries(&results.experiment))).collect();
        let along = |index: usize| summaries.iter().map(|(cell, summaries)| (*cell, summaries[index])).collect();
        let by_direction: Vec<Vec<(Cell, Summary)>> = (0..directions.len()).map(along).collect();
        let names: Vec<&str> = directions.iter().map(|direction| direction.name()).collect();
        match has_shapes {
            true => pictures.push(shapes::ratios(&by_direction, &names, &note)),
            false => pictures.extend(ratios::pictures(&by_direction, &names, &note)),
        }
    }
    write(&pictures, directory, formats)
}

/// Draws the figures of a grid that need summaries only. `cells` may be in any order and need not form a complete grid; without cells there are no figures.
/// `note` is the line under each title.
pub fn draw(cells: &[(Cell, Summary)], note: &str) -> Vec<Picture> {
    if cells.is_empty() {
        return Vec::new();
    }
    let mut pictures = vec![lines::fraction(cells, note)];
    pictures.extend(series::depths(cells).into_iter().map(|depth| lines::step_and_gradient(cells, depth, note)));
    pictures.extend([lines::distance(cells, note), phase::diagram(cells, note)]);
    pictures
}

/// Writes each picture in each format into `directory`, encoding everything before the first write.
///
/// # Errors
/// As [`plot`].
pub fn write(pictures: &[Picture], directory: &Path, formats: &[ImageFormat]) -> anyhow::Result<Vec<PathBuf>> {
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

/// One line that describes the experiment.
fn note(experiment: &Experiment) -> String {
    let readout = match experiment.readout {
        Readout::Sign => "±1",
        Readout::Gaussian => "Gaussian",
    };
    let Experiment { networks, inputs, .. } = experiment;
    let (gain, bound) = (short(experiment.gain), short(experiment.bound));
    let (networks_word, inputs_word) = (plural(*networks, "network"), plural(*inputs, "input"));
    format!(
        "{networks} {networks_word} × {inputs} {inputs_word} per point, {readout} readout, gain {gain}, {}*η* ≤ {bound}{}",
        show::form(experiment),
        distance_bound(experiment)
    )
}

/// The bound on the distance, if there is one.
fn distance_bound(experiment: &Experiment) -> String {
    experiment.bound_distance.map_or(String::new(), |bound| format!(", ‖*δ*‖ ≤ {}", short(bound)))
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
