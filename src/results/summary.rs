//! Statistics of one cell.
//!
//! Inputs of one network share its weights and are correlated, strongly so from depth 2 on. So spreads are given over the pooled samples (the
//! paper's band) and over the per-network means (`*_std_networks`), and standard errors (`*_se`) treat networks as clusters. Definitions are in
//! [`moments`](crate::stats::moments).

use crate::record::{Sample, Status, UnitRecord};
use crate::stats::moments::{clustered_error, mean, mean_and_std, quantile};

/// The statistics of a cell; NaN where there are no samples. Standard deviations have divisor n − 1 and are NaN at n = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Fraction of all inputs whose sign flips within the bound (Figure 1).
    pub fraction: f64,
    /// Fraction of all inputs whose sign flips or becomes 0 within the bound, as a comparison of signs counts.
    pub fraction_lost: f64,
    /// Std over networks of the per-network fraction.
    pub fraction_std_networks: f64,
    /// Standard errors of the means, networks as clusters ([`clustered_error`]).
    pub fraction_se: f64,
    pub fraction_lost_se: f64,
    pub step_se: f64,
    pub distance_se: f64,
    pub grad_se: f64,
    pub value_se: f64,
    /// Inputs with f(x) = 0 or ∇f(x) = 0.
    pub dead: u64,
    /// Mean of η* over the inputs that flip (Figures 2a–7a).
    pub step_mean: f64,
    pub step_std: f64,
    /// Std of the per-network means of η*, over networks with an input that flips.
    pub step_std_networks: f64,
    pub step_q05: f64,
    pub step_q50: f64,
    pub step_q95: f64,
    /// Mean of ‖δ‖₂ over the inputs that flip.
    pub distance_mean: f64,
    pub distance_std: f64,
    pub distance_q05: f64,
    pub distance_q50: f64,
    pub distance_q95: f64,
    /// Mean of ‖δ‖₂/‖x‖₂ over the inputs that flip.
    pub relative_distance_mean: f64,
    pub relative_distance_std: f64,
    /// Mean of ‖δ‖_∞ over the inputs that flip; NaN except along [`Direction::Sign`](crate::model::Direction).
    pub max_distance_mean: f64,
    /// Mean length of the path, η*·‖∇f(x)‖, over the inputs that flip: of a descent at least ‖δ‖₂, along lines equal to it.
    pub path_mean: f64,
    /// Quantiles of ‖δ‖₂ over that along the first direction of the experiment, input by input, where both are found, and the standard error of the
    /// median; NaN along the first.
    pub ratio_q05: f64,
    pub ratio_q50: f64,
    pub ratio_q95: f64,
    pub ratio_se: f64,
    /// Mean of [`Sample::certified`] over all inputs, and quantiles of it over ‖δ‖₂ over the inputs that flip; NaN if not asked for.
    pub certified_mean: f64,
    pub certified_ratio_q05: f64,
    pub certified_ratio_q50: f64,
    /// Mean of ‖∇f(x)‖ over all inputs (Figures 2b–7b).
    pub grad_mean: f64,
    pub grad_std: f64,
    pub grad_std_networks: f64,
    /// Mean of f(x) over all inputs.
    pub value_mean: f64,
    pub value_std: f64,
    /// Mean of [`Sample::evaluations`] per input.
    pub evaluations: f64,
    /// Thread-seconds of all networks.
    pub seconds: f64,
}

