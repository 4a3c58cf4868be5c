//! Faults of the machine: a clock that jumps, another host name, a full or read-only disk, an impatient user.
//!
//! Disks are small tmpfs mounted in a private namespace (`unshare` of util-linux); without permission to create namespaces these tests fail.
//! The clock and transient disk errors come from `tests/shims`, preloaded before the C library.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Command, Output, Stdio};

use crate::jobs::place::{Place, SMALL, taken_over};
use crate::jobs::{PROGRAM, finish, job, shim, stderr, with_default_signals};
use advstep_hpc::machine::now_utc;
use advstep_hpc::results::{self, first_difference};

/// Runs `script` in bash in private namespaces, with the program and its arguments as `"$@"` and the directory of `place` as `DIR`.
fn in_namespaces(place: &Place, script: &str, options: &[&str]) -> Output {
    let mut command = Command::new("unshare");
    // SAFETY: no arguments, cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "--uts", "bash", "-c", &format!("set -eu\n{script}"), "bash", PROGRAM]);
    command.args(place.command(None, options).get_args());
    command.env("DIR", place.directory.path()).env_remove("ADVSTEP_FAULT").env_remove("SLURM_NTASKS");
    finish(&mut command)
}

#[test]
fn another_host_name_does_not_matter() {
    let place = Place::new();
    let first = in_namespaces(&place, "hostname one; ADVSTEP_FAULT=stop:rank=0:unit=20 exec \"$@\"", &["--threads", "1"]);
    assert_eq!(first.status.code(), Some(75), "{}", stderr(&first));
    let second = in_namespaces(&place, "hostname another; exec \"$@\"", &[]);
    assert!(second.status.success() && taken_over(&stderr(&second)) == 20, "{}", stderr(&second));
    assert_eq!(results::read(&place.out).unwrap().provenance.host, "another");
    place.assert_finished();
}

#[test]
fn a_wall_clock_that_jumps_does_not_matter() {
    let shims = tempfile::tempdir().unwrap();
    let shim = shim(shims.path(), "clock");
    let place = Place::new();
    let run = |place: &Place, options: &[&str], fault: Option<&str>| {
        let mut command = place.command(None, options);
        command.env("LD_PRELOAD", &shim).envs(fault.map(|fault| ("ADVSTEP_FAULT", fault)));
        let output = finish(&mut command);
        (output.status.code(), stderr(&output))
    };
    // Stop and snapshot are due in minutes, whatever the wall clock does.
    let far = ["--threads", "1", "--max-hours", "1", "--grace", "100", "--snapshot", "10min"];
    let (code, messages) = run(&place, &far, Some("stop:rank=0:unit=20"));
    assert!(code == Some(75) && messages.contains("stopping (SIGUSR1)"), "{messages}");
    let (code, messages) = run(&place, &far, None);
    assert!(code == Some(0) && taken_over(&messages) == 20 && messages.contains("100 %"), "{messages}");
    let provenance = results::read(&place.out).unwrap().provenance;
    let year = &now_utc()[..4];
    assert!(!provenance.started.starts_with(year) && !provenance.ended.starts_with(year), "the clock did not jump: {provenance:?}");
    place.assert_finished();
    // And they do occur.
    let place = Place::new();
    let (code, messages) = run(&place, &["--max-hours", "1e-9", "--grace", "0"], None);
    assert!(code == Some(75) && messages.contains("stopping (--max-hours)"), "{messages}");
    assert_eq!(run(&place, &["--snapshot", "1ms"], None).0, Some(0));
    place.assert_finished();
}

#[test]
fn a_full_disk_loses_nothing_and_the_next_start_goes_on() {
    let place = Place::new();
    let kept = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=20k none \"$DIR\"\n\
         printf precious >\"$DIR/small.h5\"\n\
         code=0; \"$@\" --grace 3 || code=$?\n\
         echo \"exit code $code, $(cat \"$DIR/small.h5\"), $(cd \"$DIR\"; echo .s* *)\" >&2\n\
         mount -o remount,size=10m \"$DIR\"\n\
         \"$@\"\n\
         cp \"$DIR/small.h5\" {}\n",
        kept.path().display()
    );
    let output = in_namespaces(&place, &script, &["--threads", "1", "--overwrite"]);
    let messages = stderr(&output);
    assert!(output.status.success(), "{messages}");
    for message in [
        "No space left on device",
        "results are safe in memory",
        "the results are lost",
        "exit code 1, precious, .s* small.h5 small.h5.journal",
    ] {
        assert!(messages.contains(message), "{message}: {messages}");
    }
    assert!(taken_over(&messages) > 0 && !messages.contains("cut off"), "{messages}");
    fs::copy(kept.path().join("small.h5"), &place.out).unwrap();
    place.assert_finished();
}

