//! The threads that OpenBLAS starts at load time have ended and are not restarted.

use std::process::Command;
use std::thread;
use std::time::Duration;

use advstep_hpc::machine::{blas, prepare};
use ndarray::Array2;

/// Requested number of OpenBLAS threads; it starts at most one per core.
const BLAS_THREADS: &str = "4";

/// Threads of this process other than the main thread and the caller. Ended threads stay in /proc for a moment, so polls for up to 1 s.
fn other_threads() -> Vec<String> {
    // SAFETY: no preconditions.
    let known = [std::process::id().to_string(), unsafe { libc::gettid() }.to_string()];
    let mut others = Vec::new();
    for _ in 0..1000 {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().file_name().into_string().unwrap());
        others = tasks.filter(|task| !known.contains(task)).collect();
        if others.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    others
}

/// x·xᵀ computed by BLAS, as in the audit, is correct; x is a column of 1, 2, … times a row of ones.
fn multiply(size: usize) {
    let x = Array2::from_shape_fn((size, size), |(row, _)| (row + 1) as f64);
    let product = x.dot(&x.t());
    assert!(product.indexed_iter().all(|((i, j), value)| *value == (size * (i + 1) * (j + 1)) as f64));
}

#[test]
fn no_thread_of_openblas_is_left() {
    // The variable is read at load time, so in a process of its own.
    if std::env::var("OPENBLAS_NUM_THREADS").as_deref() != Ok(BLAS_THREADS) {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "blas_threads::no_thread_of_openblas_is_left", "--test-threads", "1"]);
        assert!(again.env("OPENBLAS_NUM_THREADS", BLAS_THREADS).env("OMP_NUM_THREADS", "1").status().unwrap().success());
        return;
    }
    let has_threads = blas::threading() == blas::Threading::Pthreads && thread::available_parallelism().unwrap().get() > 1;
    assert!(!has_threads || std::fs::read_dir("/proc/self/task").unwrap().count() > 2, "there is nothing to end");
    prepare().unwrap();
    assert_eq!(other_threads(), [""; 0], "at the start");
    // Large enough for BLAS to use several threads if allowed.
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| multiply(400));
        }
        multiply(400);
    });
    assert_eq!(other_threads(), [""; 0], "after products");
}
