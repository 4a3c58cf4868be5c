//! The implicit engine: weight matrices are neither stored nor drawn entry by entry.
//!
//! Each layer above the first is a [`GaussianMatrix`]: instead of its entries, its products with the requested vectors are drawn,
//! exactly in joint law, at a cost linear in k. The sequence of products is the same on every machine: all inputs forward, their
//! gradients backward, then points on the lines. So results are a function of the network's streams alone. The first layer is
//! drawn explicitly for small d, where d normals per neuron cost less than n products, and implicitly for large d.
//!
//! A member of a team holds its share of every vector of neurons, written k below; inputs and gradients at the inputs it holds whole.

use ndarray::{Array2, ArrayView2, s};

use super::inputs::sphere_inputs;
use super::weights::{Storage, Weights};
use super::{Differentiated, Engine, Hidden, LineBlock, LinePoint, Lines, ValueAndGradient};
use crate::kernels::{Real, Weight, activation};
use crate::linalg::gaussian_matrix::{GaussianMatrix, Side};
use crate::linalg::matmul::{add_times, sum_products, times_transposed, zeros};
use crate::linalg::workspace::Workspace;
use crate::model::Activation;
use crate::model::Cell;
use crate::random::{NetworkStreams, blocks_of};
use crate::team::Share;

/// How products with the first layer are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLayer {
    /// Rows of W₁ are drawn, and regenerated in every pass.
    Drawn,
    /// Products with W₁ are drawn.
    Implicit,
}

impl FirstLayer {
    /// The cheaper one for `inputs` inputs. Drawn rows cost three passes of d normals and 6·n·d flops per neuron; the cost of
    /// implicit products does not depend on d. At depth 1 no other layer needs vectors of length k, so wide networks draw rows up
    /// to a larger d to save memory. Depends on the cell and the number of inputs only.
    pub fn of(cell: Cell, inputs: usize) -> Self {
        let is_wide = cell.depth == 1 && cell.width_of(1).saturating_mul(inputs) > MOST_NUMBERS;
        let least = if is_wide { DRAWN_BELOW_WIDE } else { DRAWN_BELOW };
        if cell.dim > least * inputs { FirstLayer::Implicit } else { FirstLayer::Drawn }
    }
}

/// Rows of the first layer are drawn up to this d/n …
const DRAWN_BELOW: usize = 3;
/// … or up to this one at depth 1 if n·k exceeds [`MOST_NUMBERS`].
const DRAWN_BELOW_WIDE: usize = 8;
const MOST_NUMBERS: usize = 20_000_000;

/// W₁, see [`FirstLayer`].
enum First<W: Weight> {
    Drawn(Weights<W>),
    Implicit(GaussianMatrix<W>),
}

/// One network with implicit weights, and its inputs.
pub struct Implicit<W: Weight> {
    cell: Cell,
    psi: Activation,
    first: First<W>,
    /// W₂..W_L.
    hidden: Vec<GaussianMatrix<W>>,
    /// a, length k_L.
    readout: Vec<W::Real>,
    /// The neurons of the first and of the last layer.
    first_share: Share,
    last_share: Share,
    workspace: Workspace<W::Real>,
    /// x, n × d.
    inputs: Array2<W::Real>,
    /// 1/√k_L.
    scale: f64,
}

impl<W: Weight> Implicit<W> {
    /// The ReLU network of `streams` with its first `inputs` inputs on the sphere.
    pub fn new(streams: NetworkStreams, cell: Cell, inputs: usize) -> Self {
        Self::with_first_layer(streams, cell, inputs, FirstLayer::of(cell, inputs))
    }

    /// As [`new`](Self::new), with a given treatment of the first layer.
    pub fn with_first_layer(streams: NetworkStreams, cell: Cell, inputs: usize, first: FirstLayer) -> Self {
        Self::build(streams, cell, Activation::Relu, sphere_inputs(streams, cell, inputs), first, &Workspace::default())
    }

    /// The network of `streams` with activation `psi` at `inputs`, n × d.
    pub fn with(
        streams: NetworkStreams,
        cell: Cell,
        psi: Activation,
        inputs: Array2<W::Real>,
        workspace: &Workspace<W::Real>,
    ) -> Self {
        let first = FirstLayer::of(cell, inputs.nrows());
        Self::build(streams, cell, psi, inputs, first, workspace)
    }

