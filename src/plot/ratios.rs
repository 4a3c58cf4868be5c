//! Distances along the other directions over those along the first, against width, input dimension and number of layers.

use super::Picture;
use super::axis::{XAxis, YAxis, number_label};
use super::legend::Entry;
use super::lines::{LinePicture, Names, Panel, points, x_axis};
use super::look::{Band, Log, Look};
use super::series::{self, Series};
use super::style::CurveStyle;
use crate::model::Cell;
use crate::results::Summary;
use crate::stats::distinct;

/// The summaries of the cells, by direction.
type ByDirection<'a> = &'a [Vec<(Cell, Summary)>];

/// A figure against width, and those against dim and depth if there are several. `names` are those of the directions.
pub fn pictures(cells: ByDirection, names: &[&str], look: &Look, note: &str) -> Vec<Picture> {
    let all = &cells[0];
    let (depths, dims) = (series::depths(all), series::dims(all));
    let figures = Figures { cells, names, look, note };
    let dim = most_common(all, |cell| cell.dim);
    let width = most_common(all, |cell| cell.width);

    let panels = by_depth(&depths, |depth| series::ratios(cells, |cell| cell.width, |cell| (cell.depth, cell.dim) == (depth, dim)));
    let x = x_axis(look, &series::widths(all));
    let what = format!("for *L* hidden layers of width *k*, *d* = {}", number_label(dim));
    let mut pictures = vec![figures.picture("directions_distance", "depth", panels, (x, "width *k*", "width"), &what)];
    if dims.len() > 1 {
        let here = |depth| move |cell: &Cell| (cell.depth, cell.width) == (depth, width);
        let panels = by_depth(&depths, |depth| series::ratios(cells, |cell| cell.dim, here(depth)));
        let x = x_axis(look, &dims);
        let what = format!("for *L* hidden layers of width *k* = {}", number_label(width));
        pictures.push(figures.picture("directions_distance_dim", "depth", panels, (x, "dim *d*", "dim"), &what));
    }
    if depths.len() > 1 {
        let here = |dim| move |cell: &Cell| (cell.dim, cell.width) == (dim, width);
        let panel =
            |&dim: &usize| (dim, format!("*d* = {}", number_label(dim)), series::ratios(cells, |cell| cell.depth, here(dim)));
        let what = format!("for hidden layers of width *k* = {}", number_label(width));
        let panels = dims.iter().map(panel).collect();
        let x = (XAxis::Depths(depths), "hidden layers *L*", "depth");
        pictures.push(figures.picture("directions_distance_depth", "dim", panels, x, &what));
    }
    pictures
}

/// The depth or dim of a panel, its title and its curves.
type Curves = (usize, String, Vec<Series>);

fn by_depth(depths: &[usize], curves: impl Fn(usize) -> Vec<Series>) -> Vec<Curves> {
    depths.iter().map(|&depth| (depth, format!("*L* = {depth}"), curves(depth))).collect()
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
    look: &'a Look,
    note: &'a str,
}

impl Figures<'_> {
    /// The figure of these panels, which are told apart by a depth or dim.
    fn picture(
        &self,
        name: &str,
        panel_name: &'static str,
        mut panels: Vec<Curves>,
        (x, x_label, x_name): (XAxis, &'static str, &'static str),
        what: &str,
    ) -> Picture {
        for series in panels.iter_mut().flat_map(|(_, _, curves)| curves) {
            series.points_mut().for_each(|point| match self.look.band {
                None | Some(Band::Std) => {}
                Some(Band::Stderr) => point.band = None,
                Some(Band::None) => (point.band, point.error) = (None, None),
            });
        }
        let highest = highest(panels.iter_mut().flat_map(|(_, _, curves)| curves));
        let y = match self.look.log.is_some_and(Log::has_y) {
            true => {
                let curves = panels.iter().flat_map(|(_, _, curves)| curves);
                YAxis::logarithmic(points(curves).flat_map(|point| [point.mean, point.extent().0, point.extent().1]).chain([1.0]))
            }
            false => YAxis::from_zero(highest),
        };
        let panel =
            |(key, title, series): Curves| Panel { title, y_label: "ratio of distances", y: y.clone(), series, key: key.into() };
        let keys: Vec<usize> = (1..self.cells.len()).collect();
        let styles: Vec<CurveStyle> = (0..keys.len()).map(|index| CurveStyle::of(index, keys.len())).collect();
        let entry = |(name, &style): (&&str, &CurveStyle)| Entry::with_band((*name).to_owned(), style);
        let picture = LinePicture {
            look: self.look,
            panels: panels.into_iter().map(panel).collect(),
            shared_y: true,
            x,
            x_label,
            keys: &keys,
            legend: self.names.iter().skip(1).zip(&styles).map(entry).collect(),
            styles,
            reference: Some((1.0, "equal")),
            names: Names { panel: panel_name, curve: vec!["direction"], x: x_name, value: "ratio_q50" },
            fields: self.names.iter().skip(1).map(|name| vec![(*name).into()]).collect(),
        };
        let title = format!("Distance to the flip over that along {}, {what}", self.names[0]);
        let spread = match self.look.band {
            None | Some(Band::Std) => "median ± 2 standard errors (networks as clusters), band from 5 to 95 %",
            Some(Band::Stderr) => "median ± 2 standard errors (networks as clusters)",
            Some(Band::None) => "median",
        };
        let note = format!("ratios input by input, where both flip: {spread}; {}", self.note);
        Picture::new(name, picture.draw(&title, &note), picture.data())
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
