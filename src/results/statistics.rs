//! Checks the statistics in a file against its samples, so that a change to either is detected.

use super::read::{Source, Why};
use super::schema::{self, Axes, Variable};
use super::{CellResults, Summary};
use crate::experiment::Experiment;
use crate::text::short;

/// Relative tolerance of the comparison: another summation order.
const TOLERANCE: f64 = 1e-9;

/// Checks that the statistics of `source` follow from `cells`, which were read from it. `written` are the variables in the file.
///
/// # Errors
/// The first array that does not match.
pub fn check(source: &Source, experiment: &Experiment, cells: &[CellResults], written: &[Variable]) -> Result<(), Why> {
    let all = experiment.cells();
    let axes = Axes::of(experiment, all.len());
    let directions = experiment.directions.len();
    let grid: usize = axes.shape(schema::CELL_INDEX.axes).iter().product();
    let place = |cell: &CellResults| axes.place(&cell.cell).ok_or_else(|| format!("cell {} is not on its grid", cell.cell));
    let summaries: Vec<(usize, Vec<Summary>)> =
        cells.iter().map(|cell| Ok((place(cell)?, cell.summaries(experiment)))).collect::<Result<_, Why>>()?;

    let is_written = |variable: &Variable| written.iter().any(|other| other.path == variable.path);
    for field in schema::SUMMARIES.iter().filter(|field| is_written(&field.variable)) {
        let mut expected = vec![f64::NAN; axes.shape(field.variable.axes).iter().product()];
        for (place, summaries) in &summaries {
            expected.chunks_mut(grid).zip(summaries).for_each(|(values, summary)| values[*place] = (field.of)(summary));
        }
        let found: Vec<f64> = source.whole(&field.variable, &axes)?;
        if let Some(at) = found.iter().zip(&expected).position(|(found, expected)| !is_close(*found, *expected)) {
            let (found, expected) = (short(found[at]), short(expected[at]));
            return Err(format!("its `{}` holds {found} where its samples have {expected}", field.variable.path));
        }
    }
    let (mut dead, mut index) = (vec![0u64; directions * grid], vec![-1i64; grid]);
    for (cell, (place, summaries)) in cells.iter().zip(&summaries) {
        dead.chunks_mut(grid).zip(summaries).for_each(|(dead, summary)| dead[*place] = summary.dead);
        index[*place] = all.iter().position(|other| *other == cell.cell).map_or(-1, |index| index as i64);
    }
    let differs = |path: &str| Err(format!("its `{path}` is not that of its samples"));
    match () {
        () if source.whole::<u64>(&schema::DEAD, &axes)? != dead => differs(schema::DEAD.path),
        () if source.whole::<i64>(&schema::CELL_INDEX, &axes)? != index => differs(schema::CELL_INDEX.path),
        () => Ok(()),
    }
}

fn is_close(found: f64, expected: f64) -> bool {
    found == expected || (found.is_nan() && expected.is_nan()) || (found - expected).abs() <= TOLERANCE * expected.abs()
}
