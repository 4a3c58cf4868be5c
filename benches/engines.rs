//! The implicit engine against the dense one: seconds per network by width, and the accuracy of its linear algebra.
//!
//! `cargo bench --bench engines` prints both tables. Seconds are CPU time of one thread, measured in turn in one process so that the ratio is robust
//! on a busy machine. The dense engine stores its weights if they fit 12 GiB.

use advstep_hpc::experiment::options::Options;
use advstep_hpc::job::Resources;
use advstep_hpc::kernels::Real;
use advstep_hpc::linalg::gaussian_matrix::{GaussianMatrix, Side};
use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::machine;
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::measure::measure;
use advstep_hpc::model::{EngineChoice, Unit};
use advstep_hpc::plan::plan;
use advstep_hpc::team::Share;
use ndarray::{Array2, s};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Seconds of one network (minimum over repeats if short), and its planned bytes.
fn seconds(depth: usize, dim: usize, width: usize, engine: EngineChoice) -> anyhow::Result<(f64, u64)> {
    let list = |value: usize| Some(vec![value as f64]);
    let options = Options { depths: list(depth), dims: list(dim), widths: list(width), engine: Some(engine), ..Options::default() };
    let experiment = options.validate()?;
    let plan = plan(&experiment, Resources { threads: 1, memory: 12 << 30 })?;
    let networks = if plan.cells[0].cost.seconds > 1.0 { 1 } else { 3 };
    let run = |network| {
        let start = thread_time();
        measure(&experiment, &plan.cells[0].run, Unit { cell: 0, network }).unwrap();
        (thread_time() - start).as_secs_f64()
    };
    Ok(((0..networks).map(run).fold(f64::INFINITY, f64::min), plan.cells[0].unit_bytes))
}

fn crossover() -> anyhow::Result<()> {
    println!("One network with 100 inputs:\n");
    println!("  L      d        k     dense s  implicit s   dense/implicit   dense MiB   implicit MiB");
    for (depth, dim, widths) in [
        (2, 100, &[300, 1_000, 3_000, 10_000, 30_000][..]),
        (6, 100, &[300, 1_000, 3_000, 10_000]),
        (1, 100_000, &[300, 1_000, 3_000, 10_000]),
    ] {
        for &width in widths {
            let (dense, dense_bytes) = seconds(depth, dim, width, EngineChoice::Dense)?;
            let (implicit, implicit_bytes) = seconds(depth, dim, width, EngineChoice::Implicit)?;
            println!(
                "{depth:>3} {dim:>6} {width:>8} {dense:>11.4} {implicit:>11.4} {:>16.1} {:>11} {:>14}",
                dense / implicit,
                dense_bytes >> 20,
                implicit_bytes >> 20
            );
        }
    }
    Ok(())
}

fn gaussian<T: Real>(rows: usize, columns: usize, seed: u64) -> Array2<T> {
    let mut numbers = StandardNormal.sample_iter(Xoshiro256PlusPlus::seed_from_u64(seed)).map(|x: f64| T::of_f64(x));
    Array2::from_shape_simple_fn((rows, columns), || numbers.next().expect("the generator does not end"))
}

/// Adjoint test: max |⟨y, A x⟩ − ⟨Aᵀ y, x⟩| / (‖y‖ ‖A x‖ + ‖Aᵀ y‖ ‖x‖) over all pairs of rows.
fn worst_pair<T: Real>(x: &Array2<T>, ax: &Array2<T>, y: &Array2<T>, aty: &Array2<T>) -> f64 {
    let [x, ax, y, aty] = [x, ax, y, aty].map(|matrix| matrix.mapv(T::to_f64));
    let norms = |matrix: &Array2<f64>| matrix.rows().into_iter().map(|row| row.dot(&row).sqrt()).collect::<Vec<_>>();
    let [x_norms, ax_norms, y_norms, aty_norms] = [&x, &ax, &y, &aty].map(norms);
    let off = y.dot(&ax.t()) - aty.dot(&x.t());
    let size = |i: usize, j: usize| y_norms[i] * ax_norms[j] + aty_norms[i] * x_norms[j];
    off.indexed_iter().map(|((i, j), off)| off.abs() / size(i, j)).fold(0.0, f64::max)
}

/// A typical sequence of products: activations forward, masks backward, points on lines ever closer together.
fn residual<T: Real>(width: usize) -> (f64, (usize, usize)) {
    let fresh = |side: Side, direction: usize, chunk: usize, out: &mut [T]| {
        let seed = (chunk as u64) << 32 | (direction as u64) << 1 | u64::from(side == Side::Times);
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        out.fill_with(|| T::of_f64(StandardNormal.sample(&mut generator)));
    };
    let mut matrix = GaussianMatrix::new(Share::whole(width), Share::whole(width), Box::new(fresh), &Workspace::default());
    let relu = |z: &Array2<T>| z.mapv(|z| if z > T::zero() { z } else { T::zero() });
    let z = gaussian::<T>(40, width, 1_000_001);
    let u = gaussian::<T>(40, width, 1_000_002);
    let x = relu(&z);
    let ax = matrix.times(x.clone());
    let y = relu(&ax).mapv(|h| if h > T::zero() { T::one() } else { T::zero() });
    let aty = matrix.transpose_times(y.clone());
    let mut worst = worst_pair(&x, &ax, &y, &aty);
    for t in [0.5, 0.6, 0.61, 0.611, 0.6111, 0.61111, 0.611111] {
        let x = relu(&(&z + &u.mapv(|u| u * T::of_f64(t))));
        let ax = matrix.times(x.clone());
        worst = worst.max(worst_pair(&x, &ax, &y, &aty));
    }
    let later = gaussian::<T>(20, width, 1_000_003);
    let answer = matrix.transpose_times(later.clone());
    let again = matrix.times(x.slice(s![..20, ..]).to_owned());
    worst = worst.max(worst_pair(&x.slice(s![..20, ..]).to_owned(), &again, &later, &answer));
    (worst, matrix.ranks())
}

fn main() -> anyhow::Result<()> {
    machine::prepare()?;
    crossover()?;
    println!(
        "\nLargest |⟨y, A x⟩ − ⟨Aᵀ y, x⟩| / (‖y‖ ‖A x‖ + ‖Aᵀ y‖ ‖x‖) of one k × k matrix, and the directions it then knows:\n"
    );
    println!("       k        f32        f64   right   left");
    for width in [300, 3_000, 30_000] {
        let (single, (right, left)) = residual::<f32>(width);
        let (double, _) = residual::<f64>(width);
        println!("{width:>8} {single:>10.1e} {double:>10.1e} {right:>7} {left:>6}");
    }
    Ok(())
}
