//! An orthonormal basis that grows by blocks of vectors, with matrix products only.
//!
//! Block Gram–Schmidt, twice ("twice is enough"): a block is projected off the basis, orthonormalised by the Cholesky factor of its
//! Gram matrix (CholeskyQR), projected again and orthonormalised again. CholeskyQR squares condition numbers, so a round takes only
//! vectors that are well apart ([`DISTANCE`](Basis::distance)); those nearly parallel to them wait, are projected off them, scaled up,
//! and have their turn in the next round. What is left of a vector once it is as small as rounding errors is dropped. Sums over the
//! long axis run in f64 across chunks ([`inner_products`]); so do all small matrices. A first block of n vectors of length k takes
//! 8 n² k flops and 2·(2 n k) numbers of memory traffic a pass, in chunks of columns that stay in cache; with its images drawn, n = 100 and
//! k = 10⁵ go at 75 GF/s where products in cache reach 117 (`cargo bench --bench kernels -- products`).

use ndarray::{Array2, Axis, s};

use super::cholesky::{Selection, inverse, select};
use crate::kernels::Real;
use crate::network::product::{CHUNK, add_times, inner_products, times, zeros};

/// Parts of a vector shorter than this many rounding units of it are dropped.
const NOISE: f64 = 16.0;
/// Passes after which a block that still is not orthonormal is taken as it is; two do, unless many vectors are nearly dependent.
const MAX_PASSES: usize = 4;
/// A Gram matrix this close to the identity is so to rounding after one more CholeskyQR.
const ALMOST_ORTHONORMAL: f64 = 0.02;

/// Orthonormal vectors of length `dim`, in the order in which they came.
pub struct Basis<T> {
    dim: usize,
    rank: usize,
    /// Each m × dim, a row a vector.
    blocks: Vec<Array2<T>>,
}

/// What [`Basis::extend`] has to say about n vectors.
pub struct Extension {
    /// The vectors in the extended basis, n × m for each of its blocks.
    pub coefficients: Vec<Array2<f64>>,
    /// The first of the blocks that are new.
    pub new_blocks: usize,
}

impl<T: Real> Basis<T> {
    pub fn new(dim: usize) -> Self {
        Self { dim, rank: 0, blocks: Vec::new() }
    }

    /// Number of vectors.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Length of the vectors.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Whether the basis spans the whole space.
    pub fn is_full(&self) -> bool {
        self.rank == self.dim
    }

    /// The vectors in blocks of m × dim.
    pub fn blocks(&self) -> &[Array2<T>] {
        &self.blocks
    }

    /// Vectors closer than this (relative to their length) to the span of others of a block wait for the next round: with the fourth
    /// root of the rounding unit the rounding errors of one CholeskyQR stay far below 1.
    fn distance() -> f64 {
        T::EPSILON.powf(0.25)
    }

    /// Makes the basis span the rows of `x` (n × dim) too, to rounding.
    pub fn extend(&mut self, mut x: Array2<T>) -> Extension {
        let n = x.nrows();
        let new_blocks = self.blocks.len();
        let length = norms(&x);
        let mut coefficients = self.project_off(&mut x);
        // Rows of `x` and the vectors they come from.
        let mut rows: Vec<usize> = (0..n).collect();
        while !self.is_full() {
            let rest = norms(&x);
            let kept: Vec<usize> = (0..rows.len()).filter(|&row| rest[row] > NOISE * T::EPSILON * length[rows[row]]).collect();
            if kept.is_empty() {
                break;
            }
            if kept.len() < rows.len() {
                x = x.select(Axis(0), &kept);
                rows = kept.iter().map(|&row| rows[row]).collect();
            }
            let scale: Vec<f64> = kept.iter().map(|&row| rest[row]).collect();
            let gram = normalised_gram(&mut x, &scale);
            let Selection { rows: selected, factor } = select(gram.view(), Self::distance(), self.dim - self.rank);
            let waiting: Vec<usize> = (0..rows.len()).filter(|row| !selected.contains(row)).collect();
            let (mut block, mut left) = match waiting.is_empty() {
                true => (x, None),
                false => (x.select(Axis(0), &selected), Some(x.select(Axis(0), &waiting))),
            };
            let (on_block, on_basis) = self.orthonormalise(&mut block, factor);
            let mut share = Array2::zeros((n, block.nrows()));
            for (place, &row) in selected.iter().enumerate() {
                let (vector, size) = (rows[row], scale[row]);
                share.row_mut(vector).assign(&on_block.row(place).mapv(|c| c * size));
                for (coefficients, correction) in coefficients.iter_mut().zip(&on_basis) {
                    coefficients.row_mut(vector).scaled_add(size, &correction.row(place));
                }
            }
            if let Some(left) = &mut left {
                let on_block = take_off(left, &block);
                for (place, &row) in waiting.iter().enumerate() {
                    let (vector, size) = (rows[row], T::of_f64(scale[row]));
                    share.row_mut(vector).assign(&on_block.row(place).mapv(|c| c * scale[row]));
                    left.row_mut(place).mapv_inplace(|x| x * size);
                }
            }
            self.rank += block.nrows();
            self.blocks.push(block);
            coefficients.push(share);
            let Some(left) = left else { break };
            x = left;
            rows = waiting.iter().map(|&row| rows[row]).collect();
        }
        Extension { coefficients, new_blocks }
    }

