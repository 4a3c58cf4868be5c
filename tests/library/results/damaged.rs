//! Damaged or truncated results files are refused or read correctly, without panics, hangs or excessive memory.
//!
//! The HDF5 library was not made for such files: without the seal of `results::seal`, version 1.10 crashed or hung on 7 of these 1200. So
//! each is read by a process of its own, with limits on its time and memory. This file holds one test only, because that process is a
//! fork of it.

use std::fs;
use std::path::Path;

use crate::common::synthetic::{experiment, synthetic};
use advstep_hpc::error::BadInput;
use advstep_hpc::files::Existing;
use advstep_hpc::results;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Exit codes of the reading process.
const UNHARMED: i32 = 0;
const REFUSED: i32 = 2;
const HARMED: i32 = 3;
const OTHER_ERROR: i32 = 4;

/// Timeout and memory limit, far above what reading needs.
const SECONDS: u32 = 20;
const BYTES: u64 = 1 << 30;

/// Reads `path`, and returns one of the codes above, or that of a signal plus 128.
fn outcome_of_reading(path: &Path, whole: &str) -> i32 {
    // SAFETY: this is the only test of its process, and the thread that forks is the only one at work: no lock is held by another.
    unsafe {
        match libc::fork() {
            0 => {
                libc::alarm(SECONDS);
                let limit = libc::rlimit { rlim_cur: BYTES, rlim_max: BYTES };
                libc::setrlimit(libc::RLIMIT_DATA, &limit);
                let code = match results::read(path) {
                    Ok(read) if print(&read) == whole => UNHARMED,
                    Ok(_) => HARMED,
                    Err(error) if error.is::<BadInput>() => REFUSED,
                    Err(_) => OTHER_ERROR,
                };
                libc::_exit(code)
            }
            child => {
                assert!(child > 0);
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &mut status, 0), child);
                if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) }
            }
        }
    }
}

/// Everything in the results, in text.
fn print(results: &results::Results) -> String {
    format!("{results:?}")
}

#[test]
fn damaged_files_are_refused_or_read_unharmed() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("results.h5");
    let results = synthetic(&experiment(), 1);
    results::write(&path, Existing::Replace, &results).unwrap();
    let (sound, whole) = (fs::read(&path).unwrap(), print(&results));
    assert_eq!(outcome_of_reading(&path, &whole), UNHARMED);

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
        match outcome_of_reading(&path, &whole) {
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
