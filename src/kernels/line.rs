//! The breakpoints of a line z + t·u: found in one pass over the neurons, and sorted into bins.
//!
//! A ReLU neuron has a breakpoint at t = −z/u ≥ 0 when it is on and falling (z > 0, u < 0) or off and rising (z ≤ 0, u > 0). In both
//! cases the slope of Σ_j a_j ψ(z_j + t u_j) jumps there by a_j |u_j|.
//!
//! Blocking: steps of 16 neurons, in f64 vectors of 8. A sieve (7 flops a neuron, 5 where it starts at 0, and 8 or 16 bytes in f32, f64) finds
//! those with a breakpoint in the stretch, whose places go to a list in the first cache; after 256 neurons these, one in ten or fewer, are
//! divided one by one and appended to what is found, 16 bytes each. φ and its slope at 0 are summed in the same steps (4 flops and 4 or 8
//! bytes more), in 16 interleaved sums. z and u come from memory: both are asked for 256 neurons ahead (in f64 every other line). Bins ([`Bin`] is one vector of 32
//! bytes) are added up from the list afterwards. Rates with breakpoints of 5 % in the stretch: value, slope and breakpoints 0.69, 2.1 and 3.1 neurons;
//! breakpoints of one bin 0.85, 4.2 and 5.0; bins 0.72, 0.72 and 0.91 breakpoints.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256d, __m512d};

use super::vector::{LANES, Vector, padded, widened};
use super::{Level, Real, dispatch};

/// Neurons that are sieved before their breakpoints are computed.
const GROUP: usize = 256;
/// Neurons that are sieved at a time.
const STEP: usize = 2 * LANES;

/// Neurons from one that is sieved to one that is asked for from memory: beyond the end of a row of a block, the row after it.
const AHEAD: usize = 256;

/// One row of a line block: pre-activations, their derivatives, and the readout weights.
#[derive(Clone, Copy)]
pub struct Row<'a, T> {
    pub z: &'a [T],
    pub u: &'a [T],
    pub a: &'a [T],
    /// s = sign f(x): multiplies every readout weight.
    pub sign: f64,
}

impl<T> Row<'_, T> {
    /// The first `count` neurons, and the others.
    pub fn split_at(&self, count: usize) -> (Self, Self) {
        let ((z, z_rest), (u, u_rest), (a, a_rest)) = (self.z.split_at(count), self.u.split_at(count), self.a.split_at(count));
        (Self { z, u, a, sign: self.sign }, Self { z: z_rest, u: u_rest, a: a_rest, sign: self.sign })
    }
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

    /// The bin of a `t` inside.
    #[inline(always)]
    pub fn bin(&self, t: f64) -> usize {
        (((t - self.start) * self.bins_per_unit()) as usize).min(self.bins - 1)
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
    pub count: f64,
}

/// A breakpoint of the line.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Breakpoint {
    pub t: f64,
    /// Jump of the slope, s·a·|u|.
    pub jump: f64,
}

/// Finds the neurons that may have a breakpoint in a stretch of t: those that are on, z + t·u > 0, at one of its ends only. The ends are
/// moved apart by more than any rounding of f64. What passes is to be tested by division.
#[derive(Clone, Copy)]
struct Sieve {
    lower: f64,
    upper: f64,
}

impl Sieve {
    /// 2⁴⁰⁰, by which both terms are multiplied: for z and u down to the smallest numbers of f64, and up to 2⁵⁰⁰, and ends from
    /// [`SHORTEST`](Self::SHORTEST) to 2¹⁰⁰ the products are then normal numbers, the sign of whose sum is not changed by rounding.
    const SCALE: f64 = f64::from_bits((1023 + 400) << 52);
    /// 2⁻²⁹⁰.
    const SHORTEST: f64 = f64::from_bits((1023 - 290) << 52);
    const SLACK: f64 = 4.0 * f64::EPSILON;

    #[inline(always)]
    fn new((start, end): (f64, f64)) -> Self {
        let lower = if start < Self::SHORTEST { 0.0 } else { start * (1.0 - Self::SLACK) };
        Self { lower: Self::SCALE * lower, upper: Self::SCALE * end.max(Self::SHORTEST) * (1.0 + Self::SLACK) }
    }
}

