//! A network of any number of hidden layers in memory: h_0 = x, h_l = ψ(W_l h_(l−1)), f(x) = (1/√k_L) Σ_j a_j h_L\[j\].
//!
//! Weights and inputs equal those of `run` with the same seed, shape, gain, sign readout and index, evaluated in f64.

use std::f64::consts::PI;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate};
use rand::distr::Distribution;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::Setting;
use super::network::Purpose;
use crate::machine::blas;
use crate::model::{Activation, Cell, Readout};
use crate::random::normal::StandardNormal;
use crate::random::{NetworkStreams, block_rows, blocks};

/// One network and its first input.
pub struct DeepNetwork {
    pub setting: Setting,
    /// W_1 … W_L, k_l × k_(l−1).
    pub weights: Vec<Array2<f64>>,
    /// a, length k_L: ±1.
    pub a: Array1<f64>,
    /// x, length d, of norm √d.
    pub x: Array1<f64>,
    streams: NetworkStreams,
}

impl DeepNetwork {
    /// Network `index` of `setting` under master seed `seed`.
    pub fn new(seed: u64, setting: Setting, index: usize) -> Self {
        blas::set_one_thread();
        let (cell, gain) = (setting.cell(), setting.gain());
        let streams = NetworkStreams::new(seed, cell, index, gain, Readout::Sign);
        let weights = (1..=cell.depth).map(|layer| matrix(streams, cell, layer)).collect();
        let width = cell.width_of(cell.depth);
        let mut a = vec![0.0_f32; width];
        for block in 0..blocks(width) {
            streams.readout_block(block, &mut a[block_rows(width, block)]);
        }
        let a = a.into_iter().map(f64::from).collect();
        let mut network = Self { setting, weights, a, x: Array1::zeros(0), streams };
        network.x = network.input(0);
        network
    }

    /// Input `index`, length d, of norm √d.
    pub fn input(&self, index: usize) -> Array1<f64> {
        let mut x = vec![0.0_f32; self.setting.dim];
        self.streams.input(index, &mut x);
        x.into_iter().map(f64::from).collect()
    }

    fn activation(&self) -> Activation {
        self.setting.activation
    }

    /// The pre-activations z_1 … z_L at `x`.
    pub fn pre_activations(&self, x: ArrayView1<f64>) -> Vec<Array1<f64>> {
        self.pre_activations_above(self.weights[0].dot(&x))
    }

    /// The pre-activations z_1 … z_L, given z_1.
    fn pre_activations_above(&self, first: Array1<f64>) -> Vec<Array1<f64>> {
        let mut z = vec![first];
        for weights in &self.weights[1..] {
            let h = z[z.len() - 1].mapv(|z| self.activation().value(z));
            z.push(weights.dot(&h));
        }
        z
    }

    /// f, given z_1.
    pub fn value_above(&self, first: Array1<f64>) -> f64 {
        self.read_out(&self.pre_activations_above(first))
    }

    /// f(x).
    pub fn value(&self, x: ArrayView1<f64>) -> f64 {
        self.read_out(&self.pre_activations(x))
    }

    fn read_out(&self, z: &[Array1<f64>]) -> f64 {
        let last = &z[z.len() - 1];
        self.a.iter().zip(last).map(|(a, z)| a * self.activation().value(*z)).sum::<f64>() / (last.len() as f64).sqrt()
    }

    /// f(x), and ∂f/∂h_0 = ∇f(x), ∂f/∂h_1, …, ∂f/∂h_L.
    pub fn value_and_sensitivities(&self, x: ArrayView1<f64>) -> (f64, Vec<Array1<f64>>) {
        let z = self.pre_activations(x);
        let mut sensitivities = vec![&self.a / (self.a.len() as f64).sqrt()];
        for (weights, z) in self.weights.iter().zip(&z).rev() {
            let above = &sensitivities[sensitivities.len() - 1] * &z.mapv(|z| self.activation().derivative(z));
            sensitivities.push(weights.t().dot(&above));
        }
        sensitivities.reverse();
        (self.read_out(&z), sensitivities)
    }

