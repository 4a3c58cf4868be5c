//! Named tensors, as a PyTorch `state_dict` or an NPZ file holds them ↔ the layers of a fully connected network.
//!
//! Matrices are weights, outputs × inputs as in PyTorch; in the natural order of their names (`layers.2` before `layers.10`) their shapes have to
//! chain. Vectors are biases: of the matrix of the same module (`0.bias` and `0.weight`, `b1` and `W1`) or, if names do not tell, in order. The
//! weights of PyTorch's `PReLU` are vectors, too, as are those of normalisations: only the user can say that they are slopes.

use std::cmp::Ordering;

use ndarray::Array2;

use super::{Limit, Why};
use crate::network::given::{Affine, GivenNetwork};

/// An array with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    /// Row-major.
    pub numbers: Vec<f64>,
}

/// Takes the slopes of PReLU, vectors named `weight`, from `tensors`: one vector per hidden layer in the natural order of their names, or one for all.
///
/// # Errors
/// There is none, or not one per hidden layer.
pub fn take_slopes(tensors: &mut Vec<Tensor>) -> Result<Vec<Vec<f64>>, Why> {
    let hidden = tensors.iter().filter(|tensor| tensor.shape.len() == 2).count().saturating_sub(1);
    let is_slope = |tensor: &mut Tensor| tensor.shape.len() == 1 && tensor.name.rsplit('.').next() == Some("weight");
    let mut slopes: Vec<Tensor> = tensors.extract_if(.., is_slope).collect();
    slopes.sort_by(|a, b| natural_order(&a.name, &b.name));
    let mut slopes: Vec<Vec<f64>> = slopes.into_iter().map(|tensor| tensor.numbers).collect();
    if slopes.len() == 1 {
        slopes = vec![slopes.remove(0); hidden];
    }
    match slopes.len() == hidden && hidden > 0 {
        true => Ok(slopes),
        false => Err(format!("it holds {} vectors of PReLU weights for {hidden} hidden layers", slopes.len())),
    }
}

/// The layers of `tensors`, each with the name of its weights.
///
/// # Errors
/// The tensors are not those of a fully connected network: another shape, a vector without its matrix, too many numbers. Whether the layers chain is for
/// [`GivenNetwork::new`] to say.
pub fn layers(mut tensors: Vec<Tensor>, limit: Limit) -> Result<(Vec<Affine>, Vec<String>), Why> {
    if let Some(other) = tensors.iter().find(|tensor| ![1, 2].contains(&tensor.shape.len())) {
        return Err(format!(
            "its tensor `{}` of shape {:?} is neither a matrix of weights nor a vector of biases",
            other.name, other.shape
        ));
    }
    // A size of 0 lets the other one be anything.
    if let Some(empty) = tensors.iter().find(|tensor| tensor.numbers.is_empty()) {
        return Err(format!("its tensor `{}` of shape {:?} is empty", empty.name, empty.shape));
    }
    limit.check_numbers(tensors.iter().map(|tensor| tensor.numbers.len()).sum())?;
    tensors.sort_by(|a, b| natural_order(&a.name, &b.name));
    let (matrices, vectors): (Vec<Tensor>, Vec<Tensor>) = tensors.into_iter().partition(|tensor| tensor.shape.len() == 2);
    if matrices.is_empty() {
        return Err("it holds no matrix of weights".to_string());
    }
    // Normalisation, PReLU and the like have vectors too.
    if let Some(other) = vectors.iter().find(|vector| vector.name.rsplit_once('.').is_some_and(|(_, last)| last != "bias")) {
        return Err(format!(
            "its vector `{}` is no bias: only fully connected layers are read, and PReLU with --slope prelu",
            other.name
        ));
    }
    let of_vectors = matrices_of(&vectors, &matrices)?;
    let mut biases: Vec<Vec<f64>> = matrices.iter().map(|matrix| vec![0.0; matrix.shape[0]]).collect();
    for (vector, matrix) in vectors.into_iter().zip(of_vectors) {
        if vector.numbers.len() != biases[matrix].len() {
            return Err(format!(
                "its bias `{}` has {} numbers, but `{}` has {} outputs",
                vector.name,
                vector.numbers.len(),
                matrices[matrix].name,
                biases[matrix].len()
            ));
        }
        biases[matrix] = vector.numbers;
    }
    check_orientation(&matrices)?;
    let (mut layers, mut names) = (Vec::new(), Vec::new());
    for (matrix, bias) in matrices.into_iter().zip(biases) {
        let shape = (matrix.shape[0], matrix.shape[1]);
        layers.push(Affine { weights: Array2::from_shape_vec(shape, matrix.numbers).map_err(|error| error.to_string())?, bias });
        names.push(matrix.name);
    }
    Ok((layers, names))
}

