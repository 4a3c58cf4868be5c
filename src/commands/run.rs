//! `run`: the networks of an experiment, or of a shard, as tasks of a job that writes a results file or a shard file.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use toml::Table;

use super::draft::ResultsDraft;
use super::parts::{PartMeasurer, Parts};
use super::plot::{self, PlotRequest};
use super::status::is_finished;
use crate::error::BadInput;
use crate::experiment::{Experiment, Shard, inputs_file};
use crate::files::Existing;
use crate::job::{self, Client, Draft, Group, Held, Nouns, Product, Ranks, Resources, Settings, Store, Taken, Task, Worker};
use crate::model::{Method, Unit};
use crate::plan::calibrate::Machine;
use crate::plan::remaining::Remaining;
use crate::plan::teams::TeamChoice;
use crate::plan::{self, CellPlan, Plan, UnitCost, cost, shard_units, unit_of};
use crate::plot::ImageFormat;
use crate::provenance::Provenance;
use crate::record::codec;
use crate::results::extend::{Extension, along};
use crate::results::{self, CellResults, Results, shard};
use crate::team::Team;
use crate::text::counted;

/// An experiment to run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRequest {
    pub experiment: Experiment,
    /// The shard to run; `None`: the whole experiment.
    pub shard: Option<Shard>,
    /// Files whose networks are taken where they are those of this run.
    pub extend: Vec<PathBuf>,
    /// Formats of the figures to draw at the end; empty: no figures.
    pub plot: Vec<ImageFormat>,
    pub team: TeamChoice,
    pub settings: Settings,
}

/// Runs an experiment on all ranks of this launch.
pub fn execute(request: impl FnOnce() -> anyhow::Result<RunRequest>) -> anyhow::Result<()> {
    let mut figures = None;
    let split = || {
        let RunRequest { experiment, shard, extend, plot, team, settings } = request()?;
        figures = (!plot.is_empty()).then(|| PlotRequest::beside(&settings.out, plot, settings.quiet));
        Ok((settings, (experiment, shard, extend, team)))
    };
    let is_root =
        job::run(split, |(experiment, shard, extend, team), ranks| Ok(Run::on(experiment, shard, ranks, team)?.extending(extend)))?;
    match figures.filter(|_| is_root) {
        Some(request) => plot::execute(&request),
        None => Ok(()),
    }
}

/// Path of the snapshot of the results file `out`: `results.partial.h5` beside `results.h5`.
pub fn snapshot_of(out: &Path) -> PathBuf {
    let stem = if out.extension().is_some_and(|extension| extension == "h5") { out.file_stem() } else { out.file_name() };
    let mut name = stem.unwrap_or_default().to_os_string();
    name.push(".partial.h5");
    out.with_file_name(name)
}

/// An experiment as a job: groups are cells, tasks are networks.
pub struct Run {
    experiment: Experiment,
    shard: Option<Shard>,
    extend: Vec<PathBuf>,
    parts: Parts,
    plan: Plan,
    groups: Vec<Group>,
    /// Measured before long work.
    machine: OnceLock<Machine>,
    /// The networks of the shard, sorted; empty without a shard.
    own: Vec<Unit>,
}

impl Run {
    /// On one rank, one thread a network.
    ///
    /// # Errors
    /// As for [`on`](Self::on).
    pub fn new(experiment: Experiment, shard: Option<Shard>, resources: Resources) -> anyhow::Result<Self> {
        Self::on(experiment, shard, Ranks::equal(1, resources), TeamChoice::Never)
    }

    /// # Errors
    /// The experiment does not fit the memory, there are fewer ranks than `team` has, or the inputs file cannot be read.
    pub fn on(mut experiment: Experiment, shard: Option<Shard>, ranks: Ranks, team: TeamChoice) -> anyhow::Result<Self> {
        inputs_file::load(&mut experiment.inputs_law, experiment.inputs)?;
        Ok(Self::planned(experiment, shard, ranks, team)?)
    }

    /// The same, without reading an inputs file: enough for a plan.
    ///
    /// # Errors
    /// The experiment does not fit the memory, or there are fewer ranks than `team` has.
    pub fn planned(experiment: Experiment, shard: Option<Shard>, ranks: Ranks, team: TeamChoice) -> Result<Self, BadInput> {
        let networks = experiment.networks.div_ceil(shard.map_or(1, |shard| shard.count()));
        let plan = plan::plan_on(&experiment, ranks, team, networks)?;
        let mut own = shard.map_or_else(Vec::new, |shard| shard_units(&experiment, shard));
        own.sort_unstable();
        Ok(Self {
            groups: plan.groups(),
            experiment,
            shard,
            extend: Vec::new(),
            parts: Parts::default(),
            machine: OnceLock::new(),
            plan,
            own,
        })
    }

    /// The same, with what the files `extend` hold of it taken from there.
    pub fn extending(self, extend: Vec<PathBuf>) -> Self {
        Self { extend, ..self }
    }

    /// Reads the files to extend and keeps what they hold in part, as a job does before its work. To be called once.
    ///
    /// # Errors
    /// Those of [`held`](Client::held).
    pub fn remaining(&self) -> anyhow::Result<(Vec<Taken>, Remaining<'_>)> {
        let held = self.held()?;
        self.learn(self.news());
        let tasks = held.iter().flat_map(|held| &held.results).map(|(task, _)| *task).collect();
        let parts = self.parts.tasks(&self.experiment).into_iter().map(|task| (task, self.cost(task))).collect();
        let taken = held.into_iter().map(|Held { file, results, parts }| Taken { file, results: results.len(), parts });
        Ok((taken.collect(), Remaining::without(&self.plan, tasks, parts)))
    }

