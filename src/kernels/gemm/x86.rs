//! Vectors of AVX2 and AVX-512 for the microkernel.

use super::vector::{GROUP, Vector};
use std::arch::x86_64::*;

#[inline(always)]
unsafe fn put(value: __m128, to: *mut f32, accumulate: bool) {
    unsafe {
        let value = if accumulate { _mm_add_ps(_mm_loadu_ps(to), value) } else { value };
        _mm_storeu_ps(to, value);
    }
}

// SAFETY: the intrinsics load and store LANES floats.
unsafe impl Vector for __m512 {
    type Element = f32;
    const LANES: usize = 16;
    const TILE: (usize, usize) = (12, 2);

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        unsafe { _mm512_set1_ps(*from) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        unsafe { _mm512_fmadd_ps(a, b, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { _mm512_add_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self) }
    }
    #[inline(always)]
    unsafe fn load_fours(rows: &[*const f32], k: usize) -> Self {
        unsafe {
            let four = |group: usize| _mm_loadu_ps(rows[GROUP * group].add(k));
            let vector = _mm512_castps128_ps512(four(0));
            let vector = _mm512_insertf32x4::<1>(vector, four(1));
            let vector = _mm512_insertf32x4::<2>(vector, four(2));
            _mm512_insertf32x4::<3>(vector, four(3))
        }
    }
    #[inline(always)]
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP] {
        unsafe {
            let [a, b, c, d] = rows;
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            let (ab_high, cd_high) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            let join = |x, y| (_mm512_castps_pd(x), _mm512_castps_pd(y));
            let low = |(x, y)| _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
            let high = |(x, y)| _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
            [low(join(ab, cd)), high(join(ab, cd)), low(join(ab_high, cd_high)), high(join(ab_high, cd_high))]
        }
    }
    #[inline(always)]
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, accumulate: bool) {
        unsafe {
            // Group g of vector c holds lane 4g + c of the four rows.
            let columns = Self::transpose_fours(rows);
            for (c, column) in columns.into_iter().enumerate() {
                put(_mm512_extractf32x4_ps::<0>(column), to.add(c * stride), accumulate);
                put(_mm512_extractf32x4_ps::<1>(column), to.add((c + 4) * stride), accumulate);
                put(_mm512_extractf32x4_ps::<2>(column), to.add((c + 8) * stride), accumulate);
                put(_mm512_extractf32x4_ps::<3>(column), to.add((c + 12) * stride), accumulate);
            }
        }
    }
}

// SAFETY: as above.
unsafe impl Vector for __m256 {
    type Element = f32;
    const LANES: usize = 8;
    const TILE: (usize, usize) = (6, 2);

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        unsafe { _mm256_broadcast_ss(&*from) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        unsafe { _mm256_fmadd_ps(a, b, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { _mm256_add_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self) }
    }
    #[inline(always)]
    unsafe fn load_fours(rows: &[*const f32], k: usize) -> Self {
        unsafe { _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(_mm_loadu_ps(rows[0].add(k))), _mm_loadu_ps(rows[GROUP].add(k))) }
    }
    #[inline(always)]
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP] {
        unsafe {
            let [a, b, c, d] = rows;
            let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let (ab_high, cd_high) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            [
                _mm256_shuffle_ps::<0x44>(ab, cd),
                _mm256_shuffle_ps::<0xee>(ab, cd),
                _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
                _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, accumulate: bool) {
        unsafe {
            let columns = Self::transpose_fours(rows);
            for (c, column) in columns.into_iter().enumerate() {
                put(_mm256_castps256_ps128(column), to.add(c * stride), accumulate);
                put(_mm256_extractf128_ps::<1>(column), to.add((c + 4) * stride), accumulate);
            }
        }
    }
}

#[inline(always)]
unsafe fn put_f64(value: __m256d, to: *mut f64, accumulate: bool) {
    unsafe {
        let value = if accumulate { _mm256_add_pd(_mm256_loadu_pd(to), value) } else { value };
        _mm256_storeu_pd(to, value);
    }
}

// SAFETY: as above.
unsafe impl Vector for __m512d {
    type Element = f64;
    const LANES: usize = 8;
    const TILE: (usize, usize) = (12, 2);

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { _mm512_setzero_pd() }
    }
    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        unsafe { _mm512_loadu_pd(from) }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f64) -> Self {
        unsafe { _mm512_set1_pd(*from) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        unsafe { _mm512_fmadd_pd(a, b, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { _mm512_add_pd(self, other) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f64) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        unsafe { _mm512_storeu_pd(to, self) }
    }
    #[inline(always)]
    unsafe fn load_fours(rows: &[*const f64], k: usize) -> Self {
        unsafe {
            let four = |group: usize| _mm256_loadu_pd(rows[GROUP * group].add(k));
            _mm512_insertf64x4::<1>(_mm512_castpd256_pd512(four(0)), four(1))
        }
    }
    #[inline(always)]
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP] {
        unsafe {
            let [a, b, c, d] = rows;
            let (ab, cd) = (_mm512_unpacklo_pd(a, b), _mm512_unpacklo_pd(c, d));
            let (ab_high, cd_high) = (_mm512_unpackhi_pd(a, b), _mm512_unpackhi_pd(c, d));
            let first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
            let last = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
            [
                _mm512_permutex2var_pd(ab, first, cd),
                _mm512_permutex2var_pd(ab_high, first, cd_high),
                _mm512_permutex2var_pd(ab, last, cd),
                _mm512_permutex2var_pd(ab_high, last, cd_high),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f64, stride: usize, accumulate: bool) {
        unsafe {
            let columns = Self::transpose_fours(rows);
            for (c, column) in columns.into_iter().enumerate() {
                put_f64(_mm512_castpd512_pd256(column), to.add(c * stride), accumulate);
                put_f64(_mm512_extractf64x4_pd::<1>(column), to.add((c + 4) * stride), accumulate);
            }
        }
    }
}

// SAFETY: as above.
unsafe impl Vector for __m256d {
    type Element = f64;
    const LANES: usize = 4;
    const TILE: (usize, usize) = (6, 2);

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { _mm256_setzero_pd() }
    }
    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        unsafe { _mm256_loadu_pd(from) }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f64) -> Self {
        unsafe { _mm256_broadcast_sd(&*from) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        unsafe { _mm256_fmadd_pd(a, b, self) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { _mm256_add_pd(self, other) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const f64) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        unsafe { _mm256_storeu_pd(to, self) }
    }
    #[inline(always)]
    unsafe fn load_fours(rows: &[*const f64], k: usize) -> Self {
        unsafe { _mm256_loadu_pd(rows[0].add(k)) }
    }
    #[inline(always)]
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP] {
        unsafe {
            let [a, b, c, d] = rows;
            let (ab, cd) = (_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d));
            let (ab_high, cd_high) = (_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d));
            [
                _mm256_permute2f128_pd::<0x20>(ab, cd),
                _mm256_permute2f128_pd::<0x20>(ab_high, cd_high),
                _mm256_permute2f128_pd::<0x31>(ab, cd),
                _mm256_permute2f128_pd::<0x31>(ab_high, cd_high),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f64, stride: usize, accumulate: bool) {
        unsafe {
            for (c, column) in Self::transpose_fours(rows).into_iter().enumerate() {
                put_f64(column, to.add(c * stride), accumulate);
            }
        }
    }
}
