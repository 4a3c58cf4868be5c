//! Panels of curves, and the figures against width: Figure 1, step and gradient norm per depth (Figures 2–7), distance.

use super::Picture;
use super::axis::{LinearAxis, LogAxis, XAxis, number_label};
use super::canvas::{Anchor, Canvas, Stroke, TextStyle};
use super::frame::{Frame, widest};
use super::layout::{Entry, Grid, Legend, Page, columns};
use super::series::{self, CurvePoint, Quantity, Series};
use super::style::{self, CurveStyle};
use super::text;
use crate::model::Cell;
use crate::results::Summary;

/// One coordinate system with its curves.
pub struct Panel {
    pub title: String,
    pub y_label: &'static str,
    pub y: LinearAxis,
    pub series: Vec<Series>,
}

/// A figure of panels with a common x-axis.
pub struct LinePicture<'a> {
    pub panels: Vec<Panel>,
    /// Whether all panels have the same y-axis, labelled in the first column only.
    pub shared_y: bool,
    pub x: XAxis,
    pub x_label: &'static str,
    /// Keys of the curves of all panels, which index the colours, and their labels.
    pub keys: &'a [usize],
    pub labels: Vec<String>,
    /// A value drawn across all panels, and its label.
    pub reference: Option<(f64, &'static str)>,
}

/// A panel per depth with its curves, all with the same y-axis.
fn by_depth(depths: &[usize], curves: Vec<Vec<Series>>, y_label: &'static str, y: LinearAxis) -> Vec<Panel> {
    let panel = |(depth, series): (&usize, Vec<Series>)| Panel { title: format!("*L* = {depth}"), y_label, y: y.clone(), series };
    depths.iter().zip(curves).map(panel).collect()
}

/// Figure 1: the fraction that flips, one panel per depth, all with the same axes.
pub fn fraction(cells: &[(Cell, Summary)], note: &str) -> Picture {
    let depths = series::depths(cells);
    let curves: Vec<Vec<Series>> = depths.iter().map(|&depth| series::series(cells, depth, Quantity::Fraction)).collect();
    let lowest = points(curves.iter().flatten()).map(|point| point.extent().0).fold(1.0, f64::min);
    let dims = series::dims(cells);
    let picture = LinePicture {
        panels: by_depth(&depths, curves, "fraction flipped", LinearAxis::of_fractions(lowest)),
        shared_y: true,
        x: XAxis::Sizes(LogAxis::of_sizes(&series::widths(cells))),
        x_label: "width *k*",
        keys: &dims,
        labels: dim_labels(&dims),
        reference: None,
    };
    let title = "Fraction of inputs whose sign flips, for *L* hidden layers of width *k* and input dimension *d*";
    let note = format!("mean ± 1 std over networks; {note}");
    Picture { name: "figure1_fraction".to_owned(), svg: picture.draw(title, &note) }
}

/// Figure `depth` + 1: the smallest step and the gradient norm.
pub fn step_and_gradient(cells: &[(Cell, Summary)], depth: usize, note: &str) -> Picture {
    let here: Vec<(Cell, Summary)> = cells.iter().filter(|(cell, _)| cell.depth == depth).copied().collect();
    let panel = |title: &str, y_label, quantity| {
        let series = series::series(&here, depth, quantity);
        let highest = points(series.iter()).map(|point| point.extent().1).fold(0.0, f64::max);
        Panel { title: title.to_owned(), y_label, y: LinearAxis::from_zero(highest), series }
    };
    // Dims of all depths, so that a dim has one colour in all figures.
    let dims = series::dims(cells);
    let picture = LinePicture {
        panels: vec![
            panel("(a) smallest step that flips the sign", "step *η*", Quantity::Step),
            panel("(b) norm of the gradient", "‖∇*f*(*x*)‖", Quantity::Gradient),
        ],
        shared_y: false,
        x: XAxis::Sizes(LogAxis::of_sizes(&series::widths(&here))),
        x_label: "width *k*",
        keys: &dims,
        labels: dim_labels(&dims),
        reference: None,
    };
    let layers = if depth == 1 { "one hidden layer".to_owned() } else { format!("*L* = {depth} hidden layers") };
    let title = format!("Smallest step and norm of the gradient, for {layers} of width *k* and input dimension *d*");
    let note = format!("mean ± 1 std over inputs; {note}");
    Picture { name: format!("figure{}_depth{depth}", depth + 1), svg: picture.draw(&title, &note) }
}

