//! Interrupted runs resume with the same results; journals of other runs are refused and left untouched.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::jobs::place::{Place, SMALL, taken_over};
use crate::jobs::{PROGRAM, finish, job, stderr};
use advstep_hpc::files::Target;
use advstep_hpc::results;
use tempfile::TempDir;

#[test]
fn a_stopped_run_goes_on_under_other_ranks_and_threads() {
    for (unit, ranks, options) in [
        (1, None, &["--threads", "3"][..]),
        (20, Some(3), &["--threads", "1", "--memory", "256MiB"]),
        (59, Some(2), &["--threads", "2"]),
    ] {
        if ranks.is_some() && cfg!(not(feature = "mpi")) {
            continue;
        }
        let place = Place::stopped_at(unit);
        let (code, messages) = place.run(ranks, options);
        assert_eq!(code, 0, "{messages}");
        // The network running at the signal finishes within the grace, and no other starts.
        assert_eq!(taken_over(&messages), unit, "{messages}");
        place.assert_finished();
    }
}

#[test]
fn a_failed_run_keeps_what_it_has() {
    let place = Place::new();
    let output = finish(place.command(None, &["--threads", "1"]).env("ADVSTEP_FAULT", "error:rank=0:unit=31"));
    assert_eq!(output.status.code(), Some(1));
    let (code, messages) = place.run(None, &[]);
    assert_eq!((code, taken_over(&messages)), (0, 30), "{messages}");
    place.assert_finished();
}

/// Networks cheaper than journalling them: those that a killed run has not saved are recomputed.
#[test]
fn networks_that_were_not_kept_are_computed_again() {
    let tiny = ["--depths", "1", "--dims", "3", "--widths", "5,10", "--networks", "20000", "--inputs", "2", "--quiet", "--out"];
    let directory = TempDir::new().unwrap();
    let run = |name: &str, fault: Option<&str>| {
        let out = directory.path().join(name);
        let mut command = job(None, &[&tiny[..], &[out.to_str().unwrap()]].concat());
        let output = finish(command.envs(fault.map(|fault| ("ADVSTEP_FAULT", fault))));
        (output.status.code(), out)
    };
    let (code, whole) = run("whole.h5", None);
    assert_eq!(code, Some(0));
    for unit in [100, 10_000, 20_000] {
        assert_eq!(run("killed.h5", Some(&format!("kill:rank=0:unit={unit}"))).0, None, "it is killed");
        assert!(directory.path().join("killed.h5.journal").exists());
    }
    let (code, killed) = run("killed.h5", None);
    assert_eq!((code, results::first_difference(&killed, &whole).unwrap()), (Some(0), None));
}

#[test]
fn a_run_can_be_stopped_many_times() {
    let place = Place::new();
    let mut stops = 0;
    loop {
        let output = finish(place.command(None, &["--threads", "2"]).env("ADVSTEP_FAULT", "stop:rank=0:unit=9"));
        match output.status.code() {
            Some(75) => stops += 1,
            code => break assert_eq!(code, Some(0), "{}", stderr(&output)),
        }
        assert!(stops < 20);
    }
    assert!(stops >= 3, "{stops}");
    place.assert_finished();
}

#[test]
fn damage_costs_its_records_and_is_reported() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(Damage, usize, &str); 4] = [
        (|bytes| bytes.truncate(bytes.len() - 10), 1, "were cut off: they are not a complete record"),
        (|bytes| bytes.extend(b"garbage"), 0, "the last 7 bytes of"),
        (|bytes| *bytes.iter_mut().rev().nth(600).unwrap() ^= 4, 1, "are damaged: networks in them are recomputed"),
        (
            |bytes| {
                let end = bytes.len();
                bytes[end - 2400..end - 1500].fill(0)
            },
            3,
            "are damaged",
        ),
    ];
    for (damage, costs, message) in cases {
        let place = Place::stopped_at(25);
        let mut bytes = fs::read(place.journal()).unwrap();
        damage(&mut bytes);
        fs::write(place.journal(), bytes).unwrap();
        let (code, messages) = place.run(None, &[]);
        assert_eq!(code, 0, "{messages}");
        let lost = 25 - taken_over(&messages);
        assert_eq!(lost, costs, "{messages}");
        assert!(messages.contains(message), "{messages}");
        place.assert_finished();
    }
}

