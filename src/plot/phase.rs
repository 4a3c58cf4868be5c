//! The phase diagram: fraction that flips over the (d, k) plane, one map per depth.
//!
//! Dims and widths are categories, one map cell each; they are usually log-spaced.

use super::Picture;
use super::axis::{LinearAxis, number_label};
use super::canvas::{Anchor, Canvas, Stroke, TextStyle};
use super::data::Data;
use super::layout::{Page, Space};
use super::look::Look;
use super::series;
use super::style;
use super::text;
use crate::model::{Cell, INFINITE_WIDTH};
use crate::results::Summary;

/// Width of a row of panels.
const ROW_WIDTH: f64 = 440.0;
/// Bounds on the width of a map cell.
const WIDEST_CELL: f64 = 34.0;
const NARROWEST_CELL: f64 = 3.0;
/// Cell width that fits a readable number.
const COMFORTABLE_CELL: f64 = 17.0;
/// Smallest and largest font size of numbers in cells.
const SMALLEST_NUMBER: f64 = 4.5;
const LARGEST_NUMBER: f64 = 7.0;
/// Colour of cells that were not run.
const ABSENT: colorous::Color = style::LIGHT;

const COLUMN_GAP: f64 = 14.0;
/// Width of the colour bar, and its distance from the maps.
const BAR: f64 = 9.0;
const BAR_GAP: f64 = 14.0;
/// Bounds on its length; its title needs the shortest.
const SHORTEST_BAR: f64 = 72.0;
const LONGEST_BAR: f64 = 260.0;

/// Categories and cell size of all maps.
struct Map<'a> {
    look: &'a Look,
    dims: &'a [usize],
    widths: &'a [usize],
    cell: (f64, f64),
}

/// Draws the phase diagram.
pub fn diagram(cells: &[(Cell, Summary)], look: &Look, note: &str) -> Picture {
    let (depths, dims, widths) = (series::depths(cells), series::dims(cells), series::widths(cells));
    let columns = columns(depths.len(), widths.len());
    let cell_width = cell_width(columns, widths.len());
    let cell_height = (0.62 * cell_width).clamp(9.0, 22.0);
    let natural = Map { look, dims: &dims, widths: &widths, cell: (cell_width, cell_height) };
    let dim_labels = natural.dim_labels();
    let widest = dim_labels.iter().flatten().map(|label| look.length(label, look.tick)).fold(0.0, f64::max);
    let complete =
        cells.iter().filter(|(_, summary)| summary.fraction.is_finite()).count() == depths.len() * dims.len() * widths.len();
    let note = if complete { note.to_owned() } else { format!("{note}; grey: not run") };
    let title = "Fraction of inputs whose sign flips, over width *k* and input dimension *d*";
    let page = Page { look, title, note: &note, legend: None, panels: depths.len() };
    let bar_labels = 20.0 * look.scale + look.label;
    let grid = page.grid(Space {
        columns,
        panels: depths.len(),
        panel: (cell_width * widths.len() as f64, cell_height * dims.len() as f64),
        left: widest + look.label + 12.0 * look.scale,
        right: BAR_GAP + BAR + bar_labels,
        column_gap: COLUMN_GAP,
        row_gap: 22.0 * look.scale,
        bottom: 26.0 * look.scale,
        title: 0.0,
    });
    let cell = match look.is_natural() {
        true => natural.cell,
        false => (grid.panel().0 / widths.len() as f64, grid.panel().1 / dims.len() as f64),
    };
    let map = Map { cell, ..natural };
    let dim_labels = map.dim_labels();

    let (width, height) = grid.size();
    let (top, bottom) = (grid.corner(0).1, height - 26.0 * look.scale);
    let bar = (bottom - top).clamp(SHORTEST_BAR * look.scale, LONGEST_BAR.max(SHORTEST_BAR * look.scale));
    // The bar may extend below a low map.
    let bar_top = top + ((bottom - top - bar) / 2.0).max(0.0);
    let contents = (width + BAR_GAP + BAR + bar_labels, height.max(bar_top + bar + 6.0));
    let drawing = page.draw(contents, |canvas, (x, y)| {
        for (i, &depth) in depths.iter().enumerate() {
            let corner = (x + grid.corner(i).0, y + grid.corner(i).1);
            canvas.group("panel", |canvas| {
                map.draw(canvas, corner, depth, cells);
                if grid.is_lowest(i) {
                    map.draw_width_labels(canvas, (corner.0, corner.1 + grid.panel().1));
                }
                if grid.is_leftmost(i) {
                    map.draw_dim_labels(canvas, corner, &dim_labels, widest);
                }
                let title = (corner.0 + grid.panel().0 / 2.0, corner.1 - 4.5 * look.scale);
                canvas.text(title, &format!("*L* = {depth}"), style::text(look.panel_title, Anchor::Middle));
            });
        }
        canvas.group("scale", |canvas| draw_scale(canvas, (x + width + BAR_GAP, y + bar_top), bar));
    });
    Picture::new("phase_diagram", drawing, data(cells))
}

