//! The shallow engine: one hidden ReLU layer, with W drawn only along the directions that matter.
//!
//! For steps along the gradient, W (k × d) is multiplied only by vectors in the span of the inputs and of their gradients. Let
//! the rows of Q be an orthonormal basis of the inputs, x_i = Σ_t L_it q_t. Then G = W Qᵀ (k × r) is iid N(0, 1/d) and is drawn
//! in place of W:
//!
//! ```text
//! z_i = G L_i,    y_i = a ∘ 1[z_i > 0],    √k ∇f(x_i) = Σ_t (Gᵀ y_i)_t q_t + the component orthogonal to all inputs.
//! ```
//!
//! The part of W orthogonal to Q is independent of G, hence of y. So the orthogonal components of the gradients are jointly
//! Gaussian with covariance YᵀY/d in each coordinate: the rows of F H (I − QᵀQ) with F Fᵀ = YᵀY (n × n) and H (n × d) iid
//! N(0, 1/d). Let the rows of Θ be an orthonormal basis of the components of the directions p orthogonal to Q, p_i = A_i Q + R_i
//! Θ. Conditionally on all this, with g (k × n) iid N(0, 1/d),
//!
//! ```text
//! W Θᵀ = g + Y F⁻ᵀ (H Θᵀ − F⁻¹ Yᵀ g),    u_i = W p_i = G A_i + W Θᵀ R_i
//! ```
//!
//! (Bolthausen's conditioning, see [`gaussian_matrix`](crate::linalg::gaussian_matrix)). Gᵀ Y and gᵀ Y are products with masks;
//! for readouts ±1, (YᵀY)_ij counts the neurons active at both i and j (see [`Masks`]).
//!
//! Passes run over blocks of neurons that fit in cache and regenerate G and g from their streams. F is a pivoted Cholesky factor;
//! it stops when the remaining masks are numerically in the span of the pivots (at least n − k of them are). A member of a team draws its share of the
//! neurons; Gᵀy, gᵀy and YᵀY are sums over all.

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, s};

use super::weights::Storage;
use crate::kernels::masks::Masks;
use crate::kernels::{Real, Weight, relu};
use crate::linalg::basis::Basis;
use crate::linalg::cholesky::{Pivoted, inverse, pivoted};
use crate::linalg::kept_blocks::KeptBlocks;
use crate::linalg::matmul::{
    add_gram, add_masked_rows, add_times, count_vectors, filled, inner_products, ragged_times_transposed, small_product, zeros,
};
use crate::linalg::workspace::Workspace;
use crate::model::{Activation, Cell, Readout};
use crate::network::{LineBlock, LinePoint, Lines, ValueAndGradient, sum_over_first_layer};
use crate::random::{NetworkStreams, Space, blocks_of};
use crate::team::Share;

/// A mask vector whose relative distance from the span of the pivots is below this × √ε counts as dependent.
const NEARLY_DEPENDENT: f64 = 4.0;

/// One network and its inputs.
pub struct Shallow<W: Weight> {
    cell: Cell,
    /// x, n × d.
    inputs: Array2<W::Real>,
    /// Q, then Θ.
    basis: Basis<W::Real>,
    /// L, n × r.
    coordinates: Lower<W::Real>,
    block: Block<W>,
    share: Share,
    keeps_line: bool,
    workspace: Workspace<W::Real>,
}

/// A network after its gradient pass.
pub struct ShallowDifferentiated<'a, W: Weight> {
    network: &'a mut Shallow<W>,
    gradients: Gradients<W::Real>,
    /// W x; all blocks or none.
    z: KeptBlocks<W::Real>,
}

/// The lines along the gradients.
pub struct ShallowLines<'a, W: Weight> {
    network: &'a mut Shallow<W>,
    /// Inputs with linearly independent masks, in pivot order.
    independent: Vec<usize>,
    line: Derivatives<W::Real>,
    /// z and u, all blocks or none. u is computed during the first visit, while each block is in cache.
    z: KeptBlocks<W::Real>,
    u: KeptBlocks<W::Real>,
}

