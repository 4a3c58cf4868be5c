//! Given networks against an independent slow reference: values by loops, gradients by differences, and the sign at many
//! points of each line.

use advstep_hpc::files::{Existing, seal};
use advstep_hpc::given::job::{Job, measurement};
use advstep_hpc::given::options::Choice;
use advstep_hpc::given::{Measurement, figures, file, table};
use advstep_hpc::interchange::inputs::{Inputs, Labels};
use advstep_hpc::interchange::network::NetworkRead;
use advstep_hpc::job::Resources;
use advstep_hpc::measure::given::{NO_CLASS, Output};
use advstep_hpc::model::{Activation, Direction, SearchChoice};
use advstep_hpc::network::given::{Affine, GivenNetwork};
use advstep_hpc::plot::look::Look;
use advstep_hpc::provenance::Provenance;
use advstep_hpc::record::Status;
use ndarray::Array2;
use rand::distr::Distribution;
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

const DIM: usize = 6;
/// Inputs: more than one block.
const ROWS: usize = 130;
/// Largest distance searched.
const REACH: f64 = 6.0;
/// Points of the reference on a line.
const POINTS: usize = 250;

fn normals(seed: u64, count: usize) -> Vec<f64> {
    StandardNormal.sample_iter(Xoshiro256PlusPlus::seed_from_u64(seed)).take(count).collect()
}

/// Layers of these sizes with Gaussian weights and biases.
fn network(psi: Activation, sizes: &[usize], bias: f64) -> GivenNetwork {
    let layer = |(at, pair): (usize, &[usize])| {
        let (fan_in, width) = (pair[0], pair[1]);
        let scale = (2.0 / fan_in as f64).sqrt();
        let weights = normals(at as u64, width * fan_in).iter().map(|w| scale * w).collect();
        let bias = normals(100 + at as u64, width).iter().map(|b| bias * b).collect();
        Affine { weights: Array2::from_shape_vec((width, fan_in), weights).unwrap(), bias }
    };
    GivenNetwork::new(psi, sizes.windows(2).enumerate().map(layer).collect()).unwrap()
}

fn inputs() -> Inputs {
    Inputs { x: Array2::from_shape_vec((ROWS, DIM), normals(7, ROWS * DIM)).unwrap(), labels: None }
}

fn measured(network: &GivenNetwork, output: Option<Output>, directions: &[Direction], search: SearchChoice) -> Measurement {
    let read = NetworkRead { network: network.clone(), names: Vec::new(), left_out: Vec::new() };
    let choice = Choice { output, directions: directions.to_vec(), bound_distance: Some(REACH), ..Choice::default() };
    let names = ["net".to_string(), "x".to_string()];
    let resources = Resources { threads: 1, memory: u64::MAX };
    measurement(&Job::new(&read, inputs(), names, false, search, &choice, resources).unwrap()).unwrap()
}

/// All outputs at one point, by loops.
fn outputs(network: &GivenNetwork, x: &[f64]) -> Vec<f64> {
    let mut h = x.to_vec();
    for (at, layer) in network.layers().iter().enumerate() {
        let is_hidden = at + 1 < network.layers().len();
        let z = |(row, b): (ndarray::ArrayView1<f64>, &f64)| b + row.iter().zip(&h).map(|(w, h)| w * h).sum::<f64>();
        let z: Vec<f64> = layer.weights.rows().into_iter().zip(&layer.bias).map(z).collect();
        let psi = |(neuron, z): (usize, f64)| match network.slopes().get(at) {
            Some(slopes) if z <= 0.0 => slopes[if slopes.len() > 1 { neuron } else { 0 }] * z,
            Some(_) => z,
            None => network.activation().value(z),
        };
        h = if is_hidden { z.into_iter().enumerate().map(psi).collect() } else { z };
    }
    h
}

/// f whose sign is to change: an output, a difference, or the margin of class `class`.
fn value(network: &GivenNetwork, output: Output, class: usize, x: &[f64]) -> f64 {
    let outputs = outputs(network, x);
    match output {
        Output::One(one) => outputs[one],
        Output::Difference(one, other) => outputs[one] - outputs[other],
        Output::Predicted => {
            let others = (0..outputs.len()).filter(|&other| other != class).map(|other| outputs[other]);
            outputs[class] - others.fold(f64::NEG_INFINITY, f64::max)
        }
    }
}

/// The class with the largest output.
fn predicted(network: &GivenNetwork, x: &[f64]) -> usize {
    let outputs = outputs(network, x);
    (0..outputs.len()).max_by(|&a, &b| outputs[a].total_cmp(&outputs[b])).unwrap()
}

