//! An SVG builder. Lengths are points, y points down, colours are opaque sRGB.

use std::fmt::Write;

use base64::Engine;
use colorous::Color;

use super::font;
use super::look::Look;
use super::text::{self, Span};

/// Alignment of text relative to its anchor on the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// Font size, alignment and colour.
#[derive(Debug, Clone, Copy)]
pub struct TextStyle {
    pub size: f64,
    pub anchor: Anchor,
    pub colour: Color,
}

#[derive(Debug, Clone, Copy)]
pub struct Stroke {
    pub colour: Color,
    pub width: f64,
}

/// A drawing under construction.
#[derive(Debug)]
pub struct Canvas<'l> {
    look: &'l Look,
    width: f64,
    height: f64,
    body: String,
}

impl<'l> Canvas<'l> {
    pub fn new(look: &'l Look, width: f64, height: f64) -> Self {
        Self { look, width, height, body: String::new() }
    }

    pub fn look(&self) -> &'l Look {
        self.look
    }

    /// Draws `contents` inside a group of class `class`, which tests rely on.
    pub fn group(&mut self, class: &str, contents: impl FnOnce(&mut Self)) {
        self.push(format_args!("<g class=\"{}\">\n", escape(class)));
        contents(self);
        self.push(format_args!("</g>\n"));
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        self.polyline(&[from, to], stroke);
    }

    /// A dashed line through `points`.
    pub fn dashed(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        self.patterned(points, stroke, "3.2 1.8");
    }

    /// A line of dashes and gaps of these lengths.
    pub fn patterned(&mut self, points: &[(f64, f64)], Stroke { colour, width }: Stroke, dashes: &str) {
        let (path, width) = (path(points), self.stroke_width(width));
        self.push(format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"#{colour:x}\" stroke-width=\"{width}\" stroke-dasharray=\"{dashes}\"/>\n"
        ));
    }

    pub fn polyline(&mut self, points: &[(f64, f64)], Stroke { colour, width }: Stroke) {
        let (path, width) = (path(points), self.stroke_width(width));
        self.push(format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"#{colour:x}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"/>\n"
        ));
    }

    pub fn polygon(&mut self, points: &[(f64, f64)], fill: Color, opacity: f64) {
        let path = path(points);
        self.push(format_args!("<path d=\"{path}Z\" fill=\"#{fill:x}\" fill-opacity=\"{opacity}\"/>\n"));
    }

    /// A filled, stroked polygon.
    pub fn edged_polygon(&mut self, points: &[(f64, f64)], fill: Color, Stroke { colour, width }: Stroke) {
        let (path, width) = (path(points), self.stroke_width(width));
        self.push(format_args!("<path d=\"{path}Z\" fill=\"#{fill:x}\" stroke=\"#{colour:x}\" stroke-width=\"{width}\"/>\n"));
    }

    pub fn circle(&mut self, (x, y): (f64, f64), radius: f64, fill: Color, Stroke { colour, width }: Stroke) {
        let (x, y, radius, width) = (number(x), number(y), number(radius), self.stroke_width(width));
        self.push(format_args!(
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"#{fill:x}\" stroke=\"#{colour:x}\" stroke-width=\"{width}\"/>\n"
        ));
    }

    /// A rectangle by its upper left corner and its size.
    pub fn rectangle(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: Color) {
        let (x, y, width, height) = (number(x), number(y), number(width), number(height));
        self.push(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"#{fill:x}\"/>\n"));
    }

    /// The outline of a rectangle.
    pub fn frame(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), stroke: Stroke) {
        let (x, y, width, height) = (number(x), number(y), number(width), number(height));
        let (colour, line) = (stroke.colour, self.stroke_width(stroke.width));
        self.push(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#{colour:x}\" stroke-width=\"{line}\"/>\n"
        ));
    }

    /// A rectangle with a vertical gradient of evenly spaced `colours`, bottom to top.
    pub fn gradient(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colours: &[Color]) {
        let last = colours.len().saturating_sub(1).max(1) as f64;
        let mut stops = String::new();
        for (i, colour) in colours.iter().enumerate() {
            let _ = write!(stops, "<stop offset=\"{}\" stop-color=\"#{colour:x}\"/>", number(i as f64 / last));
        }
        self.push(format_args!(
            "<defs><linearGradient id=\"scale\" x1=\"0\" y1=\"1\" x2=\"0\" y2=\"0\">{stops}</linearGradient></defs>\n"
        ));
        let (x, y, width, height) = (number(x), number(y), number(width), number(height));
        self.push(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"url(#scale)\"/>\n"));
    }

    /// Text in the markup of [`super::text`] at a point on its baseline.
    pub fn text(&mut self, (x, y): (f64, f64), markup: &str, style: TextStyle) {
        let place = format!("x=\"{}\" y=\"{}\"", number(x), number(y));
        self.place_text(&place, markup, style);
    }

    /// Text rotated to read upwards.
    pub fn upward_text(&mut self, (x, y): (f64, f64), markup: &str, style: TextStyle) {
        let place = format!("transform=\"translate({} {}) rotate(-90)\"", number(x), number(y));
        self.place_text(&place, markup, style);
    }

    fn place_text(&mut self, place: &str, markup: &str, TextStyle { size, anchor, colour }: TextStyle) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let mut contents = String::new();
        let mut raised_now = false;
        for Span { text, italic, raised } in text::spans(markup) {
            let mut attributes = String::new();
            if italic {
                attributes.push_str(" font-style=\"italic\"");
            }
            if raised {
                let _ = write!(attributes, " font-size=\"{}\"", number(size * text::RAISED_SIZE));
            }
            if raised != raised_now {
                let shift = size * text::RAISED_BY * if raised { -1.0 } else { 1.0 };
                let _ = write!(attributes, " dy=\"{}\"", number(shift));
                raised_now = raised;
            }
            let _ = write!(contents, "<tspan{attributes}>{}</tspan>", escape(&text));
        }
        let size = number(size);
        self.push(format_args!(
            "<text {place} font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"#{colour:x}\">{contents}</text>\n"
        ));
    }

    /// A line width in this look. The default look does not change a digit.
    fn stroke_width(&self, width: f64) -> f64 {
        if self.look.line == 1.0 { width } else { number(width * self.look.line) }
    }

    /// The finished document with the bundled fonts embedded, on white. A font of another name is named first.
    pub fn finish(self) -> String {
        let (width, height) = (number(self.width), number(self.height));
        let face = |bytes: &[u8], style: &str| {
            let data = base64::engine::general_purpose::STANDARD.encode(bytes);
            let family = font::BUNDLED;
            format!("@font-face{{font-family:\"{family}\";font-style:{style};src:url(\"data:font/ttf;base64,{data}\")}}\n")
        };
        let fonts = face(font::UPRIGHT, "normal") + &face(font::ITALIC, "italic");
        let family = match self.look.font.family() {
            font::BUNDLED => String::new(),
            family => format!("'{}', ", escape(&family.replace('\'', "\\'"))),
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}pt\" height=\"{height}pt\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"{family}'{}', Verdana, Helvetica, Arial, sans-serif\" xml:space=\"preserve\">\n\
             <style>\n{fonts}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            font::BUNDLED,
            self.body
        )
    }

    fn push(&mut self, markup: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(markup);
    }
}

fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{} {}", if i == 0 { 'M' } else { 'L' }, number(x), number(y));
    }
    path
}

/// Rounds to 10⁻³ points, below any printer's resolution.
fn number(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0 + 0.0
}

/// Text for XML, which has no control characters.
fn escape(text: &str) -> String {
    let text: String =
        text.chars().map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c }).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