/// Results of the gradient pass that the lines are conditioned on.
struct Gradients<T> {
    /// Inputs with linearly independent masks, in pivot order, and F⁻¹ of these.
    independent: Vec<usize>,
    inverse: Array2<f64>,
    /// H (I − QᵀQ), (independent masks) × d.
    orthogonal: Array2<T>,
    /// Yᵀg, n × n.
    projections: Array2<f64>,
}

/// u_i = G A_i + g R_i + Σ_j B_ij y_j.
struct Derivatives<T> {
    /// [A R], n × (r + dimensions of Θ).
    coordinates: Lower<T>,
    /// B, n × (independent masks).
    on_masks: Array2<T>,
}

/// One block of neurons: its random numbers and scratch, all in cache.
struct Block<W: Weight> {
    streams: NetworkStreams,
    /// r + n.
    directions: usize,
    /// [G g], neurons × (r + n).
    weights: Vec<W>,
    readout: Vec<W::Real>,
    /// Masked readouts y, (some inputs) × neurons.
    masked: Vec<W::Real>,
    masks: Masks,
    /// [Gᵀy gᵀy] of the block during the gradient pass, n × (r + n).
    part: Array2<W::Real>,
}

/// A matrix with trailing zeros in its rows: lower triangular, or a full block beside a lower triangular one.
struct Lower<T> {
    matrix: Array2<T>,
    /// For each row, one past its last nonzero column.
    ends: Vec<usize>,
}

/// Converts to the precision of the vectors, row-major.
fn in_precision<T: Real>(matrix: ArrayView2<f64>) -> Array2<T> {
    Array2::from_shape_vec(matrix.dim(), matrix.iter().map(|x| T::of_f64(*x)).collect()).expect("same size")
}

impl<T: Real> Lower<T> {
    fn new(matrix: ArrayView2<f64>) -> Self {
        let matrix: Array2<T> = in_precision(matrix);
        let end = |row: ArrayView1<T>| row.iter().rposition(|x| *x != T::zero()).map_or(0, |last| last + 1);
        let ends = matrix.rows().into_iter().map(end).collect();
        Self { matrix, ends }
    }

    /// `out` = self·`w`ᵀ, with `w` m × r and `out` n × m, which is not read.
    fn times_transposed<W: Weight<Real = T>>(&self, w: ArrayView2<W>, out: ArrayViewMut2<T>) {
        ragged_times_transposed(self.matrix.view(), &self.ends, w, out);
    }

    /// self·`w`ᵀ, n × m; `w` m × r.
    fn with_transposed<W: Weight<Real = T>>(&self, w: ArrayView2<W>) -> Array2<T> {
        // SAFETY: `times_transposed` writes every entry and reads none.
        unsafe { filled((self.matrix.nrows(), w.nrows()), |out| self.times_transposed(w, out)) }
    }
}

/// Masked readouts y of `inputs` from the pre-activations `z` of all inputs, n × neurons; stored in `buffer`.
fn masked<'a, T: Real>(
    readout: &[T],
    z: ArrayView2<T>,
    inputs: impl IntoIterator<Item = usize>,
    buffer: &'a mut Vec<T>,
) -> ArrayView2<'a, T> {
    buffer.clear();
    for input in inputs {
        let start = buffer.len();
        buffer.extend_from_slice(readout);
        relu::mask_gradient(z.row(input).to_slice().expect("rows are contiguous"), &mut buffer[start..]);
    }
    ArrayView2::from_shape((buffer.len() / readout.len(), readout.len()), buffer).expect("whole rows")
}

impl<W: Weight> Block<W> {
    fn new(streams: NetworkStreams, directions: usize) -> Self {
        Self {
            streams,
            directions,
            weights: Vec::new(),
            readout: Vec::new(),
            masked: Vec::new(),
            masks: Masks::default(),
            part: zeros((0, 0)),
        }
    }

