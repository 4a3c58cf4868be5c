//! Infinite width: the sampling resolution that paths need, and the convergence of finite networks to the limit.
//!
//! `cargo bench --bench limit_convergence` prints two tables. First, for finer and finer grids (bisected to equal brackets): the fraction of paths that
//! cross zero too late or not at all on the plain grid, because two crossings fall between grid points, and the refined distribution, which must not
//! depend on the grid. Second: fraction switched, mean step, mean ‖∇f‖ and variance of ‖∇f‖² at width k minus the limit, with standard errors, and
//! the same times k. The mean step is over inputs switched within a bound of 5, because a few late crossings would dominate it.

use advstep_hpc::infinite::grid::Grid;
use advstep_hpc::infinite::path::Path;
use advstep_hpc::infinite::{Limit, RESOLUTION, Resolution, grid_angles};
use advstep_hpc::measure::samples;
use advstep_hpc::model::SearchName;
use advstep_hpc::model::{Cell, Readout};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::record::Sample;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

const PATHS: usize = 40_000;
const LIMIT_DRAWS: usize = 200_000;
/// Largest angle of paths in the first table.
const END: f64 = 1.5;
const INPUTS: usize = 4;
const BOUND: f64 = 5.0;

/// A mean and its standard error.
#[derive(Clone, Copy)]
struct Mean {
    mean: f64,
    error: f64,
}

impl Mean {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for value in values {
            count += 1.0;
            let delta = value - mean;
            mean += delta / count;
            squares += delta * (value - mean);
        }
        Self { mean, error: (squares / (count - 1.0) / count).sqrt() }
    }

    fn minus(self, other: Mean) -> Self {
        Self { mean: self.mean - other.mean, error: self.error.hypot(other.error) }
    }

    fn times(self, factor: f64) -> Self {
        Self { mean: self.mean * factor, error: self.error * factor }
    }
}

fn resolutions() {
    println!("  L    d  points  halvings   late or missed on the grid   crossing        mean angle of it");
    for (depth, dim) in [(1, 10), (6, 10), (6, 500)] {
        let degrees = ChiSquared::new((dim - 1) as f64).expect("d > 1");
        for (points, halvings) in [(1, 12), (2, 11), (4, 10), (8, 9), (16, 8), (32, 7)] {
            let grid = Grid::new(depth, grid_angles(depth, dim, 1.0, 1e9, points), Resolution { points, halvings });
            let mut random = Xoshiro256PlusPlus::seed_from_u64(points as u64);
            let mut late = 0;
            let mut crossings = Vec::new();
            for _ in 0..PATHS {
                let normal: f64 = StandardNormal.sample(&mut random);
                let chi = degrees.sample(&mut random).sqrt();
                let mut path = Path::sample(&grid, normal.abs(), chi, END, &mut random);
                // Left end of the first grid interval with a sign change.
                let values: Vec<(f64, f64)> = std::iter::once((0.0, normal.abs())).chain(path.values()).collect();
                let bracket = values.windows(2).find(|pair| pair[1].1 <= 0.0).map_or(f64::INFINITY, |pair| pair[0].0);
                let crossing = path.first_crossing(&mut random).filter(|&angle| angle <= END);
                late += usize::from(crossing.is_some_and(|angle| angle < bracket));
                crossings.push(crossing);
            }
            let crossed = Mean::of(crossings.iter().map(|crossing| f64::from(crossing.is_some())));
            let angle = Mean::of(crossings.iter().flatten().copied());
            println!(
                "{depth:>3} {dim:>4} {points:>7} {halvings:>9} {:>26.3} % {:>8.4} ± {:.4} {:>10.5} ± {:.5}",
                100.0 * late as f64 / PATHS as f64,
                crossed.mean,
                crossed.error,
                angle.mean,
                angle.error
            );
        }
    }
}

/// Fraction switched, mean step, mean ‖∇f‖, and variance of ‖∇f‖² around its mean, which is 2^(−L) at every width.
fn statistics(networks: &[Vec<Sample>], depth: usize) -> [Mean; 4] {
    let mean =
        |of: &dyn Fn(&Sample) -> f64| Mean::of(networks.iter().map(|all| all.iter().map(of).sum::<f64>() / all.len() as f64));
    let fraction = mean(&|sample| f64::from(sample.status.is_found()));
    // A ratio of means: its standard error is that of the residuals.
    let found = networks.iter().flatten().filter(|sample| sample.status.is_found());
    let step = Mean::of(found.map(|sample| sample.step)).mean;
    let residual = |all: &Vec<Sample>| {
        let found = all.iter().filter(|sample| sample.status.is_found());
        found.map(|sample| sample.step - step).sum::<f64>() / all.len() as f64 / fraction.mean
    };
    let error = Mean::of(networks.iter().map(residual)).error;
    let centre = 0.5_f64.powi(depth as i32);
    let spread = mean(&|sample| (sample.gradient_norm.powi(2) - centre).powi(2));
    [fraction, Mean { mean: step, error }, mean(&|sample| sample.gradient_norm), spread]
}

fn finite(cell: Cell, networks: usize) -> Vec<Vec<Sample>> {
    let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
    let search = if cell.depth == 1 { SearchName::Line } else { SearchName::Scan };
    let network = |network| {
        let streams = NetworkStreams::new(2020, cell, network, 1.0, Readout::Sign);
        samples(&mut Dense::<f32>::new(streams, cell, INPUTS, keep), search, BOUND).unwrap()
    };
    (0..networks).map(network).collect()
}

fn convergence() {
    print!("\n  L    d      k  networks");
    for name in ["fraction", "mean η*", "mean ‖∇f‖", "var ‖∇f‖²"] {
        print!("  {:>19}  {:>14}", format!("{name} − limit"), "(× k)");
    }
    println!();
    for (depth, dim, widths) in [
        (1, 10, &[(30, 60_000), (100, 60_000), (300, 40_000), (1000, 20_000)][..]),
        (2, 10, &[(30, 40_000), (100, 30_000), (300, 10_000), (1000, 1500)]),
        (1, 100, &[(100, 30_000), (300, 20_000), (1000, 10_000), (3000, 6000), (10_000, 3000)]),
    ] {
        let (law, mut random) = (Limit::new(depth, dim, 1.0, BOUND, RESOLUTION), Xoshiro256PlusPlus::seed_from_u64(1));
        let limit: Vec<Vec<Sample>> = (0..LIMIT_DRAWS).map(|_| vec![law.sample(0, &mut random).unwrap()]).collect();
        let limit = statistics(&limit, depth);
        for &(width, networks) in widths {
            let finite = statistics(&finite(Cell::new(depth, dim, width), networks), depth);
            print!("{depth:>3} {dim:>4} {width:>6} {networks:>9}");
            for (finite, limit) in finite.into_iter().zip(limit) {
                let (difference, scaled) = (finite.minus(limit), finite.minus(limit).times(width as f64));
                print!("  {:>9.5} ± {:.5}  ({:>5.2} ± {:.2})", difference.mean, difference.error, scaled.mean, scaled.error);
            }
            println!();
        }
        print!("{depth:>3} {dim:>4}      ∞ {LIMIT_DRAWS:>9}");
        for mean in limit {
            print!("  {:>9.5} ± {:.5}  {:>14}", mean.mean, mean.error, "");
        }
        println!();
    }
}

fn main() {
    resolutions();
    convergence();
}