/// The numbers of the cells, with an empty width at infinity.
fn data(cells: &[(Cell, Summary)]) -> Data {
    let mut data = Data::new(&["depth", "dim", "width", "fraction"]);
    for (cell, summary) in cells {
        data.line(vec![cell.depth.into(), cell.dim.into(), cell.width.into(), summary.fraction.into()]);
    }
    data
}

/// As many columns as keep the numbers in the cells readable.
fn columns(panels: usize, widths: usize) -> usize {
    let most = super::layout::columns(panels);
    let comfortable = (1..=most).rev().find(|&columns| cell_width(columns, widths) >= COMFORTABLE_CELL);
    comfortable.unwrap_or(1)
}

fn cell_width(columns: usize, widths: usize) -> f64 {
    let panel = (ROW_WIDTH - (columns - 1) as f64 * COLUMN_GAP) / columns as f64;
    (panel / widths as f64).clamp(NARROWEST_CELL, WIDEST_CELL)
}

impl Map<'_> {
    fn draw(&self, canvas: &mut Canvas, (left, top): (f64, f64), depth: usize, cells: &[(Cell, Summary)]) {
        let size = (self.cell.0 * self.widths.len() as f64, self.cell.1 * self.dims.len() as f64);
        canvas.rectangle((left, top), size, ABSENT);
        let number_size = self.number_size();
        for (cell, summary) in cells.iter().filter(|(cell, summary)| cell.depth == depth && summary.fraction.is_finite()) {
            let (Ok(column), Ok(row)) = (self.widths.binary_search(&cell.width), self.dims.binary_search(&cell.dim)) else {
                continue;
            };
            let corner = (left + column as f64 * self.cell.0, top + (self.dims.len() - 1 - row) as f64 * self.cell.1);
            let colour = style::fraction_colour(summary.fraction);
            canvas.rectangle(corner, self.cell, colour);
            if let Some(size) = number_size {
                let middle = (corner.0 + self.cell.0 / 2.0, corner.1 + self.cell.1 / 2.0 + text::MIDDLE * size);
                let style = TextStyle { size, anchor: Anchor::Middle, colour: style::text_colour_on(colour) };
                canvas.text(middle, &fraction_label(summary.fraction), style);
            }
        }
        let gap = Stroke { colour: style::WHITE, width: (0.03 * self.cell.0).min(0.6) };
        for column in 1..self.widths.len() {
            let x = left + column as f64 * self.cell.0;
            canvas.line((x, top), (x, top + size.1), gap);
        }
        for row in 1..self.dims.len() {
            let y = top + row as f64 * self.cell.1;
            canvas.line((left, y), (left + size.0, y), gap);
        }
        canvas.frame((left, top), size, style::AXIS);
    }

    /// Font size of the numbers; `None` if too small to read.
    fn number_size(&self) -> Option<f64> {
        let fitting = (self.cell.0 - 2.0) / self.look.length("0.00", 1.0);
        let size = fitting.min(0.7 * self.cell.1).min(LARGEST_NUMBER * self.look.scale);
        (size >= SMALLEST_NUMBER).then_some(size)
    }

    fn draw_width_labels(&self, canvas: &mut Canvas, (left, bottom): (f64, f64)) {
        let look = self.look;
        let labels = sparse_labels(self.widths, |label| look.length(label, look.tick) + 3.0, self.cell.0);
        for (column, label) in labels.iter().enumerate() {
            let x = left + (column as f64 + 0.5) * self.cell.0;
            let Some(label) = label else { continue };
            canvas.line((x, bottom), (x, bottom + style::TICK), style::AXIS);
            canvas.text((x, bottom + 11.8 * look.scale), label, style::text(look.tick, Anchor::Middle));
        }
        let middle = left + self.cell.0 * self.widths.len() as f64 / 2.0;
        canvas.text((middle, bottom + 22.0 * look.scale), "width *k*", style::text(look.label, Anchor::Middle));
    }

    fn dim_labels(&self) -> Vec<Option<String>> {
        sparse_labels(self.dims, |_| self.look.tick + 1.0, self.cell.1)
    }

    fn draw_dim_labels(&self, canvas: &mut Canvas, (left, top): (f64, f64), labels: &[Option<String>], widest: f64) {
        let (look, height) = (self.look, self.cell.1 * self.dims.len() as f64);
        for (row, label) in labels.iter().enumerate() {
            let y = top + height - (row as f64 + 0.5) * self.cell.1;
            let Some(label) = label else { continue };
            canvas.line((left - style::TICK, y), (left, y), style::AXIS);
            let end = (left - style::TICK - 2.0, y + text::MIDDLE * look.tick);
            canvas.text(end, label, style::text(look.tick, Anchor::End));
        }
        let x = left - style::TICK - 2.0 - widest - 4.0 * look.scale;
        canvas.upward_text((x, top + height / 2.0), "dim *d*", style::text(look.label, Anchor::Middle));
    }
}

