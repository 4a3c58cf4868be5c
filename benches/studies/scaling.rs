//! Scaling: strong scaling measured on 1 and 2 ranks and simulated beyond; cost growth in k, d, L and inputs measured.
//!
//! `cargo bench --bench scaling [-- [--json FILE] [--unit-times FILE]]` prints tables and writes them as JSON; with `--prediction` only what is
//! simulated, in a few minutes.
//!
//! The simulation assigns units as the program does (by predicted cost, with the teams of its plan) and runs them on single-threaded ranks of
//! [`MEMORY`] bytes with the unit times in the file of
//! `cargo bench --bench cost_model` (`--unit-times FILE`). A missing cell is measured here if its units are short; otherwise it gets the model's time,
//! scaled by the median ratio of measured to predicted times, and the number of such cells is printed. Single units scatter as measured ones do. A
//! rank sends its results every 0.1 s; rank 0 handles messages serially, at [`MESSAGE`] seconds each (assumed: MPI over a network) plus the measured
//! time per record. A cell is written once rank 0 has its last record, one after the other; the end of the run ([`end_of_run`]) is what is left of that
//! after the last record of all. Receiving and writing are not counted as load of the worker of rank 0: their shares of the time are printed. The load of rank 0 from journalling is printed separately.

#[path = "../common/mod.rs"]
mod common;
mod end_of_run;
#[path = "../common/unit_times.rs"]
mod unit_times;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use advstep_hpc::commands::run::Run;
use advstep_hpc::experiment::Experiment;
use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::files::Target;
use advstep_hpc::job::assign::Share;
use advstep_hpc::job::journal::{Header, Journal, SHARE_OF_MAIN_THREAD};
use advstep_hpc::job::{Client, Group, Ranks, Resources, Store, Task, assign};
use advstep_hpc::kernels::SimdLevel;
use advstep_hpc::machine;
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::measure::measure;
use advstep_hpc::model::{Cell, EngineChoice, Unit};
use advstep_hpc::plan::teams::TeamChoice;
use advstep_hpc::plan::{CellPlan, Plan, memory, plan, plan_on, traffic};
use advstep_hpc::provenance::Versions;
use advstep_hpc::record::{Sample, Status, codec};
use serde_json::{Value, json};
use unit_times::Measured;

/// Assumed seconds of rank 0 per message, besides its records.
const MESSAGE: f64 = 2e-5;
/// Seconds between messages of a rank.
const MESSAGE_AGE: f64 = 0.1;
/// Memory of a simulated rank, in bytes.
const MEMORY: u64 = 4 << 30;
/// Ranks per node of the simulated machine.
const RANKS_PER_NODE: usize = 64;
/// Units missing from the file are measured here if predicted to take at most this many seconds.
const LONGEST_MEASURED: f64 = 0.3;
/// The scatter is that of units which take at least this many seconds: of shorter ones a rank has many, and their deviations cancel.
const LEAST_SCATTERED: f64 = 0.01;
/// Individually measured units per cell, and cells, needed to estimate the scatter from the file.
const SCATTERED: usize = 3;
const SCATTERED_CELLS: usize = 20;
/// Shards for which the end of a run is predicted as well.
const SHARDS: usize = 16;

/// How the program is started, with one thread per rank.
#[derive(Clone, Copy)]
enum Start {
    Alone,
    /// mpirun with this many ranks.
    Ranks(usize),
    /// Independent concurrent processes, each with its part of the networks: the limit set by the machine.
    Apart(usize),
}

