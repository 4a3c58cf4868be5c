//! `plan`: what an experiment would cost.

use super::print;
use super::run::RunRequest;
use crate::job::resources::resources;
use crate::plan::forecast::forecast;
use crate::plan::{plan, report};

/// An experiment to plan for a number of ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRequest {
    pub run: RunRequest,
    /// At least 1.
    pub ranks: Option<usize>,
    /// Print the head of a batch script in place of the plan.
    pub sbatch: bool,
    /// Of the preset or config file.
    pub name: String,
}

/// Prints the plan, and runs nothing.
pub fn execute(request: &PlanRequest) -> anyhow::Result<()> {
    let RunRequest { experiment, settings, .. } = &request.run;
    let resources = resources(settings.threads, settings.memory, 1)?;
    let plan = plan(experiment, resources)?;
    let forecast = forecast(&plan, resources, request.ranks.unwrap_or(1));
    match request.sbatch {
        true => Ok(print(&forecast.sbatch(&request.name))?),
        false => Ok(print(&(report::table(&plan) + &forecast.line()))?),
    }
}
