//! The implicit engine has the distribution of the dense one: entrywise for matrices, and for the measurements of networks.
//!
//! Seeds are fixed. Each p-value is below [`ALARM`] by chance once in 10⁶; there are fewer than 1000, so a correct program fails for fewer than one in
//! 1000 seeds.

use crate::common::law::{one_sample, two_samples, two_sided};
use advstep_hpc::experiment::Experiment;
use advstep_hpc::job::Resources;
use advstep_hpc::kernels::{Bf16Pair, Weight};
use advstep_hpc::linalg::gaussian_matrix::{GaussianMatrix, Side};
use advstep_hpc::linalg::matmul::work;
use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::measure::{measure, samples};
use advstep_hpc::model::SearchName;
use advstep_hpc::model::{Cell, Readout, Unit};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::network::implicit::{FirstLayer, Implicit};
use advstep_hpc::plan::plan;
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::record::Sample;
use advstep_hpc::team::Share;
use ndarray::Array2;
use statrs::distribution::{ContinuousCDF, Normal};

const ALARM: f64 = 1e-6;

fn relu(x: &Array2<f64>) -> Array2<f64> {
    x.mapv(|x| x.max(0.0))
}

/// An adaptive sequence of queries that determines a matrix.
type Order = fn(&mut GaussianMatrix<f64>) -> Array2<f64>;

/// The p × q matrix, by its columns.
fn columns(matrix: &mut GaussianMatrix<f64>, q: usize) -> Array2<f64> {
    matrix.times(Array2::eye(q)).t().to_owned()
}

const P: usize = 7;
const Q: usize = 5;

const ORDERS: [(&str, Order); 5] = [
    ("columns", |matrix| columns(matrix, Q)),
    ("rows", |matrix| matrix.transpose_times(Array2::eye(P))),
    ("one column, its own rows, then columns", |matrix| {
        let z = matrix.times(Array2::ones((1, Q)));
        matrix.transpose_times(relu(&z));
        columns(matrix, Q)
    }),
    ("forward, back, and points along a line", |matrix| {
        let x = Array2::from_shape_fn((2, Q), |(i, j)| ((i + 1) * (j + 2)) as f64 % 3.0 - 0.5);
        let z = matrix.times(x.clone());
        let gradient = matrix.transpose_times(z.mapv(|z| f64::from(u8::from(z > 0.0))));
        for t in [0.1, 0.1001, 0.5] {
            matrix.times(relu(&(&x - &(t * &gradient))));
        }
        matrix.transpose_times(Array2::eye(P))
    }),
    ("the largest entry, again and again", |matrix| {
        // Each query depends on the previous answer, which would reveal reused random numbers.
        let mut y = Array2::zeros((1, P));
        y[[0, 0]] = 1.0;
        for _ in 0..3 {
            let aty = matrix.transpose_times(y.clone());
            let largest = (0..Q).max_by(|&i, &j| aty[[0, i]].total_cmp(&aty[[0, j]])).unwrap();
            let mut x = Array2::zeros((1, Q));
            x[[0, largest]] = 1.0;
            y = matrix.times(x);
        }
        columns(matrix, Q)
    }),
];

