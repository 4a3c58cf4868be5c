//! Distributions of step and gradient norm over inputs, per depth: one panel per dim, one curve per width or
//! shape, infinite width dashed.
//!
//! Curves are empirical CDFs over all inputs (that of the step ends at the fraction that flips): no binning, and less overlap than densities.

use super::Picture;
use super::axis::{LinearAxis, Tick, YAxis, number_label, thinned};
use super::canvas::{Canvas, Stroke};
use super::data::Data;
use super::frame::{Frame, widest};
use super::layout::{Drawing, Page, Space, columns};
use super::legend::{Entry, Legend};
use super::look::Look;
use super::style::{self, CurveStyle};
use crate::model::Cell;
use crate::model::cell::layers_label;
use crate::record::Sample;
use crate::results::CellResults;
use crate::stats::distinct;

/// Most panels per figure and curves per panel (besides the limit); larger sets are thinned evenly, and the note says what is left out.
const PANELS: usize = 9;
const CURVES: usize = 12;
/// Points per curve.
const POINTS: usize = 240;
/// Quantile of the widest distribution at which the x-axis ends; far tails would squeeze the rest.
const SHOWN: f64 = 0.98;

/// The quantity shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    Step,
    Gradient,
}

impl Quantity {
    pub const ALL: [Self; 2] = [Quantity::Step, Quantity::Gradient];

    pub fn name(self) -> &'static str {
        match self {
            Quantity::Step => "step",
            Quantity::Gradient => "gradient",
        }
    }

    /// For titles: "Distribution of …".
    pub fn what(self) -> &'static str {
        match self {
            Quantity::Step => "the smallest step",
            Quantity::Gradient => "the norm of the gradient",
        }
    }

    /// Labels of the axes of values and of shares.
    pub fn labels(self) -> (&'static str, &'static str) {
        match self {
            Quantity::Step => ("step *η*", "share of inputs flipped"),
            Quantity::Gradient => ("‖∇*f*(*x*)‖", "share of inputs"),
        }
    }

    /// All samples of `cell`, ascending; inputs without a step come last, as infinity.
    pub fn values(self, cell: &CellResults) -> Vec<f64> {
        let samples = cell.records.iter().flat_map(|record| &record.samples);
        let mut values: Vec<f64> = samples.map(|sample| self.of(sample)).collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    }

    /// Infinite if no step was found.
    fn of(self, sample: &Sample) -> f64 {
        match self {
            Quantity::Step if sample.step.is_nan() => f64::INFINITY,
            Quantity::Step => sample.step,
            Quantity::Gradient => sample.gradient_norm,
        }
    }
}

/// The curves of one dim.
struct Panel {
    dim: usize,
    /// (index of the curve in the legend, ascending values).
    curves: Vec<(usize, Vec<f64>)>,
    limit: Option<Vec<f64>>,
}

/// Both figures of every depth.
pub fn pictures(results: &[CellResults], look: &Look, note: &str) -> Vec<Picture> {
    let depths = distinct(results.iter().map(|cell| cell.cell.depth));
    let pictures = depths.into_iter().flat_map(|depth| {
        let cells: Vec<&CellResults> = results.iter().filter(|cell| cell.cell.depth == depth).collect();
        Quantity::ALL.map(|quantity| picture(&cells, depth, quantity, look, note))
    });
    pictures.collect()
}

fn picture(cells: &[&CellResults], depth: usize, quantity: Quantity, look: &Look, note: &str) -> Picture {
    let all_dims = distinct(cells.iter().map(|cell| cell.cell.dim));
    let finite = cells.iter().filter(|cell| !cell.cell.is_infinite());
    let all_widths: Vec<Widths> = distinct(finite.map(|cell| widths_of(&cell.cell)));
    let (dims, widths) = (spread(&all_dims, PANELS), spread(&all_widths, CURVES));
    let panels: Vec<Panel> = dims.iter().map(|&dim| panel(cells, dim, &widths, quantity)).collect();

    let has_shapes = cells.iter().any(|cell| cell.cell.has_differing_layers());
    let label = |(width, layers): &Widths| match has_shapes {
        true if layers.is_empty() => layers_label(std::iter::repeat_n(*width, depth)),
        true => layers_label(layers.iter().copied()),
        false => number_label(*width),
    };
    let layers = if depth == 1 { "one hidden layer".to_owned() } else { format!("*L* = {depth} hidden layers") };
    let (name, what) = (quantity.name(), quantity.what());
    let (widths_name, symbol) = if has_shapes { ("different widths", "widths ") } else { ("width *k*", "*k* = ") };
    let title = format!("Distribution of {what} over inputs, for {layers} of {widths_name} and input dimension *d*");
    let left_out = [left_out("*d* = ", &all_dims, &dims, |&dim| number_label(dim)), left_out(symbol, &all_widths, &widths, label)];
    let left_out: Vec<String> = left_out.into_iter().flatten().collect();
    let note = if left_out.is_empty() { note.to_owned() } else { format!("not drawn: {}; {note}", left_out.join(" and ")) };
    let picture = DistributionPicture {
        look,
        names: (name, if has_shapes { "widths" } else { "width" }),
        fields: widths.iter().map(|widths| if has_shapes { label(widths) } else { widths.0.to_string() }).collect(),
        x: LinearAxis::from_zero(panels.iter().map(Panel::reach).fold(0.0, f64::max)),
        y: YAxis::of_fractions(0.0),
        labels: quantity.labels(),
        panels,
        curves: widths.iter().map(|widths| format!("{}{}", if has_shapes { "" } else { symbol }, label(widths))).collect(),
    };
    Picture::new(format!("distribution_{name}_depth{depth}"), picture.draw(&title, &note), picture.data())
}

