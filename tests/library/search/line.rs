//! The exact line search against brute force over all breakpoints, on thousands of small networks.

use crate::common::naive::Naive;
use crate::common::stored;
use advstep_hpc::kernels::Real;
use advstep_hpc::measure::samples;
use advstep_hpc::model::Activation;
use advstep_hpc::model::Cell;
use advstep_hpc::model::SearchName;
use advstep_hpc::network::dense::Dense;
use advstep_hpc::network::{Differentiated, Engine, LineBlock, LinePoint, Lines};
use advstep_hpc::record::Status;
use advstep_hpc::search::{Outcome, Start, one_layer};
use ndarray::ArrayView2;

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

    /// The first zero of φ in (0, 20], walking all breakpoints from `value` and `slope` at 0.
    fn first_crossing(&self, mut value: f64, mut slope: f64) -> Option<f64> {
        let neurons = self.z.iter().zip(&self.u).zip(&self.a);
        let corner = |((z, u), a): ((&f64, &f64), &f64)| (-z / u, a * u.abs());
        let mut corners: Vec<(f64, f64)> = neurons.map(corner).filter(|(t, _)| (0.0..20.0).contains(t)).collect();
        corners.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut t = 0.0;
        for (corner, jump) in corners.into_iter().chain([(20.0, 0.0)]) {
            let next = value + slope * (corner - t);
            if next <= 0.0 {
                return Some(t - value / slope);
            }
            (t, value, slope) = (corner, next, slope + jump);
        }
        None
    }

    /// Every flip of φ to < 0 in (0, bound], and the beginning of the first interval of zeros, from the values at all breakpoints. O(k²).
    fn flips_and_zero(&self, bound: f64) -> (Vec<f64>, Option<f64>) {
        let mut corners: Vec<f64> = self.z.iter().zip(&self.u).map(|(z, u)| -z / u).filter(|t| *t > 0.0 && *t < bound).collect();
        corners.push(0.0);
        corners.push(bound);
        corners.sort_by(f64::total_cmp);
        // φ is exactly 0 where all neurons are inactive and at the origin; here it is 0 or rounding noise.
        let magnitude: f64 = self.z.iter().zip(&self.u).zip(&self.a).map(|((z, u), a)| a.abs() * (z.abs() + bound * u.abs())).sum();
        let sign = |value: f64| if value.abs() <= 1e-14 * magnitude { 0 } else { value.signum() as i32 };
        let values: Vec<f64> = corners.iter().map(|&t| self.phi(t)).collect();
        let (mut flips, mut zero, mut is_positive) = (Vec::new(), None, true);
        for piece in 1..corners.len() {
            let (start, end, left, right) = (corners[piece - 1], corners[piece], values[piece - 1], values[piece]);
            match (sign(left), sign(right)) {
                (0, 0) if end - start > 1e-9 * end => zero = zero.or(Some(start)),
                (left_sign, -1) if is_positive => {
                    flips.push(if left_sign > 0 { start + (end - start) * left / (left - right) } else { start });
                    is_positive = false;
                }
                (_, 1) => is_positive = true,
                _ => {}
            }
        }
        (flips, zero)
    }
}

