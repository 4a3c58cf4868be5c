//! Kills runs at random moments and resumes them with other ranks, threads and teams until they are done: `scripts/torture.sh`.
//!
//! The results file of each run is compared with that of an undisturbed run. Arguments: number of runs, seed.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use advstep_hpc::results::first_difference;
use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const PROGRAM: &str = env!("CARGO_BIN_EXE_advstep-hpc");
/// Two thirds of its networks can be computed by teams.
const EXPERIMENT: [&str; 10] =
    ["--depths", "1,2", "--dims", "10", "--widths", "30,200,20000", "--networks", "60", "--inputs", "20"];
/// Kills per run, at most.
const MOST_KILLS: usize = 5;
/// Timeout of one start.
const HANGS: Duration = Duration::from_secs(60);

/// Timeout for `mpirun` to abort a job after a rank was killed.
const PROMPTLY: Duration = Duration::from_secs(10);

/// Target of SIGKILL.
#[derive(Clone, Copy)]
enum Target {
    OneRank,
    WholeJob,
}

#[derive(Default)]
struct Tally {
    starts: usize,
    one_rank: usize,
    whole_job: usize,
    resumed: usize,
    damaged: usize,
    hung: usize,
}

/// Starts the experiment; without mpirun if `ranks` is `None`.
fn start(out: &Path, ranks: Option<usize>, threads: usize, team: &str) -> Child {
    let mut command = match ranks {
        Some(ranks) => {
            let mut mpirun = Command::new("mpirun");
            mpirun.args(["--oversubscribe", "-n", &ranks.to_string(), PROGRAM]);
            mpirun
        }
        None => Command::new(PROGRAM),
    };
    command.args(EXPERIMENT).args(["--threads", &threads.to_string(), "--team", team, "--snapshot", "300ms", "--out"]).arg(out);
    command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
    let log = fs::File::create(out.with_extension("log")).expect("the directory can be written in");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0).spawn().expect("it starts")
}

/// Process ids of the ranks started by `mpirun`.
fn ranks_of(mpirun: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{mpirun}/task")) else { return Vec::new() };
    let children = tasks.flatten().map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let children: Vec<u32> = children.collect::<String>().split_whitespace().filter_map(|child| child.parse().ok()).collect();
    let is_ours = |rank: &u32| fs::read_to_string(format!("/proc/{rank}/comm")).is_ok_and(|name| name.trim() == "advstep-hpc");
    children.into_iter().filter(is_ours).collect()
}

fn kill(process: u32) {
    // SAFETY: signals a child process, which may have ended.
    unsafe { libc::kill(process as i32, libc::SIGKILL) };
}

/// Waits for the process; `None` after `patience`.
fn wait(child: &mut Child, patience: Duration) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return Some(status.code().unwrap_or(-1));
        }
        if started.elapsed() >= patience {
            return None;
        }
        sleep(Duration::from_millis(3));
    }
}

/// Kills, and waits until the whole job is gone. Returns whether `mpirun` itself had to be killed after one of its ranks.
fn strike(child: &mut Child, target: Target, parallel: bool, rng: &mut impl Rng) -> bool {
    let ranks = if parallel { ranks_of(child.id()) } else { Vec::new() };
    match (target, ranks.is_empty()) {
        (Target::OneRank, false) => kill(ranks[rng.random_range(0..ranks.len())]),
        _ => {
            kill(child.id());
            ranks.iter().copied().for_each(kill);
        }
    }
    if wait(child, PROMPTLY).is_some() {
        return false;
    }
    ranks_of(child.id()).into_iter().chain([child.id()]).for_each(kill);
    assert!(wait(child, HANGS).is_some(), "a job that was killed as a whole does not end");
    true
}

/// Repeats one run until it is done; returns whether its file equals `reference`.
fn run(directory: &Path, reference: &Path, tally: &mut Tally, rng: &mut impl Rng) -> Result<String, String> {
    let out = directory.join("out.h5");
    let mut kills = String::new();
    loop {
        let ranks = [None, Some(1), Some(2), Some(3), Some(4)][rng.random_range(0..5)];
        let threads = rng.random_range(1..=3);
        let most = ranks.unwrap_or(1);
        let team = match rng.random_range(0..4) {
            0 => "none".to_string(),
            1 => "auto".to_string(),
            _ => rng.random_range(1..=most).to_string(),
        };
        let mut child = start(&out, ranks, threads, &team);
        tally.starts += 1;
        let patience = match kills.len() < MOST_KILLS {
            true => Duration::from_secs_f64(rng.random_range(0.02..1.2)),
            false => HANGS,
        };
        let ended = wait(&mut child, patience);
        let log = fs::read_to_string(out.with_extension("log")).unwrap_or_default();
        tally.resumed += usize::from(log.contains(" recovered from "));
        tally.damaged += usize::from(log.contains("damaged") || log.contains("cut off"));
        match ended {
            // The previous start was killed after writing the results file.
            Some(2) if log.contains("the file exists") && out.exists() => break,
            Some(0) => break,
            Some(code) => return Err(format!("exit code {code}: {log}")),
            None if kills.len() >= MOST_KILLS => {
                strike(&mut child, Target::WholeJob, ranks.is_some(), rng);
                return Err(format!("it hangs: {log}"));
            }
            None => {
                let target = if ranks.is_some() && rng.random() { Target::OneRank } else { Target::WholeJob };
                tally.hung += usize::from(strike(&mut child, target, ranks.is_some(), rng));
                match target {
                    Target::OneRank => tally.one_rank += 1,
                    Target::WholeJob => tally.whole_job += 1,
                }
                kills.push(if matches!(target, Target::OneRank) { 'r' } else { 'j' });
            }
        }
    }
    match first_difference(&out, reference).map_err(|error| format!("{error:#}"))? {
        None => Ok(kills),
        Some(difference) => Err(difference),
    }
}

fn main() {
    // cargo adds `--bench`.
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<u64>().ok());
    let (runs, seed) = (numbers.next().unwrap_or(50), numbers.next().unwrap_or(1));
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let directory = tempfile::TempDir::new().expect("there is a directory for temporary files");
    let reference = directory.path().join("reference.h5");
    let began = Instant::now();
    assert_eq!(wait(&mut start(&reference, None, 2, "none"), HANGS), Some(0), "the run that nobody touches fails");
    println!("the run that nobody touches: {:.1} s", began.elapsed().as_secs_f64());

    let (mut tally, mut survived) = (Tally::default(), 0);
    for number in 1..=runs {
        let place = directory.path().join(number.to_string());
        fs::create_dir(&place).expect("the directory can be written in");
        match run(&place, &reference, &mut tally, &mut rng) {
            Ok(kills) => {
                survived += 1;
                println!("run {number:>3}: the same after {} kills {kills}", kills.len());
            }
            Err(why) => println!("run {number:>3}: LOST: {why}"),
        }
        let _ = fs::remove_dir_all(&place);
    }
    println!(
        "{} starts, {} kills of a single rank (r), {} of the whole job (j); {} starts recovered finished networks, {} cut off or \
         skipped damage; {} times mpirun had not ended the job 10 s after one rank was killed; {:.0} s",
        tally.starts,
        tally.one_rank,
        tally.whole_job,
        tally.resumed,
        tally.damaged,
        tally.hung,
        began.elapsed().as_secs_f64(),
    );
    println!("survived {survived}/{runs}");
    std::process::exit(i32::from(survived != runs));
}