    /// f(x) and ∇f(x).
    pub fn value_and_gradient(&self, x: ArrayView1<f64>) -> (f64, Array1<f64>) {
        let (value, mut sensitivities) = self.value_and_sensitivities(x);
        (value, sensitivities.swap_remove(0))
    }

    /// ‖h_l‖²/k_l and d ‖J_l v‖²/k_l for l = 1 … L at x, with J_l = ∂h_l/∂x and v = `direction`, length d.
    pub fn scales_and_sensitivities(&self, direction: ArrayView1<f64>) -> Vec<[f64; 2]> {
        let (mut h, mut tangent) = (self.x.clone(), direction.to_owned());
        let mut layers = Vec::with_capacity(self.weights.len());
        for weights in &self.weights {
            let z = weights.dot(&h);
            tangent = weights.dot(&tangent) * z.mapv(|z| self.activation().derivative(z));
            h = z.mapv(|z| self.activation().value(z));
            let width = h.len() as f64;
            layers.push([h.dot(&h) / width, self.setting.d() * tangent.dot(&tangent) / width]);
        }
        layers
    }

    /// ∇f at each row of `y`, rows × d.
    pub fn gradients(&self, y: ArrayView2<f64>) -> Array2<f64> {
        let z = self.rows_of_pre_activations(y);
        let mut sensitivity = self.readouts(y.nrows());
        for (weights, z) in self.weights.iter().zip(&z).rev() {
            sensitivity = (sensitivity * z.mapv(|z| self.activation().derivative(z))).dot(weights);
        }
        sensitivity
    }

    /// ∇²f(y) v for each row of `y` and `v`, rows × d. The second derivative of a kink is a normal density, whose standard deviation is the row's
    /// `smear` times the root mean square of its layer's pre-activations.
    pub fn hessian_products(&self, y: ArrayView2<f64>, v: ArrayView2<f64>, smear: &[f64]) -> Array2<f64> {
        let activation = self.activation();
        let z = self.rows_of_pre_activations(y);
        let slopes: Vec<Array2<f64>> = z.iter().map(|z| z.mapv(|z| activation.derivative(z))).collect();
        let second = |z: &Array2<f64>| {
            let mut second = z.clone();
            for (mut row, smear) in second.rows_mut().into_iter().zip(smear) {
                let width = smear * (row.dot(&row) / row.len() as f64).sqrt() + f64::MIN_POSITIVE;
                row.mapv_inplace(|z| match activation.leak() {
                    None => activation.second_derivative(z),
                    Some(leak) => (1.0 - leak) * (-0.5 * (z / width).powi(2)).exp() / (width * (2.0 * PI).sqrt()),
                });
            }
            second
        };
        // The change of each pre-activation along v.
        let mut tangents = vec![v.dot(&self.weights[0].t())];
        for (weights, slope) in self.weights[1..].iter().zip(&slopes) {
            let below = slope * &tangents[tangents.len() - 1];
            tangents.push(below.dot(&weights.t()));
        }
        // ∂f/∂h_l and its change along v, downwards.
        let mut sensitivity = self.readouts(y.nrows());
        let mut change = Array2::zeros(sensitivity.raw_dim());
        for (((weights, z), slope), tangent) in self.weights.iter().zip(&z).zip(&slopes).zip(&tangents).rev() {
            change = (second(z) * tangent * &sensitivity + slope * &change).dot(weights);
            sensitivity = (sensitivity * slope).dot(weights);
        }
        change
    }

    /// z_1 … z_L at each row of `y`.
    fn rows_of_pre_activations(&self, y: ArrayView2<f64>) -> Vec<Array2<f64>> {
        let mut z = vec![y.dot(&self.weights[0].t())];
        for weights in &self.weights[1..] {
            let h = z[z.len() - 1].mapv(|z| self.activation().value(z));
            z.push(h.dot(&weights.t()));
        }
        z
    }

