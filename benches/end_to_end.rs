//! Seconds per network for one cell, run as the program does: same plan, all threads, one network per thread.
//!
//! `cargo bench --locked --bench end_to_end -- DEPTH DIM WIDTH [--networks N] [--inputs I] [--threads T] [--seed S] [--engine E] [--search scan]
//! [--accuracy N] [--run-only]` prints one line of JSON with the keys of the peers in `benches/peers/`, the minimal work of the method (matmul flops,
//! normals, bytes), and a profile in thread-seconds per stage. One network per thread runs first as warm-up. `--accuracy N` compares the steps of N
//! networks with those in f64: found exactly where the engine has explicit weights, by the same search otherwise; with `--accuracy-inputs` inputs.
//! `--run-only` runs the networks and nothing else, for a profiler.

mod common;
#[path = "common/profile.rs"]
mod profile;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use advstep_hpc::experiment::Experiment;
use advstep_hpc::kernels::masks;
use advstep_hpc::machine;
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::measure::{CellRun, Workspace, measure_in};
use advstep_hpc::model::{Cell, EngineChoice, EngineName, Precision, SearchChoice, SearchName, Unit};
use advstep_hpc::network::implicit::FirstLayer;
use advstep_hpc::plan::CellPlan;
use advstep_hpc::record::UnitRecord;

