//! One network × its inputs → one [`UnitRecord`]. This is the science: it knows nothing of MPI, files or terminals.

use std::time::Instant;

use ndarray::Array2;

use crate::experiment::{Experiment, Precision, Unit};
use crate::kernels::Real;
use crate::limit;
use crate::network::dense::Dense;
use crate::network::implicit::Implicit;
use crate::network::{Engine, ValueAndGradient};
use crate::plan::CellPlan;
use crate::random::NetworkStreams;
use crate::results::{EngineName, SearchName};
use crate::search::{Outcome, Start, one_layer, scan, through_the_origin, trace};

/// Goes up with every change after which an experiment gives other samples, in any bit. Runs are resumed within one version only.
pub const SCIENCE_VERSION: u32 = 2;

/// What became of the search for one input. The discriminants are the codes in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The smallest step, with a certificate that no earlier one exists.
    FoundExact = 0,
    /// A step bracketed by a verified scan: an earlier crossing is unlikely but not excluded.
    FoundScan = 1,
    /// No sign change within the bound.
    NoneWithinBound = 2,
    /// f(x) = 0 or ∇f(x) = 0: there is no direction to step in.
    Dead = 3,
}

impl Status {
    pub const ALL: [Status; 4] = [Status::FoundExact, Status::FoundScan, Status::NoneWithinBound, Status::Dead];

    /// The status with file code `code`.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Status::FoundExact => "found-exact",
            Status::FoundScan => "found-scan",
            Status::NoneWithinBound => "none-within-bound",
            Status::Dead => "dead",
        }
    }

    pub fn is_found(self) -> bool {
        matches!(self, Status::FoundExact | Status::FoundScan)
    }
}

/// The measurement at one input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// η*, the smallest t > 0 at which f(x − sign(f(x))·t·∇f(x)) has lost the sign of f(x); NaN unless found.
    pub step: f64,
    /// ‖∇f(x)‖.
    pub gradient_norm: f64,
    /// f(x).
    pub value: f64,
    pub status: Status,
    /// Work of the search for this input: passes over the neurons (search `line`), linear pieces (`trace`), network evaluations (`scan`),
    /// or sampled points (`path`).
    pub evaluations: u32,
}

/// All samples of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitRecord {
    pub unit: Unit,
    /// One for each input, in input order.
    pub samples: Vec<Sample>,
    /// Seconds of one thread that the unit took. The only field that may differ between two runs.
    pub seconds: f64,
}

/// Measures one network on all its inputs.
pub fn measure(experiment: &Experiment, plan: &CellPlan, unit: Unit) -> UnitRecord {
    let start = Instant::now();
    let streams = NetworkStreams::new(experiment.seed, plan.cell, unit.network, experiment.gain, experiment.readout);
    let Experiment { inputs, bound, precision, .. } = *experiment;
    let CellPlan { cell, engine, search, keep, .. } = *plan;
    let samples = match (engine, precision) {
        (EngineName::Dense, Precision::F32) => samples(&mut Dense::<f32>::new(streams, cell, inputs, keep), search, bound),
        (EngineName::Dense, Precision::F64) => samples(&mut Dense::<f64>::new(streams, cell, inputs, keep), search, bound),
        (EngineName::Implicit, Precision::F32) => samples(&mut Implicit::<f32>::new(streams, cell, inputs), search, bound),
        (EngineName::Implicit, Precision::F64) => samples(&mut Implicit::<f64>::new(streams, cell, inputs), search, bound),
        (EngineName::Limit, _) => limit::samples(streams, cell, experiment),
    };
    UnitRecord { unit, samples, seconds: start.elapsed().as_secs_f64() }
}

/// f, ‖∇f‖ and η* at every input of `engine`.
pub fn samples<T: Real>(engine: &mut dyn Engine<T>, search: SearchName, bound: f64) -> Vec<Sample> {
    let ValueAndGradient { value, gradient } = engine.value_and_gradient();
    let norm = norms(&gradient);
    let lines = starts(&value, &norm);
    let dim = gradient.ncols();
    let directions = descent_directions(&value, gradient);
    let outcomes = if dim == 1 {
        lines.iter().map(|line| through_the_origin(line, bound)).collect()
    } else if lines.is_empty() {
        Vec::new()
    } else {
        engine.set_directions(directions);
        smallest_steps(engine, &lines, search, bound)
    };
    let dead = Sample { step: f64::NAN, gradient_norm: 0.0, value: 0.0, status: Status::Dead, evaluations: 0 };
    let mut samples: Vec<Sample> =
        value.iter().zip(&norm).map(|(&value, &gradient_norm)| Sample { value, gradient_norm, ..dead }).collect();
    for (line, outcome) in lines.iter().zip(outcomes) {
        let Outcome { step, status, evaluations } = outcome;
        samples[line.input] = Sample { step, status, evaluations, ..samples[line.input] };
    }
    samples
}

/// ‖∇f‖ of each row, summed in f64.
fn norms<T: Real>(gradient: &Array2<T>) -> Vec<f64> {
    gradient.rows().into_iter().map(|row| row.iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>().sqrt()).collect()
}

/// The lines of the inputs that are not dead.
fn starts(value: &[f64], norm: &[f64]) -> Vec<Start> {
    let alive = value.iter().zip(norm).enumerate().filter(|(_, (value, norm))| **value != 0.0 && **norm > 0.0);
    alive.map(|(input, (value, norm))| Start { input, sign: value.signum(), value: value.abs(), decline: norm * norm }).collect()
}

/// p = −sign(f)·∇f, n × d.
fn descent_directions<T: Real>(value: &[f64], mut gradient: Array2<T>) -> Array2<T> {
    for (mut row, value) in gradient.rows_mut().into_iter().zip(value) {
        if *value > 0.0 {
            row.mapv_inplace(|g| -g);
        }
    }
    gradient
}

fn smallest_steps<T: Real>(engine: &mut dyn Engine<T>, lines: &[Start], search: SearchName, bound: f64) -> Vec<Outcome> {
    match search {
        SearchName::Line => one_layer::smallest_steps(engine, lines, bound),
        SearchName::Scan => scan::smallest_steps(engine, lines, bound),
        SearchName::Path => unreachable!("an infinitely wide network has no engine: limit::samples draws its steps"),
        SearchName::Trace => {
            let traced = trace::smallest_steps(engine, lines, bound);
            let given_up: Vec<Start> =
                lines.iter().zip(&traced).filter(|(_, outcome)| outcome.is_none()).map(|(line, _)| *line).collect();
            let mut scanned = match given_up.is_empty() {
                true => Vec::new(),
                false => scan::smallest_steps(engine, &given_up, bound),
            }
            .into_iter();
            traced
                .into_iter()
                .map(|outcome| outcome.unwrap_or_else(|| scanned.next().expect("one for each line given up")))
                .collect()
        }
    }
}
