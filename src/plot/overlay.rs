//! Files and directions in one figure: what is compared, and the figures that compare it against width.

use super::chart::{Along, Chart, Source};
use super::columns::{Column, DISTANCE, FRACTION, GRADIENT, RATIO, STEP};
use super::look::Look;
use super::options::Options;
use super::{Input, Picture, text};
use crate::error::BadInput;
use crate::model::{Cell, Direction};
use crate::results::Summary;
use crate::text::shortened;

/// Longest label of a file in a legend, in characters.
const LONGEST_LABEL: usize = 40;

/// The directions of all files. Labels tell files and directions apart as far as there are several.
pub fn sources(inputs: &[Input], options: &Options) -> Vec<Source> {
    let several_directions = inputs.iter().any(|input| input.results.experiment.directions.len() > 1);
    let of_input = |(file, input): (usize, &Input)| {
        let Input { label, results } = input;
        let experiment = &results.experiment;
        let summaries: Vec<(Cell, Vec<Summary>)> =
            results.cells.iter().map(|cell| (cell.cell, cell.summaries(experiment))).collect();
        let source = |(index, direction): (usize, &Direction)| {
            let name = text::plain(&shortened(label, LONGEST_LABEL));
            let label = match (inputs.len() > 1, several_directions) {
                (true, true) => format!("{name}, {}", direction.name()),
                (true, false) => name,
                (false, _) => direction.name().to_owned(),
            };
            let cells = summaries.iter().map(|(cell, summaries)| (*cell, summaries[index])).collect();
            Source { file, label, fields: [input.label.as_str().into(), direction.name().into()], cells }
        };
        let wanted = experiment.directions.iter().enumerate().filter(|(_, direction)| options.only.has_direction(**direction));
        wanted.map(source).collect::<Vec<Source>>()
    };
    inputs.iter().enumerate().flat_map(of_input).collect()
}

/// Fraction, step, gradient norm and distance against width, and the ratio of distances where it is known.
pub fn pictures(sources: &[Source], look: &Look, note: &str) -> Result<Vec<Picture>, BadInput> {
    let has_ratio = sources.iter().flat_map(|source| &source.cells).any(|(_, summary)| summary.ratio_q50.is_finite());
    let columns = [("fraction", FRACTION), ("step", STEP), ("gradient", GRADIENT), ("distance", DISTANCE), ("ratio", RATIO)];
    let columns = columns.into_iter().filter(|(name, _)| has_ratio || *name != "ratio");
    let has_any =
        |column: &Column| sources.iter().flat_map(|source| &source.cells).any(|(_, summary)| (column.value)(summary).is_finite());
    let columns = columns.filter(|(_, column)| has_any(column));
    let draw = |(name, y): (&str, Column)| {
        // The gradient is the same for all directions of a file.
        let shown = if y.name == GRADIENT.name { one_per_file(sources) } else { sources.iter().collect() };
        Chart { x: Along::Width, y }.draw(&shown, format!("overlay_{name}"), look, note)
    };
    columns.map(draw).collect()
}

/// The first direction of each file.
fn one_per_file(sources: &[Source]) -> Vec<&Source> {
    let is_first = |index: usize| index == 0 || sources[index].file != sources[index - 1].file;
    (0..sources.len()).filter(|&index| is_first(index)).map(|index| &sources[index]).collect()
}

/// The settings of all files: once if they are the same.
pub fn common_note(inputs: &[Input], notes: &[String]) -> String {
    if notes.iter().all(|note| *note == notes[0]) {
        return notes[0].clone();
    }
    let named =
        inputs.iter().zip(notes).map(|(input, note)| format!("{}: {note}", text::plain(&shortened(&input.label, LONGEST_LABEL))));
    named.collect::<Vec<_>>().join("; ")
}
