//! An exported network: evaluated by an independent NumPy script, and equal to the one that `run` measured.

use std::path::Path;
use std::process::{Command, Output};

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_advstep-hpc")).args(arguments).output().unwrap()
}

fn check_in_numpy(file: &Path) {
    check_with("check_export.py", file);
}

fn check_with(script: &str, file: &Path) {
    let python = std::env::var("ADVSTEP_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(&python).arg(script).arg(file).output().unwrap();
    assert!(output.status.success(), "{python}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("steps agree"));
}

#[test]
fn numpy_agrees_on_values_gradients_and_steps() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("net.h5");
    let cases = [
        "--depth 1 --dim 20 --width 50 --network 3 --inputs 10 --seed 7",
        "--depth 1 --dim 100 --width 3000 --network 0 --inputs 20 --seed 7 --readout gaussian",
        "--depth 1 --dim 30 --width 500 --network 1 --inputs 20 --seed 8 --precision f64 --search scan",
        "--depth 3 --dim 10 --width 40 --network 5 --inputs 20 --seed 9 --gain 2",
        "--depth 3 --dim 10 --width 40 --network 5 --inputs 20 --seed 9 --gain 2 --precision bf16x3",
        "--depth 1 --dim 100 --width 3000 --inputs 20 --seed 7 --precision bf16x3 --direction nearest",
        "--depth 2 --dim 30 --width 400 --network 2 --inputs 20 --seed 10",
        "--depth 6 --dim 50 --width 60 --network 0 --inputs 20 --seed 11 --precision f64",
        "--depth 4 --dim 10 --width 3 --network 0 --inputs 20 --seed 12",
        "--depth 1 --dim 20 --width 80 --inputs 10 --activation leaky-relu",
        "--depth 3 --dim 20 --width 40 --inputs 10 --activation leaky-relu --precision f64",
        "--depth 1 --dim 20 --width 80 --inputs 10 --activation tanh",
        "--depth 3 --dim 20 --width 80 --inputs 10 --activation erf --precision f64",
        "--depth 1 --dim 20 --width 80 --inputs 10 --activation softplus --inputs-law gaussian",
        "--depth 2 --dim 20 --width 80 --inputs 10 --activation gelu --inputs-law hypercube",
        "--depth 1 --dim 20 --width 80 --inputs 10 --activation silu --bias",
        "--depth 1 --dim 20 --width 300 --inputs 10 --activation sine --precision f64 --direction universal",
        "--depth 1 --dim 20 --width 80 --inputs 10 --direction sign",
        "--depth 1 --dim 20 --width 80 --inputs 10 --direction universal --bias",
        "--depth 3 --dim 20 --width 80 --inputs 10 --direction universal --precision f64",
        "--depth 2 --dim 20 --width 80 --inputs 10 --direction random --bias --inputs-law gaussian",
        "--depth 1 --dim 20 --width 80 --inputs 10 --direction descent --bias --precision f64",
        "--depth 3 --dim 20 --width 40 --inputs 10 --direction descent --activation tanh --precision f64",
        "--depth 2 --dim 30 --width 100 --inputs 20 --bound-distance 0.5",
        "--depth 1 --dim 30 --width 200 --inputs 20 --direction nearest",
        "--depth 2 --dim 30 --width 100 --inputs 20 --direction nearest --bias",
        "--depth 3 --dim 20 --width 60 --inputs 20 --direction nearest --precision f64",
        "--hidden 60,20,40 --dim 10 --network 2 --inputs 20 --seed 13",
        "--hidden 10,300,50 --dim 30 --inputs 20 --gain 2 --readout gaussian --precision f64",
        "--hidden 80,5 --dim 20 --inputs 10 --activation gelu --bias --direction universal",
        "--hidden 20,80,30 --dim 20 --inputs 10 --direction descent --precision f64",
    ];
    for case in cases {
        let arguments: Vec<&str> = ["export"].into_iter().chain(case.split(' ')).collect();
        let output = program(&[&arguments[..], &["--overwrite", "--out", file.to_str().unwrap()]].concat());
        assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
        check_in_numpy(&file);
    }
}

/// What the benchmarks compare the steps of PyTorch and JAX with, beside our exact search.
#[test]
fn the_reference_for_the_peers_finds_the_same_steps() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("net.h5");
    for case in [
        "--depth 1 --dim 20 --width 50",
        "--depth 1 --dim 100 --width 1000",
        "--depth 2 --dim 20 --width 50",
        "--depth 4 --dim 10 --width 60",
    ] {
        let arguments: Vec<&str> = ["export"].into_iter().chain(case.split(' ')).collect();
        let more = [
            "--inputs",
            "40",
            "--seed",
            "1",
            "--precision",
            "f64",
            "--search",
            "exact",
            "--overwrite",
            "--out",
            file.to_str().unwrap(),
        ];
        let output = program(&[&arguments[..], &more].concat());
        assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
        check_with("check_reference.py", &file);
    }
}

#[test]
fn the_exported_network_is_the_one_that_run_measures() {
    let directory = tempfile::tempdir().unwrap();
    let (results, net) = (directory.path().join("run.h5"), directory.path().join("net.h5"));
    for (cells, cell) in [
        ("--depths 2 --dims 10,20 --widths 30,300", "--depth 2 --dim 20 --width 300"),
        ("--hidden 300,30,50 --hidden 20,40 --dims 10,20", "--dim 20 --hidden 300,30,50"),
    ] {
        let run = format!("{cells} --networks 4 --inputs 9 --seed 7 --engine dense --quiet --overwrite --out");
        let run: Vec<&str> = run.split(' ').collect();
        assert!(program(&[&run[..], &[results.to_str().unwrap()]].concat()).status.success());
        let export = format!("export {cell} --network 3 --inputs 9 --seed 7 --overwrite --out");
        let export: Vec<&str> = export.split(' ').collect();
        assert!(program(&[&export[..], &[net.to_str().unwrap()]].concat()).status.success());

        let samples = advstep_hpc::results::read(&results).unwrap().cells.remove(3).records.remove(3).samples;
        let file = advstep_hpc::files::hdf5::open(&net).unwrap();
        let numbers = |name: &str| file.dataset(name).unwrap().read_raw::<f64>().unwrap();
        let bits = |numbers: Vec<f64>| numbers.into_iter().map(f64::to_bits).collect::<Vec<u64>>();
        assert_eq!(bits(numbers("f")), bits(samples.iter().map(|sample| sample.value).collect()));
        assert_eq!(bits(numbers("step")), bits(samples.iter().map(|sample| sample.step).collect()));
        assert_eq!(bits(numbers("zero_step")), bits(samples.iter().map(|sample| sample.zero_step).collect()));
        assert_eq!(bits(numbers("distance")), bits(samples.iter().map(|sample| sample.distance).collect()));
        let status = file.dataset("status").unwrap().read_raw::<u8>().unwrap();
        assert_eq!(status, samples.iter().map(|sample| sample.status as u8).collect::<Vec<_>>());
        let hidden = file.attr("hidden").map(|widths| widths.read_raw::<u64>().unwrap()).ok();
        assert_eq!(hidden, cell.contains("hidden").then(|| vec![300, 30, 50]));
    }
}
