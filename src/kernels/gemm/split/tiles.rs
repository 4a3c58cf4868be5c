//! The split product with the tiles of Intel AMX: `tdpbf16ps`, by inline assembly, as Rust has no stable intrinsics for it.
//!
//! Loops, outermost first: KC terms; [`MC`] vectors, packed in tiles of parts (L2); 32 lanes of weights (64 KiB, L1/L2); 32 vectors; a microkernel over
//! k with 2 × 2 tiles of sums, two of weights and two of vectors, 8 loads for 12 products. Tiles of weights are loaded from the matrix
//! as it is stored; those at its edges are copied and padded with zeros first. The next lanes are prefetched meanwhile.
//!
//! Availability is found out once a process: instructions (CPUID), state enabled by the operating system (XCR0), permission from Linux, and a probe
//! product that must have the bits of the [model](tile_product). The speed has not been measured by this program.

use std::sync::OnceLock;

use super::{CHAIN, KC, LINE_FLOATS, Product};
use crate::kernels::bf16::three_parts;
use crate::kernels::gemm::{CacheLine, LINE, PANELS};

/// Rows of a tile, and words in a row.
const SIDE: usize = CHAIN;
/// Words in a tile.
const TILE: usize = SIDE * SIDE;
/// Vectors packed at a time.
const MC: usize = 128;
/// Parts of a vector's number.
const PARTS: usize = 3;

/// Whether products use tiles, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    Available,
    /// No `amx-tile` or `amx-bf16`, or no state for them.
    NoInstructions,
    /// Linux refuses permission, or is older than 5.16.
    Refused,
    /// The probe product has other bits than the model.
    Different,
}

impl Availability {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Availability::Available => "yes",
            Availability::NoInstructions => "none",
            Availability::Refused => {
                "not used: the system refuses permission (Linux grants it from 5.16 on, unless a sandbox or small signal stacks forbid it)"
            }
            Availability::Different => "not used: the probe product has other bits than its definition",
        }
    }
}

/// Whether this process can use tiles; asks the kernel for permission at the first call.
pub fn availability() -> Availability {
    static AVAILABILITY: OnceLock<Availability> = OnceLock::new();
    *AVAILABILITY.get_or_init(detect)
}

