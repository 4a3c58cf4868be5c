//! Layout: the grid of panels, the page around it, and the legend. Lengths are points.

use colorous::Color;

use super::canvas::{Anchor, Canvas, Stroke, TextStyle};
use super::style::{self, CurveStyle};
use super::text;

/// Page margin.
const MARGIN: f64 = 6.0;

/// Number of columns for `panels` panels.
pub fn columns(panels: usize) -> usize {
    match panels {
        0..=3 => panels.max(1),
        4 => 2,
        5 | 6 | 9 => 3,
        _ => 4,
    }
}

/// A grid of panels with space for titles, tick labels and axis labels.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    pub columns: usize,
    pub panels: usize,
    /// Size of a panel's frame.
    pub panel: (f64, f64),
    /// Space left of the first column.
    pub left: f64,
    /// Space between columns.
    pub column_gap: f64,
    /// Space between rows, including the title of the lower panel.
    pub row_gap: f64,
    /// Space below the last row.
    pub bottom: f64,
}

/// Space above the first row, for panel titles.
const PANEL_TITLE: f64 = 15.0;

impl Grid {
    fn rows(&self) -> usize {
        self.panels.div_ceil(self.columns)
    }

    pub fn size(&self) -> (f64, f64) {
        let along = |count: usize, length: f64, gap: f64| count as f64 * length + (count - 1) as f64 * gap;
        let width = self.left + along(self.columns, self.panel.0, self.column_gap);
        let height = PANEL_TITLE + along(self.rows(), self.panel.1, self.row_gap) + self.bottom;
        (width, height)
    }

    /// Upper left corner of panel `index`, relative to the grid.
    pub fn corner(&self, index: usize) -> (f64, f64) {
        let (row, column) = (index / self.columns, index % self.columns);
        let x = self.left + column as f64 * (self.panel.0 + self.column_gap);
        let y = PANEL_TITLE + row as f64 * (self.panel.1 + self.row_gap);
        (x, y)
    }

    /// Whether panel `index` is in the first column.
    pub fn is_leftmost(&self, index: usize) -> bool {
        index.is_multiple_of(self.columns)
    }

    /// Whether no panel is below panel `index`.
    pub fn is_lowest(&self, index: usize) -> bool {
        index + self.columns >= self.panels
    }
}

/// A page: title, note, contents and legend, centred.
#[derive(Debug)]
pub struct Page<'a> {
    pub title: &'a str,
    pub note: &'a str,
    /// Size of the contents.
    pub contents: (f64, f64),
    pub legend: Option<Legend>,
}

impl Page<'_> {
    /// Draws the page; the closure draws the contents, given their upper left corner. Returns the SVG document.
    pub fn draw(&self, contents: impl FnOnce(&mut Canvas, (f64, f64))) -> String {
        let narrowest = self.contents.0.max(text::length(self.title, style::TITLE_SIZE));
        let note = note_lines(self.note, narrowest.max(NOTE_ROOM));
        let note_width = note.iter().map(|line| text::length(line, style::NOTE_SIZE)).fold(0.0, f64::max);
        let inner = narrowest.max(note_width);
        let legend_height = self.legend.as_ref().map_or(0.0, |legend| legend.height(inner));
        let note_pitch = style::NOTE_SIZE + 2.0;
        let heading = style::TITLE_SIZE + note_pitch * note.len() as f64 + 6.0;
        let width = inner + 2.0 * MARGIN;
        let height = heading + self.contents.1 + legend_height + 2.0 * MARGIN;

        let mut canvas = Canvas::new(width, height);
        let centre = width / 2.0;
        canvas.text((centre, MARGIN + 0.85 * style::TITLE_SIZE), self.title, style::text(style::TITLE_SIZE, Anchor::Middle));
        let grey = TextStyle { size: style::NOTE_SIZE, anchor: Anchor::Middle, colour: style::GREY };
        for (line, number) in note.iter().zip(1..) {
            canvas.text((centre, MARGIN + style::TITLE_SIZE + note_pitch * f64::from(number)), line, grey);
        }
        contents(&mut canvas, (centre - self.contents.0 / 2.0, MARGIN + heading));
        if let Some(legend) = &self.legend {
            canvas.group("legend", |canvas| legend.draw(canvas, centre, MARGIN + heading + self.contents.1, inner));
        }
        canvas.finish()
    }
}

/// A note may widen the page up to this; a longer one is wrapped.
const NOTE_ROOM: f64 = 420.0;

/// Wraps the note after commas into lines at most `width` wide; at least one line.
fn note_lines(note: &str, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    // Lists without spaces are broken only where they are longer than a line.
    let pieces = note.split_inclusive(", ").flat_map(|piece| {
        let separator = if text::length(piece, style::NOTE_SIZE) <= width { ", " } else { "," };
        piece.split_inclusive(separator)
    });
    for piece in pieces {
        let line = lines.last_mut().expect("there is a line");
        let longer = format!("{line}{piece}");
        if line.is_empty() || text::length(&longer, style::NOTE_SIZE) <= width {
            *line = longer;
        } else {
            lines.push(piece.trim_start().to_string());
        }
    }
    lines
}

/// Legend symbol.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// Curve, markers and band.
    Band(CurveStyle),
    /// A marker alone.
    Marker(CurveStyle),
    /// A line alone.
    Line(Stroke),
    Dashed(Stroke),
}

/// A line of a legend.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Markup of [`super::text`].
    label: String,
    look: Look,
}

impl Entry {
    /// A curve with markers and a band.
    pub fn with_band(label: String, curve: CurveStyle) -> Self {
        Self { label, look: Look::Band(curve) }
    }

    pub fn marker(label: String, curve: CurveStyle) -> Self {
        Self { label, look: Look::Marker(curve) }
    }

