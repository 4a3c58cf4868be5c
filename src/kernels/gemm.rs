//! Products of f32 matrices of which one is thin: 100 inputs by a layer, a few points of lines by a layer, vectors by a basis.
//!
//! Each entry of a product is a sum over k, taken in order by fused multiply-adds in stretches of [`STRETCH`]; the sums of the stretches are
//! added in order. So an entry depends on its row and its column only, not on the shape of the product or the level, and is the same on
//! every machine that has FMA. Others, and f64, go to BLAS (`network::product`).
//!
//! Blocking: one operand gives *scalars*, which are read where they are, along its rows; the other gives *vectors* of lanes, which are
//! packed into panels of a few vectors a k, at most [`PACKED`] numbers at a time, which stay in the second cache. A tile of rows × lanes is
//! summed in registers (12 × 32 with AVX-512, 4 × 16 with AVX2): a load for each vector and a broadcast for each row per k, 24 or 12
//! multiply-adds. The large operand is read once for every 100 or so rows of the thin one and, where rows are multiplied with rows, is not
//! packed at all. 2 flops a k and entry.

use std::cell::RefCell;

use ndarray::{ArrayView2, ArrayViewMut2, CowArray};

use super::Level;

/// Terms that are summed in one go.
pub const STRETCH: usize = 512;
/// Most numbers that are packed at a time.
const PACKED: usize = 96 * 1024;
/// Rows this many bytes apart share the sets of the first cache: they are copied before they are read together …
const COLLIDING: usize = 4096;
/// … to rows that are this many numbers apart.
const COPY_STRIDE: usize = STRETCH + 16;
/// Rows that are transposed at a time.
const GROUP: usize = 4;

/// The vectors of one instruction set.
///
/// # Safety
/// Methods may be called where the processor has the instructions, and pointers are to as many numbers as they say.
unsafe trait Lanes: Copy {
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
    /// Writes lane l of the four rows to `to` + l·`stride`, added to what is there if `keep`.
    unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, keep: bool);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{GROUP, Lanes};
    use std::arch::x86_64::*;

    #[inline(always)]
    unsafe fn put(value: __m128, to: *mut f32, keep: bool) {
        unsafe {
            let value = if keep { _mm_add_ps(_mm_loadu_ps(to), value) } else { value };
            _mm_storeu_ps(to, value);
        }
    }

    unsafe impl Lanes for __m512 {
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
        unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, keep: bool) {
            unsafe {
                let [a, b, c, d] = rows;
                let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
                let (ab_high, cd_high) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
                let join = |x, y| (_mm512_castps_pd(x), _mm512_castps_pd(y));
                let low = |(x, y)| _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
                let high = |(x, y)| _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
                // Lanes c, c + 4, c + 8 and c + 12 of the four rows.
                let columns =
                    [low(join(ab, cd)), high(join(ab, cd)), low(join(ab_high, cd_high)), high(join(ab_high, cd_high))];
                for (c, column) in columns.into_iter().enumerate() {
                    put(_mm512_extractf32x4_ps::<0>(column), to.add(c * stride), keep);
                    put(_mm512_extractf32x4_ps::<1>(column), to.add((c + 4) * stride), keep);
                    put(_mm512_extractf32x4_ps::<2>(column), to.add((c + 8) * stride), keep);
                    put(_mm512_extractf32x4_ps::<3>(column), to.add((c + 12) * stride), keep);
                }
            }
        }
    }

    unsafe impl Lanes for __m256 {
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
        unsafe fn store_transposed(rows: [Self; GROUP], to: *mut f32, stride: usize, keep: bool) {
            unsafe {
                let [a, b, c, d] = rows;
                let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
                let (ab_high, cd_high) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
                let columns = [
                    _mm256_shuffle_ps::<0x44>(ab, cd),
                    _mm256_shuffle_ps::<0xee>(ab, cd),
                    _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
                    _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
                ];
                for (c, column) in columns.into_iter().enumerate() {
                    put(_mm256_castps256_ps128(column), to.add(c * stride), keep);
                    put(_mm256_extractf128_ps::<1>(column), to.add((c + 4) * stride), keep);
                }
            }
        }
    }
}

