//! Vectors of NEON, 128 bits, for the microkernel. With 32 registers a tile of 12 × 8 floats (12 × 4 in f64) and its operands stay in them.

use std::arch::aarch64::*;

use super::vector::{GROUP, Vector};

#[inline(always)]
fn prefetch_line(from: *const u8) {
    // SAFETY: a hint, which never faults.
    unsafe { std::arch::asm!("prfm pldl1keep, [{from}]", from = in(reg) from, options(nostack, preserves_flags, readonly)) };
}

// SAFETY: NEON is part of every aarch64; the intrinsics load and store LANES floats.
unsafe impl Vector for float32x4_t {
    type Element = f32;
    const LANES: usize = 4;
    const TILE: (usize, usize) = (12, 2);

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { vdupq_n_f32(0.0) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        unsafe { vld1q_dup_f32(from) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        unsafe { vfmaq_f32(self, a, b) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { vaddq_f32(self, other) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        prefetch_line(from.cast());
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { vst1q_f32(to, self) }
    }
    #[inline(always)]
    unsafe fn load_fours(rows: &[*const f32], k: usize) -> Self {
        unsafe { vld1q_f32(rows[0].add(k)) }
    }
    #[inline(always)]
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP] {
        unsafe {
            let [a, b, c, d] = rows;
            let even = |x, y| vreinterpretq_f64_f32(vtrn1q_f32(x, y));
            let odd = |x, y| vreinterpretq_f64_f32(vtrn2q_f32(x, y));
            let low = |x, y| vreinterpretq_f32_f64(vtrn1q_f64(x, y));
            let high = |x, y| vreinterpretq_f32_f64(vtrn2q_f64(x, y));
            [low(even(a, b), even(c, d)), low(odd(a, b), odd(c, d)), high(even(a, b), even(c, d)), high(odd(a, b), odd(c, d))]
        }
    }
    #[inline(always)]
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, accumulate: bool) {
        unsafe {
            for (c, column) in Self::transpose_fours(rows).into_iter().enumerate() {
                let to = to.add(c * stride);
                let column = if accumulate { vaddq_f32(vld1q_f32(to), column) } else { column };
                vst1q_f32(to, column);
            }
        }
    }
}

// SAFETY: as above.
unsafe impl Vector for [float64x2_t; 2] {
    type Element = f64;
    const LANES: usize = 4;
    const TILE: (usize, usize) = (12, 1);

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { [vdupq_n_f64(0.0); 2] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        unsafe { [vld1q_f64(from), vld1q_f64(from.add(2))] }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f64) -> Self {
        unsafe { [vld1q_dup_f64(from); 2] }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        unsafe { [vfmaq_f64(self[0], a[0], b[0]), vfmaq_f64(self[1], a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { [vaddq_f64(self[0], other[0]), vaddq_f64(self[1], other[1])] }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f64) {
        prefetch_line(from.cast());
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        unsafe {
            vst1q_f64(to, self[0]);
            vst1q_f64(to.add(2), self[1]);
        }
    }
    #[inline(always)]
    unsafe fn load_fours(rows: &[*const f64], k: usize) -> Self {
        unsafe { Self::load(rows[0].add(k)) }
    }
    #[inline(always)]
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP] {
        unsafe {
            let [a, b, c, d] = rows;
            let even = |half: usize| [vtrn1q_f64(a[half], b[half]), vtrn1q_f64(c[half], d[half])];
            let odd = |half: usize| [vtrn2q_f64(a[half], b[half]), vtrn2q_f64(c[half], d[half])];
            [even(0), odd(0), even(1), odd(1)]
        }
    }
    #[inline(always)]
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f64, stride: usize, accumulate: bool) {
        unsafe {
            for (c, column) in Self::transpose_fours(rows).into_iter().enumerate() {
                let to = to.add(c * stride);
                let column = if accumulate { Self::load(to).add(column) } else { column };
                column.store(to);
            }
        }
    }
}
