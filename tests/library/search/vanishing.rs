//! Flips of the sign and intervals of zeros, told apart by every search in thousands of small networks: against φ on a grid, by nested loops in f64.

use crate::common::naive::{Naive, along};
use advstep_hpc::kernels::Real;
use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::measure::{Settings, directions, samples_along};
use advstep_hpc::model::{Activation, Cell, Direction, InputsLaw, Readout, SearchName};
use advstep_hpc::network::Engine;
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::network::inputs::inputs;
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::record::{Sample, Status};

const BOUND: f64 = 20.0;
const GRID: usize = 600;
const INPUTS: usize = 6;
const LINES: [Direction; 4] = [Direction::Gradient, Direction::Sign, Direction::Universal, Direction::Random];

/// φ along one line, evaluated by plain loops.
struct Line<'a> {
    naive: &'a Naive,
    x: &'a [f64],
    p: Vec<f64>,
    sign: f64,
}

impl Line<'_> {
    fn phi(&self, t: f64) -> f64 {
        self.sign * self.naive.value(&along(self.x, &self.p, t))
    }

    /// Why `sample` contradicts φ on the grid, or near its steps (to a relative `tolerance`); `None` if it does not.
    fn contradiction(&self, sample: &Sample, tolerance: f64) -> Option<String> {
        let end = if sample.status.is_found() { sample.step * (1.0 - tolerance) } else { BOUND };
        let grid: Vec<(f64, f64)> = (1..=GRID).map(|i| end * i as f64 / GRID as f64).map(|t| (t, self.phi(t))).collect();
        if let Some((t, _)) = grid.iter().find(|(_, phi)| *phi < 0.0) {
            return Some(format!("φ < 0 at {t}"));
        }
        let first_zero = grid.iter().find(|(_, phi)| *phi == 0.0).map_or(f64::INFINITY, |(t, _)| *t);
        let zero_step = if sample.zero_step.is_nan() { f64::INFINITY } else { sample.zero_step };
        if first_zero < zero_step * (1.0 - tolerance) {
            return Some(format!("φ = 0 at {first_zero}"));
        }
        let near = |step: f64| (self.phi(step * (1.0 - tolerance)), self.phi(step * (1.0 + tolerance)));
        if zero_step.is_finite() && !matches!(near(zero_step), (before, 0.0) if before > 0.0) {
            return Some(format!("φ around its zero: {:?}", near(zero_step)));
        }
        if sample.status.is_found() && !matches!(near(sample.step), (before, after) if before >= 0.0 && after < 0.0) {
            return Some(format!("φ around its flip: {:?}", near(sample.step)));
        }
        None
    }
}

#[derive(Debug, Default)]
struct Counts {
    flips: usize,
    /// Flips behind an interval of zeros.
    behind: usize,
    vanished: usize,
    contradictions: usize,
}

fn count<T: Real>(cell: Cell, search: SearchName, networks: std::ops::Range<usize>, tolerance: f64) -> Counts {
    let mut counts = Counts::default();
    for network in networks {
        let streams = NetworkStreams::new(97, cell, network, 1.0, Readout::Sign);
        let x = inputs::<T>(&InputsLaw::Sphere, streams, cell, INPUTS, false);
        let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
        let mut engine = Dense::<T>::with(streams, cell, Activation::Relu, x, keep, &Workspace::default());
        let settings =
            Settings { directions: &LINES, bias: false, streams, search, bound: BOUND.into(), nearest_starts: 1, certify: false };
        let samples = samples_along(&mut engine, &settings).unwrap();
        let naive = Naive::of(&mut engine, cell);
        let (result, mut differentiated) = engine.differentiate();
        let norms: Vec<f64> = samples[..INPUTS].iter().map(|sample| sample.gradient_norm).collect();
        for (direction, samples) in LINES.into_iter().zip(samples.chunks(INPUTS)) {
            let steps = directions::steps(&mut differentiated, direction, &result.value, &result.gradient, &norms, false, streams);
            for (input, sample) in samples.iter().enumerate().filter(|(_, sample)| sample.status != Status::Dead) {
                let p = steps.row(input).iter().map(|p| p.to_f64()).collect();
                let line = Line { naive: &naive, x: &naive.inputs[input], p, sign: sample.value.signum() };
                counts.flips += usize::from(sample.status.is_found());
                counts.behind += usize::from(sample.status.is_found() && !sample.zero_step.is_nan());
                counts.vanished += usize::from(sample.status == Status::Vanished);
                if let Some(why) = line.contradiction(sample, tolerance) {
                    counts.contradictions += 1;
                    println!("{cell} network {network} {} input {input}: {sample:?}: {why}", direction.name());
                }
            }
        }
    }
    counts
}

#[test]
fn exact_searches_tell_flips_from_zeros() {
    let (line, trace) = (SearchName::Line, SearchName::Trace);
    let mut all = Counts::default();
    for (cell, search, networks) in [
        (Cell::new(1, 3, 4), line, 300),
        (Cell::new(1, 10, 10), line, 200),
        (Cell::new(1, 3, 6), trace, 200),
        (Cell::new(2, 3, 4), trace, 200),
        (Cell::new(2, 10, 8), trace, 200),
        (Cell::new(3, 10, 10), trace, 100),
        (Cell::of_layers(5, &[12, 3, 6]), trace, 100),
    ] {
        for (precision, counts) in
            [("f64", count::<f64>(cell, search, 0..networks, 1e-6)), ("f32", count::<f32>(cell, search, 0..networks, 1e-3))]
        {
            println!("{cell} {} {precision}: {counts:?}", search.name());
            all.flips += counts.flips;
            all.behind += counts.behind;
            all.vanished += counts.vanished;
            all.contradictions += counts.contradictions;
        }
    }
    println!("{all:?}");
    // Intervals narrower than the tolerance are none to the reference.
    assert!(all.contradictions * 2000 <= all.flips, "{all:?}");
    assert!(all.flips > 20_000 && all.vanished > 1000 && all.behind > 500, "{all:?}");
}

#[test]
fn scans_tell_flips_from_zeros() {
    let mut all = Counts::default();
    for (cell, networks) in [(Cell::new(1, 10, 10), 200), (Cell::new(2, 10, 8), 200), (Cell::new(3, 10, 10), 200)] {
        let counts = count::<f64>(cell, SearchName::Scan, 0..networks, 2e-4);
        println!("{cell}: {counts:?}");
        all.flips += counts.flips;
        all.behind += counts.behind;
        all.vanished += counts.vanished;
        all.contradictions += counts.contradictions;
    }
    // A scan may miss two events between neighbouring points.
    assert!(all.contradictions * 50 < all.flips && all.vanished > 100 && all.behind > 50, "{all:?}");
}