/// Rows of numbers that follow one another along k.
#[derive(Clone, Copy)]
struct Scalars {
    start: *const f32,
    rows: usize,
    stride: usize,
}

/// The operand that is packed.
#[derive(Clone, Copy)]
struct Vectors {
    start: *const f32,
    /// Number of lanes in all.
    lanes: usize,
    /// From one k to the next if lanes follow one another, else from one lane to the next.
    stride: usize,
    lanes_follow: bool,
}

/// Where (scalar row r, lane l) goes.
#[derive(Clone, Copy)]
struct Out {
    start: *mut f32,
    stride: usize,
    /// Whether rows of it are lanes of the vectors, not rows of the scalars.
    transposed: bool,
}

impl Out {
    #[inline(always)]
    unsafe fn at(self, row: usize, lane: usize) -> *mut f32 {
        unsafe { if self.transposed { self.start.add(lane * self.stride + row) } else { self.start.add(row * self.stride + lane) } }
    }
}

/// A cache line.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line {
    _numbers: [f32; 16],
}

thread_local! {
    static PANELS: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// `scalars`·`vectors` into `out`, added to what is there if `keep`.
///
/// # Safety
/// The processor must have the instructions of `L`, and the operands their extent.
#[inline(always)]
unsafe fn multiply<L: Lanes>(scalars: Scalars, vectors: Vectors, depth: usize, out: Out, keep: bool, panels: &mut Vec<Line>) {
    let (most_rows, most_vectors) = L::TILE;
    let panel_lanes = most_vectors * L::LANES;
    let longest = depth.min(STRETCH);
    let block_lanes = (PACKED / longest / panel_lanes).max(1) * panel_lanes;
    // Few rows do not repay the packing of lanes that can be loaded where they are.
    let packs = !vectors.lanes_follow || scalars.rows > most_rows;
    let most_packed = if packs { block_lanes.min(vectors.lanes.next_multiple_of(panel_lanes)) } else { panel_lanes };
    panels.resize((most_rows * COPY_STRIDE + most_packed * longest) / 16 + 1, Line { _numbers: [0.0; 16] });
    let copies = panels.as_mut_ptr().cast::<f32>();
    let packed = unsafe { copies.add(most_rows * COPY_STRIDE) };
    let rows_collide = (scalars.stride * size_of::<f32>()).is_multiple_of(COLLIDING);
    for first_k in (0..depth).step_by(STRETCH) {
        let length = (depth - first_k).min(STRETCH);
        let keep = keep || first_k > 0;
        for first_lane in (0..vectors.lanes).step_by(block_lanes) {
            let lanes = (vectors.lanes - first_lane).min(block_lanes);
            let in_place = if packs { 0 } else { lanes / panel_lanes * panel_lanes };
            unsafe { pack::<L>(vectors, first_k..first_k + length, first_lane + in_place..first_lane + lanes, packed) };
            let mut row = 0;
            while row < scalars.rows {
                let left = scalars.rows - row;
                let mut a = unsafe { scalars.start.add(row * scalars.stride + first_k) };
                let mut stride = scalars.stride;
                let rows = if left >= most_rows { most_rows } else { left.min(left / GROUP * GROUP).max(GROUP) };
                if left < GROUP || rows_collide {
                    for r in 0..rows.min(left) {
                        unsafe { std::ptr::copy_nonoverlapping(a.add(r * stride), copies.add(r * COPY_STRIDE), length) };
                    }
                    (a, stride) = (copies, COPY_STRIDE);
                }
                for lane in (0..lanes).step_by(panel_lanes) {
                    let valid = (left.min(rows), (lanes - lane).min(panel_lanes));
                    let count = valid.1.div_ceil(L::LANES);
                    let (b, b_stride) = match lane < in_place {
                        true => (unsafe { vectors.start.add(first_k * vectors.stride + first_lane + lane) }, vectors.stride),
                        false => (unsafe { packed.add((lane - in_place) * length) }.cast_const(), count * L::LANES),
                    };
                    let to = Out { start: unsafe { out.at(row, first_lane + lane) }, ..out };
                    macro_rules! with {
                        ($($rows:literal $vectors:literal),*) => {
                            match (rows, count) {
                                $(($rows, $vectors) => unsafe {
                                    let sums = match lane < in_place {
                                        true => tile::<L, $rows, $vectors, true>(length, a, stride, b, b_stride),
                                        false => tile::<L, $rows, $vectors, false>(length, a, stride, b, b_stride),
                                    };
                                    write::<L, $rows, $vectors>(sums, valid, to, keep)
                                },)*
                                _ => unreachable!("no such tile"),
                            }
                        };
                    }
                    if L::TILE == (12, 2) {
                        with!(12 2, 12 1, 8 2, 8 1, 4 2, 4 1)
                    } else {
                        with!(4 2, 4 1)
                    }
                }
                row += rows;
            }
        }
    }
}

/// Packs these k and lanes: panel after panel of the lanes of a tile (the last one may have fewer vectors), in each k after k.
#[inline(always)]
unsafe fn pack<L: Lanes>(vectors: Vectors, ks: std::ops::Range<usize>, lanes: std::ops::Range<usize>, to: *mut f32) {
    let panel_lanes = L::TILE.1 * L::LANES;
    let length = ks.len();
    for lane in lanes.clone().step_by(panel_lanes) {
        let count = (lanes.end - lane).min(panel_lanes);
        let width = count.next_multiple_of(L::LANES);
        unsafe {
            let to = to.add((lane - lanes.start) * length);
            if count < width {
                std::ptr::write_bytes(to, 0, width * length);
            }
            if vectors.lanes_follow {
                let from = vectors.start.add(ks.start * vectors.stride + lane);
                for k in 0..length {
                    let (from, to) = (from.add(k * vectors.stride), to.add(k * width));
                    if count == panel_lanes {
                        for vector in 0..L::TILE.1 {
                            L::load(from.add(vector * L::LANES)).store(to.add(vector * L::LANES));
                        }
                    } else {
                        std::ptr::copy_nonoverlapping(from, to, count);
                    }
                }
                continue;
            }
            let from = vectors.start.add(lane * vectors.stride + ks.start);
            let groups = count / GROUP * GROUP;
            let whole = length / L::LANES * L::LANES;
            for k in (0..whole).step_by(L::LANES) {
                for lane in (0..groups).step_by(GROUP) {
                    let row = |r: usize| L::load(from.add((lane + r) * vectors.stride + k));
                    L::store_transposed([row(0), row(1), row(2), row(3)], to.add(k * width + lane), width, false);
                }
            }
            for lane in 0..count {
                for k in if lane < groups { whole } else { 0 }..length {
                    *to.add(k * width + lane) = *from.add(lane * vectors.stride + k);
                }
            }
        }
    }
}

/// The sums of a tile over `length` k: R rows of scalars from `a`, V vectors a k from `b`. If `AHEAD`, what follows these vectors is asked
/// for meanwhile: the next tile needs it.
#[inline(always)]
unsafe fn tile<L: Lanes, const R: usize, const V: usize, const AHEAD: bool>(
    length: usize,
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    b_stride: usize,
) -> [[L; V]; R] {
    unsafe {
        let mut sums = [[L::zero(); V]; R];
        for k in 0..length {
            let b = b.add(k * b_stride);
            let mut lanes = [L::zero(); V];
            for v in 0..V {
                lanes[v] = L::load(b.add(v * L::LANES));
                if AHEAD {
                    L::prefetch(b.add((V + v) * L::LANES));
                }
            }
            for r in 0..R {
                let scalar = L::splat(a.add(r * a_stride + k));
                for v in 0..V {
                    sums[r][v] = sums[r][v].add_product(scalar, lanes[v]);
                }
            }
        }
        sums
    }
}

/// Writes the valid rows and lanes of a tile.
#[inline(always)]
unsafe fn write<L: Lanes, const R: usize, const V: usize>(sums: [[L; V]; R], valid: (usize, usize), out: Out, keep: bool) {
    unsafe {
        if valid == (R, V * L::LANES) {
            if out.transposed {
                for r in (0..R).step_by(GROUP) {
                    for v in 0..V {
                        let rows = [sums[r][v], sums[r + 1][v], sums[r + 2][v], sums[r + 3][v]];
                        L::store_transposed(rows, out.at(r, v * L::LANES), out.stride, keep);
                    }
                }
            } else {
                for r in 0..R {
                    for v in 0..V {
                        let to = out.at(r, v * L::LANES);
                        let sum = if keep { L::load(to).add(sums[r][v]) } else { sums[r][v] };
                        sum.store(to);
                    }
                }
            }
            return;
        }
        let mut buffer = [[0.0_f32; 64]; R];
        for r in 0..R {
            for v in 0..V {
                sums[r][v].store(buffer[r].as_mut_ptr().add(v * L::LANES));
            }
        }
        for r in 0..valid.0 {
            for l in 0..valid.1 {
                let to = out.at(r, l);
                *to = if keep { *to + buffer[r][l] } else { buffer[r][l] };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn avx512(scalars: Scalars, vectors: Vectors, depth: usize, out: Out, keep: bool, panels: &mut Vec<Line>) {
    // SAFETY: the features are enabled here; the extents are the caller's.
    unsafe { multiply::<std::arch::x86_64::__m512>(scalars, vectors, depth, out, keep, panels) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(scalars: Scalars, vectors: Vectors, depth: usize, out: Out, keep: bool, panels: &mut Vec<Line>) {
    // SAFETY: as above.
    unsafe { multiply::<std::arch::x86_64::__m256>(scalars, vectors, depth, out, keep, panels) }
}

/// `out` = `a`·`b`, added to what is there if `keep`; `a` n × q, `b` q × m, `out` n × m with rows that are contiguous. Returns whether it
/// was done: not at the portable level.
pub fn product(a: ArrayView2<f32>, b: ArrayView2<f32>, keep: bool, mut out: ArrayViewMut2<f32>) -> bool {
    let level = super::level();
    let ((n, q), m) = (a.dim(), b.ncols());
    assert!(b.nrows() == q && out.dim() == (n, m), "shapes of a product");
    let Some(out_stride) = row_stride(out.view()) else { return false };
    if level == Level::Portable || n == 0 || m == 0 || q == 0 {
        return false;
    }
    let a = if row_stride(a).is_some() { CowArray::from(a) } else { CowArray::from(a.as_standard_layout().into_owned()) };
    let b = match row_stride(b).or(row_stride(b.reversed_axes())) {
        Some(_) => CowArray::from(b),
        None => CowArray::from(b.as_standard_layout().into_owned()),
    };
    let a_stride = row_stride(a.view()).expect("rows are contiguous");
    let of_a = Scalars { start: a.as_ptr(), rows: n, stride: a_stride };
    let (scalars, vectors, transposed) = match (row_stride(b.view()), row_stride(b.t())) {
        (Some(stride), _) => (of_a, Vectors { start: b.as_ptr(), lanes: m, stride, lanes_follow: true }, false),
        (None, Some(stride)) if n <= m => {
            let of_b = Scalars { start: b.as_ptr(), rows: m, stride };
            (of_b, Vectors { start: a.as_ptr(), lanes: n, stride: a_stride, lanes_follow: false }, true)
        }
        (None, Some(stride)) => (of_a, Vectors { start: b.as_ptr(), lanes: m, stride, lanes_follow: false }, false),
        (None, None) => unreachable!("rows or columns are contiguous"),
    };
    let out = Out { start: out.as_mut_ptr(), stride: out_stride, transposed };
    PANELS.with_borrow_mut(|panels| match level {
        // SAFETY: the level is available, and the views have these extents.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(scalars, vectors, q, out, keep, panels) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(scalars, vectors, q, out, keep, panels) },
        _ => unreachable!("no vectors at the portable level"),
    });
    true
}

/// How far rows are apart, if the numbers of a row follow one another.
fn row_stride(matrix: ArrayView2<f32>) -> Option<usize> {
    let [between_rows, within] = [matrix.strides()[0], matrix.strides()[1]];
    match matrix.dim() {
        (_, columns) if columns > 1 && within != 1 => None,
        (0 | 1, columns) => Some(columns),
        _ => usize::try_from(between_rows).ok(),
    }
}
