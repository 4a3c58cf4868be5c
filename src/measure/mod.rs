//! Measures one network on its inputs: the science, independent of MPI, files and terminals.

pub mod directions;
pub mod given;

use std::time::Instant;

use ndarray::{Array2, ArrayView2, s};

use crate::error::Failed;
use crate::experiment::Experiment;
use crate::infinite;
use crate::kernels::{Bf16Pair, Real, Weight};
use crate::linalg::workspace;
use crate::model::{Activation, Bound, Cell, Direction, EngineName, Method, Precision, SearchName, Unit};
use crate::network::dense::{Dense, Keep};
use crate::network::implicit::Implicit;
use crate::network::inputs::inputs;
use crate::network::shallow::Shallow;
use crate::network::{Differentiated, Engine, LinePoint, Lines, ValueAndGradient};
use crate::random::NetworkStreams;
use crate::record::{Sample, Status, UnitRecord, check_sample};
use crate::search::certify::Certifier;
use crate::search::{NotFinite, Outcome, Start, descent, nearest, smallest_steps, through_the_origin};
use crate::team::Team;

/// Bump whenever any output bit of any experiment changes. Runs resume within one version only.
///
/// 13: all products, also those in f64, use our own kernels, so that no byte depends on the CPU or on BLAS; slabs have 4,096 neurons.
///
/// 12: sums over neurons run along the tree of slabs, so that a network may be divided; at one hidden layer bins and lists grow with √k, and a vector
/// that turns out to be a rounding error no longer joins a basis. Inputs from a file are its rows in order.
///
/// 11: where the line along the gradient does not flip, direction `nearest` starts from the end of a descent.
///
/// 10: a step is one that flips the sign. Where f becomes 0 and stays 0, which counted as a step until version 9, the search goes on beyond the
/// zeros, and the record has both. At d = 1 the sign beyond the origin decides. Records have ‖δ‖ and ‖x‖ too.
pub const SCIENCE_VERSION: u32 = 13;

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
        let or_f64 = if error.precision != Precision::F64 { ", or precision f64" } else { "" };
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

/// Buffers reused by successive networks of one cell, in f32 and in f64.
#[derive(Clone, Default)]
pub struct Workspace {
    single: workspace::Workspace<f32>,
    double: workspace::Workspace<f64>,
}

impl Workspace {
    /// An empty workspace of a member of `team`.
    pub fn in_team(team: &Team) -> Self {
        Self { single: workspace::Workspace::in_team(team), double: workspace::Workspace::in_team(team) }
    }

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
    let Experiment { seed, inputs, gain, readout, precision, .. } = *experiment;
    let streams = NetworkStreams::new(seed, run.cell, unit.network, gain, readout);
    let samples = match (run.method.engine, precision) {
        (EngineName::Limit, _) => infinite::samples(streams, run.cell, inputs, gain, experiment.bounds()),
        (_, Precision::F32) => finite_width_samples::<f32>(experiment, run, streams, &workspace.single),
        (_, Precision::F64) => finite_width_samples::<f64>(experiment, run, streams, &workspace.double),
        (_, Precision::Bf16x3) => finite_width_samples::<Bf16Pair>(experiment, run, streams, &workspace.single),
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
        check_sample(sample, experiment.bounds()).map_err(|why| format!("input {}: {why}", index % experiment.inputs))
    };
    samples.iter().enumerate().try_for_each(check)
}

