//! The program under a real `mpirun`: the same results on any number of ranks and threads; failures end the whole job with one error.
#![cfg(feature = "mpi")]

use std::path::PathBuf;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::jobs::{PROGRAM, finish, job, launcher, stderr};
use advstep_hpc::results::shard;
use advstep_hpc::results::{self, first_difference};

/// 120 networks in 12 cells; takes well below 1 s.
const SMALL: [&str; 10] = ["--depths", "1,2", "--dims", "5,20", "--widths", "10,20,300", "--networks", "10", "--inputs", "7"];

/// A results file of the small experiment, in a directory of its own.
struct Small {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Small {
    /// Runs it on `ranks` ranks with additional `options`.
    fn run(ranks: Option<usize>, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("small.h5");
        let quiet = ["--quiet", "--out", path.to_str().unwrap()];
        let output = finish(&mut job(ranks, &[&SMALL[..], &quiet, options].concat()));
        assert!(output.status.success(), "{ranks:?} ranks, {options:?}: {}", stderr(&output));
        Self { path, _directory: directory }
    }

    /// The first difference between the results of two files.
    fn differs_from(&self, other: &Small) -> Option<String> {
        first_difference(&self.path, &other.path).unwrap()
    }
}

#[test]
fn ranks_threads_and_memory_do_not_change_the_science() {
    for precision in ["f32", "f64", "bf16x3"] {
        let plain = Small::run(None, &["--threads", "1", "--precision", precision]);
        assert_eq!(Small::run(None, &["--threads", "3", "--precision", precision]).differs_from(&plain), None);
        for (ranks, threads) in [(1, "2"), (2, "1"), (3, "2"), (7, "1")] {
            let other = Small::run(Some(ranks), &["--threads", threads, "--precision", precision, "--memory", "256MiB"]);
            assert_eq!(other.differs_from(&plain), None, "{ranks} ranks of {threads} threads");
        }
    }
}

#[test]
fn many_more_ranks_than_cores_finish() {
    let many = Small::run(Some(64), &["--threads", "1", "--memory", "300MiB"]);
    assert_eq!(many.differs_from(&Small::run(None, &[])), None);
}

#[test]
fn a_shard_runs_on_several_ranks() {
    let directory = tempfile::tempdir().unwrap();
    let run = |ranks: Option<usize>, name: &str| {
        let path = directory.path().join(name);
        let options = ["--quiet", "--threads", "1", "--shard", "2/3", "--out", path.to_str().unwrap()];
        let output = finish(&mut job(ranks, &[&SMALL[..], &options].concat()));
        assert!(output.status.success(), "{}", stderr(&output));
        let mut records = shard::read(&path).unwrap().records;
        records.sort_by_key(|record| record.unit);
        records.iter().map(|record| (record.unit, format!("{:?}", record.samples))).collect::<Vec<_>>()
    };
    assert_eq!(run(Some(3), "ranks.shard"), run(None, "plain.shard"));
}

#[test]
fn another_seed_does_change_the_science() {
    let (one, other) = (Small::run(Some(2), &["--seed", "11"]), Small::run(Some(2), &["--seed", "12"]));
    assert!(one.differs_from(&other).is_some());
}

#[test]
fn a_plain_start_is_one_rank_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plain.h5");
    let output = finish(&mut job(None, &[&SMALL[..], &["--threads", "1", "--out", path.to_str().unwrap()]].concat()));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("on 1 rank with 1 thread;"), "{}", stderr(&output));
    assert!(stderr(&output).contains("100 %"), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains(path.to_str().unwrap()));
}

#[test]
fn quiet_is_quiet() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("quiet.h5");
    let output = finish(&mut job(Some(2), &[&SMALL[..], &["--quiet", "--out", path.to_str().unwrap()]].concat()));
    assert!(output.status.success() && path.exists());
    assert_eq!((stderr(&output).as_str(), output.stdout.len()), ("", 0));
}

