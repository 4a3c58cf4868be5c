//! Networks that are given rather than drawn, trained or not: hidden layers with biases and one ψ, and an affine readout of one or more outputs.
//!
//!   f_o(x) = c_o + r_o·h_L,   h_l = ψ(W_l h_(l−1) + b_l),   h_0 = x.
//!
//! Piecewise linear ψ may have another slope below 0 in each layer or neuron, and there may be no hidden layer: such a network is turned into one of
//! ReLU with twice the neurons of a layer of slopes α ≠ 0, exactly ([`GivenNetwork::with_relu`]): ψ(z) = max(z, 0) − α max(−z, 0).
//!
//! The engines know no biases, so [`Embedded`] turns them into weights of constant units: one more input coordinate, 1, carries b_1, and one more
//! neuron in a hidden layer, with pre-activation 1 and value ψ(1), carries b/ψ(1) of the layer above. Such a unit is there only if a bias above it
//! is not 0, so a network without biases is the bias-free one. For a piecewise linear ψ, ψ(1) = 1 and nothing is rounded but the readout, which is
//! multiplied by √k_L because the engines divide by it. Steps leave the constant coordinate alone (`bias` in `measure::Settings`).

use std::borrow::Cow;
use std::sync::Arc;

use crc32fast::Hasher;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};

use super::dense::Dense;
use crate::linalg::matmul;
use crate::model::activation::LEAK;
use crate::model::cell::MOST_DIFFERING;
use crate::model::{Activation, Cell};

/// Most hidden layers of a given network.
pub const MOST_LAYERS: usize = 1000;

/// z = W x + b.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// W, outputs × inputs.
    pub weights: Array2<f64>,
    /// b, one per output.
    pub bias: Vec<f64>,
}

/// A fully connected network.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenNetwork {
    /// ψ of every hidden layer.
    activation: Activation,
    /// The slopes of ψ below 0: for each hidden layer one, or one per neuron if they differ; empty if they are that of `activation`.
    slopes: Vec<Vec<f64>>,
    /// The hidden layers, then the readout.
    layers: Vec<Affine>,
}

impl GivenNetwork {
    /// The layers from the first hidden one to the readout.
    ///
    /// # Errors
    /// Why they are no network: the shapes do not chain, a number is not finite, or there are none or too many.
    pub fn new(activation: Activation, layers: Vec<Affine>) -> Result<Self, String> {
        let shape = |layer: &Affine| format!("{} × {}", layer.weights.nrows(), layer.weights.ncols());
        let place = |index: usize| format!("layer {} of {}", index + 1, layers.len());
        for (index, layer) in layers.iter().enumerate() {
            if layer.weights.is_empty() {
                return Err(format!("{} is empty ({})", place(index), shape(layer)));
            }
            if layer.bias.len() != layer.weights.nrows() {
                return Err(format!("{} is {}, but has {} biases", place(index), shape(layer), layer.bias.len()));
            }
            if let Some(number) = layer.weights.iter().chain(&layer.bias).find(|number| !number.is_finite()) {
                return Err(format!("{} holds {number}", place(index)));
            }
        }
        if let Some(index) = (1..layers.len()).find(|&index| layers[index].weights.ncols() != layers[index - 1].weights.nrows()) {
            let (below, above) = (&layers[index - 1], &layers[index]);
            return Err(format!(
                "the shapes do not chain: {} is {}, but the layer below it has {} outputs ({})",
                place(index),
                shape(above),
                below.weights.nrows(),
                shape(below)
            ));
        }
        if layers.is_empty() {
            return Err("it has no layer".to_string());
        }
        if layers.len() > MOST_LAYERS + 1 {
            return Err(format!("it has {} hidden layers, and no more than {MOST_LAYERS} are read", layers.len() - 1));
        }
        let network = Self { activation, slopes: Vec::new(), layers };
        network.check_widths()?;
        Ok(network)
    }

