//! Networks of a run of which other files hold the steps along some directions: only the others are measured.
//!
//! Rank 0 knows what is held. All ranks know, for each network, the directions to measure.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Error;

use super::networks::Measurer;
use crate::experiment::Experiment;
use crate::job::{Task, Worker};
use crate::model::Direction;
use crate::plan::Plan;
use crate::record::codec;
use crate::results::extend::{Part, along};
use crate::team::Team;

/// The networks held in part.
#[derive(Default)]
pub struct Parts {
    /// On rank 0: the networks that are not complete yet.
    held: Mutex<HashMap<Task, Part>>,
    /// Per network, by cell: a bit for each direction to measure; 0 for all. Empty if there is no network in part.
    masks: OnceLock<Vec<u8>>,
}

impl Parts {
    /// On rank 0.
    pub fn hold(&self, parts: HashMap<Task, Part>) {
        *self.held() = parts;
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Task, Part>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On rank 0: what all ranks have to know.
    pub fn masks(&self, experiment: &Experiment) -> Vec<u8> {
        let held = self.held();
        if held.is_empty() {
            return Vec::new();
        }
        let mut masks = vec![0; experiment.cell_count() * experiment.networks];
        for (task, part) in held.iter() {
            let missing = part.missing(experiment);
            let bits = experiment.directions.iter().enumerate().filter(|(_, direction)| missing.contains(direction));
            masks[task.group * experiment.networks + task.index] = bits.map(|(index, _)| 1 << index).sum();
        }
        masks
    }

    /// On all ranks: [`masks`](Self::masks) of rank 0.
    pub fn know(&self, masks: Vec<u8>) {
        // Set once: a job learns once.
        let _ = self.masks.set(masks);
    }

    /// On rank 0: the whole record of `task`, from what was measured of it.
    pub fn complete(&self, task: Task, measured: Vec<u8>, experiment: &Experiment) -> anyhow::Result<Vec<u8>> {
        let Some(part) = self.held().remove(&task) else { return Ok(measured) };
        let (samples, seconds) = codec::decode(&measured).map_err(Error::from)?;
        anyhow::ensure!(
            samples.len() == part.missing(experiment).len() * experiment.inputs,
            "network {} of cell {} was not measured along the directions that are missing",
            task.index,
            task.group
        );
        Ok(part.complete(&samples, seconds, experiment))
    }

    /// The tasks that are held in part.
    pub fn tasks(&self, experiment: &Experiment) -> Vec<Task> {
        let masks = self.masks.get().map_or(&[][..], Vec::as_slice);
        let held = masks.iter().enumerate().filter(|(_, mask)| **mask != 0);
        held.map(|(at, _)| Task { group: at / experiment.networks, index: at % experiment.networks }).collect()
    }

    /// The directions of `task` to measure; `None`: all.
    pub fn missing(&self, task: Task, experiment: &Experiment) -> Option<Vec<Direction>> {
        let mask = *self.masks.get()?.get(task.group * experiment.networks + task.index)?;
        let bits = experiment.directions.iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1);
        (mask != 0).then(|| bits.map(|(_, &direction)| direction).collect())
    }
}

/// Measures networks along the directions that are missing.
pub struct PartMeasurer<'r> {
    experiment: &'r Experiment,
    parts: &'r Parts,
    measurer: Measurer<'r>,
}

impl<'r> PartMeasurer<'r> {
    /// A member of `team`.
    pub fn in_team(experiment: &'r Experiment, plan: &'r Plan, parts: &'r Parts, team: &Team) -> Self {
        Self { experiment, parts, measurer: Measurer::in_team(experiment, plan, team) }
    }
}

impl Worker for PartMeasurer<'_> {
    fn run(&mut self, task: Task) -> anyhow::Result<Vec<u8>> {
        match self.parts.missing(task, self.experiment) {
            None => self.measurer.run(task),
            Some(directions) => self.measurer.measure(&along(self.experiment, directions), task),
        }
    }

    fn release(&mut self) {
        self.measurer.release();
    }
}
