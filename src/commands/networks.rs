//! What `run` and `threshold` share: the networks of an experiment as tasks of a job, and the results file as its product.

use crate::error::Failed;
use crate::experiment::Experiment;
use crate::files::{Existing, Target};
use crate::job::{self, Product, Task, Worker};
use crate::linalg::matmul::work;
use crate::measure::{Workspace, measure_in};
use crate::plan::{Plan, unit_of};
use crate::record::codec;
use crate::results::{self, Results, onset, show};
use crate::team::Team;

/// Measures networks of the cells of an experiment: a group is a cell.
pub struct Measurer<'r> {
    experiment: &'r Experiment,
    plan: &'r Plan,
    workspace: Workspace,
    team: Team,
}

impl<'r> Measurer<'r> {
    /// A member of `team`, all of which measure the same networks.
    pub fn in_team(experiment: &'r Experiment, plan: &'r Plan, team: &Team) -> Self {
        Self { experiment, plan, workspace: Workspace::in_team(team), team: team.clone() }
    }

    /// Measures `task` as a network of `experiment`, which may have fewer directions than that of the plan.
    pub fn measure(&mut self, experiment: &Experiment, task: Task) -> anyhow::Result<Vec<u8>> {
        let (run, before) = (&self.plan.cells[task.group].run, work().rank_losses);
        let record = measure_in(&self.workspace, experiment, run, unit_of(task)).map_err(Failed::from)?;
        let lost = work().rank_losses - before;
        if lost > 0 && self.team.member() == 0 {
            let network = task.index;
            let what = format!("network {network} of cell {}: {lost} blocks of a basis are not orthonormal", run.cell);
            job::warn(&what, "its products may deviate from their law; please report this");
        }
        // Of all members.
        Ok(codec::encode(&record.samples, record.seconds * self.team.members() as f64))
    }
}

impl Worker for Measurer<'_> {
    fn run(&mut self, task: Task) -> anyhow::Result<Vec<u8>> {
        self.measure(self.experiment, task)
    }

    fn release(&mut self) {
        self.workspace.release();
    }
}

impl Product for Results {
    fn write(&self, out: &Target, existing: Existing) -> anyhow::Result<()> {
        results::write(out.path(), existing, self)
    }

    fn text(&self, name: &str) -> String {
        end_text(&show::table(&self.experiment, &self.summarised()), onset::text(self), name)
    }
}

/// What a command prints once its results are in the file `name`.
pub fn end_text(table: &str, onset: Option<String>, name: &str) -> String {
    format!("{table}{}\nResults are in {name}", onset.map_or(String::new(), |text| format!("\n\n{text}")))
}
