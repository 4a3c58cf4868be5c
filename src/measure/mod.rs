//! Measures one network on its inputs: the science, independent of MPI, files and terminals.

pub mod directions;

use std::time::Instant;

use ndarray::Array2;

use crate::error::Failed;
use crate::experiment::Experiment;
use crate::infinite;
use crate::kernels::Real;
use crate::linalg::workspace;
use crate::model::{Activation, Cell, Direction, EngineName, Method, Precision, SearchName, Unit};
use crate::network::dense::{Dense, Keep};
use crate::network::implicit::Implicit;
use crate::network::inputs::inputs;
use crate::network::shallow::Shallow;
use crate::network::{Differentiated, Engine, Lines, ValueAndGradient};
use crate::random::NetworkStreams;
use crate::record::{Sample, Status, UnitRecord, check_sample};
use crate::search::{NotFinite, Outcome, Start, descent, march, one_layer, scan, through_the_origin, trace};

/// Bump whenever any output bit of any experiment changes. Runs resume within one version only.
///
/// 9: engine and search follow the frozen rule of [`method`](crate::method) instead of predicted times, and therefore change in
/// some cells near the break-even of two engines. No cell of a preset is affected.
pub const SCIENCE_VERSION: u32 = 9;

/// A network cannot be measured because a value overflows in the chosen precision.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {why}", self.what())]
pub struct OutOfRange {
    /// The cell, formatted.
    cell: String,
    network: usize,
    why: String,
    precision: Precision,
}

impl OutOfRange {
    fn what(&self) -> String {
        format!("network {} of cell {} cannot be measured", self.network, self.cell)
    }

    pub fn new(cell: Cell, network: usize, precision: Precision, why: impl Into<String>) -> Self {
        Self { cell: cell.to_string(), network, why: why.into(), precision }
    }
}

impl From<OutOfRange> for Failed {
    fn from(error: OutOfRange) -> Self {
        let or_f64 = if error.precision == Precision::F32 { ", or precision f64" } else { "" };
        Failed::new(error.what(), error.why, format!("give a smaller bound or gain{or_f64}"))
    }
}

/// How the networks of a cell are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellRun {
    pub cell: Cell,
    pub method: Method,
    /// What a network keeps between passes. Does not affect results; unused at infinite width.
    pub keep: Keep,
}

/// Buffers reused by successive networks of one cell, in both precisions.
#[derive(Clone, Default)]
pub struct Workspace {
    single: workspace::Workspace<f32>,
    double: workspace::Workspace<f64>,
}

impl Workspace {
    fn begin_network(&self) {
        self.single.begin_network();
        self.double.begin_network();
    }

    /// Frees the buffers; call when moving to another cell.
    pub fn release(&self) {
        self.single.release();
        self.double.release();
    }
}

/// Measures one network on all its inputs.
///
/// # Errors
/// If an intermediate value is not finite, or a sample would be rejected by [`check_sample`].
pub fn measure(experiment: &Experiment, run: &CellRun, unit: Unit) -> Result<UnitRecord, OutOfRange> {
    measure_in(&Workspace::default(), experiment, run, unit)
}

/// [`measure`] with buffers from `workspace`.
///
/// # Errors
/// As for [`measure`].
pub fn measure_in(workspace: &Workspace, experiment: &Experiment, run: &CellRun, unit: Unit) -> Result<UnitRecord, OutOfRange> {
    let start = Instant::now();
    workspace.begin_network();
    let Experiment { seed, inputs, gain, readout, bound, precision, .. } = *experiment;
    let streams = NetworkStreams::new(seed, run.cell, unit.network, gain, readout);
    let samples = match (run.method.engine, precision) {
        (EngineName::Limit, _) => infinite::samples(streams, run.cell, inputs, gain, bound),
        (_, Precision::F32) => finite_width_samples(experiment, run, streams, &workspace.single),
        (_, Precision::F64) => finite_width_samples(experiment, run, streams, &workspace.double),
    };
    let out_of_range = |why| OutOfRange::new(run.cell, unit.network, precision, why);
    let samples = samples.map_err(|error| out_of_range(error.to_string()))?;
    check_samples(&samples, experiment).map_err(out_of_range)?;
    Ok(UnitRecord { unit, samples, seconds: start.elapsed().as_secs_f64() })
}

