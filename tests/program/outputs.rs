//! Output files: one writer at a time, no overwriting by default, any file system and file name; and finished runs that are re-run.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::jobs::place::{Place, SMALL};
use crate::jobs::{PROGRAM, finish, job, shim, stderr};
use advstep_hpc::files::{Existing, Target, seal};
use advstep_hpc::results;
use tempfile::TempDir;

/// A run of at least 2 s on one thread.
const LONG: [&str; 12] =
    ["--depths", "2", "--dims", "20", "--widths", "300", "--networks", "400", "--inputs", "100", "--threads", "1"];

fn program(arguments: &[&OsStr]) -> Output {
    finish(Command::new(PROGRAM).args(arguments).env_remove("SLURM_NTASKS"))
}

fn words<'a>(words: &[&'a str], paths: &[&'a Path]) -> Vec<&'a OsStr> {
    words.iter().map(|&word| OsStr::new(word)).chain(paths.iter().map(|path| path.as_os_str())).collect()
}

/// Starts the long run into `out` and waits for its journal.
fn start_long(out: &Path, options: &[&str]) -> Child {
    let arguments = [&LONG[..], options, &["--out", out.to_str().unwrap()]].concat();
    let mut child = job(None, &arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let journal = out.with_extension("h5.journal");
    wait_until(&mut child, || fs::metadata(&journal).is_ok_and(|journal| journal.len() > 4000));
    child
}

fn wait_until(child: &mut Child, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        assert!(begun.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(10));
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

// --- Finished runs, re-run ---

#[test]
fn a_finished_run_started_again_succeeds_and_touches_nothing() {
    let ranks: &[Option<usize>] = if cfg!(feature = "mpi") { &[None, Some(3)] } else { &[None] };
    let place = Place::new();
    assert_eq!(place.run(None, &["--quiet"]).0, 0);
    let state = || {
        let found = fs::metadata(&place.out).unwrap();
        (place.contents(), found.ino(), found.mtime_nsec())
    };
    let before = state();
    for &ranks in ranks {
        let (code, messages) = place.run(ranks, &["--threads", "1", "--memory", "256MiB"]);
        assert_eq!(code, 0, "{messages}");
        assert_eq!(messages.matches("is already complete").count(), 1, "{messages}");
        let (code, messages) = place.run(ranks, &["--quiet"]);
        assert_eq!((code, messages.as_str()), (0, ""));
    }
    for other in [["--seed", "3"], ["--gain", "2"], ["--search", "scan"]] {
        let (code, messages) = place.run(None, &other);
        assert!(code == 2 && messages.contains("the file exists"), "{messages}");
    }
    assert!(state() == before);
    // With --overwrite it is recomputed.
    assert_eq!(place.run(None, &["--overwrite"]).0, 0);
    assert_ne!(state().1, before.1);
    place.assert_finished();
}

#[test]
fn a_finished_shard_started_again_succeeds() {
    let place = Place::new();
    let shard = |number: &str| place.run(None, &["--shard", number]);
    assert_eq!(shard("2/3").0, 0);
    let before = place.contents();
    let (code, messages) = shard("2/3");
    assert!(code == 0 && messages.contains("is already complete"), "{messages}");
    for other in ["1/3", "2/4"] {
        let (code, messages) = shard(other);
        assert!(code == 2 && messages.contains("the file exists"), "{messages}");
    }
    let (code, messages) = place.run(None, &[]);
    assert!(code == 2 && messages.contains("the file exists"), "{messages}");
    assert_eq!(place.contents(), before);
}

#[test]
fn a_file_that_is_partial_or_of_other_science_is_not_finished() {
    let place = Place::new();
    assert_eq!(place.run(None, &["--quiet"]).0, 0);
    let sound = fs::read(&place.out).unwrap();
    let changed = |change: &dyn Fn(&hdf5::File)| {
        fs::write(&place.out, &sound[..sound.len() - 20]).unwrap();
        let file = advstep_hpc::files::hdf5::open_rw(&place.out).unwrap();
        change(&file);
        file.close().unwrap();
        seal::seal(&place.out).unwrap();
        place.run(None, &[])
    };
    assert_eq!(changed(&|_| ()).0, 0);
    for change in [
        &|file: &hdf5::File| file.attr("science_version").unwrap().write_scalar(&1_u32).unwrap() as (),
        &|file: &hdf5::File| file.delete_attr("science_version").unwrap(),
        &|file: &hdf5::File| file.attr("complete").unwrap().write_scalar(&0_u8).unwrap(),
    ] as [&dyn Fn(&hdf5::File); 3]
    {
        let (code, messages) = changed(change);
        assert!(code == 2 && messages.contains("the file exists"), "{messages}");
    }
    fs::write(&place.out, &sound[..sound.len() - 1]).unwrap();
    assert_eq!(place.run(None, &[]).0, 2, "a damaged file is not finished");
}

#[test]
fn status_tells_what_is_on_disk() {
    let place = Place::new();
    let out = place.out.to_str().unwrap();
    let status = |options: &[&str]| {
        let output = finish(&mut job(None, &[&["status"], &SMALL[..], &["--out", out], options].concat()));
        output.status.code().unwrap()
    };
    let of_file = || finish(&mut job(None, &["status", out])).status.code().unwrap();
    assert_eq!((status(&[]), of_file()), (1, 1));
    let stopped = Place::stopped_at(10);
    fs::copy(stopped.journal(), place.journal()).unwrap();
    assert_eq!((status(&[]), of_file()), (75, 75));
    assert_eq!(place.run(None, &["--quiet"]).0, 0);
    assert_eq!((status(&[]), of_file(), status(&["--seed", "9"])), (0, 0, 1));
    assert_eq!(status(&["--threads", "7", "--quiet", "--memory", "1GiB", "--max-hours", "3"]), 0);
    // A crash just before the journal is removed; and a run that replaces the file.
    fs::copy(stopped.journal(), place.journal()).unwrap();
    assert_eq!((status(&[]), of_file(), status(&["--overwrite"])), (0, 0, 75));
    assert_eq!(status(&["--widths", "0"]), 2);
    // The same through a link.
    let link = place.directory.path().join("link.h5");
    symlink(&place.out, &link).unwrap();
    assert_eq!(finish(&mut job(None, &["status", link.to_str().unwrap()])).status.code(), Some(0));
}

// --- One writer at a time ---

/// The second writer is refused with 2, under any name of the file, and the first is not disturbed.
#[test]
fn a_second_writer_is_refused_and_disturbs_nothing() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("long.h5");
    let link = directory.path().join("link.h5");
    symlink("long.h5", &link).unwrap();
    let export = ["export", "--depth", "1", "--dim", "5", "--width", "5", "--out"];
    let audit = ["audit", "--dims", "10", "--widths", "10", "--networks", "2", "--statements", "lemma-8", "--out"];
    let tables = [
        "audit",
        "--dims",
        "10",
        "--widths",
        "10",
        "--networks",
        "2",
        "--statements",
        "lemma-8",
        "--out",
        "other.h5",
        "--markdown",
    ];
    let shard = directory.path().join("1-of-1.shard");
    assert!(program(&words(&[&SMALL[..], &["--shard", "1/1", "--quiet", "--out"]].concat(), &[&shard])).status.success());
    let first = start_long(&out, &[]);
    let run = |options: &[&'static str], path| words(&[&LONG[..], options, &["--out"]].concat(), &[path]);
    let seconds = [
        run(&[], &out),
        run(&[], &link),
        run(&["--fresh"], &out),
        run(&["--fresh"], &link),
        run(&["--seed", "3", "--overwrite"], &link),
        words(&export, &[&out]),
        words(&audit, &[&link]),
        words(&tables, &[&out]),
        words(&["merge", "--out"], &[&link, &shard]),
    ];
    // The others wait for the lock for 5 s, so stop the holder meanwhile.
    let paused = Paused::new(&first);
    let start = |arguments: &Vec<&OsStr>| {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(directory.path()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = seconds.iter().map(start).collect();
    for (arguments, child) in seconds.iter().zip(children) {
        let output = child.wait_with_output().unwrap();
        let messages = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {messages}");
        assert!(messages.contains(&format!("another command is writing it: process {}", first.id())), "{messages}");
    }
    drop(paused);
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(results::read(&out).unwrap().cells.len(), 1);
    assert_eq!(names(directory.path()), ["1-of-1.shard", "link.h5", "long.h5"]);
}

/// Keeps a process stopped until dropped.
struct Paused(i32);

impl Paused {
    fn new(child: &Child) -> Self {
        let process = child.id() as i32;
        // SAFETY: our child, not waited for yet.
        assert_eq!(unsafe { libc::kill(process, libc::SIGSTOP) }, 0);
        Self(process)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::kill(self.0, libc::SIGCONT) };
    }
}

#[test]
fn of_two_runs_started_together_one_is_refused_with_2() {
    for _ in 0..5 {
        let place = Place::new();
        let start = |seed: &str| place.command(None, &["--seed", seed, "--quiet"]).stderr(Stdio::piped()).spawn().unwrap();
        let outputs = [start("1"), start("2")].map(|child| child.wait_with_output().unwrap());
        let codes = outputs.each_ref().map(|output| output.status.code().unwrap());
        assert!(codes == [0, 2] || codes == [2, 0], "{codes:?}");
        let winner = if codes[0] == 0 { 1 } else { 2 };
        assert_eq!(results::read(&place.out).unwrap().experiment.seed, winner);
        assert_eq!(place.names(), ["small.h5"]);
        // The same experiment twice: both succeed, and one of them computes it.
        let place = Place::new();
        let start = || place.command(None, &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let outputs = [start(), start()].map(|child| child.wait_with_output().unwrap());
        assert!(outputs.iter().all(|output| output.status.success()), "{outputs:?}");
        place.assert_finished();
    }
}

#[test]
fn a_file_that_appears_meanwhile_is_not_replaced() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("long.h5");
    let run = start_long(&out, &["--grace", "1"]);
    fs::write(&out, "precious").unwrap();
    let output = run.wait_with_output().unwrap();
    let messages = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{messages}");
    assert!(messages.contains("File exists") && messages.contains("all networks are in"), "{messages}");
    assert_eq!(names(directory.path()), ["long.h5", "long.h5.journal"]);
    fs::rename(&out, directory.path().join("precious")).unwrap();
    let output = finish(&mut job(None, &[&LONG[..], &["--out", out.to_str().unwrap()]].concat()));
    assert!(output.status.success() && stderr(&output).contains("400 of 400 networks recovered"), "{}", stderr(&output));
}

#[test]
fn a_killed_export_leaves_nothing_that_stays() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("net.h5");
    let large = ["export", "--depth", "3", "--dim", "300", "--width", "3e3", "--inputs", "300", "--out", out.to_str().unwrap()];
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGKILL] {
        let mut child = job(None, &large).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let is_half_written = || names(directory.path()).iter().any(|name| name.starts_with(".net.h5.tmp-"));
        wait_until(&mut child, is_half_written);
        // SAFETY: our child, not waited for yet.
        assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
        assert!(!child.wait().unwrap().success());
        assert_eq!(!names(directory.path()).is_empty(), signal == libc::SIGKILL, "signal {signal}: {:?}", names(directory.path()));
        assert!(!out.exists());
    }
    let small = ["export", "--depth", "1", "--dim", "5", "--width", "5", "--out", out.to_str().unwrap()];
    assert!(finish(&mut job(None, &small)).status.success());
    assert_eq!(names(directory.path()), ["net.h5"]);
}

// --- File systems and names ---

#[test]
fn a_file_system_without_locks_is_no_obstacle() {
    let shims = TempDir::new().unwrap();
    let shim = shim(shims.path(), "nolocks");
    for number in [libc::ENOLCK, libc::EOPNOTSUPP, libc::EIO, 524] {
        let without_locks = |command: &mut Command| {
            let output =
                finish(command.env("LD_PRELOAD", &shim).env("NOLOCKS", number.to_string()).env_remove("HDF5_USE_FILE_LOCKING"));
            assert!(output.status.success(), "error {number}: {}", stderr(&output));
            (String::from_utf8_lossy(&output.stdout).into_owned(), stderr(&output))
        };
        let place = Place::new();
        let (_, messages) = without_locks(&mut place.command(None, &[]));
        assert_eq!(messages.matches("no lock on ").count(), 1, "{messages}");
        let (table, _) = without_locks(&mut job(None, &["show", place.out.to_str().unwrap()]));
        assert!(table.contains("found %"), "{table}");
        without_locks(&mut job(None, &["compare", place.out.to_str().unwrap(), place.out.to_str().unwrap()]));
        let other = place.directory.path().join("other.h5");
        let export = ["export", "--depth", "1", "--dim", "5", "--width", "5", "--out", other.to_str().unwrap()];
        without_locks(&mut job(None, &export));
        let audit =
            ["audit", "--dims", "10", "--widths", "10", "--networks", "2", "--statements", "lemma-8", "--overwrite", "--out"];
        without_locks(&mut job(None, &[&audit[..], &[other.to_str().unwrap()]].concat()));
        place.run(None, &["--shard", "1/1", "--overwrite", "--quiet"]);
        without_locks(&mut job(None, &["merge", place.out.to_str().unwrap(), "--overwrite", "--out", other.to_str().unwrap()]));
        assert_eq!(place.names(), ["other.h5", "small.h5"]);
    }
}

/// Names that are not UTF-8, and one of almost maximal length.
#[test]
fn every_name_can_be_written_and_read() {
    let directory = TempDir::new().unwrap();
    let odd = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let long = "x".repeat(244) + ".h5";
    for name in
        [odd(b"caf\xe9/r\xe9sultat.h5"), odd(b"dir\xff/plain.h5"), odd(b"\xff.h5"), PathBuf::from(&long), "a b'c\"$*.h5".into()]
    {
        let out = directory.path().join(&name);
        let run = |arguments: &[&OsStr]| {
            let output = program(arguments);
            assert!(output.status.success(), "{name:?}: {}", stderr(&output));
            output.stdout
        };
        run(&words(&[&SMALL[..], &["--quiet", "--out"]].concat(), &[&out]));
        assert!(String::from_utf8_lossy(&run(&words(&["show"], &[&out]))).contains("found %"));
        let again = out.with_file_name(OsString::from("again.h5"));
        run(&words(&[&SMALL[..], &["--quiet", "--out"]].concat(), &[&again]));
        run(&words(&["compare"], &[&out, &again]));
        let figures = out.with_file_name(OsStr::from_bytes(b"figures\xfe"));
        run(&words(&["plot", "--format", "svg", "--out"], &[&figures, &out]));
        assert!(fs::read_dir(&figures).unwrap().count() > 3);
        run(&words(&["export", "--depth", "1", "--dim", "5", "--width", "5", "--overwrite", "--out"], &[&again]));
        for file in [&out, &again] {
            fs::remove_file(file).unwrap();
        }
        fs::remove_dir_all(figures).unwrap();
        assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().filter(|e| e.as_ref().unwrap().path().is_file()).count(), 0);
    }
}

#[test]
fn a_name_that_is_too_long_is_refused_before_the_work() {
    let directory = TempDir::new().unwrap();
    for length in [248, 255, 256] {
        let out = directory.path().join("x".repeat(length - 3) + ".h5");
        let output = program(&words(&[&SMALL[..], &["--out"]].concat(), &[&out]));
        assert_eq!(output.status.code(), Some(2), "{length}: {}", stderr(&output));
    }
    assert!(names(directory.path()).is_empty());
    // An export has no journal.
    let out = directory.path().join("x".repeat(252) + ".h5");
    let output = program(&words(&["export", "--depth", "1", "--dim", "5", "--width", "5", "--out"], &[&out]));
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_target_can_be_claimed_again_once_it_is_dropped() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("new/x.h5");
    let target = Target::claim(&path, "--out", &[]).unwrap();
    assert!(target.is_locked() && !target.exists());
    target.check_free(Existing::Refuse).unwrap();
    target.write(Existing::Refuse, |aside| Ok(fs::write(aside, "x")?)).unwrap();
    assert_eq!(target.check_free(Existing::Refuse).unwrap_err().why, "the file exists");
    target.check_free(Existing::Replace).unwrap();
    drop(target);
    assert_eq!(names(path.parent().unwrap()), ["x.h5"]);
    drop(Target::claim(&path, "--out", &[]).unwrap());
}

#[test]
fn what_can_be_no_file_is_not_claimed_and_nothing_is_created() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [
        directory.path().to_path_buf(),
        file.join("below.h5"),
        file.join("far/below.h5"),
        directory.path().join("new/"),
        directory.path().join("new/.."),
        directory.path().join("n".repeat(300)),
        "".into(),
        "-".into(),
        "/proc/new.h5".into(),
        "/proc/new/new.h5".into(),
        "/dev/null".into(),
    ] {
        let refused = Target::claim(&path, "--markdown", &[]).unwrap_err();
        assert!(refused.remedy.contains("--markdown"), "{refused}");
    }
    assert_eq!(names(directory.path()), ["file"]);
}

/// Two names of one file, and a loop of links.
#[test]
fn links_are_followed_to_the_file_itself() {
    let directory = TempDir::new().unwrap();
    let (real, link, link_to_link) = (directory.path().join("real.h5"), directory.path().join("a"), directory.path().join("b"));
    symlink("real.h5", &link).unwrap();
    symlink(&link, &link_to_link).unwrap();
    let target = Target::claim(&link_to_link, "--out", &[]).unwrap();
    assert_eq!(target.path(), real);
    assert!(Target::claim(&real, "--out", &[]).unwrap_err().why.contains("another command is writing it"));
    drop(target);
    let (one, other) = (directory.path().join("one"), directory.path().join("other"));
    symlink(&one, &other).unwrap();
    symlink(&other, &one).unwrap();
    assert!(Target::claim(&one, "--out", &[]).is_err());
}
