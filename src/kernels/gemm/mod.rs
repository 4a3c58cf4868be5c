//! Products of f32 matrices of which one is thin: inputs or points of lines by a layer, vectors by a basis.
//!
//! Each entry of a product is a sum over k, taken in order by fused multiply-adds in stretches of [`STRETCH`] terms; the sums of the
//! stretches are added in order. So an entry depends on its row and its column alone, not on the shape of the product nor on the level, and
//! is the same on every machine.
//!
//! Blocking: one operand gives *scalars*, rows that are read where they are; the other gives *lanes*, which are packed as vectors, panel after
//! panel of a tile's lanes, a block at a time, which stays in the second cache. A tile of rows × lanes is summed in registers (12 × 32 with
//! AVX-512, 4 × 16 with AVX2). Of two matrices that are multiplied row by row the one is packed that leaves less of the tiles unused. If the
//! rows of scalars stay in the second cache too, blocks are small, and the next one is asked for while the last one is multiplied. 2 flops a
//! k and entry, 4 bytes an entry of the large operand, a layer's weights, which are read once.
//! Rates in GF/s at the levels AVX2 and AVX-512, and in brackets what OpenBLAS's kernels for the same instructions reach beside them: the
//! pre-activations of 256 neurons at 100 inputs, d = 500, 111 and 229 (113, 200); their masked gradient 107 and 211 (114, 216).

mod vector;

use std::cell::RefCell;
use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, CowArray};

use self::vector::{GROUP, Vector};
use super::Level;

/// Terms that are summed in one go.
pub const STRETCH: usize = 512;
/// Most numbers of a stretch of rows that stay in the second cache …
const FEW: usize = 64 * 1024;
/// … most numbers that are then packed at a time …
const PACKED_FOR_FEW: usize = 32 * 1024;
/// … and for more rows.
const PACKED: usize = 128 * 1024;
/// Numbers of a cache line.
const LINE: usize = 16;
/// Lines that are asked for at a time.
const AHEAD: usize = 8;
/// Most rows of a tile, and most lanes, at any level.
const MOST_ROWS: usize = 12;
const MOST_LANES: usize = 32;

