//! Measures a given network at a block of given inputs.
//!
//! f is one output, the difference of two, or the margin of the predicted class p: f(x) = l_p(x) − l_q(x), q the best other class at x. For the margin,
//! straight directions come from ∇f(x), and the step is the first at which any other class passes p: the smallest one over the classes j ≠ p at
//! which l_p − l_j changes sign on that line, each found by the search of the network. A descent, and the local search for the nearest flip, follow
//! l_p − l_j for one j at a time; the nearest of these counts, its step in units of ‖∇f(x)‖. That holds for piecewise linear and smooth ψ; what
//! differs is the search on a line, as in a run.

use ndarray::{Array2, ArrayView2, Axis};

use super::{check_values, directions, norms, samples_along, search_through_the_origin, starts, unsearched, with_distances};
use crate::model::{Activation, Bound, Direction, Readout, SearchName};
use crate::network::given::Embedded;
use crate::network::{Differentiated, Engine, Lines, ValueAndGradient};
use crate::random::NetworkStreams;
use crate::record::{Sample, Status};
use crate::search::{NotFinite, Outcome, Start, descent, nearest, smallest_steps};

/// No class.
pub const NO_CLASS: u32 = u32::MAX;

/// The function f of the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    One(usize),
    Difference(usize, usize),
    /// The margin of the predicted class.
    Predicted,
}

/// How inputs are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings<'a> {
    pub output: Output,
    /// At least one.
    pub directions: &'a [Direction],
    pub search: SearchName,
    pub bound: Bound,
    pub nearest_starts: usize,
    /// Of random directions and turns.
    pub seed: u64,
}

/// The samples of a block of n inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockSamples {
    /// Direction-major.
    pub samples: Vec<Sample>,
    /// The predicted class of each input; [`NO_CLASS`] unless f is its margin.
    pub predicted: Vec<u32>,
    /// The class that passes the predicted one at the step of each sample; [`NO_CLASS`] if there is no step or no predicted class.
    pub reached: Vec<u32>,
}

/// Measures block `block` of the inputs, whose rows are `x`, n × d.
///
/// # Errors
/// If an intermediate value is not finite.
pub fn block_samples(network: &Embedded, block: usize, x: ArrayView2<f64>, settings: &Settings) -> Result<BlockSamples, NotFinite> {
    let (output, other) = match settings.output {
        Output::One(output) => (output, None),
        Output::Difference(output, other) => (output, Some(other)),
        Output::Predicted => return margins(network, block, x, settings),
    };
    let mut engine = network.engine(output, other, network.inputs(x));
    let samples = samples_along(&mut engine, &of_run(network, settings, streams(network, settings.seed, block)))?;
    Ok(BlockSamples { predicted: vec![NO_CLASS; x.nrows()], reached: vec![NO_CLASS; samples.len()], samples })
}

fn streams(network: &Embedded, seed: u64, index: usize) -> NetworkStreams {
    NetworkStreams::new(seed, network.cell(), index, 1.0, Readout::Sign)
}

fn of_run<'a>(network: &Embedded, settings: &Settings<'a>, streams: NetworkStreams) -> super::Settings<'a> {
    let Settings { directions, search, bound, nearest_starts, .. } = *settings;
    super::Settings { directions, bias: network.has_bias(), streams, search, bound, nearest_starts, certify: false }
}

/// The margins of the predicted classes, class by class.
fn margins(network: &Embedded, block: usize, x: ArrayView2<f64>, settings: &Settings) -> Result<BlockSamples, NotFinite> {
    let (inputs, classes) = (network.inputs(x), network.outputs());
    let mut outputs = Array2::zeros((x.nrows(), classes));
    for (class, mut column) in outputs.columns_mut().into_iter().enumerate() {
        let mut engine = network.engine(class, None, inputs.clone());
        let (ValueAndGradient { value, .. }, _) = engine.differentiate();
        value.iter().enumerate().try_for_each(|(input, &value)| NotFinite::check("an output", input, value))?;
        column.iter_mut().zip(value).for_each(|(output, value)| *output = value);
    }
    // The first of equal ones.
    let predicted: Vec<usize> = outputs
        .rows()
        .into_iter()
        .map(|row| (1..classes).fold(0, |best, class| if row[class] > row[best] { class } else { best }))
        .collect();
    let count = x.nrows() * settings.directions.len();
    let mut all = BlockSamples {
        samples: vec![Sample::unsearched(0.0, 0.0, 0.0); count],
        predicted: predicted.iter().map(|&class| class as u32).collect(),
        reached: vec![NO_CLASS; count],
    };
    for class in 0..classes {
        let rows: Vec<usize> = (0..x.nrows()).filter(|&row| predicted[row] == class).collect();
        if rows.is_empty() {
            continue;
        }
        // Streams of their own, because rows are numbered within the class.
        let streams = streams(network, settings.seed, block * classes + class);
        // Inputs are numbered within the class here, and within the block in errors.
        let renumbered = |error: NotFinite| NotFinite { input: rows[error.input], ..error };
        let of_class = Margins::new(network, class, inputs.select(Axis(0), &rows), of_run(network, settings, streams));
        let of_class = of_class.map_err(renumbered)?;
        for (index, &direction) in settings.directions.iter().enumerate() {
            let samples = of_class.samples(direction).map_err(renumbered)?;
            for (&row, (sample, reached)) in rows.iter().zip(samples) {
                all.samples[index * x.nrows() + row] = sample;
                all.reached[index * x.nrows() + row] = reached;
            }
        }
    }
    Ok(all)
}

