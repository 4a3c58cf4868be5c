//! The implicit engine: weight matrices that are never stored, nor drawn entry by entry.
//!
//! Each k × k matrix is a [`GaussianMatrix`]: its products with the vectors that are asked for are drawn in place of its entries, exactly
//! in joint law, at a cost that is linear in k. A network asks for the same products in the same order on every machine: first all inputs
//! forward, then their gradients backward, then points of the lines. So what it draws is a function of its streams alone. The first layer
//! is drawn as it is where d is small (d numbers a neuron cost less than n products), and implicit where d is large.

mod basis;
mod cholesky;
pub mod gaussian_matrix;

use ndarray::{Array2, ArrayView2, s};

use self::gaussian_matrix::{GaussianMatrix, Side};
use super::product::{add_times, times_transposed, zeros};
use super::weights::{Storage, Weights};
use super::{Engine, LineBlock, LinePoint, ValueAndGradient, inputs};
use crate::experiment::Cell;
use crate::kernels::{Real, relu};
use crate::random::{NetworkStreams, block_rows, blocks};

/// How the first layer is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLayer {
    /// Its rows are drawn, at every pass again.
    Drawn,
    /// Its products are drawn.
    Implicit,
}

impl FirstLayer {
    /// Which way is cheaper for `inputs` inputs: three passes of d normals and 6·n·d flops a neuron, or products whose number does not
    /// depend on d. A function of the cell and the experiment alone.
    pub fn of(cell: Cell, inputs: usize) -> Self {
        if cell.dim > 8 * inputs { FirstLayer::Implicit } else { FirstLayer::Drawn }
    }
}

/// W₁ in one of the two ways.
enum First<T> {
    Drawn(Weights<T>),
    Implicit(GaussianMatrix<T>),
}

/// One network of which products are drawn, and its inputs.
pub struct Implicit<T> {
    cell: Cell,
    first: First<T>,
    /// W₂..W_L.
    hidden: Vec<GaussianMatrix<T>>,
    /// a, length k.
    readout: Vec<T>,
    /// x, n × d.
    inputs: Array2<T>,
    /// W₁x, n × k; empty until it is known.
    z: Array2<T>,
    /// W₁p, n × k; empty until directions are set.
    u: Array2<T>,
    /// 1/√k.
    scale: f64,
}

impl<T: Real> Implicit<T> {
    /// The network of `streams` with its first `inputs` inputs.
    pub fn new(streams: NetworkStreams, cell: Cell, inputs: usize) -> Self {
        Self::with_first_layer(streams, cell, inputs, FirstLayer::of(cell, inputs))
    }

    /// The same with the first layer in a given way.
    pub fn with_first_layer(streams: NetworkStreams, cell: Cell, inputs: usize, first: FirstLayer) -> Self {
        let mut weights = Weights::new(streams, cell, Storage::Regenerated);
        let mut readout = Vec::with_capacity(cell.width);
        let mut block_readout = Vec::new();
        for block in 0..blocks(cell.width) {
            weights.readout(block, &mut block_readout);
            readout.extend_from_slice(&block_readout);
        }
        Self {
            cell,
            first: match first {
                FirstLayer::Drawn => First::Drawn(weights),
                FirstLayer::Implicit => First::Implicit(matrix(streams, cell, 1)),
            },
            hidden: (2..=cell.depth).map(|layer| matrix(streams, cell, layer)).collect(),
            readout,
            inputs: self::inputs(streams, cell, inputs),
            z: zeros((0, 0)),
            u: zeros((0, 0)),
            scale: 1.0 / (cell.width as f64).sqrt(),
        }
    }

    /// W₁x for each row x: n × k from n × d.
    fn first_times(&mut self, x: Array2<T>) -> Array2<T> {
        let weights = match &mut self.first {
            First::Implicit(matrix) => return matrix.times(x),
            First::Drawn(weights) => weights,
        };
        let mut z = zeros((x.nrows(), self.cell.width));
        for block in 0..blocks(self.cell.width) {
            let rows = block_rows(self.cell.width, block);
            times_transposed(x.view(), weights.rows(1, block), z.slice_mut(s![.., rows]));
        }
        z
    }

