//! Untrusted journals and TOML: arbitrary bytes give an error or a valid value, never a panic.
//!
//! Random cases mutate the files in `tests/corpus`; add every failing case there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use advstep_hpc::commands::run::Run;
use advstep_hpc::experiment::Experiment;
use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::files::Target;
use advstep_hpc::job::journal::{self, Header, Journal};
use advstep_hpc::job::{Client, Resources, Store, Task};
use advstep_hpc::model::Unit;
use advstep_hpc::record::{Sample, Status, UnitRecord, codec};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const NETWORKS: usize = 6;
const INPUTS: usize = 3;

/// A change to some bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Cut(Index),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    /// Copies bytes from one place to another.
    Repeat(Index, usize, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        1 => any::<Index>().prop_map(Change::Cut),
        2 => (any::<Index>(), 1..200usize).prop_map(|(at, count)| Change::Remove(at, count)),
        2 => (any::<Index>(), vec(any::<u8>(), 1..50)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (any::<Index>(), 1..300usize, any::<Index>()).prop_map(|(from, count, to)| Change::Repeat(from, count, to)),
    ]
}

fn apply(changes: &[Change], mut bytes: Vec<u8>) -> Vec<u8> {
    for change in changes {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        match change {
            Change::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Change::Cut(at) => bytes.truncate(at.index(length)),
            Change::Remove(at, count) => drop(bytes.drain(at.index(length)..length.min(at.index(length) + count))),
            Change::Insert(at, new) => drop(bytes.splice(at.index(length)..at.index(length), new.iter().copied())),
            Change::Repeat(from, count, to) => {
                let copy = bytes[from.index(length)..length.min(from.index(length) + count)].to_vec();
                drop(bytes.splice(to.index(length)..to.index(length), copy));
            }
        }
    }
    bytes
}

fn client() -> Run {
    let toml = format!("depths = [1, 2]\ndims = [5]\nwidths = [10]\nnetworks = {NETWORKS}\ninputs = {INPUTS}\n");
    let experiment = Experiment::from_toml(&toml, "test").unwrap();
    Run::new(experiment, None, Resources { threads: 1, memory: 1 << 33 }).unwrap()
}

fn record(unit: Unit) -> UnitRecord {
    let sample = |input: usize| {
        let step = (unit.cell * 100 + unit.network * 10 + input) as f64 / 8.0;
        Sample { evaluations: 3, ..Sample::unsearched(-1.0, 0.5, 2.0).flipping_at(step, Status::ALL[input % 2]) }
    };
    UnitRecord { unit, samples: (0..INPUTS).map(sample).collect(), seconds: 0.25 }
}

fn units() -> impl Iterator<Item = Unit> {
    (0..2).flat_map(|cell| (0..NETWORKS).map(move |network| Unit { cell, network }))
}

fn empty() -> Store {
    Store::new(client().groups())
}

fn task(unit: Unit) -> Task {
    Task { group: unit.cell, index: unit.network }
}

fn encoded(unit: Unit) -> Vec<u8> {
    let UnitRecord { samples, seconds, .. } = record(unit);
    codec::encode(&samples, seconds)
}

/// The results file that the journals belong to.
fn target(directory: &Path) -> Target {
    Target::claim(&directory.join("x.h5"), "--out", &[]).unwrap()
}

/// The header and a journal of all units.
fn sound() -> (Header, Vec<u8>) {
    static SOUND: OnceLock<(Header, Vec<u8>)> = OnceLock::new();
    let make = || {
        let header = Header(client().identity());
        let directory = tempfile::TempDir::new().unwrap();
        let mut journal = Journal::create(target(directory.path()), &header, 1).unwrap();
        let mut records = empty();
        for unit in units() {
            records.insert(task(unit), encoded(unit)).unwrap();
            journal.note(task(unit));
        }
        journal.flush(&records).unwrap();
        (header, fs::read(journal.path()).unwrap())
    };
    SOUND.get_or_init(make).clone()
}

