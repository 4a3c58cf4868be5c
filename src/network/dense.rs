//! The dense engine: all weights are drawn, all products are matmuls.
//!
//! A pass visits a layer in blocks of [`BLOCK_ROWS`] neurons. The block's weights are read from memory or regenerated from their
//! stream, one GEMM computes the pre-activations of all inputs, and ψ, ψ' and readout are applied while these are in cache. In
//! the last layer the masked readout is multiplied back through the block in the same visit, so at depth 1 f and ∇f take one pass
//! over the weights. For ReLU that product uses lookup tables ([`masks`](crate::kernels::masks)) even for few inputs, where a
//! GEMM is faster, so that no sample depends on the number of inputs. GEMM shapes depend on the cell and the number of inputs
//! only: stored and regenerated weights give the same bits.
//!
//! Networks of one hidden layer can be divided among the members of a team, each with the neurons of its share. Deep ones are small where this engine
//! is used: one thread has all of them.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

use super::weights::Weights;
use super::{Differentiated, Engine, Hidden, LayerWeights, LineBlock, LinePoint, Lines, ValueAndGradient};
use crate::kernels::masks::Masks;
use crate::kernels::{Real, Weight, activation};
use crate::linalg::kept_blocks::KeptBlocks;
use crate::linalg::matmul::{add_masked_rows, add_times, sum_products, times_transposed, with_transposed, zeros};
use crate::linalg::workspace::Workspace;
use crate::model::Activation;
use crate::model::Cell;
use crate::random::{BLOCK_ROWS, NetworkStreams, block_rows, blocks, blocks_of};
use crate::team::Share;

pub use super::weights::Storage;

/// What the dense engine keeps between passes. Affects time and memory, not results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub weights: Storage,
    /// At depth 1: the pre-activations of the inputs and their derivatives along the lines, n × k each. Always kept if L > 1.
    pub line: Storage,
}

/// One network with explicit weights, and its inputs.
pub struct Dense<W: Weight> {
    cell: Cell,
    psi: Activation,
    weights: Weights<W>,
    /// x, n × d.
    inputs: Array2<W::Real>,
    keeps_line: bool,
    workspace: Workspace<W::Real>,
    /// 1/√k_L.
    scale: f64,
}

impl<W: Weight> Dense<W> {
    /// The ReLU network of `streams` with its first `inputs` inputs on the sphere.
    pub fn new(streams: NetworkStreams, cell: Cell, inputs: usize, keep: Keep) -> Self {
        let inputs = super::inputs::sphere_inputs(streams, cell, inputs);
        Self::with(streams, cell, Activation::Relu, inputs, keep, &Workspace::default())
    }

    /// The network of `streams` with activation `psi` at `inputs`, n × d.
    pub fn with(
        streams: NetworkStreams,
        cell: Cell,
        psi: Activation,
        inputs: Array2<W::Real>,
        keep: Keep,
        workspace: &Workspace<W::Real>,
    ) -> Self {
        Self {
            cell,
            psi,
            weights: Weights::new(streams, cell, keep.weights, workspace),
            workspace: workspace.clone(),
            keeps_line: cell.depth > 1 || keep.line == Storage::Stored,
            inputs,
            scale: 1.0 / (cell.width_of(cell.depth) as f64).sqrt(),
        }
    }

    /// A network with these weights instead of drawn ones: `matrices` W_1 … W_L, each k_l × fan-in in standard layout, and `readout` a, so that
    /// f(x) = a·h_L/√k_L; at `inputs`, n × d.
    pub fn given(
        cell: Cell,
        psi: Activation,
        matrices: Arc<Vec<Array2<W>>>,
        readout: Vec<W::Real>,
        inputs: Array2<W::Real>,
    ) -> Self {
        Self {
            cell,
            psi,
            weights: Weights::given(matrices, readout, cell),
            workspace: Workspace::default(),
            keeps_line: true,
            inputs,
            scale: 1.0 / (cell.width_of(cell.depth) as f64).sqrt(),
        }
    }