/// Wall seconds of one run of the program on `networks` networks.
fn run_program(start: Start, cell: &str, networks: usize) -> f64 {
    let program = env!("CARGO_BIN_EXE_advstep-hpc");
    let (processes, share) = match start {
        Start::Alone | Start::Ranks(_) => (1, networks),
        Start::Apart(processes) => (processes, networks / processes),
    };
    let out = |process: usize| std::env::temp_dir().join(format!("advstep-scaling-{}-{process}.h5", std::process::id()));
    let command = |process: usize| {
        let mut command = match start {
            Start::Ranks(_) => Command::new("mpirun"),
            _ => Command::new(program),
        };
        if let Start::Ranks(ranks) = start {
            command.args(["-n", &ranks.to_string(), program]);
        }
        command.args(cell.split_whitespace()).args(["--networks", &share.to_string(), "--seed", &(process + 1).to_string()]);
        command.args(["--threads", "1", "--quiet", "--overwrite", "--out"]).arg(out(process)).stderr(Stdio::null());
        command
    };
    let begin = Instant::now();
    let children: Vec<_> = (0..processes).map(|process| command(process).spawn().expect("the program starts")).collect();
    for mut child in children {
        assert!(child.wait().expect("it can be waited for").success(), "{cell}");
    }
    let seconds = begin.elapsed().as_secs_f64();
    (0..processes).for_each(|process| std::fs::remove_file(out(process)).expect("the program has written its file"));
    seconds
}

/// One rank, two ranks and two independent processes, in turn, on compute-bound cells; start-up time; a small cell.
fn strong_scaling() -> Value {
    const TINY: &str = "--depths 1 --dims 10 --widths 10 --inputs 1";
    let starts = [Start::Ranks(1), Start::Ranks(2), Start::Apart(2)];
    let of_starts = |cell: &str, networks: usize, rounds: usize| {
        let rounds: Vec<[f64; 3]> = (0..rounds).map(|_| starts.map(|start| run_program(start, cell, networks))).collect();
        [0, 1, 2].map(|start| common::median(rounds.iter().map(|round| round[start]).collect()))
    };
    let begin = of_starts(TINY, 2, 3);
    println!("start to end of a run of two tiny networks under mpirun: {:.2} s on one rank, {:.2} s on two", begin[0], begin[1]);
    let cells = [((3, 100, 300), 24_000), ((2, 100, 1000), 6000), ((6, 100, 100), 3000)].map(|((depth, dim, width), networks)| {
        let cell = format!("--depths {depth} --dims {dim} --widths {width}");
        let [one, two, apart] = of_starts(&cell, networks, 2);
        let speedup = one / two;
        println!(
            "({depth}, {dim}, {width}), {networks} networks: {one:.2} s on one rank, {two:.2} s on two, {speedup:.2} times as fast; two \
             processes apart {apart:.2} s, {:.2} times",
            one / apart
        );
        json!({
            "cell": [depth, dim, width], "networks": networks, "one_rank": one, "two_ranks": two, "apart": apart, "speedup": speedup,
            "speedup_apart": one / apart, "speedup_without_start": (one - begin[0]) / (two - begin[1]),
        })
    });
    let start_up = common::median((0..5).map(|_| run_program(Start::Alone, TINY, 1)).collect());
    println!("start to end of a run of one tiny network: {:.0} ms", 1e3 * start_up);
    let cell = Cell::new(6, 10, 10);
    let small = seconds_per_network(cell, 100, 100) * 100.0;
    println!("{cell}, 100 networks of 100 inputs: {:.1} ms on one thread", 1e3 * small);
    json!({ "cells": cells, "begin_one": begin[0], "begin_two": begin[1], "start_up": start_up, "small_cell": small })
}

/// Thread-seconds per network of `cell`.
fn seconds_per_network(cell: Cell, networks: usize, inputs: usize) -> f64 {
    let experiment = common::experiment(cell, networks, inputs, 2020, EngineChoice::Auto);
    let plan = common::plan_of(&experiment, 1);
    let seconds = (0..networks).map(|network| measure(&experiment, &plan.run, Unit { cell: 0, network }).unwrap().seconds);
    common::median(seconds.collect())
}

