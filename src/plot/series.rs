//! The curves: for each quantity and depth, one series per dim of mean and spread against width.

use crate::model::{Cell, INFINITE_WIDTH};
use crate::results::Summary;
use crate::stats::distinct;

/// A measured quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Fraction of inputs that flip, with the std over networks.
    Fraction,
    /// Smallest step η, with the std over the pooled samples.
    Step,
    /// ‖∇f(x)‖, with the std over the pooled samples.
    Gradient,
    /// ‖δ‖₂, with the std over the pooled samples.
    Distance,
}

impl Quantity {
    /// (mean, std).
    fn of(self, summary: &Summary) -> (f64, f64) {
        match self {
            Quantity::Fraction => (summary.fraction, summary.fraction_std_networks),
            Quantity::Step => (summary.step_mean, summary.step_std),
            Quantity::Gradient => (summary.grad_mean, summary.grad_std),
            Quantity::Distance => (summary.distance_mean, summary.distance_std),
        }
    }

    /// Largest possible value; the smallest is 0.
    fn ceiling(self) -> f64 {
        match self {
            Quantity::Fraction => 1.0,
            Quantity::Step | Quantity::Gradient | Quantity::Distance => f64::INFINITY,
        }
    }
}

/// A point of a curve. `mean` is finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// The width, unless said otherwise.
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
}

/// The curves of `quantity` at `depth`, one per dim, ascending. A cell with NaN mean (no step found) breaks its curve.
pub fn series(cells: &[(Cell, Summary)], depth: usize, quantity: Quantity) -> Vec<Series> {
    let here: Vec<&(Cell, Summary)> = cells.iter().filter(|(cell, _)| cell.depth == depth).collect();
    distinct(here.iter().map(|(cell, _)| cell.dim))
        .into_iter()
        .map(|dim| {
            let mut column: Vec<&(Cell, Summary)> = here.iter().filter(|(cell, _)| cell.dim == dim).copied().collect();
            column.sort_by_key(|(cell, _)| cell.width);
            let mut points: Vec<Option<CurvePoint>> =
                column.iter().map(|(cell, summary)| point(cell.width, quantity, summary)).collect();
            let last_is_infinite = column.last().is_some_and(|(cell, _)| cell.width == INFINITE_WIDTH);
            let mut limit = if last_is_infinite { points.pop().flatten() } else { None };
            if let (Quantity::Fraction, Some(point)) = (quantity, &mut limit) {
                // At k = ∞ inputs are independent, so a spread over "networks" is only sampling noise.
                point.band = None;
            }
            Series { key: dim, runs: runs(&points), limit }
        })
        .collect()
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

fn point(width: usize, quantity: Quantity, summary: &Summary) -> Option<CurvePoint> {
    let (mean, std) = quantity.of(summary);
    let clip = |value: f64| value.clamp(0.0, quantity.ceiling());
    let band = std.is_finite().then(|| (clip(mean - std), clip(mean + std)));
    mean.is_finite().then_some(CurvePoint { x: width, mean, band, error: None })
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
        let series = series(&cells, 1, Quantity::Step);
        let means: Vec<(usize, Vec<f64>)> = series.iter().map(|s| (s.key, s.points().map(|p| p.mean).collect())).collect();
        assert_eq!(means, [(10, vec![1.0, 2.0]), (50, vec![3.0])]);
    }

    #[test]
    fn a_cell_without_steps_breaks_its_curve() {
        let at = |width, step_mean| (cell(1, 10, width), Summary { step_mean, step_std: 0.1, ..nothing() });
        let cells = [at(1, f64::NAN), at(10, 1.0), at(100, f64::NAN), at(1000, 2.0), at(10_000, 3.0)];
        let series = series(&cells, 1, Quantity::Step);
        let lengths: Vec<usize> = series[0].runs.iter().map(Vec::len).collect();
        assert_eq!(lengths, [1, 2]);
    }

    #[test]
    fn bands_are_clipped_to_possible_values() {
        let summary = Summary { fraction: 0.9, fraction_std_networks: 0.2, grad_mean: 0.5, grad_std: 0.75, ..nothing() };
        let cells = [(cell(1, 10, 10), summary)];
        let (low, high) = series(&cells, 1, Quantity::Fraction)[0].runs[0][0].extent();
        assert!((low - 0.7).abs() < 1e-12 && high == 1.0);
        assert_eq!(series(&cells, 1, Quantity::Gradient)[0].runs[0][0].extent(), (0.0, 1.25));
    }

    #[test]
    fn the_infinite_width_is_no_point_of_the_curve() {
        let at = |width, grad_mean| (cell(1, 10, width), Summary { grad_mean, grad_std: 0.1, ..nothing() });
        let series = series(&[at(INFINITE_WIDTH, 3.0), at(10, 1.0), at(100, 2.0)], 1, Quantity::Gradient);
        assert_eq!(series[0].runs[0].iter().map(|point| point.mean).collect::<Vec<_>>(), [1.0, 2.0]);
        assert_eq!(series[0].limit.map(|point| point.mean), Some(3.0));
    }

    #[test]
    fn no_std_means_no_band() {
        let cells = [(cell(1, 10, 10), Summary { grad_mean: 0.5, ..nothing() })];
        let point = series(&cells, 1, Quantity::Gradient)[0].runs[0][0];
        assert_eq!((point.band, point.extent()), (None, (0.5, 0.5)));
    }
}
