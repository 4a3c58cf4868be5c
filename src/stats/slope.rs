//! Least-squares slopes.

/// The common least-squares slope of groups of points (x, y), each with its own intercept: Σ (x − x̄)(y − ȳ) / Σ (x − x̄)², means within groups.
/// `None` if no group has two different x.
pub fn common_slope(groups: &[Vec<(f64, f64)>]) -> Option<f64> {
    let (mut xy, mut xx) = (0.0, 0.0);
    for points in groups {
        let count = points.len() as f64;
        let (mean_x, mean_y) = (points.iter().map(|p| p.0).sum::<f64>() / count, points.iter().map(|p| p.1).sum::<f64>() / count);
        for (x, y) in points {
            xy += (x - mean_x) * (y - mean_y);
            xx += (x - mean_x).powi(2);
        }
    }
    let slope = xy / xx;
    slope.is_finite().then_some(slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found() {
        let line = |intercept: f64, xs: &[f64]| xs.iter().map(|&x| (x, intercept - 0.5 * x)).collect::<Vec<_>>();
        assert_eq!(common_slope(&[line(1.0, &[0.0, 2.0, 3.0]), line(-7.0, &[1.0, 4.0])]), Some(-0.5));
        assert_eq!(common_slope(&[line(1.0, &[2.0]), line(3.0, &[4.0, 4.0])]), None);
        assert_eq!(common_slope(&[]), None);
        // By hand: x = 0, 1, 2 and y = 0, 1, 1.
        assert_eq!(common_slope(&[vec![(0.0, 0.0), (1.0, 1.0), (2.0, 1.0)]]), Some(0.5));
    }
}
