//! The nearest flip against an exhaustive search over directions in the plane, and its properties in larger networks.

use crate::common::naive::{Naive, along, dot};
use advstep_hpc::kernels::Real;
use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::measure::{Settings, samples_along};
use advstep_hpc::model::{Activation, Cell, Direction, InputsLaw, Readout, SearchName};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::network::inputs::inputs;
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::record::Sample;

const BOUND: f64 = 20.0;

/// The samples along the gradient and to the nearest flip, and the network by loops.
fn measured<T: Real>(
    psi: Activation,
    cell: Cell,
    network: usize,
    count: usize,
    search: SearchName,
    bias: bool,
    starts: usize,
) -> (Vec<Sample>, Vec<Sample>, Naive) {
    let streams = NetworkStreams::new(11, cell, network, 1.0, Readout::Sign);
    let x = inputs::<T>(&InputsLaw::Sphere, streams, cell, count, bias);
    let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
    let mut engine = Dense::<T>::with(streams, cell, psi, x, keep, &Workspace::default());
    let directions = [Direction::Gradient, Direction::Nearest];
    let settings =
        Settings { directions: &directions, bias, streams, search, bound: BOUND.into(), nearest_starts: starts, certify: false };
    let mut samples = samples_along(&mut engine, &settings).unwrap();
    let nearest = samples.split_off(count);
    (samples, nearest, Naive::of(&mut engine, cell))
}

/// A Lipschitz constant of f for ψ = ReLU: ‖a‖/√k times a bound of every layer's spectral norm, ‖W‖⁸ ≤ tr (WᵀW)⁴.
fn lipschitz(naive: &Naive) -> f64 {
    let bound = |w: &Vec<Vec<f64>>| {
        let columns: Vec<Vec<f64>> = (0..w[0].len()).map(|j| w.iter().map(|row| row[j]).collect()).collect();
        let gram: Vec<Vec<f64>> = columns.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect();
        let squared = |row: &Vec<f64>| gram.iter().map(|other| dot(row, other).powi(2)).sum::<f64>();
        gram.iter().map(squared).sum::<f64>().powf(0.125)
    };
    let readout = dot(&naive.readout, &naive.readout).sqrt() / (naive.readout.len() as f64).sqrt();
    naive.weights.iter().map(bound).product::<f64>() * readout
}

/// The distance to the first flip along any of `rays` directions in the plane, on a grid of distances up to `reach`, refined by bisection. Points of
/// the grid at which the Lipschitz constant leaves f no time to change its sign are not evaluated.
fn exhaustive(naive: &Naive, x: &[f64], reach: f64, rays: usize) -> f64 {
    const STEPS: usize = 400;
    let sign = naive.value(x).signum();
    let steepest = lipschitz(naive);
    let mut nearest = reach;
    for ray in 0..rays {
        let (sin, cos) = (std::f64::consts::TAU * ray as f64 / rays as f64).sin_cos();
        let is_other_side = |r: f64| sign * naive.value(&along(x, &[cos, sin], r)) < 0.0;
        let spacing = nearest / STEPS as f64;
        let (mut step, mut first) = (0, None);
        while step <= STEPS && first.is_none() {
            let r = spacing * step as f64;
            let height = sign * naive.value(&along(x, &[cos, sin], r));
            first = (height < 0.0).then_some(r);
            step += 1 + (0.999 * height.max(0.0) / (steepest * spacing)) as usize;
        }
        if let Some(mut above) = first {
            let mut below = above - spacing;
            for _ in 0..40 {
                let middle = 0.5 * (below + above);
                if is_other_side(middle) { above = middle } else { below = middle }
            }
            nearest = above;
        }
    }
    nearest
}

#[test]
fn in_the_plane_it_is_the_nearest_of_all_directions() {
    let (mut compared, mut missed, mut improved) = (0, 0, 0);
    for (cell, search) in [
        (Cell::new(1, 2, 8), SearchName::Line),
        (Cell::new(1, 2, 40), SearchName::Line),
        (Cell::new(2, 2, 12), SearchName::Trace),
        (Cell::new(3, 2, 20), SearchName::Trace),
    ] {
        for network in 0..15 {
            let (gradient, nearest, naive) = measured::<f64>(Activation::Relu, cell, network, 5, search, false, 8);
            for ((gradient, nearest), x) in gradient.iter().zip(&nearest).zip(&naive.inputs) {
                if !gradient.status.is_found() {
                    continue;
                }
                let expected = exhaustive(&naive, x, gradient.distance * (1.0 + 1e-9), 3000);
                let what =
                    format!("{cell} network {network}: {} against {expected}, gradient {}", nearest.distance, gradient.distance);
                assert!(nearest.distance <= gradient.distance * (1.0 + 1e-12), "{what}");
                assert!(nearest.distance >= expected * (1.0 - 1e-3), "{what}");
                compared += 1;
                missed += usize::from(nearest.distance > expected * (1.0 + 1e-3));
                improved += usize::from(nearest.distance < gradient.distance * (1.0 - 1e-3));
            }
        }
    }
    println!("{compared} compared, {missed} not the nearest, {improved} nearer than the gradient's");
    // A local search may end in another local minimum.
    assert!(compared > 100 && missed * 10 <= compared && improved * 4 > compared, "{compared}, {missed}, {improved}");
}

