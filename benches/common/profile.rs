//! Profile of a network: an engine wrapper that times each call.

use std::time::Duration;

use advstep_hpc::experiment::Experiment;
use advstep_hpc::linalg::matmul::work;
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::measure::{self, samples};
use advstep_hpc::model::Activation;
use advstep_hpc::network::inputs::sphere_inputs;
use advstep_hpc::network::{Engine, LineBlock, LinePoint, ValueAndGradient};
use advstep_hpc::plan::CellPlan;
use advstep_hpc::random::NetworkStreams;
use ndarray::{Array2, ArrayView2};

/// CPU seconds per network, by stage.
#[derive(Debug, Default, Clone, Copy)]
pub struct Profile {
    /// Inputs and stored weights.
    pub build: Duration,
    /// f and ∇f.
    pub gradient: Duration,
    /// First-layer derivatives along the lines.
    pub directions: Duration,
    /// f at line points, or passes over the neurons.
    pub search: Duration,
    pub whole: Duration,
    /// Matmul flops, and vector elements moved by the implicit engine.
    pub flops: f64,
    pub vector_numbers: f64,
}

struct Timed<'a> {
    engine: &'a mut dyn Engine<f32>,
    profile: Profile,
}

fn timed<R>(total: &mut Duration, work: impl FnOnce() -> R) -> R {
    let start = thread_time();
    let result = work();
    *total += thread_time() - start;
    result
}

impl Engine<f32> for Timed<'_> {
    fn depth(&self) -> usize {
        self.engine.depth()
    }
    fn width(&self, layer: usize) -> usize {
        self.engine.width(layer)
    }
    fn activation(&self) -> Activation {
        self.engine.activation()
    }
    fn inputs(&self) -> ArrayView2<'_, f32> {
        self.engine.inputs()
    }
    fn readout(&mut self) -> Vec<f32> {
        self.engine.readout()
    }
    fn value_and_gradient(&mut self) -> ValueAndGradient<f32> {
        timed(&mut self.profile.gradient, || self.engine.value_and_gradient())
    }
    fn value_and_gradient_at(&mut self, x: ArrayView2<f32>) -> ValueAndGradient<f32> {
        timed(&mut self.profile.gradient, || self.engine.value_and_gradient_at(x))
    }
    fn linear_gradient(&mut self) -> Array2<f32> {
        self.engine.linear_gradient()
    }
    fn set_directions(&mut self, directions: Array2<f32>) {
        timed(&mut self.profile.directions, || self.engine.set_directions(directions))
    }
    fn visit_first_layer(&mut self, visit: &mut dyn FnMut(LineBlock<f32>)) {
        timed(&mut self.profile.search, || self.engine.visit_first_layer(visit))
    }
    fn evaluate(&mut self, points: &[LinePoint]) -> Vec<f64> {
        timed(&mut self.profile.search, || self.engine.evaluate(points))
    }
    fn layer_weights(&mut self, layer: usize) -> Option<Array2<f32>> {
        self.engine.layer_weights(layer)
    }
}

/// The profile of network `network` of the cell.
pub fn profile(experiment: &Experiment, plan: &CellPlan, network: usize) -> Profile {
    let (start, before) = (thread_time(), work());
    let streams = NetworkStreams::new(experiment.seed, plan.cell, network, experiment.gain, experiment.readout);
    let inputs = sphere_inputs(streams, plan.cell, experiment.inputs);
    let mut engine: Box<dyn Engine<f32>> = unit::engine(experiment, plan, streams, inputs);
    let build = thread_time() - start;
    let mut timed = Timed { engine: &mut *engine, profile: Profile { build, ..Profile::default() } };
    samples(&mut timed, plan.search, experiment.bound).unwrap();
    let flops = work().flops - before.flops;
    let vector_numbers = work().vector_numbers - before.vector_numbers;
    Profile { whole: thread_time() - start, flops, vector_numbers, ..timed.profile }
}