/// Reads `bytes` as a journal: recovered records must be ones that were written, and the journal must be readable again.
fn recover(directory: &Path, header: &Header, bytes: &[u8]) -> Option<usize> {
    let path = directory.join("x.h5.journal");
    fs::write(&path, bytes).unwrap();
    let found = journal::find(&path, header).ok()??;
    let mut records = empty();
    let (journal, recovery) = found.recover(target(directory), &client(), &mut records, 1).unwrap();
    drop(journal);
    for found in records.tasks() {
        let unit = Unit { cell: found.group, network: found.index };
        assert_eq!(records.get(found), Some(&encoded(unit)[..]));
    }
    assert_eq!((records.count(), fs::metadata(&path).unwrap().len()), (recovery.results, bytes.len() as u64 - recovery.cut));
    let mut again = empty();
    let (_, second) = journal::find(&path, header).unwrap().unwrap().recover(target(directory), &client(), &mut again, 1).unwrap();
    assert_eq!((second.results, second.cut), (recovery.results, 0));
    Some(recovery.results)
}

fn corpus(kind: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(kind)).unwrap();
    entries.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_journal_is_read_back_whole() {
    let directory = tempfile::TempDir::new().unwrap();
    let (header, bytes) = sound();
    assert_eq!(recover(directory.path(), &header, &bytes), Some(2 * NETWORKS));
}

#[test]
fn journals_of_the_corpus_are_refused_or_read() {
    let directory = tempfile::TempDir::new().unwrap();
    let (header, bytes) = sound();
    for tail in corpus("journal").values() {
        // As a file, behind a header, and behind all records.
        recover(directory.path(), &header, tail);
        let start = bytes.windows(8).position(|bytes| bytes == b"\xd7unit\r\n\x1a").unwrap();
        assert!(recover(directory.path(), &header, &[&bytes[..start], tail].concat()).is_some());
        assert_eq!(recover(directory.path(), &header, &[&bytes[..], tail].concat()), Some(2 * NETWORKS));
    }
}

/// Reads `text` as an experiment: a well-formed error, or an experiment that round-trips through its TOML.
fn parse(text: &str) -> bool {
    match Experiment::from_toml(text, "fuzz.toml") {
        Ok(experiment) => {
            assert_eq!(Experiment::from_toml(&experiment.to_toml(), "again").unwrap(), experiment);
            true
        }
        Err(error) => {
            assert!(!error.what.is_empty() && !error.why.is_empty() && !error.remedy.is_empty());
            false
        }
    }
}

#[test]
fn toml_of_the_corpus_is_refused_or_read() {
    let read = corpus("toml").values().filter(|bytes| std::str::from_utf8(bytes).is_ok_and(parse)).count();
    assert!((1..corpus("toml").len()).contains(&read), "{read}");
}

proptest! {
    // Failing cases go into the corpus by hand, not into proptest's regression files.
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_journals_give_what_was_written_or_nothing(changes in vec(change(), 1..6)) {
        let directory = tempfile::TempDir::new().unwrap();
        let (header, bytes) = sound();
        recover(directory.path(), &header, &apply(&changes, bytes));
    }

    #[test]
    fn one_flipped_bit_costs_one_record_or_the_header(at in any::<Index>(), bit in 0..8u8) {
        let directory = tempfile::TempDir::new().unwrap();
        let (header, bytes) = sound();
        let start = bytes.windows(8).position(|bytes| bytes == b"\xd7unit\r\n\x1a").unwrap();
        let hit = at.index(bytes.len());
        let recovered = recover(directory.path(), &header, &apply(&[Change::Flip(at, bit)], bytes));
        prop_assert_eq!(recovered, (hit >= start).then_some(2 * NETWORKS - 1));
    }

    #[test]
    fn any_bytes_are_no_journal(bytes in vec(any::<u8>(), 0..2000)) {
        let directory = tempfile::TempDir::new().unwrap();
        let (header, sound) = sound();
        prop_assert_eq!(recover(directory.path(), &header, &bytes), None);
        let start = sound.windows(8).position(|bytes| bytes == b"\xd7unit\r\n\x1a").unwrap();
        prop_assert_eq!(recover(directory.path(), &header, &[&sound[..start], &bytes].concat()), Some(0));
    }

    #[test]
    fn any_text_is_an_experiment_or_an_error(text in any::<String>()) {
        parse(&text);
    }

    #[test]
    fn changed_presets_are_experiments_or_errors(changes in vec(change(), 1..6), paper in any::<bool>()) {
        let preset = if paper { Preset::Paper } else { Preset::Quick };
        let bytes = apply(&changes, preset.toml().as_bytes().to_vec());
        parse(&String::from_utf8_lossy(&bytes));
    }
}
