//! The audit end to end: the same numbers on any number of ranks and threads, a file that h5py reads, singular values from LAPACK, the exact
//! distribution of |f|, and documents that name every statement.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::jobs::{finish, job, stderr};
use advstep_hpc::audit::{Network, Setting, statements};
use advstep_hpc::model::Activation;
use advstep_hpc::results::first_difference;
use advstep_hpc::stats::interval;
use ndarray_linalg::SVD;
use statrs::distribution::{ContinuousCDF, Normal};

/// An audit of every statement at four settings with two activations, in two rounds; takes 2 to 4 s.
const SMALL: [&str; 11] =
    ["audit", "--dims", "12,20", "--widths", "8,60", "--networks", "6", "--max-networks", "12", "--gamma", "0.3,0.1"];

/// An audit of the multi-layer statements.
const DEEP: [&str; 13] =
    ["audit", "--depths", "1,2", "--hidden", "20,5,20", "--dims", "12,20", "--widths", "15,30", "--networks", "6", "--gain", "1,2"];

/// Runs it on `ranks` ranks into `directory`/`name`.
fn small(ranks: Option<usize>, directory: &Path, name: &str, options: &[&str]) -> PathBuf {
    let path = directory.join(name);
    let output = finish(&mut job(ranks, &[&SMALL[..], &["--quiet", "--out", path.to_str().unwrap()], options].concat()));
    assert!(output.status.success(), "{ranks:?} ranks, {options:?}: {}", stderr(&output));
    path
}

/// Runs [`DEEP`] on `ranks` ranks into `directory`/`name`.
fn deep(ranks: Option<usize>, directory: &Path, name: &str, options: &[&str]) -> PathBuf {
    let path = directory.join(name);
    let output = finish(&mut job(ranks, &[&DEEP[..], &["--quiet", "--out", path.to_str().unwrap()], options].concat()));
    assert!(output.status.success(), "{ranks:?} ranks, {options:?}: {}", stderr(&output));
    path
}

/// The same on any number of ranks and threads, and after a stop; the file gives the settings back, and the command that it prints repeats it.
#[test]
fn an_audit_of_layers_is_repeatable() {
    let directory = tempfile::tempdir().unwrap();
    let markdown = directory.path().join("tables.md");
    let plain = deep(None, directory.path(), "plain.h5", &["--threads", "2", "--markdown", markdown.to_str().unwrap()]);
    let ranks = if cfg!(feature = "mpi") { Some(3) } else { None };
    let other = deep(ranks, directory.path(), "ranks.h5", &["--threads", "1"]);
    assert_eq!(first_difference(&plain, &other).unwrap(), None);

    let tables = std::fs::read_to_string(markdown).unwrap();
    let command = tables.lines().find_map(|line| line.trim().strip_prefix("advstep-hpc ")).unwrap();
    let again = directory.path().join("again.h5");
    let stopped = [&command.split(' ').collect::<Vec<_>>()[..], &["--threads", "1", "--out", again.to_str().unwrap()]].concat();
    let output = finish(job(None, &stopped).env("ADVSTEP_FAULT", "stop:rank=0:unit=20"));
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    let output = finish(&mut job(None, &stopped));
    assert!(output.status.success() && stderr(&output).contains("recovered"), "{}", stderr(&output));
    assert_eq!(first_difference(&plain, &again).unwrap(), None);
    let audit = advstep_hpc::audit::file::read(&plain, false).unwrap();
    let shapes: Vec<String> = audit.options.settings.iter().map(Setting::shape).collect();
    assert_eq!(shapes.len(), 2 * 2 * 5 * 2, "activations, dims, shapes and gains");
    assert_eq!(shapes[..4], ["1×15, gain 1", "1×15, gain 2", "1×30, gain 1", "1×30, gain 2"]);
    assert!(shapes.iter().any(|shape| shape == "20,5,20, gain 2"), "{shapes:?}");
    assert!(audit.entries.iter().any(|entry| entry.networks > 6), "no verdict was open");
}

#[test]
fn threads_do_not_change_an_audit_and_the_seed_does() {
    let directory = tempfile::tempdir().unwrap();
    let plain = small(None, directory.path(), "plain.h5", &["--threads", "1"]);
    let threads = small(None, directory.path(), "threads.h5", &["--threads", "3"]);
    assert_eq!(first_difference(&plain, &threads).unwrap(), None);
    let other = small(None, directory.path(), "other.h5", &["--seed", "7"]);
    assert!(first_difference(&plain, &other).unwrap().is_some());
}

