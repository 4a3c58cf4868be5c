//! SVG → SVG, PNG or PDF bytes.

use std::sync::{Arc, LazyLock};

use anyhow::{Context, anyhow};
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{self, fontdb};

use super::{ImageFormat, text};

/// PNG resolution.
const DOTS_PER_INCH: f32 = 300.0;
const POINTS_PER_INCH: f32 = 72.0;

pub fn encode(svg: &str, format: ImageFormat) -> anyhow::Result<Vec<u8>> {
    match format {
        ImageFormat::Svg => Ok(svg.as_bytes().to_vec()),
        ImageFormat::Png => png(&parse(svg)?),
        ImageFormat::Pdf => pdf(&parse(svg)?),
    }
}

fn parse(svg: &str) -> anyhow::Result<usvg::Tree> {
    let options =
        usvg::Options { dpi: POINTS_PER_INCH, font_family: text::FAMILY.to_owned(), fontdb: FONTS.clone(), ..Default::default() };
    usvg::Tree::from_str(svg, &options).context("the drawing is not valid SVG")
}

fn png(tree: &usvg::Tree) -> anyhow::Result<Vec<u8>> {
    let scale = DOTS_PER_INCH / POINTS_PER_INCH;
    let size = tree.size().to_int_size().scale_by(scale).context("the drawing is too large for PNG")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).context("the drawing is too large for PNG")?;
    // The page may cover the last row and column of pixels only partly.
    pixels.fill(Color::WHITE);
    resvg::render(tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().context("PNG encoding failed")
}

fn pdf(tree: &usvg::Tree) -> anyhow::Result<Vec<u8>> {
    svg2pdf::to_pdf(tree, svg2pdf::ConversionOptions::default(), svg2pdf::PageOptions { dpi: POINTS_PER_INCH })
        .map_err(|cause| anyhow!("PDF encoding failed: {cause}"))
}

/// Only the bundled fonts, so figures do not depend on installed ones.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(text::UPRIGHT.to_vec());
    fonts.load_font_data(text::ITALIC.to_vec());
    Arc::new(fonts)
});
