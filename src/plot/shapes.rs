//! Networks whose hidden layers differ in width: shapes are rows with labels, values are points with error bars.

use super::Picture;
use super::axis::{LinearAxis, number_label, thinned};
use super::canvas::{Anchor, Canvas, Stroke, TextStyle};
use super::columns::{DISTANCE, GRADIENT, STEP};
use super::data::Data;
use super::frame::Frame;
use super::layout::{Drawing, Page, Space, columns};
use super::legend::{Entry, Legend};
use super::look::{Band, Look};
use super::series;
use super::style::{self, CurveStyle};
use super::text;
use crate::model::Cell;
use crate::model::cell::layers_label;
use crate::results::Summary;
use crate::stats::distinct;

/// Width of a panel, by the number of columns.
const PANEL_WIDTHS: [f64; 3] = [240.0, 180.0, 115.0];
/// Longest line of a label; longer labels are broken after commas.
const LABEL_WIDTH: f64 = 170.0;
/// Leading of the lines of a label, distance of points of one shape, and between shapes.
const LEADING: f64 = 1.5;
const PITCH: f64 = 6.0;
const GAP: f64 = 6.0;
/// Half the length of a cap.
const CAP: f64 = 2.0;

/// A value of one shape.
struct Point {
    row: usize,
    /// Its index among the dims or directions.
    series: usize,
    value: f64,
    /// Two standard errors to either side, clipped to possible values.
    bar: Option<(f64, f64)>,
    /// A wider interval, drawn pale.
    range: Option<(f64, f64)>,
}

struct Panel {
    title: String,
    x_label: &'static str,
    /// Its value in the data.
    name: String,
    x: LinearAxis,
    points: Vec<Point>,
}

/// A row: the lines of its label, and its middle and height from the top of the panel.
struct Row {
    lines: Vec<String>,
    middle: f64,
    height: f64,
}

