//! `--memory`: a network that does not fit is regenerated from its streams at every pass, with bitwise the same results.

use std::path::Path;
use std::process::Command;

#[cfg(feature = "mpi")]
use crate::jobs::{PROGRAM, finish, job, stderr};
use advstep_hpc::experiment::Experiment;
use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::job::Resources;
use advstep_hpc::model::{Cell, Direction, EngineChoice, Precision, SearchChoice};
use advstep_hpc::plan::{self, memory};
use advstep_hpc::results::first_difference;

/// Runs its arguments as a command and prints its peak resident memory in KiB. Python, because the peak of a child is at least the memory of
/// the process that it was forked from, which for these tests is large.
const WATCH: &str = "import os, resource, subprocess, sys\n\
                     code = subprocess.call(sys.argv[1:])\n\
                     rank = os.environ.get('OMPI_COMM_WORLD_RANK') or os.environ.get('PMI_RANK', 0)\n\
                     peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n\
                     os.write(2, f'peak of rank {rank}: {peak}\\n'.encode())\n\
                     sys.exit(code)";

fn python() -> String {
    std::env::var("ADVSTEP_PYTHON").unwrap_or_else(|_| "python3".to_string())
}

/// The ranks and peaks, in bytes, that [`WATCH`] has printed.
fn peaks(messages: &str) -> Vec<(usize, u64)> {
    let lines = messages.lines().filter_map(|line| line.strip_prefix("peak of rank ")?.split_once(": "));
    let mut peaks: Vec<_> = lines.map(|(rank, kib)| (rank.parse().unwrap(), kib.parse::<u64>().unwrap() << 10)).collect();
    peaks.sort();
    peaks
}

/// Runs `command`, which must succeed; returns its peak resident memory in bytes.
pub fn peak_bytes(command: &mut Command) -> u64 {
    let mut watched = Command::new(python());
    let output = watched.args(["-c", WATCH]).arg(command.get_program()).args(command.get_args()).output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{messages}");
    peaks(&messages)[0].1
}

/// Runs one network of (L=1, d=500, k=10⁶); returns its peak resident memory in bytes.
fn run(memory: &str, out: &Path) -> u64 {
    let options =
        ["--depths", "1", "--dims", "500", "--widths", "1e6", "--networks", "1", "--inputs", "64", "--threads", "1", "--quiet"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_advstep-hpc"));
    peak_bytes(command.args(options).args(["--memory", memory, "--out"]).arg(out))
}

#[test]
fn a_million_neurons_run_within_a_small_budget_with_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let (lean, rich) = (directory.path().join("lean.h5"), directory.path().join("rich.h5"));
    let lean_bytes = run("256MiB", &lean);
    assert!(lean_bytes < 256 << 20, "{lean_bytes} bytes resident with --memory 256MiB");
    let rich_bytes = run("8GiB", &rich);
    assert!(rich_bytes > 400_000_000, "{rich_bytes} bytes resident with --memory 8GiB: were z and u stored?");
    assert!(rich_bytes < 2_000_000_000, "{rich_bytes} bytes resident with --memory 8GiB: were the weights stored?");
    assert_eq!(first_difference(&lean, &rich).unwrap(), None);
}

#[test]
fn a_deep_network_runs_within_a_small_budget_with_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let run = |memory: &str, name: &str| {
        let out = directory.path().join(name);
        let options = ["--depths", "3", "--dims", "50", "--widths", "3000", "--networks", "2", "--inputs", "30", "--quiet"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_advstep-hpc"));
        let status = command.args(options).args(["--memory", memory, "--threads", "1", "--out"]).arg(&out).status().unwrap();
        assert!(status.success());
        out
    };
    // 72 MB of weights and the rest do not fit into 180 MiB.
    assert_eq!(first_difference(&run("180MiB", "lean.h5"), &run("2GiB", "rich.h5")).unwrap(), None);
}

/// Peak resident bytes of one run of a cell, the prediction of the plan, and its prediction for sequential tasks, which is what happens if
/// a thread is delayed by other load.
fn measured_and_predicted(cell: &Cell, networks: usize, inputs: usize, threads: usize, options: &[&str]) -> (u64, u64, u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_advstep-hpc"));
    let (depth, width) = (cell.depth.to_string(), cell.width_label());
    command.args(["--dims", &cell.dim.to_string()]);
    match cell.has_differing_layers() {
        true => command.args(["--hidden", &width]),
        false => command.args(["--depths", &depth, "--widths", &width]),
    };
    command.args(["--networks", &networks.to_string(), "--inputs", &inputs.to_string(), "--threads", &threads.to_string()]);
    let peak = peak_bytes(command.args(options).args(["--quiet", "--out"]).arg(directory.path().join("out.h5")));
    let (process, unit) = prediction(cell, networks, inputs, threads, options);
    (peak, process + threads.min(networks) as u64 * unit, process + unit)
}

