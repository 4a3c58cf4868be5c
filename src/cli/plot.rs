//! Arguments of `plot` and `report`, and their conversion into requests.

use std::path::{Path, PathBuf};

use clap::Args;

use super::args::number;
use crate::commands::plot::{self, PlotRequest};
use crate::commands::report::ReportRequest;
use crate::error::BadInput;
use crate::files::{Existing, check_input, check_not_input, check_output_dir};
use crate::model::{Direction, INFINITE_WIDTH};
use crate::plot::ImageFormat;
use crate::plot::chart::{Along, Chart};
use crate::plot::columns::Column;
use crate::plot::figure::Figure;
use crate::plot::font::Font;
use crate::plot::look::{Band, Log, Look, POINTS_PER_INCH, Sheet, Style};
use crate::plot::options::{Only, Options};
use crate::stats::distinct;
use crate::text::short;

/// Shortest and longest side of a figure, in inches.
const SIDES: (f64, f64) = (0.5, 40.0);
/// Smallest and largest text, in points.
const TEXT: (f64, f64) = (4.0, 36.0);

#[derive(Debug, Args)]
pub struct PlotArgs {
    /// Results files of `run`, drawn together if there are several; or one file of `audit` or `measure`, whose figures take only --out, --format,
    /// --style, --size, --font and --title
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Directory of the figures; existing ones are replaced [default: the first FILE without its extension, with -figures]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Formats of the figures
    #[arg(long, value_enum, value_name = "FORMAT,...", value_delimiter = ',', default_value = "svg,png", help_heading = "Output")]
    pub format: Vec<ImageFormat>,
    /// Also write the numbers of each figure to a CSV file beside it
    #[arg(long, help_heading = "Output")]
    pub data: bool,
    /// Figures to draw, by name or by their number in the paper: fraction (1), step (2 is that at depth 1, and so on), distance, phase,
    /// distributions, conjecture, nearest [default: all]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', help_heading = "What to draw")]
    pub figure: Option<Vec<String>>,
    /// Plot this column of the table instead, such as fraction, lost, eta, distance, distance/norm, ratio, gradient or any of
    /// `show --format csv`
    #[arg(long, value_name = "NAME", conflicts_with = "figure", help_heading = "What to draw")]
    pub y: Option<String>,
    /// What --y is drawn against [default: k]
    #[arg(long, value_enum, requires = "y", help_heading = "What to draw")]
    pub x: Option<Along>,
    /// Depths L to draw [default: all]
    #[arg(long, value_name = "L,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number, help_heading = "What to draw")]
    pub depths: Option<Vec<f64>>,
    /// Input dimensions d to draw [default: all]
    #[arg(long, value_name = "D,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number, help_heading = "What to draw")]
    pub dims: Option<Vec<f64>>,
    /// Widths k to draw, such as 10,1e3,inf [default: all]
    #[arg(long, value_name = "K,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number, help_heading = "What to draw")]
    pub widths: Option<Vec<f64>>,
    /// Directions to draw [default: all]
    #[arg(long, value_enum, value_name = "DIRECTION,...", value_delimiter = ',', help_heading = "What to draw")]
    pub direction: Option<Vec<Direction>>,
    /// Draw all directions of a file in the same figures (fraction, step, gradient norm, distance), as is always done for several files
    #[arg(long, help_heading = "What to draw")]
    pub overlay: bool,
    /// Names of the files in the legend [default: file names]
    #[arg(long, value_name = "TEXT,...", value_delimiter = ',', help_heading = "Look")]
    pub label: Option<Vec<String>>,
    /// Look of the figures
    #[arg(long, value_enum, default_value = "screen", help_heading = "Look")]
    pub style: Style,
    /// Width and height of each figure, in in, cm, mm, pt or px, such as 3.3in,2.5in [default: as its panels need]
    #[arg(long, value_name = "W,H", value_parser = size, help_heading = "Look")]
    pub size: Option<Size>,
    /// Installed font, and size of the axis labels in points, such as "Times New Roman,9" [default: DejaVu Sans,8]
    #[arg(long, value_name = "NAME[,PT]", help_heading = "Look")]
    pub font: Option<String>,
    /// Title of the figures, in which *k* is italic; empty for none [default: what each shows]
    #[arg(long, value_name = "TEXT", help_heading = "Look")]
    pub title: Option<String>,
    /// Band around the curves [default: std; stderr where files or directions share a figure]
    #[arg(long, value_enum, help_heading = "Look")]
    pub band: Option<Band>,
    /// Which axes of the curves are logarithmic [default: x]
    #[arg(long, value_enum, help_heading = "Look")]
    pub log: Option<Log>,
    /// Accept a file rewritten by another program (h5py, h5repack, nccopy, xarray), after a check of every value. Not for damaged files,
    /// on which the HDF5 library can hang
    #[arg(long)]
    pub unsealed: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Results files of `run`
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Page to write [default: the first FILE with .html in place of its extension]
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    /// Replace the page if it exists
    #[arg(long)]
    pub overwrite: bool,
    /// Names of the files in legends [default: file names]
    #[arg(long, value_name = "TEXT,...", value_delimiter = ',')]
    pub label: Option<Vec<String>>,
    /// Title of the page [default: file names]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Accept files rewritten by another program (h5py, h5repack, nccopy, xarray), after a check of every value. Not for damaged files,
    /// on which the HDF5 library can hang
    #[arg(long)]
    pub unsealed: bool,
}

