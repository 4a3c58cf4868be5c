//! A probability from clusters of trials: inputs of one network share its weights and are not independent.

use rand_xoshiro::Xoshiro256PlusPlus;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::bootstrap::resample;
use super::interval::probability_of;
use super::moments::clustered_error;
use super::{Estimate, SIDE};

/// Hits in clusters of `size` trials each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// By cluster, each at most `size`.
    pub hits: Vec<u32>,
    /// Trials of a cluster.
    pub size: u32,
}

impl Clusters {
    /// The fraction of hits.
    pub fn fraction(&self) -> f64 {
        self.fraction_of(self.hits.iter())
    }

    /// The fraction of a resample of the clusters.
    pub fn resampled(&self, generator: &mut Xoshiro256PlusPlus) -> f64 {
        self.fraction_of(resample(&self.hits, generator))
    }

    /// The fraction in as many clusters as there are.
    fn fraction_of<'a>(&self, hits: impl Iterator<Item = &'a u32>) -> f64 {
        hits.map(|&hits| u64::from(hits)).sum::<u64>() as f64 / (self.hits.len() as f64 * f64::from(self.size))
    }

    /// Whether some trial is not a hit.
    pub fn has_miss(&self) -> bool {
        self.hits.iter().any(|&hits| hits < self.size)
    }

    /// The probability of a hit. Each limit is exceeded with a probability of at most [`SIDE`], about: the interval of Korn & Graubard (1998,
    /// Survey Methodology 24, 193), which is that of Clopper & Pearson for the effective number of trials
    ///
    /// ```text
    /// n* = p(1 − p)/s.e.(p)² · (t(n − 1)/t(f − 1))²,
    /// ```
    ///
    /// where s.e. treats clusters as the sample ([`clustered_error`]), n is the number of trials and t(ν) the 97.5 % quantile of Student's law.
    /// In place of their degrees of freedom (clusters less 1) stand those of the rarer outcome: f clusters have it, and the variance is
    /// estimated from these. n* is at least the number of clusters, for they are independent, and exactly that if all trials or none are
    /// hits; the interval is then one-sided.
    pub fn interval(&self) -> Estimate {
        let clusters = self.hits.len() as f64;
        let trials = clusters * f64::from(self.size);
        let value = self.fraction();
        let with = |is: fn(u32, u32) -> bool| self.hits.iter().filter(|&&hits| is(hits, self.size)).count();
        let rarer = with(|hits, _| hits > 0).min(with(|hits, size| hits < size));
        let effective = match rarer {
            0 | 1 => clusters,
            _ => {
                let error = clustered_error(self.hits.iter().map(|&hits| (u64::from(self.size), f64::from(hits))));
                let ratio = student(trials - 1.0) / student(rarer as f64 - 1.0);
                (value * (1.0 - value) / (error * error) * ratio * ratio).clamp(clusters, trials)
            }
        };
        Estimate { value, ..probability_of(value * effective, effective) }
    }
}

/// Fewest clusters, all trials of them hits, for which [`Clusters::interval`] has a lower limit of at least `level`.
pub fn clusters_to_show(level: f64) -> usize {
    (SIDE.ln() / level.ln()).ceil() as usize
}

/// The quantile of Student's law at 1 − [`SIDE`].
fn student(freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).expect("the degrees of freedom are positive").inverse_cdf(1.0 - SIDE)
}

#[cfg(test)]
pub mod tests {
    use rand::{Rng, RngExt};
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;
    use crate::stats::interval::probability;

    /// `clusters` of `size` trials that hit with a probability drawn from the beta law of mean `p` and intraclass correlation `rho`.
    pub fn beta_binomial(p: f64, rho: f64, clusters: usize, size: u32, generator: &mut impl Rng) -> Clusters {
        let (a, b) = (p * (1.0 / rho - 1.0), (1.0 - p) * (1.0 / rho - 1.0));
        let hits = |_| {
            let (x, y) = (log_gamma_variate(a, generator), log_gamma_variate(b, generator));
            let p = 1.0 / (1.0 + (y - x).exp());
            (0..size).filter(|_| generator.random::<f64>() < p).count() as u32
        };
        Clusters { hits: (0..clusters).map(hits).collect(), size }
    }

