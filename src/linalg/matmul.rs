//! Matrix products, and the matrices they fill; on one thread: parallelism is over units.
//!
//! Products in f32 are made by the kernel [`gemm`](crate::kernels::gemm), which is as fast as the best BLAS with 100 inputs and faster with
//! few, whatever kernels BLAS has been given; others go through BLAS. ndarray leaves BLAS silently for a matrix without a unit-stride axis;
//! the assertions keep such a matrix out.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

use crate::kernels::Real;
use crate::kernels::masks::{self, Masks};
use crate::machine::{blas, pages};

/// A matrix of zeros, in large pages if it is large.
pub fn zeros<T: Real>(shape: (usize, usize)) -> Array2<T> {
    let mut matrix = Array2::from_elem(shape, T::zero());
    pages::prefer_large(matrix.as_slice_mut().expect("a new matrix is contiguous"));
    matrix
}

/// Uninitialised `memory` as a matrix, for a product to write.
///
/// # Safety
/// Every number must be written before it is read. A product that does not add to its result never reads it: neither do our kernels, nor
/// BLAS with β = 0, nor ndarray.
///
/// # Panics
/// `memory` of another length than the matrix.
pub unsafe fn uninitialised<T: Real>(shape: (usize, usize), memory: &mut [MaybeUninit<T>]) -> ArrayViewMut2<'_, T> {
    let matrix = ArrayViewMut2::from_shape(shape, memory).expect("the matrix fills the memory");
    // SAFETY: f32 or f64, and the caller writes before reading.
    unsafe { matrix.assume_init() }
}

/// A matrix written by `fill`, in large pages if it is large: saves the zeros that would be overwritten.
///
/// # Safety
/// As for [`uninitialised`]; `fill` must write every number.
pub unsafe fn filled<T: Real>(shape: (usize, usize), fill: impl FnOnce(ArrayViewMut2<T>)) -> Array2<T> {
    let mut matrix = Array2::uninit(shape);
    let memory = matrix.as_slice_mut().expect("a new matrix is contiguous");
    pages::prefer_large(memory);
    // SAFETY: as the caller says.
    unsafe {
        fill(uninitialised(shape, memory));
        matrix.assume_init()
    }
}

/// `x`·`w`ᵀ, n × m, with `x` n × q and `w` m × q, row-major.
pub fn with_transposed<T: Real>(x: ArrayView2<T>, w: ArrayView2<T>) -> Array2<T> {
    // SAFETY: a product writes every number of its result, and reads none.
    unsafe { filled((x.nrows(), w.nrows()), |out| times_transposed(x, w, out)) }
}

/// `out` = `x`·`w`ᵀ, with `x` n × q, `w` m × q and `out` n × m, all row-major.
pub fn times_transposed<T: Real>(x: ArrayView2<T>, w: ArrayView2<T>, out: ArrayViewMut2<T>) {
    matmul(x, w.reversed_axes(), false, out);
}

/// `out` += `y`·`w`, with `y` n × m, `w` m × q and `out` n × q, all row-major.
pub fn add_times<T: Real>(y: ArrayView2<T>, w: ArrayView2<T>, out: ArrayViewMut2<T>) {
    matmul(y, w, true, out);
}

/// `out` = `y`·`w`, with `y` n × m, `w` m × q and `out` n × q, all row-major.
pub fn times<T: Real>(y: ArrayView2<T>, w: ArrayView2<T>, out: ArrayViewMut2<T>) {
    matmul(y, w, false, out);
}

/// Columns that one product sums over in [`inner_products`], in the arithmetic of the vectors.
pub const CHUNK: usize = 1024;

/// The columns of vectors of length `length`, chunk by chunk.
pub fn chunks(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(CHUNK).map(move |start| start..length.min(start + CHUNK))
}

/// `a`·`b`ᵀ, with `a` n × k and `b` m × k for long k: chunks of [`CHUNK`] columns in the arithmetic of the vectors, their sum in f64.
pub fn inner_products<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>) -> Array2<f64> {
    let mut sum = Array2::zeros((a.nrows(), b.nrows()));
    for columns in chunks(a.ncols()) {
        add_inner_products(a.slice(s![.., columns.clone()]), b.slice(s![.., columns]), sum.view_mut());
    }
    sum
}

