//! A column of the table against width, dim or depth, with the curves of all files and directions in one figure.

use super::Picture;
use super::axis::{LogAxis, XAxis, number_label};
use super::canvas::Stroke;
use super::columns::{Column, DISTANCE, RATIO};
use super::data::Field;
use super::legend::Entry;
use super::lines::{LinePicture, Names, Panel, points, x_axis, y_axis};
use super::look::{Band, Log, Look};
use super::series::{self, Series};
use super::style::{self, CurveStyle};
use crate::error::BadInput;
use crate::model::Cell;
use crate::model::cell::layers_label;
use crate::results::Summary;
use crate::stats::distinct;

/// The quantity along the x-axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Along {
    /// Width k, a panel per depth, a curve per dim
    #[value(name = "k", alias = "width")]
    Width,
    /// Input dimension d, a panel per depth, a curve per width
    #[value(name = "d", alias = "dim")]
    Dim,
    /// Number of hidden layers L, a panel per dim, a curve per width
    #[value(name = "depth", alias = "L")]
    Depth,
}

impl Along {
    /// Name in data and file names.
    pub fn name(self) -> &'static str {
        match self {
            Along::Width => "width",
            Along::Dim => "dim",
            Along::Depth => "depth",
        }
    }

    fn of(self, cell: &Cell) -> usize {
        match self {
            Along::Width => cell.width,
            Along::Dim => cell.dim,
            Along::Depth => cell.depth,
        }
    }

    /// The axis label, and the name in titles.
    fn labels(self) -> (&'static str, &'static str) {
        match self {
            Along::Width => ("width *k*", "the width *k*"),
            Along::Dim => ("dim *d*", "the input dimension *d*"),
            Along::Depth => ("hidden layers *L*", "the number of hidden layers *L*"),
        }
    }

    /// What a panel is of.
    fn panel(self, cell: &Cell) -> usize {
        if self == Along::Depth { cell.dim } else { cell.depth }
    }

    fn panel_name(self) -> &'static str {
        if self == Along::Depth { "dim" } else { "depth" }
    }

    fn panel_title(self, size: usize) -> String {
        let symbol = if self == Along::Depth { "d" } else { "L" };
        format!("*{symbol}* = {}", number_label(size))
    }

    /// What tells the curves of a source apart.
    fn curve(self, cell: &Cell) -> Curve {
        match self {
            Along::Width => (cell.dim, Vec::new()),
            _ if cell.has_differing_layers() => (cell.width, cell.widths().collect()),
            _ => (cell.width, Vec::new()),
        }
    }

    fn curve_name(self) -> &'static str {
        if self == Along::Width { "dim" } else { "width" }
    }

    fn curve_label(self, (size, layers): &Curve) -> String {
        match (self, layers.is_empty()) {
            (Along::Width, _) => format!("*d* = {}", number_label(*size)),
            (_, true) => format!("*k* = {}", number_label(*size)),
            (_, false) => layers_label(layers.iter().copied()),
        }
    }
}

/// A dim or width, and the widths of all layers if they differ.
type Curve = (usize, Vec<usize>);

/// A figure of one column.
#[derive(Debug, Clone, Copy)]
pub struct Chart {
    pub x: Along,
    pub y: Column,
}

/// The curves of one file and direction.
pub struct Source {
    /// Number of the file.
    pub file: usize,
    /// Markup; empty for a single source.
    pub label: String,
    /// Names of file and direction in the data.
    pub fields: [Field; 2],
    pub cells: Vec<(Cell, Summary)>,
}

impl Chart {
    pub fn name(&self) -> String {
        format!("{}_against_{}", self.y.name, self.x.name())
    }

