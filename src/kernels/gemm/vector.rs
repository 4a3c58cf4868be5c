//! The vectors of each instruction set, with what a product needs of them.

/// Rows that are transposed at a time.
pub(super) const GROUP: usize = 4;

/// A vector of one instruction set.
///
/// # Safety
/// Methods may be called where the processor has the instructions, and pointers are to as many numbers as they say.
pub(super) unsafe trait Vector: Copy {
    const LANES: usize;
    /// Rows and vectors of the largest tile.
    const TILE: (usize, usize);

    unsafe fn zero() -> Self;
    /// [`LANES`](Self::LANES) numbers from `from`.
    unsafe fn load(from: *const f32) -> Self;
    /// The number at `from` in every lane.
    unsafe fn splat(from: *const f32) -> Self;
    /// `self` + `a`·`b`, rounded once.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// Asks for the cache line of `from` ahead of its use.
    unsafe fn prefetch(from: *const f32);
    unsafe fn store(self, to: *mut f32);
    /// Four numbers from `k` on of the first row and of every fourth row after it.
    unsafe fn load_fours(rows: &[*const f32], k: usize) -> Self;
    /// Transposes each of the squares of 4 × 4 that stand side by side in four rows.
    unsafe fn transpose_fours(rows: [Self; GROUP]) -> [Self; GROUP];
    /// Writes lane l of the four rows to `to` + l·`stride`, added to what is there if `keep`.
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, keep: bool);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{GROUP, Vector};
    use std::arch::x86_64::*;

    #[inline(always)]
    unsafe fn put(value: __m128, to: *mut f32, keep: bool) {
        unsafe {
            let value = if keep { _mm_add_ps(_mm_loadu_ps(to), value) } else { value };
            _mm_storeu_ps(to, value);
        }
    }

    // SAFETY: the intrinsics load and store LANES numbers.
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
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
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
        unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, keep: bool) {
            unsafe {
                // Lanes c, c + 4, c + 8 and c + 12 of the four rows.
                let columns = Self::transpose_fours(rows);
                for (c, column) in columns.into_iter().enumerate() {
                    put(_mm512_extractf32x4_ps::<0>(column), to.add(c * stride), keep);
                    put(_mm512_extractf32x4_ps::<1>(column), to.add((c + 4) * stride), keep);
                    put(_mm512_extractf32x4_ps::<2>(column), to.add((c + 8) * stride), keep);
                    put(_mm512_extractf32x4_ps::<3>(column), to.add((c + 12) * stride), keep);
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
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
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
        unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, keep: bool) {
            unsafe {
                let columns = Self::transpose_fours(rows);
                for (c, column) in columns.into_iter().enumerate() {
                    put(_mm256_castps256_ps128(column), to.add(c * stride), keep);
                    put(_mm256_extractf128_ps::<1>(column), to.add((c + 4) * stride), keep);
                }
            }
        }
    }
}

/// The scalar twin: the same sums number by number.
// SAFETY: nothing but plain loads and stores of LANES numbers.
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
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
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
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, keep: bool) {
        for (row, lanes) in rows.iter().enumerate() {
            for (lane, value) in lanes.iter().enumerate() {
                unsafe {
                    let to = to.add(lane * stride + row);
                    *to = if keep { *to + value } else { *value };
                }
            }
        }
    }
}
