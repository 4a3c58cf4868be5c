//! The percentile bootstrap (Efron & Tibshirani 1993, section 13.3) with a fixed seed.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::moments::quantile;
use super::{Estimate, SIDE};

/// Bootstrap resamples per estimate.
pub const RESAMPLES: usize = 1000;

/// The generator of all resampling, with its fixed seed.
pub fn generator() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(0x0e_c0_de)
}

/// `sample.len()` members of `sample`, drawn with replacement.
pub fn resample<'s, T>(sample: &'s [T], generator: &mut Xoshiro256PlusPlus) -> impl Iterator<Item = &'s T> {
    (0..sample.len()).map(move |_| &sample[generator.random_range(0..sample.len())])
}

/// `value` with the 2.5 and 97.5 percentiles of the statistic over resamples, `draws`. Draws may be infinite; without any, the limits are NaN.
pub fn interval(value: f64, draws: impl Iterator<Item = f64>) -> Estimate {
    let mut draws: Vec<f64> = draws.collect();
    draws.sort_by(f64::total_cmp);
    Estimate { value, low: quantile(&draws, SIDE), high: quantile(&draws, 1.0 - SIDE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of 400 numbers 0 or 1: ±1.96 · 0.5/√400.
    #[test]
    fn the_interval_of_a_mean_is_that_of_its_standard_error() {
        let sample: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let mut generator = generator();
        let draws = (0..RESAMPLES).map(|_| resample(&sample, &mut generator).sum::<f64>() / 400.0);
        let Estimate { value, low, high } = interval(0.5, draws);
        assert!(value == 0.5 && (low - 0.451).abs() < 0.006 && (high - 0.549).abs() < 0.006, "{low} {high}");
    }
}
