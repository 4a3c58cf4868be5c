//! Other activations, bias unit, input distributions and directions, each against known results.

use crate::common::experiment;
use crate::common::law::two_samples;
use crate::common::naive::{Naive, along, dot};
use advstep_hpc::experiment::Experiment;
use advstep_hpc::experiment::options::Options;
use advstep_hpc::job::Resources;
use advstep_hpc::kernels::Real;
use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::measure::{Settings, measure, samples, samples_along};
use advstep_hpc::model::Activation;
use advstep_hpc::model::InputsLaw;
use advstep_hpc::model::SearchName;
use advstep_hpc::model::{Cell, Direction, EngineChoice, Precision, Readout, Unit};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::network::inputs::inputs as drawn_inputs;
use advstep_hpc::network::{Differentiated, Engine, LinePoint, Lines};
use advstep_hpc::plan::plan;
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::record::{Sample, Status};
use ndarray::Array2;

const BOUND: f64 = 20.0;

fn streams(cell: Cell, network: usize) -> NetworkStreams {
    NetworkStreams::new(77, cell, network, 1.0, Readout::Sign)
}

/// A dense network with activation `psi`; with `bias` the last coordinate of its inputs is a bias unit.
fn dense<T: Real>(psi: Activation, cell: Cell, network: usize, inputs: usize, bias: bool) -> Dense<T> {
    let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
    let x = drawn_inputs(&InputsLaw::Sphere, streams(cell, network), cell, inputs, bias);
    Dense::with(streams(cell, network), cell, psi, x, keep, &Workspace::default())
}

fn cell(depth: usize, dim: usize, width: usize) -> Cell {
    Cell::new(depth, dim, width)
}

#[test]
fn values_and_gradients_of_every_activation_agree_with_loops_and_differences() {
    for psi in Activation::ALL {
        for cell in [cell(1, 6, 9), cell(2, 5, 300), cell(4, 7, 12), Cell::of_layers(5, &[300, 4, 9])] {
            let mut engine = dense::<f64>(psi, cell, 0, 4, false);
            let result = engine.differentiate().0;
            let naive = Naive::of(&mut engine, cell);
            for (input, x) in naive.inputs.iter().enumerate() {
                let what = format!("{} at {cell}", psi.name());
                assert!((result.value[input] - naive.value(x)).abs() < 1e-12, "f of {what}");
                let loops = naive.gradient(x);
                for axis in 0..cell.dim {
                    let got = result.gradient[[input, axis]];
                    assert!((got - loops[axis]).abs() < 1e-12, "∇f of {what}: {got} against {}", loops[axis]);
                    let mut e = vec![0.0; cell.dim];
                    e[axis] = 1.0;
                    let h = 1e-6;
                    let difference = (naive.value(&along(x, &e, h)) - naive.value(&along(x, &e, -h))) / (2.0 * h);
                    assert!((got - difference).abs() < 1e-8, "∇f of {what}: {got} against {difference}");
                }
            }
        }
    }
}

