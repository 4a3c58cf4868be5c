//! Means, standard deviations and quantiles of samples.

/// Mean, and standard deviation with divisor n − 1 (NaN at n = 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanAndStd {
    pub mean: f64,
    pub std: f64,
}

/// The mean; NaN if there are no values.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    // The sign of 0/0 differs between processors.
    if count == 0 { f64::NAN } else { sum / count as f64 }
}

/// Mean and standard deviation by the two-pass algorithm, which does not cancel at a large mean.
pub fn mean_and_std(values: impl Iterator<Item = f64> + Clone) -> MeanAndStd {
    let mean = mean(values.clone());
    let (count, squares) = values.fold((0u64, 0.0), |(count, squares), value| (count + 1, squares + (value - mean).powi(2)));
    let std = if count < 2 { f64::NAN } else { (squares / (count - 1) as f64).sqrt() };
    MeanAndStd { mean, std }
}

/// Standard error of a mean over pooled samples that come in clusters, each given as (samples, their sum): the linearised variance of a
/// ratio of totals, √(n/(n − 1) Σ (sᵢ − r mᵢ)²) / Σ mᵢ with r = Σ sᵢ / Σ mᵢ (Cochran, Sampling Techniques, 3rd ed., section 6.4, without the
/// finite-population correction). With clusters of equal size it is the std of the cluster means over √n. NaN if fewer than two clusters
/// have samples.
pub fn clustered_error(clusters: impl Iterator<Item = (u64, f64)> + Clone) -> f64 {
    let (filled, count, sum) = clusters.clone().fold((0, 0, 0.0), |(filled, count, sum), (samples, cluster_sum)| {
        (filled + u64::from(samples > 0), count + samples, sum + cluster_sum)
    });
    if filled < 2 {
        return f64::NAN;
    }
    let ratio = sum / count as f64;
    let (n, squares) = clusters.fold((0.0, 0.0), |(n, squares), (samples, sum)| {
        let residual = sum - ratio * samples as f64;
        (n + 1.0, squares + residual * residual)
    });
    (squares * n / (n - 1.0)).sqrt() / count as f64
}

/// The quantile at `q` in [0, 1] of ascending values, interpolating linearly at (n − 1)·q (Hyndman & Fan 1996, type 7: the default of NumPy
/// and R). NaN if there are no values.
pub fn quantile(ascending: &[f64], q: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else { return f64::NAN };
    let position = last as f64 * q;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    if ascending[below] == ascending[above] {
        return ascending[below];
    }
    ascending[below] + (ascending[above] - ascending[below]) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use statrs::statistics::Statistics;

    use super::*;

    #[test]
    fn moments_agree_with_statrs_on_an_offset_cloud() {
        let values: Vec<f64> = (0..1000).map(|i| 1e6 + f64::from(i * 7919 % 1000) / 1000.0).collect();
        let found = mean_and_std(values.iter().copied());
        assert!((found.mean - (&values).mean()).abs() < 1e-9 && (found.std / (&values).std_dev() - 1.0).abs() < 1e-9);
        let none = std::hint::black_box(0);
        assert_eq!(mean(values.into_iter().take(none)).to_bits(), f64::NAN.to_bits());
        assert!(mean_and_std([1.0].into_iter()).std.is_nan());
    }

    #[test]
    fn errors_of_clustered_means() {
        let error = |clusters: &[(u64, f64)]| clustered_error(clusters.iter().copied());
        // Equal sizes: the std of the means 1, 2 and 6 over √3.
        let expected = 7.0_f64.sqrt() / 3.0_f64.sqrt();
        assert!((error(&[(4, 4.0), (4, 8.0), (4, 24.0)]) - expected).abs() < 1e-14);
        // By hand: r = 4, residuals −2, 2 and 0 of the empty cluster, which counts in n: √(8 · 3/2) / 3.
        assert!((error(&[(2, 6.0), (1, 6.0), (0, 0.0)]) - 12.0_f64.sqrt() / 3.0).abs() < 1e-14);
        assert!(error(&[(3, 1.0)]).is_nan() && error(&[(3, 1.0), (0, 0.0)]).is_nan() && error(&[]).is_nan());
        assert_eq!(error(&[(5, 5.0), (2, 2.0)]), 0.0);
    }

    #[test]
    fn quantiles_are_interpolated() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        assert_eq!([0.0, 0.25, 0.5, 0.6, 1.0].map(|q| quantile(&values, q)), [1.0, 2.0, 4.0, 5.6, 16.0]);
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(quantile(&[1.0, f64::INFINITY, f64::INFINITY], 0.9), f64::INFINITY);
    }
}