/// ∇f by central differences.
fn gradient(network: &GivenNetwork, output: Output, class: usize, x: &[f64]) -> Vec<f64> {
    let shifted = |j: usize, h: f64| {
        let mut x = x.to_vec();
        x[j] += h;
        value(network, output, class, &x)
    };
    (0..x.len()).map(|j| (shifted(j, 1e-6) - shifted(j, -1e-6)) / 2e-6).collect()
}

/// Whether f has the other sign at the distance `r` from `x` along `p`.
fn has_changed(network: &GivenNetwork, output: Output, class: usize, x: &[f64], p: &[f64], r: f64) -> bool {
    let length = p.iter().map(|p| p * p).sum::<f64>().sqrt();
    let there: Vec<f64> = x.iter().zip(p).map(|(x, p)| x + r * p / length).collect();
    value(network, output, class, x).signum() * value(network, output, class, &there) < 0.0
}

/// Compares the samples along the gradient with the reference, to `tolerance`; returns how many were found.
fn check_gradient(network: &GivenNetwork, output: Output, search: SearchChoice, tolerance: f64) -> usize {
    let measurement = measured(network, Some(output), &[Direction::Gradient], search);
    let x = inputs().x;
    let mut found = 0;
    for (row, sample) in measurement.samples[0].iter().enumerate() {
        let x = x.row(row).to_vec();
        let class = predicted(network, &x);
        let f = value(network, output, class, &x);
        assert!((sample.value - f).abs() < 1e-12 * (1.0 + f.abs()), "row {row}: {} against {f}", sample.value);
        let gradient = gradient(network, output, class, &x);
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        if norm < 1e-6 {
            assert_eq!(sample.status, Status::Dead, "row {row}");
            continue;
        }
        // Differences straddle a kink with a probability of 10⁻⁵.
        assert!((sample.gradient_norm - norm).abs() < 1e-7 * (1.0 + norm), "row {row}: {} against {norm}", sample.gradient_norm);
        let p: Vec<f64> = gradient.iter().map(|g| -f.signum() * g).collect();
        let has_changed = |r: f64| has_changed(network, output, class, &x, &p, r);
        // The sign changes at the step, and at none of the points before it; without a step nowhere.
        let end = if sample.status.is_found() { sample.distance } else { REACH };
        let unchanged = end * (1.0 - tolerance);
        assert!((0..=POINTS).all(|at| !has_changed(unchanged * at as f64 / POINTS as f64)), "row {row}: {sample:?}");
        if sample.status.is_found() {
            assert!(has_changed(end * (1.0 + tolerance)), "row {row}: {sample:?}");
            assert!((sample.step * norm - end).abs() < 1e-5 * (1.0 + end), "row {row}: {sample:?}");
            found += 1;
        }
    }
    found
}

#[test]
fn steps_of_piecewise_linear_networks_are_those_of_the_reference() {
    for psi in [Activation::Relu, Activation::LeakyRelu] {
        for sizes in [&[DIM, 20, 3][..], &[DIM, 16, 12, 3], &[DIM, 12, 40, 10, 3]] {
            for bias in [0.0, 0.5] {
                let network = network(psi, sizes, bias);
                for output in [Output::One(1), Output::Difference(2, 0), Output::Predicted] {
                    let found = check_gradient(&network, output, SearchChoice::Exact, 1e-6);
                    assert!(found >= 5, "{sizes:?} {bias} {output:?}: {found}");
                }
            }
        }
    }
}

/// Slopes of their own in each layer or neuron, and no hidden layer, where the distance is |f|/‖w‖.
#[test]
fn other_slopes_and_linear_functions_are_those_of_the_reference() {
    let by_neuron: Vec<f64> = (0..16).map(|neuron| f64::from(neuron % 5) / 4.0 - 0.25).collect();
    for (sizes, slopes) in [
        (&[DIM, 20, 3][..], vec![vec![0.3]]),
        (&[DIM, 16, 12, 3], vec![vec![0.2], vec![0.2]]),
        (&[DIM, 16, 12, 3], vec![vec![0.0], vec![0.5]]),
        (&[DIM, 12, 20, 10, 3], vec![vec![-0.5], vec![0.01], vec![1.5]]),
        (&[DIM, 16, 3], vec![by_neuron.clone()]),
        (&[DIM, 16, 12, 3], vec![by_neuron.clone(), by_neuron[..12].to_vec()]),
        (&[DIM, 3], Vec::new()),
    ] {
        let network = network(Activation::LeakyRelu, sizes, 0.5).with_slopes(slopes.clone()).unwrap();
        for output in [Output::One(1), Output::Difference(2, 0), Output::Predicted] {
            for search in [SearchChoice::Exact, SearchChoice::Auto] {
                let found = check_gradient(&network, output, search, 1e-6);
                assert!(found >= 5, "{sizes:?} {slopes:?} {output:?}: {found}");
            }
        }
    }
    let linear = network(Activation::Relu, &[DIM, 3], 0.5);
    let measurement =
        measured(&linear, Some(Output::Difference(2, 0)), &[Direction::Gradient, Direction::Nearest], SearchChoice::Auto);
    let [one, _, other] = [0, 1, 2].map(|row| linear.layers()[0].weights.row(row).to_owned());
    let w = other - one;
    for samples in &measurement.samples {
        for sample in samples.iter().filter(|sample| sample.status.is_found()) {
            let distance = sample.value.abs() / w.dot(&w).sqrt();
            assert!((sample.distance / distance - 1.0).abs() < 1e-9, "{sample:?}");
        }
        assert!(samples.iter().filter(|sample| sample.status.is_found()).count() > ROWS / 2);
    }
    let text = table::text(&measurement);
    assert!(text.contains("net: 6 → 3 linear, 21 parameters"), "{text}");
}

