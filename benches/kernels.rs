//! Every kernel at every SIMD level, in CPU time of the thread, so that other load does not count.
//!
//! `cargo bench --bench kernels [-- FILTER]` prints time and throughput; an element is a normal or a neuron, for matmuls a flop, for propagation a weight. Rows have 256
//! neurons, one block of a layer, and stay in L1.

use std::hint::black_box;
use std::time::Duration;

use advstep_hpc::kernels::gaussian::{LANES, Lanes};
use advstep_hpc::kernels::gemm::split::{self, tiles};
use advstep_hpc::kernels::line::{self, Bin, LineRow, Window};
use advstep_hpc::kernels::linear_piece::{self, Piece};
use advstep_hpc::kernels::masks::Masks;
use advstep_hpc::kernels::{Bf16Pair, SimdLevel, activation, at_level, gemm, relu};
use advstep_hpc::linalg::gaussian_matrix::GaussianMatrix;
use advstep_hpc::linalg::matmul::work;
use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::machine::blas;
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::model::Activation;
use advstep_hpc::random::BLOCK_ROWS;
use advstep_hpc::team::Share;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use ndarray::linalg::general_mat_mul;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// CPU time of this thread.
struct ThreadTime;

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        thread_time()
    }
    fn end(&self, start: Duration) -> Duration {
        thread_time() - start
    }
    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }
    fn zero(&self) -> Duration {
        Duration::ZERO
    }
    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        static WALL: WallTime = WallTime;
        WALL.formatter()
    }
}

