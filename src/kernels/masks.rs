//! ReLU masks as bits: made while a row of pre-activations is read out, counted where two inputs overlap, and multiplied by tables.
//!
//! A product with a matrix of zeros and ones needs no multiplications, and sums of few rows can be shared by all inputs (the method of
//! four Russians; Arlazarov, Dinic, Kronrod & Faradzhev 1970): [`GROUP`] rows have 16 sums, which are tabled, and each input adds the one
//! that its bits name. That is one addition of a row for each four rows of a matrix product.
//!
//! Blocking: rows are read out a word of 16 neurons at a time, in f64 vectors of 8 (2 flops and 8 bytes a neuron in f32), in 16 interleaved
//! sums. Overlaps of 32 inputs with one are counted at a time, in 16 bits, over all words of a block. Products go by panels of up to
//! [`PANEL`] columns; in each a word at a time, whose four tables (16 KiB in f32) stay in the first cache, while the sums of an input over
//! these neurons stay in registers: 16 additions a group and column for the tables, one a group, column and input; 4 bytes a number of the
//! rows, read once. Sums run in the arithmetic of the rows, in the order of the groups, and are added to what is there once a block: so all
//! levels give the same bits, and the sums of an input do not depend on the other inputs.
//! Rates: readout with mask 2.3, 5.7 and 11 neurons; overlaps 62, 131 and 194 neurons and pairs of inputs; the masked gradient of 256 neurons
//! at 100 inputs, d = 500, as flops of the product that it stands for, 109, 236 and 367 (that product: 1.0, 107 and 211).

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256d, __m512d};

use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::vector::{LANES, Vector, padded, widened};
use super::{Level, Real, dispatch};

/// Neurons in a word of bits.
const WORD: usize = 2 * LANES;
/// Rows whose sums are tabled together.
const GROUP: usize = 4;
const SUMS: usize = 1 << GROUP;
/// Columns of a table that are made together.
const STRIP: usize = 16;
/// Most columns that are summed at a time.
const PANEL: usize = 64;
/// Inputs whose overlaps with another are counted together: a vector of words.
const TOGETHER: usize = 32;

/// Additions of a product of the masks of `inputs` inputs with `neurons` rows of `columns` numbers.
pub fn additions(inputs: usize, neurons: usize, columns: usize) -> f64 {
    neurons.div_ceil(GROUP) as f64 * (SUMS + inputs) as f64 * columns as f64
}

/// Which neurons of a block are on, for each of a number of inputs.
#[derive(Debug, Clone, Default)]
pub struct Masks {
    inputs: usize,
    neurons: usize,
    /// Word by word of the neurons, in each input by input, filled up to a multiple of [`TOGETHER`].
    words: Vec<u16>,
    /// Room for tables and sums.
    room: Room,
}

/// Bytes that are used as numbers of one of the two arithmetics.
#[derive(Debug, Clone, Default)]
struct Room(Vec<Line>);

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; 64],
}

impl Room {
    /// Room for `count` numbers, which still hold what was last written there.
    fn of<T: Real>(&mut self, count: usize) -> &mut [T] {
        let lines = (count * size_of::<T>()).div_ceil(size_of::<Line>());
        self.0.resize(lines.max(self.0.len()), Line { _bytes: [0; 64] });
        // SAFETY: the room is that large and aligned, every byte of it is initialised, and f32 and f64 are made of any bytes.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), count) }
    }
}

impl Masks {
    /// Makes room for a block of `neurons` neurons at `inputs` inputs.
    pub fn reset(&mut self, inputs: usize, neurons: usize) {
        (self.inputs, self.neurons) = (inputs, neurons);
        self.words.resize(self.stride() * neurons.div_ceil(WORD), 0);
    }

    fn stride(&self) -> usize {
        self.inputs.next_multiple_of(TOGETHER)
    }

    /// Takes the mask of input `input`, z > 0, from its pre-activations `z`, and returns Σ_j a_j ψ(z_j) in f64, with the bits of
    /// [`readout`](super::relu::readout).
    pub fn read_out<T: Real>(&mut self, input: usize, a: &[T], z: &[T]) -> f64 {
        assert!(input < self.inputs && z.len() == self.neurons && a.len() == self.neurons, "a row of the block");
        let stride = self.stride();
        let words = &mut self.words[input..];
        match super::level() {
            // SAFETY: the level is available.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { read_out_avx512(words, stride, a, z) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { read_out_avx2(words, stride, a, z) },
            // SAFETY: needs no instructions.
            _ => unsafe { read_out::<T, [f64; LANES]>(words, stride, a, z) },
        }
    }