/// CPU seconds of rank 0 per record: to decode and store it, and to journal it.
fn record_seconds(experiment: &Experiment) -> (f64, f64) {
    const RECORDS: usize = 5000;
    let resources = Resources { threads: 1, memory: 1 << 45 };
    let run = Run::new(Experiment { networks: RECORDS, ..experiment.clone() }, None, resources).expect("it fits");
    let sample = Sample::unsearched(1.0, 1.0, 1.0).flipping_at(1.0, Status::FoundExact);
    let result = codec::encode(&vec![sample; experiment.samples_of_network()], 0.0);
    let task = |network| Task { group: 0, index: network };
    let mut store = Store::new(run.groups());
    let begun = thread_time();
    for network in 0..RECORDS {
        run.check(task(network), &result).expect("it is a record");
        store.insert(task(network), result.clone()).expect("each is inserted once");
    }
    let taken_in = (thread_time() - begun).as_secs_f64() / RECORDS as f64;

    let directory = tempfile::TempDir::new_in(".").expect("the current directory can be written in");
    let target = Target::claim(&directory.path().join("scaling.h5"), "--out", &[]).expect("it can be written in");
    let mut journal = Journal::create(target, &Header(run.identity()), 64).expect("the disk has space");
    let begun = thread_time();
    (0..RECORDS).for_each(|network| journal.note(task(network)));
    // The journal writes every 100 ms.
    std::thread::sleep(Duration::from_millis(200));
    journal.tend(&store).expect("the disk has space");
    let written = (thread_time() - begun).as_secs_f64() / (RECORDS - journal.waiting()) as f64;
    (taken_in, written)
}

