//! The shallow engine: z, u, f and ∇f must be consistent with one weight matrix and have the distribution of the dense engine.
//!
//! Seeds are fixed. A p-value is below [`ALARM`] by chance once in 10⁶; there are fewer than 200, so a correct program fails for fewer than one in 5000
//! seeds.

use crate::common::law::two_samples;
use advstep_hpc::experiment::options::Options;
use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::kernels::{Bf16Pair, Real, Weight};
use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::measure::directions::descent;
use advstep_hpc::measure::{samples, shallow_samples};
use advstep_hpc::method::is_shallow;
use advstep_hpc::model::Activation;
use advstep_hpc::model::SearchName;
use advstep_hpc::model::{Cell, Direction, Readout, SearchChoice};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::network::inputs::sphere_inputs;
use advstep_hpc::network::shallow::Shallow;
use advstep_hpc::network::{LinePoint, Lines, ValueAndGradient};
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::record::Sample;
use ndarray::{Array1, Array2, Axis, s};

const ALARM: f64 = 1e-6;

/// z and u of all neurons, n × k, and the readout, in f64.
fn line<T: Real>(network: &mut impl Lines<T>, n: usize) -> (Array2<f64>, Array2<f64>, Array1<f64>) {
    let k = network.width(1);
    let (mut z, mut u, mut a) = (Array2::zeros((n, k)), Array2::zeros((n, k)), Array1::zeros(k));
    network.visit_first_layer(&mut |block| {
        z.slice_mut(s![.., block.neurons.clone()]).assign(&block.z.mapv(T::to_f64));
        u.slice_mut(s![.., block.neurons.clone()]).assign(&block.u.mapv(T::to_f64));
        a.slice_mut(s![block.neurons]).assign(&block.readout.iter().map(|a| a.to_f64()).collect::<Array1<f64>>());
    });
    (z, u, a)
}

/// Inputs on the sphere, some equal, opposite or nearly equal to others.
fn awkward_inputs<T: Real>(streams: NetworkStreams, cell: Cell, n: usize) -> Array2<T> {
    let mut x = sphere_inputs::<T>(streams, cell, n);
    let first = x.row(0).to_owned();
    x.row_mut(n - 1).assign(&first);
    x.row_mut(n / 2).assign(&first.mapv(|x| -x));
    let near = &x.row(1) + &x.row(2).mapv(|x| x * T::of_f64(1e-3));
    x.row_mut(n - 2).assign(&near);
    x
}

/// Largest difference of two matrices, relative to the size of the second one's entries.
fn difference(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let size = (b.iter().map(|b| b * b).sum::<f64>() / b.len() as f64).sqrt();
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size.max(1e-30)
}

fn is_one_matrix<W: Weight>(cell: Cell, n: usize, readout: Readout, awkward: bool, bound: f64) {
    let what = format!("{cell}, {n} inputs, {readout:?}, awkward: {awkward}");
    let streams = NetworkStreams::new(77, cell, 3, 1.0, readout);
    let x: Array2<W::Real> = if awkward { awkward_inputs(streams, cell, n) } else { sphere_inputs(streams, cell, n) };
    let mut engine = Shallow::<W>::new(streams, cell, x.clone(), Storage::Stored, &Workspace::default());
    let (ValueAndGradient { value, gradient }, network) = engine.differentiate();
    let directions = descent(&value, gradient.clone());
    let mut network = network.lines(directions.clone());
    let (z, u, a) = line(&mut network, n);
    let wide = |x: &Array2<W::Real>| x.mapv(W::Real::to_f64);
    let root = (cell.width as f64).sqrt();

    let masked = z.mapv(|z| f64::from(u8::from(z > 0.0))) * &a;
    let f = (&masked * &z).sum_axis(Axis(1)) / root;
    let of_engine = Array1::from(value.clone());
    assert!((&f - &of_engine).iter().all(|off| off.abs() < bound), "{what}: f");
    // ⟨y_i, W x_j⟩ and ⟨y_i, W p_j⟩ are √k ⟨∇f(x_i), x_j⟩ and √k ⟨∇f(x_i), p_j⟩.
    let off = difference(&masked.dot(&z.t()), &(wide(&gradient).dot(&wide(&x).t()) * root));
    assert!(off < bound, "{what}: z differs by {off}");
    let off = difference(&masked.dot(&u.t()), &(wide(&gradient).dot(&wide(&directions).t()) * root));
    assert!(off < bound, "{what}: u differs by {off}");

    if awkward {
        assert!((value[0] - value[n - 1]).abs() < bound, "{what}: equal inputs");
        assert!(
            difference(&wide(&gradient).slice(s![..1, ..]).to_owned(), &wide(&gradient).slice(s![n - 1.., ..]).to_owned()) < bound
        );
        assert!(difference(&u.slice(s![..1, ..]).to_owned(), &u.slice(s![n - 1.., ..]).to_owned()) < bound);
    }

    let points: Vec<LinePoint> = (0..2 * n).map(|i| LinePoint { input: i / 2, t: 0.3 * i as f64 }).collect();
    for (point, got) in points.iter().zip(network.evaluate(&points)) {
        let h = (&z.row(point.input) + &(point.t * &u.row(point.input))).mapv(|z| z.max(0.0));
        assert!((h.dot(&a) / root - got).abs() < bound, "{what}: f at {point:?}");
    }

    let mut lean = Shallow::<W>::new(streams, cell, x, Storage::Regenerated, &Workspace::default());
    let (again, network) = lean.differentiate();
    assert!(again.value == value && again.gradient == gradient, "{what}: without z and u kept");
    assert_eq!(line(&mut network.lines(directions), n), (z, u, a), "{what}: without z and u kept");
}

