//! The networks of an audit, shared out among ranks and threads, and what comes of them on rank 0.
//!
//! A piece of work is one network of one setting: it is built once and measured by every statement that wants it. The main thread of a rank
//! computes nothing; it sends what its workers have measured to rank 0, where entries are made when all is there. Nothing but
//! the provenance depends on ranks and threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Error};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::{Entry, Measured, Network, Options, Setting, file, memory, statements, table};
use crate::cli::audit::AuditRequest;
use crate::comm::failure::{Failure, end_job, end_job_on_panic};
use crate::comm::{self, Comm, agree};
use crate::error::BadInput;
use crate::model::Unit;
use crate::files::{self, Target, place};
use crate::machine::{self, terminal};
use crate::job::assign::share_of;
use crate::provenance::Provenance;
use crate::job::resources::resources;
use crate::{cli, plot};

/// How long the main thread sleeps when there is nothing to do.
const NAP: Duration = Duration::from_millis(5);

/// A finished audit.
#[derive(Debug, Clone)]
pub struct Audit {
    pub options: Options,
    /// By statement, then activation, then dim, then width.
    pub measured: Vec<Measured>,
    /// By statement, then activation, then γ, then setting; those of several settings last.
    pub entries: Vec<Entry>,
}

/// Audits on all ranks that this process was started with. To be called at most once in a process, on the main thread; `request` is called once
/// the ranks know each other.
pub fn run(request: impl FnOnce() -> anyhow::Result<AuditRequest>) -> anyhow::Result<()> {
    let comm = comm::start()?;
    let comm = &*comm;
    end_job_on_panic(comm);
    let request = agree(comm, request())?;
    if request.list {
        if comm.rank() == 0 {
            cli::print(&table::list())?;
        }
        return Ok(());
    }
    let started = machine::now_utc();
    let threads = agree(comm, check(comm, &request))?;
    agree(comm, check_same(comm, &request))?;
    let threads_by_rank = comm.gather(threads as u64);
    let targets = agree(comm, if comm.rank() == 0 { claim(&request).map(Some) } else { Ok(None) })?;
    let options = &request.options;
    let works = Works::of(options);
    let Some(targets) = targets else {
        compute(comm, options, &works, threads, |finished| send(comm, finished));
        while !comm.end_is_called() {
            sleep(NAP);
        }
        return Ok(());
    };
    targets.iter().filter_map(Target::warning).for_each(|warning| terminal::say(&format!("advstep-hpc: {warning}")));
    let (mut done, mut tenths) = (0.0, 0);
    let progress = |unit: Unit| {
        done += works.costs[unit.cell];
        let reached = (10.0 * done / works.total()) as usize;
        if !request.quiet && reached > tenths {
            tenths = reached;
            terminal::say(&format!("advstep-hpc: {reached}0 % of the audit"));
        }
    };
    let records = compute(comm, options, &works, threads, |finished| collect(comm, finished, progress));
    let audit = conclude(options, records);
    let provenance = machine::provenance(&request.command_line, &threads_by_rank, &started);
    let left = leave(&request, &audit, &provenance, &targets);
    drop(targets);
    if let Err(error) = left {
        end_job(comm, &Failure::Error(error));
    }
    comm.call_end();
    Ok(())
}

/// Audits on `threads` threads of this process.
pub fn audit(options: &Options, threads: usize) -> Audit {
    let works = Works::of(options);
    let comm = &comm::Serial;
    conclude(options, compute(comm, options, &works, threads, |finished| collect(comm, finished, |_| ())))
}

/// What one rank can check alone; the number of its threads.
fn check(comm: &dyn Comm, request: &AuditRequest) -> anyhow::Result<usize> {
    let resources = resources(request.threads, request.memory, comm.ranks_on_node())?;
    let options = &request.options;
    let largest = options.settings.iter().map(memory::network_bytes).max().unwrap_or(0);
    let records = if comm.rank() == 0 { Works::of(options).record_bytes(options) } else { 0 };
    memory::threads_that_fit(largest, records, resources.threads, resources.memory).map_err(|needed| {
        BadInput::new(
            "the audit does not fit the memory of this rank",
            format!("on one thread it takes {} MB, of {} MB", needed.div_ceil(1 << 20), resources.memory >> 20),
            "give smaller --dims or --widths, fewer --networks, a larger --memory if the machine has it, or fewer ranks on it",
        )
        .into()
    })
}

/// On rank 0: claims the file of the audit, and that of the tables if there is to be one.
fn claim(request: &AuditRequest) -> anyhow::Result<Vec<Target>> {
    if let Some(directory) = &request.figures {
        files::check_output_dir(directory, "--figures")?;
    }
    files::remove_on_signals()?;
    let outputs = [(&request.out, "--out")].into_iter().chain(request.markdown.iter().map(|path| (path, "--markdown")));
    let claim = |(path, option): (&PathBuf, &'static str)| {
        let target = Target::claim(path, option, &[])?;
        target.check_free(request.existing())?;
        Ok(target)
    };
    outputs.map(claim).collect()
}