    /// ∂f/∂h_L, `rows` times.
    fn readouts(&self, rows: usize) -> Array2<f64> {
        let a = &self.a / (self.a.len() as f64).sqrt();
        a.broadcast((rows, a.len())).expect("a row is broadcast").to_owned()
    }

    /// The generator for measurements of this network, independent for each `purpose`.
    pub fn generator(&self, purpose: Purpose) -> Xoshiro256PlusPlus {
        self.streams.audit(purpose as usize)
    }

    /// A uniform unit vector orthogonal to x.
    pub fn direction(&self) -> Array1<f64> {
        let mut generator = self.generator(Purpose::Direction);
        let direction: Array1<f64> = StandardNormal.sample_iter(&mut generator).take(self.x.len()).collect();
        let direction = &direction - &(&self.x * (direction.dot(&self.x) / self.x.dot(&self.x)));
        let norm = direction.dot(&direction).sqrt();
        direction / norm
    }

    /// Sign changes of pre-activations, all layers together, on x + t·`direction`, |t| ≤ `radius`, for ψ linear on both sides of 0: exact, by
    /// linear interpolation between the knots of the layers below.
    pub fn crossings(&self, direction: ArrayView1<f64>, radius: f64) -> usize {
        let end = |t: f64| (&self.x + &(&direction * t)).insert_axis(Axis(0));
        // The points where a neuron changes sign so far, with the ends: h there, knots × neurons.
        let mut h = concatenate![Axis(0), end(-radius), end(radius)];
        // Places of the knots along the line.
        let mut knots = vec![-radius, radius];
        let mut count = 0;
        for weights in &self.weights {
            let z = h.dot(&weights.t());
            // (interval, t) of the zeros.
            let mut zeros = Vec::new();
            for i in 0..knots.len() - 1 {
                let pairs = z.row(i).into_iter().zip(z.row(i + 1));
                let changing = pairs.filter(|(left, right)| (**left > 0.0) != (**right > 0.0));
                zeros.extend(changing.map(|(left, right)| (i, knots[i] + (knots[i + 1] - knots[i]) * left / (left - right))));
            }
            count += zeros.len();
            let mut places: Vec<(usize, f64)> = knots.iter().enumerate().map(|(i, t)| (i, *t)).chain(zeros).collect();
            places.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            h = Array2::zeros((places.len(), z.ncols()));
            for ((interval, t), mut row) in places.iter().zip(h.rows_mut()) {
                let right = (interval + 1).min(knots.len() - 1);
                let length = knots[right] - knots[*interval];
                let share = if length > 0.0 { (t - knots[*interval]) / length } else { 0.0 };
                let values = z.row(*interval).into_iter().zip(z.row(right)).map(|(left, right)| left + share * (right - left));
                row.iter_mut().zip(values).for_each(|(h, z)| *h = self.activation().value(z));
            }
            knots = places.into_iter().map(|(_, t)| t).collect();
        }
        count
    }
}

