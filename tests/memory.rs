//! `--memory`: a network that does not fit is made again from its streams at every pass, with the same bytes out.

use std::path::Path;
use std::process::Command;

use advstep_hpc::results::first_difference;

/// Runs one network of (L=1, d=500, k=10⁶) and returns the peak resident bytes of all children of this process so far.
fn run(memory: &str, out: &Path) -> u64 {
    let options =
        ["--depths", "1", "--dims", "500", "--widths", "1e6", "--networks", "1", "--inputs", "50", "--threads", "1", "--quiet"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_advstep-hpc"));
    let status = command.args(options).args(["--memory", memory, "--out"]).arg(out).status().unwrap();
    assert!(status.success());
    // SAFETY: getrusage fills the structure it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage), 0);
        usage
    };
    usage.ru_maxrss as u64 * 1024
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
    // 72 MB of weights do not fit beside the rest into 180 MiB.
    assert_eq!(first_difference(&run("180MiB", "lean.h5"), &run("2GiB", "rich.h5")).unwrap(), None);
}