    /// `overlaps` (inputs × inputs) += the numbers of neurons that are on at both of two inputs, the lower triangle alone.
    pub fn add_overlaps(&self, overlaps: ArrayViewMut2<f64>) {
        assert_eq!(overlaps.dim(), (self.inputs, self.inputs), "shape of the overlaps");
        assert!(self.neurons <= usize::from(u16::MAX), "they are counted in 16 bits");
        let (words, stride) = (&self.words[..], self.stride());
        dispatch!(overlap_body [] (words: &[u16], stride: usize, overlaps: ArrayViewMut2<'_, f64>), words, stride, overlaps)
    }

    /// `out` (inputs × q) += Σ_j m_ij a_j v_j, the masked rows v_j of `rows` (neurons × q, one after the other) with weights `a`.
    pub fn add_weighted_rows<T: Real>(&mut self, a: &[T], rows: ArrayView2<T>, mut out: ArrayViewMut2<T>) {
        assert!(a.len() == self.neurons && rows.nrows() == self.neurons, "a row for each neuron");
        assert!(out.nrows() == self.inputs && out.ncols() == rows.ncols(), "shape of a masked product");
        if self.inputs == 0 || self.neurons == 0 {
            return;
        }
        let (stride, columns) = (self.stride(), rows.ncols());
        let words = &self.words[..];
        let rows = rows.to_slice().expect("rows follow one another");
        for first in (0..columns).step_by(PANEL) {
            let out = out.slice_mut(s![.., first..columns.min(first + PANEL)]);
            let panel = Panel { rows, columns, first };
            let room = self.room.of::<T>((WORD + WORD / GROUP * SUMS + self.inputs) * PANEL);
            dispatch!(panel_body [T: Real] (words: &[u16], stride: usize, a: &[T], panel: Panel<'_, T>, out: ArrayViewMut2<'_, T>, room: &mut [T]),
                words, stride, a, panel, out, room);
        }
    }
}

/// The columns of a matrix from one on.
#[derive(Clone, Copy)]
struct Panel<'a, T> {
    rows: &'a [T],
    /// Numbers of a row.
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
    // SAFETY: the caller's processor has the instructions of V.
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

/// Adds a·z of the neurons of a word that are on to `sums`, and returns which are.
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
fn panel_body<T: Real>(words: &[u16], stride: usize, a: &[T], panel: Panel<'_, T>, out: ArrayViewMut2<'_, T>, room: &mut [T]) {
    match out.ncols() {
        0..=16 => sum_panel::<T, 16>(words, stride, a, panel, out, room),
        17..=32 => sum_panel::<T, 32>(words, stride, a, panel, out, room),
        33..=48 => sum_panel::<T, 48>(words, stride, a, panel, out, room),
        _ => sum_panel::<T, PANEL>(words, stride, a, panel, out, room),
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

/// Writes the sums of all subsets of four rows to columns `column..` of a table.
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

/// The sums of a panel of up to `C` columns.
#[inline(always)]
fn sum_panel<T: Real, const C: usize>(
    words: &[u16],
    stride: usize,
    a: &[T],
    panel: Panel<'_, T>,
    mut out: ArrayViewMut2<'_, T>,
    room: &mut [T],
) {
    let (inputs, columns) = out.dim();
    let (room, _) = room.as_chunks_mut::<C>();
    let (weighted, room) = room.split_at_mut(WORD);
    let (tables, sums) = room.split_at_mut(WORD / GROUP * SUMS);
    let (tables, _) = tables.as_chunks_mut::<SUMS>();
    let sums = &mut sums[..inputs];
    for (index, words) in words.chunks_exact(stride).enumerate() {
        for (row, numbers) in weighted.iter_mut().enumerate() {
            *numbers = [T::zero(); C];
            let neuron = index * WORD + row;
            if neuron < a.len() {
                let from = &panel.rows[neuron * panel.columns + panel.first..][..columns];
                for (number, from) in numbers[..columns].iter_mut().zip(from) {
                    *number = a[neuron] * *from;
                }
            }
        }
        for (table, rows) in tables.iter_mut().zip(weighted.as_chunks::<GROUP>().0) {
            for column in (0..C).step_by(STRIP) {
                fill_table(table, column, rows);
            }
        }
        for (sum, word) in sums.iter_mut().zip(words) {
            let mut total = if index == 0 { [T::zero(); C] } else { *sum };
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
