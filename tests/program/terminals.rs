//! Output that cannot be written (closed pipe, blocked reader, full disk) does not end a computation.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::jobs::place::Place;
use crate::jobs::{PROGRAM, finish, job};
use advstep_hpc::results;
use tempfile::TempDir;

/// The write end of a pipe whose read end is closed.
fn closed_pipe() -> OwnedFd {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full_disk() -> OwnedFd {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// The exit code of `command` with this standard error stream, also with backtraces enabled, because a panic would print one.
fn code_with(command: &mut Command, stderr: fn() -> OwnedFd, backtrace: &str) -> Option<i32> {
    command.env("RUST_BACKTRACE", backtrace).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr());
    command.status().unwrap().code()
}

#[test]
fn a_run_ends_as_it_would_have() {
    for stderr in [closed_pipe, full_disk] {
        for backtrace in ["0", "1"] {
            let place = Place::new();
            let stopped =
                code_with(place.command(None, &["--threads", "1"]).env("ADVSTEP_FAULT", "stop:rank=0:unit=20"), stderr, backtrace);
            assert_eq!(stopped, Some(75));
            assert_eq!(code_with(&mut place.command(None, &["--snapshot", "1ms"]), stderr, backtrace), Some(0));
            place.assert_finished();
            assert_eq!(code_with(&mut place.command(None, &[]), stderr, backtrace), Some(0), "already complete");
            assert_eq!(code_with(&mut place.command(None, &["--seed", "3"]), stderr, backtrace), Some(2));
            let failing = Place::new();
            let failed = code_with(failing.command(None, &[]).env("ADVSTEP_FAULT", "panic:rank=0:unit=20"), stderr, backtrace);
            assert_eq!(failed, Some(1));
        }
    }
}

#[test]
fn an_audit_ends_as_it_would_have() {
    for stderr in [closed_pipe, full_disk] {
        let directory = TempDir::new().unwrap();
        let out = directory.path().join("audit.h5");
        let audit = ["audit", "--dims", "20,50", "--widths", "50,300", "--networks", "10", "--out", out.to_str().unwrap()];
        assert_eq!(code_with(&mut job(None, &audit), stderr, "1"), Some(0));
        assert!(out.exists());
    }
}

/// Closed streams, `>&- 2>&-`: the next files opened get their descriptors.
#[test]
fn closed_streams_are_no_failure() {
    let place = Place::new();
    let mut command = Command::new("bash");
    command
        .args(["-c", "exec \"$@\" >&- 2>&-", "bash", PROGRAM])
        .args(place.command(None, &[]).get_args())
        .env_remove("SLURM_NTASKS");
    assert!(finish(&mut command).status.success());
    place.assert_finished();
}

/// A reader that does not read: the pipe is full from the start.
#[test]
fn a_reader_that_sleeps_is_not_waited_for() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let writer = OwnedFd::from(writer);
    // SAFETY: two calls on an open file.
    unsafe {
        let flags = libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&writer), libc::F_GETFL);
        libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&writer), libc::F_SETFL, flags | libc::O_NONBLOCK);
        let mut filler = File::from(writer.try_clone().unwrap());
        while std::io::Write::write(&mut filler, &[b'.'; 4096]).is_ok() {}
        libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&writer), libc::F_SETFL, flags);
    }
    let place = Place::new();
    let mut child = place.command(None, &[]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    assert!(child.wait().unwrap().success());
    let mut text = Vec::new();
    reader.read_to_end(&mut text).unwrap();
    assert!(text.iter().all(|&byte| byte == b'.'));
    place.assert_finished();
}

/// A failure while other threads are in BLAS ends the process with its exit code, not a signal. (Exit handlers would unmap BLAS buffers.)
#[test]
fn a_failure_does_not_crash_threads_at_work() {
    for _ in 0..8 {
        let directory = TempDir::new().unwrap();
        let out = directory.path().join("busy.h5");
        let busy =
            ["--depths", "2", "--dims", "200", "--widths", "700", "--networks", "20", "--precision", "f64", "--engine", "dense"];
        let fault = [("ADVSTEP_FAULT", "error:rank=0:unit=4")];
        let output = finish(job(None, &[&busy[..], &["--threads", "3", "--out", out.to_str().unwrap()]].concat()).envs(fault));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
}

/// `| head`, with every command that prints.
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let place = Place::new();
    assert_eq!(place.run(None, &["--quiet"]).0, 0);
    let out = place.out.to_str().unwrap();
    for arguments in [
        &["show", out][..],
        &["show", out, "--format", "json"],
        &["show", out, "--format", "csv"],
        &["compare", out, out],
        &["status", out],
        &["plan", "--preset", "quick"],
        &["audit", "--list"],
        &["completions", "bash"],
        &["man"],
    ] {
        let mut command = job(None, arguments);
        let output = command.stdout(closed_pipe()).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
    assert_eq!(results::read(&place.out).unwrap().cells.len(), 12);
}
