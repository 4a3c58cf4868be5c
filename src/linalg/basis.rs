//! An orthonormal basis that grows by blocks of vectors, using matrix products only.
//!
//! Block Gram–Schmidt: a block is projected off the basis and orthonormalised by the Cholesky factor of its Gram matrix
//! (CholeskyQR). Both steps are repeated ("twice is enough") unless the residual norms and the factor show that one pass is
//! accurate. CholeskyQR squares condition numbers, so each round takes only vectors that are well separated
//! ([`distance`](Basis::distance)); nearly parallel ones are deferred, projected off the new vectors, and considered again in the
//! next round. A residual at the level of rounding errors is dropped. Sums over the long axis and all small matrices are in f64,
//! the former per chunk ([`inner_products`]). The members of a team each hold their [share](crate::team::Share) of every vector; only those sums
//! are theirs together, and the small matrices are the same on all of them.
//!
//! For n vectors of length k and r basis vectors, a pass takes 4 n r k flops plus 2 n² k in triangular products, of which whole tiles make some
//! 2.5 n² k, in chunks of columns that stay in cache. `cargo bench --bench kernels -- products` times a first block with its images.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, concatenate, s};

use super::cholesky::{Selection, inverse, select};
use super::workspace::{Buffer, Workspace};
use crate::kernels::{Real, norm};
use crate::linalg::matmul::{
    CHUNK, add_gram, add_inner_products, add_times, chunks, chunks_of, count_rank_loss, count_vectors, inner_products, lower_times,
    small_product, sum_over, uninitialised, zeros,
};
use crate::machine::pages;
use crate::team::Share;

/// A residual shorter than this × ε × the length of the vector is rounding error and is dropped.
const NOISE: f64 = 16.0;
/// Passes after which a block is accepted as it is. Two suffice unless many vectors are nearly dependent.
const MAX_PASSES: usize = 4;
/// If the Gram matrix is this close to the identity, one more CholeskyQR makes the block orthonormal up to rounding.
const ALMOST_ORTHONORMAL: f64 = 0.02;
/// A unit vector that a third pass leaves shorter than this was a rounding error: the second has made it orthogonal up to rounding.
const STILL_LONG: f64 = 0.5;
/// One pass suffices if the estimated error is below this × ε.
const ENOUGH: f64 = 10.0;

/// Maximum number of vectors orthonormalised together; larger sets are split and projected off one another, which takes fewer
/// flops.
const AT_ONCE: usize = 128;
/// Vectors per bundle; large, so that matmuls with few vectors are rare.
const BUNDLE: usize = 256;
/// Largest bundle, in bytes, that is reserved in full: systems refuse reservations beyond their memory. Larger ones grow.
const MOST_RESERVED: usize = 8 << 30;

/// Orthonormal vectors, in order of insertion. Matrices of vectors have one column for each entry that this member holds.
pub struct Basis<T> {
    share: Share,
    rank: usize,
    /// Each holds [`BUNDLE`] vectors; all but the last are full. Pages of unused capacity are released to the system.
    bundles: Vec<Buffer<T>>,
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
    /// An empty basis of vectors whose entries are those of `share`.
    pub fn new(share: Share, workspace: &Workspace<T>) -> Self {
        Self { share, rank: 0, bundles: Vec::new(), workspace: workspace.clone() }
    }

    /// The workspace its memory comes from.
    pub fn workspace(&self) -> &Workspace<T> {
        &self.workspace
    }

    /// Number of vectors.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The entries of the vectors that this member holds.
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// Length of the vectors.
    pub fn dim(&self) -> usize {
        self.share.total()
    }

    /// Whether the basis spans the whole space.
    pub fn is_full(&self) -> bool {
        self.rank == self.dim()
    }

    /// The vectors from index `first` on, bundle by bundle: (indices, vectors).
    pub fn vectors_from(&self, first: usize) -> impl Iterator<Item = (Range<usize>, ArrayView2<'_, T>)> {
        let length = self.share.len();
        self.bundles.iter().enumerate().skip(first / BUNDLE).map(move |(index, bundle)| {
            let start = first.max(index * BUNDLE);
            let end = self.rank.min((index + 1) * BUNDLE);
            let rows = &bundle[(start - index * BUNDLE) * length..];
            (start..end, ArrayView2::from_shape((end - start, length), rows).expect("rows of one length"))
        })
    }