    fn build(
        streams: NetworkStreams,
        cell: Cell,
        psi: Activation,
        inputs: Array2<W::Real>,
        first: FirstLayer,
        workspace: &Workspace<W::Real>,
    ) -> Self {
        let mut weights = Weights::new(streams, cell, Storage::Regenerated, workspace);
        let last_share = workspace.share(cell.width_of(cell.depth));
        let mut readout = Vec::with_capacity(last_share.len());
        let mut block_readout = Vec::new();
        for (block, _) in blocks_of(&last_share, 0..last_share.len()) {
            weights.readout(block, &mut block_readout);
            readout.extend_from_slice(&block_readout);
        }
        Self {
            cell,
            psi,
            first: match first {
                FirstLayer::Drawn => First::Drawn(weights),
                FirstLayer::Implicit => First::Implicit(matrix(streams, cell, 1, workspace)),
            },
            hidden: (2..=cell.depth).map(|layer| matrix(streams, cell, layer, workspace)).collect(),
            readout,
            first_share: workspace.share(cell.width_of(1)),
            scale: 1.0 / (last_share.total() as f64).sqrt(),
            last_share,
            workspace: workspace.clone(),
            inputs,
        }
    }

    /// W₁x for each row x: n × k_1 from n × d.
    fn first_times(&mut self, x: Array2<W::Real>) -> Array2<W::Real> {
        let weights = match &mut self.first {
            First::Implicit(matrix) => return matrix.times(x),
            First::Drawn(weights) => weights,
        };
        let mut z = self.workspace.matrix((x.nrows(), self.first_share.len()));
        for (block, columns) in blocks_of(&self.first_share, 0..self.first_share.len()) {
            times_transposed(x.view(), weights.rows(1, block), z.slice_mut(s![.., columns]));
        }
        z
    }

    /// W₁ᵀg for each row g: n × d from n × k_1.
    fn first_transpose_times(&mut self, gradient: Array2<W::Real>) -> Array2<W::Real> {
        let weights = match &mut self.first {
            First::Implicit(matrix) => return matrix.transpose_times(gradient),
            First::Drawn(weights) => weights,
        };
        let below = sum_products(&self.first_share, (gradient.nrows(), self.cell.dim), |slab, mut below| {
            for (block, columns) in blocks_of(&self.first_share, slab) {
                add_times(gradient.slice(s![.., columns]), weights.rows(1, block), below.view_mut());
            }
        });
        self.workspace.recycle(gradient);
        below
    }
}

impl<W: Weight> Implicit<W> {
    /// f and ∇f from the pre-activations `z` of the first layer, n × k_1.
    fn above_first_layer(&mut self, z: ArrayView2<W::Real>) -> ValueAndGradient<W::Real> {
        let (psi, workspace) = (self.psi, &self.workspace);
        let mut layers = Vec::new();
        let mut top = workspace.copy(z);
        for matrix in &mut self.hidden {
            let hidden = Hidden::of(psi, top);
            top = matrix.times(workspace.copy(hidden.h.view()));
            layers.push(hidden.without_values());
        }
        let mut value = self.last_share.sum(top.nrows(), |slab, sums| {
            let readout = &self.readout[slab.clone()];
            for (mut z, sum) in top.slice_mut(s![.., slab]).rows_mut().into_iter().zip(sums) {
                *sum = activation::readout_and_slope(psi, readout, z.as_slice_mut().expect("rows are contiguous"));
            }
        });
        value.iter_mut().for_each(|value| *value *= self.scale);
        let mut gradient = top;
        for (matrix, hidden) in self.hidden.iter_mut().zip(layers).rev() {
            gradient = matrix.transpose_times(gradient);
            hidden.scale_gradient(psi, &mut gradient);
            workspace.recycle(hidden.h);
            hidden.z.into_iter().for_each(|z| workspace.recycle(z));
        }
        ValueAndGradient { value, gradient: self.scaled_first_transpose_times(gradient) }
    }

    /// W₁ᵀg/√k for each row g.
    fn scaled_first_transpose_times(&mut self, gradient: Array2<W::Real>) -> Array2<W::Real> {
        let scale = W::Real::of_f64(self.scale);
        self.first_transpose_times(gradient).mapv_into(|g| g * scale)
    }
}

/// The implicit weight matrix of `layer` (1-based), before any product.
fn matrix<W: Weight>(streams: NetworkStreams, cell: Cell, layer: usize, workspace: &Workspace<W::Real>) -> GaussianMatrix<W> {
    let fresh = move |side: Side, direction: usize, chunk: usize, out: &mut [W]| {
        streams.image(layer, side == Side::TransposeTimes, direction, chunk, out);
    };
    // The input is not divided.
    let columns = if layer == 1 { Share::whole(cell.dim) } else { workspace.share(cell.fan_in(layer)) };
    GaussianMatrix::new(workspace.share(cell.width_of(layer)), columns, Box::new(fresh), workspace)
}

impl<W: Weight> Engine<W::Real> for Implicit<W> {
    fn activation(&self) -> Activation {
        self.psi
    }

    fn inputs(&self) -> ArrayView2<'_, W::Real> {
        self.inputs.view()
    }

    fn differentiate(&mut self) -> (ValueAndGradient<W::Real>, impl Differentiated<W::Real>) {
        let z = self.first_times(self.inputs.clone());
        let result = self.above_first_layer(z.view());
        (result, ImplicitDifferentiated { network: self, z })
    }
}