impl Summary {
    /// Summarises the records of one cell, in network order.
    pub fn of(records: &[UnitRecord]) -> Self {
        let samples = || records.iter().flat_map(|record| &record.samples);
        let mut steps: Vec<f64> = found_steps(samples()).collect();
        let steps_found = mean_and_std(steps.iter().copied());
        let found = || samples().filter(|sample| sample.status.is_found());
        let mut distances: Vec<f64> = found().map(|sample| sample.distance).collect();
        let distances_found = mean_and_std(distances.iter().copied());
        // With a bias unit a row of a file can be 0 without it.
        let nonzero = found().filter(|sample| sample.input_norm > 0.0);
        let relative = mean_and_std(nonzero.map(|sample| sample.distance / sample.input_norm));
        let gradients = mean_and_std(samples().map(|sample| sample.gradient_norm));
        let values = mean_and_std(samples().map(|sample| sample.value));
        let certified = found().map(|sample| sample.certified / sample.distance);
        let mut certified: Vec<f64> = certified.filter(|ratio| !ratio.is_nan()).collect();
        certified.sort_unstable_by(f64::total_cmp);
        steps.sort_unstable_by(f64::total_cmp);
        distances.sort_unstable_by(f64::total_cmp);
        Self {
            fraction: mean(samples().map(is_found)),
            fraction_lost: mean(samples().map(is_lost)),
            fraction_std_networks: std_of_networks(records, |record| mean(record.samples.iter().map(is_found))),
            fraction_se: standard_error(records, |sample| Some(is_found(sample))),
            fraction_lost_se: standard_error(records, |sample| Some(is_lost(sample))),
            step_se: standard_error(records, |sample| sample.status.is_found().then_some(sample.step)),
            distance_se: standard_error(records, |sample| sample.status.is_found().then_some(sample.distance)),
            grad_se: standard_error(records, |sample| Some(sample.gradient_norm)),
            value_se: standard_error(records, |sample| Some(sample.value)),
            dead: samples().filter(|sample| sample.status == Status::Dead).count() as u64,
            step_mean: steps_found.mean,
            step_std: steps_found.std,
            step_std_networks: std_of_networks(records, |record| mean(found_steps(record.samples.iter()))),
            step_q05: quantile(&steps, 0.05),
            step_q50: quantile(&steps, 0.50),
            step_q95: quantile(&steps, 0.95),
            distance_mean: distances_found.mean,
            distance_std: distances_found.std,
            distance_q05: quantile(&distances, 0.05),
            distance_q50: quantile(&distances, 0.50),
            distance_q95: quantile(&distances, 0.95),
            relative_distance_mean: relative.mean,
            relative_distance_std: relative.std,
            max_distance_mean: f64::NAN,
            path_mean: mean(found().map(|sample| sample.step * sample.gradient_norm)),
            ratio_q05: f64::NAN,
            ratio_q50: f64::NAN,
            ratio_q95: f64::NAN,
            ratio_se: f64::NAN,
            certified_mean: mean(samples().map(|sample| sample.certified)),
            certified_ratio_q05: quantile(&certified, 0.05),
            certified_ratio_q50: quantile(&certified, 0.50),
            grad_mean: gradients.mean,
            grad_std: gradients.std,
            grad_std_networks: std_of_networks(records, |record| mean(record.samples.iter().map(|sample| sample.gradient_norm))),
            value_mean: values.mean,
            value_std: values.std,
            evaluations: mean(samples().map(|sample| f64::from(sample.evaluations))),
            seconds: records.iter().map(|record| record.seconds).sum(),
        }
    }

    /// The same, for steps along the sign of the gradient over `coordinates` of the input: each moves by ‖δ‖₂/√`coordinates`.
    pub fn along_signs(self, coordinates: usize) -> Self {
        Self { max_distance_mean: self.distance_mean / (coordinates as f64).sqrt(), ..self }
    }

    /// The same, with the ratios of the distances of `records` to those along another direction, `first`: networks × inputs, NaN where not found.
    pub fn relative_to(self, first: &[Vec<f64>], records: &[UnitRecord]) -> Self {
        let ratios = |(first, record): (&Vec<f64>, &UnitRecord)| -> Vec<f64> {
            let pairs = first.iter().zip(&record.samples);
            pairs.map(|(first, sample)| sample.distance / first).filter(|ratio| ratio.is_finite()).collect()
        };
        let by_network: Vec<Vec<f64>> = first.iter().zip(records).map(ratios).collect();
        let mut all = by_network.concat();
        all.sort_unstable_by(f64::total_cmp);
        let [ratio_q05, ratio_q50, ratio_q95] = [0.05, 0.5, 0.95].map(|q| quantile(&all, q));
        Self { ratio_q05, ratio_q50, ratio_q95, ratio_se: median_error(&all, &by_network), ..self }
    }
}

fn is_lost(sample: &Sample) -> f64 {
    if sample.status.is_lost() { 1.0 } else { 0.0 }
}

fn is_found(sample: &Sample) -> f64 {
    if sample.status.is_found() { 1.0 } else { 0.0 }
}

fn found_steps<'a>(samples: impl Iterator<Item = &'a Sample>) -> impl Iterator<Item = f64> {
    samples.filter(|sample| sample.status.is_found()).map(|sample| sample.step)
}

