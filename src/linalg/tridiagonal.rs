//! Householder reduction of a symmetric matrix to tridiagonal form (Golub & Van Loan, algorithm 8.3.1), and quadratic forms of shifted inverses.
//!
//! After one reduction, 8/3·n³ flops on full storage, each shift costs O(n). In f64, in a fixed order without BLAS, so that the bits do not depend
//! on the library.

use ndarray::{Array2, s};

/// T = Qᵀ M Q, with Qᵀ b for one vector b.
#[derive(Debug, Clone)]
pub struct Tridiagonal {
    /// T_ii, length n.
    pub diagonal: Vec<f64>,
    /// T_(i+1)i, length n − 1.
    pub below: Vec<f64>,
    /// Qᵀ b, length n.
    pub vector: Vec<f64>,
}

impl Tridiagonal {
    /// Reduces the symmetric row-major `matrix`, n × n, n ≥ 1, and rotates `vector` with it.
    pub fn of(mut matrix: Array2<f64>, mut vector: Vec<f64>) -> Self {
        let n = vector.len();
        let mut below = Vec::with_capacity(n.saturating_sub(1));
        for column in 0..n.saturating_sub(1) {
            let mut v: Vec<f64> = matrix.slice(s![column + 1.., column]).to_vec();
            let norm = dot(&v, &v).sqrt();
            let image = if v[0] > 0.0 { -norm } else { norm };
            below.push(image);
            v[0] -= image;
            let length = dot(&v, &v).sqrt();
            if length == 0.0 {
                continue;
            }
            v.iter_mut().for_each(|v| *v /= length);
            let mut trailing = matrix.slice_mut(s![column + 1.., column + 1..]);
            let mut w: Vec<f64> =
                trailing.rows().into_iter().map(|row| dot(row.to_slice().expect("rows are contiguous"), &v)).collect();
            let curvature = dot(&w, &v);
            w.iter_mut().zip(&v).for_each(|(w, v)| *w = 2.0 * (*w - curvature * v));
            for ((mut row, vi), wi) in trailing.rows_mut().into_iter().zip(&v).zip(&w) {
                row.iter_mut().zip(&v).zip(&w).for_each(|((m, v), w)| *m -= vi * w + wi * v);
            }
            let twice = 2.0 * dot(&vector[column + 1..], &v);
            vector[column + 1..].iter_mut().zip(&v).for_each(|(b, v)| *b -= twice * v);
        }
        Self { diagonal: matrix.diag().to_vec(), below, vector }
    }

    /// bᵀ (μI − M)⁻¹ b; `None` unless μI − M is positive definite.
    pub fn quadratic_form(&self, shift: f64) -> Option<f64> {
        // LDLᵀ and forward substitution in one sweep.
        let (mut sum, mut pivot, mut entry) = (0.0, f64::NAN, 0.0);
        for (index, (diagonal, b)) in self.diagonal.iter().zip(&self.vector).enumerate() {
            (pivot, entry) = match index {
                0 => (shift - diagonal, *b),
                _ => {
                    let below = -self.below[index - 1];
                    (shift - diagonal - below * below / pivot, b - below / pivot * entry)
                }
            };
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
            sum += entry * entry / pivot;
        }
        Some(sum)
    }

    /// An upper bound on the largest eigenvalue (Gershgorin).
    pub fn largest_at_most(&self) -> f64 {
        let off = |index: usize| self.below.get(index).map_or(0.0, |below| below.abs());
        let disc = |(index, diagonal): (usize, &f64)| diagonal + off(index) + if index > 0 { off(index - 1) } else { 0.0 };
        self.diagonal.iter().enumerate().map(disc).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Sum over eight interleaved partial sums, which vectorise.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (a, b) in a8.iter().zip(b8) {
        sums.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use ndarray_linalg::{Eigh, Inverse, UPLO};
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
    }

    proptest! {
        #[test]
        fn quadratic_forms_are_those_of_lapack(n in 1..24_usize, rank in 0..24_usize, seed in any::<u64>()) {
            use rand::{RngExt, SeedableRng};
            let mut generator = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
            let root = Array2::from_shape_fn((n, rank.max(1)), |_| generator.random::<f64>() - 0.5);
            let matrix = if rank == 0 { Array2::zeros((n, n)) } else { root.dot(&root.t()) };
            let matrix = matrix.as_standard_layout().into_owned();
            let b: Vec<f64> = (0..n).map(|_| generator.random::<f64>() - 0.5).collect();
            let reduced = Tridiagonal::of(matrix.clone(), b.clone());
            let (eigenvalues, _) = matrix.eigh(UPLO::Lower).unwrap();
            let largest = eigenvalues[n - 1];
            prop_assert!(reduced.largest_at_most() >= largest - 1e-12);
            for shift in [largest + 0.01, largest + 1.0] {
                let inverse = (Array2::eye(n) * shift - &matrix).inv().unwrap();
                let vector = ndarray::Array1::from(b.clone());
                let expected = vector.dot(&inverse.dot(&vector));
                let found = reduced.quadratic_form(shift).unwrap();
                prop_assert!(close(found, expected), "{found} is not {expected}");
            }
            prop_assert_eq!(reduced.quadratic_form(largest - 1e-6), None);
        }
    }
}