/// A deterministic number in (0, 1) per index.
fn scatter(index: u64) -> f64 {
    let mut z = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Seconds per network of each cell of the plan.
struct UnitTimes {
    /// By the cost model, which determines the assignment.
    predicted: Vec<f64>,
    actual: Vec<f64>,
    /// Cells with times from the file and from the cost model; the others were measured here.
    from_file: usize,
    by_model: usize,
    /// Program revisions of the measurements in the file.
    revisions: BTreeSet<String>,
    /// Relative half-width of the scatter of units, and the cells it comes from.
    spread: f64,
    spread_cells: usize,
    /// The longest, and whether it was measured.
    longest: f64,
    longest_is_measured: bool,
}

/// Times from `lines`; short units without any are measured here, others get the model's time scaled by the median ratio of measured to predicted.
fn unit_times(experiment: &Experiment, plan: &Plan, lines: &[Measured]) -> UnitTimes {
    let predicted: Vec<f64> = plan.cells.iter().map(|cell| cell.cost.seconds).collect();
    let from_file: Vec<Option<f64>> =
        plan.cells.iter().map(|cell| unit_times::mean(lines, cell).map(|mean| mean.seconds)).collect();
    let singles = plan.cells.iter().map(|cell| {
        let of_one = lines.iter().filter(|line| line.networks == 1 && line.is_of(cell));
        of_one.map(|line| line.seconds).collect::<Vec<f64>>()
    });
    let mut scattered: Vec<Vec<f64>> = singles.filter(|seconds| seconds.len() >= SCATTERED).collect();
    let tells_scatter = scattered.len() >= SCATTERED_CELLS;
    if !tells_scatter {
        scattered.clear();
    }
    let mut measured = from_file.clone();
    for (cell, measured) in plan.cells.iter().zip(&mut measured) {
        if cell.cost.seconds < LONGEST_MEASURED && (measured.is_none() || !tells_scatter) {
            let seconds: Vec<f64> = (0..SCATTERED).map(|network| unit_seconds(experiment, cell, network)).collect();
            measured.get_or_insert(common::median(seconds.clone()));
            if !tells_scatter {
                scattered.push(seconds);
            }
        }
    }
    let ratios = measured.iter().zip(&predicted).filter_map(|(measured, predicted)| Some((*measured)? / predicted));
    let off = common::median(ratios.collect());
    let actual: Vec<f64> =
        measured.iter().zip(&predicted).map(|(measured, predicted)| measured.unwrap_or(off * predicted)).collect();
    scattered.retain(|seconds| common::median(seconds.clone()) >= LEAST_SCATTERED);
    let half_width = |seconds: &Vec<f64>| {
        let middle = common::median(seconds.clone());
        seconds.iter().map(|seconds| (seconds / middle - 1.0).abs()).fold(0.0, f64::max)
    };
    let (longest, _) = actual.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("the preset has cells");
    UnitTimes {
        from_file: from_file.iter().flatten().count(),
        by_model: measured.iter().filter(|measured| measured.is_none()).count(),
        revisions: plan
            .cells
            .iter()
            .flat_map(|cell| lines.iter().filter(|line| line.is_of(cell)))
            .map(|line| line.revision.clone())
            .collect(),
        spread: common::median(scattered.iter().map(half_width).collect()),
        spread_cells: scattered.len(),
        longest: actual[longest],
        longest_is_measured: measured[longest].is_some(),
        predicted,
        actual,
    }
}

/// CPU seconds of one network.
fn unit_seconds(experiment: &Experiment, cell: &CellPlan, network: usize) -> f64 {
    let begun = thread_time();
    measure(experiment, &cell.run, Unit { cell: 0, network }).unwrap();
    (thread_time() - begun).as_secs_f64()
}

/// The simulated course of a job, in seconds.
struct Simulated {
    /// When rank 0 has the last record.
    last_record: f64,
    /// When the last rank is done.
    busiest: f64,
    /// Rank 0's time for messages.
    root: f64,
    /// When rank 0 has all records of a cell, in increasing order.
    complete: Vec<f64>,
}

/// Simulates the experiment on `ranks` ranks as in `plan`.
fn simulate(times: &UnitTimes, plan: &Plan, networks: usize, ranks: usize, taken_in: f64) -> Simulated {
    let mut messages = Messages { sent: Vec::new(), last: vec![0.0; plan.cells.len()] };
    let groups: Vec<Group> = plan.groups().into_iter().map(|group| Group { count: networks, ..group }).collect();
    let shares = assign::assign(&groups, &vec![1; ranks]);
    let seconds = |task: Task| {
        let index = (task.group * networks + task.index) as u64;
        let off = 1.0 + times.spread * (2.0 * scatter(index) - 1.0);
        let actual = times.actual[task.group];
        // A team is off by the same factor.
        off * groups[task.group].team.map_or(actual, |team| team.seconds * actual / times.predicted[task.group])
    };
    let mut now = vec![0.0; ranks];
    let mut sending: Vec<Sending> = vec![Sending::default(); ranks];
    for level in assign::levels(&groups) {
        for block in 0..ranks / level {
            let members = block * level..(block + 1) * level;
            // All members have had the same tasks so far.
            let mut end = now[members.start];
            let is_of_level = |task: &&Task| groups[task.group].team.is_some_and(|team| team.ranks == level);
            let Share { in_teams, .. } = &shares[members.start];
            for task in in_teams.iter().filter(is_of_level) {
                end += seconds(*task);
                sending[members.start].finish(end, task.group, members.start, &mut messages);
            }
            now[members].fill(end);
        }
    }
    for (rank, share) in shares.iter().enumerate() {
        for task in assign::starting_order(&share.single, &groups, 1) {
            now[rank] += seconds(task);
            sending[rank].finish(now[rank], task.group, rank, &mut messages);
        }
        if rank > 0 {
            messages.send(now[rank], &mut sending[rank]);
        }
    }
    let busiest = now.into_iter().fold(0.0, f64::max);
    let Messages { mut sent, last } = messages;
    sent.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut last: Vec<f64> = last;
    last.sort_by(f64::total_cmp);
    let cost = |records: usize| MESSAGE + records as f64 * taken_in;
    let (mut free, mut complete) = (0.0_f64, Vec::new());
    for (arrives, records) in &sent {
        // Handled before this message.
        let done = last[complete.len()..].iter().take_while(|last| *last < arrives).map(|last| free.max(*last));
        complete.extend(done.collect::<Vec<f64>>());
        free = free.max(*arrives) + cost(*records);
    }
    complete.extend(last[complete.len()..].iter().map(|last| free.max(*last)).collect::<Vec<f64>>());
    let root = sent.iter().map(|(_, records)| cost(*records)).sum();
    Simulated { last_record: free.max(busiest), busiest, root, complete }
}

/// The messages to rank 0.
struct Messages {
    /// When they are sent, in s, and their numbers of records.
    sent: Vec<(f64, usize)>,
    /// By group: when its last record is sent.
    last: Vec<f64>,
}

impl Messages {
    fn send(&mut self, now: f64, sending: &mut Sending) {
        self.sent.push((now, sending.waiting));
        sending.groups.drain(..).for_each(|group| self.last[group] = self.last[group].max(now));
        (sending.waiting, sending.sent) = (0, now);
    }
}

/// The results that a rank has not sent yet.
#[derive(Clone, Default)]
struct Sending {
    waiting: usize,
    /// The groups of those results, each once.
    groups: Vec<usize>,
    sent: f64,
}

impl Sending {
    fn finish(&mut self, now: f64, group: usize, rank: usize, messages: &mut Messages) {
        if rank == 0 {
            messages.last[group] = messages.last[group].max(now);
            return;
        }
        self.waiting += 1;
        if self.groups.last() != Some(&group) {
            self.groups.push(group);
        }
        if now - self.sent >= MESSAGE_AGE {
            messages.send(now, self);
        }
    }
}

/// Efficiency, load of rank 0 and memory on 64, 1,024 and 65,536 ranks, with the unit times of file `measured`.
fn prediction(measured: &str) -> Value {
    let experiment = Preset::Paper.options().validate().expect("the preset is valid");
    let plan = plan(&experiment, Resources { threads: 1, memory: 1 << 45 }).expect("the memory is unlimited");
    let lines = unit_times::read(Path::new(measured)).unwrap_or_else(|error| panic!("{error:#}"));
    let times = unit_times(&experiment, &plan, &lines);
    let (taken_in, journalled) = record_seconds(&experiment);
    let end_of_run = end_of_run::end_of_run();
    let cells = plan.cells.len();
    println!(
        "\npreset paper; unit times of {} of {cells} cells from {measured}, {} measured here, {} of {cells} cells by the model",
        times.from_file,
        cells - times.from_file - times.by_model,
        times.by_model,
    );
    println!(
        "units of {LEAST_SCATTERED} s and more scatter by {:.0} % ({} cells), rank 0 needs {:.1} µs to take in a record and {:.1} µs to journal it",
        100.0 * times.spread,
        times.spread_cells,
        1e6 * taken_in,
        1e6 * journalled,
    );
    println!("the end of a run: {end_of_run}");
    println!(
        "  ranks  networks      units  cells in teams  of up to     seconds  end of run  at once  efficiency  rank 0 busy  writing   journal  rank 0 samples  memory a node"
    );
    let mut rows = Vec::new();
    for (ranks, networks) in [(64, 100), (1024, 100), (1024, 1600), (65_536, 100), (65_536, 25_000)] {
        let resources = Resources { threads: 1, memory: MEMORY };
        let teams =
            plan_on(&experiment, Ranks::equal(ranks, resources), TeamChoice::Auto, networks).expect("teams hold the preset");
        let largest = teams.cells.iter().map(|cell| cell.unit_bytes).max().unwrap_or(0);
        let in_teams = teams.cells.iter().filter_map(|cell| cell.team);
        let (in_teams, largest_team) = (in_teams.clone().count(), in_teams.map(|team| team.ranks).max().unwrap_or(1));
        let Simulated { last_record, busiest, root, complete } = simulate(&times, &teams, networks, ranks, taken_in);
        let units = cells * networks;
        let samples = units * experiment.inputs;
        let end = end_of_run.after_last_record(&complete, samples / cells);
        let at_once = end_of_run.seconds(&end_of_run.whole, cells, samples);
        let writing = end_of_run.writing(cells, samples) / last_record;
        let seconds = last_record + end;
        let mean = times.actual.iter().sum::<f64>() * networks as f64 / ranks as f64;
        let journal = SHARE_OF_MAIN_THREAD.min(journalled * units as f64 / last_record);
        let sized = Experiment { networks, ..experiment.clone() };
        let root_bytes = memory::process_bytes(&sized, 1);
        let node_bytes = RANKS_PER_NODE as u64
            * (largest + memory::process_bytes(&common::experiment(Cell::new(1, 1, 1), 1, 1, 1, EngineChoice::Auto), 1));
        println!(
            "{ranks:>7} {networks:>9} {units:>10} {in_teams:>15} {largest_team:>9} {seconds:>11.1} {end:>11.2} {at_once:>8.1} {:>9.1} % {:>10.2} % {:>6.2} % {:>7.2} % {:>12.1} GB {:>11.1} GB",
            100.0 * mean / seconds,
            100.0 * root / last_record,
            100.0 * writing,
            100.0 * journal,
            root_bytes as f64 / 1e9,
            node_bytes as f64 / 1e9,
        );
        rows.push(json!({
            "ranks": ranks, "networks": networks, "units": units, "samples": samples, "seconds": seconds, "last_record": last_record,
            "end_of_run": end, "at_once": at_once, "writing": writing, "end_of_shard": end_of_run.seconds(&end_of_run.shard, cells, samples / SHARDS),
            "efficiency": mean / seconds, "imbalance": busiest / mean - 1.0, "in_teams": in_teams, "largest_team": largest_team,
            "largest_unit": largest, "root_busy": root / last_record, "journal": journal,
            "root_bytes": root_bytes, "node_bytes": node_bytes,
        }));
    }
    json!({ "rows": rows, "cells": cells, "from_file": times.from_file, "by_model": times.by_model,
            "unit_times_revisions": times.revisions, "spread": times.spread, "spread_cells": times.spread_cells, "taken_in": taken_in,
            "journalled": journalled, "message": MESSAGE, "ranks_per_node": RANKS_PER_NODE, "units": cells * experiment.networks,
            "longest_unit": times.longest, "longest_is_measured": times.longest_is_measured,
            "memory": MEMORY, "latency": traffic::LATENCY, "bandwidth": traffic::BANDWIDTH,
            "end_of_run": end_of_run, "shards": SHARDS })
}

/// (value on the axis, cell, inputs).
type Datum = (f64, Cell, usize);

/// Seconds per network against k, d, L and inputs.
fn growth() -> Value {
    let cell = Cell::new;
    let series: [(&str, &str, Vec<Datum>); 5] = [
        ("k", "L = 1, d = 100", [100, 300, 1000, 3000, 10_000, 30_000, 100_000].map(|k| (k as f64, cell(1, 100, k), 100)).to_vec()),
        ("k", "L = 2, d = 100", [200, 400, 800, 1600, 3200].map(|k| (k as f64, cell(2, 100, k), 100)).to_vec()),
        ("d", "L = 1, k = 10000", [10, 30, 100, 300, 1000].map(|d| (d as f64, cell(1, d, 10_000), 100)).to_vec()),
        ("L", "d = 100, k = 500", [2, 3, 4, 6, 8].map(|l| (l as f64, cell(l, 100, 500), 100)).to_vec()),
        ("inputs", "L = 2, d = 100, k = 1000", [25, 50, 100, 200, 400].map(|n| (n as f64, cell(2, 100, 1000), n)).to_vec()),
    ];
    println!("\ngrowth     of                          exponent  model's   (last step)");
    let rows = series.into_iter().map(|(axis, fixed, points)| {
        let x: Vec<f64> = points.iter().map(|point| point.0).collect();
        let measured: Vec<f64> = points.iter().map(|(_, cell, inputs)| seconds_per_network(*cell, 5, *inputs)).collect();
        let model: Vec<f64> = points
            .iter()
            .map(|(_, cell, inputs)| common::plan_of(&common::experiment(*cell, 1, *inputs, 1, EngineChoice::Auto), 1).cost.seconds)
            .collect();
        let end = x.len() - 1;
        let exponent = |y: &[f64]| (y[end] / y[end - 1]).ln() / (x[end] / x[end - 1]).ln();
        println!("{axis:<10} {fixed:<27} {:>8.2} {:>8.2}", exponent(&measured), exponent(&model));
        json!({ "axis": axis, "fixed": fixed, "x": x, "measured": measured, "model": model,
                "exponent": exponent(&measured), "model_exponent": exponent(&model) })
    });
    rows.collect()
}

/// CPU model name, if known.
fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn main() {
    machine::prepare().expect("BLAS can be told to use one thread");
    let arguments = common::arguments();
    let unit_times = common::option(&arguments, "--unit-times").unwrap_or_else(|| unit_times::FILE.to_owned());
    if arguments.iter().any(|argument| argument == "--prediction") {
        prediction(&unit_times);
        return;
    }
    let result = json!({
        "revision": Versions::collect().git_revision,
        "processor": processor(),
        "simd": format!("{:?}", SimdLevel::best()),
        "strong": strong_scaling(),
        "prediction": prediction(&unit_times),
        "growth": growth(),
    });
    if let Some(file) = common::option(&arguments, "--json") {
        std::fs::write(&file, format!("{result:#}\n")).unwrap_or_else(|error| panic!("cannot write {file}: {error}"));
    }
}
