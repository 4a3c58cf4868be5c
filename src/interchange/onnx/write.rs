//! A fully connected network as an ONNX graph: a Gemm per layer, with its activation.

use prost::Message;

use super::messages::{
    Attribute, DOUBLE, Dimension, FLOAT, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
};
use crate::interchange::safetensors::le_bytes;
use crate::model::{Activation, Precision};
use crate::network::given::GivenNetwork;

/// The operator set, the first with Gelu, and the version of the file format that goes with it.
const OPERATORS: i64 = 20;
const IR_VERSION: i64 = 9;

/// The file of `network`, whose softplus is ln(1 + eᶻ), in `precision`. Biases are left out of a layer if all of them are 0.
pub fn write(network: &GivenNetwork, precision: Precision) -> Vec<u8> {
    let elem_type = if precision == Precision::F64 { DOUBLE } else { FLOAT };
    let mut graph = Graph { name: "network".to_string(), ..Graph::default() };
    let last = network.layers().len() - 1;
    let mut below = "x".to_string();
    for (index, layer) in network.layers().iter().enumerate() {
        let (rows, columns) = layer.weights.dim();
        let weights: Vec<f64> = layer.weights.iter().copied().collect();
        let mut inputs = vec![below, format!("{index}.weight")];
        let tensor = |name: String, dims: Vec<i64>, numbers: &[f64]| Tensor {
            dims,
            data_type: elem_type,
            name,
            raw_data: le_bytes(numbers, precision),
            ..Tensor::default()
        };
        graph.initializer.push(tensor(inputs[1].clone(), vec![rows as i64, columns as i64], &weights));
        if layer.bias.iter().any(|&bias| bias != 0.0) {
            inputs.push(format!("{index}.bias"));
            graph.initializer.push(tensor(inputs[2].clone(), vec![rows as i64], &layer.bias));
        }
        let z = if index == last { "f".to_string() } else { format!("z{index}") };
        let transpose = Attribute { name: "transB".to_string(), i: 1, kind: 2, ..Attribute::default() };
        graph.node.push(node("Gemm", &index.to_string(), inputs, z.clone(), vec![transpose]));
        below = z;
        if index < last {
            let slopes = network.slopes().get(index).map_or(&[][..], Vec::as_slice);
            below = match slopes {
                [_, _, ..] => {
                    let (name, inputs) = (format!("activation{index}"), vec![below, format!("{index}.slopes")]);
                    graph.initializer.push(tensor(inputs[1].clone(), vec![rows as i64], slopes));
                    let h = format!("h{index}");
                    graph.node.push(node("PRelu", &name, inputs, h.clone(), Vec::new()));
                    h
                }
                [0.0] => activate(&mut graph, Activation::Relu, None, index, below),
                _ => activate(&mut graph, network.activation(), slopes.first().copied(), index, below),
            };
        }
    }
    graph.input.push(value_info("x", elem_type, network.dim()));
    graph.output.push(value_info("f", elem_type, network.outputs()));
    let opset = OperatorSet { domain: String::new(), version: OPERATORS };
    let producer_name = "advstep-hpc".to_string();
    Model { ir_version: IR_VERSION, producer_name, graph: Some(graph), opset_import: vec![opset] }.encode_to_vec()
}

/// Appends ψ(`z`), with another slope below 0 if given, and returns its name.
fn activate(graph: &mut Graph, activation: Activation, slope: Option<f64>, index: usize, z: String) -> String {
    let h = format!("h{index}");
    let name = format!("activation{index}");
    let (operator, attributes) = match activation {
        Activation::Relu => ("Relu", Vec::new()),
        // Its default slope is ours.
        Activation::LeakyRelu => {
            let alpha = |slope: f64| Attribute { name: "alpha".to_string(), f: slope as f32, kind: 1, ..Attribute::default() };
            ("LeakyRelu", slope.map(alpha).into_iter().collect())
        }
        Activation::Tanh => ("Tanh", Vec::new()),
        Activation::Erf => ("Erf", Vec::new()),
        Activation::Softplus => ("Softplus", Vec::new()),
        Activation::Gelu => ("Gelu", Vec::new()),
        Activation::Sine => ("Sin", Vec::new()),
        Activation::Silu => {
            let sigmoid = format!("sigmoid{index}");
            graph.node.push(node("Sigmoid", &sigmoid, vec![z.clone()], sigmoid.clone(), Vec::new()));
            graph.node.push(node("Mul", &name, vec![z, sigmoid], h.clone(), Vec::new()));
            return h;
        }
    };
    graph.node.push(node(operator, &name, vec![z], h.clone(), attributes));
    h
}

fn node(operator: &str, name: &str, input: Vec<String>, output: String, attribute: Vec<Attribute>) -> Node {
    let (name, op_type) = (name.to_string(), operator.to_string());
    Node { input, output: vec![output], name, op_type, attribute, domain: String::new() }
}

/// An n × `columns` matrix.
fn value_info(name: &str, elem_type: i32, columns: usize) -> ValueInfo {
    let rows = Dimension { value: None, parameter: Some("n".to_string()) };
    let columns = Dimension { value: Some(columns as i64), parameter: None };
    let shape = Shape { dim: vec![rows, columns] };
    let tensor = TensorType { elem_type, shape: Some(shape) };
    ValueInfo { name: name.to_string(), kind: Some(Type { tensor: Some(tensor) }) }
}
