//! A measurement as a job: one group, whose tasks are blocks of inputs. The size of a block is fixed, so that no number depends on ranks and threads.

use std::path::Path;

use ndarray::{Array2, s};
use toml::{Table, Value};

use super::blocks::BLOCK;
use super::options::Choice;
use super::{Measurement, Options, blocks, file, table};
use crate::error::{BadInput, Failed};
use crate::files::{Existing, Target};
use crate::interchange::inputs::{Inputs, Labels};
use crate::interchange::network::NetworkRead;
use crate::job::resources::{PROCESS, THREAD};
use crate::job::{Client, Group, Nouns, Product, Resources, Store, Task, Worker, journal};
use crate::measure::SCIENCE_VERSION;
use crate::measure::given::{BlockSamples, Settings, block_samples};
use crate::method;
use crate::model::{Cell, Direction, SearchChoice, SearchName};
use crate::network::given::Embedded;
use crate::provenance::Provenance;
use crate::record::{Sample, check_sample};
use crate::text::counted;

/// Assumed flop/s of one thread, for progress.
const OPERATIONS: f64 = 3e9;
/// Moves of a search for the nearest flip and passes of a scan, roughly.
const MOVES: f64 = 30.0;
const PASSES: f64 = 10.0;

/// What messages call tasks and groups.
pub const NOUNS: Nouns = Nouns { tasks: "blocks of inputs", groups: "networks" };

/// A measurement to run.
pub struct Job {
    options: Options,
    network: Embedded,
    x: Array2<f64>,
    labels: Option<Labels>,
    groups: Vec<Group>,
    /// Bytes available to blocks.
    memory: u64,
}

impl Job {
    /// The measurement of `network` at `inputs`; `names` are those of their files.
    ///
    /// # Errors
    /// Network and inputs do not fit each other, an option is out of range, or the memory does not suffice.
    pub fn new(
        network: &NetworkRead,
        inputs: Inputs,
        names: [String; 2],
        rescale: bool,
        search: SearchChoice,
        choice: &Choice,
        resources: Resources,
    ) -> Result<Self, BadInput> {
        let embedded = Embedded::of(&network.network);
        // By the widths of the network, without constant units.
        let widest = network.network.widths().max().unwrap_or(1);
        let cell = Cell::new(embedded.cell().depth, network.network.dim(), widest);
        let search = method::search_with_weights(cell, embedded.activation(), &choice.directions, search);
        let options = Options::new(network, &inputs, names, rescale, search, choice)?;
        let (rows, directions) = (options.rows, options.directions.len());
        let group = blocks::group(&options, operations(&embedded, &options) / OPERATIONS, block_bytes(&embedded, &options));
        // The network is read, embedded, and its inputs are held in two forms; results as bytes and as samples.
        let numbers = 2.0 * embedded.cell().weights() + 2.0 * (rows * options.dim) as f64;
        let held = (8.0 * numbers) as u64 + (2 * rows * directions * size_of::<Sample>()) as u64;
        let process = PROCESS + THREAD * resources.threads as u64 + held;
        if process.saturating_add(group.bytes) > resources.memory {
            return Err(BadInput::new(
                "the measurement does not fit the memory of this rank",
                format!("it takes {} MiB, of {} MiB", (process + group.bytes).div_ceil(1 << 20), resources.memory >> 20),
                "give fewer --threads, a larger --memory if the machine has it, or fewer ranks on it",
            ));
        }
        let memory = resources.memory - process;
        Ok(Self { options, network: embedded, x: inputs.x, labels: inputs.labels, groups: vec![group], memory })
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    fn settings(&self) -> Settings<'_> {
        Settings {
            output: self.options.output().expect("validated"),
            directions: &self.options.directions,
            search: self.options.search().expect("validated"),
            bound: self.options.bounds(),
            nearest_starts: self.options.nearest_starts,
            seed: self.options.seed,
        }
    }

    fn measure(&self, block: usize) -> Result<BlockSamples, Failed> {
        let rows = blocks::rows(&self.options, block);
        let first = rows.start;
        let failed = |row: usize, why: String| {
            let what = format!("input {} cannot be measured", first + row);
            Failed::new(what, why, "give a smaller --bound or --bound-distance, or --rescale the inputs")
        };
        let block = block_samples(&self.network, block, self.x.slice(s![rows.clone(), ..]), &self.settings())
            .map_err(|error| failed(error.input, format!("{} is {}", error.what, error.number)))?;
        for (index, sample) in block.samples.iter().enumerate() {
            check_sample(sample, self.options.bounds()).map_err(|why| failed(index % rows.len(), why))?;
        }
        Ok(block)
    }