#[test]
fn a_full_disk_that_gets_room_again_is_only_a_delay() {
    let place = Place::new();
    let kept = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=20k none \"$DIR\"\n\
         printf precious >\"$DIR/small.h5\"\n\
         \"$@\" --grace 60 2>{0}/log &\n\
         until grep -q 'free disk space' {0}/log; do sleep 0.05; done\n\
         mount -o remount,size=10m \"$DIR\"\n\
         code=0; wait $! || code=$?\n\
         cat {0}/log >&2\n\
         cp \"$DIR/small.h5\" {0}\n\
         exit $code",
        kept.path().display()
    );
    let output = in_namespaces(&place, &script, &["--threads", "1", "--overwrite"]);
    let messages = stderr(&output);
    assert!(output.status.success() && messages.contains("writing works again, after: "), "{messages}");
    fs::copy(kept.path().join("small.h5"), &place.out).unwrap();
    place.assert_finished();
}

/// NFS after a server restart: the journal is reopened without loss.
#[test]
fn a_stale_file_handle_is_opened_again() {
    let shims = tempfile::tempdir().unwrap();
    let shim = shim(shims.path(), "stale");
    for write in ["1", "2"] {
        let place = Place::new();
        let mut command = place.command(None, &["--threads", "1"]);
        let stopped = finish(command.env("LD_PRELOAD", &shim).env("STALE_AT", write).env("ADVSTEP_FAULT", "stop:rank=0:unit=30"));
        assert_eq!(stopped.status.code(), Some(75), "{}", stderr(&stopped));
        let (code, messages) = place.run(None, &[]);
        assert!(code == 0 && taken_over(&messages) == 30 && !messages.contains("damaged"), "{messages}");
        place.assert_finished();
    }
}

/// SIGHUP stops a run like SIGTERM, unless it is ignored (nohup).
#[test]
fn a_hangup_stops_a_run_unless_it_is_ignored() {
    let place = Place::new();
    for ignored in [true, false] {
        // The run to stop would take minutes, so the signal is in time.
        let networks = if ignored { "4000" } else { "100000" };
        let long = ["--networks", networks, "--inputs", "7", "--threads", "1", "--quiet", "--overwrite"];
        let arguments = [&SMALL[..6], &long, &["--out", place.out.to_str().unwrap()]].concat();
        let trap = if ignored { "trap '' HUP INT" } else { "true" };
        let mut command = Command::new("bash");
        command.args(["-c", &format!("{trap}; exec \"$@\""), "bash", PROGRAM]).args(&arguments).env_remove("SLURM_NTASKS");
        let mut child = with_default_signals(&mut command).stdin(Stdio::null()).spawn().unwrap();
        while !place.directory.path().join(".small.h5.lock").exists() {
            assert!(child.try_wait().unwrap().is_none());
        }
        let signals: &[i32] = if ignored { &[libc::SIGHUP, libc::SIGINT] } else { &[libc::SIGHUP] };
        for &signal in signals {
            // SAFETY: our child, not waited for yet.
            assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
        }
        assert_eq!(child.wait().unwrap().code(), Some(if ignored { 0 } else { 75 }));
    }
}

/// OpenBLAS would retry for ever to map its buffer.
#[test]
fn a_limit_of_the_address_space_is_kept_or_refused() {
    let limited = |mebibytes: usize| {
        let place = Place::new();
        let script = format!("ulimit -v {}; exec \"$@\"", mebibytes << 10);
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash", PROGRAM]).args(place.command(None, &["--precision", "f64"]).get_args());
        let output = finish(command.env_remove("SLURM_NTASKS"));
        (output.status.code(), stderr(&output))
    };
    for mebibytes in [1000, 2000] {
        let (code, messages) = limited(mebibytes);
        assert_eq!(code, Some(0), "{mebibytes} MiB: {messages}");
    }
    let (code, messages) = limited(400);
    assert!(code == Some(2) && messages.contains("ulimit -v"), "{messages}");
}

/// Runs the experiment at `place` with failing writes of its results file: number `write` only, or all from there on.
fn with_full_disk(place: &Place, variable: &str, write: usize) -> (Option<i32>, String) {
    let shims = tempfile::tempdir().unwrap();
    let shim = shim(shims.path(), "full");
    let output = finish(place.command(None, &["--quiet"]).env("LD_PRELOAD", &shim).env(variable, write.to_string()));
    (output.status.code(), stderr(&output))
}