/// The index of the matrix of each vector.
fn matrices_of(vectors: &[Tensor], matrices: &[Tensor]) -> Result<Vec<usize>, Why> {
    let modules: Vec<String> = matrices.iter().map(|matrix| module(&matrix.name)).collect();
    let only = |vector: &Tensor| {
        let module = module(&vector.name);
        let mut found = (0..modules.len()).filter(|&at| modules[at] == module);
        found.next().filter(|_| found.next().is_none())
    };
    let by_name: Option<Vec<usize>> = vectors.iter().map(only).collect();
    match by_name {
        Some(by_name) if (1..by_name.len()).all(|at| !by_name[..at].contains(&by_name[at])) => Ok(by_name),
        _ if vectors.len() == matrices.len() => Ok((0..matrices.len()).collect()),
        _ => {
            let names: Vec<&str> = vectors.iter().map(|vector| vector.name.as_str()).collect();
            Err(format!("it does not say which layers the vectors {} are the biases of", names.join(", ")))
        }
    }
}

/// `layers.3` of `layers.3.weight`; without a point, the digits: `1` of `W1`.
fn module(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((module, _)) => module.to_string(),
        None => name.chars().filter(char::is_ascii_digit).collect(),
    }
}

/// Refuses matrices that chain only when transposed.
fn check_orientation(matrices: &[Tensor]) -> Result<(), Why> {
    let chains = |below: usize, above: usize| matrices.windows(2).all(|pair| pair[1].shape[above] == pair[0].shape[below]);
    if chains(0, 1) {
        return Ok(());
    }
    let shapes: Vec<String> =
        matrices.iter().map(|matrix| format!("{} {} × {}", matrix.name, matrix.shape[0], matrix.shape[1])).collect();
    let hint = if chains(1, 0) { "; transposed they would: weights are outputs × inputs" } else { "" };
    Err(format!("the shapes of its layers do not chain in the order {}{hint}", shapes.join(", ")))
}

