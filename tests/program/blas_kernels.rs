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

/// Kernels other than those that OpenBLAS selects, which for a processor newer than itself are the oldest. Only a build with DYNAMIC_ARCH has any.
fn other_kernels() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    let has_avx2 = is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let has_avx2 = false;
    let selected = version(None);
    let other = ["Prescott", "Haswell"]
        .into_iter()
        .find(|&kernels| (kernels != "Haswell" || has_avx2) && version(Some(kernels)) != selected);
    assert!(other.is_some() || !selected.contains("DYNAMIC_ARCH"), "{selected}");
    other.unwrap_or("Prescott")
}

#[test]
fn results_do_not_depend_on_the_kernels_of_blas() {
    let other = Some(other_kernels());
    let directory = tempfile::tempdir().unwrap();
    for (index, arguments) in RUNS.into_iter().enumerate() {
        let [ours, others] = ["ours", "others"].map(|name| directory.path().join(format!("{name}-{index}.h5")));
        run(arguments, None, &ours);
        run(arguments, other, &others);
        assert_eq!(first_difference(&ours, &others).unwrap(), None, "{arguments:?}");
    }
}

/// Its default bound is made of the longest input.
#[test]
fn measurements_do_not_depend_on_the_kernels_of_blas() {
    let other = Some(other_kernels());
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let exported = program(None).args("export --depth 1 --dim 50 --width 30 --out".split(' ')).arg(path("net.h5")).status();
    assert!(exported.unwrap().success());
    for file in 0..8 {
        let number = |index: usize| ((index + 1000 * file) as f64 * 0.7).sin() * 3.0;
        let rows = (0..4).map(|row| (0..50).map(|at| number(50 * row + at).to_string()).collect::<Vec<_>>().join(","));
        std::fs::write(path("x.csv"), rows.collect::<Vec<_>>().join("\n") + "\n").unwrap();
        for (kernels, out) in [(None, "ours.h5"), (other, "others.h5")] {
            let mut command = program(kernels);
            command.arg("measure").arg(path("net.h5")).arg("--inputs").arg(path("x.csv"));
            let status = command.args(["--labels", "none", "--quiet", "--overwrite", "--out"]).arg(path(out)).status();
            assert!(status.unwrap().success());
        }
        let compared = program(None).arg("compare").arg(path("ours.h5")).arg(path("others.h5")).output().unwrap();
        assert!(compared.status.success(), "file {file}: {}", String::from_utf8_lossy(&compared.stdout));
    }
}
