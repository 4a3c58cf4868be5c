//! An audit as a job: groups are settings, tasks are networks. Each network is built once and measured by every statement that uses it; rank 0
//! makes the entries at the end. Only provenance depends on ranks and threads.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Audit, DeepNetwork, Measured, Network, Options, Setting, Statement, file, memory, statements, table};
use crate::error::{BadInput, Failed};
use crate::files::{Existing, Target, place};
use crate::job::journal::REVISION;
use crate::job::resources::{PROCESS, THREAD};
use crate::job::{Client, Group, Nouns, Product, Resources, Store, Task, Worker};
use crate::machine::blas;
use crate::measure::SCIENCE_VERSION;
use crate::provenance::{Provenance, program_revision};
use crate::stats::interval;

/// Assumed flop/s of one thread, for predictions and progress.
const OPERATIONS: f64 = 3e9;

/// An audit to run.
pub struct Job {
    options: Options,
    groups: Vec<Group>,
    /// Per setting: (statement, number of networks) of the applicable statements.
    wanted: Vec<Vec<(usize, usize)>>,
    /// Bytes available to networks.
    memory: u64,
    outputs: Outputs,
}

/// Outputs besides the audit file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    /// The tables in Markdown.
    pub markdown: Option<PathBuf>,
    /// Print every entry.
    pub full: bool,
}

impl Job {
    /// # Errors
    /// If the audit does not fit `resources.memory`.
    pub fn new(options: Options, outputs: Outputs, resources: Resources) -> Result<Self, BadInput> {
        let wanted: Vec<Vec<(usize, usize)>> = options.settings.iter().map(|setting| wanted(setting, &options)).collect();
        let group = |(setting, wanted): (&Setting, &Vec<(usize, usize)>)| {
            // Drawing a weight costs about ten flops.
            let building = 10.0 * setting.cell().weights();
            let measuring = wanted
                .iter()
                .map(|&(index, networks)| statements::ALL[index].cost(setting) * networks as f64 / options.networks as f64);
            Group {
                count: wanted.iter().map(|&(_, networks)| networks).max().unwrap_or(0),
                seconds: (building + measuring.sum::<f64>()) / OPERATIONS,
                bytes: memory::network_bytes(setting),
            }
        };
        let groups: Vec<Group> = options.settings.iter().zip(&wanted).map(group).collect();
        let process = PROCESS + THREAD * resources.threads as u64 + record_bytes(&options, &wanted);
        let largest = groups.iter().map(|group| group.bytes).max().unwrap_or(0);
        if process.saturating_add(largest) > resources.memory {
            return Err(BadInput::new(
                "the audit does not fit the memory of this rank",
                format!("it takes {} MiB, of {} MiB", (process + largest).div_ceil(1 << 20), resources.memory >> 20),
                "give smaller --dims or --widths, fewer --networks or --threads, a larger --memory if the machine has it, or fewer ranks on it",
            ));
        }
        Ok(Self { memory: resources.memory - process, options, groups, wanted, outputs })
    }

    /// (statement, number of columns) of the statements that measure the network of `task`, in order.
    fn columns(&self, task: Task) -> impl Iterator<Item = (usize, usize)> {
        let setting = &self.options.settings[task.group];
        let wanting = self.wanted[task.group].iter().filter(move |&&(_, networks)| task.index < networks);
        wanting.map(|&(index, _)| (index, statements::ALL[index].columns(setting).len()))
    }

    fn measure(&self, task: Task) -> Vec<f64> {
        let (seed, setting) = (self.options.seed, self.options.settings[task.group]);
        let statements = self.columns(task).map(|(index, _)| statements::ALL[index]);
        if setting.layers.is_some() {
            let network = DeepNetwork::new(seed, setting, task.index);
            return statements.flat_map(|statement| statement.measure_deep(&network)).collect();
        }
        let network = Network::new(seed, setting, task.index);
        statements.flat_map(|statement| statement.measure(&network)).collect()
    }

    /// Decodes `result`; `None` if it has the wrong length.
    fn numbers(&self, task: Task, result: &[u8]) -> Option<Vec<f64>> {
        let (words, []) = result.as_chunks::<8>() else { return None };
        let expected: usize = self.columns(task).map(|(_, columns)| columns).sum();
        (words.len() == expected).then(|| words.iter().map(|word| f64::from_le_bytes(*word)).collect())
    }

    /// Sorts the results by statement and makes the entries.
    fn conclude(&self, store: &Store) -> anyhow::Result<Audit> {
        // Per setting, the rows of each statement.
        let mut rows: Vec<Vec<(usize, Vec<Vec<f64>>)>> =
            self.wanted.iter().map(|wanted| wanted.iter().map(|&(index, _)| (index, Vec::new())).collect()).collect();
        for task in store.tasks() {
            let numbers = store.get(task).and_then(|result| self.numbers(task, result));
            let mut numbers = &numbers
                .ok_or_else(|| Failed::bug("a result of the audit is damaged", "it does not have the numbers of its statements"))?
                [..];
            for (index, columns) in self.columns(task) {
                let (row, rest) = numbers.split_at(columns);
                numbers = rest;
                let of_statement = rows[task.group].iter_mut().find(|(other, _)| *other == index);
                of_statement.expect("it is wanted").1.push(row.to_vec());
            }
        }
        let mut measured = Vec::new();
        for (index, statement) in self.options.statements() {
            for (setting, rows) in self.options.settings.iter().zip(&mut rows) {
                let Some(at) = rows.iter().position(|(other, _)| *other == index) else { continue };
                let (_, rows) = rows.swap_remove(at);
                measured.push(Measured { statement: statement.id(), setting: *setting, columns: statement.columns(setting), rows });
            }
        }
        Ok(Audit::of(self.options.clone(), measured))
    }
}

