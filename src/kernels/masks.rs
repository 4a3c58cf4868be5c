//! ReLU masks as bits: built during the readout, counted for pairs of inputs, and multiplied with weights by table lookup.
//!
//! A 0/1 matrix times a matrix needs additions only, and sums of a few rows can be shared by all inputs (the method of Four Russians;
//! Arlazarov, Dinic, Kronrod & Faradzhev 1970): the 16 subset sums of [`GROUP`] rows are tabulated, and each input adds the entry that its
//! bits select: one row addition in place of four multiply-adds.
//!
//! *Readout*: words of 16 neurons in f64 vectors of 8, 16 interleaved sums; 2 flops and 8 B per neuron in f32.
//! *Overlaps*: AND and popcount of 32 inputs against one, in 16-bit counters, over all words of a block.
//! *Masked gradient*, loops outermost first: panels of columns, words of 16 neurons, inputs, groups of 4 neurons. L1 holds the four tables
//! of a word (8 KiB in f32, 16 with AVX-512); the sums of one input are in registers during a word and in L1 between words. 16 additions per
//! group and column for the tables, then 1 per group, column and input; weights are read once (4 B each in f32). Sums run in the type of the
//! rows, in group order, and are added to `out` once per block, so an input's bits depend neither on the level nor on the other inputs.
//!
//! Throughput: readout with mask 2.3 / 5.7 / 11 × 10⁹ neurons/s; overlaps 62 / 131 / 194 × 10⁹ neuron pairs/s; masked gradient of 256 neurons, 100
//! inputs, d = 500: 109 / 236 / 367 GF/s, counting the flops of the sgemm that it replaces (which runs at 1.0 / 107 / 211 GF/s).

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float64x2_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256d, __m512d};

use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::vector::{LANES, Vector, padded, widened};
use super::{Real, SimdLevel, Weight, dispatch};

/// Neurons per mask word.
const WORD: usize = 2 * LANES;
/// Rows per table.
const GROUP: usize = 4;
/// Entries per table: the subset sums of a group.
const SUMS: usize = 1 << GROUP;
/// Columns of a table computed together, in registers.
const STRIP: usize = 16;
/// Columns per panel, with AVX-512 and without: f32 tables and the sums of 100 inputs then fit in L1, which has 48 KiB in recent AVX-512 CPUs and 32 KiB in
/// others.
const PANEL: usize = 64;
const NARROW_PANEL: usize = 32;
/// Inputs whose overlaps with another one are counted together: a 512-bit vector of words.
const TOGETHER: usize = 32;

/// Additions of [`Masks::add_weighted_rows`] for `inputs` × `neurons` masks and rows of `columns` numbers.
pub fn additions(inputs: usize, neurons: usize, columns: usize) -> f64 {
    neurons.div_ceil(GROUP) as f64 * (SUMS + inputs) as f64 * columns as f64
}

/// The active neurons of a block for a set of inputs.
#[derive(Debug, Clone, Default)]
pub struct Masks {
    inputs: usize,
    neurons: usize,
    /// ⌈neurons/16⌉ × inputs, inputs padded to a multiple of [`TOGETHER`].
    words: Vec<u16>,
    workspace: Workspace,
}

/// Cache-aligned scratch memory for tables and sums in f32 or f64.
#[derive(Debug, Clone, Default)]
struct Workspace(Vec<CacheLine>);

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct CacheLine {
    _bytes: [u8; 64],
}

impl Workspace {
    /// `count` numbers of unspecified value.
    fn of<T: Real>(&mut self, count: usize) -> &mut [T] {
        let lines = (count * size_of::<T>()).div_ceil(size_of::<CacheLine>());
        self.0.resize(lines.max(self.0.len()), CacheLine { _bytes: [0; 64] });
        // SAFETY: large enough, aligned and initialised; any bytes are a valid f32 or f64.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), count) }
    }
}

impl Masks {
    /// Resizes for a block of `neurons` neurons at `inputs` inputs. Masks must then be set by [`read_out`](Self::read_out).
    pub fn reset(&mut self, inputs: usize, neurons: usize) {
        (self.inputs, self.neurons) = (inputs, neurons);
        self.words.resize(self.stride() * neurons.div_ceil(WORD), 0);
    }

    fn stride(&self) -> usize {
        self.inputs.next_multiple_of(TOGETHER)
    }

