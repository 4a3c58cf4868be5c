//! ReLU, its mask and the readout, over rows of pre-activations that the preceding matmul left in L1 or L2.
//!
//! One pass per row: at most 1 comparison and 2 flops per neuron, each row read once and written once (4 B each way in f32, 8 B in f64). The
//! readout runs in f64 in [`SUMS`] interleaved partial sums, reduced pairwise, so every level gives the same bits. ψ(NaN) = NaN, so an overflow
//! (∞ − ∞) shows in the readout.
//!
//! Throughput on rows of 256 in L1, in 10⁹ neurons/s: ReLU 16 / 24 / 22; readout and mask 3.2 / 5.0 / 11; readout 3.9 / 5.9 / 7.2; gradient mask
//! 10 / 23 / 30; ReLU on a line 11 / 19 / 22.

use super::{Real, dispatch};

/// Interleaved partial sums of a readout.
const SUMS: usize = 16;

/// Replaces each z by ψ(z) = max(z, 0).
pub fn relu<T: Real>(z: &mut [T]) {
    dispatch!(relu_body [T: Real] (z: &mut [T]), z)
}

#[inline(always)]
fn relu_body<T: Real>(z: &mut [T]) {
    for z in z {
        *z = positive(*z);
    }
}

/// max(z, 0), propagating NaN.
#[inline(always)]
fn positive<T: Real>(z: T) -> T {
    if z <= T::zero() { T::zero() } else { z }
}

/// Σ_j a_j ψ(z_j), in f64. Replaces each z_j by a_j ψ'(z_j), with ψ'(z) = 1 for z > 0 and 0 for z ≤ 0.
pub fn readout_and_mask<T: Real>(a: &[T], z: &mut [T]) -> f64 {
    dispatch!(readout_and_mask_body [T: Real] (a: &[T], z: &mut [T]) -> f64, a, z)
}

#[inline(always)]
fn readout_and_mask_body<T: Real>(a: &[T], z: &mut [T]) -> f64 {
    assert_eq!(a.len(), z.len());
    let mut sums = [0.0; SUMS];
    let (a_chunks, a_tail) = a.as_chunks::<SUMS>();
    let (z_chunks, z_tail) = z.as_chunks_mut::<SUMS>();
    for (a, z) in a_chunks.iter().zip(z_chunks) {
        for lane in 0..SUMS {
            let masked = if z[lane] > T::zero() { a[lane] } else { T::zero() };
            sums[lane] += a[lane].to_f64() * positive(z[lane]).to_f64();
            z[lane] = masked;
        }
    }
    for (lane, (a, z)) in a_tail.iter().zip(z_tail).enumerate() {
        sums[lane] += a.to_f64() * positive(*z).to_f64();
        *z = if *z > T::zero() { *a } else { T::zero() };
    }
    pairwise(&sums)
}

/// Σ_j a_j ψ(z_j), in f64, bitwise as [`readout_and_mask`].
pub fn readout<T: Real>(a: &[T], z: &[T]) -> f64 {
    dispatch!(readout_body [T: Real] (a: &[T], z: &[T]) -> f64, a, z)
}

#[inline(always)]
fn readout_body<T: Real>(a: &[T], z: &[T]) -> f64 {
    assert_eq!(a.len(), z.len());
    let mut sums = [0.0; SUMS];
    let (a_chunks, a_tail) = a.as_chunks::<SUMS>();
    let (z_chunks, z_tail) = z.as_chunks::<SUMS>();
    for (a, z) in a_chunks.iter().zip(z_chunks) {
        for lane in 0..SUMS {
            sums[lane] += a[lane].to_f64() * positive(z[lane]).to_f64();
        }
    }
    for (lane, (a, z)) in a_tail.iter().zip(z_tail).enumerate() {
        sums[lane] += a.to_f64() * positive(*z).to_f64();
    }
    pairwise(&sums)
}

/// g_j ← g_j where h_j > 0, else 0.
pub fn mask_gradient<T: Real>(h: &[T], g: &mut [T]) {
    dispatch!(mask_gradient_body [T: Real] (h: &[T], g: &mut [T]), h, g)
}

#[inline(always)]
fn mask_gradient_body<T: Real>(h: &[T], g: &mut [T]) {
    assert_eq!(h.len(), g.len());
    for (h, g) in h.iter().zip(g) {
        *g = if *h > T::zero() { *g } else { T::zero() };
    }
}

/// `out` = ψ(z + t·u): the first hidden layer at point t of the line.
pub fn relu_on_line<T: Real>(z: &[T], u: &[T], t: T, out: &mut [T]) {
    dispatch!(relu_on_line_body [T: Real] (z: &[T], u: &[T], t: T, out: &mut [T]), z, u, t, out)
}

#[inline(always)]
fn relu_on_line_body<T: Real>(z: &[T], u: &[T], t: T, out: &mut [T]) {
    assert!(z.len() == u.len() && u.len() == out.len());
    for ((z, u), out) in z.iter().zip(u).zip(out) {
        *out = positive(*z + t * *u);
    }
}

#[inline(always)]
fn pairwise(sums: &[f64; SUMS]) -> f64 {
    let mut sums = *sums;
    let mut half = SUMS / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}
