//! Infinite width: the sampled distribution against closed forms, its covariance, finer grids, and wide networks.

use crate::common::experiment;
use advstep_hpc::experiment::Experiment;
use advstep_hpc::infinite::grid::Grid;
use advstep_hpc::infinite::kernel::excess;
use advstep_hpc::infinite::{Limit, RESOLUTION, Resolution, grid_angles};
use advstep_hpc::job::Resources;
use advstep_hpc::measure::measure;
use advstep_hpc::model::{Cell, INFINITE_WIDTH, Unit};
use advstep_hpc::model::{EngineName, SearchName};
use advstep_hpc::plan::plan;
use advstep_hpc::record::{Sample, Status};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// Tolerance in standard errors: false-alarm probability 6e-5 for each of about 100 comparisons.
const ERRORS: f64 = 4.0;

fn generator(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Mean and its standard error.
fn mean_and_error(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    (mean, (squares / (count - 1.0) / count).sqrt())
}

fn assert_mean(what: &str, values: impl Iterator<Item = f64>, expected: f64) {
    let (mean, error) = mean_and_error(values);
    assert!((mean - expected).abs() <= ERRORS * error, "{what}: {mean} ± {error}, expected {expected}");
}

fn draws(depth: usize, dim: usize, gain: f64, count: usize, resolution: Resolution, seed: u64) -> Vec<Sample> {
    let (limit, mut random) = (Limit::new(depth, dim, gain, 20.0, resolution), generator(seed));
    (0..count).map(|input| limit.sample(input, &mut random).unwrap()).collect()
}

#[test]
fn moments_and_the_linear_prediction_are_closed_forms() {
    for (depth, dim, gain) in [(1, 10, 1.0), (1, 2, 1.0), (2, 10, 1.0), (3, 30, 2.0), (6, 500, 1.0), (4, 7, 0.5)] {
        let samples = draws(depth, dim, gain, 4000, RESOLUTION, 1);
        let (what, c) = (format!("L={depth} d={dim} g={gain}"), gain.powi(depth as i32 - 1) / 2f64.powi(depth as i32));
        assert_mean(&format!("f, {what}"), samples.iter().map(|s| s.value), 0.0);
        assert_mean(&format!("f², {what}"), samples.iter().map(|s| s.value.powi(2)), c);
        assert_mean(&format!("f⁴, {what}"), samples.iter().map(|s| s.value.powi(4)), 3.0 * c * c);
        assert_mean(&format!("‖∇f‖², {what}"), samples.iter().map(|s| s.gradient_norm.powi(2)), c);
        // ‖∇f‖² = c χ²_d/d has the variance 2c²/d, and f²/d is its radial part: covariance 2c²/d with f².
        let moments = |s: &Sample| (s.gradient_norm.powi(2) - c, s.value.powi(2) - c);
        assert_mean(&format!("var ‖∇f‖², {what}"), samples.iter().map(|s| moments(s).0.powi(2)), 2.0 * c * c / dim as f64);
        let expected = 2.0 * c * c / dim as f64;
        assert_mean(&format!("cov, {what}"), samples.iter().map(|s| moments(s).0 * moments(s).1), expected);
    }
}

#[test]
fn at_large_dim_the_step_is_the_linear_prediction() {
    // φ is linear on the scale of η̂ = |N(0, 1)|/√c as d → ∞: the deviation is of relative order d^(−1/4).
    for depth in [1, 6] {
        let samples = draws(depth, 100_000_000, 1.0, 4000, RESOLUTION, 2);
        let root = 2f64.powf(depth as f64 / 2.0);
        let mut worst: f64 = 0.0;
        for sample in samples.iter().filter(|sample| sample.status.is_found()) {
            let predicted = sample.value.abs() / sample.gradient_norm.powi(2);
            worst = worst.max((sample.step / predicted - 1.0).abs());
        }
        assert!(worst < 0.1, "depth {depth}: η*/η̂ is off by {worst}");
        let found = samples.iter().map(|sample| f64::from(sample.status.is_found()));
        let expected = 2.0 * statrs::distribution::ContinuousCDF::cdf(&statrs::distribution::Normal::standard(), 20.0 / root) - 1.0;
        let (fraction, error) = mean_and_error(found);
        assert!((fraction - expected).abs() <= ERRORS * error + 0.002, "depth {depth}: {fraction}, expected {expected}");
        if depth == 1 {
            let (mean, error) = mean_and_error(samples.iter().map(|sample| sample.step));
            let expected = (4.0 / std::f64::consts::PI).sqrt(); // √2·E|N|
            assert!((mean - expected).abs() <= ERRORS * error + 0.003, "mean η* {mean} ± {error}, expected {expected}");
        }
    }
}

#[test]
fn at_dim_one_the_line_runs_through_the_origin() {
    let samples = draws(3, 1, 1.0, 2000, RESOLUTION, 3);
    for sample in &samples {
        assert_eq!(sample.gradient_norm, sample.value.abs());
        let step = 1.0 / sample.value.abs();
        match sample.status {
            Status::FoundExact => assert!((sample.step / step - 1.0).abs() < 1e-12 && step <= 20.0),
            Status::Vanished => assert!((sample.zero_step / step - 1.0).abs() < 1e-12 && step <= 20.0),
            status => assert!(status == Status::NoneWithinBound && step > 20.0),
        }
    }
    // Φ of the normal law, and κ(π) after three layers by the arc-cosine map.
    let normal = |x: f64| 0.5 * libm::erfc(-x / 2f64.sqrt());
    let layer = |c: f64| ((1.0 - c * c).sqrt() + (std::f64::consts::PI - c.acos()) * c) / std::f64::consts::PI;
    let correlation = layer(layer(layer(-1.0)));
    let at_origin = samples.iter().filter(|sample| sample.status != Status::NoneWithinBound);
    let excess = at_origin.map(|sample| {
        let chance = normal(-correlation * sample.value.abs() * 8f64.sqrt() / (1.0 - correlation * correlation).sqrt());
        f64::from(sample.status.is_found()) - chance
    });
    assert_mean("flips less their chance", excess, 0.0);
}

#[test]
fn paths_have_the_covariance_of_the_process() {
    // Started with ζ and χ from N(0, 1) both, Z is stationary with covariance κ(θ − θ') = cos + S, the mean included.
    for depth in [1, 2, 6] {
        for dim in [4, 1000] {
            let angles = grid_angles(depth, dim, 1.0, 1e6, RESOLUTION.points);
            let grid = Grid::new(depth, angles, RESOLUTION);
            let last = grid.angles().len() - 1;
            let points = [0, 3, last / 3, last / 2, last / 2 + 1, last];
            let mut random = generator(4);
            let paths: Vec<[f64; 6]> = (0..10_000)
                .map(|_| {
                    let (zeta, chi) = (StandardNormal.sample(&mut random), StandardNormal.sample(&mut random));
                    let mut normals = Vec::new();
                    let deviations: Vec<f64> = (0..=last).map(|_| grid.next_deviation(&mut normals, &mut random)).collect();
                    points.map(|point| grid.angles()[point].mean(zeta, chi) + deviations[point])
                })
                .collect();
            for (i, a) in points.iter().enumerate() {
                for (j, b) in points.iter().enumerate().take(i + 1) {
                    let angle = grid.angles()[*a].theta - grid.angles()[*b].theta;
                    let what = format!("L={depth} d={dim}: covariance of points {a} and {b}");
                    assert_mean(&what, paths.iter().map(|path| path[i] * path[j]), angle.cos() + excess(angle, depth).0);
                    // The increment, whose variance is small: accurate in itself, not only to the variance of Z.
                    let variance = 4.0 * (angle / 2.0).sin().powi(2) - 2.0 * excess(angle, depth).0;
                    assert_mean(&what, paths.iter().map(|path| (path[i] - path[j]).powi(2)), variance);
                }
            }
        }
    }
}

#[test]
fn the_step_does_not_depend_on_the_resolution() {
    // A coarse grid with many bisections against a fine grid with few: missed double crossings, or a wrong conditional distribution, would shift the
    // steps of the former.
    for (depth, dim) in [(1, 10), (2, 3), (6, 10)] {
        let steps = |points, halvings, seed| -> Vec<f64> {
            let samples = draws(depth, dim, 1.0, 10_000, Resolution { points, halvings }, seed);
            // "Not found" sorts last, so the fraction is compared as well.
            samples.iter().map(|sample| if sample.step.is_nan() { f64::INFINITY } else { sample.step }).collect()
        };
        assert_same_law(&format!("η*, L={depth} d={dim}"), &steps(3, 10, 5), &steps(48, 5, 6));
    }
}

#[test]
fn the_covariance_of_the_grid_is_far_from_singular() {
    // Pivots against the rounding error of the entries, for grids of all sizes.
    for depth in [1, 2, 6] {
        for dim in [2, 10, 500, 1_000_000] {
            for bound in [0.01, 20.0, 1e9] {
                let angles = grid_angles(depth, dim, 2.0, bound, RESOLUTION.points);
                let (points, ratio) = (angles.len(), angles[angles.len() - 1] / angles[0]);
                let grid = Grid::new(depth, angles, RESOLUTION);
                let rounding = 1e-15 * ratio.powf(1.5);
                let pivot = grid.smallest_pivot();
                assert!(
                    pivot > 10.0 * rounding,
                    "L={depth} d={dim} bound {bound}: pivot {pivot:e} of {points} points, ratio {ratio:e}"
                );
            }
        }
    }
}

/// Two-sample Kolmogorov–Smirnov at a false-alarm rate of 1e-4.
fn assert_same_law(what: &str, a: &[f64], b: &[f64]) {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (a, b) = (sorted(a), sorted(b));
    let (n, m) = (a.len() as f64, b.len() as f64);
    let below = |values: &[f64], x: f64| values.partition_point(|value| *value <= x) as f64 / values.len() as f64;
    let distance = a.iter().chain(&b).map(|&x| (below(&a, x) - below(&b, x)).abs()).fold(0.0, f64::max);
    let allowed = (-(1e-4_f64 / 2.0).ln() / 2.0 * (n + m) / (n * m)).sqrt();
    assert!(distance <= allowed, "{what}: distance {distance} between {n} and {m} values, {allowed} allowed");
}

/// Cell `cell` as a run measures it.
fn run(experiment: &Experiment) -> Vec<Vec<Sample>> {
    let plan = plan(experiment, Resources { threads: 1, memory: 8 << 30 }).unwrap();
    (0..experiment.networks)
        .map(|network| measure(experiment, &plan.cells[0].run, Unit { cell: 0, network }).unwrap().samples)
        .collect()
}

#[test]
fn wide_networks_follow_the_limit() {
    // Standard errors of the networks' means and of the limit's draws, combined.
    for (depth, dim, networks) in [(1, 10, 600), (2, 10, 600), (3, 30, 600)] {
        let wide = run(&experiment(Cell::new(depth, dim, 1000), networks, 8));
        let limit = draws(depth, dim, 1.0, 10_000, RESOLUTION, 7);
        let compare = |what: &str, of: &dyn Fn(&Sample) -> f64| {
            let (wide, wide_error) = mean_and_error(wide.iter().map(|samples| samples.iter().map(of).sum::<f64>() / 8.0));
            let (limit, limit_error) = mean_and_error(limit.iter().map(of));
            let error = wide_error.hypot(limit_error);
            assert!(
                (wide - limit).abs() <= ERRORS * error,
                "L={depth} d={dim}, {what}: {wide} at k = 1000, {limit} at ∞, ± {error}"
            );
        };
        compare("fraction", &|sample| f64::from(sample.status.is_found()));
        compare("‖∇f‖", &|sample| sample.gradient_norm);
        compare("|f|", &|sample| sample.value.abs());
        let mut steps: Vec<f64> = limit.iter().map(|sample| sample.step).filter(|step| step.is_finite()).collect();
        steps.sort_by(f64::total_cmp);
        for percent in [5, 25, 50, 75, 95] {
            let quantile = steps[steps.len() * percent / 100];
            compare(&format!("P(η* ≤ {quantile})"), &|sample| f64::from(sample.step <= quantile));
        }
    }
}

#[test]
fn infinite_cells_are_planned_and_measured_as_such() {
    let wanted = Experiment { seed: 5, ..experiment(Cell::new(3, 20, INFINITE_WIDTH), 4, 25) };
    let plan = plan(&wanted, Resources { threads: 1, memory: 1 << 30 }).unwrap();
    assert_eq!((plan.cells[0].run.method.engine, plan.cells[0].run.method.search), (EngineName::Limit, SearchName::Path));
    assert!(plan.cells[0].unit_bytes < 1 << 22 && plan.cells[0].cost.seconds < 1.0);
    let samples = run(&wanted);
    assert_eq!(format!("{samples:?}"), format!("{:?}", run(&wanted)));
    let mut values: Vec<f64> = samples.iter().flatten().map(|sample| sample.value).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    assert_eq!(values.len(), 100, "every input of every network is a draw of its own");
    // Inputs do not depend on their number.
    let fewer = run(&Experiment { inputs: 3, ..wanted });
    assert_eq!(format!("{:?}", fewer[1]), format!("{:?}", &samples[1][..3]));
}
