//! `show` of a journal: what a run, a shard, a search or an audit has done so far. It reads the file only, whoever writes it.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::jobs::place::{Place, SMALL};
use crate::jobs::{finish, job, outcome, stderr, stdout_of};
use advstep_hpc::files::Target;

fn show(path: &Path) -> String {
    stdout_of(&["show", path.to_str().unwrap()])
}

#[test]
fn a_stopped_run_shows_what_it_has() {
    let place = Place::stopped_at(23);
    let before = place.contents();
    let text = show(&place.journal());
    assert!(text.contains("small.h5.journal: 23 of 60 networks and 4 of 12 cells are finished\n"), "{text}");
    assert!(text.contains(" on 1 rank with 1 thread, last written "), "{text}");
    assert!(text.contains("5 networks × 7 inputs per cell"), "{text}");
    assert!(text.contains("1 of these cells is in part, with fewer than 5 networks"), "{text}");
    assert_eq!((text.matches(" 3/5 ").count(), text.matches("/5 ").count()), (1, 1), "{text}");
    // The lines of complete cells are those of the finished file, the number of networks apart.
    let partial = stdout_of(&["show", place.snapshot().to_str().unwrap()]);
    let numbers = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = text.lines().map(numbers).collect();
    let mut complete = 0;
    let is_cell = |words: &Vec<String>| words.len() > 10 && words[..3].iter().all(|word| word.parse::<usize>().is_ok());
    for cell in partial.lines().map(numbers).filter(is_cell) {
        let mut with_networks = cell.clone();
        with_networks.insert(3, "5".to_string());
        let found = lines.iter().any(|line| line.len() > 8 && line[..4] == with_networks[..4]);
        complete += usize::from(found);
        assert!(found, "{cell:?}: {text}");
    }
    assert_eq!(complete, 4, "{partial}");
    // JSON and CSV: the number of networks is that of the line.
    let csv = stdout_of(&["show", place.journal().to_str().unwrap(), "--format", "csv"]);
    let networks = |line: &str| line.split(',').nth(4).unwrap().parse::<usize>().unwrap();
    assert_eq!(csv.lines().skip(1).map(networks).sum::<usize>(), 23, "{csv}");
    assert_eq!(stdout_of(&["show", place.journal().to_str().unwrap(), "--format", "json"]).lines().count(), 5);
    // The name of the results file is enough while there is none.
    assert_eq!(show(&place.out).lines().next(), text.lines().next());
    assert!(place.contents() == before);
    assert_eq!(place.run(None, &["--quiet"]).0, 0);
    place.assert_finished();
    assert!(!show(&place.out).contains("are finished"));
}

/// Under the lock of another process, with a torn end, and from a directory that must not be written to.
#[test]
fn a_journal_is_shown_in_any_state() {
    let place = Place::stopped_at(23);
    let whole = fs::read(place.journal()).unwrap();
    let locked = Target::claim(&place.out, "--out", &[]).unwrap();
    assert!(show(&place.journal()).contains("23 of 60 networks"));
    drop(locked);
    let (mut least, mut most) = (usize::MAX, 0);
    for cut in (0..whole.len() / 2).step_by(997) {
        fs::write(place.journal(), &whole[..whole.len() - cut]).unwrap();
        let text = show(&place.journal());
        let finished: usize = text.split(" of 60 networks").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        (least, most) = (least.min(finished), most.max(finished));
        assert_eq!(fs::read(place.journal()).unwrap().len(), whole.len() - cut);
    }
    assert!(most == 23 && least < 15, "{least} {most}");
    let mut damaged = whole.clone();
    let at = whole.len() - 700;
    damaged[at] ^= 4;
    fs::write(place.journal(), &damaged).unwrap();
    assert!(show(&place.journal()).contains("22 of 60 networks"));
    // Only a header: nothing is finished.
    let header = whole.windows(8).position(|bytes| bytes == b"\xd7open\r\n\x1a").unwrap();
    fs::write(place.journal(), &whole[..header]).unwrap();
    let text = show(&place.journal());
    assert!(text.contains("0 of 60 networks and 0 of 12 cells are finished\nlast written "), "{text}");
    for (bytes, why) in [(&whole[..40], "its header is damaged"), (&b"advstep-hpc journal\n"[..], "its header is truncated")] {
        fs::write(place.journal(), bytes).unwrap();
        let (code, messages) = outcome(None, &["show", place.journal().to_str().unwrap()], None);
        assert!(code == 2 && messages.contains("cannot show") && messages.contains(why), "{messages}");
    }
}

