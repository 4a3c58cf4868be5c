//! The font of a figure: the bundled one, or one that is installed. Text widths, and the fonts of the encoders.

use std::fmt;
use std::sync::{Arc, LazyLock};

use resvg::usvg::fontdb::{Database, FaceInfo, Family, Query, Style};
use ttf_parser::Face;

use super::text::{self, RAISED_SIZE, Span};
use crate::error::BadInput;
use crate::stats::distinct;

/// Family of the bundled fonts, which are subsets of DejaVu Sans (`assets/fonts/`): figures do not depend on installed fonts.
pub const BUNDLED: &str = "DejaVu Sans";
pub static UPRIGHT: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans.ttf");
pub static ITALIC: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-Oblique.ttf");
/// Installed families that an error lists.
const LISTED: usize = 12;

/// A font family, upright and italic.
#[derive(Clone)]
pub struct Font {
    /// Family name; `None` for the bundled one.
    family: Option<Arc<str>>,
    faces: &'static [Face<'static>; 2],
}

impl fmt::Debug for Font {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Font({})", self.family())
    }
}

impl PartialEq for Font {
    fn eq(&self, other: &Self) -> bool {
        self.family == other.family
    }
}

impl Font {
    pub fn bundled() -> Self {
        Self { family: None, faces: &BUNDLED_FACES }
    }

    /// The installed family of this name, in any case of letters.
    ///
    /// # Errors
    /// There is none; the message lists some that there are.
    pub fn named(name: &str) -> Result<Self, BadInput> {
        if name.eq_ignore_ascii_case(BUNDLED) {
            return Ok(Self::bundled());
        }
        let fonts = &INSTALLED;
        let families = |face: &FaceInfo| face.families.iter().map(|(family, _)| family.clone()).collect::<Vec<_>>();
        let all = distinct(fonts.faces().flat_map(families));
        let Some(family) = all.iter().find(|family| family.eq_ignore_ascii_case(name)) else {
            let mut listed = all.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
            if all.len() > LISTED {
                listed.push_str(", …");
            }
            let what = format!("there is no font `{name}`");
            return Err(BadInput::new(what, format!("this machine has {listed}"), "install it, or give --font one of these"));
        };
        let face = |style| {
            let query = Query { families: &[Family::Name(family)], style, ..Query::default() };
            let found = fonts.query(&query).and_then(|id| fonts.with_face_data(id, |data, index| (data.to_vec(), index)));
            // Kept to the end of the program, as the bundled ones are.
            found.and_then(|(data, index)| Face::parse(Vec::leak(data), index).ok())
        };
        let faces = face(Style::Normal).map(|upright| [upright.clone(), face(Style::Italic).unwrap_or(upright)]);
        match faces {
            Some(faces) => Ok(Self { family: Some(family.as_str().into()), faces: Box::leak(Box::new(faces)) }),
            None => Err(BadInput::new(format!("cannot use the font `{family}`"), "its file cannot be read", "give another --font")),
        }
    }

    pub fn family(&self) -> &str {
        self.family.as_deref().unwrap_or(BUNDLED)
    }

    /// Width in points of `markup` set at `size`. Glyphs that the font lacks are those of the bundled one.
    pub fn length(&self, markup: &str, size: f64) -> f64 {
        let em = |span: &Span| {
            let index = usize::from(span.italic);
            let advance = |character| {
                let faces = [&self.faces[index], &BUNDLED_FACES[index]];
                let face = faces.into_iter().find(|face| face.glyph_index(character).is_some()).unwrap_or(faces[0]);
                let glyph = face.glyph_index(character).unwrap_or_default();
                (f64::from(face.glyph_hor_advance(glyph).unwrap_or_default()), f64::from(face.units_per_em()))
            };
            let advances: f64 = span.text.chars().map(advance).map(|(units, em)| units / em).sum();
            advances * if span.raised { RAISED_SIZE } else { 1.0 }
        };
        text::spans(markup).iter().map(em).sum::<f64>() * size
    }

    /// The fonts that an encoder may use: the bundled ones, and the installed ones if this is one of them.
    pub fn database(&self) -> Arc<Database> {
        if self.family.is_none() { BUNDLED_FONTS.clone() } else { INSTALLED.clone() }
    }
}

static BUNDLED_FACES: LazyLock<[Face<'static>; 2]> =
    LazyLock::new(|| [UPRIGHT, ITALIC].map(|bytes| Face::parse(bytes, 0).expect("the bundled font is whole")));

static BUNDLED_FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| Arc::new(with_bundled(Database::new())));

static INSTALLED: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_system_fonts();
    Arc::new(with_bundled(fonts))
});

fn with_bundled(mut fonts: Database) -> Database {
    fonts.load_font_data(UPRIGHT.to_vec());
    fonts.load_font_data(ITALIC.to_vec());
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_font() {
        // A digit of DejaVu Sans is 1303 of 2048 units wide.
        let length = |markup: &str| Font::bundled().length(markup, 7.0);
        assert!((length("10") - 2.0 * 7.0 * 1303.0 / 2048.0).abs() < 1e-9);
        assert!((length("10^{2}") - 2.7 * 7.0 * 1303.0 / 2048.0).abs() < 1e-9);
    }

    #[test]
    fn the_fonts_have_every_glyph_that_is_used() {
        for (face, extra) in [(&BUNDLED_FACES[0], "±²³·½×ΣΦγδεηλσψ–‖…′⁴⁶ℓ→∇∈√∞−≠≤≥≪⊥⟨⟩"), (&BUNDLED_FACES[1], "η∇‖∞")]
        {
            for character in (' '..='~').chain(extra.chars()) {
                assert!(face.glyph_index(character).is_some(), "{character}");
            }
        }
    }

    #[test]
    fn a_font_that_is_not_installed_is_refused() {
        assert_eq!(Font::named("dejavu sans").unwrap(), Font::bundled());
        let refused = Font::named("No Such Font").unwrap_err();
        assert!(refused.what.contains("No Such Font") && refused.why.contains("DejaVu Sans"), "{refused}");
    }
}