    /// The samples of all blocks.
    fn conclude(&self, store: &Store) -> anyhow::Result<Measurement> {
        let missing = |_| Failed::bug("a block of inputs is missing", "the job is not complete");
        let results = self.tasks().map(|task| Ok((task, store.get(task).ok_or(()).map_err(missing)?)));
        let results = results.collect::<anyhow::Result<Vec<_>>>()?;
        let measurement = blocks::measurement(&self.options, self.labels.clone(), results.into_iter());
        Ok(measurement.map_err(|why| Failed::bug("the result of a block is damaged", why))?)
    }

    fn tasks(&self) -> impl Iterator<Item = Task> {
        (0..self.groups[0].count).map(|index| Task { group: 0, index })
    }
}

/// Flops of a block, roughly.
fn operations(network: &Embedded, options: &Options) -> f64 {
    let cell = network.cell();
    let inputs = BLOCK.min(options.rows) as f64;
    let pass = 2.0 * inputs * cell.weights();
    let line = match options.search() {
        Some(SearchName::Trace) => 4.0 * inputs * cell.neurons() * cell.weights_above_first(),
        Some(SearchName::Line) => 10.0 * inputs * cell.neurons(),
        _ => PASSES * pass,
    };
    let of_direction = |direction: &Direction| match direction {
        Direction::Nearest => options.nearest_starts as f64 * MOVES * (3.0 * pass + line),
        Direction::Descent => 3.0 * MOVES * pass,
        _ => pass + line,
    };
    let lines: f64 = options.directions.iter().map(of_direction).sum();
    (3.0 * pass + lines) * if options.is_margin() { options.outputs as f64 } else { 1.0 }
}

/// Bytes of measuring a block, besides the network: activations of all layers and what a trace holds, the weights in its layout, gradients.
fn block_bytes(network: &Embedded, options: &Options) -> u64 {
    let cell = network.cell();
    let inputs = BLOCK.min(options.rows) as f64;
    let rivals = if options.is_margin() { network.outputs() as f64 } else { 1.0 };
    let numbers = cell.weights_above_first() * 1.25 + inputs * (12.0 * cell.neurons() + (8.0 + rivals) * cell.dim as f64);
    // Breakpoint lists, or grids of a scan.
    (8.0 * numbers + inputs * crate::search::one_layer::line_bytes(cell.width_of(1))) as u64
}

impl Client for Job {
    fn identity(&self) -> Table {
        journal::identity(SCIENCE_VERSION, [("measurement".to_string(), Value::from(self.options.to_table()))])
    }

    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn largest_result(&self) -> usize {
        blocks::largest_result(&self.options)
    }

    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(Measurer { job: self })
    }

    fn check(&self, task: Task, result: &[u8]) -> Result<(), String> {
        blocks::check(&self.options, task.index, result)
    }

    fn summary(&self) -> String {
        let Options { network, rows, directions, .. } = &self.options;
        let names: Vec<&str> = directions.iter().map(|direction| direction.name()).collect();
        format!("measure of {network} at {}, direction {}", counted(*rows, "input"), names.join(", "))
    }

    fn nouns(&self) -> Nouns {
        NOUNS
    }

    fn is_finished(&self, path: &Path) -> bool {
        file::read(path, false).is_ok_and(|measurement| measurement.options == self.options)
    }

    fn product(&self, store: &mut Store, provenance: Provenance) -> anyhow::Result<Option<Box<dyn Product>>> {
        Ok(Some(Box::new(Finished { measurement: self.conclude(store)?, provenance })))
    }
}

struct Measurer<'j> {
    job: &'j Job,
}

impl Worker for Measurer<'_> {
    fn run(&mut self, task: Task) -> anyhow::Result<Vec<u8>> {
        Ok(blocks::encode(&self.job.measure(task.index)?))
    }
}

struct Finished {
    measurement: Measurement,
    provenance: Provenance,
}

impl Product for Finished {
    fn write(&self, out: &Target, existing: Existing) -> anyhow::Result<()> {
        file::write(out.path(), existing, &self.measurement, &self.provenance)
    }

    fn text(&self, name: &str) -> String {
        format!("{}\nThe measurement is in {name}", table::text(&self.measurement))
    }
}

/// Runs a measurement on this thread, without journal or file.
///
/// # Errors
/// If a value is not finite.
pub fn measurement(job: &Job) -> anyhow::Result<Measurement> {
    let mut store = Store::new(&job.groups);
    for task in job.tasks() {
        store.insert(task, blocks::encode(&job.measure(task.index)?))?;
    }
    job.conclude(&store)
}
