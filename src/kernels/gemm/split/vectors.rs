//! The split product with FMA, where there are no tiles.
//!
//! Loops, outermost first: KC terms; [`MC`] vectors, split into parts (L2); a vector of weights, transposed into L1 unless adjacent; a few vectors; the
//! microkernel over k, with five chains per entry in registers. Parts are broadcast, weights are taken apart after loading. 5 FMAs per term
//! and 5 additions per 16 terms; a weight is read from DRAM once per MC vectors, while the one before is multiplied. On 256 neurons × 100 inputs, d = 500,
//! it takes 4.8 times as long as the f32 kernel with AVX2 (AMD EPYC, Zen 3).

use super::{CHAIN, KC, LINE_FLOATS, Product};
use crate::kernels::bf16::three_parts;
use crate::kernels::gemm::vector::Vector;
use crate::kernels::gemm::{CacheLine, LINE, Out, Panel, Prefetcher, Rows, pack, write};

/// Vectors split at a time.
const MC: usize = 128;
/// Distance of the parts of a vector (floats): one line more than a power of two, so that they do not share the sets of L1.
const PART: usize = KC + LINE_FLOATS;

/// Loads weights in two parts.
///
/// # Safety
/// As for [`Vector`].
pub(super) unsafe trait Weights: Vector<Element = f32> {
    /// Vectors multiplied at a time: 5 · ROWS chains must fit the registers.
    const ROWS: usize;

    /// The high and low parts of the weights at `from`.
    unsafe fn load_parts(from: *const f32) -> [Self; 2];
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Weights;
    use std::arch::x86_64::*;

    // SAFETY: loads LANES weights.
    unsafe impl Weights for __m512 {
        const ROWS: usize = 4;

        #[inline(always)]
        unsafe fn load_parts(from: *const f32) -> [Self; 2] {
            unsafe {
                let pairs = _mm512_loadu_si512(from.cast());
                let high = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff_0000_u32 as i32));
                [_mm512_castsi512_ps(high), _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs))]
            }
        }
    }

    // SAFETY: as above.
    unsafe impl Weights for __m256 {
        const ROWS: usize = 2;

        #[inline(always)]
        unsafe fn load_parts(from: *const f32) -> [Self; 2] {
            unsafe {
                let pairs = _mm256_loadu_si256(from.cast());
                let high = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff_0000_u32 as i32));
                [_mm256_castsi256_ps(high), _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs))]
            }
        }
    }
}

/// Portable fallback.
// SAFETY: as above.
unsafe impl Weights for [f32; 8] {
    const ROWS: usize = 2;

