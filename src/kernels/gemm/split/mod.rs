//! Products of f32 vectors with weights of 16 significant bits, in bf16 parts: the definition of `bf16x3`, and its dispatch.
//!
//! A vector's number is x₁ + x₂ + x₃, a weight high + low ([`bf16`](crate::kernels::bf16)). Products of two bf16 are exact in f32, and x·w is taken as
//! the sum of five of them: high·x₃; low·x₂ and high·x₂; low·x₁ and high·x₁. An entry of a product is computed as follows, where + rounds to nearest:
//!
//! ```text
//! for each KC terms:                     sum = 0
//!     for each 16 of them, p = 3, 2, 1:  even = odd = 0
//!         for each term:                 even = even + low·x_p  (p < 3),   odd = odd + high·x_p
//!         sum = sum + (even + odd)
//!     entry = sum, or entry + sum after the first KC terms or when accumulating
//! ```
//!
//! That is what the instruction `tdpbf16ps` of Intel AMX computes (Intel SDM, volume 2) with a tile of weights, each with its low part in the even and its
//! high part in the odd place of a pair, and a tile of numbers with x_p in both (with 0 and x₃ for p = 3). Weights are used as stored, in
//! either product: rows of W for x·Wᵀ, columns for y·W. No result is denormal, and none is −0, so flushing and zero padding change nothing.
//! [`tiles`] uses the instruction; [`vectors`] does the same with FMA on every other machine.

pub mod tiles;
mod vectors;

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, CowArray, s};

use super::{LINE, Lanes, Out, PANELS, Rows, kc, row_stride};
#[cfg(target_arch = "x86_64")]
use crate::kernels::SimdLevel;
use crate::kernels::{Bf16Pair, is_at_chosen_level, level};

/// The k block of f32.
const KC: usize = kc::<f32>();
/// Floats per cache line.
const LINE_FLOATS: usize = LINE / size_of::<f32>();
/// Terms per chain: the pairs in a row of a tile.
pub const CHAIN: usize = 16;

/// One product; lanes are the columns of `b`, read as if they were f32.
#[derive(Debug, Clone, Copy)]
struct Product {
    vectors: Rows<f32>,
    weights: Lanes<f32>,
    /// Length of the sums over k.
    depth: usize,
    accumulate: bool,
    out: Out<f32>,
}

/// `out` = `a`·`b`, or `out` += `a`·`b` if `accumulate`; `a` is n × q, `b` q × m, `out` n × m with contiguous rows. `a` without contiguous rows
/// and `b` without contiguous rows or columns are copied first.
///
/// # Panics
/// If shapes do not match or rows of `out` are not contiguous.
pub fn matmul(a: ArrayView2<f32>, b: ArrayView2<Bf16Pair>, accumulate: bool, out: ArrayViewMut2<f32>) {
    let uses_tiles = !is_at_chosen_level() && tiles::are_available();
    with_product(a, b, accumulate, out, |product| match uses_tiles {
        // SAFETY: tiles are available, and the views have these extents.
        true => unsafe { tiles::multiply(product) },
        false => by_vectors(product),
    });
}

/// Rows per product of a ragged one.
const STRIPE: usize = 32;
/// A shorter remainder is merged into the last stripe: a product of four rows runs at a quarter of the usual rate.
const LAST_ROWS: usize = 12;

/// `out` = `a`·`b` for an `a` whose row i is zero from column `ends`\[i\] on: [`matmul`] of stripes of rows as far as one of them reaches.
///
/// # Panics
/// As [`matmul`], or if an end exceeds q or there are not n of them.
pub fn matmul_ragged(a: ArrayView2<f32>, ends: &[usize], b: ArrayView2<Bf16Pair>, mut out: ArrayViewMut2<f32>) {
    assert_eq!(ends.len(), a.nrows(), "an end for each row");
    for rows in stripes(a.nrows()) {
        let end = ends[rows.clone()].iter().copied().max().unwrap_or(0);
        matmul(a.slice(s![rows.clone(), ..end]), b.slice(s![..end, ..]), false, out.slice_mut(s![rows, ..]));
    }
}

/// Ranges of rows of [`STRIPE`] or a few more; one shorter range if there are not so many.
fn stripes(rows: usize) -> impl Iterator<Item = Range<usize>> {
    let count = ((rows + STRIPE - LAST_ROWS) / STRIPE).max(1);
    let end = move |stripe: usize| if stripe + 1 == count { rows } else { (stripe + 1) * STRIPE };
    (0..count).map(move |stripe| stripe * STRIPE..end(stripe)).filter(|rows| !rows.is_empty())
}

/// [`matmul`] with the blocking and packing of [`tiles`], and the products of tiles in software. For tests.
///
/// # Panics
/// As [`matmul`].
pub fn matmul_by_model_tiles(a: ArrayView2<f32>, b: ArrayView2<Bf16Pair>, accumulate: bool, out: ArrayViewMut2<f32>) {
    // SAFETY: the views have these extents.
    with_product(a, b, accumulate, out, |product| unsafe { tiles::multiply_by_model(product) });
}

/// Calls `multiply` with the pointers of a product that is not empty.
fn with_product(
    a: ArrayView2<f32>,
    b: ArrayView2<Bf16Pair>,
    accumulate: bool,
    mut out: ArrayViewMut2<f32>,
    multiply: impl FnOnce(Product),
) {
    let ((n, q), m) = (a.dim(), b.ncols());
    assert!(b.nrows() == q && out.dim() == (n, m), "shapes of a matmul");
    if q == 0 && !accumulate {
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
    let vectors = Rows { start: a.as_ptr(), count: n, stride: row_stride(a.view()).expect("rows are contiguous") };
    let (stride, are_adjacent) = match (row_stride(b.view()), row_stride(b.t())) {
        (Some(stride), _) => (stride, true),
        (None, stride) => (stride.expect("columns are contiguous"), false),
    };
    let weights = Lanes { start: b.as_ptr().cast(), count: m, stride, are_adjacent };
    let out_stride = row_stride(out.view()).expect("rows of a result are contiguous");
    let out = Out { start: out.as_mut_ptr(), stride: out_stride, transposed: false };
    multiply(Product { vectors, weights, depth: q, accumulate, out });
}

/// The product with the FMA of this thread's level.
fn by_vectors(product: Product) {
    PANELS.with_borrow_mut(|panels| match level() {
        // SAFETY: the level is available, and the views have these extents.
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx512 => unsafe { vectors::avx512(product, panels) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => unsafe { vectors::avx2(product, panels) },
        // SAFETY: as above; the fallback needs no instructions.
        _ => unsafe { vectors::multiply::<[f32; 8]>(product, panels) },
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_cover_the_rows_and_only_the_first_is_short() {
        for rows in 0..300 {
            let stripes: Vec<Range<usize>> = stripes(rows).collect();
            assert!(stripes.iter().cloned().flatten().eq(0..rows), "{rows}: {stripes:?}");
            assert!(stripes.iter().skip(1).all(|stripe| stripe.len() >= LAST_ROWS), "{rows}: {stripes:?}");
        }
    }
}
