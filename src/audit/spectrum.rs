//! The largest singular value of a matrix and the operator norm of a symmetric one: from LAPACK, which finds every eigenvalue, up to
//! [`LARGEST`] rows; by Lanczos, whose Ritz values are lower bounds, above.

use ndarray::{Array1, Array2, ArrayView2};
use ndarray_linalg::{EigValsh, UPLO};

use super::lanczos::{Extremes, extremes};

/// Largest order for LAPACK: 4/3 · 10⁹ flops, 16 MB.
pub const LARGEST: usize = 1000;

/// Relative tolerance of the Lanczos iteration.
const TOLERANCE: f64 = 1e-10;

/// Flops for all eigenvalues of a symmetric matrix of order `n`; 0 above [`LARGEST`], where Lanczos costs little beside the matrix.
pub fn cost(n: f64) -> f64 {
    if n <= LARGEST as f64 { 4.0 / 3.0 * n.powi(3) } else { 0.0 }
}

/// The smallest and the largest eigenvalue of `symmetric`, whose order is not 0 and at most [`LARGEST`]; `None` if LAPACK gives up.
pub fn by_lapack(symmetric: &Array2<f64>) -> Option<Extremes> {
    let ascending = symmetric.eigvalsh(UPLO::Lower).ok()?;
    Some(Extremes { low: *ascending.first()?, high: *ascending.last()?, products: 0 })
}

/// The largest singular value of `matrix`, 0 if it is empty, from the smaller Gram matrix. `start` makes a Lanczos start vector of a given
/// length.
pub fn largest_singular_value(matrix: ArrayView2<f64>, start: impl FnOnce(usize) -> Array1<f64>) -> f64 {
    let gram = if matrix.nrows() < matrix.ncols() { matrix.dot(&matrix.t()) } else { matrix.t().dot(&matrix) };
    let order = gram.nrows();
    if order == 0 {
        return 0.0;
    }
    let of_gram = if order <= LARGEST { by_lapack(&gram) } else { None };
    of_gram.unwrap_or_else(|| extremes(start(order).view(), TOLERANCE, |v| gram.dot(&v))).high.max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second difference on n points has the eigenvalues 2 − 2 cos(πj/(n + 1)).
    #[test]
    fn lapack_and_lanczos_agree_with_a_known_spectrum() {
        let n = 120;
        let matrix = Array2::from_shape_fn((n, n), |(i, j)| [2.0, -1.0, 0.0][i.abs_diff(j).min(2)]);
        let exact = |j: usize| 2.0 - 2.0 * (std::f64::consts::PI * j as f64 / (n + 1) as f64).cos();
        let found = by_lapack(&matrix).unwrap();
        assert!((found.low - exact(1)).abs() < 1e-13 && (found.high - exact(n)).abs() < 1e-13, "{found:?}");
        let start = Array1::from_shape_fn(n, |i| 1.0 + (i as f64).sin());
        let lanczos = extremes(start.view(), 0.0, |v| matrix.dot(&v));
        assert!((found.low - lanczos.low).abs() < 1e-10 && (found.high - lanczos.high).abs() < 1e-10, "{lanczos:?}");
    }

    /// diag(3, −5) padded with zeros: the singular value is 5, in either orientation.
    #[test]
    fn singular_values_of_wide_tall_and_empty_matrices() {
        let unused = |_: usize| -> Array1<f64> { panic!("LAPACK needs no start") };
        let mut wide = Array2::zeros((2, 7));
        (wide[[0, 1]], wide[[1, 4]]) = (3.0, -5.0);
        assert!((largest_singular_value(wide.view(), unused) - 5.0).abs() < 1e-14);
        assert!((largest_singular_value(wide.t(), unused) - 5.0).abs() < 1e-14);
        assert_eq!(largest_singular_value(Array2::zeros((0, 7)).view(), unused), 0.0);
    }

    /// One more than LAPACK takes: 2 in the middle of a diagonal of 1, found by Lanczos.
    #[test]
    fn larger_matrices_are_left_to_lanczos() {
        let n = LARGEST + 1;
        let mut matrix = Array2::eye(n);
        matrix[[500, 500]] = 2.0;
        let mut asked = 0;
        let found = largest_singular_value(matrix.view(), |order| {
            asked = order;
            Array1::ones(order)
        });
        assert!(asked == n && (found - 2.0).abs() < 1e-9, "{found}");
    }
}
