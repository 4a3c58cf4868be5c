//! Code that determines output bits, the engine of a cell or the shard of a network must not call the system's math library: its results differ in the
//! last digit between libcs, and shards from different nodes would be inconsistent.

use std::fs;
use std::path::{Path, PathBuf};

/// The directories and files scanned.
const SOURCES: [&str; 12] = [
    "model",
    "experiment",
    "kernels",
    "infinite",
    "linalg",
    "measure",
    "method.rs",
    "network",
    "plan",
    "random",
    "record",
    "search",
];

/// Methods of f32 and f64 that call the system's library or have unspecified precision (`powi`). Square roots, rounding, remainders and FMA are exact
/// everywhere.
const SYSTEM: [&str; 27] = [
    "powf", "powi", "exp", "exp2", "exp_m1", "ln", "ln_1p", "log", "log2", "log10", "sin", "cos", "tan", "sin_cos", "asin", "acos",
    "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "hypot", "cbrt", "gamma",
];

/// Crates that use those functions.
const CRATES: [&str; 2] = ["rand_distr", "statrs"];

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| sources(&entry.unwrap().path(), found));
    } else {
        found.push(path.to_path_buf());
    }
}

/// The code of a file, without comments and the test module at its end.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.split_once("\n#[cfg(test)]\nmod tests").map_or(text, |(code, _)| code);
    text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code)).enumerate()
}

/// The system functions that a line of code calls, as methods or by path.
fn of_system(line: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let words = line.match_indices(is_name).map(|(at, _)| at).filter(|&at| !line[..at].ends_with(is_name));
    let named = words.filter_map(|at| {
        let (before, rest) = line.split_at(at);
        let (word, behind) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        let is_method = before.ends_with('.') && behind.starts_with('(');
        let is_path = ["f32::", "f64::", "Float::"].iter().any(|path| before.ends_with(path));
        (SYSTEM.contains(&word) && (is_method || is_path) || CRATES.contains(&word)).then_some(word)
    });
    named.collect()
}

#[test]
fn the_scan_sees_what_it_looks_for() {
    for (line, found) in [
        ("let x = y.powf(0.5).ln();", vec!["powf", "ln"]),
        ("values.map(f64::exp)", vec!["exp"]),
        ("use rand_distr::StandardNormal;", vec!["rand_distr"]),
        ("libm::exp(x) + x.expect() + self.log_bin(sin).sqrt() + angle.cos", vec![]),
    ] {
        assert_eq!(of_system(line), found, "{line}");
    }
    let text = "a.ln(); // b.ln()\n#[cfg(test)]\nmod tests {\n c.ln();\n}";
    assert_eq!(code(text).map(|(_, line)| line).collect::<Vec<_>>(), ["a.ln(); "]);
}

#[test]
fn no_byte_depends_on_the_systems_math_library() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    SOURCES.iter().for_each(|source| sources(&root.join(source), &mut files));
    assert!(files.len() > 40, "{} files", files.len());
    let mut calls = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in code(&text) {
            calls.extend(of_system(line).into_iter().map(|call| format!("{}:{}: {call}", file.display(), number + 1)));
        }
    }
    assert!(calls.is_empty(), "take them from libm, or write the product out:\n{}", calls.join("\n"));
}