/// The inputs of one predicted class p, with f = l_p − l_j of every other class j.
struct Margins<'a> {
    network: &'a Embedded,
    class: usize,
    inputs: Array2<f64>,
    settings: super::Settings<'a>,
    rivals: Vec<Rival>,
    /// Index into `rivals` of the best other class at each input.
    best: Vec<usize>,
}

/// Another class j.
struct Rival {
    class: usize,
    /// l_p − l_j and its gradient, without the constant coordinate, and the norm of that.
    value: Vec<f64>,
    gradient: Array2<f64>,
    norm: Vec<f64>,
}

impl<'a> Margins<'a> {
    fn new(network: &'a Embedded, class: usize, inputs: Array2<f64>, settings: super::Settings<'a>) -> Result<Self, NotFinite> {
        let mut rivals = Vec::new();
        for other in (0..network.outputs()).filter(|&other| other != class) {
            let mut engine = network.engine(class, Some(other), inputs.clone());
            let (ValueAndGradient { value, mut gradient }, _) = engine.differentiate();
            if settings.bias {
                directions::zero_bias(&mut gradient);
            }
            let norm = norms(gradient.view());
            check_values(&value, &norm)?;
            rivals.push(Rival { class: other, value, gradient, norm });
        }
        let best = |row: usize| {
            (1..rivals.len()).fold(0, |best, at| if rivals[at].value[row] < rivals[best].value[row] { at } else { best })
        };
        let best = (0..inputs.nrows()).map(best).collect();
        Ok(Self { network, class, inputs, settings, rivals, best })
    }

    /// The sample and the class reached of every input along `direction`.
    fn samples(&self, direction: Direction) -> Result<Vec<(Sample, u32)>, NotFinite> {
        let best = |row: usize| &self.rivals[self.best[row]];
        let rows = 0..self.inputs.nrows();
        let (value, norm): (Vec<f64>, Vec<f64>) = rows.clone().map(|row| (best(row).value[row], best(row).norm[row])).unzip();
        let without_bias = self.inputs.ncols() - usize::from(self.settings.bias);
        let input_norms = norms(self.inputs.slice(ndarray::s![.., ..without_bias]));
        let samples = unsearched(&value, &norm, &input_norms);
        let alive: Vec<usize> = rows.filter(|&row| value[row] > 0.0 && norm[row] > 0.0).collect();
        let mut results: Vec<(Sample, u32)> = samples.into_iter().map(|sample| (sample, NO_CLASS)).collect();
        if alive.is_empty() {
            return Ok(results);
        }
        // At d = 1 there is one line, as in `samples_along`.
        let is_on_a_line = self.inputs.ncols() == 1 && self.network.activation().is_piecewise_linear();
        let steps = match direction.is_line() || is_on_a_line {
            true => Some(self.steps(if direction.is_line() { direction } else { Direction::Gradient }, &value, &norm)),
            false => None,
        };
        for rival in &self.rivals {
            let mut engine = self.network.engine(self.class, Some(rival.class), self.inputs.clone());
            let (_, mut network) = engine.differentiate();
            let outcomes = match &steps {
                Some(steps) => self.along(&mut network, rival, steps, &norm, &alive)?,
                None => self.off_lines(&mut network, rival, direction, &norm, &alive)?,
            };
            for (row, outcome, distance) in outcomes {
                let (sample, reached) = &mut results[row];
                if keep_smaller(sample, &outcome, distance) {
                    *reached = rival.class as u32;
                }
            }
        }
        for (sample, _) in &mut results {
            // A tie after the step is of no interest.
            if sample.status.is_found() && sample.zero_step >= sample.step {
                sample.zero_step = f64::NAN;
            }
        }
        Ok(results)
    }

    /// p for each input, from the margin to its best other class.
    fn steps(&self, direction: Direction, value: &[f64], norm: &[f64]) -> Array2<f64> {
        let mut steps = Array2::zeros(self.inputs.dim());
        for (index, rival) in self.rivals.iter().enumerate().filter(|(index, _)| self.best.contains(index)) {
            let mut engine = self.network.engine(self.class, Some(rival.class), self.inputs.clone());
            let (_, mut network) = engine.differentiate();
            let super::Settings { bias, streams, .. } = self.settings;
            let of_rival = directions::steps(&mut network, direction, value, &rival.gradient, norm, bias, streams);
            let rows = (0..self.best.len()).filter(|&row| self.best[row] == index);
            rows.for_each(|row| steps.row_mut(row).assign(&of_rival.row(row)));
        }
        steps
    }

