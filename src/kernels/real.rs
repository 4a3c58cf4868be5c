//! The floating-point types of the engines: f32 and f64.

use ndarray::{ArrayView2, ArrayViewMut2, LinalgScalar};

use super::{SimdLevel, Weight, gemm};

/// f32 or f64, and nothing else: any bit pattern is a number, which kernels and uninitialised matrices rely on.
pub trait Real:
    Weight<Real = Self> + LinalgScalar + Copy + PartialOrd + Send + Sync + std::fmt::Debug + std::ops::Neg<Output = Self> + 'static
{
    const ZERO: Self;
    /// Machine epsilon.
    const EPSILON: f64;

    fn of_f32(value: f32) -> Self;
    /// Rounds to nearest.
    fn of_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    /// `out` = `a`·`b` (`out` += `a`·`b` if `keep`) by [`gemm::matmul`]; false, without computing anything, where BLAS is faster: in f64, and
    /// without FMA instructions.
    fn matmul(a: ArrayView2<Self>, b: ArrayView2<Self>, keep: bool, out: ArrayViewMut2<Self>) -> bool;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const EPSILON: f64 = f32::EPSILON as f64;

    #[inline(always)]
    fn of_f32(value: f32) -> Self {
        value
    }
    #[inline(always)]
    fn of_f64(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn matmul(a: ArrayView2<f32>, b: ArrayView2<f32>, keep: bool, out: ArrayViewMut2<f32>) -> bool {
        // The portable level emulates FMA.
        let is_fast = SimdLevel::best() != SimdLevel::Portable;
        if is_fast {
            gemm::matmul(a, b, keep, out);
        }
        is_fast
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const EPSILON: f64 = f64::EPSILON;

    #[inline(always)]
    fn of_f32(value: f32) -> Self {
        f64::from(value)
    }
    #[inline(always)]
    fn of_f64(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    fn matmul(_a: ArrayView2<f64>, _b: ArrayView2<f64>, _keep: bool, _out: ArrayViewMut2<f64>) -> bool {
        false
    }
}
