//! Squared norms of rows.
//!
//! In the precision of the row, in [`SUMS`] interleaved partial sums without FMA, reduced pairwise: 2 flops per element, each read once.

use super::{Real, dispatch};

/// Interleaved partial sums.
const SUMS: usize = 16;

/// Σ x².
pub fn squared<T: Real>(x: &[T]) -> T {
    dispatch!(squared_body [T: Real] (x: &[T]) -> T, x)
}

#[inline(always)]
fn squared_body<T: Real>(x: &[T]) -> T {
    let mut sums = [T::zero(); SUMS];
    let (chunks, tail) = x.as_chunks::<SUMS>();
    for chunk in chunks {
        for lane in 0..SUMS {
            sums[lane] = sums[lane] + chunk[lane] * chunk[lane];
        }
    }
    for (sum, x) in sums.iter_mut().zip(tail) {
        *sum = *sum + *x * *x;
    }
    let mut half = SUMS / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] = sums[lane] + sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}
