//! ONNX graphs that are one chain of linear layers with one activation between them, or several piecewise linear ones.
//!
//! Linear: Gemm, MatMul by a constant, Add of a constant. Activations: Relu, LeakyRelu, PRelu, Tanh, Erf, Softplus, Gelu (exact), Sin,
//! and Sigmoid with Mul (SiLU). Identity, Dropout, Flatten and Cast between f32 and f64 change nothing. Softmax, LogSoftmax and ArgMax at the end
//! are left out, because they do not change which output is the largest. Any other node is refused by its name.

mod constant;
mod messages;
mod write;

use std::collections::HashMap;

use ndarray::Array2;
use prost::Message;

use super::{Limit, Why};
use crate::model::Activation;
use crate::model::activation::LEAK;
use crate::network::given::Affine;
use constant::{Constant, broadcast, constant, matrix};
use messages::{DOUBLE, FLOAT, Graph, Model, Node, Tensor};

pub use write::write;

/// A chain that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Any, if there is no hidden layer.
    pub activation: Activation,
    /// Slopes below 0, if it is piecewise linear: for each hidden layer one, or one per neuron.
    pub slopes: Vec<Vec<f64>>,
    pub layers: Vec<Affine>,
    /// The node of each layer.
    pub names: Vec<String>,
    /// The nodes at the end that are left out.
    pub left_out: Vec<String>,
}

/// Reads the chain of a model. Its softplus is ln(1 + eᶻ).
///
/// # Errors
/// Why `bytes` are no such model.
pub fn read(bytes: &[u8], limit: Limit) -> Result<Chain, Why> {
    let model = Model::decode(bytes).map_err(|error| format!("it is not a whole ONNX model: {error}"))?;
    if model.opset_import.is_empty() {
        return Err("it is not a whole ONNX model: it does not say which operators it uses".to_string());
    }
    let mut graph = model.graph.ok_or("it is not an ONNX model: it has no graph")?;
    let nodes = std::mem::take(&mut graph.node);
    let mut walk = Walk::new(graph, limit)?;
    nodes.iter().enumerate().try_for_each(|(index, node)| walk.node(index, node))?;
    walk.end()
}

/// What the chain waits for.
#[derive(Clone, PartialEq)]
enum Stage {
    /// The inputs of the network, or the outputs of an activation.
    Values,
    /// The outputs of a linear layer.
    Linear,
    /// σ(z), with the name of z: the next node is Mul.
    Sigmoid(String),
    /// What the nodes left out give: more of them.
    LeftOut,
}

/// The state of reading a chain.
struct Walk {
    constants: HashMap<String, Constant>,
    /// Numbers of all constants.
    total: usize,
    limit: Limit,
    /// The name of the value that the next node takes.
    value: String,
    output: String,
    stage: Stage,
    activation: Option<Activation>,
    slopes: Vec<Vec<f64>>,
    layers: Vec<Affine>,
    names: Vec<String>,
    left_out: Vec<String>,
}

