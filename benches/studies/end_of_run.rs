//! The serial work of rank 0 on the results file: of each cell while the job goes on (samples decoded, statistics, compression, checksums), and of the
//! rest between the last record and exit (the file completed, synced and renamed, and the table).
//!
//! Beside it, for comparison, the same with all cells written at the end, as when the disk failed meanwhile; and for a shard, closing its journal.
//! Seconds (of the processor, or of the writer, which does not wait for the disk) are measured on experiments with few samples, few samples in many cells, and many samples in few cells, and extrapolated linearly; samples
//! come from real small networks. Disk bandwidth is that of writing and syncing a file in the current directory.

use std::fmt;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use advstep_hpc::commands::run::Run;
use advstep_hpc::experiment::Experiment;
use advstep_hpc::experiment::Shard;
use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::files::{Existing, Target};
use advstep_hpc::job::journal::{Header, Journal};
use advstep_hpc::job::{Client, Resources, Store, Task};
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::measure::measure;
use advstep_hpc::model::{Cell, EngineChoice, Unit};
use advstep_hpc::provenance::Provenance;
use advstep_hpc::record::{Sample, codec};
use serde::Serialize;
use tempfile::TempDir;

use crate::common;

const ROUNDS: usize = 3;
const INPUTS: usize = 100;
/// Networks of the cell that determines seconds per sample.
const NETWORKS: usize = 20_000;
/// Networks per cell of preset `paper` in the validation experiment.
const CHECKED: usize = 20;
/// Size of the file that measures disk bandwidth.
const DISK_FILE: usize = 64 << 20;

/// Cost model of a file on rank 0.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Part {
    /// Seconds per sample and per cell.
    sample: f64,
    cell: f64,
    /// Fixed seconds, including disk latency.
    fixed: f64,
    /// File bytes per sample.
    bytes: f64,
}

/// Duration of the end of a run.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct EndOfRun {
    /// Cells written while the job goes on.
    pub ahead: Part,
    /// What is left after the last cell.
    pub rest: Part,
    /// All of it at the end.
    pub whole: Part,
    /// Of a shard.
    pub shard: Part,
    /// Disk bandwidth, written and synced, in B/s.
    pub disk: f64,
    /// Most samples measured.
    pub samples: usize,
    /// Measured over predicted seconds of the validation experiment.
    pub check: f64,
}

impl EndOfRun {
    /// Seconds from the last record to the end of a job, whose cells of `samples` samples each are complete at the times `complete`, in order. The writer
    /// takes one after the other, and the disk what the writer has done.
    pub fn after_last_record(&self, complete: &[f64], samples: usize) -> f64 {
        let Some(last) = complete.last() else { return 0.0 };
        let Part { cell, sample, bytes, .. } = self.ahead;
        let (to_write, to_sync) = (cell + sample * samples as f64, bytes / self.disk * samples as f64);
        let (_, written) = complete.iter().fold((0.0_f64, 0.0_f64), |(writer, disk), complete| {
            let writer = writer.max(*complete) + to_write;
            (writer, disk.max(writer) + to_sync)
        });
        written - last + self.seconds(&self.rest, complete.len(), complete.len() * samples)
    }

    /// Seconds of the writer, without the disk.
    pub fn writing(&self, cells: usize, samples: usize) -> f64 {
        self.ahead.cell * cells as f64 + self.ahead.sample * samples as f64
    }

    /// Seconds of an experiment of this many cells and samples, or of its shard.
    pub fn seconds(&self, part: &Part, cells: usize, samples: usize) -> f64 {
        part.fixed + part.cell * cells as f64 + (part.sample + part.bytes / self.disk) * samples as f64
    }
}

impl fmt::Display for EndOfRun {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, part) in [("ahead", self.ahead), ("rest", self.rest), ("at once", self.whole), ("shard", self.shard)] {
            let Part { sample, cell, fixed, bytes } = part;
            let [sample, cell, fixed] = [1e6 * sample, 1e3 * cell, 1e3 * fixed];
            write!(out, "{name} {sample:.3} µs and {bytes:.1} bytes a sample, {cell:.2} ms a cell, {fixed:.0} ms; ")?;
        }
        write!(out, "disk {:.0} MB/s; another experiment takes {:.2} of what these give", 1e-6 * self.disk, self.check)
    }
}

