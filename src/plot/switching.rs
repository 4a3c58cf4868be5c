//! The depth conjecture: the smallest d and k at which inputs switch, against the number of hidden layers.

use super::Picture;
use super::axis::{LogAxis, Tick, number_label};
use super::canvas::{Anchor, Canvas, Stroke, TextStyle};
use super::data::Data;
use super::frame::{Frame, widest};
use super::layout::{Page, Space};
use super::legend::{Entry, Legend};
use super::look::Look;
use super::style::{self, CurveStyle};
use super::text;
use crate::results::switching::{Along, Switching, Threshold};
use crate::stats::Estimate;

const PANEL: (f64, f64) = (200.0, 150.0);
/// Half the distance between the two estimates at a depth.
const SHIFT: f64 = 4.0;
const CAP: f64 = 2.5;

/// One panel per line; `None` without lines.
pub fn conjecture(lines: &[Switching], look: &Look, note: &str) -> Option<Picture> {
    if lines.is_empty() {
        return None;
    }
    let axes: Vec<LogAxis> = lines.iter().map(|line| LogAxis::of_sizes(&line.sizes)).collect();
    let ticks_of = |length: f64| -> Vec<Vec<Tick>> { axes.iter().map(|axis| axis.ticks(length, |_| look.tick)).collect() };
    let left = ticks_of(PANEL.1).iter().map(|ticks| widest(look, ticks)).fold(0.0, f64::max) + look.label + 14.0 * look.scale;
    let (all, most) = (CurveStyle::of(0, 2), CurveStyle::of(1, 2));
    let labels = match look.is_natural() {
        true => ["every input: between a size with a failure and the next", "99 % of the inputs, with its 95 % interval"],
        false => ["every input", "99 % of the inputs"],
    };
    let legend =
        Legend { entries: vec![Entry::with_band(labels[0].to_owned(), all), Entry::with_band(labels[1].to_owned(), most)] };
    let title = "The smallest dimension and the smallest width at which inputs switch, for *L* hidden layers";
    let note = format!("{note}; ?: beyond the grid");
    let page = Page { look, title, note: &note, legend: Some(legend), panels: lines.len() };
    let titles: Vec<String> = lines.iter().map(title_of).collect();
    let grid = page.grid(Space {
        columns: lines.len(),
        panels: lines.len(),
        panel: PANEL,
        left,
        right: 0.0,
        column_gap: left + 10.0,
        row_gap: 22.0 * look.scale + 18.0 * look.scale,
        bottom: 26.0 * look.scale,
        title: titles.iter().map(|title| look.length(title, look.panel_title)).fold(0.0, f64::max),
    });
    let ticks = ticks_of(grid.panel().1);
    let drawing = page.draw(grid.size(), |canvas, (x, y)| {
        for (i, line) in lines.iter().enumerate() {
            let corner = grid.corner(i);
            let frame = Frame { corner: (x + corner.0, y + corner.1), size: grid.panel() };
            canvas.group("panel", |canvas| draw_panel(canvas, line, frame, &axes[i], &ticks[i], (all, most), &titles[i]));
        }
    });
    Some(Picture::new("depth_conjecture", drawing, data(lines)))
}

fn title_of(line: &Switching) -> String {
    let (size, held) = match line.along {
        Along::Dim => ("d", "k"),
        Along::Width => ("k", "d"),
    };
    let letter = if line.along == Along::Dim { "a" } else { "b" };
    format!("({letter}) over *{size}*, at *{held}* = {}", number_label(line.held))
}

/// The sizes drawn, empty beyond the grid.
fn data(lines: &[Switching]) -> Data {
    let mut data = Data::new(&["along", "held", "depth", "failing", "all", "most", "low", "high"]);
    let size = |size: Option<usize>| size.map_or(f64::NAN, |size| size as f64);
    for line in lines {
        let along = if line.along == Along::Dim { "dim" } else { "width" };
        for threshold in &line.thresholds {
            let Estimate { value, low, high } = threshold.most;
            let sizes = [size(threshold.failing), size(threshold.all), value, low, high];
            let first = [along.into(), line.held.into(), threshold.depth.into()];
            data.line(first.into_iter().chain(sizes.map(Into::into)).collect());
        }
    }
    data
}

fn draw_panel(
    canvas: &mut Canvas,
    line: &Switching,
    frame: Frame,
    axis: &LogAxis,
    ticks: &[Tick],
    (all, most): (CurveStyle, CurveStyle),
    title: &str,
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
    let y_label = if line.along == Along::Dim { "smallest dim *d*" } else { "smallest width *k*" };
    frame.draw_y_axis(canvas, ticks, Some(y_label));
    canvas.frame(frame.corner, frame.size, style::AXIS);
    frame.draw_title(canvas, title);
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
    let size = canvas.look().tick;
    let label = TextStyle { size, anchor: Anchor::Middle, colour: curve.colour };
    canvas.line((x, top), (x, top + 12.0), Stroke { width: 0.8, ..curve.line() });
    canvas.text((x, top + 13.0 + text::MIDDLE * 2.0 * size), "?", label);
}
