//! The command line interface: help, version, completions, man pages, closed pipes.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const COMMANDS: [&str; 14] = [
    "audit",
    "run",
    "plan",
    "status",
    "show",
    "plot",
    "export",
    "completions",
    "man",
    "compare",
    "measure",
    "merge",
    "threshold",
    "report",
];

fn advstep(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_advstep-hpc"));
    command.args(arguments.split_whitespace());
    command
}

fn stdout_of(arguments: &str) -> String {
    let Output { status, stdout, stderr } = advstep(arguments).output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{arguments}: {status}, {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn help_lists_the_commands_and_shows_examples() {
    for help in [stdout_of("--help"), stdout_of("-h")] {
        for command in COMMANDS {
            assert!(help.contains(&format!("\n  {command} ")), "{command} in {help}");
        }
        assert!(help.contains("mpirun -n 4 advstep-hpc --preset paper"), "{help}");
    }
    for command in COMMANDS {
        assert!(stdout_of(&format!("{command} --help")).contains("Examples:\n  "), "{command}");
    }
}

#[test]
fn version_begins_with_the_name_and_number() {
    let expected = format!("advstep-hpc {}", env!("CARGO_PKG_VERSION"));
    for flag in ["--version", "-V"] {
        assert!(stdout_of(flag).starts_with(&expected));
    }
}

#[test]
fn completions_know_the_options() {
    for (shell, option) in [("bash", "--widths"), ("zsh", "--widths"), ("fish", "-l widths"), ("elvish", "--widths")] {
        assert!(stdout_of(&format!("completions {shell}")).contains(option), "{option} in {shell}");
    }
}

#[test]
fn man_pages_are_written_for_every_command() {
    let page = stdout_of("man");
    assert!(page.contains(".TH advstep\\-hpc 1") || page.contains(".TH advstep-hpc 1"), "{page}");

    let directory = tempfile::tempdir().unwrap();
    let man1 = directory.path().join("share/man1");
    stdout_of(&format!("man --out {}", man1.display()));
    let mut pages: Vec<String> =
        std::fs::read_dir(&man1).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    let mut expected: Vec<String> = COMMANDS.iter().map(|command| format!("advstep-hpc-{command}.1")).collect();
    expected.push("advstep-hpc.1".to_string());
    expected.sort();
    assert_eq!(pages, expected);
    assert!(std::fs::read_to_string(man1.join("advstep-hpc-run.1")).unwrap().contains("widths"));
}

/// Runs the program for a results file of two cells.
fn results(directory: &Path, name: &str, seed: u64) -> String {
    let file = directory.join(name);
    stdout_of(&format!(
        "--depths 1 --dims 5 --widths 10,20 --networks 3 --inputs 4 --threads 1 --seed {seed} --quiet --out {}",
        file.display()
    ));
    file.display().to_string()
}

#[test]
fn a_closed_pipe_is_no_failure_of_any_command_that_prints() {
    let directory = tempfile::tempdir().unwrap();
    let file = results(directory.path(), "a.h5", 1);
    let same = results(directory.path(), "b.h5", 1);
    let place = directory.path().display();
    let small = "--depths 1 --dims 5 --widths 10 --networks 3 --inputs 4 --threads 1";
    stdout_of(&format!("run {small} --shard 1/1 --quiet --out {place}/c.shard"));
    let commands = [
        "completions bash".to_string(),
        "man".into(),
        "--help".into(),
        "run --help".into(),
        "--version".into(),
        format!("show {file}"),
        format!("show {file} --format json"),
        format!("show {file} --format csv"),
        format!("compare {file} {same}"),
        format!("plot {file} --out {place}/figures --format svg"),
        format!("report {file} --out {place}/report.html"),
        "plan".into(),
        "plan --sbatch".into(),
        format!("merge {place}/c.shard --out {place}/c.h5"),
        format!("export --depth 1 --dim 5 --width 10 --inputs 2 --out {place}/d.h5"),
        "audit --list".into(),
        format!("audit --dims 10 --widths 20 --networks 20 --statements lemma-8 --threads 1 --quiet --out {place}/e.h5"),
    ];
    for arguments in commands {
        // Closed before the program starts, so that it matters however little is printed.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = advstep(&arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments}: {output:?}");
    }
    // A run prints progress on stderr.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = advstep(&format!("run {small} --out {place}/f.h5")).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("error"), "{output:?}");
}

#[test]
fn a_full_disk_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let file = results(directory.path(), "a.h5", 1);
    for arguments in ["man".to_string(), format!("show {file} --format csv"), format!("show {file} --format json")] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = advstep(&arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "), "{output:?}");
    }
}