    /// Where the rival passes on the lines of `steps`: (input, outcome, distance).
    fn along(
        &self,
        network: &mut impl Differentiated<f64>,
        rival: &Rival,
        steps: &Array2<f64>,
        norm: &[f64],
        alive: &[usize],
    ) -> Result<Vec<(usize, Outcome, f64)>, NotFinite> {
        let slopes = directions::slopes(&rival.value, &rival.gradient, steps);
        // ‖p‖ is that of the margin to the best class, whatever the gradient of this one is.
        let lines = lines_of(&rival.value, norm, slopes, self.settings.bound, alive);
        lines.iter().try_for_each(|line| NotFinite::check("the slope of f along p", line.input, line.slope))?;
        let mut network = network.lines(steps.clone());
        let outcomes = match is_through_the_origin(&network, steps) {
            true => search_through_the_origin(&mut network, &lines)?,
            false => smallest_steps(&mut network, &lines, self.settings.search)?,
        };
        let results = lines.iter().zip(with_distances(&lines, outcomes));
        Ok(results.map(|(line, (outcome, distance))| (line.input, outcome, distance)).collect())
    }

    /// Where the rival passes by a descent or nearest, with the step in units of ‖∇f‖.
    fn off_lines(
        &self,
        network: &mut impl Differentiated<f64>,
        rival: &Rival,
        direction: Direction,
        norm: &[f64],
        alive: &[usize],
    ) -> Result<Vec<(usize, Outcome, f64)>, NotFinite> {
        let super::Settings { bias, bound, search, nearest_starts, streams, .. } = self.settings;
        let alive: Vec<usize> = alive.iter().copied().filter(|&row| rival.norm[row] > 0.0).collect();
        let slopes: Vec<f64> = rival.norm.iter().map(|norm| -norm * norm).collect();
        let mut lines = lines_of(&rival.value, &rival.norm, slopes, bound, &alive);
        for line in &mut lines {
            let scale = norm[line.input] / rival.norm[line.input];
            let own = Bound { step: bound.step * scale, ..bound };
            line.bound = if direction == Direction::Descent { own.step } else { own.along(rival.norm[line.input]) };
        }
        let inputs = self.inputs.view();
        let outcomes: Vec<(Outcome, f64)> = if direction == Direction::Descent {
            let (descended, _) = descent::descend(network, inputs, &rival.gradient, &lines, bias, bound.distance)?;
            descended.into_iter().map(|descended| (descended.outcome, descended.distance)).collect()
        } else {
            let settings = nearest::Settings { search, bias, starts: nearest_starts, streams };
            let outcomes = nearest::smallest_distances(network, inputs, &rival.gradient, &lines, settings)?;
            with_distances(&lines, outcomes).collect()
        };
        let in_units = |(line, (outcome, distance)): (&Start, (Outcome, f64))| {
            let scale = rival.norm[line.input] / norm[line.input];
            let Outcome { step, zero_step, .. } = outcome;
            (line.input, Outcome { step: step * scale, zero_step: zero_step * scale, ..outcome }, distance)
        };
        Ok(lines.iter().zip(outcomes).map(in_units).collect())
    }
}

fn is_through_the_origin(network: &impl Lines<f64>, steps: &Array2<f64>) -> bool {
    steps.ncols() == 1 && Activation::is_piecewise_linear(network.activation())
}

/// The lines through the inputs `alive`; `norm` are ‖p‖.
fn lines_of(value: &[f64], norm: &[f64], slopes: Vec<f64>, bound: Bound, alive: &[usize]) -> Vec<Start> {
    let lines = starts(value, norm, slopes, bound);
    lines.into_iter().filter(|line| alive.binary_search(&line.input).is_ok()).collect()
}

/// Updates `sample` with what one class does, and returns whether that is its step now. By distance, which a step of a descent is not.
fn keep_smaller(sample: &mut Sample, outcome: &Outcome, distance: f64) -> bool {
    let evaluations = sample.evaluations + outcome.evaluations;
    let zero_step =
        if outcome.zero_step < sample.zero_step || sample.zero_step.is_nan() { outcome.zero_step } else { sample.zero_step };
    let is_smaller = outcome.status.is_found() && (sample.distance.is_nan() || distance < sample.distance);
    if is_smaller {
        *sample = Sample { step: outcome.step, distance, status: outcome.status, ..*sample };
    }
    let status = match sample.status {
        found if found.is_found() => found,
        _ if !zero_step.is_nan() => Status::Vanished,
        _ => Status::NoneWithinBound,
    };
    *sample = Sample { zero_step, evaluations, status, ..*sample };
    is_smaller
}
