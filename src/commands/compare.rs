//! `compare`: whether two files hold the same, bit for bit, whenever and wherever they were made.

use std::path::{Path, PathBuf};

use anyhow::bail;

use super::print;
use crate::audit;
use crate::files::format::{self, Format};
use crate::results::{self, first_difference, first_differing_sample};

/// Two files to compare. They can be opened; what they hold is unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareRequest {
    pub one: PathBuf,
    pub other: PathBuf,
    /// Whether they may have lost their seals to another program.
    pub unsealed: bool,
}

pub fn execute(request: &CompareRequest) -> anyhow::Result<()> {
    match difference(request)? {
        Some(difference) => {
            bail!("the results differ at {difference}; identical results need the same experiment, program version and CPU type")
        }
        None => Ok(print("The results are the same\n")?),
    }
}

fn difference(request: &CompareRequest) -> anyhow::Result<Option<String>> {
    let CompareRequest { one, other, unsealed } = request;
    let is_audit = |path: &Path| format::of(path) == Some(Format::Audit);
    if is_audit(one) && is_audit(other) {
        let (a, b) = (audit::file::read(one, *unsealed)?, audit::file::read(other, *unsealed)?);
        return if *unsealed { Ok(a.difference(&b)) } else { first_difference(one, other) };
    }
    if *unsealed {
        return Ok(first_differing_sample(&results::read_unsealed(one)?, &results::read_unsealed(other)?));
    }
    // One after the other, so that one is in memory at a time.
    results::read(one)?;
    results::read(other)?;
    first_difference(one, other)
}
