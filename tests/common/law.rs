//! Tests of laws: p-values of what was drawn against what should have been.

use statrs::distribution::{ContinuousCDF, Normal};

/// P(K > x) for Kolmogorov's K.
fn kolmogorov_tail(x: f64) -> f64 {
    if x < 0.3 {
        return 1.0;
    }
    (1..=100).map(f64::from).map(|j| (-2.0 * j * j * x * x).exp() * if j % 2.0 == 1.0 { 2.0 } else { -2.0 }).sum()
}

/// p-value of `sample` as iid from the law with distribution function `cdf` (Kolmogorov–Smirnov, asymptotic).
pub fn one_sample(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let gap = |(i, &x): (usize, &f64)| (cdf(x) - i as f64 / n).abs().max((cdf(x) - (i + 1) as f64 / n).abs());
    let distance = sample.iter().enumerate().map(gap).fold(0.0, f64::max);
    kolmogorov_tail(distance * n.sqrt())
}

/// p-value of two samples as iid from one law (Kolmogorov–Smirnov, asymptotic; conservative where the law has atoms).
pub fn two_samples(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let below = |sample: &[f64], x: f64| sample.partition_point(|&y| y <= x) as f64 / sample.len() as f64;
    let distance = a.iter().chain(&b).map(|&x| (below(&a, x) - below(&b, x)).abs()).fold(0.0, f64::max);
    let n = (a.len() * b.len()) as f64 / (a.len() + b.len()) as f64;
    kolmogorov_tail(distance * n.sqrt())
}

/// Two-sided p-value of a standard normal.
pub fn two_sided(z: f64) -> f64 {
    2.0 * Normal::standard().cdf(-z.abs())
}