/// The width, and those of all layers if they differ.
type Widths = (usize, Vec<usize>);

fn widths_of(cell: &Cell) -> Widths {
    (cell.width, if cell.has_differing_layers() { cell.widths().collect() } else { Vec::new() })
}

/// Names those of `all` that are not in `drawn`.
fn left_out<T: PartialEq>(name: &str, all: &[T], drawn: &[T], label: impl Fn(&T) -> String) -> Option<String> {
    let labels: Vec<String> = all.iter().filter(|value| !drawn.contains(value)).map(label).collect();
    (!labels.is_empty()).then(|| format!("{name}{}", labels.join(", ")))
}

fn panel(cells: &[&CellResults], dim: usize, widths: &[Widths], quantity: Quantity) -> Panel {
    let here = || cells.iter().filter(|cell| cell.cell.dim == dim);
    let curve = |cell: &&&CellResults| Some((widths.binary_search(&widths_of(&cell.cell)).ok()?, quantity.values(cell)));
    let curves = here().filter_map(|cell| curve(&cell)).collect();
    Panel { dim, curves, limit: here().find(|cell| cell.cell.is_infinite()).map(|cell| quantity.values(cell)) }
}

impl Panel {
    /// Where the x-axis of this panel should end; 0 if it is empty.
    fn reach(&self) -> f64 {
        let end = |values: &Vec<f64>| {
            let finite = values.partition_point(|value| value.is_finite());
            values[..finite].get((finite as f64 * SHOWN) as usize).copied().unwrap_or(0.0)
        };
        self.curves.iter().map(|(_, values)| values).chain(&self.limit).map(end).fold(0.0, f64::max)
    }
}

/// A figure of panels with common axes.
struct DistributionPicture<'a> {
    look: &'a Look,
    /// Columns of the data: the quantity, and what tells curves apart.
    names: (&'a str, &'a str),
    /// What tells curves apart, in the data.
    fields: Vec<String>,
    panels: Vec<Panel>,
    x: LinearAxis,
    y: YAxis,
    labels: (&'static str, &'static str),
    /// Labels of the curves.
    curves: Vec<String>,
}