/// The lines of all live inputs of a network, with the search results.
fn searched<T: Real>(cell: Cell, network: usize, inputs: usize, bound: f64) -> Vec<(Line, Outcome)> {
    let mut engine = stored::<T>(31, cell, network, inputs);
    let (result, mut network) = engine.differentiate();
    let starts: Vec<Start> = (0..inputs)
        .filter_map(|input| {
            let decline: f64 = result.gradient.row(input).iter().map(|g| g.to_f64().powi(2)).sum();
            let value = result.value[input];
            let line =
                Start { input, sign: value.signum(), value: value.abs(), decline, slope: -decline, bound, spacing: f64::INFINITY };
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
    let mut network = network.lines(directions);
    let mut lines: Vec<Line> = starts.iter().map(|_| Line { z: Vec::new(), u: Vec::new(), a: Vec::new() }).collect();
    network.visit_first_layer(&mut |block| {
        for (line, start) in lines.iter_mut().zip(&starts) {
            line.z.extend(block.z.row(start.input).iter().map(|z| z.to_f64()));
            line.u.extend(block.u.row(start.input).iter().map(|u| u.to_f64()));
            line.a.extend(block.readout.iter().map(|a| start.sign * a.to_f64()));
        }
    });
    lines.into_iter().zip(one_layer::smallest_steps(&mut network, &starts).unwrap()).collect()
}

#[derive(Default)]
struct Tally {
    lines: usize,
    found: usize,
    /// Lines with an interval of zeros before their first flip, or with two flips, or more.
    zeros: usize,
    double: usize,
    triple: usize,
}

fn check_against_brute_force<T: Real>(cell: Cell, network: usize, bound: f64, tally: &mut Tally) {
    for (line, outcome) in searched::<T>(cell, network, 10, bound) {
        tally.lines += 1;
        let (flips, zero) = line.flips_and_zero(bound);
        let what = format!("{cell} network {network}: {outcome:?}, brute force found {flips:?}, {zero:?}");
        tally.double += usize::from(flips.len() == 2);
        tally.triple += usize::from(flips.len() >= 3);
        tally.found += usize::from(!flips.is_empty());
        let zero = zero.filter(|zero| flips.first().is_none_or(|flip| zero < flip));
        tally.zeros += usize::from(zero.is_some());
        let status = match (flips.first(), zero) {
            (Some(_), _) => Status::FoundExact,
            (None, Some(_)) => Status::Vanished,
            (None, None) => Status::NoneWithinBound,
        };
        assert_eq!(outcome.status, status, "{what}");
        for (found, expected) in [(outcome.step, flips.first().copied()), (outcome.zero_step, zero)] {
            let is_close = expected.map_or(found.is_nan(), |expected| (found - expected).abs() <= 1e-9 * expected);
            assert!(is_close, "{what}");
        }
    }
}

#[test]
fn the_step_is_the_first_crossing_of_brute_force() {
    let mut tally = Tally::default();
    // At d = 1 all breakpoints coincide, and the line is not searched.
    for dim in [2, 3, 5, 10, 30] {
        for width in [1, 2, 3, 4, 6, 9, 15, 40, 100] {
            for network in 0..50 {
                let cell = Cell::new(1, dim, width);
                check_against_brute_force::<f64>(cell, network, 20.0, &mut tally);
                check_against_brute_force::<f32>(cell, network, 20.0, &mut tally);
            }
        }
    }
    assert!(tally.lines > 35_000, "{} lines", tally.lines);
    assert!(tally.zeros > 1000, "{} with zeros", tally.zeros);
    assert!(tally.found > 20_000, "{} found", tally.found);
    // Lines with several crossings: the search must report the first.
    assert!(tally.double > 100 && tally.triple > 5, "{} with two flips and {} with more", tally.double, tally.triple);
}

#[test]
fn a_bound_cuts_the_search_and_nothing_else() {
    let mut tally = Tally::default();
    for bound in [0.3, 1.0, 2.5, 100.0] {
        for network in 0..40 {
            check_against_brute_force::<f64>(Cell::new(1, 4, 30), network, bound, &mut tally);
        }
    }
    assert!(tally.found > 0 && tally.found < tally.lines);
}

#[test]
fn phi_changes_sign_at_the_step_and_nowhere_before() {
    for (dim, width) in [(2, 30), (10, 300), (20, 1000), (100, 5000)] {
        for network in 0..4 {
            let cell = Cell::new(1, dim, width);
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

/// An engine with a given line.
struct Given(Line);

impl Lines<f64> for Given {
    fn depth(&self) -> usize {
        1
    }
    fn width(&self, _: usize) -> usize {
        self.0.z.len()
    }
    fn activation(&self) -> Activation {
        Activation::Relu
    }
    fn visit_first_layer(&mut self, visit: &mut dyn FnMut(LineBlock<f64>)) {
        let width = self.0.z.len();
        let row = |numbers: &Vec<f64>| ArrayView2::from_shape((1, width), numbers).unwrap().to_owned();
        let (z, u) = (row(&self.0.z), row(&self.0.u));
        visit(LineBlock { neurons: 0..width, readout: &self.0.a, z: z.view(), u: u.view() });
    }
    fn evaluate(&mut self, _: &[LinePoint]) -> Vec<f64> {
        unreachable!("the exact search evaluates nothing")
    }
}

/// A pseudo-random number in [0, 1).
fn fraction(index: u64) -> f64 {
    let word = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The start of a line of `width` neurons with φ(0) = `value` and φ'(0) = −`decline`, both times √k.
fn start(width: usize, value: f64, decline: f64) -> Start {
    let scale = 1.0 / (width as f64).sqrt();
    Start {
        input: 0,
        sign: 1.0,
        value: scale * value,
        decline: scale * decline,
        slope: -scale * decline,
        bound: 20.0,
        spacing: f64::INFINITY,
    }
}

#[test]
fn more_breakpoints_than_are_listed_take_one_pass_if_the_root_is_where_it_is_predicted() {
    // φ falls from 1 at rate 0.9, bent by 60,000 breakpoints in (0, 3) whose jumps add up to 3 · `bend`. The first window extends to twice
    // `predicted`, at most to 20, the second to 20.
    let count = 60_000;
    for (bend, root, predicted, passes) in [
        (0.0, 1.1..1.12, 1.11, 1),
        (0.03, 1.1..1.2, 1.11, 1),
        (0.35, 1.6..2.5, 1.11, 2),
        (-0.5, 0.7..0.9, 1.11, 2),
        (0.0, 1.1..1.12, 0.1, 3),
        (0.0, 1.1..1.12, 15.0, 2),
        (0.0, 1.1..1.12, f64::INFINITY, 2),
    ] {
        let mut line = Line { z: vec![2.0, 1.0], u: vec![-0.9, 1e-9], a: vec![1.0, -1.0] };
        for index in 0..count {
            let (t, slope) = (3.0 * fraction(index), 3.0 * (0.5 + fraction(index + 500_000)) / count as f64);
            // Active falling or inactive rising; the sign of a is that of the slope's jump.
            let side = if index % 2 == 0 { 1.0 } else { -1.0 };
            let jump = if fraction(index + 900_000) < 0.5 + 0.5 * bend { 1.0 } else { -1.0 };
            line.z.push(side * slope * t);
            line.u.push(-side * slope);
            line.a.push(jump);
        }
        let (value, slope) = (line.phi(0.0), (line.phi(1e-7) - line.phi(0.0)) / 1e-7);
        // Compensates the active neurons' contribution to φ(0) and φ'(0).
        line.z.extend([(1.0 - value).abs(), 1e-6]);
        line.u.extend([0.0, (-0.9 - slope).abs()]);
        line.a.extend([(1.0 - value).signum(), (-0.9 - slope).signum()]);
        let (value, slope) = (line.phi(0.0), (line.phi(1e-7) - line.phi(0.0)) / 1e-7);
        let first = line.first_crossing(value, slope).expect("it falls");
        let start = start(line.z.len(), value, value / predicted);
        let outcome = one_layer::smallest_steps(&mut Given(line), &[start]).unwrap()[0];
        assert!(root.contains(&first), "bend {bend}, {predicted}: the root is at {first}");
        assert!((outcome.step - first).abs() <= 1e-6 * first, "bend {bend}, {predicted}: {outcome:?} against {first}");
        assert_eq!(outcome.evaluations, passes, "bend {bend}, {predicted}");
    }
}

#[test]
fn crowded_breakpoints_are_told_apart() {
    // Tens of thousands of breakpoints in an interval of width `spread` at t = 1, and one neuron that sets φ(0) = 1: φ falls at rate 0.01 and, with
    // the crowd's jumps, crosses 0 somewhere in the interval or never. The predicted step is beside the crowd or inside it.
    let mut found = 0;
    for (spread, decline) in [(0.5, 0.9), (1e-3, 0.9), (1e-7, 0.9), (1e-3, 1.0), (1e-7, 1.0), (1e-11, 1.0)] {
        for seed in 0..20_u64 {
            let count = 30_000;
            let fraction = |index: usize, salt: u64| fraction(index as u64 + seed * 1_000_003 + salt * 7_777_777);
            let mut line = Line { z: vec![1.0], u: vec![-0.9], a: vec![1.0] };
            for index in 0..count {
                let t = 1.0 + spread * (fraction(index, 1) - 0.5);
                let slope = fraction(index, 2);
                // Inactive and rising: it turns on at t, with either sign.
                line.z.push(-slope * t);
                line.u.push(slope);
                line.a.push(if fraction(index, 3) < 0.5 { 1.0 } else { -1.0 } / (count as f64).sqrt() * 30.0);
            }
            let first = line.first_crossing(1.0, -0.9);
            let outcome = one_layer::smallest_steps(&mut Given(line), &[start(count + 1, 1.0, decline)]).unwrap()[0];
            match first {
                Some(first) => {
                    found += 1;
                    assert!(
                        (outcome.step - first).abs() <= 1e-9 * first,
                        "spread {spread}, seed {seed}: {outcome:?} against {first}"
                    );
                }
                None => assert_eq!(outcome.status, Status::NoneWithinBound, "spread {spread}, seed {seed}"),
            }
        }
    }
    assert!(found > 40 && found < 120, "{found} of 120 found: the case should be mixed");
}

#[test]
fn one_dimension_has_a_closed_form_in_every_precision_and_search() {
    // The line passes through the origin, where f is exactly 0: η* = η̂ if f(−x) has the other sign.
    for (depth, width) in [(1, 1), (1, 100), (2, 30), (3, 300)] {
        let cell = Cell::new(depth, 1, width);
        for search in [SearchName::Line, SearchName::Trace, SearchName::Scan] {
            for network in 0..20 {
                check_through_origin(stored::<f32>(5, cell, network, 10), cell, search);
                check_through_origin(stored::<f64>(5, cell, network, 10), cell, search);
            }
        }
    }
}

fn check_through_origin<T: Real>(mut engine: Dense<T>, cell: Cell, search: SearchName) {
    let naive = Naive::of(&mut engine, cell);
    let samples = samples(&mut engine, search, 20.0).unwrap();
    for (x, sample) in naive.inputs.iter().zip(&samples).filter(|(_, sample)| sample.status != Status::Dead) {
        let predicted = sample.value.abs() / sample.gradient_norm.powi(2);
        let flips = sample.value.signum() * naive.value(&[-x[0]]) < 0.0;
        let is_predicted = |step: f64| (step - predicted).abs() <= 1e-12 * predicted;
        match sample.status {
            Status::FoundExact => assert!(flips && is_predicted(sample.step), "{sample:?}"),
            Status::Vanished => assert!(!flips && is_predicted(sample.zero_step), "{sample:?}"),
            status => assert!(status == Status::NoneWithinBound && predicted > 20.0, "{sample:?}"),
        }
    }
}