/// The distance to the flip, one panel per depth, all with the same axes.
pub fn distance(cells: &[(Cell, Summary)], note: &str) -> Picture {
    let depths = series::depths(cells);
    let curves: Vec<Vec<Series>> = depths.iter().map(|&depth| series::series(cells, depth, Quantity::Distance)).collect();
    let highest = points(curves.iter().flatten()).map(|point| point.extent().1).fold(1.0, f64::max);
    let dims = series::dims(cells);
    let picture = LinePicture {
        panels: by_depth(&depths, curves, "distance ‖*δ*‖", LinearAxis::from_zero(highest)),
        shared_y: true,
        x: XAxis::Sizes(LogAxis::of_sizes(&series::widths(cells))),
        x_label: "width *k*",
        keys: &dims,
        labels: dim_labels(&dims),
        reference: Some((1.0, "1 (‖*x*‖/√*d* on the sphere)")),
    };
    let title = "Distance to the flip of the sign, for *L* hidden layers of width *k* and input dimension *d*";
    let note = format!("mean ± 1 std over inputs; {note}");
    Picture { name: "distance".to_owned(), svg: picture.draw(title, &note) }
}

fn dim_labels(dims: &[usize]) -> Vec<String> {
    dims.iter().map(|&dim| format!("*d* = {}", number_label(dim))).collect()
}

pub fn points<'a>(series: impl Iterator<Item = &'a Series>) -> impl Iterator<Item = &'a CurvePoint> {
    series.flat_map(Series::points)
}

/// Panel size by number of columns, for figures at most 7 inches wide.
fn panel_size(columns: usize) -> (f64, f64) {
    match columns {
        1 => (240.0, 160.0),
        2 => (200.0, 140.0),
        3 => (142.0, 106.0),
        _ => (106.0, 84.0),
    }
}

impl LinePicture<'_> {
    fn legend(&self) -> Vec<Entry> {
        let entry = |(i, label): (usize, &String)| Entry::with_band(label.clone(), CurveStyle::of(i, self.keys.len()));
        let reference = self.reference.map(|(_, label)| Entry::dashed(label.to_owned(), style::BLACK));
        let limit = self.x.infinity().map(|_| Entry::dashed("*k* = ∞".to_owned(), style::GREY));
        self.labels.iter().enumerate().map(entry).chain(limit).chain(reference).collect()
    }

    pub fn draw(&self, title: &str, note: &str) -> String {
        let columns = columns(self.panels.len());
        // Tick labels, axis label, padding.
        let left = self.panels.iter().map(|panel| widest(&panel.y.ticks())).fold(0.0, f64::max) + style::LABEL_SIZE + 14.0;
        let grid = Grid {
            columns,
            panels: self.panels.len(),
            panel: panel_size(columns),
            left,
            column_gap: if self.shared_y { 11.0 } else { left + 10.0 },
            row_gap: 22.0,
            bottom: 26.0,
        };
        let (width, height) = grid.size();
        // The last x label may extend beyond the panel.
        let contents = (width + 8.0, height);
        let page = Page { title, note, contents, legend: Some(Legend { entries: self.legend() }) };
        page.draw(|canvas, (x, y)| {
            for (i, panel) in self.panels.iter().enumerate() {
                let corner = grid.corner(i);
                let labels = (grid.is_lowest(i), !self.shared_y || grid.is_leftmost(i));
                let frame = Frame { corner: (x + corner.0, y + corner.1), size: grid.panel };
                canvas.group("panel", |canvas| self.draw_panel(canvas, panel, frame, labels));
            }
        })
    }

    fn draw_panel(&self, canvas: &mut Canvas, panel: &Panel, frame: Frame, (x_labels, y_labels): (bool, bool)) {
        let y_ticks = panel.y.ticks();
        for tick in &y_ticks {
            let y = frame.y(tick.position);
            canvas.line((frame.x(0.0), y), (frame.x(1.0), y), style::GRID);
        }
        if let Some((value, _)) = self.reference {
            let y = frame.y(panel.y.position(value));
            canvas.dashed(&[(frame.x(0.0), y), (frame.x(1.0), y)], Stroke { colour: style::BLACK, width: 0.75 });
        }
        let place = |shift: f64| {
            let x = move |point: &CurvePoint| frame.x(self.x.position(point.x)) + shift;
            move |point: &CurvePoint, value: f64| (x(point), frame.y(panel.y.position(value)))
        };
        for (i, series) in panel.series.iter().enumerate() {
            canvas.group("band", |canvas| draw_band(canvas, series, self.curve(series), place(self.shift(i, panel, frame))));
        }
        for (i, series) in panel.series.iter().enumerate() {
            canvas.group("curve", |canvas| draw_curve(canvas, series, self.curve(series), place(self.shift(i, panel, frame))));
        }
        if let Some(infinity) = self.x.infinity() {
            self.draw_limits(canvas, panel, frame, infinity);
        }
        if panel.series.iter().all(|series| series.points().next().is_none()) {
            let grey = TextStyle { size: style::LABEL_SIZE, anchor: Anchor::Middle, colour: style::GREY };
            canvas.text((frame.x(0.5), frame.y(0.5)), "nothing to show", grey);
        }
        let x_ticks = self.x.ticks(frame.size.0, |label| text::length(label, style::TICK_SIZE));
        frame.draw_x_axis(canvas, &x_ticks, x_labels.then_some(self.x_label));
        frame.draw_y_axis(canvas, &y_ticks, y_labels.then_some(panel.y_label));
        canvas.frame(frame.corner, frame.size, style::AXIS);
        frame.draw_title(canvas, &panel.title);
    }

    /// Means at infinite width: a dashed line across the panel, ending in a point with an error bar.
    fn draw_limits(&self, canvas: &mut Canvas, panel: &Panel, frame: Frame, (start, end): (f64, f64)) {
        if start > 0.0 {
            canvas.line((frame.x(start), frame.y(0.0)), (frame.x(start), frame.y(1.0)), style::GRID);
        }
        let count = panel.series.len() as f64;
        for (i, series) in panel.series.iter().enumerate() {
            let Some(point) = series.limit else { continue };
            let curve = self.curve(series);
            let height = |value: f64| frame.y(panel.y.position(value));
            let x = frame.x(start + (end - start) * (i as f64 + 1.0) / (count + 1.0));
            canvas.group("limit", |canvas| {
                let mean = height(point.mean);
                canvas.dashed(&[(frame.x(0.0), mean), (x, mean)], Stroke { width: 0.75, ..curve.line() });
                if let Some((low, high)) = point.band {
                    canvas.line((x, height(low)), (x, height(high)), Stroke { width: 0.8, ..curve.line() });
                }
                curve.draw_marker(canvas, (x, mean));
            });
        }
    }

    fn curve(&self, series: &Series) -> CurveStyle {
        let index = self.keys.binary_search(&series.key).unwrap_or_default();
        CurveStyle::of(index, self.keys.len())
    }

    /// Horizontal offset of series `index`: at a single width the points would coincide.
    fn shift(&self, index: usize, panel: &Panel, frame: Frame) -> f64 {
        if !self.x.is_single() {
            return 0.0;
        }
        let pitch = (0.3 * frame.size.0 / panel.series.len() as f64).min(7.0);
        (index as f64 - (panel.series.len() - 1) as f64 / 2.0) * pitch
    }
}

