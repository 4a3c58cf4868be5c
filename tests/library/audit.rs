//! The audit's estimators against LAPACK, finite differences, brute force and closed forms.

use advstep_hpc::audit::hessian::{by_lanczos, norm_in_ball, operator_norm, scaled_to};
use advstep_hpc::audit::network::norm;
use advstep_hpc::audit::step_constant::{CHANGES, LARGEST, Line, root_log, smallest_drop};
use advstep_hpc::audit::variation::{Effort, brackets};
use advstep_hpc::audit::{Estimate, Network, Setting, flips, variation};
use advstep_hpc::model::Activation;
use advstep_hpc::model::{Cell, Readout};
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::stats::interval;
use ndarray::{Array1, Array2, array};
use ndarray_linalg::{Eigh, UPLO};
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use statrs::distribution::{Beta, ContinuousCDF};

fn network(activation: Activation, dim: usize, width: usize, index: usize) -> Network {
    Network::new(77, Setting::two_layer(dim, width, activation), index)
}

/// A vector of iid N(0, 1).
fn gaussian(dim: usize, seed: u64) -> Array1<f64> {
    StandardNormal.sample_iter(Xoshiro256PlusPlus::seed_from_u64(seed)).take(dim).collect()
}

/// ∇f(x + δ).
fn gradient_at(network: &Network, delta: &Array1<f64>) -> Array1<f64> {
    network.gradient((&network.z + &network.forward(delta.view())).view())
}

fn assert_near(measured: f64, expected: f64, relative: f64) {
    assert!((measured - expected).abs() <= relative * expected.abs(), "{measured} is not {expected}");
}

/// ∇²f by central differences of ∇f, and its eigenvalues by LAPACK.
#[test]
fn the_hessian_norm_is_that_of_the_explicit_hessian() {
    for (activation, dim, width) in [(Activation::Tanh, 6, 20), (Activation::Gelu, 25, 10), (Activation::Sine, 30, 300)] {
        let network = network(activation, dim, width, 0);
        let mut hessian = Array2::zeros((dim, dim));
        for i in 0..dim {
            let mut shift = Array1::zeros(dim);
            shift[i] = 1e-5;
            hessian.row_mut(i).assign(&((gradient_at(&network, &shift) - gradient_at(&network, &-shift)) / 2e-5));
        }
        let (eigenvalues, _) = hessian.eigh(UPLO::Lower).unwrap();
        let expected = eigenvalues.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let found = operator_norm(&network, network.z.view(), gaussian(dim, 5).view());
        assert_near(found, expected, 1e-6);
        // The two ways, without the error of differences; 300 neurons are two blocks of the explicit matrix.
        assert_near(by_lanczos(&network, network.z.view(), gaussian(dim, 5).view()), found, 1e-7);
    }
}

/// In two dimensions the ball can be searched exhaustively.
#[test]
fn the_hessian_norm_in_a_ball_is_nearly_the_largest_of_a_grid() {
    for radius in [0.3, 1.0, 3.0] {
        let network = network(Activation::Tanh, 2, 12, 1);
        let at = |delta: Array1<f64>| {
            operator_norm(&network, (&network.z + &network.forward(delta.view())).view(), array![1.0, 0.3].view())
        };
        let brute = disk(radius, 60, 90).map(at).fold(0.0, f64::max);
        let found = (0..6).map(|seed| norm_in_ball(&network, radius, gaussian(2, seed).view(), 15)).fold(0.0, f64::max);
        assert!(found <= 1.001 * brute && found >= 0.9 * brute, "R = {radius}: {found} against {brute}");
    }
}

/// A polar grid of the disk of `radius`.
fn disk(radius: f64, rings: usize, angles: usize) -> impl Iterator<Item = Array1<f64>> {
    (0..=rings).flat_map(move |ring| {
        (0..angles).map(move |angle| {
            let (sin, cos) = (std::f64::consts::TAU * angle as f64 / angles as f64).sin_cos();
            let r = radius * ring as f64 / rings as f64;
            array![r * cos, r * sin]
        })
    })
}