    /// The weight matrix of `layer` (1-based), k_l × fan-in.
    pub fn matrix(&mut self, layer: usize) -> Array2<W::Real> {
        self.weights.matrix(layer)
    }

    /// Pre-activations of hidden layer `layer` from the activations `below`: n × k_l from n × fan-in. Applies `end` to each row
    /// of a block while it is in cache.
    fn layer(&mut self, layer: usize, below: ArrayView2<W::Real>, end: impl Fn(&mut [W::Real])) -> Array2<W::Real> {
        let width = self.cell.width_of(layer);
        let mut h = zeros((below.nrows(), width));
        for block in 0..blocks(width) {
            let rows = block_rows(width, block);
            times_transposed(below, self.weights.rows(layer, block), h.slice_mut(s![.., rows.clone()]));
            for mut row in h.slice_mut(s![.., rows]).rows_mut() {
                end(row.as_slice_mut().expect("rows are contiguous"));
            }
        }
        h
    }

    /// Activations of hidden layer `layer` ≥ 2: n × k_l from n × k_(l−1).
    fn hidden_layer(&mut self, layer: usize, below: ArrayView2<W::Real>) -> Array2<W::Real> {
        let psi = self.psi;
        self.layer(layer, below, |row| activation::apply(psi, row))
    }

    /// As [`hidden_layer`](Self::hidden_layer), with what the backward pass needs.
    fn hidden_layer_for_gradient(&mut self, layer: usize, below: ArrayView2<W::Real>) -> Hidden<W::Real> {
        match self.psi {
            Activation::Relu => Hidden { h: self.hidden_layer(layer, below), z: None },
            psi => Hidden::of(psi, self.layer(layer, below, |_| {})),
        }
    }

    /// The first hidden layer at `x`, n × d, with what the backward pass needs; appends W₁x to `line`. For L ≥ 2.
    fn first_layer(&mut self, x: ArrayView2<W::Real>, mut line: Option<&mut KeptBlocks<W::Real>>) -> Hidden<W::Real> {
        let (psi, width) = (self.psi, self.cell.width_of(1));
        let mut h = zeros((x.nrows(), width));
        let mut kept = (psi != Activation::Relu).then(|| h.clone());
        for block in 0..blocks(width) {
            let rows = block_rows(width, block);
            let made;
            let w = self.weights.rows(1, block);
            let z = match &mut line {
                Some(line) => add_transposed(line, x, w),
                None => {
                    made = with_transposed(x, w);
                    made.view()
                }
            };
            let mut slice = h.slice_mut(s![.., rows.clone()]);
            slice.assign(&z);
            for mut row in slice.rows_mut() {
                activation::apply(psi, row.as_slice_mut().expect("rows are contiguous"));
            }
            if let Some(kept) = &mut kept {
                kept.slice_mut(s![.., rows]).assign(&z);
            }
        }
        Hidden { h, z: kept }
    }

    /// The neurons of hidden layer `layer` that this member has.
    fn share(&self, layer: usize) -> Share {
        let width = self.cell.width_of(layer);
        if self.cell.depth == 1 { self.workspace.share(width) } else { Share::whole(width) }
    }