/// Labels of categories `pitch` apart: all if they fit, else powers of ten, else every n-th.
fn sparse_labels(numbers: &[usize], extent: impl Fn(&str) -> f64, pitch: f64) -> Vec<Option<String>> {
    let powers: Vec<Option<String>> = numbers.iter().map(|&number| power_label(number)).collect();
    let all: Vec<Option<String>> = numbers.iter().map(|&number| Some(number_label(number))).collect();
    let every = |stride: usize| -> Vec<Option<String>> {
        all.iter().enumerate().map(|(i, label)| label.clone().filter(|_| i % stride == 0)).collect()
    };
    let fits = |labels: &[Option<String>]| {
        let taken: Vec<(f64, f64)> = (labels.iter().enumerate())
            .filter_map(|(i, label)| label.as_ref().map(|label| (i as f64 * pitch, extent(label) / 2.0)))
            .collect();
        taken.windows(2).all(|pair| pair[1].0 - pair[0].0 >= pair[0].1 + pair[1].1)
    };
    if fits(&all) {
        return all;
    }
    if powers.iter().flatten().count() >= 2 && fits(&powers) {
        return powers;
    }
    (2..=numbers.len()).map(every).find(|labels| fits(labels)).unwrap_or_else(|| every(numbers.len()))
}

/// `10^{n}` for 10ⁿ, ∞ for infinite width.
fn power_label(number: usize) -> Option<String> {
    if number == INFINITE_WIDTH {
        return Some(number_label(number));
    }
    let exponent = number.checked_ilog10()?;
    (10usize.pow(exponent) == number).then(|| format!("10^{{{exponent}}}"))
}

/// Two decimals; `0` and `1` are exact.
fn fraction_label(fraction: f64) -> String {
    if fraction == 0.0 || fraction == 1.0 { fraction.to_string() } else { format!("{fraction:.2}") }
}

fn draw_scale(canvas: &mut Canvas, (left, top): (f64, f64), length: f64) {
    let look = canvas.look();
    let colours: Vec<colorous::Color> = (0..=32).map(|i| style::fraction_colour(f64::from(i) / 32.0)).collect();
    canvas.gradient((left, top), (BAR, length), &colours);
    canvas.frame((left, top), (BAR, length), style::AXIS);
    // The axis extends beyond 0 and 1; the bar does not.
    let axis = LinearAxis::of_fractions(0.0);
    let (zero, one) = (axis.position(0.0), axis.position(1.0));
    for tick in axis.ticks() {
        let y = top + length * (1.0 - (tick.position - zero) / (one - zero));
        canvas.line((left + BAR, y), (left + BAR + style::TICK, y), style::AXIS);
        let start = (left + BAR + style::TICK + 2.0, y + text::MIDDLE * look.tick);
        canvas.text(start, tick.label.as_deref().unwrap_or_default(), style::text(look.tick, Anchor::Start));
    }
    let x = left + BAR + style::TICK + 2.0 + look.length("0.0", look.tick) + 4.0 + look.label;
    canvas.upward_text((x, top + length / 2.0), "fraction flipped", style::text(look.label, Anchor::Middle));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_thin_out_as_space_shrinks() {
        let widths = [10, 30, 100, 300, 1000, 3000, 10_000];
        let shown = |pitch: f64| {
            let labels = sparse_labels(&widths, |label| Look::default().length(label, 7.0) + 3.0, pitch);
            labels.into_iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(shown(34.0).len(), 7);
        assert_eq!(shown(14.0), ["10^{1}", "10^{2}", "10^{3}", "10^{4}"]);
        assert!((1..4).contains(&shown(3.0).len()));
    }

    #[test]
    fn cells_stay_readable_by_giving_up_columns() {
        assert_eq!(columns(6, 4), 3);
        assert_eq!(columns(6, 11), 2);
        assert_eq!(columns(6, 200), 1);
        assert_eq!(columns(1, 1), 1);
    }

    #[test]
    fn only_exact_fractions_are_written_without_decimals() {
        assert_eq!([0.0, 0.004, 0.5, 0.9996, 1.0].map(fraction_label), ["0", "0.00", "0.50", "1.00", "1"]);
    }
}