/// Std over networks of a per-network mean, skipping networks whose mean is NaN.
fn std_of_networks(records: &[UnitRecord], network_mean: impl Fn(&UnitRecord) -> f64) -> f64 {
    let means: Vec<f64> = records.iter().filter(|record| !record.samples.is_empty()).map(network_mean).collect();
    mean_and_std(means.into_iter().filter(|mean| !mean.is_nan())).std
}

/// The standard error of the median of ascending values that come in clusters: half the distance between the quantiles at ½ ± e, e being the
/// clustered standard error of the share below the median (Woodruff 1952). NaN where that is unknown.
fn median_error(ascending: &[f64], clusters: &[Vec<f64>]) -> f64 {
    let median = quantile(ascending, 0.5);
    let below = |values: &Vec<f64>| (values.len() as u64, values.iter().filter(|value| **value <= median).count() as f64);
    let error = clustered_error(clusters.iter().map(below));
    match error.is_finite() {
        true => 0.5 * (quantile(ascending, (0.5 + error).min(1.0)) - quantile(ascending, (0.5 - error).max(0.0))),
        false => f64::NAN,
    }
}

/// The standard error of the pooled mean of `of`, over the samples that have it.
fn standard_error(records: &[UnitRecord], of: impl Fn(&Sample) -> Option<f64>) -> f64 {
    let cluster = |record: &UnitRecord| {
        let values = record.samples.iter().filter_map(&of);
        values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value))
    };
    clustered_error(records.iter().map(cluster))
}

#[cfg(test)]
mod tests {
    use statrs::statistics::Statistics;

    use super::*;
    use crate::model::Unit;

    fn sample(step: f64, gradient_norm: f64, value: f64, status: Status, evaluations: u32) -> Sample {
        Sample { evaluations, ..Sample::unsearched(value, gradient_norm, 2.0).flipping_at(step, status) }
    }

    fn record(network: usize, samples: Vec<Sample>) -> UnitRecord {
        UnitRecord { unit: Unit { cell: 0, network }, samples, seconds: 1.5 }
    }

    fn assert_close(measured: f64, expected: f64) {
        assert!((measured - expected).abs() <= 1e-14 * expected.abs().max(1.0), "measured {measured}, expected {expected}");
    }

    /// Two networks of three inputs: steps 1, 2 | 6, gradients 1, 2, 3 | 0, 4, 8, values 1, −1, 3 | 0, 2, −2.
    #[test]
    fn hand_computed_cell() {
        let records = [
            record(
                0,
                vec![
                    sample(1.0, 1.0, 1.0, Status::FoundExact, 3),
                    sample(2.0, 2.0, -1.0, Status::FoundScan, 5),
                    sample(f64::NAN, 3.0, 3.0, Status::NoneWithinBound, 10),
                ],
            ),
            record(
                1,
                vec![
                    sample(f64::NAN, 0.0, 0.0, Status::Dead, 0),
                    sample(6.0, 4.0, 2.0, Status::FoundExact, 4),
                    sample(f64::NAN, 8.0, -2.0, Status::NoneWithinBound, 2),
                ],
            ),
        ];
        let summary = Summary::of(&records);
        assert_close(summary.fraction, 0.5);
        assert_close(summary.fraction_std_networks, (1.0_f64 / 18.0).sqrt()); // of 2/3 and 1/3
        assert_eq!(summary.dead, 1);
        assert_close(summary.fraction_se, 1.0 / 6.0);
        assert_close(summary.step_se, 2.0); // residuals 3 − 2·3 and 6 − 3 of 3 steps found: √(18·2) / 3
        assert_close(summary.grad_se, 1.0);
        assert_close(summary.value_se, 0.5);
        assert_close(summary.step_mean, 3.0);
        assert_close(summary.step_std, 7.0_f64.sqrt()); // (4 + 1 + 9) / 2
        assert_close(summary.step_std_networks, 4.5 / 2.0_f64.sqrt()); // of 1.5 and 6
        assert_close(summary.step_q05, 1.1);
        assert_close(summary.step_q50, 2.0);
        assert_close(summary.step_q95, 5.6);
        assert_close(summary.grad_mean, 3.0);
        assert_close(summary.grad_std, 8.0_f64.sqrt()); // (4 + 1 + 0 + 9 + 1 + 25) / 5
        assert_close(summary.grad_std_networks, 2.0_f64.sqrt()); // of 2 and 4
        assert_close(summary.value_mean, 0.5);
        assert_close(summary.value_std, (17.5_f64 / 5.0).sqrt());
        assert_close(summary.evaluations, 4.0);
        assert_close(summary.seconds, 3.0);
    }

