//! `plan`: totals first, then a row per depth or, with `--all`, per cell; the thread-seconds of the rows add up to the total.

use crate::jobs::{outcome, stdout_of};

const GRID: [&str; 8] = ["plan", "--depths", "1,2,6", "--dims", "10,500", "--widths", "10,1e3,inf", "--memory=8GiB"];

/// The rows of the table below the totals: lines that start with a number after the header.
fn rows(text: &str) -> Vec<Vec<String>> {
    let table = text.split_once("\n\n").expect("an empty line below the totals").1;
    table.lines().skip(1).map(|line| line.split_whitespace().map(str::to_string).collect()).collect()
}

#[test]
fn totals_come_first_and_rows_add_up_to_them() {
    let brief = stdout_of(&GRID);
    let mut lines = brief.lines();
    assert!(lines.next().unwrap().starts_with("18 cells of 100 networks: "), "{brief}");
    assert!(lines.next().unwrap().starts_with("on 1 rank with "), "{brief}");
    let depths = rows(&brief);
    assert_eq!(depths.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["1", "2", "6"], "{brief}");
    assert!(depths.iter().all(|row| row[1] == "6" && row[2] == "10–500" && row[3] == "10–∞"), "{brief}");
    assert!(brief.contains("dense line, limit path"), "{brief}");

    let full = stdout_of(&[&GRID[..], &["--all"]].concat());
    let cells = rows(&full);
    assert_eq!((cells.len(), full.lines().next()), (18, brief.lines().next()));
    let seconds = |row: &Vec<String>| row.last().unwrap().parse::<f64>().unwrap();
    for depth in &depths {
        let of_cells: f64 = cells.iter().filter(|cell| cell[0] == depth[0]).map(seconds).sum();
        // Rounded to 0.1 s each.
        assert!((seconds(depth) - of_cells).abs() <= 0.05 * 7.0, "{of_cells} in {depth:?}\n{full}");
    }
}

#[test]
fn shapes_are_named_or_counted() {
    let one = stdout_of(&["plan", "--hidden", "2000,500,100", "--dims", "10"]);
    assert_eq!(rows(&one)[0][3], "2000,500,100", "{one}");
    let several = stdout_of(&["plan", "--hidden", "20,10", "--hidden", "10,20", "--hidden", "5,5,6", "--dims", "10"]);
    assert!(rows(&several)[0][3..5] == ["2", "shapes"] && rows(&several)[1][3] == "5,5,6", "{several}");
}

/// Every documented run with `--widths` takes `inf` among them, unless its other options have no infinite width, which the error says.
#[test]
fn documented_widths_can_be_infinite() {
    let root = env!("CARGO_MANIFEST_DIR");
    let documents = ["README.md", "docs/guide.md", "docs/scale.md", "docs/results.md", "docs/audit.md", "slurm/README.md"];
    let mut text: String = documents.iter().map(|name| std::fs::read_to_string(format!("{root}/{name}")).unwrap() + "\n").collect();
    for command in ["run", "plan", "status"] {
        text += &stdout_of(&[command, "--help"]);
    }
    text += &stdout_of(&["--help"]);
    let mut finite = 0;
    let mut infinite = 0;
    for line in text.lines().filter(|line| line.contains("--widths ")) {
        let Some((_, command)) = line.split_once("advstep-hpc ") else { continue };
        let command = command.split(['`', '#']).next().unwrap();
        let mut words: Vec<String> = command.split_whitespace().map(str::to_string).collect();
        if ["audit", "threshold", "export", "plot"].contains(&words[0].as_str()) {
            continue;
        }
        words.retain(|word| !["run", "plan", "--sbatch"].contains(&word.as_str()));
        for option in ["--extend", "--out", "--memory"] {
            while let Some(at) = words.iter().position(|word| word == option) {
                words.drain(at..at + 2);
            }
        }
        let widths = words.iter().position(|word| word == "--widths").unwrap() + 1;
        words[widths] = format!("inf,{}", words[widths].trim_end_matches(",inf"));
        let words: Vec<&str> = ["plan", "--memory", "64GiB"].into_iter().chain(words.iter().map(String::as_str)).collect();
        let (code, messages) = outcome(None, &words, None);
        match code {
            0 => infinite += 1,
            _ => {
                assert!(messages.contains("the width inf cannot go together with "), "{line}: {messages}");
                finite += 1;
            }
        }
    }
    assert!(infinite >= 5 && finite <= infinite, "{infinite} with, {finite} without");
}

/// `--calibrate` scales the times and nothing else, and a run that is predicted to take long says that it has calibrated.
#[test]
fn calibration_changes_the_times_only() {
    let plan = stdout_of(&[&GRID[..], &["--all"]].concat());
    let calibrated = stdout_of(&[&GRID[..], &["--all", "--calibrate", "--threads", "1"]].concat());
    let line = calibrated.lines().find(|line| line.starts_with("calibrated: times are ")).expect("a line for people");
    let mut factors: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(factors.len(), 8, "{line}");
    // That of bf16x3, in which the grid has no product.
    factors.remove(5);
    let (least, most) = (factors.iter().copied().fold(f64::MAX, f64::min), factors.iter().copied().fold(0.0, f64::max));
    let (before, after) = (rows(&plan), rows(&calibrated));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        let times = before.len() - 2;
        assert_eq!(before[..times], after[..times]);
        let ratio = after[times].parse::<f64>().unwrap() / before[times].parse::<f64>().unwrap();
        // Three digits each, in the table and the line.
        assert!((0.98 * least - 0.01..=1.02 * most + 0.01).contains(&ratio), "{before:?} {after:?} {line}");
    }
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("long.h5");
    let long = ["--depths", "1", "--dims", "500", "--widths", "1e4", "--networks", "20000", "--threads", "1", "--grace", "1s"];
    let (code, messages) = outcome(None, &[&long[..], &["--out", out.to_str().unwrap()]].concat(), Some("stop:rank=0:unit=1"));
    assert!(code == 75 && messages.contains("; predicted (calibrated): "), "{messages}");
}