    #[inline(always)]
    unsafe fn load_parts(from: *const f32) -> [Self; 2] {
        let pairs = unsafe { from.cast::<[u32; 8]>().read_unaligned() };
        [pairs.map(|pair| f32::from_bits(pair & 0xffff_0000)), pairs.map(|pair| f32::from_bits(pair << 16))]
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) unsafe fn avx512(product: Product, panels: &mut Vec<CacheLine>) {
    // SAFETY: the features are enabled here; the extents are the caller's.
    unsafe { multiply::<std::arch::x86_64::__m512>(product, panels) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn avx2(product: Product, panels: &mut Vec<CacheLine>) {
    // SAFETY: as above.
    unsafe { multiply::<std::arch::x86_64::__m256>(product, panels) }
}

/// Runs the blocked loops of `product`.
///
/// # Safety
/// The CPU must have the instructions of `V`, and the operands the stated extents.
#[inline(always)]
pub(super) unsafe fn multiply<V: Weights>(product: Product, panels: &mut Vec<CacheLine>) {
    let Product { vectors, weights, depth, out, .. } = product;
    let most_rows = vectors.count.min(MC).next_multiple_of(V::ROWS);
    let lines = (most_rows * 3 * PART + V::LANES * KC).div_ceil(LINE_FLOATS);
    panels.resize(lines.max(panels.len()), CacheLine { _bytes: [0; LINE] });
    let parts = panels.as_mut_ptr().cast::<f32>();
    let packed = unsafe { parts.add(most_rows * 3 * PART) };

    for first_k in (0..depth).step_by(KC) {
        let ks = first_k..depth.min(first_k + KC);
        let accumulate = product.accumulate || first_k > 0;
        for first_row in (0..vectors.count).step_by(MC) {
            let rows = first_row..vectors.count.min(first_row + MC);
            let from =
                Rows { start: unsafe { vectors.start.add(first_row * vectors.stride + first_k) }, count: rows.len(), ..vectors };
            unsafe { split(from, ks.len(), rows.len().next_multiple_of(V::ROWS), parts) };
            for lane in (0..weights.count).step_by(V::LANES) {
                let lanes = V::LANES.min(weights.count - lane);
                // For a single group of vectors packing does not pay.
                let is_in_place = weights.are_adjacent && lanes == V::LANES && rows.len() <= V::ROWS;
                let panel = match is_in_place {
                    true => Panel { start: unsafe { weights.start.add(first_k * weights.stride + lane) }, stride: weights.stride },
                    false => {
                        unsafe { pack::<V>(weights, ks.clone(), lane..lane + lanes, packed) };
                        Panel { start: packed, stride: V::LANES }
                    }
                };
                let next = lane + lanes..weights.count.min(lane + 2 * V::LANES);
                let mut prefetcher = Prefetcher::of(weights, ks.clone(), next);
                for row in (0..rows.len()).step_by(V::ROWS) {
                    let valid = (V::ROWS.min(rows.len() - row), lanes);
                    unsafe {
                        let a = parts.add(row * 3 * PART);
                        let to = Out { start: out.at(first_row + row, lane), ..out };
                        match V::ROWS {
                            4 => write(microkernel::<V, 4>(ks.len(), a, panel, &mut prefetcher), valid, to, accumulate),
                            _ => write(microkernel::<V, 2>(ks.len(), a, panel, &mut prefetcher), valid, to, accumulate),
                        }
                    }
                }
            }
        }
    }
}

/// Splits rows of `length` floats, padded with rows of zeros to `padded` rows: part p of row r goes to `to` + (3r + p)·[`PART`].
#[inline(always)]
unsafe fn split(rows: Rows<f32>, length: usize, padded: usize, to: *mut f32) {
    for row in 0..padded {
        let to = unsafe { to.add(row * 3 * PART) };
        if row >= rows.count {
            unsafe { to.write_bytes(0, 3 * PART) };
            continue;
        }
        let from = unsafe { rows.start.add(row * rows.stride) };
        for k in 0..length {
            unsafe {
                let [first, second, third] = three_parts(*from.add(k));
                *to.add(k) = first;
                *to.add(PART + k) = second;
                *to.add(2 * PART + k) = third;
            }
        }
    }
}

/// Microkernel: ROWS vectors × one vector of weights over `length` k, prefetching the next weights meanwhile.
#[inline(always)]
unsafe fn microkernel<V: Weights, const ROWS: usize>(
    length: usize,
    a: *const f32,
    b: Panel<f32>,
    prefetcher: &mut Prefetcher<f32>,
) -> [[V; 1]; ROWS] {
    unsafe {
        let mut sums = [V::zero(); ROWS];
        for first in (0..length).step_by(CHAIN) {
            prefetcher.next::<V>();
            // high·x₁, low·x₁, high·x₂, low·x₂, high·x₃.
            let mut chains = [[V::zero(); 5]; ROWS];
            for k in first..length.min(first + CHAIN) {
                let [high, low] = V::load_parts(b.start.add(k * b.stride));
                for (r, chains) in chains.iter_mut().enumerate() {
                    let a = a.add(r * 3 * PART + k);
                    let (first, second, third) = (V::splat(a), V::splat(a.add(PART)), V::splat(a.add(2 * PART)));
                    chains[0] = chains[0].fma(first, high);
                    chains[1] = chains[1].fma(first, low);
                    chains[2] = chains[2].fma(second, high);
                    chains[3] = chains[3].fma(second, low);
                    chains[4] = chains[4].fma(third, high);
                }
            }
            for (sum, chains) in sums.iter_mut().zip(chains) {
                *sum = sum.add(chains[4]).add(chains[3].add(chains[2])).add(chains[1].add(chains[0]));
            }
        }
        sums.map(|sum| [sum])
    }
}
