//! Layout: the grid of panels, and the page around it. Lengths are points.

use super::canvas::{Anchor, Canvas, TextStyle};
use super::legend::Legend;
use super::look::Look;
use super::style;

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

/// Smallest panel, in points, of the default text size. Where a page asks for a smaller one the figure does not fit.
const SMALLEST_PANEL: (f64, f64) = (44.0, 28.0);

/// What surrounds the panels of a figure, in points, and how they stand where the page is as large as its contents.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    pub panels: usize,
    pub columns: usize,
    /// Size of a panel's frame.
    pub panel: (f64, f64),
    /// Space left of the first column.
    pub left: f64,
    /// Space right of the last column.
    pub right: f64,
    /// Space between columns.
    pub column_gap: f64,
    /// Space between rows, including the title of the lower panel.
    pub row_gap: f64,
    /// Space below the last row.
    pub bottom: f64,
    /// Width of the widest panel title.
    pub title: f64,
}

/// A grid of panels with space for titles, tick labels and axis labels.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    pub space: Space,
    /// Space above the first row, for panel titles.
    top: f64,
}

/// Space above the first row of the default look.
const PANEL_TITLE: f64 = 15.0;

impl Grid {
    pub fn columns(&self) -> usize {
        self.space.columns
    }

    /// Size of a panel's frame.
    pub fn panel(&self) -> (f64, f64) {
        self.space.panel
    }

    fn rows(&self) -> usize {
        self.space.panels.div_ceil(self.space.columns)
    }

    /// Size with the space around the panels, except that to the right.
    pub fn size(&self) -> (f64, f64) {
        let along = |count: usize, length: f64, gap: f64| count as f64 * length + (count - 1) as f64 * gap;
        let Space { columns, panel, left, column_gap, row_gap, bottom, .. } = self.space;
        let width = left + along(columns, panel.0, column_gap);
        let height = self.top + along(self.rows(), panel.1, row_gap) + bottom;
        (width, height)
    }

    /// Upper left corner of panel `index`, relative to the grid.
    pub fn corner(&self, index: usize) -> (f64, f64) {
        let Space { columns, panel, left, column_gap, row_gap, .. } = self.space;
        let (row, column) = (index / columns, index % columns);
        let x = left + column as f64 * (panel.0 + column_gap);
        let y = self.top + row as f64 * (panel.1 + row_gap);
        (x, y)
    }

    /// Whether panel `index` is in the first column.
    pub fn is_leftmost(&self, index: usize) -> bool {
        index.is_multiple_of(self.space.columns)
    }

    /// Whether no panel is below panel `index`.
    pub fn is_lowest(&self, index: usize) -> bool {
        index + self.space.columns >= self.space.panels
    }
}

/// A page: title, note, contents and legend, centred.
#[derive(Debug)]
pub struct Page<'a> {
    pub look: &'a Look,
    pub title: &'a str,
    pub note: &'a str,
    pub legend: Option<Legend>,
    /// Number of panels, which decides on the width of some pages.
    pub panels: usize,
}

/// A finished page.
#[derive(Debug)]
pub struct Drawing {
    /// SVG document.
    pub svg: String,
    /// Whether it has the size that the look asks for.
    pub fits: bool,
}

/// A note may widen the page up to this; a longer one is wrapped.
const NOTE_ROOM: f64 = 420.0;

