//! Statistics of one cell, from the records of its networks.
//!
//! Inputs of one network share its weights, so they are correlated, strongly so at depth 2 and more. Every spread therefore comes
//! twice: over the pooled samples (the paper's band), and over the per-network means (`*_std_networks`), which is the one that gives
//! standard errors: std_networks / √networks.

use crate::unit::{Sample, Status, UnitRecord};

/// The summary of a cell. A statistic of no samples is NaN. Standard deviations have the divisor n − 1, and are NaN at n = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Fraction of all inputs whose sign was switched within the bound (Figure 1).
    pub fraction: f64,
    /// Std over networks of the per-network fraction.
    pub fraction_std_networks: f64,
    /// Number of dead inputs: f(x) = 0 or ∇f(x) = 0.
    pub dead: u64,
    /// Mean of η* over the inputs found (Figures 2a–7a).
    pub step_mean: f64,
    pub step_std: f64,
    /// Std of the per-network means of η*, over the networks with an input found.
    pub step_std_networks: f64,
    /// Quantiles of η* over the inputs found, linearly interpolated between order statistics (Hyndman & Fan's type 7, NumPy's default).
    pub step_q05: f64,
    pub step_q50: f64,
    pub step_q95: f64,
    /// Mean of ‖∇f(x)‖ over all inputs (Figures 2b–7b).
    pub grad_mean: f64,
    pub grad_std: f64,
    pub grad_std_networks: f64,
    /// Mean of f(x) over all inputs.
    pub value_mean: f64,
    pub value_std: f64,
    /// Mean work of the search, an input; see [`Sample::evaluations`].
    pub evaluations: f64,
    /// Thread-seconds of all networks together.
    pub seconds: f64,
}

impl Summary {
    /// Summarises the records of one cell, in network order.
    pub fn of(records: &[UnitRecord]) -> Self {
        let found = |sample: &Sample| sample.status.is_found().then_some(sample.step);
        let steps = Spread::of(records, found);
        let fraction = Spread::of(records, |sample| Some(f64::from(u8::from(sample.status.is_found()))));
        let gradient = Spread::of(records, |sample| Some(sample.gradient_norm));
        let value = Spread::of(records, |sample| Some(sample.value));
        let mut sorted: Vec<f64> = samples(records).filter_map(found).collect();
        sorted.sort_by(f64::total_cmp);
        Self {
            fraction: fraction.mean,
            fraction_std_networks: fraction.std_networks,
            dead: samples(records).filter(|sample| sample.status == Status::Dead).count() as u64,
            step_mean: steps.mean,
            step_std: steps.std,
            step_std_networks: steps.std_networks,
            step_q05: quantile(&sorted, 0.05),
            step_q50: quantile(&sorted, 0.50),
            step_q95: quantile(&sorted, 0.95),
            grad_mean: gradient.mean,
            grad_std: gradient.std,
            grad_std_networks: gradient.std_networks,
            value_mean: value.mean,
            value_std: value.std,
            evaluations: mean(samples(records).map(|sample| f64::from(sample.evaluations))),
            seconds: records.iter().map(|record| record.seconds).sum(),
        }
    }
}

/// Mean and both standard deviations of one quantity.
struct Spread {
    mean: f64,
    /// Over the pooled samples.
    std: f64,
    /// Over the per-network means.
    std_networks: f64,
}

impl Spread {
    /// The spread of `quantity` over the samples for which it is there.
    fn of(records: &[UnitRecord], quantity: impl Fn(&Sample) -> Option<f64> + Copy) -> Self {
        let pooled: Vec<f64> = samples(records).filter_map(quantity).collect();
        let means = records.iter().map(|record| mean(record.samples.iter().filter_map(quantity)));
        let means: Vec<f64> = means.filter(|mean| !mean.is_nan()).collect();
        Self { mean: mean(pooled.iter().copied()), std: std(&pooled), std_networks: std(&means) }
    }
}

