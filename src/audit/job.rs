//! An audit as a job. In the first round groups are settings, tasks are networks: each is built once and measured by every statement that uses
//! it. Then rank 0 makes the entries. While one is [open](super::Entry::is_open), the next round doubles the networks of its statement at its
//! settings, up to [`Options::max_networks`]; for these, groups are pairs of setting and statement. Only provenance depends on ranks and threads.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::options::networks_for;
use super::{Audit, DeepNetwork, Entry, Measured, Network, Options, Setting, Statement, file, memory, statements, table};
use crate::error::{BadInput, Failed};
use crate::files::{Existing, Target, place};
use crate::job::resources::{PROCESS, THREAD};
use crate::job::{Client, Group, Nouns, Product, Resources, Store, Task, Worker, journal};
use crate::machine::blas;
use crate::measure::SCIENCE_VERSION;
use crate::provenance::Provenance;
use crate::text::counted;

/// Assumed flop/s of one thread, for predictions and progress.
const OPERATIONS: f64 = 3e9;

/// An audit to run.
pub struct Job {
    options: Options,
    /// A group per setting, then one per [`Sample`] of all settings.
    groups: Vec<Group>,
    /// Per setting, those of the statements that concern it.
    samples: Vec<Vec<Sample>>,
    /// Bytes available to networks.
    memory: u64,
    outputs: Outputs,
}

/// The networks that a statement measures at a setting.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Index into [`statements::ALL`].
    statement: usize,
    /// Networks measured in the first round.
    first: usize,
    /// Networks measured at most.
    most: usize,
    /// The group of the networks from `first` on.
    later: usize,
}

/// A network to build, and the statements to measure it.
struct Measurement {
    setting: usize,
    network: usize,
    statements: Vec<usize>,
}