/// The prediction: bytes of a rank besides its tasks, and of a task with ample memory.
fn prediction(cell: &Cell, networks: usize, inputs: usize, threads: usize, options: &[&str]) -> (u64, u64) {
    let precision = if options.contains(&"f64") { Precision::F64 } else { Precision::F32 };
    let directions = if options.contains(&"sign") { vec![Direction::Sign] } else { vec![Direction::Gradient] };
    let engine = if options.contains(&"implicit") { EngineChoice::Implicit } else { EngineChoice::Auto };
    let search = if options.contains(&"exact") { SearchChoice::Exact } else { SearchChoice::Auto };
    let experiment = Experiment {
        depths: if cell.has_differing_layers() { Vec::new() } else { vec![cell.depth] },
        dims: vec![cell.dim],
        widths: if cell.has_differing_layers() { Vec::new() } else { vec![cell.width] },
        hidden: if cell.has_differing_layers() { vec![cell.widths().collect()] } else { Vec::new() },
        networks,
        inputs,
        precision,
        directions,
        engine,
        search,
        ..Preset::Quick.options().validate().unwrap()
    };
    let experiment = Experiment { extra_widths: Default::default(), ..experiment };
    let plan = plan::plan(&experiment, Resources { threads, memory: 8 << 30 }).unwrap();
    (memory::process_bytes(&experiment, threads), plan.cells[0].unit_bytes)
}

