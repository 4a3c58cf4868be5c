//! What several tests share.
#![allow(dead_code)]

pub mod law;
pub mod naive;
pub mod synthetic;

use advstep_hpc::experiment::Experiment;
use advstep_hpc::kernels::Weight;
use advstep_hpc::model::Activation;
use advstep_hpc::model::InputsLaw;
use advstep_hpc::model::{Cell, Direction, EngineChoice, Precision, Readout, SearchChoice};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::random::NetworkStreams;

/// An engine that keeps everything in memory.
pub fn stored<W: Weight>(seed: u64, cell: Cell, network: usize, inputs: usize) -> Dense<W> {
    let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
    Dense::new(NetworkStreams::new(seed, cell, network, 1.0, Readout::Sign), cell, inputs, keep)
}

/// An experiment of one cell with the paper's settings.
pub fn experiment(cell: Cell, networks: usize, inputs: usize) -> Experiment {
    Experiment {
        depths: if cell.has_differing_layers() { Vec::new() } else { vec![cell.depth] },
        dims: vec![cell.dim],
        widths: if cell.has_differing_layers() { Vec::new() } else { vec![cell.width] },
        hidden: if cell.has_differing_layers() { vec![cell.widths().collect()] } else { Vec::new() },
        networks,
        inputs,
        gain: 1.0,
        readout: Readout::Sign,
        activation: Activation::Relu,
        bias: false,
        inputs_law: InputsLaw::Sphere,
        directions: vec![Direction::Gradient],
        nearest_starts: 4,
        certify: false,
        bound: 20.0,
        bound_distance: None,
        seed: 2026,
        precision: Precision::F32,
        engine: EngineChoice::Auto,
        search: SearchChoice::Auto,
        extra_widths: Default::default(),
        extra_cells: Vec::new(),
    }
}
