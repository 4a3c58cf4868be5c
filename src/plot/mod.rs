//! Results → figures: Figure 1 (fraction that flips), step and gradient norm per depth (Figures 2–7), the distance, the phase diagram, distributions
//! of step and gradient norm, and the depth conjecture, or points by shape; one set per direction, and figures that compare directions.
//!
//! Figures are vector drawings in points (1/72 inch) at print size, drawn once as SVG; [`encode`] converts to PNG and PDF. [`draw`] needs summaries
//! only, [`plot`] all samples; neither reads files.

mod against_width;
pub mod axis;
pub mod canvas;
pub mod chart;
pub mod columns;
pub mod data;
pub mod distribution;
mod encode;
pub mod figure;
pub mod font;
pub mod frame;
pub mod layout;
pub mod legend;
mod lines;
pub mod look;
pub mod options;
mod overlay;
mod phase;
mod ratios;
mod series;
mod shapes;
pub mod style;
mod switching;
pub mod text;

use std::path::{Path, PathBuf};

use anyhow::Context;

use self::data::Data;
use self::font::Font;
use self::layout::Drawing;
use self::look::Look;
use self::options::Options;
use crate::error::BadInput;
use crate::experiment::Experiment;
use crate::files::{Existing, place};
use crate::model::{Cell, Direction, Readout};
use crate::results::switching::switching;
use crate::results::{Results, Summary, show};
use crate::stats::distinct;
use crate::text::{counted, short};

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

/// A figure: file stem, SVG document, and its numbers as CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub name: String,
    pub svg: String,
    /// Empty if there are none.
    pub data: String,
    /// Whether it has the size that was asked for.
    fits: bool,
}

impl Picture {
    pub fn new(name: impl Into<String>, drawing: Drawing, data: Data) -> Self {
        Self { data: data.csv(), ..Self::without_data(name, drawing) }
    }

    pub fn without_data(name: impl Into<String>, Drawing { svg, fits }: Drawing) -> Self {
        Self { name: name.into(), svg, data: String::new(), fits }
    }
}

/// A results file and its name in legends.
#[derive(Debug, Clone)]
pub struct Input {
    pub label: String,
    pub results: Results,
}

/// Draws all figures of `results` into `directory`, creating it if necessary, and returns the files written. Existing files are replaced
/// atomically.
///
/// # Errors
/// [`BadInput`] if there are no cells or `directory` cannot be created; I/O errors otherwise.
pub fn plot(results: &Results, directory: &Path, formats: &[ImageFormat]) -> anyhow::Result<Vec<PathBuf>> {
    check_cells(&[results])?;
    write(&of_file(results, &note(results), &Options::default()), directory, formats)
}

/// Draws what `options` choose of the results of one or several files.
///
/// # Errors
/// [`BadInput`] if the results do not have what is chosen, or a figure does not fit its size.
pub fn figures(inputs: Vec<Input>, options: &Options) -> Result<Vec<Picture>, BadInput> {
    let all: Vec<&Results> = inputs.iter().map(|input| &input.results).collect();
    check_cells(&all)?;
    options.only.check(&all)?;
    let notes: Vec<String> = all.iter().map(|results| note(results)).collect();
    let only = |mut input: Input| {
        input.results.cells.retain(|cell| options.only.has(cell.cell.depth, cell.cell.dim, cell.cell.width));
        input
    };
    let inputs: Vec<Input> = inputs.into_iter().map(only).collect();
    if let Some(input) = inputs.iter().find(|input| input.results.cells.is_empty()) {
        let what = format!("there is nothing to draw of {}", input.label);
        return Err(BadInput::new(
            what,
            "it has no cell of the depths, dims and widths given",
            "give others, or leave out the file",
        ));
    }
    let pictures = match (&options.chart, &inputs[..]) {
        (None, [input]) if !options.overlay => of_file(&input.results, &notes[0], options),
        (chart, _) => {
            let (sources, note) = (overlay::sources(&inputs, options), overlay::common_note(&inputs, &notes));
            match chart {
                Some(chart) => vec![chart.draw(&sources.iter().collect::<Vec<_>>(), chart.name(), &options.look, &note)?],
                None => overlay::pictures(&sources, &options.look, &note)?,
            }
        }
    };
    let pictures = if options.figures.is_empty() { pictures } else { figure::chosen(pictures, &options.figures)? };
    let remedy = "give a larger --size, a smaller --font, fewer --depths, --dims or --widths, or choose figures by --figure";
    check_sizes(&pictures, remedy)?;
    Ok(pictures)
}

/// Refuses pictures larger than the page that was asked for.
pub fn check_sizes(pictures: &[Picture], remedy: &str) -> Result<(), BadInput> {
    match pictures.iter().find(|picture| !picture.fits) {
        None => Ok(()),
        Some(picture) => {
            let what = format!("the figure {} does not fit its page", picture.name);
            Err(BadInput::new(what, "its panels, texts or legend need more space", remedy))
        }
    }
}

fn check_cells(files: &[&Results]) -> Result<(), BadInput> {
    match files.iter().all(|results| !results.cells.is_empty()) {
        true => Ok(()),
        false => {
            let what = "there is nothing to plot";
            Err(BadInput::new(what, "the results hold no cell", "give the file of a finished experiment"))
        }
    }
}