/// From another terminal while the run goes on, and the numbers only grow.
#[test]
fn a_running_job_is_shown_while_it_runs() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("long.h5");
    let long =
        ["--depths", "2", "--dims", "20", "--widths", "300", "--networks", "60", "--inputs", "100", "--threads", "1", "--quiet"];
    let mut child = job(None, &[&long[..], &["--out", out.to_str().unwrap()]].concat()).spawn().unwrap();
    let journal = directory.path().join("long.h5.journal");
    let mut seen = Vec::new();
    while child.try_wait().unwrap().is_none() {
        if journal.exists() {
            let output = finish(&mut job(None, &["show", out.to_str().unwrap()]));
            let text = String::from_utf8(output.stdout).unwrap();
            // It may have finished in between.
            if output.status.success() && text.contains(" of 60 networks") {
                seen.push(text.split(" of 60 networks").next().unwrap().rsplit(' ').next().unwrap().parse::<usize>().unwrap());
            }
        }
        sleep(Duration::from_millis(20));
    }
    assert!(child.wait().unwrap().success(), "the job does not notice");
    assert!(!seen.is_empty() && seen.is_sorted(), "{seen:?}");
    assert!(out.exists() && !journal.exists());
}

#[test]
fn shards_searches_and_audits_are_shown_too() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    let stopped = |name: &str, words: &[&str], unit: usize| {
        let out = at(name);
        let fault = format!("stop:rank=0:unit={unit}");
        let (code, messages) = outcome(None, &[words, &["--threads", "1", "--out", out.to_str().unwrap()]].concat(), Some(&fault));
        assert_eq!(code, 75, "{messages}");
        show(&at(&format!("{name}.journal")))
    };
    let shard = stopped("a.shard", &[&SMALL[..], &["--shard", "1/3"]].concat(), 7);
    assert!(shard.contains("a.shard.journal: 7 of ") && shard.contains("cells are finished"), "{shard}");
    let of: usize = shard.split(" of ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((18..=22).contains(&of), "{shard}");

    let search = ["threshold", "--depths", "1", "--dim", "6", "--level", "0.8", "--networks", "20", "--inputs", "6", "--to", "300"];
    let search = stopped("search.h5", &search, 30);
    assert!(search.contains("30 networks of 2 cells are finished; their results decide how many follow"), "{search}");
    assert!(search.contains("10/20") && !search.contains(" left"), "{search}");

    let audit = ["audit", "--dims", "10,20", "--widths", "20", "--networks", "6", "--statements", "lemma-8"];
    let text = stopped("audit.h5", &audit, 5);
    assert!(text.contains("audit.h5.journal: 5 networks of ") && text.contains("decide how many follow\nstarted "), "{text}");
    let journal = at("audit.h5.journal");
    let (code, messages) = outcome(None, &["show", journal.to_str().unwrap(), "--format", "csv"], None);
    assert!(code == 2 && messages.contains("an audit that is not finished has no entries yet"), "{messages}");
    let (code, messages) = outcome(None, &["show", journal.to_str().unwrap(), "--full"], None);
    assert!(code == 2 && messages.contains("--full does not apply"), "{messages}");
    // A finished shard is a closed journal.
    let out = at("whole.shard");
    let output = finish(&mut job(None, &[&SMALL[..], &["--shard", "1/3", "--out", out.to_str().unwrap()]].concat()));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(show(&out).contains(&format!("{of} of {of} networks and ")), "{}", show(&out));
}

/// A run that was resumed: the rate is that of the last start, and what was taken from a file is not counted as computed.
#[test]
fn the_rate_is_that_of_the_last_start() {
    let place = Place::stopped_at(23);
    let output = finish(place.command(None, &["--threads", "1"]).env("ADVSTEP_FAULT", "stop:rank=0:unit=10"));
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    let journal = advstep_hpc::results::journal::read(&place.journal()).unwrap();
    let before: Vec<usize> = journal.starts.iter().map(|(before, _)| *before).collect();
    assert_eq!((before, journal.records.len(), journal.damage), (vec![0, 23], 33, 0));
    let other = Place::new();
    let output = finish(
        other
            .command(None, &["--threads", "1", "--extend", place.journal().to_str().unwrap()])
            .env("ADVSTEP_FAULT", "stop:rank=0:unit=4"),
    );
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    let journal = advstep_hpc::results::journal::read(&other.journal()).unwrap();
    assert_eq!((journal.starts[0].0, journal.starts.len(), journal.records.len()), (33, 1, 37));
    assert!(show(&other.journal()).contains("37 of 60 networks"));
}
