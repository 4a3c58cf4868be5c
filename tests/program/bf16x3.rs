//! `--precision bf16x3` as a user meets it: files, plan, export and what is refused. Ranks are in `mpi`, resuming in `resume` and `extend`.

use std::path::Path;
use std::process::{Command, Output};

use advstep_hpc::results;

fn program(arguments: &str, out: &Path) -> Output {
    let arguments: Vec<&str> = arguments.split(' ').chain(["--out", out.to_str().unwrap()]).collect();
    Command::new(env!("CARGO_BIN_EXE_advstep-hpc")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Both precisions of one experiment, with every engine: the file names its precision, resuming and comparing tell them apart, and the networks are nearly
/// the same.
#[test]
fn a_run_is_near_that_of_f32_and_another_experiment() {
    let directory = tempfile::tempdir().unwrap();
    let cells = "--depths 1,2 --dims 40 --widths 60,20000 --networks 3 --inputs 16 --seed 3 --quiet --precision";
    let of = |precision: &str| {
        let out = directory.path().join(format!("{precision}.h5"));
        let output = program(&format!("{cells} {precision}"), &out);
        assert!(output.status.success(), "{}", text(&output.stderr));
        out
    };
    let files = ["f32", "bf16x3"].map(of);
    assert!(results::first_difference(&files[0], &files[1]).unwrap().is_some());
    let [single, pairs] = files.each_ref().map(|file| results::read(file).unwrap());
    assert_eq!(pairs.experiment.precision.name(), "bf16x3");
    let mut turned = 0;
    for (single, pairs) in single.cells.iter().zip(&pairs.cells) {
        let samples = single.records.iter().zip(&pairs.records).flat_map(|(one, other)| one.samples.iter().zip(&other.samples));
        for (one, other) in samples {
            assert!((one.value - other.value).abs() < 1e-3, "{one:?} {other:?}");
            let off = (one.gradient_norm / other.gradient_norm - 1.0).abs();
            assert!(off < 0.1, "{one:?} {other:?}");
            turned += usize::from(off > 1e-3);
        }
    }
    // Inputs at which a neuron is active in one and not in the other: of 192.
    assert!(turned <= 5, "{turned}");
}

#[test]
fn the_plan_says_what_it_costs_here() {
    let plan = |precision: &str| {
        let arguments = format!("plan --depths 2 --dims 500 --widths 3000 --networks 2 --engine dense --precision {precision}");
        let output = Command::new(env!("CARGO_BIN_EXE_advstep-hpc")).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let pairs = plan("bf16x3");
    assert!(pairs.contains("precision bf16x3 takes ") && pairs.contains("(AMX tiles: "), "{pairs}");
    let has_tiles = pairs.contains("(AMX tiles: yes)");
    assert_eq!(plan("f32").contains("precision bf16x3 would be "), has_tiles);
    assert!(!plan("f64").contains("bf16x3"));
}

#[test]
fn numbers_too_small_for_its_parts_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("none.h5");
    for (cell, what, help) in [
        (
            "--depths 41 --dims 10 --widths 10",
            "error: the depth 41 is too large at gain 1 in bf16x3: ",
            "help: give fewer layers, a gain nearer to 2, or precision f32 or f64\n",
        ),
        (
            "--depths 20 --dims 10 --widths 3",
            "error: the depth 20 is too large for layers of 3 neurons in bf16x3: ",
            "help: give at most 12 layers, wider ones, or precision f32 or f64\n",
        ),
        (
            "--depths 2 --dims 10 --widths 1e4 --gain 4e-12",
            "error: weights cannot be drawn at gain 4e-12: they are drawn in bf16x3, ",
            "help: give a gain nearer to 2, or precision f32 or f64\n",
        ),
    ] {
        let refused = program(&format!("{cell} --networks 1 --inputs 2 --precision bf16x3"), &out);
        let error = text(&refused.stderr);
        assert!(refused.status.code() == Some(2) && error.starts_with(what) && error.ends_with(help), "{error}");
        assert!(!out.exists());
    }
    let deep = program("--depths 40 --dims 10 --widths 10 --networks 1 --inputs 2 --quiet --precision bf16x3", &out);
    assert!(deep.status.success(), "{}", text(&deep.stderr));
}
