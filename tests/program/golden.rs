//! A golden run: the reviewed results of a small experiment.
//!
//! Compared to a tolerance, so that a new science version that changes last digits only leaves it alone. After an intended change of results run
//! `ADVSTEP_REWRITE_GOLDEN=1 cargo test --release --test program golden` and review the diff.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Relative tolerance: rounding of f32 matmuls, amplified by the steps.
const TOLERANCE: f64 = 2e-4;
/// Tolerance of the work of a search, where rounding can add a point.
const WORK_TOLERANCE: f64 = 0.05;

fn show_small_run() -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("golden.h5");
    let file = file.to_str().unwrap();
    let program = env!("CARGO_BIN_EXE_advstep-hpc");
    let run = [
        "--depths",
        "1,2,3",
        "--dims",
        "5,30,200",
        "--widths",
        "10,300",
        "--networks",
        "6",
        "--inputs",
        "24",
        "--seed",
        "1",
        "--quiet",
    ];
    assert!(Command::new(program).args(run).args(["--out", file]).status().unwrap().success());
    let output = Command::new(program).args(["show", file, "--format", "json"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_small_experiment_gives_the_golden_numbers() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/small.jsonl");
    let shown = show_small_run();
    if std::env::var_os("ADVSTEP_REWRITE_GOLDEN").is_some() {
        std::fs::write(&golden, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    assert_eq!(shown.lines().count(), expected.lines().count());
    for (shown, expected) in shown.lines().zip(expected.lines()) {
        let [shown, expected]: [serde_json::Map<String, Value>; 2] =
            [shown, expected].map(|line| serde_json::from_str(line).unwrap());
        let missing: Vec<&String> = expected.keys().filter(|key| !shown.contains_key(*key)).collect();
        assert!(missing.is_empty(), "no {missing:?} in {shown:?}");
        for (key, expected) in expected.iter().filter(|(key, _)| *key != "seconds") {
            let tolerance = if key == "evaluations" { WORK_TOLERANCE } else { TOLERANCE };
            let agrees = match (shown[key].as_f64(), expected.as_f64()) {
                (Some(shown), Some(expected)) => (shown - expected).abs() <= tolerance * expected.abs().max(0.01),
                _ => shown[key] == *expected,
            };
            assert!(agrees, "{key} is {}, the golden run has {expected}, in {shown:?}", shown[key]);
        }
    }
}
