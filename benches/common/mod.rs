//! Shared by the benchmarks: one-cell experiments, medians, arguments.

// Every benchmark compiles this file and uses a part of it.
#![allow(dead_code)]

use advstep_hpc::experiment::Experiment;
use advstep_hpc::experiment::options::Options;
use advstep_hpc::job::Resources;
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::model::{Cell, EngineChoice};
use advstep_hpc::plan::{CellPlan, plan};

/// The arguments, without the `--bench` that cargo adds.
pub fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| argument != "--bench").collect()
}

/// The value after `--name`.
pub fn option(arguments: &[String], name: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == name)?;
    Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{name} wants a value")).clone())
}

/// The number after `--name`, or `default`.
pub fn number(arguments: &[String], name: &str, default: usize) -> usize {
    option(arguments, name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} wants a whole number")))
}

/// A one-cell experiment with the values of preset quick.
pub fn experiment(cell: Cell, networks: usize, inputs: usize, seed: usize, engine: EngineChoice) -> Experiment {
    let options = Options {
        depths: Some(vec![cell.depth as f64]),
        dims: Some(vec![cell.dim as f64]),
        widths: Some(vec![cell.width as f64]),
        networks: Some(networks as f64),
        inputs: Some(inputs as f64),
        seed: Some(seed as i64),
        engine: Some(engine),
        ..Options::default()
    };
    options.validate().expect("a bench asks for what can be run")
}

/// The plan of a one-cell experiment on `threads` threads of this machine.
pub fn plan_of(experiment: &Experiment, threads: usize) -> CellPlan {
    let memory = advstep_hpc::machine::memory_of_this_rank(1);
    plan(experiment, Resources { threads, memory }).expect("the cell fits the machine").cells[0]
}

/// The median.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    0.5 * (values[(values.len() - 1) / 2] + values[values.len() / 2])
}

/// Median CPU seconds of `rounds` calls of `work`, after one warm-up call; other load does not count.
pub fn seconds(rounds: usize, mut work: impl FnMut()) -> f64 {
    work();
    let timed = (0..rounds).map(|_| {
        let start = thread_time();
        work();
        (thread_time() - start).as_secs_f64()
    });
    median(timed.collect())
}

/// Median CPU seconds of one call of `make()` with all `threads` threads busy; that of the slowest thread.
pub fn seconds_on_all<W: FnMut()>(threads: usize, rounds: usize, make: impl Fn() -> W + Sync) -> f64 {
    let barrier = std::sync::Barrier::new(threads);
    let one = || {
        let mut work = make();
        work();
        let timed = (0..rounds).map(|_| {
            barrier.wait();
            let start = thread_time();
            work();
            (thread_time() - start).as_secs_f64()
        });
        median(timed.collect())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        workers.into_iter().map(|worker| worker.join().expect("the work does not panic")).fold(0.0, f64::max)
    })
}
