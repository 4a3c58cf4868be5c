//! `merge` of finished results files: the file of a run of all their cells; files that do not belong together are refused by name.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::jobs::place::Place;
use crate::jobs::{edited, outcome, stdout_of};
use advstep_hpc::experiment::Experiment;
use advstep_hpc::results::{self, first_difference};

struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs an experiment with 3 networks and 5 inputs, unless `words` say otherwise, into `name`.
    fn run(&self, name: &str, words: &str) -> PathBuf {
        let mut words: Vec<&str> = words.split_whitespace().collect();
        for default in [["--networks", "3"], ["--inputs", "5"]] {
            if !words.contains(&default[0]) {
                words.extend(default);
            }
        }
        let out = self.path(name);
        assert_eq!(outcome(None, &[&words[..], &["--quiet", "--out", out.to_str().unwrap()]].concat(), None), (0, String::new()));
        out
    }
}

fn merge(files: &[&PathBuf], out: &Path) -> (i32, String) {
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    outcome(None, &[&["merge", "--quiet", "--out", out.to_str().unwrap()], &files[..]].concat(), None)
}

#[test]
fn merged_files_are_a_run_of_all_their_cells() {
    let cases: [(&[&str], &str, &str); 4] = [
        (
            &[
                "--depths 1,2 --dims 5 --widths 10,inf",
                "--depths 1,2 --dims 5 --widths 300",
                "--depths 1,2 --dims 20 --widths 10,300,inf",
                "--depths 3 --dims 5,20 --widths 300,10,inf",
            ],
            "--depths 1,2,3 --dims 5,20 --widths 10,300,inf",
            "",
        ),
        // They overlap.
        (
            &["--depths 1 --dims 5,20 --widths 10,30", "--depths 1 --dims 5,20 --widths 30,10,50"],
            "--depths 1 --dims 5,20 --widths 10,30,50",
            "--precision f64",
        ),
        (
            &["--depths 1 --dims 5 --widths 10", "--depths 1 --dims 5 --widths 20"],
            "--depths 1 --dims 5 --widths 10,20",
            "--direction gradient,nearest --certify",
        ),
        (
            &["--hidden 20,10 --hidden 8,8,2 --dims 5", "--hidden 10,20 --dims 5"],
            "--hidden 20,10 --hidden 10,20 --hidden 8,8,2 --dims 5",
            "--gain 2",
        ),
    ];
    for (parts, whole, form) in cases {
        let files = Files::new();
        let parts: Vec<PathBuf> =
            parts.iter().enumerate().map(|(number, part)| files.run(&format!("{number}.h5"), &format!("{part} {form}"))).collect();
        let scratch = files.run("scratch.h5", &format!("{whole} {form}"));
        let before: Vec<Vec<u8>> = parts.iter().map(|part| fs::read(part).unwrap()).collect();
        let out = files.path("merged.h5");
        let reversed: Vec<&PathBuf> = parts.iter().rev().collect();
        assert_eq!(merge(&reversed, &out), (0, String::new()));
        assert_eq!(first_difference(&out, &scratch).unwrap(), None, "{whole} {form}");
        assert!(parts.iter().map(|part| fs::read(part).unwrap()).eq(before));
        // The merged file is a results file like any other.
        stdout_of(&["compare", out.to_str().unwrap(), scratch.to_str().unwrap()]);
        assert_eq!(
            stdout_of(&["show", out.to_str().unwrap(), "--format", "csv"]).lines().count(),
            stdout_of(&["show", scratch.to_str().unwrap(), "--format", "csv"]).lines().count()
        );
    }
}

/// Cells that make no full grid are those of an experiment with extra cells, which the file holds.
#[test]
fn a_union_that_is_no_grid_is_the_experiment_of_its_cells() {
    let files = Files::new();
    let (one, other) =
        (files.run("one.h5", "--depths 1 --dims 5,20 --widths 10,20"), files.run("other.h5", "--depths 2 --dims 7 --widths 30"));
    let search = files.path("search.h5");
    let words = "threshold --depths 1 --dim 5 --level 0.5 --networks 3 --max-networks 12 --inputs 5 --to 40 --quiet --out";
    let words: Vec<&str> = words.split_whitespace().chain([search.to_str().unwrap()]).collect();
    assert_eq!(outcome(None, &words, None), (0, String::new()));
    let networks = results::read(&search).unwrap().experiment.networks;
    let out = files.path("merged.h5");
    assert_eq!(merge(&[&one, &other], &out), (0, String::new()));
    let merged = results::read(&out).unwrap();
    assert_eq!(merged.cells.len(), 5);
    let toml = files.path("union.toml");
    fs::write(&toml, merged.experiment.to_toml()).unwrap();
    let scratch = files.run("scratch.h5", &format!("--config {} --networks 3", toml.display()));
    assert_eq!(first_difference(&out, &scratch).unwrap(), None);
    // The cells of a search for thresholds and those of a run.
    let wide = files.run("wide.h5", &format!("--depths 1 --dims 5 --widths 500 --networks {networks}"));
    let both = files.path("both.h5");
    assert_eq!(merge(&[&search, &wide], &both), (0, String::new()));
    let both = results::read(&both).unwrap();
    assert_eq!(both.cells.len(), results::read(&search).unwrap().cells.len() + 1);
    assert_eq!(both.threshold, None);
    assert!(stdout_of(&["show", out.to_str().unwrap()]).contains("3 networks × 5 inputs per cell"));
}

