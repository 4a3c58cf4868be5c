//! SVG → SVG, PNG or PDF bytes.

use anyhow::{Context, anyhow};
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg;

use super::ImageFormat;
use super::font::{BUNDLED, Font};
use super::look::POINTS_PER_INCH;

/// PNG resolution.
const DOTS_PER_INCH: f32 = 300.0;

/// Encodes a drawing whose text is set in `font`.
pub fn encode(svg: &str, format: ImageFormat, font: &Font) -> anyhow::Result<Vec<u8>> {
    match format {
        ImageFormat::Svg => Ok(svg.as_bytes().to_vec()),
        ImageFormat::Png => png(&parse(svg, font)?),
        ImageFormat::Pdf => pdf(&parse(svg, font)?),
    }
}

fn parse(svg: &str, font: &Font) -> anyhow::Result<usvg::Tree> {
    let dpi = POINTS_PER_INCH as f32;
    let options = usvg::Options { dpi, font_family: BUNDLED.to_owned(), fontdb: font.database(), ..Default::default() };
    usvg::Tree::from_str(svg, &options).context("the drawing is not valid SVG")
}

fn png(tree: &usvg::Tree) -> anyhow::Result<Vec<u8>> {
    let scale = DOTS_PER_INCH / POINTS_PER_INCH as f32;
    let size = tree.size().to_int_size().scale_by(scale).context("the drawing is too large for PNG")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).context("the drawing is too large for PNG")?;
    // The page may cover the last row and column of pixels only partly.
    pixels.fill(Color::WHITE);
    resvg::render(tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().context("PNG encoding failed")
}

fn pdf(tree: &usvg::Tree) -> anyhow::Result<Vec<u8>> {
    svg2pdf::to_pdf(tree, svg2pdf::ConversionOptions::default(), svg2pdf::PageOptions { dpi: POINTS_PER_INCH as f32 })
        .map_err(|cause| anyhow!("PDF encoding failed: {cause}"))
}