/// Checks samples as the reader of results files does.
///
/// # Errors
/// The first invalid sample, as a message.
pub fn check_samples(samples: &[Sample], experiment: &Experiment) -> Result<(), String> {
    let check = |(index, sample)| {
        check_sample(sample, experiment.bound).map_err(|why| format!("input {}: {why}", index % experiment.inputs))
    };
    samples.iter().enumerate().try_for_each(check)
}

/// The samples of a network of finite width.
fn finite_width_samples<T: Real>(
    experiment: &Experiment,
    run: &CellRun,
    streams: NetworkStreams,
    workspace: &workspace::Workspace<T>,
) -> Result<Vec<Sample>, NotFinite> {
    let Experiment { bias, bound, .. } = *experiment;
    let inputs = inputs::<T>(&experiment.inputs_law, streams, run.cell, experiment.inputs, bias);
    let settings = Settings { directions: &experiment.directions, bias, streams, search: run.method.search, bound };
    let CellRun { cell, keep, method } = *run;
    match method.engine {
        EngineName::Shallow => {
            shallow_samples(&mut Shallow::new(streams, cell, inputs, keep.line, workspace), method.search, bound)
        }
        EngineName::Implicit => {
            samples_along(&mut Implicit::with(streams, cell, experiment.activation, inputs, workspace), &settings)
        }
        EngineName::Dense | EngineName::Limit => {
            samples_along(&mut Dense::with(streams, cell, experiment.activation, inputs, keep, workspace), &settings)
        }
    }
}

/// Directions and search for the lines of a network.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// At least one.
    pub directions: &'a [Direction],
    /// Whether the last input coordinate is a bias unit, which steps do not change.
    pub bias: bool,
    /// Streams for random directions.
    pub streams: NetworkStreams,
    pub search: SearchName,
    pub bound: f64,
}

/// f, ‖∇f‖ and η* along the gradient at every input of `engine`, without a bias unit.
///
/// # Errors
/// If an intermediate value is not finite.
pub fn samples<T: Real>(engine: &mut impl Engine<T>, search: SearchName, bound: f64) -> Result<Vec<Sample>, NotFinite> {
    let psi = engine.activation();
    let (result, mut network) = engine.differentiate();
    samples_along_gradient(result, psi, search, bound, |directions| network.lines(directions))
}

/// As [`samples`], for the shallow engine.
///
/// # Errors
/// If an intermediate value is not finite.
pub fn shallow_samples<T: Real>(engine: &mut Shallow<T>, search: SearchName, bound: f64) -> Result<Vec<Sample>, NotFinite> {
    let (result, network) = engine.differentiate();
    samples_along_gradient(result, Activation::Relu, search, bound, |directions| network.lines(directions))
}

fn samples_along_gradient<T: Real, L: Lines<T>>(
    ValueAndGradient { value, gradient }: ValueAndGradient<T>,
    psi: Activation,
    search: SearchName,
    bound: f64,
    network: impl FnOnce(Array2<T>) -> L,
) -> Result<Vec<Sample>, NotFinite> {
    let norm = norms(&gradient);
    check_values(&value, &norm)?;
    let mut samples = unsearched(&value, &norm);
    let lines = starts(&value, &norm, norm.iter().map(|norm| -norm * norm).collect());
    let directions = directions::descent(&value, gradient);
    search_along(&mut samples, &lines, directions, psi, search, bound, network)?;
    Ok(samples)
}

/// f, ‖P∇f‖ and η* at every input of `engine` for every direction, direction-major; P projects out the bias coordinate.
///
/// # Errors
/// If an intermediate value is not finite.
pub fn samples_along<T: Real>(engine: &mut impl Engine<T>, settings: &Settings) -> Result<Vec<Sample>, NotFinite> {
    let Settings { directions, bias, search, bound, streams } = *settings;
    if directions == [Direction::Gradient] && !bias {
        return samples(engine, search, bound);
    }
    let psi = engine.activation();
    let inputs = directions.contains(&Direction::Descent).then(|| engine.inputs().to_owned());
    let (ValueAndGradient { value, mut gradient }, mut network) = engine.differentiate();
    if bias {
        directions::zero_bias(&mut gradient);
    }
    let norm = norms(&gradient);
    check_values(&value, &norm)?;
    let mut all = Vec::with_capacity(directions.len() * value.len());
    for &direction in directions {
        let mut samples = unsearched(&value, &norm);
        if let (Direction::Descent, Some(inputs)) = (direction, &inputs) {
            let lines = starts(&value, &norm, norm.iter().map(|norm| -norm * norm).collect());
            let outcomes = match gradient.ncols() {
                1 if psi.is_piecewise_linear() => lines.iter().map(|line| through_the_origin(line, bound)).collect(),
                _ => descent::smallest_steps(&mut network, inputs.view(), &gradient, &lines, bias, bound)?,
            };
            store(&mut samples, &lines, outcomes);
        } else {
            let steps = directions::steps(&mut network, direction, &value, &gradient, &norm, bias, streams);
            let lines = starts(&value, &norm, directions::slopes(&value, &gradient, &steps));
            lines.iter().try_for_each(|line| NotFinite::check("the slope of f along p", line.input, line.slope))?;
            search_along(&mut samples, &lines, steps, psi, search, bound, |directions| network.lines(directions))?;
        }
        all.extend(samples);
    }
    Ok(all)
}

