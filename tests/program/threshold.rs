//! `threshold`: the same file under any ranks and threads, and after any interruption; bad input is refused before any work.

use std::path::Path;

use tempfile::TempDir;

use crate::jobs::{finish, job, outcome, stderr, stdout_of};
use advstep_hpc::results;

const SEARCH: [&str; 16] = [
    "threshold",
    "--depths",
    "1-2",
    "--dim",
    "6",
    "--level",
    "0.8",
    "--ratio",
    "1.3",
    "--networks",
    "20",
    "--inputs",
    "6",
    "--to",
    "300",
    "--quiet",
];

/// Runs the search into `out`; returns the exit code and the messages.
fn run(out: &Path, ranks: Option<usize>, options: &[&str], fault: Option<&str>) -> (i32, String) {
    outcome(ranks, &[&SEARCH[..], &["--out", out.to_str().unwrap()], options].concat(), fault)
}

#[test]
fn a_search_is_the_same_on_any_ranks_and_threads() {
    let directory = TempDir::new().unwrap();
    let whole = directory.path().join("whole.h5");
    assert_eq!(run(&whole, None, &["--threads", "1"], None), (0, String::new()));
    for (name, ranks, threads) in [("threads.h5", None, "2"), ("ranks.h5", Some(2), "1"), ("idle.h5", Some(3), "2")] {
        if ranks.is_some() && cfg!(not(feature = "mpi")) {
            continue;
        }
        let out = directory.path().join(name);
        let (code, messages) = run(&out, ranks, &["--threads", threads], None);
        assert_eq!(code, 0, "{messages}");
        assert_eq!(results::first_difference(&out, &whole).unwrap(), None, "{name}");
    }
    let read = results::read(&whole).unwrap();
    assert!(read.experiment.networks > 20 && read.experiment.cells().len() > 4, "the search adds sizes and networks");
    let table = stdout_of(&["show", whole.to_str().unwrap()]);
    assert!(table.contains("Smallest k from which on 80 % of the inputs switch, at d = 6"), "{table}");
}

/// A cell of a search is the cell of a run: same networks, inputs and samples.
#[test]
fn cells_are_those_of_a_run() {
    let directory = TempDir::new().unwrap();
    let (found, again) = (directory.path().join("found.h5"), directory.path().join("again.h5"));
    assert_eq!(run(&found, None, &[], None).0, 0);
    let found = results::read(&found).unwrap();
    let cell = found.cells.last().unwrap();
    let [depth, width, networks] = [cell.cell.depth, cell.cell.width, found.experiment.networks].map(|size| size.to_string());
    let run = ["--depths", &depth, "--dims", "6", "--widths", &width, "--networks", &networks, "--inputs", "6", "--quiet", "--out"];
    assert_eq!(outcome(None, &[&run[..], &[again.to_str().unwrap()]].concat(), None), (0, String::new()));
    let same = &results::read(&again).unwrap().cells[0];
    let bits = |cell: &results::CellResults| -> Vec<(u64, u64)> {
        let samples = cell.records.iter().flat_map(|record| &record.samples);
        samples.map(|sample| (sample.step.to_bits(), sample.value.to_bits())).collect()
    };
    assert_eq!(bits(cell), bits(same));
}

/// xarray opens the file of a search as one of a run, and finds the same fractions.
#[test]
fn xarray_reads_the_file_of_a_search() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("found.h5");
    assert_eq!(run(&path, None, &[], None).0, 0);
    let found = results::read(&path).unwrap();
    let script = "import sys, xarray\n\
                  with xarray.open_dataset(sys.argv[1], engine='h5netcdf') as data:\n\
                  \x20   for cell in data['cell'].values:\n\
                  \x20       at = {name: int(data['cell_' + name][cell]) for name in ('depth', 'dim', 'width')}\n\
                  \x20       print(at['depth'], at['width'], repr(float(data['fraction'].sel(at))))\n";
    let python = std::env::var("ADVSTEP_PYTHON").unwrap_or_else(|_| "python3".into());
    let output = std::process::Command::new(python).args(["-c", script]).arg(&path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let switched = |cell: &results::CellResults| -> f64 {
        let samples = || cell.records.iter().flat_map(|record| &record.samples);
        samples().filter(|sample| sample.status.is_found()).count() as f64 / samples().count() as f64
    };
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), found.cells.len(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for (cell, line) in found.cells.iter().zip(lines) {
        let fraction =
            line.strip_prefix(&format!("{} {} ", cell.cell.depth, cell.cell.width)).and_then(|text| text.parse::<f64>().ok());
        assert!(fraction.is_some_and(|fraction| (switched(cell) - fraction).abs() < 1e-12), "{line}: {}", switched(cell));
    }
}

