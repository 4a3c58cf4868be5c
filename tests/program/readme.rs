//! README.md, tried: every command of its `sh` blocks is run, its Python too, and the rows it shows are those the program prints.
//! Commands of the other documents are parsed.

use std::fs;
use std::path::Path;
use std::process::Command;

use advstep_hpc::cli::Cli;
use advstep_hpc::interchange::network::Format;
use advstep_hpc::model::{Activation, Precision};
use advstep_hpc::network::given::{Affine, GivenNetwork};
use clap::Parser;
use ndarray::Array2;
use tempfile::TempDir;

use crate::jobs::{finish, job, launcher, stderr, stdout_of};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every command of the README that starts the program: options appended to make it small, and its exit code. They run in this order, in
/// one directory.
const COMMANDS: [(&str, &str, i32); 15] = [
    ("advstep-hpc run --plot", "--depths 1,2 --dims 100,500 --widths 10,100 --networks 3 --inputs 4", 0),
    ("advstep-hpc show results/quick.h5", "", 0),
    ("advstep-hpc --depths 1,2 --dims 10,100 --widths 10,1e3,inf --seed 7 --out mine.h5", "--networks 2 --inputs 3", 0),
    ("advstep-hpc plan --preset paper --memory 24GiB", "", 0),
    ("advstep-hpc run --preset paper --max-hours 11.5 --out paper.h5", SMALL, 0),
    (
        "advstep-hpc run --networks 200 --extend results/quick.h5 --out more.h5",
        "--depths 1,2 --dims 100 --widths 10,100 --inputs 4",
        0,
    ),
    ("advstep-hpc threshold --depths 1-3 --dim 500", "--depths 1 --level 0.5 --networks 6 --inputs 3 --to 40", 0),
    ("mpirun -n 2 advstep-hpc --preset paper --widths 10,100,1e3,inf --out mpi.h5", "--dims 10 --networks 2 --inputs 3", 0),
    ("advstep-hpc plan --preset paper --ranks 64 --threads 1 --memory 24GiB --sbatch", "", 0),
    ("advstep-hpc --depths 1 --inputs-law file:images.npy --out images.h5", "--dims 12 --widths 10 --networks 2 --inputs 5", 0),
    ("advstep-hpc plot mine.h5 --y eta --x d --style paper --format pdf --data", "", 0),
    ("advstep-hpc report results/quick.h5 mine.h5 --out report.html", "", 0),
    ("advstep-hpc measure mlp.safetensors --activation relu --inputs images.npy --logits predicted", "", 0),
    ("advstep-hpc compare results/quick.h5 mine.h5", "", 1),
    ("advstep-hpc audit", "--dims 20 --widths 30 --networks 4", 0),
];
const SMALL: &str = "--dims 10 --widths 10,20 --networks 2 --inputs 3";

fn readme() -> String {
    fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap()
}

/// The fenced blocks of this language, without their fences.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fenced = document.split("\n```").skip(1).step_by(2);
    fenced.filter_map(|block| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_string())).collect()
}

/// The lines of the `sh` blocks, without comments.
fn commands(document: &str) -> Vec<String> {
    let lines = blocks(document, "sh");
    let lines = lines.iter().flat_map(|block| block.lines());
    lines.map(|line| format!(" {line}").split(" #").next().unwrap().trim().to_string()).filter(|line| !line.is_empty()).collect()
}

/// Whether one of two numbers is the other, rounded: the digits of a column depend on all of its rows.
fn is_rounded(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| text.trim_matches(['(', ')']));
    let decimals = |text: &str| text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let digits = decimals(one).min(decimals(other));
    let [Ok(one), Ok(other)] = [one, other].map(|text| text.parse::<f64>()) else { return false };
    (one - other).abs() <= 0.501 * 10_f64.powi(-(digits as i32))
}

fn bash_parses(path: &Path) {
    let output = Command::new("bash").arg("-n").arg(path).output().unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), stderr(&output));
}

/// Runs one command of the README in `directory`.
fn try_command(command: &str, directory: &Path) {
    let words: Vec<&str> = command.split_whitespace().collect();
    if words[0].starts_with("scripts/") {
        let script = Path::new(ROOT).join(words[0]);
        bash_parses(&script);
        let output = Command::new(&script).arg("--help").output().unwrap();
        assert!(output.status.success() && words.len() == 1, "{command}: {}", stderr(&output));
        return;
    }
    if words[0] == "sbatch" {
        let at = words.iter().position(|word| word.ends_with(".sbatch")).expect("a batch script");
        bash_parses(&Path::new(ROOT).join(words[at]));
        let memory = words[1..at].iter().find_map(|word| word.strip_prefix("--mem-per-cpu=")).expect("memory").to_string() + "iB";
        stdout_of(&[&["plan", "--memory", &memory], &words[at + 1..]].concat());
        return;
    }
    let known = COMMANDS.iter().find(|(known, ..)| *known == command);
    let (_, appended, code) = known.unwrap_or_else(|| panic!("README.md has a command that this test does not know: {command}"));
    let at = words.iter().position(|word| *word == "advstep-hpc").expect("the program");
    let arguments: Vec<&str> = words[at + 1..].iter().copied().chain(appended.split_whitespace()).collect();
    let mut process = job(None, &arguments);
    if at > 0 {
        assert_eq!(words[0], "mpirun", "{command}");
        process = launcher();
        process.args(&words[1..at]).arg(crate::jobs::PROGRAM).args(&arguments).env_remove("SLURM_NTASKS");
    }
    let output = finish(process.current_dir(directory));
    assert_eq!(output.status.code(), Some(*code), "{command} {appended}: {}", stderr(&output));
    if words.contains(&"--sbatch") {
        let script = directory.join("head.sbatch");
        fs::write(&script, &output.stdout).unwrap();
        bash_parses(&script);
        assert!(fs::read_to_string(script).unwrap().contains("#SBATCH --ntasks=64"));
    }
}