#[test]
fn recovered_entries_are_independent_normals() {
    const MATRICES: usize = 6000;
    let cell = Cell::new(2, 3, 4);
    for (name, order) in ORDERS {
        let mut entries = Array2::zeros((MATRICES, P * Q));
        for index in 0..MATRICES {
            let streams = NetworkStreams::new(77, cell, index, 1.0, Readout::Sign);
            let fresh = move |side: Side, direction: usize, chunk: usize, out: &mut [f64]| {
                streams.image(2, side == Side::TransposeTimes, direction, chunk, out);
            };
            let matrix = order(&mut GaussianMatrix::new(Share::whole(P), Share::whole(Q), Box::new(fresh), &Workspace::default()));
            assert_eq!(matrix.dim(), (P, Q));
            entries.row_mut(index).assign(&matrix.flatten());
        }
        // The streams of layer 2 have variance 1/4.
        let law = Normal::new(0.0, 0.5).unwrap();
        for column in entries.columns() {
            let p = one_sample(column.to_vec(), |x| law.cdf(x));
            assert!(p > ALARM, "{name}: an entry has p = {p}");
        }
        let n = MATRICES as f64;
        let covariance = entries.t().dot(&entries) / (0.25 * n);
        let mut sum = 0.0;
        let mut pairs = 0.0;
        for i in 0..P * Q {
            for j in 0..i {
                // Products of independent standard normals have mean 0 and variance 1.
                let z = covariance[[i, j]] * n.sqrt();
                sum += z * z;
                pairs += 1.0;
            }
            let z = (covariance[[i, i]] - 1.0) * (n / 2.0).sqrt();
            assert!(two_sided(z) > ALARM, "{name}: variance of entry {i} off by {z} standard errors");
        }
        let z = (sum - pairs) / (2.0_f64 * pairs).sqrt();
        assert!(two_sided(z) > ALARM, "{name}: covariances off by {z} standard errors");
        // E‖A‖⁴ reveals dependence that covariances miss: ‖A‖²/σ² is chi-squared with pq degrees of freedom.
        let m = (P * Q) as f64;
        let squares: Vec<f64> = entries.rows().into_iter().map(|row| row.dot(&row) / 0.25).collect();
        let law = statrs::distribution::ChiSquared::new(m).unwrap();
        let p = one_sample(squares, |x| law.cdf(x));
        assert!(p > ALARM, "{name}: ‖A‖² has p = {p}");
        // tr (AᵀA)², which is sensitive to the spectrum.
        let traces: Vec<f64> = entries
            .rows()
            .into_iter()
            .map(|row| {
                let a = row.to_shape((P, Q)).unwrap().to_owned();
                let gram = a.t().dot(&a) / 0.25;
                (&gram * &gram).sum()
            })
            .collect();
        // Wishart: E tr W² = p q (p + q + 1).
        let mean = traces.iter().sum::<f64>() / n;
        let std = (traces.iter().map(|t| (t - mean) * (t - mean)).sum::<f64>() / n).sqrt();
        let z = (mean - m * (P + Q + 1) as f64) / (std / n.sqrt());
        assert!(two_sided(z) > ALARM, "{name}: tr (AᵀA)² off by {z} standard errors");
    }
}

const INPUTS: usize = 4;

fn dense(cell: Cell, networks: usize, search: SearchName) -> Vec<Vec<Sample>> {
    let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
    let streams = |network| NetworkStreams::new(501, cell, network, 1.0, Readout::Sign);
    (0..networks)
        .map(|network| samples(&mut Dense::<f32>::new(streams(network), cell, INPUTS, keep), search, 20.0).unwrap())
        .collect()
}

fn implicit<W: Weight>(seed: u64, cell: Cell, networks: usize, search: SearchName, first: FirstLayer) -> Vec<Vec<Sample>> {
    let streams = |network| NetworkStreams::new(seed, cell, network, 1.0, Readout::Sign);
    let engine = |network| Implicit::<W>::with_first_layer(streams(network), cell, INPUTS, first);
    (0..networks).map(|network| samples(&mut engine(network), search, 20.0).unwrap()).collect()
}

type Statistic = fn(&[Sample]) -> f64;

/// The statistics compared, one number per network.
const STATISTICS: [(&str, Statistic); 10] = [
    ("f", |s| s[0].value),
    ("‖∇f‖", |s| s[0].gradient_norm),
    ("η*, 30 where none", |s| if s[0].status.is_found() { s[0].step } else { 30.0 }),
    ("fraction", |s| s.iter().filter(|s| s.status.is_found()).count() as f64),
    ("η*/η̂", |s| if s[0].status.is_found() { s[0].step * s[0].gradient_norm.powi(2) / s[0].value.abs() } else { -1.0 }),
    ("f(x)·f(x')", |s| s[0].value * s[1].value),
    ("‖∇f(x)‖·‖∇f(x')‖", |s| s[0].gradient_norm * s[1].gradient_norm),
    ("mean f", |s| s.iter().map(|s| s.value).sum()),
    ("std of ‖∇f‖ within a network", |s| std(s.iter().map(|s| s.gradient_norm))),
    ("std of η* within a network", |s| std(s.iter().map(|s| if s.status.is_found() { s.step } else { 30.0 }))),
];

