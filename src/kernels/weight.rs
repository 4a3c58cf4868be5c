//! What a weight matrix holds: numbers in f32 or f64, or pairs of bf16 ([`Bf16Pair`]).

use ndarray::{ArrayView2, ArrayViewMut2};

use super::gemm::{self, split};
use super::{Bf16Pair, Real};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for super::Bf16Pair {}
}

/// The format of a weight: f32, f64 or [`Bf16Pair`], of the size of its [`Real`](Self::Real), and nothing else: any bit pattern is a weight.
pub trait Weight: sealed::Sealed + Copy + PartialEq + Send + Sync + std::fmt::Debug + 'static {
    /// The type of the vectors that such weights multiply, and of the products.
    type Real: Real;

    /// The weight for the drawn number `normal`: [`Bf16Pair`] rounds it.
    fn drawn(normal: f32) -> Self;
    /// The weight as a number, exactly.
    fn value(self) -> Self::Real;
    /// The weights as a matrix of numbers, if they are stored as such.
    fn numbers(weights: ArrayView2<'_, Self>) -> Option<ArrayView2<'_, Self::Real>>;
    /// `out` = `a`·`b`, or `out` += `a`·`b` if `accumulate`; see [`gemm::matmul`].
    fn multiply(a: ArrayView2<Self::Real>, b: ArrayView2<Self>, accumulate: bool, out: ArrayViewMut2<Self::Real>);
    /// `out` = `a`·`b` for an `a` whose row i is zero from column `ends`\[i\] on; see [`gemm::matmul_ragged`].
    fn multiply_ragged(a: ArrayView2<Self::Real>, ends: &[usize], b: ArrayView2<Self>, out: ArrayViewMut2<Self::Real>);
}

impl Weight for f32 {
    type Real = f32;

    #[inline(always)]
    fn drawn(normal: f32) -> Self {
        normal
    }
    #[inline(always)]
    fn value(self) -> f32 {
        self
    }
    fn numbers(weights: ArrayView2<'_, f32>) -> Option<ArrayView2<'_, f32>> {
        Some(weights)
    }
    fn multiply(a: ArrayView2<f32>, b: ArrayView2<f32>, accumulate: bool, out: ArrayViewMut2<f32>) {
        gemm::matmul(a, b, accumulate, out);
    }
    fn multiply_ragged(a: ArrayView2<f32>, ends: &[usize], b: ArrayView2<f32>, out: ArrayViewMut2<f32>) {
        gemm::matmul_ragged(a, ends, b, out);
    }
}

impl Weight for f64 {
    type Real = f64;

    #[inline(always)]
    fn drawn(normal: f32) -> Self {
        f64::from(normal)
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self
    }
    fn numbers(weights: ArrayView2<'_, f64>) -> Option<ArrayView2<'_, f64>> {
        Some(weights)
    }
    fn multiply(a: ArrayView2<f64>, b: ArrayView2<f64>, accumulate: bool, out: ArrayViewMut2<f64>) {
        gemm::matmul(a, b, accumulate, out);
    }
    fn multiply_ragged(a: ArrayView2<f64>, ends: &[usize], b: ArrayView2<f64>, out: ArrayViewMut2<f64>) {
        gemm::matmul_ragged(a, ends, b, out);
    }
}

impl Weight for Bf16Pair {
    type Real = f32;

    #[inline(always)]
    fn drawn(normal: f32) -> Self {
        Bf16Pair::rounded(normal)
    }
    #[inline(always)]
    fn value(self) -> f32 {
        self.sum()
    }
    fn numbers(_weights: ArrayView2<'_, Bf16Pair>) -> Option<ArrayView2<'_, f32>> {
        None
    }
    fn multiply(a: ArrayView2<f32>, b: ArrayView2<Bf16Pair>, accumulate: bool, out: ArrayViewMut2<f32>) {
        split::matmul(a, b, accumulate, out);
    }
    fn multiply_ragged(a: ArrayView2<f32>, ends: &[usize], b: ArrayView2<Bf16Pair>, out: ArrayViewMut2<f32>) {
        split::matmul_ragged(a, ends, b, out);
    }
}