/// Duplicate and reordered results are not damage.
#[test]
fn a_journal_may_repeat_itself() {
    let place = Place::stopped_at(25);
    let mut bytes = fs::read(place.journal()).unwrap();
    let frame = bytes.len() - bytes.windows(8).rposition(|bytes| bytes == b"\xd7unit\r\n\x1a").unwrap();
    bytes.extend_from_within(bytes.len() - 3 * frame..);
    fs::write(place.journal(), bytes).unwrap();
    let (code, messages) = place.run(None, &[]);
    assert_eq!(code, 0);
    assert!(!messages.contains("damaged") && !messages.contains("cut off"), "{messages}");
    place.assert_finished();
}

#[test]
fn what_must_not_go_on_is_refused_and_nothing_is_touched() {
    let place = Place::stopped_at(10);
    let before = place.contents();
    for (options, message) in [
        (&["--seed", "3"][..], "its seed is 2020, that of this run is 3"),
        (&["--gain", "2"], "its gain is 1, that of this run is 2"),
        (&["--search", "scan"], "is \"auto\", that of this run is \"scan\""),
        (&["--precision", "bf16x3"], "its precision is \"f32\", that of this run is \"bf16x3\""),
        (&["--precision", "f64"], "its precision is \"f32\", that of this run is \"f64\""),
        (&["--seed", "3", "--overwrite"], "its seed is 2020"),
    ] {
        let (code, messages) = place.run(None, options);
        assert_eq!(code, 2, "{messages}");
        assert!(messages.contains(message) && messages.contains("give --fresh to move it aside"), "{messages}");
        assert_eq!(place.contents(), before);
    }
    let locked = Target::claim(&place.out, "--out", &[]).unwrap();
    let before_locked = place.contents();
    for options in [&[][..], &["--fresh"], &["--overwrite"]] {
        let (code, messages) = place.run(None, options);
        assert_eq!(code, 2, "{messages}");
        let holder = format!("another command is writing it: process {} on ", std::process::id());
        assert!(messages.contains(&holder), "{messages}");
    }
    assert_eq!(place.contents(), before_locked);
    drop(locked);
    assert_eq!(place.contents(), before);
    for contents in [&b""[..], b"advstep-hpc journal\n", b"something else altogether, which is long enough to be one"] {
        fs::write(place.journal(), contents).unwrap();
        let (code, messages) = place.run(None, &[]);
        assert_eq!(code, 2, "{messages}");
        assert!(messages.contains("cannot resume from"), "{messages}");
        assert_eq!(fs::read(place.journal()).unwrap(), contents);
    }
    fs::remove_file(place.journal()).unwrap();
    fs::create_dir(place.journal()).unwrap();
    assert_eq!(place.run(None, &[]).0, 2);
}

#[test]
fn fresh_moves_aside_and_starts_over() {
    let place = Place::stopped_at(10);
    let journal = fs::read(place.journal()).unwrap();
    let (code, messages) = place.run(None, &["--fresh", "--threads", "1"]);
    assert_eq!(code, 0, "{messages}");
    assert!(!messages.contains("recovered"), "{messages}");
    place.assert_finished();
    assert_eq!(fs::read(place.directory.path().join("small.h5.journal.old-1")).unwrap(), journal);
    let results = fs::read(&place.out).unwrap();
    assert_eq!(place.run(None, &["--fresh"]).0, 0);
    assert_eq!(fs::read(place.directory.path().join("small.h5.old-2")).unwrap(), results);
    place.assert_finished();
}

/// A crash between renaming the results file and removing the journal: the run is finished.
#[test]
fn a_journal_beside_its_finished_file_does_no_harm() {
    let place = Place::stopped_at(59);
    let journal = fs::read(place.journal()).unwrap();
    assert_eq!(place.run(None, &[]).0, 0);
    fs::write(place.journal(), journal).unwrap();
    let before = place.contents();
    let (code, messages) = place.run(None, &[]);
    assert!(code == 0 && messages.contains("is already complete"), "{messages}");
    assert_eq!(place.contents(), before);
    assert_eq!(place.run(None, &["--overwrite"]).0, 0);
    place.assert_finished();
}

#[test]
fn leftovers_of_killed_runs_are_removed() {
    let place = Place::stopped_at(10);
    for name in [".small.h5.tmp-123", ".small.partial.h5.tmp-4", ".other.h5.tmp-1", ".small.h5.tmp-mine"] {
        fs::write(place.directory.path().join(name), "half a file").unwrap();
    }
    assert_eq!(place.run(None, &[]).0, 0);
    assert_eq!(place.names(), [".other.h5.tmp-1", ".small.h5.tmp-mine", "small.h5"]);
}