    #[test]
    fn nothing_found_is_nan_not_zero() {
        let none = sample(f64::NAN, 1.0, 1.0, Status::NoneWithinBound, 1);
        let summary = Summary::of(&[record(0, vec![none; 2]), record(1, vec![none; 2])]);
        assert_eq!(summary.fraction, 0.0);
        assert_eq!(summary.fraction_std_networks, 0.0);
        for value in [summary.step_mean, summary.step_std, summary.step_std_networks, summary.step_q05, summary.step_q95] {
            assert!(value.is_nan());
        }
        assert_eq!(summary.grad_std, 0.0);
    }

    #[test]
    fn no_records_and_one_sample() {
        let empty = Summary::of(&[]);
        assert!(empty.fraction.is_nan() && empty.grad_mean.is_nan() && empty.evaluations.is_nan());
        assert_eq!((empty.dead, empty.seconds), (0, 0.0));

        let one = Summary::of(&[record(0, vec![sample(2.0, 3.0, 4.0, Status::FoundExact, 1)])]);
        assert_eq!((one.fraction, one.step_mean, one.step_q05, one.grad_mean, one.value_mean), (1.0, 2.0, 2.0, 3.0, 4.0));
        for value in [one.fraction_std_networks, one.step_std, one.step_std_networks, one.grad_std, one.grad_std_networks] {
            assert!(value.is_nan());
        }
    }

    /// A network without an input that flips has no mean step and must not affect the spread.
    #[test]
    fn spread_of_steps_leaves_out_networks_without_any() {
        let found = |step| sample(step, 1.0, 1.0, Status::FoundExact, 1);
        let none = sample(f64::NAN, 1.0, 1.0, Status::NoneWithinBound, 1);
        let with = Summary::of(&[record(0, vec![found(1.0)]), record(1, vec![none]), record(2, vec![found(3.0)])]);
        assert_close(with.step_std_networks, 2.0_f64.sqrt());
    }

    #[test]
    fn agrees_with_statrs_on_an_offset_cloud() {
        // A large offset would expose the cancellation of a one-pass formula.
        let noise = |i: usize| ((i * 2_654_435_761) % 1_000_003) as f64 / 1e6;
        let samples: Vec<Sample> =
            (0..5000).map(|i| sample(noise(i), 1e6 + noise(3 * i), -1e6 - noise(7 * i), Status::FoundScan, i as u32)).collect();
        let records: Vec<UnitRecord> =
            samples.chunks(50).enumerate().map(|(network, chunk)| record(network, chunk.to_vec())).collect();
        let summary = Summary::of(&records);
        let within = |tolerance: f64, measured: f64, expected: f64| {
            assert!((measured / expected - 1.0).abs() < tolerance, "{measured} is not {expected}");
        };
        let close = |measured, expected| within(1e-9, measured, expected);
        close(summary.step_mean, samples.iter().map(|s| s.step).mean());
        close(summary.step_std, samples.iter().map(|s| s.step).std_dev());
        close(summary.grad_std, samples.iter().map(|s| s.gradient_norm).std_dev());
        close(summary.value_std, samples.iter().map(|s| s.value).std_dev());
        let of_networks = |f: fn(&Sample) -> f64| samples.chunks(50).map(|chunk| chunk.iter().map(f).mean()).std_dev();
        close(summary.step_std_networks, of_networks(|s| s.step));
        // The means are rounded to about 1e6·50·2^-53 = 6e-9 at worst, against a spread of 1e-2.
        within(1e-6, summary.grad_std_networks, of_networks(|s| s.gradient_norm));
    }

    /// Against values known by hand and from NumPy.
    #[test]
    fn quantiles_by_counting() {
        let values: Vec<f64> = (0..101).map(f64::from).collect();
        for percent in 0..=100 {
            assert_close(quantile(&values, f64::from(percent) / 100.0), f64::from(percent));
        }
        assert_close(quantile(&[1.0, 2.0, 4.0, 8.0], 0.5), 3.0);
        assert_close(quantile(&[1.0, 2.0, 4.0, 8.0], 0.95), 7.4); // numpy.quantile
    }
}