/// A write that fails while the job goes on, or at its end, is noticed: the file is written again, whole. (Tests every ninth, of about 300.)
#[test]
fn no_write_of_the_results_fails_unnoticed() {
    let whole = Place::new();
    assert_eq!(whole.run(None, &["--quiet"]).0, 0);
    let mut failed = 0;
    for write in (1..).step_by(9) {
        let place = Place::new();
        let (code, messages) = with_full_disk(&place, "FULL_AT", write);
        assert_eq!(code, Some(0), "write {write}: {messages}");
        assert_eq!(first_difference(&place.out, &whole.out).unwrap(), None, "write {write}: {messages}");
        results::read(&place.out).unwrap();
        assert_eq!(place.names(), ["small.h5"], "write {write}");
        if messages.is_empty() {
            // There was no such write; the last one is the seal.
            break;
        }
        failed += 1;
        assert!(messages.contains("No space left on device") && !messages.contains("H5"), "write {write}: {messages}");
        assert!(messages.contains("the results file is written at the end of the job"), "write {write}: {messages}");
    }
    assert!(failed > 10, "{failed} writes");
}

/// A disk that stays full leaves the journal and no part of a results file.
#[test]
fn a_disk_that_stays_full_leaves_the_journal_only() {
    for write in [1, 2, 50, 100, 150] {
        let place = Place::new();
        let (code, messages) = with_full_disk(&place, "FULL_FROM", write);
        assert_eq!(code, Some(1), "write {write}: {messages}");
        assert!(messages.contains("all networks are in"), "write {write}: {messages}");
        assert_eq!(place.names(), ["small.h5.journal"], "write {write}");
        assert_eq!(place.run(None, &["--quiet"]).0, 0);
        place.assert_finished();
    }
}

#[test]
fn a_read_only_directory_is_refused_before_the_work() {
    for (script, why) in [
        ("mount -t tmpfs none \"$DIR\"; mount -o remount,ro \"$DIR\"; exec \"$@\"", "Read-only file system"),
        ("mount --bind \"$DIR\" \"$DIR\"; mount -o remount,bind,ro \"$DIR\"; exec \"$@\"", "Read-only file system"),
    ] {
        let place = Place::new();
        let output = in_namespaces(&place, script, &[]);
        let messages = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{messages}");
        assert!(messages.starts_with("error: cannot write ") && messages.contains(why), "{messages}");
        assert!(place.names().is_empty());
    }
}

#[test]
fn results_go_where_a_link_leads() {
    let place = Place::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("results.h5");
    symlink(&target, &place.out).unwrap();
    for overwrite in [&[][..], &["--overwrite"]] {
        let (code, messages) = place.run(None, overwrite);
        assert_eq!(code, 0, "{messages}");
        assert_eq!(fs::read_link(&place.out).unwrap(), target);
        assert!(!target.is_symlink() && fs::read_dir(elsewhere.path()).unwrap().count() == 1);
        assert_eq!(place.names(), ["small.h5"]);
    }
    let (code, messages) = place.run(None, &["--seed", "3"]);
    assert!(code == 2 && messages.contains("the file exists"), "{messages}");
    place.assert_finished();
    // --fresh moves the target of the link aside, not the link.
    assert_eq!(place.run(None, &["--fresh"]).0, 0);
    assert_eq!(fs::read_link(&place.out).unwrap(), target);
    assert!(elsewhere.path().join("results.h5.old-1").exists() && !target.is_symlink());
    place.assert_finished();
}

#[test]
fn a_second_sigint_ends_the_process_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("slow.h5");
    // Networks take many seconds and the grace is longer, so only the second signal can end the process.
    let slow = ["--depths", "3", "--dims", "10", "--widths", "1e3", "--networks", "200", "--engine", "dense", "--search", "exact"];
    let mut command = job(None, &[&slow[..], &["--threads", "1", "--grace", "1h", "--out", out.to_str().unwrap()]].concat());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // SAFETY: our child, not waited for yet.
    let interrupt = || assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
    messages.by_ref().find(|line| line.contains("on 1 rank with 1 thread")).expect("it says what it runs");
    // Until the first network is running: otherwise the process would end by itself.
    std::thread::sleep(std::time::Duration::from_secs(2));
    interrupt();
    messages.by_ref().find(|line| line.contains("stopping (SIGINT)")).expect("it says that it stops");
    interrupt();
    let rest: Vec<String> = messages.collect();
    assert_eq!((child.wait().unwrap().code(), rest), (Some(75), vec![]));
    assert!(out.with_extension("h5.journal").exists());
}

#[test]
fn a_dumb_terminal_gets_lines() {
    let place = Place::new();
    let typed = format!("{PROGRAM} --depths 1 --dims 5 --widths 10 --networks 2 --out {}", place.out.display());
    let in_terminal = |name: &str| {
        let mut command = Command::new("script");
        let output = finish(command.args(["-qec", &format!("{typed} --overwrite"), "/dev/null"]).env("TERM", name));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = in_terminal("dumb");
    assert!(text.contains("advstep-hpc: 1 cell of 2 networks") && text.contains("advstep-hpc: 100 %"), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    assert!(!in_terminal("xterm").contains("advstep-hpc: 100 %"), "a terminal gets a bar");
}
