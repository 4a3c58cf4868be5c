//! Confidence intervals at 95 %, without assumptions on laws.

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF};

use super::Estimate;

/// Probability that an interval misses on one given side.
const SIDE: f64 = 0.025;

/// A probability from `hits` in `trials` (Clopper and Pearson 1934: the coverage is at least 95 %, whatever the probability).
pub fn probability(hits: u64, trials: u64) -> Estimate {
    let (x, n) = (hits as f64, trials as f64);
    let low = if hits == 0 { 0.0 } else { beta_quantile(x, n - x + 1.0, SIDE) };
    let high = if hits == trials { 1.0 } else { beta_quantile(x + 1.0, n - x, 1.0 - SIDE) };
    Estimate { value: x / n, low, high }
}

/// The quantile of Beta(a, b), by bisection.
fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    let beta = Beta::new(a, b).expect("both parameters are positive");
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        match beta.cdf(middle) < probability {
            true => low = middle,
            false => high = middle,
        }
    }
    0.5 * (low + high)
}

/// Fewest trials of which none may fail for [`probability`] to show that the failure probability is at most `gamma`.
pub fn trials_to_show(gamma: f64) -> u64 {
    (SIDE.ln() / (-gamma).ln_1p()).ceil() as u64
}

/// The quantile at `level` of the law of which `sample` is drawn: the order statistic ⌈n·level⌉, and two others around it whose ranks are
/// quantiles of the binomial law (David and Nagaraja, Order Statistics, section 7.1). An end that would need more networks is infinite.
pub fn quantile(sample: &[f64], level: f64) -> Estimate {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let below = Binomial::new(level, n as u64).expect("a level is a probability");
    // P(X_(r) ≤ q) = P(Bin ≥ r): the largest rank that is below the quantile but for SIDE, and the smallest that is above it.
    let low = last_rank(n, |rank| below.cdf(rank as u64 - 1) <= SIDE);
    let high = Some(last_rank(n, |rank| below.sf(rank as u64 - 1) > SIDE).unwrap_or(0) + 1).filter(|&rank| rank <= n);
    let at = |rank: usize| sorted[rank - 1];
    Estimate { value: at(rank_of(level, n)), low: low.map_or(f64::NEG_INFINITY, at), high: high.map_or(f64::INFINITY, at) }
}

/// The last rank from 1 to `n` of those that `is_so`, by bisection: so are all before it.
fn last_rank(n: usize, is_so: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut so, mut not) = (0, n + 1);
    while not - so > 1 {
        let middle = so + (not - so) / 2;
        match is_so(middle) {
            true => so = middle,
            false => not = middle,
        }
    }
    (so > 0).then_some(so)
}

/// The value of [`quantile`] alone, for the many samples of a bootstrap.
pub fn sample_quantile(sample: &[f64], level: f64) -> f64 {
    let mut sample = sample.to_vec();
    let rank = rank_of(level, sample.len());
    *sample.select_nth_unstable_by(rank - 1, f64::total_cmp).1
}

/// The rank from 1 of the order statistic ⌈n·level⌉.
fn rank_of(level: f64, n: usize) -> usize {
    ((n as f64 * level - 1e-9).ceil() as usize).clamp(1, n)
}

/// A sample at one size, for [`exponent`].
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Points of different groups (such as widths) may lie on different lines, which all have the same slope.
    pub group: usize,
    /// The size, such as d.
    pub size: f64,
    /// The number of each network.
    pub sample: Vec<f64>,
}

/// The exponent e in statistic ~ size^e: the common slope of log statistic against log size, by least squares in each group. Its interval
/// has the percentiles 2.5 and 97.5 of 1000 bootstrap samples of the networks at each point.
///
/// Exponents are of large sizes: points of groups and sizes below 10 are left out.
///
/// # Errors
/// Why there is none: no group has two sizes, or a statistic has no logarithm.
pub fn exponent(points: &[Point], statistic: impl Fn(&[f64]) -> f64) -> Result<Estimate, &'static str> {
    if comparable(points).next().is_none() {
        return Err("there are not two sizes to compare at d and k of 10 or more");
    }
    let points: Vec<Point> = points.iter().filter(|point| is_large(point)).cloned().collect();
    bootstrap(&points, statistic).ok_or("the number is 0 or infinite at some size, and has no logarithm")
}

