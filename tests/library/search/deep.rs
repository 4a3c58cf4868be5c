//! Trace and scan of deep networks against a fine grid over a naive implementation.

use crate::common::naive::{Naive, along};
use crate::common::stored;
use advstep_hpc::measure::samples;
use advstep_hpc::model::Cell;
use advstep_hpc::model::SearchName;
use advstep_hpc::network::Engine;
use advstep_hpc::record::Status;
use advstep_hpc::search::scan::NARROW;

const BOUND: f64 = 20.0;
const GRID: usize = 2000;

/// φ of each input: the naive network, the inputs and the signed directions.
struct Lines {
    naive: Naive,
    directions: Vec<Vec<f64>>,
    signs: Vec<f64>,
}

impl Lines {
    fn of(cell: Cell, network: usize, inputs: usize) -> Self {
        let mut engine = stored::<f64>(41, cell, network, inputs);
        let result = engine.differentiate().0;
        let signs: Vec<f64> = result.value.iter().map(|f| f.signum()).collect();
        let direction = |(input, sign): (usize, &f64)| result.gradient.row(input).iter().map(|g| -sign * g).collect();
        let directions = signs.iter().enumerate().map(direction).collect();
        Self { naive: Naive::of(&mut engine, cell), directions, signs }
    }

    fn phi(&self, input: usize, t: f64) -> f64 {
        self.signs[input] * self.naive.value(&along(&self.naive.inputs[input], &self.directions[input], t))
    }

    /// The first grid interval with a flip.
    fn first_on_grid(&self, input: usize) -> Option<(f64, f64)> {
        let at = |point: usize| BOUND * point as f64 / GRID as f64;
        (1..=GRID).find(|&point| self.phi(input, at(point)) < 0.0).map(|point| (at(point - 1), at(point)))
    }
}

// Not d = 1, where every line passes through 0 and φ is exactly 0 there without a sign change.
const CELLS: [(usize, usize, usize); 8] =
    [(2, 2, 2), (2, 3, 10), (2, 10, 30), (3, 2, 5), (3, 10, 20), (4, 5, 30), (5, 10, 12), (6, 10, 30)];

/// The same, plus networks whose hidden layers differ in width.
fn cells() -> impl Iterator<Item = Cell> {
    let equal = CELLS.into_iter().map(|(depth, dim, width)| Cell::new(depth, dim, width));
    let layers: [(usize, &[usize]); 3] = [(10, &[30, 10, 20]), (5, &[4, 12]), (3, &[20, 5, 3, 9])];
    equal.chain(layers.map(|(dim, widths)| Cell::of_layers(dim, widths)))
}

#[test]
fn tracing_finds_the_first_crossing_of_an_exhaustive_grid() {
    let (mut found, mut finer_than_the_grid) = (0, 0);
    for cell in cells() {
        for network in 0..10 {
            let lines = Lines::of(cell, network, 10);
            let samples = samples(&mut stored::<f64>(41, cell, network, 10), SearchName::Trace, BOUND).unwrap();
            for (input, sample) in samples.iter().enumerate() {
                if sample.status == Status::Dead {
                    continue;
                }
                let grid = lines.first_on_grid(input);
                let what = format!("{cell} network {network} input {input}: traced {sample:?}, grid {grid:?}");
                match (sample.status, grid) {
                    (Status::FoundExact, grid) => {
                        found += 1;
                        let step = sample.step;
                        assert!(lines.phi(input, step * (1.0 - 1e-7)) >= 0.0, "{what}: the other sign before");
                        assert!(lines.phi(input, step * (1.0 + 1e-7)) < 0.0, "{what}: no flip after");
                        assert!(grid.is_none_or(|(_, right)| step <= right), "{what}: the grid crosses earlier");
                        finer_than_the_grid += usize::from(grid.is_none_or(|(left, _)| step < left));
                    }
                    (status, grid) => {
                        assert!(matches!(status, Status::NoneWithinBound | Status::Vanished), "{what}");
                        assert!(grid.is_none(), "{what}: the grid crosses");
                    }
                }
            }
        }
    }
    assert!(found > 300, "only {found} found");
    assert!(finer_than_the_grid < found / 50, "{finer_than_the_grid} of {found} crossings fell between grid points");
}

#[test]
fn scanning_brackets_a_crossing_and_misses_few_earlier_ones() {
    let (mut found, mut missed) = (0, 0);
    // Scanned steps farther than 1e-4 from a sign change; none may be farther than the bracket width.
    let (mut scanned_steps, mut rough) = (0, 0);
    for cell in cells().chain([Cell::new(2, 50, 300), Cell::new(3, 20, 200), Cell::of_layers(20, &[200, 50, 100])]) {
        for network in 0..10 {
            let lines = Lines::of(cell, network, 10);
            let traced = samples(&mut stored::<f64>(41, cell, network, 10), SearchName::Trace, BOUND).unwrap();
            let scanned = samples(&mut stored::<f64>(41, cell, network, 10), SearchName::Scan, BOUND).unwrap();
            for (input, (scan, trace)) in scanned.iter().zip(&traced).enumerate() {
                if scan.status == Status::FoundScan {
                    let changes_sign_within = |distance: f64| {
                        lines.phi(input, scan.step * (1.0 - distance)) >= 0.0
                            && lines.phi(input, scan.step * (1.0 + distance)) < 0.0
                    };
                    assert!(changes_sign_within(NARROW), "{cell} network {network} input {input}: {scan:?}");
                    scanned_steps += 1;
                    rough += usize::from(!changes_sign_within(1e-4));
                }
                if trace.status == Status::FoundExact {
                    found += 1;
                    missed += usize::from(!scan.status.is_found() || scan.step > trace.step * (1.0 + 1e-3));
                }
            }
        }
    }
    assert!(missed * 20 < found, "the scan missed {missed} of {found}");
    println!("{rough} of {scanned_steps} steps are farther than 1e-4 from a sign change");
    assert!(rough * 100 < scanned_steps, "{rough} of {scanned_steps} steps are farther than 1e-4 from a sign change");
}

#[test]
fn searches_of_depth_one_agree() {
    for (dim, width) in [(3, 10), (20, 200), (100, 2000)] {
        let cell = Cell::new(1, dim, width);
        let exact = samples(&mut stored::<f64>(42, cell, 0, 50), SearchName::Line, BOUND).unwrap();
        let traced = samples(&mut stored::<f64>(42, cell, 0, 50), SearchName::Trace, BOUND).unwrap();
        for (exact, traced) in exact.iter().zip(&traced) {
            assert_eq!(exact.status, traced.status);
            assert!(exact.step.is_nan() || (exact.step - traced.step).abs() <= 1e-9 * exact.step, "{exact:?} against {traced:?}");
        }
    }
}