fn lanes(seed: u64) -> Lanes {
    let mut words = [[0; LANES]; 4];
    for (index, word) in words.iter_mut().flatten().enumerate() {
        *word = ((seed << 32) | (index as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    Lanes::new(words)
}

fn normals(seed: u64, sigma: f32, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    lanes(seed).fill(sigma, &mut out);
    out
}

/// Benchmarks `work` at every level; one call processes `elements` elements.
fn at_all_levels(criterion: &mut Criterion<ThreadTime>, name: &str, elements: usize, mut work: impl FnMut()) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(elements as u64));
    for level in SimdLevel::ALL.into_iter().filter(|level| level.is_available()) {
        group.bench_function(format!("{level:?}"), |bencher| at_level(level, || bencher.iter(&mut work)));
    }
    group.finish();
}

fn fill(criterion: &mut Criterion<ThreadTime>) {
    let mut out = vec![0.0_f32; 4096];
    let mut generators = lanes(1);
    at_all_levels(criterion, "gaussian::fill", out.len(), || generators.fill(1.0, black_box(&mut out)));
    let mut pairs = vec![Bf16Pair::rounded(0.0); out.len()];
    at_all_levels(criterion, "gaussian::fill of bf16 pairs", pairs.len(), || generators.fill(1.0, black_box(&mut pairs)));
    let mut group = criterion.benchmark_group("gaussian::fill");
    group.throughput(Throughput::Elements(4096));
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(1);
    group.bench_function("rand_distr::StandardNormal", |bencher| {
        bencher.iter(|| black_box(&mut out).fill_with(|| StandardNormal.sample(&mut generator)))
    });
}

fn activations(criterion: &mut Criterion<ThreadTime>) {
    let (a, z, u) = (normals(2, 1.0, BLOCK_ROWS), normals(3, 1.0, BLOCK_ROWS), normals(4, 0.1, BLOCK_ROWS));
    let mut out = z.clone();
    at_all_levels(criterion, "relu::relu", BLOCK_ROWS, || relu::relu(black_box(&mut out)));
    let mut out = z.clone();
    at_all_levels(criterion, "relu::readout_and_mask", BLOCK_ROWS, || {
        black_box(relu::readout_and_mask(&a, black_box(&mut out)));
    });
    at_all_levels(criterion, "relu::readout", BLOCK_ROWS, || {
        black_box(relu::readout(&a, black_box(&z)));
    });
    let mut out = u.clone();
    at_all_levels(criterion, "relu::mask_gradient", BLOCK_ROWS, || relu::mask_gradient(black_box(&z), &mut out));
    at_all_levels(criterion, "relu::relu_on_line", BLOCK_ROWS, || relu::relu_on_line(black_box(&z), &u, 0.5, &mut out));
}

fn smooth_activations(criterion: &mut Criterion<ThreadTime>) {
    let z = normals(3, 1.0, BLOCK_ROWS);
    let mut group = criterion.benchmark_group("activation::apply");
    group.throughput(Throughput::Elements(BLOCK_ROWS as u64));
    for psi in [Activation::Tanh, Activation::Erf, Activation::Softplus, Activation::Gelu] {
        let mut out = z.clone();
        group.bench_function(psi.name(), |bencher| {
            bencher.iter(|| {
                out.copy_from_slice(&z);
                activation::apply(psi, black_box(&mut out));
            })
        });
    }
}

/// Matmuls with a cached block of weights (100 inputs, d = 500) at every level and with BLAS; and 100 vectors of length 10⁵ times an implicit Gaussian
/// matrix: CholeskyQR of the vectors, their images, and the normals in them.
fn products(criterion: &mut Criterion<ThreadTime>) {
    const INPUTS: usize = 100;
    const DIM: usize = 500;
    const LONG: usize = 100_000;
    let matrix = |seed, rows: usize, columns: usize| {
        Array2::from_shape_vec((rows, columns), normals(seed, 1.0, rows * columns)).expect("as many numbers")
    };
    let (x, w) = (matrix(5, INPUTS, DIM), matrix(6, BLOCK_ROWS, DIM));
    let (mut z, mut gradient) = (Array2::zeros((INPUTS, BLOCK_ROWS)), Array2::zeros((INPUTS, DIM)));
    let flops = 2 * INPUTS * DIM * BLOCK_ROWS;
    blas::set_one_thread();
    let through_blas = |criterion: &mut Criterion<ThreadTime>, name: &str, work: &mut dyn FnMut()| {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(flops as u64));
        group.bench_function(format!("BLAS {}", blas::blas_core()), |bencher| bencher.iter(&mut *work));
    };
    at_all_levels(criterion, "gemm::pre-activations of a block", flops, || {
        gemm::matmul(black_box(x.view()), w.t(), false, z.view_mut());
    });
    through_blas(criterion, "gemm::pre-activations of a block", &mut || general_mat_mul(1.0, black_box(&x), &w.t(), 0.0, &mut z));
    at_all_levels(criterion, "gemm::masked gradient of a block", flops, || {
        gemm::matmul(black_box(z.view()), w.view(), true, gradient.view_mut());
    });
    through_blas(criterion, "gemm::masked gradient of a block", &mut || {
        general_mat_mul(1.0, black_box(&z), &w, 1.0, &mut gradient);
    });
    let pairs = w.mapv(Bf16Pair::rounded);
    for (name, keep) in [("pre-activations", false), ("masked gradient", true)] {
        let mut work = || match keep {
            false => split::matmul(black_box(x.view()), pairs.t(), false, z.view_mut()),
            true => split::matmul(black_box(z.view()), pairs.view(), true, gradient.view_mut()),
        };
        let name = format!("split::{name} of a block");
        at_all_levels(criterion, &name, flops, &mut work);
        if tiles::are_available() {
            let mut group = criterion.benchmark_group(name);
            group.throughput(Throughput::Elements(flops as u64));
            group.bench_function("AMX tiles", |bencher| bencher.iter(&mut work));
        }
    }
    let a = normals(9, 1.0, BLOCK_ROWS);
    let mut masks = Masks::default();
    masks.reset(INPUTS, BLOCK_ROWS);
    let z = matrix(10, INPUTS, BLOCK_ROWS);
    at_all_levels(criterion, "masks::read_out", INPUTS * BLOCK_ROWS, || {
        z.rows().into_iter().enumerate().for_each(|(input, z)| {
            black_box(masks.read_out(input, &a, black_box(z.to_slice().expect("contiguous"))));
        });
    });
    let mut overlaps = Array2::zeros((INPUTS, INPUTS));
    let pairs = INPUTS * (INPUTS + 1) / 2;
    at_all_levels(criterion, "masks::add_overlaps", pairs * BLOCK_ROWS, || masks.add_overlaps(black_box(overlaps.view_mut())));
    at_all_levels(criterion, "masks::masked gradient of a block", flops, || {
        masks.add_weighted_rows(&a, black_box(w.view()), gradient.view_mut());
    });
    let mut group = criterion.benchmark_group("products");
    let vectors = matrix(7, INPUTS, LONG);
    let implicit = || {
        let mut generators = lanes(8);
        let fresh = Box::new(move |_, _, _, out: &mut [f32]| generators.fill(1.0, out));
        black_box(GaussianMatrix::new(Share::whole(LONG), Share::whole(LONG), fresh, &Workspace::default()).times(vectors.clone()));
    };
    let before = work().flops;
    implicit();
    group.throughput(Throughput::Elements((work().flops - before) as u64));
    group.sample_size(10).bench_function("implicit product", |bencher| bencher.iter(implicit));
}

