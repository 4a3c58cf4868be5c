//! `compare`: whether two files hold the same results, bit for bit, apart from provenance and times.

use std::path::{Path, PathBuf};

use super::print;
use crate::audit;
use crate::error::{BadInput, Failed};
use crate::files::format::{self, FileKind};
use crate::given;
use crate::results::{self, first_difference, first_differing_sample};
use crate::text::{differing, values_apart};
use crate::threshold::Request;

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
            let remedy = "compare results of the same experiment and program version; audits need the same CPU type, too";
            Err(Failed::new("the results differ", difference, remedy).into())
        }
        None => Ok(print("The results are the same\n")?),
    }
}

fn difference(request: &CompareRequest) -> anyhow::Result<Option<String>> {
    let CompareRequest { one, other, unsealed } = request;
    let [kind, other_kind] = [one, other].map(|path| format::of(path, *unsealed));
    if kind.is_some() && other_kind.is_some() && kind != other_kind {
        let what = format!("cannot compare {} and {}", one.display(), other.display());
        return Err(BadInput::new(
            what,
            "they are files of different kinds",
            "give two results files, two audit files or two measurements",
        )
        .into());
    }
    if kind.or(other_kind) == Some(FileKind::Audit) {
        let (a, b) = (audit::file::read(one, *unsealed)?, audit::file::read(other, *unsealed)?);
        return match a.difference(&b) {
            None if !*unsealed => first_difference(one, other),
            difference => Ok(difference),
        };
    }
    if kind.or(other_kind) == Some(FileKind::Measurement) {
        let (a, b) = (given::file::read(one, *unsealed)?, given::file::read(other, *unsealed)?);
        return match a.difference(&b) {
            None if !*unsealed => first_difference(one, other),
            difference => Ok(difference),
        };
    }
    if *unsealed {
        return Ok(first_differing_sample(&results::read_unsealed(one)?, &results::read_unsealed(other)?));
    }
    // One after the other, to hold one in memory at a time.
    let key = |path: &Path| results::read(path).map(|results| (results.experiment, results.threshold));
    let ((experiment, search), (other_experiment, other_search)) = (key(one)?, key(other)?);
    // First, because the cells of two searches differ as their keys do.
    match searches_apart(search, other_search).or_else(|| experiment.difference(&other_experiment)) {
        Some(difference) => Ok(Some(difference)),
        None => first_difference(one, other),
    }
}

/// The first key in which two searches for thresholds differ.
fn searches_apart(one: Option<Request>, other: Option<Request>) -> Option<String> {
    let (Some(one), Some(other)) = (&one, &other) else {
        let what = |search: &Option<Request>| if search.is_some() { "a search for thresholds" } else { "a run" };
        return (one.is_some() != other.is_some()).then(|| format!("one is of {}, the other of {}", what(&one), what(&other)));
    };
    let (keys, other_keys) = (one.to_table(), other.to_table());
    match differing(&keys, &other_keys) {
        Some((key, value, other_value)) => {
            let (value, other_value) = values_apart(value, other_value);
            Some(format!("{key} is {value} against {other_value}"))
        }
        None => one.experiment.difference_of_form(&other.experiment),
    }
}
