//! Independent shards and their merge: the same results as one run; wrong sets of shards are refused by name.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use advstep_hpc::results::first_difference;

/// 60 networks in 12 cells; takes well below 1 s.
const SMALL: [&str; 10] = ["--depths", "1,2", "--dims", "5,20", "--widths", "10,20,300", "--networks", "5", "--inputs", "7"];

fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_advstep-hpc"));
    command.args(arguments).env_remove("SLURM_NTASKS").output().unwrap()
}

fn succeed(arguments: &[&str]) {
    let output = program(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs shard `number` of `count` of the small experiment with additional `options` into the file `name`.
fn shard(directory: &Path, number: usize, count: usize, name: &str, options: &[&str]) -> PathBuf {
    let path = directory.join(name);
    let (shard, out) = (format!("{number}/{count}"), path.to_str().unwrap());
    succeed(&[&SMALL[..], &["--quiet", "--threads", "1", "--shard", &shard, "--out", out], options].concat());
    path
}

/// Merges `shards`; returns exit code, messages, and whether the file exists.
fn merge(shards: &[&PathBuf], out: &Path) -> (Option<i32>, String, bool) {
    let mut arguments = vec!["merge", "--quiet", "--out", out.to_str().unwrap()];
    arguments.extend(shards.iter().map(|path| path.to_str().unwrap()));
    let output = program(&arguments);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned(), out.exists())
}

#[test]
fn merged_shards_hold_the_science_of_one_run() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain.h5");
    succeed(&[&SMALL[..], &["--quiet", "--threads", "2", "--out", plain.to_str().unwrap()]].concat());
    // More shards than networks: some are empty.
    for count in [1, 3, 70] {
        let names: Vec<PathBuf> = (1..=count)
            .map(|number| {
                let memory = ["256MiB", "8GiB"][number % 2];
                shard(directory.path(), number, count, &format!("{number}-of-{count}"), &["--memory", memory])
            })
            .collect();
        let out = directory.path().join(format!("merged-{count}.h5"));
        let reversed: Vec<&PathBuf> = names.iter().rev().collect();
        assert_eq!(merge(&reversed, &out), (Some(0), String::new(), true));
        assert_eq!(first_difference(&out, &plain).unwrap(), None, "{count} shards");
    }
}

#[test]
fn shards_that_do_not_belong_together_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let of = |number, count, name: &str, options: &[&str]| shard(directory.path(), number, count, name, options);
    let (one, two, three) = (of(1, 3, "one", &[]), of(2, 3, "two", &[]), of(3, 3, "three", &[]));
    let again = of(2, 3, "again", &[]);
    let seed = of(3, 3, "seed", &["--seed", "7"]);
    let other_count = of(4, 4, "other-count", &[]);
    let bytes = std::fs::read(&three).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let (torn, flipped) = (file("torn", &bytes[..bytes.len() - 9]), file("flipped", &flipped));
    let foreign = file("foreign", b"something else");

    let out = directory.path().join("merged.h5");
    for (shards, complaints) in [
        (&[&one, &three][..], &["of 3 shards these are missing: 2\nhelp: ", "--shard 2/3"][..]),
        (&[&two], &["missing: 1, 3\nhelp: "]),
        (&[&one, &two, &again, &three], &["two and ", "again overlap", "shard 2 of 3"]),
        (&[&one, &two, &seed], &["seed and ", "one do not belong together", "seed is 7 against 2020"]),
        (&[&one, &two, &other_count], &["other-count and ", "part of 4 shards, the other of 3"]),
        (&[&one, &two, &torn], &["torn", "damaged"]),
        (&[&one, &two, &flipped], &["flipped", "damaged"]),
        (&[&one, &two, &foreign], &["foreign", "not a journal"]),
    ] {
        let (code, message, exists) = merge(shards, &out);
        assert_eq!((code, exists), (Some(2), false), "{message}");
        assert!(complaints.iter().all(|complaint| message.contains(complaint)), "{complaints:?}: {message}");
    }
    std::fs::write(&out, "precious").unwrap();
    assert_eq!(merge(&[&one, &two, &three], &out).0, Some(2));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "precious");
}

#[test]
fn two_results_files_are_compared() {
    let directory = tempfile::tempdir().unwrap();
    let run = |name: &str, seed: &str| {
        let path = directory.path().join(name).to_str().unwrap().to_string();
        succeed(&[&SMALL[..], &["--quiet", "--seed", seed, "--out", &path]].concat());
        path
    };
    let (one, same, other) = (run("one.h5", "1"), run("same.h5", "1"), run("other.h5", "2"));
    succeed(&["compare", &one, &same]);
    let output = program(&["compare", &one, &other]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "error: the results differ: seed is 1 against 2\n";
    assert!(String::from_utf8_lossy(&output.stderr).starts_with(expected), "{output:?}");
    assert_eq!(program(&["compare", &one, "missing.h5"]).status.code(), Some(2));
}
