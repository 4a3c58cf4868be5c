//! Statistics: means and spreads, intervals, bootstrap and slopes. One of each, with its source.

pub mod bootstrap;
pub mod exponent;
pub mod interval;
pub mod moments;
pub mod slope;

/// A number and its 95 % interval, whose ends may be infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    /// −∞ where the sample is too small for a lower end.
    pub low: f64,
    /// ∞ where it is too small for an upper end.
    pub high: f64,
}

impl Estimate {
    pub const NONE: Estimate = Estimate { value: f64::NAN, low: f64::NAN, high: f64::NAN };
}

/// The values, ascending, each once.
pub fn distinct<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// The 95 % confidence of intervals leaves this probability on either side.
pub const SIDE: f64 = 0.025;