/// A filled band, or an error bar where neighbouring points have none.
fn draw_band(canvas: &mut Canvas, series: &Series, curve: CurveStyle, place: impl Fn(&CurvePoint, f64) -> (f64, f64)) {
    for run in series.runs.iter().flat_map(|run| run.split(|point| point.band.is_none())).filter(|run| !run.is_empty()) {
        let lower: Vec<(f64, f64)> = run.iter().map(|point| place(point, point.extent().0)).collect();
        let upper: Vec<(f64, f64)> = run.iter().map(|point| place(point, point.extent().1)).collect();
        if let ([low], [high]) = (&lower[..], &upper[..]) {
            error_bar(canvas, *low, *high, curve.line());
        } else {
            let outline: Vec<(f64, f64)> = lower.iter().chain(upper.iter().rev()).copied().collect();
            canvas.polygon(&outline, curve.colour, curve.band_opacity);
            canvas.polyline(&lower, curve.hairline());
            canvas.polyline(&upper, curve.hairline());
        }
    }
}

/// A vertical bar with caps.
fn error_bar(canvas: &mut Canvas, low: (f64, f64), high: (f64, f64), stroke: Stroke) {
    const CAP: f64 = 2.5;
    canvas.line(low, high, stroke);
    for end in [low, high] {
        canvas.line((end.0 - CAP, end.1), (end.0 + CAP, end.1), stroke);
    }
}

fn draw_curve(canvas: &mut Canvas, series: &Series, curve: CurveStyle, place: impl Fn(&CurvePoint, f64) -> (f64, f64)) {
    for run in &series.runs {
        let line: Vec<(f64, f64)> = run.iter().map(|point| place(point, point.mean)).collect();
        if line.len() > 1 {
            canvas.polyline(&line, curve.line());
        }
        for (point, &at) in run.iter().zip(&line) {
            if let Some(error) = point.error {
                error_bar(canvas, place(point, point.mean - error), place(point, point.mean + error), curve.line());
            }
            curve.draw_marker(canvas, at);
        }
    }
}