/// `sum` += `a`·`b`ᵀ for one chunk: `a` n × c, `b` m × c, `sum` n × m.
pub fn add_inner_products<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, mut sum: ArrayViewMut2<f64>) {
    let mut part = zeros(sum.dim());
    times_transposed(a, b, part.view_mut());
    sum.zip_mut_with(&part, |sum, part| *sum += part.to_f64());
}

/// `gram` += `a`·`a`ᵀ for one chunk, the lower triangle alone: `a` n × c, `gram` n × n.
pub fn add_gram<T: Real>(a: ArrayView2<T>, mut gram: ArrayViewMut2<f64>) {
    for start in (0..a.nrows()).step_by(TRIANGLE_ROWS) {
        let end = a.nrows().min(start + TRIANGLE_ROWS);
        add_inner_products(a.slice(s![start..end, ..]), a.slice(s![..end, ..]), gram.slice_mut(s![start..end, ..end]));
    }
}

/// `out` = `lower`·`x`, with `lower` the last n rows of a lower triangular matrix, n × m, `x` m × c and `out` n × c.
pub fn lower_times<T: Real>(lower: ArrayView2<T>, x: ArrayView2<T>, mut out: ArrayViewMut2<T>) {
    let above = lower.ncols() - lower.nrows();
    for start in (0..lower.nrows()).step_by(TRIANGLE_ROWS) {
        let end = lower.nrows().min(start + TRIANGLE_ROWS);
        times(lower.slice(s![start..end, ..above + end]), x.slice(s![..above + end, ..]), out.slice_mut(s![start..end, ..]));
    }
}

/// Rows of a triangular matrix that are taken together, up to the last one's diagonal entry.
pub const TRIANGLE_ROWS: usize = 32;

/// `out` (inputs × q) += Σ_j m_ij a_j v_j: the rows v_j of `rows`, neurons × q, with the readout weights `a` of the neurons that are on.
pub fn add_masked_rows<T: Real>(masks: &mut Masks, a: &[T], rows: ArrayView2<T>, out: ArrayViewMut2<T>) {
    let flops = 2.0 * masks::additions(out.nrows(), rows.nrows(), rows.ncols());
    WORK.set(Work { flops: WORK.get().flops + flops, ..WORK.get() });
    masks.add_weighted_rows(a, rows, out);
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work { flops: 0.0, vector_numbers: 0.0, rank_losses: 0 }) };
}

/// What products have cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Floating-point operations in matrix products; an addition of a product by tables counts as two, because it takes an instruction as a
    /// multiplication with an addition does. Overlaps of masks, which are counted in integers, are not in it.
    pub flops: f64,
    /// Numbers of long vectors that the implicit engine has read or written: each once a pass that needs the whole of the pass before it.
    pub vector_numbers: f64,
    /// Blocks of a [basis](super::basis) that were appended though rounding had made their vectors dependent.
    pub rank_losses: u64,
}

/// The work of this thread so far.
pub fn work() -> Work {
    WORK.get()
}

/// Counts vectors that a pass reads or writes.
pub fn count_vectors(count: usize, length: usize) {
    WORK.set(Work { vector_numbers: WORK.get().vector_numbers + count as f64 * length as f64, ..WORK.get() });
}

/// Counts a block whose vectors have become dependent.
pub fn count_rank_loss() {
    WORK.set(Work { rank_losses: WORK.get().rank_losses + 1, ..WORK.get() });
}

fn matmul<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, keep: bool, mut out: ArrayViewMut2<T>) {
    WORK.set(Work { flops: WORK.get().flops + 2.0 * a.len() as f64 * b.ncols() as f64, ..WORK.get() });
    // For products that others ask of BLAS, too.
    blas::set_one_thread();
    if T::matmul(a, b, keep, out.view_mut()) {
        return;
    }
    // An axis of length 1 may have any stride.
    let suits_blas = |shape: &[usize], strides: &[isize]| strides.contains(&1) || shape.iter().any(|&length| length < 2);
    debug_assert!(
        suits_blas(a.shape(), a.strides()) && suits_blas(b.shape(), b.strides()) && suits_blas(out.shape(), out.strides())
    );
    general_mat_mul(T::one(), &a, &b, if keep { T::one() } else { T::zero() }, &mut out);
}
