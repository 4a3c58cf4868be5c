//! Chi-squared variates in f64, bitwise the same on every machine.

use rand::Rng;
use rand::distr::{Distribution, Open01};

use super::normal::StandardNormal;

/// The chi-squared distribution.
///
/// One degree of freedom: a squared normal. More: twice a gamma variate of shape a = degrees/2 ≥ 1 by Marsaglia & Tsang (2000): with
/// D = a − 1/3, V = (1 + N/(3√D))³ is accepted with the probability that makes D·V gamma.
#[derive(Debug, Clone, Copy)]
pub struct ChiSquared {
    degrees: usize,
}

impl ChiSquared {
    /// The distribution with `degrees` ≥ 1 degrees of freedom.
    pub fn new(degrees: usize) -> Self {
        assert!(degrees > 0, "a sum of squares has terms");
        Self { degrees }
    }
}

impl Distribution<f64> for ChiSquared {
    fn sample<R: Rng + ?Sized>(&self, random: &mut R) -> f64 {
        if self.degrees == 1 {
            let normal = StandardNormal.sample(random);
            return normal * normal;
        }
        let d = self.degrees as f64 / 2.0 - 1.0 / 3.0;
        let scale = 1.0 / (9.0 * d).sqrt();
        loop {
            let normal = StandardNormal.sample(random);
            let root = 1.0 + scale * normal;
            if root <= 0.0 {
                continue;
            }
            let (v, square) = (root * root * root, normal * normal);
            let u: f64 = Open01.sample(random);
            // The squeeze test avoids the logarithms.
            if u < 1.0 - 0.0331 * square * square || libm::log(u) < 0.5 * square + d * (1.0 - v + libm::log(v)) {
                return 2.0 * d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;
    use statrs::distribution::ContinuousCDF;

    use super::*;

    /// Kolmogorov–Smirnov statistic against the CDF of statrs, in units of 1/√n.
    #[test]
    fn numbers_have_the_law() {
        for degrees in [1, 2, 3, 9, 99, 999] {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(degrees as u64);
            let mut numbers: Vec<f64> = ChiSquared::new(degrees).sample_iter(&mut random).take(20_000).collect();
            numbers.sort_by(f64::total_cmp);
            let law = statrs::distribution::ChiSquared::new(degrees as f64).unwrap();
            let count = numbers.len() as f64;
            let off = |(i, x): (usize, &f64)| (law.cdf(*x) - (i as f64 + 0.5) / count).abs();
            let farthest = numbers.iter().enumerate().map(off).fold(0.0, f64::max) * count.sqrt();
            assert!(farthest < 1.95, "{degrees} degrees of freedom: {farthest}"); // critical value at p = 0.001
        }
    }
}