/// Runs a job with an injected fault; it must fail and leave no file.
fn run_with_fault(ranks: Option<usize>, fault: &str) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fault.h5");
    let arguments = [&SMALL[..], &["--threads", "2", "--out", path.to_str().unwrap()]].concat();
    let output = finish(job(ranks, &arguments).env("ADVSTEP_FAULT", fault));
    assert!(!output.status.success(), "{fault}");
    assert!(!path.exists(), "{fault}");
    (output.status.code(), stderr(&output))
}

#[test]
fn a_panic_on_any_rank_ends_the_job_with_its_message() {
    for rank in [0, 1, 2] {
        let (code, message) = run_with_fault(Some(3), &format!("panic:rank={rank}:unit=3"));
        assert_eq!(code, Some(1), "{message}");
        assert!(
            message.contains(&format!("error: rank {rank} of 3: panic at "))
                && message.contains(": ADVSTEP_FAULT requests a panic"),
            "{message}"
        );
    }
}

#[test]
fn an_error_on_any_rank_ends_the_job_with_its_message() {
    for rank in [0, 2] {
        let (code, message) = run_with_fault(Some(3), &format!("error:rank={rank}:unit=1"));
        assert_eq!(code, Some(1), "{message}");
        assert!(message.contains(&format!("error: rank {rank} of 3: ADVSTEP_FAULT requests an error")), "{message}");
    }
}

#[test]
fn a_failure_of_all_ranks_is_one_error() {
    for kind in ["error", "panic"] {
        let (code, message) = run_with_fault(Some(4), &format!("{kind}:rank=*:unit=1"));
        assert_eq!(code, Some(1), "{message}");
        assert_eq!(message.matches("error: ").count(), 1, "{message}");
        assert_eq!(message.matches("help: report this bug").count(), usize::from(kind == "panic"), "{message}");
    }
}

#[test]
fn a_failure_of_a_plain_start_names_no_rank() {
    let (code, message) = run_with_fault(None, "panic:rank=0:unit=2");
    assert_eq!(code, Some(1));
    assert!(message.contains("error: panic at ") && message.contains("\nhelp: report this bug"), "{message}");
}

#[test]
fn bad_input_is_printed_once_and_ends_all_ranks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kept.h5");
    std::fs::write(&path, "precious").unwrap();
    for (arguments, complaint) in [
        (&["--threads", "1"][..], "kept.h5"),   // only rank 0 looks at the file
        (&["--threads", "0"][..], "--threads"), // every rank sees this
    ] {
        let output = finish(&mut job(Some(3), &[&SMALL[..], arguments, &["--out", path.to_str().unwrap()]].concat()));
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert_eq!((message.matches("error: ").count(), message.matches("help: ").count()), (1, 1), "{message}");
        assert!(message.contains(complaint), "{message}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}

#[test]
fn ranks_of_different_experiments_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mixed.h5");
    let out = ["--out", path.to_str().unwrap()];
    let mut mixed =
        job(Some(1), &[&SMALL[..], &out, &["--seed", "1", ":", "-n", "1", PROGRAM], &SMALL, &out, &["--seed", "2"]].concat());
    let output = finish(&mut mixed);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("error: rank 1 of 2: rank 1 and rank 0 do not run the same job: "), "{}", stderr(&output));
    assert!(!path.exists());
}

#[test]
fn the_provenance_has_the_threads_of_every_rank() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mixed.h5");
    let out = ["--quiet", "--out", path.to_str().unwrap()];
    let first = [&SMALL[..], &out, &["--threads", "1", ":", "-n", "2", PROGRAM]].concat();
    let output = finish(&mut job(Some(1), &[&first[..], &SMALL, &out, &["--threads", "2"]].concat()));
    assert!(output.status.success(), "{}", stderr(&output));
    let provenance = results::read(&path).unwrap().provenance;
    assert_eq!((provenance.ranks, provenance.threads, provenance.threads_by_rank.as_str()), (3, 2, "rank 0: 1, ranks 1-2: 2"));
}