#[test]
fn products_are_those_of_one_matrix() {
    for readout in [Readout::Sign, Readout::Gaussian] {
        let cells =
            [(2, 40, 1), (12, 1, 6), (12, 5, 6), (40, 300, 20), (200, 50, 100), (200, 90, 100), (300, 1000, 100), (90, 257, 7)];
        for (dim, width, n) in cells {
            let cell = Cell::new(1, dim, width);
            for awkward in [false, true].into_iter().take(if n > 4 { 2 } else { 1 }) {
                is_one_matrix::<f64>(cell, n, readout, awkward, if awkward { 1e-6 } else { 1e-10 });
                is_one_matrix::<f32>(cell, n, readout, awkward, if awkward { 3e-2 } else { 2e-4 });
                is_one_matrix::<Bf16Pair>(cell, n, readout, awkward, if awkward { 3e-2 } else { 2e-4 });
            }
        }
    }
}

#[test]
fn it_is_for_exact_steps_along_gradients_of_one_layer_of_relus() {
    let chosen = |cell, change: &dyn Fn(&mut Options)| {
        let mut options = Preset::Quick.options();
        options.inputs = Some(20.0);
        change(&mut options);
        is_shallow(cell, &options.validate().unwrap())
    };
    let cell = Cell::new(1, 40, 100);
    assert!(chosen(cell, &|_| {}));
    assert!(!chosen(Cell::new(1, 39, 100), &|_| {}));
    assert!(!chosen(Cell::new(2, 40, 100), &|_| {}));
    assert!(!chosen(cell, &|options| options.activation = Some(Activation::LeakyRelu)));
    assert!(!chosen(cell, &|options| options.bias = Some(true)));
    assert!(!chosen(cell, &|options| options.directions = Some(vec![Direction::Gradient, Direction::Sign])));
    assert!(!chosen(cell, &|options| options.search = Some(SearchChoice::Scan)));
}

const INPUTS: usize = 4;

type Statistic = fn(&[Sample]) -> f64;

fn step(sample: &Sample) -> f64 {
    if sample.status.is_found() { sample.step } else { 30.0 }
}

fn spread(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (values.map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt()
}

/// The statistics compared, one number per network.
const STATISTICS: [(&str, Statistic); 8] = [
    ("f", |s| s[0].value),
    ("‖∇f‖", |s| s[3].gradient_norm),
    ("η*, 30 where none", |s| step(&s[0])),
    ("η*/η̂", |s| if s[2].status.is_found() { s[2].step * s[2].gradient_norm.powi(2) / s[2].value.abs() } else { -1.0 }),
    ("f(x)·f(x')", |s| s[0].value * s[1].value),
    ("‖∇f(x)‖·‖∇f(x')‖", |s| s[0].gradient_norm * s[1].gradient_norm),
    ("std of ‖∇f‖ within a network", |s| spread(s.iter().map(|s| s.gradient_norm))),
    ("std of η* within a network", |s| spread(s.iter().map(step))),
];

#[test]
fn networks_have_the_law_of_dense_ones() {
    const NETWORKS: usize = 2000;
    for (dim, width) in [(8, 3), (8, 40), (9, 12), (30, 100), (100, 300)] {
        for readout in [Readout::Sign, Readout::Gaussian] {
            let cell = Cell::new(1, dim, width);
            let streams = |seed, network| NetworkStreams::new(seed, cell, network, 1.0, readout);
            let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
            let dense = |network| {
                samples(&mut Dense::<f32>::new(streams(601, network), cell, INPUTS, keep), SearchName::Line, 20.0).unwrap()
            };
            let dense: Vec<_> = (0..NETWORKS).map(dense).collect();
            let shallow = [0, 1].map(|format| {
                let of = |network| {
                    let streams = streams(602 + format, network);
                    if format == 0 { shallow::<f32>(streams, cell) } else { shallow::<Bf16Pair>(streams, cell) }
                };
                (0..NETWORKS).map(of).collect::<Vec<_>>()
            });
            for (format, shallow) in ["f32", "bf16x3"].iter().zip(&shallow) {
                for (name, statistic) in STATISTICS {
                    // Rounded, so that values equal up to rounding errors are ties.
                    let of = |networks: &[Vec<Sample>]| networks.iter().map(|s| (statistic(s) * 1e4).round()).collect();
                    let p = two_samples(of(&dense), of(shallow));
                    assert!(p > ALARM, "{cell}, {readout:?}, {format}: {name} has p = {p}");
                }
            }
        }
    }
}

fn shallow<W: Weight>(streams: NetworkStreams, cell: Cell) -> Vec<Sample> {
    let inputs = sphere_inputs(streams, cell, INPUTS);
    let mut network = Shallow::<W>::new(streams, cell, inputs, Storage::Stored, &Workspace::default());
    shallow_samples(&mut network, SearchName::Line, 20.0).unwrap()
}