struct ImplicitDifferentiated<'a, W: Weight> {
    network: &'a mut Implicit<W>,
    /// W₁x, n × k_1.
    z: Array2<W::Real>,
}

impl<W: Weight> Differentiated<W::Real> for ImplicitDifferentiated<'_, W> {
    fn lines(&mut self, directions: Array2<W::Real>) -> impl Lines<W::Real> {
        assert_eq!(directions.dim(), self.network.inputs.dim());
        let u = self.network.first_times(directions);
        ImplicitLines { network: self.network, z: self.z.view(), u }
    }

    fn value_and_gradient_at(&mut self, x: ArrayView2<W::Real>) -> ValueAndGradient<W::Real> {
        let z = self.network.first_times(x.to_owned());
        self.network.above_first_layer(z.view())
    }

    fn linear_gradient(&mut self) -> Array2<W::Real> {
        let network = &mut self.network;
        let mut gradient = Array2::from_shape_vec((1, network.readout.len()), network.readout.clone()).expect("a row");
        for matrix in network.hidden.iter_mut().rev() {
            gradient = matrix.transpose_times(gradient);
        }
        network.scaled_first_transpose_times(gradient)
    }
}

impl<W: Weight> Drop for ImplicitDifferentiated<'_, W> {
    fn drop(&mut self) {
        self.network.workspace.recycle(std::mem::replace(&mut self.z, zeros((0, 0))));
    }
}

struct ImplicitLines<'a, W: Weight> {
    network: &'a mut Implicit<W>,
    /// W₁x and W₁p, n × k_1.
    z: ArrayView2<'a, W::Real>,
    u: Array2<W::Real>,
}

impl<W: Weight> Drop for ImplicitLines<'_, W> {
    fn drop(&mut self) {
        self.network.workspace.recycle(std::mem::replace(&mut self.u, zeros((0, 0))));
    }
}

impl<W: Weight> Lines<W::Real> for ImplicitLines<'_, W> {
    fn depth(&self) -> usize {
        self.network.cell.depth
    }

    fn width(&self, layer: usize) -> usize {
        self.network.cell.width_of(layer)
    }

    fn activation(&self) -> Activation {
        self.network.psi
    }

    fn share(&self) -> Share {
        self.network.first_share.clone()
    }

    fn visit_first_layer(&mut self, visit: &mut dyn FnMut(LineBlock<W::Real>)) {
        for neurons in self.network.first_share.slabs() {
            let readout = if self.depth() == 1 { &self.network.readout[neurons.clone()] } else { &[] };
            let (z, u) = (self.z.slice(s![.., neurons.clone()]), self.u.slice(s![.., neurons.clone()]));
            visit(LineBlock { neurons, readout, z, u });
        }
    }

    fn evaluate(&mut self, points: &[LinePoint]) -> Vec<f64> {
        let Implicit { psi, hidden, readout, last_share, scale, workspace, .. } = &mut *self.network;
        let order = round_robin(points);
        let mut h = workspace.matrix((points.len(), self.z.ncols()));
        for (&index, mut h) in order.iter().zip(h.rows_mut()) {
            let point = points[index];
            activation::apply_on_line(
                *psi,
                self.z.row(point.input).to_slice().expect("rows are contiguous"),
                self.u.row(point.input).to_slice().expect("rows are contiguous"),
                W::Real::of_f64(point.t),
                h.as_slice_mut().expect("rows are contiguous"),
            );
        }
        for matrix in hidden {
            h = matrix.times(h);
            activation::apply(*psi, h.as_slice_mut().expect("new matrices are contiguous"));
        }
        let mut values = vec![0.0; points.len()];
        for (index, value) in order.into_iter().zip(readouts(*psi, readout, last_share, h.view(), *scale)) {
            values[index] = value;
        }
        workspace.recycle(h);
        values
    }
}

/// Indices of `points` in round-robin order: the first point of every line, then the second, and so on. Points of one line are
/// nearly parallel, which costs extra rounds of orthonormalisation if they fall into one block (see
/// [`basis`](crate::linalg::basis)).
fn round_robin(points: &[LinePoint]) -> Vec<usize> {
    let mut place = 0;
    let places: Vec<usize> = (0..points.len())
        .map(|index| {
            place = if index > 0 && points[index - 1].input == points[index].input { place + 1 } else { 0 };
            place
        })
        .collect();
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|&index| places[index]);
    order
}

/// f from the activations `h` of the last layer, n × k_L; one value per row.
fn readouts<T: Real>(psi: Activation, readout: &[T], share: &Share, h: ArrayView2<T>, scale: f64) -> Vec<f64> {
    let mut values = share.sum(h.nrows(), |slab, sums| {
        let readout = &readout[slab.clone()];
        for (h, sum) in h.slice(s![.., slab]).rows().into_iter().zip(sums) {
            *sum = activation::readout_of_values(psi, readout, h.to_slice().expect("rows are contiguous"));
        }
    });
    values.iter_mut().for_each(|value| *value *= scale);
    values
}