    /// The cost of `task` along the directions that no file holds.
    fn cost(&self, task: Task) -> UnitCost {
        let CellPlan { run, cost, .. } = self.plan.cells[task.group];
        match self.parts.missing(task, &self.experiment) {
            None => cost,
            Some(directions) => cost::of_unit(run.cell, &along(&self.experiment, directions), run.method, run.keep),
        }
    }

    fn methods(&self) -> Vec<Method> {
        self.plan.cells.iter().map(|cell| cell.run.method).collect()
    }

    /// Moves the results of the complete cells out of `store`.
    fn take_cells(&self, store: &mut Store) -> anyhow::Result<Vec<CellResults>> {
        let finished = self.plan.cells.iter().enumerate().filter(|(cell, _)| store.has_group(*cell)).collect::<Vec<_>>();
        let take = |(cell, plan): (usize, &CellPlan)| {
            let record = |network: usize| {
                let result = store.take(Task { group: cell, index: network }).expect("the group is complete");
                shard::record(&self.experiment, Unit { cell, network }, &result).map_err(anyhow::Error::msg)
            };
            let records = (0..self.plan.networks).map(record).collect::<Result<_, _>>()?;
            Ok(CellResults { cell: plan.run.cell, method: plan.run.method, records })
        };
        finished.into_iter().map(take).collect()
    }

    fn results(&self, cells: Vec<CellResults>, provenance: Provenance) -> Results {
        Results { experiment: self.experiment.clone(), cells, provenance, threshold: None }
    }
}

impl Client for Run {
    fn identity(&self) -> Table {
        shard::identity(&self.experiment, self.shard, &self.methods())
    }

    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn has(&self, task: Task) -> bool {
        self.shard.is_none() || self.own.binary_search(&unit_of(task)).is_ok()
    }

    fn held(&self) -> anyhow::Result<Vec<Held>> {
        let mut extension = Extension::new(&self.experiment, &self.methods());
        let task = |unit: Unit| Task { group: unit.cell, index: unit.network };
        let mut held = Vec::with_capacity(self.extend.len());
        for file in &self.extend {
            let (complete, parts) = extension.take(file, self.plan.unit_memory)?;
            let tasks = complete.into_iter().map(|(unit, result)| (task(unit), result));
            held.push(Held { file: file.clone(), results: tasks.filter(|(task, _)| self.has(*task)).collect(), parts });
        }
        self.parts.hold(extension.into_parts().map(|(unit, part)| (task(unit), part)).collect());
        Ok(held)
    }

    fn news(&self) -> Vec<u8> {
        self.parts.masks(&self.experiment)
    }

    fn learn(&self, news: Vec<u8>) {
        self.parts.know(news);
    }

    fn seconds(&self, task: Task) -> f64 {
        let cost = self.cost(task);
        self.machine.get().map_or(cost, |machine| machine.cost(cost)).seconds
    }

    fn calibrate(&self, threads: usize) -> bool {
        self.machine.set(Machine::measure(threads)).is_ok()
    }

    fn complete(&self, task: Task, result: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        self.parts.complete(task, result, &self.experiment)
    }

    fn memory(&self) -> u64 {
        self.plan.unit_memory
    }

    fn largest_result(&self) -> usize {
        codec::encoded_bytes(self.experiment.samples_of_network())
    }

    fn worker(&self) -> Box<dyn Worker + '_> {
        self.worker_in(&Team::alone())
    }

    fn worker_in(&self, team: &Team) -> Box<dyn Worker + '_> {
        Box::new(PartMeasurer::in_team(&self.experiment, &self.plan, &self.parts, team))
    }

    fn check(&self, task: Task, result: &[u8]) -> Result<(), String> {
        shard::record(&self.experiment, unit_of(task), result).map(drop)
    }

    fn summary(&self) -> String {
        format!(
            "{}{} of {} and {}",
            self.shard.map_or_else(String::new, |shard| format!("{shard} of ")),
            counted(self.plan.cells.len(), "cell"),
            counted(self.plan.networks, "network"),
            counted(self.experiment.inputs, "input"),
        )
    }

    fn nouns(&self) -> Nouns {
        Nouns { tasks: "networks", groups: "cells" }
    }

    fn is_finished(&self, path: &Path) -> bool {
        is_finished(path, &self.experiment, self.shard)
    }

    fn snapshot_path(&self, out: &Path) -> Option<PathBuf> {
        self.shard.is_none().then(|| snapshot_of(out))
    }

    fn write_snapshot(&self, store: &mut Store, provenance: Provenance, path: &Path) -> anyhow::Result<bool> {
        let results = self.results(self.take_cells(store)?, provenance);
        let written = match results.cells.is_empty() {
            true => Ok(()),
            false => results::write_partial(path, Existing::Replace, &results),
        };
        for record in results.cells.iter().flat_map(|cell| &cell.records) {
            let task = Task { group: record.unit.cell, index: record.unit.network };
            store.insert(task, codec::encode(&record.samples, record.seconds))?;
        }
        written.map(|()| !results.cells.is_empty())
    }

    fn draft(&self, out: &Path) -> Option<Box<dyn Draft>> {
        let cells = self.plan.cells.iter().map(|plan| (plan.run.cell, plan.run.method)).collect();
        let draft = ResultsDraft::new(out.to_path_buf(), self.experiment.clone(), cells);
        self.shard.is_none().then(|| Box::new(draft) as Box<dyn Draft>)
    }

    fn product(&self, store: &mut Store, provenance: Provenance) -> anyhow::Result<Option<Box<dyn Product>>> {
        match self.shard {
            Some(_) => Ok(None),
            None => Ok(Some(Box::new(self.results(self.take_cells(store)?, provenance)))),
        }
    }
}
