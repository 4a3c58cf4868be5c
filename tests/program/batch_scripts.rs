//! The batch scripts of `slurm/` with a fake program, `scontrol` and `squeue` (`tests/fakes/`). `scripts/test-slurm.sh` runs them under Slurm.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::jobs::{finish, stderr};
use tempfile::TempDir;

/// The setup of one run of a script.
#[derive(Default)]
struct Start<'a> {
    /// Exit code of the launcher.
    code: i32,
    /// Exit code of `advstep-hpc status`.
    state: i32,
    /// A signal that Slurm sends to the script while the program runs.
    stop: &'a str,
    /// A signal that kills the launcher.
    death: &'a str,
    /// Exit code of `scontrol`; `None`: not installed.
    scontrol: Option<i32>,
    /// State and reason of the job, as printed by `squeue`.
    squeue: &'a str,
    restarts: usize,
    arguments: &'a [&'a str],
    /// Array task ID; `None`: not an array job.
    task: Option<usize>,
}

/// The outcome of the job.
struct Outcome {
    code: i32,
    /// Arguments of `scontrol`.
    requeued: Option<String>,
    /// Calls of the program, each argument in <>.
    calls: Vec<String>,
    log: String,
}

impl Start<'_> {
    fn run(&self, script: &str) -> Outcome {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name);
        let fakes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fakes");
        fs::create_dir(path("bin")).unwrap();
        for name in ["bash", "date", "env", "sleep"] {
            let found = ["/bin", "/usr/bin"].iter().map(|place| Path::new(place).join(name)).find(|file| file.exists());
            symlink(found.unwrap(), path("bin").join(name)).unwrap();
        }
        symlink(fakes.join("advstep-hpc"), path("the program")).unwrap();
        symlink(fakes.join("squeue"), path("bin/squeue")).unwrap();
        self.scontrol.iter().for_each(|_| symlink(fakes.join("scontrol"), path("bin/scontrol")).unwrap());
        // Slurm runs a copy of the script under another name, from another place.
        let copy = path("slurm_script");
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("slurm").join(script), &copy).unwrap();

        let mut command = Command::new("/bin/bash");
        command.arg(copy).args(self.arguments).current_dir(directory.path());
        command.env_clear().env("PATH", path("bin")).env("CALLS", path("calls")).env("REQUEUED", path("requeued"));
        command.env("ADVSTEP", path("the program")).env("ADVSTEP_LAUNCH", "env");
        command.envs([("STOP", self.stop), ("DEATH", self.death), ("SQUEUE", self.squeue)]);
        command.envs([("RUN_CODE", self.code.to_string()), ("STATUS_CODE", self.state.to_string())]);
        command.env("SCONTROL_CODE", self.scontrol.unwrap_or_default().to_string());
        command.envs([
            ("SLURM_JOB_ID", "70"),
            ("SLURM_JOB_NAME", "test"),
            ("SLURM_JOB_NODELIST", "node"),
            ("SLURM_CPUS_PER_TASK", "2"),
        ]);
        command.env("SLURM_RESTART_COUNT", self.restarts.to_string());
        if let Some(task) = self.task {
            command.env("SLURM_ARRAY_JOB_ID", "70").env("SLURM_ARRAY_TASK_ID", task.to_string());
        }
        let output = finish(&mut command);
        let calls = fs::read_to_string(path("calls")).unwrap_or_default();
        Outcome {
            code: output.status.code().unwrap(),
            requeued: fs::read_to_string(path("requeued")).ok().map(|words| words.trim().to_owned()),
            calls: calls.lines().map(str::to_owned).collect(),
            log: String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output),
        }
    }

    /// The exit code of each script, and whether the job was requeued.
    fn outcomes(&self) -> [(i32, bool); 2] {
        let single = Start { task: None, ..*self }.run("advstep.sbatch");
        let array = [&["16", "stem"], self.arguments].concat();
        let array = Start { task: Some(3), arguments: &array, ..*self }.run("array.sbatch");
        [(single, "requeue 70"), (array, "requeue 70_3")].map(|(outcome, requeue)| {
            assert!(outcome.requeued.as_ref().is_none_or(|words| words == requeue), "{:?}\n{}", outcome.requeued, outcome.log);
            assert!(!outcome.log.contains("not passed on"), "{}", outcome.log);
            (outcome.code, outcome.requeued.is_some())
        })
    }
}

/// The first start of a job.
fn start(code: i32, state: i32) -> Start<'static> {
    Start { code, state, scontrol: Some(0), ..Start::default() }
}

#[test]
fn the_files_decide_and_not_the_launcher() {
    for (code, state, expected) in [
        (0, 0, (0, false)),
        (75, 75, (0, true)),
        (0, 75, (0, true)),  // MPICH, interrupted
        (1, 75, (1, false)), // a failure, with a journal
        (2, 0, (0, false)),  // the file is there
        (137, 0, (0, false)),
        (75, 0, (0, false)),
        (0, 1, (1, false)), // a launcher that has run nothing
        (2, 1, (2, false)),
        (2, 2, (2, false)),
        (0, 2, (1, false)),
        (75, 1, (75, false)),
        (127, 127, (127, false)), // no program
    ] {
        assert_eq!(start(code, state).outcomes(), [expected; 2], "launcher {code}, status {state}");
    }
}

