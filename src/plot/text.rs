//! Text: a small markup, the bundled fonts, and text metrics.
//!
//! `*k*` is italic, `10^{3}` a superscript. The fonts are subsets of DejaVu Sans (`assets/fonts/`), so figures do not depend on installed fonts.

use std::sync::LazyLock;

use ttf_parser::Face;

pub const FAMILY: &str = "DejaVu Sans";
pub static UPRIGHT: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans.ttf");
pub static ITALIC: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-Oblique.ttf");

/// Size and rise of superscripts, relative to the font size.
pub const RAISED_SIZE: f64 = 0.7;
pub const RAISED_BY: f64 = 0.38;

/// Distance of the baseline below the middle of digits and capitals, relative to the font size.
pub const MIDDLE: f64 = 0.365;

/// A run of text with one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub text: String,
    pub italic: bool,
    pub raised: bool,
}

/// Splits markup into spans.
pub fn spans(markup: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let (mut italic, mut raised) = (false, false);
    let mut rest = markup.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '*' => italic = !italic,
            '^' if rest.peek() == Some(&'{') => {
                rest.next();
                raised = true;
            }
            '}' if raised => raised = false,
            _ => match spans.last_mut() {
                Some(last) if (last.italic, last.raised) == (italic, raised) => last.text.push(character),
                _ => spans.push(Span { text: character.to_string(), italic, raised }),
            },
        }
    }
    spans
}

/// Width in points of `markup` set at `size`.
pub fn length(markup: &str, size: f64) -> f64 {
    let em = |span: &Span| {
        let face = if span.italic { &FACES.1 } else { &FACES.0 };
        let advance = |character| {
            let glyph = face.glyph_index(character).unwrap_or_default();
            f64::from(face.glyph_hor_advance(glyph).unwrap_or_default())
        };
        let units: f64 = span.text.chars().map(advance).sum();
        units / f64::from(face.units_per_em()) * if span.raised { RAISED_SIZE } else { 1.0 }
    };
    spans(markup).iter().map(em).sum::<f64>() * size
}

static FACES: LazyLock<(Face<'static>, Face<'static>)> = LazyLock::new(|| {
    let face = |bytes| Face::parse(bytes, 0).expect("the bundled font is whole");
    (face(UPRIGHT), face(ITALIC))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_split_into_spans() {
        let span = |text: &str, italic, raised| Span { text: text.to_owned(), italic, raised };
        assert_eq!(spans("width *k*"), [span("width ", false, false), span("k", true, false)]);
        assert_eq!(spans("3×10^{4}!"), [span("3×10", false, false), span("4", false, true), span("!", false, false)]);
        assert_eq!(spans("a^b}"), [span("a^b}", false, false)]);
    }

    #[test]
    fn lengths_are_those_of_the_font() {
        // A digit of DejaVu Sans is 1303 of 2048 units wide.
        assert!((length("10", 7.0) - 2.0 * 7.0 * 1303.0 / 2048.0).abs() < 1e-9);
        assert!((length("10^{2}", 7.0) - 2.7 * 7.0 * 1303.0 / 2048.0).abs() < 1e-9);
    }

    #[test]
    fn the_fonts_have_every_glyph_that_is_used() {
        for (face, extra) in [(&FACES.0, "±²³·½×ΣΦγδεηλσψ–‖…′⁴⁶ℓ→∇∈√∞−≠≤≥≪⊥⟨⟩"), (&FACES.1, "η∇‖∞")]
        {
            for character in (' '..='~').chain(extra.chars()) {
                assert!(face.glyph_index(character).is_some(), "{character}");
            }
        }
    }
}