/// The points that tell an exponent: of 10 or more in size and group, with another size in their group.
pub fn comparable(points: &[Point]) -> impl Iterator<Item = &Point> {
    points.iter().filter(|point| {
        let is_other = |other: &&Point| is_large(other) && other.group == point.group && other.size != point.size;
        is_large(point) && points.iter().any(|other| is_other(&other))
    })
}

fn is_large(point: &Point) -> bool {
    const LEAST: usize = 10;
    point.group >= LEAST && point.size >= LEAST as f64
}

fn bootstrap(points: &[Point], statistic: impl Fn(&[f64]) -> f64) -> Option<Estimate> {
    const RESAMPLES: usize = 1000;
    let logs: Vec<f64> = points.iter().map(|point| statistic(&point.sample).ln()).collect();
    let value = slope(points, &logs)?;
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(0x0e_c0_de);
    let mut resampled = |sample: &[f64]| -> Vec<f64> {
        let index = |random: u64| ((u128::from(random) * sample.len() as u128) >> 64) as usize;
        (0..sample.len()).map(|_| sample[index(generator.next_u64())]).collect()
    };
    let slopes = (0..RESAMPLES).filter_map(|_| {
        let logs: Vec<f64> = points.iter().map(|point| statistic(&resampled(&point.sample)).ln()).collect();
        slope(points, &logs)
    });
    let mut slopes: Vec<f64> = slopes.collect();
    // Those without a slope might lie on either side.
    if ((RESAMPLES - slopes.len()) as f64) > SIDE * RESAMPLES as f64 {
        return None;
    }
    slopes.sort_by(f64::total_cmp);
    let at = |level: f64| slopes[((slopes.len() as f64 * level) as usize).min(slopes.len() - 1)];
    Some(Estimate { value, low: at(SIDE), high: at(1.0 - SIDE) })
}