fn lines(criterion: &mut Criterion<ThreadTime>) {
    // u is a tenth of z, as at d = 100, so that about 5 % of the neurons have a breakpoint below 2.25. Forty rows, because the branch predictor
    // would learn a single one.
    const ROWS: usize = 40;
    let len = ROWS * BLOCK_ROWS;
    let (a, z, u) = (normals(2, 1.0, len), normals(3, 1.0, len), normals(4, 0.07, len));
    let rows: Vec<LineRow<f32>> = (0..ROWS)
        .map(|row| row * BLOCK_ROWS..(row + 1) * BLOCK_ROWS)
        .map(|row| LineRow { z: &z[row.clone()], u: &u[row.clone()], a: &a[row], sign: 1.0 })
        .collect();
    let window = Window { start: 0.0, end: 2.25, bins: 64 };
    let mut found = Vec::new();
    at_all_levels(criterion, "line::value_slope_and_breakpoints", len, || {
        found.clear();
        rows.iter().for_each(|row| {
            black_box(line::value_slope_and_breakpoints(*black_box(row), window.end, &mut found));
        });
    });
    at_all_levels(criterion, "line::find_breakpoints", len, || {
        found.clear();
        rows.iter().for_each(|row| line::find_breakpoints(*black_box(row), (window.edge(16), window.edge(17)), &mut found));
    });
    found.clear();
    rows.iter().for_each(|row| line::find_breakpoints(*row, (window.start, window.end), &mut found));
    let mut bins = vec![Bin::default(); window.bins];
    at_all_levels(criterion, "line::bin_breakpoints", found.len(), || line::bin_breakpoints(black_box(&found), window, &mut bins));
    let widen = |row: &[f32]| -> Vec<f64> { row.iter().map(|x| f64::from(*x)).collect() };
    let (alpha, beta) = (widen(&z[..BLOCK_ROWS]), widen(&u[..BLOCK_ROWS]));
    let mask: Vec<f64> = alpha.iter().map(|z| if *z > 0.0 { 1.0 } else { 0.0 }).collect();
    let piece = Piece { alpha: &alpha, beta: &beta, mask: &mask };
    at_all_levels(criterion, "linear_piece::next_flip", BLOCK_ROWS, || {
        black_box(linear_piece::next_flip(black_box(piece), 0.1));
    });
    for width in [10, 20, 32] {
        let row = |row: &[f64]| [&row[..width], &vec![0.0; linear_piece::padded(width) - width]].concat();
        let (alpha, beta, mask) = (row(&alpha), row(&beta), row(&mask));
        let below = Piece { alpha: &alpha, beta: &beta, mask: &mask };
        let weights = widen(&normals(11, 0.3, width * alpha.len()));
        let (mut above_alpha, mut above_beta) = (alpha.clone(), beta.clone());
        at_all_levels(criterion, &format!("linear_piece::propagate of {width} neurons"), width * width, || {
            linear_piece::propagate(black_box(&weights), below, &mut above_alpha, &mut above_beta);
        });
    }
}

fn quick() -> Criterion<ThreadTime> {
    let times = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600));
    times.sample_size(20).with_measurement(ThreadTime)
}

criterion_group! { name = kernels; config = quick(); targets = fill, activations, smooth_activations, lines, products }
criterion_main!(kernels);
