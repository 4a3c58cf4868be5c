//! Crashes while a foreign HDF5 file is read, in child processes.

use std::os::unix::process::CommandExt;
use std::path::Path;

use advstep_hpc::files::crash::guarded;

/// The error of a crash.
pub const CRASHED: &str = ".h5: the HDF5 library crashed: the file is damaged, or memory ran out\nhelp: ";

/// A signal of a crash on the reading thread or another, and a stack overflow, become an error with exit code 2, even if the parent process blocks or ignores
/// the signal. Afterwards the former actions are back; SIGSEGV and SIGBUS are not checked, because Rust's handler ignores them when they are raised.
#[test]
fn a_crash_of_a_library_is_an_error() {
    let signals = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];
    let read = signals.map(|signal| (format!("read {signal}"), true)).into_iter();
    let later = [libc::SIGFPE, libc::SIGILL, libc::SIGABRT].map(|signal| (format!("later {signal}"), false));
    let others = [
        format!("thread {}", libc::SIGSEGV),
        "overflow 0".to_string(),
        format!("blocked {}", libc::SIGSEGV),
        "ignored 0".to_string(),
    ];
    let others = others.map(|task| (task, true));
    for (task, is_error) in read.chain(later).chain(others) {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "crash::crashes", "--ignored", "--nocapture", "--test-threads=1"]).env(CRASH_TASK, &task);
        if task.starts_with("ignored") {
            // SAFETY: signal may be called between fork and exec.
            unsafe {
                command.pre_exec(|| {
                    libc::signal(libc::SIGSEGV, libc::SIG_IGN);
                    Ok(())
                })
            };
        }
        let child = command.output().unwrap();
        let error = String::from_utf8_lossy(&child.stderr);
        let code = is_error.then_some(2);
        assert_eq!((child.status.code(), error.contains(CRASHED)), (code, is_error), "{task}: {error}");
    }
}

/// How and when the child of [`a_crash_of_a_library_is_an_error`] crashes.
const CRASH_TASK: &str = "ADVSTEP_TEST_CRASH";

#[test]
#[ignore = "run by another test"]
fn crashes() {
    fn overflow(depth: usize) -> usize {
        let numbers = std::hint::black_box([depth; 512]);
        if numbers[0] == usize::MAX { 0 } else { 1 + overflow(depth + 1) + numbers[depth % 512] }
    }
    let Ok(task) = std::env::var(CRASH_TASK) else { return };
    let (when, signal) = task.split_once(' ').unwrap();
    let signal: i32 = signal.parse().unwrap();
    // SAFETY: raise takes any signal.
    let crash = move || {
        unsafe { libc::raise(signal) };
    };
    if when == "blocked" {
        // SAFETY: an all-zero set is valid.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigaddset(&mut all, signal);
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
        }
    }
    guarded(Path::new("damaged.h5"), || match when {
        "read" | "blocked" => crash(),
        "thread" => std::thread::spawn(crash).join().unwrap(),
        "overflow" | "ignored" => _ = std::hint::black_box(overflow(0)),
        _ => {}
    });
    crash();
}