    /// The logarithm of a gamma variate of this shape (Marsaglia & Tsang 2000; logarithms, for small shapes underflow).
    fn log_gamma_variate(shape: f64, generator: &mut impl Rng) -> f64 {
        if shape < 1.0 {
            let uniform = 1.0 - generator.random::<f64>();
            return log_gamma_variate(shape + 1.0, generator) + uniform.ln() / shape;
        }
        let d = shape - 1.0 / 3.0;
        loop {
            let angle = std::f64::consts::TAU * generator.random::<f64>();
            let normal = (-2.0 * (1.0 - generator.random::<f64>()).ln()).sqrt() * angle.cos();
            let v = (1.0 + normal / (9.0 * d).sqrt()).powi(3);
            if v > 0.0 && (1.0 - generator.random::<f64>()).ln() < 0.5 * normal * normal + d - d * v + d * v.ln() {
                return d.ln() + v.ln();
            }
        }
    }

    #[test]
    fn without_a_miss_the_clusters_are_the_trials() {
        let all = Clusters { hits: vec![50; 100], size: 50 }.interval();
        assert_eq!((all.value, all.high), (1.0, 1.0));
        assert!((all.low - SIDE.powf(0.01)).abs() < 1e-9, "{all:?}");
        let none = Clusters { hits: vec![0; 100], size: 50 }.interval();
        assert!(none.low == 0.0 && (none.high - (1.0 - SIDE.powf(0.01))).abs() < 1e-9, "{none:?}");
        for level in [0.5, 0.9, 0.99, 0.999] {
            let clusters = clusters_to_show(level);
            let low = |clusters| Clusters { hits: vec![3; clusters], size: 3 }.interval().low;
            assert!(low(clusters) >= level - 1e-9 && low(clusters - 1) < level, "{level}: {clusters}");
        }
        assert_eq!(clusters_to_show(0.99), 368);
    }

    /// One miss more never makes the lower limit better: a rare failure of whole networks may hide behind few misses.
    #[test]
    fn a_miss_does_not_raise_the_lower_limit() {
        for clusters in [20, 100, 400] {
            let low = |misses: usize| {
                let hits = (0..clusters).map(|cluster| 100 - u32::from(cluster < misses)).collect();
                Clusters { hits, size: 100 }.interval().low
            };
            assert!(low(1) <= low(0), "{clusters}");
        }
    }

    /// Trials of clusters of one are independent: the interval of Clopper and Pearson, a little wider for its degrees of freedom.
    #[test]
    fn clusters_of_one_are_trials() {
        let hits: Vec<u32> = (0..400).map(|trial| u32::from(trial % 4 != 0)).collect();
        let (found, expected) = (Clusters { hits, size: 1 }.interval(), probability(300, 400));
        assert!((found.low - expected.low).abs() < 2e-3 && (found.high - expected.high).abs() < 2e-3, "{found:?} {expected:?}");
        assert!(found.low <= expected.low && found.high >= expected.high);
    }

    /// Clusters that are all or nothing count once each.
    #[test]
    fn trials_of_equal_clusters_count_once() {
        let hits: Vec<u32> = (0..400).map(|cluster| if cluster % 4 == 0 { 0 } else { 30 }).collect();
        let (found, expected) = (Clusters { hits, size: 30 }.interval(), probability(300, 400));
        assert!((found.low - expected.low).abs() < 2e-3 && (found.high - expected.high).abs() < 2e-3, "{found:?} {expected:?}");
    }

    /// Coverage by simulation: each side misses in at most 2.5 % of 2000 samples; 3.6 % is 3.2 standard errors more.
    #[test]
    fn each_limit_is_exceeded_as_rarely_as_it_says() {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(11);
        for (p, rho, clusters) in [(0.99, 0.05, 100), (0.99, 0.3, 100), (0.99, 0.1, 400), (0.9, 0.2, 60), (0.5, 0.5, 30)] {
            let samples = 2000;
            let (mut above, mut below) = (0, 0);
            for _ in 0..samples {
                let Estimate { low, high, .. } = beta_binomial(p, rho, clusters, 30, &mut generator).interval();
                above += usize::from(low > p);
                below += usize::from(high < p);
            }
            let most = samples * 36 / 1000;
            assert!(above <= most && below <= most, "{p}, correlation {rho}, {clusters}: {above} and {below} of {samples}");
        }
    }
}
