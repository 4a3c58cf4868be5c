//! What the benches share: an experiment of one cell, medians, and JSON.

// Every bench compiles this file and uses its own part of it.
#![allow(dead_code)]

use std::time::Instant;

use advstep_hpc::experiment::Experiment;
use advstep_hpc::experiment::options::Options;
use advstep_hpc::job::Resources;
use advstep_hpc::model::{Cell, EngineChoice};
use advstep_hpc::plan::{CellPlan, plan};

/// The arguments of a bench; cargo adds `--bench`.
pub fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| argument != "--bench").collect()
}

/// The value behind `--name`.
pub fn option(arguments: &[String], name: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == name)?;
    Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{name} wants a value")).clone())
}

/// The number behind `--name`, or `default`.
pub fn number(arguments: &[String], name: &str, default: usize) -> usize {
    option(arguments, name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} wants a whole number")))
}

/// An experiment of one cell with the values of preset quick.
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

/// How the cell of an experiment of one cell is run on `threads` threads of this machine.
pub fn plan_of(experiment: &Experiment, threads: usize) -> CellPlan {
    let memory = advstep_hpc::machine::memory_of_this_rank(1);
    plan(experiment, Resources { threads, memory }).expect("the cell fits the machine").cells[0]
}

/// The middle of `values`; the mean of the two middle ones of an even number.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    0.5 * (values[(values.len() - 1) / 2] + values[values.len() / 2])
}

/// Median seconds of `rounds` calls of `work`, after one that does not count.
pub fn seconds(rounds: usize, mut work: impl FnMut()) -> f64 {
    work();
    let timed = (0..rounds).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    median(timed.collect())
}

/// Runs `make()()` on each of `threads` threads at once, some times; median seconds of one call, all threads being at work.
pub fn seconds_on_all<W: FnMut()>(threads: usize, rounds: usize, make: impl Fn() -> W + Sync) -> f64 {
    let barrier = std::sync::Barrier::new(threads);
    let one = || {
        let mut work = make();
        work();
        let timed = (0..rounds).map(|_| {
            barrier.wait();
            let start = Instant::now();
            work();
            barrier.wait();
            start.elapsed().as_secs_f64()
        });
        median(timed.collect())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        workers.into_iter().map(|worker| worker.join().expect("the work does not panic")).fold(0.0, f64::max)
    })
}