#[test]
fn steps_of_smooth_networks_are_those_of_the_reference() {
    for psi in [Activation::Tanh, Activation::Gelu, Activation::Softplus] {
        for sizes in [&[DIM, 20, 3][..], &[DIM, 16, 12, 3]] {
            let network = network(psi, sizes, 0.5);
            for output in [Output::Difference(2, 0), Output::Predicted] {
                let found = check_gradient(&network, output, SearchChoice::Auto, 1e-4);
                assert!(found >= 15, "{} {sizes:?} {output:?}: {found}", psi.name());
            }
        }
    }
}

/// Steep networks, which change their sign in pairs a small part of the bound apart: of 260 scans at most two step over a pair that 250 points see.
#[test]
fn scans_of_steep_networks_are_fine() {
    let steep = |psi: Activation| {
        let layers = network(psi, &[DIM, 40, 20, 3], 0.5).layers().to_vec();
        let layers = layers.into_iter().map(|layer| Affine { weights: layer.weights * 1.5, bias: layer.bias });
        GivenNetwork::new(psi, layers.collect()).unwrap()
    };
    let (mut missed, mut found) = (0, 0);
    for psi in [Activation::Tanh, Activation::Gelu] {
        let (network, output) = (steep(psi), Output::Predicted);
        let measurement = measured(&network, Some(output), &[Direction::Gradient], SearchChoice::Scan);
        for (sample, x) in measurement.samples[0].iter().zip(inputs().x.rows()) {
            let x = x.to_vec();
            let class = predicted(&network, &x);
            let p: Vec<f64> = gradient(&network, output, class, &x).iter().map(|g| -g).collect();
            let end = (1.0 - 1e-3) * if sample.status.is_found() { sample.distance } else { REACH };
            let has_changed = |at: usize| has_changed(&network, output, class, &x, &p, end * at as f64 / POINTS as f64);
            missed += usize::from((0..=POINTS).any(has_changed));
            found += usize::from(sample.status.is_found());
        }
    }
    println!("{missed} missed, {found} found");
    assert!(missed <= 2 && found > 150, "{missed} missed, {found} found");
}

/// The point `distance` from x along a direction is not known for descents and nearest flips, but no flip is nearer than the nearest of many rays.
#[test]
fn the_other_directions_keep_their_promises() {
    let network = network(Activation::Relu, &[DIM, 16, 12, 4], 0.5);
    for output in [Output::One(0), Output::Predicted] {
        let measurement = measured(&network, Some(output), &Direction::ALL, SearchChoice::Exact);
        let [gradient, _, _, random, descent, nearest] = measurement.samples.as_slice() else { panic!("six directions") };
        let is_margin = output == Output::Predicted;
        let (mut nearer, mut farther) = (0, 0);
        for row in 0..ROWS {
            let samples: Vec<_> = measurement.samples.iter().map(|samples| samples[row]).collect();
            assert!(
                samples.iter().all(|sample| sample.value == gradient[row].value && sample.input_norm == gradient[row].input_norm)
            );
            if gradient[row].status.is_found() {
                // The first start is the gradient of the margin to the best class.
                assert!(
                    nearest[row].status.is_found() && nearest[row].distance <= gradient[row].distance * (1.0 + 1e-9),
                    "row {row}"
                );
                nearer += usize::from(nearest[row].distance < 0.99 * gradient[row].distance);
            }
            // A local minimum of the distance may miss what a descent finds, but rarely.
            farther += usize::from(nearest[row].distance > 1.01 * descent[row].distance);
        }
        assert!(nearer > ROWS / 10 && farther < ROWS / 10, "{output:?}: {nearer} {farther}");
        let found = |samples: &[advstep_hpc::record::Sample]| samples.iter().filter(|sample| sample.status.is_found()).count();
        assert!(found(random) < found(gradient) && found(descent) >= found(gradient));
        assert_eq!(measurement.predicted.len(), if is_margin { ROWS } else { 0 });
    }
}