/// What follows from the results so far.
enum Step {
    /// These tasks are missing.
    Measure(Vec<Task>),
    Done(Audit),
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
        let mut later = options.settings.len();
        let samples: Vec<Vec<Sample>> = options.settings.iter().map(|setting| samples_at(setting, &options, &mut later)).collect();
        // Drawing a weight costs about ten flops.
        let building = |setting: &Setting| 10.0 * setting.cell().weights();
        let group = |(setting, samples): (&Setting, &Vec<Sample>)| {
            let count = samples.iter().map(|sample| sample.first).max().unwrap_or(0);
            let measuring =
                samples.iter().map(|sample| statements::ALL[sample.statement].cost(setting) * sample.first as f64 / count as f64);
            let seconds = (building(setting) + measuring.sum::<f64>()) / OPERATIONS;
            Group::on_threads(count, seconds, memory::network_bytes(setting))
        };
        let first = options.settings.iter().zip(&samples);
        let mut groups: Vec<Group> = first.clone().map(group).collect();
        for (setting, samples) in first {
            groups.extend(samples.iter().map(|sample| Group {
                count: sample.most - sample.first,
                seconds: (building(setting) + statements::ALL[sample.statement].cost(setting)) / OPERATIONS,
                bytes: memory::network_bytes(setting),
                team: None,
            }));
        }
        let process = PROCESS + THREAD * resources.threads as u64 + record_bytes(&options, &samples);
        let largest = groups.iter().map(|group| group.bytes).max().unwrap_or(0);
        if process.saturating_add(largest) > resources.memory {
            return Err(BadInput::new(
                "the audit does not fit the memory of this rank",
                format!("it takes {} MiB, of {} MiB", (process + largest).div_ceil(1 << 20), resources.memory >> 20),
                "give smaller --dims or --widths, fewer --networks, --max-networks or --threads, a larger --memory if the machine has it, or fewer ranks on it",
            ));
        }
        Ok(Self { memory: resources.memory - process, options, groups, samples, outputs })
    }

    fn measurement(&self, task: Task) -> Measurement {
        if let Some(samples) = self.samples.get(task.group) {
            let measuring = samples.iter().filter(|sample| task.index < sample.first);
            let statements = measuring.map(|sample| sample.statement).collect();
            return Measurement { setting: task.group, network: task.index, statements };
        }
        let of_setting =
            |(setting, samples): (usize, &Vec<Sample>)| samples.iter().map(move |sample| (setting, *sample)).collect::<Vec<_>>();
        let mut all = self.samples.iter().enumerate().flat_map(of_setting);
        // Settings that no statement concerns have no sample.
        let (setting, sample) = all.nth(task.group - self.samples.len()).expect("every later group has a sample");
        Measurement { setting, network: sample.first + task.index, statements: vec![sample.statement] }
    }

    fn measure(&self, task: Task) -> Vec<f64> {
        let Measurement { setting, network, statements } = self.measurement(task);
        let (seed, setting) = (self.options.seed, self.options.settings[setting]);
        let statements = statements.into_iter().map(|index| statements::ALL[index]);
        if setting.layers.is_some() {
            let network = DeepNetwork::new(seed, setting, network);
            return statements.flat_map(|statement| statement.measure_deep(&network)).collect();
        }
        let network = Network::new(seed, setting, network);
        statements.flat_map(|statement| statement.measure(&network)).collect()
    }

    /// Decodes `result`: one list of numbers per statement that measures its network. `None` if it has the wrong length.
    fn numbers(&self, task: Task, result: &[u8]) -> Option<Vec<(usize, Vec<f64>)>> {
        let (words, []) = result.as_chunks::<8>() else { return None };
        let mut numbers = words.iter().map(|word| f64::from_le_bytes(*word));
        let Measurement { setting, statements, .. } = self.measurement(task);
        let mut lists = Vec::with_capacity(statements.len());
        for index in statements {
            let columns = statements::ALL[index].columns(&self.options.settings[setting]).len();
            let list: Vec<f64> = numbers.by_ref().take(columns).collect();
            if list.len() < columns {
                return None;
            }
            lists.push((index, list));
        }
        numbers.next().is_none().then_some(lists)
    }

    /// The numbers of networks 0, 1, … in `store`, per setting and sample.
    fn rows(&self, store: &Store) -> anyhow::Result<Vec<Vec<Vec<Vec<f64>>>>> {
        let mut rows: Vec<Vec<Vec<Vec<f64>>>> = self.samples.iter().map(|samples| vec![Vec::new(); samples.len()]).collect();
        // Those of the first round come first.
        for task in store.tasks() {
            let numbers = store.get(task).and_then(|result| self.numbers(task, result));
            let numbers = numbers
                .ok_or_else(|| Failed::bug("a result of the audit is damaged", "it does not have the numbers of its statements"))?;
            let Measurement { setting, network, .. } = self.measurement(task);
            for (statement, numbers) in numbers {
                let place = self.samples[setting].iter().position(|sample| sample.statement == statement);
                let rows = &mut rows[setting][place.expect("it is measured here")];
                // What lies behind a gap has been measured by a job that was stopped; it counts once the gap is filled.
                if rows.len() == network {
                    rows.push(numbers);
                }
            }
        }
        Ok(rows)
    }

    /// Sorts the first `counts` rows of each sample by statement and makes the entries.
    fn audit(&self, rows: &[Vec<Vec<Vec<f64>>>], counts: &[Vec<usize>]) -> Audit {
        let mut measured = Vec::new();
        for (index, statement) in self.options.statements() {
            for (at, setting) in self.options.settings.iter().enumerate() {
                let Some(place) = self.samples[at].iter().position(|sample| sample.statement == index) else { continue };
                let rows = rows[at][place][..counts[at][place]].to_vec();
                measured.push(Measured { statement: statement.id(), setting: *setting, columns: statement.columns(setting), rows });
            }
        }
        Audit::of(self.options.clone(), measured)
    }

    /// Repeats all decisions from the first round on, so that a resumed audit makes those of an undisturbed one.
    fn next(&self, store: &Store) -> anyhow::Result<Step> {
        let rows = self.rows(store)?;
        let of_samples = |number: fn(&Sample) -> usize| -> Vec<Vec<usize>> {
            self.samples.iter().map(|samples| samples.iter().map(number).collect()).collect()
        };
        let mut counts = of_samples(|sample| sample.first);
        loop {
            let mut missing = Vec::new();
            for (sample, count) in self.samples.iter().flatten().zip(counts.iter().flatten()) {
                let tasks = (0..count - sample.first).map(|index| Task { group: sample.later, index });
                missing.extend(tasks.filter(|&task| store.get(task).is_none()));
            }
            if !missing.is_empty() {
                return Ok(Step::Measure(missing));
            }
            let audit = self.audit(&rows, &counts);
            let open: Vec<&Entry> = audit.entries.iter().filter(|entry| entry.is_open()).collect();
            let mut has_grown = false;
            for ((samples, counts), setting) in self.samples.iter().zip(&mut counts).zip(&self.options.settings) {
                for (sample, count) in samples.iter().zip(counts).filter(|(sample, count)| **count < sample.most) {
                    let id = statements::ALL[sample.statement].id();
                    if open.iter().any(|entry| entry.statement == id && entry.is_on(setting)) {
                        *count = (2 * *count).min(sample.most);
                        has_grown = true;
                    }
                }
            }
            if !has_grown {
                return Ok(Step::Done(audit));
            }
        }
    }
}

