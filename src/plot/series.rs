//! The curves: for each column and depth, one series per dim of mean and spread against width.

use super::columns::Column;
use super::look::Band;
use crate::model::{Cell, INFINITE_WIDTH};
use crate::results::Summary;
use crate::stats::distinct;

/// A point of a curve. `mean` is finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// The size along the x-axis, usually the width.
    pub x: usize,
    pub mean: f64,
    /// mean ± 1 std, clipped to possible values; `None` without a std.
    pub band: Option<(f64, f64)>,
    /// Half the length of an error bar.
    pub error: Option<f64>,
}

impl CurvePoint {
    /// The lowest and highest value drawn.
    pub fn extent(&self) -> (f64, f64) {
        self.band.unwrap_or((self.mean, self.mean))
    }
}

/// One curve: the points of a dim or of a direction, by ascending width.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The dim, or the index of the direction.
    pub key: usize,
    /// Runs of adjacent points, separated by widths without a value.
    pub runs: Vec<Vec<CurvePoint>>,
    /// The point at infinite width.
    pub limit: Option<CurvePoint>,
}

impl Series {
    pub fn points(&self) -> impl Iterator<Item = &CurvePoint> {
        self.runs.iter().flatten().chain(&self.limit)
    }

    pub fn points_mut(&mut self) -> impl Iterator<Item = &mut CurvePoint> {
        self.runs.iter_mut().flatten().chain(&mut self.limit)
    }

    /// The same without the points that a logarithmic axis cannot show.
    pub fn positive(&self) -> Series {
        let runs = self.runs.iter().flat_map(|run| run.split(|point| point.mean <= 0.0)).filter(|run| !run.is_empty());
        Series { key: self.key, runs: runs.map(<[_]>::to_vec).collect(), limit: self.limit.filter(|point| point.mean > 0.0) }
    }
}

/// The curves of `column` at `depth`, one per dim, ascending. A cell with NaN mean (no step found) breaks its curve.
pub fn series(cells: &[(Cell, Summary)], depth: usize, column: &Column, band: Band) -> Vec<Series> {
    let here: Vec<&(Cell, Summary)> = cells.iter().filter(|(cell, _)| cell.depth == depth).collect();
    let curve = |dim| curve(dim, here.iter().filter(|(cell, _)| cell.dim == dim).copied(), |cell| cell.width, column, band);
    distinct(here.iter().map(|(cell, _)| cell.dim)).into_iter().map(curve).collect()
}

/// The curve of `column` through `cells` against their size `x`. An infinite size is its limit.
pub fn curve<'a>(
    key: usize,
    cells: impl Iterator<Item = &'a (Cell, Summary)>,
    x: impl Fn(&Cell) -> usize,
    column: &Column,
    band: Band,
) -> Series {
    let mut cells: Vec<&(Cell, Summary)> = cells.collect();
    cells.sort_by_key(|(cell, _)| x(cell));
    let mut points: Vec<Option<CurvePoint>> = cells.iter().map(|(cell, summary)| point(x(cell), column, band, summary)).collect();
    let last_is_infinite = cells.last().is_some_and(|(cell, _)| x(cell) == INFINITE_WIDTH);
    let mut limit = if last_is_infinite { points.pop().flatten() } else { None };
    if let (true, Some(point)) = (column.range.1 == 1.0 && band == Band::Std, &mut limit) {
        // At k = ∞ inputs are independent, so a spread over "networks" is only sampling noise.
        point.band = None;
    }
    Series { key, runs: runs(&points), limit }
}

/// The runs of adjacent points between gaps.
fn runs(points: &[Option<CurvePoint>]) -> Vec<Vec<CurvePoint>> {
    let runs = points.split(Option::is_none).map(|run| run.iter().flatten().copied().collect::<Vec<_>>());
    runs.filter(|run| !run.is_empty()).collect()
}

/// The distances along each direction but the first, over those along the first, in the cells that `here` holds of, against their size `x`:
/// medians with 2 standard errors, and the 5 % and 95 % quantiles. `cells` by direction; the key of a curve is the index of its direction.
pub fn ratios(cells: &[Vec<(Cell, Summary)>], x: fn(&Cell) -> usize, here: impl Fn(&Cell) -> bool) -> Vec<Series> {
    let series = |(key, cells): (usize, &Vec<(Cell, Summary)>)| {
        let mut column: Vec<&(Cell, Summary)> = cells.iter().filter(|(cell, _)| here(cell)).collect();
        column.sort_by_key(|(cell, _)| x(cell));
        let point = |(cell, summary): &&(Cell, Summary)| {
            let band = Some((summary.ratio_q05, summary.ratio_q95));
            let error = Some(2.0 * summary.ratio_se).filter(|error| error.is_finite());
            summary.ratio_q50.is_finite().then_some(CurvePoint { x: x(cell), mean: summary.ratio_q50, band, error })
        };
        Series { key, runs: runs(&column.iter().map(point).collect::<Vec<_>>()), limit: None }
    };
    cells.iter().enumerate().skip(1).map(series).collect()
}