#[cfg(feature = "mpi")]
#[test]
fn ranks_do_not_change_an_audit() {
    let directory = tempfile::tempdir().unwrap();
    let plain = small(None, directory.path(), "plain.h5", &["--threads", "2"]);
    for (ranks, threads) in [(1, "1"), (2, "2"), (3, "1")] {
        let other = small(Some(ranks), directory.path(), "ranks.h5", &["--threads", threads, "--overwrite"]);
        assert_eq!(first_difference(&plain, &other).unwrap(), None, "{ranks} ranks of {threads} threads");
    }
}

/// A stop, a kill and a panic on the way, each time with other ranks and threads: the file is that of an audit in one go.
#[test]
fn a_killed_and_a_stopped_audit_resume_to_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let whole = small(None, directory.path(), "whole.h5", &["--threads", "2"]);
    let out = directory.path().join("audit.h5");
    let journal = directory.path().join("audit.h5.journal");
    let start = |ranks, threads: &str, fault: Option<&str>| {
        let mut command = job(ranks, &[&SMALL[..], &["--threads", threads, "--out", out.to_str().unwrap()]].concat());
        let output = finish(command.envs(fault.map(|fault| ("ADVSTEP_FAULT", fault))));
        (output.status.code(), stderr(&output))
    };
    let resumed = |messages: &str| messages.lines().find(|line| line.contains("recovered")).map(str::to_string);

    let (code, messages) = start(None, "1", Some("stop:rank=0:unit=15"));
    assert!(code == Some(75) && journal.exists() && !out.exists(), "{code:?}: {messages}");
    let (code, messages) = start(None, "2", Some("kill:rank=0:unit=10"));
    assert!(code.is_none() && resumed(&messages).is_some() && journal.exists() && !out.exists(), "{code:?}: {messages}");
    let (code, messages) = start(None, "1", Some("panic:rank=0:unit=5"));
    assert!(code == Some(1) && resumed(&messages).is_some() && !out.exists(), "{code:?}: {messages}");
    let ranks = if cfg!(feature = "mpi") { Some(2) } else { None };
    let (code, messages) = start(ranks, "1", None);
    assert!(code == Some(0) && resumed(&messages).is_some() && !journal.exists(), "{code:?}: {messages}");
    assert_eq!(first_difference(&whole, &out).unwrap(), None);
    // Once more: it is already complete.
    let before = std::fs::metadata(&out).unwrap().modified().unwrap();
    assert_eq!(start(None, "1", None).0, Some(0));
    assert_eq!(std::fs::metadata(&out).unwrap().modified().unwrap(), before);
}

/// The tables are made from the audit file, so they may be asked for when it is complete.
#[test]
fn tables_asked_for_later_are_those_of_the_audit() {
    let directory = tempfile::tempdir().unwrap();
    let [first, later] = ["first.md", "later.md"].map(|name| directory.path().join(name));
    let audit = |markdown: &Path| small(None, directory.path(), "audit.h5", &["--markdown", markdown.to_str().unwrap()]);
    audit(&first);
    audit(&later);
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&later).unwrap());
    std::fs::write(&later, "precious").unwrap();
    audit(&later);
    assert_eq!(std::fs::read(&later).unwrap(), b"precious");
}

#[test]
fn nothing_is_moved_aside_for_an_audit_that_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = small(None, directory.path(), "audit.h5", &[]);
    let below_a_file = path.join("tables.md");
    let options = ["--fresh", "--out", path.to_str().unwrap(), "--markdown", below_a_file.to_str().unwrap()];
    let output = finish(&mut job(None, &[&SMALL[..], &options].concat()));
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["audit.h5"]);
}

#[test]
fn an_audit_is_compared_with_an_audit_and_shown_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let run = |options: &[&str]| {
        let output = finish(job(None, options).current_dir(directory.path()));
        (output.status.code(), stderr(&output))
    };
    small(None, directory.path(), "audit.h5", &[]);
    let small_run = ["--depths", "1", "--dims", "2", "--widths", "3", "--networks", "2", "--inputs", "2", "--quiet", "--out"];
    assert_eq!(run(&[&small_run[..], &["run.h5"]].concat()).0, Some(0));
    assert_eq!(run(&[&small_run[..], &["run.shard", "--shard", "1/2"]].concat()).0, Some(0));
    for (options, complaint) in [
        (["compare", "audit.h5", "run.h5"], "cannot compare audit.h5 and run.h5: they are files of different kinds"),
        (["compare", "audit.h5", "run.shard"], "cannot read the audit run.shard: "),
        (["plot", "run.shard", "--format=svg"], "cannot read results from run.shard: it is a journal or the file of a shard"),
        (["show", "run.h5", "--full"], "--full does not apply to run.h5: it is not an audit file"),
    ] {
        let (code, messages) = run(&options);
        assert!(code == Some(2) && messages.contains(complaint), "{options:?}: {code:?}: {messages}");
    }
}

