//! An orthonormal basis that grows by blocks of vectors, using matrix products only.
//!
//! Block Gram–Schmidt: a block is projected off the basis and orthonormalised by the Cholesky factor of its Gram matrix
//! (CholeskyQR). Both steps are repeated ("twice is enough") unless the residual norms and the factor show that one pass is
//! accurate. CholeskyQR squares condition numbers, so each round takes only vectors that are well separated
//! ([`distance`](Basis::distance)); nearly parallel ones are deferred, projected off the new vectors, and considered again in the
//! next round. A residual at the level of rounding errors is dropped. Sums over the long axis and all small matrices are in f64,
//! the former per chunk ([`inner_products`]).
//!
//! For n vectors of length k and r basis vectors, a pass takes 4 n r k flops plus some 2.7 n² k, triangular products costing
//! slightly more than half a full one, in chunks of columns that stay in cache. A first block of n = 100, k = 10⁵, including its
//! images, runs at 76 GF/s in fresh memory; matmuls in cache reach 220 GF/s (`cargo bench --bench kernels -- products`).

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, concatenate, s};

use super::cholesky::{Selection, inverse, select};
use super::workspace::{Buffer, Workspace};
use crate::kernels::Real;
use crate::linalg::matmul::{
    CHUNK, add_gram, add_inner_products, add_times, chunks, count_rank_loss, count_vectors, inner_products, lower_times,
    uninitialised, zeros,
};
use crate::machine::pages;

/// A residual shorter than this × ε × the length of the vector is rounding error and is dropped.
const NOISE: f64 = 16.0;
/// Passes after which a block is accepted as it is. Two suffice unless many vectors are nearly dependent.
const MAX_PASSES: usize = 4;
/// If the Gram matrix is this close to the identity, one more CholeskyQR makes the block orthonormal up to rounding.
const ALMOST_ORTHONORMAL: f64 = 0.02;
/// One pass suffices if the estimated error is below this × ε.
const ENOUGH: f64 = 10.0;

/// Maximum number of vectors orthonormalised together; larger sets are split and projected off one another, which takes fewer
/// flops.
const AT_ONCE: usize = 128;
/// Vectors per slab; large, so that matmuls with few vectors are rare.
const SLAB: usize = 256;

/// Orthonormal vectors of length `dim`, in order of insertion.
pub struct Basis<T> {
    dim: usize,
    rank: usize,
    /// Each has capacity for [`SLAB`] vectors; all but the last are full. Pages of unused capacity are released to the system.
    slabs: Vec<Buffer<T>>,
    workspace: Workspace<T>,
}

/// Coordinates of vectors in a basis.
pub struct Coordinates {
    /// n × rank.
    pub coefficients: Array2<f64>,
    /// Rows whose squared norm overflows or is NaN; they are not in the basis and their coefficients are meaningless.
    pub overflowed: Vec<usize>,
}

impl<T: Real> Basis<T> {
    pub fn new(dim: usize, workspace: &Workspace<T>) -> Self {
        Self { dim, rank: 0, slabs: Vec::new(), workspace: workspace.clone() }
    }