/// (statement, number of networks) of the statements that apply to a setting.
fn wanted(setting: &Setting, options: &Options) -> Vec<(usize, usize)> {
    let applying = options.statements().filter(|(_, statement)| statement.concerns(setting));
    // Enough to show the smallest γ, also where one network is expensive.
    let least_gamma = options.gammas.iter().copied().fold(1.0, f64::min);
    let needed = usize::try_from(interval::trials_to_show(least_gamma)).unwrap_or(usize::MAX);
    let networks = |statement: &dyn Statement| statement.networks(setting, options.networks).max(needed).min(options.networks);
    applying.map(|(index, statement)| (index, networks(statement))).collect()
}

/// Bytes of all measurements on rank 0, as encoded results and as columns.
fn record_bytes(options: &Options, wanted: &[Vec<(usize, usize)>]) -> u64 {
    let of_setting = |(setting, wanted): (&Setting, &Vec<(usize, usize)>)| -> usize {
        let row = |&(index, networks): &(usize, usize)| networks * (80 + 16 * statements::ALL[index].columns(setting).len());
        80 * options.networks + wanted.iter().map(row).sum::<usize>()
    };
    options.settings.iter().zip(wanted).map(of_setting).sum::<usize>() as u64
}

impl Client for Job {
    fn identity(&self) -> Table {
        Table::from_iter([
            ("science_version".to_string(), Value::from(i64::from(SCIENCE_VERSION))),
            (REVISION.to_string(), Value::from(program_revision())),
            ("blas".to_string(), Value::from(blas::blas_name())),
            ("blas_kernels".to_string(), Value::from(blas::blas_core())),
            ("audit".to_string(), Value::from(self.options.to_table())),
        ])
    }

    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn largest_result(&self) -> usize {
        let first = (0..self.groups.len()).map(|group| Task { group, index: 0 });
        let columns = first.map(|task| self.columns(task).map(|(_, columns)| columns).sum::<usize>());
        8 * columns.max().unwrap_or(0)
    }

    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(Measurer { job: self })
    }

    fn check(&self, task: Task, result: &[u8]) -> Result<(), String> {
        match self.numbers(task, result) {
            Some(_) => Ok(()),
            None => Err("it has not as many numbers as the statements measure".to_string()),
        }
    }

    fn summary(&self) -> String {
        let Options { settings, statements, networks, .. } = &self.options;
        format!("audit of {} statements at {} settings with up to {networks} networks", statements.len(), settings.len())
    }

    fn nouns(&self) -> Nouns {
        Nouns { tasks: "networks", groups: "settings" }
    }

    fn is_finished(&self, path: &Path) -> bool {
        file::is_of(path, &self.options)
    }

    fn other_outputs(&self) -> Vec<(PathBuf, &'static str)> {
        self.outputs.markdown.iter().map(|path| (path.clone(), "--markdown")).collect()
    }

    fn write_others(&self, out: &Path, others: &[Target], existing: Existing) -> anyhow::Result<()> {
        let [markdown] = others else { return Ok(()) };
        place::write_bytes(markdown.path(), existing, table::markdown(&file::read(out, false)?).as_bytes())
    }

    fn product(&self, store: &mut Store, provenance: Provenance) -> anyhow::Result<Option<Box<dyn Product>>> {
        Ok(Some(Box::new(Finished { audit: self.conclude(store)?, provenance, full: self.outputs.full })))
    }
}

struct Measurer<'j> {
    job: &'j Job,
}

impl Worker for Measurer<'_> {
    fn run(&mut self, task: Task) -> anyhow::Result<Vec<u8>> {
        Ok(self.job.measure(task).into_iter().flat_map(f64::to_le_bytes).collect())
    }
}

struct Finished {
    audit: Audit,
    provenance: Provenance,
    full: bool,
}

impl Product for Finished {
    fn write(&self, out: &Target, existing: Existing) -> anyhow::Result<()> {
        file::write(out.path(), existing, &self.audit, &self.provenance)
    }

    fn text(&self, name: &str) -> String {
        format!("{}\nThe audit is in {name}", table::text(&self.audit, self.full))
    }
}

/// Runs an audit on this thread, without journal or file.
pub fn audit(options: &Options) -> Audit {
    let job =
        Job::new(options.clone(), Outputs::default(), Resources { threads: 1, memory: u64::MAX }).expect("memory is unlimited");
    let mut store = Store::new(&job.groups);
    let mut worker = job.worker();
    for (group, count) in job.groups.iter().map(|group| group.count).enumerate() {
        for task in (0..count).map(|index| Task { group, index }) {
            let result = worker.run(task).expect("a measurement does not fail");
            store.insert(task, result).expect("every task is done once");
        }
    }
    job.conclude(&store).expect("results are sound")
}
