//! One pass over the neurons of a line z + t·u: breakpoints into bins, breakpoints into a list, and the next mask flip.
//!
//! A ReLU neuron has a breakpoint at t = −z/u ≥ 0 when it is on and falling (z > 0, u < 0) or off and rising (z ≤ 0, u > 0). In both
//! cases the slope of Σ_j a_j ψ(z_j + t u_j) jumps there by a_j |u_j|. Rows are read once (z, u and a: 12 or 24 bytes a neuron in
//! f32, f64); breakpoints are computed 8 at a time in f64, and the few inside the window go one by one into the bins, which stay in
//! cache ([`Bin`] is 32 bytes).

use super::{Level, Real, dispatch};

const LANES: usize = 8;

/// One row of a line block: pre-activations, their derivatives, and the readout weights.
#[derive(Clone, Copy)]
pub struct Row<'a, T> {
    pub z: &'a [T],
    pub u: &'a [T],
    pub a: &'a [T],
    /// s = sign f(x): multiplies every readout weight.
    pub sign: f64,
}

/// The half-open interval [start, end) of t, cut into bins of equal width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    pub start: f64,
    pub end: f64,
    pub bins: usize,
}

impl Window {
    /// Lower edge of bin `bin`; the upper edge of the last bin is exactly `end`.
    pub fn edge(&self, bin: usize) -> f64 {
        if bin == self.bins { self.end } else { self.start + (self.end - self.start) * (bin as f64 / self.bins as f64) }
    }

    #[inline(always)]
    fn bins_per_unit(&self) -> f64 {
        self.bins as f64 / (self.end - self.start)
    }
}

/// What one bin knows of its breakpoints, with w = s·a·|u| the jump of the slope at t.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C, align(32))]
pub struct Bin {
    /// Σ w.
    pub jump: f64,
    /// Σ w·(t − window start).
    pub moment: f64,
    /// Σ min(w, 0).
    pub falling: f64,
    /// Number of breakpoints.
    pub count: u64,
}

/// A breakpoint of the line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breakpoint {
    pub bin: usize,
    pub t: f64,
    /// Jump of the slope, s·a·|u|.
    pub jump: f64,
}

/// Runs `$body` for [`LANES`] neurons at a time, in f64; the last chunk is filled up with neurons that are off and stay off. (A macro,
/// because the body of a closure is not sure to be compiled for the instruction set of its caller.)
macro_rules! for_each_chunk {
    ($row:ident, |$z:ident, $u:ident, $a:ident| $body:block) => {{
        let Row { z, u, a, .. } = $row;
        assert!(z.len() == u.len() && u.len() == a.len());
        let (z_chunks, z_tail) = z.as_chunks::<LANES>();
        let (u_chunks, u_tail) = u.as_chunks::<LANES>();
        let (a_chunks, a_tail) = a.as_chunks::<LANES>();
        for ((z, u), a) in z_chunks.iter().zip(u_chunks).zip(a_chunks) {
            let ($z, $u, $a) = (widen(z), widen(u), widen(a));
            $body
        }
        if !z_tail.is_empty() {
            let (mut $z, mut $u, mut $a) = ([-1.0; LANES], [0.0; LANES], [0.0; LANES]);
            for lane in 0..z_tail.len() {
                ($z[lane], $u[lane], $a[lane]) = (z_tail[lane].to_f64(), u_tail[lane].to_f64(), a_tail[lane].to_f64());
            }
            $body
        }
    }};
}

/// Runs `$body` for each breakpoint `$t` in the window, with its jump w, in neuron order.
macro_rules! for_each_breakpoint {
    ($row:ident, $window:ident, |$t:ident, $jump:ident| $body:block) => {
        for_each_chunk!($row, |z, u, a| {
            let mut t = [0.0; LANES];
            let mut inside = [false; LANES];
            for lane in 0..LANES {
                t[lane] = -z[lane] / u[lane];
                let crosses = (z[lane] > 0.0) != (u[lane] > 0.0);
                inside[lane] = crosses & (t[lane] >= $window.start) & (t[lane] < $window.end);
            }
            let mut lanes = bits(&inside);
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                lanes &= lanes - 1;
                let ($t, $jump) = (t[lane], $row.sign * a[lane] * u[lane].abs());
                $body
            }
        })
    };
}

#[inline(always)]
fn widen<T: Real>(chunk: &[T; LANES]) -> [f64; LANES] {
    let mut wide = [0.0; LANES];
    for (wide, value) in wide.iter_mut().zip(chunk) {
        *wide = value.to_f64();
    }
    wide
}

/// The flags as the bits of a number, the first one lowest.
#[inline(always)]
fn bits(flags: &[bool; LANES]) -> u32 {
    let mut bits = 0;
    for (lane, flag) in flags.iter().enumerate() {
        bits |= u32::from(*flag) << lane;
    }
    bits
}

