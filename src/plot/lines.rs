//! Figures of panels with curves.

use super::axis::{LogAxis, XAxis, YAxis, thinned};
use super::canvas::{Anchor, Canvas, Stroke, TextStyle};
use super::columns::Column;
use super::data::{Data, Field};
use super::frame::{Frame, widest};
use super::layout::{Drawing, Page, Space, columns};
use super::legend::{Entry, Legend};
use super::look::{Log, Look};
use super::series::{CurvePoint, Series};
use super::style::{self, CurveStyle};

/// One coordinate system with its curves.
pub struct Panel {
    pub title: String,
    pub y_label: &'static str,
    pub y: YAxis,
    pub series: Vec<Series>,
    /// What identifies the panel in the data.
    pub key: Field,
}

/// A figure of panels with a common x-axis.
pub struct LinePicture<'a> {
    pub look: &'a Look,
    pub panels: Vec<Panel>,
    /// Whether all panels have the same y-axis, labelled in the first column only.
    pub shared_y: bool,
    pub x: XAxis,
    pub x_label: &'static str,
    /// Keys of the curves of all panels, and their styles.
    pub keys: &'a [usize],
    pub styles: Vec<CurveStyle>,
    pub legend: Vec<Entry>,
    /// A value drawn across all panels, and its label.
    pub reference: Option<(f64, &'static str)>,
    /// Names of the columns of the data: those of a panel, of a curve, of x and of the value.
    pub names: Names<'a>,
    /// The fields that identify a curve in the data, by index into `keys`.
    pub fields: Vec<Vec<Field>>,
}

/// Names of the columns of the data.
pub struct Names<'a> {
    pub panel: &'a str,
    pub curve: Vec<&'a str>,
    pub x: &'a str,
    pub value: &'a str,
}

pub fn points<'a>(series: impl Iterator<Item = &'a Series>) -> impl Iterator<Item = &'a CurvePoint> {
    series.flat_map(Series::points)
}

/// The axis of `sizes`: logarithmic unless the look says otherwise.
pub fn x_axis(look: &Look, sizes: &[usize]) -> XAxis {
    if look.log.is_none_or(Log::has_x) { XAxis::Sizes(LogAxis::of_sizes(sizes)) } else { XAxis::linear(sizes) }
}