    /// Draws [G g] and the readout weights of block `block`, which has `neurons` neurons.
    fn draw(&mut self, block: usize, neurons: usize) {
        self.draw_readout(block, neurons);
        self.weights.resize(neurons * self.directions, W::drawn(0.0));
        self.streams.along(Space::Basis, block, &mut self.weights);
    }

    fn draw_readout(&mut self, block: usize, neurons: usize) {
        self.readout.resize(neurons, W::Real::ZERO);
        self.streams.readout_block(block, &mut self.readout);
    }

    /// The first `directions` columns of [G g] of the block drawn last.
    fn weights(&self, directions: usize) -> ArrayView2<'_, W> {
        let weights = ArrayView2::from_shape((self.readout.len(), self.directions), &self.weights);
        weights.expect("one row per neuron").slice_move(s![.., ..directions])
    }

    /// Accumulates the block's contributions, from its pre-activations `z`, n × neurons: √k f in `value`, the lower triangle of
    /// YᵀY in `gram`, and [Gᵀy gᵀy] of each y in `sums`, n × (r + n).
    fn add_products(&mut self, z: ArrayView2<W::Real>, value: &mut [f64], gram: ArrayViewMut2<f64>, mut sums: ArrayViewMut2<f64>) {
        let Self { streams, directions, weights, readout, masked: buffer, masks, part, .. } = self;
        masks.reset(z.nrows(), readout.len());
        for (input, (value, z)) in value.iter_mut().zip(z.rows()).enumerate() {
            *value += masks.read_out(input, readout, z.to_slice().expect("rows are contiguous"));
        }
        match streams.readout() {
            Readout::Sign => masks.add_overlaps(gram),
            Readout::Gaussian => add_gram(masked(readout, z, 0..z.nrows(), buffer), gram),
        }
        let weights = ArrayView2::from_shape((readout.len(), *directions), weights).expect("one row per neuron");
        part.fill(W::Real::ZERO);
        add_masked_rows(masks, readout, weights, part.view_mut());
        sums.zip_mut_with(part, |sum, part| *sum += part.to_f64());
    }

    /// Computes `u` of the block from its `z`, both n × neurons; `independent` are the inputs whose masks y_j enter. Does not
    /// read `u`.
    fn derivatives(
        &mut self,
        line: &Derivatives<W::Real>,
        independent: &[usize],
        z: ArrayView2<W::Real>,
        mut u: ArrayViewMut2<W::Real>,
    ) {
        let Derivatives { coordinates, on_masks } = line;
        coordinates.times_transposed(self.weights(coordinates.matrix.ncols()), u.view_mut());
        let masked = masked(&self.readout, z, independent.iter().copied(), &mut self.masked);
        add_times(on_masks.view(), masked, u);
    }
}

impl<W: Weight> Shallow<W> {
    /// The network of `streams` at `inputs`, n × d. `line`: whether z and u are kept between passes, which affects time and
    /// memory, not results.
    ///
    /// # Panics
    /// If depth > 1 or d < 2n.
    pub fn new(
        streams: NetworkStreams,
        cell: Cell,
        inputs: Array2<W::Real>,
        line: Storage,
        workspace: &Workspace<W::Real>,
    ) -> Self {
        assert!(cell.depth == 1 && cell.dim >= 2 * inputs.nrows(), "one hidden layer, and d ≥ 2n");
        let mut basis = Basis::new(Share::whole(cell.dim), workspace);
        let n = inputs.nrows();
        let coordinates = Lower::new(basis.extend(&mut inputs.clone()).coefficients.view());
        let directions = coordinates.matrix.ncols() + n;
        Self {
            cell,
            inputs,
            basis,
            coordinates,
            block: Block::new(streams, directions),
            share: workspace.share(cell.width_of(1)),
            keeps_line: line == Storage::Stored,
            workspace: workspace.clone(),
        }
    }

