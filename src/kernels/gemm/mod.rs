//! sgemm and dgemm for one thin operand: inputs or line points × layer weights, vectors × basis.
//!
//! Each entry is a sum over k in order, by FMA in blocks of [`kc`] terms whose sums are added in order. So its bits depend on its row and
//! column only, not on the shape, the SIMD level or the machine.
//!
//! Loops, outermost first: KC = 512 terms (256 in f64); a block of packed B columns; MR rows of A; NR columns; the microkernel over k, an MR × NR
//! tile in registers (12 × 32 with AVX-512, 6 × 16 with AVX2, 12 × 8 with NEON; half as many columns in f64). A is read in place and broadcast
//! (*scalars*); B is packed into micro-panels of NR *lanes*. L1 holds MR rows of A (24 KiB with AVX-512) while the micro-panels stream from L2. The
//! B block takes 512 KiB of L2, or 128 KiB if a KC block of all of A fits in L2 as well; then the next B block is prefetched during the current
//! one. In A·Bᵀ either operand can be packed: the one that wastes fewer tile entries is.
//!
//! 2 flops per k and entry; the large operand, a layer's weights, is read once from DRAM (4 B per weight in f32). f32 with AVX2 / AVX-512 on 256
//! neurons × 100 inputs, d = 500 (OpenBLAS kernels of the same level in brackets): pre-activations 111 / 229 GF/s (113 / 200), masked gradient
//! 107 / 211 GF/s (114 / 216).

#[cfg(target_arch = "aarch64")]
mod neon;
pub mod split;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::cell::RefCell;
use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, CowArray};

pub use self::vector::Element;
use self::vector::{GROUP, Vector};
use super::SimdLevel;

/// Bytes of a row of A in one k block.
const KC_BYTES: usize = 2048;
/// Largest KC block of A (bytes) that stays in L2 beside a small B block.
const A_IN_L2: usize = 256 * 1024;
/// Size of a packed B block (bytes) if A stays in L2.
const SMALL_B_BLOCK: usize = 128 * 1024;
/// Size of a packed B block (bytes) otherwise.
const B_BLOCK: usize = 512 * 1024;
/// Bytes per cache line.
const LINE: usize = 64;
/// Terms of a tile between prefetches, and cache lines prefetched each time.
const PREFETCH_STEP: usize = 16;
const PREFETCHED_LINES: usize = 8;
/// Largest MR and NR of any level.
const MR_MAX: usize = 12;
const NR_MAX: usize = 32;

/// KC, the k block: terms summed in registers.
pub const fn kc<T>() -> usize {
    KC_BYTES / size_of::<T>()
}

/// `out` = `a`·`b`, or `out` += `a`·`b` if `accumulate`; `a` is n × q, `b` q × m, `out` n × m with contiguous rows. An operand without
/// contiguous rows (for `b`: or columns) is copied first.
///
/// # Panics
/// If shapes do not match or rows of `out` are not contiguous.
pub fn matmul<T: Element>(a: ArrayView2<T>, b: ArrayView2<T>, accumulate: bool, out: ArrayViewMut2<T>) {
    matmul_of(a, b, Needed::All, accumulate, out);
}

/// [`matmul`] for an `a` whose row i is zero from column `ends`\[i\] on. Skips most of the zero terms; for finite `b` the bits are those of [`matmul`],
/// up to the sign of a zero.
///
/// # Panics
/// As [`matmul`], or if an end exceeds q or there are not n of them.
pub fn matmul_ragged<T: Element>(a: ArrayView2<T>, ends: &[usize], b: ArrayView2<T>, out: ArrayViewMut2<T>) {
    assert!(ends.len() == a.nrows() && ends.iter().all(|end| *end <= a.ncols()), "ends of the rows");
    matmul_of(a, b, Needed::Ends(ends), false, out);
}

/// The lower triangle of `a`·`a`ᵀ (syrk), `a` n × q; entries above the diagonal are unspecified.
///
/// # Panics
/// If `out` is not n × n or its rows are not contiguous.
pub fn gram<T: Element>(a: ArrayView2<T>, out: ArrayViewMut2<T>) {
    matmul_of(a, a.reversed_axes(), Needed::Lower, false, out);
}

