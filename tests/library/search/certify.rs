//! Certified distances against closed forms, an exhaustive search in the plane, points inside the ball, and a slow reference of the bound.

use ndarray::{Array1, Array2, array};
use ndarray_linalg::{Eigh, UPLO};
use rand::SeedableRng;
use rand::distr::Distribution;
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256PlusPlus;

use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::measure::{Settings, samples_along};
use advstep_hpc::model::{Activation, Cell, Direction, InputsLaw, Readout, SearchName};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::network::inputs::inputs;
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::record::Sample;
use advstep_hpc::search::certify::Certifier;

use crate::common::naive::{Naive, along};

fn measured(psi: Activation, cell: Cell, network: usize, count: usize, bias: bool) -> (Vec<Sample>, Naive) {
    let streams = NetworkStreams::new(5, cell, network, 1.0, Readout::Sign);
    let x = inputs::<f64>(&InputsLaw::Sphere, streams, cell, count, bias);
    let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
    let mut engine = Dense::<f64>::with(streams, cell, psi, x, keep, &Workspace::default());
    let directions = [Direction::Nearest];
    let search = SearchName::Line;
    let settings =
        Settings { directions: &directions, bias, streams, search, bound: 20.0.into(), nearest_starts: 4, certify: true };
    (samples_along(&mut engine, &settings).unwrap(), Naive::of(&mut engine, cell))
}

/// One active neuron: f vanishes at the distance z/‖w‖, and nothing but that neuron matters.
#[test]
fn one_neuron_has_the_distance_to_its_hyperplane() {
    let w: Array2<f64> = array![[0.6, -0.8, 2.0]];
    let x = array![1.0, 0.5, 0.25];
    let (z, norm) = (w.row(0).dot(&x), w.row(0).dot(&w.row(0)).sqrt());
    let of = |bias| Certifier::new(&w, &[-1.0], 0.0, bias).distance(x.view(), -1.0, 100.0);
    assert!((of(false) / (z / norm) - 1.0).abs() < 1e-8);
    // The last coordinate does not move.
    assert!((of(true) / z - 1.0).abs() < 1e-8);
    assert_eq!(Certifier::new(&w, &[-1.0], 0.0, false).distance(x.view(), -1.0, 0.1), 0.1 * (1.0 - 1e-9));
}

/// f = ½(relu(z₁) − relu(z₂)) with orthonormal w, z = (a, −b): the nearest zero is at the apex side, min over δ of a + δ₁ = (δ₂ − b)₊.
#[test]
fn two_neurons_are_bounded_below_their_distance() {
    let w = Array2::eye(2);
    for (a, b) in [(1.0_f64, 0.3_f64), (1.0, 2.0), (0.2, 0.1)] {
        // Either the first neuron turns off at a, or the second reaches z₁ first: the line δ₂ − b = a + δ₁ is at (a + b)/√2.
        let crossing = (a + b) / 2.0_f64.sqrt();
        let expected = if 0.5 * (a + b) >= b { crossing.min(a) } else { a };
        let found = Certifier::new(&w, &[1.0, -1.0], 0.0, false).distance(array![a, -b].view(), 1.0, 10.0);
        assert!(found <= expected * (1.0 + 1e-12) && found > 0.6 * expected, "{found} against {expected}");
    }
}

#[test]
fn nothing_in_the_plane_flips_within_the_certified_distance() {
    let (mut inputs, mut shares) = (0, 0.0);
    for (psi, width, bias) in [(Activation::Relu, 8, false), (Activation::Relu, 40, false), (Activation::LeakyRelu, 20, false)] {
        for network in 0..10 {
            let (samples, naive) = measured(psi, Cell::new(1, 2, width), network, 5, bias);
            for (sample, x) in samples.iter().zip(&naive.inputs).filter(|(sample, _)| sample.status.is_found()) {
                let sign = naive.value(x).signum();
                for ray in 0..2000 {
                    let (sin, cos) = (std::f64::consts::TAU * f64::from(ray) / 2000.0).sin_cos();
                    for part in [0.25, 0.5, 0.75, 0.9, 1.0] {
                        let value = naive.value(&along(x, &[cos, sin], part * sample.certified));
                        assert!(sign * value > 0.0, "{value} within {} of an input of {sign}", sample.certified);
                    }
                }
                assert!(sample.certified > 0.0 && sample.certified <= sample.distance);
                inputs += 1;
                shares += sample.certified / sample.distance;
            }
        }
    }
    assert!(inputs > 60 && shares / f64::from(inputs) > 0.6, "{inputs}, {shares}");
}

