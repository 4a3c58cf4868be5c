//! Counter-keyed random streams: weights, readouts, inputs.
//!
//! Every number is a function of (master seed, L, d, k, network, role, block) only, so any block of any matrix can be generated, and
//! regenerated, on any rank in any order. If hidden layers differ in width, the key holds all widths. Keys are hashed to xoshiro256++ states.

pub mod chi_squared;
pub mod normal;
pub mod stream;

use rand::distr::Distribution;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::kernels::Weight;
use crate::model::{Cell, Readout};
use crate::team::{Share, slabs};
use normal::StandardNormal;
use stream::{NetworkKey, Role};

/// Rows of a weight matrix (neurons) per stream, and per block of every engine.
pub const BLOCK_ROWS: usize = 256;

/// Entries of a drawn matrix–vector product per stream, processed together in cache.
pub const IMAGE_CHUNK: usize = 4096;

// Neither straddles slabs.
const _: () = assert!(slabs::CHUNK.is_multiple_of(BLOCK_ROWS) && slabs::CHUNK.is_multiple_of(IMAGE_CHUNK));

/// The neurons of block `block` in a layer of `width` neurons.
pub fn block_rows(width: usize, block: usize) -> std::ops::Range<usize> {
    let start = block * BLOCK_ROWS;
    start..width.min(start + BLOCK_ROWS)
}

/// Number of blocks of a layer of `width` neurons.
pub fn blocks(width: usize) -> usize {
    width.div_ceil(BLOCK_ROWS)
}

/// The blocks within `neurons`, a range of this member's neurons that starts with a block: the number of each in the layer, and its neurons, counted like
/// `neurons`.
pub fn blocks_of(share: &Share, neurons: std::ops::Range<usize>) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let first = share.start();
    neurons.clone().step_by(BLOCK_ROWS).map(move |start| ((first + start) / BLOCK_ROWS, start..neurons.end.min(start + BLOCK_ROWS)))
}

/// A subspace of input space along which first-layer weights are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// Orthonormal basis of the inputs and of their gradients' components orthogonal to them; the block is a block of neurons.
    Basis,
    /// Components of combinations of neurons orthogonal to the inputs, in all d coordinates; the block is the combination.
    Orthogonal,
}

/// The random numbers of one network.
#[derive(Debug, Clone, Copy)]
pub struct NetworkStreams {
    key: NetworkKey,
    cell: Cell,
    gain: f64,
    readout: Readout,
}

impl NetworkStreams {
    /// The streams of network `network` of `cell`. `gain` and `readout` shape the numbers but are not part of the keys.
    pub fn new(seed: u64, cell: Cell, network: usize, gain: f64, readout: Readout) -> Self {
        Self { key: NetworkKey::new(seed, cell, network), cell, gain, readout }
    }

    /// The law of the readout weights.
    pub fn readout(&self) -> Readout {
        self.readout
    }

    /// Standard deviation of a weight of `layer` (1-based): √(1/d) in the first, √(gain/k) above it, k the width of the layer below (the
    /// paper, section 1; gain 2 is He scaling).
    fn sigma(&self, layer: usize) -> f32 {
        let gain = if layer == 1 { 1.0 } else { self.gain };
        (gain / self.cell.fan_in(layer) as f64).sqrt() as f32
    }

    /// Fills `out`, row-major (neurons of block `block`) × fan-in, with the weights of `layer` (1-based).
    pub fn weight_block<W: Weight>(&self, layer: usize, block: usize, out: &mut [W]) {
        debug_assert_eq!(out.len(), block_rows(self.cell.width_of(layer), block).len() * self.cell.fan_in(layer));
        self.key.stream(Role::Weights { layer }, block).lanes().fill(self.sigma(layer), out);
    }

    /// Fills `out` with iid N(0, σ²), σ² the weight variance of `layer` (1-based): chunk `chunk` (of [`IMAGE_CHUNK`] entries) of the part of
    /// W·v or Wᵀ·v that is independent of earlier products, v being direction `direction`.
    pub fn image<W: Weight>(&self, layer: usize, transposed: bool, direction: usize, chunk: usize, out: &mut [W]) {
        self.key.stream(Role::Image { layer, transposed, direction }, chunk).lanes().fill(self.sigma(layer), out);
    }