/// Which part of A·B is needed. A tile is skipped or computed whole, to the depth of its longest row.
#[derive(Debug, Clone, Copy)]
enum Needed<'a> {
    All,
    /// Row i needs only the terms before this one.
    Ends(&'a [usize]),
    /// Only entries on or below the diagonal.
    Lower,
}

impl Needed<'_> {
    /// Terms of `depth` that a tile needs, with these rows of A and the columns of B from `column` on.
    #[inline(always)]
    fn terms(self, rows: Range<usize>, column: usize, depth: usize) -> usize {
        match self {
            Needed::All => depth,
            Needed::Ends(ends) => ends[rows].iter().copied().max().unwrap_or(0),
            Needed::Lower => {
                if column < rows.end {
                    depth
                } else {
                    0
                }
            }
        }
    }
}

fn matmul_of<T: Element>(a: ArrayView2<T>, b: ArrayView2<T>, needed: Needed, accumulate: bool, mut out: ArrayViewMut2<T>) {
    let ((n, q), m) = (a.dim(), b.ncols());
    assert!(b.nrows() == q && out.dim() == (n, m), "shapes of a matmul");
    if q == 0 && !accumulate {
        out.fill(T::zero());
    }
    if n == 0 || m == 0 || q == 0 {
        return;
    }
    let a = if row_stride(a).is_some() { CowArray::from(a) } else { CowArray::from(a.as_standard_layout().into_owned()) };
    let b = match row_stride(b).or(row_stride(b.reversed_axes())) {
        Some(_) => CowArray::from(b),
        None => CowArray::from(b.as_standard_layout().into_owned()),
    };
    let of_a = Rows { start: a.as_ptr(), count: n, stride: row_stride(a.view()).expect("rows are contiguous") };
    let out_stride = row_stride(out.view()).expect("rows of a result are contiguous");
    let out_start = out.as_mut_ptr();
    let out = |transposed| Out { start: out_start, stride: out_stride, transposed };
    let gemm = match (row_stride(b.view()), row_stride(b.t())) {
        (Some(stride), _) => {
            let lanes = Lanes { start: b.as_ptr(), count: m, stride, are_adjacent: true };
            Gemm { scalars: of_a, lanes, depth: q, needed, accumulate, out: out(false) }
        }
        (None, stride) => {
            let of_b = Rows { start: b.as_ptr(), count: m, stride: stride.expect("columns are contiguous") };
            let is_transposed = cost(m, n) < cost(n, m);
            let (scalars, packed, transposed) = if is_transposed { (of_b, of_a, true) } else { (of_a, of_b, false) };
            let Rows { start, count, stride } = packed;
            let lanes = Lanes { start, count, stride, are_adjacent: false };
            Gemm { scalars, lanes, depth: q, needed, accumulate, out: out(transposed) }
        }
    };
    PANELS.with_borrow_mut(|panels| match super::level() {
        // SAFETY: the level is available, and the views have these extents.
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx512 => unsafe { avx512(gemm, panels) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => unsafe { avx2(gemm, panels) },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        SimdLevel::Neon => unsafe { multiply::<T::Neon>(gemm, panels) },
        // SAFETY: as above; the fallback needs no instructions.
        _ => unsafe { multiply::<[T; 8]>(gemm, panels) },
    });
}

/// Cost of broadcasting `scalars` rows and packing `packed` rows, in 16-lane FMAs per k. Packing three elements costs about one FMA.
fn cost(scalars: usize, packed: usize) -> usize {
    scalars.next_multiple_of(GROUP) * packed.div_ceil(16) + packed / 3
}

fn zero<T: Element>() -> T {
    T::zero()
}

/// Leading dimension, if rows are contiguous.
fn row_stride<T>(matrix: ArrayView2<T>) -> Option<usize> {
    let [between_rows, within] = [matrix.strides()[0], matrix.strides()[1]];
    match matrix.dim() {
        (_, columns) if columns > 1 && within != 1 => None,
        (0 | 1, columns) => Some(columns),
        _ => usize::try_from(between_rows).ok(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
unsafe fn avx512<T: Element>(gemm: Gemm<T>, panels: &mut Vec<CacheLine>) {
    // SAFETY: the features are enabled here; the extents are the caller's.
    unsafe { multiply::<T::Avx512>(gemm, panels) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<T: Element>(gemm: Gemm<T>, panels: &mut Vec<CacheLine>) {
    // SAFETY: as above.
    unsafe { multiply::<T::Avx2>(gemm, panels) }
}

/// Rows, contiguous along k.
#[derive(Debug, Clone, Copy)]
struct Rows<T> {
    start: *const T,
    count: usize,
    stride: usize,
}

/// The packed operand.
#[derive(Debug, Clone, Copy)]
struct Lanes<T> {
    start: *const T,
    count: usize,
    /// Distance from one k to the next if lanes are adjacent, else from one lane to the next.
    stride: usize,
    are_adjacent: bool,
}

/// Destination of the tiles.
#[derive(Debug, Clone, Copy)]
struct Out<T> {
    start: *mut T,
    stride: usize,
    /// Whether its rows are the lanes.
    transposed: bool,
}

impl<T: Element> Out<T> {
    #[inline(always)]
    unsafe fn at(self, row: usize, lane: usize) -> *mut T {
        let (row, column) = if self.transposed { (lane, row) } else { (row, lane) };
        unsafe { self.start.add(row * self.stride + column) }
    }
}

/// One matmul.
#[derive(Clone, Copy)]
struct Gemm<'a, T> {
    scalars: Rows<T>,
    lanes: Lanes<T>,
    /// Length of the sums over k.
    depth: usize,
    needed: Needed<'a>,
    accumulate: bool,
    out: Out<T>,
}

/// A cache line.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct CacheLine {
    _bytes: [u8; LINE],
}

thread_local! {
    /// Packing workspace of this thread: copied rows, then the packed block.
    static PANELS: RefCell<Vec<CacheLine>> = const { RefCell::new(Vec::new()) };
}

/// Runs the blocked loops of `gemm`.
///
/// # Safety
/// The CPU must have the instructions of `V`, and the operands the stated extents.
#[inline(always)]
unsafe fn multiply<V: Vector>(gemm: Gemm<V::Element>, panels: &mut Vec<CacheLine>) {
    let Gemm { scalars, lanes, depth, needed, out, .. } = gemm;
    let (tile_rows, tile_lanes) = (V::TILE.0, V::TILE.1 * V::LANES);
    let (kc, size) = (kc::<V::Element>(), size_of::<V::Element>());
    let are_few = scalars.count * depth.min(kc) * size <= A_IN_L2;
    let most_bytes = if are_few { SMALL_B_BLOCK } else { B_BLOCK };
    let block_lanes = (most_bytes / size / depth.min(kc) / tile_lanes).max(1) * tile_lanes;
    // With at most MR rows packing does not pay: adjacent lanes are loaded in place, except for the incomplete last tile.
    let packs = !lanes.are_adjacent || scalars.count > tile_rows;
    let most_packed = if packs { block_lanes.min(lanes.count.next_multiple_of(tile_lanes)) } else { tile_lanes };
    let lines = ((GROUP * kc + most_packed * depth.min(kc)) * size).div_ceil(LINE);
    panels.resize(lines.max(panels.len()), CacheLine { _bytes: [0; LINE] });
    let copies = panels.as_mut_ptr().cast::<V::Element>();
    let packed = unsafe { copies.add(GROUP * kc) };

    for first_k in (0..depth).step_by(kc) {
        let ks = first_k..depth.min(first_k + kc);
        let accumulate = gemm.accumulate || first_k > 0;
        for first_lane in (0..lanes.count).step_by(block_lanes) {
            let block = first_lane..lanes.count.min(first_lane + block_lanes);
            let in_place = if packs { first_lane } else { first_lane + block.len() / tile_lanes * tile_lanes };
            unsafe { pack::<V>(lanes, ks.clone(), in_place..block.end, packed) };
            let mut prefetcher = match (are_few && packs, block.end < lanes.count) {
                (false, _) => Prefetcher::of(lanes, 0..0, 0..0),
                (true, true) => Prefetcher::of(lanes, ks.clone(), block.end..lanes.count.min(block.end + block_lanes)),
                (true, false) => Prefetcher::of(lanes, ks.end..depth.min(ks.end + kc), 0..lanes.count.min(block_lanes)),
            };
            let mut row = 0;
            while row < scalars.count {
                let left = scalars.count - row;
                // MR rows, or else whole groups of 4; fewer than 4 rows are copied into a buffer of 4. If MR is 6, groups of 4 are used for transposed output
                // and for row counts that they fill better.
                let in_groups = !tile_rows.is_multiple_of(GROUP) && (out.transposed || matches!(left, 7 | 8 | 11));
                let rows = match left {
                    // Two tiles of 8 run faster than 12 and 4.
                    16 if tile_rows == MR_MAX => 8,
                    _ if left >= tile_rows && !in_groups => tile_rows,
                    _ => (left.min(tile_rows) / GROUP * GROUP).max(GROUP),
                };
                let mut a =
                    Rows { start: unsafe { scalars.start.add(row * scalars.stride + first_k) }, count: rows.min(left), ..scalars };
                if left < GROUP {
                    a = unsafe { copy(a, ks.len(), copies) };
                }
                for lane in block.clone().step_by(tile_lanes) {
                    let valid = (a.count, (block.end - lane).min(tile_lanes));
                    let vectors = valid.1.div_ceil(V::LANES);
                    let is_in_place = lane < in_place;
                    let b = match is_in_place {
                        true => Panel { start: unsafe { lanes.start.add(first_k * lanes.stride + lane) }, stride: lanes.stride },
                        false => Panel { start: unsafe { packed.add((lane - in_place) * ks.len()) }, stride: vectors * V::LANES },
                    };
                    let to = Out { start: unsafe { out.at(row, lane) }, ..out };
                    let (scalar_rows, lane_rows) = (row..row + valid.0, lane..lane + valid.1);
                    let terms = match out.transposed {
                        true => needed.terms(lane_rows, row, depth),
                        false => needed.terms(scalar_rows, lane, depth),
                    };
                    let length = terms.clamp(ks.start, ks.end) - ks.start;
                    if length == 0 && accumulate {
                        continue;
                    }
                    unsafe { prefetch::<V>(valid, to) };
                    macro_rules! tile_of {
                        ($($rows:literal by $vectors:literal),*) => {
                            match (rows, vectors) {
                                $(($rows, $vectors) => unsafe {
                                    let sums = match is_in_place {
                                        true => microkernel::<V, $rows, $vectors, true>(length, a, b, &mut prefetcher),
                                        false => microkernel::<V, $rows, $vectors, false>(length, a, b, &mut prefetcher),
                                    };
                                    write(sums, valid, to, accumulate)
                                },)*
                                _ => unreachable!("tiles have 4, 6, 8 or 12 rows of 1 or 2 vectors"),
                            }
                        };
                    }
                    if tile_rows == MR_MAX {
                        tile_of!(12 by 2, 12 by 1, 8 by 2, 8 by 1, 4 by 2, 4 by 1)
                    } else {
                        tile_of!(6 by 2, 6 by 1, 4 by 2, 4 by 1)
                    }
                }
                row += rows;
            }
        }
    }
}

/// Copies rows of `length` elements to `to`.
#[inline(always)]
unsafe fn copy<T: Element>(rows: Rows<T>, length: usize, to: *mut T) -> Rows<T> {
    for row in 0..rows.count {
        unsafe { std::ptr::copy_nonoverlapping(rows.start.add(row * rows.stride), to.add(row * kc::<T>()), length) };
    }
    Rows { start: to, stride: kc::<T>(), ..rows }
}

/// Packs a block into micro-panels of NR lanes, k-major. The last one may have fewer vectors; its excess lanes are padding.
#[inline(always)]
unsafe fn pack<V: Vector>(lanes: Lanes<V::Element>, ks: Range<usize>, block: Range<usize>, to: *mut V::Element) {
    let tile_lanes = V::TILE.1 * V::LANES;
    for lane in block.clone().step_by(tile_lanes) {
        let count = (block.end - lane).min(tile_lanes);
        let width = count.next_multiple_of(V::LANES);
        unsafe {
            let to = to.add((lane - block.start) * ks.len());
            match lanes.are_adjacent {
                true => {
                    if count < width {
                        to.write_bytes(0, width * ks.len());
                    }
                    pack_adjacent::<V>(lanes.start.add(ks.start * lanes.stride + lane), lanes.stride, ks.len(), count, to, width)
                }
                false => pack_rows::<V>(lanes.start.add(lane * lanes.stride + ks.start), lanes.stride, ks.len(), count, to, width),
            }
        }
    }
}

/// Copies `count` adjacent lanes of each of `length` k.
#[inline(always)]
unsafe fn pack_adjacent<V: Vector>(
    from: *const V::Element,
    stride: usize,
    length: usize,
    count: usize,
    to: *mut V::Element,
    width: usize,
) {
    for k in 0..length {
        unsafe {
            let (from, to) = (from.add(k * stride), to.add(k * width));
            if count == V::TILE.1 * V::LANES {
                for vector in 0..V::TILE.1 {
                    V::load(from.add(vector * V::LANES)).store(to.add(vector * V::LANES));
                }
            } else {
                std::ptr::copy_nonoverlapping(from, to, count);
            }
        }
    }
}

/// Packs `count` rows of `length` k by transposing them. Excess lanes repeat the last row.
#[inline(always)]
unsafe fn pack_rows<V: Vector>(
    from: *const V::Element,
    stride: usize,
    length: usize,
    count: usize,
    to: *mut V::Element,
    width: usize,
) {
    let whole = length / V::LANES * V::LANES;
    for lane in (0..width).step_by(V::LANES) {
        let mut rows = [from; NR_MAX];
        for (row, start) in rows[..V::LANES].iter_mut().enumerate() {
            *start = unsafe { from.add((lane + row).min(count - 1) * stride) };
        }
        let rows = &rows[..V::LANES];
        unsafe {
            let to = to.add(lane);
            for k in (0..whole).step_by(V::LANES) {
                for k in (k..k + V::LANES).step_by(GROUP) {
                    let mut fours = [V::zero(); GROUP];
                    for (first, fours) in fours.iter_mut().enumerate() {
                        *fours = V::load_fours(&rows[first..], k);
                    }
                    for (next, vector) in V::transpose_fours(fours).iter().enumerate() {
                        vector.store(to.add((k + next) * width));
                    }
                }
            }
            for k in whole..length {
                for (lane, row) in rows.iter().enumerate() {
                    *to.add(k * width + lane) = *row.add(k);
                }
            }
        }
    }
}

/// A micro-panel of NR lanes, k-major.
#[derive(Clone, Copy)]
struct Panel<T> {
    start: *const T,
    stride: usize,
}

/// Prefetches the source of the next block, a few lines per call.
struct Prefetcher<T> {
    start: *const T,
    stride: usize,
    rows: usize,
    columns: usize,
    /// Columns of the first row prefetched so far.
    column: usize,
}

impl<T: Element> Prefetcher<T> {
    fn of(lanes: Lanes<T>, ks: Range<usize>, block: Range<usize>) -> Self {
        let (rows, columns) = if lanes.are_adjacent { (ks, block) } else { (block, ks) };
        let start = lanes.start.wrapping_add(rows.start * lanes.stride + columns.start);
        let is_empty = rows.is_empty() || columns.is_empty();
        Self { start, stride: lanes.stride, rows: if is_empty { 0 } else { rows.len() }, columns: columns.len(), column: 0 }
    }

    /// Prefetches the next [`PREFETCHED_LINES`] lines.
    #[inline(always)]
    unsafe fn next<V: Vector<Element = T>>(&mut self) {
        if self.rows == 0 {
            return;
        }
        let line = LINE / size_of::<T>();
        for ahead in 0..PREFETCHED_LINES {
            unsafe { V::prefetch(self.start.wrapping_add(self.column + ahead * line)) };
        }
        self.column += PREFETCHED_LINES * line;
        if self.column >= self.columns {
            (self.start, self.rows, self.column) = (self.start.wrapping_add(self.stride), self.rows - 1, 0);
        }
    }
}

/// Microkernel: ROWS × VECTORS sums over `length` k, prefetching the next block meanwhile. `IN_PLACE` also prefetches what follows the
/// vectors of `b`, for the next tile.
#[inline(always)]
unsafe fn microkernel<V: Vector, const ROWS: usize, const VECTORS: usize, const IN_PLACE: bool>(
    length: usize,
    a: Rows<V::Element>,
    b: Panel<V::Element>,
    prefetcher: &mut Prefetcher<V::Element>,
) -> [[V; VECTORS]; ROWS] {
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; ROWS];
        for first in (0..length).step_by(PREFETCH_STEP) {
            prefetcher.next::<V>();
            for k in first..length.min(first + PREFETCH_STEP) {
                let b = b.start.add(k * b.stride);
                let mut lanes = [V::zero(); VECTORS];
                for (v, lanes) in lanes.iter_mut().enumerate() {
                    *lanes = V::load(b.add(v * V::LANES));
                    if IN_PLACE {
                        V::prefetch(b.wrapping_add((VECTORS + v) * V::LANES));
                    }
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let scalar = V::splat(a.start.add(r * a.stride + k));
                    for (sum, lanes) in sums.iter_mut().zip(lanes) {
                        *sum = sum.fma(scalar, lanes);
                    }
                }
            }
        }
        sums
    }
}

/// Prefetches the output of a tile, so that it arrives while the microkernel runs.
#[inline(always)]
unsafe fn prefetch<V: Vector>(valid: (usize, usize), out: Out<V::Element>) {
    let (rows, columns) = if out.transposed { (valid.1, valid.0) } else { valid };
    for row in 0..rows {
        // A row that does not start on a cache line reaches into one more.
        for column in (0..columns).step_by(LINE / size_of::<V::Element>()).chain([columns - 1]) {
            unsafe { V::prefetch(out.start.wrapping_add(row * out.stride + column)) };
        }
    }
}

/// Stores the valid rows and lanes of a tile.
#[inline(always)]
unsafe fn write<V: Vector, const ROWS: usize, const VECTORS: usize>(
    sums: [[V; VECTORS]; ROWS],
    valid: (usize, usize),
    out: Out<V::Element>,
    accumulate: bool,
) {
    let is_whole = valid == (ROWS, VECTORS * V::LANES);
    unsafe {
        if is_whole && out.transposed {
            for (group, sums) in sums.as_chunks::<GROUP>().0.iter().enumerate() {
                for v in 0..VECTORS {
                    V::store_transposed(sums.map(|sums| sums[v]), out.at(group * GROUP, v * V::LANES), out.stride, accumulate);
                }
            }
            return;
        }
        if is_whole {
            for (r, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let to = out.at(r, v * V::LANES);
                    let sum = if accumulate { V::load(to).add(*sum) } else { *sum };
                    sum.store(to);
                }
            }
            return;
        }
        let mut numbers = [[zero::<V::Element>(); NR_MAX]; ROWS];
        for (numbers, sums) in numbers.iter_mut().zip(sums) {
            for (v, sum) in sums.into_iter().enumerate() {
                sum.store(numbers.as_mut_ptr().add(v * V::LANES));
            }
        }
        for (r, numbers) in numbers[..valid.0].iter().enumerate() {
            for (lane, number) in numbers[..valid.1].iter().enumerate() {
                let to = out.at(r, lane);
                *to = if accumulate { *to + *number } else { *number };
            }
        }
    }
}