/// Runs all networks of the experiment on the threads; returns them with wall and processor seconds.
fn run(experiment: &Experiment, plan: &CellPlan, threads: usize) -> (Vec<UnitRecord>, f64, f64) {
    let (next, records) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let processor = Mutex::new(0.0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let workspace = Workspace::default();
                let start = thread_time();
                loop {
                    let network = next.fetch_add(1, Ordering::Relaxed);
                    if network >= experiment.networks {
                        *processor.lock().expect("no thread panics") += (thread_time() - start).as_secs_f64();
                        return;
                    }
                    let record = measure_in(&workspace, experiment, &plan.run, Unit { cell: 0, network }).unwrap();
                    records.lock().expect("no thread panics").push(record);
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    (records.into_inner().expect("no thread panics"), seconds, processor.into_inner().expect("no thread panics"))
}

/// Relative difference of steps at different sign changes.
const OTHER: f64 = 1e-2;

/// Median relative error of the steps of `experiment` against f64, and the share of inputs with another answer (a step in one of them only, or at
/// another sign change).
fn accuracy(experiment: &Experiment, plan: &CellPlan) -> (f64, f64) {
    let mut exact = plan.run;
    if exact.method.search == SearchName::Scan && exact.method.engine == EngineName::Dense {
        exact.method.search = SearchName::Trace;
    }
    let in_f64 = Experiment { precision: Precision::F64, ..experiment.clone() };
    let steps = |experiment: &Experiment, run: &CellRun, network| {
        let record = measure_in(&Workspace::default(), experiment, run, Unit { cell: 0, network }).unwrap();
        record.samples.into_iter().map(|sample| sample.status.is_found().then_some(sample.step)).collect::<Vec<Option<f64>>>()
    };
    let (mut errors, mut others) = (Vec::new(), 0);
    for network in 0..experiment.networks {
        for pair in steps(experiment, &plan.run, network).into_iter().zip(steps(&in_f64, &exact, network)) {
            match pair {
                (Some(step), Some(exact)) if (step / exact - 1.0).abs() <= OTHER => errors.push((step / exact - 1.0).abs()),
                (None, None) => {}
                _ => others += 1,
            }
        }
    }
    (common::median(errors), f64::from(others) / (experiment.networks * experiment.inputs) as f64)
}

/// Mean and standard error over networks.
fn mean_and_error(of_networks: &[f64]) -> (f64, f64) {
    let count = of_networks.len() as f64;
    let mean = of_networks.iter().sum::<f64>() / count;
    let square = of_networks.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (square / count).sqrt())
}

/// Minimal flops, normals and bytes per network of the dense method at `points` evaluations per input: three matmuls with the first layer (z,
/// gradient, u), two with each upper layer and one more per point, except for the gradient at the last layer (table additions, counted as two flops
/// each); every weight drawn once; stored data (weights above the first layer, z and u) written and read once.
fn least_dense_work(cell: Cell, inputs: f64, points: f64) -> [f64; 3] {
    let (dim, width) = (cell.dim as f64, cell.width as f64);
    let above = width * width * (cell.depth as f64 - 1.0);
    let last = cell.fan_in(cell.depth);
    let masked = 2.0 * masks::additions(inputs as usize, cell.width, last);
    let spared = 2.0 * inputs * last as f64 * width - masked;
    let flops = 2.0 * inputs * (3.0 * dim * width + (2.0 + points) * above) - spared;
    [flops, cell.weights(), 8.0 * (above + 2.0 * inputs * width)]
}

/// The same for the implicit method: every image drawn once, and the first layer if it is drawn. Flops and vector elements depend on the search and
/// are `counted`; vectors that fit the last-level cache for all threads cause no memory traffic.
fn least_implicit_work(cell: Cell, inputs: f64, points: f64, counted: [f64; 2], threads: usize) -> [f64; 3] {
    let (dim, width) = (cell.dim as f64, cell.width as f64);
    let directions = (2.0 + points) * inputs * width * (cell.depth as f64 - 1.0);
    let first = match FirstLayer::of(cell, inputs as usize) {
        FirstLayer::Drawn if cell.depth > 1 => dim * width,
        _ => inputs * (2.0 * width + dim),
    };
    let [flops, vector_numbers] = counted;
    let is_in_cache = 4.0 * (directions + 2.0 * inputs * width) * (threads as f64) < last_cache_bytes();
    [flops, first + directions, if is_in_cache { 0.0 } else { 4.0 * vector_numbers }]
}

/// Size of the last-level cache of CPU 0 in bytes; 0 if unknown.
fn last_cache_bytes() -> f64 {
    let size = |level: usize| std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{level}/size")).ok();
    let kibibytes = (0..5).rev().find_map(size).and_then(|size| size.trim().strip_suffix('K')?.parse::<f64>().ok());
    1024.0 * kibibytes.unwrap_or(0.0)
}

fn main() {
    machine::prepare().expect("BLAS can be told to use one thread");
    let arguments = common::arguments();
    let position = |index: usize| arguments.get(index).and_then(|text| text.parse().ok()).expect("DEPTH DIM WIDTH come first");
    let cell = Cell::new(position(0), position(1), position(2));
    let number = |name, default| common::number(&arguments, name, default);
    let threads = number("--threads", machine::cores_of_this_rank(1));
    let engine = match common::option(&arguments, "--engine").as_deref() {
        Some("dense") => EngineChoice::Dense,
        Some("implicit") => EngineChoice::Implicit,
        _ => EngineChoice::Auto,
    };
    let search = match common::option(&arguments, "--search").as_deref() {
        Some("scan") => SearchChoice::Scan,
        _ => SearchChoice::Auto,
    };
    let experiment_of =
        |networks, inputs, seed, engine| Experiment { search, ..common::experiment(cell, networks, inputs, seed, engine) };
    let experiment = experiment_of(number("--networks", 4 * threads), number("--inputs", 100), number("--seed", 2020), engine);
    let plan = common::plan_of(&experiment, threads);
    if arguments.iter().any(|argument| argument == "--run-only") {
        run(&experiment, &plan, threads);
        return;
    }
    let warm_up = experiment_of(threads, experiment.inputs, 1, engine);
    run(&warm_up, &common::plan_of(&warm_up, threads), threads);
    let (records, seconds, processor) = run(&experiment, &plan, threads);

    let steps = |record: &UnitRecord| -> Vec<f64> {
        record.samples.iter().filter(|sample| sample.status.is_found()).map(|sample| sample.step).collect()
    };
    let fractions: Vec<f64> = records.iter().map(|record| steps(record).len() as f64 / record.samples.len() as f64).collect();
    let means: Vec<f64> = records.iter().map(|record| mean_and_error(&steps(record)).0).filter(|mean| mean.is_finite()).collect();
    let samples = || records.iter().flat_map(|record| &record.samples);
    let points = samples().map(|sample| f64::from(sample.evaluations)).sum::<f64>() / samples().count() as f64;
    let scanned = if plan.run.method.search == SearchName::Scan { points } else { 0.0 };
    // After the run, one thread alone: two units to warm up, then the mean of a few.
    let buffers = Default::default();
    let profiles: Vec<_> =
        (0..5).map(|network| profile::profile(&experiment, &plan.run, network % experiment.networks, &buffers)).skip(2).collect();
    let stage = |of: fn(&profile::Profile) -> std::time::Duration| {
        profiles.iter().map(|profile| of(profile).as_secs_f64()).sum::<f64>() / profiles.len() as f64
    };
    let mean = |of: fn(&profile::Profile) -> f64| profiles.iter().map(of).sum::<f64>() / profiles.len() as f64;
    let counted = [mean(|profile| profile.flops), mean(|profile| profile.vector_numbers)];
    let inputs = experiment.inputs as f64;
    let [flops, normals, bytes] = match plan.run.method.engine.name() {
        "dense" => least_dense_work(cell, inputs, scanned),
        _ => least_implicit_work(cell, inputs, scanned, counted, threads),
    };
    let ((fraction, fraction_error), (step, step_error)) = (mean_and_error(&fractions), mean_and_error(&means));
    let mut line = serde_json::json!({
        "program": "advstep-hpc",
        "cell": [cell.depth, cell.dim, cell.width],
        "networks": experiment.networks,
        "inputs": experiment.inputs,
        "threads": threads,
        "seconds_per_network": seconds / experiment.networks as f64,
        "processor_seconds_per_network": processor / experiment.networks as f64,
        "fraction": fraction,
        "fraction_error": fraction_error,
        "step_mean": step,
        "step_error": step_error,
        "engine": plan.run.method.engine.name(),
        "search": plan.run.method.search.name(),
        "evaluations": points,
        "flops": flops,
        "normals": normals,
        "bytes": bytes,
        "stages": {
            "build": stage(|p| p.build), "gradient": stage(|p| p.gradient), "directions": stage(|p| p.directions),
            "search": stage(|p| p.search), "whole": stage(|p| p.whole),
        },
    });
    let compared = number("--accuracy", 0);
    if compared > 0 {
        // The engine that was timed: with fewer inputs the program might choose another.
        let engine = if plan.run.method.engine == EngineName::Dense { EngineChoice::Dense } else { EngineChoice::Implicit };
        let few = experiment_of(compared, number("--accuracy-inputs", 100), number("--seed", 2020), engine);
        let (error, others) = accuracy(&few, &common::plan_of(&few, 1));
        line["accuracy_networks"] = compared.into();
        line["relative_error"] = error.into();
        line["other_answers"] = others.into();
    }
    println!("{line}");
}
