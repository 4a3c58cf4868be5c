//! Results do not depend on the kernels that OpenBLAS selects for the processor.

use std::path::Path;
use std::process::Command;

use advstep_hpc::results::first_difference;

/// Cells that multiply small f64 matrices, trace wide networks, and compute in f64.
const RUNS: [&[&str]; 3] = [
    &["--engine", "implicit", "--depths", "1,2", "--dims", "20,60", "--widths", "40,150", "--inputs", "20", "--precision", "f64"],
    &["--engine", "implicit", "--depths", "1,2", "--dims", "20,60", "--widths", "40,150", "--inputs", "20"],
    &["--search", "exact", "--depths", "2", "--dims", "10", "--widths", "60", "--inputs", "20"],
];

fn program(kernels: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_advstep-hpc"));
    command.env_remove("OPENBLAS_CORETYPE").envs(kernels.map(|kernels| ("OPENBLAS_CORETYPE", kernels)));
    command
}

fn version(kernels: Option<&str>) -> String {
    String::from_utf8(program(kernels).arg("--version").output().unwrap().stdout).unwrap()
}

fn run(arguments: &[&str], kernels: Option<&str>, file: &Path) {
    let mut command = program(kernels);
    command.args(["run", "--quiet", "--seed", "3", "--networks", "2"]).args(arguments).arg("--out").arg(file);
    assert!(command.status().unwrap().success());
}

#[test]
fn results_do_not_depend_on_the_kernels_of_blas() {
    // Kernels for processors without AVX; only a build with DYNAMIC_ARCH has others.
    let oldest = Some("Prescott");
    assert!(!version(None).contains("DYNAMIC_ARCH") || version(None) != version(oldest));
    let directory = tempfile::tempdir().unwrap();
    for (index, arguments) in RUNS.into_iter().enumerate() {
        let [ours, others] = ["ours", "others"].map(|name| directory.path().join(format!("{name}-{index}.h5")));
        run(arguments, None, &ours);
        run(arguments, oldest, &others);
        assert_eq!(first_difference(&ours, &others).unwrap(), None, "{arguments:?}");
    }
}
