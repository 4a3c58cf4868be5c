//! A two-layer network in memory, with one input: f(x) = (1/√k) Σ_ℓ a_ℓ ψ(w_ℓ·x), equation (1).
//!
//! Weights and input equal those of `run` for the first input of the network with the same seed, d, k and index, evaluated in f64.

use std::cell::OnceCell;

use ndarray::{Array1, Array2, ArrayView1};
use rand::distr::Distribution;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::Setting;
use super::spectrum::largest_singular_value;
use super::variation::Variations;
use crate::machine::blas;
use crate::model::Activation;
use crate::model::{Cell, Readout};
use crate::random::normal::StandardNormal;
use crate::random::{BLOCK_ROWS, NetworkStreams, block_rows, blocks};

/// One network and its input.
pub struct Network {
    pub setting: Setting,
    /// W, k × d, one row per neuron, iid N(0, 1/d).
    pub w: Array2<f64>,
    /// a, length k: ±1.
    pub a: Array1<f64>,
    /// x, length d, of norm √d.
    pub x: Array1<f64>,
    /// W x, length k.
    pub z: Array1<f64>,
    gradient_at_input: OnceCell<Array1<f64>>,
    operator_norm: OnceCell<f64>,
    variations: OnceCell<Variations>,
    streams: NetworkStreams,
}

impl Network {
    /// Network `index` of `setting` under master seed `seed`.
    pub fn new(seed: u64, setting: Setting, index: usize) -> Self {
        blas::set_one_thread();
        let Setting { dim, width, .. } = setting;
        let streams = NetworkStreams::new(seed, Cell::new(1, dim, width), index, 1.0, Readout::Sign);
        let (mut w, mut a) = (Vec::with_capacity(width * dim), Vec::with_capacity(width));
        let mut numbers = vec![0.0_f32; BLOCK_ROWS.min(width) * dim];
        for block in 0..blocks(width) {
            let rows = block_rows(width, block).len();
            streams.weight_block(1, block, &mut numbers[..rows * dim]);
            w.extend(numbers[..rows * dim].iter().map(|&w| f64::from(w)));
            let mut signs = [0.0_f32; BLOCK_ROWS];
            streams.readout_block(block, &mut signs[..rows]);
            a.extend(signs[..rows].iter().map(|&a| f64::from(a)));
        }
        let mut x = vec![0.0_f32; dim];
        streams.input(0, &mut x);
        let x: Array1<f64> = x.into_iter().map(f64::from).collect();
        Self::of(setting, Array2::from_shape_vec((width, dim), w).expect("k rows of d numbers"), Array1::from(a), x, streams)
    }

    /// A network from given W, a and x, with the generators of `streams`.
    pub fn of(setting: Setting, w: Array2<f64>, a: Array1<f64>, x: Array1<f64>, streams: NetworkStreams) -> Self {
        let z = w.dot(&x);
        Self {
            setting,
            w,
            a,
            x,
            z,
            gradient_at_input: OnceCell::new(),
            operator_norm: OnceCell::new(),
            variations: OnceCell::new(),
            streams,
        }
    }

    pub fn activation(&self) -> Activation {
        self.setting.activation
    }

    /// W v, length k.
    pub fn forward(&self, v: ArrayView1<f64>) -> Array1<f64> {
        self.w.dot(&v)
    }

    /// (1/√k) Σ_ℓ a_ℓ c_ℓ w_ℓ, length d: ∇f where c = ψ'(z).
    pub fn backward(&self, c: ArrayView1<f64>) -> Array1<f64> {
        let scaled: Array1<f64> = self.a.iter().zip(c).map(|(a, c)| a * c * self.scale()).collect();
        self.w.t().dot(&scaled)
    }

    /// f at pre-activations `z` (length k).
    pub fn value(&self, z: ArrayView1<f64>) -> f64 {
        let activation = self.activation();
        self.scale() * self.a.iter().zip(z).map(|(a, z)| a * activation.value(*z)).sum::<f64>()
    }

    /// ∇f (length d) at pre-activations `z` (length k).
    pub fn gradient(&self, z: ArrayView1<f64>) -> Array1<f64> {
        let activation = self.activation();
        self.backward(z.mapv(|z| activation.derivative(z)).view())
    }

    /// f(x).
    pub fn value_at_input(&self) -> f64 {
        self.value(self.z.view())
    }

    /// ∇f(x), length d; computed once.
    pub fn gradient_at_input(&self) -> &Array1<f64> {
        self.gradient_at_input.get_or_init(|| self.gradient(self.z.view()))
    }

    /// ‖W‖, the largest singular value; computed once.
    pub fn operator_norm(&self) -> f64 {
        *self.operator_norm.get_or_init(|| {
            let start = |order| StandardNormal.sample_iter(self.generator(Purpose::Lanczos)).take(order).collect();
            largest_singular_value(self.w.view(), start)
        })
    }

    /// The variation of ∇f by `measure`; computed once.
    pub fn variations(&self, measure: impl FnOnce() -> Variations) -> &Variations {
        self.variations.get_or_init(measure)
    }

    /// 1/√k.
    pub fn scale(&self) -> f64 {
        1.0 / self.setting.k().sqrt()
    }

    /// The generator for measurements of this network, independent for each `purpose`.
    pub fn generator(&self, purpose: Purpose) -> Xoshiro256PlusPlus {
        self.streams.audit(purpose as usize)
    }
}

/// The use of an audit's random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Lanczos start vectors.
    Lanczos = 0,
    /// Random points of a ball.
    Ball = 1,
    /// Random directions.
    Direction = 2,
}

/// ‖v‖.
pub fn norm(v: ArrayView1<f64>) -> f64 {
    v.dot(&v).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Engine;
    use crate::network::dense::{Dense, Keep, Storage};

    #[test]
    fn it_is_the_network_that_run_measures() {
        let setting = Setting::two_layer(30, 300, Activation::Relu);
        let network = Network::new(7, setting, 3);
        let cell = Cell::new(1, 30, 300);
        let streams = NetworkStreams::new(7, cell, 3, 1.0, Readout::Sign);
        let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
        let mut engine = Dense::<f64>::new(streams, cell, 1, keep);
        assert_eq!(network.w, engine.matrix(1));
        assert_eq!(network.a.to_vec(), engine.readout());
        assert_eq!(network.x, engine.inputs().row(0));
        let expected = engine.differentiate().0;
        assert!((network.value(network.z.view()) - expected.value[0]).abs() < 1e-12);
        let gradient = network.gradient(network.z.view());
        assert!(norm((&gradient - &expected.gradient.row(0)).view()) < 1e-12);
    }
}
