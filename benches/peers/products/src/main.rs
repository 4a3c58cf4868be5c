//! f32 products of thin matrices by the crates `gemm` and `faer`, on one thread: flops per CPU second.
//!
//! `products N,M,Q[,t] …` prints one line of JSON with a list of rates per crate, one for each shape: N × Q times Q × M, row-major; with `t` the second
//! factor is the transpose of a row-major M × Q matrix. `cargo bench --locked --bench thin_products` prints the same for the program's kernels and OpenBLAS.

use std::hint::black_box;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

const ROUNDS: usize = 15;
/// Flops per round.
const WORK: f64 = 2e8;

struct Shape {
    n: usize,
    m: usize,
    q: usize,
    is_transposed: bool,
}

impl Shape {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let mut number = || parts.next()?.parse().ok();
        let (n, m, q) = (number()?, number()?, number()?);
        Some(Self { n, m, q, is_transposed: parts.next() == Some("t") })
    }

    fn flops(&self) -> f64 {
        2.0 * (self.n * self.m * self.q) as f64
    }
}

fn by_faer(shape: &Shape, x: &[f32], w: &[f32], out: &mut [f32]) {
    let Shape { n, m, q, is_transposed } = *shape;
    let x = MatRef::from_row_major_slice(x, n, q);
    let w = if is_transposed { MatRef::from_row_major_slice(w, m, q).transpose() } else { MatRef::from_row_major_slice(w, q, m) };
    matmul(MatMut::from_row_major_slice_mut(out, n, m), Accum::Replace, x, w, 1.0, Par::Seq);
}

fn by_gemm(shape: &Shape, x: &[f32], w: &[f32], out: &mut [f32]) {
    let Shape { n, m, q, is_transposed } = *shape;
    assert!(x.len() == n * q && w.len() == q * m && out.len() == n * m);
    let (columns, rows) = if is_transposed { (q as isize, 1) } else { (1, m as isize) };
    let (no, serial) = (false, gemm::Parallelism::None);
    let (x, w, out) = (x.as_ptr(), w.as_ptr(), out.as_mut_ptr());
    // SAFETY: the slices have the sizes of the matrices, and the strides are theirs.
    unsafe {
        gemm::gemm(n, m, q, out, 1, m as isize, no, x, 1, q as isize, w, columns, rows, 0.0_f32, 1.0, no, no, no, serial);
    }
}

type Multiply = fn(&Shape, &[f32], &[f32], &mut [f32]);

/// CPU seconds of this thread.
fn thread_seconds() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 + 1e-9 * now.tv_nsec as f64
}

/// Numbers in [−½, ½) that differ.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|index| (index.wrapping_mul(0x9e37_79b9) >> 8 & 0xffff) as f32 / 65536.0 - 0.5).collect()
}

/// Median flops per CPU second, after a check of one entry.
fn rate(shape: &Shape, multiply: Multiply) -> f64 {
    let Shape { n, m, q, is_transposed } = *shape;
    let (x, w, mut out) = (numbers(n * q), numbers(q * m), vec![0.0; n * m]);
    multiply(shape, &x, &w, &mut out);
    let at = |k: usize| if is_transposed { w[(m - 1) * q + k] } else { w[k * m + m - 1] };
    let last: f64 = (0..q).map(|k| f64::from(x[(n - 1) * q + k]) * f64::from(at(k))).sum();
    assert!((f64::from(out[n * m - 1]) - last).abs() < 1e-3 * (q as f64).sqrt(), "a product is wrong");
    let calls = (WORK / shape.flops()).ceil() as usize;
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = thread_seconds();
            (0..calls).for_each(|_| multiply(shape, black_box(&x), &w, &mut out));
            calls as f64 * shape.flops() / (thread_seconds() - start)
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[ROUNDS / 2]
}

fn main() {
    let shapes: Option<Vec<Shape>> = std::env::args().skip(1).map(|text| Shape::parse(&text)).collect();
    let shapes = shapes.filter(|shapes| !shapes.is_empty()).unwrap_or_else(|| panic!("wants shapes: N,M,Q or N,M,Q,t"));
    let rates = |multiply: Multiply| shapes.iter().map(|shape| rate(shape, multiply)).collect::<Vec<f64>>();
    println!("{}", serde_json::json!({ "gemm": rates(by_gemm), "faer": rates(by_faer) }));
}
