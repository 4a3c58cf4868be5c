//! Statistics: moments and standard errors, confidence intervals, bootstrap, slopes and exponents, each with its source.

pub mod bootstrap;
pub mod clusters;
pub mod crossing;
pub mod exponent;
pub mod interval;
pub mod moments;
pub mod slope;

/// An estimate with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    /// −∞ if the sample is too small for a lower limit.
    pub low: f64,
    /// ∞ if the sample is too small for an upper limit.
    pub high: f64,
}

impl Estimate {
    pub const NONE: Estimate = Estimate { value: f64::NAN, low: f64::NAN, high: f64::NAN };
}

/// The distinct values, ascending.
pub fn distinct<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// Probability in each tail outside a two-sided 95 % interval.
pub const SIDE: f64 = 0.025;
