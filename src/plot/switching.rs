//! The depth conjecture: the smallest d and k at which inputs switch, against the number of hidden layers.

use super::Picture;
use super::axis::{LogAxis, Tick, number_label};
use super::canvas::{Anchor, Canvas, Stroke, TextStyle};
use super::frame::{Frame, widest};
use super::layout::{Entry, Grid, Legend, Page};
use super::style::{self, CurveStyle};
use super::text;
use crate::results::switching::{Along, Switching, Threshold};
use crate::stats::Estimate;

const PANEL: (f64, f64) = (200.0, 150.0);
/// Half the distance between the two estimates at a depth.
const SHIFT: f64 = 4.0;
const CAP: f64 = 2.5;

/// One panel per line; `None` without lines.
pub fn conjecture(lines: &[Switching], note: &str) -> Option<Picture> {
    if lines.is_empty() {
        return None;
    }
    let axes: Vec<LogAxis> = lines.iter().map(|line| LogAxis::of_sizes(&line.sizes)).collect();
    let ticks: Vec<Vec<Tick>> = axes.iter().map(|axis| axis.ticks(PANEL.1, |_| style::TICK_SIZE)).collect();
    let left = ticks.iter().map(|ticks| widest(ticks)).fold(0.0, f64::max) + style::LABEL_SIZE + 14.0;
    let grid = Grid {
        columns: lines.len(),
        panels: lines.len(),
        panel: PANEL,
        left,
        column_gap: left + 10.0,
        row_gap: 22.0,
        bottom: 26.0,
    };
    let (all, most) = (CurveStyle::of(0, 2), CurveStyle::of(1, 2));
    let legend = Legend {
        entries: vec![
            Entry::with_band("every input: between a size with a failure and the next".to_owned(), all),
            Entry::with_band("99 % of the inputs, with its 95 % interval".to_owned(), most),
        ],
    };
    let title = "The smallest dimension and the smallest width at which inputs switch, for *L* hidden layers";
    let note = format!("{note}; ?: beyond the grid");
    let page = Page { title, note: &note, contents: grid.size(), legend: Some(legend) };
    let svg = page.draw(|canvas, (x, y)| {
        for (i, line) in lines.iter().enumerate() {
            let corner = grid.corner(i);
            let frame = Frame { corner: (x + corner.0, y + corner.1), size: grid.panel };
            canvas.group("panel", |canvas| draw_panel(canvas, line, frame, &axes[i], &ticks[i], (all, most)));
        }
    });
    Some(Picture { name: "depth_conjecture".to_owned(), svg })
}

fn draw_panel(
    canvas: &mut Canvas,
    line: &Switching,
    frame: Frame,
    axis: &LogAxis,
    ticks: &[Tick],
    (all, most): (CurveStyle, CurveStyle),
) {
    for tick in ticks.iter().filter(|tick| tick.label.is_some()) {
        canvas.line((frame.x(0.0), frame.y(tick.position)), (frame.x(1.0), frame.y(tick.position)), style::GRID);
    }
    let count = line.thresholds.len() as f64;
    let place = |index: usize| (index as f64 + 0.5) / count;
    let height = |size: f64| frame.y(axis.position(size).clamp(0.0, 1.0));
    for (index, threshold) in line.thresholds.iter().enumerate() {
        let x = frame.x(place(index));
        canvas.group("all", |canvas| draw_all(canvas, threshold, x - SHIFT, &height, all));
        canvas.group("most", |canvas| draw_most(canvas, threshold.most, x + SHIFT, &height, most));
    }
    let x_ticks: Vec<Tick> = (line.thresholds.iter().enumerate())
        .map(|(index, threshold)| Tick { position: place(index), label: Some(threshold.depth.to_string()) })
        .collect();
    frame.draw_x_axis(canvas, &x_ticks, Some("hidden layers *L*"));
    let (y_label, title) = match line.along {
        Along::Dim => ("smallest dim *d*", format!("(a) over *d*, at *k* = {}", number_label(line.held))),
        Along::Width => ("smallest width *k*", format!("(b) over *k*, at *d* = {}", number_label(line.held))),
    };
    frame.draw_y_axis(canvas, ticks, Some(y_label));
    canvas.frame(frame.corner, frame.size, style::AXIS);
    frame.draw_title(canvas, &title);
}

/// The interval from the largest size with a failure to the next, which has none; open at the ends of the grid.
fn draw_all(canvas: &mut Canvas, threshold: &Threshold, x: f64, height: &impl Fn(f64) -> f64, curve: CurveStyle) {
    let top = threshold.all.map_or(f64::INFINITY, |size| size as f64);
    let bottom = threshold.failing.map_or(0.0, |size| size as f64);
    draw_bar(canvas, x, (bottom, top), height, curve);
    if let Some(size) = threshold.all {
        curve.draw_marker(canvas, (x, height(size as f64)));
    } else {
        beyond(canvas, x, height, curve);
    }
}

fn draw_most(canvas: &mut Canvas, most: Estimate, x: f64, height: &impl Fn(f64) -> f64, curve: CurveStyle) {
    draw_bar(canvas, x, (most.low, most.high), height, curve);
    match most.value.is_finite() {
        true => curve.draw_marker(canvas, (x, height(most.value))),
        false => beyond(canvas, x, height, curve),
    }
}

fn draw_bar(canvas: &mut Canvas, x: f64, (low, high): (f64, f64), height: &impl Fn(f64) -> f64, curve: CurveStyle) {
    let (low, high) = (height(low), height(high));
    canvas.line((x, low), (x, high), curve.line());
    for end in [low, high] {
        canvas.line((x - CAP, end), (x + CAP, end), curve.line());
    }
}

/// Marks a size beyond the grid.
fn beyond(canvas: &mut Canvas, x: f64, height: &impl Fn(f64) -> f64, curve: CurveStyle) {
    let top = height(f64::INFINITY);
    let label = TextStyle { size: style::TICK_SIZE, anchor: Anchor::Middle, colour: curve.colour };
    canvas.line((x, top), (x, top + 12.0), Stroke { width: 0.8, ..curve.line() });
    canvas.text((x, top + 13.0 + text::MIDDLE * 2.0 * style::TICK_SIZE), "?", label);
}