/// Stopped, failed and killed in the first round, in later ones and with networks doubled: the same command continues to the same file.
#[test]
fn an_interrupted_search_is_resumed() {
    let directory = TempDir::new().unwrap();
    let whole = directory.path().join("whole.h5");
    assert_eq!(run(&whole, None, &[], None).0, 0);
    for (number, (fault, code)) in
        [("stop:rank=0:unit=7", 75), ("stop:rank=0:unit=95", 75), ("error:rank=0:unit=230", 1), ("stop:rank=0:unit=40", 75)]
            .iter()
            .enumerate()
    {
        let out = directory.path().join(format!("{number}.h5"));
        let (found, messages) = run(&out, None, &["--threads", "1"], Some(fault));
        assert_eq!(found, *code, "{fault}: {messages}");
        assert!(!out.exists() && directory.path().join(format!("{number}.h5.journal")).exists());
        let ranks = (number % 2 == 1 && cfg!(feature = "mpi")).then_some(2);
        let (code, messages) = run(&out, ranks, &["--threads", "2"], None);
        assert_eq!(code, 0, "{messages}");
        assert_eq!(results::first_difference(&out, &whole).unwrap(), None, "{fault}");
        assert!(!directory.path().join(format!("{number}.h5.journal")).exists());
    }
    // Killed by SIGKILL.
    let out = directory.path().join("killed.h5");
    let arguments = [&SEARCH[..], &["--threads", "1", "--out", out.to_str().unwrap()]].concat();
    assert_eq!(finish(job(None, &arguments).env("ADVSTEP_FAULT", "kill:rank=0:unit=150")).status.code(), None);
    assert_eq!(run(&out, None, &[], None).0, 0);
    assert_eq!(results::first_difference(&out, &whole).unwrap(), None);
    // A finished search is left alone; another one does not overwrite it.
    let before = std::fs::metadata(&out).unwrap().modified().unwrap();
    assert_eq!(run(&out, None, &[], None).0, 0);
    assert_eq!(std::fs::metadata(&out).unwrap().modified().unwrap(), before);
    assert_eq!(run(&out, None, &["--seed", "3"], None).0, 2);
}

/// A stop and a failure of another rank, in a later round.
#[test]
#[cfg(feature = "mpi")]
fn another_rank_stops_or_fails_a_search() {
    let directory = TempDir::new().unwrap();
    let (whole, out) = (directory.path().join("whole.h5"), directory.path().join("out.h5"));
    assert_eq!(run(&whole, None, &[], None).0, 0);
    for (fault, code) in [("stop:rank=1:unit=45", 75), ("panic:rank=1:unit=50", 1)] {
        let (found, messages) = run(&out, Some(2), &["--threads", "1"], Some(fault));
        assert_eq!(found, code, "{fault}: {messages}");
    }
    assert_eq!(run(&out, None, &[], None).0, 0);
    assert_eq!(results::first_difference(&out, &whole).unwrap(), None);
}

#[test]
fn bad_options_are_refused_before_any_work() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("no.h5");
    for (options, remedy) in [
        (&["--depths", "1", "--dim", "5", "--width", "5"][..], "give one of them"),
        (&["--depths", "1"], "give --dim"),
        (&["--dim", "5"], "--depths"),
        (&["--depths", "3-1", "--dim", "5"], "give --depths such as 1-6"),
        (&["--depths", "1", "--dim", "5", "--level", "1"], "give --level"),
        (&["--depths", "1", "--dim", "5", "--level", "0"], "give --level"),
        (&["--depths", "1", "--dim", "5", "--level", "nan"], "give --level"),
        (&["--depths", "1", "--dim", "5", "--ratio", "1"], "give --ratio"),
        (&["--depths", "1", "--dim", "5", "--max-networks", "200"], "give --max-networks 368"),
        (&["--depths", "1", "--dim", "5", "--from", "20", "--to", "10"], "give a larger --to"),
        (&["--depths", "1", "--dim", "5", "--from", "0"], "--from: the width 0 is too small"),
        (&["--depths", "1", "--dim", "5", "--to", "1e12"], "give a whole number from 1 to 1e11"),
        (&["--depths", "1", "--width", "5", "--to", "1e10"], "give a whole number from 1 to 1e9"),
        (&["--depths", "1", "--dim", "5", "--direction", "gradient,sign"], "give one --direction"),
        (&["--depths", "1", "--width", "inf", "--activation", "tanh"], "take inf out"),
    ] {
        let output = finish(&mut job(None, &[&["threshold", "--out", out.to_str().unwrap()], options].concat()));
        let messages = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {messages}");
        assert!(messages.starts_with("error: ") && messages.contains(remedy), "{options:?}: {messages}");
        assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "{options:?} left a file");
    }
}

/// The key in which two searches differ is named, before the cells that follow from it.
#[test]
fn searches_are_compared_by_key() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    let file = at("search.h5");
    assert_eq!(run(&file, None, &[], None).0, 0);
    let compare = |other: &Path| outcome(None, &["compare", file.to_str().unwrap(), other.to_str().unwrap()], None);
    let other = at("other.h5");
    for (from, to, difference) in [
        ("0.8", "0.7", "level is 0.8 against 0.7"),
        ("1.3", "1.4", "ratio is 1.3 against 1.4"),
        ("300", "200", "to is 310 against 205"),
    ] {
        let words: Vec<&str> = SEARCH.iter().map(|&word| if word == from { to } else { word }).collect();
        let (code, messages) = outcome(None, &[&words[..], &["--overwrite", "--out", other.to_str().unwrap()]].concat(), None);
        assert_eq!(code, 0, "{messages}");
        let (code, messages) = compare(&other);
        let key = difference.split(' ').next().unwrap();
        assert!(code == 1 && messages.contains(&format!("the results differ: {key} is ")), "{difference}: {messages}");
    }
    assert_eq!(run(&other, None, &["--overwrite", "--seed", "3"], None).0, 0);
    assert!(compare(&other).1.contains("the results differ: seed is 2020 against 3"));
    let cells = ["--depths", "1", "--dims", "6", "--widths", "10", "--networks", "20", "--inputs", "6", "--overwrite", "--out"];
    assert_eq!(outcome(None, &[&cells[..], &[other.to_str().unwrap()]].concat(), None).0, 0);
    assert!(compare(&other).1.contains("the results differ: one is of a search for thresholds, the other of a run"));
}
