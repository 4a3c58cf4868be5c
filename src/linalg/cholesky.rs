//! Small dense matrices in f64: Cholesky factorisations that skip nearly dependent rows, in order or with pivoting, and
//! triangular inverses.
//!
//! Matrices are n × n for n vectors of length k ≫ n, so scalar loops are cheap beside the products of the vectors.

use ndarray::{Array2, ArrayView2, Axis, s};

/// A well-conditioned subset of a set of vectors, and the Cholesky factor of its Gram matrix.
pub struct Selection {
    /// Indices of the selected vectors, ascending.
    pub rows: Vec<usize>,
    /// Lower triangular L with L·Lᵀ = Gram matrix of the selected vectors.
    pub factor: Array2<f64>,
}

/// Selects, in order, each vector whose component orthogonal to those selected so far is longer than `distance` × its length, at
/// most `most`. `gram` is the Gram matrix, n × n; only its lower triangle is read.
pub fn select(gram: ArrayView2<f64>, distance: f64, most: usize) -> Selection {
    let mut rows: Vec<usize> = Vec::with_capacity(gram.nrows());
    let mut factor: Array2<f64> = Array2::zeros(gram.dim());
    for candidate in 0..gram.nrows() {
        let place = rows.len();
        if place == most {
            break;
        }
        let mut residual = gram[[candidate, candidate]];
        for (column, &row) in rows.iter().enumerate() {
            let known: f64 = (0..column).map(|j| factor[[place, j]] * factor[[column, j]]).sum();
            let entry = (gram[[candidate, row]] - known) / factor[[column, column]];
            factor[[place, column]] = entry;
            residual -= entry * entry;
        }
        if residual > distance * distance * gram[[candidate, candidate]] {
            factor[[place, place]] = residual.sqrt();
            rows.push(candidate);
        }
    }
    let count = rows.len();
    let factor = Array2::from_shape_fn((count, count), |(i, j)| if j <= i { factor[[i, j]] } else { 0.0 });
    Selection { rows, factor }
}

/// A pivoted Cholesky factorisation of a Gram matrix.
pub struct Pivoted {
    /// Indices of the pivots, in the order of the rows of `factor`.
    pub rows: Vec<usize>,
    /// Lower triangular L with L·Lᵀ = Gram matrix of the pivots, in this order.
    pub factor: Array2<f64>,
    /// All vectors in the orthonormal basis obtained from the pivots, n × (pivots).
    pub coefficients: Array2<f64>,
}

/// Pivoted Cholesky factorisation of the Gram matrix `gram`, n × n; only its lower triangle is read. The next pivot is the
/// vector farthest from the span of the pivots so far, relative to its length; stops when all are within `distance` of it, or
/// after `most` pivots. The residuals of the other vectors are dropped.
pub fn pivoted(gram: ArrayView2<f64>, distance: f64, most: usize) -> Pivoted {
    let n = gram.nrows();
    let mut rows: Vec<usize> = Vec::with_capacity(n);
    let mut residual = gram.diag().to_owned();
    let mut coefficients: Array2<f64> = Array2::zeros((n, most.min(n)));
    while rows.len() < most.min(n) {
        let share = |&row: &usize| if gram[[row, row]] > 0.0 { residual[row] / gram[[row, row]] } else { 0.0 };
        let others = (0..n).filter(|row| !rows.contains(row));
        // `max_by` returns the last maximum: reversed, ties go to the first.
        let Some(next) = others.rev().max_by(|a, b| share(a).total_cmp(&share(b))) else { break };
        if share(&next) <= distance * distance {
            break;
        }
        let place = rows.len();
        rows.push(next);
        let length = residual[next].sqrt();
        let pivot = coefficients.row(next).to_owned();
        for (row, mut own) in coefficients.rows_mut().into_iter().enumerate() {
            own[place] = match rows.iter().position(|&taken| taken == row) {
                Some(taken) if taken < place => 0.0,
                Some(_) => length,
                None => {
                    let known: f64 = own.iter().zip(&pivot).take(place).map(|(a, b)| a * b).sum();
                    (gram[[row.max(next), row.min(next)]] - known) / length
                }
            };
            residual[row] -= own[place] * own[place];
        }
    }
    let coefficients = coefficients.slice_move(s![.., ..rows.len()]);
    Pivoted { factor: coefficients.select(Axis(0), &rows), rows, coefficients }
}

/// Inverse of a nonsingular lower triangular matrix.
pub fn inverse(lower: &Array2<f64>) -> Array2<f64> {
    let n = lower.nrows();
    let mut inverse = Array2::zeros((n, n));
    for row in 0..n {
        for column in 0..row {
            let sum: f64 = (column..row).map(|j| lower[[row, j]] * inverse[[j, column]]).sum();
            inverse[[row, column]] = -sum / lower[[row, row]];
        }
        inverse[[row, row]] = 1.0 / lower[[row, row]];
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn dependent_rows_are_left_out_and_the_rest_is_factored() {
        let vectors = array![[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 1.0, 1.0], [1.0, 3.0, 1.0], [0.0, 0.0, 3.0]];
        let Selection { rows, factor } = select(vectors.dot(&vectors.t()).view(), 1e-6, 9);
        assert_eq!(rows, [0, 2, 4]);
        let selected = vectors.select(ndarray::Axis(0), &rows);
        let off = &factor.dot(&factor.t()) - &selected.dot(&selected.t());
        assert!(off.iter().all(|x: &f64| x.abs() < 1e-12), "{factor}");
        let off = inverse(&factor).dot(&factor) - Array2::<f64>::eye(3);
        assert!(off.iter().all(|x| x.abs() < 1e-12));
        assert_eq!(select(vectors.dot(&vectors.t()).view(), 1e-6, 2).rows, [0, 2]);
    }

    #[test]
    fn pivots_are_independent_and_span_the_rest() {
        // 6 vectors in 3 dimensions: one is 0, two are parallel.
        let vectors =
            array![[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [2.0, 4.0, 0.0], [0.0, 1.0, 1e-3], [1.0, 3.0, 1e-3], [0.0, 0.0, 3.0]];
        let gram = vectors.dot(&vectors.t());
        let Pivoted { rows, factor, coefficients } = pivoted(gram.view(), 1e-7, 6);
        assert_eq!(rows.len(), 3);
        assert!(!rows.contains(&1), "{rows:?}");
        assert!(!(rows.contains(&0) && rows.contains(&2)), "{rows:?}");
        assert_eq!(coefficients.select(Axis(0), &rows), factor);
        assert!(factor.indexed_iter().all(|((i, j), x)| if j > i { *x == 0.0 } else { i != j || *x > 0.0 }), "{factor}");
        let off = &coefficients.dot(&coefficients.t()) - &gram;
        assert!(off.iter().all(|x: &f64| x.abs() < 1e-12), "{off}");
        assert_eq!(pivoted(gram.view(), 1e-7, 2).rows, rows[..2]);
        assert!(pivoted(Array2::zeros((3, 3)).view(), 1e-7, 3).rows.is_empty());
    }
}
