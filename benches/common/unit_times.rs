//! Measured unit times in a JSON-lines file, written by `cost_model` and read by `scaling`.
//!
//! A line covers consecutive networks of one cell of preset `paper`; lines of a cell add up.

// Every benchmark compiles this file and uses a part of it.
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

/// The default file.
pub const FILE: &str = "benches/results/unit_times.jsonl";

/// Networks `first` .. `first + networks` of a cell, measured on one thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub depth: usize,
    pub dim: usize,
    /// A number or `"inf"`.
    #[serde(serialize_with = "write_width", deserialize_with = "read_width")]
    pub width: usize,
    pub engine: String,
    pub search: String,
    /// SIMD level of the kernels.
    pub simd: String,
    /// Program commit, with `-dirty` if sources were modified.
    #[serde(default = "unknown")]
    pub revision: String,
    pub first: usize,
    pub networks: usize,
    /// CPU seconds of all these networks.
    pub seconds: f64,
    /// Sum over networks of the mean evaluations per line.
    pub points: f64,
}

impl Measured {
    /// A new measurement of a cell run as in `plan`.
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

    /// Whether cell, engine and search match `plan`, and the SIMD level this process.
    pub fn is_of(&self, plan: &CellPlan) -> bool {
        self.cell() == plan.run.cell
            && self.engine == plan.run.method.engine.name()
            && self.search == plan.run.method.search.name()
            && self.simd == simd()
    }
}

/// Means over the lines of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    pub networks: usize,
    /// CPU seconds per network.
    pub seconds: f64,
    /// Evaluations per line.
    pub points: f64,
}

/// The mean over matching networks of `lines` ([`Line`]s run as in `plan` at this SIMD level); `None` if there are none.
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

/// The lines of the file at `path`; empty if it does not exist.
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

/// Appends a line to the file at `path`, creating it if necessary.
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
