//! How figures look: font, sizes, line widths, page, bands and axes. The default is that of a figure without options.

use super::font::Font;

/// Text sizes of the default look, in points.
const TITLE: f64 = 9.5;
const NOTE: f64 = 7.0;
const PANEL_TITLE: f64 = 8.5;
const LABEL: f64 = 8.0;
const TICK: f64 = 7.0;
const LEGEND: f64 = 7.5;

/// Column and page of a two-column paper, in points: 3.3 and 6.8 inches.
const COLUMN: f64 = 3.3 * POINTS_PER_INCH;
const BOTH_COLUMNS: f64 = 6.8 * POINTS_PER_INCH;
pub const POINTS_PER_INCH: f64 = 72.0;

/// What the band of a curve shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Band {
    /// One standard deviation: over networks for fractions, over inputs otherwise
    Std,
    /// Two standard errors of the mean, networks as clusters
    Stderr,
    /// No band
    None,
}

/// Which axes of curves are logarithmic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Log {
    X,
    Y,
    Xy,
    None,
}

impl Log {
    pub fn has_x(self) -> bool {
        matches!(self, Log::X | Log::Xy)
    }

    pub fn has_y(self) -> bool {
        matches!(self, Log::Y | Log::Xy)
    }
}

/// Named looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Style {
    /// With title and settings, as large as its panels need
    #[default]
    Screen,
    /// For a page of two columns: 3.3 in wide, or 6.8 in with several panels or long labels; no title, no settings, darker lines
    Paper,
}

/// The page of a figure, in points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sheet {
    /// As large as its contents.
    Natural,
    /// As wide as a column of a two-column page, or as both if there are several panels.
    Columns,
    /// As wide as both columns of such a page.
    BothColumns,
    /// Width and height.
    Exact(f64, f64),
}

impl Sheet {
    /// The width for a figure of `panels` panels, if it is fixed.
    pub fn width(self, panels: usize) -> Option<f64> {
        match self {
            Sheet::Natural => None,
            Sheet::Columns if panels == 1 => Some(COLUMN),
            Sheet::Columns | Sheet::BothColumns => Some(BOTH_COLUMNS),
            Sheet::Exact(width, _) => Some(width),
        }
    }

    pub fn height(self) -> Option<f64> {
        match self {
            Sheet::Exact(_, height) => Some(height),
            _ => None,
        }
    }
}

/// The look of a figure. Sizes are points.
#[derive(Debug, Clone)]
pub struct Look {
    pub font: Font,
    /// Text sizes.
    pub title: f64,
    pub note: f64,
    pub panel_title: f64,
    pub label: f64,
    pub tick: f64,
    pub legend: f64,
    /// Factor of distances between texts, and of markers.
    pub scale: f64,
    /// Factor of line widths.
    pub line: f64,
    pub sheet: Sheet,
    /// In place of each figure's own title; empty for none.
    pub heading: Option<String>,
    /// Whether the settings are printed under the title.
    pub has_note: bool,
    /// In place of each figure's own band.
    pub band: Option<Band>,
    /// In place of each figure's own axes.
    pub log: Option<Log>,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            font: Font::bundled(),
            title: TITLE,
            note: NOTE,
            panel_title: PANEL_TITLE,
            label: LABEL,
            tick: TICK,
            legend: LEGEND,
            scale: 1.0,
            line: 1.0,
            sheet: Sheet::Natural,
            heading: None,
            has_note: true,
            band: None,
            log: None,
        }
    }
}

impl Look {
    pub fn of(style: Style) -> Self {
        match style {
            Style::Screen => Self::default(),
            Style::Paper => {
                Self { line: 1.15, sheet: Sheet::Columns, heading: Some(String::new()), has_note: false, ..Self::default() }
            }
        }
    }

    /// The same with axis labels of `points` points, and all other text in proportion.
    pub fn with_label_size(self, points: f64) -> Self {
        let scale = points / LABEL;
        Self {
            title: TITLE * scale,
            note: NOTE * scale,
            panel_title: PANEL_TITLE * scale,
            label: LABEL * scale,
            tick: TICK * scale,
            legend: LEGEND * scale,
            scale,
            ..self
        }
    }

    /// The same for a single panel whose labels leave too little of one column.
    pub fn over_both_columns(&self) -> Self {
        let sheet = if self.sheet == Sheet::Columns { Sheet::BothColumns } else { self.sheet };
        Self { sheet, ..self.clone() }
    }

    /// Width of `markup` at `size`, in points.
    pub fn length(&self, markup: &str, size: f64) -> f64 {
        self.font.length(markup, size)
    }

    pub fn is_natural(&self) -> bool {
        self.sheet == Sheet::Natural
    }
}
