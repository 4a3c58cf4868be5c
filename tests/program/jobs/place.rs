//! A small experiment in a temporary directory: run, stopped, resumed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use advstep_hpc::results::first_difference;
use tempfile::TempDir;

use super::{finish, job, stderr};

/// 60 networks in 12 cells; takes well below 1 s.
pub const SMALL: [&str; 10] = ["--depths", "1,2", "--dims", "5,20", "--widths", "10,20,300", "--networks", "5", "--inputs", "7"];

/// A directory for the results file of the experiment.
pub struct Place {
    pub directory: TempDir,
    pub out: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let out = directory.path().join("small.h5");
        Self { directory, out }
    }

    pub fn journal(&self) -> PathBuf {
        self.directory.path().join("small.h5.journal")
    }

    pub fn snapshot(&self) -> PathBuf {
        self.directory.path().join("small.partial.h5")
    }

    /// The command that runs the experiment.
    pub fn command(&self, ranks: Option<usize>, options: &[&str]) -> Command {
        job(ranks, &[&SMALL[..], &["--out", self.out.to_str().unwrap()], options].concat())
    }

    /// Runs it; returns exit code and messages.
    pub fn run(&self, ranks: Option<usize>, options: &[&str]) -> (i32, String) {
        let output = finish(&mut self.command(ranks, options));
        (output.status.code().unwrap(), stderr(&output))
    }

    /// Runs it on one thread until it stops at task `unit`.
    pub fn stopped_at(unit: usize) -> Self {
        let place = Self::new();
        let output = finish(place.command(None, &["--threads", "1"]).env("ADVSTEP_FAULT", format!("stop:rank=0:unit={unit}")));
        assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
        assert!(stderr(&output).contains("stopping (SIGUSR1)"), "{}", stderr(&output));
        assert!(!place.out.exists() && place.journal().exists());
        place
    }

    /// Everything in the directory.
    pub fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap());
        let mut contents: Vec<_> =
            entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap_or_default())).collect();
        contents.sort();
        contents
    }

    pub fn names(&self) -> Vec<String> {
        self.contents().into_iter().map(|(name, _)| name).collect()
    }

    /// Checks that the run is finished with the results of an uninterrupted run.
    pub fn assert_finished(&self) {
        let whole = Place::new();
        assert_eq!(whole.run(None, &["--quiet"]).0, 0);
        assert_eq!(first_difference(&self.out, &whole.out).unwrap(), None);
        assert!(!self.journal().exists() && !self.snapshot().exists(), "{:?}", self.names());
    }
}

/// N of the message `N of 60 networks recovered`.
pub fn taken_over(messages: &str) -> usize {
    let line = messages.lines().find(|line| line.contains("of 60 networks recovered")).expect(messages);
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