impl ReportArgs {
    /// # Errors
    /// A file cannot be opened, or the page is one of the files.
    pub fn request(self) -> Result<ReportRequest, BadInput> {
        self.files.iter().try_for_each(|file| check_input(file))?;
        let labels = labels(&self.files, self.label.as_deref())?;
        let out = self.out.unwrap_or_else(|| self.files[0].with_extension("html"));
        check_not_input(&out, "--out", self.files.iter().map(PathBuf::as_path))?;
        Ok(ReportRequest {
            title: self.title.unwrap_or_else(|| labels.join(", ")),
            files: self.files.into_iter().zip(labels).collect(),
            out,
            existing: if self.overwrite { Existing::Replace } else { Existing::Refuse },
            unsealed: self.unsealed,
        })
    }
}

impl PlotArgs {
    /// # Errors
    /// A file cannot be opened, the directory cannot be written to, or a value is none of those possible.
    pub fn request(self) -> Result<PlotRequest, BadInput> {
        self.files.iter().try_for_each(|file| check_input(file))?;
        let out = self.out.clone().unwrap_or_else(|| plot::directory_of(&self.files[0]));
        check_output_dir(&out, "--out")?;
        let labels = labels(&self.files, self.label.as_deref())?;
        let is_plain = self.is_plain();
        let figures = self.figure.iter().flatten().map(|name| Figure::named(name)).collect::<Result<_, _>>()?;
        let chart =
            self.y.as_deref().map(|name| Ok(Chart { x: self.x.unwrap_or(Along::Width), y: Column::named(name)? })).transpose()?;
        let only = Only {
            depths: sizes("--depths", self.depths.as_deref())?,
            dims: sizes("--dims", self.dims.as_deref())?,
            widths: sizes("--widths", self.widths.as_deref())?,
            directions: distinct(self.direction.clone().unwrap_or_default()),
        };
        Ok(PlotRequest {
            options: Options { look: self.look()?, only, figures, chart, overlay: self.overlay },
            files: self.files.into_iter().zip(labels).collect(),
            out,
            formats: distinct(self.format),
            data: self.data,
            is_plain,
            unsealed: self.unsealed,
            quiet: false,
        })
    }

    /// Whether nothing but the look is chosen.
    fn is_plain(&self) -> bool {
        let lists = [&self.depths, &self.dims, &self.widths].iter().all(|list| list.is_none());
        let curves = self.y.is_none() && self.band.is_none() && self.log.is_none();
        let others = self.figure.is_none() && self.direction.is_none() && self.label.is_none() && !self.overlay && !self.data;
        self.files.len() == 1 && lists && curves && others
    }

    fn look(&self) -> Result<Look, BadInput> {
        let mut look = Look::of(self.style);
        if let Some(font) = &self.font {
            let (name, points) =
                match font.rsplit_once(',').and_then(|(name, points)| Some((name, points.trim().parse::<f64>().ok()?))) {
                    Some((name, points)) => (name, Some(points)),
                    None => (font.as_str(), None),
                };
            if let Some(points) = points {
                if !(TEXT.0..=TEXT.1).contains(&points) {
                    let why = format!("it can be {} to {} points", short(TEXT.0), short(TEXT.1));
                    return Err(BadInput::new(
                        format!("text of {} points cannot be set", short(points)),
                        why,
                        "give --font another size",
                    ));
                }
                look = look.with_label_size(points);
            }
            if !name.trim().is_empty() {
                look.font = Font::named(name.trim())?;
            }
        }
        if let Some(Size(width, height)) = self.size {
            look.sheet = Sheet::Exact(width, height);
        }
        look.heading = self.title.clone().or(look.heading);
        (look.band, look.log) = (self.band, self.log);
        Ok(look)
    }
}

