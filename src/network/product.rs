//! Matrix products through BLAS, on one thread: parallelism is over units.
//!
//! ndarray leaves BLAS silently for a matrix without a unit-stride axis; the assertions keep such a matrix out.

use std::sync::Once;

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::kernels::Real;
use crate::machine::blas;

/// `out` = `x`·`w`ᵀ, with `x` n × q, `w` m × q and `out` n × m, all row-major.
pub fn times_transposed<T: Real>(x: ArrayView2<T>, w: ArrayView2<T>, out: ArrayViewMut2<T>) {
    product(x, w.reversed_axes(), T::zero(), out);
}

/// `out` += `y`·`w`, with `y` n × m, `w` m × q and `out` n × q, all row-major.
pub fn add_times<T: Real>(y: ArrayView2<T>, w: ArrayView2<T>, out: ArrayViewMut2<T>) {
    product(y, w, T::one(), out);
}

fn product<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, keep: T, mut out: ArrayViewMut2<T>) {
    static ONE_THREAD: Once = Once::new();
    ONE_THREAD.call_once(blas::set_one_thread);
    debug_assert!(
        [a.strides(), b.strides(), out.strides()].iter().all(|strides| strides.contains(&1)) || out.len() < 2 || a.len() < 2
    );
    general_mat_mul(T::one(), &a, &b, keep, &mut out);
}
