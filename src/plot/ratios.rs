//! Distances along the other directions over those along the first, against width, input dimension and number of layers.

use super::Picture;
use super::axis::{LinearAxis, LogAxis, XAxis, number_label};
use super::lines::{LinePicture, Panel, points};
use super::series::{self, Series};
use crate::model::Cell;
use crate::results::Summary;
use crate::stats::distinct;

/// The summaries of the cells, by direction.
type ByDirection<'a> = &'a [Vec<(Cell, Summary)>];

/// A figure against width, and those against dim and depth if there are several. `names` are those of the directions.
pub fn pictures(cells: ByDirection, names: &[&str], note: &str) -> Vec<Picture> {
    let all = &cells[0];
    let (depths, dims) = (series::depths(all), series::dims(all));
    let figures = Figures { cells, names, note };
    let dim = most_common(all, |cell| cell.dim);
    let width = most_common(all, |cell| cell.width);

    let panels = by_depth(&depths, |depth| series::ratios(cells, |cell| cell.width, |cell| (cell.depth, cell.dim) == (depth, dim)));
    let x = XAxis::Sizes(LogAxis::of_sizes(&series::widths(all)));
    let what = format!("for *L* hidden layers of width *k*, *d* = {}", number_label(dim));
    let mut pictures = vec![figures.picture("directions_distance", panels, (x, "width *k*"), &what)];
    if dims.len() > 1 {
        let here = |depth| move |cell: &Cell| (cell.depth, cell.width) == (depth, width);
        let panels = by_depth(&depths, |depth| series::ratios(cells, |cell| cell.dim, here(depth)));
        let x = XAxis::Sizes(LogAxis::of_sizes(&dims));
        let what = format!("for *L* hidden layers of width *k* = {}", number_label(width));
        pictures.push(figures.picture("directions_distance_dim", panels, (x, "dim *d*"), &what));
    }
    if depths.len() > 1 {
        let here = |dim| move |cell: &Cell| (cell.dim, cell.width) == (dim, width);
        let panel = |&dim: &usize| (format!("*d* = {}", number_label(dim)), series::ratios(cells, |cell| cell.depth, here(dim)));
        let what = format!("for hidden layers of width *k* = {}", number_label(width));
        let panels = dims.iter().map(panel).collect();
        pictures.push(figures.picture("directions_distance_depth", panels, (XAxis::Depths(depths), "hidden layers *L*"), &what));
    }
    pictures
}

fn by_depth(depths: &[usize], curves: impl Fn(usize) -> Vec<Series>) -> Vec<(String, Vec<Series>)> {
    depths.iter().map(|&depth| (format!("*L* = {depth}"), curves(depth))).collect()
}

/// The size that most cells have; of several the largest.
fn most_common(cells: &[(Cell, Summary)], of: fn(&Cell) -> usize) -> usize {
    let count = |size: usize| cells.iter().filter(|(cell, _)| of(cell) == size).count();
    let sizes = distinct(cells.iter().map(|(cell, _)| of(cell)));
    sizes.into_iter().max_by_key(|&size| (count(size), size)).unwrap_or_default()
}

/// What the figures have in common.
struct Figures<'a> {
    cells: ByDirection<'a>,
    names: &'a [&'a str],
    note: &'a str,
}

impl Figures<'_> {
    /// The figure of these panels, each a title and curves.
    fn picture(
        &self,
        name: &str,
        mut panels: Vec<(String, Vec<Series>)>,
        (x, x_label): (XAxis, &'static str),
        what: &str,
    ) -> Picture {
        let highest = highest(panels.iter_mut().flat_map(|(_, curves)| curves));
        let y = LinearAxis::from_zero(highest);
        let panel = |(title, series)| Panel { title, y_label: "ratio of distances", y: y.clone(), series };
        let keys: Vec<usize> = (1..self.cells.len()).collect();
        let picture = LinePicture {
            panels: panels.into_iter().map(panel).collect(),
            shared_y: true,
            x,
            x_label,
            keys: &keys,
            labels: self.names.iter().skip(1).map(|name| (*name).to_owned()).collect(),
            reference: Some((1.0, "equal")),
        };
        let title = format!("Distance to the flip over that along {}, {what}", self.names[0]);
        let note = format!(
            "ratios input by input, where both flip: median ± 2 standard errors (networks as clusters), band from 5 to 95 %; {}",
            self.note
        );
        Picture { name: name.to_owned(), svg: picture.draw(&title, &note) }
    }
}

/// The largest value drawn. Bands end at twice the largest median: a wide one would squeeze the rest.
fn highest<'a>(curves: impl Iterator<Item = &'a mut Series>) -> f64 {
    let curves: Vec<&mut Series> = curves.collect();
    let top = 2.0 * points(curves.iter().map(|series| &**series)).map(|point| point.mean).fold(1.0, f64::max);
    let mut highest: f64 = 1.0;
    for point in curves.into_iter().flat_map(|series| &mut series.runs).flatten() {
        point.band = point.band.map(|(low, high)| (low, high.min(top)));
        highest = highest.max(point.extent().1).max(point.mean + point.error.unwrap_or(0.0));
    }
    highest
}