/// Checks that all ranks run the same program and audit. Collective.
fn check_same(comm: &dyn Comm, request: &AuditRequest) -> anyhow::Result<()> {
    let mine = format!("{} {:?}", machine::program_revision(), request.options).into_bytes();
    match comm.broadcast(mine.clone()) == mine {
        true => Ok(()),
        false => Err(BadInput::new(
            format!("rank {} and rank 0 do not run the same audit", comm.rank()),
            "their options or program versions differ",
            "start all ranks with the same program and options",
        )
        .into()),
    }
}

/// Who measures what.
struct Works {
    /// Seconds, about, of a network of each setting.
    costs: Vec<f64>,
    /// For each setting, the statements that apply, each with how many networks it wants.
    wanted: Vec<Vec<(usize, usize)>>,
    networks: usize,
}

impl Works {
    fn of(options: &Options) -> Self {
        let wanted = |setting: &Setting| -> Vec<(usize, usize)> {
            let applying = options.statements().filter(|(_, statement)| statement.applies(setting));
            applying
                .map(|(index, statement)| (index, statement.networks(setting, options.networks).min(options.networks)))
                .collect()
        };
        let wanted: Vec<Vec<(usize, usize)>> = options.settings.iter().map(wanted).collect();
        let cost = |(setting, wanted): (&Setting, &Vec<(usize, usize)>)| {
            // Of building a network: a weight takes about as long as ten operations.
            let building = 10.0 * setting.d() * setting.k();
            let measuring = wanted
                .iter()
                .map(|&(index, networks)| statements::ALL[index].cost(setting) * networks as f64 / options.networks as f64);
            building + measuring.sum::<f64>()
        };
        let costs = options.settings.iter().zip(&wanted).map(cost).collect();
        Self { costs, wanted, networks: options.networks }
    }

    /// Whether any statement wants this network.
    fn wants(&self, unit: Unit) -> bool {
        self.wanted[unit.cell].iter().any(|&(_, networks)| unit.network < networks)
    }

    /// Networks of each setting.
    fn networks(&self) -> impl Iterator<Item = usize> {
        self.wanted.iter().map(|wanted| wanted.iter().map(|&(_, networks)| networks).max().unwrap_or(0))
    }

    /// Bytes of what is measured, on rank 0: as records, and then as columns of the statements.
    fn record_bytes(&self, options: &Options) -> u64 {
        let rows = |(setting, wanted): (&Setting, &Vec<(usize, usize)>)| -> usize {
            let row = |&(index, networks): &(usize, usize)| networks * (80 + 16 * statements::ALL[index].columns(setting).len());
            wanted.iter().map(row).sum()
        };
        let rows: usize = options.settings.iter().zip(&self.wanted).map(rows).sum();
        (rows + 80 * self.networks().sum::<usize>()) as u64
    }

    /// The cost of all networks.
    fn total(&self) -> f64 {
        self.networks().zip(&self.costs).map(|(networks, cost)| networks as f64 * cost).sum()
    }
}

/// What the statements have measured on one network.
#[derive(Debug, Clone, PartialEq)]
struct Record {
    /// Setting and network.
    unit: Unit,
    /// Index of the statement, and its numbers.
    rows: Vec<(usize, Vec<f64>)>,
}

type Finished = Receiver<Result<Record, Failure>>;

/// Measures this rank's networks on its worker threads while `serve` takes what they finish, on this thread.
fn compute<T>(
    comm: &dyn Comm,
    options: &Options,
    works: &Works,
    threads: usize,
    serve: impl FnOnce(&Finished) -> Result<T, Failure>,
) -> T {
    let units = share_of(comm.rank(), &works.costs, works.networks, comm.size(), |unit| works.wants(unit));
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, finished) = unbounded();
        for number in 0..threads.min(units.len()) {
            let (units, next, sender) = (&units, &next, sender.clone());
            let worker = thread::Builder::new().name(format!("audit-{number}"));
            if let Err(error) = worker.spawn_scoped(scope, move || work(options, works, units, next, &sender)) {
                end_job(comm, &Failure::Error(Error::from(error).context("cannot start a worker thread")));
            }
        }
        drop(sender);
        serve(&finished).unwrap_or_else(|failure| end_job(comm, &failure))
    })
}

/// A worker thread.
fn work(options: &Options, works: &Works, units: &[Unit], next: &AtomicUsize, sender: &Sender<Result<Record, Failure>>) {
    while let Some(&unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
        // The panic hook has printed the message by the time that the panic is caught.
        let record = catch_unwind(AssertUnwindSafe(|| measure(options, works, unit))).map_err(|_| Failure::Panicked);
        let failed = record.is_err();
        if sender.send(record).is_err() || failed {
            return;
        }
    }
}

fn measure(options: &Options, works: &Works, unit: Unit) -> Record {
    let network = Network::new(options.seed, options.settings[unit.cell], unit.network);
    let wanted = works.wanted[unit.cell].iter().filter(|&&(_, networks)| unit.network < networks);
    Record { unit, rows: wanted.map(|&(index, _)| (index, statements::ALL[index].measure(&network))).collect() }
}

