//! Exponents of power laws, from samples at several sizes.

use super::bootstrap::{RESAMPLES, generator, interval, resample};
use super::interval::{quantile, sample_quantile};
use super::slope::common_slope;
use super::{Estimate, SIDE, distinct};

const NO_LOGARITHM: &str = "the number is 0 or infinite at some size, and has no logarithm";

/// A sample at one size, input of [`exponent`].
#[derive(Debug, Clone, PartialEq)]
pub struct SizedSample {
    /// The other size, such as k: each group has an intercept of its own, all share the slope.
    pub group: usize,
    /// The size, such as d.
    pub size: f64,
    /// One value per network.
    pub sample: Vec<f64>,
}

/// The exponent e in statistic ~ size^e: least-squares slope of log statistic against log size, common to all groups. The interval is a
/// percentile bootstrap over the networks of each point ([`bootstrap`](super::bootstrap)).
///
/// Points with a group or size below 10 are ignored: the exponent is asymptotic.
///
/// # Errors
/// The reason, if no group has two sizes or a statistic is not positive and finite.
pub fn exponent(points: &[SizedSample], statistic: impl Fn(&[f64]) -> f64) -> Result<Estimate, &'static str> {
    if comparable(points).next().is_none() {
        return Err("there are not two sizes to compare at d and k of 10 or more");
    }
    let points: Vec<SizedSample> = points.iter().filter(|point| is_large(point)).cloned().collect();
    slope_with_interval(&points, statistic).ok_or(NO_LOGARITHM)
}

/// The points that [`exponent`] uses: size and group at least 10, with another such size in the group.
pub fn comparable(points: &[SizedSample]) -> impl Iterator<Item = &SizedSample> {
    points.iter().filter(|point| {
        let is_other = |other: &&SizedSample| is_large(other) && other.group == point.group && other.size != point.size;
        is_large(point) && points.iter().any(|other| is_other(&other))
    })
}

fn is_large(point: &SizedSample) -> bool {
    const LEAST: usize = 10;
    point.group >= LEAST && point.size >= LEAST as f64
}

/// Fewest networks beyond a quantile, expected, for which its bootstrap is trusted: with fewer, resamples repeat the same few order statistics.
const BOOTSTRAP_FROM: f64 = 10.0;

/// The exponent of the quantile at `level`. If at some size fewer than [`BOOTSTRAP_FROM`] networks are expected beyond it, the interval is made
/// of the distribution-free intervals of the quantiles ([`interval::quantile`](super::interval::quantile)): the slope is a sum Σ c_i log q_i,
/// and the distances of its limits are the root sums of squares of those of its terms (Zou & Donner 2008, MOVER). A limit is infinite if the
/// sample at some size is too small to bound its quantile.
///
/// # Errors
/// Those of [`exponent`].
pub fn exponent_of_quantile(points: &[SizedSample], level: f64) -> Result<Estimate, &'static str> {
    let is_ample = |point: &SizedSample| point.sample.len() as f64 * level.min(1.0 - level) >= BOOTSTRAP_FROM - 1e-9;
    if comparable(points).all(is_ample) {
        return exponent(points, |sample| sample_quantile(sample, level));
    }
    let points: Vec<SizedSample> = comparable(points).cloned().collect();
    slope_by_order_statistics(&points, level).ok_or(NO_LOGARITHM)
}

fn slope_by_order_statistics(points: &[SizedSample], level: f64) -> Option<Estimate> {
    let quantiles: Vec<Estimate> = points.iter().map(|point| quantile(&point.sample, level)).collect();
    let logs: Vec<f64> = quantiles.iter().map(|quantile| quantile.value.ln()).collect();
    let value = slope(points, &logs)?;
    let (mut below, mut above) = (0.0, 0.0);
    for (index, (quantile, log)) in quantiles.iter().zip(&logs).enumerate() {
        let mut unit = vec![0.0; points.len()];
        unit[index] = 1.0;
        let coefficient = slope(points, &unit)?;
        // A size in the middle may not count, up to rounding.
        if coefficient.abs() < 1e-12 {
            continue;
        }
        let (down, up) = (coefficient * (log - quantile.low.max(0.0).ln()), coefficient * (quantile.high.ln() - log));
        let (down, up) = if coefficient > 0.0 { (down, up) } else { (up, down) };
        below += down * down;
        above += up * up;
    }
    Some(Estimate { value, low: value - f64::sqrt(below), high: value + f64::sqrt(above) })
}

fn slope_with_interval(points: &[SizedSample], statistic: impl Fn(&[f64]) -> f64) -> Option<Estimate> {
    let slope_of = |sample: &mut dyn FnMut(&SizedSample) -> Vec<f64>| {
        let logs: Vec<f64> = points.iter().map(|point| statistic(&sample(point)).ln()).collect();
        slope(points, &logs)
    };
    let value = slope_of(&mut |point| point.sample.clone())?;
    let mut generator = generator();
    let draws = (0..RESAMPLES).filter_map(|_| slope_of(&mut |point| resample(&point.sample, &mut generator).copied().collect()));
    let draws: Vec<f64> = draws.collect();
    // Resamples without a slope could fall in either tail, so they must be fewer than a tail holds.
    let is_known = (RESAMPLES - draws.len()) as f64 <= SIDE * RESAMPLES as f64;
    is_known.then(|| interval(value, draws.into_iter()))
}

