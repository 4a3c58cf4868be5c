//! Weight matrices of a dense network in blocks of rows: drawn from their streams and stored, regenerated in every pass, or given.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, s};

use crate::kernels::{Real, Weight};
use crate::linalg::matmul::{uninitialised, zeros};
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
enum Source<W: Weight> {
    Streams(NetworkStreams),
    /// W_1 … W_L, and the readout weights a.
    Given(Arc<Vec<Array2<W>>>, Vec<W::Real>),
}

/// Weights and readout of one network.
pub struct Weights<W: Weight> {
    source: Source<W>,
    cell: Cell,
    /// Matrices of layers 1..L if stored, else empty; the numbers are bits of weights.
    matrices: Vec<Buffer<W::Real>>,
    block: Vec<W>,
}

impl<W: Weight> Weights<W> {
    pub fn new(streams: NetworkStreams, cell: Cell, storage: Storage, workspace: &Workspace<W::Real>) -> Self {
        let mut weights = Self::with_source(Source::Streams(streams), cell);
        if storage == Storage::Stored {
            weights.matrices = (1..=cell.depth).map(|layer| weights.stored(layer, workspace)).collect();
        }
        weights
    }

    /// Weights that are not drawn: the matrices, each k_l × fan-in in standard layout, and the readout, length k_L.
    pub fn given(matrices: Arc<Vec<Array2<W>>>, readout: Vec<W::Real>, cell: Cell) -> Self {
        assert!((1..=cell.depth).all(|layer| matrices[layer - 1].dim() == (cell.width_of(layer), cell.fan_in(layer))));
        assert_eq!(readout.len(), cell.width_of(cell.depth));
        Self::with_source(Source::Given(matrices, readout), cell)
    }

    fn with_source(source: Source<W>, cell: Cell) -> Self {
        const { assert!(size_of::<W>() == size_of::<W::Real>() && align_of::<W>() == align_of::<W::Real>()) };
        Self { source, cell, matrices: Vec::new(), block: Vec::new() }
    }

    /// k_l × fan-in.
    fn shape(&self, layer: usize) -> (usize, usize) {
        (self.cell.width_of(layer), self.cell.fan_in(layer))
    }

    fn stored(&mut self, layer: usize, workspace: &Workspace<W::Real>) -> Buffer<W::Real> {
        let (width, fan_in) = self.shape(layer);
        let mut numbers = workspace.buffer(width * fan_in);
        // SAFETY: a weight has the layout of a number, and `draw` writes every entry and reads none.
        unsafe {
            let mut matrix = uninitialised((width, fan_in), &mut numbers.spare_capacity_mut()[..width * fan_in]);
            self.draw(layer, std::slice::from_raw_parts_mut(matrix.as_mut_ptr().cast(), matrix.len()));
            numbers.set_len(width * fan_in);
        }
        numbers
    }

    /// The entries of the matrix of `layer`, if stored.
    fn kept(&self, layer: usize) -> Option<&[W]> {
        // SAFETY: a weight has the layout of a number, and the numbers are bits of weights.
        self.matrices.get(layer - 1).map(|numbers| unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len()) })
    }

    /// Fills `entries` with the matrix of `layer`, row-major.
    fn draw(&self, layer: usize, entries: &mut [W]) {
        let (width, fan_in) = self.shape(layer);
        let Source::Streams(streams) = &self.source else { unreachable!("given weights are not drawn") };
        for block in 0..blocks(width) {
            let rows = block_rows(width, block);
            streams.weight_block(layer, block, &mut entries[rows.start * fan_in..rows.end * fan_in]);
        }
    }

    /// The matrix of `layer` (1-based), k_l × fan-in, in numbers.
    pub fn matrix(&mut self, layer: usize) -> Array2<W::Real> {
        let (width, fan_in) = self.shape(layer);
        let mut matrix = zeros((width, fan_in));
        for block in 0..blocks(width) {
            let mut rows = matrix.slice_mut(s![block_rows(width, block), ..]);
            rows.zip_mut_with(&self.rows(layer, block), |number: &mut W::Real, weight| *number = weight.value());
        }
        matrix
    }

    /// Block `block` of the matrix of `layer` (1-based), at most [`BLOCK_ROWS`](crate::random::BLOCK_ROWS) × fan-in.
    pub fn rows(&mut self, layer: usize, block: usize) -> ArrayView2<'_, W> {
        let rows = block_rows(self.cell.width_of(layer), block);
        let streams = match &self.source {
            Source::Given(matrices, _) => return matrices[layer - 1].slice(s![rows, ..]),
            Source::Streams(streams) => streams,
        };
        let shape = (rows.len(), self.cell.fan_in(layer));
        if !self.matrices.is_empty() {
            let kept = &self.kept(layer).expect("all layers are stored")[rows.start * shape.1..rows.end * shape.1];
            return ArrayView2::from_shape(shape, kept).expect("whole rows");
        }
        self.block.resize(shape.0 * shape.1, W::drawn(0.0));
        streams.weight_block(layer, block, &mut self.block);
        ArrayView2::from_shape(shape, &self.block).expect("the block was just resized")
    }

    /// Fills `out` with the readout weights of block `block`.
    pub fn readout(&mut self, block: usize, out: &mut Vec<W::Real>) {
        let rows = block_rows(self.cell.width_of(self.cell.depth), block);
        out.resize(rows.len(), W::Real::ZERO);
        match &self.source {
            Source::Given(_, readout) => out.copy_from_slice(&readout[rows]),
            Source::Streams(streams) => streams.readout_block(block, out),
        }
    }
}