/// On ranks other than 0: sends what the workers finish. An empty message says that this is all.
fn send(comm: &dyn Comm, finished: &Finished) -> Result<(), Failure> {
    for record in finished {
        comm.send_to_root(&encode(&record?))?;
    }
    comm.send_to_root(&[])?;
    Ok(())
}

/// On rank 0: the records of all ranks, in any order.
fn collect(comm: &dyn Comm, finished: &Finished, mut progress: impl FnMut(Unit)) -> Result<Vec<Record>, Failure> {
    let mut records = Vec::new();
    let (mut computing, mut sending) = (true, comm.size() - 1);
    while computing || sending > 0 {
        match finished.recv_timeout(NAP) {
            Ok(record) => {
                let record = record?;
                progress(record.unit);
                records.push(record);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                computing = false;
                if sending > 0 {
                    sleep(NAP);
                }
            }
        }
        while let Some((rank, message)) = comm.try_receive() {
            if message.is_empty() {
                sending -= 1;
                continue;
            }
            let record = decode(&message).with_context(|| format!("a message of rank {rank} is damaged"))?;
            progress(record.unit);
            records.push(record);
        }
    }
    Ok(records)
}

/// u64 setting, u64 network, then for each statement u64 index, u64 count and its numbers; little-endian.
fn encode(record: &Record) -> Vec<u8> {
    let mut words = vec![record.unit.cell as u64, record.unit.network as u64];
    for (index, numbers) in &record.rows {
        words.extend([*index as u64, numbers.len() as u64]);
        words.extend(numbers.iter().map(|number| number.to_bits()));
    }
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

fn decode(message: &[u8]) -> Option<Record> {
    let (chunks, []) = message.as_chunks::<8>() else { return None };
    let mut words = chunks.iter().map(|chunk| u64::from_le_bytes(*chunk));
    let unit = Unit { cell: words.next()? as usize, network: words.next()? as usize };
    let mut rows = Vec::new();
    while let Some(index) = words.next() {
        let count = words.next()? as usize;
        let numbers: Vec<f64> = words.by_ref().take(count).map(f64::from_bits).collect();
        if numbers.len() < count {
            return None;
        }
        rows.push((index as usize, numbers));
    }
    Some(Record { unit, rows })
}

/// Puts the records in order and lets the statements judge.
fn conclude(options: &Options, mut records: Vec<Record>) -> Audit {
    records.sort_by_key(|record| record.unit);
    let of_cell = |cell: usize| {
        let place = |cell: usize| records.partition_point(|record| record.unit.cell < cell);
        &records[place(cell)..place(cell + 1)]
    };
    let mut measured = Vec::new();
    let mut entries = Vec::new();
    for (index, statement) in options.statements() {
        let of_setting = |(cell, setting): (usize, &Setting)| Measured {
            statement: statement.id(),
            setting: *setting,
            columns: statement.columns(setting),
            rows: (of_cell(cell).iter())
                .filter_map(|record| record.rows.iter().find(|(other, _)| *other == index).map(|(_, row)| row.clone()))
                .collect(),
        };
        let settings = options.settings.iter().enumerate().filter(|(_, setting)| statement.applies(setting));
        let own: Vec<Measured> = settings.map(of_setting).collect();
        for activation in own.chunk_by(|a, b| a.setting.activation == b.setting.activation) {
            for &gamma in &options.gammas {
                entries.extend(activation.iter().flat_map(|measured| statement.judge(measured, gamma)));
                entries.extend(statement.across(activation, gamma));
            }
        }
        measured.extend(own);
    }
    Audit { options: options.clone(), measured, entries }
}

/// Writes and prints everything that was asked for; `targets` are as [`claim`] returns them.
fn leave(request: &AuditRequest, audit: &Audit, provenance: &Provenance, targets: &[Target]) -> anyhow::Result<()> {
    file::write(targets[0].path(), request.existing(), audit, provenance)?;
    if let Some(target) = targets.get(1) {
        place::write_bytes(target.path(), request.existing(), table::markdown(audit).as_bytes())?;
    }
    if let Some(directory) = &request.figures {
        figures::write(&figures::audit::draw(audit), directory, &request.formats)?;
    }
    if !request.quiet {
        cli::print(&format!("{}\nThe audit is in {}\n", table::text(audit, request.full), request.out.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_a_message() {
        let unit = Unit { cell: 3, network: 70_000 };
        let record = Record { unit, rows: vec![(0, vec![1.5, -0.0, f64::INFINITY]), (7, Vec::new()), (8, vec![1e-300])] };
        let message = encode(&record);
        assert_eq!(decode(&message), Some(record));
        assert_eq!(decode(&message[..message.len() - 8]), None);
        assert_eq!(decode(&message[..message.len() - 1]), None);
        assert_eq!(decode(&[]), None);
    }
}
