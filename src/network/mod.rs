//! One random network f(x) = (1/√k) Σ_j a_j h_L\[j\] with a batch of inputs: values, gradients, and f along lines through the
//! inputs. If hidden layers differ in width, k is that of the layer in question (in 1/√k: the last, L).
//!
//! Engines differ in how they compute products with the weights. A gradient pass turns an [`Engine`] into a [`Differentiated`]
//! one, and given directions that becomes [`Lines`], all that a line search sees.

pub mod dense;
pub mod given;
pub mod implicit;
pub mod inputs;
pub mod shallow;
mod weights;

use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use crate::kernels::{Real, activation};
use crate::linalg::matmul::zeros;
use crate::model::Activation;
use crate::team::Share;
use crate::team::tree::Part;

/// f and ∇f at the inputs.
#[derive(Debug, Clone)]
pub struct ValueAndGradient<T> {
    /// f(x) for each of n inputs.
    pub value: Vec<f64>,
    /// ∇f(x), n × d.
    pub gradient: Array2<T>,
}

/// A hidden layer at n points, kept for the backward pass.
struct Hidden<T> {
    /// ψ(z), n × k.
    h: Array2<T>,
    /// z, n × k; `None` for ReLU, whose derivative follows from ψ(z).
    z: Option<Array2<T>>,
}

impl<T: Real> Hidden<T> {
    /// Applies ψ to the pre-activations `z`, n × k.
    fn of(psi: Activation, z: Array2<T>) -> Self {
        let kept = (psi != Activation::Relu).then(|| z.clone());
        let mut h = z;
        activation::apply(psi, h.as_slice_mut().expect("a product is contiguous"));
        Self { h, z: kept }
    }

    /// Drops ψ(z) unless the backward pass needs it (ReLU).
    fn without_values(mut self) -> Self {
        if self.z.is_some() {
            self.h = zeros((0, 0));
        }
        self
    }

    /// Multiplies the entries of `gradient`, n × k, by ψ'(z).
    fn scale_gradient(&self, psi: Activation, gradient: &mut Array2<T>) {
        let z = self.z.as_ref().unwrap_or(&self.h);
        for (z, mut g) in z.rows().into_iter().zip(gradient.rows_mut()) {
            let z = z.to_slice().expect("rows are contiguous");
            activation::scale_gradient(psi, z, g.as_slice_mut().expect("rows are contiguous"));
        }
    }
}

/// A block of first-layer neurons along the lines x + t·p, all of one slab.
pub struct LineBlock<'a, T> {
    /// Counted from the first neuron of the member's [share](Lines::share).
    pub neurons: Range<usize>,
    /// Readout weights of these neurons at depth 1, where the first layer is the last; else empty.
    pub readout: &'a [T],
    /// Pre-activations at t = 0, n × neurons; each row is contiguous.
    pub z: ArrayView2<'a, T>,
    /// Their derivatives in t, n × neurons; each row is contiguous.
    pub u: ArrayView2<'a, T>,
}

/// The point x + t·p of the line through input `input`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinePoint {
    pub input: usize,
    pub t: f64,
}

/// A network and its inputs, before any pass.
pub trait Engine<T: Real> {
    /// ψ of every layer.
    fn activation(&self) -> Activation;

    /// x, n × d.
    fn inputs(&self) -> ArrayView2<'_, T>;

    /// Computes f(x) and ∇f(x) at all inputs; the returned engine reuses intermediate results of that pass.
    fn differentiate(&mut self) -> (ValueAndGradient<T>, impl Differentiated<T>);
}

/// An engine after its gradient pass.
pub trait Differentiated<T: Real> {
    /// The lines x + t·p through the inputs; `directions` are p, n × d.
    fn lines(&mut self, directions: Array2<T>) -> impl Lines<T>;

    /// f and ∇f at arbitrary points `x`, m × d.
    fn value_and_gradient_at(&mut self, x: ArrayView2<T>) -> ValueAndGradient<T>;

    /// Gradient of the network with ψ = identity, (1/√k) W₁ᵀ … W_Lᵀ a, 1 × d; at depth 1 the paper's Σ a_l w_l (section 1.1).
    fn linear_gradient(&mut self) -> Array2<T>;

    /// All weights; `None` if the engine does not hold them.
    fn weights(&mut self) -> Option<&mut dyn LayerWeights<T>> {
        None
    }
}

/// A network along the lines x + t·p through its inputs.
pub trait Lines<T: Real> {
    /// Number of hidden layers, L.
    fn depth(&self) -> usize;

    /// Number of neurons in hidden layer `layer` (1-based).
    fn width(&self, layer: usize) -> usize;

    /// ψ of every layer.
    fn activation(&self) -> Activation;

    /// The first-layer neurons that this member has: all of them, unless the engine works in teams.
    fn share(&self) -> Share {
        Share::whole(self.width(1))
    }

    /// Calls `visit` on each block of them, in ascending order.
    fn visit_first_layer(&mut self, visit: &mut dyn FnMut(LineBlock<T>));

    /// f at points of the lines, in the order of `points`.
    fn evaluate(&mut self, points: &[LinePoint]) -> Vec<f64>;

    /// W_2..W_L and the readout, for searches that need explicit weights; `None` if the engine never draws them.
    fn weights(&mut self) -> Option<&mut dyn LayerWeights<T>> {
        None
    }
}

/// Sums of `count` numbers over the neurons of the first layer: `add` adds those of a block. Every member must call it, with the same `count`.
pub fn sum_over_first_layer<T: Real>(
    network: &mut impl Lines<T>,
    count: usize,
    mut add: impl FnMut(LineBlock<T>, &mut [f64]),
) -> Vec<f64> {
    combine_over_first_layer(network, || vec![0.0; count], |block, sums| add(block, sums))
}

/// The whole from the parts of all slabs of the first layer: each starts as `start`, and `visit` adds a block to it. Every member must call it.
pub fn combine_over_first_layer<T: Real, P: Part + 'static>(
    network: &mut impl Lines<T>,
    start: impl Fn() -> P,
    mut visit: impl FnMut(LineBlock<T>, &mut P),
) -> P {
    let mut parts = network.share().parts();
    let mut part = None;
    network.visit_first_layer(&mut |block| {
        let is_last = parts.ends_slab(block.neurons.end);
        visit(block, part.get_or_insert_with(&start));
        if is_last {
            parts.push(part.take().expect("just visited"));
        }
    });
    parts.combine()
}

/// Explicit weights.
pub trait LayerWeights<T: Real> {
    /// W_l of hidden layer l = `layer` ≥ 1, k_l × k_(l−1), with k_0 = d.
    fn layer(&mut self, layer: usize) -> Array2<T>;

    /// The readout weights a, length k_L.
    fn readout(&mut self) -> Vec<T>;
}
