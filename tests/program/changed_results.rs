//! Results files rewritten by other programs: refused with a pointer to `--unsealed`, and read with it if every value is sound.
//!
//! Uses the real programs: h5py and xarray of the Python in `ADVSTEP_PYTHON`, `h5repack` (package hdf5-tools) and `nccopy`
//! (package netcdf-bin).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::synthetic::{differing_layers, experiment, synthetic};
use advstep_hpc::files::Existing;
use advstep_hpc::provenance::Provenance;
use advstep_hpc::results::{self, Results, first_differing_sample};

fn advstep(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_advstep-hpc")).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a program that a test needs.
fn tool(program: &str, package: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs {program} ({error}): install {package}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", stderr(&output));
}

/// Changes a file in place, as `change` of `tests/python/change_results.py`.
fn in_python(path: &Path, change: &str) {
    let python = std::env::var("ADVSTEP_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/change_results.py");
    tool(&python, "what scripts/requirements-test.txt lists", &[script, path.to_str().unwrap(), change]);
}

/// Copies a file with a program that may change its form.
fn copied(program: &str, package: &str, options: &[&str], from: &Path, to: &Path) {
    tool(program, package, &[options, &[from.to_str().unwrap(), to.to_str().unwrap()]].concat());
}

/// Results of every kind, from the program except for those that no quick run produces.
fn originals(directory: &Path) -> Vec<PathBuf> {
    let runs = [
        ("plain", "--depths 1,2 --dims 5,20 --widths 10,30"),
        ("infinite", "--depths 1,2 --dims 5 --widths 10,inf"),
        ("directions", "--depths 1,2 --dims 5 --widths 10,30 --direction gradient,sign,descent"),
        ("hidden", "--hidden 10,20 --hidden 20,10 --hidden 5,6,7 --dims 5 --inputs-law gaussian"),
    ];
    let mut files = Vec::new();
    for (name, options) in runs {
        let file = directory.join(format!("{name}.h5"));
        let run: Vec<&str> = options.split(' ').chain("--networks 3 --inputs 4 --threads 1 --quiet --out".split(' ')).collect();
        let output = advstep(&[&run[..], &[file.to_str().unwrap()]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        files.push(file);
    }
    let partial = |name: &str, results: Results| {
        let file = directory.join(name);
        let mut results = results;
        results.cells.remove(1);
        results::write_partial(&file, Existing::Replace, &results).unwrap();
        file
    };
    files.push(partial("partial.h5", synthetic(&experiment(), 3)));
    files.push(partial("partial-hidden.h5", synthetic(&differing_layers(), 4)));
    files
}

/// Checks that a changed file is refused, and read unchanged with `--unsealed`.
fn check_changed(original: &Path, changed: &Path, how: &str) {
    let (first, other) = (original.to_str().unwrap(), changed.to_str().unwrap());
    let commands: [&[&str]; 2] = [&["show", other], &["compare", first, other]];
    for arguments in commands {
        let output = advstep(arguments);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{how}: {error}");
        assert!(error.contains("changed after advstep-hpc wrote it") && error.contains("--unsealed"), "{how}: {error}");
        let output = advstep(&[arguments, &["--unsealed"]].concat());
        assert!(output.status.success(), "{how}, {arguments:?}: {}", stderr(&output));
    }

    let (sound, read) = (results::read(original).unwrap(), results::read_unsealed(changed).unwrap());
    assert_eq!(first_differing_sample(&sound, &read), None, "{how}");
    let has_provenance = read.provenance != Provenance::default();
    assert!(!has_provenance || read.provenance == sound.provenance, "{how}: {:?}", read.provenance);
    let rows = |file: &str| {
        let output = advstep(&["show", file, "--format", "json", "--unsealed"]);
        let rows = String::from_utf8(output.stdout).unwrap();
        let rows: Vec<serde_json::Map<String, serde_json::Value>> =
            rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // Without provenance the times are unknown.
        let without_seconds = |mut row: serde_json::Map<String, serde_json::Value>| {
            let seconds = row.remove("seconds").unwrap();
            assert_eq!(seconds.is_null(), file == other && !has_provenance, "{how}: {seconds}");
            row
        };
        rows.into_iter().map(without_seconds).collect::<Vec<_>>()
    };
    assert_eq!(rows(first), rows(other), "{how}");
}

#[test]
fn pictures_are_those_of_the_file_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let [sound, changed] = ["sound.h5", "changed.h5"].map(|name| directory.path().join(name));
    results::write(&sound, Existing::Replace, &synthetic(&experiment(), 1)).unwrap();
    copied("nccopy", "netcdf-bin", &[], &sound, &changed);
    assert_eq!(advstep(&["plot", changed.to_str().unwrap()]).status.code(), Some(2));
    let drawn = |file: &Path| {
        let out = file.with_extension("pictures");
        let arguments = ["plot", file.to_str().unwrap(), "--unsealed", "--format", "svg", "--out", out.to_str().unwrap()];
        let output = advstep(&arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        let pictures = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
        let mut pictures: Vec<_> =
            pictures.map(|path| (path.file_name().unwrap().to_owned(), fs::read_to_string(&path).unwrap())).collect();
        pictures.sort();
        pictures
    };
    assert!(drawn(&sound).len() > 3);
    assert_eq!(drawn(&sound), drawn(&changed));
}

#[test]
fn files_that_other_programs_have_changed_are_read_when_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    for original in originals(directory.path()) {
        let changed = original.with_extension("changed.h5");
        let how = |program: &str| format!("{program}, {}", original.display());
        let in_python = |change: &str| {
            fs::copy(&original, &changed).unwrap();
            in_python(&changed, change);
            check_changed(&original, &changed, &how(change));
        };
        let harmless =
            ["opened", "annotated", "attributes_as_arrays", "fixed_strings", "wider_numbers", "no_provenance", "chunked"];
        harmless.into_iter().chain(["h5netcdf", "netcdf4"]).for_each(in_python);
        let copy = |program: &str, package: &str, options: &[&str]| {
            let _ = fs::remove_file(&changed);
            copied(program, package, options, &original, &changed);
            check_changed(&original, &changed, &how(&format!("{program} {options:?}")));
        };
        copy("h5repack", "hdf5-tools", &[]);
        copy("h5repack", "hdf5-tools", &["-f", "SHUF", "-f", "GZIP=9"]);
        copy("nccopy", "netcdf-bin", &[]);
        // nccopy deflates all arrays or those named, and cannot deflate strings.
        let has_strings = ["hidden", "directions"].iter().any(|name| original.to_str().unwrap().contains(name));
        copy("nccopy", "netcdf-bin", if has_strings { &["-F", "/fraction,1,5"] } else { &["-d5", "-s"] });
    }
}

#[test]
fn values_that_were_changed_are_found_out() {
    let directory = tempfile::tempdir().unwrap();
    let sound = directory.path().join("sound.h5");
    results::write(&sound, Existing::Replace, &synthetic(&experiment(), 1)).unwrap();
    let changed = directory.path().join("changed.h5");
    for (change, why) in [
        ("a_step", "a distance of"),
        ("a_zero", "its `fraction_lost` holds"),
        ("a_distance", "its `distance_mean` holds"),
        ("a_value", "its `value_mean` holds"),
        ("a_norm", "a gradient of norm -1"),
        ("a_step_beyond_the_bound", "is found within the bound of 20"),
        ("a_status", "where none was found"),
        ("an_unknown_status", "its array `status` holds 77"),
        ("evaluations", "its `evaluations_mean` holds"),
        ("a_statistic", "its `grad_mean` holds"),
        ("a_statistic_of_nothing", "its `step_mean` holds NaN"),
        ("dead", "its `dead` is not that of its samples"),
        ("cell_index", "its `cell_index` is not that of its samples"),
        ("an_axis", "its axis `width` is not that of its experiment"),
        ("a_cell", "its array `cell_dim` is not that of its experiment"),
        ("an_engine", "its array `engine` holds 9"),
        ("a_time", "a time of -1 s"),
        ("a_shape", "its array `step` has shape"),
        ("a_type", "its array `value` is not of type"),
        ("an_array", "it has no array `step_q50`"),
        ("the_seed", "its attribute `seed` is not the seed of its experiment"),
        ("the_experiment", "is found within the bound of 19"),
        ("the_format", "its format is `advstep-hpc network`"),
        ("the_version", "its format version is 9"),
        ("negative_completeness", "its attribute `complete` is -1, which is out of range"),
        ("two_seeds", "its attribute `seed` has 2 elements"),
        ("a_number_for_a_text", "its attribute `format` is not a string"),
        ("a_link", "`/value_std` is a link into another file"),
    ] {
        fs::copy(&sound, &changed).unwrap();
        in_python(&changed, change);
        let output = advstep(&["show", "--unsealed", changed.to_str().unwrap()]);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{change}: {error}");
        assert!(error.contains(why), "{change}: {error}");
    }
}

#[test]
fn unsealed_changes_nothing_for_other_files() {
    let directory = tempfile::tempdir().unwrap();
    let [sound, text, net] = ["sound.h5", "text.h5", "net.h5"].map(|name| directory.path().join(name));
    results::write(&sound, Existing::Replace, &synthetic(&experiment(), 1)).unwrap();
    let show = |path: &Path| advstep(&["show", "--unsealed", path.to_str().unwrap()]);
    assert!(show(&sound).status.success());
    fs::write(&text, "no HDF5 file, but long enough to have had a seal").unwrap();
    assert!(!stderr(&show(&text)).contains("--unsealed"), "{}", stderr(&show(&text)));
    assert_eq!(show(&text).status.code(), Some(2));
    let export = "export --depth 1 --dim 5 --width 10 --inputs 2 --out";
    let export: Vec<&str> = export.split(' ').chain([net.to_str().unwrap()]).collect();
    assert!(advstep(&export).status.success());
    assert!(stderr(&show(&net)).contains("its format is `advstep-hpc network`"), "{}", stderr(&show(&net)));
    // Differences are detected.
    let other = directory.path().join("other.h5");
    results::write(&other, Existing::Replace, &synthetic(&experiment(), 2)).unwrap();
    let output = advstep(&["compare", "--unsealed", sound.to_str().unwrap(), other.to_str().unwrap()]);
    assert!(output.status.code() == Some(1) && stderr(&output).contains("network 0, sample 0:"), "{}", stderr(&output));
}
