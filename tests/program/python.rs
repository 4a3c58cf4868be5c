//! Results files read by h5py and xarray (h5netcdf and netCDF4), and the examples of
//! `docs/file-format.md` and `examples/`, in a real Python.

use std::fs;
use std::process::Command;

use crate::common::synthetic::{differing_layers, experiment, synthetic};
use crate::jobs::{finish, job, stderr, stdout_of};
use advstep_hpc::experiment::Experiment;
use advstep_hpc::files::Existing;
use advstep_hpc::results::show::{Format, show};
use advstep_hpc::results::{schema, write};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn python_reads_the_file_and_gets_the_same_statistics() {
    // Sequential: HDF5 opens files without O_CLOEXEC, so a Python started while another writes would inherit its lock.
    check_in_python(&experiment(), &["--doc", &format!("{ROOT}/docs/file-format.md")]);
    check_in_python(&differing_layers(), &[]);
}

/// Every coordinate that people know by name is selected by name.
#[test]
fn directions_and_shapes_are_selected_by_name_in_python() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("results.h5");
    let directions = ["gradient", "sign", "descent", "nearest"];
    let words =
        ["--hidden", "9,5", "--hidden", "5,9", "--dims", "6,8", "--networks", "3", "--inputs", "4", "--quiet", "--direction"];
    stdout_of(&[&words[..], &[&directions.join(","), "--out", file.to_str().unwrap()]].concat());
    let python = std::env::var("ADVSTEP_PYTHON").unwrap_or_else(|_| "python3".into());
    let output = Command::new(&python)
        .arg(format!("{ROOT}/tests/python/check_names.py"))
        .arg(&file)
        .args(directions)
        .output()
        .unwrap_or_else(|error| panic!("cannot start {python} ({error}): set ADVSTEP_PYTHON to a Python 3"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("names: ok"), "{python}: {text}");
}

fn python() -> String {
    std::env::var("ADVSTEP_PYTHON").unwrap_or_else(|_| "python3".into())
}

fn check_in_python(experiment: &Experiment, options: &[&str]) {
    let directory = TempDir::new().unwrap();
    let (file, lines) = (directory.path().join("results.h5"), directory.path().join("results.jsonl"));
    let results = synthetic(experiment, 5);
    write(&file, Existing::Replace, &results).unwrap();
    show(&results, Format::Json, &mut fs::File::create(&lines).unwrap()).unwrap();

    let python = python();
    let output = Command::new(&python)
        .arg(format!("{ROOT}/tests/python/check_results_file.py"))
        .arg(&file)
        .args(["--json".as_ref(), lines.as_os_str()])
        .args(options)
        .output()
        .unwrap_or_else(|error| panic!("cannot start {python} ({error}): set ADVSTEP_PYTHON to a Python 3"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{python}: {text}");
    assert!(text.contains("results file: ok"), "{text}");
}

/// The document has a line for every array with its axes and unit.
#[test]
fn the_document_lists_every_array() {
    let document = fs::read_to_string(format!("{ROOT}/docs/file-format.md")).unwrap();
    for variable in schema::variables() {
        let axes = variable.axes.iter().map(|axis| axis.name()).collect::<Vec<_>>().join(", ");
        let start = format!("| `/{}` | {} | ({axes}) | {} |", variable.path, variable.kind.descriptor(), variable.units);
        assert!(document.lines().any(|line| line.starts_with(&start)), "docs/file-format.md lacks the line\n{start}");
    }
    for axis in schema::Axis::ALL {
        let kind = if [schema::Axis::Shape, schema::Axis::Direction].contains(&axis) { "string" } else { "int64" };
        let start = format!("| `/{}` | {kind} | ({}) | 1 |", axis.name(), axis.name());
        assert!(document.lines().any(|line| line.starts_with(&start)), "docs/file-format.md lacks the line\n{start}");
    }
    let [grid, shapes, directions] = [schema::VERSION, schema::SHAPES_VERSION, schema::DIRECTIONS_VERSION];
    let versions = format!("**Format version {grid}, {shapes} if made of shapes, {directions} with several directions**");
    assert!(document.contains(&versions), "docs/file-format.md lacks {versions}");
}

/// `examples/xarray_notebook.py` on small files: its medians are the file's, its histogram counts every step, and wide networks are closer
/// to the limit than narrow ones.
#[test]
fn the_notebook_example_runs() {
    let notebook = format!("{ROOT}/examples/xarray_notebook.py");
    let directory = TempDir::new().unwrap();
    let commands = fs::read_to_string(&notebook).unwrap();
    let commands: Vec<&str> = commands.lines().filter_map(|line| line.strip_prefix("#     advstep-hpc ")).collect();
    assert_eq!(commands.len(), 2);
    for command in commands {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.extend(["--networks", "40", "--inputs", "20"]);
        let output = finish(job(None, &arguments).current_dir(directory.path()));
        assert!(output.status.success(), "{command}: {}", stderr(&output));
    }

    let output =
        Command::new(python()).arg(&notebook).env_remove("ADVSTEP_RESULTS").current_dir(directory.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", stderr(&output));
    let rows = |title: &str| -> Vec<Vec<String>> {
        let table = text.split("\n\n").find(|part| part.contains(title)).unwrap_or_else(|| panic!("no {title} in\n{text}"));
        let rows = table.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        rows.filter(|row| row.first().is_some_and(|word| word.parse::<f64>().is_ok())).collect()
    };
    let number = |word: &str| word.parse::<f64>().unwrap();

    let paired = stdout_of(&["show", &format!("{}/results/paired.h5", directory.path().display()), "--format", "json"]);
    let medians = paired.lines().filter(|line| line.contains(r#""direction":"sign""#)).map(|line| {
        let cell: serde_json::Value = serde_json::from_str(line).unwrap();
        cell["ratio_q50"].as_f64().unwrap()
    });
    let medians: Vec<f64> = medians.collect();
    let printed: Vec<f64> = rows("median").iter().map(|row| number(&row[2])).collect();
    assert_eq!(printed.len(), 3);
    assert!(printed.iter().zip(&medians).all(|(printed, median)| (printed - median).abs() <= 0.5001e-4), "{printed:?} {medians:?}");

    let bins = rows("k = 1000");
    let counted: f64 = bins.iter().map(|row| number(&row[3])).sum();
    let found: f64 = text.split("η* of ").nth(1).and_then(|rest| rest.split(' ').next()).map(number).unwrap();
    assert_eq!((bins.len(), counted), (12, found), "{text}");

    let distances: Vec<f64> = rows("Kolmogorov").iter().map(|row| number(&row[1])).collect();
    assert!(distances.len() == 3 && distances[2] < distances[0] && distances[2] < 0.1, "{text}");
}

/// In an environment of its own, which scripts/test.sh makes.
#[test]
fn attacks_of_art_and_foolbox_flip_where_we_measure() {
    let python = std::env::var("ADVSTEP_ATTACKS_PYTHON").unwrap_or_else(|_| format!("{ROOT}/target/venv-attacks/bin/python"));
    let output = Command::new(&python)
        .arg(format!("{ROOT}/scripts/check_attacks.py"))
        .args(["--program", env!("CARGO_BIN_EXE_advstep-hpc")])
        .output()
        .unwrap_or_else(|error| panic!("cannot start {python} ({error}): run scripts/test.sh, or set ADVSTEP_ATTACKS_PYTHON"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("attacks: ok"), "{python}: {text}");
}
