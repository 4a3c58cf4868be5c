//! The cost model against measurement: `cargo bench --bench cost_model` prints predicted and measured seconds of one unit, cell by cell.
//!
//! Measured seconds are processor time of one thread, the mean of a few networks, so that a busy machine does not spoil them.

use advstep_hpc::experiment::options::Options;
use advstep_hpc::experiment::{EngineChoice, Unit};
use advstep_hpc::machine::blas;
use advstep_hpc::plan::{Resources, plan};
use advstep_hpc::unit::measure;

/// Depth, dim, width and engine.
const CELLS: [(usize, usize, usize, EngineChoice); 40] = {
    use EngineChoice::{Dense, Implicit};
    [
        (1, 10, 100, Dense),
        (1, 10, 10_000, Dense),
        (1, 10, 1_000_000, Dense),
        (1, 100, 1_000, Dense),
        (1, 100, 100_000, Dense),
        (1, 500, 10, Dense),
        (1, 500, 1_000, Dense),
        (1, 500, 30_000, Dense),
        (1, 500, 300_000, Dense),
        (2, 10, 10, Dense),
        (2, 10, 30, Dense),
        (2, 10, 100, Dense),
        (2, 500, 100, Dense),
        (2, 10, 300, Dense),
        (2, 500, 300, Dense),
        (2, 100, 1_000, Dense),
        (2, 100, 3_000, Dense),
        (2, 500, 10_000, Dense),
        (3, 100, 30, Dense),
        (3, 100, 100, Dense),
        (3, 10, 1_000, Dense),
        (4, 100, 300, Dense),
        (4, 100, 3_000, Dense),
        (6, 10, 10, Dense),
        (6, 10, 100, Dense),
        (6, 100, 100, Dense),
        (6, 10, 1_000, Dense),
        (6, 500, 3_000, Dense),
        (2, 100, 300, Implicit),
        (2, 100, 1_000, Implicit),
        (2, 100, 3_000, Implicit),
        (2, 10, 10_000, Implicit),
        (2, 500, 10_000, Implicit),
        (2, 500, 100_000, Implicit),
        (4, 100, 3_000, Implicit),
        (6, 100, 1_000, Implicit),
        (6, 500, 10_000, Implicit),
        (6, 10, 30_000, Implicit),
        (1, 10_000, 10_000, Implicit),
        (1, 100_000, 30_000, Implicit),
    ]
};

/// Processor seconds of this thread so far.
fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the structure it is given.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn main() -> anyhow::Result<()> {
    blas::use_one_blas_thread()?;
    let only: Option<String> = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    println!("  L       d        k  engine    search  weights      predicted s   measured s   ratio   points");
    for (depth, dim, width, engine) in CELLS {
        let options = Options {
            depths: Some(vec![depth as f64]),
            dims: Some(vec![dim as f64]),
            widths: Some(vec![width as f64]),
            engine: Some(engine),
            ..Options::default()
        };
        let experiment = options.validate()?;
        let plan = plan(&experiment, Resources { threads: 1, memory: 12 << 30 })?;
        let cell = &plan.cells[0];
        if only.as_ref().is_some_and(|only| only != cell.engine.name()) {
            continue;
        }
        let networks = ((1.0 / cell.cost.seconds) as usize).clamp(1, 100);
        let (mut seconds, mut points) = (0.0, 0.0);
        for network in 0..networks {
            let start = thread_seconds();
            let record = measure(&experiment, cell, Unit { cell: 0, network });
            seconds += (thread_seconds() - start) / networks as f64;
            points += record.samples.iter().map(|sample| f64::from(sample.evaluations)).sum::<f64>();
        }
        println!(
            "{depth:>3} {dim:>7} {width:>8}  {:<9} {:<7} {:<12} {:>10.5} {seconds:>12.5} {:>7.2} {:>8.1}",
            cell.engine.name(),
            cell.search.name(),
            format!("{:?}", cell.keep.weights).to_lowercase(),
            cell.cost.seconds,
            cell.cost.seconds / seconds,
            points / (networks * experiment.inputs) as f64,
        );
    }
    Ok(())
}
