//! STAND-INS for what other people are writing: to be deleted, with its uses, when their work is in.

use std::path::Path;

use crate::comm::library::library_version;
use crate::error::BadInput;
use crate::experiment::{EngineChoice, Experiment, Precision, Readout, SearchChoice, Unit};
use crate::plan::{CellPlan, Plan, UnitCost};
use crate::results::{EngineName, Provenance, Results, SearchName};
use crate::unit::{Sample, Status, UnitRecord};

pub fn now_utc() -> String {
    "2025-01-01T00:00:00Z".to_string()
}

pub fn cores_of_this_rank() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub fn memory_of_this_rank() -> u64 {
    1 << 30
}

pub fn program_revision() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

pub fn check_output(path: &Path, overwrite: bool) -> Result<(), BadInput> {
    match path.exists() && !overwrite {
        true => Err(BadInput::new(format!("{} exists", path.display()), "it would be lost", "give --overwrite")),
        false => Ok(()),
    }
}

pub fn provenance(command_line: &str, ranks: usize, threads: usize, started: &str) -> Provenance {
    Provenance {
        program_version: program_revision().to_string(),
        git_revision: String::new(),
        command_line: command_line.to_string(),
        blas: String::new(),
        blas_core: String::new(),
        mpi_library: library_version().unwrap_or_default(),
        hdf5_version: String::new(),
        ranks: ranks as u32,
        threads: threads as u32,
        host: String::new(),
        started: started.to_string(),
        ended: now_utc(),
    }
}

pub fn experiment() -> Experiment {
    Experiment {
        depths: vec![1, 2],
        dims: vec![10, 50],
        widths: vec![10, 100, 1000],
        networks: 12,
        inputs: 20,
        gain: 1.0,
        readout: Readout::Sign,
        bound: 20.0,
        seed: 1,
        precision: Precision::F32,
        engine: EngineChoice::Auto,
        search: SearchChoice::Auto,
        extra_widths: Default::default(),
    }
}

pub fn plan(experiment: &Experiment, _threads: usize, memory: u64) -> Result<Plan, BadInput> {
    let cell = |cell: crate::experiment::Cell| CellPlan {
        cell,
        engine: EngineName::Dense,
        search: if cell.depth == 1 { SearchName::Line } else { SearchName::Scan },
        cost: UnitCost { normals: cell.weights(), flops: cell.weights(), seconds: 1e-8 * cell.weights() },
        unit_bytes: (4.0 * cell.weights()) as u64,
        stores_weights: true,
    };
    let plan = Plan { cells: experiment.cells().into_iter().map(cell).collect(), networks: experiment.networks };
    match plan.cells.iter().any(|cell| cell.unit_bytes > memory) {
        true => Err(BadInput::new("--memory is too small", "a network does not fit", "give more")),
        false => Ok(plan),
    }
}

pub fn measure(experiment: &Experiment, plan: &CellPlan, unit: Unit) -> UnitRecord {
    std::thread::sleep(std::time::Duration::from_secs_f64(plan.cost.seconds));
    let sample = |input: usize| {
        let number = (experiment.seed as usize + unit.cell * 7919 + unit.network * 104_729 + input * 31) % 1009;
        let status = Status::ALL[number % 4];
        let step = if status.is_found() { number as f64 / 1009.0 } else { f64::NAN };
        Sample { step, gradient_norm: number as f64, value: -(number as f64), status, evaluations: number as u32 }
    };
    UnitRecord { unit, samples: (0..experiment.inputs).map(sample).collect(), seconds: plan.cost.seconds }
}

pub fn write(path: &Path, results: &Results) -> anyhow::Result<()> {
    let mut text = String::new();
    for cell in &results.cells {
        for record in &cell.records {
            text += &format!("{} {:?} {:?}\n", cell.cell, record.unit, record.samples);
        }
    }
    Ok(std::fs::write(path, text)?)
}

pub fn show(results: &Results) -> String {
    format!("{} cells", results.cells.len())
}

pub fn request() -> anyhow::Result<crate::run::RunRequest> {
    let mut request = crate::run::RunRequest {
        experiment: experiment(),
        threads: None,
        memory: None,
        out: "standin.txt".into(),
        overwrite: false,
        quiet: false,
        command_line: std::env::args().collect::<Vec<_>>().join(" "),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--quiet" {
            request.quiet = true;
            continue;
        }
        let value = arguments.next().unwrap_or_default();
        let bad = || BadInput::new(format!("{name} is {value:?}"), "that is not a number", "give one");
        match name.as_str() {
            "--out" => request.out = value.into(),
            "--threads" => request.threads = Some(value.parse().ok().filter(|&threads| threads > 0).ok_or_else(bad)?),
            "--memory" => request.memory = Some(value.parse().map_err(|_| bad())?),
            "--networks" => request.experiment.networks = value.parse().map_err(|_| bad())?,
            "--inputs" => request.experiment.inputs = value.parse().map_err(|_| bad())?,
            "--seed" => request.experiment.seed = value.parse().map_err(|_| bad())?,
            _ => {}
        }
    }
    Ok(request)
}