    /// The last layer: f and ∂f/∂`below`, where `below` are the activations (inputs at depth 1) beneath it, n × fan-in. Appends
    /// the pre-activations to `line`.
    fn last_layer(&mut self, below: ArrayView2<W::Real>, mut line: Option<&mut KeptBlocks<W::Real>>) -> ValueAndGradient<W::Real> {
        let (psi, depth, inputs) = (self.psi, self.cell.depth, below.nrows());
        let share = self.share(depth);
        let mut gradient = zeros(below.dim());
        let mut readout = Vec::new();
        let mut masks = Masks::default();
        // f, and at depth 1 its gradient, which is accumulated in the precision of the weights within a slab. Deeper layers are one slab.
        let summed = if depth == 1 { gradient.len() } else { 0 };
        let mut value = share.sum(inputs + summed, |slab, sums| {
            gradient.fill(W::Real::ZERO);
            for (block, _) in blocks_of(&share, slab) {
                self.weights.readout(block, &mut readout);
                let w = self.weights.rows(depth, block);
                let made;
                let z = match &mut line {
                    Some(line) => add_transposed(line, below, w),
                    None => {
                        made = with_transposed(below, w);
                        made.view()
                    }
                };
                if psi == Activation::Relu {
                    masks.reset(inputs, w.nrows());
                    for (input, (value, z)) in sums[..inputs].iter_mut().zip(z.rows()).enumerate() {
                        *value += masks.read_out(input, &readout, z.to_slice().expect("rows are contiguous"));
                    }
                    add_masked_rows(&mut masks, &readout, w, gradient.view_mut());
                } else {
                    let mut slopes = z.to_owned();
                    for (value, mut z) in sums.iter_mut().zip(slopes.rows_mut()) {
                        *value += activation::readout_and_slope(psi, &readout, z.as_slice_mut().expect("rows are contiguous"));
                    }
                    add_times(slopes.view(), w, gradient.view_mut());
                }
            }
            sums[inputs..].iter_mut().zip(&gradient).for_each(|(sum, gradient)| *sum = gradient.to_f64());
        });
        let scale = W::Real::of_f64(self.scale);
        gradient.iter_mut().zip(value.drain(inputs..)).for_each(|(gradient, sum)| *gradient = W::Real::of_f64(sum));
        gradient.mapv_inplace(|g| g * scale);
        for value in &mut value {
            *value *= self.scale;
        }
        ValueAndGradient { value, gradient }
    }

    /// Forward and backward pass: f and ∇f at `x`, n × d. Appends W₁x to `line`.
    fn pass(&mut self, x: ArrayView2<W::Real>, line: Option<&mut KeptBlocks<W::Real>>) -> ValueAndGradient<W::Real> {
        let depth = self.cell.depth;
        if depth == 1 {
            return self.last_layer(x, line);
        }
        let mut layers = vec![self.first_layer(x, line)];
        for layer in 2..depth {
            let below = layers.pop().expect("a layer below");
            let hidden = self.hidden_layer_for_gradient(layer, below.h.view());
            layers.push(below.without_values());
            layers.push(hidden);
        }
        let ValueAndGradient { value, mut gradient } = self.last_layer(layers[depth - 2].h.view(), None);
        for layer in (1..depth).rev() {
            let hidden = layers.pop().expect("one per layer");
            hidden.scale_gradient(self.psi, &mut gradient);
            gradient = self.backward(layer, gradient.view());
        }
        ValueAndGradient { value, gradient }
    }

    /// Back-propagates a gradient through the weights of `layer`: n × fan-in from n × k_l.
    fn backward(&mut self, layer: usize, gradient: ArrayView2<W::Real>) -> Array2<W::Real> {
        let mut below = zeros((gradient.nrows(), self.cell.fan_in(layer)));
        let width = self.cell.width_of(layer);
        for block in 0..blocks(width) {
            let rows = block_rows(width, block);
            add_times(gradient.slice(s![.., rows]), self.weights.rows(layer, block), below.view_mut());
        }
        below
    }

    /// aᵀW_L, 1 × fan-in.
    fn readout_through_last_layer(&mut self) -> Array2<W::Real> {
        let depth = self.cell.depth;
        let share = self.share(depth);
        let mut readout = Vec::new();
        sum_products(&share, (1, self.cell.fan_in(depth)), |slab, mut below| {
            for (block, _) in blocks_of(&share, slab) {
                self.weights.readout(block, &mut readout);
                let readout = ArrayView2::from_shape((1, readout.len()), &readout).expect("a row");
                add_times(readout, self.weights.rows(depth, block), below.view_mut());
            }
        })
    }

