//! Numbers in CSV files and pictures are finite, or the field is empty, whatever the cells.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::jobs::{PROGRAM, outcome, stdout_of};

/// Runs `words` into `name`.
fn run(directory: &TempDir, name: &str, words: &str) -> String {
    let out = directory.path().join(name).to_str().unwrap().to_string();
    let words: Vec<&str> = words.split_whitespace().chain(["--quiet", "--out", &out]).collect();
    assert_eq!(outcome(None, &words, None), (0, String::new()), "{words:?}");
    out
}

/// A number that no reader should meet.
fn is_unsound(word: &str) -> bool {
    let word = word.trim_start_matches(['-', '+', '−']).to_ascii_lowercase();
    ["nan", "inf", "infinity"].contains(&word.as_str())
}

/// Every field of a CSV text is finite or empty, except that k = ∞ is `inf` in column `width`.
fn check_csv(text: &str) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_string).collect();
    let mut rows = 0;
    for record in reader.records().map(Result::unwrap) {
        rows += 1;
        for (name, field) in header.iter().zip(&record) {
            assert!(!is_unsound(field) || name == "width" && field == "inf", "{name} is {field} in {record:?}");
        }
    }
    assert!(rows > 0, "{text}");
}

/// No attribute and no text of the SVG pictures below `directory` holds a number that is not finite.
fn check_pictures(directory: &Path) {
    let mut pictures = 0;
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => {
                let text = fs::read_to_string(&entry).unwrap();
                let words = text.split(|c: char| !c.is_alphanumeric() && !"+-−.".contains(c));
                let unsound: Vec<&str> = words.filter(|word| is_unsound(word)).collect();
                assert!(unsound.is_empty(), "{unsound:?} in {}", entry.display());
                pictures += 1;
            }
            Some("csv") => check_csv(&fs::read_to_string(&entry).unwrap()),
            _ => {}
        }
    }
    assert!(pictures > 0, "no picture in {}", directory.display());
}

/// Cells in which nothing is found, f vanishes everywhere, there is one network or one input, and infinite width.
#[test]
fn degenerate_cells_leave_finite_numbers_or_empty_fields() {
    let directory = TempDir::new().unwrap();
    for (number, words) in [
        "--depths 1,3 --dims 1,2 --widths 1,2 --networks 4 --inputs 3",
        "--depths 1,2 --dims 1,2 --widths 1,inf --networks 1 --inputs 1",
        "--depths 1,2 --dims 5 --widths 3,inf --networks 2 --inputs 2 --bound 1e-9",
        "--depths 1 --dims 2 --widths 1,3 --networks 2 --inputs 2 --direction gradient,sign,universal,random,descent,nearest --certify",
        "--depths 2 --dims 2 --widths 1,3 --networks 2 --inputs 2 --direction gradient,nearest --bound 1e-9 --bias",
        "--hidden 1,2 --hidden 2,1 --dims 1,2 --networks 2 --inputs 2 --direction gradient,descent",
        "--depths 1 --dims 2 --widths 1,2,4 --networks 3 --inputs 1 --activation tanh --bound-distance 1e-9",
    ]
    .into_iter()
    .enumerate()
    {
        let file = run(&directory, &format!("{number}.h5"), words);
        let csv = stdout_of(&["show", &file, "--format", "csv"]);
        check_csv(&csv);
        let pictures = directory.path().join(format!("pictures-{number}"));
        stdout_of(&["plot", &file, "--format", "svg", "--out", pictures.to_str().unwrap()]);
        check_pictures(&pictures);
        for line in stdout_of(&["show", &file, "--format", "json"]).lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
    let nothing = stdout_of(&["show", directory.path().join("2.h5").to_str().unwrap(), "--format", "csv"]);
    assert!(nothing.contains(",inf,") && nothing.contains(",,"), "there are cells in which nothing is found: {nothing}");
}

#[test]
fn audits_leave_finite_numbers_or_empty_fields() {
    let directory = TempDir::new().unwrap();
    for (number, words) in [
        "audit --dims 2,3 --widths 1,2 --networks 2 --activation relu,tanh",
        "audit --depths 1,2 --dims 2 --widths 1,3 --networks 2",
        "audit --dims 4 --widths 30 --networks 2 --gamma 0.5 --activation relu",
    ]
    .into_iter()
    .enumerate()
    {
        let file = run(&directory, &format!("{number}.h5"), words);
        // Longer than a pipe holds.
        let output = Command::new(PROGRAM).args(["show", &file, "--format", "csv"]).output().unwrap();
        check_csv(&String::from_utf8(output.stdout).unwrap());
        let pictures = directory.path().join(format!("pictures-{number}"));
        let output = outcome(None, &["plot", &file, "--format", "svg", "--out", pictures.to_str().unwrap()], None);
        // Statements on layers have no bounds to draw.
        let (code, said) = if words.contains("--depths") { (2, "no entry has a bound") } else { (0, "") };
        assert!(output.0 == code && output.1.contains(said), "{}", output.1);
        if fs::read_dir(&pictures).is_ok_and(|mut entries| entries.next().is_some()) {
            check_pictures(&pictures);
        }
    }
}
