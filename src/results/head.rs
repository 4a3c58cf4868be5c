//! What a results file says of itself, without its samples.

use std::path::Path;

use super::schema;
use crate::experiment::Experiment;
use crate::files::attribute::{self, Form};
use crate::files::{self, seal};
use crate::measure::SCIENCE_VERSION;

/// The head of a results file that is sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub experiment: Experiment,
    /// Whether every cell is there.
    pub is_complete: bool,
    /// Whether it is of this version of the science.
    pub is_current: bool,
}

/// Reads the head of the results file at `path`, of this version of the format.
///
/// # Errors
/// Any other file, and one that was changed or damaged.
pub fn read(path: &Path) -> anyhow::Result<Head> {
    if let Some(flaw) = seal::flaw(path)? {
        anyhow::bail!("{flaw}");
    }
    let file = files::hdf5::open(path)?;
    let text = |name| attribute::text(&file, name, Form::Own).map_err(anyhow::Error::msg);
    let number = |name| attribute::number::<u32>(&file, name, Form::Own).map_err(anyhow::Error::msg);
    let is_ours = text("format")? == schema::FORMAT && number("format_version")? == schema::VERSION;
    anyhow::ensure!(is_ours, "it is no results file of this version");
    let complete: u8 = attribute::number(&file, "complete", Form::Own).map_err(anyhow::Error::msg)?;
    Ok(Head {
        experiment: Experiment::from_toml(&text("experiment")?, "its attribute `experiment`")?,
        is_complete: complete == 1,
        is_current: number(schema::SCIENCE_VERSION).is_ok_and(|version| version == SCIENCE_VERSION),
    })
}