fn matrix(streams: NetworkStreams, cell: Cell, layer: usize) -> Array2<f64> {
    let (rows, columns) = (cell.width_of(layer), cell.fan_in(layer));
    let mut w = vec![0.0_f32; rows * columns];
    for block in 0..blocks(rows) {
        let range = block_rows(rows, block);
        streams.weight_block(layer, block, &mut w[range.start * columns..range.end * columns]);
    }
    Array2::from_shape_vec((rows, columns), w.into_iter().map(f64::from).collect()).expect("rows × columns numbers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Engine;
    use crate::network::dense::{Dense, Keep, Storage};

    #[test]
    fn it_is_the_network_that_run_measures() {
        for (activation, cell) in [(Activation::Relu, Cell::new(3, 20, 300)), (Activation::Tanh, Cell::of_layers(9, &[30, 5, 12]))]
        {
            let network = DeepNetwork::new(7, Setting::deep(cell, 1.5, activation), 3);
            let streams = NetworkStreams::new(7, cell, 3, 1.5, Readout::Sign);
            let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
            let mut engine = Dense::<f64>::new(streams, cell, 1, keep);
            for layer in 1..=3 {
                assert_eq!(network.weights[layer - 1], engine.matrix(layer));
            }
            assert_eq!((network.a.to_vec(), network.x.view()), (engine.readout(), engine.inputs().row(0)));
        }
    }

    #[test]
    fn gradients_are_finite_differences() {
        let network = DeepNetwork::new(7, Setting::deep(Cell::of_layers(6, &[30, 5, 12]), 2.0, Activation::Tanh), 0);
        let (value, gradient) = network.value_and_gradient(network.x.view());
        assert!((value - network.value(network.x.view())).abs() < 1e-14);
        for i in 0..6 {
            let mut shifted = [network.x.clone(), network.x.clone()];
            shifted[0][i] += 1e-5;
            shifted[1][i] -= 1e-5;
            let [above, below] = shifted.map(|x| network.value(x.view()));
            assert!(((above - below) / 2e-5 - gradient[i]).abs() < 1e-8, "coordinate {i}");
        }
    }

    #[test]
    fn products_with_the_hessian_are_finite_differences_of_gradients() {
        let network = DeepNetwork::new(7, Setting::deep(Cell::of_layers(6, &[30, 5, 12]), 2.0, Activation::Tanh), 0);
        let v = network.direction();
        let at = |t: f64| network.value_and_gradient((&network.x + &(&v * t)).view()).1;
        let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
        let rows = |row: &Array1<f64>| row.clone().insert_axis(Axis(0));
        let product = network.hessian_products(rows(&network.x).view(), rows(&v).view(), &[1.0]);
        assert!((&product.row(0) - &difference).iter().all(|error| error.abs() < 1e-8));
        let gradient = network.gradients(rows(&network.x).view());
        assert!((&gradient.row(0) - &at(0.0)).iter().all(|error| error.abs() < 1e-14));
    }

    /// Against finite differences of the layers, and the layers themselves.
    #[test]
    fn scales_and_sensitivities_are_those_of_the_layers() {
        for activation in [Activation::Relu, Activation::Tanh] {
            let network = DeepNetwork::new(7, Setting::deep(Cell::of_layers(6, &[30, 5, 12]), 2.0, activation), 0);
            let v = network.direction();
            let layers = |t: f64| -> Vec<Array1<f64>> {
                let z = network.pre_activations((&network.x + &(&v * t)).view());
                z.into_iter().map(|z| z.mapv(|z| activation.value(z))).collect()
            };
            let (h, above, below) = (layers(0.0), layers(1e-6), layers(-1e-6));
            for (l, [scale, sensitivity]) in network.scales_and_sensitivities(v.view()).into_iter().enumerate() {
                let change = (&above[l] - &below[l]) / 2e-6;
                let width = h[l].len() as f64;
                assert!((scale - h[l].dot(&h[l]) / width).abs() < 1e-12);
                assert!((sensitivity - 6.0 * change.dot(&change) / width).abs() < 1e-6, "layer {}", l + 1);
            }
        }
    }

    /// Against the changes of sign between neighbours of a fine grid.
    #[test]
    fn crossings_are_those_of_a_fine_grid() {
        for index in 0..4 {
            let network = DeepNetwork::new(7, Setting::deep(Cell::of_layers(6, &[12, 9, 10]), 2.0, Activation::Relu), index);
            let direction = network.direction();
            assert!(direction.dot(&network.x).abs() < 1e-12);
            let active = |step: i32| -> Vec<bool> {
                let x = &network.x + &(&direction * (1e-4 * f64::from(step) + 1e-5));
                network.pre_activations(x.view()).iter().flatten().map(|z| *z > 0.0).collect()
            };
            let mut before = active(-24_000);
            let mut count = 0;
            for step in -23_999..=24_000 {
                let now = active(step);
                count += before.iter().zip(&now).filter(|(a, b)| a != b).count();
                before = now;
            }
            assert_eq!(network.crossings(direction.view(), 2.4), count, "network {index}");
        }
    }
}
