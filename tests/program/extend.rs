//! `run --extend`: networks of other files are taken, the rest is computed, and the results are those of a run from scratch, under any ranks
//! and threads and after any interruption. What does not belong to the run is refused before any work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::jobs::place::{Place, SMALL};
use crate::jobs::{PROGRAM, edited, finish, job, outcome, stderr, stdout_of};
use crate::memory::peak_bytes;
use advstep_hpc::files::Target;
use advstep_hpc::results::{self, first_difference};
use advstep_hpc::stats::distinct;

/// 12 networks in 4 cells, and a larger experiment of which they are part: 120 networks in 24 cells.
const PART: [&str; 10] = ["--depths", "1", "--dims", "5,20", "--widths", "10,300", "--networks", "3", "--inputs", "7"];
const WHOLE: [&str; 10] = ["--depths", "1,2", "--dims", "5,20,30", "--widths", "10,20,300,inf", "--networks", "5", "--inputs", "7"];

/// A directory with results files.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs an experiment into `name`, on `ranks` ranks; returns exit code and messages.
    fn outcome(&self, name: &str, ranks: Option<usize>, words: &[&[&str]], fault: Option<&str>) -> (i32, String) {
        let out = self.path(name);
        outcome(ranks, &[&words.concat()[..], &["--out", out.to_str().unwrap()]].concat(), fault)
    }

    /// Runs an experiment into `name` and returns its path.
    fn run(&self, name: &str, words: &[&[&str]]) -> PathBuf {
        let (code, messages) = self.outcome(name, None, words, None);
        assert_eq!(code, 0, "{messages}");
        self.path(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The numbers of the messages `N of T networks taken from …` and `N of T networks to compute`.
fn counts(messages: &str) -> (Vec<usize>, usize) {
    let number = |line: &str| line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let taken = messages.lines().filter(|line| line.contains("networks taken from")).map(number).collect();
    (taken, number(messages.lines().find(|line| line.contains("networks to compute")).expect(messages)))
}

#[test]
fn an_extended_run_is_one_from_scratch_on_any_ranks_and_threads() {
    for precision in ["f32", "f64", "bf16x3"] {
        let (files, form) = (Files::new(), ["--precision", precision]);
        let part = files.run("part.h5", &[&PART, &form]);
        let scratch = files.run("scratch.h5", &[&WHOLE, &form]);
        let before = fs::read(&part).unwrap();
        for (ranks, threads) in [(None, "1"), (None, "2"), (Some(3), "1")] {
            if ranks.is_some() && cfg!(not(feature = "mpi")) {
                continue;
            }
            let words: [&[&str]; 3] = [&WHOLE, &form, &["--extend", text(&part), "--threads", threads, "--overwrite"]];
            let (code, messages) = files.outcome("extended.h5", ranks, &words, None);
            assert_eq!((code, counts(&messages)), (0, (vec![12], 108)), "{messages}");
            assert_eq!(first_difference(&files.path("extended.h5"), &scratch).unwrap(), None, "{ranks:?} ranks, {threads} threads");
        }
        assert!(fs::read(&part).unwrap() == before);
        assert_eq!(files.names(), ["extended.h5", "part.h5", "scratch.h5"]);
        // Taken, not computed again: the times are those of the file.
        let seconds = |path: &Path| results::read(path).unwrap().cells[0].records[0].seconds;
        assert_eq!(seconds(&files.path("extended.h5")), seconds(&part));
    }
}

#[test]
fn every_form_of_experiment_can_be_extended() {
    let forms: [(&[&str], &[&str], &[&str]); 4] = [
        (
            &["--hidden", "20,10", "--dims", "5"],
            &["--hidden", "20,10", "--hidden", "10,20", "--hidden", "10,10", "--dims", "5,8"],
            &[],
        ),
        (
            &["--depths", "1", "--dims", "5", "--widths", "10"],
            &["--depths", "1", "--dims", "5", "--widths", "10,30"],
            &["--direction", "gradient,sign,descent,nearest", "--certify"],
        ),
        (
            &["--depths", "2", "--dims", "5", "--widths", "10"],
            &["--depths", "1,2", "--dims", "5", "--widths", "10,200"],
            &["--activation", "tanh", "--bias", "--inputs-law", "gaussian", "--readout", "gaussian", "--gain", "2"],
        ),
        // Few neurons: functions that vanish, and dead inputs.
        (&["--depths", "3", "--dims", "1,2", "--widths", "1,2"], &["--depths", "1,3", "--dims", "1,2", "--widths", "1,2,3"], &[]),
    ];
    for (part, whole, form) in forms {
        let files = Files::new();
        let part = files.run("part.h5", &[part, form, &["--networks", "4", "--inputs", "6"]]);
        let words: [&[&str]; 3] = [whole, form, &["--networks", "6", "--inputs", "6"]];
        let scratch = files.run("scratch.h5", &words);
        let extended = files.run("extended.h5", &[&words.concat(), &["--extend", text(&part)]]);
        assert_eq!(first_difference(&extended, &scratch).unwrap(), None, "{whole:?} {form:?}");
    }
}

/// Steps along a direction are taken by themselves where they do not depend on the others; other cells are computed whole.
#[test]
fn directions_are_added_and_left_out() {
    let grid = ["--depths", "1,2", "--dims", "1,5,20", "--widths", "10,120", "--networks", "2", "--inputs", "6"];
    let larger = ["--depths", "1,2", "--dims", "1,5,20", "--widths", "10,30,120", "--networks", "3", "--inputs", "6"];
    let all = "gradient,sign,universal,random,descent,nearest";
    let forms: [&[&str]; 4] =
        [&[], &["--precision", "f64"], &["--activation", "tanh", "--gain", "2"], &["--bias", "--dims", "2,5"]];
    // 24 networks in 12 cells, of which the four at d = 1 and the two that are scanned, at L = 2 and k = 120, do not stand alone with the gradient.
    for (old, new, (taken, parts)) in [
        ("gradient", all, (0, 12)),
        ("gradient,sign", all, (0, 24)),
        ("sign", "gradient,sign,nearest", (0, 24)),
        ("nearest", "gradient,nearest", (0, 24)),
        (all, "gradient,random,nearest", (24, 0)),
        (all, "gradient", (12, 0)),
        ("descent,nearest", "gradient,sign,nearest", (0, 24)),
    ] {
        let is_of_any_form = old == "gradient,sign";
        for (number, form) in forms.iter().enumerate().filter(|(number, _)| *number == 0 || is_of_any_form) {
            let files = Files::new();
            let words = |grid: &[&'static str]| -> Vec<&'static str> {
                let replaced = |pair: &[&'static str]| form.contains(&pair[0]);
                grid.chunks(2).filter(|pair| !replaced(pair)).flatten().copied().collect()
            };
            let part = files.run("part.h5", &[&words(&grid), form, &["--direction", old]]);
            let whole: [&[&str]; 3] = [&words(&larger), form, &["--direction", new]];
            let scratch = files.run("scratch.h5", &whole);
            let ranks = cfg!(feature = "mpi").then_some(3).filter(|_| number == 0 && new == all);
            for ranks in distinct(vec![None, ranks]) {
                let extend: [&[&str]; 2] = [&whole.concat(), &["--extend", text(&part), "--threads", "1", "--overwrite"]];
                let (code, messages) = files.outcome("extended.h5", ranks, &extend, None);
                assert_eq!(code, 0, "{old} {new} {form:?}: {messages}");
                assert_eq!(first_difference(&files.path("extended.h5"), &scratch).unwrap(), None, "{old} {new} {form:?}");
                if number == 0 {
                    let expected = format!("{taken} of 54 networks taken from {}", part.display());
                    let expected = if parts > 0 { format!("{expected}, and {parts} in part\n") } else { expected + "\n" };
                    assert!(messages.contains(&expected), "{old} {new}: {messages}");
                }
            }
        }
    }
}

/// Directions from several files, certified distances among them; and a run that is killed in between.
#[test]
fn directions_of_several_files_come_together() {
    let files = Files::new();
    let grid = ["--depths", "1", "--dims", "5,9", "--widths", "10,40", "--networks", "4", "--inputs", "6", "--direction"];
    let along = |name: &str, direction: &str, more: &[&str]| files.run(name, &[&grid, &[direction], more]);
    let (one, two) = (along("one.h5", "gradient,sign", &[]), along("two.h5", "sign,nearest", &["--certify"]));
    let whole: [&[&str]; 3] = [&grid, &["gradient,sign,random,nearest"], &["--certify"]];
    let scratch = files.run("scratch.h5", &whole);
    let extend = ["--extend", text(&one), "--extend", text(&two), "--threads", "1"];
    let (code, messages) = files.outcome("out.h5", None, &[&whole.concat(), &extend], Some("stop:rank=0:unit=5"));
    assert_eq!((code, messages.matches(", and 16 in part").count()), (75, 2), "{messages}");
    // Without the files the others are computed whole.
    let (code, messages) = files.outcome("out.h5", None, &[&whole.concat(), &["--threads", "2"]], None);
    assert!(code == 0 && messages.contains("5 of 16 networks recovered"), "{messages}");
    assert_eq!(first_difference(&files.path("out.h5"), &scratch).unwrap(), None);
    let three = along("three.h5", "random,descent", &[]);
    let (code, messages) = files.outcome("again.h5", None, &[&whole.concat(), &extend, &["--extend", text(&three)]], None);
    assert_eq!((code, counts(&messages)), (0, (vec![0, 0, 16], 0)), "{messages}");
    assert_eq!(first_difference(&files.path("again.h5"), &scratch).unwrap(), None);
}

/// `plan --extend` names the same counts as the run, and has what is left: rows of other cells only, fewer networks, less time.
#[test]
fn a_plan_tells_what_is_taken_and_what_is_left() {
    let files = Files::new();
    let grid = ["--depths", "1", "--dims", "5,20", "--networks", "4", "--inputs", "7"];
    let part = files.run("part.h5", &[&grid, &["--widths", "10,300", "--direction", "gradient,sign"]]);
    let shard = files.run("a.shard", &[&grid, &["--widths", "10,20", "--direction", "gradient,sign", "--shard", "1/2"]]);
    let lines = |text: &str| -> Vec<String> {
        let is_count = |line: &&str| line.contains("networks taken from") || line.contains("networks to compute");
        let lines = text.lines().map(|line| line.trim_start_matches("advstep-hpc: ")).filter(is_count);
        lines.map(|line| line.split(": ").next().unwrap().to_string()).collect()
    };
    let table = |text: &str| -> Vec<Vec<String>> {
        let rows = text.split_once("\n\n").unwrap().1.lines().skip(1);
        rows.map(|line| line.split_whitespace().map(str::to_string).collect()).collect()
    };
    let flops = |row: &Vec<String>| row[7].parse::<f64>().unwrap();
    for (directions, files_of) in
        [("gradient,sign", vec![&part]), ("gradient,sign,random", vec![&part]), ("gradient,sign", vec![&part, &shard])]
    {
        let widths: [&[&str]; 2] = [&grid, &["--widths", "10,20,300", "--direction", directions]];
        let extend: Vec<&str> = files_of.iter().flat_map(|file| ["--extend", text(file)]).collect();
        let words = [&widths.concat()[..], &extend].concat();
        let plan = stdout_of(&[&["plan", "--all"], &words[..]].concat());
        let (code, messages) = files.outcome("out.h5", None, &[&words, &["--overwrite", "--threads", "1"]], None);
        assert_eq!((code, lines(&plan)), (0, lines(&messages)), "{plan}\n{messages}");
        let (left, all) = (table(&plan), table(&stdout_of(&[&["plan", "--all"], &widths.concat()[..]].concat())));
        assert_eq!(all.len(), 6);
        let total: usize = left.iter().map(|row| row[5].parse::<usize>().unwrap()).sum();
        assert_eq!(total, counts(&messages).1, "{plan}");
        match (directions, files_of.len()) {
            // Only width 20, whole.
            ("gradient,sign", 1) => {
                assert!(left.len() == 2 && left.iter().all(|row| row[2] == "20" && all.contains(row)), "{plan}")
            }
            // One direction of three of the other widths.
            (_, 1) => {
                assert_eq!(left.len(), 6);
                for (left, all) in left.iter().zip(&all) {
                    assert_eq!(left[..6], all[..6]);
                    assert_eq!(flops(left) < flops(all), left[2] != "20", "{left:?} {all:?}");
                }
            }
            _ => assert!(total > 0 && total < 8 && left.iter().all(|row| row[2] == "20"), "{plan}"),
        }
    }
}

/// Reading a file takes little memory, however large the file is: here its samples alone are more than the run may have.
#[test]
fn a_file_larger_than_the_memory_is_extended() {
    let files = Files::new();
    let widths: Vec<String> = (1..=30).map(|width| width.to_string()).collect();
    let form = ["--depths", "1", "--dims", "2", "--inputs", "1000"];
    let large = files.run("large.h5", &[&form, &["--widths", &widths.join(","), "--networks", "100"]]);
    assert!(fs::metadata(&large).unwrap().len() > 100 << 20);
    let small: [&[&str]; 2] = [&form, &["--widths", "7,31", "--networks", "50", "--memory", "180MiB", "--threads", "1"]];
    let scratch = files.run("scratch.h5", &small);
    let out = files.path("out.h5");
    let words = [&small.concat()[..], &["--quiet", "--extend", text(&large), "--out", text(&out)]].concat();
    let peak = peak_bytes(Command::new(PROGRAM).args(&words));
    assert!(peak < 180 << 20, "{peak} bytes");
    assert_eq!(first_difference(&out, &scratch).unwrap(), None);
}

/// A partial file, journals (also with a torn record), a shard, a search for thresholds; several files that overlap.
#[test]
fn all_kinds_of_files_are_extended() {
    let place = Place::stopped_at(23);
    let files = Files::new();
    let mut torn = fs::read(place.journal()).unwrap();
    torn.truncate(torn.len() - 10);
    let torn_path = files.path("torn.h5.journal");
    fs::write(&torn_path, &torn).unwrap();
    let shard = files.run("shard", &[&SMALL, &["--shard", "2/3"]]);
    let of_shard = results::shard::read(&shard).unwrap().records.len();
    let larger: [&str; 10] = ["--depths", "1,2", "--dims", "5,20", "--widths", "10,20,300", "--networks", "6", "--inputs", "7"];
    let scratch = files.run("scratch.h5", &[&larger]);
    let (journal, partial) = (place.journal(), place.snapshot());
    for (paths, expected) in [
        (vec![&journal], vec![23]),
        (vec![&torn_path], vec![22]),
        (vec![&partial], vec![20]),
        (vec![&shard], vec![of_shard]),
        (vec![&partial, &journal, &scratch], vec![20, 3, 49]),
    ] {
        let before: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        let extend: Vec<&str> = paths.iter().flat_map(|path| ["--extend", text(path)]).collect();
        let (code, messages) = files.outcome("extended.h5", None, &[&larger, &extend, &["--overwrite"]], None);
        let all: usize = expected.iter().sum();
        assert_eq!((code, counts(&messages)), (0, (expected, 72 - all)), "{messages}");
        assert_eq!(first_difference(&files.path("extended.h5"), &scratch).unwrap(), None, "{paths:?}");
        assert!(paths.iter().map(|path| fs::read(path).unwrap()).eq(before), "{paths:?}");
    }
    // Fewer networks and cells than the file has: nothing is left to compute.
    let smaller = ["--depths", "2", "--dims", "5", "--widths", "10,300", "--networks", "2", "--inputs", "7"];
    let words: [&[&str]; 2] = [&smaller, &["--extend", text(&scratch)]];
    let (code, messages) = files.outcome("smaller.h5", None, &words, None);
    assert_eq!((code, counts(&messages)), (0, (vec![4], 0)), "{messages}");
    assert_eq!(first_difference(&files.path("smaller.h5"), &files.run("small.h5", &[&smaller])).unwrap(), None);
    // A shard of the larger experiment takes what is its own.
    let own: [&[&str]; 2] = [&larger, &["--shard", "1/2"]];
    let taken = files.run("taken.shard", &[&own.concat(), &["--extend", text(&journal)]]);
    let computed = files.run("computed.shard", &own);
    let records = |path: &Path| {
        let mut records = results::shard::read(path).unwrap().records;
        records.sort_by_key(|record| record.unit);
        records.iter().map(|record| format!("{:?} {:?}", record.unit, record.samples)).collect::<Vec<_>>()
    };
    assert_eq!(records(&taken), records(&computed));
}

#[test]
fn a_search_for_thresholds_is_extended_and_so_is_its_journal() {
    let files = Files::new();
    let search = ["threshold", "--depths", "1", "--dim", "6", "--level", "0.8", "--networks", "20", "--inputs", "6", "--to", "300"];
    assert_eq!(files.outcome("search.h5", None, &[&search, &["--threads", "1"]], Some("stop:rank=0:unit=30")).0, 75);
    let journal = files.path("stopped.h5.journal");
    fs::rename(files.path("search.h5.journal"), &journal).unwrap();
    let found = files.run("search.h5", &[&search]);
    let cell = results::read(&found).unwrap().cells[0].cell;
    let words = ["--depths", "1,2", "--dims", "6", "--widths", &format!("{},32", cell.width), "--networks", "20", "--inputs", "6"];
    let scratch = files.run("scratch.h5", &[&words]);
    for file in [&journal, &found] {
        let (code, messages) = files.outcome("extended.h5", None, &[&words, &["--extend", text(file), "--overwrite"]], None);
        assert_eq!(code, 0, "{messages}");
        assert!(counts(&messages).0[0] >= 20, "{messages}");
        assert_eq!(first_difference(&files.path("extended.h5"), &scratch).unwrap(), None);
    }
}

/// What was taken is in the journal, so the run resumes without the file, and with it.
#[test]
fn an_extended_run_that_is_killed_resumes_with_or_without_the_file() {
    let files = Files::new();
    let part = files.run("part.h5", &[&PART]);
    let scratch = files.run("scratch.h5", &[&WHOLE]);
    let extend = ["--extend", text(&part)];
    let ranks: &[Option<usize>] = if cfg!(feature = "mpi") { &[None, Some(3)] } else { &[None] };
    for &ranks in ranks {
        for again in [&extend[..], &[]] {
            let words: [&[&str]; 3] = [&WHOLE, &extend, &["--threads", "1"]];
            let (code, messages) = match ranks {
                None => {
                    let mut command = job(None, &[&words.concat()[..], &["--out", text(&files.path("killed.h5"))]].concat());
                    let output = finish(command.env("ADVSTEP_FAULT", "kill:rank=0:unit=15"));
                    (output.status.code(), stderr(&output))
                }
                Some(_) => {
                    let (code, messages) = files.outcome("killed.h5", ranks, &words, Some("kill:rank=0:unit=15"));
                    (Some(code), messages)
                }
            };
            assert_ne!(code, Some(0), "{messages}");
            assert!(files.path("killed.h5.journal").exists());
            let (code, messages) = files.outcome("killed.h5", ranks, &[&WHOLE, again, &["--threads", "2"]], None);
            assert_eq!(code, 0, "{messages}");
            let recovered = messages.lines().find(|line| line.contains("of 120 networks recovered")).expect(&messages);
            assert!(recovered.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() >= 12, "{messages}");
            if !again.is_empty() {
                assert_eq!(counts(&messages).0, [0], "all of the file are in the journal: {messages}");
            }
            assert_eq!(first_difference(&files.path("killed.h5"), &scratch).unwrap(), None);
            assert!(!files.path("killed.h5.journal").exists());
            fs::remove_file(files.path("killed.h5")).unwrap();
        }
    }
}

#[test]
fn a_stopped_extension_resumes_and_a_journal_may_be_extended_later() {
    let files = Files::new();
    let part = files.run("part.h5", &[&PART]);
    let words: [&[&str]; 3] = [&WHOLE, &["--extend", text(&part)], &["--threads", "1"]];
    assert_eq!(files.outcome("stopped.h5", None, &words, Some("stop:rank=0:unit=8")).0, 75);
    let (code, messages) = files.outcome("stopped.h5", None, &[&WHOLE], None);
    assert!(code == 0 && messages.contains("20 of 120 networks recovered"), "{messages}");
    assert_eq!(first_difference(&files.path("stopped.h5"), &files.run("scratch.h5", &[&WHOLE])).unwrap(), None);
    // The journal of a smaller run that was stopped holds its networks although this run resumes from a journal of its own.
    let (code, messages) =
        files.outcome("part-2.h5", None, &[&PART, &["--seed", "2", "--threads", "1"]], Some("stop:rank=0:unit=9"));
    assert_eq!(code, 75, "{messages}");
    assert_eq!(files.outcome("late.h5", None, &[&WHOLE, &["--seed", "2", "--threads", "1"]], Some("stop:rank=0:unit=1")).0, 75);
    let journal = files.path("part-2.h5.journal");
    let (code, messages) = files.outcome("late.h5", None, &[&WHOLE, &["--seed", "2", "--extend", text(&journal)]], None);
    assert_eq!((code, counts(&messages)), (0, (vec![9], 110)), "{messages}");
    assert_eq!(first_difference(&files.path("late.h5"), &files.run("scratch-2.h5", &[&WHOLE, &["--seed", "2"]])).unwrap(), None);
}

#[test]
fn what_does_not_belong_to_the_run_is_refused_before_any_work() {
    let files = Files::new();
    let part = files.run("part.h5", &[&PART]);
    let journal = files.path("kept.h5.journal");
    fs::copy(Place::stopped_at(5).journal(), &journal).unwrap();
    let deep = files.run("deep.h5", &[&["--depths", "2", "--dims", "5", "--widths", "300", "--networks", "3", "--inputs", "7"]]);
    let near = ["--depths", "1", "--dims", "5", "--widths", "10", "--networks", "3", "--inputs", "7", "--direction", "nearest"];
    let near = files.run("near.h5", &[&near]);
    let edited = |name: &str, change: &dyn Fn(&hdf5::File)| edited(&part, files.path(name), change);
    let science = edited("science.h5", &|file| file.attr("science_version").unwrap().write_scalar(&9_u32).unwrap());
    let kernels = edited("kernels.h5", &|file| {
        let kernels: hdf5::types::VarLenUnicode = "Abacus".parse().unwrap();
        file.group("provenance").unwrap().attr("blas_core").unwrap().write_scalar(&kernels).unwrap();
    });
    let engine = edited("engine.h5", &|file| file.dataset("engine").unwrap().write_raw(&[1_u8; 4]).unwrap());
    let damaged = files.path("damaged.h5");
    let mut bytes = fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let foreign = files.path("foreign.h5");
    fs::write(&foreign, "something else").unwrap();
    let audit_words = ["audit", "--dims", "10", "--widths", "20", "--networks", "4", "--statements", "lemma-8", "--quiet"];
    let audit = files.run("audit.h5", &[&audit_words]);
    assert_eq!(files.outcome("stopped.h5", None, &[&audit_words, &["--threads", "1"]], Some("stop:rank=0:unit=1")).0, 75);
    let audit_journal = files.path("stopped.h5.journal");
    let missing = files.path("missing.h5");
    let before = files.names();

    let run = |file: &Path, options: &[&str]| {
        let is_replaced = |pair: &[&str]| options.contains(&pair[0]);
        let words: Vec<&str> = WHOLE.chunks(2).filter(|pair| !is_replaced(pair)).flatten().copied().collect();
        files.outcome("out.h5", None, &[&words, &["--extend", text(file)], options], None)
    };
    for (file, options, message) in [
        (&part, &["--seed", "3"][..], "its seed is 2020, that of this run is 3"),
        (&part, &["--gain", "2"], "its gain is 1, that of this run is 2"),
        (&part, &["--bound", "5"], "its bound is 20, that of this run is 5"),
        (&part, &["--inputs", "8"], "its inputs is 7, that of this run is 8"),
        (&part, &["--readout", "gaussian"], "its readout is \"sign\", that of this run is \"gaussian\""),
        (&part, &["--precision", "f64"], "its precision is \"f32\""),
        (&part, &["--engine", "dense"], "its engine is \"auto\", that of this run is \"dense\""),
        (&part, &["--search", "scan"], "its search is \"auto\""),
        (
            &part,
            &["--widths", "10,300", "--direction", "sign"],
            "its directions are gradient, those of this run sign, and no step can be",
        ),
        (
            &deep,
            &["--widths", "300", "--direction", "gradient,sign"],
            "its directions are gradient, those of this run gradient, sign, and",
        ),
        (
            &near,
            &["--widths", "10", "--direction", "sign,nearest", "--nearest-starts", "2"],
            "its nearest_starts is not given, that of this run is 2",
        ),
        (&part, &["--widths", "10", "--activation", "tanh"], "its activation is \"relu\""),
        (&part, &["--widths", "10", "--bias"], "its bias is false"),
        (&part, &["--widths", "10", "--inputs-law", "hypercube"], "its inputs_law is \"sphere\""),
        (&part, &["--bound-distance", "3"], "its bound_distance is not given, that of this run is 3"),
        (&part, &["--widths", "40"], "it has none of the networks of this run"),
        (&part, &["--depths", "2"], "it has none of the networks of this run"),
        (&journal, &["--seed", "3"], "its seed is 2020, that of this run is 3"),
        (&science, &[], "it has version 9 of the science, this program has version "),
        (&engine, &[], "its cell (L=1, d=5, k=10) was measured by implicit line, this run would take dense line"),
        (&damaged, &[], "damaged"),
        (&foreign, &[], "cannot extend"),
        (&audit, &[], "its format is `advstep-hpc audit`"),
        (&audit_journal, &[], "it is the journal of an audit"),
        (&missing, &[], "No such file"),
    ] {
        let (code, messages) = run(file, options);
        assert_eq!(code, 2, "{options:?}: {messages}");
        assert!(messages.contains(message) && messages.contains("\nhelp: "), "{message}: {messages}");
        assert_eq!(files.names(), before, "{message}");
    }
    // Of another CPU: no byte depends on that.
    assert_eq!(files.outcome("elsewhere.h5", None, &[&WHOLE, &["--extend", text(&kernels)]], None).0, 0);
    if cfg!(feature = "mpi") {
        let (code, messages) = files.outcome("out.h5", Some(2), &[&WHOLE, &["--extend", text(&part), "--seed", "3"]], None);
        assert_eq!((code, messages.matches("error: ").count()), (2, 1), "{messages}");
    }
    // With --fresh too: nothing is moved aside.
    let words: [&[&str]; 2] = [&PART, &["--seed", "3", "--fresh", "--extend", text(&part)]];
    let (out, held) = (files.path("kept.h5"), fs::read(&journal).unwrap());
    fs::write(&out, "precious").unwrap();
    let (code, messages) = files.outcome("kept.h5", None, &words, None);
    assert!(code == 2 && messages.contains("its seed is 2020"), "{messages}");
    assert_eq!((fs::read_to_string(&out).unwrap().as_str(), fs::read(&journal).unwrap()), ("precious", held));
}

#[test]
fn the_file_itself_is_never_written() {
    let files = Files::new();
    let part = files.run("part.h5", &[&PART]);
    let link = files.path("link.h5");
    std::os::unix::fs::symlink(&part, &link).unwrap();
    let (stopped, options) = (Place::stopped_at(23), ["--overwrite", "--fresh"]);
    let outputs = [(part.clone(), part.clone()), (link.clone(), part.clone()), (part.clone(), link)];
    let companions = [stopped.journal(), stopped.snapshot()].map(|file| (stopped.out.clone(), file));
    for (out, file) in outputs.into_iter().chain(companions) {
        let before = fs::read(&file).unwrap();
        for options in [&[][..], &options] {
            let words = [&WHOLE[..], options, &["--extend", text(&file), "--out", text(&out)]].concat();
            let (code, messages) = outcome(None, &words, None);
            assert!(code == 2 && messages.contains("it is the same file as the input"), "{out:?} {file:?}: {messages}");
        }
        assert!(fs::read(&file).unwrap() == before);
    }
    // A plan refuses what a run would.
    let (code, messages) = outcome(None, &[&["plan"], &WHOLE[..], &["--seed", "7", "--extend", text(&part)]].concat(), None);
    assert!(code == 2 && messages.contains("its seed is 2020, that of this run is 7"), "{messages}");
    // The lock of another command on the output is respected.
    let claimed = Target::claim(&files.path("claimed.h5"), "--out", &[]).unwrap();
    let (code, messages) = files.outcome("claimed.h5", None, &[&WHOLE, &["--extend", text(&part)]], None);
    assert!(code == 2 && messages.contains("another command is writing it"), "{messages}");
    drop(claimed);
}
