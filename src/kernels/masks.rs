//! ReLU masks as bits, and products with them by tables: for each input the sum of the rows v_j of a block whose neuron j is on.
//!
//! A product with a matrix of zeros and ones needs no multiplications, and sums of few rows can be shared by all inputs (the method of
//! four Russians; Arlazarov, Dinic, Kronrod & Faradzhev 1970): [`GROUP`] rows have 16 sums, which are tabled, and each input adds the one
//! that its bits name. That is one addition of a row for each four rows of a matrix product.
//!
//! Blocking: panels of up to [`PANEL`] columns; in each a word of 16 neurons at a time, whose four tables (16 KiB in f32) stay in the
//! first cache, while the sums of an input over these neurons stay in registers. 16 additions a group and column for the tables, one a
//! group, column and input; 4 bytes a number of the rows, read once. Sums run in the arithmetic of the rows, in the order of the groups, and
//! are added to what is there once a block: so all levels give the same bits, and the sums of an input do not depend on the other inputs.
//! Rates: masks 2.0, 2.9 and 2.9 neurons; the masked gradient of 256 neurons at 100 inputs, d = 500, as flops of the product that it
//! stands for, 53, 118 and 144 (that product: 0.5, 48 and 90).

use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::{Real, dispatch};

/// Neurons in a word of bits.
const WORD: usize = 16;
/// Rows whose sums are tabled together.
const GROUP: usize = 4;
const SUMS: usize = 1 << GROUP;
/// Columns of a table that are made together.
const LANES: usize = 16;
/// Most columns that are summed at a time.
const PANEL: usize = 64;

/// Additions of a product of the masks of `inputs` inputs with `neurons` rows of `columns` numbers.
pub fn additions(inputs: usize, neurons: usize, columns: usize) -> f64 {
    neurons.div_ceil(GROUP) as f64 * (SUMS + inputs) as f64 * columns as f64
}

/// Which neurons of a block are on, for each of a number of inputs.
#[derive(Debug, Clone, Default)]
pub struct Masks {
    inputs: usize,
    neurons: usize,
    /// Word by word of the neurons, in each input by input.
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
        self.words.resize(inputs * neurons.div_ceil(WORD), 0);
    }

    /// Takes the mask of input `input`, z > 0, from its pre-activations `z`.
    pub fn set<T: Real>(&mut self, input: usize, z: &[T]) {
        assert!(input < self.inputs && z.len() == self.neurons, "a mask of the block");
        let words = &mut self.words[input..];
        dispatch!(set_body [T: Real] (words: &mut [u16], inputs: usize, z: &[T]), words, self.inputs, z)
    }

    /// `out` (inputs × q) += Σ_j m_ij a_j v_j, the masked rows v_j of `rows` (neurons × q, one after the other) with weights `a`.
    pub fn add_weighted_rows<T: Real>(&mut self, a: &[T], rows: ArrayView2<T>, mut out: ArrayViewMut2<T>) {
        assert!(a.len() == self.neurons && rows.nrows() == self.neurons, "a row for each neuron");
        assert!(out.nrows() == self.inputs && out.ncols() == rows.ncols(), "shape of a masked product");
        if self.inputs == 0 || self.neurons == 0 {
            return;
        }
        let (words, columns) = (&self.words[..], rows.ncols());
        let rows = rows.to_slice().expect("rows follow one another");
        for first in (0..columns).step_by(PANEL) {
            let out = out.slice_mut(s![.., first..columns.min(first + PANEL)]);
            let panel = Panel { rows, stride: columns, first };
            let room = self.room.of::<T>((WORD + WORD / GROUP * SUMS + self.inputs) * PANEL);
            dispatch!(panel_body [T: Real] (words: &[u16], a: &[T], panel: Panel<'_, T>, out: ArrayViewMut2<'_, T>, room: &mut [T]),
                words, a, panel, out, room);
        }
    }
}

/// The columns of a matrix from one on.
#[derive(Clone, Copy)]
struct Panel<'a, T> {
    rows: &'a [T],
    /// Numbers of a row.
    stride: usize,
    first: usize,
}

#[inline(always)]
fn set_body<T: Real>(words: &mut [u16], inputs: usize, z: &[T]) {
    let (whole, rest) = z.as_chunks::<WORD>();
    for (word, z) in words.iter_mut().step_by(inputs).zip(whole) {
        *word = word_of(z);
    }
    if !rest.is_empty() {
        let mut last = [T::zero(); WORD];
        last[..rest.len()].copy_from_slice(rest);
        words[whole.len() * inputs] = word_of(&last);
    }
}

/// The signs of a word's neurons as bits, the first one lowest.
#[inline(always)]
fn word_of<T: Real>(z: &[T; WORD]) -> u16 {
    let mut bits = [0_u16; WORD];
    for (lane, (bit, z)) in bits.iter_mut().zip(z).enumerate() {
        *bit = if *z > T::zero() { 1 << lane } else { 0 };
    }
    let mut half = WORD / 2;
    while half > 0 {
        for lane in 0..half {
            bits[lane] |= bits[lane + half];
        }
        half /= 2;
    }
    bits[0]
}

#[inline(always)]
fn panel_body<T: Real>(words: &[u16], a: &[T], panel: Panel<'_, T>, out: ArrayViewMut2<'_, T>, room: &mut [T]) {
    match out.ncols() {
        0..=16 => sum_panel::<T, 16>(words, a, panel, out, room),
        17..=32 => sum_panel::<T, 32>(words, a, panel, out, room),
        33..=48 => sum_panel::<T, 48>(words, a, panel, out, room),
        _ => sum_panel::<T, PANEL>(words, a, panel, out, room),
    }
}

#[inline(always)]
fn plus<T: Real>(a: [T; LANES], b: [T; LANES]) -> [T; LANES] {
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
    let none = [T::zero(); LANES];
    let mut lanes = [none; GROUP];
    for (lanes, row) in lanes.iter_mut().zip(rows) {
        lanes.copy_from_slice(&row[column..column + LANES]);
    }
    let rows = lanes;
    let low = [none, rows[0], rows[1], plus(rows[0], rows[1])];
    let high = [none, rows[2], rows[3], plus(rows[2], rows[3])];
    let mut put = |entry: usize, sum: [T; LANES]| table[entry][column..column + LANES].copy_from_slice(&sum);
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
fn sum_panel<T: Real, const C: usize>(words: &[u16], a: &[T], panel: Panel<'_, T>, mut out: ArrayViewMut2<'_, T>, room: &mut [T]) {
    let (inputs, columns) = out.dim();
    let (room, _) = room.as_chunks_mut::<C>();
    let (weighted, room) = room.split_at_mut(WORD);
    let (tables, sums) = room.split_at_mut(WORD / GROUP * SUMS);
    let (tables, _) = tables.as_chunks_mut::<SUMS>();
    for (index, words) in words.chunks_exact(inputs).enumerate() {
        for (row, numbers) in weighted.iter_mut().enumerate() {
            *numbers = [T::zero(); C];
            let neuron = index * WORD + row;
            if neuron < a.len() {
                let from = &panel.rows[neuron * panel.stride + panel.first..][..columns];
                for (number, from) in numbers[..columns].iter_mut().zip(from) {
                    *number = a[neuron] * *from;
                }
            }
        }
        for (table, rows) in tables.iter_mut().zip(weighted.as_chunks::<GROUP>().0) {
            for column in (0..C).step_by(LANES) {
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
        for (out, sum) in out.iter_mut().zip(sum) {
            *out = *out + *sum;
        }
    }
}