    /// f from the activations (inputs at depth 1) below the last layer, one value per row.
    fn last_layer_value(&mut self, below: ArrayView2<W::Real>) -> Vec<f64> {
        let (psi, depth) = (self.psi, self.cell.depth);
        let share = self.share(depth);
        let mut readout = Vec::new();
        let mut buffer = block_buffer(below.nrows(), share.len());
        let value = share.sum(below.nrows(), |slab, value| {
            for (block, _) in blocks_of(&share, slab) {
                self.weights.readout(block, &mut readout);
                let w = self.weights.rows(depth, block);
                let mut z = block_of(&mut buffer, below.nrows(), w.nrows());
                times_transposed(below, w, z.view_mut());
                for (value, z) in value.iter_mut().zip(z.rows()) {
                    *value += activation::readout(psi, &readout, z.as_slice().expect("rows are contiguous"));
                }
            }
        });
        value.iter().map(|value| value * self.scale).collect()
    }

    /// The readout weights a, length k_L.
    pub fn readout(&mut self) -> Vec<W::Real> {
        let width = self.cell.width_of(self.cell.depth);
        let mut readout = Vec::with_capacity(width);
        let mut block_readout = Vec::new();
        for block in 0..blocks(width) {
            self.weights.readout(block, &mut block_readout);
            readout.extend_from_slice(&block_readout);
        }
        readout
    }
}

/// Appends `x`·`w`ᵀ to `kept` and returns it.
fn add_transposed<'a, W: Weight>(
    kept: &'a mut KeptBlocks<W::Real>,
    x: ArrayView2<W::Real>,
    w: ArrayView2<W>,
) -> ArrayView2<'a, W::Real> {
    // SAFETY: `times_transposed` writes every entry of `out` and reads none.
    unsafe { kept.push(|out| times_transposed(x, w, out)) }
}

/// Buffer for the pre-activations of one block of a layer with `width` neurons.
fn block_buffer<T: Real>(inputs: usize, width: usize) -> Vec<T> {
    vec![T::zero(); inputs * width.min(BLOCK_ROWS)]
}

/// The start of `buffer` as an inputs × neurons matrix; contents unspecified.
fn block_of<T: Real>(buffer: &mut [T], inputs: usize, neurons: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((inputs, neurons), &mut buffer[..inputs * neurons]).expect("the slice has this size")
}

impl<W: Weight> Engine<W::Real> for Dense<W> {
    fn activation(&self) -> Activation {
        self.psi
    }

    fn inputs(&self) -> ArrayView2<'_, W::Real> {
        self.inputs.view()
    }

    fn differentiate(&mut self) -> (ValueAndGradient<W::Real>, impl Differentiated<W::Real>) {
        let mut z = KeptBlocks::new(self.inputs.nrows(), self.share(1).len(), &self.workspace);
        let inputs = std::mem::replace(&mut self.inputs, zeros((0, 0)));
        let result = self.pass(inputs.view(), self.keeps_line.then_some(&mut z));
        self.inputs = inputs;
        (result, DenseDifferentiated { network: self, z })
    }
}

struct DenseDifferentiated<'a, W: Weight> {
    network: &'a mut Dense<W>,
    /// W₁x; all blocks or none.
    z: KeptBlocks<W::Real>,
}

impl<W: Weight> Differentiated<W::Real> for DenseDifferentiated<'_, W> {
    fn lines(&mut self, directions: Array2<W::Real>) -> impl Lines<W::Real> {
        let Self { network, z } = self;
        assert_eq!(directions.dim(), network.inputs.dim());
        let share = network.share(1);
        let mut u = KeptBlocks::new(directions.nrows(), share.len(), &network.workspace);
        // At depth 1 they are left to the first visit.
        if network.cell.depth > 1 {
            for (block, _) in blocks_of(&share, 0..share.len()) {
                add_transposed(&mut u, directions.view(), network.weights.rows(1, block));
            }
        }
        DenseLines { network, directions, z, u }
    }

    fn value_and_gradient_at(&mut self, x: ArrayView2<W::Real>) -> ValueAndGradient<W::Real> {
        self.network.pass(x, None)
    }

    fn linear_gradient(&mut self) -> Array2<W::Real> {
        let mut gradient = zeros((0, 0));
        for layer in (1..=self.network.cell.depth).rev() {
            gradient = match layer == self.network.cell.depth {
                true => self.network.readout_through_last_layer(),
                false => self.network.backward(layer, gradient.view()),
            };
        }
        let scale = W::Real::of_f64(self.network.scale);
        gradient.mapv_into(|g| g * scale)
    }

    fn weights(&mut self) -> Option<&mut dyn LayerWeights<W::Real>> {
        Some(self.network)
    }
}