    /// ⟨x, v⟩ for the rows x of `x` and the vectors v: n × rank.
    pub fn inner_products_with(&self, x: ArrayView2<T>) -> Array2<f64> {
        sum_over(&self.share, (x.nrows(), self.rank), |columns, mut products| {
            let x = x.slice(s![.., columns.clone()]);
            for (numbers, vectors) in self.vectors_from(0) {
                products.slice_mut(s![.., numbers]).assign(&inner_products(x, vectors.slice(s![.., columns.clone()])));
            }
        })
    }

    /// `out` += `coefficients` (n × rank) · vectors.
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

    /// Extends the basis to span the rows of `x` up to rounding; returns their coordinates. Clobbers `x`.
    pub fn extend(&mut self, x: &mut Array2<T>) -> Coordinates {
        let n = x.nrows();
        let at_once = n.div_ceil(n.div_ceil(AT_ONCE).max(1));
        let known = (self.rank > 0 || at_once < n).then(|| norms(&self.share, x));
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
            let Selection { rows: selected, factor } = select(gram.view(), Self::distance(), self.dim() - self.rank);
            let selected: Vec<usize> = selected.into_iter().map(|place| kept[place]).collect();
            let deferred = kept.into_iter().filter(|row| !selected.contains(row)).map(|row| rows[row]);
            let (deferred, block): (Vec<usize>, Vec<usize>) = (deferred.collect(), selected.iter().map(|&row| rows[row]).collect());

            let scale: Vec<f64> = selected.iter().map(|&row| residual[row]).collect();
            let shrunk: Vec<f64> = selected.iter().zip(&block).map(|(&row, &vector)| residual[row] / length[vector]).collect();
            let before = self.rank;
            let (on_block, on_basis) =
                on_rows(x, &block, &self.workspace.clone(), |x| self.orthonormalise(x, factor, &scale, &shrunk));
            let mut share = Array2::zeros((n, on_block.ncols()));
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

    /// Orthonormalises `block`, m vectors, against the basis and itself, and appends it. The rows have been projected off the basis
    /// once; they have norms `scale`, a fraction `shrunk` of the norms before projection, and `factor` is the Cholesky factor of
    /// the Gram matrix of the normalised rows. Returns the coordinates of the rows in the new vectors, m × (new vectors), and those in the
    /// old basis if more than one pass was needed, m × rank.
    ///
    /// A row that a further pass shows to be close to the span of basis and block was a rounding error after all: no vector is appended for it.
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
        let error = |(row, shrunk): (ndarray::ArrayView1<f64>, &f64)| {
            let square = norm::squared(row.to_slice().expect("rows are contiguous"));
            square + square.sqrt() / shrunk
        };
        let error_bound = to_unit.rows().into_iter().zip(shrunk).map(error).fold(0.0, f64::max);
        to_unit.columns_mut().into_iter().zip(scale).for_each(|(mut column, scale)| column /= *scale);
        if error_bound <= ENOUGH {
            self.append(&to_unit, block.view());
            return (on_block, None);
        }
        let mut on_basis = Array2::zeros((block.nrows(), self.rank));
        for pass in 2..=MAX_PASSES {
            let (part, gram) = self.project_off(0, Some(&to_unit), block.view_mut(), to_unit.nrows());
            on_basis += &small_product(on_block.view(), part.view());
            // The rows had length 1.
            let least = if pass == 2 { Self::distance() } else { STILL_LONG };
            let long: Vec<usize> = (0..gram.nrows()).filter(|&row| gram[[row, row]] > least * least).collect();
            let among_long = gram.select(Axis(0), &long).select(Axis(1), &long);
            let Selection { rows, factor } = select(among_long.view(), least, long.len());
            let rows: Vec<usize> = rows.into_iter().map(|row| long[row]).collect();
            on_block = small_product(on_block.view(), coordinates_of_all(gram.view(), &rows, &factor).view());
            to_unit = inverse(&factor);
            if rows.len() < gram.nrows() {
                for (to, &from) in rows.iter().enumerate().filter(|(to, from)| to != *from) {
                    let (mut kept, moved) = block.multi_slice_mut((s![to, ..], s![from, ..]));
                    kept.assign(&moved);
                }
                block = block.slice_move(s![..rows.len(), ..]);
            }
            let kept = gram.select(Axis(0), &rows).select(Axis(1), &rows);
            let off = kept.indexed_iter().filter(|((i, j), _)| i >= j);
            let off = off.map(|((i, j), g)| (g - f64::from(u8::from(i == j))).abs()).fold(0.0, f64::max);
            if off < ALMOST_ORTHONORMAL {
                break;
            }
            if pass == MAX_PASSES {
                count_rank_loss();
            }
        }
        self.append(&to_unit, block.view());
        (on_block, Some(on_basis))
    }