/// The common slope of `logs` against the logarithms of the sizes.
fn slope(points: &[Point], logs: &[f64]) -> Option<f64> {
    let mut groups: Vec<usize> = points.iter().map(|point| point.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let (mut xy, mut xx) = (0.0, 0.0);
    for group in groups {
        let members =
            || points.iter().zip(logs).filter(|(point, _)| point.group == group).map(|(point, log)| (point.size.ln(), log));
        let count = members().count() as f64;
        let (mean_x, mean_y) = (members().map(|(x, _)| x).sum::<f64>() / count, members().map(|(_, y)| y).sum::<f64>() / count);
        for (x, y) in members() {
            xy += (x - mean_x) * (y - mean_y);
            xx += (x - mean_x).powi(2);
        }
    }
    let slope = xy / xx;
    slope.is_finite().then_some(slope)
}

#[cfg(test)]
mod tests {
    use statrs::distribution::Discrete;

    use super::*;

    #[test]
    fn probabilities_have_the_published_intervals() {
        // 0 of n has the closed form 1 − 0.025^(1/n); 10 of 100 is in every table: 0.0490 to 0.1762.
        let none = probability(0, 100);
        assert_eq!((none.value, none.low), (0.0, 0.0));
        assert!((none.high - (1.0 - 0.025_f64.powf(0.01))).abs() < 1e-10);
        let ten = probability(10, 100);
        assert!((ten.low - 0.0490).abs() < 1e-4 && (ten.high - 0.1762).abs() < 1e-4, "{ten:?}");
        let all = probability(7, 7);
        assert!(all.high == 1.0 && (all.low - 0.025_f64.powf(1.0 / 7.0)).abs() < 1e-10);
    }

    #[test]
    fn enough_trials_show_a_small_probability_and_one_fewer_do_not() {
        for gamma in [0.2, 0.1, 0.01] {
            let trials = trials_to_show(gamma);
            assert!(probability(0, trials).high <= gamma && probability(0, trials - 1).high > gamma, "{gamma}: {trials}");
        }
    }

    #[test]
    fn quantiles_are_order_statistics() {
        let sample: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        // For n = 100, p = 1/2 the textbook ranks are 40 and 61.
        assert_eq!(quantile(&sample, 0.5), Estimate { value: 50.0, low: 40.0, high: 61.0 });
        let tail = quantile(&sample, 0.99);
        assert_eq!((tail.value, tail.high), (99.0, f64::INFINITY));
        assert_eq!(quantile(&sample, 0.01).low, f64::NEG_INFINITY);
        assert!([0.01, 0.5, 0.905, 0.99].iter().all(|&level| sample_quantile(&sample, level) == quantile(&sample, level).value));
    }

    #[test]
    fn the_interval_of_a_quantile_covers_it_as_often_as_it_says() {
        // Uniform numbers, n = 60, level 0.9: the true quantile is 0.9. Of 4000 intervals 5 % or fewer miss; 6.1 % is 3 standard errors more.
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut uniform = || generator.next_u64() as f64 / 2_f64.powi(64);
        let missed = (0..4000).filter(|_| {
            let sample: Vec<f64> = (0..60).map(|_| uniform()).collect();
            let Estimate { low, high, .. } = quantile(&sample, 0.9);
            low > 0.9 || high < 0.9
        });
        assert!(missed.count() < 244);
    }

    /// The probability that the interval of Clopper and Pearson covers p, summed over all counts: at least 95 %, and not much more where n is large.
    #[test]
    fn the_interval_of_a_probability_covers_it_as_often_as_it_says() {
        for (n, most) in [(1, 1.0), (20, 0.995), (300, 0.97)] {
            let intervals: Vec<Estimate> = (0..=n).map(|hits| probability(hits, n)).collect();
            for p in [0.013, 0.1, 0.31, 0.5, 0.97] {
                let law = Binomial::new(p, n).unwrap();
                let covers = |hits: &u64| (intervals[*hits as usize].low..=intervals[*hits as usize].high).contains(&p);
                let coverage: f64 = (0..=n).filter(covers).map(|hits| law.pmf(hits)).sum();
                assert!(coverage >= 0.95, "{p} of {n}: {coverage}");
                assert!(coverage <= most || !(0.05..0.95).contains(&p), "{p} of {n}: {coverage}");
            }
        }
    }

    /// Quantiles at 0.9 of 100 exponential numbers times d^(−1/2) at three d. A bootstrap of so few is not exact: of 200 intervals
    /// 178 or more are to cover −1/2, four standard errors below 95 %.
    #[test]
    fn the_interval_of_an_exponent_covers_it_nearly_as_often_as_it_says() {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(17);
        let mut exponential = || -((generator.next_u64() as f64 + 0.5) / 2_f64.powi(64)).ln();
        let covered = (0..200).filter(|_| {
            let point = |size: f64, exponential: &mut dyn FnMut() -> f64| Point {
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

    /// Tails of many networks are found without walking through the ranks, and are those of the walk.
    #[test]
    fn ranks_are_those_of_a_walk() {
        for n in [1, 2, 10, 117, 400] {
            let sample: Vec<f64> = (1..=n).map(f64::from).collect();
            for level in [1e-12, 0.01, 0.3, 0.9, 0.999, 1.0 - 1e-12] {
                let below = Binomial::new(level, n.try_into().unwrap()).unwrap();
                let low = (1..=n).rev().find(|&rank| below.cdf(rank as u64 - 1) <= SIDE);
                let high = (1..=n).find(|&rank| below.sf(rank as u64 - 1) <= SIDE);
                let found = quantile(&sample, level);
                assert_eq!(found.low, low.map_or(f64::NEG_INFINITY, f64::from), "{level} of {n}");
                assert_eq!(found.high, high.map_or(f64::INFINITY, f64::from), "{level} of {n}");
            }
        }
    }

    #[test]
    fn exponents_of_power_laws_are_found() {
        let point = |group: usize, size: f64, factor: f64| {
            let sample = (0..50).map(|i| factor * size.powf(-0.5) * (1.0 + 0.01 * f64::from(i % 7))).collect();
            Point { group, size, sample }
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