fn samples(records: &[UnitRecord]) -> impl Iterator<Item = &Sample> {
    records.iter().flat_map(|record| &record.samples)
}

/// The mean; NaN of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0_u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    sum / count as f64
}

/// The standard deviation with divisor n − 1, in two passes; NaN for fewer than two values.
fn std(values: &[f64]) -> f64 {
    let mean = mean(values.iter().copied());
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if values.len() < 2 { f64::NAN } else { (squares / (values.len() - 1) as f64).sqrt() }
}

/// The quantile at `level` of ascending values; NaN of nothing.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = level * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Unit;

    fn record(network: usize, steps: &[Option<f64>]) -> UnitRecord {
        let sample = |(index, step): (usize, &Option<f64>)| Sample {
            step: step.unwrap_or(f64::NAN),
            gradient_norm: (network + 1) as f64,
            value: if index % 2 == 0 { 1.0 } else { -1.0 },
            status: if step.is_some() { Status::FoundExact } else { Status::NoneWithinBound },
            evaluations: 2,
        };
        UnitRecord { unit: Unit { cell: 0, network }, samples: steps.iter().enumerate().map(sample).collect(), seconds: 0.5 }
    }

    #[test]
    fn two_networks_by_hand() {
        let summary =
            Summary::of(&[record(0, &[Some(1.0), Some(2.0), None, Some(6.0)]), record(1, &[Some(5.0), None, None, None])]);
        assert_eq!(summary.fraction, 0.5);
        // Per-network fractions 3/4 and 1/4, means of η* 3 and 5.
        assert!((summary.fraction_std_networks - 0.125_f64.sqrt()).abs() < 1e-15);
        assert_eq!(summary.step_mean, 3.5);
        assert!((summary.step_std - (17.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((summary.step_std_networks - 2.0_f64.sqrt()).abs() < 1e-15);
        // Ascending 1 2 5 6: the median is halfway, the 5 % quantile at position 0.15.
        assert_eq!(summary.step_q50, 3.5);
        assert!((summary.step_q05 - 1.15).abs() < 1e-15);
        assert!((summary.step_q95 - 5.85).abs() < 1e-15);
        assert_eq!(summary.grad_mean, 1.5);
        assert!((summary.grad_std - (2.0_f64 / 7.0).sqrt()).abs() < 1e-15);
        assert!((summary.grad_std_networks - 0.5_f64.sqrt()).abs() < 1e-15);
        assert_eq!((summary.value_mean, summary.evaluations, summary.seconds, summary.dead), (0.0, 2.0, 1.0, 0));
    }

    #[test]
    fn nothing_found_has_no_step() {
        let summary = Summary::of(&[record(0, &[None, None])]);
        assert_eq!(summary.fraction, 0.0);
        let steps = [summary.step_mean, summary.step_std, summary.step_std_networks, summary.step_q05, summary.step_q95];
        assert!(steps.iter().all(|statistic| statistic.is_nan()));
        assert!(summary.fraction_std_networks.is_nan(), "one network has no spread");
        assert_eq!(summary.grad_std, 0.0);
    }

    #[test]
    fn one_sample_has_a_mean_and_no_spread() {
        let summary = Summary::of(&[record(0, &[Some(4.0)])]);
        assert_eq!((summary.step_mean, summary.step_q05, summary.step_q95), (4.0, 4.0, 4.0));
        assert!(summary.step_std.is_nan() && summary.grad_std.is_nan());
    }

    #[test]
    fn dead_inputs_are_counted_apart() {
        let mut dead = record(0, &[None, None, Some(1.0)]);
        dead.samples[0] = Sample { status: Status::Dead, gradient_norm: 0.0, value: 0.0, ..dead.samples[0] };
        let summary = Summary::of(&[dead]);
        assert_eq!(summary.dead, 1);
        assert!((summary.fraction - 1.0 / 3.0).abs() < 1e-15, "dead inputs count as not switched");
        assert!((summary.grad_mean - 2.0 / 3.0).abs() < 1e-15, "all inputs have a gradient");
    }
}
