//! The figures against width: Figure 1, step and gradient norm per depth (Figures 2–7), distance.

use super::Picture;
use super::axis::{YAxis, number_label};
use super::columns::{Column, DISTANCE, FRACTION, GRADIENT, STEP};
use super::legend::Entry;
use super::lines::{LinePicture, Names, Panel, x_axis, y_axis};
use super::look::{Band, Look};
use super::series::{self, Series};
use super::style::CurveStyle;
use crate::model::Cell;
use crate::results::Summary;

/// A panel per depth with its curves, all with the same y-axis.
fn by_depth(depths: &[usize], curves: Vec<Vec<Series>>, y_label: &'static str, y: YAxis) -> Vec<Panel> {
    let panel = |(&depth, series): (&usize, Vec<Series>)| {
        let title = format!("*L* = {depth}");
        Panel { title, y_label, y: y.clone(), series, key: depth.into() }
    };
    depths.iter().zip(curves).map(panel).collect()
}

/// What the figures against width have in common.
struct AgainstWidth<'a> {
    look: &'a Look,
    band: Band,
}

impl<'a> AgainstWidth<'a> {
    fn new(look: &'a Look) -> Self {
        Self { look, band: look.band.unwrap_or(Band::Std) }
    }

    /// The picture of these panels; every dim of the cells has one colour in all figures.
    fn picture(&self, dims: &[usize], panels: Vec<Panel>, widths: &[usize], heading: Heading) -> Picture {
        let Heading { name, title, note, value, panel } = heading;
        let styles: Vec<CurveStyle> = (0..dims.len()).map(|index| CurveStyle::of(index, dims.len())).collect();
        let entry = |(label, &style): (String, &CurveStyle)| match self.band {
            Band::None => Entry::curve(label, style),
            _ => Entry::with_band(label, style),
        };
        let picture = LinePicture {
            look: self.look,
            panels,
            shared_y: panel == "depth",
            x: x_axis(self.look, widths),
            x_label: "width *k*",
            keys: dims,
            legend: dim_labels(dims).into_iter().zip(&styles).map(entry).collect(),
            styles,
            reference: (name == "distance").then_some((1.0, "1 (‖*x*‖/√*d* on the sphere)")),
            names: Names { panel, curve: vec!["dim"], x: "width", value },
            fields: dims.iter().map(|&dim| vec![dim.into()]).collect(),
        };
        Picture::new(name, picture.draw(&title, &note), picture.data())
    }
}

/// Name, title and note of a figure, and the names of value and panel in its data.
struct Heading {
    name: String,
    title: String,
    note: String,
    value: &'static str,
    panel: &'static str,
}

/// Figure 1 or the distance: one panel per depth, all with the same axes.
fn one_column(cells: &[(Cell, Summary)], look: &Look, column: &Column, name: &str, title: &str, note: &str) -> Picture {
    let figure = AgainstWidth::new(look);
    let (depths, dims) = (series::depths(cells), series::dims(cells));
    let curves: Vec<Vec<Series>> = depths.iter().map(|&depth| series::series(cells, depth, column, figure.band)).collect();
    let y = y_axis(look, column, curves.iter().flatten(), 1.0);
    let heading = Heading {
        name: name.to_owned(),
        title: title.to_owned(),
        note: format!("{}{note}", column.band_note(figure.band)),
        value: column.name,
        panel: "depth",
    };
    figure.picture(&dims, by_depth(&depths, curves, column.label, y), &series::widths(cells), heading)
}

/// Figure 1: the fraction that flips.
pub fn fraction(cells: &[(Cell, Summary)], look: &Look, note: &str) -> Picture {
    let title = "Fraction of inputs whose sign flips, for *L* hidden layers of width *k* and input dimension *d*";
    one_column(cells, look, &FRACTION, "figure1_fraction", title, note)
}

/// The distance to the flip.
pub fn distance(cells: &[(Cell, Summary)], look: &Look, note: &str) -> Picture {
    let title = "Distance to the flip of the sign, for *L* hidden layers of width *k* and input dimension *d*";
    one_column(cells, look, &DISTANCE, "distance", title, note)
}

/// Figure `depth` + 1: the smallest step and the gradient norm.
pub fn step_and_gradient(cells: &[(Cell, Summary)], depth: usize, look: &Look, note: &str) -> Picture {
    let here: Vec<(Cell, Summary)> = cells.iter().filter(|(cell, _)| cell.depth == depth).copied().collect();
    let figure = AgainstWidth::new(look);
    let panel = |title: &str, column: &Column| {
        let series = series::series(&here, depth, column, figure.band);
        let y = y_axis(look, column, series.iter(), 0.0);
        Panel { title: title.to_owned(), y_label: column.label, y, series, key: column.name.into() }
    };
    let panels = vec![panel("(a) smallest step that flips the sign", &STEP), panel("(b) norm of the gradient", &GRADIENT)];
    let layers = if depth == 1 { "one hidden layer".to_owned() } else { format!("*L* = {depth} hidden layers") };
    let heading = Heading {
        name: format!("figure{}_depth{depth}", depth + 1),
        title: format!("Smallest step and norm of the gradient, for {layers} of width *k* and input dimension *d*"),
        note: format!("{}{note}", STEP.band_note(figure.band)),
        value: "value",
        panel: "quantity",
    };
    figure.picture(&series::dims(cells), panels, &series::widths(&here), heading)
}

fn dim_labels(dims: &[usize]) -> Vec<String> {
    dims.iter().map(|&dim| format!("*d* = {}", number_label(dim))).collect()
}