/// The common slope of `logs` against the logarithms of the sizes.
fn slope(points: &[SizedSample], logs: &[f64]) -> Option<f64> {
    let of_group = |group: usize| {
        let members = points.iter().zip(logs).filter(|(point, _)| point.group == group);
        members.map(|(point, log)| (point.size.ln(), *log)).collect()
    };
    common_slope(&distinct(points.iter().map(|point| point.group)).into_iter().map(of_group).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    /// 90 % quantiles of 100 exponential numbers times d^(−1/2) at three d. The bootstrap of so few is approximate: at least 178 of 200
    /// intervals, four standard errors below 95 %, must cover −1/2.
    #[test]
    fn the_interval_of_an_exponent_covers_it_nearly_as_often_as_it_says() {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(17);
        let mut exponential = || -((generator.next_u64() as f64 + 0.5) / 2_f64.powi(64)).ln();
        let covered = (0..200).filter(|_| {
            let point = |size: f64, exponential: &mut dyn FnMut() -> f64| SizedSample {
                group: 10,
                size,
                sample: (0..100).map(|_| exponential() / size.sqrt()).collect(),
            };
            let points = [50.0, 150.0, 500.0].map(|size| point(size, &mut exponential));
            let found = exponent(&points, |sample| sample_quantile(sample, 0.9)).unwrap();
            found.low <= -0.5 && -0.5 <= found.high
        });
        let covered = covered.count();
        assert!((178..=199).contains(&covered), "{covered} of 200");
    }

    /// 90 % quantiles of 40 exponential numbers, 4 of them beyond: the intervals of order statistics are conservative. At least 184 of 200 must
    /// cover −1/2 (95 % less two standard errors); the bootstrap of so few is not asked.
    #[test]
    fn small_samples_have_intervals_of_order_statistics_that_cover() {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(18);
        let mut exponential = || -((generator.next_u64() as f64 + 0.5) / 2_f64.powi(64)).ln();
        let covered = (0..200).filter(|_| {
            let points = [50.0, 150.0, 500.0_f64].map(|size| SizedSample {
                group: 10,
                size,
                sample: (0..40).map(|_| exponential() / size.sqrt()).collect(),
            });
            let found = exponent_of_quantile(&points, 0.9).unwrap();
            assert!(found.low.is_finite() && found.high.is_finite());
            found.low <= -0.5 && -0.5 <= found.high
        });
        let covered = covered.count();
        assert!(covered >= 184, "{covered} of 200");
    }

    #[test]
    fn samples_too_small_for_a_quantile_leave_its_exponent_open() {
        let point = |size: f64, count: u32| SizedSample {
            group: 10,
            size,
            sample: (1..=count).map(|i| (1.0 + 0.01 * f64::from(i)) / size).collect(),
        };
        // The upper limit of the quantile at the smaller size is ∞ with 20 networks (0.9^20 > 0.025): the slope may be arbitrarily steep.
        let open = exponent_of_quantile(&[point(10.0, 20), point(100.0, 60)], 0.9).unwrap();
        assert!(open.low == f64::NEG_INFINITY && open.high.is_finite(), "{open:?}");
        // With two sizes the limits are root sums of squares by hand.
        let points = [point(10.0, 60), point(100.0, 60)];
        let found = exponent_of_quantile(&points, 0.9).unwrap();
        let [first, second] = points.each_ref().map(|point| quantile(&point.sample, 0.9));
        let far = ((first.high / first.value).ln().hypot((second.value / second.low).ln())) / 10_f64.ln();
        assert!((found.value + 1.0).abs() < 1e-12 && (found.value - far - found.low).abs() < 1e-12, "{found:?}");
        // From ten networks beyond the quantile on it is the bootstrap.
        let ample = [point(10.0, 100), point(100.0, 100)];
        assert_eq!(exponent_of_quantile(&ample, 0.9), exponent(&ample, |sample| sample_quantile(sample, 0.9)));
    }

    #[test]
    fn exponents_of_power_laws_are_found() {
        let point = |group: usize, size: f64, factor: f64| {
            let sample = (0..50).map(|i| factor * size.powf(-0.5) * (1.0 + 0.01 * f64::from(i % 7))).collect();
            SizedSample { group, size, sample }
        };
        let points = [point(10, 10.0, 1.0), point(10, 100.0, 1.0), point(15, 20.0, 9.0), point(15, 50.0, 9.0)];
        let mean = |sample: &[f64]| sample.iter().sum::<f64>() / sample.len() as f64;
        let found = exponent(&points, mean).unwrap();
        assert!((found.value + 0.5).abs() < 1e-12 && found.low < -0.5 && found.high > -0.5 && found.high - found.low < 0.01);
        let with_small = [&points[..], &[point(10, 2.0, 5.0), point(2, 10.0, 1.0), point(2, 20.0, 3.0)]].concat();
        assert_eq!(exponent(&with_small, mean), Ok(found));
        assert!(exponent(&points[..1], mean).unwrap_err().contains("two sizes"));
        assert!([-1.0, 0.0, f64::INFINITY].iter().all(|&x| exponent(&points, |_| x).unwrap_err().contains("no logarithm")));
    }
}
