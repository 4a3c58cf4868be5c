//! Model variants (several directions, bias unit, inputs from a file) through results file, table, figures, shards and interruptions.

use std::path::{Path, PathBuf};

use crate::jobs::{finish, job, outcome, stderr, stdout_of};
use advstep_hpc::results::{self, first_difference};
use ndarray::Array2;
use tempfile::TempDir;

/// 20 units in 4 cells.
const FORM: &str =
    "--depths 1,2 --widths 10,300 --networks 5 --inputs 7 --activation tanh --bias --direction gradient,universal,descent --quiet";

/// A directory with `rows.npy`, an inputs file of 9 columns.
fn place() -> TempDir {
    let directory = TempDir::new().unwrap();
    write_rows(directory.path(), 1.0);
    directory
}

fn write_rows(directory: &Path, shift: f64) {
    let rows = Array2::from_shape_fn((20, 9), |(i, j)| ((i * 7 + j * 5) % 11) as f64 + shift);
    ndarray_npy::write_npy(directory.join("rows.npy"), &rows).unwrap();
}

/// Runs the variant on `ranks` ranks with `options` into `out`; returns exit code and messages.
fn run(directory: &Path, ranks: Option<usize>, options: &[&str], out: &Path, fault: Option<&str>) -> (i32, String) {
    let law = format!("file:{}", directory.join("rows.npy").display());
    let words: Vec<&str> = FORM.split(' ').collect();
    outcome(ranks, &[&words[..], &["--inputs-law", &law, "--out", out.to_str().unwrap()], options].concat(), fault)
}

#[test]
fn several_directions_go_through_file_table_and_figures() {
    let directory = place();
    let out = directory.path().join("form.h5");
    assert_eq!(run(directory.path(), None, &["--threads", "2"], &out, None), (0, String::new()));

    let read = results::read(&out).unwrap();
    assert_eq!(read.experiment.dims, [10]);
    assert_eq!(read.cells[0].records[0].samples.len(), 3 * 7);
    let file = advstep_hpc::files::hdf5::open(&out).unwrap();
    assert_eq!(file.dataset("fraction").unwrap().shape(), [3, 2, 1, 2]);
    assert_eq!(file.dataset("step").unwrap().shape(), [4, 5, 3, 7]);
    assert_eq!(file.dataset("cell_index").unwrap().shape(), [2, 1, 2]);
    let names: Vec<hdf5::types::VarLenUnicode> = file.dataset("direction").unwrap().read_raw().unwrap();
    assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["gradient", "universal", "descent"]);
    // Statistics per direction match its samples.
    let distance = file.dataset("distance_mean").unwrap().read_raw::<f64>().unwrap();
    for (cell, results) in read.cells.iter().enumerate() {
        for direction in 0..3 {
            let samples = results.records.iter().flat_map(|record| &record.samples[7 * direction..7 * (direction + 1)]);
            let found: Vec<f64> = samples.filter(|s| s.status.is_found()).map(|s| s.distance).collect();
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            assert!((distance[4 * direction + cell] - mean).abs() < 1e-12, "{} against {mean}", distance[4 * direction + cell]);
        }
    }
    drop(file);

    let csv = stdout_of(&["show", out.to_str().unwrap(), "--format", "csv"]);
    assert_eq!(csv.lines().count(), 1 + 4 * 3);
    assert_eq!(csv.matches(",tanh,universal,").count(), 4);
    assert_eq!(csv.matches(",descent,").count(), 8, "search and direction of a descent: {csv}");
    let table = stdout_of(&["show", out.to_str().unwrap()]);
    assert!(
        table.contains("tanh, bias unit, inputs from rows.npy") && table.contains("direction") && table.contains("march"),
        "{table}"
    );
    let pictures = directory.path().join("pictures");
    stdout_of(&["plot", out.to_str().unwrap(), "--format", "svg", "--out", pictures.to_str().unwrap()]);
    for direction in ["gradient", "universal", "descent"] {
        let svg = std::fs::read_to_string(pictures.join(format!("figure1_fraction_{direction}.svg"))).unwrap();
        assert!(svg.contains("tanh") && svg.contains(&format!("steps: {direction}")));
    }
}

/// Input i of every network is row i: rows that are equal but for their length give equal samples.
#[test]
fn inputs_are_the_rows_in_order() {
    let directory = TempDir::new().unwrap();
    let rows =
        Array2::from_shape_fn((6, 4), |(i, j)| (1.0 + (i % 3) as f64) * ((i % 3 * 7 + j * 5) % 11) as f64 + (1.0 + (i % 3) as f64));
    let rows = Array2::from_shape_fn((6, 4), |(i, j)| rows[(i, j)] * if i < 3 { 1.0 } else { 2.0 });
    ndarray_npy::write_npy(directory.path().join("rows.npy"), &rows).unwrap();
    let out = directory.path().join("order.h5");
    let law = format!("file:{}", directory.path().join("rows.npy").display());
    let words =
        ["--depths", "1", "--widths", "40", "--networks", "3", "--quiet", "--inputs-law", &law, "--out", out.to_str().unwrap()];
    assert_eq!(outcome(None, &[&words[..], &["--inputs", "6"]].concat(), None).0, 0);
    for record in &results::read(&out).unwrap().cells[0].records {
        let values: Vec<f64> = record.samples.iter().map(|sample| sample.value).collect();
        for i in 0..3 {
            assert_eq!(values[i], values[i + 3]);
            assert_ne!(values[i], values[(i + 1) % 3]);
        }
    }
    let (code, message) = outcome(None, &[&words[..], &["--inputs", "7", "--overwrite"]].concat(), None);
    assert!(code == 2 && message.contains("has 6 rows") && message.contains("give --inputs 6 or less"), "{code}: {message}");
}