/// `cargo test --release --test program memory -- --nocapture` prints the table.
#[test]
fn predicted_memory_is_a_tight_upper_bound() {
    let cell = Cell::new;
    let cases: [(Cell, usize, usize, usize, &[&str]); 22] = [
        (cell(1, 10, 10), 10, 100, 1, &[]),
        (cell(1, 10, 10), 30_000, 1, 2, &[]),
        (cell(1, 10, 10), 2000, 1000, 2, &[]),
        (cell(1, 500, 30_000), 4, 100, 2, &[]),
        (cell(1, 500, 30_000), 4, 100, 2, &["--precision", "f64"]),
        (cell(1, 500, 12_000), 2, 100, 1, &["--engine", "implicit", "--direction", "sign"]),
        (cell(1, 50_000, 1000), 2, 100, 1, &[]),
        (cell(1, 2000, 50), 2, 1000, 1, &["--engine", "implicit", "--precision", "f64"]),
        // More breakpoints than the list holds.
        (cell(1, 10, 1_000_000), 2, 10, 1, &[]),
        (cell(2, 100, 3000), 2, 100, 1, &[]),
        (cell(2, 100, 3000), 2, 100, 2, &["--precision", "f64"]),
        (cell(3, 10, 1000), 4, 300, 2, &[]),
        (cell(2, 50, 600), 2, 4, 2, &["--search", "exact"]),
        (cell(6, 10, 100), 4, 100, 2, &["--search", "exact", "--precision", "f64"]),
        (Cell::of_layers(100, &[3000, 2000, 300]), 4, 100, 2, &[]),
        (Cell::of_layers(10, &[50, 20_000, 100]), 2, 100, 1, &[]),
        (Cell::of_layers(10, &[10_000, 10_000, 30]), 2, 100, 2, &[]),
        (Cell::of_layers(50, &[600, 20, 900]), 2, 4, 2, &["--search", "exact"]),
        (Cell::of_layers(10, &[300_000, 20]), 2, 100, 1, &[]),
        // Large buffers cached from one network to the next.
        (cell(2, 400, 100_000), 5, 30, 1, &["--precision", "f64"]),
        // Slabs that are full in one network and nearly empty in the next.
        (cell(3, 100, 200_000), 4, 60, 1, &[]),
        (cell(2, 50, 5000), 1, 2, 1, &["--search", "exact"]),
    ];
    println!("{:>28} networks inputs threads  measured  predicted  MiB", "(L, d, k)");
    let mut wrong = Vec::new();
    for (cell, networks, inputs, threads, options) in cases {
        let (measured, predicted, at_least) = measured_and_predicted(&cell, networks, inputs, threads, options);
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let line = format!(
            "{:>28} {networks:>8} {inputs:>6} {threads:>7} {:>9.0} {:>10.0}  {}",
            cell.to_string(),
            mib(measured),
            mib(predicted),
            options.join(" ")
        );
        println!("{line}");
        if measured > predicted || at_least > 2 * measured + (160 << 20) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Cells are decoded, summarised and written while the job goes on, one at a time: the prediction covers that.
#[test]
fn writing_cells_during_the_job_keeps_to_the_prediction() {
    let directory = tempfile::tempdir().unwrap();
    for (widths, networks) in [(vec![10, 20], 1500), (vec![5, 10, 15, 20, 25, 30], 500)] {
        let list = widths.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let mut command = Command::new(env!("CARGO_BIN_EXE_advstep-hpc"));
        command.args(["--depths", "1", "--dims", "10", "--widths", &list, "--networks", &networks.to_string()]);
        command.args(["--inputs", "1000", "--threads", "1", "--quiet", "--out"]).arg(directory.path().join(list.replace(',', "-")));
        let peak = peak_bytes(&mut command);
        let quick = Preset::Quick.options().validate().unwrap();
        let grid = Experiment { depths: vec![1], dims: vec![10], widths, networks, inputs: 1000, ..quick };
        let experiment = Experiment { extra_widths: Default::default(), ..grid };
        let plan = plan::plan(&experiment, Resources { threads: 1, memory: 8 << 30 }).unwrap();
        let unit = plan.cells.iter().map(|cell| cell.unit_bytes).max().unwrap();
        let predicted = memory::process_bytes(&experiment, 1) + unit;
        println!("{list}: {} MiB of {} MiB", peak >> 20, predicted >> 20);
        assert!(peak <= predicted && predicted <= 2 * peak + (160 << 20), "{list}: {peak} of {predicted}");
    }
}

/// Under a real `mpirun`, with the minimum `--memory` of the plan: every rank stays below it, including rank 0, which gathers.
/// `cargo test --release --test program memory -- --nocapture` prints the table.
#[cfg(feature = "mpi")]
#[test]
fn every_rank_of_a_job_keeps_to_its_memory() {
    let cell = Cell::new;
    let cases = [
        (2, cell(1, 10, 10), 2000, 1000, 1),
        (3, cell(1, 10, 10), 30_000, 1, 1),
        (3, cell(1, 500, 30_000), 6, 100, 1),
        (2, cell(2, 100, 3000), 4, 100, 2),
    ];
    let python = python();
    println!("ranks {:>20} networks inputs threads  --memory  measured, by rank  MiB", "(L, d, k)");
    for (ranks, cell, networks, inputs, threads) in cases {
        let (process, unit) = prediction(&cell, networks, inputs, threads, &[]);
        let memory = process + threads as u64 * unit;
        let directory = tempfile::tempdir().unwrap();
        let numbers =
            [cell.depth, cell.dim, cell.width, networks, inputs, threads, memory as usize].map(|number| number.to_string());
        let names = ["--depths", "--dims", "--widths", "--networks", "--inputs", "--threads", "--memory"];
        let mut arguments: Vec<&str> = names.into_iter().zip(&numbers).flat_map(|(name, number)| [name, number]).collect();
        let out = directory.path().join("out.h5");
        arguments.extend(["--quiet", "--out", out.to_str().unwrap()]);
        let plain = job(Some(ranks), &arguments);
        let mut watched = Command::new(plain.get_program());
        watched.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).env_remove("SLURM_NTASKS");
        for argument in plain.get_args() {
            if argument == PROGRAM {
                watched.args([&python, "-c", WATCH]);
            }
            watched.arg(argument);
        }
        let output = finish(&mut watched);
        assert!(output.status.success(), "{}", stderr(&output));
        let messages = stderr(&output);
        let peaks = peaks(&messages);
        assert_eq!(peaks.len(), ranks, "{messages}");
        let mib = |bytes: u64| bytes >> 20;
        let measured: Vec<u64> = peaks.iter().map(|(_, peak)| mib(*peak)).collect();
        println!("{ranks:>5} {:>20} {networks:>8} {inputs:>6} {threads:>7} {:>9}  {measured:?}", cell.to_string(), mib(memory));
        assert!(peaks.iter().all(|(_, peak)| *peak < memory), "{measured:?} MiB of {}", mib(memory));
    }
}