/// The figures of one file, a set per direction.
fn of_file(results: &Results, note: &str, options: &Options) -> Vec<Picture> {
    let look = &options.look;
    let directions = &results.experiment.directions;
    let has_shapes = !results.experiment.hidden.is_empty();
    let mut pictures = Vec::new();
    for (index, direction) in directions.iter().enumerate().filter(|(_, direction)| options.only.has_direction(**direction)) {
        let (note, suffix) = match directions.as_slice() {
            [Direction::Gradient] => (note.to_owned(), String::new()),
            [_] => (format!("steps: {}; {note}", direction.name()), String::new()),
            _ => (format!("steps: {}; {note}", direction.name()), format!("_{}", direction.name())),
        };
        let cells = &*results.cells_along(index);
        let summaries: Vec<(Cell, Summary)> = cells.iter().map(|cell| (cell.cell, cell.summary())).collect();
        let of_summaries = if has_shapes { shapes::pictures(&summaries, look, &note) } else { of_grid(&summaries, look, &note) };
        let drawn = of_summaries.into_iter().chain(distribution::pictures(cells, look, &note));
        let drawn = drawn.chain(switching::conjecture(&switching(cells), look, &note));
        pictures.extend(drawn.map(|picture| Picture { name: format!("{}{suffix}", picture.name), ..picture }));
    }
    if directions.len() > 1 {
        let summaries: Vec<(Cell, Vec<Summary>)> =
            results.cells.iter().map(|cell| (cell.cell, cell.summaries(&results.experiment))).collect();
        let along = |index: usize| summaries.iter().map(|(cell, summaries)| (*cell, summaries[index])).collect();
        // The first is what the others are compared with.
        let indices: Vec<usize> =
            (0..directions.len()).filter(|&index| index == 0 || options.only.has_direction(directions[index])).collect();
        let by_direction: Vec<Vec<(Cell, Summary)>> = indices.iter().map(|&index| along(index)).collect();
        let names: Vec<&str> = indices.iter().map(|&index| directions[index].name()).collect();
        match has_shapes {
            _ if names.len() < 2 => {}
            true => pictures.push(shapes::ratios(&by_direction, &names, look, note)),
            false => pictures.extend(ratios::pictures(&by_direction, &names, look, note)),
        }
    }
    pictures
}

/// Draws the figures of a grid that need summaries only. `cells` may be in any order and need not form a complete grid; without cells there are no figures.
/// `note` is the line under each title.
pub fn draw(cells: &[(Cell, Summary)], note: &str) -> Vec<Picture> {
    of_grid(cells, &Look::default(), note)
}

fn of_grid(cells: &[(Cell, Summary)], look: &Look, note: &str) -> Vec<Picture> {
    if cells.is_empty() {
        return Vec::new();
    }
    let mut pictures = vec![against_width::fraction(cells, look, note)];
    pictures.extend(series::depths(cells).into_iter().map(|depth| against_width::step_and_gradient(cells, depth, look, note)));
    pictures.extend([against_width::distance(cells, look, note), phase::diagram(cells, look, note)]);
    pictures
}

/// Writes each picture in each format into `directory`, encoding everything before the first write.
///
/// # Errors
/// As [`plot`].
pub fn write(pictures: &[Picture], directory: &Path, formats: &[ImageFormat]) -> anyhow::Result<Vec<PathBuf>> {
    write_with(pictures, directory, formats, &Font::bundled(), false)
}

/// As [`write`](fn@write), for pictures whose text is set in `font`, and with their numbers in a CSV file beside each if `data`.
///
/// # Errors
/// As [`plot`].
pub fn write_with(
    pictures: &[Picture],
    directory: &Path,
    formats: &[ImageFormat],
    font: &Font,
    data: bool,
) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory).map_err(|cause| {
        let what = format!("cannot make the directory {}", directory.display());
        BadInput::new(what, cause.to_string(), "give --out a directory that you may write to")
    })?;
    let formats = distinct(formats.iter().copied());
    let mut files = Vec::new();
    for picture in pictures {
        for &format in &formats {
            let bytes = encode::encode(&picture.svg, format, font).with_context(|| format!("cannot encode {}", picture.name))?;
            files.push((directory.join(format!("{}.{}", picture.name, format.extension())), bytes));
        }
        if data && !picture.data.is_empty() {
            files.push((directory.join(format!("{}.csv", picture.name)), picture.data.clone().into_bytes()));
        }
    }
    for (path, bytes) in &files {
        place::write_bytes(path, Existing::Replace, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// One line that describes the experiment, and says so if cells are missing.
fn note(results: &Results) -> String {
    let partial = if results.is_complete() { "" } else { "PARTIAL: " };
    format!("{partial}{}", settings(&results.experiment))
}

fn settings(experiment: &Experiment) -> String {
    let readout = match experiment.readout {
        Readout::Sign => "±1",
        Readout::Gaussian => "Gaussian",
    };
    let Experiment { networks, inputs, .. } = experiment;
    let (gain, bound) = (short(experiment.gain), short(experiment.bound));
    let (networks, inputs) = (counted(*networks, "network"), counted(*inputs, "input"));
    format!(
        "{networks} × {inputs} per point, {readout} readout, gain {gain}, {}*η* ≤ {bound}{}",
        show::form(experiment),
        distance_bound(experiment)
    )
}

/// The bound on the distance, if there is one.
fn distance_bound(experiment: &Experiment) -> String {
    experiment.bound_distance.map_or(String::new(), |bound| format!(", ‖*δ*‖ ≤ {}", short(bound)))
}