/// sup ‖∇f(x) − ∇f(x + δ)‖ over a fine grid of the disk lies between the bounds, close to the lower one.
#[test]
fn brute_force_lies_within_the_bracket_of_the_gradient_variation() {
    let radii = [0.1, 0.5, 1.0, 2.0, 4.0];
    let effort = Effort { starts: 60, steps: 40 };
    for activation in [Activation::Relu, Activation::LeakyRelu, Activation::Tanh, Activation::Gelu] {
        for (index, width) in [6, 15, 40].into_iter().enumerate() {
            let network = network(activation, 2, width, index);
            let here = network.gradient(network.z.view());
            for (radius, bracket) in radii.into_iter().zip(brackets(&network, &radii, effort)) {
                let change = |delta: Array1<f64>| norm((gradient_at(&network, &delta) - &here).view());
                let brute = disk(radius, 100, 480).map(change).fold(0.0, f64::max);
                let shown = format!("{activation:?} k = {width} R = {radius}: {bracket:?} against {brute}");
                assert!(bracket.at_most >= brute, "{shown}");
                assert!(bracket.found <= 1.001 * brute + 1e-12, "{shown}");
                assert!(bracket.found >= 0.9 * brute, "{shown}");
            }
        }
    }
}

/// What is found at a radius does not depend on the other radii, and so may be less than at a smaller one.
#[test]
fn nothing_is_carried_over_from_one_radius_to_the_next() {
    let radii = [0.5, 1.0, 1.5, 2.0];
    let effort = Effort { starts: 0, steps: 0 };
    let mut falls = 0;
    for index in 0..30 {
        let network = network(Activation::Relu, 2, 12, index);
        let together: Vec<f64> = brackets(&network, &radii, effort).iter().map(|bracket| bracket.found).collect();
        for (radius, found) in radii.into_iter().zip(&together) {
            assert!((brackets(&network, &[radius], effort)[0].found - found).abs() < 1e-12);
        }
        falls += together.windows(2).filter(|pair| pair[1] < pair[0] - 1e-9).count();
    }
    assert!(falls > 0, "no search finds less at a larger radius: the test would not see the difference");
}

/// At a vanishing radius the supremum is ‖∇²f‖·R, and the ascent is the power method.
#[test]
fn the_variation_at_a_tiny_radius_is_the_hessian_norm() {
    let network = network(Activation::Tanh, 30, 100, 0);
    let expected = 1e-4 * operator_norm(&network, network.z.view(), network.x.view());
    let bracket = brackets(&network, &[1e-4], Effort { starts: 6, steps: 60 })[0];
    assert!(bracket.found >= 0.999 * expected && bracket.found <= 1.001 * expected, "{bracket:?} against {expected}");
}

/// The change along v is the projected change of the gradient.
#[test]
fn the_change_along_a_direction_is_an_inner_product() {
    for activation in [Activation::Relu, Activation::Silu] {
        let network = network(activation, 9, 70, 0);
        let (delta, v) = (gaussian(9, 1), scaled_to(gaussian(9, 2).view(), 1.0));
        let derivative = |z: f64| activation.derivative(z);
        let by_hand: f64 = (0..70)
            .map(|l| {
                let w = network.w.row(l);
                network.a[l] * w.dot(&v) * (derivative(w.dot(&network.x)) - derivative(w.dot(&(&network.x + &delta))))
                    / 70_f64.sqrt()
            })
            .sum();
        assert!((variation::along(&network, delta.view(), v.view()) - by_hand).abs() < 1e-12);
    }
}

/// Counted flips against the angle between the two points (a test at 4.5 standard errors: one false alarm in 10⁵).
#[test]
fn flip_probabilities_are_angles() {
    let network = network(Activation::Relu, 7, 200_000, 0);
    let x = network.x.view();
    for radius in [0.05, 0.8, 2.0] {
        let worst = flips::worst_move(x, gaussian(7, 91).view(), radius);
        assert_near(norm(worst.view()), radius, 1e-12);
        assert_near(flips::flip_probability(x, worst.view()), flips::largest_flip_probability(radius, 7), 1e-5);
        let any = scaled_to(gaussian(7, 92).view(), radius);
        assert!(flips::flip_probability(x, any.view()) < flips::largest_flip_probability(radius, 7));
        for delta in [worst, any] {
            let count = flips::flips(network.w.view(), x, delta.view());
            assert_binomial(count, flips::flip_probability(x, delta.view()));
        }
    }
    assert_eq!(flips::largest_flip_probability(3.0, 7), 1.0);
}

fn assert_binomial(count: flips::Count, probability: f64) {
    let error = (probability * (1.0 - probability) / count.of as f64).sqrt();
    let share = count.happened as f64 / count.of as f64;
    assert!((share - probability).abs() < 4.5 * error, "{share} is not {probability} ± {error}");
}