#[test]
fn every_command_runs() {
    let directory = TempDir::new().unwrap();
    let images = Array2::from_shape_fn((5, 12), |(row, column)| (1 + row * column % 7) as f32);
    ndarray_npy::write_npy(directory.path().join("images.npy"), &images).unwrap();

    let layer = |rows: usize, columns: usize| Affine {
        weights: Array2::from_shape_fn((rows, columns), |(i, j)| (7 * i + 3 * j) as f64 % 5.0 - 2.0),
        bias: vec![0.5; rows],
    };
    let network = GivenNetwork::new(Activation::Relu, vec![layer(8, 12), layer(3, 8)]).unwrap();
    let network = advstep_hpc::interchange::network::write(&network, Format::Safetensors, Precision::F32).unwrap();
    fs::write(directory.path().join("mlp.safetensors"), network).unwrap();

    let document = readme();
    let commands = commands(&document);
    for command in &commands {
        try_command(command, directory.path());
    }
    for (known, ..) in COMMANDS {
        assert!(commands.iter().any(|command| command == known), "README.md no longer has: {known}");
    }
    for name in
        ["results/quick.h5", "results/quick-figures/figure1_fraction.svg", "results/audit.h5", "paper.h5", "mpi.h5", "report.html"]
    {
        assert!(directory.path().join(name).exists(), "{name}");
    }

    let python = std::env::var("ADVSTEP_PYTHON").unwrap_or_else(|_| "python3".into());
    let programs = blocks(&document, "python");
    assert!(!programs.is_empty());
    for program in programs {
        let output = Command::new(&python).args(["-c", &program]).current_dir(directory.path()).output().unwrap();
        assert!(output.status.success(), "{python}: {program}{}", stderr(&output));
    }
}

#[test]
fn the_rows_shown_are_what_the_program_prints() {
    let directory = TempDir::new().unwrap();
    let document = readme();
    let shown = blocks(&document, "text").into_iter().find(|block| block.contains("found %")).expect("the table of the first run");
    // The rows are cut after some columns.
    let columns = |line: &str| line.trim_end_matches('…').split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let (rows, header): (Vec<&str>, Vec<&str>) =
        shown.lines().partition(|line| line.trim().starts_with(|c: char| c.is_ascii_digit()));
    assert!(rows.len() > 1 && !header.is_empty());
    for line in rows {
        let cell: Vec<&str> = line.split_whitespace().take(3).collect();
        let file = directory.path().join(format!("{}.h5", cell.join("-")));
        let file = file.to_str().unwrap();
        stdout_of(&["run", "--depths", cell[0], "--dims", cell[1], "--widths", cell[2], "--out", file, "--quiet"]);
        let printed = stdout_of(&["show", file]);
        for title in &header {
            assert!(printed.lines().any(|other| columns(other).starts_with(&columns(title))), "{title}\n{printed}");
        }
        let row = printed.lines().find(|other| columns(other).starts_with(&columns(&cell.join(" ")))).expect("a row");
        let (shown, printed) = (columns(line), columns(row));
        assert!(shown.len() > 15 && shown.len() < printed.len(), "{line}\n{row}");
        let is_same = |(shown, printed): (&String, &String)| shown == printed || is_rounded(shown, printed);
        assert!(shown.iter().zip(&printed).all(is_same), "{line}\n{row}");
    }
}

#[test]
fn it_is_short() {
    let document = readme();
    assert!(document.lines().count() < 150);
    for line in document.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
}

#[test]
fn commands_of_other_documents_are_understood() {
    let mut count = 0;
    for document in [
        "docs/install.md",
        "docs/guide.md",
        "docs/audit.md",
        "docs/method.md",
        "docs/results.md",
        "docs/scale.md",
        "slurm/README.md",
    ] {
        let text = fs::read_to_string(Path::new(ROOT).join(document)).unwrap();
        for line in text.lines().filter(|line| line.starts_with("    ") && !line.contains('…')) {
            let words: Vec<&str> = line.split(" #").next().unwrap().split_whitespace().collect();
            let Some(at) = words.iter().position(|word| *word == "advstep-hpc").filter(|at| *at == 0 || words[0] == "mpirun")
            else {
                continue;
            };
            count += 1;
            Cli::try_parse_from(&words[at..]).unwrap_or_else(|error| panic!("{document}: {line}\n{error}"));
        }
    }
    assert!(count > 30, "{count} commands");
}

#[test]
fn unknown_commands_are_found() {
    let document = "\n```sh\nadvstep-hpc show x.h5   # the table\n\n# only a comment\nrm -rf results\n```\n\n```text\nout\n```\n";
    assert_eq!(commands(document), ["advstep-hpc show x.h5", "rm -rf results"]);
    assert_eq!(blocks(document, "text"), ["out"]);
    assert!(
        is_rounded("0.6929", "0.693")
            && is_rounded("(0.03)", "(0.031)")
            && !is_rounded("0.6929", "0.692")
            && !is_rounded("±", "0.692")
    );
    let unknown = || try_command("rm -rf results", Path::new("."));
    assert!(std::panic::catch_unwind(unknown).is_err());
}
