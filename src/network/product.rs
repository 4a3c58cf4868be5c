//! Matrix products through BLAS, and the matrices they fill; on one thread: parallelism is over units.
//!
//! ndarray leaves BLAS silently for a matrix without a unit-stride axis; the assertions keep such a matrix out.

use std::cell::Cell;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

use crate::kernels::Real;
use crate::machine::{blas, pages};

/// A matrix of zeros, in large pages if it is large.
pub fn zeros<T: Real>(shape: (usize, usize)) -> Array2<T> {
    let mut matrix = Array2::from_elem(shape, T::zero());
    pages::prefer_large(matrix.as_slice_mut().expect("a new matrix is contiguous"));
    matrix
}

/// `out` = `x`·`w`ᵀ, with `x` n × q, `w` m × q and `out` n × m, all row-major.
pub fn times_transposed<T: Real>(x: ArrayView2<T>, w: ArrayView2<T>, out: ArrayViewMut2<T>) {
    product(x, w.reversed_axes(), false, out);
}

/// `out` += `y`·`w`, with `y` n × m, `w` m × q and `out` n × q, all row-major.
pub fn add_times<T: Real>(y: ArrayView2<T>, w: ArrayView2<T>, out: ArrayViewMut2<T>) {
    product(y, w, true, out);
}

/// `out` = `y`·`w`, with `y` n × m, `w` m × q and `out` n × q, all row-major.
pub fn times<T: Real>(y: ArrayView2<T>, w: ArrayView2<T>, out: ArrayViewMut2<T>) {
    product(y, w, false, out);
}

/// Columns that one product sums over in [`inner_products`], in the arithmetic of the vectors.
pub const CHUNK: usize = 1024;

/// `a`·`b`ᵀ, with `a` n × k and `b` m × k for long k: chunks of [`CHUNK`] columns in the arithmetic of the vectors, their sum in f64.
pub fn inner_products<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>) -> Array2<f64> {
    let mut sum = Array2::zeros((a.nrows(), b.nrows()));
    let mut part = Array2::from_elem(sum.dim(), T::zero());
    for start in (0..a.ncols()).step_by(CHUNK) {
        let columns = start..a.ncols().min(start + CHUNK);
        times_transposed(a.slice(s![.., columns.clone()]), b.slice(s![.., columns]), part.view_mut());
        sum.zip_mut_with(&part, |sum, part| *sum += part.to_f64());
    }
    sum
}

thread_local! {
    static FLOPS: Cell<f64> = const { Cell::new(0.0) };
}

/// Floating-point operations in the matrix products of this thread so far.
pub fn flops() -> f64 {
    FLOPS.get()
}

fn product<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, keep: bool, mut out: ArrayViewMut2<T>) {
    FLOPS.set(FLOPS.get() + 2.0 * a.len() as f64 * b.ncols() as f64);
    if T::product(a, b, keep, out.view_mut()) {
        return;
    }
    blas::set_one_thread();
    debug_assert!(
        [a.strides(), b.strides(), out.strides()].iter().all(|strides| strides.contains(&1)) || out.len() < 2 || a.len() < 2
    );
    general_mat_mul(T::one(), &a, &b, if keep { T::one() } else { T::zero() }, &mut out);
}