#[test]
fn ranks_shards_and_interruptions_give_the_same_science() {
    let directory = place();
    let at = |name: &str| -> PathBuf { directory.path().join(name) };
    let plain = at("plain.h5");
    assert_eq!(run(directory.path(), None, &["--threads", "1"], &plain, None).0, 0);
    let ranks = cfg!(feature = "mpi").then_some(3);
    assert_eq!(run(directory.path(), ranks, &["--threads", "1"], &at("ranks.h5"), None).0, 0);
    assert_eq!(first_difference(&plain, &at("ranks.h5")).unwrap(), None);

    let shards = ["1/2", "2/2"].map(|shard| at(&shard.replace('/', "-of-")));
    for (shard, out) in ["1/2", "2/2"].iter().zip(&shards) {
        assert_eq!(run(directory.path(), None, &["--shard", shard], out, None).0, 0);
    }
    let merged = at("merged.h5");
    stdout_of(&["merge", "--quiet", "--out", merged.to_str().unwrap(), shards[0].to_str().unwrap(), shards[1].to_str().unwrap()]);
    assert_eq!(first_difference(&plain, &merged).unwrap(), None);

    let stopped = at("stopped.h5");
    assert_eq!(run(directory.path(), None, &["--threads", "1"], &stopped, Some("stop:rank=0:unit=5")).0, 75);
    // Other rows under the same name are another experiment.
    write_rows(directory.path(), 2.0);
    let (code, message) = run(directory.path(), None, &[], &stopped, None);
    assert!(code == 2 && message.contains("inputs_law"), "{message}");
    write_rows(directory.path(), 1.0);
    assert_eq!(run(directory.path(), None, &["--threads", "2"], &stopped, None).0, 0);
    assert_eq!(first_difference(&plain, &stopped).unwrap(), None);

    // The stored experiment needs the file to run, but not to be shown.
    let toml = at("again.toml");
    std::fs::write(&toml, results::read(&plain).unwrap().experiment.to_toml()).unwrap();
    let config = ["--config", toml.to_str().unwrap(), "--quiet", "--out"];
    stdout_of(&[&config[..], &[at("again.h5").to_str().unwrap()]].concat());
    assert_eq!(first_difference(&plain, &at("again.h5")).unwrap(), None);
    std::fs::remove_file(at("rows.npy")).unwrap();
    assert!(stdout_of(&["show", plain.to_str().unwrap()]).contains("rows.npy"));
    let output = finish(&mut job(None, &[&config[..], &[at("none.h5").to_str().unwrap()]].concat()));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot take inputs from") && !at("none.h5").exists(), "{}", stderr(&output));
}

#[test]
fn certified_distances_go_through_ranks_file_table_and_shards() {
    const CERTIFIED: &str = "--depths 1 --dims 6,20 --widths 40 --networks 4 --inputs 5 --direction gradient,nearest --certify --quiet --threads 1 --out";
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let run = |ranks: Option<usize>, out: &str, more: &[&str]| {
        let words: Vec<&str> = CERTIFIED.split(' ').collect();
        assert_eq!(outcome(ranks, &[&words[..], &[out], more].concat(), None), (0, String::new()));
    };
    let plain = at("plain.h5");
    run(None, &plain, &[]);
    run(cfg!(feature = "mpi").then_some(2), &at("ranks.h5"), &[]);
    assert_eq!(first_difference(Path::new(&plain), Path::new(&at("ranks.h5"))).unwrap(), None);
    let shards = ["1/2", "2/2"].map(|shard| at(&shard.replace('/', "-of-")));
    for (shard, out) in ["1/2", "2/2"].iter().zip(&shards) {
        run(None, out, &["--shard", shard]);
    }
    stdout_of(&["merge", &shards[0], &shards[1], "--out", &at("merged.h5")]);
    assert_eq!(first_difference(Path::new(&plain), Path::new(&at("merged.h5"))).unwrap(), None);

    let read = results::read(Path::new(&plain)).unwrap();
    let samples = read.cells.iter().flat_map(|cell| &cell.records).flat_map(|record| record.samples.chunks(5));
    for (index, samples) in samples.enumerate() {
        let is_nearest = index % 2 == 1;
        for sample in samples {
            let holds = sample.certified > 0.0 && (sample.certified <= sample.distance || !sample.status.is_found());
            assert!(if is_nearest { holds } else { sample.certified.is_nan() }, "{sample:?}");
        }
    }
    let file = advstep_hpc::files::hdf5::open(Path::new(&plain)).unwrap();
    assert_eq!(file.dataset("certified_distance").unwrap().shape(), [2, 4, 2, 5]);
    let table = stdout_of(&["show", &plain]);
    assert!(table.contains("certified") && table.contains("÷ ‖δ‖ 50 %"), "{table}");
    let csv = stdout_of(&["show", &plain, "--format", "csv"]);
    assert!(csv.lines().next().unwrap().contains(",certified_mean,certified_ratio_q05,certified_ratio_q50"), "{csv}");
}