    /// Projects the rows of `x` off the vectors from index `first` on, after `x` ← `by`·`x` with a lower triangular `by` if given.
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
        count_vectors(x.nrows() * if by.is_some() { 4 } else { 3 } + 2 * (self.rank - first), self.share.len());
        let by = by.map(|by| by.mapv(T::of_f64));
        let mut multiplied = zeros((x.nrows(), if by.is_some() { CHUNK.min(self.share.len()) } else { 0 }));
        let coefficients = sum_over(&self.share, (x.nrows(), self.rank - first), |slab, mut coefficients| {
            for columns in chunks_of(if by.is_some() || first < self.rank { slab } else { 0..0 }) {
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
        });
        let taken = coefficients.mapv(|c| T::of_f64(-c));
        let gram = sum_over(&self.share, (count, count), |slab, mut gram| {
            for columns in chunks_of(slab) {
                let mut chunk = x.slice_mut(s![.., columns.clone()]);
                for (numbers, vectors) in self.vectors_from(first) {
                    let taken = taken.slice(s![.., numbers.start - first..numbers.end - first]);
                    add_times(taken, vectors.slice(s![.., columns.clone()]), chunk.view_mut());
                }
                add_gram(chunk.slice(s![..count, ..]), gram.view_mut());
            }
        });
        (coefficients, gram)
    }

    /// Appends the rows of `by`·`block`, which are orthonormal and orthogonal to the basis; `by` is lower triangular, m × m.
    fn append(&mut self, by: &Array2<f64>, block: ArrayView2<T>) {
        let length = self.share.len();
        count_vectors(2 * block.nrows(), length);
        let by = by.mapv(T::of_f64);
        let mut taken = 0;
        while taken < by.nrows() {
            let is_new = self.rank == self.bundles.len() * BUNDLE;
            if is_new {
                let most = BUNDLE.min(self.dim() - self.rank);
                let now = if most * length * size_of::<T>() <= MOST_RESERVED { most } else { most.min(by.nrows() - taken) };
                self.bundles.push(self.workspace.buffer(now * length));
            }
            let count = (by.nrows() - taken).min(self.bundles.len() * BUNDLE - self.rank);
            let bundle = self.bundles.last_mut().expect("one was just pushed");
            bundle.reserve_exact(count * length);
            let memory = &mut bundle.spare_capacity_mut()[..count * length];
            // SAFETY: the products below write every entry and read none.
            let mut rows = unsafe { uninitialised((count, length), memory) };
            for columns in chunks(length) {
                let x = block.slice(s![..taken + count, columns.clone()]);
                lower_times(by.slice(s![taken..taken + count, ..taken + count]), x, rows.slice_mut(s![.., columns]));
            }
            let filled = bundle.len() + count * length;
            // SAFETY: these entries have just been written.
            unsafe { bundle.set_len(filled) };
            // The plan counts vectors, not bundles.
            if is_new && !bundle.is_same() {
                pages::discard(bundle.spare_capacity_mut());
            }
            self.rank += count;
            taken += count;
        }
    }
}

/// The coordinates of all vectors with Gram matrix `gram` (lower triangle) in the orthonormal ones that `factor`, the Cholesky factor of the vectors
/// `rows`, makes of these.
fn coordinates_of_all(gram: ArrayView2<f64>, rows: &[usize], factor: &Array2<f64>) -> Array2<f64> {
    let mut coordinates = Array2::zeros((gram.nrows(), rows.len()));
    for (vector, mut own) in coordinates.rows_mut().into_iter().enumerate() {
        if let Ok(place) = rows.binary_search(&vector) {
            own.assign(&factor.row(place));
            continue;
        }
        for (place, &row) in rows.iter().enumerate() {
            let known: f64 = (0..place).map(|j| own[j] * factor[[place, j]]).sum();
            own[place] = (gram[[vector.max(row), vector.min(row)]] - known) / factor[[place, place]];
        }
    }
    coordinates
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
fn norms<T: Real>(share: &Share, x: &Array2<T>) -> Vec<f64> {
    let square =
        |part: ndarray::ArrayView1<T>| norm::squared(part.as_standard_layout().as_slice().expect("standard layout")).to_f64();
    let squares = share.sum(x.nrows(), |slab, squares| {
        for (row, sum) in x.slice(s![.., slab]).rows().into_iter().zip(squares) {
            *sum = row.axis_chunks_iter(Axis(0), CHUNK).map(square).sum::<f64>();
        }
    });
    squares.into_iter().map(f64::sqrt).collect()
}
