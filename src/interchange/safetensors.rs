//! safetensors: named tensors behind a JSON header. Our own exports name the activation in its metadata.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};

use super::state_dict::Tensor;
use super::{Limit, Why};
use crate::model::Precision;

/// The key of the activation in the metadata.
const ACTIVATION: &str = "activation";

/// The tensors, and the activation if the metadata names one.
///
/// # Errors
/// Why `bytes` are no safetensors file of real numbers.
pub fn read(bytes: &[u8], limit: Limit) -> Result<(Vec<Tensor>, Option<String>), Why> {
    let refused = |error: safetensors::SafeTensorError| format!("it is not a whole safetensors file: {error}");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(refused)?;
    let activation = metadata.metadata().as_ref().and_then(|metadata| metadata.get(ACTIVATION).cloned());
    let file = SafeTensors::deserialize(bytes).map_err(refused)?;
    let mut tensors = file.iter().map(|(name, view)| tensor(name, &view, limit)).collect::<Result<Vec<_>, _>>()?;
    // The library's order is that of a hash table.
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((tensors, activation))
}

fn tensor(name: &str, view: &TensorView, limit: Limit) -> Result<Tensor, Why> {
    limit.count_of(view.shape()).map_err(|why| format!("`{name}`: {why}"))?;
    let data = view.data();
    let numbers = match view.dtype() {
        Dtype::F64 => data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
        Dtype::F32 => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|bytes| half::f16::from_le_bytes(*bytes).to_f64()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|bytes| half::bf16::from_le_bytes(*bytes).to_f64()).collect(),
        other => return Err(format!("its tensor `{name}` is of type {other}, and F64, F32, F16 and BF16 are read")),
    };
    Ok(Tensor { name: name.to_string(), shape: view.shape().to_vec(), numbers })
}

/// A file of `tensors` in `precision`, with the activation in its metadata.
///
/// # Errors
/// Those of the library.
pub fn write(tensors: &[Tensor], precision: Precision, activation: &str) -> Result<Vec<u8>, Why> {
    let dtype = if precision == Precision::F64 { Dtype::F64 } else { Dtype::F32 };
    let data: Vec<Vec<u8>> = tensors.iter().map(|tensor| le_bytes(&tensor.numbers, precision)).collect();
    let mut views = Vec::new();
    for (tensor, data) in tensors.iter().zip(&data) {
        views.push((&tensor.name, TensorView::new(dtype, tensor.shape.clone(), data).map_err(|error| error.to_string())?));
    }
    let metadata = HashMap::from([(ACTIVATION.to_string(), activation.to_string())]);
    serialize(views, Some(metadata)).map_err(|error| error.to_string())
}

/// The numbers in little-endian bytes of `precision`.
pub fn le_bytes(numbers: &[f64], precision: Precision) -> Vec<u8> {
    match precision {
        Precision::F64 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        Precision::F32 | Precision::Bf16x3 => numbers.iter().flat_map(|&number| (number as f32).to_le_bytes()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(Vec<Tensor>, Option<String>), Why> {
        super::read(bytes, Limit::MOST)
    }

    fn example() -> Vec<Tensor> {
        let tensor = |name: &str, shape: &[usize], numbers: &[f64]| Tensor {
            name: name.to_string(),
            shape: shape.to_vec(),
            numbers: numbers.to_vec(),
        };
        vec![tensor("0.bias", &[2], &[0.5, -3.0]), tensor("0.weight", &[2, 1], &[1.25, 1e-3])]
    }

    /// A file with this header and data.
    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn tensors_come_back_in_both_precisions() {
        for precision in [Precision::F32, Precision::F64] {
            let (tensors, activation) = read(&write(&example(), precision, "tanh").unwrap()).unwrap();
            assert_eq!((tensors.len(), activation.as_deref()), (2, Some("tanh")));
            for (got, expected) in tensors.iter().zip(example()) {
                assert_eq!((&got.name, &got.shape), (&expected.name, &expected.shape));
                assert!(got.numbers.iter().zip(&expected.numbers).all(|(x, y)| (x - y).abs() < 1e-10));
            }
        }
    }

    #[test]
    fn half_precisions_are_read() {
        let header =
            r#"{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[1],"data_offsets":[4,6]}}"#;
        let data =
            [half::bf16::from_f64(-2.5).to_le_bytes(), half::bf16::ONE.to_le_bytes(), half::f16::from_f64(0.125).to_le_bytes()];
        let (tensors, _) = read(&file(header, &data.concat())).unwrap();
        assert_eq!((&tensors[0].numbers[..], &tensors[1].numbers[..]), (&[-2.5, 1.0][..], &[0.125][..]));
        let integers = r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
        assert!(read(&file(integers, &[0; 8])).unwrap_err().contains("`a` is of type I64"));
    }

    #[test]
    fn headers_that_declare_what_is_not_there_are_refused() {
        assert!(read(&(1u64 << 60).to_le_bytes()).is_err());
        assert!(read(&[&(1u64 << 60).to_le_bytes()[..], b"{}"].concat()).is_err());
        let vast = r#"{"a":{"dtype":"F32","shape":[1152921504606846976,16],"data_offsets":[0,8]}}"#;
        let empty = r#"{"a":{"dtype":"F32","shape":[4611686018427387904,0],"data_offsets":[0,0]}}"#;
        let beyond = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8000000]}}"#;
        for header in [vast, beyond, empty, "{", "[]", ""] {
            assert!(read(&file(header, &[0; 8])).is_err(), "{header}");
        }
        assert!(read(&file(empty, &[])).unwrap_err().contains("more than"), "a size of 0 hides none");
    }

    #[test]
    fn no_prefix_and_no_changed_byte_panics() {
        let mut bytes = write(&example(), Precision::F32, "relu").unwrap();
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
