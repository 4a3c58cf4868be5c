//! The metadata of a results file, read without its samples.

use std::path::Path;

use super::schema;
use crate::experiment::Experiment;
use crate::files::attribute::{self, Form};
use crate::files::{self, seal};
use crate::measure::SCIENCE_VERSION;
use crate::threshold::Request;

/// Metadata of a sealed results file.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub experiment: Experiment,
    /// Whether all cells are present.
    pub is_complete: bool,
    /// The [`SCIENCE_VERSION`](crate::measure::SCIENCE_VERSION) that computed it; `None` in the oldest files.
    pub science_version: Option<u32>,
    /// Whether that is the one of this program.
    pub is_current: bool,
    /// The search that chose the cells, if one did.
    pub threshold: Option<Request>,
}

/// Reads the metadata of the results file at `path`.
///
/// # Errors
/// If it is not a results file of the current format version, or its seal is broken.
pub fn read(path: &Path) -> anyhow::Result<Head> {
    if let Some(flaw) = seal::flaw(path)? {
        anyhow::bail!("{flaw}");
    }
    let file = files::hdf5::open(path)?;
    let text = |name| attribute::text(&file, name, Form::Own).map_err(anyhow::Error::msg);
    let number = |name| attribute::number::<u32>(&file, name, Form::Own).map_err(anyhow::Error::msg);
    let version = number("format_version")?;
    let is_ours = text("format")? == schema::FORMAT && (schema::VERSION..=schema::DIRECTIONS_VERSION).contains(&version);
    anyhow::ensure!(is_ours, "it is no results file of this version");
    let experiment = Experiment::from_toml(&text("experiment")?, "its attribute `experiment`")?;
    anyhow::ensure!(schema::is_version_of(&experiment, version), "it is no results file of this version");
    let complete: u8 = attribute::number(&file, "complete", Form::Own).map_err(anyhow::Error::msg)?;
    let threshold = match file.attr(schema::THRESHOLD) {
        Ok(_) => Some(Request::of_table(&text(schema::THRESHOLD)?.parse()?, &experiment)?),
        Err(_) => None,
    };
    let science_version = number(schema::SCIENCE_VERSION).ok();
    Ok(Head {
        experiment,
        threshold,
        is_complete: complete == 1,
        science_version,
        is_current: science_version == Some(SCIENCE_VERSION),
    })
}
