//! The program as a shell sees it: help, version, completions, man pages, closed pipes.

use std::process::{Command, Output, Stdio};

const COMMANDS: [&str; 11] = ["audit", "run", "plan", "status", "show", "plot", "export", "completions", "man", "compare", "merge"];

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

#[test]
fn a_closed_pipe_is_no_failure() {
    for arguments in ["completions bash", "man", "--help", "--version"] {
        let mut child = advstep(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments}: {output:?}");
    }
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = advstep("man").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("advstep-hpc: error: "), "{output:?}");
}
