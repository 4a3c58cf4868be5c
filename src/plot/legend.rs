//! The legend of a figure. Lengths are points.

use colorous::Color;

use super::canvas::{Anchor, Canvas, Stroke};
use super::look::Look;
use super::style::{self, CurveStyle};
use super::text;

/// Legend symbol.
#[derive(Debug, Clone, Copy)]
enum Symbol {
    /// Curve, markers and band.
    Band(CurveStyle),
    /// Curve and markers.
    Curve(CurveStyle),
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
    symbol: Symbol,
}

impl Entry {
    /// A curve with markers and a band.
    pub fn with_band(label: String, curve: CurveStyle) -> Self {
        Self { label, symbol: Symbol::Band(curve) }
    }

    /// A curve with markers.
    pub fn curve(label: String, curve: CurveStyle) -> Self {
        Self { label, symbol: Symbol::Curve(curve) }
    }

    pub fn marker(label: String, curve: CurveStyle) -> Self {
        Self { label, symbol: Symbol::Marker(curve) }
    }

    pub fn line(label: String, stroke: Stroke) -> Self {
        Self { label, symbol: Symbol::Line(stroke) }
    }

    pub fn dashed(label: String, colour: Color) -> Self {
        Self { label, symbol: Symbol::Dashed(Stroke { colour, width: style::LIMIT_WIDTH }) }
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

    pub fn entry_width(&self, look: &Look) -> f64 {
        let longest = self.entries.iter().map(|entry| look.length(&entry.label, look.legend)).fold(0.0, f64::max);
        (Self::SAMPLE + Self::SAMPLE_GAP) * look.scale + longest
    }

    /// Entries per row on a page `width` wide, with rows about equally full.
    fn per_row(&self, look: &Look, width: f64) -> usize {
        let gap = Self::ENTRY_GAP * look.scale;
        let most = ((width + gap) / (self.entry_width(look) + gap)).floor().max(1.0) as usize;
        self.entries.len().div_ceil(self.entries.len().div_ceil(most))
    }

    pub fn height(&self, look: &Look, width: f64) -> f64 {
        Self::ABOVE * look.scale + Self::ROW * look.scale * self.entries.len().div_ceil(self.per_row(look, width)) as f64
    }

    pub fn draw(&self, canvas: &mut Canvas, centre: f64, top: f64, width: f64) {
        let look = canvas.look();
        let scaled = |length: f64| length * look.scale;
        let (per_row, entry) = (self.per_row(look, width), self.entry_width(look));
        let (sample, gap) = (scaled(Self::SAMPLE), scaled(Self::ENTRY_GAP));
        let pitch = entry + gap;
        let left = centre - (per_row as f64 * pitch - gap) / 2.0;
        for (i, Entry { label, symbol }) in self.entries.iter().enumerate() {
            let x = left + (i % per_row) as f64 * pitch;
            let y = top + scaled(Self::ABOVE) + ((i / per_row) as f64 + 0.5) * scaled(Self::ROW);
            let (from, to) = ((x, y), (x + sample, y));
            match symbol {
                Symbol::Band(curve) => {
                    canvas.polygon(&rectangle((x, y - scaled(3.5)), (sample, scaled(7.0))), curve.colour, 0.2);
                    curve.draw_line(canvas, &[from, to]);
                    curve.draw_marker(canvas, (x + sample / 2.0, y));
                }
                Symbol::Curve(curve) => {
                    curve.draw_line(canvas, &[from, to]);
                    curve.draw_marker(canvas, (x + sample / 2.0, y));
                }
                Symbol::Marker(curve) => curve.draw_marker(canvas, (x + sample / 2.0, y)),
                Symbol::Line(stroke) => canvas.line(from, to, *stroke),
                Symbol::Dashed(stroke) => canvas.dashed(&[from, to], *stroke),
            }
            let start = (x + sample + scaled(Self::SAMPLE_GAP), y + text::MIDDLE * look.legend);
            canvas.text(start, label, style::text(look.legend, Anchor::Start));
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
    fn a_legend_is_never_wider_than_its_page() {
        for count in [1, 2, 6, 7, 30, 200] {
            let entry = |i| Entry::with_band(format!("*d* = {}", 10 + 37 * i), CurveStyle::of(i, count));
            let legend = Legend { entries: (0..count).map(entry).collect() };
            let look = Look::default();
            let per_row = legend.per_row(&look, 300.0) as f64;
            assert!(per_row * (legend.entry_width(&look) + Legend::ENTRY_GAP) - Legend::ENTRY_GAP <= 300.0);
        }
    }
}
