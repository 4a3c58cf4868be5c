//! The floating-point types of the engines: f32 and f64.

use super::gemm::Element;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// f32 or f64, and nothing else: any bit pattern is a number, which kernels and uninitialised matrices rely on.
pub trait Real:
    sealed::Sealed + Element + Copy + PartialOrd + Send + Sync + std::fmt::Debug + std::ops::Neg<Output = Self> + 'static
{
    /// Machine epsilon.
    const EPSILON: f64;

    fn of_f32(value: f32) -> Self;
    /// Rounds to nearest.
    fn of_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    /// Fills `out` with the f32 values that `fill` writes; f64 widens them through `scratch`.
    fn fill_with(out: &mut [Self], scratch: &mut Vec<f32>, fill: impl FnOnce(&mut [f32]));
}

impl Real for f32 {
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
    fn fill_with(out: &mut [f32], _scratch: &mut Vec<f32>, fill: impl FnOnce(&mut [f32])) {
        fill(out);
    }
}

impl Real for f64 {
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
    fn fill_with(out: &mut [f64], scratch: &mut Vec<f32>, fill: impl FnOnce(&mut [f32])) {
        scratch.resize(out.len(), 0.0);
        fill(scratch);
        for (out, value) in out.iter_mut().zip(scratch) {
            *out = f64::from(*value);
        }
    }
}