    /// The network with these slopes of ψ below 0, 0 for ReLU: for each hidden layer one, or one per neuron. Its ψ has to be piecewise linear.
    ///
    /// # Errors
    /// A slope is not finite, their number is neither 1 nor that of the neurons, or the layers of ReLU that replace them are too many of different
    /// widths.
    pub fn with_slopes(mut self, mut slopes: Vec<Vec<f64>>) -> Result<Self, String> {
        assert_eq!(slopes.len(), self.layers.len() - 1, "slopes for every hidden layer");
        if let Some(slope) = slopes.iter().flatten().find(|slope| !slope.is_finite()) {
            return Err(format!("its activation has the slope {slope}"));
        }
        for (index, (of_layer, width)) in slopes.iter_mut().zip(self.widths()).enumerate() {
            if of_layer.len() != 1 && of_layer.len() != width {
                let (place, count) = (format!("hidden layer {}", index + 1), of_layer.len());
                return Err(format!("the activation of {place} has {count} slopes, and its {width} neurons take 1 or {width}"));
            }
            if of_layer.iter().all(|slope| *slope == of_layer[0]) {
                of_layer.truncate(1);
            }
        }
        let all = |slope: f64| slopes.iter().flatten().all(|other| *other == slope);
        (self.activation, self.slopes) = match () {
            () if slopes.is_empty() => (self.activation, Vec::new()),
            () if all(0.0) => (Activation::Relu, Vec::new()),
            () if all(LEAK) => (Activation::LeakyRelu, Vec::new()),
            () => (Activation::LeakyRelu, slopes),
        };
        self.check_widths()?;
        Ok(self)
    }

    fn check_widths(&self) -> Result<(), String> {
        let widths = self.with_relu().embedded_widths();
        if widths.iter().any(|&width| width != widths[0]) && widths.len() > MOST_DIFFERING {
            let why = format!("it has {} hidden layers of different widths, or with and without biases", widths.len());
            return Err(format!("{why}, and no more than {MOST_DIFFERING} are supported"));
        }
        Ok(())
    }

    /// The slopes of ψ below 0: for each hidden layer one, or one per neuron if they differ; empty if they are that of
    /// [`activation`](Self::activation).
    pub fn slopes(&self) -> &[Vec<f64>] {
        &self.slopes
    }

    /// The same function as a network whose slopes are those of its ψ, with at least one hidden layer.
    fn with_relu(&self) -> Cow<'_, Self> {
        if self.slopes.is_empty() && self.layers.len() > 1 {
            return Cow::Borrowed(self);
        }
        // `factors` by column, or one for all.
        let stacked = |upper: &Array2<f64>, factors: Array1<f64>, axis: usize| {
            concatenate(Axis(axis), &[upper.view(), (upper * &factors).view()]).expect("the same shape")
        };
        let mut layers = self.layers.clone();
        if layers.len() == 1 {
            // The identity has the slope 1: z = max(z, 0) − max(−z, 0).
            let outputs = self.outputs();
            layers.push(Affine { weights: Array2::eye(outputs), bias: vec![0.0; outputs] });
        }
        let slopes = if self.slopes.is_empty() { vec![vec![1.0]] } else { self.slopes.clone() };
        for (index, slopes) in slopes.iter().enumerate().filter(|(_, slopes)| slopes.iter().any(|slope| *slope != 0.0)) {
            let layer = &mut layers[index];
            layer.weights = stacked(&layer.weights, Array1::from_elem(1, -1.0), 0);
            layer.bias.extend(layer.bias.clone().iter().map(|b| -b));
            layers[index + 1].weights = stacked(&layers[index + 1].weights, slopes.iter().map(|slope| -slope).collect(), 1);
        }
        Cow::Owned(Self { activation: Activation::Relu, slopes: Vec::new(), layers })
    }

    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// From the first hidden layer to the readout.
    pub fn layers(&self) -> &[Affine] {
        &self.layers
    }

    /// d.
    pub fn dim(&self) -> usize {
        self.layers[0].weights.ncols()
    }

    pub fn outputs(&self) -> usize {
        self.readout().weights.nrows()
    }

    /// k_1 … k_L.
    pub fn widths(&self) -> impl Iterator<Item = usize> {
        self.hidden().iter().map(|layer| layer.weights.nrows())
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.weights.len() + layer.bias.len()).sum()
    }

    fn hidden(&self) -> &[Affine] {
        &self.layers[..self.layers.len() - 1]
    }

    fn readout(&self) -> &Affine {
        self.layers.last().expect("a network has layers")
    }

    /// All outputs at `x`, n × d: n × outputs.
    pub fn outputs_at(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let mut h = x.to_owned();
        for (index, layer) in self.layers.iter().enumerate() {
            h = matmul::with_transposed(h.view(), layer.weights.view());
            for mut row in h.rows_mut() {
                row.iter_mut().zip(&layer.bias).for_each(|(z, b)| *z += b);
            }
            if index + 1 < self.layers.len() {
                match self.slopes.get(index) {
                    Some(slopes) => {
                        for mut row in h.rows_mut() {
                            let negative = |(z, slope): (&mut f64, &f64)| *z = if *z > 0.0 { *z } else { slope * *z };
                            row.iter_mut().zip(slopes.iter().cycle()).for_each(negative);
                        }
                    }
                    None => h.mapv_inplace(|z| self.activation.value(z)),
                }
            }
        }
        h
    }

    /// The same function with another offset of ψ: of layers that use ψ + `shift` instead of ψ, or the other way round with −`shift`.
    pub fn with_shifted_activation(mut self, shift: f64) -> Self {
        for layer in &mut self.layers[1..] {
            let sums = layer.weights.sum_axis(Axis(1));
            layer.bias.iter_mut().zip(&sums).for_each(|(b, sum)| *b += shift * sum);
        }
        self
    }

    /// CRC-32 of shapes, ψ and numbers: the same in every file format of the same precision.
    pub fn checksum(&self) -> u32 {
        let mut hasher = Hasher::new();
        hasher.update(self.activation.name().as_bytes());
        for slopes in &self.slopes {
            if slopes.len() > 1 {
                hasher.update(&(slopes.len() as u64).to_le_bytes());
            }
            slopes.iter().for_each(|slope| hasher.update(&slope.to_le_bytes()));
        }
        for layer in &self.layers {
            for size in [layer.weights.nrows(), layer.weights.ncols()] {
                hasher.update(&(size as u64).to_le_bytes());
            }
            layer.weights.iter().chain(&layer.bias).for_each(|number| hasher.update(&number.to_le_bytes()));
        }
        hasher.finalize()
    }

    /// For each layer of weights, whether a bias in it or above it is not 0, so that the layer below needs a constant unit.
    fn needs_unit(&self) -> Vec<bool> {
        let mut needs: Vec<bool> = self.layers.iter().map(|layer| layer.bias.iter().any(|&b| b != 0.0)).collect();
        for index in (1..needs.len()).rev() {
            needs[index - 1] |= needs[index];
        }
        needs
    }

    /// The widths of the hidden layers with constant units.
    fn embedded_widths(&self) -> Vec<usize> {
        self.widths().zip(&self.needs_unit()[1..]).map(|(width, &needs)| width + usize::from(needs)).collect()
    }
}

