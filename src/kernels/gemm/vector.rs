//! Vectors of f32 and f64 with the operations of the microkernel and of packing, and the portable ones.

use ndarray::LinalgScalar;

/// Rows transposed together.
pub(super) const GROUP: usize = 4;

/// An element type and its vectors at each SIMD level.
pub trait Element: LinalgScalar {
    #[cfg(target_arch = "x86_64")]
    type Avx512: Vector<Element = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx2: Vector<Element = Self>;
    #[cfg(target_arch = "aarch64")]
    type Neon: Vector<Element = Self>;

    /// `self`·`factor` + `term`, rounded once; for CPUs without FMA instructions.
    fn mul_add(self, factor: Self, term: Self) -> Self;
}

impl Element for f32 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256;
    #[cfg(target_arch = "aarch64")]
    type Neon = std::arch::aarch64::float32x4_t;

    /// The product is exact in f64. The sum is rounded to odd (Boldo & Melquiond 2008), so that rounding it to f32 is as if from the exact sum.
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        if cfg!(target_arch = "aarch64") {
            return f32::mul_add(self, factor, term);
        }
        let (product, term) = (f64::from(self) * f64::from(factor), f64::from(term));
        let sum = product + term;
        let of_term = sum - product;
        let error = (product - (sum - of_term)) + (term - of_term);
        let bits = sum.to_bits();
        let towards = if (error > 0.0) == (sum > 0.0) { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
        let is_even_and_inexact = error.abs() > 0.0 && bits & 1 == 0;
        f64::from_bits(if is_even_and_inexact { towards } else { bits }) as f32
    }
}

impl Element for f64 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512d;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256d;
    #[cfg(target_arch = "aarch64")]
    type Neon = [std::arch::aarch64::float64x2_t; 2];

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        f64::mul_add(self, factor, term)
    }
}

/// A vector of f32 or f64.
///
/// # Safety
/// The CPU must have the implementation's instructions; pointers must be valid for the elements accessed.
pub unsafe trait Vector: Copy {
    type Element: Element;
    const LANES: usize;
    /// The register block: MR rows × vectors (NR = vectors · LANES).
    const TILE: (usize, usize);

    unsafe fn zero() -> Self;
    /// Unaligned load.
    unsafe fn load(from: *const Self::Element) -> Self;
    /// Broadcasts the element at `from`.
    unsafe fn splat(from: *const Self::Element) -> Self;
    /// `self` + `a`·`b`, rounded once.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// Prefetches the cache line at `from` into L1; the address need not be valid.
    unsafe fn prefetch(from: *const Self::Element);
    unsafe fn store(self, to: *mut Self::Element);
    /// Elements k .. k + 4 of rows 0, 4, 8, …, one row per group of four lanes.
    unsafe fn load_fours(rows: &[*const Self::Element], k: usize) -> Self;
    /// Transposes the 4 × 4 squares that lie side by side in four vectors.
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP];
    /// Stores lane l of the four vectors at `to` + l·`stride`, adding to memory if `accumulate`.
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut Self::Element, stride: usize, accumulate: bool);
}

/// Lanes of the portable fallback.
const PORTABLE: usize = 8;

/// Portable fallback with the same rounding.
// SAFETY: plain loads and stores of LANES elements.
unsafe impl<T: Element> Vector for [T; PORTABLE] {
    type Element = T;
    const LANES: usize = PORTABLE;
    const TILE: (usize, usize) = (4, 2);

    #[inline(always)]
    unsafe fn zero() -> Self {
        [T::zero(); PORTABLE]
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        unsafe { from.cast::<Self>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat(from: *const T) -> Self {
        unsafe { [*from; PORTABLE] }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], self[lane]))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] + other[lane])
    }
    #[inline(always)]
    unsafe fn prefetch(_from: *const T) {}
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }
    #[inline(always)]
    unsafe fn load_fours(rows: &[*const T], k: usize) -> Self {
        std::array::from_fn(|lane| unsafe { *rows[lane / GROUP * GROUP].add(k + lane % GROUP) })
    }
    #[inline(always)]
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP] {
        std::array::from_fn(|row| std::array::from_fn(|lane| rows[lane % GROUP][lane / GROUP * GROUP + row]))
    }
    #[inline(always)]
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut T, stride: usize, accumulate: bool) {
        for (row, lanes) in rows.iter().enumerate() {
            for (lane, value) in lanes.iter().enumerate() {
                unsafe {
                    let to = to.add(lane * stride + row);
                    *to = if accumulate { *to + *value } else { *value };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operands whose exact result lies close to the middle of two floats, where rounding twice errs, and extremes.
    #[test]
    fn sums_are_rounded_once() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        let corners = [0.0, -0.0, 1.0, f32::MAX, f32::MIN_POSITIVE, 1e-45, -1e-45, f32::INFINITY, 1.0 + f32::EPSILON, f32::NAN];
        for round in 0..400_000 {
            let mut operands: [f32; 3] = std::array::from_fn(|_| f32::from_bits(next()));
            if round % 2 == 0 {
                // Few bits and near exponents: sums with long runs of zeros or ones.
                operands = operands.map(|x| f32::from_bits(x.to_bits() & 0x8180_f00f | 0x3e00_0000));
                operands[2] *= f32::from_bits((127 - 24 + (round as u32 / 2) % 48) << 23);
            }
            if round % 7 == 0 {
                operands[round % 3] = corners[round / 7 % corners.len()];
            }
            let [a, b, c] = operands;
            let (found, expected) = (Element::mul_add(a, b, c), f32::mul_add(a, b, c));
            assert!(
                found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                "{a:e}·{b:e} + {c:e}: {found:e}, not {expected:e}"
            );
        }
        // 1 + 2⁻²⁴ + a little: the middle of two floats, then upwards.
        let (a, b) = (1.0 + f32::EPSILON, 0.5 * f32::EPSILON);
        assert_eq!(Element::mul_add(a, b, 1.0), f32::mul_add(a, b, 1.0));
        assert_eq!(Element::mul_add(a, b, 1.0), 1.0 + f32::EPSILON);
    }
}