    /// W₁ᵀg for each row g: n × d from n × k.
    fn first_transpose_times(&mut self, gradient: Array2<T>) -> Array2<T> {
        let weights = match &mut self.first {
            First::Implicit(matrix) => return matrix.transpose_times(gradient),
            First::Drawn(weights) => weights,
        };
        let mut below = zeros((gradient.nrows(), self.cell.dim));
        for block in 0..blocks(self.cell.width) {
            let rows = block_rows(self.cell.width, block);
            add_times(gradient.slice(s![.., rows]), weights.rows(1, block), below.view_mut());
        }
        below
    }
}

/// The matrix of `layer`, of which nothing is known.
fn matrix<T: Real>(streams: NetworkStreams, cell: Cell, layer: usize) -> GaussianMatrix<T> {
    let mut scratch = Vec::new();
    let fresh = move |side: Side, direction: usize, chunk: usize, out: &mut [T]| {
        T::fill_with(out, &mut scratch, |out| streams.product(layer, side == Side::TransposeTimes, direction, chunk, out));
    };
    GaussianMatrix::new(cell.width, cell.fan_in(layer), Box::new(fresh))
}

/// ψ of every entry.
fn relu_rows<T: Real>(mut z: Array2<T>) -> Array2<T> {
    relu::relu(z.as_slice_mut().expect("a product is contiguous"));
    z
}

impl<T: Real> Engine<T> for Implicit<T> {
    fn depth(&self) -> usize {
        self.cell.depth
    }

    fn width(&self) -> usize {
        self.cell.width
    }

    fn value_and_gradient(&mut self) -> ValueAndGradient<T> {
        self.z = self.first_times(self.inputs.clone());
        // h_1 .. h_(L−1), and z_L.
        let mut activations: Vec<Array2<T>> = Vec::new();
        let mut top = self.z.clone();
        for matrix in &mut self.hidden {
            let h = relu_rows(top);
            top = matrix.times(h.clone());
            activations.push(h);
        }
        let masked = top
            .rows_mut()
            .into_iter()
            .map(|mut z| relu::readout_and_mask(&self.readout, z.as_slice_mut().expect("rows are contiguous")) * self.scale);
        let value = masked.collect();
        let mut gradient = top;
        for (matrix, h) in self.hidden.iter_mut().zip(&activations).rev() {
            gradient = matrix.transpose_times(gradient);
            relu::mask_gradient(h.as_slice().expect("contiguous"), gradient.as_slice_mut().expect("contiguous"));
        }
        let mut gradient = self.first_transpose_times(gradient);
        let scale = T::of_f64(self.scale);
        gradient.mapv_inplace(|g| g * scale);
        ValueAndGradient { value, gradient }
    }

    fn set_directions(&mut self, directions: Array2<T>) {
        assert_eq!(directions.dim(), self.inputs.dim());
        self.u = self.first_times(directions);
    }

    fn visit_first_layer(&mut self, visit: &mut dyn FnMut(LineBlock<T>)) {
        visit(LineBlock { neurons: 0..self.cell.width, readout: &self.readout, z: self.z.view(), u: self.u.view() });
    }

    fn evaluate(&mut self, points: &[LinePoint]) -> Vec<f64> {
        let mut h = zeros((points.len(), self.cell.width));
        for (point, mut h) in points.iter().zip(h.rows_mut()) {
            relu::relu_on_line(
                self.z.row(point.input).to_slice().expect("rows are contiguous"),
                self.u.row(point.input).to_slice().expect("rows are contiguous"),
                T::of_f64(point.t),
                h.as_slice_mut().expect("rows are contiguous"),
            );
        }
        for matrix in &mut self.hidden {
            h = relu_rows(matrix.times(h));
        }
        readouts(&self.readout, h.view(), self.scale)
    }

    fn layer_weights(&mut self, _layer: usize) -> Option<Array2<T>> {
        None
    }
}

/// f from the activations of the last layer, one value a row.
fn readouts<T: Real>(readout: &[T], h: ArrayView2<T>, scale: f64) -> Vec<f64> {
    h.rows().into_iter().map(|h| relu::readout(readout, h.to_slice().expect("rows are contiguous")) * scale).collect()
}