    /// Draws `sources`; the colour of a curve tells sources apart if there are several, marker and dashes the rest.
    ///
    /// # Errors
    /// No cell has a value, or hidden layers differ in width and the x-axis is not the dim.
    pub fn draw(&self, sources: &[&Source], name: String, look: &Look, note: &str) -> Result<Picture, BadInput> {
        let Chart { x, y } = *self;
        let cells = || sources.iter().flat_map(|source| &source.cells);
        if x != Along::Dim && cells().any(|(cell, _)| cell.has_differing_layers()) {
            let what = format!("cannot draw against {}", if x == Along::Width { "the width" } else { "the depth" });
            return Err(BadInput::new(what, "hidden layers of these networks differ in width", "give --x d with --y"));
        }
        let band = look.band.unwrap_or_else(|| default_band(&y, sources.len()));
        let panels = distinct(cells().map(|(cell, _)| x.panel(cell)));
        let curves: Vec<Curve> = distinct(cells().map(|(cell, _)| x.curve(cell)));
        let keys: Vec<usize> = (0..sources.len() * curves.len()).collect();
        let of_panel = |panel: usize| -> Vec<Series> {
            let of_key = |&key: &usize| {
                let (source, curve) = (&sources[key / curves.len()], &curves[key % curves.len()]);
                let here = source.cells.iter().filter(|(cell, _)| x.panel(cell) == panel && x.curve(cell) == *curve);
                series::curve(key, here, |cell| x.of(cell), &y, band)
            };
            keys.iter().map(of_key).filter(|series| series.points().next().is_some()).collect()
        };
        let drawn: Vec<Vec<Series>> = panels.iter().map(|&panel| of_panel(panel)).collect();
        if points(drawn.iter().flatten()).next().is_none() {
            let why = format!("no cell has a value of {}", y.name);
            return Err(BadInput::new("there is nothing to draw", why, "give another --y, or results that have it"));
        }
        let reference = match y.name {
            name if name == DISTANCE.name => Some((1.0, "1 (‖*x*‖/√*d* on the sphere)")),
            name if name == RATIO.name => Some((1.0, "equal")),
            _ => None,
        };
        let axis = y_axis(look, &y, drawn.iter().flatten(), if reference.is_some() { 1.0 } else { 0.0 });
        let panel = |(&size, series): (&usize, Vec<Series>)| Panel {
            title: x.panel_title(size),
            y_label: y.label,
            y: axis.clone(),
            series,
            key: size.into(),
        };
        let (x_label, x_name) = x.labels();
        let sizes = distinct(cells().map(|(cell, _)| x.of(cell)));
        let style = |&key: &usize| match sources.len() {
            1 => CurveStyle::of(key, curves.len()),
            _ => CurveStyle::of_source(key / curves.len(), key % curves.len(), curves.len()),
        };
        let styles: Vec<CurveStyle> = keys.iter().map(style).collect();
        let mut title = format!("{}, against {x_name}", y.what);
        if let ([only], true) = (&curves[..], sources.len() > 1) {
            title = format!("{title}, {}", x.curve_label(only));
        }
        let fields = |&key: &usize| {
            let (size, layers) = &curves[key % curves.len()];
            let curve = if layers.is_empty() { (*size).into() } else { layers_label(layers.iter().copied()).into() };
            sources[key / curves.len()].fields.iter().cloned().chain([curve]).collect()
        };
        let picture = LinePicture {
            look,
            panels: panels.iter().zip(drawn).map(panel).collect(),
            shared_y: true,
            x: match x {
                Along::Depth if !look.log.is_some_and(Log::has_x) => XAxis::Depths(sizes),
                Along::Depth => XAxis::Sizes(LogAxis::of_sizes(&sizes)),
                _ => x_axis(look, &sizes),
            },
            x_label,
            keys: &keys,
            legend: legend(self, sources, &curves, &styles, band),
            styles,
            reference,
            names: Names { panel: x.panel_name(), curve: vec!["file", "direction", x.curve_name()], x: x.name(), value: y.name },
            fields: keys.iter().map(fields).collect(),
        };
        let note = format!("{}{note}", y.band_note(band));
        Ok(Picture::new(name, picture.draw(&title, &note), picture.data()))
    }
}

/// The std of a single source; standard errors of several, which are compared.
fn default_band(column: &Column, sources: usize) -> Band {
    let nothing = Summary::of(&[]);
    let bands = if sources > 1 { [Band::Stderr, Band::Std] } else { [Band::Std, Band::Stderr] };
    bands.into_iter().find(|&band| column.half(band, &nothing).is_some()).unwrap_or(Band::None)
}

/// Sources by colour, then the curves of each by marker and dashes, where there are several. A source without values, such as the direction that
/// ratios are of, is left out.
fn legend(chart: &Chart, sources: &[&Source], curves: &[Curve], styles: &[CurveStyle], band: Band) -> Vec<Entry> {
    let with = |label: String, style: CurveStyle| {
        if band == Band::None { Entry::curve(label, style) } else { Entry::with_band(label, style) }
    };
    let labels = || curves.iter().map(|curve| chart.x.curve_label(curve));
    let is_drawn =
        |(source, _): &(&&Source, &CurveStyle)| source.cells.iter().any(|(_, summary)| (chart.y.value)(summary).is_finite());
    match (sources, curves) {
        ([_], _) => labels().zip(styles).map(|(label, &style)| with(label, style)).collect(),
        (_, [_]) => sources.iter().zip(styles).filter(is_drawn).map(|(source, &style)| with(source.label.clone(), style)).collect(),
        _ => {
            let of_source =
                |(source, style): (&&Source, &CurveStyle)| Entry::line(source.label.clone(), Stroke { width: 2.0, ..style.line() });
            let of_curve = |(label, style): (String, &CurveStyle)| Entry::curve(label, style.with_colour(style::GREY));
            let by_source = sources.iter().zip(styles.iter().step_by(curves.len())).filter(is_drawn).map(of_source);
            by_source.chain(labels().zip(styles).map(of_curve)).collect()
        }
    }
}
