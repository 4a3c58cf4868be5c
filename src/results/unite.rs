//! Merges finished results files of one form into one: the cells of all of them, as of a run from scratch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::compare::first_differing_in_cell;
use super::merge::common_provenance;
use super::{CellResults, Results, head, read};
use crate::error::BadInput;
use crate::experiment::Experiment;
use crate::measure::SCIENCE_VERSION;
use crate::model::{Cell, Unit};
use crate::record::UnitRecord;
use crate::text::counted;

/// Reads the results files at `paths`, in any order, and unites their cells.
///
/// # Errors
/// [`BadInput`] if a file is not a complete results file of this science version, two files differ in another key than those of the cells, or
/// hold a cell with different samples, or cells of shapes are missing.
pub fn unite(paths: &[PathBuf], command_line: &str) -> anyhow::Result<Results> {
    let mut files: Vec<(&Path, Results)> = Vec::with_capacity(paths.len());
    for path in paths {
        let results = read_finished(path)?;
        if let Some((first, other)) = files.first() {
            check_form(path, &results.experiment, first, &other.experiment)?;
        }
        files.push((path, results));
    }
    let provenances = files.iter().map(|(_, results)| &results.provenance).collect::<Vec<_>>();
    let provenance = common_provenance(&provenances, command_line);
    let form = files[0].1.experiment.clone();
    let mut cells: BTreeMap<Cell, (&Path, CellResults)> = BTreeMap::new();
    for (path, results) in files {
        for cell in results.cells {
            if let Some((earlier, other)) = cells.get(&cell.cell) {
                check_same(path, &cell, earlier, other)?;
                continue;
            }
            cells.insert(cell.cell, (path, cell));
        }
    }
    let all: Vec<Cell> = cells.keys().copied().collect();
    let refuse =
        |why: String| BadInput::new("the files do not make one experiment", why, "run the missing cells and give that file too");
    let experiment = form.with_cells(&all, !form.hidden.is_empty()).map_err(refuse)?;
    // Its limits, such as the number of samples.
    let experiment = Experiment::from_toml(&experiment.to_toml(), "the merged experiment")?;
    let cells = experiment.cells().into_iter().enumerate().map(|(index, cell)| {
        let (_, CellResults { cell, method, records }) = cells.remove(&cell).expect("the experiment has the cells of the files");
        let place = |record: UnitRecord| UnitRecord { unit: Unit { cell: index, ..record.unit }, ..record };
        CellResults { cell, method, records: records.into_iter().map(place).collect() }
    });
    Ok(Results { cells: cells.collect(), experiment, provenance, threshold: None })
}

fn read_finished(path: &Path) -> anyhow::Result<Results> {
    let refuse = |why: String, remedy: &str| BadInput::new(format!("cannot merge {}", path.display()), why, remedy);
    if let Ok(head) = head::read(path)
        && !head.is_current
    {
        let version = head.science_version.map_or_else(|| "no".to_string(), |version| version.to_string());
        let why = format!("it has version {version} of the science, this program has version {SCIENCE_VERSION}");
        return Err(refuse(why, "merge files of this program version").into());
    }
    let results = read(path)?;
    if !results.is_complete() {
        let why =
            format!("it is a partial file, with {} of {}", results.cells.len(), counted(results.experiment.cells().len(), "cell"));
        return Err(refuse(why, "re-run its command to finish it").into());
    }
    Ok(results)
}

/// Refuses a file of another form than the first one.
fn check_form(path: &Path, experiment: &Experiment, first: &Path, other: &Experiment) -> Result<(), BadInput> {
    let refuse = |why: String, remedy: &str| {
        let what = format!("{} and {} do not belong together", path.display(), first.display());
        Err(BadInput::new(what, why, remedy))
    };
    if let Some(difference) = experiment.difference_of_form(other) {
        let remedy = match experiment.networks != other.networks {
            true => "bring them to one number of networks with run --extend, then merge",
            false => "give files that differ in depths, dims and widths only",
        };
        return refuse(difference, remedy);
    }
    match experiment.hidden.is_empty() == other.hidden.is_empty() {
        true => Ok(()),
        false => refuse(
            "one is made of shapes, the other of depths and widths".to_string(),
            "give files made of shapes only (--hidden), or of depths and widths only",
        ),
    }
}

/// Refuses a cell that two files hold with different samples.
fn check_same(path: &Path, cell: &CellResults, earlier: &Path, other: &CellResults) -> Result<(), BadInput> {
    match first_differing_in_cell(cell, other) {
        None => Ok(()),
        Some(difference) => Err(BadInput::new(
            format!("{} and {} do not belong together", path.display(), earlier.display()),
            format!("both have a cell, and not the same samples: {difference}"),
            "leave one out: they are not of the same experiment, or one is damaged",
        )),
    }
}