/// Ranks on one node share its cores and memory, also if the environment does not have their number (MVAPICH2).
#[test]
fn ranks_on_a_node_share_its_cores() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shared.h5");
    let mut command = launcher();
    command.args(["-n", "4", "env", "-u", "OMPI_COMM_WORLD_LOCAL_SIZE", "-u", "MPI_LOCALNRANKS", PROGRAM]);
    let output = finish(command.args(SMALL).args(["--quiet", "--out", path.to_str().unwrap()]));
    assert!(output.status.success(), "{}", stderr(&output));
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(results::read(&path).unwrap().provenance.threads as usize, (cores / 4).max(1));
}

#[test]
fn slurm_tasks_that_do_not_see_each_other_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("task.h5");
    let output = finish(job(None, &[&SMALL[..], &["--out", path.to_str().unwrap()]].concat()).env("SLURM_NTASKS", "4"));
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("SLURM_NTASKS is 4 but this process is alone: "), "{}", stderr(&output));
    assert!(!path.exists());
}

/// An experiment of many seconds on few ranks.
const LONG: [&str; 12] =
    ["--depths", "2", "--dims", "20", "--widths", "300", "--networks", "3000", "--inputs", "100", "--threads", "1"];

/// Starts the long experiment and sends `signal` to the process that `target` finds; returns the exit code of `mpirun` and all messages.
fn interrupt(directory: &std::path::Path, signal: i32, target: impl Fn(u32) -> u32) -> (Option<i32>, String) {
    let out = directory.join("long.h5");
    let length = || std::fs::metadata(directory.join("long.h5.journal")).map_or(0, |found| found.len());
    let before = length();
    let mut command = job(Some(3), &[&LONG[..], &["--out", out.to_str().unwrap()]].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Results reach the journal, perhaps that of an earlier start, once all ranks are running.
    let begun = Instant::now();
    while length() < before + 4000 {
        assert!(begun.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(20));
    }
    // SAFETY: a process that was started here.
    assert_eq!(unsafe { libc::kill(target(child.id()) as i32, signal) }, 0);
    let output = child.wait_with_output().unwrap();
    // MPICH's launcher reports errors on standard output.
    (output.status.code(), stderr(&output) + &String::from_utf8_lossy(&output.stdout))
}

/// A rank started by `mpirun`, directly or through a helper; not rank 0.
fn last_rank(mpirun: u32) -> u32 {
    let is_ours = |rank: &u32| std::fs::read_to_string(format!("/proc/{rank}/comm")).is_ok_and(|name| name.trim() == "advstep-hpc");
    descendants(mpirun).into_iter().filter(is_ours).max().expect("mpirun has started ranks")
}

fn descendants(process: u32) -> Vec<u32> {
    let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
    let children: String = tasks.map(|task| of(task.unwrap())).collect();
    let children = children.split_whitespace().map(|child| child.parse().unwrap());
    children.flat_map(|child| [vec![child], descendants(child)].concat()).collect()
}

/// Asserts that the long experiment was stopped: by what is on disk and by the exit code of the launcher, which is 0 with MPICH now and then.
fn assert_stopped(directory: &std::path::Path, code: Option<i32>, messages: &str) {
    let is_mpich = std::env::var("ADVSTEP_MPIRUN").is_ok_and(|launcher| launcher.contains("mpich"));
    assert!(code == Some(75) || is_mpich && code == Some(0), "{code:?}: {messages}");
    let out = directory.join("long.h5");
    let status = finish(&mut job(None, &[&["status"], &LONG[..], &["--out", out.to_str().unwrap()]].concat()));
    assert_eq!(status.status.code(), Some(75), "{}", stderr(&status));
}

#[test]
fn a_signal_to_mpirun_or_to_one_rank_stops_all_ranks_with_75() {
    let directory = tempfile::tempdir().unwrap();
    let (code, messages) = interrupt(directory.path(), libc::SIGUSR1, |mpirun| mpirun);
    assert_stopped(directory.path(), code, &messages);
    assert!(messages.contains("stopping (") && messages.contains("re-run to resume"), "{messages}");
    for signal in [libc::SIGUSR1, libc::SIGTERM, libc::SIGINT] {
        let (code, messages) = interrupt(directory.path(), signal, last_rank);
        assert_stopped(directory.path(), code, &messages);
        assert!(messages.contains("recovered") && messages.contains("re-run to resume"), "{messages}");
    }
}

/// Open MPI gives the ranks 1 s and exits with 1 whatever they do; MPICH exits with 0 although they exit with 75. The files tell.
#[test]
fn what_mpirun_was_told_to_stop_goes_on() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let directory = tempfile::tempdir().unwrap();
        interrupt(directory.path(), signal, |mpirun| mpirun);
        let out = directory.path().join("long.h5");
        assert!(!out.exists());
        let status = finish(&mut job(None, &[&["status"], &LONG[..], &["--out", out.to_str().unwrap()]].concat()));
        assert_eq!(status.status.code(), Some(75), "{}", stderr(&status));
        let (code, messages) = interrupt(directory.path(), libc::SIGUSR1, |mpirun| mpirun);
        // (The exit code of mpirun is tested elsewhere.)
        let taken = messages.lines().find_map(|line| line.strip_prefix("advstep-hpc: ")?.split_once(" of 3000 networks recovered"));
        assert!(taken.is_some_and(|(count, _)| count.parse::<usize>().unwrap() > 0), "{code:?}: {messages}");
        assert!(messages.contains("re-run to resume"), "{code:?}: {messages}");
    }
}

