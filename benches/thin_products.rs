//! f32 products of thin matrices, as the dense engine makes them, on one thread: our kernel and OpenBLAS, in flops per CPU second.
//!
//! `cargo bench --bench thin_products -- N,M,Q[,t] …` prints one line of JSON with a list of rates for each, one per shape: N × Q times Q × M,
//! row-major; with `t` the second factor is the transpose of a row-major M × Q matrix. `benches/peers/products` prints those of the crates gemm and faer.

mod common;

use std::hint::black_box;

use advstep_hpc::kernels::{SimdLevel, gemm};
use advstep_hpc::machine::blas;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

const ROUNDS: usize = 15;
/// Flops per round.
const WORK: f64 = 2e8;

type Multiply = fn(ArrayView2<f32>, ArrayView2<f32>, ArrayViewMut2<f32>);

/// n × m numbers in [−½, ½) that differ.
fn matrix(rows: usize, columns: usize) -> Array2<f32> {
    let number = |index: usize| ((index.wrapping_mul(0x9e37_79b9) >> 8) & 0xffff) as f32 / 65536.0 - 0.5;
    Array2::from_shape_fn((rows, columns), |(row, column)| number(row * columns + column))
}

/// Median flops per CPU second of the product that `shape` names.
fn rate(shape: &str, multiply: Multiply) -> f64 {
    let sizes: Vec<usize> = shape.trim_end_matches(",t").split(',').map(|size| size.parse().expect("N,M,Q or N,M,Q,t")).collect();
    let &[n, m, q] = &sizes[..] else { panic!("{shape} is not N,M,Q or N,M,Q,t") };
    let (x, w) = (matrix(n, q), if shape.ends_with(",t") { matrix(m, q) } else { matrix(q, m) });
    let w = if shape.ends_with(",t") { w.t() } else { w.view() };
    let mut out = Array2::zeros((n, m));
    let flops = 2.0 * (n * m * q) as f64;
    let calls = (WORK / flops).ceil();
    let seconds = common::seconds(ROUNDS, || (0..calls as usize).for_each(|_| multiply(black_box(x.view()), w, out.view_mut())));
    calls * flops / seconds
}

fn main() {
    blas::set_one_thread();
    let shapes = common::arguments();
    let rates = |multiply: Multiply| shapes.iter().map(|shape| rate(shape, multiply)).collect::<Vec<f64>>();
    let line = serde_json::json!({
        "simd": format!("{:?}", SimdLevel::best()),
        "blas_core": blas::blas_core(),
        "ours": rates(|x, w, out| gemm::matmul(x, w, false, out)),
        "openblas": rates(|x, w, mut out| general_mat_mul(1.0, &x, &w, 0.0, &mut out)),
    });
    println!("{line}");
}
