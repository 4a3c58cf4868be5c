//! Narrow and small cells, most of the cells of a phase diagram: microseconds per network of 100 inputs, and what it takes to start the program.
//!
//! `cargo bench --locked --bench small_cells` prints two Markdown tables, which `scripts/performance.py` puts into the document. *Network*: CPU time
//! of a thread that measures networks of the cell one after the other. *Program*: CPU time of a run of the program on one thread, journal, results file
//! and statistics included, less that of a run of one network, per network. Both are medians of rounds in which they take turns. Start-up: wall and CPU
//! time of a run of one network of each rank with one input, from start to end, alone and under `mpirun`, launcher included.

mod common;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use advstep_hpc::machine;
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::measure::{Workspace, measure_in};
use advstep_hpc::model::{Cell, EngineChoice, Unit};

const DEPTHS: [usize; 4] = [1, 2, 3, 6];
const DIMS: [usize; 2] = [10, 50];
const WIDTHS: [usize; 4] = [10, 20, 50, 100];
const INPUTS: usize = 100;
/// CPU seconds to spend on a cell in this process, and again in the program, in each round.
const SECONDS: f64 = 0.15;
const MOST_NETWORKS: usize = 1000;
const ROUNDS: usize = 5;

/// CPU seconds per network of `cell`, and the number of networks it is the mean of.
fn network(cell: Cell) -> (f64, usize) {
    let experiment = common::experiment(cell, MOST_NETWORKS, INPUTS, 2020, EngineChoice::Auto);
    let plan = common::plan_of(&experiment, 1);
    let workspace = Workspace::default();
    let measure = |network| measure_in(&workspace, &experiment, &plan.run, Unit { cell: 0, network }).unwrap();
    measure(0);
    let start = thread_time();
    let spent = || (thread_time() - start).as_secs_f64();
    let mut networks = 0;
    while networks < MOST_NETWORKS && spent() < SECONDS {
        measure(networks);
        networks += 1;
    }
    (spent() / networks as f64, networks)
}

/// How the program is started.
#[derive(Clone, Copy)]
enum Launch {
    Alone,
    /// `mpirun -n` this many ranks, with these variables.
    Ranks(usize, &'static [(&'static str, &'static str)]),
}

/// Transports of ranks on one host, so that Open MPI does not look for others.
const SHARED_MEMORY: &[(&str, &str)] = &[("OMPI_MCA_pml", "ob1"), ("OMPI_MCA_btl", "self,vader")];

fn results_file() -> PathBuf {
    std::env::temp_dir().join(format!("advstep-small-cells-{}.h5", std::process::id()))
}

/// Wall and CPU seconds of a run of `networks` networks, of all its processes.
fn run_program(launch: Launch, cell: Cell, networks: usize, inputs: usize) -> (f64, f64) {
    let program = env!("CARGO_BIN_EXE_advstep-hpc");
    let mut command = match launch {
        Launch::Alone => Command::new(program),
        Launch::Ranks(ranks, variables) => {
            let mut command = Command::new("mpirun");
            command.envs(variables.iter().copied()).args(["-n", &ranks.to_string(), program]);
            command
        }
    };
    let Cell { depth, dim, width, .. } = cell;
    let numbers = [("--depths", depth), ("--dims", dim), ("--widths", width), ("--networks", networks), ("--inputs", inputs)];
    command.arg("run").args(numbers.iter().flat_map(|(name, number)| [(*name).to_owned(), number.to_string()]));
    command.args(["--threads", "1", "--quiet", "--overwrite", "--out"]).arg(results_file());
    let (start, before) = (Instant::now(), children());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).status().expect("the program starts");
    assert!(status.success(), "{cell}: {status}");
    (start.elapsed().as_secs_f64(), children() - before)
}

/// CPU seconds of all processes that have ended and been waited for.
fn children() -> f64 {
    // SAFETY: plain numbers, which the call overwrites.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    [usage.ru_utime, usage.ru_stime].iter().map(|time| time.tv_sec as f64 + 1e-6 * time.tv_usec as f64).sum()
}

/// Medians of wall and CPU seconds of a run of one network per rank with one input.
fn start_up(launch: Launch, networks: usize) -> [f64; 2] {
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| run_program(launch, Cell::new(1, 10, 10), networks, 1)).collect();
    [common::median(rounds.iter().map(|(wall, _)| *wall).collect()), common::median(rounds.iter().map(|(_, cpu)| *cpu).collect())]
}

fn main() {
    machine::prepare().expect("BLAS can be told to use one thread");
    let [_, alone] = start_up(Launch::Alone, 1);
    println!("| L | d | {} |", WIDTHS.map(|width| format!("k = {width}, network | program")).join(" | "));
    println!("|{}", " --- |".repeat(2 + 2 * WIDTHS.len()));
    for depth in DEPTHS {
        for dim in DIMS {
            let row = WIDTHS.map(|width| {
                let cell = Cell::new(depth, dim, width);
                let rounds = (0..ROUNDS).map(|_| {
                    let (seconds, networks) = network(cell);
                    let (_, whole) = run_program(Launch::Alone, cell, networks, INPUTS);
                    (seconds, (whole - alone) / networks as f64)
                });
                let (networks, programs) = rounds.unzip();
                format!("{:.0} µs | {:.0} µs", 1e6 * common::median(networks), 1e6 * common::median(programs))
            });
            println!("| {depth} | {dim} | {} |", row.join(" | "));
        }
    }
    println!("\n| start-up | wall | CPU, all processes |\n| --- | --- | --- |");
    let launches = [
        ("alone", Launch::Alone, 1),
        ("`mpirun -n 1`", Launch::Ranks(1, &[]), 1),
        ("`mpirun -n 2`", Launch::Ranks(2, &[]), 2),
        ("`OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader mpirun -n 2`", Launch::Ranks(2, SHARED_MEMORY), 2),
    ];
    for (name, launch, networks) in launches {
        let [wall, cpu] = start_up(launch, networks);
        println!("| {name} | {:.0} ms | {:.0} ms |", 1e3 * wall, 1e3 * cpu);
    }
    let _ = std::fs::remove_file(results_file());
}