/// Measures the ends of runs.
pub fn end_of_run() -> EndOfRun {
    let pool = samples_of_small_networks();
    let paper = Preset::Paper.options().validate().expect("the preset is valid");
    let grid = |networks| Experiment { networks, ..paper.clone() };
    let one_cell = |networks, inputs| common::experiment(Cell::new(2, 10, 10), networks, inputs, 1, EngineChoice::Auto);

    let small = ended(&one_cell(1, 1), &pool);
    let cells = ended(&grid(1), &pool);
    let large = ended(&one_cell(NETWORKS, INPUTS), &pool);
    let part = |of: fn(&Ended) -> Took, time: fn(&Took) -> f64| {
        let [small_took, cells_took, large_took] = [of(&small), of(&cells), of(&large)];
        let sample = (time(&large_took) - time(&small_took)) / large.samples as f64;
        let cell = (time(&cells_took) - time(&small_took) - sample * cells.samples as f64) / cells.cells as f64;
        Part { sample, cell: cell.max(0.0), fixed: small_took.elapsed, bytes: large_took.bytes / large.samples as f64 }
    };
    // The writer waits for the thread that computes the statistics, and not for the disk.
    let ahead = part(|ended| ended.ahead, |took| took.elapsed);
    let serial = |of| part(of, |took| took.processor);
    let (rest, whole, shard) = (serial(|ended| ended.rest), serial(|ended| ended.whole), serial(|ended| ended.shard));
    // The file exists before the last cell, and is the same.
    let rest = Part { bytes: 0.0, ..rest };
    let end = EndOfRun { ahead, rest, whole, shard, disk: disk_rate(), samples: large.samples, check: f64::NAN };
    let checked = ended(&grid(CHECKED), &pool);
    let predicted = end.seconds(&ahead, checked.cells, checked.samples) + end.seconds(&rest, checked.cells, checked.samples);
    EndOfRun { check: (checked.ahead.elapsed + checked.rest.elapsed) / predicted, ..end }
}

/// Samples of 10,000 networks: realistic entropy, no repeats.
fn samples_of_small_networks() -> Vec<Sample> {
    let cells = [(1, 10, 30), (1, 30, 100), (2, 10, 10), (2, 30, 10)].map(|(depth, dim, width)| Cell::new(depth, dim, width));
    let samples = cells.into_iter().flat_map(|cell| {
        let experiment = common::experiment(cell, 2500, INPUTS, 2020, EngineChoice::Auto);
        let plan = common::plan_of(&experiment, 1);
        (0..experiment.networks)
            .flat_map(move |network| measure(&experiment, &plan.run, Unit { cell: 0, network }).unwrap().samples)
    });
    samples.collect()
}

/// Disk bandwidth of a written and synced file, in B/s.
fn disk_rate() -> f64 {
    let directory = TempDir::new_in(".").expect("the current directory can be written in");
    let bytes: Vec<u8> = (0..DISK_FILE).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect();
    let rounds = (0..ROUNDS).map(|round| {
        let begun = Instant::now();
        let mut file = File::create(directory.path().join(format!("{round}"))).expect("the disk has space");
        file.write_all(&bytes).and_then(|()| file.sync_all()).expect("the disk has space");
        DISK_FILE as f64 / begun.elapsed().as_secs_f64()
    });
    common::median(rounds.collect())
}

/// A measured end of a run.
#[derive(Clone, Copy)]
struct Took {
    elapsed: f64,
    processor: f64,
    bytes: f64,
}

impl Took {
    /// Measures `work`, which writes the file at `path`.
    fn of(path: &Path, work: impl FnOnce()) -> Self {
        let (begun, processor) = (Instant::now(), thread_time());
        work();
        let [elapsed, processor] = [begun.elapsed(), thread_time() - processor].map(|time: Duration| time.as_secs_f64());
        Self { elapsed, processor, bytes: fs::metadata(path).expect("the file is written").len() as f64 }
    }

    fn median(rounds: &[Self]) -> Self {
        let median = |of: fn(&Self) -> f64| common::median(rounds.iter().map(of).collect());
        Self { elapsed: median(|took| took.elapsed), processor: median(|took| took.processor), bytes: rounds[0].bytes }
    }
}