struct DenseLines<'a, W: Weight> {
    network: &'a mut Dense<W>,
    /// p, n × d.
    directions: Array2<W::Real>,
    /// W₁x, all blocks or none.
    z: &'a KeptBlocks<W::Real>,
    /// W₁p, all blocks or none. At depth 1 it is computed during the first visit, while each block of weights is in cache.
    u: KeptBlocks<W::Real>,
}

impl<W: Weight> DenseLines<'_, W> {
    /// x + t·p at `points`, m × d.
    fn points(&self, points: &[LinePoint]) -> Array2<W::Real> {
        let mut x = zeros((points.len(), self.network.cell.dim));
        for (mut row, point) in x.rows_mut().into_iter().zip(points) {
            let t = W::Real::of_f64(point.t);
            row.assign(&self.network.inputs.row(point.input));
            row.zip_mut_with(&self.directions.row(point.input), |x, p| *x = *x + t * *p);
        }
        x
    }
}

impl<W: Weight> Lines<W::Real> for DenseLines<'_, W> {
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
        self.network.share(1)
    }

    fn visit_first_layer(&mut self, visit: &mut dyn FnMut(LineBlock<W::Real>)) {
        let Self { network, directions, z, u } = self;
        let share = network.share(1);
        let mut readout = Vec::new();
        let inputs = network.inputs.nrows();
        let size = if network.keeps_line { 0 } else { inputs };
        let (mut z_buffer, mut u_buffer) = (block_buffer(size, share.len()), block_buffer(size, share.len()));
        for (at, (block, neurons)) in blocks_of(&share, 0..share.len()).enumerate() {
            if network.cell.depth == 1 {
                network.weights.readout(block, &mut readout);
            }
            if network.keeps_line {
                if u.count() == at {
                    add_transposed(u, directions.view(), network.weights.rows(1, block));
                }
                visit(LineBlock { neurons, readout: &readout, z: z.block(at), u: u.block(at) });
                continue;
            }
            let mut z = block_of(&mut z_buffer, inputs, neurons.len());
            let mut u = block_of(&mut u_buffer, inputs, neurons.len());
            let w = network.weights.rows(1, block);
            times_transposed(network.inputs.view(), w, z.view_mut());
            times_transposed(directions.view(), w, u.view_mut());
            visit(LineBlock { neurons, readout: &readout, z: z.view(), u: u.view() });
        }
    }

    fn evaluate(&mut self, points: &[LinePoint]) -> Vec<f64> {
        if self.depth() == 1 {
            let x = self.points(points);
            return self.network.last_layer_value(x.view());
        }
        let width = self.width(1);
        let mut h = zeros((points.len(), width));
        for block in 0..blocks(width) {
            let rows = block_rows(width, block);
            let (z, u) = (self.z.block(block), self.u.block(block));
            for (point, mut h) in points.iter().zip(h.slice_mut(s![.., rows]).rows_mut()) {
                let (z, u) = (z.row(point.input), u.row(point.input));
                activation::apply_on_line(
                    self.network.psi,
                    z.as_slice().expect("contiguous"),
                    u.as_slice().expect("contiguous"),
                    W::Real::of_f64(point.t),
                    h.as_slice_mut().expect("contiguous"),
                );
            }
        }
        for layer in 2..self.depth() {
            h = self.network.hidden_layer(layer, h.view());
        }
        self.network.last_layer_value(h.view())
    }

    fn weights(&mut self) -> Option<&mut dyn LayerWeights<W::Real>> {
        Some(self.network)
    }
}

impl<W: Weight> LayerWeights<W::Real> for Dense<W> {
    fn layer(&mut self, layer: usize) -> Array2<W::Real> {
        self.matrix(layer)
    }

    fn readout(&mut self) -> Vec<W::Real> {
        Dense::readout(self)
    }
}