/// A given network as the dense engine takes it: without biases, but with constant units.
#[derive(Debug, Clone)]
pub struct Embedded {
    cell: Cell,
    activation: Activation,
    /// Whether the last input coordinate is the constant 1.
    has_bias: bool,
    /// W_1 … W_L.
    matrices: Arc<Vec<Array2<f64>>>,
    /// √k_L (r_o, c_o/ψ(1)), outputs × k_L.
    readouts: Array2<f64>,
}

impl Embedded {
    pub fn of(network: &GivenNetwork) -> Self {
        let network = &*network.with_relu();
        let needs = network.needs_unit();
        let unit = network.activation.value(1.0);
        let mut matrices = Vec::new();
        for (index, layer) in network.layers.iter().enumerate() {
            let (below, above) = (needs[index], needs.get(index + 1).copied().unwrap_or(false));
            let (rows, columns) = layer.weights.dim();
            let mut matrix = Array2::zeros((rows + usize::from(above), columns + usize::from(below)));
            matrix.slice_mut(s![..rows, ..columns]).assign(&layer.weights);
            // What the constant unit below is worth.
            let worth = if index == 0 { 1.0 } else { unit };
            if below {
                matrix.slice_mut(s![..rows, columns]).iter_mut().zip(&layer.bias).for_each(|(w, b)| *w = b / worth);
            }
            if above {
                matrix[[rows, columns]] = 1.0 / worth;
            }
            matrices.push(matrix);
        }
        let mut readouts = matrices.pop().expect("a network has a readout");
        let width = readouts.ncols();
        readouts.mapv_inplace(|a| a * (width as f64).sqrt());
        let widths: Vec<usize> = matrices.iter().map(|matrix| matrix.nrows()).collect();
        let cell = Cell::of_layers(matrices[0].ncols(), &widths);
        Self { cell, activation: network.activation, has_bias: needs[0], matrices: Arc::new(matrices), readouts }
    }

    /// The architecture, with constant units.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// Whether inputs have a constant last coordinate that steps leave alone.
    pub fn has_bias(&self) -> bool {
        self.has_bias
    }

    pub fn outputs(&self) -> usize {
        self.readouts.nrows()
    }

