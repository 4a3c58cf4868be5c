//! `threshold`: a search for the sizes from which on inputs switch, as a job in rounds that writes a results file of the cells it measured.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Error;
use toml::{Table, Value};

use super::networks::Measurer;
use crate::experiment::{Experiment, inputs_file};
use crate::job::{self, Client, Group, Nouns, Product, Ranks, Settings, Store, Task, Worker};
use crate::model::{Cell, Unit};
use crate::plan::teams::TeamChoice;
use crate::plan::{self, Plan, unit_of};
use crate::provenance::Provenance;
use crate::record::codec;
use crate::results::{CellResults, Results, head, shard, switching};
use crate::stats::Estimate;
use crate::team::Team;
use crate::threshold::request::USUAL_CELLS;
use crate::threshold::search::{self, Place};
use crate::threshold::{Request, Step};

/// Thresholds to search for.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdRequest {
    pub search: Request,
    pub team: TeamChoice,
    pub settings: Settings,
}

/// Searches on all ranks of this launch.
pub fn execute(request: impl FnOnce() -> anyhow::Result<ThresholdRequest>) -> anyhow::Result<()> {
    let split = || request().map(|ThresholdRequest { search, team, settings }| (settings, (search, team)));
    job::run(split, |(search, team), ranks| Search::new(search, ranks, team)).map(drop)
}

/// A search as a job: groups are the cells that may be measured, by depth and size, and tasks are their networks.
struct Search {
    request: Request,
    /// All cells, with the most networks.
    experiment: Experiment,
    plan: Plan,
    groups: Vec<Group>,
    /// Fractions computed so far; the search, replayed from its start, asks for each of them in every round.
    seen: Mutex<HashMap<(Place, usize), Estimate>>,
}

impl Search {
    fn new(mut request: Request, ranks: Ranks, team: TeamChoice) -> anyhow::Result<Self> {
        inputs_file::load(&mut request.experiment.inputs_law, request.experiment.inputs)?;
        let cells = request.experiment.depths.len() * request.sizes.len();
        let usual = request.experiment.depths.len() * USUAL_CELLS * request.max_networks;
        let usual = request.candidates(usual.div_ceil(cells));
        let plan = plan::plan_on(&usual, ranks, team, usual.networks)?;
        let experiment = request.candidates(request.max_networks);
        let groups = plan.groups().into_iter().map(|group| Group { count: request.max_networks, ..group }).collect();
        Ok(Self { request, experiment, plan, groups, seen: Mutex::default() })
    }

    fn group(&self, (depth, size): Place) -> usize {
        depth * self.request.sizes.len() + size
    }

    /// The next step, by the results in `store`.
    fn next(&self, store: &Store) -> anyhow::Result<Step> {
        let mut failure = None;
        let step = search::next(&self.request, self.request.experiment.depths.len(), |place, networks| {
            match self.fraction(store, place, networks) {
                Ok(fraction) => fraction,
                Err(error) => {
                    failure = Some(error);
                    None
                }
            }
        });
        failure.map_or(Ok(step), Err)
    }

    /// The fraction that switches in the first `networks` networks of a cell, if they are in `store`.
    fn fraction(&self, store: &Store, place: Place, networks: usize) -> anyhow::Result<Option<Estimate>> {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(fraction) = seen.get(&(place, networks)) {
            return Ok(Some(*fraction));
        }
        let cell = self.group(place);
        let mut records = Vec::with_capacity(networks);
        for network in 0..networks {
            let Some(result) = store.get(Task { group: cell, index: network }) else { return Ok(None) };
            records.push(shard::record(&self.experiment, Unit { cell, network }, result).map_err(Error::msg)?);
        }
        let run = &self.plan.cells[cell].run;
        let fraction = switching::switched(&CellResults { cell: run.cell, method: run.method, records }).interval();
        seen.insert((place, networks), fraction);
        Ok(Some(fraction))
    }

    /// Moves the records of the first `networks` networks of the cells at `places`, which are in order, out of `store`.
    fn take(&self, store: &mut Store, places: &[Place], networks: usize) -> anyhow::Result<Vec<CellResults>> {
        let cells: Vec<Cell> = places.iter().map(|&place| self.request.cell(place)).collect();
        let measured = self.request.measured(&cells, networks);
        let take = |(cell, &place): (usize, &Place)| {
            let group = self.group(place);
            let record = |network: usize| {
                let result = store.take(Task { group, index: network }).expect("the search has looked at it");
                shard::record(&measured, Unit { cell, network }, &result).map_err(Error::msg)
            };
            let records = (0..networks).map(record).collect::<Result<_, _>>()?;
            Ok(CellResults { cell: cells[cell], method: self.plan.cells[group].run.method, records })
        };
        places.iter().enumerate().map(take).collect()
    }
}

impl Client for Search {
    fn identity(&self) -> Table {
        let methods: Vec<_> = self.plan.cells.iter().map(|cell| cell.run.method).collect();
        let mut identity = shard::identity(&self.request.experiment, None, &methods);
        identity.insert(shard::SEARCH.to_string(), Value::from(self.request.to_table().to_string()));
        identity
    }

    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn is_in_first_round(&self, task: Task) -> bool {
        task.group % self.request.sizes.len() == self.request.start() && task.index < self.request.networks()
    }

    fn more(&self, store: &Store) -> anyhow::Result<Vec<Task>> {
        let Step::Measure { networks, cells } = self.next(store)? else { return Ok(Vec::new()) };
        let tasks = cells.into_iter().flat_map(|place| (0..networks).map(move |index| Task { group: self.group(place), index }));
        Ok(tasks.filter(|&task| store.get(task).is_none()).collect())
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
        Box::new(Measurer::in_team(&self.experiment, &self.plan, team))
    }

    fn check(&self, task: Task, result: &[u8]) -> Result<(), String> {
        shard::record(&self.experiment, unit_of(task), result).map(drop)
    }

    fn summary(&self) -> String {
        let Request { along, experiment, sizes, .. } = &self.request;
        let count = experiment.depths.len();
        let depths = format!("{count} depth{}", if count == 1 { "" } else { "s" });
        format!("search for a {} from {} to {} at {depths}", along.name(), sizes[0], sizes[sizes.len() - 1])
    }

    fn nouns(&self) -> Nouns {
        Nouns { tasks: "networks", groups: "cells" }
    }

    fn is_finished(&self, path: &Path) -> bool {
        head::read(path).is_ok_and(|head| head.is_complete && head.is_current && head.threshold.as_ref() == Some(&self.request))
    }

    fn product(&self, store: &mut Store, provenance: Provenance) -> anyhow::Result<Option<Box<dyn Product>>> {
        let Step::Done { networks, lines } = self.next(store)? else { anyhow::bail!("the search is not finished") };
        let places: Vec<Place> =
            lines.iter().enumerate().flat_map(|(depth, line)| line.keys().map(move |&size| (depth, size))).collect();
        let cells = self.take(store, &places, networks)?;
        let all: Vec<Cell> = cells.iter().map(|results| results.cell).collect();
        let experiment = self.request.measured(&all, networks);
        Ok(Some(Box::new(Results { experiment, cells, provenance, threshold: Some(self.request.clone()) })))
    }
}
