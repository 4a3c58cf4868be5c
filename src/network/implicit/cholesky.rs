//! Small dense matrices in f64: a Cholesky factorisation that leaves out nearly dependent rows, and the inverse of its factor.
//!
//! These are n × n for n vectors of length k ≫ n, so loops in f64 cost nothing beside the products of the vectors.

use ndarray::{Array2, ArrayView2, Axis, s};

/// The rows of a set of vectors that are well apart, and the Cholesky factor of their Gram matrix.
pub struct Selection {
    /// Indices of the selected vectors, ascending.
    pub rows: Vec<usize>,
    /// Lower triangular L with L·Lᵀ = Gram matrix of the selected vectors.
    pub factor: Array2<f64>,
    /// All vectors, in the orthonormal ones that the selected vectors become: (vectors) × (selected). The rows of the selected ones
    /// are `factor`, what is left of the others is dropped; those beyond the last one that could be selected are 0.
    pub coefficients: Array2<f64>,
}

/// Goes through the vectors with Gram matrix `gram`, of which the lower triangle is read, in order and selects each whose part orthogonal
/// to those selected before it is longer than `distance` times the vector itself; selects at most `most`.
pub fn select(gram: ArrayView2<f64>, distance: f64, most: usize) -> Selection {
    let mut rows: Vec<usize> = Vec::with_capacity(gram.nrows());
    let mut all: Array2<f64> = Array2::zeros(gram.dim());
    for candidate in 0..gram.nrows() {
        if rows.len() == most {
            break;
        }
        let (before, mut own) = all.view_mut().split_at(Axis(0), candidate);
        let own = own.row_mut(0).into_slice().expect("rows are contiguous");
        let mut left = gram[[candidate, candidate]];
        for (column, &row) in rows.iter().enumerate() {
            let other = before.row(row).to_slice().expect("rows are contiguous");
            let known: f64 = own[..column].iter().zip(other).map(|(a, b)| a * b).sum();
            own[column] = (gram[[candidate, row]] - known) / other[column];
            left -= own[column] * own[column];
        }
        if left > distance * distance * gram[[candidate, candidate]] {
            own[rows.len()] = left.sqrt();
            rows.push(candidate);
        }
    }
    let coefficients = all.slice_move(s![.., ..rows.len()]);
    Selection { factor: coefficients.select(Axis(0), &rows), rows, coefficients }
}

/// The inverse of a lower triangular matrix without zeros on its diagonal.
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
        let Selection { rows, factor, coefficients } = select(vectors.dot(&vectors.t()).view(), 1e-6, 9);
        assert_eq!(rows, [0, 2, 4]);
        // Nothing of the others is left beside the selected vectors.
        let off = &coefficients.dot(&coefficients.t()) - &vectors.dot(&vectors.t());
        assert!(off.iter().all(|x: &f64| x.abs() < 1e-12), "{coefficients}");
        assert_eq!(coefficients.select(ndarray::Axis(0), &rows), factor);
        let off = inverse(&factor).dot(&factor) - Array2::<f64>::eye(3);
        assert!(off.iter().all(|x| x.abs() < 1e-12));
        assert_eq!(select(vectors.dot(&vectors.t()).view(), 1e-6, 2).rows, [0, 2]);
    }
}