    /// `x`, n × d, with the constant coordinate if there is one.
    pub fn inputs(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let mut inputs = Array2::ones((x.nrows(), self.cell.dim));
        inputs.slice_mut(s![.., ..x.ncols()]).assign(&x);
        inputs
    }

    /// The engine of output `output`, less that of `other` if given, at `inputs`, which have the constant coordinate.
    pub fn engine(&self, output: usize, other: Option<usize>, inputs: Array2<f64>) -> Dense<f64> {
        let mut readout = self.readouts.row(output).to_vec();
        if let Some(other) = other {
            readout.iter_mut().zip(self.readouts.row(other)).for_each(|(a, b)| *a -= b);
        }
        Dense::given(self.cell, self.activation, Arc::clone(&self.matrices), readout, inputs)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::network::{Engine, ValueAndGradient};

    /// 3 → 4 → 2 → 2, deterministic numbers without a pattern.
    fn layers(biases: [bool; 3]) -> Vec<Affine> {
        let number = |i: usize| ((i * 7919 + 13) % 101) as f64 / 50.0 - 1.0;
        let layer = |rows: usize, columns: usize, at: usize, has_bias: bool| Affine {
            weights: Array2::from_shape_fn((rows, columns), |(i, j)| number(at + 31 * i + j)),
            bias: (0..rows).map(|i| if has_bias { number(at + 1000 + i) } else { 0.0 }).collect(),
        };
        vec![layer(4, 3, 0, biases[0]), layer(2, 4, 200, biases[1]), layer(2, 2, 400, biases[2])]
    }

    #[test]
    fn an_embedded_network_is_the_same_function() {
        let x = array![[0.3, -1.0, 2.0], [0.0, 0.0, 0.0], [-0.7, 0.2, 0.1]];
        for psi in Activation::ALL {
            for biases in [0, 1, 2, 3, 4, 5, 6, 7].map(|bits| [bits & 1 == 1, bits & 2 == 2, bits & 4 == 4]) {
                let network = GivenNetwork::new(psi, layers(biases)).unwrap();
                let embedded = Embedded::of(&network);
                assert_eq!(embedded.has_bias(), biases.contains(&true));
                let outputs = network.outputs_at(x.view());
                for output in 0..2 {
                    let other = 1 - output;
                    let mut engine = embedded.engine(output, Some(other), embedded.inputs(x.view()));
                    let (ValueAndGradient { value, gradient }, _) = engine.differentiate();
                    for row in 0..3 {
                        let expected = outputs[[row, output]] - outputs[[row, other]];
                        assert!((value[row] - expected).abs() < 1e-14, "{} {biases:?}", psi.name());
                        for j in 0..3 {
                            let at = |h: f64| {
                                let mut x = x.slice(s![row..=row, ..]).to_owned();
                                x[[0, j]] += h;
                                let outputs = network.outputs_at(x.view());
                                outputs[[0, output]] - outputs[[0, other]]
                            };
                            // At 0 without biases a piecewise linear ψ has its kink.
                            let is_smooth = row != 1 || biases == [true; 3];
                            let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
                            assert!(!is_smooth || (gradient[[row, j]] - slope).abs() < 1e-8, "{} {biases:?}", psi.name());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn slopes_and_a_linear_function_become_relu() {
        let x = array![[0.3, -1.0, 2.0], [-0.7, 0.2, 0.1], [1.1, 0.4, -2.0]];
        let by_neuron = |slopes: [&[f64]; 2]| {
            let network = GivenNetwork::new(Activation::LeakyRelu, layers([true; 3])).unwrap();
            network.with_slopes(slopes.map(<[f64]>::to_vec).to_vec())
        };
        let deep = |[one, two]: [f64; 2]| by_neuron([&[one], &[two]]);
        let linear = GivenNetwork::new(Activation::Relu, layers([true; 3])[..1].to_vec()).unwrap();
        let [prelu, mixed] = [[&[0.5, 0.0, -0.3, 0.01][..], &[0.2, 0.7]], [&[0.0], &[-2.0, 0.0]]].map(by_neuron);
        let general = [deep([0.2, 0.2]), deep([0.0, 0.3]), deep([-1.0, 0.01]), prelu, mixed, Ok(linear)].map(Result::unwrap);
        for network in &general {
            // By hand.
            let mut h = x.clone();
            for (index, layer) in network.layers().iter().enumerate() {
                h = h.dot(&layer.weights.t()) + &ndarray::Array1::from(layer.bias.clone());
                let slopes = network.slopes().get(index).cloned().unwrap_or(vec![1.0]);
                for ((_, neuron), z) in h.indexed_iter_mut() {
                    let slope = if slopes.len() > 1 { slopes[neuron] } else { slopes[0] };
                    *z = if *z > 0.0 { *z } else { slope * *z };
                }
            }
            assert_eq!(network.outputs_at(x.view()), h);
            let embedded = Embedded::of(network);
            assert_eq!(embedded.activation(), Activation::Relu);
            for output in 0..network.outputs() {
                let mut engine = embedded.engine(output, None, embedded.inputs(x.view()));
                let (ValueAndGradient { value, gradient }, _) = engine.differentiate();
                for row in 0..3 {
                    assert!((value[row] - h[[row, output]]).abs() < 1e-13, "{:?}", network.slopes());
                    for j in 0..3 {
                        let mut to = x.slice(s![row..=row, ..]).to_owned();
                        to[[0, j]] += 1e-6;
                        let slope = (network.outputs_at(to.view())[[0, output]] - h[[row, output]]) / 1e-6;
                        assert!((gradient[[row, j]] - slope).abs() < 1e-7, "{:?}", network.slopes());
                    }
                }
            }
        }
        let checksums: Vec<u32> = general.iter().map(GivenNetwork::checksum).collect();
        assert!(checksums[0] != checksums[1] && checksums[1] != checksums[2]);
        // Slopes that ψ has anyway.
        assert_eq!(deep([LEAK; 2]).unwrap(), GivenNetwork::new(Activation::LeakyRelu, layers([true; 3])).unwrap());
        assert_eq!(deep([0.0; 2]).unwrap(), GivenNetwork::new(Activation::Relu, layers([true; 3])).unwrap());
        assert_eq!(by_neuron([&[0.2; 4], &[0.2]]).unwrap(), general[0]);
        assert!(deep([f64::INFINITY, 0.0]).unwrap_err().contains("the slope inf"));
        assert!(
            by_neuron([&[0.1, 0.2], &[0.0]]).unwrap_err().contains("hidden layer 1 has 2 slopes, and its 4 neurons take 1 or 4")
        );
    }

    #[test]
    fn a_network_without_biases_has_no_constant_unit() {
        let embedded = Embedded::of(&GivenNetwork::new(Activation::Relu, layers([false; 3])).unwrap());
        assert_eq!(embedded.cell(), Cell::of_layers(3, &[4, 2]));
        let embedded = Embedded::of(&GivenNetwork::new(Activation::Relu, layers([false, true, false])).unwrap());
        assert_eq!(embedded.cell(), Cell::of_layers(4, &[5, 2]));
    }

    #[test]
    fn a_shift_of_the_activation_moves_into_the_biases() {
        let x = array![[0.3, -1.0, 2.0]];
        let network = GivenNetwork::new(Activation::Tanh, layers([true; 3])).unwrap();
        // By hand: tanh + 0.5 in both hidden layers.
        let mut h = x.clone();
        for (index, layer) in network.layers().iter().enumerate() {
            h = h.dot(&layer.weights.t()) + &ndarray::Array1::from(layer.bias.clone());
            h = if index < 2 { h.mapv(|z: f64| z.tanh() + 0.5) } else { h };
        }
        let shifted = network.clone().with_shifted_activation(0.5).outputs_at(x.view());
        assert!((&shifted - &h).iter().all(|difference| difference.abs() < 1e-14));
    }

    #[test]
    fn layers_that_are_no_network_are_refused() {
        let why = |layers: Vec<Affine>| GivenNetwork::new(Activation::Relu, layers).unwrap_err();
        let plain = |rows: usize, columns: usize| Affine { weights: Array2::ones((rows, columns)), bias: vec![0.0; rows] };
        assert!(why(vec![plain(4, 3), plain(1, 5)]).contains("do not chain: layer 2 of 2 is 1 × 5"));
        assert!(why(Vec::new()).contains("no layer"));
        assert!(why(vec![plain(0, 3), plain(1, 0)]).contains("is empty"));
        let mut bad = plain(1, 4);
        bad.weights[[0, 2]] = f64::NAN;
        assert!(why(vec![plain(4, 3), bad]).contains("layer 2 of 2 holds NaN"));
        assert!(why(vec![Affine { bias: vec![0.0; 3], ..plain(4, 3) }, plain(1, 4)]).contains("has 3 biases"));
        let mut deep: Vec<Affine> = (0..17).map(|i| plain(3 + i, 2 + i)).collect();
        deep.push(plain(1, 19));
        assert!(why(deep).contains("no more than 16"));
    }
}
