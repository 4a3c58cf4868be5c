//! Measured times of units, in a file of JSON lines: `cost_model` appends to it, `scaling` takes its times from it.
//!
//! A line holds some consecutive networks of one cell of preset `paper`; lines of one cell add up.

// Every bench compiles this file and uses its own part of it.
#![allow(dead_code)]

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use advstep_hpc::kernels::SimdLevel;
use advstep_hpc::model::{Cell, INFINITE_WIDTH};
use advstep_hpc::plan::CellPlan;
use advstep_hpc::provenance::Versions;
use anyhow::Context;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// Where the measured times are.
pub const FILE: &str = "benches/results/unit_times.jsonl";

/// Networks `first` to `first + networks - 1` of a cell, measured on one thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub depth: usize,
    pub dim: usize,
    /// In the file a number or `"inf"`.
    #[serde(serialize_with = "write_width", deserialize_with = "read_width")]
    pub width: usize,
    pub engine: String,
    pub search: String,
    /// SIMD level of the kernels.
    pub simd: String,
    /// Of the program: commit, with `-dirty` when the sources differed from it.
    #[serde(default = "unknown")]
    pub revision: String,
    pub first: usize,
    pub networks: usize,
    /// Processor seconds of one thread for all these networks together.
    pub seconds: f64,
    /// Sum over the networks of the mean evaluations a line.
    pub points: f64,
}

impl Measured {
    /// What was measured here and now of a cell that was run as `plan` says.
    pub fn new(plan: &CellPlan, first: usize, networks: usize, seconds: f64, points: f64) -> Self {
        let Cell { depth, dim, width, .. } = plan.run.cell;
        Self {
            depth,
            dim,
            width,
            engine: plan.run.method.engine.name().to_owned(),
            search: plan.run.method.search.name().to_owned(),
            simd: simd(),
            revision: Versions::collect().git_revision.to_owned(),
            first,
            networks,
            seconds,
            points,
        }
    }

    pub fn cell(&self) -> Cell {
        Cell::new(self.depth, self.dim, self.width)
    }

    /// Whether the cell, the engine and the search are those of `plan`, and the level that of this process.
    pub fn is_of(&self, plan: &CellPlan) -> bool {
        self.cell() == plan.run.cell
            && self.engine == plan.run.method.engine.name()
            && self.search == plan.run.method.search.name()
            && self.simd == simd()
    }
}

/// What the lines of one cell add up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    pub networks: usize,
    /// Processor seconds of a network.
    pub seconds: f64,
    /// Evaluations a line.
    pub points: f64,
}

/// The mean over all networks of `lines` that were run as `plan` says, at the level of this process; `None` if there are none.
pub fn mean(lines: &[Measured], plan: &CellPlan) -> Option<Mean> {
    let of_plan = || lines.iter().filter(|line| line.is_of(plan));
    let networks: usize = of_plan().map(|line| line.networks).sum();
    let over = |total: f64| total / networks as f64;
    (networks > 0).then(|| Mean {
        networks,
        seconds: over(of_plan().map(|line| line.seconds).sum()),
        points: over(of_plan().map(|line| line.points).sum()),
    })
}

/// The lines of the file at `path`; none if there is no file.
pub fn read(path: &Path) -> anyhow::Result<Vec<Measured>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parsed = lines.map(|(number, line)| {
        serde_json::from_str(line).with_context(|| format!("line {} of {} is no measured time", number + 1, path.display()))
    });
    parsed.collect()
}

/// Appends a line to the file at `path`, which is made if there is none.
pub fn append(path: &Path, measured: &Measured) -> anyhow::Result<()> {
    let line = serde_json::to_string(measured)? + "\n";
    let written = OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| file.write_all(line.as_bytes()));
    written.with_context(|| format!("cannot write to {}", path.display()))
}

fn simd() -> String {
    format!("{:?}", SimdLevel::best())
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn write_width<S: Serializer>(width: &usize, out: S) -> Result<S::Ok, S::Error> {
    if *width == INFINITE_WIDTH { out.serialize_str("inf") } else { out.serialize_u64(*width as u64) }
}

fn read_width<'de, D: Deserializer<'de>>(source: D) -> Result<usize, D::Error> {
    let value = Value::deserialize(source)?;
    let finite = || value.as_u64().and_then(|width| usize::try_from(width).ok());
    if value == "inf" { Some(INFINITE_WIDTH) } else { finite() }.ok_or_else(|| de::Error::custom(format!("{value} is no width")))
}