impl DistributionPicture<'_> {
    fn draw(&self, title: &str, note: &str) -> Drawing {
        let (look, panels) = (self.look, self.panels.len());
        let columns = columns(panels);
        let panel = match columns {
            1 => (240.0, 160.0),
            2 => (200.0, 130.0),
            _ => (142.0, 106.0),
        };
        let page = Page { look, title, note, legend: Some(Legend { entries: self.legend() }), panels };
        let grid = page.grid(Space {
            panels,
            columns,
            panel,
            left: widest(look, &self.y.ticks(panel.1, look.tick)) + look.label + 14.0 * look.scale,
            right: 8.0,
            column_gap: 11.0,
            row_gap: 22.0 * look.scale,
            bottom: 26.0 * look.scale,
            title: 0.0,
        });
        let (width, height) = grid.size();
        page.draw((width + 8.0, height), |canvas, (x, y)| {
            for (i, panel) in self.panels.iter().enumerate() {
                let corner = grid.corner(i);
                let frame = Frame { corner: (x + corner.0, y + corner.1), size: grid.panel() };
                canvas.group("panel", |canvas| self.draw_panel(canvas, panel, frame, (grid.is_lowest(i), grid.is_leftmost(i))));
            }
        })
    }

    fn x_ticks(&self, length: f64) -> Vec<Tick> {
        let ticks = self.x.ticks();
        if self.look.is_natural() { ticks } else { thinned(ticks, length, |label| self.look.length(label, self.look.tick) + 4.0) }
    }

    fn legend(&self) -> Vec<Entry> {
        let entry = |(index, label): (usize, &String)| Entry::line(label.clone(), self.stroke(index));
        let limit = self.panels.iter().any(|panel| panel.limit.is_some());
        let limit = limit.then(|| Entry::dashed("*k* = ∞".to_owned(), style::BLACK));
        self.curves.iter().enumerate().map(entry).chain(limit).collect()
    }

    fn stroke(&self, curve: usize) -> Stroke {
        CurveStyle::of(curve, self.curves.len()).line()
    }

    fn draw_panel(&self, canvas: &mut Canvas, panel: &Panel, frame: Frame, (x_labels, y_labels): (bool, bool)) {
        let y_ticks = self.y.ticks(frame.size.1, self.look.tick);
        for tick in y_ticks.iter().filter(|tick| tick.label.is_some()) {
            let y = frame.y(tick.position);
            canvas.line((frame.x(0.0), y), (frame.x(1.0), y), style::GRID);
        }
        for (index, values) in &panel.curves {
            canvas.group("curve", |canvas| canvas.polyline(&self.curve(values, frame), self.stroke(*index)));
        }
        if let Some(values) = &panel.limit {
            let stroke = Stroke { colour: style::BLACK, width: style::LIMIT_WIDTH };
            canvas.group("limit", |canvas| canvas.dashed(&self.curve(values, frame), stroke));
        }
        frame.draw_x_axis(canvas, &self.x_ticks(frame.size.0), x_labels.then_some(self.labels.0));
        frame.draw_y_axis(canvas, &y_ticks, y_labels.then_some(self.labels.1));
        canvas.frame(frame.corner, frame.size, style::AXIS);
        frame.draw_title(canvas, &format!("*d* = {}", number_label(panel.dim)));
    }

    /// The empirical CDF of `values` across the panel.
    fn curve(&self, values: &[f64], frame: Frame) -> Vec<(f64, f64)> {
        let point = |i: usize| {
            let position = i as f64 / POINTS as f64;
            let share = share(values, self.x.value(position));
            (frame.x(position), frame.y(self.y.position(share)))
        };
        (0..=POINTS).map(point).collect()
    }

    /// The points drawn; the width of the limit is empty.
    fn data(&self) -> Data {
        let (quantity, curve) = self.names;
        let mut data = Data::new(&["dim", curve, quantity, "share"]);
        for panel in &self.panels {
            let curves = panel.curves.iter().map(|(index, values)| (self.fields[*index].as_str(), values));
            for (field, values) in curves.chain(panel.limit.iter().map(|values| ("", values))) {
                for i in 0..=POINTS {
                    let at = self.x.value(i as f64 / POINTS as f64);
                    data.line(vec![panel.dim.into(), field.into(), at.into(), share(values, at).into()]);
                }
            }
        }
        data
    }
}

/// The share of ascending `values` that are at most `most`.
fn share(values: &[f64], most: f64) -> f64 {
    values.partition_point(|value| *value <= most) as f64 / values.len() as f64
}

/// At most `most` of `values`, evenly spaced, including both ends.
fn spread<T: Clone>(values: &[T], most: usize) -> Vec<T> {
    if values.len() <= most {
        return values.to_vec();
    }
    let index = |i: usize| (i * (values.len() - 1) + (most - 1) / 2) / (most - 1);
    (0..most).map(|i| values[index(i)].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_keeps_both_ends() {
        assert_eq!(spread(&[1, 2, 3], 5), [1, 2, 3]);
        assert_eq!(spread(&(1..=11).collect::<Vec<_>>(), 5), [1, 4, 6, 9, 11]);
        assert_eq!(spread(&(1..=7).collect::<Vec<_>>(), 5), [1, 3, 4, 6, 7]);
    }

    #[test]
    fn what_is_left_out_is_named() {
        let label = |number: &usize| number.to_string();
        assert_eq!(left_out("*d* = ", &[1, 2, 3, 4], &[1, 4], label).unwrap(), "*d* = 2, 3");
        assert_eq!(left_out("*d* = ", &[1, 2], &[1, 2], label), None);
    }

    #[test]
    fn inputs_without_a_step_are_beyond_every_step() {
        let sample = |step| Sample { step, ..Sample::unsearched(1.0, 1.0, 1.0) };
        assert_eq!(Quantity::Step.of(&sample(f64::NAN)), f64::INFINITY);
        assert_eq!(Quantity::Step.of(&sample(2.0)), 2.0);
        let panel = |values| Panel { dim: 1, curves: vec![(1, values)], limit: None };
        assert_eq!(panel(vec![f64::INFINITY]).reach(), 0.0);
        assert_eq!(panel(vec![1.0, 2.0, f64::INFINITY]).reach(), 2.0);
    }
}