/// |w·(x + δ)| ≤ ε‖w‖ is a statement on the squared cosine between w and x + δ, which is Beta(1/2, (d − 1)/2).
#[test]
fn flips_in_a_small_ball_are_a_beta_law() {
    let network = network(Activation::Relu, 9, 200_000, 0);
    let delta = scaled_to(gaussian(9, 101).view(), 1.0);
    for epsilon in [0.01, 0.3, 1.5] {
        let count = flips::flips_nearby(network.w.view(), network.x.view(), delta.view(), epsilon);
        let cosine = epsilon / norm((&network.x + &delta).view());
        assert_binomial(count, Beta::new(0.5, 4.0).unwrap().cdf(cosine * cosine));
    }
}

/// A neuron is counted if and only if its kink is within distance ε.
#[test]
fn a_flip_nearby_is_reached_along_the_weight_vector() {
    let network = network(Activation::Relu, 5, 400, 0);
    for epsilon in [0.1, 0.7] {
        let by_hand = network.w.rows().into_iter().zip(&network.z).filter(|(w, z)| {
            let step = scaled_to(w.view(), -z.signum() * epsilon * (1.0 + 1e-9));
            (w.dot(&(&network.x + &step)) > 0.0) != (**z > 0.0)
        });
        let count = flips::flips_nearby(network.w.view(), network.x.view(), Array1::zeros(5).view(), epsilon);
        assert_eq!(count, flips::Count { happened: by_hand.count() as u64, of: 400 });
    }
}

/// ReLU(z) − ReLU(−z) = z: on a linear network the sign changes once, at the drop |f|.
#[test]
fn on_a_linear_network_the_drop_that_flips_is_the_value() {
    let setting = Setting::two_layer(6, 2, Activation::Relu);
    let streams = NetworkStreams::new(1, Cell::new(1, 6, 2), 0, 1.0, Readout::Sign);
    let mut values = Vec::new();
    let mut lines = Vec::new();
    for seed in 0..300 {
        let row = gaussian(6, 2 * seed);
        let weights = ndarray::stack![ndarray::Axis(0), row, -&row];
        let network = Network::of(setting, weights, array![1.0, -1.0], gaussian(6, 2 * seed + 1), streams);
        let value = (row.dot(&network.x) / 2_f64.sqrt()).abs();
        let line = Line::of(&network);
        assert_near(line.changes[0], value, 1e-7);
        assert!(line.changes[1..].iter().all(|change| *change == f64::INFINITY));
        assert_near(line.gradient_norm, norm(row.view()) / 2_f64.sqrt(), 1e-12);
        let flips = [0.999 * value, 1.001 * value, LARGEST, 1.001 * LARGEST].map(|drop| line.is_flipped_at(drop));
        assert_eq!(flips, [Some(false), Some(true), Some(true), None]);
        values.push(value);
        lines.push(line);
    }
    // So the smallest drop is a quantile of |f|, with the interval of a quantile.
    for gamma in [0.5, 0.1] {
        let (found, expected) = (smallest_drop(&lines, gamma), interval::quantile(&values, 1.0 - gamma));
        assert_near(found.value, expected.value, 1e-6);
        assert!(found.low < found.value && found.value < found.high);
        assert_near(found.low, expected.low, 0.05);
        assert_near(found.high, expected.high, 0.05);
    }
    assert_eq!(smallest_drop(&lines[..20], 0.01).high, f64::INFINITY);
    assert_near(root_log(0.1), std::f64::consts::LN_10.sqrt(), 1e-15);
}

/// A step that flips the sign back does not count: the sign is that of the network at the step itself.
#[test]
fn flips_are_those_of_the_network_at_the_step() {
    let (mut flipped_back, mut missed, mut unknown) = (0, 0, Vec::new());
    for index in 0..60 {
        for activation in [Activation::Relu, Activation::Tanh, Activation::Sine] {
            let network = network(activation, 4, 15, index);
            let (value, gradient) = (network.value(network.z.view()), network.gradient(network.z.view()));
            let line = Line::of(&network);
            flipped_back += u32::from(line.changes[1].is_finite());
            for drop in [0.03, 0.3, 1.0, 3.0, 30.0, 150.0] {
                let step = &gradient * (-value.signum() * drop / gradient.dot(&gradient));
                let there = network.value((&network.z + &network.forward(step.view())).view());
                let Some(flipped) = line.is_flipped_at(drop) else {
                    unknown.push((activation, drop));
                    continue;
                };
                let agrees = flipped == ((there > 0.0) != (value > 0.0));
                assert!(agrees || activation == Activation::Sine, "{activation:?} {index}: {drop} on {line:?}");
                missed += u32::from(!agrees);
            }
        }
    }
    assert!(flipped_back > 0, "no line crosses zero twice: the test would not see the difference");
    // A sine has infinitely many zeros.
    assert!(unknown.iter().all(|&(activation, drop)| activation == Activation::Sine && drop > 10.0), "{unknown:?}");
    assert!(!unknown.is_empty());
    // Some lines cross twice between grid points.
    assert!(missed <= 3, "{missed} of 300");
}

