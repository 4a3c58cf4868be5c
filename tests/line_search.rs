//! The exact search at depth 1 against brute force over all breakpoints, on thousands of small networks.

mod common;

use advstep_hpc::experiment::Cell;
use advstep_hpc::kernels::Real;
use advstep_hpc::network::Engine;
use advstep_hpc::search::{Outcome, Start, one_layer};
use advstep_hpc::unit::Status;
use common::stored;

/// φ·√k = s Σ a ψ(z + t u) of one line, in f64.
struct Line {
    z: Vec<f64>,
    u: Vec<f64>,
    /// s·a.
    a: Vec<f64>,
}

impl Line {
    fn phi(&self, t: f64) -> f64 {
        self.z.iter().zip(&self.u).zip(&self.a).map(|((z, u), a)| a * (z + t * u).max(0.0)).sum()
    }

    /// Every sign change of φ in (0, bound], from the values at all breakpoints. O(k²).
    fn crossings(&self, bound: f64) -> Vec<f64> {
        let mut corners: Vec<f64> = self.z.iter().zip(&self.u).map(|(z, u)| -z / u).filter(|t| *t > 0.0 && *t < bound).collect();
        corners.push(0.0);
        corners.push(bound);
        corners.sort_by(f64::total_cmp);
        // φ is exactly 0 where all neurons are off and where the line meets the origin: there it is 0 or rounding noise here.
        let zero = 1e-13 * self.phi(0.0);
        let values: Vec<f64> = corners.iter().map(|&t| self.phi(t) - zero).collect();
        let mut crossings = Vec::new();
        for piece in 1..corners.len() {
            let (left, right) = (values[piece - 1], values[piece]);
            if (left > 0.0) != (right > 0.0) {
                let (start, end) = (corners[piece - 1], corners[piece]);
                crossings.push(start + (end - start) * left / (left - right));
            }
        }
        crossings
    }
}

/// The lines of all live inputs of one network, and what the search says of them.
fn searched<T: Real>(cell: Cell, network: usize, inputs: usize, bound: f64) -> Vec<(Line, Outcome)> {
    let mut engine = stored::<T>(31, cell, network, inputs);
    let result = engine.value_and_gradient();
    let starts: Vec<Start> = (0..inputs)
        .filter_map(|input| {
            let decline: f64 = result.gradient.row(input).iter().map(|g| g.to_f64().powi(2)).sum();
            let value = result.value[input];
            let line = Start { input, sign: value.signum(), value: value.abs(), decline };
            (value != 0.0 && decline > 0.0).then_some(line)
        })
        .collect();
    if starts.is_empty() {
        return Vec::new();
    }
    let mut directions = result.gradient.clone();
    for start in &starts {
        directions.row_mut(start.input).mapv_inplace(|g| if start.sign > 0.0 { -g } else { g });
    }
    engine.set_directions(directions);
    let mut lines: Vec<Line> = starts.iter().map(|_| Line { z: Vec::new(), u: Vec::new(), a: Vec::new() }).collect();
    engine.visit_first_layer(&mut |block| {
        for (line, start) in lines.iter_mut().zip(&starts) {
            line.z.extend(block.z.row(start.input).iter().map(|z| z.to_f64()));
            line.u.extend(block.u.row(start.input).iter().map(|u| u.to_f64()));
            line.a.extend(block.readout.iter().map(|a| start.sign * a.to_f64()));
        }
    });
    lines.into_iter().zip(one_layer::smallest_steps(&mut engine, &starts, bound)).collect()
}

#[derive(Default)]
struct Tally {
    lines: usize,
    found: usize,
    double: usize,
    triple: usize,
}

fn check_against_brute_force<T: Real>(cell: Cell, network: usize, bound: f64, tally: &mut Tally) {
    for (line, outcome) in searched::<T>(cell, network, 10, bound) {
        tally.lines += 1;
        let crossings = line.crossings(bound);
        tally.double += usize::from(crossings.len() == 2);
        tally.triple += usize::from(crossings.len() >= 3);
        match crossings.first() {
            Some(&first) => {
                tally.found += 1;
                assert_eq!(outcome.status, Status::FoundExact, "{cell} network {network}: brute force found {first}");
                assert!((outcome.step - first).abs() <= 1e-9 * first, "{cell} network {network}: {} against {first}", outcome.step);
            }
            None => assert_eq!(outcome.status, Status::NoneWithinBound, "{cell} network {network}: found {}", outcome.step),
        }
    }
}

#[test]
fn the_step_is_the_first_crossing_of_brute_force() {
    let mut tally = Tally::default();
    for dim in [1, 2, 3, 5, 10, 30] {
        for width in [1, 2, 3, 4, 6, 9, 15, 40, 100] {
            for network in 0..50 {
                let cell = Cell { depth: 1, dim, width };
                check_against_brute_force::<f64>(cell, network, 20.0, &mut tally);
                check_against_brute_force::<f32>(cell, network, 20.0, &mut tally);
            }
        }
    }
    assert!(tally.lines > 40_000, "{} lines", tally.lines);
    assert!(tally.found > 20_000, "{} found", tally.found);
    // Lines that cross again after the first time: the search must not report the later one.
    assert!(tally.double > 500 && tally.triple > 50, "{} double and {} triple crossings", tally.double, tally.triple);
}

#[test]
fn a_bound_cuts_the_search_and_nothing_else() {
    let mut tally = Tally::default();
    for bound in [0.3, 1.0, 2.5, 100.0] {
        for network in 0..40 {
            check_against_brute_force::<f64>(Cell { depth: 1, dim: 4, width: 30 }, network, bound, &mut tally);
        }
    }
    assert!(tally.found > 0 && tally.found < tally.lines);
}

#[test]
fn phi_changes_sign_at_the_step_and_nowhere_before() {
    for (dim, width) in [(2, 30), (10, 300), (20, 1000), (100, 5000)] {
        for network in 0..4 {
            let cell = Cell { depth: 1, dim, width };
            for (line, outcome) in searched::<f32>(cell, network, 25, 20.0) {
                let step = if outcome.status.is_found() { outcome.step } else { 20.0 };
                for point in 0..400 {
                    let t = step * (1.0 - 1e-4) * f64::from(point) / 399.0;
                    assert!(line.phi(t) > 0.0, "{cell} network {network}: φ({t}) ≤ 0 before the step {step}");
                }
                if outcome.status.is_found() {
                    let after = step * (1.0 + 1e-4);
                    assert!(line.phi(after) <= 0.0, "{cell} network {network}: φ({after}) > 0 after the step {step}");
                }
            }
        }
    }
}
