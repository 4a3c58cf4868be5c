//! f and ∇f of the dense engine against nested loops, finite differences, the other precision and the other storage choice.

use crate::common::naive::{Naive, along, dot};
use crate::common::stored;
use advstep_hpc::measure::samples;
use advstep_hpc::model::SearchName;
use advstep_hpc::model::{Cell, Readout};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::network::{Differentiated, Engine, LinePoint, Lines};
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::record::Sample;

const CELLS: [(usize, usize, usize); 9] =
    [(1, 1, 1), (1, 3, 5), (1, 50, 300), (2, 1, 7), (2, 20, 257), (3, 10, 64), (4, 7, 33), (6, 10, 40), (6, 30, 300)];

/// Hidden layers of different widths: narrowing, widening, across a block boundary, and a single neuron.
const LAYERS: [(usize, &[usize]); 6] =
    [(10, &[60, 20, 40]), (7, &[3, 300, 5]), (5, &[300, 2]), (1, &[4, 9]), (20, &[257, 1, 30]), (6, &[2, 3, 5, 258])];

fn cells() -> impl Iterator<Item = Cell> {
    let equal = CELLS.into_iter().map(|(depth, dim, width)| Cell::new(depth, dim, width));
    equal.chain(LAYERS.map(|(dim, widths)| Cell::of_layers(dim, widths)))
}

fn assert_close(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((got - expected).abs() <= tolerance * expected.abs().max(1e-3), "{what}: got {got}, expected {expected}");
}

#[test]
fn value_and_gradient_agree_with_nested_loops() {
    for cell in cells() {
        let mut engine = stored::<f64>(11, cell, 0, 5);
        let result = engine.differentiate().0;
        let naive = Naive::of(&mut engine, cell);
        for (input, x) in naive.inputs.iter().enumerate() {
            assert_close(result.value[input], naive.value(x), 1e-11, &format!("f at {cell}"));
            for (got, expected) in result.gradient.row(input).iter().zip(naive.gradient(x)) {
                assert_close(*got, expected, 1e-10, &format!("gradient at {cell}"));
            }
        }
    }
}

#[test]
fn gradient_agrees_with_finite_differences() {
    let step = 1e-7;
    for cell in cells() {
        let mut engine = stored::<f64>(12, cell, 1, 8);
        let result = engine.differentiate().0;
        let naive = Naive::of(&mut engine, cell);
        for (input, x) in naive.inputs.iter().enumerate() {
            let gradient = result.gradient.row(input).to_vec();
            let norm = dot(&gradient, &gradient).sqrt();
            for axis in 0..cell.dim {
                let mut e = vec![0.0; cell.dim];
                e[axis] = 1.0;
                let difference = (naive.value(&along(x, &e, step)) - naive.value(&along(x, &e, -step))) / (2.0 * step);
                // A central difference over 2e-7 is exact on a linear piece up to 1e-16/1e-7; a kink inside has probability 1e-6 per axis.
                assert!(
                    (difference - gradient[axis]).abs() < 1e-7 * (1.0 + norm),
                    "{cell}: {difference} against {}",
                    gradient[axis]
                );
            }
        }
    }
}

#[test]
fn points_of_the_line_agree_with_nested_loops() {
    for cell in cells() {
        let mut engine = stored::<f64>(13, cell, 0, 4);
        let naive = Naive::of(&mut engine, cell);
        let (result, mut network) = engine.differentiate();
        let directions = result.gradient;
        let points: Vec<LinePoint> = [(0, 0.5), (3, 1.0), (1, 0.0), (0, 17.0)].map(|(input, t)| LinePoint { input, t }).into();
        let values = network.lines(directions.clone()).evaluate(&points);
        for (&got, point) in values.iter().zip(&points) {
            let x = along(&naive.inputs[point.input], &directions.row(point.input).to_vec(), point.t);
            assert_close(got, naive.value(&x), 1e-11, &format!("{point:?} at {cell}"));
        }
        // A stored line is replaced by the next one.
        let halved: Vec<LinePoint> = points.iter().map(|point| LinePoint { t: 0.5 * point.t, ..*point }).collect();
        assert_eq!(network.lines(&directions * 2.0).evaluate(&halved), values, "{cell}");
    }
}

#[test]
fn both_precisions_evaluate_the_same_network() {
    for cell in cells() {
        let (mut single, mut double) = (stored::<f32>(14, cell, 2, 20), stored::<f64>(14, cell, 2, 20));
        assert_eq!(single.inputs().mapv(f64::from), double.inputs());
        for layer in 1..=cell.depth {
            assert_eq!(single.matrix(layer).mapv(f64::from), double.matrix(layer));
        }
        let (single, double) = (single.differentiate().0, double.differentiate().0);
        let scale = double.value.iter().map(|f| f.abs()).fold(0.0, f64::max);
        for (single, double) in single.value.iter().zip(&double.value) {
            assert!((single - double).abs() <= 3e-6 * scale.max(1e-3), "{cell}: f {single} in f32, {double} in f64");
        }
        let difference = &single.gradient.mapv(f64::from) - &double.gradient;
        let largest = double.gradient.iter().map(|g| g.abs()).fold(0.0, f64::max);
        // A pre-activation within rounding of 0 would toggle a neuron; these seeds have none.
        assert!(difference.iter().all(|d| d.abs() <= 3e-6 * largest.max(1e-3)), "{cell}: gradients differ");
    }
}

fn bits(samples: &[Sample]) -> Vec<(u64, u64, u64, u8, u32)> {
    let bits = |s: &Sample| (s.step.to_bits(), s.gradient_norm.to_bits(), s.value.to_bits(), s.status as u8, s.evaluations);
    samples.iter().map(bits).collect()
}

#[test]
fn every_storage_gives_the_same_bits() {
    use Storage::{Regenerated, Stored};
    let cases = [
        (Cell::new(1, 30, 1000), SearchName::Line),
        (Cell::new(1, 500, 3000), SearchName::Line),
        (Cell::new(1, 10, 700), SearchName::Scan),
        (Cell::new(3, 20, 400), SearchName::Scan),
        (Cell::new(3, 20, 30), SearchName::Trace),
        (Cell::of_layers(20, &[700, 300, 10]), SearchName::Scan),
        (Cell::of_layers(20, &[10, 300]), SearchName::Trace),
    ];
    for (cell, search) in cases {
        let run = |weights, line| {
            let streams = NetworkStreams::new(15, cell, 0, 1.0, Readout::Sign);
            let single = bits(&samples(&mut Dense::<f32>::new(streams, cell, 100, Keep { weights, line }), search, 20.0).unwrap());
            let double = bits(&samples(&mut Dense::<f64>::new(streams, cell, 100, Keep { weights, line }), search, 20.0).unwrap());
            (single, double)
        };
        let reference = run(Stored, Stored);
        for (weights, line) in [(Regenerated, Stored), (Regenerated, Regenerated), (Stored, Regenerated)] {
            assert!(
                run(weights, line) == reference,
                "{cell} with {search:?}: weights {weights:?} and line {line:?} differ from stored"
            );
        }
    }
}
