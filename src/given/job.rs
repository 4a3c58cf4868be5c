//! A measurement as a job: one group, whose tasks are blocks of inputs. The size of a block is fixed, so that no number depends on ranks and threads.

use std::path::Path;

use ndarray::{Array2, s};
use toml::{Table, Value};

use super::options::Choice;
use super::{Measurement, Options, file, table};
use crate::error::{BadInput, Failed};
use crate::files::{Existing, Target};
use crate::interchange::inputs::{Inputs, Labels};
use crate::interchange::network::NetworkRead;
use crate::job::journal::REVISION;
use crate::job::resources::{PROCESS, THREAD};
use crate::job::{Client, Group, Nouns, Product, Resources, Store, Task, Worker};
use crate::machine::blas;
use crate::measure::SCIENCE_VERSION;
use crate::measure::given::{BlockSamples, NO_CLASS, Settings, block_samples};
use crate::method;
use crate::model::{Cell, Direction, SearchChoice, SearchName};
use crate::network::given::Embedded;
use crate::provenance::{Provenance, program_revision};
use crate::record::codec;
use crate::record::{Sample, check_sample};

/// Inputs per task: those of a network of the presets.
pub const BLOCK: usize = 100;
/// Assumed flop/s of one thread, for progress.
const OPERATIONS: f64 = 3e9;
/// Moves of a search for the nearest flip and passes of a scan, roughly.
const MOVES: f64 = 30.0;
const PASSES: f64 = 10.0;

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
    /// They do not fit each other, an option is out of range, or the memory does not suffice.
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
        let widest = network.network.widths().max().unwrap_or(0);
        let cell = Cell::new(embedded.cell().depth, network.network.dim(), widest);
        let search = method::search_with_weights(cell, embedded.activation(), &choice.directions, search);
        let options = Options::new(network, &inputs, names, rescale, search, choice)?;
        let (rows, directions) = (options.rows, options.directions.len());
        let group = Group {
            count: rows.div_ceil(BLOCK),
            seconds: operations(&embedded, &options) / OPERATIONS,
            bytes: block_bytes(&embedded, &options),
            team: None,
        };
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

    /// The rows of block `block`.
    fn rows(&self, block: usize) -> std::ops::Range<usize> {
        block * BLOCK..((block + 1) * BLOCK).min(self.options.rows)
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
        let rows = self.rows(block);
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
        let directions = self.options.directions.len();
        let mut samples = vec![Vec::with_capacity(self.options.rows); directions];
        let (mut predicted, mut reached) = (Vec::new(), vec![Vec::new(); directions]);
        for task in (0..self.groups[0].count).map(|index| Task { group: 0, index }) {
            let block = store.get(task).ok_or_else(|| Failed::bug("a block of inputs is missing", "the job is not complete"))?;
            let rows = self.rows(task.index).len();
            let block = decode(block, rows, directions).map_err(|why| Failed::bug("the result of a block is damaged", why))?;
            samples.iter_mut().zip(block.samples.chunks(rows)).for_each(|(all, block)| all.extend_from_slice(block));
            if self.options.is_margin() {
                predicted.extend_from_slice(&block.predicted);
                reached.iter_mut().zip(block.reached.chunks(rows)).for_each(|(all, block)| all.extend_from_slice(block));
            }
        }
        let reached = if self.options.is_margin() { reached } else { Vec::new() };
        Ok(Measurement { options: self.options.clone(), labels: self.labels.clone(), samples, predicted, reached })
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

fn encode(block: &BlockSamples) -> Vec<u8> {
    let mut bytes = codec::encode(&block.samples, 0.0);
    bytes.extend(block.predicted.iter().chain(&block.reached).flat_map(|class| class.to_le_bytes()));
    bytes
}

/// The result of a block of `inputs` inputs.
fn decode(bytes: &[u8], inputs: usize, directions: usize) -> Result<BlockSamples, String> {
    let count = inputs * directions;
    let length = codec::encoded_bytes(count);
    if bytes.len() != length + 4 * (inputs + count) {
        return Err("it does not have the length of its inputs and directions".to_string());
    }
    let (samples, _) = codec::decode(&bytes[..length]).map_err(|error| error.to_string())?;
    let classes: Vec<u32> = bytes[length..].as_chunks().0.iter().map(|class| u32::from_le_bytes(*class)).collect();
    Ok(BlockSamples { samples, predicted: classes[..inputs].to_vec(), reached: classes[inputs..].to_vec() })
}

impl Client for Job {
    fn identity(&self) -> Table {
        Table::from_iter([
            ("science_version".to_string(), Value::from(i64::from(SCIENCE_VERSION))),
            (REVISION.to_string(), Value::from(program_revision())),
            ("blas".to_string(), Value::from(blas::blas_name())),
            ("blas_kernels".to_string(), Value::from(blas::blas_core())),
            ("measurement".to_string(), Value::from(self.options.to_table())),
        ])
    }

    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn largest_result(&self) -> usize {
        let (inputs, directions) = (BLOCK.min(self.options.rows), self.options.directions.len());
        codec::encoded_bytes(inputs * directions) + 4 * inputs * (1 + directions)
    }

    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(Measurer { job: self })
    }

    fn check(&self, task: Task, result: &[u8]) -> Result<(), String> {
        let outputs = self.options.outputs as u32;
        let block = decode(result, self.rows(task.index).len(), self.options.directions.len())?;
        let is_class = |class: &u32| *class == NO_CLASS || *class < outputs;
        if !block.predicted.iter().chain(&block.reached).all(is_class) {
            return Err("it names a class that the network does not have".to_string());
        }
        block.samples.iter().try_for_each(|sample| check_sample(sample, self.options.bounds()))
    }

    fn summary(&self) -> String {
        let Options { network, rows, directions, .. } = &self.options;
        let names: Vec<&str> = directions.iter().map(|direction| direction.name()).collect();
        format!("measure of {network} at {rows} inputs, direction {}", names.join(", "))
    }

    fn nouns(&self) -> Nouns {
        Nouns { tasks: "blocks of inputs", groups: "networks" }
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
        Ok(encode(&self.job.measure(task.index)?))
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
    for task in (0..job.groups[0].count).map(|index| Task { group: 0, index }) {
        store.insert(task, encode(&job.measure(task.index)?))?;
    }
    job.conclude(&store)
}
