//! `plan`: the predicted cost of an experiment.

use super::print;
use super::run::{Run, RunRequest};
use crate::job::Ranks;
use crate::job::resources::resources;
use crate::kernels::gemm::split::tiles;
use crate::plan::calibrate::Machine;
use crate::plan::forecast::forecast;
use crate::plan::{precision, report};

/// An experiment to plan for a number of ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRequest {
    pub run: RunRequest,
    /// Number of ranks, at least 1; `None`: 1.
    pub ranks: Option<usize>,
    /// One row per cell instead of one per depth.
    pub all: bool,
    /// Print the header of a batch script instead of the plan.
    pub sbatch: bool,
    /// Correct the times by measuring this machine.
    pub calibrate: bool,
    /// Name of the preset or config file.
    pub name: String,
}

/// Prints the plan without running anything. Files to extend are read as `run` reads them.
pub fn execute(request: &PlanRequest) -> anyhow::Result<()> {
    let RunRequest { experiment, extend, settings, team, .. } = &request.run;
    let resources = resources(settings.threads, settings.memory, 1)?;
    let count = request.ranks.unwrap_or(1);
    let ranks = Ranks::equal(count, resources);
    let run = match extend[..] {
        [] => Run::planned(experiment.clone(), None, ranks, *team)?,
        _ => Run::on(experiment.clone(), None, ranks, *team)?.extending(extend.clone()),
    };
    let (taken, mut left) = run.remaining()?;
    let machine = request.calibrate.then(|| Machine::measure(resources.threads));
    let tiles = tiles::availability();
    let of_times = machine.unwrap_or_else(|| Machine::of_model(tiles));
    if machine.is_some() || tiles::are_available() {
        left = left.on(of_times);
    }
    let forecast = forecast(&left, resources, count);
    match request.sbatch {
        true => Ok(print(&forecast.sbatch(&request.name))?),
        false => {
            let table = if request.all { report::by_cell(&left) } else { report::by_depth(&left) };
            let machine = machine.map_or(String::new(), |machine| machine.text());
            let precision = precision::line(left.plan, &request.run.experiment, of_times, tiles);
            Ok(print(&format!("{}{}{machine}{precision}\n{table}", report::totals(&left, &taken), forecast.line()))?)
        }
    }
}
