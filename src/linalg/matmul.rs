//! Matrix products and matrix allocation. Single-threaded: parallelism is over units.
//!
//! Products use our own [`gemm`](crate::kernels::gemm), whose bits are the same on every machine, and which matches the best BLAS at 100 inputs and
//! is faster at few; weights in bf16 pairs go to [`split`](crate::kernels::gemm::split).

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

use crate::kernels::masks::{self, Masks};
use crate::kernels::{Real, Weight, gemm};
use crate::machine::pages;
use crate::team::Share;

/// A zero matrix; on huge pages if large.
pub fn zeros<W: Weight>(shape: (usize, usize)) -> Array2<W> {
    let mut matrix = Array2::from_elem(shape, W::drawn(0.0));
    pages::prefer_large(matrix.as_slice_mut().expect("a new matrix is contiguous"));
    matrix
}

/// Views uninitialised `memory` as a row-major matrix to be written by a matmul.
///
/// # Safety
/// Every entry must be written before it is read. Matmuls that overwrite their output do not read it.
///
/// # Panics
/// If the length of `memory` does not match `shape`.
pub unsafe fn uninitialised<T: Weight>(shape: (usize, usize), memory: &mut [MaybeUninit<T>]) -> ArrayViewMut2<'_, T> {
    let matrix = ArrayViewMut2::from_shape(shape, memory).expect("the matrix fills the memory");
    // SAFETY: any bits are a T, and the caller writes before reading.
    unsafe { matrix.assume_init() }
}

/// A matrix written by `fill`, without zeroing it first; on huge pages if large.
///
/// # Safety
/// As for [`uninitialised`]; `fill` must write every entry.
pub unsafe fn filled<T: Real>(shape: (usize, usize), fill: impl FnOnce(ArrayViewMut2<T>)) -> Array2<T> {
    let mut matrix = Array2::uninit(shape);
    let memory = matrix.as_slice_mut().expect("a new matrix is contiguous");
    pages::prefer_large(memory);
    // SAFETY: guaranteed by the caller.
    unsafe {
        fill(uninitialised(shape, memory));
        matrix.assume_init()
    }
}

/// `x`·`w`ᵀ, n × m, with `x` n × q and `w` m × q, row-major.
pub fn with_transposed<W: Weight>(x: ArrayView2<W::Real>, w: ArrayView2<W>) -> Array2<W::Real> {
    // SAFETY: `times_transposed` writes every entry of `out` and reads none.
    unsafe { filled((x.nrows(), w.nrows()), |out| times_transposed(x, w, out)) }
}

/// `out` = `x`·`w`ᵀ, with `x` n × q, `w` m × q and `out` n × m, all row-major.
pub fn times_transposed<W: Weight>(x: ArrayView2<W::Real>, w: ArrayView2<W>, out: ArrayViewMut2<W::Real>) {
    matmul(x, w.reversed_axes(), false, out);
}

/// `out` += `y`·`w`, with `y` n × m, `w` m × q and `out` n × q, all row-major.
pub fn add_times<W: Weight>(y: ArrayView2<W::Real>, w: ArrayView2<W>, out: ArrayViewMut2<W::Real>) {
    matmul(y, w, true, out);
}

/// `out` = `y`·`w`, with `y` n × m, `w` m × q and `out` n × q, all row-major.
pub fn times<W: Weight>(y: ArrayView2<W::Real>, w: ArrayView2<W>, out: ArrayViewMut2<W::Real>) {
    matmul(y, w, false, out);
}

/// Columns per partial sum in [`inner_products`], accumulated in the precision of the vectors.
pub const CHUNK: usize = 1024;

/// The column ranges of [`CHUNK`] columns (the last may be shorter) of vectors of length `length`.
pub fn chunks(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(CHUNK).map(move |start| start..length.min(start + CHUNK))
}

/// [`chunks`] of the columns `range`, from its start on.
pub fn chunks_of(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    chunks(range.len()).map(move |chunk| range.start + chunk.start..range.start + chunk.end)
}

/// A matrix of sums over the slabs of `share`: `add` adds those of one slab to zeros. Every member of the team must call it, with the same shape.
pub fn sum_over(share: &Share, shape: (usize, usize), mut add: impl FnMut(Range<usize>, ArrayViewMut2<f64>)) -> Array2<f64> {
    let sums = share.sum(shape.0 * shape.1, |slab, sums| {
        add(slab, ArrayViewMut2::from_shape(shape, sums).expect("sums of this shape"));
    });
    Array2::from_shape_vec(shape, sums).expect("sums of this shape")
}

/// As [`sum_over`], for sums that are accumulated in the precision of the vectors within a slab, and in f64 over slabs.
pub fn sum_products<T: Real>(
    share: &Share,
    shape: (usize, usize),
    mut add: impl FnMut(Range<usize>, ArrayViewMut2<T>),
) -> Array2<T> {
    let mut part: Array2<T> = zeros(shape);
    let sums = sum_over(share, shape, |slab, mut sums| {
        part.fill(T::zero());
        add(slab, part.view_mut());
        sums.zip_mut_with(&part, |sum, part| *sum = part.to_f64());
    });
    part.zip_mut_with(&sums, |part, sum| *part = T::of_f64(*sum));
    part
}

