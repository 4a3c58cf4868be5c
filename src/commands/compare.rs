//! `compare`: whether two files hold the same results, bit for bit, apart from provenance and times.

use std::path::{Path, PathBuf};

use super::print;
use crate::audit;
use crate::error::Failed;
use crate::files::format::{self, Format};
use crate::results::{self, first_difference, first_differing_sample};

/// Two files to compare, both readable, contents unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareRequest {
    pub one: PathBuf,
    pub other: PathBuf,
    /// Whether files without a valid seal, as other programs leave them, are accepted.
    pub unsealed: bool,
}

pub fn execute(request: &CompareRequest) -> anyhow::Result<()> {
    match difference(request)? {
        Some(difference) => {
            let remedy = "compare results of the same experiment, program version and CPU type";
            Err(Failed::new("the results differ", format!("first at {difference}"), remedy).into())
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
    // One after the other, to hold one in memory at a time.
    results::read(one)?;
    results::read(other)?;
    first_difference(one, other)
}
