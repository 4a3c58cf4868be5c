//! Numbers and lists of any length: tables, figures and messages stay readable.

use std::path::Path;
use std::process::{Command, Output};

use resvg::usvg;

fn advstep(directory: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_advstep-hpc"));
    command.args(arguments.split_whitespace()).current_dir(directory).output().unwrap()
}

/// Standard output after success.
fn printed(directory: &Path, arguments: &str) -> String {
    let output = advstep(directory, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tiny_and_huge_settings_are_printed_short_and_draw_no_wide_figures() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    for (name, options) in [
        ("plain", ""),
        ("bound", "--bound 1e-300"),
        ("gain", "--gain 1.2345678901234567e-250 --bound 1e9 --precision f64"),
        ("seed", "--seed 9223372036854775807 --bound 0.12345678901234567"),
        ("steps", "--depths 2 --gain 1.2345678901234567e60 --precision f64 --engine dense"),
        ("hidden", "--hidden 11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26"),
    ] {
        let grid = match name {
            "hidden" => "--dims 5",
            "steps" => "--dims 5 --widths 10,100",
            _ => "--depths 1 --dims 5 --widths 10,100",
        };
        let run = format!("{grid} --networks 3 --inputs 4 --threads 1 {options} --overwrite --out {name}.h5");
        let table = printed(place, &run) + &printed(place, &format!("show {name}.h5"));
        let longest = table.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 190, "{name}: {longest} characters\n{table}");
        assert!(!table.contains("00000000"), "{name}:\n{table}");
        let pictures = printed(place, &format!("plot {name}.h5 --format svg"));
        assert!(pictures.lines().count() >= 3, "{pictures}");
        for picture in pictures.lines() {
            let svg = std::fs::read_to_string(place.join(picture)).unwrap();
            let size = usvg::Tree::from_str(&svg, &usvg::Options::default()).unwrap().size();
            assert!(size.width() < 800.0, "{name}, {picture}: {} wide", size.width());
            assert!(!svg.contains("00000000<"), "{name}, {picture}");
        }
    }
}

#[test]
fn a_refused_journal_of_long_lists_says_where_they_differ() {
    let directory = tempfile::tempdir().unwrap();
    let list = |count: usize, last: usize| {
        let widths: Vec<String> = (1..count).chain([last]).map(|width| width.to_string()).collect();
        format!("depths = [1]\ndims = [2]\nwidths = [{}]\nnetworks = 1\ninputs = 1\n", widths.join(", "))
    };
    let run = |toml: String, fault: Option<&str>| {
        std::fs::write(directory.path().join("long.toml"), toml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_advstep-hpc"));
        command.args(["--config", "long.toml", "--threads", "1", "--quiet", "--out", "long.h5"]).current_dir(directory.path());
        let output = command.envs(fault.map(|fault| ("ADVSTEP_FAULT", fault))).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = run(list(20_000, 30_000), Some("error:rank=0:unit=2"));
    assert_eq!(code, Some(1), "{error}");
    let (code, error) = run(list(20_000, 40_000), None);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.len() < 1000 && error.contains("19999, 30000]") && error.contains("19999, 40000]"), "{error}");
    // The number of cells differs too, and stays short.
    let (code, error) = run(list(10_000, 40_000), None);
    assert!(code == Some(2) && error.len() < 1000, "{} bytes: {error}", error.len());
}

#[test]
fn a_config_may_come_through_a_pipe_and_may_not_be_endless() {
    let shell = |script: &str| {
        let mut command = Command::new("bash");
        command.args(["-c", script]).env("ADVSTEP", env!("CARGO_BIN_EXE_advstep-hpc")).output().unwrap()
    };
    let toml = "depths = [1]\\ndims = [3]\\nwidths = [7]\\n";
    let plan = shell(&format!("\"$ADVSTEP\" plan --config <(sleep 0.1; printf '{toml}')"));
    assert!(plan.status.success(), "{plan:?}");
    assert!(String::from_utf8_lossy(&plan.stdout).contains("1 cell of 100 networks"), "{plan:?}");
    let endless = shell("\"$ADVSTEP\" plan --config <(yes '# and so on')");
    assert_eq!(endless.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&endless.stderr).contains("it is longer than 16.0 MiB"), "{endless:?}");
    // Excerpts of a file in messages are truncated.
    let long = shell("\"$ADVSTEP\" plan --config <(head -c 1000000 /dev/zero | tr '\\0' x; echo ' = 3')");
    assert!(long.status.code() == Some(2) && long.stderr.len() < 1000, "{} bytes", long.stderr.len());
}