impl Page<'_> {
    /// The panels in `space`, of the size and in the columns that fill the page.
    pub fn grid(&self, space: Space) -> Grid {
        let top = PANEL_TITLE * self.look.scale;
        let Some(width) = self.look.sheet.width(space.panels) else { return Grid { space, top } };
        let inner = width - 2.0 * MARGIN;
        let height = self.look.sheet.height().map(|height| height - self.surroundings(inner) - 2.0 * MARGIN);
        let aspect = space.panel.0 / space.panel.1;
        let smallest = (SMALLEST_PANEL.0 * self.look.scale, SMALLEST_PANEL.1 * self.look.scale);
        let in_columns = |columns: usize| {
            let (gaps, rows) = ((columns - 1) as f64 * space.column_gap, space.panels.div_ceil(columns));
            let width = ((inner - space.left - space.right - gaps) / columns as f64).max(smallest.0);
            let free = |height: f64| height - top - space.bottom - (rows - 1) as f64 * space.row_gap;
            let height = height.map_or(width / aspect, |height| free(height) / rows as f64).max(smallest.1);
            Grid { space: Space { columns, panel: (width, height), ..space }, top }
        };
        let is_wide_enough = |grid: &Grid| grid.panel().0 >= space.title.max(smallest.0 + 1e-9);
        let most = if height.is_some() { space.panels } else { space.columns };
        // As few columns as the number of rows needs.
        let is_full = |&columns: &usize| space.panels.div_ceil(space.panels.div_ceil(columns)) == columns;
        let mut candidates = (1..=most).filter(is_full).map(in_columns).filter(is_wide_enough);
        let extent = |grid: &Grid| (grid.panel().0 / aspect).min(grid.panel().1);
        let found = match height {
            None => candidates.next_back(),
            Some(_) => candidates.max_by(|a, b| extent(a).total_cmp(&extent(b))),
        };
        found.unwrap_or_else(|| in_columns(1))
    }

    /// Draws the page; the closure draws the contents, which are `size` large, given their upper left corner.
    pub fn draw(&self, size: (f64, f64), contents: impl FnOnce(&mut Canvas, (f64, f64))) -> Drawing {
        let look = self.look;
        let sheet = look.sheet.width(self.panels);
        let narrowest = size.0.max(self.legend.as_ref().map_or(0.0, |legend| legend.entry_width(look)));
        let inner = sheet.map_or_else(|| self.natural_width(narrowest), |width| (width - 2.0 * MARGIN).max(narrowest));
        let (titles, notes) = (self.title_lines(inner), self.note_lines(inner));
        let heading = self.heading(titles.len(), notes.len());
        let legend_height = self.legend.as_ref().map_or(0.0, |legend| legend.height(look, inner));
        let width = inner + 2.0 * MARGIN;
        let height = heading + size.1 + legend_height + 2.0 * MARGIN;
        let tolerance = 1e-6;
        let fits = sheet.is_none_or(|sheet| width <= sheet + tolerance)
            && look.sheet.height().is_none_or(|sheet| height <= sheet + tolerance);

        let mut canvas = Canvas::new(look, width, look.sheet.height().unwrap_or(0.0).max(height));
        let centre = width / 2.0;
        let title_pitch = look.title + 2.0 * look.scale;
        for (line, number) in titles.iter().zip(0..) {
            let baseline = MARGIN + 0.85 * look.title + title_pitch * f64::from(number);
            canvas.text((centre, baseline), line, style::text(look.title, Anchor::Middle));
        }
        let grey = TextStyle { size: look.note, anchor: Anchor::Middle, colour: style::GREY };
        for (line, number) in notes.iter().zip(1..) {
            let baseline = MARGIN + self.titles_height(titles.len()) + self.note_pitch() * f64::from(number);
            canvas.text((centre, baseline), line, grey);
        }
        contents(&mut canvas, (centre - size.0 / 2.0, MARGIN + heading));
        if let Some(legend) = &self.legend {
            canvas.group("legend", |canvas| legend.draw(canvas, centre, MARGIN + heading + size.1, inner));
        }
        Drawing { svg: canvas.finish(), fits }
    }

    /// The width of a page that is as large as its contents, without margins.
    fn natural_width(&self, narrowest: f64) -> f64 {
        let look = self.look;
        let longest = |lines: &[String], size: f64| lines.iter().map(|line| look.length(line, size)).fold(0.0, f64::max);
        let narrowest = narrowest.max(longest(&self.title_lines(narrowest.max(NOTE_ROOM)), look.title));
        narrowest.max(longest(&self.note_lines(narrowest.max(NOTE_ROOM)), look.note))
    }

    /// Height of title, note and legend on a page `inner` wide.
    fn surroundings(&self, inner: f64) -> f64 {
        let legend = self.legend.as_ref().map_or(0.0, |legend| legend.height(self.look, inner));
        self.heading(self.title_lines(inner).len(), self.note_lines(inner).len()) + legend
    }

    fn title_lines(&self, width: f64) -> Vec<String> {
        let wrapped = |text: &str| wrapped(self.look, text, self.look.title, width);
        match &self.look.heading {
            None if self.look.is_natural() => vec![self.title.to_owned()],
            None => wrapped(self.title),
            Some(title) if title.is_empty() => Vec::new(),
            Some(title) => wrapped(title),
        }
    }

    fn note_lines(&self, width: f64) -> Vec<String> {
        if self.look.has_note { note_lines(self.look, self.note, width) } else { Vec::new() }
    }

    fn note_pitch(&self) -> f64 {
        self.look.note + 2.0 * self.look.scale
    }

    fn titles_height(&self, lines: usize) -> f64 {
        match lines {
            0 => 0.0,
            lines => self.look.title + (self.look.title + 2.0 * self.look.scale) * (lines - 1) as f64,
        }
    }

    fn heading(&self, titles: usize, notes: usize) -> f64 {
        let gap = if titles + notes > 0 { 6.0 * self.look.scale } else { 0.0 };
        self.titles_height(titles) + self.note_pitch() * notes as f64 + gap
    }
}

/// Wraps `text` at spaces into lines at most `width` wide; longer words are broken.
fn wrapped(look: &Look, text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a line");
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if look.length(&longer, size) <= width {
            *line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(String::new());
        }
        for character in word.chars() {
            let line = lines.last_mut().expect("there is a line");
            if !line.is_empty() && look.length(&format!("{line}{character}"), size) > width {
                lines.push(String::new());
            }
            lines.last_mut().expect("there is a line").push(character);
        }
    }
    lines
}

