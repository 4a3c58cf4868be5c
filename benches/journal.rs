//! Cost of journalling for a job of 64 ranks, for small units and whole presets.
//!
//! `cargo bench --bench journal` measures units on one thread, then plays rank 0's main thread while 64 single-threaded ranks finish such units: for a
//! few seconds it journals units at that rate. Separately it measures decoding and storing a record. Both are CPU time of the thread; waiting for the
//! disk, during which workers continue, is printed separately.

use std::thread::sleep;
use std::time::{Duration, Instant};

use advstep_hpc::commands::run::Run;
use advstep_hpc::experiment::Experiment;
use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::files::Target;
use advstep_hpc::job::journal::{Header, Journal};
use advstep_hpc::job::{Client, Resources, Store, Task};
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::measure::measure;
use advstep_hpc::model::Unit;
use advstep_hpc::plan;
use advstep_hpc::record::{UnitRecord, codec};

const RANKS: usize = 64;
const RESOURCES: Resources = Resources { threads: 1, memory: 1 << 45 };
/// Seconds per journal.
const SECONDS: f64 = 4.0;
/// Polling interval, as in a run.
const NAP: Duration = Duration::from_millis(5);
/// Records in memory, journalled repeatedly.
const RECORDS: usize = 20_000;

/// Costs of rank 0's main thread per finished unit.
struct Costs {
    /// CPU seconds to decode and store a record.
    taken_in: f64,
    /// Units journalled, and those on disk at the end.
    units: usize,
    kept: usize,
    /// CPU and wall seconds of the journal.
    processor: f64,
    passed: f64,
    /// Wall seconds in total.
    elapsed: f64,
}

/// What it costs to journal units with records like `record`, `rate` of which are finished a second.
fn costs(experiment: &Experiment, record: &UnitRecord, rate: f64) -> Costs {
    let run = Run::new(Experiment { networks: RECORDS, ..experiment.clone() }, None, RESOURCES).expect("it fits");
    let result = codec::encode(&record.samples, record.seconds);
    let mut store = Store::new(run.groups());
    let task = |network| Task { group: 0, index: network };
    let begun = thread_time();
    for network in 0..RECORDS {
        run.check(task(network), &result).expect("it is a record");
        store.insert(task(network), result.clone()).expect("each is inserted once");
    }
    let taken_in = (thread_time() - begun).as_secs_f64() / RECORDS as f64;

    let directory = tempfile::TempDir::new_in(".").expect("the current directory can be written in");
    let target = Target::claim(&directory.path().join("bench.h5"), "--out", &[]).expect("it can be written in");
    let mut journal = Journal::create(target, &Header(run.identity()), RANKS).expect("the disk has space");
    let (started, mut units) = (Instant::now(), 0);
    let (mut processor, mut passed) = (Duration::ZERO, Duration::ZERO);
    while started.elapsed().as_secs_f64() < SECONDS {
        let finished = (rate * started.elapsed().as_secs_f64()) as usize;
        let (begun, at) = (thread_time(), Instant::now());
        (units..finished).for_each(|unit| journal.note(task(unit % RECORDS)));
        journal.tend(&store).expect("the disk has space");
        (processor, passed) = (processor + (thread_time() - begun), passed + at.elapsed());
        units = finished;
        sleep(NAP);
    }
    Costs {
        taken_in,
        units,
        kept: units - journal.waiting(),
        processor: processor.as_secs_f64(),
        passed: passed.as_secs_f64(),
        elapsed: started.elapsed().as_secs_f64(),
    }
}

fn main() {
    println!("64 ranks of one thread each; times of one unit; main thread: that of rank 0");
    println!("                                       journal:                                        main thread:");
    println!(
        "  L    d      k   unit ms   units/s   µs a record  kept at once %  of the job %     journal %  and waiting %  taking in %"
    );
    for (depth, dim, width) in
        [(1, 10, 10), (1, 10, 100), (2, 10, 10), (1, 100, 300), (1, 100, 1000), (3, 10, 30), (2, 100, 100), (2, 100, 300)]
    {
        let toml = format!("depths = [{depth}]\ndims = [{dim}]\nwidths = [{width}]\n");
        let experiment = Experiment::from_toml(&toml, "bench").expect("it is valid");
        let plan = plan::plan(&experiment, RESOURCES).expect("it fits");
        let unit = |network| measure(&experiment, &plan.cells[0].run, Unit { cell: 0, network }).unwrap();
        let record = unit(0);
        let (begun, mut units) = (thread_time(), 0);
        while thread_time() - begun < Duration::from_millis(500) {
            units += 1;
            unit(units % experiment.networks);
        }
        let seconds = (thread_time() - begun).as_secs_f64() / units as f64;
        let rate = RANKS as f64 / seconds;
        let costs = costs(&experiment, &record, rate);
        println!(
            "{depth:>3} {dim:>4} {width:>6} {:>9.3} {rate:>9.0} {:>13.2} {:>15.1} {:>13.3} {:>13.1} {:>14.1} {:>12.1}",
            1e3 * seconds,
            1e6 * costs.processor / costs.kept as f64,
            100.0 * costs.kept as f64 / costs.units as f64,
            100.0 * costs.processor / costs.elapsed / RANKS as f64,
            100.0 * costs.processor / costs.elapsed,
            100.0 * costs.passed / costs.elapsed,
            100.0 * rate * costs.taken_in,
        );
    }

    println!("\npreset   units   predicted s on 64 ranks   of the job %");
    for preset in Preset::ALL {
        let experiment = preset.options().validate().expect("presets are valid");
        let plan = plan::plan(&experiment, RESOURCES).expect("it fits");
        let units = plan.cells.len() * plan.networks;
        let cheapest = plan.cells.iter().min_by(|a, b| a.cost.seconds.total_cmp(&b.cost.seconds)).expect("a preset has cells");
        let record = measure(&experiment, &cheapest.run, Unit { cell: 0, network: 0 }).unwrap();
        let job = plan.seconds() / RANKS as f64;
        let costs = costs(&experiment, &record, units as f64 / job);
        println!("{:<6} {units:>7} {job:>25.1} {:>14.4}", preset.name(), 100.0 * costs.processor / costs.elapsed / RANKS as f64);
    }
}
