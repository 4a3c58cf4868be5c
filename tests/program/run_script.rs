//! `scripts/run.sh` in a temporary directory, with the program under test and a fake cargo.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::jobs::{PROGRAM, finish, stderr};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A minimal experiment, without `--out`.
const SMALL: [&str; 11] = ["--depths", "1", "--dims", "5", "--widths", "10", "--networks", "4", "--inputs", "3", "--quiet"];

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::with_prefix("a place ").unwrap());
        for (target, link) in [
            (Path::new(ROOT).join("tests/fakes/cargo").as_path(), "cargo/bin/cargo"),
            (Path::new(PROGRAM), "target/release/advstep-hpc"),
        ] {
            fs::create_dir_all(place.path(link).parent().unwrap()).unwrap();
            symlink(target, place.path(link)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the script; returns exit code and messages.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(Path::new(ROOT).join("scripts/run.sh"));
        command.args(arguments).current_dir(self.0.path());
        command.env("CARGO_HOME", self.path("cargo")).env("CARGO_TARGET_DIR", self.path("target")).env_remove("SLURM_NTASKS");
        let output = finish(&mut command);
        (output.status.code(), stderr(&output) + &String::from_utf8_lossy(&output.stdout))
    }
}

/// The script used to plot a results file that a shard does not write.
#[test]
fn a_shard_is_run_and_not_drawn() {
    let place = Place::new();
    for shard in [&["--shard", "1/2"][..], &["--shard=2/2"]] {
        let (code, text) = place.run(&[&SMALL, shard].concat());
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("scripts/run.sh merge SHARDS --out FILE.h5, then scripts/run.sh plot FILE.h5"), "{text}");
    }
    let shards = ["results/quick.1-of-2.shard", "results/quick.2-of-2.shard"];
    let (code, text) = place.run(&[&["merge"], &shards[..], &["--out", "results/quick.h5"]].concat());
    assert_eq!(code, Some(0), "{text}");
    let mut names: Vec<_> = fs::read_dir(place.path("results")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["quick.1-of-2.shard", "quick.2-of-2.shard", "quick.h5"]);
}

#[test]
fn a_run_is_drawn_beside_its_file() {
    let place = Place::new();
    let (code, text) = place.run(&[&SMALL[..], &["--out", "my results/first.h5"]].concat());
    assert_eq!(code, Some(0), "{text}");
    assert!(place.path("my results/first.h5").exists() && place.path("my results/first-figures").is_dir(), "{text}");

    let (code, text) = place.run(&["run", "--preset", "nonsense"]);
    assert_eq!(code, Some(2), "{text}");
}