    /// 1/√k.
    fn scale(&self) -> f64 {
        1.0 / (self.share.total() as f64).sqrt()
    }

    /// H (I − QᵀQ) with H `masks` × d iid N(0, 1/d).
    fn orthogonal_part(&self, masks: usize) -> Array2<W::Real> {
        let mut orthogonal = zeros((masks, self.cell.dim));
        for (index, mut row) in orthogonal.rows_mut().into_iter().enumerate() {
            self.block.streams.along(Space::Orthogonal, index, row.as_slice_mut().expect("rows are contiguous"));
        }
        let on_inputs = self.basis.inner_products_with(orthogonal.view());
        self.basis.add_combinations(&-on_inputs, orthogonal.view_mut());
        orthogonal
    }

    /// x, n × d.
    pub fn inputs(&self) -> ArrayView2<'_, W::Real> {
        self.inputs.view()
    }

    /// Computes f(x) and ∇f(x) at all inputs; the returned network is conditioned on them.
    pub fn differentiate(&mut self) -> (ValueAndGradient<W::Real>, ShallowDifferentiated<'_, W>) {
        let (n, rank) = self.coordinates.matrix.dim();
        let directions = rank + n;
        let mut z_blocks = KeptBlocks::new(n, self.share.len(), &self.workspace);
        count_vectors(if self.keeps_line { n } else { 0 }, self.share.len());
        self.block.part = zeros((n, directions));
        let share = self.share.clone();
        // √k f, YᵀY, and [Gᵀy gᵀy] per input.
        let mut value = share.sum(n * (1 + n + directions), |slab, sums| {
            let (value, rest) = sums.split_at_mut(n);
            let (gram, sums) = rest.split_at_mut(n * n);
            let mut gram = ArrayViewMut2::from_shape((n, n), gram).expect("n × n");
            let mut sums = ArrayViewMut2::from_shape((n, directions), sums).expect("n × (r + n)");
            for (block, neurons) in blocks_of(&share, slab) {
                self.block.draw(block, neurons.len());
                let w = self.block.weights(rank);
                let made;
                let z = if self.keeps_line {
                    // SAFETY: `times_transposed` writes every entry of `out` and reads none.
                    unsafe { z_blocks.push(|out| self.coordinates.times_transposed(w, out)) }
                } else {
                    made = self.coordinates.with_transposed(w);
                    made.view()
                };
                self.block.add_products(z, value, gram.view_mut(), sums.view_mut());
            }
        });
        self.block.part = zeros((0, 0));
        let sums = Array2::from_shape_vec((n, directions), value.split_off(n * (1 + n))).expect("n × (r + n)");
        let gram = Array2::from_shape_vec((n, n), value.split_off(n)).expect("n × n");

        let distance = NEARLY_DEPENDENT * W::Real::EPSILON.sqrt();
        let Pivoted { rows: independent, factor, coefficients } = pivoted(gram.view(), distance, self.share.total());
        let orthogonal = self.orthogonal_part(independent.len());
        let mut gradient = zeros((n, self.cell.dim));
        let (on_inputs, projections) = sums.view().split_at(Axis(1), rank);
        self.basis.add_combinations(&on_inputs.to_owned(), gradient.view_mut());
        add_times(in_precision(coefficients.view()).view(), orthogonal.view(), gradient.view_mut());
        let scale = self.scale();
        gradient.mapv_inplace(|g| g * W::Real::of_f64(scale));
        value.iter_mut().for_each(|value| *value *= scale);
        let inverse = inverse(&factor);
        let gradients = Gradients { independent, inverse, orthogonal, projections: projections.to_owned() };
        (ValueAndGradient { value, gradient }, ShallowDifferentiated { network: self, gradients, z: z_blocks })
    }
}

