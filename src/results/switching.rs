//! The depth conjecture: the smallest d and k at which 100 % of the inputs switch "appears to grow with L" (the paper, section 4).
//!
//! For each depth the fraction switched is taken along two lines of the grid: over d at the largest width common to all depths (infinity
//! included), and over the finite widths at the largest d. Two sizes are read off each line:
//!
//! - *All*: the smallest grid size from which on every input switched. It depends on the sample size. If none of n networks fails, the
//!   proportion of networks with an input that does not switch is below 1 − 0.05^(1/n) at 95 % (Clopper–Pearson, one-sided, networks as
//!   clusters).
//! - *99 %*: where the fraction last rises through [`LEVEL`], interpolated in log size. Its interval runs from the grid size below the
//!   crossing to the one above it, each over bootstrap resamples of the networks of each cell: where between two grid sizes the fraction
//!   crosses is not known, however many networks there are. Where none fails resamples say nothing, so the upper limit is
//!   a size at which the networks without a failure are enough for [`LEVEL`] by the bound above. The estimate does not depend on the sample size, so depths are compared by it:
//!   growth per layer is the exponential of the least-squares slope of its logarithm against L, with an interval from the same resamples,
//!   which does not include the interpolation error.

use super::CellResults;
use crate::model::INFINITE_WIDTH;
use crate::record::UnitRecord;
use crate::stats::bootstrap::{RESAMPLES, generator, interval};
use crate::stats::clusters::Clusters;
use crate::stats::crossing::{Crossing, crossing};
use crate::stats::slope::common_slope;
use crate::stats::{Estimate, distinct};
pub use crate::threshold::Along;

/// The fraction whose crossing is located.
pub const LEVEL: f64 = 0.99;
/// 1 − confidence of the one-sided bound on unseen failures.
const UNSEEN: f64 = 0.05;

/// The threshold sizes at one depth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    pub depth: usize,
    /// The smallest size from which on every input switched; `None` if some did not at the largest.
    pub all: Option<usize>,
    /// The largest size at which some input did not switch; `None` if all did everywhere.
    pub failing: Option<usize>,
    /// Upper bound on the proportion of networks with an input that does not switch at size `all`.
    pub unseen: f64,
    /// Size at which the fraction rises through [`LEVEL`]: the smallest of the grid if above it everywhere, ∞ if below it at the largest. The
    /// limits are sizes of the grid, 0 below its smallest and ∞ beyond its largest.
    pub most: Estimate,
}

/// The thresholds of all depths along one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Switching {
    pub along: Along,
    /// The fixed width or dim.
    pub held: usize,
    /// Sizes along the line, ascending.
    pub sizes: Vec<usize>,
    /// By depth.
    pub thresholds: Vec<Threshold>,
    /// Factor by which [`Threshold::most`] grows per layer; `None` unless it lies inside the grid at two depths.
    pub growth: Option<Estimate>,
}

/// The thresholds over d and over k of `cells` (one direction), for each line with at least two depths and three sizes; none if layers differ in
/// width.
pub fn switching(cells: &[CellResults]) -> Vec<Switching> {
    if cells.iter().any(|cell| cell.cell.has_differing_layers()) {
        return Vec::new();
    }
    [Along::Dim, Along::Width].into_iter().filter_map(|along| line(cells, along)).collect()
}

/// The inputs of a cell that switched, by network.
pub fn switched(cell: &CellResults) -> Clusters {
    let hits = |record: &UnitRecord| record.samples.iter().filter(|sample| sample.status.is_found()).count() as u32;
    let size = cell.records.first().map_or(0, |record| record.samples.len() as u32);
    Clusters { hits: cell.records.iter().map(hits).collect(), size }
}

fn line(cells: &[CellResults], along: Along) -> Option<Switching> {
    let depths = distinct(cells.iter().map(|cell| cell.cell.depth));
    let at = |depth: usize, dim: usize, width: usize| {
        cells.iter().find(|cell| (cell.cell.depth, cell.cell.dim, cell.cell.width) == (depth, dim, width))
    };
    let dims = distinct(cells.iter().map(|cell| cell.cell.dim));
    let widths = distinct(cells.iter().map(|cell| cell.cell.width));
    let is_common = |dim: usize, width: usize| depths.iter().all(|&depth| at(depth, dim, width).is_some());
    let largest_dim = *dims.last()?;
    let (held, sizes): (usize, Vec<usize>) = match along {
        Along::Dim => {
            let held = *widths.iter().rev().find(|&&width| is_common(largest_dim, width))?;
            (held, dims.into_iter().filter(|&dim| is_common(dim, held)).collect())
        }
        Along::Width => {
            let common = widths.into_iter().filter(|&width| width != INFINITE_WIDTH && is_common(largest_dim, width));
            (largest_dim, common.collect())
        }
    };
    if depths.len() < 2 || sizes.len() < 3 {
        return None;
    }
    let sample = |depth: usize, size: usize| {
        let (dim, width) = if along == Along::Dim { (size, held) } else { (held, size) };
        at(depth, dim, width).map(switched)
    };
    let samples: Option<Vec<Vec<Clusters>>> =
        depths.iter().map(|&depth| sizes.iter().map(|&size| sample(depth, size)).collect()).collect();
    Some(thresholds(along, held, &depths, sizes, &samples?))
}

