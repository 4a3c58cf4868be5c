//! What a results file says of itself, without its samples.

use std::path::Path;

use hdf5::types::VarLenUnicode;
use hdf5::{File, H5Type};

use super::schema;
use crate::experiment::Experiment;
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
    let is_ours = text(&file, "format")? == schema::FORMAT && number::<u32>(&file, "format_version")? == schema::VERSION;
    anyhow::ensure!(is_ours, "it is no results file of this version");
    Ok(Head {
        experiment: Experiment::from_toml(&text(&file, "experiment")?, "its attribute `experiment`")?,
        is_complete: number::<u8>(&file, "complete")? == 1,
        is_current: number::<u32>(&file, schema::SCIENCE_VERSION).is_ok_and(|version| version == SCIENCE_VERSION),
    })
}

fn text(file: &File, name: &str) -> anyhow::Result<String> {
    Ok(String::from_utf8(file.attr(name)?.read_scalar::<VarLenUnicode>()?.as_bytes().to_vec())?)
}

fn number<T: H5Type>(file: &File, name: &str) -> anyhow::Result<T> {
    Ok(file.attr(name)?.read_scalar::<T>()?)
}