/// The option in which two audits differ is named.
#[test]
fn audits_are_compared_by_option() {
    let directory = tempfile::tempdir().unwrap();
    let compare = |other: &str| {
        let output = finish(job(None, &["compare", "audit.h5", other]).current_dir(directory.path()));
        (output.status.code(), stderr(&output))
    };
    let run = |name: &str, options: &str| {
        let words: Vec<&str> = options.split_whitespace().chain(["--quiet", "--out", name]).collect();
        let output = finish(job(None, &[&["audit"], &words[..]].concat()).current_dir(directory.path()));
        assert!(output.status.success(), "{}", stderr(&output));
    };
    let base = "--dims 10 --widths 20 --networks 4 --max-networks 5 --statements lemma-8";
    run("audit.h5", base);
    run("again.h5", base);
    assert_eq!(compare("again.h5").0, Some(0));
    for (name, from, to, difference) in [
        ("seed", base, &format!("{base} --seed 3")[..], "seed is 2020 against 3"),
        ("networks", "--networks 4", "--networks 5", "networks is 4 against 5"),
        ("gamma", base, &format!("{base} --gamma 0.2"), "gammas is [0.1] against [0.2]"),
        ("widths", "--widths 20", "--widths 20,30", "settings is [[\"relu\", 10, 20]"),
        ("statements", "lemma-8", "lemma-9", "statements is [\"lemma-8\"] against [\"lemma-9\"]"),
    ] {
        let file = format!("{name}.h5");
        run(&file, &base.replace(from, to));
        let (code, messages) = compare(&file);
        assert!(code == Some(1) && messages.contains(&format!("the results differ: {difference}")), "{name}: {messages}");
    }
}

/// File, tables and figures; Python recomputes the entries of Lemma 8 from the measured values.
#[test]
fn python_reads_the_file_and_judges_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let (markdown, figures) = (directory.path().join("audit.md"), directory.path().join("figures"));
    let options = ["--markdown", markdown.to_str().unwrap(), "--figures", figures.to_str().unwrap(), "--format", "svg"];
    let path = small(None, directory.path(), "audit.h5", &options);
    let python = std::env::var("ADVSTEP_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/check_audit_file.py");
    let output = Command::new(&python).arg(script).arg(&path).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("audit file: ok"), "{python}: {text}");

    let markdown = std::fs::read_to_string(markdown).unwrap();
    let entries = advstep_hpc::files::hdf5::open(&path).unwrap().dataset("entries/gamma").unwrap().size();
    let full = markdown.split("<!-- audit full -->").nth(1).unwrap();
    assert_eq!(full.lines().filter(|line| line.starts_with("| ")).count(), entries + 2, "a line an entry below the header");
    let pictures = std::fs::read_dir(figures).unwrap().count();
    assert_eq!(pictures, 4, "two pictures for each activation");
}

#[test]
fn a_list_names_every_statement_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let output = finish(job(None, &["audit", "--list"]).current_dir(directory.path()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    for statement in statements::ALL {
        assert!(text.contains(statement.id()) && text.contains(statement.citation()), "{text}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Every statement has a paragraph that starts with its name.
#[test]
fn the_document_explains_every_statement() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md")).unwrap();
    for statement in statements::ALL {
        let start = format!("**`{}`**", statement.id());
        assert!(document.lines().any(|line| line.starts_with(&start)), "docs/audit.md has no paragraph that begins with {start}");
    }
}

#[test]
fn the_operator_norm_is_the_largest_singular_value_by_lapack() {
    for (dim, width) in [(5, 40), (40, 5), (30, 30), (1, 7), (60, 200)] {
        let network = Network::new(3, Setting::two_layer(dim, width, Activation::Relu), 1);
        let (_, singular, _) = network.w.svd(false, false).unwrap();
        let (got, expected) = (network.operator_norm(), singular[0]);
        assert!((got / expected - 1.0).abs() < 1e-9, "{dim} × {width}: {got} against {expected}");
    }
}

/// With one neuron |f(x)| = max(N, 0) for a standard normal N, whatever d: P(|f(x)| > t) = P(N > t).
#[test]
fn the_value_of_one_neuron_has_the_half_normal_tail() {
    let value = |index: usize| Network::new(5, Setting::two_layer(4, 1, Activation::Relu), index).value_at_input().abs();
    let values: Vec<f64> = (0..4000).map(value).collect();
    for t in [0.5, 1.0, 2.0] {
        let exact = 1.0 - Normal::standard().cdf(t);
        let tail = interval::probability(values.iter().filter(|value| **value > t).count() as u64, 4000);
        assert!(tail.low <= exact && exact <= tail.high, "{t}: {tail:?} against {exact}");
    }
}
