//! Measurements against closed forms, within standard errors over networks: inputs of a network are correlated, so pooled samples would understate them.

use crate::common::experiment;
use advstep_hpc::experiment::Experiment;
use advstep_hpc::job::Resources;
use advstep_hpc::measure::measure;
use advstep_hpc::model::{Cell, EngineChoice, Readout, Unit};
use advstep_hpc::plan::plan;
use advstep_hpc::record::Sample;

/// Tolerance in standard errors: false-alarm probability 6e-5 for each of about 100 assertions.
const ERRORS: f64 = 4.0;

/// Mean over networks of the per-network mean of `of`, and its standard error.
fn mean_and_error(networks: &[Vec<Sample>], of: impl Fn(&Sample) -> f64) -> (f64, f64) {
    let means: Vec<f64> = networks.iter().map(|samples| samples.iter().map(&of).sum::<f64>() / samples.len() as f64).collect();
    let count = means.len() as f64;
    let mean = means.iter().sum::<f64>() / count;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}

fn assert_mean(networks: &[Vec<Sample>], what: &str, expected: f64, of: impl Fn(&Sample) -> f64) {
    let (mean, error) = mean_and_error(networks, of);
    assert!((mean - expected).abs() <= ERRORS * error, "{what}: {mean} ± {error}, expected {expected}");
}

fn run(experiment: &Experiment) -> Vec<Vec<Sample>> {
    let plan = plan(experiment, Resources { threads: 1, memory: 8 << 30 }).unwrap();
    (0..experiment.networks)
        .map(|network| measure(experiment, &plan.cells[0].run, Unit { cell: 0, network }).unwrap().samples)
        .collect()
}

#[test]
fn second_moments_are_exact_at_every_width() {
    // E f² = E ‖∇f‖² = g^(L−1) 2^(−L) at every width and both readouts: signs (or independent Gaussians) of mean 0 kill the cross terms,
    // and each pre-activation is symmetric given the layer below.
    for (depth, dim, width) in [(1, 10, 30), (1, 200, 1000), (2, 20, 100), (3, 50, 200), (6, 30, 300)] {
        for (gain, readout) in [(1.0, Readout::Sign), (2.0, Readout::Sign), (1.0, Readout::Gaussian)] {
            let cell = Cell::new(depth, dim, width);
            let networks = run(&Experiment { gain, readout, bound: 0.01, ..experiment(cell, 400, 10) });
            let expected = gain.powi(depth as i32 - 1) * 0.5_f64.powi(depth as i32);
            let what = format!("{cell} gain {gain} {readout:?}");
            assert_mean(&networks, &format!("f, {what}"), 0.0, |s| s.value);
            assert_mean(&networks, &format!("f², {what}"), expected, |s| s.value.powi(2));
            assert_mean(&networks, &format!("‖∇f‖², {what}"), expected, |s| s.gradient_norm.powi(2));
        }
    }
}

#[test]
fn second_moments_do_not_depend_on_the_widths_of_the_layers() {
    let layers: [(usize, &[usize]); 4] = [(10, &[60, 20, 40]), (20, &[300, 10]), (5, &[8, 100]), (300, &[20, 60, 30, 15])];
    for (dim, widths) in layers {
        for engine in [EngineChoice::Dense, EngineChoice::Implicit] {
            for (gain, readout) in [(1.0, Readout::Sign), (2.0, Readout::Gaussian)] {
                let cell = Cell::of_layers(dim, widths);
                let networks = run(&Experiment { gain, readout, engine, bound: 0.01, ..experiment(cell, 600, 4) });
                let expected = gain.powi(cell.depth as i32 - 1) * 0.5_f64.powi(cell.depth as i32);
                let what = format!("{cell} gain {gain} {readout:?} {engine:?}");
                assert_mean(&networks, &format!("f, {what}"), 0.0, |s| s.value);
                assert_mean(&networks, &format!("f², {what}"), expected, |s| s.value.powi(2));
                assert_mean(&networks, &format!("‖∇f‖², {what}"), expected, |s| s.gradient_norm.powi(2));
            }
        }
    }
}

#[test]
fn wide_shallow_networks_follow_the_limit_law() {
    // k = ∞, L = 1: f ~ N(0, 1/2), ‖∇f‖² = 1/2, and η̂ = |f|/‖∇f‖² has mean √2·E|N| = 1.1284. At finite d the gradient's tangential part
    // is √(d−1)/√d of that and the radial part is f/√d.
    let cell = Cell::new(1, 400, 3000);
    let networks = run(&experiment(cell, 300, 10));
    let half_normal = (2.0 / std::f64::consts::PI).sqrt();
    assert_mean(&networks, "|f|", 0.5_f64.sqrt() * half_normal, |s| s.value.abs());
    assert_mean(&networks, "f⁴", 3.0 / 4.0 * (1.0 + 1.0 / f64::from(3000)), |s| s.value.powi(4));
    assert_mean(&networks, "P(|f| < 0.5)", 0.5205, |s| f64::from(s.value.abs() < 0.5));
    let (norm, _) = mean_and_error(&networks, |s| s.gradient_norm);
    assert!((norm - 0.5_f64.sqrt()).abs() < 0.002, "‖∇f‖ = {norm}");
    assert!(networks.iter().flatten().all(|s| s.status.is_found()), "every sign is switched at d = 400");
    // η* → η̂ as d grows: the mean is above its limit by O(1/d) here; 3 % are allowed on top of the standard errors.
    let (step, error) = mean_and_error(&networks, |s| s.step);
    let limit = 2.0_f64.sqrt() * half_normal;
    assert!((step - limit).abs() <= 0.03 * limit + ERRORS * error, "η* = {step} ± {error}");
}

#[test]
fn he_scaling_makes_depth_disappear() {
    // With gain 2 the second moments are those of depth 1; with gain 1 they halve with each layer: the same weights, scaled.
    let cell = Cell::new(4, 100, 400);
    let paper = run(&Experiment { gain: 1.0, ..experiment(cell, 20, 20) });
    let he = run(&Experiment { gain: 2.0, ..experiment(cell, 20, 20) });
    let scale = 2.0_f64.powf(1.5);
    for (paper, he) in paper.iter().flatten().zip(he.iter().flatten()) {
        assert!((he.value - scale * paper.value).abs() < 1e-4 * scale * paper.value.abs().max(0.01));
        assert!((he.gradient_norm - scale * paper.gradient_norm).abs() < 1e-4 * scale * paper.gradient_norm);
    }
}