/// `out` = `a`·`b`, added to what is there if `keep`; `a` n × q, `b` q × m, `out` n × m with rows that are contiguous. An operand that has
/// neither contiguous rows nor, if it is `b`, columns is copied first.
pub fn product(a: ArrayView2<f32>, b: ArrayView2<f32>, keep: bool, mut out: ArrayViewMut2<f32>) {
    let ((n, q), m) = (a.dim(), b.ncols());
    assert!(b.nrows() == q && out.dim() == (n, m), "shapes of a product");
    if q == 0 && !keep {
        out.fill(0.0);
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
    let task = match (row_stride(b.view()), row_stride(b.t())) {
        (Some(stride), _) => {
            let lanes = Lanes { start: b.as_ptr(), count: m, stride, are_adjacent: true };
            Task { scalars: of_a, lanes, depth: q, keep, out: out(false) }
        }
        (None, stride) => {
            let of_b = Rows { start: b.as_ptr(), count: m, stride: stride.expect("columns are contiguous") };
            let is_transposed = cost(m, n) < cost(n, m);
            let (scalars, packed, transposed) = if is_transposed { (of_b, of_a, true) } else { (of_a, of_b, false) };
            let Rows { start, count, stride } = packed;
            Task { scalars, lanes: Lanes { start, count, stride, are_adjacent: false }, depth: q, keep, out: out(transposed) }
        }
    };
    PANELS.with_borrow_mut(|panels| match super::level() {
        // SAFETY: the level is available, and the views have these extents.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(task, panels) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(task, panels) },
        // SAFETY: as above, without instructions of its own.
        _ => unsafe { multiply::<[f32; 8]>(task, panels) },
    });
}

/// What a product costs if so many rows give scalars and so many are packed, in multiply-adds of a vector of 16 lanes a k: to pack three
/// numbers takes as long as one.
fn cost(scalars: usize, packed: usize) -> usize {
    scalars.next_multiple_of(GROUP) * packed.div_ceil(16) + packed / 3
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
unsafe fn avx512(task: Task, panels: &mut Vec<Line>) {
    // SAFETY: the features are enabled here; the extents are the caller's.
    unsafe { multiply::<std::arch::x86_64::__m512>(task, panels) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(task: Task, panels: &mut Vec<Line>) {
    // SAFETY: as above.
    unsafe { multiply::<std::arch::x86_64::__m256>(task, panels) }
}

/// Rows of numbers that follow one another along k.
#[derive(Clone, Copy)]
struct Rows {
    start: *const f32,
    count: usize,
    stride: usize,
}

/// The operand that is packed.
#[derive(Clone, Copy)]
struct Lanes {
    start: *const f32,
    count: usize,
    /// From one k to the next if lanes are adjacent, else from one lane to the next.
    stride: usize,
    are_adjacent: bool,
}

/// Where the sums of rows and lanes go.
#[derive(Clone, Copy)]
struct Out {
    start: *mut f32,
    stride: usize,
    /// Whether its rows are lanes, not rows of scalars.
    transposed: bool,
}

impl Out {
    #[inline(always)]
    unsafe fn at(self, row: usize, lane: usize) -> *mut f32 {
        let (row, column) = if self.transposed { (lane, row) } else { (row, lane) };
        unsafe { self.start.add(row * self.stride + column) }
    }
}

/// A product.
#[derive(Clone, Copy)]
struct Task {
    scalars: Rows,
    lanes: Lanes,
    /// Number of k.
    depth: usize,
    /// Whether it is added to what is there.
    keep: bool,
    out: Out,
}

/// A cache line.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line {
    _numbers: [f32; LINE],
}

thread_local! {
    /// Copies of rows, then packed lanes.
    static PANELS: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Carries out `task`.
///
/// # Safety
/// The processor must have the instructions of `V`, and the operands their extent.
#[inline(always)]
unsafe fn multiply<V: Vector>(task: Task, panels: &mut Vec<Line>) {
    let Task { scalars, lanes, depth, out, .. } = task;
    let (tile_rows, tile_lanes) = (V::TILE.0, V::TILE.1 * V::LANES);
    let are_few = scalars.count * depth.min(STRETCH) <= FEW;
    let most_numbers = if are_few { PACKED_FOR_FEW } else { PACKED };
    let block_lanes = (most_numbers / depth.min(STRETCH) / tile_lanes).max(1) * tile_lanes;
    // Few rows do not repay the packing of lanes that can be loaded where they are: all but the last ones.
    let packs = !lanes.are_adjacent || scalars.count > tile_rows;
    let most_packed = if packs { block_lanes.min(lanes.count.next_multiple_of(tile_lanes)) } else { tile_lanes };
    let lines = (GROUP * STRETCH + most_packed * depth.min(STRETCH)).div_ceil(LINE);
    panels.resize(lines.max(panels.len()), Line { _numbers: [0.0; LINE] });
    let copies = panels.as_mut_ptr().cast::<f32>();
    let packed = unsafe { copies.add(GROUP * STRETCH) };

    for first_k in (0..depth).step_by(STRETCH) {
        let ks = first_k..depth.min(first_k + STRETCH);
        let keep = task.keep || first_k > 0;
        for first_lane in (0..lanes.count).step_by(block_lanes) {
            let block = first_lane..lanes.count.min(first_lane + block_lanes);
            let in_place = if packs { first_lane } else { first_lane + block.len() / tile_lanes * tile_lanes };
            unsafe { pack::<V>(lanes, ks.clone(), in_place..block.end, packed) };
            let mut ahead = match (are_few && packs, block.end < lanes.count) {
                (false, _) => Ahead::of(lanes, 0..0, 0..0),
                (true, true) => Ahead::of(lanes, ks.clone(), block.end..lanes.count.min(block.end + block_lanes)),
                (true, false) => Ahead::of(lanes, ks.end..depth.min(ks.end + STRETCH), 0..lanes.count.min(block_lanes)),
            };
            let mut row = 0;
            while row < scalars.count {
                let left = scalars.count - row;
                // Whole groups of rows, of at most three; fewer rows than one group are copied to a place for a whole one.
                let rows = (left.min(tile_rows) / GROUP * GROUP).max(GROUP);
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
                    macro_rules! tile_of {
                        ($($rows:literal by $vectors:literal),*) => {
                            match (rows, vectors) {
                                $(($rows, $vectors) => unsafe {
                                    let sums = match is_in_place {
                                        true => tile::<V, $rows, $vectors, true>(ks.len(), a, b, &mut ahead),
                                        false => tile::<V, $rows, $vectors, false>(ks.len(), a, b, &mut ahead),
                                    };
                                    write(sums, valid, to, keep)
                                },)*
                                _ => unreachable!("tiles have 4, 8 or 12 rows of 1 or 2 vectors"),
                            }
                        };
                    }
                    if tile_rows == MOST_ROWS {
                        tile_of!(12 by 2, 12 by 1, 8 by 2, 8 by 1, 4 by 2, 4 by 1)
                    } else {
                        tile_of!(4 by 2, 4 by 1)
                    }
                }
                row += rows;
            }
        }
    }
}

/// Copies rows of `length` numbers to `to`.
#[inline(always)]
unsafe fn copy(rows: Rows, length: usize, to: *mut f32) -> Rows {
    for row in 0..rows.count {
        unsafe { std::ptr::copy_nonoverlapping(rows.start.add(row * rows.stride), to.add(row * STRETCH), length) };
    }
    Rows { start: to, stride: STRETCH, ..rows }
}

/// Packs these k and lanes: panel after panel of the lanes of a tile, in each k after k. The last panel may have fewer vectors, and lanes
/// whose sums nobody reads.
#[inline(always)]
unsafe fn pack<V: Vector>(lanes: Lanes, ks: Range<usize>, block: Range<usize>, to: *mut f32) {
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

/// Copies `count` lanes of each of `length` k.
#[inline(always)]
unsafe fn pack_adjacent<V: Vector>(from: *const f32, stride: usize, length: usize, count: usize, to: *mut f32, width: usize) {
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

/// Transposes `count` rows of `length` k. The lanes beyond them are the last row again.
#[inline(always)]
unsafe fn pack_rows<V: Vector>(from: *const f32, stride: usize, length: usize, count: usize, to: *mut f32, width: usize) {
    let whole = length / V::LANES * V::LANES;
    for lane in (0..width).step_by(V::LANES) {
        let mut rows = [from; MOST_LANES];
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

/// Lanes of a tile, k after k.
#[derive(Clone, Copy)]
struct Panel {
    start: *const f32,
    stride: usize,
}

/// Numbers that the next block is packed from.
struct Ahead {
    start: *const f32,
    stride: usize,
    rows: usize,
    columns: usize,
    /// The first column of the first row that has not been asked for.
    column: usize,
}

impl Ahead {
    fn of(lanes: Lanes, ks: Range<usize>, block: Range<usize>) -> Self {
        let (rows, columns) = if lanes.are_adjacent { (ks, block) } else { (block, ks) };
        let start = lanes.start.wrapping_add(rows.start * lanes.stride + columns.start);
        let is_empty = rows.is_empty() || columns.is_empty();
        Self { start, stride: lanes.stride, rows: if is_empty { 0 } else { rows.len() }, columns: columns.len(), column: 0 }
    }

    /// Asks for the next [`AHEAD`] lines.
    #[inline(always)]
    unsafe fn ask<V: Vector>(&mut self) {
        if self.rows == 0 {
            return;
        }
        for line in 0..AHEAD {
            unsafe { V::prefetch(self.start.wrapping_add(self.column + line * LINE)) };
        }
        self.column += AHEAD * LINE;
        if self.column >= self.columns {
            (self.start, self.rows, self.column) = (self.start.wrapping_add(self.stride), self.rows - 1, 0);
        }
    }
}

/// The sums of a tile over `length` k, while numbers `ahead` are asked for. If `IN_PLACE`, so is what follows the vectors of `b`: the next
/// tile needs it.
#[inline(always)]
unsafe fn tile<V: Vector, const ROWS: usize, const VECTORS: usize, const IN_PLACE: bool>(
    length: usize,
    a: Rows,
    b: Panel,
    ahead: &mut Ahead,
) -> [[V; VECTORS]; ROWS] {
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; ROWS];
        for first in (0..length).step_by(LINE) {
            ahead.ask::<V>();
            for k in first..length.min(first + LINE) {
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
                        *sum = sum.add_product(scalar, lanes);
                    }
                }
            }
        }
        sums
    }
}

/// Writes the valid rows and lanes of a tile.
#[inline(always)]
unsafe fn write<V: Vector, const ROWS: usize, const VECTORS: usize>(
    sums: [[V; VECTORS]; ROWS],
    valid: (usize, usize),
    out: Out,
    keep: bool,
) {
    let is_whole = valid == (ROWS, VECTORS * V::LANES);
    unsafe {
        if is_whole && out.transposed {
            for (group, sums) in sums.as_chunks::<GROUP>().0.iter().enumerate() {
                for v in 0..VECTORS {
                    V::store_transposed(sums.map(|sums| sums[v]), out.at(group * GROUP, v * V::LANES), out.stride, keep);
                }
            }
            return;
        }
        if is_whole {
            for (r, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let to = out.at(r, v * V::LANES);
                    let sum = if keep { V::load(to).add(*sum) } else { *sum };
                    sum.store(to);
                }
            }
            return;
        }
        let mut numbers = [[0.0_f32; MOST_LANES]; ROWS];
        for (numbers, sums) in numbers.iter_mut().zip(sums) {
            for (v, sum) in sums.into_iter().enumerate() {
                sum.store(numbers.as_mut_ptr().add(v * V::LANES));
            }
        }
        for (r, numbers) in numbers[..valid.0].iter().enumerate() {
            for (lane, number) in numbers[..valid.1].iter().enumerate() {
                let to = out.at(r, lane);
                *to = if keep { *to + number } else { *number };
            }
        }
    }
}