fn check_values(value: &[f64], norm: &[f64]) -> Result<(), NotFinite> {
    value.iter().zip(norm).enumerate().try_for_each(|(input, (&value, &norm))| {
        NotFinite::check("f(x)", input, value)?;
        NotFinite::check("‖∇f(x)‖", input, norm)
    })
}

/// Samples without a search result, marked dead.
fn unsearched(value: &[f64], norm: &[f64]) -> Vec<Sample> {
    let dead = Sample { step: f64::NAN, gradient_norm: 0.0, value: 0.0, status: Status::Dead, evaluations: 0 };
    value.iter().zip(norm).map(|(&value, &gradient_norm)| Sample { value, gradient_norm, ..dead }).collect()
}

/// Searches `lines`, with `directions` p, n × d, and stores the results in `samples`. `network` turns directions into lines.
fn search_along<T: Real, L: Lines<T>>(
    samples: &mut [Sample],
    lines: &[Start],
    directions: Array2<T>,
    psi: Activation,
    search: SearchName,
    bound: f64,
    network: impl FnOnce(Array2<T>) -> L,
) -> Result<(), NotFinite> {
    let outcomes = if directions.ncols() == 1 && psi.is_piecewise_linear() {
        lines.iter().map(|line| through_the_origin(line, bound)).collect()
    } else if lines.is_empty() {
        Vec::new()
    } else {
        smallest_steps(&mut network(directions), lines, search, bound)?
    };
    store(samples, lines, outcomes);
    Ok(())
}

fn store(samples: &mut [Sample], lines: &[Start], outcomes: Vec<Outcome>) {
    for (line, outcome) in lines.iter().zip(outcomes) {
        let Outcome { step, status, evaluations } = outcome;
        samples[line.input] = Sample { step, status, evaluations, ..samples[line.input] };
    }
}

/// Row norms, accumulated in f64.
fn norms<T: Real>(gradient: &Array2<T>) -> Vec<f64> {
    gradient.rows().into_iter().map(|row| row.iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>().sqrt()).collect()
}

/// The lines through all inputs with f ≠ 0 and ∇f ≠ 0; `slope` is φ'(0) for every input.
fn starts(value: &[f64], norm: &[f64], slope: Vec<f64>) -> Vec<Start> {
    let alive = (0..value.len()).filter(|&input| value[input] != 0.0 && norm[input] > 0.0);
    let start = |input: usize| Start {
        input,
        sign: value[input].signum(),
        value: value[input].abs(),
        decline: norm[input] * norm[input],
        slope: slope[input],
    };
    alive.map(start).collect()
}

fn smallest_steps<T: Real>(
    network: &mut impl Lines<T>,
    lines: &[Start],
    search: SearchName,
    bound: f64,
) -> Result<Vec<Outcome>, NotFinite> {
    let certified = match search {
        SearchName::Line => return one_layer::smallest_steps(network, lines, bound),
        SearchName::Scan => return scan::smallest_steps(network, lines, bound),
        SearchName::March => march::smallest_steps(network, lines, bound)?,
        SearchName::Trace => trace::smallest_steps(network, lines, bound)?,
        SearchName::Path => unreachable!("infinite width is sampled by infinite::samples"),
        SearchName::Descent => unreachable!("a descent is not a line search"),
    };
    let given_up: Vec<Start> =
        lines.iter().zip(&certified).filter(|(_, outcome)| outcome.is_none()).map(|(line, _)| *line).collect();
    let mut scanned = match given_up.is_empty() {
        true => Vec::new(),
        false => scan::smallest_steps(network, &given_up, bound)?,
    }
    .into_iter();
    let outcomes = certified.into_iter();
    Ok(outcomes.map(|outcome| outcome.unwrap_or_else(|| scanned.next().expect("one per abandoned line"))).collect())
}