/// Three lines with obvious flips: the smallest drop is that of a step, not of a first crossing.
#[test]
fn the_smallest_drop_counts_signs_and_not_crossings() {
    let line = |changes: &[f64]| {
        let mut all = [f64::INFINITY; CHANGES];
        all[..changes.len()].copy_from_slice(changes);
        Line { gradient_norm: 1.0, changes: all }
    };
    let lines = [line(&[1.0, 2.0]), line(&[3.0]), line(&[0.5, 0.7, 4.0])];
    // By first crossings two of three would be flipped from 1 on.
    assert_eq!(smallest_drop(&lines, 0.6).value, 4.0);
    assert_eq!(smallest_drop(&lines, 0.3).value, f64::INFINITY);
    assert_eq!(smallest_drop(&lines[1..], 0.4).value, 4.0);
    assert_eq!(smallest_drop(&lines, 0.7).value, 0.5);
}

/// The same by definition, for every drop at which a sign changes and every number of networks.
fn smallest_drop_by_brute_force(lines: &[Line], gamma: f64) -> Estimate {
    let mut drops: Vec<f64> = lines.iter().flat_map(|line| line.changes).filter(|drop| drop.is_finite()).collect();
    drops.push(0.0);
    drops.sort_by(f64::total_cmp);
    let share = |drop: f64| {
        let changes = |line: &&Line| line.changes.iter().filter(|change| **change <= drop).count() % 2 == 1;
        interval::probability(lines.iter().filter(changes).count() as u64, lines.len() as u64)
    };
    let first = |end: &dyn Fn(Estimate) -> f64| {
        drops.iter().copied().find(|&drop| end(share(drop)) >= 1.0 - gamma).unwrap_or(f64::INFINITY)
    };
    Estimate { value: first(&|share| share.value + 1e-12), low: first(&|share| share.high), high: first(&|share| share.low) }
}

#[test]
fn the_smallest_drop_is_that_of_brute_force() {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut uniform = move || generator.next_u64() as f64 / 2_f64.powi(64);
    let mut infinite = 0;
    for case in 0..200 {
        let lines: Vec<Line> = (0..1 + case % 40)
            .map(|_| {
                let mut changes = [f64::INFINITY; CHANGES];
                let count = (uniform() * 5.0) as usize * usize::from(uniform() < 0.95);
                // On a coarse grid, so that several lines change at once.
                changes[..count].iter_mut().for_each(|change| *change = (20.0 * uniform()).ceil() / 4.0);
                changes.sort_by(f64::total_cmp);
                Line { gradient_norm: 1.0, changes }
            })
            .collect();
        for gamma in [1e-12, 0.01, 0.1, 0.5, 0.97, 1.0 - 1e-12] {
            let (found, expected) = (smallest_drop(&lines, gamma), smallest_drop_by_brute_force(&lines, gamma));
            assert_eq!(found, expected, "case {case}, γ = {gamma}");
            infinite += usize::from(found.value.is_infinite());
        }
    }
    assert!(infinite > 100 && infinite < 1000, "{infinite}");
}

/// 10⁵ lines: the fraction is swept over the sign changes, not recounted at each.
#[test]
fn many_lines_are_swept_once() {
    let lines: Vec<Line> = (0..100_000)
        .map(|i| {
            let mut changes = [f64::INFINITY; CHANGES];
            changes[0] = f64::from(i + 1);
            Line { gradient_norm: 1.0, changes }
        })
        .collect();
    let found = smallest_drop(&lines, 0.1);
    assert_eq!(found.value, 90_000.0);
    // ± 1.96 √(n γ (1 − γ)) = 186.
    assert!((found.low - 89_814.0).abs() < 3.0 && (found.high - 90_186.0).abs() < 3.0, "{found:?}");
}

/// f = 0 counts as a sign change, whatever the sign of f(x).
#[test]
fn a_neuron_that_is_switched_off_has_flipped() {
    let setting = Setting::two_layer(3, 1, Activation::Relu);
    let streams = NetworkStreams::new(1, Cell::new(1, 3, 1), 0, 1.0, Readout::Sign);
    for a in [1.0, -1.0] {
        let network = Network::of(setting, array![[0.6, 0.0, 0.8]], array![a], array![1.0, 1.0, 1.0], streams);
        let line = Line::of(&network);
        assert_near(line.changes[0], 1.4, 1e-7);
        assert_eq!(line.is_flipped_at(100.0), Some(true));
    }
}
