//! An implicit Gaussian matrix must be consistent with a single matrix for any sequence of products.
//!
//! Residuals are relative to the operands, with the bounds [`bound`].

use advstep_hpc::kernels::{Bf16Pair, Real, Weight};
use advstep_hpc::linalg::gaussian_matrix::{GaussianMatrix, Side};
use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::team::Share;
use ndarray::{Array2, s};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Largest relative residual.
fn bound<T: Real>() -> f64 {
    if T::EPSILON > 1e-10 { 1e-5 } else { 1e-12 }
}

fn generator(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

fn gaussian<T: Real>(rows: usize, columns: usize, seed: u64) -> Array2<T> {
    let mut numbers = StandardNormal.sample_iter(generator(seed)).map(|x: f64| T::of_f64(x));
    Array2::from_shape_simple_fn((rows, columns), || numbers.next().unwrap())
}

/// A p × q matrix of iid N(0, 1).
fn unknown<W: Weight>(rows: usize, columns: usize, seed: u64) -> GaussianMatrix<W> {
    let fresh = move |side: Side, direction: usize, chunk: usize, out: &mut [W]| {
        let mut generator = generator(seed << 48 | (chunk as u64) << 32 | (direction as u64) << 1 | u64::from(side == Side::Times));
        out.fill_with(|| W::drawn(StandardNormal.sample(&mut generator)));
    };
    GaussianMatrix::new(Share::whole(rows), Share::whole(columns), Box::new(fresh), &Workspace::default())
}

fn wide<T: Real>(x: &Array2<T>) -> Array2<f64> {
    x.mapv(T::to_f64)
}

fn norm(x: ndarray::ArrayView1<f64>) -> f64 {
    x.dot(&x).sqrt()
}

/// All queries and answers, in f64.
#[derive(Default)]
struct Log {
    right: Vec<(Array2<f64>, Array2<f64>)>,
    left: Vec<(Array2<f64>, Array2<f64>)>,
}

impl Log {
    fn times<W: Weight>(&mut self, matrix: &mut GaussianMatrix<W>, x: &Array2<W::Real>) -> Array2<f64> {
        let answer = wide(&matrix.times(x.clone()));
        self.right.push((wide(x), answer.clone()));
        answer
    }

    fn transpose_times<W: Weight>(&mut self, matrix: &mut GaussianMatrix<W>, y: &Array2<W::Real>) -> Array2<f64> {
        let answer = wide(&matrix.transpose_times(y.clone()));
        self.left.push((wide(y), answer.clone()));
        answer
    }

    /// The largest |⟨y, A x⟩ − ⟨Aᵀ y, x⟩| / (‖y‖ ‖A x‖ + ‖Aᵀ y‖ ‖x‖) over all pairs asked.
    fn worst_pair(&self) -> f64 {
        let mut worst = 0.0_f64;
        for (x, ax) in &self.right {
            for (y, aty) in &self.left {
                for (x, ax) in x.rows().into_iter().zip(ax.rows()) {
                    for (y, aty) in y.rows().into_iter().zip(aty.rows()) {
                        let size = norm(y) * norm(ax) + norm(aty) * norm(x);
                        if size > 0.0 {
                            worst = worst.max((y.dot(&ax) - aty.dot(&x)).abs() / size);
                        }
                    }
                }
            }
        }
        worst
    }
}

/// The largest ‖a − b‖ / ‖b‖ over the rows.
fn worst_row(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let rows = a.rows().into_iter().zip(b.rows());
    rows.map(|(a, b)| norm((&a - &b).view()) / norm(b)).fold(0.0, f64::max)
}

/// The largest ‖a − b‖ over the rows, where b = A x has a size of about ‖x‖·√p.
fn worst_answer(a: &Array2<f64>, b: &Array2<f64>, x: &Array2<f64>) -> f64 {
    let off = (a - b).rows().into_iter().map(norm).collect::<Vec<_>>();
    off.iter().zip(x.rows()).map(|(off, x)| off / (norm(x) * (a.ncols() as f64).sqrt())).fold(0.0, f64::max)
}

fn check_interleaved<W: Weight>(p: usize, q: usize) {
    let mut matrix = unknown::<W>(p, q, 7);
    let mut log = Log::default();
    let x = gaussian::<W::Real>(12, q, 1);
    let ax = log.times(&mut matrix, &x);
    let y = gaussian::<W::Real>(9, p, 2);
    let aty = log.transpose_times(&mut matrix, &y);
    // Queries like a network's: functions of earlier answers, all positive and far from orthogonal.
    let forward = ax.slice(s![..6, ..]).mapv(|z| W::Real::of_f64(z.max(0.0)));
    let backward = log.transpose_times(&mut matrix, &forward).mapv(|z| W::Real::of_f64(z.max(0.0)));
    log.times(&mut matrix, &backward);
    log.times(&mut matrix, &gaussian::<W::Real>(1, q, 3));

    // Linearity: combinations of earlier queries, with many and with few terms.
    for (terms, seed) in [(12, 4), (2, 5)] {
        let mut mix = gaussian::<f64>(5, 12, seed);
        mix.slice_mut(s![.., terms..]).fill(0.0);
        let combined = log.times(&mut matrix, &mix.dot(&wide(&x)).mapv(W::Real::of_f64));
        assert!(worst_row(&combined, &mix.dot(&ax)) < bound::<W::Real>(), "{}", worst_row(&combined, &mix.dot(&ax)));
        let mix = mix.slice(s![.., ..9]).to_owned();
        let combined = log.transpose_times(&mut matrix, &mix.dot(&wide(&y)).mapv(W::Real::of_f64));
        assert!(worst_row(&combined, &mix.dot(&aty)) < bound::<W::Real>(), "{}", worst_row(&combined, &mix.dot(&aty)));
    }
    // A repeated query draws nothing and has the same answer.
    let ranks = matrix.ranks();
    let again = log.times(&mut matrix, &x);
    assert!(worst_row(&again, &ax) < bound::<W::Real>());
    assert_eq!(matrix.ranks(), ranks);
    let worst = log.worst_pair();
    assert!(worst < bound::<W::Real>(), "{p} × {q}: {worst}");
}

#[test]
fn interleaved_queries_are_answered_by_one_matrix() {
    check_interleaved::<f32>(40, 70);
    check_interleaved::<f32>(3000, 500);
    check_interleaved::<f32>(300, 20_000);
    check_interleaved::<Bf16Pair>(40, 70);
    check_interleaved::<Bf16Pair>(3000, 500);
    check_interleaved::<f64>(40, 70);
    check_interleaved::<f64>(3000, 500);
}

/// Points on lines x + δ w, in one query and in queries of their own, for δ from far to near.
fn check_nearly_parallel<W: Weight>(p: usize, q: usize) {
    for together in [true, false] {
        let mut matrix = unknown::<W>(p, q, 8);
        let mut log = Log::default();
        let (x, w) = (gaussian::<W::Real>(6, q, 11), gaussian::<W::Real>(6, q, 12));
        let y = gaussian::<W::Real>(5, p, 13);
        log.transpose_times(&mut matrix, &y);
        let mut points = vec![x.clone()];
        for distance in [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7] {
            points.push((wide(&x) + distance * &wide(&w)).mapv(W::Real::of_f64));
        }
        points.push(x.clone());
        let points = match together {
            true => vec![ndarray::concatenate(ndarray::Axis(0), &points.iter().map(|x| x.view()).collect::<Vec<_>>()).unwrap()],
            false => points,
        };
        for x in &points {
            log.times(&mut matrix, x);
        }
        log.transpose_times(&mut matrix, &gaussian::<W::Real>(5, p, 14));
        assert!(log.worst_pair() < bound::<W::Real>(), "{p} × {q}, together: {together}: {}", log.worst_pair());
        // The directions themselves, last.
        let (ax, aw) = (log.times(&mut matrix, &x), log.times(&mut matrix, &w));
        let (mut asked, mut answers) = (Vec::new(), Vec::new());
        for (x, ax) in &log.right {
            asked.extend(x.rows().into_iter().map(|row| row.to_owned()));
            answers.extend(ax.rows().into_iter().map(|row| row.to_owned()));
        }
        for (x_asked, answer) in asked.iter().zip(&answers).take(48) {
            // x + δ w, matched to its x, w and δ by the nearest line.
            let (line, at) = (0..6)
                .map(|line| {
                    let off = x_asked - &wide(&x).row(line);
                    let w = wide(&w).row(line).to_owned();
                    (line, off.dot(&w) / w.dot(&w), norm(off.view()))
                })
                .min_by(|a, b| a.2.total_cmp(&b.2))
                .map(|(line, at, _)| (line, at))
                .unwrap();
            let expected = &ax.row(line) + &(at * &aw.row(line));
            let residual = norm((answer - &expected).view()) / norm(expected.view());
            assert!(residual < bound::<W::Real>(), "{p} × {q}, together: {together}, at {at}: {residual}");
        }
    }
}

#[test]
fn nearly_parallel_queries_are_answered_by_one_matrix() {
    check_nearly_parallel::<f32>(80, 120);
    check_nearly_parallel::<f32>(500, 4000);
    check_nearly_parallel::<Bf16Pair>(80, 120);
    check_nearly_parallel::<f64>(80, 120);
    check_nearly_parallel::<f64>(500, 4000);
}

/// More queries than dimensions, from either side or both: the matrix is then fully known, and answers are exact products.
fn check_until_known<W: Weight>(p: usize, q: usize, order: &[Side]) {
    let mut matrix = unknown::<W>(p, q, 9);
    let mut log = Log::default();
    for (round, side) in order.iter().cycle().take(12).enumerate() {
        let seed = 20 + round as u64;
        match side {
            Side::Times => _ = log.times(&mut matrix, &gaussian::<W::Real>(q / 5 + 1, q, seed)),
            Side::TransposeTimes => _ = log.transpose_times(&mut matrix, &gaussian::<W::Real>(p / 5 + 1, p, seed)),
        }
    }
    let columns = log.times(&mut matrix, &Array2::<f64>::eye(q).mapv(W::Real::of_f64));
    let rows = log.transpose_times(&mut matrix, &Array2::<f64>::eye(p).mapv(W::Real::of_f64));
    let a = columns.t().to_owned();
    let mut worst = worst_answer(&rows, &a, &Array2::eye(p));
    for (x, ax) in &log.right {
        worst = worst.max(worst_answer(ax, &x.dot(&a.t()), x));
    }
    for (y, aty) in &log.left {
        worst = worst.max(worst_answer(aty, &y.dot(&a), y));
    }
    assert!(worst < bound::<W::Real>(), "{p} × {q}, {order:?}: {worst}");
    assert!(matrix.ranks().0 <= q && matrix.ranks().1 <= p);
}

#[test]
fn more_queries_than_dimensions_leave_a_known_matrix() {
    use Side::{Times, TransposeTimes};
    for (p, q) in [(1, 1), (1, 9), (9, 1), (30, 50), (50, 30), (64, 64)] {
        for order in [&[Times][..], &[TransposeTimes], &[Times, TransposeTimes], &[TransposeTimes, Times, Times]] {
            check_until_known::<f32>(p, q, order);
            check_until_known::<Bf16Pair>(p, q, order);
            check_until_known::<f64>(p, q, order);
        }
    }
}

#[test]
fn zero_is_sent_to_zero_and_teaches_nothing() {
    let mut matrix = unknown::<f32>(10, 20, 1);
    assert!(matrix.times(Array2::zeros((3, 20))).iter().all(|&z| z == 0.0));
    assert_eq!(matrix.ranks(), (0, 0));
    assert_eq!(matrix.times(Array2::zeros((0, 20))).dim(), (0, 10));
}
