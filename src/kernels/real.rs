//! The floating-point types of the engines: f32 and f64.

use super::Weight;
use super::gemm::Element;

/// f32 or f64, and nothing else: any bit pattern is a number, which kernels and uninitialised matrices rely on.
pub trait Real:
    Weight<Real = Self> + Element + Copy + PartialOrd + Send + Sync + std::fmt::Debug + std::ops::Neg<Output = Self> + 'static
{
    const ZERO: Self;
    /// Machine epsilon.
    const EPSILON: f64;

    fn of_f32(value: f32) -> Self;
    /// Rounds to nearest.
    fn of_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
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
}
