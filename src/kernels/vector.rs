//! f64 × 8 vectors and their masks for each instruction set, for [`line`](super::line) and [`masks`](super::masks).

use super::Real;

/// Elements per vector.
pub const LANES: usize = 8;

/// An f64 × 8 vector. Arithmetic rounds as scalar IEEE f64 does.
///
/// # Safety
/// The CPU must have the implementation's instructions.
pub unsafe trait Vector: Copy {
    type Mask: Copy;

    /// Prefetches the cache line at `from` into L1; the address need not be valid.
    unsafe fn prefetch(from: *const u8);
    unsafe fn splat(value: f64) -> Self;
    unsafe fn load(from: &[f64; LANES]) -> Self;
    unsafe fn store(self, to: &mut [f64; LANES]);
    unsafe fn plus(self, other: Self) -> Self;
    unsafe fn times(self, other: Self) -> Self;
    /// Lanes that are > 0 or NaN, so that NaN propagates into sums over active neurons.
    unsafe fn is_on(self) -> Self::Mask;
    /// `self` + `other` in lanes with `mask` set, `self` + 0 elsewhere.
    unsafe fn plus_where(self, mask: Self::Mask, other: Self) -> Self;
    /// The mask as bits, lane 0 lowest.
    unsafe fn bits(mask: Self::Mask) -> u16;
    /// Writes `first` + the index of each set bit to `to`, ascending, and returns their count. The rest of `to` is clobbered.
    #[inline(always)]
    unsafe fn indices(mut bits: u16, first: u32, to: &mut [u32; 2 * LANES]) -> usize {
        let mut count = 0;
        while bits != 0 {
            to[count] = first + bits.trailing_zeros();
            bits &= bits - 1;
            count += 1;
        }
        count
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, Vector};
    use std::arch::x86_64::*;

    // SAFETY: AVX-512 F and DQ; loads and stores stay inside the arrays.
    unsafe impl Vector for __m512d {
        type Mask = __mmask8;