fn std(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (values.map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt()
}

#[test]
fn networks_have_the_law_of_dense_ones() {
    const NETWORKS: usize = 1500;
    let equal = [(1, 3, 5), (1, 30, 100), (2, 3, 6), (2, 10, 60), (2, 40, 150), (3, 5, 20), (3, 20, 100), (4, 4, 12), (4, 10, 80)];
    let layers: [(usize, &[usize]); 3] = [(10, &[60, 20, 40]), (10, &[150, 6, 3]), (5, &[3, 100])];
    let equal = equal.map(|(depth, dim, width)| Cell::new(depth, dim, width)).into_iter();
    for cell in equal.chain(layers.map(|(dim, widths)| Cell::of_layers(dim, widths))) {
        let search = if cell.depth == 1 { SearchName::Line } else { SearchName::Scan };
        let reference = dense(cell, NETWORKS, search);
        for first in [FirstLayer::Implicit, FirstLayer::Drawn] {
            let single = implicit::<f32>(502, cell, NETWORKS, search, first);
            let pairs = implicit::<Bf16Pair>(503, cell, NETWORKS, search, first);
            for (format, drawn) in [("f32", single), ("bf16x3", pairs)] {
                for (name, statistic) in STATISTICS {
                    // Rounded, so that values equal up to rounding errors (η* = η̂ on lines without a breakpoint) are ties.
                    let rounded = |samples: &Vec<Sample>| (statistic(samples) * 1e4).round();
                    let of = |networks: &[Vec<Sample>]| networks.iter().map(rounded).collect();
                    let p = two_samples(of(&reference), of(&drawn));
                    assert!(p > ALARM, "{cell}, first layer {first:?}, {format}: {name} has p = {p}");
                }
            }
        }
    }
}

#[test]
fn precisions_agree_on_one_network() {
    // Both use the same random numbers, so f and ∇f agree to rounding, and at depth 1 the whole line. In deeper networks rounding decides the order in
    // which nearby line points become directions.
    let layers = Cell::of_layers(20, &[2000, 300, 40]);
    for cell in [Cell::new(1, 900, 3000), Cell::new(3, 20, 2000), Cell::new(2, 300, 400), layers] {
        let streams = NetworkStreams::new(5, cell, 0, 1.0, Readout::Sign);
        let search = if cell.depth == 1 { SearchName::Line } else { SearchName::Scan };
        let single = samples(&mut Implicit::<f32>::new(streams, cell, 20), search, 20.0).unwrap();
        let double = samples(&mut Implicit::<f64>::new(streams, cell, 20), search, 20.0).unwrap();
        for (single, double) in single.iter().zip(&double) {
            assert!((single.value - double.value).abs() < 1e-4, "{cell}: {single:?} {double:?}");
            assert!((single.gradient_norm / double.gradient_norm - 1.0).abs() < 1e-3, "{cell}: {single:?} {double:?}");
            if cell.depth == 1 && single.status.is_found() && double.status.is_found() {
                assert!((single.step / double.step - 1.0).abs() < 5e-3, "{cell}: {single:?} {double:?}");
            }
        }
    }
}

/// Few different inputs, each many times, leave residuals of pure rounding error, which must not become directions: the numbers of an input are the same
/// each time, and those of a wide network have its law (E f² = 1/2ᴸ for inputs of length √d).
#[test]
fn inputs_that_repeat_add_no_directions() {
    let toml = |dim: usize, law: &str| {
        format!(
            "depths = [3]\ndims = [{dim}]\nwidths = [1000]\nnetworks = 8\ninputs = 100\nseed = 1\nengine = 'implicit'\ninputs_law = '{law}'"
        )
    };
    let before = work().rank_losses;
    for (dim, law, most) in [(2, "hypercube", 4), (1, "hypercube", 2), (3, "hypercube", 8)] {
        let experiment = Experiment::from_toml(&toml(dim, law), "test").unwrap();
        let plan = plan(&experiment, Resources { threads: 1, memory: u64::MAX }).unwrap();
        let mut squares = Vec::new();
        for network in 0..experiment.networks {
            let record = measure(&experiment, &plan.cells[0].run, Unit { cell: 0, network }).unwrap();
            let mut values: Vec<f64> = record.samples.iter().map(|sample| sample.value).collect();
            values.sort_unstable_by(f64::total_cmp);
            values.dedup_by(|a, b| (*a - *b).abs() <= 1e-5);
            assert!(values.len() <= most, "d = {dim}, network {network}: {values:?}");
            squares.extend(values.iter().map(|value| value * value));
        }
        let mean = squares.iter().sum::<f64>() / squares.len() as f64;
        // Eight networks and their few inputs: f² has relative deviation √2, so 16 values and more are within 4 deviations.
        assert!((mean * 8.0 - 1.0).abs() < 1.5, "d = {dim}: mean f² {mean}");
    }
    assert_eq!(work().rank_losses, before);
}