    /// Fills `out` with iid N(0, 1/d): first-layer weights along directions of `space`, row-major (neurons of block `block`) × directions, or the
    /// d coordinates of one combination of neurons.
    pub fn along<W: Weight>(&self, space: Space, block: usize, out: &mut [W]) {
        self.key.stream(Role::Along { space }, block).lanes().fill(self.sigma(1), out);
    }

    /// Fills `out` with the readout weights a_j of block `block`.
    pub fn readout_block<W: Weight>(&self, block: usize, out: &mut [W]) {
        debug_assert_eq!(out.len(), block_rows(self.cell.width_of(self.cell.depth), block).len());
        let stream = self.key.stream(Role::Readout, block);
        match self.readout {
            Readout::Gaussian => stream.lanes().fill(1.0, out),
            Readout::Sign => signs(stream.generator(), out),
        }
    }

    /// The generator for input `index` at infinite width.
    pub fn path(&self, index: usize) -> Xoshiro256PlusPlus {
        self.key.stream(Role::Path, index).generator()
    }

    /// The generator for purpose `purpose` of an audit.
    pub fn audit(&self, purpose: usize) -> Xoshiro256PlusPlus {
        self.key.stream(Role::Audit, purpose).generator()
    }

    /// Fills `out` (length d) with input `index`: uniform on the sphere of radius √d, rounded to f32.
    pub fn input(&self, index: usize, out: &mut [f32]) {
        on_sphere((out.len() as f64).sqrt(), self.key.stream(Role::Input, index).generator(), out);
    }

    /// Fills `out` (length d) with input `index`: iid N(0, 1).
    pub fn gaussian_input(&self, index: usize, out: &mut [f32]) {
        let generator = self.key.stream(Role::Input, index).generator();
        for (x, normal) in out.iter_mut().zip(StandardNormal.sample_iter(generator)) {
            *x = normal as f32;
        }
    }

    /// Fills `out` (length d) with input `index`: uniform on {−1, 1}^d.
    pub fn hypercube_input(&self, index: usize, out: &mut [f32]) {
        signs(self.key.stream(Role::Input, index).generator(), out);
    }

    /// Fills `out` (length d) with the random direction of input `index`: uniform on the unit sphere.
    pub fn direction(&self, index: usize, out: &mut [f32]) {
        on_sphere(1.0, self.key.stream(Role::Direction, index).generator(), out);
    }

    /// Fills `out` (length d) with the random turn of start `start` ≥ 1 at input `index`: uniform on the unit sphere, independent of
    /// [`direction`](Self::direction).
    pub fn turn(&self, index: usize, start: usize, out: &mut [f32]) {
        on_sphere(1.0, self.key.stream(Role::Direction, index + (start << 32)).generator(), out);
    }
}

/// Fills `out` with a uniform point on the sphere: a normalised Gaussian vector.
fn on_sphere(radius: f64, mut generator: Xoshiro256PlusPlus, out: &mut [f32]) {
    let direction: Vec<f64> = StandardNormal.sample_iter(&mut generator).take(out.len()).collect();
    let norm = direction.iter().map(|x: &f64| x * x).sum::<f64>().sqrt();
    let scale = radius / norm;
    for (x, direction) in out.iter_mut().zip(&direction) {
        *x = (direction * scale) as f32;
    }
}

/// Fills `out` with equiprobable ±1, 64 per word.
fn signs<W: Weight>(mut generator: Xoshiro256PlusPlus, out: &mut [W]) {
    for chunk in out.chunks_mut(64) {
        let signs = rand::Rng::next_u64(&mut generator);
        for (bit, sign) in chunk.iter_mut().enumerate() {
            *sign = W::drawn(if signs >> bit & 1 == 1 { -1.0 } else { 1.0 });
        }
    }
}