/// `a`·`b`ᵀ, n × m, with `a` n × k and `b` m × k for large k: chunks of [`CHUNK`] columns in the precision of the vectors, summed
/// in f64.
pub fn inner_products<W: Weight>(a: ArrayView2<W::Real>, b: ArrayView2<W>) -> Array2<f64> {
    let mut sum = Array2::zeros((a.nrows(), b.nrows()));
    for columns in chunks(a.ncols()) {
        add_inner_products(a.slice(s![.., columns.clone()]), b.slice(s![.., columns]), sum.view_mut());
    }
    sum
}

/// As [`inner_products`], with the weights on the left: `w` n × k, `b` m × k.
pub fn inner_products_of_weights<W: Weight>(w: ArrayView2<W>, b: ArrayView2<W::Real>) -> Array2<f64> {
    match W::numbers(w) {
        Some(w) => inner_products(w, b),
        None => inner_products(b, w).reversed_axes(),
    }
}

/// `sum` += `a`·`b`ᵀ for one chunk: `a` n × c, `b` m × c, `sum` n × m.
pub fn add_inner_products<W: Weight>(a: ArrayView2<W::Real>, b: ArrayView2<W>, mut sum: ArrayViewMut2<f64>) {
    let mut part: Array2<W::Real> = zeros(sum.dim());
    times_transposed(a, b, part.view_mut());
    sum.zip_mut_with(&part, |sum, part| *sum += part.to_f64());
}

/// `gram` += `a`·`a`ᵀ for one chunk (syrk): `a` n × c, `gram` n × n, lower triangle only.
pub fn add_gram<T: Real>(a: ArrayView2<T>, mut gram: ArrayViewMut2<f64>) {
    count_multiply_adds((a.nrows() * (a.nrows() + 1) / 2) as f64 * a.ncols() as f64);
    let mut part: Array2<T> = zeros(gram.dim());
    gemm::gram(a, part.view_mut());
    gram.zip_mut_with(&part, |sum, part| *sum += part.to_f64());
}

/// `a`·`b` of small matrices, n × m, with `a` n × q and `b` q × m; not counted as [`work`].
pub fn small_product(a: ArrayView2<f64>, b: ArrayView2<f64>) -> Array2<f64> {
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    gemm::matmul(a, b, false, out.view_mut());
    out
}

/// `out` = `lower`·`x` (trmm), with `lower` the last n rows of an m × m lower triangular matrix, `x` m × c and `out` n × c.
pub fn lower_times<T: Real>(lower: ArrayView2<T>, x: ArrayView2<T>, out: ArrayViewMut2<T>) {
    let above = lower.ncols() - lower.nrows();
    let ends: Vec<usize> = (0..lower.nrows()).map(|row| above + row + 1).collect();
    count_multiply_adds(ends.iter().sum::<usize>() as f64 * x.ncols() as f64);
    gemm::matmul_ragged(lower, &ends, x, out);
}

/// `out` = `x`·`w`ᵀ for an `x` whose row i is zero from column `ends`\[i\] on; `x` n × q, `w` m × q and `out` n × m, all row-major.
pub fn ragged_times_transposed<W: Weight>(x: ArrayView2<W::Real>, ends: &[usize], w: ArrayView2<W>, out: ArrayViewMut2<W::Real>) {
    count_multiply_adds(ends.iter().sum::<usize>() as f64 * w.nrows() as f64);
    W::multiply_ragged(x, ends, w.reversed_axes(), out);
}

/// `out`_i += Σ_j m_ij a_j v_j, with masks m (inputs × neurons), readout weights `a`, v_j the rows of `rows` (neurons × q), `out`
/// inputs × q.
pub fn add_masked_rows<W: Weight>(masks: &mut Masks, a: &[W::Real], rows: ArrayView2<W>, out: ArrayViewMut2<W::Real>) {
    count_multiply_adds(masks::additions(out.nrows(), rows.nrows(), rows.ncols()));
    masks.add_weighted_rows(a, rows, out);
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work { flops: 0.0, vector_numbers: 0.0, rank_losses: 0 }) };
}

/// Operation counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Flops in matrix products. An addition in a lookup-table product counts as two, as it takes one instruction, like an FMA.
    /// Mask overlaps, counted in integers, are excluded.
    pub flops: f64,
    /// Entries of long vectors (length d or k) read or written by the implicit and shallow engines, once per pass over the
    /// vector.
    pub vector_numbers: f64,
    /// Blocks appended to a [basis](super::basis) although they were not orthonormal after the last pass.
    pub rank_losses: u64,
}

/// Operation counts of this thread so far.
pub fn work() -> Work {
    WORK.get()
}

fn count_multiply_adds(count: f64) {
    WORK.set(Work { flops: WORK.get().flops + 2.0 * count, ..WORK.get() });
}

/// Counts `count` vectors of length `length` read or written.
pub fn count_vectors(count: usize, length: usize) {
    WORK.set(Work { vector_numbers: WORK.get().vector_numbers + count as f64 * length as f64, ..WORK.get() });
}

/// Counts a rank-deficient block.
pub fn count_rank_loss() {
    WORK.set(Work { rank_losses: WORK.get().rank_losses + 1, ..WORK.get() });
}

fn matmul<W: Weight>(a: ArrayView2<W::Real>, b: ArrayView2<W>, keep: bool, out: ArrayViewMut2<W::Real>) {
    count_multiply_adds(a.len() as f64 * b.ncols() as f64);
    W::multiply(a, b, keep, out);
}