#[test]
fn points_of_the_line_and_elsewhere_agree_with_loops() {
    for psi in Activation::ALL {
        for cell in [cell(1, 6, 300), cell(3, 7, 12), Cell::of_layers(7, &[12, 300, 5])] {
            let mut engine = dense::<f64>(psi, cell, 1, 3, false);
            let naive = Naive::of(&mut engine, cell);
            let (result, mut network) = engine.differentiate();
            let p = result.gradient;
            let points = [LinePoint { input: 0, t: 0.7 }, LinePoint { input: 2, t: 3.0 }];
            let x: Vec<Vec<f64>> =
                points.iter().map(|point| along(&naive.inputs[point.input], &p.row(point.input).to_vec(), point.t)).collect();
            let values = network.lines(p.clone()).evaluate(&points);
            let x_array = Array2::from_shape_vec((2, cell.dim), x.concat()).unwrap();
            let there = network.value_and_gradient_at(x_array.view());
            // The inputs and lines are as before.
            assert_eq!(network.lines(p.clone()).evaluate(&points), values);
            for (row, x) in x.iter().enumerate() {
                assert!((values[row] - naive.value(x)).abs() < 1e-11 && (there.value[row] - naive.value(x)).abs() < 1e-11);
                let gradient = naive.gradient(x);
                assert!(there.gradient.row(row).iter().zip(&gradient).all(|(a, b)| (a - b).abs() < 1e-11), "{}", psi.name());
            }
            let mut product = naive.readout.iter().map(|a| a / (cell.width_of(cell.depth) as f64).sqrt()).collect::<Vec<f64>>();
            for w in naive.weights.iter().rev() {
                product = (0..w[0].len()).map(|j| w.iter().zip(&product).map(|(row, g)| row[j] * g).sum()).collect();
            }
            let linear = network.linear_gradient();
            assert!(linear.row(0).iter().zip(&product).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }
}

/// φ of one line, its first sign change on a fine grid up to `end`, and the interval there.
fn first_on_grid(naive: &Naive, x: &[f64], p: &[f64], sign: f64, end: f64, points: usize) -> Option<(f64, f64)> {
    let at = |point: usize| end * point as f64 / points as f64;
    (1..=points).find(|&point| sign * naive.value(&along(x, p, at(point))) <= 0.0).map(|point| (at(point - 1), at(point)))
}

/// Checks certified steps of small networks against a grid, for any direction; returns the number found.
fn check_certified(psi: Activation, cell: Cell, search: SearchName, direction: Direction, networks: usize) -> usize {
    let (mut found, inputs) = (0, 6);
    for network in 0..networks {
        let mut engine = dense::<f64>(psi, cell, network, inputs, false);
        let settings = Settings {
            directions: &[direction],
            bias: false,
            streams: streams(cell, network),
            search,
            bound: BOUND.into(),
            nearest_starts: 1,
            certify: false,
        };
        let samples = samples_along(&mut engine, &settings).unwrap();
        let naive = Naive::of(&mut engine, cell);
        let (result, mut differentiated) = engine.differentiate();
        let norm: Vec<f64> = samples.iter().map(|sample| sample.gradient_norm).collect();
        let steps = advstep_hpc::measure::directions::steps(
            &mut differentiated,
            direction,
            &result.value,
            &result.gradient,
            &norm,
            false,
            streams(cell, network),
        );
        for (input, sample) in samples.iter().enumerate() {
            let (x, p) = (&naive.inputs[input], steps.row(input).to_vec());
            let what = format!("{} {} at {cell}, network {network}, input {input}", psi.name(), direction.name());
            let sign = sample.value.signum();
            assert!((dot(&p, &p).sqrt() - norm[input]).abs() < 1e-9 * norm[input], "{what}");
            match sample.status {
                Status::FoundExact => {
                    found += 1;
                    let step = sample.step;
                    let [before, after] = [1.0 - 1e-6, 1.0 + 1e-6].map(|by| sign * naive.value(&along(x, &p, step * by)));
                    assert!(before >= 0.0 && after < 0.0, "{what}: {before}, {after} at {step}");
                    let earlier = first_on_grid(&naive, x, &p, sign, sample.lost_step() * (1.0 - 1e-6), 300);
                    assert_eq!(earlier, None, "{what}: {step}");
                }
                Status::Vanished => {
                    let earlier = first_on_grid(&naive, x, &p, sign, sample.zero_step * (1.0 - 1e-6), 300);
                    assert_eq!(earlier, None, "{what}: {}", sample.zero_step);
                }
                Status::NoneWithinBound => assert_eq!(first_on_grid(&naive, x, &p, sign, BOUND, 1000), None, "{what}"),
                other => panic!("{what}: {other:?}"),
            }
        }
    }
    found
}

#[test]
fn marching_finds_the_first_crossing_of_every_smooth_activation() {
    for psi in Activation::ALL.into_iter().filter(|psi| !psi.is_piecewise_linear()) {
        for cell in [cell(1, 2, 5), cell(1, 10, 40), cell(1, 3, 600)] {
            for direction in [Direction::Gradient, Direction::Random] {
                let found = check_certified(psi, cell, SearchName::March, direction, 5);
                assert!(found > 0, "{} {cell} {direction:?}", psi.name());
            }
        }
    }
}

#[test]
fn exact_searches_follow_leaky_relus() {
    for direction in [Direction::Gradient, Direction::Sign, Direction::Universal, Direction::Random] {
        for cell in [cell(1, 2, 5), cell(1, 10, 40), cell(1, 3, 600)] {
            assert!(check_certified(Activation::LeakyRelu, cell, SearchName::Line, direction, 5) > 0);
        }
        for cell in [cell(2, 5, 10), cell(3, 10, 25), Cell::of_layers(8, &[25, 6, 12])] {
            assert!(check_certified(Activation::LeakyRelu, cell, SearchName::Trace, direction, 5) > 0);
        }
        assert!(check_certified(Activation::Relu, cell(1, 5, 30), SearchName::Line, direction, 5) > 0);
        assert!(check_certified(Activation::Relu, cell(2, 5, 30), SearchName::Trace, direction, 5) > 0);
    }
}

#[test]
fn a_scan_agrees_with_the_march() {
    let (mut both, mut missed) = (0, 0);
    for psi in [Activation::Tanh, Activation::Gelu, Activation::Sine] {
        for network in 0..10 {
            let run = |search| samples(&mut dense::<f64>(psi, cell(1, 20, 200), network, 20, false), search, BOUND).unwrap();
            for (march, scan) in run(SearchName::March).iter().zip(run(SearchName::Scan)) {
                match march.status.is_found() && scan.status.is_found() && (march.step / scan.step - 1.0).abs() < 1e-4 {
                    true => both += 1,
                    false if march.status.is_found() || scan.status.is_found() => missed += 1,
                    false => {}
                }
            }
        }
    }
    // A scan may miss a double crossing: rare at width 200.
    assert!(both > 500 && missed <= both / 50, "{both} agree, {missed} do not");
}

/// Mean over networks of the mean of `of` over inputs, with its standard error.
fn mean_and_error(networks: &[Vec<Sample>], of: impl Fn(&Sample) -> f64) -> (f64, f64) {
    let means: Vec<f64> = networks.iter().map(|samples| samples.iter().map(&of).sum::<f64>() / samples.len() as f64).collect();
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (means.len() - 1) as f64;
    (mean, (variance / means.len() as f64).sqrt())
}

/// E X² ψ'(X)² by the trapezoidal rule.
fn weighted_second_moment(psi: Activation) -> f64 {
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (-12_000..12_000).map(|i| (f64::from(i) + 0.5) * 1e-3).map(|x| (x * psi.derivative(x)).powi(2) * density(x) * 1e-3).sum()
}

fn run(experiment: &Experiment) -> Vec<Vec<Sample>> {
    let plan = plan(experiment, Resources { threads: 1, memory: 8 << 30 }).unwrap();
    (0..experiment.networks)
        .map(|network| measure(experiment, &plan.cells[0].run, Unit { cell: 0, network }).unwrap().samples)
        .collect()
}

#[test]
fn second_moments_of_one_layer_are_those_of_quadrature_for_every_activation_and_engine() {
    // E f² = E ψ(X)² and E ‖∇f‖² = c_ψ² (1 − 1/d) + E X²ψ'(X)²/d at every width, with inputs on the sphere or in the hypercube, and with a bias unit among them.
    // 4.5 standard errors: 96 assertions, false alarm 7e-6 each.
    for activation in Activation::ALL {
        for engine in [EngineChoice::Dense, EngineChoice::Implicit] {
            for (bias, inputs_law) in [(false, InputsLaw::Sphere), (true, InputsLaw::Sphere), (false, InputsLaw::Hypercube)] {
                let cell = cell(1, 20, 60);
                let what = format!("{} {engine:?} bias {bias} {inputs_law}", activation.name());
                let base = Experiment { activation, engine, bias, inputs_law, bound: 0.01, ..experiment(cell, 300, 8) };
                let networks = run(&base);
                let (mean, error) = mean_and_error(&networks, |sample| sample.value.powi(2));
                assert!((mean - activation.value_second_moment()).abs() < 4.5 * error, "f² of {what}: {mean} ± {error}");
                let (mean, error) = mean_and_error(&networks, |sample| sample.gradient_norm.powi(2));
                // w = Z x/d + w', w' of variance 1/d in the d − 1 directions across x: E ψ'(Z)² w_x² and E ψ'(Z)² w_i² differ.
                let (c, z) = (activation.derivative_second_moment(), weighted_second_moment(activation));
                let all = (19.0 * c + z) / 20.0;
                let of_bias_unit = z / 400.0 + c * 19.0 / 400.0;
                let expected = if bias { all - of_bias_unit } else { all };
                assert!((mean - expected).abs() < 4.5 * error, "‖∇f‖² of {what}: {mean} ± {error}, expected {expected}");
            }
        }
    }
}

#[test]
fn the_implicit_engine_has_the_law_of_the_dense_one_for_smooth_networks() {
    for (activation, cell) in [
        (Activation::Tanh, cell(2, 12, 150)),
        (Activation::Gelu, cell(3, 12, 150)),
        (Activation::LeakyRelu, cell(2, 12, 150)),
        (Activation::Sine, cell(1, 12, 150)),
        (Activation::Gelu, Cell::of_layers(12, &[150, 30, 60])),
    ] {
        let of = |engine, seed| {
            let directions = vec![Direction::Gradient, Direction::Universal];
            run(&Experiment { activation, engine, seed, directions, ..experiment(cell, 150, 6) })
        };
        let (dense, implicit) = (of(EngineChoice::Dense, 1), of(EngineChoice::Implicit, 2));
        for (name, statistic) in [
            ("f of the first input", (|s: &Vec<Sample>| s[0].value) as fn(&Vec<Sample>) -> f64),
            ("‖∇f‖ of the first input", |s| s[0].gradient_norm),
            ("η* of the first input", |s| if s[0].step.is_nan() { 99.0 } else { s[0].step }),
            ("universal η* of the first input", |s| if s[6].step.is_nan() { 99.0 } else { s[6].step }),
            ("f f' of two inputs", |s| s[0].value * s[1].value),
        ] {
            let of = |networks: &Vec<Vec<Sample>>| networks.iter().map(statistic).collect();
            let p = two_samples(of(&dense), of(&implicit));
            assert!(p > 1e-5, "{} at {cell}: {name} has p = {p}", activation.name());
        }
    }
}

#[test]
fn directions_are_taken_on_the_same_networks_and_inputs() {
    let directions = vec![Direction::Gradient, Direction::Sign, Direction::Universal, Direction::Random, Direction::Descent];
    let base = Experiment { directions, ..experiment(cell(1, 200, 2000), 20, 20) };
    let alone = run(&Experiment { directions: vec![Direction::Gradient], engine: EngineChoice::Dense, ..base.clone() });
    let mut ratios = vec![Vec::new(); 5];
    for (network, samples) in run(&base).iter().enumerate() {
        assert_eq!(samples.len(), 5 * 20);
        for (index, sample) in samples.iter().enumerate() {
            let gradient = &samples[index % 20];
            assert_eq!((sample.value, sample.gradient_norm), (gradient.value, gradient.gradient_norm));
            if index < 20 {
                let alone = &alone[network][index];
                assert_eq!(
                    format!("{sample:?}"),
                    format!("{alone:?}"),
                    "the gradient's steps do not depend on the other directions"
                );
            }
            ratios[index / 20].push(if sample.step.is_nan() { f64::INFINITY } else { sample.step / gradient.step });
        }
    }
    let mean = |ratios: &[f64]| ratios.iter().sum::<f64>() / ratios.len() as f64;
    // ⟨v, ∇f⟩/(‖v‖‖∇f‖) → E ψ'/√(E ψ'²) = 1/√2, so a universal step is √2 times longer, input by input, up to 1/√d and curvature.
    assert!((mean(&ratios[2]) - 2.0_f64.sqrt()).abs() < 0.1, "universal: {}", mean(&ratios[2]));
    // ∇f is close to Gaussian: ⟨sign g, g⟩/(√d ‖g‖) → √(2/π).
    assert!((mean(&ratios[1]) - (std::f64::consts::PI / 2.0).sqrt()).abs() < 0.1, "sign: {}", mean(&ratios[1]));
    // A random direction has slope ±‖∇f‖²/√d: most inputs do not switch within a bound of 20.
    let found = ratios[3].iter().filter(|ratio| ratio.is_finite()).count();
    assert!(found < 280, "random: {found} of 400 found");
    let longer = ratios[3].iter().filter(|ratio| **ratio > 2.0).count();
    assert!(longer > 380, "random: {longer} of 400 longer than twice the gradient's");
    // Where f is almost linear a descent is at most as long as the straight step, up to interpolation error.
    assert!(ratios[4].iter().all(|ratio| *ratio < 1.05), "descent: {:?}", ratios[4]);
    assert!(mean(&ratios[4]) > 0.9, "descent: {}", mean(&ratios[4]));
}

#[test]
fn steps_leave_a_bias_unit_alone() {
    for (psi, search) in [(Activation::Relu, SearchName::Line), (Activation::Tanh, SearchName::March)] {
        let cell = cell(1, 6, 40);
        let mut engine = dense::<f64>(psi, cell, 0, 30, true);
        let directions = [Direction::Gradient, Direction::Sign, Direction::Universal, Direction::Random, Direction::Descent];
        let settings = Settings {
            directions: &directions,
            bias: true,
            streams: streams(cell, 0),
            search,
            bound: BOUND.into(),
            nearest_starts: 1,
            certify: false,
        };
        let all = samples_along(&mut engine, &settings).unwrap();
        let naive = Naive::of(&mut engine, cell);
        for (input, x) in naive.inputs.iter().enumerate() {
            assert_eq!(x[5], 1.0);
            let mut gradient = naive.gradient(x);
            gradient[5] = 0.0;
            let norm = dot(&gradient, &gradient).sqrt();
            let sample = all[input];
            assert!((sample.gradient_norm - norm).abs() < 1e-12);
            if sample.status.is_found() {
                let sign = sample.value.signum();
                let phi = |by: f64| sign * naive.value(&along(x, &gradient, -sign * sample.step * by));
                assert!(phi(1.0 - 1e-6) >= 0.0 && phi(1.0 + 1e-6) < 0.0, "{}", psi.name());
            }
        }
        assert!(all.iter().filter(|sample| sample.status.is_found()).count() > 60);
    }
}

#[test]
fn a_descent_is_the_loop_that_is_documented() {
    let mut vanished = 0;
    for (psi, depth, width) in
        [(Activation::Relu, 2, 30), (Activation::Relu, 3, 6), (Activation::Silu, 1, 30), (Activation::Tanh, 3, 30)]
    {
        let cell = cell(depth, 5, width);
        let mut engine = dense::<f64>(psi, cell, 3, 20, false);
        let settings = Settings {
            directions: &[Direction::Descent],
            bias: false,
            streams: streams(cell, 3),
            search: SearchName::Descent,
            bound: BOUND.into(),
            nearest_starts: 1,
            certify: false,
        };
        let samples = samples_along(&mut engine, &settings).unwrap();
        let naive = Naive::of(&mut engine, cell);
        let mut found = 0;
        for (x, sample) in naive.inputs.iter().zip(&samples) {
            let (start, sign, first) = (x, sample.value.signum(), naive.gradient(x));
            let mut x = x.clone();
            let norm = dot(&first, &first).sqrt();
            let tau = sample.value.abs() / norm.powi(2) / 16.0;
            let (mut length_so_far, mut value, mut step, mut zero_step) = (0.0, sample.value.abs(), f64::NAN, f64::NAN);
            let mut distance = f64::NAN;
            for _ in 0..320 {
                let g = naive.gradient(&x);
                let length = tau * dot(&g, &g).sqrt();
                let before = x.clone();
                x = along(&x, &g, -sign * tau);
                let next = sign * naive.value(&x);
                if next < 0.0 {
                    let part = value / (value - next);
                    step = (length_so_far + length * part) / norm;
                    let crossing = along(&before, &g, -sign * tau * part);
                    distance = crossing.iter().zip(start).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                    break;
                }
                (length_so_far, value) = (length_so_far + length, next);
                if next == 0.0 {
                    zero_step = length_so_far / norm;
                    break;
                }
                if length_so_far > BOUND * norm || length == 0.0 {
                    break;
                }
            }
            found += usize::from(sample.status.is_found());
            vanished += usize::from(sample.status == Status::Vanished);
            assert_eq!(sample.step.is_nan(), step.is_nan() || step > BOUND, "{}", psi.name());
            assert_eq!(sample.zero_step.is_nan(), zero_step.is_nan() || zero_step > BOUND, "{}", psi.name());
            assert!(sample.zero_step.is_nan() || (sample.zero_step / zero_step - 1.0).abs() < 1e-8);
            assert!(sample.distance.is_nan() || (sample.distance / distance - 1.0).abs() < 1e-8);
            assert!(
                sample.step.is_nan() || (sample.step / step - 1.0).abs() < 1e-8,
                "{}: {} against {step}",
                psi.name(),
                sample.step
            );
        }
        assert!(found > 5, "{}: {found}", psi.name());
    }
    assert!(vanished > 0);
}

#[test]
fn every_storage_gives_the_same_bits_of_every_form() {
    use Storage::{Regenerated, Stored};
    for (psi, cell, search) in [
        (Activation::Gelu, cell(1, 20, 600), SearchName::March),
        (Activation::LeakyRelu, cell(1, 20, 600), SearchName::Line),
        (Activation::Tanh, cell(3, 10, 300), SearchName::Scan),
    ] {
        let run = |weights, line| {
            let x = drawn_inputs::<f32>(&InputsLaw::Gaussian, streams(cell, 0), cell, 10, true);
            let mut engine = Dense::<f32>::with(streams(cell, 0), cell, psi, x, Keep { weights, line }, &Workspace::default());
            let directions = Direction::ALL;
            let settings = Settings {
                directions: &directions,
                bias: true,
                streams: streams(cell, 0),
                search,
                bound: BOUND.into(),
                nearest_starts: 1,
                certify: false,
            };
            let bits = |s: &Sample| (s.step.to_bits(), s.gradient_norm.to_bits(), s.value.to_bits(), s.status as u8, s.evaluations);
            samples_along(&mut engine, &settings).unwrap().iter().map(bits).collect::<Vec<_>>()
        };
        let reference = run(Stored, Stored);
        for (weights, line) in [(Regenerated, Stored), (Regenerated, Regenerated)] {
            assert!(run(weights, line) == reference, "{} at {cell}: {weights:?} {line:?}", psi.name());
        }
    }
}

#[test]
fn forms_that_cannot_be_run_are_refused_with_what_to_do() {
    let refusal = |more: &str| {
        let toml = format!("depths = [1, 2]\ndims = [10]\nwidths = [10]\n{more}");
        Options::from_toml(&toml, "test").and_then(Options::validate).unwrap_err().to_string()
    };
    for more in ["activation = 'tanh'", "bias = true", "inputs_law = 'hypercube'", "directions = ['sign']"] {
        let toml = format!("depths = [1]\ndims = [10]\nwidths = [inf]\n{more}");
        let error = Experiment::from_toml(&toml, "test").unwrap_err();
        assert!(error.what.starts_with("the width inf cannot go together with"), "{error}");
    }
    assert!(refusal("activation = 'tanh'\nsearch = 'exact'").contains("search exact"));
    assert!(refusal("directions = ['descent']\nengine = 'implicit'").contains("direction descent and engine implicit"));
    assert!(refusal("directions = []").contains("directions is empty"));
    assert!(refusal("inputs_law = 'cube'").contains("no law of inputs `cube`"));
    assert!(refusal("inputs_law = 'file:/no/such/file.npy'").contains("cannot take inputs from"));
    // Reading a stored experiment must not open files.
    let stored = Experiment::from_toml("depths = [1]\ndims = [4]\nwidths = [1]\ninputs_law = 'file:/dev/zero'", "test");
    assert!(stored.unwrap_err().what.contains("not told apart"));
    let stored = "depths = [1]\ndims = [4]\nwidths = [1]\ninputs_law = 'file:/dev/zero#01234567'";
    assert_eq!(Experiment::from_toml(stored, "test").unwrap().dims, [4]);
    assert!(refusal("activation = 'selu'").contains("activation"));
    let toml = "depths = [1]\ndims = [1, 2]\nwidths = [10]\nbias = true";
    assert!(Experiment::from_toml(toml, "test").unwrap_err().what.contains("no bias unit at dim 1"));
    let traced = "depths = [1, 2]\ndims = [10]\nwidths = [10]\nactivation = 'leaky-relu'\nsearch = 'exact'";
    assert!(Experiment::from_toml(traced, "test").is_ok());
    let precise = Experiment { precision: Precision::F64, ..experiment(cell(1, 2, 3), 1, 1) };
    assert_eq!(Experiment::from_toml(&precise.to_toml(), "test").unwrap(), precise);
}