impl<'a, W: Weight> ShallowDifferentiated<'a, W> {
    /// The lines x + t·p; `directions` are p, n × d, each in the span of inputs and gradients. Consumes self: this draws W along
    /// the directions, and any others would have to be conditioned on that.
    pub fn lines(self, directions: Array2<W::Real>) -> ShallowLines<'a, W> {
        let Self { network, gradients, z } = self;
        assert_eq!(directions.dim(), network.inputs.dim());
        let Gradients { independent, inverse, orthogonal, projections } = gradients;
        let (n, rank) = network.coordinates.matrix.dim();
        let coefficients = network.basis.extend(&mut { directions }).coefficients;
        let on_gradients = coefficients.slice(s![.., rank..]);
        let mut known = Array2::zeros((independent.len(), on_gradients.ncols()));
        for (numbers, vectors) in network.basis.vectors_from(rank) {
            known.slice_mut(s![.., numbers.start - rank..numbers.end - rank]).assign(&inner_products(orthogonal.view(), vectors));
        }
        let drawn = projections.select(Axis(0), &independent);
        let unknown = known - small_product(inverse.view(), drawn.slice(s![.., ..on_gradients.ncols()]));
        let on_masks = small_product(inverse.t(), unknown.view());
        let line = Derivatives {
            coordinates: Lower::new(coefficients.view()),
            on_masks: in_precision(small_product(on_gradients, on_masks.t()).view()),
        };
        let u = KeptBlocks::new(n, network.share.len(), &network.workspace);
        ShallowLines { network, independent, line, z, u }
    }
}

impl<W: Weight> Lines<W::Real> for ShallowLines<'_, W> {
    fn depth(&self) -> usize {
        1
    }

    fn width(&self, layer: usize) -> usize {
        self.network.cell.width_of(layer)
    }

    fn activation(&self) -> Activation {
        Activation::Relu
    }

    fn share(&self) -> Share {
        self.network.share.clone()
    }

    fn visit_first_layer(&mut self, visit: &mut dyn FnMut(LineBlock<W::Real>)) {
        let Self { network, independent, line, z, u } = self;
        let Shallow { block: drawn, coordinates, keeps_line, share, .. } = &mut **network;
        let (n, rank) = coordinates.matrix.dim();
        count_vectors(if *keeps_line { 2 * n } else { 0 }, share.len());
        for (at, (block, neurons)) in blocks_of(share, 0..share.len()).enumerate() {
            if *keeps_line {
                if u.count() == at {
                    drawn.draw(block, neurons.len());
                    // SAFETY: `derivatives` writes every entry of `out` before it reads any.
                    unsafe { u.push(|out| drawn.derivatives(line, independent, z.block(at), out)) };
                } else {
                    drawn.draw_readout(block, neurons.len());
                }
                visit(LineBlock { neurons, readout: &drawn.readout, z: z.block(at), u: u.block(at) });
                continue;
            }
            drawn.draw(block, neurons.len());
            let z = coordinates.with_transposed(drawn.weights(rank));
            // SAFETY: `derivatives` writes every entry of `out` before it reads any.
            let u = unsafe { filled(z.dim(), |out| drawn.derivatives(line, independent, z.view(), out)) };
            visit(LineBlock { neurons, readout: &drawn.readout, z: z.view(), u: u.view() });
        }
    }

    fn evaluate(&mut self, points: &[LinePoint]) -> Vec<f64> {
        let mut h = Vec::new();
        let values = sum_over_first_layer(self, points.len(), |block, values| {
            h.resize(block.neurons.len(), W::Real::ZERO);
            for (value, point) in values.iter_mut().zip(points) {
                let (z, u) = (block.z.row(point.input), block.u.row(point.input));
                relu::relu_on_line(
                    z.to_slice().expect("rows are contiguous"),
                    u.to_slice().expect("rows are contiguous"),
                    W::Real::of_f64(point.t),
                    &mut h,
                );
                *value += relu::readout(block.readout, &h);
            }
        });
        let scale = self.network.scale();
        values.into_iter().map(|value| value * scale).collect()
    }
}