/// `samples` is depths × sizes.
fn thresholds(along: Along, held: usize, depths: &[usize], sizes: Vec<usize>, samples: &[Vec<Clusters>]) -> Switching {
    let crossings = |fraction: &mut dyn FnMut(&Clusters) -> f64| -> Vec<Crossing> {
        samples.iter().map(|line| crossing(&sizes, &line.iter().map(&mut *fraction).collect::<Vec<_>>(), LEVEL)).collect()
    };
    let found = crossings(&mut Clusters::fraction);
    let mut generator = generator();
    let draws: Vec<Vec<Crossing>> = (0..RESAMPLES).map(|_| crossings(&mut |sample| sample.resampled(&mut generator))).collect();
    let threshold = |(index, (&depth, line)): (usize, (&usize, &Vec<Clusters>))| {
        let last_failing = line.iter().rposition(Clusters::has_miss);
        let first = last_failing.map_or(0, |last| last + 1);
        let networks = line.get(first).map_or(0, |sample| sample.hits.len());
        Threshold {
            depth,
            all: sizes.get(first).copied(),
            failing: last_failing.map(|last| sizes[last]),
            unseen: 1.0 - UNSEEN.powf(1.0 / networks as f64),
            most: {
                let of = |side: fn(&Crossing) -> f64| interval(side(&found[index]), draws.iter().map(|draw| side(&draw[index])));
                let (below, above) = (of(|crossing| crossing.below), of(|crossing| crossing.above));
                let high = shown_from(&sizes, line, above.high.max(above.value));
                Estimate { value: found[index].size, low: below.low.min(below.value), high }
            },
        }
    };
    let thresholds = depths.iter().zip(samples).enumerate().map(threshold).collect();
    let smallest = sizes[0] as f64;
    let growth = growth(depths, &found, smallest)
        .map(|value| interval(value, draws.iter().filter_map(|draw| growth(depths, draw, smallest))));
    Switching { along, held, sizes, thresholds, growth }
}

/// The first of `sizes` from `high` on at which the samples show a fraction of [`LEVEL`] or more; ∞ if none. Without a failure they do only if
/// there are enough networks ([`UNSEEN`]); those of the sizes below, as far as nothing fails there, count as well, because the fraction rises
/// with size.
fn shown_from(sizes: &[usize], line: &[Clusters], high: f64) -> f64 {
    let Some(start) = sizes.iter().position(|&size| size as f64 >= high) else { return high };
    let first = line[..=start].iter().rposition(Clusters::has_miss).map_or(0, |last| last + 1);
    let mut networks = line[first.min(start)..start].iter().map(|sample| sample.hits.len()).sum::<usize>();
    for (&size, sample) in sizes.iter().zip(line).skip(start) {
        networks += sample.hits.len();
        if sample.has_miss() || LEVEL.powf(networks as f64) <= UNSEEN {
            return size as f64;
        }
    }
    f64::INFINITY
}

