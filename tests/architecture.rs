//! The architecture: `src/lib.rs` lists the modules from the ground up, and each imports only from those listed before it.
//! README.md and CONTRIBUTING.md show the same list in the same order. Test modules are exempt.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The modules of `src/lib.rs`, in order.
fn modules() -> Vec<String> {
    let source = read("src/lib.rs");
    source.lines().filter_map(|line| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_string())).collect()
}

/// Every source file below `directory`.
fn sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => sources(&entry, files),
            false => files.push(entry),
        }
    }
}

/// Source without comments, strings and its test module.
fn code(source: &str) -> String {
    let tests = ["mod", "pub mod"].map(|word| source.find(&format!("\n#[cfg(test)]\n{word} tests")));
    let source = &source[..tests.into_iter().flatten().min().unwrap_or(source.len())];
    let mut code = String::new();
    for line in source.lines() {
        let mut in_string = false;
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' if in_string => _ = characters.next(),
                '"' => in_string = !in_string,
                '/' if !in_string && characters.peek() == Some(&'/') => break,
                _ if !in_string => code.push(character),
                _ => {}
            }
        }
        code.push('\n');
    }
    code
}

/// The modules of the crate that `code` names, at `depth` modules below the root: as `crate::name`, as one of `crate::{…}`, or by `super` as
/// often as it takes to get to the root.
fn named(code: &str, depth: usize) -> BTreeSet<String> {
    let root = "super::".repeat(depth);
    let mut names = BTreeSet::new();
    for prefix in ["crate::", &root] {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let rest = &code[at + prefix.len()..];
            if rest.starts_with("super::") {
                continue;
            }
            let identifier = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
            match rest.strip_prefix('{') {
                None => _ = names.insert(identifier(rest)),
                Some(list) => {
                    let mut level = 0;
                    let mut start = true;
                    for (index, character) in list.char_indices() {
                        match character {
                            '{' => level += 1,
                            '}' if level == 0 => break,
                            '}' => level -= 1,
                            ',' if level == 0 => start = true,
                            character if character.is_whitespace() => {}
                            _ if start => {
                                names.insert(identifier(&list[index..]));
                                start = false;
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
    }
    names
}

#[test]
fn names_are_found() {
    let source = "use crate::a::b;\nuse crate::{c::{x, y}, d};\n// crate::comment\nlet text = \"crate::text\";\nfn f() { crate::e::g() }\n\
                  use super::super::h;\nuse super::sibling;\n#[cfg(test)]\nmod tests {\n use crate::test;\n}";
    let names: Vec<String> = named(&code(source), 2).into_iter().collect();
    assert_eq!(names, ["a", "c", "d", "e", "h"]);
    assert_eq!(named("use super::top;", 1).into_iter().collect::<Vec<_>>(), ["top"]);
}

#[test]
fn modules_import_from_those_listed_before_them_only() {
    let modules = modules();
    let place = |name: &str| modules.iter().position(|module| module == name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap();
        let mut steps: Vec<String> = path.with_extension("").iter().map(|step| step.to_string_lossy().into_owned()).collect();
        if steps == ["main"] || steps == ["lib"] {
            continue;
        }
        if steps.last().is_some_and(|last| last == "mod") {
            steps.pop();
        }
        let Some(own) = place(&steps[0]) else {
            wrong.push(format!("{} is in no module of src/lib.rs", path.display()));
            continue;
        };
        for name in named(&code(&fs::read_to_string(&file).unwrap()), steps.len()) {
            match place(&name) {
                Some(other) if other <= own => {}
                Some(_) => wrong.push(format!("{} imports {name}, which comes after {}", path.display(), steps[0])),
                None => wrong.push(format!("{} names {name}, which is no module", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The list in the README: the words of the block that holds the first module, without the label of each line.
fn listed_in_readme(text: &str, first: &str) -> Vec<String> {
    let is_list = |block: &&str| block.lines().any(|line| line.split_whitespace().nth(1) == Some(first));
    let block = text.split("\n```").find(is_list).expect("README.md has a block with the modules");
    let words = block.lines().skip(1).flat_map(|line| line.split_whitespace().skip(1));
    words.filter(|word| *word != "|").map(str::to_string).collect()
}

/// The list in CONTRIBUTING.md: the first column of its table of modules.
fn listed_in_contributing(text: &str) -> Vec<String> {
    let rows = text.lines().skip_while(|line| !line.starts_with("| module |")).skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).expect("a name in code").to_string()).collect()
}

#[test]
fn documents_show_the_same_list() {
    let modules = modules();
    assert_eq!(listed_in_readme(&read("README.md"), &modules[0]), modules, "README.md");
    assert_eq!(listed_in_contributing(&read("CONTRIBUTING.md")), modules, "CONTRIBUTING.md");
}

/// Tests named in the table of a document, as `file.rs: name` or `file.rs`; a name that ends in … is the start of one.
fn tests_named_in(document: &str) -> Vec<String> {
    let rows = document.lines().filter(|line| line.starts_with('|'));
    let code = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    code.filter(|code| code.split(": ").next().unwrap().ends_with(".rs")).map(str::to_string).collect()
}

#[test]
fn tests_named_in_documents_exist() {
    for (document, least) in [("docs/reliability.md", 40), ("docs/method.md", 15)] {
        let named = tests_named_in(&read(document));
        assert!(named.len() >= least, "{document} names {named:?} only");
        for test in named {
            let (file, name) = test.split_once(": ").unwrap_or((&test, ""));
            let places = ["", "tests/", "tests/program/"].map(|place| Path::new(env!("CARGO_MANIFEST_DIR")).join(place).join(file));
            let place =
                places.iter().find(|place| place.is_file()).unwrap_or_else(|| panic!("{document} names {test}: no such file"));
            let function = match name.strip_suffix('…') {
                Some(start) => format!("fn {start}"),
                None if name.is_empty() => String::new(),
                None => format!("fn {name}("),
            };
            assert!(fs::read_to_string(place).unwrap().contains(&function), "{document} names {test}: no such test");
        }
    }
}

#[test]
fn links_of_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let markdown = |folder: &str| {
        let files = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect::<Vec<_>>()
    };
    let documents = ["", "docs", "slurm"].map(markdown).concat();
    assert!(documents.len() >= 10, "{documents:?}");
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://")) {
            let (file, _) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", document.display());
        }
    }
}

/// The range of a column of `docs/results/quick.csv` over the cells of depth `depth` with d ≥ 50 and k ≥ 100.
fn range_in_quick(depth: &str, column: &str, decimals: usize, scale: f64) -> String {
    let table = read("docs/results/quick.csv");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    let number = |row: &[&str], name: &str| -> f64 {
        let at = rows[0].iter().position(|column| *column == name).unwrap();
        row[at].parse().unwrap()
    };
    let is_meant = |row: &&Vec<&str>| row[0] == depth && number(row, "dim") >= 50.0 && number(row, "width") >= 100.0;
    let values: Vec<f64> = rows[1..].iter().filter(is_meant).map(|row| scale * number(row, column)).collect();
    let [low, high] = [values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(0.0, f64::max)];
    let text = |value: f64| match value == 100.0 {
        true => "100".to_string(),
        false => format!("{value:.decimals$}"),
    };
    if low == high { text(low) } else { format!("{} to {}", text(low), text(high)) }
}

#[test]
fn the_summary_of_results_follows_from_its_table() {
    let document = read("docs/results.md");
    for depth in 1..=6 {
        let of = |column, decimals, scale| range_in_quick(&depth.to_string(), column, decimals, scale);
        let theory = 0.5_f64.powf(f64::from(depth) / 2.0);
        let [fraction, step, median] = [of("fraction", 2, 100.0), of("step_mean", 2, 1.0), of("step_q50", 2, 1.0)];
        let [gradient, distance] = [of("grad_mean", 3, 1.0), of("distance_mean", 2, 1.0)];
        let row = format!("| {depth} | {fraction} | {step} | {median} | {gradient} | {theory:.3} | {distance} |");
        assert!(document.contains(&row), "docs/results.md lacks the line\n{row}");
    }
}
