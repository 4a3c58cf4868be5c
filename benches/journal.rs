//! What journalling costs: processor time of rank 0's main thread against that of a job of 64 ranks, for small units and whole presets.
//!
//! `cargo bench --bench journal` measures units and the journal of as many records as 64 ranks of one thread finish in ten seconds (at
//! most 20 000), written as a run writes them: noted one by one, saved ten times a second, synced every five seconds and at the end. Time
//! is processor time of the thread, so that waiting for the disk, during which the workers go on, does not count; the time that passes on
//! that thread is printed beside it.

use std::time::Instant;

use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::experiment::{Experiment, Unit};
use advstep_hpc::plan::{self, Resources};
use advstep_hpc::run::journal::{Header, Journal};
use advstep_hpc::run::records::Records;
use advstep_hpc::unit::{UnitRecord, measure};

const RANKS: f64 = 64.0;
const RESOURCES: Resources = Resources { threads: 1, memory: 8 << 30 };
/// Saves of a run in ten seconds.
const SAVES: usize = 100;
const MOST_RECORDS: usize = 20_000;

/// Seconds of processor time of this thread so far.
fn processor_seconds() -> f64 {
    // SAFETY: fills the structure it is given.
    let time = unsafe {
        let mut time = std::mem::zeroed::<libc::timespec>();
        assert_eq!(libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time), 0);
        time
    };
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

/// Seconds a record, of processor time and of all time, of a journal of `count` copies of `record`, with everything that a run does for it.
fn journal_seconds(experiment: &Experiment, record: &UnitRecord, count: usize) -> (f64, f64) {
    let directory = tempfile::TempDir::new_in(".").expect("the current directory can be written in");
    let plan = plan::plan(experiment, RESOURCES).expect("it fits");
    let mut records = Records::new(1, count, record.samples.len());
    for network in 0..count {
        records.insert(UnitRecord { unit: Unit { cell: 0, network }, ..record.clone() }).expect("each is inserted once");
    }
    let (start, processor) = (Instant::now(), processor_seconds());
    let mut journal =
        Journal::create(&directory.path().join("bench.journal"), &Header::new(experiment, None, &plan)).expect("there is room");
    for (save, networks) in (0..count).collect::<Vec<_>>().chunks(count.div_ceil(SAVES)).enumerate() {
        networks.iter().for_each(|&network| journal.note(Unit { cell: 0, network }));
        match (save + 1) % (SAVES / 2) {
            0 => journal.flush(&records).expect("there is room"),
            _ => journal.save(&records).expect("there is room"),
        }
    }
    journal.flush(&records).expect("there is room");
    ((processor_seconds() - processor) / count as f64, start.elapsed().as_secs_f64() / count as f64)
}

fn main() {
    println!("64 ranks of one thread each; times of one unit");
    println!("  L    d      k   unit ms   units/s   journal µs   with waiting   of rank 0's main thread %   of the job %");
    for (depth, dim, width) in [(1, 10, 10), (1, 10, 100), (1, 100, 1000), (2, 10, 10), (3, 10, 30), (2, 100, 100), (2, 100, 300)] {
        let toml = format!("depths = [{depth}]\ndims = [{dim}]\nwidths = [{width}]\n");
        let experiment = Experiment::from_toml(&toml, "bench").expect("it is valid");
        let plan = plan::plan(&experiment, RESOURCES).expect("it fits");
        let unit = |network| measure(&experiment, &plan.cells[0], Unit { cell: 0, network });
        let record = unit(0);
        let (start, mut units) = (processor_seconds(), 0);
        while processor_seconds() - start < 0.5 {
            units += 1;
            unit(units % experiment.networks);
        }
        let seconds = (processor_seconds() - start) / units as f64;
        let rate = RANKS / seconds;
        let (journal, waiting) = journal_seconds(&experiment, &record, ((10.0 * rate) as usize).clamp(SAVES, MOST_RECORDS));
        println!(
            "{depth:>3} {dim:>4} {width:>6} {:>9.3} {rate:>9.0} {:>12.2} {:>14.2} {:>27.2} {:>14.3}",
            1e3 * seconds,
            1e6 * journal,
            1e6 * waiting,
            100.0 * journal * rate,
            100.0 * journal / seconds,
        );
    }

    println!("\npreset   units   predicted s on 64 ranks   journal s   of the job %");
    for preset in Preset::ALL {
        let experiment = preset.options().validate().expect("presets are valid");
        let plan = plan::plan(&experiment, RESOURCES).expect("it fits");
        let units = plan.cells.len() * plan.networks;
        let record = measure(&experiment, &plan.cells[0], Unit { cell: 0, network: 0 });
        let journal = journal_seconds(&experiment, &record, units.min(MOST_RECORDS)).0 * units as f64;
        let job = plan.seconds() / RANKS;
        println!("{:<6} {units:>7} {job:>25.1} {journal:>11.3} {:>14.3}", preset.name(), 100.0 * journal / job / RANKS);
    }
}
