//! Inputs of a network, drawn from its streams or taken from a file.

use ndarray::Array2;

use crate::kernels::Real;
use crate::linalg::matmul::zeros;
use crate::model::{Cell, InputsLaw};
use crate::random::NetworkStreams;

/// The first `count` inputs of a network under `law`, n × d. With `bias` the last coordinate is 1.
///
/// # Panics
/// If `law` is a file that has not been read, or has fewer rows.
pub fn inputs<T: Real>(law: &InputsLaw, streams: NetworkStreams, cell: Cell, count: usize, bias: bool) -> Array2<T> {
    if *law == InputsLaw::Sphere && !bias {
        return sphere_inputs(streams, cell, count);
    }
    let mut batch = Array2::from_elem((count, cell.dim), T::one());
    let mut numbers = vec![0.0_f32; cell.dim - usize::from(bias)];
    for (index, mut row) in batch.rows_mut().into_iter().enumerate() {
        match law {
            InputsLaw::Sphere => streams.input(index, &mut numbers),
            InputsLaw::Gaussian => streams.gaussian_input(index, &mut numbers),
            InputsLaw::Hypercube => streams.hypercube_input(index, &mut numbers),
            InputsLaw::File(file) => {
                let rows = file.rows.as_ref().expect("inputs files are read before any unit runs");
                numbers.copy_from_slice(rows.row(index).to_slice().expect("contiguous"));
            }
        }
        row.iter_mut().zip(&numbers).for_each(|(x, number)| *x = T::of_f32(*number));
    }
    batch
}

/// The first `inputs` inputs of a network on the sphere of radius √d, n × d.
pub fn sphere_inputs<T: Real>(streams: NetworkStreams, cell: Cell, inputs: usize) -> Array2<T> {
    let mut batch = zeros((inputs, cell.dim));
    let mut numbers = vec![0.0; cell.dim];
    for (index, mut row) in batch.rows_mut().into_iter().enumerate() {
        streams.input(index, &mut numbers);
        row.iter_mut().zip(&numbers).for_each(|(x, number)| *x = T::of_f32(*number));
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Readout;

    fn streams(cell: Cell) -> NetworkStreams {
        NetworkStreams::new(1, cell, 0, 1.0, Readout::Sign)
    }

    #[test]
    fn inputs_have_the_length_and_the_bias_they_should() {
        let cell = Cell::new(1, 30, 5);
        for text in ["sphere", "hypercube", "gaussian"] {
            let law = InputsLaw::parse(text).unwrap();
            for bias in [false, true] {
                let x = inputs::<f64>(&law, streams(cell), cell, 200, bias);
                let squares: Vec<f64> = x.rows().into_iter().map(|row| row.dot(&row)).collect();
                if text == "gaussian" {
                    let mean = squares.iter().sum::<f64>() / 200.0;
                    assert!((mean - 30.0).abs() < 4.0 * (60.0_f64 / 200.0).sqrt(), "{mean}");
                } else {
                    assert!(squares.iter().all(|square| (square - 30.0).abs() < 1e-4), "{text}");
                }
                assert_eq!(x.column(29).iter().all(|&x| x == 1.0), bias);
            }
        }
        let cube = inputs::<f32>(&InputsLaw::Hypercube, streams(cell), cell, 200, false);
        assert!(cube.iter().all(|x| x.abs() == 1.0) && cube.sum().abs() < 4.0 * 6000.0_f32.sqrt());
    }
}