        #[inline(always)]
        unsafe fn prefetch(from: *const u8) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
        }
        #[inline(always)]
        unsafe fn splat(value: f64) -> Self {
            unsafe { _mm512_set1_pd(value) }
        }
        #[inline(always)]
        unsafe fn load(from: &[f64; LANES]) -> Self {
            unsafe { _mm512_loadu_pd(from.as_ptr()) }
        }
        #[inline(always)]
        unsafe fn store(self, to: &mut [f64; LANES]) {
            unsafe { _mm512_storeu_pd(to.as_mut_ptr(), self) }
        }
        #[inline(always)]
        unsafe fn plus(self, other: Self) -> Self {
            unsafe { _mm512_add_pd(self, other) }
        }
        #[inline(always)]
        unsafe fn times(self, other: Self) -> Self {
            unsafe { _mm512_mul_pd(self, other) }
        }
        #[inline(always)]
        unsafe fn is_on(self) -> __mmask8 {
            unsafe { _mm512_cmp_pd_mask::<_CMP_NLE_UQ>(self, _mm512_setzero_pd()) }
        }
        #[inline(always)]
        unsafe fn plus_where(self, mask: __mmask8, other: Self) -> Self {
            unsafe { _mm512_mask_add_pd(self, mask, self, other) }
        }
        #[inline(always)]
        unsafe fn bits(mask: __mmask8) -> u16 {
            u16::from(mask)
        }
        #[inline(always)]
        unsafe fn indices(bits: u16, first: u32, to: &mut [u32; 2 * LANES]) -> usize {
            unsafe {
                let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                let indices = _mm512_add_epi32(lanes, _mm512_set1_epi32(first as i32));
                _mm512_storeu_si512(to.as_mut_ptr().cast(), _mm512_maskz_compress_epi32(bits, indices));
            }
            bits.count_ones() as usize
        }
    }

    // SAFETY: AVX2; loads and stores stay inside the arrays.
    unsafe impl Vector for [__m256d; 2] {
        type Mask = [__m256d; 2];

        #[inline(always)]
        unsafe fn prefetch(from: *const u8) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
        }
        #[inline(always)]
        unsafe fn splat(value: f64) -> Self {
            unsafe { [_mm256_set1_pd(value); 2] }
        }
        #[inline(always)]
        unsafe fn load(from: &[f64; LANES]) -> Self {
            unsafe { [_mm256_loadu_pd(from.as_ptr()), _mm256_loadu_pd(from.as_ptr().add(4))] }
        }
        #[inline(always)]
        unsafe fn store(self, to: &mut [f64; LANES]) {
            unsafe {
                _mm256_storeu_pd(to.as_mut_ptr(), self[0]);
                _mm256_storeu_pd(to.as_mut_ptr().add(4), self[1]);
            }
        }
        #[inline(always)]
        unsafe fn plus(self, other: Self) -> Self {
            unsafe { [_mm256_add_pd(self[0], other[0]), _mm256_add_pd(self[1], other[1])] }
        }
        #[inline(always)]
        unsafe fn times(self, other: Self) -> Self {
            unsafe { [_mm256_mul_pd(self[0], other[0]), _mm256_mul_pd(self[1], other[1])] }
        }
        #[inline(always)]
        unsafe fn is_on(self) -> Self {
            unsafe {
                let zero = _mm256_setzero_pd();
                [_mm256_cmp_pd::<_CMP_NLE_UQ>(self[0], zero), _mm256_cmp_pd::<_CMP_NLE_UQ>(self[1], zero)]
            }
        }
        #[inline(always)]
        unsafe fn plus_where(self, mask: Self, other: Self) -> Self {
            unsafe { self.plus([_mm256_and_pd(mask[0], other[0]), _mm256_and_pd(mask[1], other[1])]) }
        }
        #[inline(always)]
        unsafe fn bits(mask: Self) -> u16 {
            unsafe { (_mm256_movemask_pd(mask[0]) | _mm256_movemask_pd(mask[1]) << 4) as u16 }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::{LANES, Vector};
    use std::arch::aarch64::*;

    // SAFETY: NEON is part of every aarch64; loads and stores stay inside the arrays.
    unsafe impl Vector for [float64x2_t; 4] {
        type Mask = [uint64x2_t; 4];

        #[inline(always)]
        unsafe fn prefetch(from: *const u8) {
            // SAFETY: a hint, which never faults.
            unsafe {
                std::arch::asm!("prfm pldl1keep, [{from}]", from = in(reg) from, options(nostack, preserves_flags, readonly))
            };
        }
        #[inline(always)]
        unsafe fn splat(value: f64) -> Self {
            unsafe { [vdupq_n_f64(value); 4] }
        }
        #[inline(always)]
        unsafe fn load(from: &[f64; LANES]) -> Self {
            let start = from.as_ptr();
            unsafe { [vld1q_f64(start), vld1q_f64(start.add(2)), vld1q_f64(start.add(4)), vld1q_f64(start.add(6))] }
        }
        #[inline(always)]
        unsafe fn store(self, to: &mut [f64; LANES]) {
            for (pair, to) in self.into_iter().zip(to.as_chunks_mut::<2>().0) {
                unsafe { vst1q_f64(to.as_mut_ptr(), pair) };
            }
        }
        #[inline(always)]
        unsafe fn plus(self, other: Self) -> Self {
            std::array::from_fn(|pair| unsafe { vaddq_f64(self[pair], other[pair]) })
        }
        #[inline(always)]
        unsafe fn times(self, other: Self) -> Self {
            std::array::from_fn(|pair| unsafe { vmulq_f64(self[pair], other[pair]) })
        }
        #[inline(always)]
        unsafe fn is_on(self) -> [uint64x2_t; 4] {
            self.map(|pair| unsafe { vceqzq_u64(vclezq_f64(pair)) })
        }
        #[inline(always)]
        unsafe fn plus_where(self, mask: [uint64x2_t; 4], other: Self) -> Self {
            std::array::from_fn(|pair| unsafe {
                let masked = vandq_u64(mask[pair], vreinterpretq_u64_f64(other[pair]));
                vaddq_f64(self[pair], vreinterpretq_f64_u64(masked))
            })
        }
        #[inline(always)]
        unsafe fn bits(mask: [uint64x2_t; 4]) -> u16 {
            const PLACES: [u16; LANES] = [1, 2, 4, 8, 16, 32, 64, 128];
            unsafe {
                let four = |low, high| vmovn_u32(vcombine_u32(vmovn_u64(low), vmovn_u64(high)));
                let lanes = vcombine_u16(four(mask[0], mask[1]), four(mask[2], mask[3]));
                vaddvq_u16(vandq_u16(lanes, vld1q_u16(PLACES.as_ptr())))
            }
        }
    }
}

/// Portable fallback.
// SAFETY: plain Rust.
unsafe impl Vector for [f64; LANES] {
    type Mask = [bool; LANES];

    #[inline(always)]
    unsafe fn prefetch(_from: *const u8) {}
    #[inline(always)]
    unsafe fn splat(value: f64) -> Self {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: &[f64; LANES]) -> Self {
        *from
    }
    #[inline(always)]
    unsafe fn store(self, to: &mut [f64; LANES]) {
        *to = self;
    }
    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] + other[lane])
    }
    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] * other[lane])
    }
    #[inline(always)]
    unsafe fn is_on(self) -> [bool; LANES] {
        self.map(|number| number > 0.0 || number.is_nan())
    }
    #[inline(always)]
    unsafe fn plus_where(self, mask: [bool; LANES], other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] + if mask[lane] { other[lane] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn bits(mask: [bool; LANES]) -> u16 {
        (0..LANES).fold(0, |bits, lane| bits | u16::from(mask[lane]) << lane)
    }
}

/// The next 2 · [`LANES`] elements of a row, widened to f64.
#[inline(always)]
pub fn widened<T: Real>(numbers: &[T; 2 * LANES]) -> [[f64; LANES]; 2] {
    let mut wide = [[0.0; LANES]; 2];
    for lane in 0..LANES {
        wide[0][lane] = numbers[lane].to_f64();
        wide[1][lane] = numbers[LANES + lane].to_f64();
    }
    wide
}

/// The tail of a row, widened and padded with `filler`.
#[inline(always)]
pub fn padded<T: Real>(rest: &[T], filler: f64) -> [[f64; LANES]; 2] {
    let mut wide = [[filler; LANES]; 2];
    for (wide, value) in wide.as_flattened_mut().iter_mut().zip(rest) {
        *wide = value.to_f64();
    }
    wide
}