#[test]
fn provenance_is_that_of_all_files() {
    let files = Files::new();
    let one = files.run("one.h5", "--depths 1 --dims 5 --widths 10 --threads 1");
    let other = files.run("other.h5", "--depths 1 --dims 5 --widths 20 --threads 2");
    let out = files.path("merged.h5");
    assert_eq!(merge(&[&one, &other], &out).0, 0);
    let [one, other, merged] = [&one, &other, &out].map(|file| results::read(file).unwrap().provenance);
    assert_eq!((merged.ranks, merged.threads, merged.threads_by_rank.as_str()), (2, 2, "1, 2"));
    assert_eq!((&merged.started, &merged.ended), (&one.started, &other.ended));
    assert!(merged.command_line.contains("merge") && merged.host == one.host);
}

#[test]
fn files_that_do_not_belong_together_are_refused_by_name() {
    let files = Files::new();
    let base = "--depths 1 --dims 5 --widths 10";
    let one = files.run("one.h5", base);
    let other = |name: &str, words: &str| files.run(name, words);
    let seed = other("seed.h5", "--depths 1 --dims 5 --widths 20 --seed 3");
    let networks = other("networks.h5", "--depths 1 --dims 5 --widths 20 --networks 4");
    let inputs = other("inputs.h5", "--depths 1 --dims 5 --widths 20 --inputs 6");
    let directions = other("directions.h5", "--depths 1 --dims 5 --widths 20 --direction sign");
    let engine = other("engine.h5", "--depths 1 --dims 5 --widths 20 --engine dense");
    let shapes = other("shapes.h5", "--hidden 20,10 --dims 5");
    let more_shapes = other("more-shapes.h5", "--hidden 9,10 --dims 6");
    let edited = |name: &str, change: &dyn Fn(&hdf5::File)| edited(&one, files.path(name), change);
    let science = edited("science.h5", &|file| file.attr("science_version").unwrap().write_scalar(&9_u32).unwrap());
    let samples = edited("samples.h5", &|file| {
        let value = file.dataset("value").unwrap();
        let mut values = value.read_raw::<f64>().unwrap();
        values[7] *= 2.0;
        value.write_raw(&values).unwrap();
    });
    let damaged = files.path("damaged.h5");
    let mut bytes = fs::read(&one).unwrap();
    bytes[2000] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let stopped = Place::stopped_at(23);
    let shard = other("a.shard", &format!("{base} --shard 1/1"));
    let audit = files.path("audit.h5");
    let words = "audit --dims 10 --widths 20 --networks 4 --statements lemma-8 --quiet --out";
    let words: Vec<&str> = words.split_whitespace().chain([audit.to_str().unwrap()]).collect();
    assert_eq!(outcome(None, &words, None).0, 0);

    let out = files.path("merged.h5");
    for (pair, complaints) in [
        ([&one, &seed], &["seed.h5 and ", "one.h5 do not belong together: seed is 3 against 2020"][..]),
        ([&one, &networks], &["networks is 4 against 3", "run --extend"]),
        ([&one, &inputs], &["inputs is 6 against 5"]),
        ([&one, &directions], &["directions is [\"sign\"] against [\"gradient\"]"]),
        ([&one, &engine], &["engine is \"dense\" against \"auto\""]),
        ([&one, &shapes], &["one is made of shapes, the other of depths and widths"]),
        ([&shapes, &more_shapes], &["shapes make a full grid with the dims, which lacks (L=2, d=5, k=9,10), (L=2, d=6, k=20,10)"]),
        ([&one, &science], &["cannot merge ", "science.h5: it has version 9 of the science, this program has version "]),
        ([&one, &samples], &["both have a cell, and not the same samples: cell (L=1, d=5, k=10), network 1, sample 2: value is "]),
        ([&one, &damaged], &["cannot read results from ", "damaged.h5"]),
        ([&one, &stopped.snapshot()], &["small.partial.h5: it is a partial file, with 4 of 12 cells"]),
        ([&one, &stopped.journal()], &["one is a shard or a journal, the other a results file"]),
        ([&shard, &one], &["one is a shard or a journal, the other a results file"]),
        ([&one, &audit], &["its format is `advstep-hpc audit`"]),
        ([&audit, &audit], &["audit.h5"]),
    ] {
        let (code, message) = merge(&pair, &out);
        assert!(code == 2 && !out.exists() && message.contains("\nhelp: "), "{message}");
        assert!(complaints.iter().all(|complaint| message.contains(complaint)), "{complaints:?}: {message}");
    }
    let (code, message) = merge(&[&one, &seed], &one);
    assert!(code == 2 && message.contains("it is the same file as the input"), "{message}");
    fs::write(&out, "precious").unwrap();
    assert_eq!(merge(&[&one, &one], &out).0, 2);
    assert_eq!(fs::read_to_string(&out).unwrap(), "precious");
}

/// A union that is larger than an experiment may be is refused like one that is typed.
#[test]
fn unions_have_the_limits_of_experiments() {
    let toml = "depths = [1]\ndims = [5]\nwidths = [10]\nnetworks = 1000000\ninputs = 900";
    let experiment = Experiment::from_toml(toml, "test").unwrap();
    let cells: Vec<_> = [10, 20].map(|width| advstep_hpc::model::Cell::new(1, 5, width)).into();
    let union = experiment.with_cells(&cells, false).unwrap();
    assert!(Experiment::from_toml(&union.to_toml(), "test").unwrap_err().to_string().contains("samples"));
}
