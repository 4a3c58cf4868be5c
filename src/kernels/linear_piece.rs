//! One layer on a linear piece of the line, where z(t) = α + β t: propagation to the next layer, next mask flip, readout.
//!
//! Rows are f64, zero-padded to a multiple of [`LANES`]; a zero neuron never flips.
//! Propagation: loops over pairs of chunks of [`LANES`] output neurons, then over the neurons below with ψ' ≠ 0, with α and β sums in registers. 4 flops
//! and 8 B per weight, one line at a time; meant for weights that fit in L1, where packing would dominate a GEMM.
//! Next flip: one pass, 1 division and 24 B per neuron; 1.2 / 1.6 / 1.5 × 10⁹ neurons/s.

use super::dispatch;

/// Neurons per chunk: a vector of f64 with AVX-512.
pub const LANES: usize = 8;

/// Maximum fan-in of [`propagate`].
pub const MAX_FAN_IN: usize = 64;

/// Padded length of a row of `width` neurons.
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// z = α + β t of a layer's neurons, and ψ' on this piece: 1 for active neurons, below ½ for inactive ones. Equal lengths.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    pub alpha: &'a [f64],
    pub beta: &'a [f64],
    pub mask: &'a [f64],
}

/// Propagates a piece through one layer: (`alpha`, `beta`) = W (mask ∘ α), W (mask ∘ β) of `below`. `weights` is Wᵀ, row-major fan-in ×
/// `alpha.len()` (padded), without rows for the padding of `below`.
///
/// # Panics
/// If the fan-in exceeds [`MAX_FAN_IN`].
pub fn propagate(weights: &[f64], below: Piece, alpha: &mut [f64], beta: &mut [f64]) {
    dispatch!(propagate_body [] (weights: &[f64], below: Piece, alpha: &mut [f64], beta: &mut [f64]), weights, below, alpha, beta)
}

#[inline(always)]
fn propagate_body(weights: &[f64], below: Piece, alpha: &mut [f64], beta: &mut [f64]) {
    let (weights, rest) = weights.as_chunks::<LANES>();
    let (alphas, alpha_rest) = alpha.as_chunks_mut::<LANES>();
    let (betas, beta_rest) = beta.as_chunks_mut::<LANES>();
    assert!(rest.is_empty() && alpha_rest.is_empty() && beta_rest.is_empty() && alphas.len() == betas.len());
    let row = alphas.len();
    let fan_in = weights.len() / row.max(1);
    let active = active_neurons(below, fan_in);
    let mut first = 0;
    while first + 2 <= row {
        propagate_to::<2>(first, weights, below, active, alphas, betas);
        first += 2;
    }
    if first < row {
        propagate_to::<1>(first, weights, below, active, alphas, betas);
    }
}

/// The neurons among the first `fan_in` that [`propagate`] must visit, one bit each. Those with ψ' = 0 add ±0 to sums that are never −0, so leaving them
/// out changes no bit; unless a number is not finite, and 0 times it NaN.
#[inline(always)]
fn active_neurons(below: Piece, fan_in: usize) -> u64 {
    assert!(fan_in <= MAX_FAN_IN);
    let (alphas, betas, masks) = chunks(below);
    let mut active = 0;
    for (chunk, ((alpha, beta), mask)) in alphas.iter().zip(betas).zip(masks).enumerate() {
        let mut bits = 0_u64;
        for lane in 0..LANES {
            let counts = (mask[lane] != 0.0) | (0.0 * (alpha[lane] + beta[lane]) != 0.0);
            bits |= u64::from(counts) << lane;
        }
        active |= bits << (chunk * LANES);
    }
    active & u64::MAX.checked_shr((MAX_FAN_IN - fan_in) as u32).unwrap_or(0)
}

/// The part of [`propagate`] for `CHUNKS` output chunks from `first` on; `active` has one bit per neuron below.
#[inline(always)]
fn propagate_to<const CHUNKS: usize>(
    first: usize,
    weights: &[[f64; LANES]],
    below: Piece,
    mut active: u64,
    alphas: &mut [[f64; LANES]],
    betas: &mut [[f64; LANES]],
) {
    let row = alphas.len();
    let fan_in = weights.len() / row;
    let (alpha, beta, mask) = (&below.alpha[..fan_in], &below.beta[..fan_in], &below.mask[..fan_in]);
    let (mut alpha_sums, mut beta_sums) = ([[0.0; LANES]; CHUNKS], [[0.0; LANES]; CHUNKS]);
    while active != 0 {
        let neuron = active.trailing_zeros() as usize;
        active &= active - 1;
        let weights = &weights[neuron * row + first..][..CHUNKS];
        let (alpha, beta) = (alpha[neuron] * mask[neuron], beta[neuron] * mask[neuron]);
        for chunk in 0..CHUNKS {
            for lane in 0..LANES {
                alpha_sums[chunk][lane] += weights[chunk][lane] * alpha;
                beta_sums[chunk][lane] += weights[chunk][lane] * beta;
            }
        }
    }
    alphas[first..first + CHUNKS].copy_from_slice(&alpha_sums);
    betas[first..first + CHUNKS].copy_from_slice(&beta_sums);
}

