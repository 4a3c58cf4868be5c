//! Colours, markers, line widths and font sizes.

use colorous::Color;

use super::canvas::{Anchor, Canvas, Stroke, TextStyle};

pub const BLACK: Color = Color { r: 0x1a, g: 0x1a, b: 0x1a };
pub const GREY: Color = Color { r: 0x66, g: 0x66, b: 0x66 };
pub const LIGHT: Color = Color { r: 0xe6, g: 0xe6, b: 0xe6 };
pub const RED: Color = Color { r: 0xc8, g: 0x1e, b: 0x1e };
pub const WHITE: Color = Color { r: 0xff, g: 0xff, b: 0xff };

pub const AXIS: Stroke = Stroke { colour: BLACK, width: 0.6 };
pub const GRID: Stroke = Stroke { colour: LIGHT, width: 0.5 };
/// Line width of the k = ∞ limit.
pub const LIMIT_WIDTH: f64 = 1.0;
/// Length of a major tick; a minor one is 0.6 of it.
pub const TICK: f64 = 3.0;

pub fn text(size: f64, anchor: Anchor) -> TextStyle {
    TextStyle { size, anchor, colour: BLACK }
}

/// Colours of sources (files, directions), which tell them apart also with impaired colour vision (Okabe & Ito 2008, without black and yellow).
const SOURCES: [Color; 6] = [
    Color { r: 0x00, g: 0x72, b: 0xb2 },
    Color { r: 0xd5, g: 0x5e, b: 0x00 },
    Color { r: 0x00, g: 0x9e, b: 0x73 },
    Color { r: 0xcc, g: 0x79, b: 0xa7 },
    Color { r: 0xe6, g: 0x9f, b: 0x00 },
    Color { r: 0x56, g: 0xb4, b: 0xe9 },
];
/// Lengths of dashes and gaps.
const DASHES: [&str; 5] = ["", "5 2", "1.5 1.5", "6 1.5 1.5 1.5", "8 3"];

/// Style of the curve of one dim: a sequential colour map, and markers that distinguish neighbours without colour.
#[derive(Debug, Clone, Copy)]
pub struct CurveStyle {
    pub colour: Color,
    marker: usize,
    /// Index into [`DASHES`].
    dashes: usize,
    marker_radius: f64,
    pub line_width: f64,
    pub band_opacity: f64,
}

impl CurveStyle {
    /// The style of curve `index` of `count`.
    pub fn of(index: usize, count: usize) -> Self {
        // Viridis without its yellow end, which is too light on white.
        let place = if count > 1 { index as f64 / (count - 1) as f64 } else { 0.3 };
        let many = count > 8;
        Self {
            colour: colorous::VIRIDIS.eval_continuous(0.84 * place),
            marker: index,
            dashes: 0,
            marker_radius: if many { 1.7 } else { 2.1 },
            line_width: if many { 0.9 } else { 1.1 },
            band_opacity: (0.45 / count as f64).clamp(0.03, 0.16),
        }
    }

    /// The style of curve `index` of `count` of the source numbered `source`: the colour tells sources apart, marker and dashes curves.
    pub fn of_source(source: usize, index: usize, count: usize) -> Self {
        let colour = SOURCES[source % SOURCES.len()];
        // A single curve per source gets a marker of its own.
        let marker = if count > 1 { index } else { source };
        Self { colour, marker, dashes: if count > 1 { index % DASHES.len() } else { 0 }, ..Self::of(index, count) }
    }

    pub fn with_colour(self, colour: Color) -> Self {
        Self { colour, ..self }
    }

    pub fn line(&self) -> Stroke {
        Stroke { colour: self.colour, width: self.line_width }
    }

    /// The edge of the band.
    pub fn hairline(&self) -> Stroke {
        Stroke { colour: lighten(self.colour, 0.55), width: 0.4 }
    }

    pub fn draw_line(&self, canvas: &mut Canvas, points: &[(f64, f64)]) {
        match DASHES[self.dashes] {
            "" => canvas.polyline(points, self.line()),
            dashes => canvas.patterned(points, self.line(), dashes),
        }
    }

    /// Draws the marker, one of eight shapes.
    pub fn draw_marker(&self, canvas: &mut Canvas, at: (f64, f64)) {
        let edge = Stroke { colour: WHITE, width: 0.4 };
        let r = self.marker_radius * canvas.look().scale;
        // (corners, angle of the first in turns, radius for about equal area, inner radius of a star)
        let (corners, turn, radius, inner) = match self.marker % 8 {
            0 => return canvas.circle(at, r, self.colour, edge),
            1 => (4, 0.125, 1.25, None),
            2 => (3, -0.25, 1.45, None),
            3 => (4, 0.0, 1.4, None),
            4 => (3, 0.25, 1.45, None),
            5 => (5, -0.25, 1.2, None),
            6 => (5, -0.25, 1.6, Some(0.7)),
            _ => (4, 0.0, 1.6, Some(0.6)),
        };
        let corner = |angle: f64, radius: f64| {
            let (sin, cos) = (std::f64::consts::TAU * angle).sin_cos();
            (at.0 + r * radius * cos, at.1 + r * radius * sin)
        };
        let mut points = Vec::new();
        for i in 0..corners {
            let angle = turn + f64::from(i) / f64::from(corners);
            points.push(corner(angle, radius));
            if let Some(inner) = inner {
                points.push(corner(angle + 0.5 / f64::from(corners), inner));
            }
        }
        canvas.edged_polygon(&points, self.colour, edge);
    }
}

fn lighten(colour: Color, by: f64) -> Color {
    let mix = |channel: u8| (f64::from(channel) + by * (255.0 - f64::from(channel))).round() as u8;
    Color { r: mix(colour.r), g: mix(colour.g), b: mix(colour.b) }
}

/// Colour of a fraction in the phase diagram.
pub fn fraction_colour(fraction: f64) -> Color {
    colorous::VIRIDIS.eval_continuous(fraction.clamp(0.0, 1.0))
}

/// Black or white, whichever contrasts more with `colour`.
pub fn text_colour_on(colour: Color) -> Color {
    let luminance = 0.2126 * linear(colour.r) + 0.7152 * linear(colour.g) + 0.0722 * linear(colour.b);
    // The luminance with equal WCAG contrast to black and white.
    if luminance > 0.179 { BLACK } else { WHITE }
}

/// Linear light of an sRGB channel (IEC 61966-2-1).
fn linear(channel: u8) -> f64 {
    let value = f64::from(channel) / 255.0;
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}
