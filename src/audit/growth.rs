//! Growth with d and k, for statements that give an order without constants.

use super::claim::Exponent;
use super::{Claim, Entry, Measured};
use crate::stats::exponent::{self, SizedSample};

/// Two entries: the exponents in d (at equal k) and in k (at equal d) of the quantile at `level` of column `column`.
pub fn entries(all: &[Measured], gamma: f64, quantity: &str, column: usize, level: f64, claimed: Exponent) -> Vec<Entry> {
    let (dim, width) = (|measured: &Measured| measured.setting.dim, |measured: &Measured| measured.setting.width);
    let exponent = |group: fn(&Measured) -> usize, size: fn(&Measured) -> usize, name: &str| {
        let point = |measured: &Measured| SizedSample {
            group: group(measured),
            size: size(measured) as f64,
            sample: measured.column(column),
        };
        let points: Vec<SizedSample> = all.iter().map(point).collect();
        let claim = Claim::across(all, &points, gamma, quantity).part(format!("exponent in {name}"));
        claim.exponent(exponent::exponent_of_quantile(&points, level), claimed)
    };
    vec![exponent(width, dim, "d"), exponent(dim, width, "k")]
}