/// The next mask flip at or after t = `now`, as (t, neuron): the smallest max(−α/β, `now`) over active falling and inactive rising neurons.
/// (∞, 0) if none flips.
pub fn next_flip(piece: Piece, now: f64) -> (f64, usize) {
    dispatch!(next_flip_body [] (piece: Piece, now: f64) -> (f64, usize), piece, now)
}

#[inline(always)]
fn next_flip_body(piece: Piece, now: f64) -> (f64, usize) {
    let (alphas, betas, masks) = chunks(piece);
    let mut earliest = Earliest { t: [f64::INFINITY; LANES], neuron: [0.0; LANES] };
    for (chunk, ((alpha, beta), mask)) in alphas.iter().zip(betas).zip(masks).enumerate() {
        earliest.update(chunk, alpha, beta, mask, now);
    }
    earliest.of_all_lanes()
}

/// Per lane, the earliest flip so far and its neuron (the lowest index on ties). The index is an f64 so that one mask selects both.
struct Earliest {
    t: [f64; LANES],
    neuron: [f64; LANES],
}

impl Earliest {
    #[inline(always)]
    fn update(&mut self, chunk: usize, alpha: &[f64; LANES], beta: &[f64; LANES], mask: &[f64; LANES], now: f64) {
        let mut t = [0.0; LANES];
        for (lane, t) in t.iter_mut().enumerate() {
            *t = flip(alpha[lane], beta[lane], mask[lane], now);
        }
        let first = (chunk * LANES) as f64;
        for (lane, t) in t.into_iter().enumerate() {
            let earlier = t < self.t[lane];
            self.neuron[lane] = if earlier { first + lane as f64 } else { self.neuron[lane] };
            self.t[lane] = if earlier { t } else { self.t[lane] };
        }
    }

    #[inline(always)]
    fn of_all_lanes(self) -> (f64, usize) {
        let first = fold(self.t, least);
        let mut neuron = [0.0; LANES];
        for (lane, neuron) in neuron.iter_mut().enumerate() {
            *neuron = if self.t[lane] == first { self.neuron[lane] } else { f64::INFINITY };
        }
        (first, if first < f64::INFINITY { fold(neuron, least) as usize } else { 0 })
    }
}

/// The t at which one neuron flips.
#[inline(always)]
fn flip(alpha: f64, beta: f64, mask: f64, now: f64) -> f64 {
    let on = mask > 0.5;
    let leaves = (on & (beta < 0.0)) | (!on & (beta > 0.0));
    let t = -alpha / beta;
    let t = if t > now { t } else { now };
    if leaves { t } else { f64::INFINITY }
}

/// (Σ a·mask·α, Σ a·mask·β), so that f(t) = value + slope·t on this piece. `readout` has the padded length.
pub fn value_and_slope(readout: &[f64], piece: Piece) -> (f64, f64) {
    dispatch!(value_and_slope_body [] (readout: &[f64], piece: Piece) -> (f64, f64), readout, piece)
}

#[inline(always)]
fn value_and_slope_body(readout: &[f64], piece: Piece) -> (f64, f64) {
    let (alphas, betas, masks) = chunks(piece);
    let (readouts, rest) = readout.as_chunks::<LANES>();
    assert!(rest.is_empty() && readouts.len() == alphas.len());
    let (mut value, mut slope) = ([0.0; LANES], [0.0; LANES]);
    for (((readout, alpha), beta), mask) in readouts.iter().zip(alphas).zip(betas).zip(masks) {
        for lane in 0..LANES {
            let masked = readout[lane] * mask[lane];
            value[lane] += masked * alpha[lane];
            slope[lane] += masked * beta[lane];
        }
    }
    (fold(value, |a, b| a + b), fold(slope, |a, b| a + b))
}

type Chunks<'a> = &'a [[f64; LANES]];

#[inline(always)]
fn chunks(piece: Piece) -> (Chunks, Chunks, Chunks) {
    let (alphas, alpha_rest) = piece.alpha.as_chunks();
    let (betas, beta_rest) = piece.beta.as_chunks();
    let (masks, mask_rest) = piece.mask.as_chunks();
    assert!(alpha_rest.is_empty() && beta_rest.is_empty() && mask_rest.is_empty());
    assert!(alphas.len() == betas.len() && betas.len() == masks.len());
    (alphas, betas, masks)
}

#[inline(always)]
fn least(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}

/// Pairwise reduction.
#[inline(always)]
fn fold(mut lanes: [f64; LANES], join: impl Fn(f64, f64) -> f64) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = join(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}