/// The names of `files` in legends: those given, or their stems, or their paths where stems are the same.
pub fn labels(files: &[PathBuf], given: Option<&[String]>) -> Result<Vec<String>, BadInput> {
    if let Some(given) = given {
        if given.iter().any(|name| name.trim().is_empty()) {
            let what = "--label has an empty name";
            return Err(BadInput::new(
                what,
                "legends tell files by their names",
                "give as many names as files, separated by commas",
            ));
        }
        return match given.len() == files.len() {
            true => Ok(given.to_vec()),
            false => {
                let what = format!("--label has {} names for {} files", given.len(), files.len());
                Err(BadInput::new(what, "every file has one name", "give as many names as files, separated by commas"))
            }
        };
    }
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stems: Vec<String> = files.iter().map(stem).collect();
    let has_twice = distinct(stems.iter().cloned()).len() < stems.len();
    let path = |path: &PathBuf| Path::new(path).display().to_string();
    Ok(if has_twice { files.iter().map(path).collect() } else { stems })
}

/// Whole numbers from 1, or infinity.
fn sizes(option: &str, numbers: Option<&[f64]>) -> Result<Vec<usize>, BadInput> {
    let size = |&number: &f64| match number {
        f64::INFINITY if option == "--widths" => Ok(INFINITE_WIDTH),
        number if (1.0..1e15).contains(&number) && number.fract() == 0.0 => Ok(number as usize),
        number => {
            let what = format!("{option} holds {}", short(number));
            Err(BadInput::new(what, "sizes are whole numbers from 1", format!("give {option} such as 1,2")))
        }
    };
    numbers.unwrap_or_default().iter().map(size).collect()
}

/// Width and height, in points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size(pub f64, pub f64);

fn size(text: &str) -> Result<Size, String> {
    let side = |text: &str| {
        let text = text.trim();
        let (number, unit) = text.split_at_checked(text.len().checked_sub(2)?)?;
        let points = match unit {
            "in" => POINTS_PER_INCH,
            "cm" => POINTS_PER_INCH / 2.54,
            "mm" => POINTS_PER_INCH / 25.4,
            "pt" => 1.0,
            "px" => POINTS_PER_INCH / 96.0,
            _ => return None,
        };
        Some(number.trim().parse::<f64>().ok()? * points)
    };
    let sides = text.split_once(',').and_then(|(width, height)| Some([side(width)?, side(height)?]));
    let Some([width, height]) = sides else { return Err("not a width and a height; write it as 3.3in,2.5in".to_string()) };
    let (least, most) = (SIDES.0 * POINTS_PER_INCH, SIDES.1 * POINTS_PER_INCH);
    match [width, height].iter().all(|side| (least..=most).contains(side)) {
        true => Ok(Size(width, height)),
        false => Err(format!(
            "a side is shorter than {} or longer than {} inches; write it as 3.3in,2.5in",
            short(SIDES.0),
            short(SIDES.1)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, width, height) in [("3.3in,2.5in", 237.6, 180.0), ("2.54cm, 50.8mm", 72.0, 144.0), ("100pt,96px", 100.0, 72.0)] {
            let Size(w, h) = size(text).unwrap();
            assert!((w - width).abs() < 1e-9 && (h - height).abs() < 1e-9, "{text}: {w} {h}");
        }
        for text in ["", "3in", "3in,2", "3,2", "-1in,2in", "1e9in,1in", "nanin,1in", "0in,1in", "3in,2in,1in", "ü,ö", "in,in"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn files_are_named_by_what_tells_them_apart() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(labels(&files(&["a/relu.h5", "b/tanh.h5"]), None).unwrap(), ["relu", "tanh"]);
        assert_eq!(labels(&files(&["a/x.h5", "b/x.h5"]), None).unwrap(), ["a/x.h5", "b/x.h5"]);
        assert_eq!(labels(&files(&["a.h5"]), Some(&["A".to_string()])).unwrap(), ["A"]);
        assert!(labels(&files(&["a.h5", "b.h5"]), Some(&["A".to_string()])).is_err());
        for empty in ["", " "] {
            let why = labels(&files(&["a.h5", "b.h5"]), Some(&["A".to_string(), empty.to_string()])).unwrap_err();
            assert_eq!(why.what, "--label has an empty name");
        }
    }
}
