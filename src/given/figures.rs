//! Two figures of a measurement: the distribution of the distances, and that of the nearest flip relative to the flip along the gradient.

use super::summary::ratios;
use super::{Measurement, table};
use crate::model::Direction;
use crate::plot::Picture;
use crate::plot::axis::LinearAxis;
use crate::plot::frame::{Frame, widest};
use crate::plot::layout::{Page, Space};
use crate::plot::legend::{Entry, Legend};
use crate::plot::look::Look;
use crate::plot::style::{self, CurveStyle};
use crate::text::counted;

/// Points per curve.
const POINTS: usize = 240;
/// Quantile of the widest distribution at which the x-axis ends; far tails would squeeze the rest.
const SHOWN: f64 = 0.98;
/// Size of the panel in points.
const PANEL: (f64, f64) = (260.0, 170.0);

/// The figures; that of ratios only if directions besides the gradient were measured with it.
pub fn draw(measurement: &Measurement, look: &Look) -> Vec<Picture> {
    let options = &measurement.options;
    let hidden: Vec<String> = options.hidden.iter().map(usize::to_string).collect();
    let note = format!(
        "{}, hidden layers {}, {}, {} of {}, *f*: {}, {}",
        options.network,
        hidden.join(" "),
        table::activation(options),
        counted(options.rows, "row"),
        options.inputs,
        table::function(options),
        table::bounds(options),
    );
    let style = |index: usize| CurveStyle::of(index, options.directions.len());
    let distances = |(index, &direction): (usize, &Direction)| {
        let samples = &measurement.samples[index];
        let found = samples.iter().filter(|sample| sample.status.is_found()).map(|sample| sample.distance).collect();
        Curve { label: direction.name(), style: style(index), values: found, count: samples.len() }
    };
    let distances: Vec<Curve> = options.directions.iter().enumerate().map(distances).collect();
    let ratio = |(index, &direction): (usize, &Direction)| {
        let values = ratios(measurement, direction);
        (!values.is_empty()).then(|| Curve { label: direction.name(), style: style(index), count: values.len(), values })
    };
    let ratios: Vec<Curve> = options.directions.iter().enumerate().filter_map(ratio).collect();
    let title = "Distribution of the distance to the flip over the inputs";
    let labels = ["distance ‖*δ*‖", "share of inputs flipped"];
    let mut pictures = vec![distribution("measure_distance", distances, look, (title, &note), labels)];
    if !ratios.is_empty() {
        let title = "Distance to the flip over that along the gradient, where both flip";
        pictures.push(distribution("measure_ratio", ratios, look, (title, &note), ["ratio of distances", "share of inputs"]));
    }
    pictures
}

/// An empirical distribution function that ends at (values) ÷ `count`.
struct Curve {
    label: &'static str,
    style: CurveStyle,
    values: Vec<f64>,
    count: usize,
}

/// A figure of one panel.
fn distribution(
    name: &str,
    mut curves: Vec<Curve>,
    look: &Look,
    (title, note): (&str, &str),
    [x_label, y_label]: [&str; 2],
) -> Picture {
    curves.iter_mut().for_each(|curve| curve.values.sort_unstable_by(f64::total_cmp));
    let end = |curve: &Curve| curve.values.get((curve.values.len() as f64 * SHOWN) as usize).copied().unwrap_or(0.0);
    let x = LinearAxis::from_zero(curves.iter().map(end).fold(0.0, f64::max));
    let y = LinearAxis::of_fractions(0.0);
    let y_ticks = y.ticks();
    let space = Space {
        columns: 1,
        panels: 1,
        panel: PANEL,
        left: widest(look, &y_ticks) + look.label + 14.0 * look.scale,
        right: 8.0,
        column_gap: 0.0,
        row_gap: 0.0,
        bottom: 26.0 * look.scale,
        title: 0.0,
    };
    let entries = curves.iter().map(|curve| Entry::line(curve.label.to_owned(), curve.style.line())).collect();
    let page = Page { look, title, note, legend: Some(Legend { entries }), panels: 1 };
    let grid = page.grid(space);
    let (width, height) = grid.size();
    let drawing = page.draw((width + 8.0, height), |canvas, (left, top)| {
        let corner = grid.corner(0);
        let frame = Frame { corner: (left + corner.0, top + corner.1), size: grid.panel() };
        for tick in &y_ticks {
            let y = frame.y(tick.position);
            canvas.line((frame.x(0.0), y), (frame.x(1.0), y), style::GRID);
        }
        for curve in &curves {
            let point = |at: usize| {
                let position = at as f64 / POINTS as f64;
                let below = curve.values.partition_point(|value| *value <= x.value(position));
                (frame.x(position), frame.y(y.position(below as f64 / curve.count as f64)))
            };
            let points: Vec<(f64, f64)> = (0..=POINTS).map(point).collect();
            canvas.group("curve", |canvas| canvas.polyline(&points, curve.style.line()));
        }
        frame.draw_x_axis(canvas, &x.ticks(), Some(x_label));
        frame.draw_y_axis(canvas, &y_ticks, Some(y_label));
        canvas.frame(frame.corner, frame.size, style::AXIS);
    });
    Picture::without_data(name.to_owned(), drawing)
}