impl Walk {
    fn new(graph: Graph, limit: Limit) -> Result<Self, Why> {
        let mut walk = Self {
            constants: HashMap::new(),
            total: 0,
            limit,
            value: String::new(),
            output: String::new(),
            stage: Stage::Values,
            activation: None,
            slopes: Vec::new(),
            layers: Vec::new(),
            names: Vec::new(),
            left_out: Vec::new(),
        };
        for tensor in &graph.initializer {
            walk.keep(&tensor.name, tensor)?;
        }
        // Old files list initializers as inputs, too.
        let mut inputs = graph.input.iter().filter(|input| !walk.constants.contains_key(&input.name));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err("it does not have one input exactly".to_string());
        };
        let [output] = graph.output.as_slice() else { return Err("it does not have one output exactly".to_string()) };
        (walk.value, walk.output) = (input.name.clone(), output.name.clone());
        Ok(walk)
    }

    fn keep(&mut self, name: &str, tensor: &Tensor) -> Result<(), Why> {
        let constant = constant(tensor, self.limit).map_err(|why| format!("its tensor `{name}` {why}"))?;
        self.total += constant.numbers.len();
        self.limit.check_numbers(self.total)?;
        self.constants.insert(name.to_string(), constant);
        Ok(())
    }

    fn node(&mut self, index: usize, node: &Node) -> Result<(), Why> {
        let label = match node.name.is_empty() {
            true => format!("node {index} ({})", node.op_type),
            false => format!("node `{}` ({})", node.name, node.op_type),
        };
        let refuse = |why: &str| Err(format!("its {label} {why}"));
        let [output] = node.output.as_slice() else {
            // The mask of a Dropout.
            return match (node.op_type.as_str(), node.output.first()) {
                ("Dropout", Some(output)) => self.pass(&label, node, output),
                _ => refuse("does not have one output"),
            };
        };
        if !node.domain.is_empty() && node.domain != "ai.onnx" {
            return refuse("is not of the operators that are read");
        }
        match node.op_type.as_str() {
            "Constant" => {
                let tensor = node.attribute.iter().find(|attribute| attribute.name == "value").and_then(|value| value.t.as_ref());
                let Some(tensor) = tensor else { return refuse("is not a constant tensor") };
                return self.keep(output, tensor);
            }
            "Identity" | "Dropout" => return self.pass(&label, node, output),
            "Flatten" if integer(node, "axis").unwrap_or(1) == 1 => return self.pass(&label, node, output),
            "Cast" if self.stage == Stage::LeftOut => return self.pass(&label, node, output),
            "Cast" => {
                return match integer(node, "to").and_then(|to| i32::try_from(to).ok()) {
                    Some(FLOAT | DOUBLE) => self.pass(&label, node, output),
                    _ => refuse("does not cast to f32 or f64"),
                };
            }
            "Softmax" | "LogSoftmax" | "ArgMax" if matches!(self.stage, Stage::Linear | Stage::LeftOut) => {
                let default = if node.op_type == "ArgMax" { 0 } else { -1 };
                if ![1, -1].contains(&integer(node, "axis").unwrap_or(default)) {
                    return refuse("is not along the outputs");
                }
                self.left_out.push(if node.name.is_empty() {
                    node.op_type.clone()
                } else {
                    format!("{} ({})", node.name, node.op_type)
                });
                self.pass(&label, node, output)?;
                self.stage = Stage::LeftOut;
                return Ok(());
            }
            _ => {}
        }
        if self.stage == Stage::LeftOut {
            return refuse(&format!("follows {}, which is read only at the end", self.left_out.join(", ")));
        }
        if let Stage::Sigmoid(z) = &self.stage {
            let sorted = |mut names: Vec<String>| {
                names.sort();
                names
            };
            if node.op_type != "Mul" || sorted(node.input.clone()) != sorted(vec![z.clone(), self.value.clone()]) {
                return refuse("follows a Sigmoid, which is read only as a part of SiLU, z · sigmoid(z)");
            }
            return self.activate(&label, Activation::Silu, Vec::new(), output);
        }
        if !node.input.contains(&self.value) {
            return refuse("is not the next one of a chain: it does not take the value before it");
        }
        match node.op_type.as_str() {
            "Gemm" => self.gemm(&label, node)?,
            "MatMul" => {
                let weights = self.constant(&label, node.input.get(1))?;
                let weights = matrix(weights).map_err(|why| format!("its {label} {why}"))?;
                self.linear(&label, node, weights.reversed_axes(), None)?;
            }
            "Add" => self.add(&label, node)?,
            operator => {
                let Some(activation) = activation(operator) else {
                    return refuse("is not of a fully connected network with one of the activations known here");
                };
                let slopes = match operator {
                    "Relu" => vec![0.0],
                    "LeakyRelu" => vec![leak(float(node, "alpha").unwrap_or(LEAK as f32))],
                    "PRelu" => {
                        let slopes = self.constant(&label, node.input.get(1))?;
                        let width = self.layers.last().map_or(0, |layer| layer.bias.len());
                        let Some(by_neuron) = broadcast(slopes, width) else {
                            return refuse(&format!("has slopes of shape {:?}, and {width} neurons", slopes.shape));
                        };
                        by_neuron
                    }
                    _ => Vec::new(),
                };
                let is_exact = node.attribute.iter().all(|attribute| attribute.name != "approximate" || attribute.s == b"none");
                if !is_exact {
                    return refuse("approximates GELU, and only the exact one is read");
                }
                if operator == "Sigmoid" {
                    if self.stage != Stage::Linear {
                        return refuse("does not follow a linear layer");
                    }
                    self.stage = Stage::Sigmoid(self.value.clone());
                    self.value.clone_from(output);
                    return Ok(());
                }
                return self.activate(&label, activation, slopes, output);
            }
        }
        self.value.clone_from(output);
        Ok(())
    }

    /// A node that does not change its value.
    fn pass(&mut self, label: &str, node: &Node, output: &str) -> Result<(), Why> {
        if let Some(constant) = node.input.first().and_then(|name| self.constants.get(name)) {
            self.constants.insert(output.to_string(), constant.clone());
            return Ok(());
        }
        if node.input.first() != Some(&self.value) {
            return Err(format!("its {label} is not the next one of a chain: it does not take the value before it"));
        }
        self.value = output.to_string();
        Ok(())
    }

    /// Ends a hidden layer by an activation; `slopes` are those of a piecewise linear one below 0.
    fn activate(&mut self, label: &str, activation: Activation, slopes: Vec<f64>, output: &str) -> Result<(), Why> {
        let mixes = |other: Activation| other.is_piecewise_linear() && activation.is_piecewise_linear();
        match self.activation.filter(|&other| other != activation && !mixes(other)) {
            _ if self.stage != Stage::Linear && !matches!(self.stage, Stage::Sigmoid(_)) => {
                return Err(format!("its {label} does not follow a linear layer"));
            }
            Some(other) => {
                let why = format!("differs from the activation {} before it", other.name());
                return Err(format!("its {label} {why}: only piecewise linear ones may differ by layer"));
            }
            None => {}
        }
        self.activation = Some(activation);
        self.slopes.push(slopes);
        self.stage = Stage::Values;
        self.value = output.to_string();
        Ok(())
    }

    fn constant(&self, label: &str, name: Option<&String>) -> Result<&Constant, Why> {
        let constant = name.and_then(|name| self.constants.get(name));
        constant.ok_or_else(|| format!("its {label} has an operand that is no constant of the file"))
    }

    /// y = α x Bᵀ + β c.
    fn gemm(&mut self, label: &str, node: &Node) -> Result<(), Why> {
        if node.input.first() != Some(&self.value) || integer(node, "transA").unwrap_or(0) != 0 {
            return Err(format!("its {label} does not multiply the rows before it"));
        }
        let (alpha, beta) = (float(node, "alpha").unwrap_or(1.0), float(node, "beta").unwrap_or(1.0));
        let weights = matrix(self.constant(label, node.input.get(1))?).map_err(|why| format!("its {label} {why}"))?;
        let weights = if integer(node, "transB").unwrap_or(0) != 0 { weights } else { weights.reversed_axes() };
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => {
                let bias = broadcast(self.constant(label, Some(name))?, weights.nrows());
                let bias = bias.ok_or_else(|| format!("its {label} has biases of another length than {}", weights.nrows()))?;
                Some(bias.iter().map(|b| f64::from(beta) * b).collect())
            }
            None => None,
        };
        let weights = if alpha == 1.0 { weights } else { weights * f64::from(alpha) };
        self.linear(label, node, weights, bias)
    }

    /// Begins a layer.
    fn linear(&mut self, label: &str, node: &Node, weights: Array2<f64>, bias: Option<Vec<f64>>) -> Result<(), Why> {
        if node.input.first() != Some(&self.value) {
            return Err(format!("its {label} does not multiply the rows before it"));
        }
        if self.stage != Stage::Values {
            return Err(format!("its {label} follows another linear layer without an activation"));
        }
        let bias = bias.unwrap_or_else(|| vec![0.0; weights.nrows()]);
        self.layers.push(Affine { weights: weights.as_standard_layout().into_owned(), bias });
        self.names.push(if node.name.is_empty() { node.op_type.clone() } else { node.name.clone() });
        self.stage = Stage::Linear;
        Ok(())
    }

    /// Adds a constant to the biases.
    fn add(&mut self, label: &str, node: &Node) -> Result<(), Why> {
        let other = node.input.iter().find(|name| **name != self.value);
        let constant = self.constant(label, other)?;
        let Some(layer) = self.layers.last().filter(|_| self.stage == Stage::Linear) else {
            return Err(format!("its {label} does not follow a linear layer"));
        };
        let bias = broadcast(constant, layer.bias.len());
        let bias = bias.ok_or_else(|| format!("its {label} adds biases of another length than {}", layer.bias.len()))?;
        let layer = self.layers.last_mut().expect("it was just there");
        layer.bias.iter_mut().zip(bias).for_each(|(b, more)| *b += more);
        Ok(())
    }

    fn end(self) -> Result<Chain, Why> {
        if self.value != self.output {
            return Err(format!("its output `{}` is not the end of the chain, `{}`", self.output, self.value));
        }
        if ![Stage::Linear, Stage::LeftOut].contains(&self.stage) {
            return Err("it does not end with a linear layer".to_string());
        }
        let activation = self.activation.unwrap_or(Activation::Relu);
        Ok(Chain { activation, slopes: self.slopes, layers: self.layers, names: self.names, left_out: self.left_out })
    }
}