fn point(x: usize, column: &Column, band: Band, summary: &Summary) -> Option<CurvePoint> {
    let mean = (column.value)(summary);
    let clip = |value: f64| value.clamp(column.range.0, column.range.1);
    let half = column.half(band, summary).filter(|half| half.is_finite());
    let band = half.map(|half| (clip(mean - half), clip(mean + half)));
    mean.is_finite().then_some(CurvePoint { x, mean, band, error: None })
}

pub fn depths(cells: &[(Cell, Summary)]) -> Vec<usize> {
    distinct(cells.iter().map(|(cell, _)| cell.depth))
}

pub fn dims(cells: &[(Cell, Summary)]) -> Vec<usize> {
    distinct(cells.iter().map(|(cell, _)| cell.dim))
}

pub fn widths(cells: &[(Cell, Summary)]) -> Vec<usize> {
    distinct(cells.iter().map(|(cell, _)| cell.width))
}

#[cfg(test)]
mod tests {
    use super::super::columns::{FRACTION, GRADIENT, STEP};
    use super::*;

    fn nothing() -> Summary {
        Summary::of(&[])
    }

    fn cell(depth: usize, dim: usize, width: usize) -> Cell {
        Cell::new(depth, dim, width)
    }

    #[test]
    fn series_are_sorted_and_taken_from_their_depth_only() {
        let at = |depth, dim, width, step_mean| (cell(depth, dim, width), Summary { step_mean, step_std: 0.5, ..nothing() });
        let cells = [at(1, 50, 100, 3.0), at(2, 10, 100, 9.0), at(1, 10, 100, 2.0), at(1, 10, 10, 1.0)];
        let series = series(&cells, 1, &STEP, Band::Std);
        let means: Vec<(usize, Vec<f64>)> = series.iter().map(|s| (s.key, s.points().map(|p| p.mean).collect())).collect();
        assert_eq!(means, [(10, vec![1.0, 2.0]), (50, vec![3.0])]);
    }

    #[test]
    fn a_cell_without_steps_breaks_its_curve() {
        let at = |width, step_mean| (cell(1, 10, width), Summary { step_mean, step_std: 0.1, ..nothing() });
        let cells = [at(1, f64::NAN), at(10, 1.0), at(100, f64::NAN), at(1000, 2.0), at(10_000, 3.0)];
        let series = series(&cells, 1, &STEP, Band::Std);
        let lengths: Vec<usize> = series[0].runs.iter().map(Vec::len).collect();
        assert_eq!(lengths, [1, 2]);
    }

    #[test]
    fn bands_are_clipped_to_possible_values() {
        let summary = Summary { fraction: 0.9, fraction_std_networks: 0.2, grad_mean: 0.5, grad_std: 0.75, ..nothing() };
        let cells = [(cell(1, 10, 10), summary)];
        let (low, high) = series(&cells, 1, &FRACTION, Band::Std)[0].runs[0][0].extent();
        assert!((low - 0.7).abs() < 1e-12 && high == 1.0);
        assert_eq!(series(&cells, 1, &GRADIENT, Band::Std)[0].runs[0][0].extent(), (0.0, 1.25));
    }

    #[test]
    fn the_infinite_width_is_no_point_of_the_curve() {
        let at = |width, grad_mean| (cell(1, 10, width), Summary { grad_mean, grad_std: 0.1, ..nothing() });
        let series = series(&[at(INFINITE_WIDTH, 3.0), at(10, 1.0), at(100, 2.0)], 1, &GRADIENT, Band::Std);
        assert_eq!(series[0].runs[0].iter().map(|point| point.mean).collect::<Vec<_>>(), [1.0, 2.0]);
        assert_eq!(series[0].limit.map(|point| point.mean), Some(3.0));
    }

    #[test]
    fn no_std_means_no_band() {
        let cells = [(cell(1, 10, 10), Summary { grad_mean: 0.5, ..nothing() })];
        let point = series(&cells, 1, &GRADIENT, Band::Std)[0].runs[0][0];
        assert_eq!((point.band, point.extent()), (None, (0.5, 0.5)));
    }
}
