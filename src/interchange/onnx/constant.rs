//! Constants of a graph: weights and biases.

use ndarray::Array2;

use super::messages::{BFLOAT16, DOUBLE, FLOAT, FLOAT16, Tensor};
use crate::interchange::{Limit, Why};

/// A constant.
#[derive(Clone)]
pub struct Constant {
    pub shape: Vec<usize>,
    /// Row-major.
    pub numbers: Vec<f64>,
}

/// The constant of a tensor.
///
/// # Errors
/// The data are in another file, or do not match the declared type and shape.
pub fn constant(tensor: &Tensor, limit: Limit) -> Result<Constant, Why> {
    if tensor.data_location == 1 {
        return Err("is in another file, and weights are read from this one only".to_string());
    }
    let size = |&size: &i64| usize::try_from(size).map_err(|_| format!("has the shape {:?}", tensor.dims));
    let shape = tensor.dims.iter().map(size).collect::<Result<Vec<usize>, _>>()?;
    let count = limit.count_of(&shape)?;
    let raw = &tensor.raw_data;
    let numbers: Vec<f64> = match tensor.data_type {
        FLOAT if raw.is_empty() => tensor.float_data.iter().map(|&number| number.into()).collect(),
        FLOAT => raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect(),
        DOUBLE if raw.is_empty() => tensor.double_data.clone(),
        DOUBLE => raw.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
        FLOAT16 => raw.as_chunks().0.iter().map(|bytes| half::f16::from_le_bytes(*bytes).to_f64()).collect(),
        BFLOAT16 => raw.as_chunks().0.iter().map(|bytes| half::bf16::from_le_bytes(*bytes).to_f64()).collect(),
        // Shapes and axes: of no use in a chain, unless a node takes them, which is refused by its name then.
        _ => return Ok(Constant { shape: vec![0], numbers: Vec::new() }),
    };
    match numbers.len() == count {
        true => Ok(Constant { shape, numbers }),
        false => Err(format!("of shape {shape:?} has {} numbers", numbers.len())),
    }
}

/// A constant as weights.
///
/// # Errors
/// The constant is not a matrix.
pub fn matrix(constant: &Constant) -> Result<Array2<f64>, Why> {
    match constant.shape.as_slice() {
        &[rows, columns] if !constant.numbers.is_empty() => {
            Array2::from_shape_vec((rows, columns), constant.numbers.clone()).map_err(|error| error.to_string())
        }
        shape => Err(format!("has weights of shape {shape:?}, and not a matrix")),
    }
}

/// A vector of `width` numbers from one of that length, in any number of dimensions of size 1, or from a single number.
pub fn broadcast(constant: &Constant, width: usize) -> Option<Vec<f64>> {
    match constant.numbers.as_slice() {
        &[only] => Some(vec![only; width]),
        numbers if numbers.len() == width && constant.shape.last() == Some(&width) => Some(numbers.to_vec()),
        _ => None,
    }
}