#[test]
fn a_job_that_was_told_to_stop_goes_back_into_the_queue() {
    for stop in ["USR1", "TERM"] {
        for (code, state, expected) in [
            (75, 75, (0, true)),
            (1, 75, (0, true)), // Open MPI, interrupted
            (143, 75, (0, true)),
            (75, 1, (0, true)), // before it had begun
            (0, 0, (0, false)), // it was finished just then
            (2, 2, (2, false)),
        ] {
            assert_eq!(Start { stop, ..start(code, state) }.outcomes(), [expected; 2], "{stop}, launcher {code}, status {state}");
        }
    }
}

/// The script used to wait for ever.
#[test]
fn a_launcher_that_dies_of_a_signal_ends_the_job() {
    for (death, code) in [("USR1", 138), ("TERM", 143)] {
        assert_eq!(Start { death, ..start(0, 75) }.outcomes(), [(code, false); 2], "{death}");
    }
}

#[test]
fn a_job_that_cannot_be_requeued_ends_with_75() {
    for code in [75, 0] {
        assert_eq!(Start { scontrol: Some(1), ..start(code, 75) }.outcomes(), [(75, true); 2]);
        assert_eq!(Start { scontrol: None, ..start(code, 75) }.outcomes(), [(75, false); 2]);
        assert_eq!(Start { restarts: 100, ..start(code, 75) }.outcomes(), [(75, false); 2]);
        assert_eq!(Start { restarts: 99, ..start(code, 75) }.outcomes(), [(0, true); 2]);
    }
}

/// Cancelled jobs used to be requeued.
#[test]
fn a_job_that_slurm_is_ending_is_left_to_slurm() {
    for (code, state) in [(75, 75), (1, 75), (143, 1)] {
        for (squeue, expected) in [("CG None", (75, false)), ("CG TimeLimit", (0, true)), ("R None", (0, true)), ("", (0, true))] {
            assert_eq!(Start { stop: "TERM", squeue, ..start(code, state) }.outcomes(), [expected; 2], "{squeue}, launcher {code}");
        }
    }
}

/// The existing file may be the one to be replaced.
#[test]
fn a_failure_is_not_hidden_by_the_file_that_it_was_to_replace() {
    for option in ["--overwrite", "--fresh"] {
        let arguments = &["--preset", "quick", option, "--quiet"];
        assert_eq!(Start { arguments, ..start(1, 0) }.outcomes(), [(1, false); 2], "{option}");
        assert_eq!(Start { arguments, ..start(0, 0) }.outcomes(), [(0, false); 2], "{option}");
        assert_eq!(Start { arguments, stop: "USR1", ..start(75, 0) }.outcomes(), [(0, true); 2], "{option}");
    }
}

#[test]
fn the_program_and_its_status_get_the_same_arguments() {
    let arguments = ["--config", "my file.toml", "--out", "a b/*.h5", "--threads", "1"];
    let quoted = "<--config><my file.toml><--out><a b/*.h5><--threads><1>";
    let outcome = Start { arguments: &arguments, ..start(0, 0) }.run("advstep.sbatch");
    assert_eq!(outcome.calls, [format!("<run>{quoted}"), format!("<status>{quoted}")], "{}", outcome.log);

    let arguments = ["16", "my stem", "--config", "my file.toml"];
    let outcome = Start { arguments: &arguments, task: Some(3), ..start(0, 0) }.run("array.sbatch");
    let quoted = "<--config><my file.toml><--shard><3/16><--out><my stem.03-of-16.shard>";
    assert_eq!(outcome.calls, [format!("<run><--threads><2>{quoted}"), format!("<status>{quoted}")], "{}", outcome.log);
}

#[test]
fn a_job_starts_over_once_at_most() {
    let arguments = ["--fresh", "--out", "my file.h5"];
    for (restarts, expected) in
        [(0, "<run><--threads><2><--fresh><--out><my file.h5>"), (1, "<run><--threads><2><--out><my file.h5>")]
    {
        let outcome = Start { arguments: &arguments, restarts, ..start(0, 0) }.run("advstep.sbatch");
        assert_eq!(outcome.calls[0], expected, "{}", outcome.log);
    }
}

#[test]
fn the_second_job_of_an_array_merges() {
    let outcome = Start { arguments: &["2", "my stem"], ..start(4, 0) }.run("array.sbatch");
    assert_eq!((outcome.code, outcome.requeued), (4, None));
    assert_eq!(outcome.calls, ["<merge><my stem.*-of-2.shard><--out><my stem.h5>"]);
    assert_eq!(Start { arguments: &["2"], ..start(0, 0) }.run("array.sbatch").code, 2);
}

#[test]
fn both_scripts_end_alike() {
    let end = |script: &str| {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("slurm").join(script)).unwrap();
        text.split_once("# --- The rest is the same in both scripts").unwrap().1.to_owned()
    };
    assert_eq!(end("advstep.sbatch"), end("array.sbatch"));
}
