//! `plan`: the predicted cost of an experiment.

use super::print;
use super::run::RunRequest;
use crate::job::Ranks;
use crate::job::resources::resources;
use crate::plan::forecast::forecast;
use crate::plan::{plan_on, report};

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
    /// Name of the preset or config file.
    pub name: String,
}

/// Prints the plan without running anything.
pub fn execute(request: &PlanRequest) -> anyhow::Result<()> {
    let RunRequest { experiment, settings, team, .. } = &request.run;
    let resources = resources(settings.threads, settings.memory, 1)?;
    let ranks = request.ranks.unwrap_or(1);
    let plan = plan_on(experiment, Ranks::equal(ranks, resources), *team, experiment.networks)?;
    let forecast = forecast(&plan, resources, ranks);
    match request.sbatch {
        true => Ok(print(&forecast.sbatch(&request.name))?),
        false => {
            let table = if request.all { report::by_cell(&plan) } else { report::by_depth(&plan) };
            Ok(print(&format!("{}{}\n{table}", report::totals(&plan), forecast.line()))?)
        }
    }
}