/// The axis of `column` for these curves: linear unless the look says otherwise. A linear one ends at `least` or above.
pub fn y_axis<'a>(look: &Look, column: &Column, curves: impl Iterator<Item = &'a Series>, least: f64) -> YAxis {
    let points: Vec<&CurvePoint> = points(curves).collect();
    if look.log.is_some_and(Log::has_y) {
        return YAxis::logarithmic(points.iter().flat_map(|point| {
            let (low, high) = point.extent();
            // A band may reach down to 0.
            [point.mean, high, low.max(0.3 * point.mean)]
        }));
    }
    let lowest = |first: f64| points.iter().map(|point| point.extent().0).fold(first, f64::min);
    let highest = points.iter().map(|point| point.extent().1).fold(least, f64::max);
    match column.range {
        (_, 1.0) => YAxis::of_fractions(lowest(1.0)),
        (0.0, _) => YAxis::from_zero(highest),
        _ => YAxis::covering(lowest(0.0), highest),
    }
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
    fn entries(&self) -> Vec<Entry> {
        let reference = self.reference.map(|(_, label)| Entry::dashed(label.to_owned(), style::BLACK));
        let limit = self.x.infinity().map(|_| Entry::dashed("*k* = ∞".to_owned(), style::GREY));
        self.legend.iter().cloned().chain(limit).chain(reference).collect()
    }

    pub fn draw(&self, title: &str, note: &str) -> Drawing {
        let (look, panels) = (self.look, self.panels.len());
        let columns = columns(panels);
        let panel = panel_size(columns);
        // Tick labels, axis label, padding.
        let left = self.panels.iter().map(|each| widest(look, &each.y.ticks(panel.1, look.tick))).fold(0.0, f64::max)
            + look.label
            + 14.0 * look.scale;
        let legend = Some(Legend { entries: self.entries() });
        let page = Page { look, title, note, legend, panels };
        let grid = page.grid(Space {
            panels,
            columns,
            panel,
            left,
            // The last x label may extend beyond the panel.
            right: 8.0,
            column_gap: if self.shared_y { 11.0 } else { left + 10.0 },
            row_gap: 22.0 * look.scale,
            bottom: 26.0 * look.scale,
            title: self.panels.iter().map(|panel| look.length(&panel.title, look.panel_title)).fold(0.0, f64::max),
        });
        let (width, height) = grid.size();
        page.draw((width + 8.0, height), |canvas, (x, y)| {
            for (i, panel) in self.panels.iter().enumerate() {
                let corner = grid.corner(i);
                let labels = (grid.is_lowest(i), !self.shared_y || grid.is_leftmost(i));
                let frame = Frame { corner: (x + corner.0, y + corner.1), size: grid.panel() };
                canvas.group("panel", |canvas| self.draw_panel(canvas, panel, frame, labels));
            }
        })
    }

    fn draw_panel(&self, canvas: &mut Canvas, panel: &Panel, frame: Frame, (x_labels, y_labels): (bool, bool)) {
        let look = self.look;
        let y_ticks = panel.y.ticks(frame.size.1, look.tick);
        for tick in y_ticks.iter().filter(|tick| tick.label.is_some()) {
            let y = frame.y(tick.position);
            canvas.line((frame.x(0.0), y), (frame.x(1.0), y), style::GRID);
        }
        if let Some((value, _)) = self.reference.filter(|(value, _)| (0.0..=1.0).contains(&panel.y.position(*value))) {
            let y = frame.y(panel.y.position(value));
            canvas.dashed(&[(frame.x(0.0), y), (frame.x(1.0), y)], Stroke { colour: style::BLACK, width: 0.75 });
        }
        let place = |shift: f64| {
            let x = move |point: &CurvePoint| frame.x(self.x.position(point.x)) + shift;
            move |point: &CurvePoint, value: f64| (x(point), frame.y(panel.y.position(value)))
        };
        let shown: Vec<Series> =
            panel.series.iter().map(|series| if panel.y.is_log() { series.positive() } else { series.clone() }).collect();
        for (i, series) in shown.iter().enumerate() {
            canvas.group("band", |canvas| draw_band(canvas, series, self.curve(series), place(self.shift(i, panel, frame))));
        }
        for (i, series) in shown.iter().enumerate() {
            canvas.group("curve", |canvas| draw_curve(canvas, series, self.curve(series), place(self.shift(i, panel, frame))));
        }
        if let Some(infinity) = self.x.infinity() {
            self.draw_limits(canvas, &shown, panel, frame, infinity);
        }
        if shown.iter().all(|series| series.points().next().is_none()) {
            let grey = TextStyle { size: look.label, anchor: Anchor::Middle, colour: style::GREY };
            canvas.text((frame.x(0.5), frame.y(0.5)), "nothing to show", grey);
        }
        let mut x_ticks = self.x.ticks(frame.size.0, |label| look.length(label, look.tick));
        if !look.is_natural() {
            x_ticks = thinned(x_ticks, frame.size.0, |label| look.length(label, look.tick) + 4.0);
        }
        frame.draw_x_axis(canvas, &x_ticks, x_labels.then_some(self.x_label));
        frame.draw_y_axis(canvas, &y_ticks, y_labels.then_some(panel.y_label));
        canvas.frame(frame.corner, frame.size, style::AXIS);
        frame.draw_title(canvas, &panel.title);
    }

    /// Means at infinite width: a dashed line across the panel, ending in a point with an error bar.
    fn draw_limits(&self, canvas: &mut Canvas, shown: &[Series], panel: &Panel, frame: Frame, (start, end): (f64, f64)) {
        if start > 0.0 {
            canvas.line((frame.x(start), frame.y(0.0)), (frame.x(start), frame.y(1.0)), style::GRID);
        }
        let count = shown.len() as f64;
        for (i, series) in shown.iter().enumerate() {
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
        self.styles[self.keys.binary_search(&series.key).unwrap_or_default()]
    }

    /// Horizontal offset of series `index`: at a single width the points would coincide.
    fn shift(&self, index: usize, panel: &Panel, frame: Frame) -> f64 {
        if !self.x.is_single() {
            return 0.0;
        }
        let pitch = (0.3 * frame.size.0 / panel.series.len() as f64).min(7.0);
        (index as f64 - (panel.series.len() - 1) as f64 / 2.0) * pitch
    }

    /// The numbers drawn: a line per point, with an empty x at infinite width.
    pub fn data(&self) -> Data {
        let Names { panel, curve, x, value } = &self.names;
        let has_error =
            self.panels.iter().flat_map(|panel| &panel.series).flat_map(Series::points).any(|point| point.error.is_some());
        let error = has_error.then_some("error");
        let columns: Vec<&str> =
            [*panel].into_iter().chain(curve.iter().copied()).chain([*x, *value, "low", "high"]).chain(error).collect();
        let mut data = Data::new(&columns);
        for panel in &self.panels {
            for series in &panel.series {
                let fields = &self.fields[self.keys.binary_search(&series.key).unwrap_or_default()];
                for point in series.points() {
                    let (low, high) = point.band.unwrap_or((f64::NAN, f64::NAN));
                    let mut line = vec![panel.key.clone()];
                    line.extend(fields.iter().cloned());
                    line.extend([point.x.into(), point.mean.into(), low.into(), high.into()]);
                    line.extend(error.map(|_| point.error.unwrap_or(f64::NAN).into()));
                    data.line(line);
                }
            }
        }
        data
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
            curve.draw_line(canvas, &line);
        }
        for (point, &at) in run.iter().zip(&line) {
            if let Some(error) = point.error {
                error_bar(canvas, place(point, point.mean - error), place(point, point.mean + error), curve.line());
            }
            curve.draw_marker(canvas, at);
        }
    }
}