#[test]
fn it_is_never_farther_than_along_the_gradient() {
    for (psi, cell, search) in [
        (Activation::Relu, Cell::new(1, 30, 300), SearchName::Line),
        (Activation::Tanh, Cell::new(1, 20, 100), SearchName::March),
        (Activation::Gelu, Cell::new(2, 20, 100), SearchName::Scan),
    ] {
        for bias in [false, true] {
            let (gradient, nearest, _) = measured::<f64>(psi, cell, 0, 20, search, bias, 1);
            let pairs = gradient.iter().zip(&nearest).filter(|(gradient, _)| gradient.status.is_found());
            let mut found = 0;
            for (gradient, nearest) in pairs {
                found += 1;
                assert!(nearest.status.is_found() && nearest.distance <= gradient.distance * (1.0 + 1e-9), "{} {cell}", psi.name());
                assert!((nearest.step * nearest.gradient_norm - nearest.distance).abs() <= 1e-12 * nearest.distance);
            }
            assert!(found > 10, "{found} found");
        }
    }
}

#[test]
fn more_starts_are_never_farther_and_precisions_agree() {
    let cell = Cell::new(2, 20, 60);
    let run = |starts| measured::<f64>(Activation::Relu, cell, 0, 20, SearchName::Trace, false, starts).1;
    let (one, four) = (run(1), run(4));
    for (one, four) in one.iter().zip(&four).filter(|(one, _)| one.status.is_found()) {
        assert!(four.distance <= one.distance && four.evaluations >= one.evaluations);
    }
    let single = measured::<f32>(Activation::Relu, cell, 0, 20, SearchName::Trace, false, 1).1;
    let mean = |samples: &[Sample]| {
        let found: Vec<f64> = samples.iter().filter(|sample| sample.status.is_found()).map(|sample| sample.distance).collect();
        found.iter().sum::<f64>() / found.len() as f64
    };
    assert!((mean(&single) / mean(&one) - 1.0).abs() < 0.01, "{} against {}", mean(&single), mean(&one));
}

/// Narrow deep networks, where the line along the gradient often does not flip: what small steps of descent flip within the bound, nearest does too.
#[test]
fn what_a_descent_flips_is_found() {
    let cell = Cell::new(3, 20, 60);
    let (mut without_gradient, mut by_descent) = (0, 0);
    for network in 0..12 {
        let streams = NetworkStreams::new(11, cell, network, 1.0, Readout::Sign);
        let x = inputs::<f64>(&InputsLaw::Sphere, streams, cell, 50, false);
        let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
        let mut engine = Dense::<f64>::with(streams, cell, Activation::Relu, x, keep, &Workspace::default());
        let directions = [Direction::Gradient, Direction::Nearest, Direction::Descent];
        let settings = Settings {
            directions: &directions,
            bias: false,
            streams,
            search: SearchName::Trace,
            bound: BOUND.into(),
            nearest_starts: 1,
            certify: false,
        };
        let samples = samples_along(&mut engine, &settings).unwrap();
        let [gradient, nearest, descent] = [0, 50, 100].map(|start| &samples[start..start + 50]);
        for ((gradient, nearest), descent) in gradient.iter().zip(nearest).zip(descent) {
            assert!(nearest.status.is_found() || !(gradient.status.is_found() || descent.status.is_found()));
            // The first line is that of direction gradient, bit for bit.
            assert!(!gradient.status.is_found() || nearest.distance <= gradient.distance);
            without_gradient += usize::from(!gradient.status.is_found());
            by_descent += usize::from(!gradient.status.is_found() && nearest.status.is_found());
        }
    }
    assert!(without_gradient > 50 && by_descent > without_gradient / 2, "{by_descent} of {without_gradient}");
}
