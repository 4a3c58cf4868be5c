//! Profile of a network: an engine wrapper that times each call.

use std::cell::Cell;
use std::time::Duration;

use advstep_hpc::experiment::Experiment;
use advstep_hpc::linalg::matmul::work;
use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::measure::{CellRun, directions, samples, shallow_samples};
use advstep_hpc::model::{Activation, EngineName};
use advstep_hpc::network::dense::Dense;
use advstep_hpc::network::implicit::Implicit;
use advstep_hpc::network::inputs::sphere_inputs;
use advstep_hpc::network::shallow::Shallow;
use advstep_hpc::network::{Differentiated, Engine, LayerWeights, LineBlock, LinePoint, Lines, ValueAndGradient};
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::team::Share;
use ndarray::{Array2, ArrayView2};

/// CPU seconds per network, by stage.
#[derive(Debug, Default, Clone, Copy)]
pub struct Profile {
    /// Inputs and stored weights.
    pub build: Duration,
    /// f and ∇f.
    pub gradient: Duration,
    /// First-layer derivatives along the lines; at L = 1 they are part of the search.
    pub directions: Duration,
    /// f at line points, or passes over the neurons.
    pub search: Duration,
    pub whole: Duration,
    /// Matmul flops, and vector elements moved by the implicit engine.
    pub flops: f64,
    pub vector_numbers: f64,
}

/// Thread time of the calls of one network.
#[derive(Default)]
struct Times {
    gradient: Cell<Duration>,
    directions: Cell<Duration>,
    search: Cell<Duration>,
}

fn timed<R>(total: &Cell<Duration>, work: impl FnOnce() -> R) -> R {
    let start = thread_time();
    let result = work();
    total.set(total.get() + thread_time() - start);
    result
}

/// An engine, or one of its later states, with the clocks of its calls.
struct Timed<'a, E> {
    inner: E,
    times: &'a Times,
}

impl<E: Engine<f32>> Engine<f32> for Timed<'_, E> {
    fn activation(&self) -> Activation {
        self.inner.activation()
    }
    fn inputs(&self) -> ArrayView2<'_, f32> {
        self.inner.inputs()
    }
    fn differentiate(&mut self) -> (ValueAndGradient<f32>, impl Differentiated<f32>) {
        let (result, inner) = timed(&self.times.gradient, || self.inner.differentiate());
        (result, Timed { inner, times: self.times })
    }
}

impl<E: Differentiated<f32>> Differentiated<f32> for Timed<'_, E> {
    fn lines(&mut self, directions: Array2<f32>) -> impl Lines<f32> {
        Timed { inner: timed(&self.times.directions, || self.inner.lines(directions)), times: self.times }
    }
    fn value_and_gradient_at(&mut self, x: ArrayView2<f32>) -> ValueAndGradient<f32> {
        timed(&self.times.gradient, || self.inner.value_and_gradient_at(x))
    }
    fn linear_gradient(&mut self) -> Array2<f32> {
        self.inner.linear_gradient()
    }
}

impl<E: Lines<f32>> Lines<f32> for Timed<'_, E> {
    fn depth(&self) -> usize {
        self.inner.depth()
    }
    fn width(&self, layer: usize) -> usize {
        self.inner.width(layer)
    }
    fn activation(&self) -> Activation {
        self.inner.activation()
    }
    fn share(&self) -> Share {
        self.inner.share()
    }

    fn visit_first_layer(&mut self, visit: &mut dyn FnMut(LineBlock<f32>)) {
        timed(&self.times.search, || self.inner.visit_first_layer(visit))
    }
    fn evaluate(&mut self, points: &[LinePoint]) -> Vec<f64> {
        timed(&self.times.search, || self.inner.evaluate(points))
    }
    fn weights(&mut self) -> Option<&mut dyn LayerWeights<f32>> {
        self.inner.weights()
    }
}

/// The profile of network `network` of the cell.
pub fn profile(experiment: &Experiment, run: &CellRun, network: usize, workspace: &Workspace<f32>) -> Profile {
    let (start, before) = (thread_time(), work());
    let CellRun { cell, method, keep } = *run;
    let streams = NetworkStreams::new(experiment.seed, cell, network, experiment.gain, experiment.readout);
    let inputs = || sphere_inputs(streams, cell, experiment.inputs);
    let times = Times::default();
    let build = match method.engine {
        EngineName::Shallow => {
            let mut engine = Shallow::<f32>::new(streams, cell, inputs(), keep.line, workspace);
            let build = thread_time() - start;
            shallow_samples(&mut engine, method.search, experiment.bound).unwrap();
            build
        }
        EngineName::Implicit => of_engine(
            Implicit::<f32>::with(streams, cell, experiment.activation, inputs(), workspace),
            experiment,
            run,
            start,
            &times,
        ),
        _ => of_engine(
            Dense::<f32>::with(streams, cell, experiment.activation, inputs(), keep, workspace),
            experiment,
            run,
            start,
            &times,
        ),
    };
    let whole = thread_time() - start;
    let done = work();
    if method.engine == EngineName::Shallow {
        // Its passes are timed on the same network once more; the search is the rest.
        let mut engine = Shallow::<f32>::new(streams, cell, inputs(), keep.line, workspace);
        let (result, network) = timed(&times.gradient, || engine.differentiate());
        let directions = directions::descent(&result.value, result.gradient);
        drop(timed(&times.directions, || network.lines(directions)));
        times.search.set(whole.saturating_sub(build + times.gradient.get() + times.directions.get()));
    }
    Profile {
        build,
        gradient: times.gradient.get(),
        directions: times.directions.get(),
        search: times.search.get(),
        whole,
        flops: done.flops - before.flops,
        vector_numbers: done.vector_numbers - before.vector_numbers,
    }
}

/// Measures a network that was begun at `start`; returns how long it took to build.
fn of_engine(engine: impl Engine<f32>, experiment: &Experiment, run: &CellRun, start: Duration, times: &Times) -> Duration {
    let build = thread_time() - start;
    samples(&mut Timed { inner: engine, times }, run.method.search, experiment.bound).unwrap();
    build
}
