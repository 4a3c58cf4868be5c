//! What journalling costs: seconds of rank 0's main thread against the seconds of a job of 64 ranks, for small units and for whole presets.
//!
//! `cargo bench --bench journal` measures units and the journal of as many records as 64 ranks of one thread finish in ten seconds (at
//! most 20 000), written as a run writes them: noted one by one, saved ten times a second, synced every five seconds and at the end. Rank
//! 0's main thread is not one of the workers, so the share of the job's run time that journalling takes is that of one core in 64 as long
//! as it is below 100 % of that thread.

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

/// Seconds a record of a journal of `count` copies of `record`, with everything that a run does for it.
fn journal_seconds(experiment: &Experiment, record: &UnitRecord, count: usize) -> f64 {
    let directory = tempfile::TempDir::new_in(".").expect("the current directory can be written in");
    let plan = plan::plan(experiment, RESOURCES).expect("it fits");
    let mut records = Records::new(1, count, record.samples.len());
    for network in 0..count {
        records.insert(UnitRecord { unit: Unit { cell: 0, network }, ..record.clone() }).expect("each is inserted once");
    }
    let start = Instant::now();
    let mut journal =
        Journal::create(&directory.path().join("bench.journal"), &Header::new(experiment, &plan)).expect("there is room");
    for (save, networks) in (0..count).collect::<Vec<_>>().chunks(count.div_ceil(SAVES)).enumerate() {
        networks.iter().for_each(|&network| journal.note(Unit { cell: 0, network }));
        match (save + 1) % (SAVES / 2) {
            0 => journal.flush(&records).expect("there is room"),
            _ => journal.save(&records).expect("there is room"),
        }
    }
    journal.flush(&records).expect("there is room");
    start.elapsed().as_secs_f64() / count as f64
}

fn main() {
    println!("64 ranks of one thread; journal: microseconds of rank 0's main thread a unit, syncs included");
    println!("  L    d      k   unit ms   records/s   journal µs   of that thread %   of the job %");
    for (depth, dim, width) in [(1, 10, 10), (1, 10, 100), (1, 100, 1000), (2, 10, 10), (3, 10, 30), (2, 100, 100), (2, 100, 300)] {
        let toml = format!("depths = [{depth}]\ndims = [{dim}]\nwidths = [{width}]\n");
        let experiment = Experiment::from_toml(&toml, "bench").expect("it is valid");
        let plan = plan::plan(&experiment, RESOURCES).expect("it fits");
        let unit = |network| measure(&experiment, &plan.cells[0], Unit { cell: 0, network });
        let record = unit(0);
        let (start, mut units) = (Instant::now(), 0);
        while start.elapsed().as_secs_f64() < 0.5 {
            units += 1;
            unit(units % experiment.networks);
        }
        let seconds = start.elapsed().as_secs_f64() / units as f64;
        let rate = RANKS / seconds;
        let journal = journal_seconds(&experiment, &record, ((10.0 * rate) as usize).clamp(SAVES, MOST_RECORDS));
        println!(
            "{depth:>3} {dim:>4} {width:>6} {:>9.3} {rate:>11.0} {:>12.2} {:>18.2} {:>14.3}",
            1e3 * seconds,
            1e6 * journal,
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
        let journal = journal_seconds(&experiment, &record, units.min(MOST_RECORDS)) * units as f64;
        let job = plan.seconds() / RANKS;
        println!("{:<6} {units:>7} {job:>25.1} {journal:>11.3} {:>14.3}", preset.name(), 100.0 * journal / job / RANKS);
    }
}
