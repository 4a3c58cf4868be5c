//! Weight matrices of a dense network in blocks of rows: drawn from their streams and stored, regenerated in every pass, or given.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, s};

use crate::kernels::Real;
use crate::linalg::matmul::{filled, uninitialised};
use crate::linalg::workspace::{Buffer, Workspace};
use crate::model::Cell;
use crate::random::{NetworkStreams, block_rows, blocks};

/// Whether data is kept between passes or regenerated. Affects time and memory, not results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    Stored,
    Regenerated,
}

/// Where weights come from.
enum Source<T> {
    Streams(NetworkStreams),
    /// W_1 … W_L, and the readout weights a.
    Given(Arc<Vec<Array2<T>>>, Vec<T>),
}

/// Weights and readout of one network.
pub struct Weights<T> {
    source: Source<T>,
    cell: Cell,
    /// Matrices of layers 1..L if stored, else empty.
    matrices: Vec<Buffer<T>>,
    block: Vec<T>,
    scratch: Vec<f32>,
}

impl<T: Real> Weights<T> {
    pub fn new(streams: NetworkStreams, cell: Cell, storage: Storage, workspace: &Workspace<T>) -> Self {
        let mut weights = Self::with_source(Source::Streams(streams), cell);
        if storage == Storage::Stored {
            weights.matrices = (1..=cell.depth).map(|layer| weights.stored(layer, workspace)).collect();
        }
        weights
    }

    /// Weights that are not drawn: the matrices, each k_l × fan-in in standard layout, and the readout, length k_L.
    pub fn given(matrices: Arc<Vec<Array2<T>>>, readout: Vec<T>, cell: Cell) -> Self {
        assert!((1..=cell.depth).all(|layer| matrices[layer - 1].dim() == (cell.width_of(layer), cell.fan_in(layer))));
        assert_eq!(readout.len(), cell.width_of(cell.depth));
        Self::with_source(Source::Given(matrices, readout), cell)
    }

    fn with_source(source: Source<T>, cell: Cell) -> Self {
        Self { source, cell, matrices: Vec::new(), block: Vec::new(), scratch: Vec::new() }
    }

    /// k_l × fan-in.
    fn shape(&self, layer: usize) -> (usize, usize) {
        (self.cell.width_of(layer), self.cell.fan_in(layer))
    }

    fn stored(&mut self, layer: usize, workspace: &Workspace<T>) -> Buffer<T> {
        let (width, fan_in) = self.shape(layer);
        let mut numbers = workspace.buffer(width * fan_in);
        // SAFETY: `draw` writes every entry and reads none.
        unsafe {
            let mut matrix = uninitialised((width, fan_in), &mut numbers.spare_capacity_mut()[..width * fan_in]);
            self.draw(layer, matrix.as_slice_mut().expect("rows are contiguous"));
            numbers.set_len(width * fan_in);
        }
        numbers
    }

    /// Fills `entries` with the matrix of `layer`, row-major.
    fn draw(&mut self, layer: usize, entries: &mut [T]) {
        let (width, fan_in) = self.shape(layer);
        let Source::Streams(streams) = &self.source else { unreachable!("given weights are not drawn") };
        for block in 0..blocks(width) {
            let rows = block_rows(width, block);
            let out = &mut entries[rows.start * fan_in..rows.end * fan_in];
            T::fill_with(out, &mut self.scratch, |out| streams.weight_block(layer, block, out));
        }
    }

    /// The matrix of `layer` (1-based), k_l × fan-in.
    pub fn matrix(&mut self, layer: usize) -> Array2<T> {
        let shape = self.shape(layer);
        if let Source::Given(matrices, _) = &self.source {
            return matrices[layer - 1].clone();
        }
        if let Some(stored) = self.matrices.get(layer - 1) {
            return Array2::from_shape_vec(shape, stored.to_vec()).expect("all entries are stored");
        }
        // SAFETY: `draw` writes every entry and reads none.
        unsafe { filled(shape, |mut matrix| self.draw(layer, matrix.as_slice_mut().expect("rows are contiguous"))) }
    }

    /// Block `block` of the matrix of `layer` (1-based), at most [`BLOCK_ROWS`](crate::random::BLOCK_ROWS) × fan-in.
    pub fn rows(&mut self, layer: usize, block: usize) -> ArrayView2<'_, T> {
        let rows = block_rows(self.cell.width_of(layer), block);
        let streams = match &self.source {
            Source::Given(matrices, _) => return matrices[layer - 1].slice(s![rows, ..]),
            Source::Streams(streams) => streams,
        };
        if let Some(stored) = self.matrices.get(layer - 1) {
            let fan_in = self.cell.fan_in(layer);
            let numbers = &stored[rows.start * fan_in..rows.end * fan_in];
            return ArrayView2::from_shape((rows.len(), fan_in), numbers).expect("whole rows");
        }
        let shape = (rows.len(), self.cell.fan_in(layer));
        self.block.resize(shape.0 * shape.1, T::zero());
        T::fill_with(&mut self.block, &mut self.scratch, |out| streams.weight_block(layer, block, out));
        ArrayView2::from_shape(shape, &self.block).expect("the block was just resized")
    }

    /// Fills `out` with the readout weights of block `block`.
    pub fn readout(&mut self, block: usize, out: &mut Vec<T>) {
        let rows = block_rows(self.cell.width_of(self.cell.depth), block);
        out.resize(rows.len(), T::zero());
        match &self.source {
            Source::Given(_, readout) => out.copy_from_slice(&readout[rows]),
            Source::Streams(streams) => T::fill_with(out, &mut self.scratch, |out| streams.readout_block(block, out)),
        }
    }
}