/// The results file is written under another name while the job goes on. A job that is killed leaves that one, which the next start removes; one that
/// is stopped removes it.
#[test]
fn a_run_that_ends_early_leaves_no_half_file_under_its_name() {
    let place = Place::new();
    let arguments = [&SMALL[..6], &["--networks", "600", "--inputs", "7", "--threads", "1", "--grace", "0"]].concat();
    let arguments = [&arguments[..], &["--out", place.out.to_str().unwrap()]].concat();
    let is_aside = |name: &String| name.starts_with(".small.h5.tmp-");
    for signal in [libc::SIGKILL, libc::SIGTERM] {
        let mut child =
            job(None, &arguments).stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().unwrap();
        let aside = place.directory.path().join(format!(".small.h5.tmp-{}", child.id()));
        // Empty while a start tries whether it can write.
        while !fs::metadata(&aside).is_ok_and(|aside| aside.len() > 0) {
            assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        }
        // SAFETY: our child, not waited for yet.
        assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
        assert!(!child.wait().unwrap().success());
        assert!(!place.out.exists() && place.journal().exists());
        assert_eq!(place.names().iter().any(is_aside), signal == libc::SIGKILL, "{:?}", place.names());
    }
    let output = finish(&mut job(None, &arguments));
    assert!(output.status.success() && stderr(&output).contains("networks recovered"), "{}", stderr(&output));
    assert_eq!(place.names(), ["small.h5"]);
    let whole = Place::new();
    let arguments = [&arguments[..arguments.len() - 1], &[whole.out.to_str().unwrap()]].concat();
    assert!(finish(&mut job(None, &arguments)).status.success());
    assert_eq!(results::first_difference(&place.out, &whole.out).unwrap(), None);
}

