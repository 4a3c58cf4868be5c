//! Hardware ceilings: sgemm, Gaussian fill and memory bandwidth, on one core and on all.
//!
//! `cargo bench --bench ceilings [-- --threads T]` prints one line of JSON, in flop/s, normals/s and B/s per CPU second. sgemm is 2048³, one matrix per thread as in
//! the program, with the program's kernel (A·Bᵀ and A·B) and BLAS; the ceiling is the fastest. The fill writes 16 KiB, which stay in L1. Bandwidth is
//! the STREAM triad a = b + 3c on 64 MiB arrays, counting 12 B per element. Thin products are 100 vectors of length 512 with 1024 rows of weights, in
//! f32 and in bf16x3, with two flops per term in both.

mod common;

use std::collections::BTreeMap;
use std::hint::black_box;

use advstep_hpc::kernels::gaussian::{LANES, Lanes};
use advstep_hpc::kernels::gemm::split::{self, tiles};
use advstep_hpc::kernels::{Bf16Pair, SimdLevel, gemm};
use advstep_hpc::machine::{self, blas};
use advstep_hpc::provenance::Versions;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

const ORDER: usize = 2048;
const FILL: usize = 4096;
const FILLS: usize = 2000;
const TRIAD: usize = 16 << 20;

/// An implementation of sgemm.
type Multiply = fn(ArrayView2<f32>, ArrayView2<f32>, ArrayViewMut2<f32>);

const PRODUCTS: [(&str, Multiply); 3] = [
    ("rows", |x, w, out| gemm::matmul(x, w.reversed_axes(), false, out)),
    ("columns", |x, w, out| gemm::matmul(x, w, false, out)),
    ("blas", |x, w, mut out| general_mat_mul(1.0, &x, &w.reversed_axes(), 0.0, &mut out)),
];

fn product(multiply: Multiply) -> impl FnMut() {
    let [x, w] = [1.0_f32, 0.5].map(|value| Array2::from_elem((ORDER, ORDER), value));
    let mut out = Array2::from_elem((ORDER, ORDER), 0.0);
    move || multiply(black_box(x.view()), w.view(), out.view_mut())
}

/// Vectors, terms and rows of weights of a thin product.
const THIN: [usize; 3] = [100, 512, 1024];

/// Products of normals with weights in f32 and in bf16x3.
fn thin() -> [Box<dyn FnMut()>; 2] {
    let [n, q, m] = THIN;
    let mut lanes = Lanes::new([[0x9e37_79b9_7f4a_7c15; LANES]; 4]);
    let (mut x, mut w) = (Array2::<f32>::zeros((n, q)), Array2::<f32>::zeros((m, q)));
    lanes.fill(1.0, x.as_slice_mut().expect("new"));
    lanes.fill(1.0, w.as_slice_mut().expect("new"));
    let pairs = w.mapv(Bf16Pair::rounded);
    let mut out = Array2::zeros((n, m));
    let (y, mut split_out) = (x.clone(), out.clone());
    [
        Box::new(move || gemm::matmul(black_box(x.view()), w.t(), false, out.view_mut())),
        Box::new(move || split::matmul(black_box(y.view()), pairs.t(), false, split_out.view_mut())),
    ]
}

fn fill() -> impl FnMut() {
    let mut lanes = Lanes::new([[0x9e37_79b9_7f4a_7c15; LANES]; 4]);
    let mut out = vec![0.0_f32; FILL];
    move || (0..FILLS).for_each(|_| lanes.fill(1.0, black_box(&mut out)))
}

fn fill_by_rand_distr() -> impl FnMut() {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut out = vec![0.0_f32; FILL];
    move || {
        for _ in 0..FILLS / 4 {
            black_box(&mut out).fill_with(|| StandardNormal.sample(&mut generator));
        }
    }
}

fn triad() -> impl FnMut() {
    let [mut a, b, c] = [0.0_f32, 1.0, 2.0].map(|value| vec![value; TRIAD]);
    move || {
        for ((a, b), c) in black_box(&mut a).iter_mut().zip(&b).zip(&c) {
            *a = b + 3.0 * c;
        }
    }
}

fn main() {
    let arguments = common::arguments();
    let threads = common::number(&arguments, "--threads", machine::cores_of_this_rank(1));
    let flops = 2.0 * (ORDER as f64).powi(3);
    let thin_flops = 2.0 * THIN.iter().product::<usize>() as f64;
    let [thin_f32, thin_bf16x3] = thin().map(|work| thin_flops / common::seconds(5, work));
    let normals = (FILL * FILLS) as f64;
    let bytes = 12.0 * TRIAD as f64;
    let all = threads as f64;
    blas::set_one_thread();
    let one = PRODUCTS.map(|(name, multiply)| (name, flops / common::seconds(5, product(multiply))));
    let every = PRODUCTS.map(|(name, multiply)| (name, all * flops / common::seconds_on_all(threads, 5, || product(multiply))));
    let best = |rates: &[(&str, f64)]| rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let ceilings = serde_json::json!({
        "revision": Versions::collect().git_revision,
        "blas": blas::blas_name(),
        "blas_core": blas::blas_core(),
        "simd": format!("{:?}", SimdLevel::best()),
        "threads": threads,
        "sgemm_one": best(&one),
        "sgemm_all": best(&every),
        "sgemm_one_of": BTreeMap::from(one),
        "sgemm_all_of": BTreeMap::from(every),
        "tiles": tiles::availability().text(),
        "thin_f32": thin_f32,
        "thin_bf16x3": thin_bf16x3,
        "normals_one": normals / common::seconds(5, fill()),
        "normals_all": all * normals / common::seconds_on_all(threads, 5, fill),
        "normals_rand_distr": normals / 4.0 / common::seconds(5, fill_by_rand_distr()),
        "bytes_one": bytes / common::seconds(5, triad()),
        "bytes_all": all * bytes / common::seconds_on_all(threads, 5, triad),
    });
    println!("{ceilings}");
}
