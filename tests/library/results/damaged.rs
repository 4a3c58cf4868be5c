//! Damaged or truncated results files are refused or read correctly, without panics, hangs or excessive memory.
//!
//! The HDF5 library was not made for such files: without the seal of `results::seal`, version 1.10 crashed or hung on 7 of these 1200. So
//! each is read by a process of its own, this test started once more, with limits on its time and memory.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::synthetic::{experiment, synthetic};
use advstep_hpc::error::BadInput;
use advstep_hpc::files::Existing;
use advstep_hpc::results;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Exit codes of the reading process; the test harness has others.
const UNHARMED: i32 = 10;
const REFUSED: i32 = 12;
const HARMED: i32 = 13;
const OTHER_ERROR: i32 = 14;

/// Timeout and memory limit, far above what reading needs.
const SECONDS: u32 = 20;
const BYTES: u64 = 1 << 30;

/// Tells the reading process its file; the text that it must find is in another beside it.
const FILE: &str = "ADVSTEP_TEST_DAMAGED_FILE";
const NAME: &str = "results::damaged::damaged_files_are_refused_or_read_unharmed";

fn expected(path: &Path) -> PathBuf {
    path.with_extension("txt")
}

/// What the reading process does.
fn read(path: &Path) -> i32 {
    let limit = libc::rlimit { rlim_cur: BYTES, rlim_max: BYTES };
    // SAFETY: limits this process, which does nothing else.
    unsafe {
        libc::alarm(SECONDS);
        libc::setrlimit(libc::RLIMIT_DATA, &limit);
    }
    match results::read(path) {
        Ok(read) if print(&read) == fs::read_to_string(expected(path)).unwrap() => UNHARMED,
        Ok(_) => HARMED,
        Err(error) if error.is::<BadInput>() => REFUSED,
        Err(_) => OTHER_ERROR,
    }
}

/// Reads `path` in a process of its own; returns its exit code, or that of its signal plus 128.
fn outcome_of_reading(path: &Path) -> i32 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", NAME, "--nocapture"]).env(FILE, path).output().unwrap();
    output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap())
}

/// Everything in the results, in text.
fn print(results: &results::Results) -> String {
    format!("{results:?}")
}

#[test]
fn damaged_files_are_refused_or_read_unharmed() {
    if let Some(path) = std::env::var_os(FILE) {
        std::process::exit(read(Path::new(&path)));
    }
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("results.h5");
    let results = synthetic(&experiment(), 1);
    results::write(&path, Existing::Replace, &results).unwrap();
    let sound = fs::read(&path).unwrap();
    fs::write(expected(&path), print(&results)).unwrap();
    assert_eq!(outcome_of_reading(&path), UNHARMED);

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let (mut unharmed, mut refused, mut wrong) = (0, 0, Vec::new());
    for case in 0..1200 {
        let mut bytes = sound.clone();
        let at = rng.random_range(0..bytes.len());
        let damage = match case {
            0..800 => {
                let bit = rng.random_range(0..8);
                bytes[at] ^= 1 << bit;
                format!("bit {bit} of byte {at} flipped")
            }
            800..1000 => {
                // The first kilobytes hold the file structure, where damage matters most.
                let (at, value) = (at % 4096, rng.random());
                bytes[at] = value;
                format!("byte {at} set to {value}")
            }
            1000..1100 => {
                let end = bytes.len().min(at + 64);
                bytes[at..end].fill(if case % 2 == 0 { 0 } else { 0xff });
                format!("bytes {at} to {end} filled")
            }
            _ => {
                bytes.truncate(at);
                format!("cut to {at} bytes")
            }
        };
        fs::write(&path, bytes).unwrap();
        match outcome_of_reading(&path) {
            UNHARMED => unharmed += 1,
            REFUSED => refused += 1,
            code => wrong.push(format!("{damage}: {code}")),
        }
    }
    println!("{unharmed} read unharmed, {refused} refused, {} otherwise", wrong.len());
    assert!(wrong.is_empty(), "{} of 1200:\n{}", wrong.len(), wrong.join("\n"));
    // A byte may be set to its old value.
    assert!(unharmed < 20, "{unharmed}");
}