/// The samples of the statements that concern a setting; `later` counts their groups.
fn samples_at(setting: &Setting, options: &Options, later: &mut usize) -> Vec<Sample> {
    let Options { networks, max_networks, .. } = *options;
    // Enough to show the smallest γ, also where one network is expensive.
    let needed = networks_for(&options.gammas);
    let concerning = options.statements().filter(|(_, statement)| statement.concerns(setting));
    let sample = |(index, statement): (usize, &'static dyn Statement)| {
        let first = statement.networks(setting, networks).max(needed).min(networks);
        let most = (first * max_networks / networks).max(needed).min(max_networks).max(first);
        *later += 1;
        Sample { statement: index, first, most, later: *later - 1 }
    };
    concerning.map(sample).collect()
}

/// Bytes of all measurements on rank 0, as encoded results and twice as columns.
fn record_bytes(options: &Options, samples: &[Vec<Sample>]) -> u64 {
    let of_setting = |(setting, samples): (&Setting, &Vec<Sample>)| -> usize {
        let row = |sample: &Sample| sample.most * (120 + 24 * statements::ALL[sample.statement].columns(setting).len());
        80 * options.networks + samples.iter().map(row).sum::<usize>()
    };
    options.settings.iter().zip(samples).map(of_setting).sum::<usize>() as u64
}

impl Client for Job {
    fn identity(&self) -> Table {
        let own = [
            ("blas".to_string(), Value::from(blas::blas_name())),
            ("blas_kernels".to_string(), Value::from(blas::blas_core())),
            ("audit".to_string(), Value::from(self.options.to_table())),
        ];
        journal::identity(SCIENCE_VERSION, own)
    }

    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn is_in_first_round(&self, task: Task) -> bool {
        task.group < self.samples.len()
    }

    fn more(&self, store: &Store) -> anyhow::Result<Vec<Task>> {
        match self.next(store)? {
            Step::Measure(tasks) => Ok(tasks),
            Step::Done(_) => Ok(Vec::new()),
        }
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn largest_result(&self) -> usize {
        let of_setting = |(setting, samples): (&Setting, &Vec<Sample>)| -> usize {
            samples.iter().map(|sample| statements::ALL[sample.statement].columns(setting).len()).sum()
        };
        8 * self.options.settings.iter().zip(&self.samples).map(of_setting).max().unwrap_or(0)
    }

    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(Measurer { job: self })
    }

    fn check(&self, task: Task, result: &[u8]) -> Result<(), String> {
        match self.numbers(task, result) {
            Some(_) => Ok(()),
            None => Err("its count of numbers is not that of the statements".to_string()),
        }
    }

    fn summary(&self) -> String {
        let Options { settings, statements, max_networks, .. } = &self.options;
        let [statements, settings] = [counted(statements.len(), "statement"), counted(settings.len(), "setting")];
        format!("audit of {statements} at {settings} with up to {}", counted(*max_networks, "network"))
    }