/// A slope in f32; ours in f64 if it is that.
fn leak(slope: f32) -> f64 {
    if slope == LEAK as f32 { LEAK } else { slope.into() }
}

/// The activation of an operator; Sigmoid is the beginning of SiLU.
fn activation(operator: &str) -> Option<Activation> {
    Some(match operator {
        "Relu" => Activation::Relu,
        "LeakyRelu" | "PRelu" => Activation::LeakyRelu,
        "Tanh" => Activation::Tanh,
        "Erf" => Activation::Erf,
        "Softplus" => Activation::Softplus,
        "Gelu" => Activation::Gelu,
        "Sin" => Activation::Sine,
        "Sigmoid" => Activation::Silu,
        _ => return None,
    })
}

fn integer(node: &Node, name: &str) -> Option<i64> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.i)
}

fn float(node: &Node, name: &str) -> Option<f32> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Precision;
    use crate::network::given::GivenNetwork;

    fn read(bytes: &[u8]) -> Result<Chain, Why> {
        super::read(bytes, Limit::MOST)
    }

    fn network(activation: Activation, bias: f64) -> GivenNetwork {
        let layer = |rows: usize, columns: usize| Affine {
            weights: Array2::from_shape_fn((rows, columns), |(i, j)| (i as f64 - 1.5) * 0.25 + j as f64),
            bias: vec![bias; rows],
        };
        GivenNetwork::new(activation, vec![layer(4, 3), layer(5, 4), layer(2, 5)]).unwrap()
    }

    /// A model after a change of its graph.
    fn changed(activation: Activation, change: impl Fn(&mut Graph)) -> Result<Chain, Why> {
        let mut model = Model::decode(&*write(&network(activation, 0.5), Precision::F32)).unwrap();
        change(model.graph.as_mut().unwrap());
        read(&model.encode_to_vec())
    }

    #[test]
    fn every_activation_comes_back_in_both_precisions() {
        for activation in Activation::ALL {
            for (precision, bias) in [(Precision::F32, 0.5), (Precision::F64, 0.1), (Precision::F64, 0.0)] {
                let network = network(activation, bias);
                let chain = read(&write(&network, precision)).unwrap();
                assert_eq!((chain.activation, chain.layers.as_slice()), (activation, network.layers()));
                assert_eq!(chain.names, ["0", "1", "2"]);
            }
        }
    }

    #[test]
    fn products_and_sums_are_layers_too() {
        let chain = changed(Activation::Relu, |graph| {
            // Gemm(x, B, c) → MatMul(x, Bᵀ), Add(c, ·), and a Constant in place of an initializer.
            let mut weights = graph.initializer.remove(0);
            weights.dims.reverse();
            let columns: Vec<Vec<u8>> = weights.raw_data.chunks_exact(4).map(<[u8]>::to_vec).collect();
            weights.raw_data = (0..3).flat_map(|j| (0..4).flat_map(|i| columns[3 * i + j].clone()).collect::<Vec<_>>()).collect();
            let value = messages::Attribute { name: "value".into(), t: Some(weights), kind: 4, ..Default::default() };
            let node = |op: &str, input: &[&str], output: &str| Node {
                op_type: op.into(),
                input: input.iter().map(|name| (*name).to_string()).collect(),
                output: vec![output.into()],
                ..Node::default()
            };
            let constant = Node { attribute: vec![value], ..node("Constant", &[], "w") };
            let before = [
                constant,
                node("Flatten", &["x"], "flat"),
                node("MatMul", &["flat", "w"], "y"),
                node("Add", &["0.bias", "y"], "z0"),
            ];
            graph.node.splice(0..1, before);
        });
        assert_eq!(chain.unwrap().layers, network(Activation::Relu, 0.5).layers());
    }

    #[test]
    fn other_graphs_are_refused_by_the_node() {
        let why = |change: fn(&mut Graph)| changed(Activation::Relu, change).unwrap_err();
        assert!(why(|graph| graph.node[1].op_type = "Elu".into()).contains("node `activation0` (Elu) is not of"));
        let nameless = why(|graph| graph.node[1] = Node { op_type: "Elu".into(), name: String::new(), ..graph.node[1].clone() });
        assert!(nameless.contains("node 1 (Elu) is not of"), "{nameless}");
        let between = why(|graph| graph.node[1].op_type = "Softmax".into());
        assert!(between.contains("node `1` (Gemm) follows activation0 (Softmax), which is read only at the end"), "{between}");
        assert!(why(|graph| graph.node[3].op_type = "Tanh".into()).contains("(Tanh) differs from the activation relu"));
        assert!(why(|graph| graph.node[2].input[0] = "x".into()).contains("node `1` (Gemm) is not the next one of a chain"));
        assert!(why(|graph| drop(graph.node.remove(1))).contains("is not the next one"));
        assert!(why(|graph| graph.node.truncate(4)).contains("is not the end of the chain"));
        assert!(why(|graph| graph.initializer.clear()).contains("operand that is no constant"));
        assert!(why(|graph| graph.initializer[0].dims = vec![1 << 40, 1 << 40]).contains("more than"));
        assert!(why(|graph| graph.initializer[0].dims = vec![-4, 3]).contains("`0.weight` has the shape"));
        assert!(why(|graph| graph.initializer[0].data_location = 1).contains("another file"));
        assert!(why(|graph| graph.initializer[1].dims = vec![3]).contains("`0.bias` of shape [3] has 4 numbers"));
        assert!(why(|graph| graph.input.push(graph.output[0].clone())).contains("one input"));
        let silu = changed(Activation::Silu, |graph| drop(graph.node.remove(2)));
        assert!(silu.unwrap_err().contains("follows a Sigmoid"));
    }

    /// Appends nodes behind the output, each with attributes of whole numbers.
    fn append(graph: &mut Graph, nodes: &[(&str, &[(&str, i64)])]) {
        for (operator, attributes) in nodes {
            let input = graph.output[0].name.clone();
            let attribute =
                attributes.iter().map(|&(name, i)| messages::Attribute { name: name.into(), i, kind: 2, ..Default::default() });
            graph.output[0].name.push('\'');
            let output = vec![graph.output[0].name.clone()];
            let op_type = (*operator).to_string();
            graph.node.push(Node { op_type, input: vec![input], output, attribute: attribute.collect(), ..Node::default() });
        }
    }

    #[test]
    fn what_follows_the_logits_is_left_out() {
        let plain = changed(Activation::Tanh, |_| ()).unwrap();
        let none: [&[(&str, i64)]; 2] = [&[], &[("to", 11)]];
        for nodes in [
            &[("Softmax", none[0])][..],
            &[("Identity", none[0]), ("LogSoftmax", &[("axis", 1)])],
            &[("Cast", none[1]), ("ArgMax", &[("axis", -1), ("keepdims", 0)]), ("Cast", &[("to", 7)])],
            &[("Softmax", &[("axis", 1)]), ("ArgMax", &[("axis", 1)]), ("Identity", none[0])],
        ] {
            let chain = changed(Activation::Tanh, |graph| append(graph, nodes)).unwrap();
            assert_eq!((&chain.layers, chain.activation), (&plain.layers, plain.activation));
            let names =
                nodes.iter().map(|(operator, _)| *operator).filter(|operator| operator.contains("Max") || operator.contains("max"));
            assert_eq!(chain.left_out, names.collect::<Vec<_>>());
        }
        for (nodes, why) in [
            (&[("ArgMax", none[0])][..], "node 5 (ArgMax) is not along the outputs"),
            (&[("Softmax", &[("axis", 0)])], "is not along the outputs"),
            (&[("Cast", &[("to", 10)])], "does not cast to f32 or f64"),
            (&[("Softmax", none[0]), ("Relu", none[0])], "node 6 (Relu) follows Softmax, which is read only at the end"),
        ] {
            assert!(changed(Activation::Tanh, |graph| append(graph, nodes)).unwrap_err().contains(why), "{why}");
        }
    }

    /// Nodes that change nothing, everywhere: of the value, and of the weights.
    #[test]
    fn nodes_that_change_nothing_are_passed() {
        let chain = changed(Activation::Relu, |graph| {
            let ends: Vec<(usize, &str, String)> =
                vec![(0, "Flatten", "x".into()), (1, "Cast", "0.weight".into()), (4, "Dropout", "h0".into())];
            for (at, operator, name) in ends {
                let output = format!("{name}'");
                graph
                    .node
                    .iter_mut()
                    .flat_map(|node| &mut node.input)
                    .filter(|input| **input == name)
                    .for_each(|input| input.push('\''));
                let to = messages::Attribute { name: "to".into(), i: 1, kind: 2, ..Default::default() };
                let attribute = if operator == "Cast" { vec![to] } else { Vec::new() };
                let node = Node { op_type: operator.into(), input: vec![name], output: vec![output], attribute, ..Node::default() };
                graph.node.insert(at, node);
            }
        });
        assert_eq!(chain.unwrap().layers, network(Activation::Relu, 0.5).layers());
    }

    #[test]
    fn slopes_differ_by_layer_and_there_may_be_no_hidden_one() {
        let alpha = |f: f32| messages::Attribute { name: "alpha".into(), f, kind: 1, ..Default::default() };
        let chain = changed(Activation::Relu, |graph| {
            graph.node[1].op_type = "LeakyRelu".into();
            graph.node[1].attribute.push(alpha(0.25));
        });
        let chain = chain.unwrap();
        assert_eq!((chain.activation.is_piecewise_linear(), chain.slopes), (true, vec![vec![0.25], vec![0.0]]));
        let prelu = |dims: &[i64], slopes: &[f32]| {
            changed(Activation::Relu, |graph| {
                graph.node[1].op_type = "PRelu".into();
                graph.node[1].input.push("slope".into());
                let (name, dims, float_data) = ("slope".to_string(), dims.to_vec(), slopes.to_vec());
                graph.initializer.push(Tensor { name, dims, data_type: FLOAT, float_data, ..Tensor::default() });
                graph.node[3].op_type = "LeakyRelu".into();
            })
        };
        let by_neuron = [0.5, 0.0, -0.25, 1.0];
        for (dims, slopes, expected) in [
            (&[1][..], &[0.5][..], &[0.5; 4]),
            (&[], &[0.5], &[0.5; 4]),
            (&[4], &by_neuron, &by_neuron),
            (&[1, 4], &by_neuron, &by_neuron),
        ] {
            let expected: Vec<f64> = expected.iter().map(|&slope| slope.into()).collect();
            assert_eq!(prelu(dims, slopes).unwrap().slopes, [expected, vec![LEAK]], "{dims:?}");
        }
        let why = prelu(&[3], &[0.5; 3]).unwrap_err();
        assert!(why.contains("(PRelu) has slopes of shape [3], and 4 neurons"), "{why}");
        assert!(prelu(&[4, 1], &by_neuron).is_err(), "one slope per row");
        for slopes in [vec![vec![0.25], vec![0.0]], vec![vec![0.0], vec![0.5, 0.25, 0.0, 0.1, -1.0]]] {
            let written = network(Activation::Relu, 0.5).with_slopes(slopes.clone()).unwrap();
            let back = read(&write(&written, Precision::F64)).unwrap();
            let read = GivenNetwork::new(back.activation, back.layers).unwrap().with_slopes(back.slopes).unwrap();
            assert_eq!((read.slopes(), read.layers()), (slopes.as_slice(), written.layers()));
        }
        let linear = changed(Activation::Relu, |graph| {
            graph.node.truncate(1);
            graph.output[0].name = "z0".into();
        });
        assert_eq!(linear.unwrap().layers, network(Activation::Relu, 0.5).layers()[..1]);
        let mixed = changed(Activation::Relu, |graph| graph.node[3].op_type = "Tanh".into());
        assert!(
            mixed
                .unwrap_err()
                .ends_with("(Tanh) differs from the activation relu before it: only piecewise linear ones may differ by layer")
        );
    }

    #[test]
    fn no_prefix_and_no_changed_byte_panics() {
        let mut bytes = write(&network(Activation::Silu, 0.5), Precision::F32);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                let _ = read(&bytes);
                bytes[at] ^= 1 << bit;
            }
        }
    }
}
