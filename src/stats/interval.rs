//! Distribution-free 95 % confidence intervals.

use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF};

use super::{Estimate, SIDE};

/// A probability from `hits` in `trials` (Clopper & Pearson 1934: coverage is at least 95 % at every probability).
pub fn probability(hits: u64, trials: u64) -> Estimate {
    probability_of(hits as f64, trials as f64)
}

/// As [`probability`], for effective numbers of hits and trials, which need not be whole.
pub fn probability_of(hits: f64, trials: f64) -> Estimate {
    let low = if hits <= 0.0 { 0.0 } else { beta_quantile(hits, trials - hits + 1.0, SIDE) };
    let high = if hits >= trials { 1.0 } else { beta_quantile(hits + 1.0, trials - hits, 1.0 - SIDE) };
    Estimate { value: hits / trials, low, high }
}

fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    Beta::new(a, b).expect("both parameters are positive").inverse_cdf(probability)
}

/// Fewest trials, without a failure, for which [`probability`] shows a failure probability of at most `gamma`.
pub fn trials_to_show(gamma: f64) -> u64 {
    (SIDE.ln() / (-gamma).ln_1p()).ceil() as u64
}

/// The population quantile at `level`: order statistic ⌈n·level⌉, with a confidence interval between order statistics whose ranks are binomial
/// quantiles (David & Nagaraja, Order Statistics, section 7.1). A limit is infinite if the sample is too small for it.
pub fn quantile(sample: &[f64], level: f64) -> Estimate {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let below = Binomial::new(level, n as u64).expect("a level is a probability");
    // P(X_(r) ≤ q) = P(Bin(n, level) ≥ r): the largest rank with P(X_(r) > q) ≤ SIDE and the smallest with P(X_(r) ≤ q) ≤ SIDE.
    let low = last_rank(n, |rank| below.cdf(rank as u64 - 1) <= SIDE);
    let high = Some(last_rank(n, |rank| below.sf(rank as u64 - 1) > SIDE).unwrap_or(0) + 1).filter(|&rank| rank <= n);
    let at = |rank: usize| sorted[rank - 1];
    Estimate { value: at(rank_of(level, n)), low: low.map_or(f64::NEG_INFINITY, at), high: high.map_or(f64::INFINITY, at) }
}

/// The last rank in 1..=n with `is_so`, which holds for all ranks before it, by bisection.
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

/// The value of [`quantile`] without its interval, in O(n): for bootstraps.
pub fn sample_quantile(sample: &[f64], level: f64) -> f64 {
    let mut sample = sample.to_vec();
    let rank = rank_of(level, sample.len());
    *sample.select_nth_unstable_by(rank - 1, f64::total_cmp).1
}

/// ⌈n·level⌉, in 1..=n.
fn rank_of(level: f64, n: usize) -> usize {
    ((n as f64 * level - 1e-9).ceil() as usize).clamp(1, n)
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;
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
        // Uniform numbers, n = 60, level 0.9: the true quantile is 0.9. At most 5 % of 4000 intervals miss; 6.1 % is 3 standard errors more.
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut uniform = || generator.next_u64() as f64 / 2_f64.powi(64);
        let missed = (0..4000).filter(|_| {
            let sample: Vec<f64> = (0..60).map(|_| uniform()).collect();
            let Estimate { low, high, .. } = quantile(&sample, 0.9);
            low > 0.9 || high < 0.9
        });
        assert!(missed.count() < 244);
    }

    /// Exact coverage of the Clopper–Pearson interval, summed over all counts: at least 95 %, and not much more at large n.
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

    /// Bisection finds the same ranks as a linear search.
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
}