/// The same bound with eigenvectors in place of the tridiagonal form and a fine grid of τ and μ, at R = the distance found.
fn reference(w: &Array2<f64>, a: &[f64], x: &[f64], limit: f64) -> f64 {
    let k = a.len() as f64;
    let z = w.dot(&Array1::from(x.to_vec()));
    let f: f64 = a.iter().zip(&z).map(|(a, z)| a * z.max(0.0)).sum::<f64>() / k.sqrt();
    let mut best: f64 = 0.0;
    for step in 0..60 {
        let tau = 0.002 * 1.13_f64.powi(step);
        let (mut b, mut m, mut lost) = (Array1::zeros(w.ncols()), Array2::zeros((w.ncols(), w.ncols())), 0.0);
        for i in 0..a.len() {
            let row = w.row(i).to_owned();
            let weight = f.signum() * a[i] / k.sqrt();
            if z[i] > 0.0 {
                b -= &(&row * weight);
            }
            if weight < 0.0 && z[i].abs() < limit * row.dot(&row).sqrt() {
                let t = tau.max(z[i].abs());
                lost += -weight * (t - z[i].abs()).powi(2) / (4.0 * t);
                b += &(&row * (-weight * (t - z[i].abs()) / (2.0 * t) * -z[i].signum()));
                let column = row.clone().insert_axis(ndarray::Axis(1));
                m += &(column.dot(&column.t()) * (-weight / (4.0 * t)));
            }
        }
        let (eigenvalues, vectors) = m.eigh(UPLO::Lower).unwrap();
        let rotated = vectors.t().dot(&b);
        let top = eigenvalues[eigenvalues.len() - 1].max(0.0);
        for shift in 1..400 {
            let mu = top + 1e-4 * 1.03_f64.powi(shift);
            let form: f64 = rotated.iter().zip(&eigenvalues).map(|(b, e)| b * b / (mu - e)).sum();
            best = best.max((f.abs() - lost - 0.25 * form) / mu);
        }
    }
    best.sqrt().min(limit)
}

#[test]
fn it_is_as_tight_as_the_bound_allows_and_much_of_what_is_found() {
    for (dim, width, least) in [(10, 30, 0.8), (50, 100, 0.85), (30, 300, 0.75)] {
        let (mut found, mut slow, mut upper) = (0.0, 0.0, 0.0);
        for network in 0..3 {
            let (samples, naive) = measured(Activation::Relu, Cell::new(1, dim, width), network, 3, false);
            for (sample, x) in samples.iter().zip(&naive.inputs).filter(|(sample, _)| sample.status.is_found()) {
                let w = Array2::from_shape_fn((width, dim), |(i, j)| naive.weights[0][i][j]);
                let expected = reference(&w, &naive.readout, x, sample.distance);
                assert!(sample.certified >= 0.99 * expected, "{} against {expected}", sample.certified);
                (found, slow, upper) = (found + sample.certified, slow + expected, upper + sample.distance);
            }
        }
        println!("(1, {dim}, {width}): certified {:.3} of what is found, the reference {:.3}", found / upper, slow / upper);
        assert!(found / upper > least, "{dim} {width}: {}", found / upper);
    }
}

/// 20,000 random points of each ball, and the steepest descent towards its surface.
#[test]
fn no_point_of_the_ball_has_the_other_sign() {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(3);
    for bias in [false, true] {
        let (samples, naive) = measured(Activation::Relu, Cell::new(1, 6, 40), 1, 4, bias);
        for (sample, x) in samples.iter().zip(&naive.inputs) {
            let sign = naive.value(x).signum();
            let movable = x.len() - usize::from(bias);
            for _ in 0..20_000 {
                let mut direction: Vec<f64> = StandardNormal.sample_iter(&mut generator).take(movable).collect();
                let norm = direction.iter().map(|u: &f64| u * u).sum::<f64>().sqrt();
                direction.iter_mut().for_each(|u| *u /= norm);
                direction.resize(x.len(), 0.0);
                assert!(sign * naive.value(&along(x, &direction, sample.certified)) > 0.0);
            }
            assert!(sample.certified > 0.0);
        }
    }
}