/// Whether products use tiles.
pub fn are_available() -> bool {
    availability() == Availability::Available
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn detect() -> Availability {
    if !amx::has_instructions() {
        return Availability::NoInstructions;
    }
    if !amx::is_permitted() {
        return Availability::Refused;
    }
    let [a, b, mut expected] = probe();
    tile_product(&a, &b, &mut expected);
    // SAFETY: instructions and permission are there.
    let made = unsafe { amx::probe_product(&a, &b, probe()[2]) };
    if made == expected { Availability::Available } else { Availability::Different }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn detect() -> Availability {
    Availability::NoInstructions
}

/// A tile, row by row: pairs of bf16, or f32 numbers by their bits.
type Tile = [u32; TILE];

/// The model of `tdpbf16ps`: `c` += `a`·`b` with pairs of bf16 (the even one in the low half), after the SDM. Its results must not be denormal.
pub fn tile_product(a: &Tile, b: &Tile, c: &mut Tile) {
    let [even, odd] = [|pair: u32| f32::from_bits(pair << 16), |pair: u32| f32::from_bits(pair & 0xffff_0000)];
    for row in 0..SIDE {
        for column in 0..SIDE {
            let pairs = || (0..SIDE).map(|k| (a[row * SIDE + k], b[k * SIDE + column]));
            let evens = pairs().fold(0.0_f32, |sum, (a, b)| even(a).mul_add(even(b), sum));
            let odds = pairs().fold(0.0_f32, |sum, (a, b)| odd(a).mul_add(odd(b), sum));
            let sum = &mut c[row * SIDE + column];
            *sum = (f32::from_bits(*sum) + (evens + odds)).to_bits();
        }
    }
}

/// Tiles a and b of pairs, and c of f32: numbers of both signs from 2⁻⁹ to 2⁷, so that most sums are rounded.
#[cfg(any(test, all(target_arch = "x86_64", target_os = "linux")))]
fn probe() -> [Tile; 3] {
    let mut state = 1_u64;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bits = (state >> 48) as u32;
        (bits & 0x8000) | (0x3b00 + (bits & 0x7ff))
    };
    let mut pairs = || std::array::from_fn(|_| number() << 16 | number());
    [pairs(), pairs(), pairs().map(|pair| pair & 0xffff_0000)]
}

/// What a microkernel multiplies: two columns of tiles of weights with two of vectors, all of `chains` tiles.
#[derive(Clone, Copy)]
struct Operands {
    weights: [*const u32; 2],
    /// From a row of a tile to the next, and from a tile to the next (bytes).
    weight_stride: usize,
    weight_step: usize,
    /// [`PARTS`] packed tiles per chain: parts 1, 2, 3.
    vectors: [*const u32; 2],
    chains: usize,
    /// Whether the weights are the left operand: rows of W.
    are_weights_left: bool,
}

/// Writes the sums of (weights 0, vectors 0), (0, 1), (1, 0) and (1, 1).
type Microkernel = unsafe fn(Operands, &mut [Tile; 4]);

/// The product with hardware tiles.
///
/// # Safety
/// Tiles must be available, and the operands have the stated extents.
pub(super) unsafe fn multiply(product: Product) {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    // SAFETY: guaranteed by the caller.
    unsafe {
        amx::configure();
        multiply_by(product, amx::microkernel);
        amx::release();
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    unreachable!("tiles are never available here: {product:?}");
}

/// The product with tiles in software.
///
/// # Safety
/// The operands must have the stated extents.
pub(super) unsafe fn multiply_by_model(product: Product) {
    // SAFETY: guaranteed by the caller.
    unsafe { multiply_by(product, microkernel_by_model) }
}

/// The microkernel with [`tile_product`].
unsafe fn microkernel_by_model(operands: Operands, sums: &mut [Tile; 4]) {
    sums.fill([0; TILE]);
    let load = |start: *const u32, stride: usize| -> Tile {
        // SAFETY: guaranteed by the caller.
        std::array::from_fn(|at| unsafe { start.wrapping_byte_add(at / SIDE * stride).add(at % SIDE).read() })
    };
    for chain in 0..operands.chains {
        let weights =
            operands.weights.map(|start| load(start.wrapping_byte_add(chain * operands.weight_step), operands.weight_stride));
        for part in (0..PARTS).rev() {
            let vectors = operands.vectors.map(|start| load(start.wrapping_add((chain * PARTS + part) * TILE), SIDE * 4));
            for (at, sum) in sums.iter_mut().enumerate() {
                let (weights, vectors) = (&weights[at / 2], &vectors[at % 2]);
                let (left, right) = if operands.are_weights_left { (weights, vectors) } else { (vectors, weights) };
                tile_product(left, right, sum);
            }
        }
    }
}

/// Runs the blocked loops of `product`.
unsafe fn multiply_by(product: Product, microkernel: Microkernel) {
    PANELS.with_borrow_mut(|panels| {
        let Product { vectors, weights, depth, .. } = product;
        let chains = depth.min(KC).div_ceil(CHAIN);
        let most_tiles = vectors.count.min(MC).div_ceil(2 * SIDE) * 2;
        let words = (most_tiles * PARTS + 2) * chains * TILE;
        let lines = words.div_ceil(LINE_FLOATS);
        panels.resize(lines.max(panels.len()), CacheLine { _bytes: [0; LINE] });
        let packed = panels.as_mut_ptr().cast::<u32>();
        let edge = unsafe { packed.add(most_tiles * PARTS * chains * TILE) };

        for first_k in (0..depth).step_by(KC) {
            let length = KC.min(depth - first_k);
            let chains = length.div_ceil(CHAIN);
            for first_row in (0..vectors.count).step_by(MC) {
                let rows = MC.min(vectors.count - first_row);
                let tiles = rows.div_ceil(2 * SIDE) * 2;
                unsafe { pack_vectors(product, first_row, first_k, (rows, length), packed) };
                for lane in (0..weights.count).step_by(2 * SIDE) {
                    let lanes = (2 * SIDE).min(weights.count - lane);
                    let is_whole = lanes == 2 * SIDE && length.is_multiple_of(CHAIN);
                    let next = lane + 2 * SIDE;
                    for tile in (0..tiles).step_by(2) {
                        let vectors = [0, 1].map(|more| unsafe { packed.add((tile + more) * chains * PARTS * TILE).cast_const() });
                        let mut operands = match is_whole {
                            true => in_place(product, first_k, lane),
                            false => {
                                if tile == 0 {
                                    unsafe { copy_weights(product, first_k, lane, (lanes, length), edge) };
                                }
                                let weights = [edge.cast_const(), unsafe { edge.add(chains * TILE) }];
                                Operands {
                                    weights,
                                    weight_stride: SIDE * 4,
                                    weight_step: TILE * 4,
                                    ..in_place(product, first_k, lane)
                                }
                            }
                        };
                        (operands.vectors, operands.chains) = (vectors, chains);
                        prefetch(product, first_k, next, (tile, tiles), length);
                        let mut sums = [[0; TILE]; 4];
                        unsafe { microkernel(operands, &mut sums) };
                        for (at, sum) in sums.iter().enumerate() {
                            let (lane, row) = (lane + at / 2 * SIDE, first_row + (tile + at % 2) * SIDE);
                            unsafe { write(product, sum, (row, first_row + rows), lane, first_k > 0) };
                        }
                    }
                }
            }
        }
    });
}

/// The weights of two tiles of lanes from `lane` on, where they are.
fn in_place(product: Product, first_k: usize, lane: usize) -> Operands {
    let weights = product.weights;
    let stride = weights.stride * 4;
    let at = |lane: usize| match weights.are_adjacent {
        true => weights.start.wrapping_add(first_k * weights.stride + lane).cast(),
        false => weights.start.wrapping_add(lane * weights.stride + first_k).cast(),
    };
    Operands {
        weights: [at(lane), at(lane + SIDE)],
        weight_stride: stride,
        weight_step: if weights.are_adjacent { SIDE * stride } else { SIDE * 4 },
        vectors: [std::ptr::null(); 2],
        chains: 0,
        are_weights_left: !weights.are_adjacent,
    }
}

/// Copies the weights of up to two tiles of lanes to `to`, lane tile by lane tile, with zeros for what is missing.
unsafe fn copy_weights(product: Product, first_k: usize, lane: usize, (lanes, length): (usize, usize), to: *mut u32) {
    let weights = product.weights;
    let chains = length.div_ceil(CHAIN);
    unsafe { to.write_bytes(0, 2 * chains * TILE) };
    // Rows of the matrix in memory: k if lanes are adjacent, else lanes.
    let (rows, columns) = if weights.are_adjacent { (length, lanes) } else { (lanes, length) };
    for row in 0..rows {
        for first in (0..columns).step_by(SIDE) {
            let count = SIDE.min(columns - first);
            let (lane_at, k) = if weights.are_adjacent { (first, row) } else { (row, first) };
            let within = if weights.are_adjacent { k % SIDE } else { lane_at % SIDE };
            let tile = lane_at / SIDE * chains + k / CHAIN;
            unsafe {
                let from = match weights.are_adjacent {
                    true => weights.start.add((first_k + k) * weights.stride + lane + lane_at),
                    false => weights.start.add((lane + lane_at) * weights.stride + first_k + k),
                };
                std::ptr::copy_nonoverlapping(from.cast::<u32>(), to.add(tile * TILE + within * SIDE), count);
            }
        }
    }
}

/// Packs `rows` vectors from `first_row` on over `length` terms, split into parts: [`PARTS`] tiles per chain, in which a part stands in both halves of a
/// word, the third in the upper one only. A vector is a row of a tile if it is the left operand, else a column.
unsafe fn pack_vectors(product: Product, first_row: usize, first_k: usize, (rows, length): (usize, usize), to: *mut u32) {
    let chains = length.div_ceil(CHAIN);
    let tiles = rows.div_ceil(2 * SIDE) * 2;
    if rows < tiles * SIDE || !length.is_multiple_of(CHAIN) {
        unsafe { to.write_bytes(0, tiles * chains * PARTS * TILE) };
    }
    let (row_step, k_step) = if product.weights.are_adjacent { (SIDE, 1) } else { (1, SIDE) };
    for row in 0..rows {
        let from = unsafe { product.vectors.start.add((first_row + row) * product.vectors.stride + first_k) };
        for k in 0..length {
            let tile = (row / SIDE * chains + k / CHAIN) * PARTS * TILE;
            let at = tile + row % SIDE * row_step + k % CHAIN * k_step;
            unsafe {
                let [first, second, third] = three_parts(*from.add(k)).map(f32::to_bits);
                *to.add(at) = first | first >> 16;
                *to.add(at + TILE) = second | second >> 16;
                *to.add(at + 2 * TILE) = third;
            }
        }
    }
}

/// Prefetches a share of the two tiles of lanes from `lane` on into L2: that of vector tile `tile` of `tiles`.
fn prefetch(product: Product, first_k: usize, lane: usize, (tile, tiles): (usize, usize), length: usize) {
    let weights = product.weights;
    let lanes = (2 * SIDE).min(weights.count.saturating_sub(lane));
    let (rows, columns) = if weights.are_adjacent { (length, lanes) } else { (lanes, length) };
    for row in rows * tile / tiles..rows * (tile + 2).min(tiles) / tiles {
        let start = match weights.are_adjacent {
            true => weights.start.wrapping_add((first_k + row) * weights.stride + lane),
            false => weights.start.wrapping_add((lane + row) * weights.stride + first_k),
        };
        for column in (0..columns).step_by(LINE_FLOATS) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a prefetch of any address is allowed.
            unsafe {
                use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(column).cast());
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = (start, column);
        }
    }
}

/// Writes the valid part of a tile of sums for the lanes from `lane` and the vectors `rows` on.
unsafe fn write(product: Product, sums: &Tile, (row, end): (usize, usize), lane: usize, is_later: bool) {
    let accumulate = product.accumulate || is_later;
    let (row_step, lane_step) = if product.weights.are_adjacent { (SIDE, 1) } else { (1, SIDE) };
    for (r, row) in (row..end.min(row + SIDE)).enumerate() {
        for (l, lane) in (lane..product.weights.count.min(lane + SIDE)).enumerate() {
            let sum = f32::from_bits(sums[r * row_step + l * lane_step]);
            unsafe {
                let to = product.out.at(row, lane);
                *to = if accumulate { *to + sum } else { sum };
            }
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx {
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    use super::{Operands, SIDE, TILE, Tile};

    /// Bits of CPUID leaf 7 (EDX) and leaf 1 (ECX), and of XCR0.
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const OSXSAVE: u32 = 1 << 27;
    const TILE_STATE: u32 = 0b11 << 17;
    /// `arch_prctl` codes: ask for a dynamically enabled state, the tile data.
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;

    /// Whether the CPU has the instructions and the operating system keeps their state.
    pub fn has_instructions() -> bool {
        #[allow(unused_unsafe, reason = "safe from Rust 1.91 on")]
        // SAFETY: every x86-64 CPU has CPUID.
        let (has_leaf, first, seventh) = unsafe { (__cpuid(0).eax >= 7, __cpuid(1).ecx, __cpuid_count(7, 0).edx) };
        let has = |all: u32| seventh & all == all;
        if !has_leaf || first & OSXSAVE == 0 || !has(AMX_BF16 | AMX_TILE) {
            return false;
        }
        let enabled: u32;
        // SAFETY: OSXSAVE says that the instruction is there.
        unsafe { asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack)) };
        enabled & TILE_STATE == TILE_STATE
    }

    /// Asks Linux for the tile state of this process. An older kernel answers with an error.
    pub fn is_permitted() -> bool {
        // SAFETY: the call changes nothing but the permission.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
    }

    #[repr(C, align(64))]
    struct Config {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }

    /// Configures all tiles of this thread as 16 rows of 64 bytes.
    pub unsafe fn configure() {
        let mut config = Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        config.row_bytes[..8].fill(4 * SIDE as u16);
        config.rows[..8].fill(SIDE as u8);
        // SAFETY: guaranteed by the caller.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, preserves_flags, readonly)) };
    }

    /// Gives the tiles of this thread back.
    pub unsafe fn release() {
        // SAFETY: guaranteed by the caller.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }

    /// `c` + `a`·`b` in one instruction.
    pub unsafe fn probe_product(a: &Tile, b: &Tile, mut c: Tile) -> Tile {
        // SAFETY: tiles are loaded and stored whole.
        unsafe {
            configure();
            asm!(
                "tileloadd tmm0, [{c} + {line}*1]",
                "tileloadd tmm4, [{a} + {line}*1]",
                "tileloadd tmm6, [{b} + {line}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tilestored [{c} + {line}*1], tmm0",
                a = in(reg) a,
                b = in(reg) b,
                c = in(reg) &raw mut c,
                line = in(reg) 4 * SIDE,
                out("tmm0") _, out("tmm4") _, out("tmm6") _,
                options(nostack, preserves_flags),
            );
            release();
        }
        c
    }

    /// The loop over chains; `$left` and `$right` are the tile registers of the left and right operands of the products (w0 x0), (w0 x1), (w1 x0), (w1 x1).
    macro_rules! loop_over_chains {
        ($operands:ident, $sums:ident, [$($left:literal $right:literal),*]) => {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{w0} + {stride}*1]",
                "tileloadd tmm5, [{w1} + {stride}*1]",
                "tileloadd tmm6, [{x0} + {line}*1 + 2048]",
                "tileloadd tmm7, [{x1} + {line}*1 + 2048]",
                loop_over_chains!(@products [$($left $right),*]),
                "tileloadd tmm6, [{x0} + {line}*1 + 1024]",
                "tileloadd tmm7, [{x1} + {line}*1 + 1024]",
                loop_over_chains!(@products [$($left $right),*]),
                "tileloadd tmm6, [{x0} + {line}*1]",
                "tileloadd tmm7, [{x1} + {line}*1]",
                loop_over_chains!(@products [$($left $right),*]),
                "add {w0}, {step}",
                "add {w1}, {step}",
                "add {x0}, 3072",
                "add {x1}, 3072",
                "dec {chains}",
                "jnz 2b",
                "tilestored [{sums} + {line}*1], tmm0",
                "tilestored [{sums} + {line}*1 + 1024], tmm1",
                "tilestored [{sums} + {line}*1 + 2048], tmm2",
                "tilestored [{sums} + {line}*1 + 3072], tmm3",
                w0 = inout(reg) $operands.weights[0] => _,
                w1 = inout(reg) $operands.weights[1] => _,
                x0 = inout(reg) $operands.vectors[0] => _,
                x1 = inout(reg) $operands.vectors[1] => _,
                chains = inout(reg) $operands.chains => _,
                stride = in(reg) $operands.weight_stride,
                step = in(reg) $operands.weight_step,
                line = in(reg) 4 * SIDE,
                sums = in(reg) $sums.as_mut_ptr(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            )
        };
        (@products [$a:literal $b:literal, $c:literal $d:literal, $e:literal $f:literal, $g:literal $h:literal]) => {
            concat!(
                "tdpbf16ps tmm0, ", $a, ", ", $b, "\n", "tdpbf16ps tmm1, ", $c, ", ", $d, "\n",
                "tdpbf16ps tmm2, ", $e, ", ", $f, "\n", "tdpbf16ps tmm3, ", $g, ", ", $h
            )
        };
    }

    /// The microkernel in hardware. The tiles must be configured.
    pub unsafe fn microkernel(operands: Operands, sums: &mut [Tile; 4]) {
        const { assert!(TILE == 256 && SIDE == 16 && super::PARTS == 3) };
        // SAFETY: guaranteed by the caller.
        unsafe {
            match operands.are_weights_left {
                true => loop_over_chains!(operands, sums, ["tmm4" "tmm6", "tmm4" "tmm7", "tmm5" "tmm6", "tmm5" "tmm7"]),
                false => loop_over_chains!(operands, sums, ["tmm6" "tmm4", "tmm7" "tmm4", "tmm6" "tmm5", "tmm7" "tmm5"]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An order of summing terms onto a number.
    type Order = fn(f32, &[[f32; 2]]) -> f32;

    /// Other orders of summation that hardware could have, all with the same exact products.
    #[test]
    fn the_probe_tells_the_order_of_summation() {
        let [a, b, c] = probe();
        let mut expected = c;
        tile_product(&a, &b, &mut expected);
        let halves = |pair: u32| [pair << 16, pair & 0xffff_0000].map(f32::from_bits);
        let others: [Order; 6] = [
            // One chain from c on; one chain from 0; pairs first; in f64; blocks of pairs backwards; c before the halves are added.
            |c, terms| terms.iter().flatten().fold(c, |sum, term| sum + term),
            |c, terms| c + terms.iter().flatten().fold(0.0, |sum, term| sum + term),
            |c, terms| c + terms.iter().fold(0.0, |sum, [even, odd]| sum + (even + odd)),
            |c, terms| (f64::from(c) + terms.iter().flatten().map(|&term| f64::from(term)).sum::<f64>()) as f32,
            |c, terms| {
                let [even, odd] = [0, 1].map(|half| terms.iter().rev().fold(0.0, |sum, term| sum + term[half]));
                c + (even + odd)
            },
            |c, terms| {
                let [even, odd] = [0, 1].map(|half| terms.iter().fold(0.0, |sum, term| sum + term[half]));
                (c + even) + odd
            },
        ];
        let sums = |order: Option<Order>| -> Vec<u32> {
            let entry = |at: usize| {
                let terms: Vec<[f32; 2]> = (0..SIDE)
                    .map(|k| {
                        let (a, b) = (halves(a[at / SIDE * SIDE + k]), halves(b[k * SIDE + at % SIDE]));
                        [a[0] * b[0], a[1] * b[1]]
                    })
                    .collect();
                let model = |c: f32, terms: &[[f32; 2]]| {
                    let [even, odd] = [0, 1].map(|half| terms.iter().fold(0.0, |sum, term| sum + term[half]));
                    c + (even + odd)
                };
                order.unwrap_or(model)(f32::from_bits(c[at]), &terms).to_bits()
            };
            (0..TILE).map(entry).collect()
        };
        assert_eq!(sums(None), expected, "the products are exact, so an FMA is a product and a sum");
        for (number, order) in others.into_iter().enumerate() {
            let different = sums(Some(order)).iter().zip(&expected).filter(|(one, other)| one != other).count();
            assert!(different > 10, "order {number} gives {different} other sums");
        }
    }

    #[test]
    fn tiles_compute_what_they_are_defined_to() {
        println!("tiles: {}", availability().text());
        assert_ne!(availability(), Availability::Different);
    }
}