/// The samples of a network of finite width.
fn finite_width_samples<W: Weight>(
    experiment: &Experiment,
    run: &CellRun,
    streams: NetworkStreams,
    workspace: &workspace::Workspace<W::Real>,
) -> Result<Vec<Sample>, NotFinite> {
    let Experiment { bias, .. } = *experiment;
    let bound = experiment.bounds();
    let inputs = inputs::<W::Real>(&experiment.inputs_law, streams, run.cell, experiment.inputs, bias);
    let settings = Settings {
        directions: &experiment.directions,
        bias,
        streams,
        search: run.method.search,
        bound,
        nearest_starts: experiment.nearest_starts,
        certify: experiment.certify,
    };
    let CellRun { cell, keep, method } = *run;
    match method.engine {
        EngineName::Shallow => {
            shallow_samples(&mut Shallow::<W>::new(streams, cell, inputs, keep.line, workspace), method.search, bound)
        }
        EngineName::Implicit => {
            samples_along(&mut Implicit::<W>::with(streams, cell, experiment.activation, inputs, workspace), &settings)
        }
        EngineName::Dense | EngineName::Limit => {
            samples_along(&mut Dense::<W>::with(streams, cell, experiment.activation, inputs, keep, workspace), &settings)
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
    pub bound: Bound,
    /// See [`Experiment::nearest_starts`].
    pub nearest_starts: usize,
    /// See [`Experiment::certify`].
    pub certify: bool,
}

/// f, ‖∇f‖ and η* along the gradient at every input of `engine`, without a bias unit.
///
/// # Errors
/// If an intermediate value is not finite.
pub fn samples<T: Real>(
    engine: &mut impl Engine<T>,
    search: SearchName,
    bound: impl Into<Bound>,
) -> Result<Vec<Sample>, NotFinite> {
    let psi = engine.activation();
    let input_norms = norms(engine.inputs());
    let (result, mut network) = engine.differentiate();
    samples_along_gradient(result, &input_norms, psi, search, bound.into(), |directions| network.lines(directions))
}

/// As [`samples`], for the shallow engine.
///
/// # Errors
/// If an intermediate value is not finite.
pub fn shallow_samples<W: Weight>(
    engine: &mut Shallow<W>,
    search: SearchName,
    bound: impl Into<Bound>,
) -> Result<Vec<Sample>, NotFinite> {
    let input_norms = norms(engine.inputs());
    let (result, network) = engine.differentiate();
    samples_along_gradient(result, &input_norms, Activation::Relu, search, bound.into(), |directions| network.lines(directions))
}

fn samples_along_gradient<T: Real, L: Lines<T>>(
    ValueAndGradient { value, gradient }: ValueAndGradient<T>,
    input_norms: &[f64],
    psi: Activation,
    search: SearchName,
    bound: Bound,
    network: impl FnOnce(Array2<T>) -> L,
) -> Result<Vec<Sample>, NotFinite> {
    let norm = norms(gradient.view());
    check_values(&value, &norm)?;
    let mut samples = unsearched(&value, &norm, input_norms);
    let lines = starts(&value, &norm, norm.iter().map(|norm| -norm * norm).collect(), bound);
    let directions = directions::descent(&value, gradient);
    search_along(&mut samples, &lines, directions, psi, search, network)?;
    Ok(samples)
}

/// f, ‖P∇f‖ and η* at every input of `engine` for every direction, direction-major; P projects out the bias coordinate.
///
/// # Errors
/// If an intermediate value is not finite.
pub fn samples_along<T: Real>(engine: &mut impl Engine<T>, settings: &Settings) -> Result<Vec<Sample>, NotFinite> {
    let Settings { directions, bias, search, bound, nearest_starts, certify, streams } = *settings;
    if directions == [Direction::Gradient] && !bias {
        return samples(engine, search, bound);
    }
    let psi = engine.activation();
    let inputs = match directions.iter().all(|direction| direction.is_line()) {
        true => Array2::from_elem((0, 0), T::zero()),
        false => engine.inputs().to_owned(),
    };
    let mut input_norms = norms(engine.inputs());
    if bias {
        let without_bias = engine.inputs().ncols() - 1;
        input_norms = norms(engine.inputs().slice_move(s![.., ..without_bias]));
    }
    let (ValueAndGradient { value, mut gradient }, mut network) = engine.differentiate();
    if bias {
        directions::zero_bias(&mut gradient);
    }
    let norm = norms(gradient.view());
    check_values(&value, &norm)?;
    let mut all = Vec::with_capacity(directions.len() * value.len());
    for &direction in directions {
        let mut samples = unsearched(&value, &norm, &input_norms);
        let is_on_a_line = gradient.ncols() == 1 && psi.is_piecewise_linear();
        if !direction.is_line() && !is_on_a_line {
            if direction == Direction::Descent {
                let slopes = norm.iter().map(|norm| -norm * norm).collect();
                let lines = starts(&value, &norm, slopes, Bound::from(bound.step));
                let (descended, _) = descent::descend(&mut network, inputs.view(), &gradient, &lines, bias, bound.distance)?;
                store(&mut samples, &lines, descended.into_iter().map(|descended| (descended.outcome, descended.distance)));
            } else {
                // Those of direction gradient, bit for bit.
                let slopes = directions::slopes(&value, &gradient, &directions::descent(&value, gradient.clone()));
                let lines = starts(&value, &norm, slopes, bound);
                let settings = nearest::Settings { search, bias, starts: nearest_starts, streams };
                let outcomes = nearest::smallest_distances(&mut network, inputs.view(), &gradient, &lines, settings)?;
                store(&mut samples, &lines, with_distances(&lines, outcomes));
            }
        } else {
            // At d = 1 there is one line.
            let direction = if direction.is_line() { direction } else { Direction::Gradient };
            let steps = directions::steps(&mut network, direction, &value, &gradient, &norm, bias, streams);
            let lines = starts(&value, &norm, directions::slopes(&value, &gradient, &steps), bound);
            lines.iter().try_for_each(|line| NotFinite::check("the slope of f along p", line.input, line.slope))?;
            search_along(&mut samples, &lines, steps, psi, search, |directions| network.lines(directions))?;
        }
        if certify && direction == Direction::Nearest {
            certify_samples(&mut network, inputs.view(), psi, bias, bound, &mut samples);
        }
        all.extend(samples);
    }
    Ok(all)
}

/// Stores the certified distance of every input of a network with one hidden layer.
fn certify_samples<T: Real>(
    network: &mut impl Differentiated<T>,
    inputs: ArrayView2<T>,
    psi: Activation,
    bias: bool,
    bound: Bound,
    samples: &mut [Sample],
) {
    let (Some(leak), Some(weights)) = (psi.leak(), network.weights()) else { return };
    let certifier = Certifier::new(&weights.layer(1), &weights.readout(), leak, bias);
    for (sample, x) in samples.iter_mut().zip(inputs.rows()) {
        let farthest =
            if sample.status.is_found() { sample.distance } else { bound.along(sample.gradient_norm) * sample.gradient_norm };
        sample.certified = match sample.status {
            Status::Dead => 0.0,
            _ => certifier.distance(x, sample.value.signum(), farthest),
        };
    }
}

fn check_values(value: &[f64], norm: &[f64]) -> Result<(), NotFinite> {
    value.iter().zip(norm).enumerate().try_for_each(|(input, (&value, &norm))| {
        NotFinite::check("f(x)", input, value)?;
        NotFinite::check("‖∇f(x)‖", input, norm)
    })
}

/// Samples without a search result, marked dead.
fn unsearched(value: &[f64], norm: &[f64], input_norms: &[f64]) -> Vec<Sample> {
    let rows = value.iter().zip(norm).zip(input_norms);
    rows.map(|((&value, &norm), &input_norm)| Sample::unsearched(value, norm, input_norm)).collect()
}

/// Searches `lines`, with `directions` p, n × d, and stores the results in `samples`. `network` turns directions into lines.
fn search_along<T: Real, L: Lines<T>>(
    samples: &mut [Sample],
    lines: &[Start],
    directions: Array2<T>,
    psi: Activation,
    search: SearchName,
    network: impl FnOnce(Array2<T>) -> L,
) -> Result<(), NotFinite> {
    if lines.is_empty() {
        return Ok(());
    }
    let is_through_the_origin = directions.ncols() == 1 && psi.is_piecewise_linear();
    let mut network = network(directions);
    let outcomes = match is_through_the_origin {
        true => search_through_the_origin(&mut network, lines)?,
        false => smallest_steps(&mut network, lines, search)?,
    };
    store(samples, lines, with_distances(lines, outcomes));
    Ok(())
}

/// Outcomes on straight lines with their distances.
fn with_distances(lines: &[Start], outcomes: Vec<Outcome>) -> impl Iterator<Item = (Outcome, f64)> {
    lines.iter().zip(outcomes).map(|(line, outcome)| (outcome, outcome.step * line.decline.sqrt()))
}

/// [`through_the_origin`], with f(−x) evaluated at twice the step to the origin.
fn search_through_the_origin<T: Real>(network: &mut impl Lines<T>, lines: &[Start]) -> Result<Vec<Outcome>, NotFinite> {
    // Where f does not fall towards the origin, its value there does not matter.
    let twice = |line: &Start| if line.slope < 0.0 { 2.0 * line.value / -line.slope } else { 0.0 };
    let points: Vec<LinePoint> = lines.iter().map(|line| LinePoint { input: line.input, t: twice(line) }).collect();
    let opposite = network.evaluate(&points);
    lines.iter().zip(&opposite).try_for_each(|(line, f)| NotFinite::check("f(−x)", line.input, *f))?;
    Ok(through_the_origin(lines, &opposite))
}

/// Stores an outcome and a distance for each line.
fn store(samples: &mut [Sample], lines: &[Start], results: impl Iterator<Item = (Outcome, f64)>) {
    for (line, (outcome, distance)) in lines.iter().zip(results) {
        let Outcome { step, zero_step, status, evaluations } = outcome;
        samples[line.input] = Sample { step, zero_step, distance, status, evaluations, ..samples[line.input] };
    }
}

/// Row norms, accumulated in f64.
fn norms<T: Real>(rows: ArrayView2<T>) -> Vec<f64> {
    rows.rows().into_iter().map(|row| row.iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>().sqrt()).collect()
}

/// The lines through all inputs with f ≠ 0 and ∇f ≠ 0; `slope` is φ'(0) for every input.
fn starts(value: &[f64], norm: &[f64], slope: Vec<f64>, bound: Bound) -> Vec<Start> {
    let alive = (0..value.len()).filter(|&input| value[input] != 0.0 && norm[input] > 0.0);
    let start = |input: usize| Start {
        input,
        sign: value[input].signum(),
        value: value[input].abs(),
        decline: norm[input] * norm[input],
        slope: slope[input],
        bound: bound.along(norm[input]),
        spacing: bound.spacing(norm[input]),
    };
    alive.map(start).collect()
}