    pub fn line(label: String, stroke: Stroke) -> Self {
        Self { label, look: Look::Line(stroke) }
    }

    pub fn dashed(label: String, colour: Color) -> Self {
        Self { label, look: Look::Dashed(Stroke { colour, width: style::LIMIT_WIDTH }) }
    }
}

/// A legend in as many rows as needed.
#[derive(Debug)]
pub struct Legend {
    pub entries: Vec<Entry>,
}

impl Legend {
    const ROW: f64 = 11.5;
    const ABOVE: f64 = 5.0;
    /// Length of the curve sample, gap to its text, and gap to the next entry.
    const SAMPLE: f64 = 18.0;
    const SAMPLE_GAP: f64 = 4.0;
    const ENTRY_GAP: f64 = 14.0;

    fn entry_width(&self) -> f64 {
        let longest = self.entries.iter().map(|entry| text::length(&entry.label, style::LEGEND_SIZE)).fold(0.0, f64::max);
        Self::SAMPLE + Self::SAMPLE_GAP + longest
    }

    /// Entries per row on a page `width` wide, with rows about equally full.
    fn per_row(&self, width: f64) -> usize {
        let most = ((width + Self::ENTRY_GAP) / (self.entry_width() + Self::ENTRY_GAP)).floor().max(1.0) as usize;
        self.entries.len().div_ceil(self.entries.len().div_ceil(most))
    }

    fn height(&self, width: f64) -> f64 {
        Self::ABOVE + Self::ROW * self.entries.len().div_ceil(self.per_row(width)) as f64
    }

    fn draw(&self, canvas: &mut Canvas, centre: f64, top: f64, width: f64) {
        let (per_row, entry) = (self.per_row(width), self.entry_width());
        let pitch = entry + Self::ENTRY_GAP;
        let left = centre - (per_row as f64 * pitch - Self::ENTRY_GAP) / 2.0;
        for (i, Entry { label, look }) in self.entries.iter().enumerate() {
            let x = left + (i % per_row) as f64 * pitch;
            let y = top + Self::ABOVE + ((i / per_row) as f64 + 0.5) * Self::ROW;
            let (from, to) = ((x, y), (x + Self::SAMPLE, y));
            match look {
                Look::Band(curve) => {
                    canvas.polygon(&rectangle((x, y - 3.5), (Self::SAMPLE, 7.0)), curve.colour, 0.2);
                    canvas.line(from, to, curve.line());
                    curve.draw_marker(canvas, (x + Self::SAMPLE / 2.0, y));
                }
                Look::Marker(curve) => curve.draw_marker(canvas, (x + Self::SAMPLE / 2.0, y)),
                Look::Line(stroke) => canvas.line(from, to, *stroke),
                Look::Dashed(stroke) => canvas.dashed(&[from, to], *stroke),
            }
            let start = (x + Self::SAMPLE + Self::SAMPLE_GAP, y + text::MIDDLE * style::LEGEND_SIZE);
            canvas.text(start, label, style::text(style::LEGEND_SIZE, Anchor::Start));
        }
    }
}

fn rectangle((x, y): (f64, f64), (width, height): (f64, f64)) -> [(f64, f64); 4] {
    [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_stand_in_sensible_grids() {
        let grids: Vec<(usize, usize)> = (1..=9usize).map(|panels| (panels.div_ceil(columns(panels)), columns(panels))).collect();
        assert_eq!(grids, [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (2, 3), (2, 4), (2, 4), (3, 3)]);
    }

    #[test]
    fn a_long_note_goes_on_in_the_next_line() {
        assert_eq!(note_lines("gain 1, ±1 readout", 300.0), ["gain 1, ±1 readout"]);
        assert_eq!(note_lines("", 300.0), [""]);
        let widths = vec!["1000000000"; 48].join(",");
        let lines = note_lines(&format!("100 networks, hidden layers {widths} (k: the widest), *η* ≤ 20"), 300.0);
        assert!(lines.len() > 3 && lines.iter().all(|line| text::length(line, style::NOTE_SIZE) <= 300.0), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), format!("100networks,hiddenlayers{widths}(k:thewidest),*η*≤20"));
    }

    #[test]
    fn panels_lie_inside_the_grid_and_apart() {
        for panels in 1..=13 {
            let columns = columns(panels);
            let grid = Grid { columns, panels, panel: (100.0, 70.0), left: 30.0, column_gap: 10.0, row_gap: 20.0, bottom: 25.0 };
            let (width, height) = grid.size();
            let corners: Vec<(f64, f64)> = (0..panels).map(|index| grid.corner(index)).collect();
            assert!(corners.iter().all(|(x, y)| *x >= 30.0 && x + 100.0 <= width + 1e-9 && y + 70.0 + 25.0 <= height + 1e-9));
            let apart = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() >= 100.0 || (a.1 - b.1).abs() >= 70.0;
            assert!((0..panels).all(|i| (0..i).all(|j| apart(corners[i], corners[j]))));
            let lowest = (0..panels).filter(|&index| grid.is_lowest(index)).count();
            assert_eq!(lowest, columns.min(panels));
        }
    }

    #[test]
    fn a_legend_is_never_wider_than_its_page() {
        for count in [1, 2, 6, 7, 30, 200] {
            let entry = |i| Entry::with_band(format!("*d* = {}", 10 + 37 * i), CurveStyle::of(i, count));
            let legend = Legend { entries: (0..count).map(entry).collect() };
            let per_row = legend.per_row(300.0) as f64;
            assert!(per_row * (legend.entry_width() + Legend::ENTRY_GAP) - Legend::ENTRY_GAP <= 300.0);
        }
    }
}