    /// The workspace its memory comes from.
    pub fn workspace(&self) -> &Workspace<T> {
        &self.workspace
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

    /// The vectors from index `first` on, slab by slab: (indices, vectors), indices × dim.
    pub fn vectors_from(&self, first: usize) -> impl Iterator<Item = (Range<usize>, ArrayView2<'_, T>)> {
        self.slabs.iter().enumerate().skip(first / SLAB).map(move |(index, slab)| {
            let start = first.max(index * SLAB);
            let end = index * SLAB + slab.len() / self.dim;
            let rows = &slab[(start - index * SLAB) * self.dim..];
            (start..end, ArrayView2::from_shape((end - start, self.dim), rows).expect("rows of one length"))
        })
    }

    /// ⟨x, v⟩ for the rows x of `x`, n × dim, and the vectors v: n × rank.
    pub fn inner_products_with(&self, x: ArrayView2<T>) -> Array2<f64> {
        let mut products = Array2::zeros((x.nrows(), self.rank));
        for (numbers, vectors) in self.vectors_from(0) {
            products.slice_mut(s![.., numbers]).assign(&inner_products(x, vectors));
        }
        products
    }

    /// `out` (n × dim) += `coefficients` (n × rank) · vectors.
    pub fn add_combinations(&self, coefficients: &Array2<f64>, mut out: ArrayViewMut2<T>) {
        let coefficients = coefficients.mapv(T::of_f64);
        for (numbers, vectors) in self.vectors_from(0) {
            add_times(coefficients.slice(s![.., numbers]), vectors, out.view_mut());
        }
    }

    /// Relative distance from the span of its block below which a vector is deferred to the next round. At ε^(1/4) the rounding
    /// errors of one CholeskyQR stay far below 1.
    fn distance() -> f64 {
        T::EPSILON.sqrt().sqrt()
    }

    /// Extends the basis to span the rows of `x` (n × dim) up to rounding; returns their coordinates. Clobbers `x`.
    pub fn extend(&mut self, x: &mut Array2<T>) -> Coordinates {
        let n = x.nrows();
        let at_once = n.div_ceil(n.div_ceil(AT_ONCE).max(1));
        let known = (self.rank > 0 || at_once < n).then(|| norms(x));
        let (mut coefficients, mut gram) = self.project_off(0, None, x.view_mut(), at_once.min(n));
        let length = known.unwrap_or_else(|| gram.diag().iter().map(|square| square.sqrt()).collect());
        // Rows not yet in the span.
        let mut rows: Vec<usize> = (0..n).collect();
        while !rows.is_empty() && !self.is_full() {
            let later = rows.split_off(at_once.min(rows.len()));
            let residual: Vec<f64> = gram.diag().iter().map(|square| square.sqrt()).collect();
            let kept: Vec<usize> = (0..rows.len()).filter(|&row| residual[row] > NOISE * T::EPSILON * length[rows[row]]).collect();
            if kept.is_empty() {
                rows = later;
                if !rows.is_empty() {
                    gram = on_rows(x, &rows, &self.workspace.clone(), |x| {
                        self.project_off(self.rank, None, x, at_once.min(rows.len()))
                    })
                    .1;
                }
                continue;
            }
            gram = gram.select(Axis(0), &kept).select(Axis(1), &kept);
            gram.indexed_iter_mut().for_each(|((i, j), product)| *product /= residual[kept[i]] * residual[kept[j]]);
            let Selection { rows: selected, factor } = select(gram.view(), Self::distance(), self.dim - self.rank);
            let selected: Vec<usize> = selected.into_iter().map(|place| kept[place]).collect();
            let deferred = kept.into_iter().filter(|row| !selected.contains(row)).map(|row| rows[row]);
            let (deferred, block): (Vec<usize>, Vec<usize>) = (deferred.collect(), selected.iter().map(|&row| rows[row]).collect());

            let scale: Vec<f64> = selected.iter().map(|&row| residual[row]).collect();
            let shrunk: Vec<f64> = selected.iter().zip(&block).map(|(&row, &vector)| residual[row] / length[vector]).collect();
            let before = self.rank;
            let (on_block, on_basis) =
                on_rows(x, &block, &self.workspace.clone(), |x| self.orthonormalise(x, factor, &scale, &shrunk));
            let mut share = Array2::zeros((n, block.len()));
            for (place, &row) in block.iter().enumerate() {
                share.row_mut(row).assign(&on_block.row(place));
                if let Some(correction) = &on_basis {
                    coefficients.row_mut(row).scaled_add(1.0, &correction.row(place));
                }
            }
            rows = [deferred, later].concat();
            if !rows.is_empty() {
                let on_block;
                (on_block, gram) =
                    on_rows(x, &rows, &self.workspace.clone(), |x| self.project_off(before, None, x, at_once.min(rows.len())));
                for (&row, part) in rows.iter().zip(on_block.rows()) {
                    share.row_mut(row).assign(&part);
                }
            }
            coefficients = concatenate![Axis(1), coefficients, share];
        }
        let overflowed = (0..n).filter(|&row| !length[row].is_finite()).collect();
        Coordinates { coefficients, overflowed }
    }

    /// Orthonormalises `block`, m × dim, against the basis and itself, and appends it. The rows have been projected off the basis
    /// once; they have norms `scale`, a fraction `shrunk` of the norms before projection, and `factor` is the Cholesky factor of
    /// the Gram matrix of the normalised rows. Returns the coordinates of the rows in the new vectors, m × m, and those in the
    /// old basis if more than one pass was needed, m × rank.
    fn orthonormalise(
        &mut self,
        mut block: ArrayViewMut2<T>,
        factor: Array2<f64>,
        scale: &[f64],
        shrunk: &[f64],
    ) -> (Array2<f64>, Option<Array2<f64>>) {
        let mut on_block = factor.clone();
        on_block.rows_mut().into_iter().zip(scale).for_each(|(mut row, scale)| row *= *scale);
        let mut to_unit = inverse(&factor);
        // Rounding errors of the Gram matrix and of the projection, amplified by the inverse of the factor.
        let error = |(row, shrunk): (ndarray::ArrayView1<f64>, &f64)| row.dot(&row) + row.dot(&row).sqrt() / shrunk;
        let error_bound = to_unit.rows().into_iter().zip(shrunk).map(error).fold(0.0, f64::max);
        to_unit.columns_mut().into_iter().zip(scale).for_each(|(mut column, scale)| column /= *scale);
        if error_bound <= ENOUGH {
            self.append(&to_unit, block.view());
            return (on_block, None);
        }
        let mut on_basis = Array2::zeros((block.nrows(), self.rank));
        for pass in 2..=MAX_PASSES {
            let (part, gram) = self.project_off(0, Some(&to_unit), block.view_mut(), on_block.nrows());
            on_basis += &on_block.dot(&part);
            let factor = select(gram.view(), 0.0, block.nrows()).factor;
            if factor.nrows() < block.nrows() {
                // Valid runs get here: `--depths 3 --dims 2 --widths 1000 --networks 2 --inputs-law hypercube --engine implicit` does. The caller
                // warns.
                count_rank_loss();
                to_unit = Array2::eye(block.nrows());
                break;
            }
            to_unit = inverse(&factor);
            on_block = on_block.dot(&factor);
            let off = gram.indexed_iter().filter(|((i, j), _)| i >= j);
            let off = off.map(|((i, j), g)| (g - f64::from(u8::from(i == j))).abs()).fold(0.0, f64::max);
            if off < ALMOST_ORTHONORMAL || pass == MAX_PASSES {
                break;
            }
        }
        self.append(&to_unit, block.view());
        (on_block, Some(on_basis))
    }

    /// Projects `x`, n × dim, off the vectors from index `first` on, after `x` ← `by`·`x` with a lower triangular `by` if given.
    /// Returns the coefficients of the removed component, n × (rank − `first`), and the Gram matrix (lower triangle) of the first
    /// `count` rows after projection. Two passes over `x` and the vectors, in chunks of columns.
    fn project_off(
        &self,
        first: usize,
        by: Option<&Array2<f64>>,
        mut x: ArrayViewMut2<T>,
        count: usize,
    ) -> (Array2<f64>, Array2<f64>) {
        // First pass: x read, and written if multiplied; second pass: x read and written; the vectors read in both.
        count_vectors(x.nrows() * if by.is_some() { 4 } else { 3 } + 2 * (self.rank - first), self.dim);
        let by = by.map(|by| by.mapv(T::of_f64));
        let mut coefficients = Array2::zeros((x.nrows(), self.rank - first));
        let mut multiplied = zeros((x.nrows(), if by.is_some() { CHUNK.min(self.dim) } else { 0 }));
        for columns in chunks(if by.is_some() || first < self.rank { self.dim } else { 0 }) {
            let mut chunk = x.slice_mut(s![.., columns.clone()]);
            if let Some(by) = &by {
                let mut multiplied = multiplied.slice_mut(s![.., ..columns.len()]);
                lower_times(by.view(), chunk.view(), multiplied.view_mut());
                chunk.assign(&multiplied);
            }
            for (numbers, vectors) in self.vectors_from(first) {
                let part = coefficients.slice_mut(s![.., numbers.start - first..numbers.end - first]);
                add_inner_products(chunk.view(), vectors.slice(s![.., columns.clone()]), part);
            }
        }
        let taken = coefficients.mapv(|c| T::of_f64(-c));
        let mut gram = Array2::zeros((count, count));
        for columns in chunks(self.dim) {
            let mut chunk = x.slice_mut(s![.., columns.clone()]);
            for (numbers, vectors) in self.vectors_from(first) {
                let taken = taken.slice(s![.., numbers.start - first..numbers.end - first]);
                add_times(taken, vectors.slice(s![.., columns.clone()]), chunk.view_mut());
            }
            add_gram(chunk.slice(s![..count, ..]), gram.view_mut());
        }
        (coefficients, gram)
    }

    /// Appends the rows of `by`·`block`, which are orthonormal and orthogonal to the basis; `by` is lower triangular, m × m,
    /// `block` m × dim.
    fn append(&mut self, by: &Array2<f64>, block: ArrayView2<T>) {
        count_vectors(2 * block.nrows(), self.dim);
        let by = by.mapv(T::of_f64);
        let mut taken = 0;
        while taken < by.nrows() {
            let is_new = self.rank == self.slabs.len() * SLAB;
            if is_new {
                self.slabs.push(self.workspace.buffer(SLAB.min(self.dim - self.rank) * self.dim));
            }
            let count = (by.nrows() - taken).min(self.slabs.len() * SLAB - self.rank);
            let slab = self.slabs.last_mut().expect("one was just pushed");
            let memory = &mut slab.spare_capacity_mut()[..count * self.dim];
            // SAFETY: the products below write every entry and read none.
            let mut rows = unsafe { uninitialised((count, self.dim), memory) };
            for columns in chunks(self.dim) {
                let x = block.slice(s![..taken + count, columns.clone()]);
                lower_times(by.slice(s![taken..taken + count, ..taken + count]), x, rows.slice_mut(s![.., columns]));
            }
            let length = slab.len() + count * self.dim;
            // SAFETY: these entries have just been written.
            unsafe { slab.set_len(length) };
            // The plan counts vectors, not slabs.
            if is_new && !slab.is_same() {
                pages::discard(slab.spare_capacity_mut());
            }
            self.rank += count;
            taken += count;
        }
    }
}

/// Calls `work` on the given rows of `x` (ascending) as one matrix, copied there and back unless contiguous.
fn on_rows<T: Real, R>(x: &mut Array2<T>, rows: &[usize], workspace: &Workspace<T>, work: impl FnOnce(ArrayViewMut2<T>) -> R) -> R {
    let (first, last) = (rows[0], rows[rows.len() - 1]);
    if last - first + 1 == rows.len() {
        return work(x.slice_mut(s![first..=last, ..]));
    }
    let mut chosen = workspace.matrix((rows.len(), x.ncols()));
    for (&row, mut chosen) in rows.iter().zip(chosen.rows_mut()) {
        chosen.assign(&x.row(row));
    }
    let result = work(chosen.view_mut());
    for (&row, chosen) in rows.iter().zip(chosen.rows()) {
        x.row_mut(row).assign(&chosen);
    }
    workspace.recycle(chosen);
    result
}

/// Row norms: chunks in the precision of the vectors, summed in f64.
fn norms<T: Real>(x: &Array2<T>) -> Vec<f64> {
    let square = |part: ndarray::ArrayView1<T>| part.dot(&part).to_f64();
    let norm = |row: ndarray::ArrayView1<T>| row.axis_chunks_iter(Axis(0), CHUNK).map(square).sum::<f64>().sqrt();
    x.rows().into_iter().map(norm).collect()
}