    fn nouns(&self) -> Nouns {
        Nouns { tasks: "networks", groups: "samples" }
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
        let Step::Done(audit) = self.next(store)? else { anyhow::bail!("the audit is not finished") };
        Ok(Some(Box::new(Finished { audit, provenance, full: self.outputs.full })))
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
    let all = |(group, count): (usize, usize)| (0..count).map(move |index| Task { group, index });
    let mut round: Vec<Task> = job.groups[..job.samples.len()].iter().map(|group| group.count).enumerate().flat_map(all).collect();
    loop {
        for task in round {
            let result = worker.run(task).expect("a measurement does not fail");
            store.insert(task, result).expect("every task is done once");
        }
        round = match job.next(&store).expect("results are sound") {
            Step::Measure(tasks) => tasks,
            Step::Done(audit) => return audit,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::entry::Scope;
    use crate::audit::options::Typed;

    fn options(networks: f64, max_networks: f64) -> Options {
        let typed = Typed {
            dims: Some(vec![20.0, 40.0]),
            widths: Some(vec![30.0]),
            networks: Some(networks),
            max_networks: Some(max_networks),
            statements: Some(["equation-2", "lemma-1", "lemma-8", "equation-5"].map(str::to_string).to_vec()),
            ..Typed::default()
        };
        typed.validate().unwrap()
    }

    /// What is open has all the networks that it may have, what was decided at first has no more, and all are the networks of a single round.
    #[test]
    fn networks_are_added_where_a_verdict_is_open_and_nowhere_else() {
        let (first, adaptive, large) = (audit(&options(10.0, 10.0)), audit(&options(10.0, 80.0)), audit(&options(80.0, 80.0)));
        let (mut open, mut grown, mut kept) = (0, 0, 0);
        for ((first, measured), large) in first.measured.iter().zip(&adaptive.measured).zip(&large.measured) {
            let of = |audit: &Audit| -> Vec<Entry> {
                let own = |entry: &&Entry| entry.statement == measured.statement && entry.is_on(&measured.setting);
                audit.entries.iter().filter(own).cloned().collect()
            };
            let count = measured.rows.len();
            assert_eq!(measured.rows, large.rows[..count], "{}", measured.statement);
            assert_eq!(first.rows, measured.rows[..first.rows.len()]);
            if of(&adaptive).iter().any(Entry::is_open) {
                assert_eq!(count, 80, "{}", measured.statement);
                open += 1;
            } else if count > 10 {
                grown += 1;
            } else {
                kept += 1;
            }
        }
        let decided =
            |audit: &Audit| audit.entries.iter().filter(|entry| matches!(entry.scope, Scope::One(_)) && !entry.is_open()).count();
        assert!(decided(&adaptive) > decided(&first));
        assert!(open > 0 && grown > 0 && kept > 0, "{open} open, {grown} grown, {kept} kept");
    }

    /// A statement that concerns one activation leaves the settings of the other without samples.
    #[test]
    fn later_groups_are_those_of_their_samples() {
        let typed = Typed {
            dims: Some(vec![10.0]),
            widths: Some(vec![20.0, 30.0]),
            networks: Some(4.0),
            statements: Some(vec!["lemma-9".to_string(), "lemma-8".to_string()]),
            ..Typed::default()
        };
        let options = typed.validate().unwrap();
        let job = Job::new(options, Outputs::default(), Resources { threads: 1, memory: u64::MAX }).unwrap();
        assert!(job.samples.iter().any(Vec::is_empty) || job.samples.iter().any(|samples| samples.len() == 1));
        for (setting, samples) in job.samples.iter().enumerate() {
            for sample in samples {
                let measurement = job.measurement(Task { group: sample.later, index: 3 });
                let found = (measurement.setting, measurement.network, measurement.statements);
                assert_eq!(found, (setting, sample.first + 3, vec![sample.statement]));
            }
        }
    }

    /// A job that was stopped within a later round requests the missing tasks, and ends as it would have.
    #[test]
    fn results_of_a_later_round_are_taken_up_again() {
        let job = Job::new(options(10.0, 40.0), Outputs::default(), Resources { threads: 1, memory: u64::MAX }).unwrap();
        let mut worker = job.worker();
        let mut store = Store::new(&job.groups);
        let first: Vec<Task> =
            (0..job.samples.len()).flat_map(|group| (0..job.groups[group].count).map(move |index| Task { group, index })).collect();
        for task in first {
            let result = worker.run(task).unwrap();
            store.insert(task, result).unwrap();
        }
        let Step::Measure(second) = job.next(&store).unwrap() else { panic!("nothing is open") };
        // Every other one, and one of a round that has not begun.
        let later = Task { group: second[0].group, index: job.groups[second[0].group].count - 1 };
        for &task in second.iter().step_by(2).chain([&later]).collect::<std::collections::BTreeSet<_>>() {
            let result = worker.run(task).unwrap();
            store.insert(task, result).unwrap();
        }
        loop {
            match job.next(&store).unwrap() {
                Step::Measure(tasks) => {
                    for task in tasks {
                        let result = worker.run(task).unwrap();
                        store.insert(task, result).unwrap();
                    }
                }
                Step::Done(resumed) => {
                    let whole = audit(&options(10.0, 40.0));
                    assert_eq!((resumed.difference(&whole), resumed.entries.len()), (None, whole.entries.len()));
                    return;
                }
            }
        }
    }
}