#[test]
fn a_stop_leaves_the_cells_that_are_finished_in_a_partial_file() {
    let place = Place::stopped_at(23);
    let partial = results::read(&place.snapshot()).unwrap();
    assert_eq!(partial.cells.len(), 4);
    let output = Command::new(PROGRAM).args(["show"]).arg(place.snapshot()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("PARTIAL: 4 of 12 cells"));
    let output = Command::new(PROGRAM).args(["plot", "--format", "svg"]).arg(place.snapshot()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(place.directory.path().join("small.partial-figures").is_dir());
    fs::remove_dir_all(place.directory.path().join("small.partial-figures")).unwrap();

    assert_eq!(place.run(None, &[]).0, 0);
    let whole = results::read(&place.out).unwrap();
    for cell in &partial.cells {
        let same = whole.cells.iter().find(|other| other.cell == cell.cell).unwrap();
        let samples = |cell: &results::CellResults| format!("{:?}", cell.records.iter().map(|r| &r.samples).collect::<Vec<_>>());
        assert_eq!(samples(cell), samples(same));
    }
    place.assert_finished();
}

/// A snapshot that may take longer than the grace is not started: a batch system would kill it.
#[test]
fn a_stop_without_grace_leaves_the_journal_only() {
    let place = Place::new();
    let output = finish(place.command(None, &["--threads", "1", "--grace", "0"]).env("ADVSTEP_FAULT", "stop:rank=0:unit=23"));
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert_eq!(place.names(), ["small.h5.journal"]);
}

/// A snapshot that cannot be written is reported once, and no other write is reported to work again.
#[test]
fn trouble_with_the_snapshot_is_not_trouble_with_the_journal() {
    let place = Place::new();
    fs::create_dir(place.snapshot()).unwrap();
    let long = ["--networks", "60", "--snapshot", "1ms", "--threads", "1"];
    let arguments = [&SMALL[..6], &long, &["--out", place.out.to_str().unwrap()]].concat();
    let output = finish(&mut job(None, &arguments));
    let messages = stderr(&output);
    assert!(output.status.success(), "{messages}");
    assert_eq!(messages.matches("cannot write the snapshot").count(), 1, "{messages}");
    assert!(!messages.contains("works again"), "{messages}");
    fs::remove_dir(place.snapshot()).unwrap();
}

#[test]
fn max_hours_stop_a_run() {
    let place = Place::new();
    let (code, messages) = place.run(None, &["--max-hours", "1e-9", "--grace", "0"]);
    assert_eq!(code, 75, "{messages}");
    assert!(messages.contains("stopping (--max-hours)"), "{messages}");
    assert_eq!(place.run(None, &["--max-hours", "1e9", "--snapshot", "1ms"]).0, 0);
    place.assert_finished();
    for bad in ["0", "-1", "nan", "inf"] {
        let (code, messages) = Place::new().run(None, &["--max-hours", bad]);
        assert!(code == 2 && messages.contains("give --max-hours a number"), "{messages}");
    }
}

#[test]
fn a_time_without_work_before_the_grace_is_refused() {
    // With 75 a batch script would requeue for ever.
    for (hours, grace) in [("1e-9", "30s"), ("0.0083", "30s"), ("0.5", "30min"), ("1", "2h")] {
        let place = Place::new();
        let (code, messages) = place.run(None, &["--max-hours", hours, "--grace", grace]);
        assert_eq!(code, 2, "{messages}");
        assert!(messages.contains("leaves no time to work") && messages.contains("a shorter --grace"), "{messages}");
        assert!(!place.out.exists() && !advstep_hpc::job::journal::path_of(&place.out).exists());
    }
    assert_eq!(Place::new().run(None, &["--max-hours", "0.6", "--grace", "30min"]).0, 0);
}

/// Runs with a file size limit in KiB, which acts as a full disk for one process.
fn limited(place: &Place, kib: usize, options: &[&str]) -> (i32, String) {
    let script = format!("ulimit -f {kib}; exec \"$@\"");
    let mut command = Command::new("bash");
    command.args(["-c", &script, "bash", PROGRAM]).args(place.command(None, options).get_args()).env_remove("SLURM_NTASKS");
    let output = finish(&mut command);
    (output.status.code().expect("no signal ends it"), stderr(&output))
}

#[test]
fn a_disk_that_is_full_loses_nothing_that_was_written() {
    let place = Place::new();
    fs::write(&place.out, "precious").unwrap();
    let (code, messages) = limited(&place, 8, &["--overwrite", "--grace", "3", "--threads", "1"]);
    assert_eq!(code, 1, "{messages}");
    assert!(!messages.contains("H5F"), "{messages}");
    for message in ["File too large", "results are safe in memory", "cannot write the results to", "the results are lost"] {
        assert!(messages.contains(message), "{message}: {messages}");
    }
    assert_eq!(fs::read_to_string(&place.out).unwrap(), "precious");
    assert_eq!(place.names(), ["small.h5", "small.h5.journal"]);
    let (code, messages) = place.run(None, &["--overwrite"]);
    assert!(code == 0 && taken_over(&messages) > 0 && !messages.contains("cut off"), "{messages}");
    place.assert_finished();
}

/// The journal fits, the results file does not.
#[test]
fn results_that_do_not_fit_are_in_the_journal() {
    let place = Place::new();
    let (code, messages) = limited(&place, 32, &["--threads", "1"]);
    assert_eq!(code, 1, "{messages}");
    assert!(messages.contains("all networks are in"), "{messages}");
    assert_eq!(place.names(), ["small.h5.journal"]);
    let (code, messages) = place.run(None, &[]);
    assert_eq!((code, taken_over(&messages)), (0, 60), "{messages}");
    place.assert_finished();
}

/// Starts a run of 1 to 2 s and calls `meanwhile` once its journal exists.
fn interfere(out: &Path, meanwhile: impl FnOnce()) -> (i32, String) {
    let long = ["--depths", "2", "--dims", "20", "--widths", "300", "--networks", "100", "--inputs", "100", "--threads", "1"];
    let mut command = job(None, &[&long[..], &["--grace", "2", "--out", out.to_str().unwrap()]].concat());
    let log = tempfile::tempfile().unwrap();
    let mut child = command.stderr(log.try_clone().unwrap()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let journal = out.with_extension("h5.journal");
    while !journal.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
    }
    meanwhile();
    let code = child.wait().unwrap().code().unwrap();
    let mut text = String::new();
    std::io::Seek::rewind(&mut &log).unwrap();
    std::io::Read::read_to_string(&mut &log, &mut text).unwrap();
    (code, text)
}

#[test]
fn a_directory_that_is_removed_is_made_again() {
    let directory = TempDir::new().unwrap();
    let inner = directory.path().join("results");
    let (code, messages) = interfere(&inner.join("long.h5"), || fs::remove_dir_all(&inner).unwrap());
    assert_eq!(code, 0, "{messages}");
    assert_eq!(results::read(&inner.join("long.h5")).unwrap().cells.len(), 1);
}

#[test]
fn a_directory_that_cannot_be_made_again_is_an_error() {
    let directory = TempDir::new().unwrap();
    let inner = directory.path().join("results");
    let (code, messages) = interfere(&inner.join("long.h5"), || {
        fs::remove_dir_all(&inner).unwrap();
        fs::write(&inner, "in the way").unwrap();
    });
    assert_eq!(code, 1, "{messages}");
    assert!(messages.contains("results are safe in memory") && messages.contains("the results are lost"), "{messages}");
}