/// By text, but digits by their value.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while !left.is_empty() && !right.is_empty() {
        let numbers = [left, right].map(|text| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len());
        let order = match numbers {
            [0, _] | [_, 0] => {
                let (c, d) = (left.chars().next(), right.chars().next());
                let step = |c: Option<char>| c.map_or(0, char::len_utf8);
                (left, right) = (&left[step(c)..], &right[step(d)..]);
                c.cmp(&d)
            }
            [m, n] => {
                let [x, y] = [&left[..m], &right[..n]].map(|digits| digits.trim_start_matches('0'));
                (left, right) = (&left[m..], &right[n..]);
                x.len().cmp(&y.len()).then_with(|| x.cmp(y))
            }
        };
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// The tensors of `network` as PyTorch names those of an `nn.Sequential` of `Linear` layers with an activation between them: `0.weight`, `0.bias`,
/// `2.weight` … Biases are left out if all of them are 0.
pub fn tensors(network: &GivenNetwork) -> Vec<Tensor> {
    let has_biases = network.layers().iter().any(|layer| layer.bias.iter().any(|&bias| bias != 0.0));
    let mut tensors = Vec::new();
    for (index, layer) in network.layers().iter().enumerate() {
        let (rows, columns) = layer.weights.dim();
        let numbers = layer.weights.iter().copied().collect();
        tensors.push(Tensor { name: format!("{}.weight", 2 * index), shape: vec![rows, columns], numbers });
        if has_biases {
            tensors.push(Tensor { name: format!("{}.bias", 2 * index), shape: vec![rows], numbers: layer.bias.clone() });
        }
    }
    tensors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize], first: f64) -> Tensor {
        Tensor {
            name: name.to_string(),
            shape: shape.to_vec(),
            numbers: (0..shape.iter().product()).map(|i| first + i as f64).collect(),
        }
    }

    /// Names of the weights, and the first bias of each layer.
    fn order(tensors: &[(&str, &[usize])]) -> Result<(Vec<String>, Vec<f64>), Why> {
        let tensors = tensors.iter().enumerate().map(|(at, (name, shape))| tensor(name, shape, at as f64)).collect();
        let (layers, names) = layers(tensors, Limit::MOST)?;
        Ok((names, layers.iter().map(|layer| layer.bias[0]).collect()))
    }

    /// LayerNorm and PReLU between the layers, and LayerNorm under names of its own.
    #[test]
    fn vectors_of_other_layers_are_no_biases() {
        let norm: [(&str, &[usize]); 4] = [("0.weight", &[8, 4]), ("1.weight", &[8]), ("1.bias", &[8]), ("2.weight", &[8, 8])];
        let prelu: [(&str, &[usize]); 3] = [("0.weight", &[8, 4]), ("1.weight", &[8]), ("2.weight", &[1, 8])];
        let named: [(&str, &[usize]); 4] =
            [("fc1.weight", &[8, 4]), ("norm.gamma", &[8]), ("fc2.weight", &[1, 8]), ("fc2.bias", &[1])];
        for (shapes, name) in [(&norm[..], "1.weight"), (&prelu, "1.weight"), (&named, "norm.gamma")] {
            assert!(order(shapes).unwrap_err().contains(&format!("`{name}` is no bias")), "{name}");
        }
    }

    #[test]
    fn layers_are_in_natural_order_with_their_biases() {
        let shapes: [(&str, &[usize]); 6] = [
            ("net.10.bias", &[2]),
            ("net.10.weight", &[2, 5]),
            ("net.2.bias", &[5]),
            ("net.2.weight", &[5, 4]),
            ("net.0.weight", &[4, 3]),
            ("net.0.bias", &[4]),
        ];
        let (names, biases) = order(&shapes).unwrap();
        assert_eq!(names, ["net.0.weight", "net.2.weight", "net.10.weight"]);
        assert_eq!(biases, [5.0, 2.0, 0.0]);
        let (names, biases) = order(&[("W1", &[4, 3]), ("W2", &[2, 4]), ("b2", &[2])]).unwrap();
        assert_eq!((names, biases), (vec!["W1".to_string(), "W2".to_string()], vec![0.0, 2.0]));
        // NumPy's own names: by order.
        let (_, biases) = order(&[("arr_0", &[4, 3]), ("arr_1", &[4]), ("arr_2", &[2, 4]), ("arr_3", &[2])]).unwrap();
        assert_eq!(biases, [1.0, 3.0]);
    }

    #[test]
    fn tensors_that_are_no_layers_are_refused() {
        let why = |shapes: &[(&str, &[usize])]| order(shapes).unwrap_err();
        assert!(why(&[("conv.weight", &[8, 3, 3, 3])]).contains("`conv.weight` of shape [8, 3, 3, 3]"));
        assert!(why(&[("0.bias", &[8])]).contains("no matrix"));
        assert!(why(&[("0.weight", &[8, 3]), ("0.bias", &[3])]).contains("`0.bias` has 3 numbers, but `0.weight` has 8 outputs"));
        assert!(why(&[("0.weight", &[8, 3]), ("2.weight", &[1, 8]), ("1.bias", &[8])]).contains("which layers the vectors 1.bias"));
        assert!(why(&[("0.weight", &[3, 8]), ("2.weight", &[8, 1])]).contains("transposed they would"));
        assert!(why(&[("0.weight", &[8, 3]), ("2.weight", &[1, 7])]).ends_with("0.weight 8 × 3, 2.weight 1 × 7"));
    }

    #[test]
    fn digits_count_by_value() {
        let mut names = ["fc10", "fc2", "a.10.b", "a.9.c", "fc02", "", "fc", "é1", "9"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["", "9", "a.9.c", "a.10.b", "fc", "fc02", "fc2", "fc10", "é1"]);
    }
}