struct ShapePicture<'a> {
    look: &'a Look,
    /// Columns of the data that tell panels and series apart.
    names: [&'a str; 2],
    rows: Vec<Row>,
    panels: Vec<Panel>,
    /// Labels of dims or directions; they index the colours.
    labels: Vec<String>,
    /// A value drawn across all panels, and its label.
    reference: Option<(f64, &'static str)>,
}

/// The fraction that flips; and step, gradient norm and distance. `cells` of one direction.
pub fn pictures(cells: &[(Cell, Summary)], look: &Look, note: &str) -> Vec<Picture> {
    let shapes = shapes(cells);
    let dims = series::dims(cells);
    let points = |of: fn(&Summary) -> (f64, f64), highest: f64| -> Vec<Point> {
        let point = |(cell, summary): &(Cell, Summary)| {
            let (value, error) = of(summary);
            let clip = |value: f64| value.clamp(0.0, highest);
            let bar = has_bars(look, error).then(|| (clip(value - 2.0 * error), clip(value + 2.0 * error)));
            let (row, series) = (shapes.binary_search(&key(cell)).ok()?, dims.binary_search(&cell.dim).ok()?);
            value.is_finite().then_some(Point { row, series, value, bar, range: None })
        };
        cells.iter().filter_map(point).collect()
    };
    let fractions = points(|summary| (summary.fraction, summary.fraction_se), 1.0);
    let lowest = fractions.iter().map(|point| extent(point).0).fold(1.0, f64::min);
    let fraction = Panel {
        title: String::new(),
        x_label: "fraction flipped",
        name: "fraction".to_owned(),
        x: LinearAxis::of_fractions(lowest),
        points: fractions,
    };
    let from_zero = |title: &str, x_label, name: &str, of: fn(&Summary) -> (f64, f64)| {
        let points = points(of, f64::INFINITY);
        let highest = points.iter().map(|point| extent(point).1).fold(0.0, f64::max);
        Panel { title: title.to_owned(), x_label, name: name.to_owned(), x: LinearAxis::from_zero(highest), points }
    };
    let others = vec![
        from_zero("(a) smallest step", "step *η*", STEP.name, |summary| (summary.step_mean, summary.step_se)),
        from_zero("(b) norm of the gradient", "‖∇*f*(*x*)‖", GRADIENT.name, |summary| (summary.grad_mean, summary.grad_se)),
        from_zero("(c) distance to the flip", "distance ‖*δ*‖", DISTANCE.name, |summary| {
            (summary.distance_mean, summary.distance_se)
        }),
    ];
    let bars = if look.band == Some(Band::None) { "" } else { " ± 2 standard errors, networks as clusters" };
    let note = format!("mean{bars}; {note}");
    let by_shape = "for hidden layers of the widths at the left, first to last";
    let picture = |name: &str, panels, what: &str| {
        let labels: Vec<String> = dims.iter().map(|&dim| format!("*d* = {}", number_label(dim))).collect();
        let rows = rows(&shapes, labels.len(), look);
        let picture = ShapePicture { look, names: ["quantity", "dim"], rows, panels, labels, reference: None };
        let fields: Vec<String> = dims.iter().map(usize::to_string).collect();
        Picture::new(name, picture.draw(&format!("{what}, {by_shape}"), &note), picture.data(&fields))
    };
    vec![
        picture("shapes_fraction", vec![fraction], "Fraction of inputs whose sign flips"),
        picture("shapes_step", others, "Smallest step, gradient and distance"),
    ]
}

/// Distances along the other directions over those along the first, one panel per dim. `cells` by direction, `names` those of the directions.
pub fn ratios(cells: &[Vec<(Cell, Summary)>], names: &[&str], look: &Look, note: &str) -> Picture {
    let shapes = shapes(&cells[0]);
    let points = |dim: usize| -> Vec<Point> {
        let along = |(series, cells): (usize, &Vec<(Cell, Summary)>)| -> Vec<Point> {
            let point = |(cell, summary): &(Cell, Summary)| {
                let (value, error) = (summary.ratio_q50, 2.0 * summary.ratio_se);
                let bar = has_bars(look, error).then_some((value - error, value + error));
                let row = shapes.binary_search(&key(cell)).ok()?;
                let range = look.band.is_none_or(|band| band == Band::Std).then_some((summary.ratio_q05, summary.ratio_q95));
                value.is_finite().then_some(Point { row, series, value, bar, range })
            };
            cells.iter().filter(|(cell, _)| cell.dim == dim).filter_map(point).collect()
        };
        cells[1..].iter().enumerate().flat_map(along).collect()
    };
    let dims = series::dims(&cells[0]);
    let mut by_dim: Vec<Vec<Point>> = dims.iter().map(|&dim| points(dim)).collect();
    // A wide interval would squeeze the rest.
    let top = 2.0 * by_dim.iter().flatten().map(|point| point.value).fold(1.0, f64::max);
    for point in by_dim.iter_mut().flatten() {
        point.range = point.range.map(|(low, high)| (low, high.min(top)));
    }
    let highest = by_dim.iter().flatten().map(|point| extent(point).1).fold(1.0, f64::max);
    let panel = |(dim, points): (&usize, Vec<Point>)| Panel {
        title: format!("*d* = {}", number_label(*dim)),
        x_label: "ratio of distances",
        name: dim.to_string(),
        x: LinearAxis::from_zero(highest),
        points,
    };
    let labels: Vec<String> = names[1..].iter().map(|name| (*name).to_owned()).collect();
    let picture = ShapePicture {
        look,
        names: ["dim", "direction"],
        rows: rows(&shapes, labels.len(), look),
        panels: dims.iter().zip(by_dim).map(panel).collect(),
        labels,
        reference: Some((1.0, "equal")),
    };
    let title = format!("Distance to the flip over that along {}, by the widths of the hidden layers, first to last", names[0]);
    let spread = match look.band {
        None | Some(Band::Std) => "median ± 2 standard errors (networks as clusters), pale from 5 to 95 %",
        Some(Band::Stderr) => "median ± 2 standard errors (networks as clusters)",
        Some(Band::None) => "median",
    };
    let note = format!("ratios input by input, where both flip: {spread}; {note}");
    let fields: Vec<String> = names[1..].iter().map(|name| (*name).to_owned()).collect();
    Picture::new("directions_distance", picture.draw(&title, &note), picture.data(&fields))
}

/// Whether a point has a bar of its standard error.
fn has_bars(look: &Look, error: f64) -> bool {
    error.is_finite() && look.band != Some(Band::None)
}

/// Sorts shapes by number of layers, widest layer and widths.
fn key(cell: &Cell) -> (usize, usize, Vec<usize>) {
    (cell.depth, cell.width, cell.widths().collect())
}

fn shapes(cells: &[(Cell, Summary)]) -> Vec<(usize, usize, Vec<usize>)> {
    distinct(cells.iter().map(|(cell, _)| key(cell)))
}

/// The lowest and highest value drawn.
fn extent(point: &Point) -> (f64, f64) {
    let ends = [point.bar, point.range].into_iter().flatten();
    ends.fold((point.value, point.value), |(low, high), (from, to)| (low.min(from), high.max(to)))
}

/// The rows of `shapes`, each high enough for `series` points.
fn rows(shapes: &[(usize, usize, Vec<usize>)], series: usize, look: &Look) -> Vec<Row> {
    let mut top = 0.0;
    let row = |(_, _, widths): &(usize, usize, Vec<usize>)| {
        let lines = label_lines(look, widths);
        let line = look.tick + LEADING * look.scale;
        let height = (lines.len() as f64 * line).max(series as f64 * PITCH * look.scale) + GAP * look.scale;
        top += height;
        Row { lines, middle: top - height / 2.0, height }
    };
    shapes.iter().map(row).collect()
}

/// `1000,10,1000` in lines at most [`LABEL_WIDTH`] wide.
fn label_lines(look: &Look, widths: &[usize]) -> Vec<String> {
    let label = layers_label(widths.iter().copied());
    let mut lines = vec![String::new()];
    for piece in label.split_inclusive(',') {
        let line = lines.last_mut().expect("there is a line");
        let longer = format!("{line}{piece}");
        match line.is_empty() || look.length(&longer, look.tick) <= LABEL_WIDTH {
            true => *line = longer,
            false => lines.push(piece.to_owned()),
        }
    }
    lines
}

impl ShapePicture<'_> {
    fn draw(&self, title: &str, note: &str) -> Drawing {
        let look = self.look;
        let columns = columns(self.panels.len()).min(PANEL_WIDTHS.len());
        let labels = self.rows.iter().flat_map(|row| &row.lines).map(|line| look.length(line, look.tick));
        let reference = self.reference.map(|(_, label)| Entry::dashed(label.to_owned(), style::BLACK));
        let entry = |(i, label): (usize, &String)| Entry::marker(label.clone(), self.curve(i));
        let entries = self.labels.iter().enumerate().map(entry).chain(reference).collect();
        let page = Page { look, title, note, legend: Some(Legend { entries }), panels: self.panels.len() };
        let lowest: f64 = self.rows.iter().map(|row| row.height).sum();
        let mut grid = page.grid(Space {
            columns,
            panels: self.panels.len(),
            panel: (PANEL_WIDTHS[columns - 1], lowest),
            left: labels.fold(0.0, f64::max) + style::TICK + 6.0,
            right: 8.0,
            column_gap: 12.0,
            row_gap: 44.0 * look.scale,
            bottom: 26.0 * look.scale,
            title: self.panels.iter().map(|panel| look.length(&panel.title, look.panel_title)).fold(0.0, f64::max),
        });
        // Rows need their height whatever the width.
        let height = if look.sheet.height().is_some() { grid.panel().1.max(lowest) } else { lowest };
        grid.space.panel.1 = height;
        let (width, page_height) = grid.size();
        page.draw((width + 8.0, page_height), |canvas, (x, y)| {
            for (i, panel) in self.panels.iter().enumerate() {
                let corner = grid.corner(i);
                let frame = Frame { corner: (x + corner.0, y + corner.1), size: grid.panel() };
                canvas.group("panel", |canvas| self.draw_panel(canvas, panel, frame, grid.is_leftmost(i)));
            }
        })
    }

    /// The values with their intervals. `fields` tell the series apart.
    fn data(&self, fields: &[String]) -> Data {
        let [panel_name, series_name] = self.names;
        let mut data = Data::new(&[panel_name, series_name, "shape", "value", "low", "high"]);
        for panel in &self.panels {
            for point in &panel.points {
                let (low, high) = point.bar.unwrap_or((f64::NAN, f64::NAN));
                let shape = self.rows[point.row].lines.concat();
                let first = [panel.name.as_str().into(), fields[point.series].as_str().into(), shape.into()];
                data.line(first.into_iter().chain([point.value, low, high].map(Into::into)).collect());
            }
        }
        data
    }

    /// Middle and height of a row in a frame, which may be higher than the rows.
    fn row(&self, index: usize, frame: Frame) -> (f64, f64) {
        let stretch = frame.size.1 / self.rows.iter().map(|row| row.height).sum::<f64>();
        let row = &self.rows[index];
        if stretch == 1.0 { (row.middle, row.height) } else { (row.middle * stretch, row.height * stretch) }
    }

    fn curve(&self, series: usize) -> CurveStyle {
        CurveStyle::of(series, self.labels.len())
    }

    fn draw_panel(&self, canvas: &mut Canvas, panel: &Panel, frame: Frame, is_labelled: bool) {
        let look = self.look;
        let ticks = thinned(panel.x.ticks(), frame.size.0, |label| look.length(label, look.tick) + 4.0);
        for tick in &ticks {
            canvas.line((frame.x(tick.position), frame.y(0.0)), (frame.x(tick.position), frame.y(1.0)), style::GRID);
        }
        for index in 0..self.rows.len() {
            let (middle, height) = self.row(index, frame);
            let bottom = frame.corner.1 + middle + height / 2.0;
            canvas.line((frame.x(0.0), bottom), (frame.x(1.0), bottom), style::GRID);
        }
        if let Some((value, _)) = self.reference {
            let x = frame.x(panel.x.position(value));
            canvas.dashed(&[(x, frame.y(0.0)), (x, frame.y(1.0))], Stroke { colour: style::BLACK, width: 0.75 });
        }
        for point in &panel.points {
            canvas.group("point", |canvas| self.draw_point(canvas, panel, point, frame));
        }
        if panel.points.is_empty() {
            let grey = TextStyle { size: look.label, anchor: Anchor::Middle, colour: style::GREY };
            canvas.text((frame.x(0.5), frame.y(0.5)), "nothing to show", grey);
        }
        if is_labelled {
            self.draw_labels(canvas, frame);
        }
        frame.draw_x_axis(canvas, &ticks, Some(panel.x_label));
        canvas.frame(frame.corner, frame.size, style::AXIS);
        frame.draw_title(canvas, &panel.title);
    }

    fn draw_point(&self, canvas: &mut Canvas, panel: &Panel, point: &Point, frame: Frame) {
        let curve = self.curve(point.series);
        let shift = (point.series as f64 - (self.labels.len() - 1) as f64 / 2.0) * PITCH * self.look.scale;
        let y = frame.corner.1 + self.row(point.row, frame).0 + shift;
        let x = |value: f64| frame.x(panel.x.position(value));
        if let Some((low, high)) = point.range {
            canvas.line((x(low), y), (x(high), y), Stroke { width: 2.5, ..curve.hairline() });
        }
        if let Some((low, high)) = point.bar {
            canvas.line((x(low), y), (x(high), y), curve.line());
            for end in [low, high] {
                canvas.line((x(end), y - CAP), (x(end), y + CAP), curve.line());
            }
        }
        curve.draw_marker(canvas, (x(point.value), y));
    }

    fn draw_labels(&self, canvas: &mut Canvas, frame: Frame) {
        let look = self.look;
        for (index, row) in self.rows.iter().enumerate() {
            let middle = frame.corner.1 + self.row(index, frame).0;
            canvas.line((frame.x(0.0) - style::TICK, middle), (frame.x(0.0), middle), style::AXIS);
            for (i, line) in row.lines.iter().enumerate() {
                let shift = (i as f64 - (row.lines.len() - 1) as f64 / 2.0) * (look.tick + LEADING * look.scale);
                let end = (frame.x(0.0) - style::TICK - 2.0, middle + shift + text::MIDDLE * look.tick);
                canvas.text(end, line, style::text(look.tick, Anchor::End));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_labels_are_broken_and_rows_do_not_overlap() {
        let look = Look::default();
        assert_eq!(label_lines(&look, &[1000, 10, 1000]), ["1000,10,1000"]);
        let widths = vec![1_000_000; 16];
        let lines = label_lines(&look, &widths);
        assert!(lines.len() > 2 && lines.iter().all(|line| look.length(line, look.tick) <= LABEL_WIDTH), "{lines:?}");
        assert_eq!(lines.concat(), layers_label(widths.iter().copied()));
        let rows = rows(&[(3, 1000, vec![1000, 10, 1000]), (16, 1_000_000, widths)], 3, &look);
        assert!(rows[1].height >= lines.len() as f64 * (look.tick + LEADING) && rows[0].height >= 3.0 * PITCH);
        assert!((rows[1].middle - rows[0].middle - (rows[0].height + rows[1].height) / 2.0).abs() < 1e-9);
    }
}
