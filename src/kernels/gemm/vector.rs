//! f32 vectors of each instruction set, with the operations of the microkernel and of packing.

/// Rows transposed together.
pub(super) const GROUP: usize = 4;

/// An f32 vector.
///
/// # Safety
/// The CPU must have the implementation's instructions; pointers must be valid for the elements accessed.
pub(super) unsafe trait Vector: Copy {
    const LANES: usize;
    /// The register block: MR rows × vectors (NR = vectors · LANES).
    const TILE: (usize, usize);

    unsafe fn zero() -> Self;
    /// Unaligned load.
    unsafe fn load(from: *const f32) -> Self;
    /// Broadcasts the float at `from`.
    unsafe fn splat(from: *const f32) -> Self;
    /// `self` + `a`·`b`, rounded once.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// Prefetches the cache line at `from` into L1; the address need not be valid.
    unsafe fn prefetch(from: *const f32);
    unsafe fn store(self, to: *mut f32);
    /// Elements k .. k + 4 of rows 0, 4, 8, …, one row per 128-bit group.
    unsafe fn load_fours(rows: &[*const f32], k: usize) -> Self;
    /// Transposes the 4 × 4 squares that lie side by side in four vectors.
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP];
    /// Stores lane l of the four vectors at `to` + l·`stride`, adding to memory if `accumulate`.
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, accumulate: bool);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{GROUP, Vector};
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
        const LANES: usize = 8;
        const TILE: (usize, usize) = (4, 2);

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
            unsafe {
                _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(_mm_loadu_ps(rows[0].add(k))), _mm_loadu_ps(rows[GROUP].add(k)))
            }
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
}

/// Portable fallback with the same rounding.
// SAFETY: plain loads and stores of LANES floats.
unsafe impl Vector for [f32; 8] {
    const LANES: usize = 8;
    const TILE: (usize, usize) = (4, 2);

    #[inline(always)]
    unsafe fn zero() -> Self {
        [0.0; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { from.cast::<Self>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        unsafe { [*from; 8] }
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
    unsafe fn prefetch(_from: *const f32) {}
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }
    #[inline(always)]
    unsafe fn load_fours(rows: &[*const f32], k: usize) -> Self {
        std::array::from_fn(|lane| unsafe { *rows[lane / GROUP * GROUP].add(k + lane % GROUP) })
    }
    #[inline(always)]
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP] {
        std::array::from_fn(|row| std::array::from_fn(|lane| rows[lane % GROUP][lane / GROUP * GROUP + row]))
    }
    #[inline(always)]
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, accumulate: bool) {
        for (row, lanes) in rows.iter().enumerate() {
            for (lane, value) in lanes.iter().enumerate() {
                unsafe {
                    let to = to.add(lane * stride + row);
                    *to = if accumulate { *to + value } else { *value };
                }
            }
        }
    }
}