    /// Takes the part of the rows of `x` in the basis off them, and returns it as coefficients.
    fn project_off(&self, x: &mut Array2<T>) -> Vec<Array2<f64>> {
        self.blocks.iter().map(|block| take_off(x, block)).collect()
    }

    /// Makes the rows of `block` orthonormal and orthogonal to the basis; `factor` is the Cholesky factor of their Gram matrix. Returns
    /// the old rows in the new ones, and the part of the old rows in the basis.
    fn orthonormalise(&self, block: &mut Array2<T>, factor: Array2<f64>) -> (Array2<f64>, Vec<Array2<f64>>) {
        let count = block.nrows();
        let mut on_basis: Vec<Array2<f64>> = self.blocks.iter().map(|old| Array2::zeros((count, old.nrows()))).collect();
        let mut on_block = factor.clone();
        multiply_from_left(&inverse(&factor), block);
        for _ in 1..MAX_PASSES {
            for (sum, part) in on_basis.iter_mut().zip(self.project_off(block)) {
                *sum += &on_block.dot(&part);
            }
            let gram = inner_products(block.view(), block.view());
            let factor = select(gram.view(), 0.0, count).factor;
            if factor.nrows() < count {
                break;
            }
            multiply_from_left(&inverse(&factor), block);
            on_block = on_block.dot(&factor);
            let off = gram.indexed_iter().map(|((i, j), g)| (g - f64::from(u8::from(i == j))).abs()).fold(0.0, f64::max);
            if off < ALMOST_ORTHONORMAL {
                break;
            }
        }
        (on_block, on_basis)
    }
}

/// Takes the part of the rows of `x` in the span of `block` off them and returns it as coefficients.
fn take_off<T: Real>(x: &mut Array2<T>, block: &Array2<T>) -> Array2<f64> {
    let coefficients = inner_products(x.view(), block.view());
    add_times(coefficients.mapv(|c| T::of_f64(-c)).view(), block.view(), x.view_mut());
    coefficients
}

/// `x` ← `small`·`x`, in chunks of columns.
fn multiply_from_left<T: Real>(small: &Array2<f64>, x: &mut Array2<T>) {
    let small = small.mapv(T::of_f64);
    let mut out = zeros((x.nrows(), CHUNK.min(x.ncols())));
    for mut chunk in x.axis_chunks_iter_mut(Axis(1), CHUNK) {
        let mut out = out.slice_mut(s![.., ..chunk.ncols()]);
        times(small.view(), chunk.view(), out.view_mut());
        chunk.assign(&out);
    }
}

/// Scales the rows of `x`, which have these norms, to length 1, and returns their Gram matrix.
fn normalised_gram<T: Real>(x: &mut Array2<T>, norms: &[f64]) -> Array2<f64> {
    for (mut row, norm) in x.rows_mut().into_iter().zip(norms) {
        let factor = T::of_f64(1.0 / norm);
        row.mapv_inplace(|x| x * factor);
    }
    inner_products(x.view(), x.view())
}

/// The Euclidean norm of each row, in f64.
fn norms<T: Real>(x: &Array2<T>) -> Vec<f64> {
    let norm = |row: ndarray::ArrayView1<T>| row.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>().sqrt();
    x.rows().into_iter().map(norm).collect()
}