/// Appends to `found` the breakpoints of `row` with `stretch.0` ≤ t < `stretch.1`, in neuron order.
pub fn find_breakpoints<T: Real>(row: Row<T>, stretch: (f64, f64), found: &mut Vec<Breakpoint>) {
    find_at_level::<T, false>(row, stretch, found);
}

/// Appends the breakpoints with 0 ≤ t < `end`, and returns s·Σ a ψ(z) and its derivative in t under the masks of t = 0: s·Σ_{z>0} a u.
pub fn value_slope_and_breakpoints<T: Real>(row: Row<T>, end: f64, found: &mut Vec<Breakpoint>) -> (f64, f64) {
    find_at_level::<T, true>(row, (0.0, end), found)
}

#[inline]
fn find_at_level<T: Real, const SUMS: bool>(row: Row<T>, stretch: (f64, f64), found: &mut Vec<Breakpoint>) -> (f64, f64) {
    match super::level() {
        // SAFETY: the level is available.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 if is_x86_feature_detected!("popcnt") => unsafe { avx512::<T, SUMS>(row, stretch, found) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 if is_x86_feature_detected!("popcnt") => unsafe { avx2::<T, SUMS>(row, stretch, found) },
        // SAFETY: needs no instructions.
        _ => unsafe { find::<T, [f64; LANES], SUMS>(row, stretch, found) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
fn avx512<T: Real, const SUMS: bool>(row: Row<T>, stretch: (f64, f64), found: &mut Vec<Breakpoint>) -> (f64, f64) {
    // SAFETY: the features are enabled here.
    unsafe { find::<T, __m512d, SUMS>(row, stretch, found) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn avx2<T: Real, const SUMS: bool>(row: Row<T>, stretch: (f64, f64), found: &mut Vec<Breakpoint>) -> (f64, f64) {
    // SAFETY: the features are enabled here.
    unsafe { find::<T, [__m256d; 2], SUMS>(row, stretch, found) }
}

#[inline(always)]
unsafe fn find<T: Real, V: Vector, const SUMS: bool>(row: Row<T>, stretch: (f64, f64), found: &mut Vec<Breakpoint>) -> (f64, f64) {
    let Row { z, u, a, .. } = row;
    assert!(z.len() == u.len() && u.len() == a.len());
    let mut candidates = [0; GROUP + STEP];
    // SAFETY: the caller's processor has the instructions of V.
    unsafe {
        let mut pass = Pass::<V>::new(Sieve::new(stretch));
        for start in (0..z.len()).step_by(GROUP) {
            let end = z.len().min(start + GROUP);
            let (z_steps, z_rest) = z[start..end].as_chunks::<STEP>();
            let (u_steps, u_rest) = u[start..end].as_chunks::<STEP>();
            let (a_steps, a_rest) = a[start..end].as_chunks::<STEP>();
            let (mut count, mut neuron) = (0, start as u32);
            for ((z, u), a) in z_steps.iter().zip(u_steps).zip(a_steps) {
                V::prefetch(z.as_ptr().wrapping_add(AHEAD).cast());
                V::prefetch(u.as_ptr().wrapping_add(AHEAD).cast());
                let bits = pass.step::<SUMS>(&widened(z), &widened(u), &widened(a));
                let room = candidates[count..].first_chunk_mut().expect("there is room for a group and a step");
                count += V::places(bits, neuron, room);
                neuron += STEP as u32;
            }
            if !z_rest.is_empty() {
                let bits = pass.step::<SUMS>(&padded(z_rest, -1.0), &padded(u_rest, 0.0), &padded(a_rest, 0.0));
                let room = candidates[count..].first_chunk_mut().expect("there is room for a group and a step");
                count += V::places(bits, neuron, room);
            }
            push_breakpoints(row, stretch, &candidates[..count], found);
        }
        let (value, slope) = pass.sums();
        (row.sign * value, row.sign * slope)
    }
}

/// Sums and sieve of a pass over a row.
struct Pass<V> {
    scale: V,
    lower: V,
    upper: V,
    values: [V; 2],
    slopes: [V; 2],
}

impl<V: Vector> Pass<V> {
    #[inline(always)]
    unsafe fn new(sieve: Sieve) -> Self {
        unsafe {
            let zero = V::splat(0.0);
            Self {
                scale: V::splat(Sieve::SCALE),
                lower: V::splat(sieve.lower),
                upper: V::splat(sieve.upper),
                values: [zero; 2],
                slopes: [zero; 2],
            }
        }
    }

    /// Adds up a·z and a·u of the neurons that are on, if the stretch starts at 0 and `SUMS` are wanted; returns which pass the sieve.
    #[inline(always)]
    unsafe fn step<const SUMS: bool>(&mut self, z: &[[f64; LANES]; 2], u: &[[f64; LANES]; 2], a: &[[f64; LANES]; 2]) -> u16 {
        let mut bits = 0;
        for half in 0..2 {
            unsafe {
                let (z, u) = (V::load(&z[half]), V::load(&u[half]));
                let scaled = z.times(self.scale);
                let at_lower = if SUMS { z.is_on() } else { scaled.plus(u.times(self.lower)).is_on() };
                let at_upper = scaled.plus(u.times(self.upper)).is_on();
                if SUMS {
                    let a = V::load(&a[half]);
                    self.values[half] = self.values[half].plus_where(at_lower, a.times(z));
                    self.slopes[half] = self.slopes[half].plus_where(at_lower, a.times(u));
                }
                bits |= (V::bits(at_lower) ^ V::bits(at_upper)) << (LANES * half);
            }
        }
        bits
    }

    #[inline(always)]
    unsafe fn sums(&self) -> (f64, f64) {
        let (mut values, mut slopes) = ([0.0; LANES], [0.0; LANES]);
        unsafe {
            self.values[0].plus(self.values[1]).store(&mut values);
            self.slopes[0].plus(self.slopes[1]).store(&mut slopes);
        }
        (values.iter().sum(), slopes.iter().sum())
    }
}

/// Appends the breakpoints of these `neurons` that lie in the stretch.
#[inline(always)]
fn push_breakpoints<T: Real>(row: Row<T>, (start, end): (f64, f64), neurons: &[u32], found: &mut Vec<Breakpoint>) {
    let Row { z, u, a, sign } = row;
    let before = found.len();
    found.reserve(neurons.len());
    let room = &mut found.spare_capacity_mut()[..neurons.len()];
    let mut kept = 0;
    for &neuron in neurons {
        let neuron = neuron as usize;
        let (z, u, a) = (z[neuron].to_f64(), u[neuron].to_f64(), a[neuron].to_f64());
        let t = -z / u;
        room[kept].write(Breakpoint { t, jump: sign * a * u.abs() });
        kept += usize::from(((z > 0.0) != (u > 0.0)) & (t >= start) & (t < end));
    }
    // SAFETY: the first `kept` of the room are written.
    unsafe { found.set_len(before + kept) };
}

/// Adds `points`, which are inside `window`, to `bins`.
pub fn bin_breakpoints(points: &[Breakpoint], window: Window, bins: &mut [Bin]) {
    dispatch!(bin_body [] (points: &[Breakpoint], window: Window, bins: &mut [Bin]), points, window, bins)
}

#[inline(always)]
fn bin_body(points: &[Breakpoint], window: Window, bins: &mut [Bin]) {
    assert_eq!(bins.len(), window.bins);
    for point in points {
        let offset = point.t - window.start;
        let bin = &mut bins[window.bin(point.t)];
        let falling = if point.jump < 0.0 { point.jump } else { 0.0 };
        let sums = [bin.jump, bin.moment, bin.falling, bin.count];
        let terms = [point.jump, point.jump * offset, falling, 1.0];
        let mut new = [0.0; 4];
        for lane in 0..4 {
            new[lane] = sums[lane] + terms[lane];
        }
        *bin = Bin { jump: new[0], moment: new[1], falling: new[2], count: new[3] };
    }
}