    /// Sets the mask z > 0 of input `input` from its pre-activations `z` and returns Σ_j a_j ψ(z_j) in f64, bitwise as
    /// [`readout`](super::relu::readout). `a` and `z` have one element per neuron.
    pub fn read_out<T: Real>(&mut self, input: usize, a: &[T], z: &[T]) -> f64 {
        assert!(input < self.inputs && z.len() == self.neurons && a.len() == self.neurons, "a row of the block");
        let stride = self.stride();
        let words = &mut self.words[input..];
        match super::level() {
            // SAFETY: the level is available.
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => unsafe { read_out_avx512(words, stride, a, z) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => unsafe { read_out_avx2(words, stride, a, z) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            SimdLevel::Neon => unsafe { read_out::<T, [float64x2_t; 4]>(words, stride, a, z) },
            // SAFETY: the fallback needs no instructions.
            _ => unsafe { read_out::<T, [f64; LANES]>(words, stride, a, z) },
        }
    }

    /// `overlaps` (inputs × inputs) += number of neurons active at both inputs; lower triangle only.
    pub fn add_overlaps(&self, overlaps: ArrayViewMut2<f64>) {
        assert_eq!(overlaps.dim(), (self.inputs, self.inputs), "shape of the overlaps");
        assert!(self.neurons <= usize::from(u16::MAX), "counters have 16 bits");
        let (words, stride) = (&self.words[..], self.stride());
        dispatch!(overlap_body [] (words: &[u16], stride: usize, overlaps: ArrayViewMut2<'_, f64>), words, stride, overlaps)
    }

    /// `out` (inputs × q) += Σ_j m_ij a_j v_j, m the masks, `a` one weight per neuron, v_j row j of `rows` (neurons × q, contiguous).
    pub fn add_weighted_rows<W: Weight>(&mut self, a: &[W::Real], rows: ArrayView2<W>, mut out: ArrayViewMut2<W::Real>) {
        assert!(a.len() == self.neurons && rows.nrows() == self.neurons, "a row for each neuron");
        assert!(out.nrows() == self.inputs && out.ncols() == rows.ncols(), "shape of a masked product");
        if self.inputs == 0 || self.neurons == 0 {
            return;
        }
        let (stride, columns) = (self.stride(), rows.ncols());
        let words = &self.words[..];
        let rows = rows.to_slice().expect("rows follow one another");
        let most = if super::level() == SimdLevel::Avx512 { PANEL } else { NARROW_PANEL };
        for first in (0..columns).step_by(most) {
            let out = out.slice_mut(s![.., first..columns.min(first + most)]);
            let panel = Panel { rows, columns, first };
            let workspace = self.workspace.of::<W::Real>((WORD + WORD / GROUP * SUMS + self.inputs) * PANEL);
            dispatch!(panel_body [W: Weight] (words: &[u16], stride: usize, a: &[W::Real], panel: Panel<'_, W>, out: ArrayViewMut2<'_, W::Real>,
                workspace: &mut [W::Real]),
                words, stride, a, panel, out, workspace);
        }
    }
}

/// The columns of a row-major matrix from `first` on.
#[derive(Clone, Copy)]
struct Panel<'a, T> {
    rows: &'a [T],
    /// Row length of the whole matrix.
    columns: usize,
    first: usize,
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn read_out_avx512<T: Real>(words: &mut [u16], stride: usize, a: &[T], z: &[T]) -> f64 {
    // SAFETY: the features are enabled here.
    unsafe { read_out::<T, __m512d>(words, stride, a, z) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn read_out_avx2<T: Real>(words: &mut [u16], stride: usize, a: &[T], z: &[T]) -> f64 {
    // SAFETY: the features are enabled here.
    unsafe { read_out::<T, [__m256d; 2]>(words, stride, a, z) }
}

#[inline(always)]
unsafe fn read_out<T: Real, V: Vector>(words: &mut [u16], stride: usize, a: &[T], z: &[T]) -> f64 {
    let (whole_a, rest_a) = a.as_chunks::<WORD>();
    let (whole_z, rest_z) = z.as_chunks::<WORD>();
    // SAFETY: the caller's CPU has the instructions of V.
    unsafe {
        let mut sums = [V::splat(0.0); 2];
        for ((word, a), z) in words.iter_mut().step_by(stride).zip(whole_a).zip(whole_z) {
            *word = read_out_word(&mut sums, &widened(a), &widened(z));
        }
        if !rest_z.is_empty() {
            words[whole_z.len() * stride] = read_out_word(&mut sums, &padded(rest_a, 0.0), &padded(rest_z, 0.0));
        }
        let mut lanes = [0.0; LANES];
        sums[0].plus(sums[1]).store(&mut lanes);
        let [a, b, c, d, e, f, g, h] = lanes;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}

/// Accumulates a·z of the active neurons of a word, and returns their bits.
#[inline(always)]
unsafe fn read_out_word<V: Vector>(sums: &mut [V; 2], a: &[[f64; LANES]; 2], z: &[[f64; LANES]; 2]) -> u16 {
    let mut word = 0;
    for half in 0..2 {
        unsafe {
            let z = V::load(&z[half]);
            let is_on = z.is_on();
            sums[half] = sums[half].plus_where(is_on, V::load(&a[half]).times(z));
            word |= V::bits(is_on) << (LANES * half);
        }
    }
    word
}

#[inline(always)]
fn overlap_body(words: &[u16], stride: usize, mut overlaps: ArrayViewMut2<'_, f64>) {
    let inputs = overlaps.nrows();
    for first in (0..inputs).step_by(TOGETHER) {
        for input in first..inputs {
            let mut counts = [0_u16; TOGETHER];
            for words in words.chunks_exact(stride) {
                let others: &[u16; TOGETHER] = words[first..].first_chunk().expect("words of as many inputs");
                for (count, other) in counts.iter_mut().zip(others) {
                    *count += (words[input] & other).count_ones() as u16;
                }
            }
            for (overlap, count) in overlaps.row_mut(input).iter_mut().skip(first).zip(counts).take(input + 1 - first) {
                *overlap += f64::from(count);
            }
        }
    }
}

#[inline(always)]
fn panel_body<W: Weight>(
    words: &[u16],
    stride: usize,
    a: &[W::Real],
    panel: Panel<'_, W>,
    out: ArrayViewMut2<'_, W::Real>,
    workspace: &mut [W::Real],
) {
    match out.ncols() {
        0..=16 => sum_panel::<W, 16>(words, stride, a, panel, out, workspace),
        17..=NARROW_PANEL => sum_panel::<W, NARROW_PANEL>(words, stride, a, panel, out, workspace),
        33..=48 => sum_panel::<W, 48>(words, stride, a, panel, out, workspace),
        _ => sum_panel::<W, PANEL>(words, stride, a, panel, out, workspace),
    }
}

#[inline(always)]
fn plus<T: Real>(a: [T; STRIP], b: [T; STRIP]) -> [T; STRIP] {
    let mut sum = a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum = *sum + b;
    }
    sum
}

/// Fills columns `column` .. `column` + STRIP of a table with the subset sums of four rows.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "loops over indices are unrolled, and the sums stay in registers")]
fn fill_table<T: Real, const C: usize>(table: &mut [[T; C]; SUMS], column: usize, rows: &[[T; C]; GROUP]) {
    let none = [T::zero(); STRIP];
    let mut lanes = [none; GROUP];
    for (lanes, row) in lanes.iter_mut().zip(rows) {
        lanes.copy_from_slice(&row[column..column + STRIP]);
    }
    let rows = lanes;
    let low = [none, rows[0], rows[1], plus(rows[0], rows[1])];
    let high = [none, rows[2], rows[3], plus(rows[2], rows[3])];
    let mut put = |entry: usize, sum: [T; STRIP]| table[entry][column..column + STRIP].copy_from_slice(&sum);
    for entry in 0..4 {
        put(entry, low[entry]);
        put(4 * entry, high[entry]);
    }
    for entry in 1..4 {
        put(4 + entry, plus(low[entry], high[1]));
        put(8 + entry, plus(low[entry], high[2]));
        put(12 + entry, plus(low[entry], high[3]));
    }
}

/// `out` += masked sums of a panel of up to `C` columns.
#[inline(always)]
fn sum_panel<W: Weight, const C: usize>(
    words: &[u16],
    stride: usize,
    a: &[W::Real],
    panel: Panel<'_, W>,
    mut out: ArrayViewMut2<'_, W::Real>,
    workspace: &mut [W::Real],
) {
    let (inputs, columns) = out.dim();
    let (workspace, _) = workspace.as_chunks_mut::<C>();
    let (weighted, rest) = workspace.split_at_mut(WORD);
    let (tables, sums) = rest.split_at_mut(WORD / GROUP * SUMS);
    let (tables, _) = tables.as_chunks_mut::<SUMS>();
    let sums = &mut sums[..inputs];
    for (index, words) in words.chunks_exact(stride).enumerate() {
        for (row, numbers) in weighted.iter_mut().enumerate() {
            *numbers = [W::Real::ZERO; C];
            let neuron = index * WORD + row;
            if neuron < a.len() {
                let from = &panel.rows[neuron * panel.columns + panel.first..][..columns];
                for (number, from) in numbers[..columns].iter_mut().zip(from) {
                    *number = a[neuron] * from.value();
                }
            }
        }
        for (table, rows) in tables.iter_mut().zip(weighted.as_chunks::<GROUP>().0) {
            for column in (0..C).step_by(STRIP) {
                fill_table(table, column, rows);
            }
        }
        for (sum, word) in sums.iter_mut().zip(words) {
            let mut total = if index == 0 { [W::Real::ZERO; C] } else { *sum };
            for (group, table) in tables.iter().enumerate() {
                let part = &table[(*word >> (GROUP * group)) as usize % SUMS];
                for c in 0..C {
                    total[c] = total[c] + part[c];
                }
            }
            *sum = total;
        }
    }
    for (mut out, sum) in out.rows_mut().into_iter().zip(sums) {
        let out = out.as_slice_mut().expect("rows are contiguous");
        for (out, sum) in out.iter_mut().zip(&sum[..columns]) {
            *out = *out + *sum;
        }
    }
}