/// Wraps the note after commas into lines at most `width` wide; at least one line.
fn note_lines(look: &Look, note: &str, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    // Lists without spaces are broken only where they are longer than a line.
    let pieces = note.split_inclusive(", ").flat_map(|piece| {
        let separator = if look.length(piece, look.note) <= width { ", " } else { "," };
        piece.split_inclusive(separator)
    });
    for piece in pieces {
        let line = lines.last_mut().expect("there is a line");
        let longer = format!("{line}{piece}");
        if line.is_empty() || look.length(&longer, look.note) <= width {
            *line = longer;
        } else {
            lines.push(piece.trim_start().to_string());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::look::{Sheet, Style};
    use super::*;

    #[test]
    fn panels_stand_in_sensible_grids() {
        let grids: Vec<(usize, usize)> = (1..=9usize).map(|panels| (panels.div_ceil(columns(panels)), columns(panels))).collect();
        assert_eq!(grids, [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (2, 3), (2, 4), (2, 4), (3, 3)]);
    }

    #[test]
    fn a_long_note_goes_on_in_the_next_line() {
        assert_eq!(note_lines(&Look::default(), "gain 1, ±1 readout", 300.0), ["gain 1, ±1 readout"]);
        assert_eq!(note_lines(&Look::default(), "", 300.0), [""]);
        let widths = vec!["1000000000"; 48].join(",");
        let lines = note_lines(&Look::default(), &format!("100 networks, hidden layers {widths} (k: the widest), *η* ≤ 20"), 300.0);
        assert!(lines.len() > 3 && lines.iter().all(|line| Look::default().length(line, 7.0) <= 300.0), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), format!("100networks,hiddenlayers{widths}(k:thewidest),*η*≤20"));
    }

    fn space(panels: usize) -> Space {
        let around = Space { panels, columns: columns(panels), panel: (100.0, 70.0), left: 30.0, right: 8.0, ..NOTHING };
        Space { column_gap: 10.0, row_gap: 20.0, bottom: 25.0, ..around }
    }

    const NOTHING: Space = Space {
        panels: 1,
        columns: 1,
        panel: (1.0, 1.0),
        left: 0.0,
        right: 0.0,
        column_gap: 0.0,
        row_gap: 0.0,
        bottom: 0.0,
        title: 0.0,
    };

    #[test]
    fn panels_fill_a_page_of_any_size_that_holds_them() {
        for panels in 1..=13 {
            for (width, height) in [(240.0, 180.0), (490.0, 300.0), (200.0, 700.0), (900.0, 160.0)] {
                let look = Look { sheet: Sheet::Exact(width, height), ..Look::default() };
                let page = Page { look: &look, title: "A title of some words", note: "a note, of parts", legend: None, panels };
                let grid = page.grid(space(panels));
                let size = (grid.size().0 + 8.0, grid.size().1);
                let drawing = page.draw(size, |_, _| ());
                let is_larger = grid.panel().0 > SMALLEST_PANEL.0 && grid.panel().1 > SMALLEST_PANEL.1;
                assert!(drawing.fits || !is_larger, "{panels} on {width} × {height}: {grid:?}");
                if drawing.fits {
                    assert!(drawing.svg.contains(&format!("width=\"{width}pt\" height=\"{height}pt\"")));
                    assert!((size.0 + 2.0 * MARGIN - width).abs() < 1e-6, "{panels} on {width} × {height}: {size:?}");
                }
            }
            let look = Look::of(Style::Paper);
            let page = Page { look: &look, title: "", note: "", legend: None, panels };
            let width = page.grid(space(panels)).size().0 + 8.0 + 2.0 * MARGIN;
            assert!((width / 72.0 - if panels == 1 { 3.3 } else { 6.8 }).abs() < 1e-9, "{panels}: {width}");
        }
        let look = Look { sheet: Sheet::Exact(60.0, 60.0), ..Look::default() };
        let page = Page { look: &look, title: "", note: "", legend: None, panels: 6 };
        let size = page.grid(space(6)).size();
        assert!(!page.draw(size, |_, _| ()).fits);
    }

    #[test]
    fn long_titles_are_wrapped_and_long_words_broken() {
        let look = Look::default();
        let lines = |text: &str| wrapped(&look, text, 9.5, 100.0);
        assert_eq!(lines("short title"), ["short title"]);
        let text = format!("some words and {} then", "x".repeat(100));
        assert!(lines(&text).len() > 5 && lines(&text).iter().all(|line| look.length(line, 9.5) <= 100.0), "{:?}", lines(&text));
        assert_eq!(lines(&text).concat().replace(' ', ""), text.replace(' ', ""));
    }

    #[test]
    fn panels_lie_inside_the_grid_and_apart() {
        for panels in 1..=13 {
            let grid = Page { look: &Look::default(), title: "", note: "", legend: None, panels }.grid(space(panels));
            let (width, height) = grid.size();
            let corners: Vec<(f64, f64)> = (0..panels).map(|index| grid.corner(index)).collect();
            assert!(corners.iter().all(|(x, y)| *x >= 30.0 && x + 100.0 <= width + 1e-9 && y + 70.0 + 25.0 <= height + 1e-9));
            let apart = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() >= 100.0 || (a.1 - b.1).abs() >= 70.0;
            assert!((0..panels).all(|i| (0..i).all(|j| apart(corners[i], corners[j]))));
            let lowest = (0..panels).filter(|&index| grid.is_lowest(index)).count();
            assert_eq!(lowest, columns(panels).min(panels));
        }
    }
}