/// An experiment whose end was measured.
struct Ended {
    cells: usize,
    samples: usize,
    ahead: Took,
    rest: Took,
    whole: Took,
    shard: Took,
}

/// Medians for ending a run of `experiment` and of its shard 1/1, with samples cycled from `pool`.
fn ended(experiment: &Experiment, pool: &[Sample]) -> Ended {
    let run = |shard| {
        let resources = Resources { threads: 1, memory: 1 << 45 };
        Run::new(experiment.clone(), shard, resources).expect("the experiment fits")
    };
    let (whole, shard) = (run(None), run(Some(Shard::new(1, 1).expect("it is one"))));
    let directory = TempDir::new_in(".").expect("the current directory can be written in");
    let path = |name| directory.path().join(name);
    let of_draft: Vec<[Took; 2]> = (0..ROUNDS).map(|_| end_of_draft(experiment, &whole, pool, &path("draft.h5"))).collect();
    let [ahead, rest]: [Vec<Took>; 2] = [0, 1].map(|part| of_draft.iter().map(|round| round[part]).collect());
    let of_whole: Vec<Took> = (0..ROUNDS).map(|_| end_of_whole(experiment, &whole, pool, &path("end.h5"))).collect();
    let of_shard: Vec<Took> = (0..ROUNDS).map(|_| end_of_shard(experiment, &shard, pool, &path("end.shard"))).collect();
    let cells = whole.groups().len();
    Ended {
        cells,
        samples: cells * experiment.networks * experiment.inputs,
        ahead: Took::median(&ahead),
        rest: Took::median(&rest),
        whole: Took::median(&of_whole),
        shard: Took::median(&of_shard),
    }
}

/// All records of `experiment`, as rank 0 holds them at the end.
fn store(experiment: &Experiment, run: &Run, pool: &[Sample]) -> Store {
    let mut samples = pool.iter().cycle();
    let mut store = Store::new(run.groups());
    for (group, tasks) in run.groups().iter().enumerate() {
        for index in 0..tasks.count {
            let samples: Vec<Sample> = samples.by_ref().take(experiment.samples_of_network()).copied().collect();
            store.insert(Task { group, index }, codec::encode(&samples, 1e-3)).expect("each is inserted once");
        }
    }
    store
}

/// What the writer of rank 0 does with every cell, and what is left when the last one is written.
fn end_of_draft(experiment: &Experiment, run: &Run, pool: &[Sample], path: &Path) -> [Took; 2] {
    let store = store(experiment, run, pool);
    let mut draft = run.draft(path).expect("a whole run has one");
    let groups: Vec<_> = (0..run.groups().len()).map(|group| store.group(group).expect("it is complete")).collect();
    let aside = path.with_file_name(format!(".draft.h5.tmp-{}", std::process::id()));
    let ahead = Took::of(&aside, || {
        groups.iter().enumerate().for_each(|(group, results)| draft.add(group, results).expect("the disk has space"));
    });
    let rest = Took::of(path, move || {
        black_box(draft.finish(Provenance::default(), Existing::Replace, "draft.h5").expect("the disk has space"));
    });
    [ahead, rest]
}

/// What rank 0 does when all results of an experiment are there.
fn end_of_whole(experiment: &Experiment, run: &Run, pool: &[Sample], path: &Path) -> Took {
    let mut store = store(experiment, run, pool);
    let target = Target::claim(path, "--out", &[]).expect("it can be written in");
    Took::of(path, move || {
        let product = run.product(&mut store, Provenance::default()).expect("everything is there").expect("a whole run has one");
        product.write(&target, Existing::Replace).expect("the disk has space");
        black_box(product.text("end.h5"));
    })
}

/// The same of a shard, whose results are in its journal by then.
fn end_of_shard(experiment: &Experiment, run: &Run, pool: &[Sample], path: &Path) -> Took {
    let store = store(experiment, run, pool);
    let target = Target::claim(path, "--out", &[]).expect("it can be written in");
    let mut journal = Journal::create(target, &Header(run.identity()), 1).expect("the disk has space");
    store.tasks().for_each(|task| journal.note(task));
    journal.flush(&store).expect("the disk has space");
    Took::of(path, move || journal.close(&store, "", Existing::Replace).expect("the disk has space"))
}