/// s·Σ a ψ(z), and its derivative in t under the masks of t = 0: s·Σ_{z>0} a u.
pub fn value_and_slope<T: Real>(row: Row<T>) -> (f64, f64) {
    dispatch!(Level::best(), value_and_slope_body [T: Real] (row: Row<T>) -> (f64, f64), row)
}

#[inline(always)]
fn value_and_slope_body<T: Real>(row: Row<T>) -> (f64, f64) {
    let (mut values, mut slopes) = ([0.0; LANES], [0.0; LANES]);
    for_each_chunk!(row, |z, u, a| {
        for lane in 0..LANES {
            let active = z[lane] > 0.0;
            values[lane] += if active { a[lane] * z[lane] } else { 0.0 };
            slopes[lane] += if active { a[lane] * u[lane] } else { 0.0 };
        }
    });
    (row.sign * values.iter().sum::<f64>(), row.sign * slopes.iter().sum::<f64>())
}

/// Adds the breakpoints of `row` inside `window` to `bins`.
pub fn bin_breakpoints<T: Real>(row: Row<T>, window: Window, bins: &mut [Bin]) {
    bin_breakpoints_at(Level::best(), row, window, bins);
}

/// [`bin_breakpoints`] at a given level; all levels give the same bits.
pub fn bin_breakpoints_at<T: Real>(level: Level, row: Row<T>, window: Window, bins: &mut [Bin]) {
    dispatch!(level, bin_body [T: Real] (row: Row<T>, window: Window, bins: &mut [Bin]), row, window, bins)
}

#[inline(always)]
fn bin_body<T: Real>(row: Row<T>, window: Window, bins: &mut [Bin]) {
    assert_eq!(bins.len(), window.bins);
    let per_unit = window.bins_per_unit();
    for_each_breakpoint!(row, window, |t, jump| {
        let offset = t - window.start;
        let bin = &mut bins[((offset * per_unit) as usize).min(window.bins - 1)];
        bin.jump += jump;
        bin.moment += jump * offset;
        bin.falling += if jump < 0.0 { jump } else { 0.0 };
        bin.count += 1;
    });
}

/// Appends to `found` the breakpoints of `row` that lie in a bin with `opened[bin]`.
pub fn gather_breakpoints<T: Real>(row: Row<T>, window: Window, opened: &[bool], found: &mut Vec<Breakpoint>) {
    dispatch!(Level::best(), gather_body [T: Real] (row: Row<T>, window: Window, opened: &[bool], found: &mut Vec<Breakpoint>),
        row, window, opened, found)
}

#[inline(always)]
fn gather_body<T: Real>(row: Row<T>, window: Window, opened: &[bool], found: &mut Vec<Breakpoint>) {
    assert_eq!(opened.len(), window.bins);
    let per_unit = window.bins_per_unit();
    for_each_breakpoint!(row, window, |t, jump| {
        let bin = (((t - window.start) * per_unit) as usize).min(window.bins - 1);
        if opened[bin] {
            found.push(Breakpoint { bin, t, jump });
        }
    });
}

/// The next neuron of a layer to leave its mask, and when: the smallest max(−α/β, `now`) over neurons that are on (mask 1) and falling
/// or off (mask 0) and rising, where z(t) = α + β t. (∞, 0) if there is none.
pub fn next_flip(alpha: &[f64], beta: &[f64], mask: &[f64], now: f64) -> (f64, usize) {
    dispatch!(Level::best(), next_flip_body [] (alpha: &[f64], beta: &[f64], mask: &[f64], now: f64) -> (f64, usize),
        alpha, beta, mask, now)
}

#[inline(always)]
fn next_flip_body(alpha: &[f64], beta: &[f64], mask: &[f64], now: f64) -> (f64, usize) {
    assert!(alpha.len() == beta.len() && beta.len() == mask.len());
    let when = |neuron: usize| {
        let leaves = (mask[neuron] > 0.0 && beta[neuron] < 0.0) || (mask[neuron] <= 0.0 && beta[neuron] > 0.0);
        let t = -alpha[neuron] / beta[neuron];
        let t = if t > now { t } else { now };
        if leaves { t } else { f64::INFINITY }
    };
    let mut earliest = [f64::INFINITY; LANES];
    let whole = alpha.len() / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, earliest) in earliest.iter_mut().enumerate() {
            let t = when(start + lane);
            *earliest = if t < *earliest { t } else { *earliest };
        }
    }
    let mut first = earliest.into_iter().fold(f64::INFINITY, f64::min);
    for neuron in whole..alpha.len() {
        first = first.min(when(neuron));
    }
    if first == f64::INFINITY {
        return (first, 0);
    }
    let neuron = (0..alpha.len()).find(|&neuron| when(neuron) == first).expect("the minimum is one of them");
    (first, neuron)
}