/// Growth factor per layer: least squares of log crossing against depth, over depths whose crossing lies inside the grid.
pub fn growth(depths: &[usize], crossings: &[Crossing], smallest: f64) -> Option<f64> {
    let inside = |crossing: &Crossing| crossing.size.is_finite() && crossing.size > smallest;
    let points: Vec<(f64, f64)> = depths
        .iter()
        .zip(crossings)
        .filter(|(_, crossing)| inside(crossing))
        .map(|(&depth, crossing)| (depth as f64, crossing.size.ln()))
        .collect();
    common_slope(&[points]).map(f64::exp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(networks: usize, inputs: u32, failures: usize) -> Clusters {
        Clusters { hits: (0..networks).map(|network| inputs - u32::from(network < failures)).collect(), size: inputs }
    }

    /// Failures fall as 1/size: 0.01 of the inputs fail at size 10·2^L exactly.
    fn power_law(networks: usize) -> (Vec<usize>, Vec<Vec<Clusters>>) {
        let sizes: Vec<usize> = vec![5, 10, 20, 40, 80, 160, 320, 640];
        let line = |depth: u32| {
            sizes
                .iter()
                .map(|&size| {
                    let share = 0.01 * f64::from(10 * 2_u32.pow(depth)) / size as f64;
                    sample(networks, 1, (share * networks as f64).round() as usize)
                })
                .collect()
        };
        (sizes.clone(), (1..=4).map(line).collect())
    }

    #[test]
    fn a_known_growth_is_found() {
        let (sizes, samples) = power_law(4000);
        let Switching { thresholds, growth, .. } = thresholds(Along::Dim, 7, &[1, 2, 3, 4], sizes, &samples);
        let most: Vec<f64> = thresholds.iter().map(|threshold| threshold.most.value).collect();
        for (most, expected) in most.iter().zip([20.0, 40.0, 80.0, 160.0]) {
            assert!((most / expected - 1.0).abs() < 1e-6, "{most} is not {expected}");
        }
        let growth = growth.unwrap();
        assert!(
            (growth.value - 2.0).abs() < 1e-6 && growth.low < 2.0 && growth.high > 2.0 && growth.high - growth.low < 0.6,
            "{growth:?}"
        );
    }

    /// 1000 networks at the crossing: the failures are 10 ± 3.1 at size 80, 20 ± 4.4 at 40 and 5 ± 2.2 at 160, so that a resample crosses
    /// between 40 and 160.
    #[test]
    fn the_interval_consists_of_grid_sizes_that_hold_the_crossing() {
        let (sizes, samples) = power_law(1000);
        let most = thresholds(Along::Dim, 7, &[1, 2, 3, 4], sizes, &samples).thresholds[2].most;
        assert_eq!((most.low, most.high), (40.0, 160.0), "{most:?}");
    }

    /// Without any scatter between resamples the interval is still that between two sizes of the grid.
    #[test]
    fn a_coarse_grid_has_a_wide_interval() {
        let line = vec![sample(300, 10, 300), sample(300, 10, 0), sample(300, 10, 0)];
        let always = vec![sample(300, 10, 0), sample(300, 10, 0), sample(300, 10, 0)];
        let never = vec![sample(300, 10, 300), sample(300, 10, 300), sample(300, 10, 300)];
        let found = thresholds(Along::Width, 9, &[1, 2, 3], vec![10, 100, 1000], &[line, always, never]).thresholds;
        let limits: Vec<_> = found.iter().map(|threshold| (threshold.most.low, threshold.most.high)).collect();
        assert_eq!(limits, [(10.0, 100.0), (0.0, 10.0), (1000.0, f64::INFINITY)]);
        assert!(found[0].most.value > 10.0 && found[0].most.value < 100.0);
    }

    /// 299 networks without a failure show a fraction of 99 %: 150 do not, but with those of the next size they do.
    #[test]
    fn no_failure_in_few_networks_is_not_enough() {
        let line = |networks: usize| vec![sample(networks, 10, networks), sample(networks, 10, 0), sample(networks, 10, 0)];
        let highs = [299, 298, 150, 149].map(|networks| {
            let samples = [line(networks), line(networks)];
            thresholds(Along::Width, 9, &[1, 2], vec![10, 100, 1000], &samples).thresholds[0].most.high
        });
        assert_eq!(highs, [100.0, 1000.0, 1000.0, f64::INFINITY]);
    }

    #[test]
    fn all_means_from_there_on() {
        let line = [sample(20, 10, 3), sample(20, 10, 0), sample(20, 10, 1), sample(20, 10, 0), sample(20, 10, 0)];
        let always = (0..5).map(|_| sample(20, 10, 0)).collect();
        let never = (0..5).map(|_| sample(20, 10, 20)).collect();
        let switching = thresholds(Along::Width, 9, &[1, 2, 3], vec![1, 2, 3, 4, 5], &[Vec::from(line), always, never]);
        let all: Vec<_> = switching.thresholds.iter().map(|threshold| (threshold.failing, threshold.all)).collect();
        assert_eq!(all, [(Some(3), Some(4)), (None, Some(1)), (Some(5), None)]);
        assert!((switching.thresholds[0].unseen - (1.0 - 0.05_f64.powf(0.05))).abs() < 1e-12);
        let most: Vec<f64> = switching.thresholds.iter().map(|threshold| threshold.most.value).collect();
        // 3 of 200 fail at size 1, none at 2, one at 3: 99 % is crossed between 1 and 2, a third of the way.
        assert!((most[0] - 2_f64.powf(1.0 / 3.0)).abs() < 1e-12 && most[1] == 1.0 && most[2] == f64::INFINITY, "{most:?}");
        assert_eq!(switching.growth, None);
    }
}
