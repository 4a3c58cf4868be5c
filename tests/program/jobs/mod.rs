//! Starts the program, plain or under `mpirun`, with a timeout, and edits its files.
#![allow(dead_code)]

pub mod place;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_advstep-hpc");

/// Timeout: far longer than any of these jobs takes.
const HANGS: Duration = Duration::from_secs(120);

/// The launcher of the MPI library that the program is linked to, with its options: `mpirun --oversubscribe`, which is Open MPI's,
/// unless the environment says otherwise.
pub fn launcher() -> Command {
    let words = std::env::var("ADVSTEP_MPIRUN").unwrap_or_else(|_| "mpirun --oversubscribe".to_string());
    let mut words = words.split_whitespace();
    let mut launcher = Command::new(words.next().expect("ADVSTEP_MPIRUN names a launcher"));
    launcher.args(words);
    // Containers and continuous integration run as root.
    launcher.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
    launcher
}

/// The program on `ranks` ranks; without a launcher if `None`.
pub fn job(ranks: Option<usize>, arguments: &[&str]) -> Command {
    let mut command = match ranks {
        Some(ranks) => {
            let mut launcher = launcher();
            launcher.args(["-n", &ranks.to_string(), PROGRAM]);
            launcher
        }
        None => Command::new(PROGRAM),
    };
    command.args(arguments);
    command.env_remove("ADVSTEP_FAULT").env_remove("SLURM_NTASKS");
    with_default_signals(&mut command);
    command
}

/// Resets SIGINT and SIGHUP to their defaults: a test run in the background (nohup, `&`) ignores them, and children inherit that.
pub fn with_default_signals(command: &mut Command) -> &mut Command {
    let reset = || {
        for signal in [libc::SIGINT, libc::SIGHUP] {
            // SAFETY: async-signal-safe, as required between fork and exec.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(reset) }
}

/// Runs a command to completion; fails the test on a timeout.
pub fn finish(command: &mut Command) -> Output {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("mpirun is installed");
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > HANGS {
            child.kill().unwrap();
            panic!("the job hangs: {:?}", child.wait_with_output().unwrap());
        }
        sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the program to completion with an injected fault; returns exit code and messages.
pub fn outcome(ranks: Option<usize>, arguments: &[&str], fault: Option<&str>) -> (i32, String) {
    let mut command = job(ranks, arguments);
    fault.iter().for_each(|fault| _ = command.env("ADVSTEP_FAULT", fault));
    let output = finish(&mut command);
    (output.status.code().unwrap(), stderr(&output))
}

/// Standard output of the program, which must succeed.
pub fn stdout_of(arguments: &[&str]) -> String {
    let output = finish(&mut job(None, arguments));
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Compiles `tests/shims/NAME.c` to a shared object.
pub fn shim(directory: &Path, name: &str) -> PathBuf {
    let shim = directory.join(name);
    let source = format!("{}/tests/shims/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(source).arg("-ldl").status();
    assert!(compiled.expect("there is a C compiler").success());
    shim
}

/// A copy of the results file `file` at `path`, with a seal, after `change` of its HDF5 objects.
pub fn edited(file: &Path, path: PathBuf, change: impl FnOnce(&hdf5::File)) -> PathBuf {
    let bytes = fs::read(file).unwrap();
    // Without the seal, which closes the file to writers.
    fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    let copy = advstep_hpc::files::hdf5::open_rw(&path).unwrap();
    change(&copy);
    copy.close().unwrap();
    advstep_hpc::files::seal::seal(&path).unwrap();
    path
}