#[test]
fn the_class_reached_is_the_one_beyond_the_step() {
    let network = network(Activation::Relu, &[DIM, 16, 12, 5], 0.5);
    let measurement = measured(&network, Some(Output::Predicted), &[Direction::Gradient], SearchChoice::Exact);
    let (x, mut others) = (inputs().x, 0);
    for row in 0..ROWS {
        let x = x.row(row).to_vec();
        let class = predicted(&network, &x);
        assert_eq!(measurement.predicted[row] as usize, class);
        let sample = measurement.samples[0][row];
        if !sample.status.is_found() {
            assert_eq!(measurement.reached[0][row], NO_CLASS);
            continue;
        }
        let gradient = gradient(&network, Output::Predicted, class, &x);
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let beyond: Vec<f64> = x.iter().zip(&gradient).map(|(x, g)| x - (sample.distance + 1e-6) * g / norm).collect();
        assert_eq!(measurement.reached[0][row] as usize, predicted(&network, &beyond), "row {row}");
        let outputs = outputs(&network, &x);
        let best = (0..5).filter(|&other| other != class).max_by(|&a, &b| outputs[a].total_cmp(&outputs[b])).unwrap();
        others += usize::from(measurement.reached[0][row] as usize != best);
    }
    assert!(others > 0, "another class than the best one is reached first somewhere");
}

/// A network without a bias in the engine of a run: the same function, so steps agree with those of one with biases too small to matter.
#[test]
fn tiny_biases_change_nothing_but_the_embedding() {
    let sizes = [DIM, 16, 12, 1];
    let (plain, tiny) = (network(Activation::Relu, &sizes, 0.0), network(Activation::Relu, &sizes, 1e-13));
    let along = [Direction::Gradient, Direction::Sign, Direction::Universal, Direction::Descent];
    let [plain, tiny] = [plain, tiny].map(|network| measured(&network, None, &along, SearchChoice::Exact));
    for (one, other) in plain.samples.iter().flatten().zip(tiny.samples.iter().flatten()) {
        // Where f would vanish, it is a tiny bias now, of either sign.
        if one.zero_step.is_nan() {
            assert_eq!(one.status.is_found(), other.status.is_found(), "{one:?} {other:?}");
        }
        assert!(
            !(one.status.is_found() && one.zero_step.is_nan()) || (one.distance - other.distance).abs() < 1e-9,
            "{one:?} {other:?}"
        );
    }
}

#[test]
fn a_file_comes_back_and_its_defects_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let network = network(Activation::Relu, &[DIM, 8, 3], 0.5);
    for (output, labels) in [
        (Output::Predicted, Some(Labels::Numbers((0..ROWS as i64).map(|row| row % 3).collect()))),
        (Output::One(0), Some(Labels::Texts((0..ROWS).map(|row| format!("é{row}")).collect()))),
        (Output::Difference(0, 1), None),
    ] {
        let mut measurement = measured(&network, Some(output), &[Direction::Gradient, Direction::Nearest], SearchChoice::Auto);
        measurement.labels = labels;
        let path = directory.path().join("measure.h5");
        file::write(&path, Existing::Replace, &measurement, &Provenance::default()).unwrap();
        let back = file::read(&path, false).unwrap();
        assert_eq!(back.difference(&measurement), None);
        assert_eq!(table::text(&back), table::text(&measurement));
        let pictures = figures::draw(&back, &Look::default());
        let names: Vec<&str> = pictures.iter().map(|picture| picture.name.as_str()).collect();
        assert_eq!(names, ["measure_distance", "measure_ratio"]);
        assert_eq!(pictures[0].svg.matches("class=\"curve\"").count(), 2);

        // A changed byte is found by the seal, a changed value by the checks.
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(file::read(&path, false).is_err());
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
        let opened = advstep_hpc::files::hdf5::open_rw(&path).unwrap();
        opened.dataset("status").unwrap().write_raw(&vec![9_u8; 2 * ROWS]).unwrap();
        opened.close().unwrap();
        seal::seal(&path).unwrap();
        assert!(file::read(&path, false).unwrap_err().why.contains("9 is not the code of a status"));
    }
}