#[test]
fn usage_and_help_are_printed_once() {
    for (argument, code, line) in [
        ("--widhts", 2, "error: unexpected argument `--widhts`: "),
        ("--help", 0, "Run it on four ranks."),
        ("--version", 0, "HDF5 "),
    ] {
        let output = finish(&mut job(Some(3), &[argument]));
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
        assert_eq!((output.status.code(), text.matches(line).count()), (Some(code), 1), "{text}");
    }
}

#[test]
fn a_rank_that_is_killed_ends_the_job_and_the_next_start_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (code, messages) = interrupt(directory.path(), libc::SIGKILL, last_rank);
    // Open MPI names the signal; under MPICH a surviving rank may report first.
    let named = messages.contains("signal 9") || std::env::var_os("ADVSTEP_MPIRUN").is_some();
    assert!(code.is_some_and(|code| code != 0) && named, "{code:?}: {messages}");
    let (code, messages) = interrupt(directory.path(), libc::SIGUSR1, |mpirun| mpirun);
    assert_stopped(directory.path(), code, &messages);
    assert!(messages.contains("networks recovered"), "{messages}");
}

#[test]
fn a_rank_that_stops_alone_stops_the_job() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("small.h5");
    let arguments = [&SMALL[..], &["--threads", "1", "--out", path.to_str().unwrap()]].concat();
    let output = finish(job(Some(3), &arguments).env("ADVSTEP_FAULT", "stop:rank=2:unit=2"));
    // It may have finished everything within the grace.
    if output.status.code() != Some(0) {
        assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
        assert!(finish(&mut job(Some(2), &arguments)).status.success());
    }
    let plain = Small::run(None, &[]);
    assert_eq!(first_difference(&path, &plain.path).unwrap(), None);
}

#[test]
fn an_error_of_a_command_without_mpi_is_printed_once() {
    let output = finish(&mut job(Some(3), &["show", "missing.h5"]));
    assert_eq!(stderr(&output).matches("error: cannot read `missing.h5`").count(), 1, "{}", stderr(&output));
    assert!(!output.status.success());
}
