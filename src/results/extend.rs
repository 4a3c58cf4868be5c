//! Networks that a run may take from another file instead of computing them: a results file, also a partial one, a journal or a shard.
//!
//! A network is a function of its cell, its index and the form of the experiment (seed, inputs per network, law of weights and inputs,
//! directions, bounds, precision, engine, search), of the science version and of the BLAS kernels. The grid and the number of networks are no
//! part of that: they say which networks there are. So a file of the same form has the bytes that the run would compute.

use std::collections::HashMap;
use std::path::Path;

use toml::{Table, Value};

use super::journal::JournalResults;
use super::{Results, head, journal, read, shard};
use crate::error::BadInput;
use crate::experiment::Experiment;
use crate::job::journal::{Header, REVISION};
use crate::measure::SCIENCE_VERSION;
use crate::model::{Cell, Method, Unit};
use crate::record::{UnitRecord, codec};
use crate::text::{differing, values_apart};

/// Keys of an experiment that say which networks there are.
pub const GRID: [&str; 7] = ["depths", "dims", "widths", "networks", "hidden", "extra_cells", "extra_widths"];

const REMEDY: &str = "give the options of that file, a larger grid or more networks apart, or omit --extend";

/// The networks of `experiment`, whose cells are run by `methods`, that the file at `path` holds, each with its encoded record.
///
/// # Errors
/// [`BadInput`] if the file cannot be read, is of another form, or has none of them.
pub fn held(path: &Path, experiment: &Experiment, methods: &[Method]) -> Result<Vec<(Unit, Vec<u8>)>, BadInput> {
    let refuse = |why: String| BadInput::new(format!("cannot extend {}", path.display()), why, REMEDY);
    let found = if Header::is_at(path) { of_journal(path) } else { of_results(path) }.map_err(refuse)?;
    let this = form(shard::identity(experiment, None, methods));
    if let Some((key, theirs, ours)) = differing(&found.form, &this) {
        let (theirs, ours) = values_apart(theirs, ours);
        return Err(refuse(format!("its {key} is {theirs}, that of this run is {ours}")));
    }
    let places: HashMap<Cell, usize> = experiment.cells().into_iter().enumerate().map(|(index, cell)| (cell, index)).collect();
    let mut held = Vec::new();
    for UnitRecord { unit, samples, seconds } in found.records {
        let (cell, method) = found.cells[unit.cell];
        let Some(&place) = places.get(&cell).filter(|_| unit.network < experiment.networks) else { continue };
        if method != methods[place] {
            return Err(refuse(format!("its cell {cell} was measured by {method}, this run would take {}", methods[place])));
        }
        held.push((Unit { cell: place, network: unit.network }, codec::encode(&samples, seconds)));
    }
    match held.is_empty() {
        true => Err(refuse("it has none of the networks of this run".to_string())),
        false => Ok(held),
    }
}

/// The networks of a file.
struct Found {
    form: Table,
    cells: Vec<(Cell, Method)>,
    /// Their units are indices of `cells`.
    records: Vec<UnitRecord>,
}

fn of_journal(path: &Path) -> Result<Found, String> {
    let JournalResults { header, experiment, methods, records, .. } = journal::read(path)?;
    Ok(Found { form: form(header.0), cells: experiment.cells().into_iter().zip(methods).collect(), records })
}

fn of_results(path: &Path) -> Result<Found, String> {
    let why = |error: anyhow::Error| error.downcast_ref::<BadInput>().map_or_else(|| format!("{error:#}"), |bad| bad.why.clone());
    // A file of another format is refused by its reader, in words.
    if let Ok(head) = head::read(path)
        && !head.is_current
    {
        let version = head.science_version.map_or_else(|| "no".to_string(), |version| version.to_string());
        return Err(format!("it has version {version} of the science, this program has version {SCIENCE_VERSION}"));
    }
    let Results { experiment, cells, provenance, .. } = read(path).map_err(why)?;
    let mut identity = shard::identity(&experiment, None, &[]);
    identity.insert("blas".to_string(), Value::from(provenance.blas));
    identity.insert("blas_kernels".to_string(), Value::from(provenance.blas_core));
    let mut found = Found { form: form(identity), cells: Vec::new(), records: Vec::new() };
    for (index, results) in cells.into_iter().enumerate() {
        found.cells.push((results.cell, results.method));
        let of_cell = results.records.into_iter();
        found.records.extend(of_cell.map(|record| UnitRecord { unit: Unit { cell: index, ..record.unit }, ..record }));
    }
    Ok(found)
}

/// What is left of the [identity](shard::identity) of a run without what only says which networks there are.
fn form(mut identity: Table) -> Table {
    for key in ["shard", shard::SEARCH, "methods", REVISION] {
        identity.remove(key);
    }
    if let Some(Value::Table(experiment)) = identity.get_mut("experiment") {
        GRID.iter().for_each(|key| _ = experiment.remove(*key));
    }
    identity
}
