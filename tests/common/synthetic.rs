//! Synthetic results: what an experiment could have left, made from a seed without any network.

use std::collections::BTreeMap;

use advstep_hpc::experiment::Experiment;
use advstep_hpc::model::Activation;
use advstep_hpc::model::InputsLaw;
use advstep_hpc::model::{Direction, EngineChoice, Precision, Readout, SearchChoice, Unit};
use advstep_hpc::model::{EngineName, Method, SearchName};
use advstep_hpc::provenance::Provenance;
use advstep_hpc::record::{Sample, Status, UnitRecord};
use advstep_hpc::results::{CellResults, Results};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Several depths and dims, and widths that run at one depth only, so that the (depth, dim, width) grid has holes.
pub fn experiment() -> Experiment {
    Experiment {
        depths: vec![1, 2, 6],
        dims: vec![10, 500],
        widths: vec![10, 1000],
        hidden: Vec::new(),
        networks: 7,
        inputs: 11,
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
        seed: 42,
        precision: Precision::F32,
        engine: EngineChoice::Auto,
        search: SearchChoice::Auto,
        extra_widths: BTreeMap::from([(1, vec![100, 1_000_000])]),
        extra_cells: Vec::new(),
    }
}

/// The same dims with shapes: two of the same depth and widest layer, and one whose layers do not differ.
pub fn differing_layers() -> Experiment {
    let hidden = vec![vec![30, 30], vec![20, 60, 40], vec![60, 20, 40]];
    Experiment { depths: Vec::new(), widths: Vec::new(), extra_widths: BTreeMap::new(), hidden, ..experiment() }
}

/// Random samples of every status for each cell of `experiment`. In the last cell nothing is found at all.
pub fn synthetic(experiment: &Experiment, seed: u64) -> Results {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let cells = experiment.cells();
    let last = cells.len() - 1;
    let results_of = |(index, &cell)| {
        let mut sample = || {
            let chance: f64 = rng.random();
            let status = match chance {
                _ if index == last => Status::NoneWithinBound,
                c if c < 0.4 => Status::FoundExact,
                c if c < 0.8 => Status::FoundScan,
                c if c < 0.9 => Status::NoneWithinBound,
                c if c < 0.95 => Status::Vanished,
                _ => Status::Dead,
            };
            let step = if status.is_found() { experiment.bound * rng.random::<f64>() } else { f64::NAN };
            let gradient_norm = if status == Status::Dead { 0.0 } else { rng.random::<f64>() };
            let value = if status == Status::Dead { -0.0 } else { rng.random::<f64>() - 0.5 };
            let zero_step = match status {
                Status::Vanished => experiment.bound * rng.random::<f64>(),
                _ if status.is_found() && chance < 0.1 => step * rng.random::<f64>(),
                _ => f64::NAN,
            };
            let input_norm = 1.0 + rng.random::<f64>();
            let sample = Sample::unsearched(value, gradient_norm, input_norm).flipping_at(step, status);
            Sample { zero_step, evaluations: rng.random_range(0..40), ..sample }
        };
        let records = (0..experiment.networks)
            .map(|network| UnitRecord {
                unit: Unit { cell: index, network },
                samples: (0..experiment.inputs).map(|_| sample()).collect(),
                seconds: 0.001 * (network + 1) as f64,
            })
            .collect();
        let search = SearchName::ALL[index % SearchName::ALL.len()];
        CellResults { cell, method: Method { engine: EngineName::Dense, search }, records }
    };
    let cells = cells.iter().enumerate().map(results_of).collect();
    Results { experiment: experiment.clone(), cells, provenance: provenance(), threshold: None }
}

pub fn provenance() -> Provenance {
    Provenance {
        program_version: "0.1.0".into(),
        git_revision: "0123abcd".into(),
        command_line: "advstep-hpc --depths 1,2,6 --out “ü”.h5".into(),
        blas: "OpenBLAS 0.3.21".into(),
        blas_core: String::new(),
        mpi_library: "none".into(),
        hdf5_version: "1.10.8".into(),
        ranks: 3,
        threads: 2,
        threads_by_rank: "2".into(),
        host: "node7".into(),
        started: "2025-01-01T00:00:00Z".into(),
        ended: "2025-01-01T00:01:00Z".into(),
    }
}
