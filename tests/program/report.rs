//! `report`: a page that needs nothing beside it, is well-formed, holds every number, and takes text of files for text. With a browser
//! (`scripts/test-report.sh`) also that its figures, legend, tables and keyboard work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use advstep_hpc::experiment::Experiment;
use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::files::Existing;
use advstep_hpc::model::{Direction, INFINITE_WIDTH};
use advstep_hpc::results::{Results, write};
use resvg::usvg::roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::synthetic::{differing_layers, experiment, synthetic};
use crate::jobs::{finish, job, stderr, stdout_of};

fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("the page is not well-formed: {error}"))
}

fn elements<'a>(document: &'a Document, name: &str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.tag_name().name() == name).collect()
}

fn text(node: Node) -> String {
    node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect()
}

fn data(document: &Document) -> Value {
    let script = elements(document, "script").into_iter().find(|node| node.attribute("id") == Some("data")).unwrap();
    let json = text(script);
    assert!(!json.contains("NaN") && !json.contains("Infinity"));
    serde_json::from_str(&json).unwrap()
}

/// Writes `results` to `name` and their page beside it; returns the file and the page.
fn report(directory: &Path, name: &str, results: &Results) -> (PathBuf, String) {
    let file = directory.join(name);
    write(&file, Existing::Replace, results).unwrap();
    stdout_of(&["report", file.to_str().unwrap()]);
    let page = fs::read_to_string(file.with_extension("html")).unwrap();
    (file, page)
}

fn with_infinity() -> Experiment {
    Experiment { widths: vec![10, 1000, INFINITE_WIDTH], ..experiment() }
}

#[test]
fn the_page_needs_nothing_beside_it() {
    let directory = TempDir::new().unwrap();
    for (name, experiment) in [("a.h5", experiment()), ("b.h5", differing_layers()), ("c.h5", with_infinity())] {
        let (_, page) = report(directory.path(), name, &synthetic(&experiment, 3));
        let document = parsed(&page);
        for node in document.descendants().filter(Node::is_element) {
            let name = node.tag_name().name();
            assert!(
                !["link", "img", "iframe", "object", "embed", "base", "audio", "video", "source", "use"].contains(&name),
                "{name}"
            );
            for attribute in node.attributes() {
                let (name, value) = (attribute.name(), attribute.value());
                assert!(!["src", "srcset", "action", "background", "data"].contains(&name), "{name}={value}");
                assert!(name != "href" || value.starts_with('#'), "{name}={value}");
                assert!(!name.starts_with("on") || value == "return false", "{name}={value}");
                assert!(!value.contains("url(") && !value.contains("//"), "{name}={value}");
            }
        }
        for code in elements(&document, "style").into_iter().chain(elements(&document, "script")).map(text) {
            for way_out in ["http:", "https:", "url(", "@import", "fetch(", "XMLHttpRequest", "import(", "WebSocket", "innerHTML"] {
                assert!(!code.contains(way_out), "{way_out}");
            }
        }
        // Every link leads to a section.
        let ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
        assert!(elements(&document, "a").iter().all(|link| ids.contains(&&link.attribute("href").unwrap()[1..])));
    }
}

#[test]
fn the_page_of_preset_quick_is_small() {
    let directory = TempDir::new().unwrap();
    let quick = Experiment { networks: 2, inputs: 3, ..Preset::Quick.options().validate().unwrap() };
    let (_, page) = report(directory.path(), "quick.h5", &synthetic(&quick, 1));
    assert_eq!(data(&parsed(&page))["files"][0]["rows"].as_array().unwrap().len(), 76);
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}

/// Against `show --format json`, which computes the numbers on another way.
#[test]
fn every_number_of_every_cell_is_on_the_page() {
    let directory = TempDir::new().unwrap();
    let several = Experiment { directions: vec![Direction::Gradient, Direction::Sign], ..experiment() };
    let mut several_results = synthetic(&Experiment { inputs: 22, ..experiment() }, 9);
    several_results.experiment = several;
    for (name, results) in [
        ("grid.h5", synthetic(&experiment(), 3)),
        ("shapes.h5", synthetic(&differing_layers(), 4)),
        ("infinite.h5", synthetic(&with_infinity(), 5)),
        ("directions.h5", several_results),
    ] {
        let (file, page) = report(directory.path(), name, &results);
        let document = parsed(&page);
        let data = data(&document);
        let columns: Vec<&str> =
            data["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
        let rows = data["files"][0]["rows"].as_array().unwrap();
        let body = elements(&document, "tbody").into_iter().next().unwrap();
        let lines: Vec<Node> = body.children().filter(Node::is_element).collect();
        let shown = stdout_of(&["show", file.to_str().unwrap(), "--format", "json"]);
        let expected: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((rows.len(), lines.len()), (expected.len(), expected.len()));
        for ((row, line), expected) in rows.iter().zip(&lines).zip(&expected) {
            assert_eq!([&row["L"], &row["d"]], [&expected["depth"], &expected["dim"]]);
            assert_eq!(row["direction"], expected["direction"]);
            assert_eq!(row["shape"], expected["shape"]);
            if expected["shape"].is_null() {
                assert_eq!(row["k"], expected["width"]);
            }
            let mut compared = 0;
            for (column, value) in columns.iter().zip(row["values"].as_array().unwrap()) {
                if let Some(expected) = expected.get(*column) {
                    assert_eq!(value.as_f64(), expected.as_f64(), "{column} of {row}");
                    compared += 1;
                }
            }
            assert!(compared > 20, "{columns:?}");
            let at = |name: &str| columns.iter().position(|column| *column == name).unwrap();
            assert_eq!(row["std"][at("step_mean")].as_f64(), expected["step_std"].as_f64());
            assert_eq!(row["std"][at("fraction")].as_f64(), expected["fraction_std_networks"].as_f64());
            for (column, error) in [("step_mean", "step_se"), ("fraction", "fraction_se"), ("grad_mean", "grad_se")] {
                let half = row["error"][at(column)].as_f64();
                match expected[error].as_f64() {
                    Some(error) => assert!(is_read_as(&half.unwrap().to_string(), 2.0 * error), "{column}: {half:?}, {error}"),
                    None => assert_eq!(half, None, "{column}"),
                }
            }
            // The table has the numbers in full, too.
            let cells: Vec<&str> = line.children().filter_map(|cell| cell.attribute("data-v")).collect();
            for name in
                ["fraction", "step_mean", "step_q95", "distance_mean", "grad_mean", "grad_se", "evaluations", "fraction_lost"]
            {
                match expected[name].as_f64() {
                    Some(number) => assert!(cells.iter().any(|cell| is_read_as(cell, number)), "{name} = {number} in {cells:?}"),
                    None => assert!(cells.contains(&""), "{name} in {cells:?}"),
                }
            }
        }
    }
}

/// Against the samples, by counting: the number with rank r has at most r below it and at least r + 1 up to it.
#[test]
fn distributions_are_those_of_the_samples() {
    let directory = TempDir::new().unwrap();
    let several = Experiment { directions: vec![Direction::Gradient, Direction::Sign], ..experiment() };
    let mut results = synthetic(&Experiment { networks: 20, inputs: 22, ..experiment() }, 9);
    results.experiment = Experiment { networks: 20, ..several };
    let (_, page) = report(directory.path(), "a.h5", &results);
    let data = data(&parsed(&page));
    let rows = data["files"][0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2 * results.cells.len());
    // Directions are measured together, so their time is counted once.
    let document = parsed(&page);
    let head: Vec<String> =
        elements(&document, "thead")[0].descendants().filter(|node| node.has_tag_name("button")).map(text).collect();
    let at = head.iter().position(|title| title == "thread-s").unwrap();
    for (number, line) in elements(&document, "tbody")[0].children().filter(Node::is_element).enumerate() {
        let cell = line.children().filter(Node::is_element).nth(at).unwrap();
        assert_eq!(cell.attribute("data-v") == Some(""), number % 2 == 1);
    }
    let mut thinned = 0;
    for (number, row) in rows.iter().enumerate() {
        let (cell, direction) = (&results.cells[number / 2], number % 2);
        let samples = || cell.records.iter().flat_map(|record| &record.samples[11 * direction..][..11]);
        let steps: Vec<f64> = samples().map(|sample| sample.step).collect();
        let norms: Vec<f64> = samples().map(|sample| sample.gradient_norm).collect();
        for (values, distribution) in [steps, norms].iter().zip(row["distributions"].as_array().unwrap()) {
            let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            assert_eq!(distribution["count"], values.len());
            assert_eq!(distribution["finite"], finite.len());
            let shown: Vec<f64> = distribution["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
            assert_eq!(shown.len(), finite.len().min(100));
            thinned += usize::from(shown.len() < finite.len());
            for (i, value) in shown.iter().enumerate() {
                let rank = if shown.len() == 1 { 0 } else { i * (finite.len() - 1) / (shown.len() - 1) };
                let below = finite.iter().filter(|other| **other < value * (1.0 - 6e-4)).count();
                let up_to = finite.iter().filter(|other| **other <= value * (1.0 + 6e-4)).count();
                assert!(below <= rank && rank < up_to, "{value}: rank {rank}, {below} below, {up_to} up to it");
            }
        }
    }
    assert!(thinned > 10, "{thinned}");
}

/// Whether `text` is `number`, where serde_json has read one or both with an error of a unit in the last place.
fn is_read_as(text: &str, number: f64) -> bool {
    text.parse::<f64>().is_ok_and(|value| (value - number).abs() <= 4.0 * f64::EPSILON * number.abs())
}

#[test]
fn experiment_machine_and_command_are_on_the_page() {
    let directory = TempDir::new().unwrap();
    let results = synthetic(&experiment(), 3);
    let (_, page) = report(directory.path(), "a.h5", &results);
    let document = parsed(&page);
    let written: Vec<String> = elements(&document, "pre").into_iter().map(text).collect();
    assert!(written.contains(&results.provenance.command_line), "{written:?}");
    let toml = results.experiment.to_toml();
    assert!(written.contains(&toml), "{written:?}");
    assert_eq!(Experiment::from_toml(&toml, "test").unwrap(), results.experiment);
    let all = text(document.root_element());
    for fact in ["node7", "OpenBLAS 0.3.21", "0123abcd", "2025-01-01T00:01:00Z"] {
        assert!(all.contains(fact), "{fact}");
    }
}

#[test]
fn text_of_files_stays_text() {
    let directory = TempDir::new().unwrap();
    let hostile = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>\"&amp;]]>\u{1b}";
    let mut results = synthetic(&experiment(), 3);
    results.provenance.command_line = hostile.to_owned();
    results.provenance.host = "\"><b onclick=\"window.hacked=1\">".to_owned();
    let file = directory.path().join("a.h5");
    write(&file, Existing::Replace, &results).unwrap();
    let page = directory.path().join("page.html");
    let [file, out] = [&file, &page].map(|path| path.to_str().unwrap());
    stdout_of(&["report", file, file, "--label", &format!("{hostile},<i>*k*"), "--title", hostile, "--out", out]);
    let page = fs::read_to_string(page).unwrap();
    let document = parsed(&page);
    assert_eq!(elements(&document, "script").len(), 2);
    assert!(["img", "b"].iter().all(|name| elements(&document, name).is_empty()));
    assert_eq!(page.matches("</script").count(), 2, "also for a parser of HTML");
    let shown = hostile.replace('\u{1b}', "\u{fffd}");
    assert_eq!(text(elements(&document, "title")[0]), shown);
    assert_eq!(data(&document)["files"][1]["label"], "<i>*k*");
    assert!(elements(&document, "pre").into_iter().map(text).any(|written| written == shown));
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let directory = TempDir::new().unwrap();
    let (file, page) = report(directory.path(), "a.h5", &synthetic(&experiment(), 3));
    let file = file.to_str().unwrap();
    let audit = directory.path().join("audit.h5");
    let audit = audit.to_str().unwrap();
    let options = ["--dims", "10", "--widths", "10", "--networks", "2", "--statements", "lemma-8", "--quiet", "--out"];
    stdout_of(&[&["audit"], &options[..], &[audit]].concat());
    let out = directory.path().join("new.html");
    let out = out.to_str().unwrap();
    for (arguments, message) in [
        (vec![file], "the file exists"),
        (vec![file, "--out", file, "--overwrite"], "it is the same file as the input"),
        (vec![file, "--label", "a,b", "--out", out], "--label has 2 names for 1 files"),
        (vec!["missing.h5"], "cannot read `missing.h5`"),
        (vec![audit, "--out", out], "cannot report the audit file"),
        (vec![file, audit, "--out", out], "cannot report the audit file"),
    ] {
        let output = finish(&mut job(None, &[&["report"], &arguments[..]].concat()));
        let messages = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {messages}");
        assert!(messages.contains(message) && messages.contains("\nhelp: "), "{arguments:?}: {messages}");
    }
    assert!(!Path::new(out).exists());
    stdout_of(&["report", file, "--overwrite"]);
    assert_eq!(fs::read_to_string(Path::new(file).with_extension("html")).unwrap(), page, "the same page again");
}

#[test]
#[ignore = "needs a browser: scripts/test-report.sh"]
fn the_page_works_in_a_browser() {
    let directory = TempDir::new().unwrap();
    let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let run = |options: &[&str], out: &str| {
        let size = ["--dims", "5,20", "--networks", "3", "--inputs", "10", "--threads", "1", "--quiet", "--out", out];
        stdout_of(&[&["run"], options, &size].concat());
    };
    run(&["--depths", "1,2", "--widths", "10,30,100,inf"], &place("relu.h5"));
    run(&["--depths", "1,2", "--widths", "10,30,100", "--activation", "tanh"], &place("tanh.h5"));
    run(&["--depths", "1,2", "--widths", "10,30,100", "--direction", "gradient,sign,nearest"], &place("directions.h5"));
    run(&["--hidden", "30,20,10", "--hidden", "10,20,30"], &place("shapes.h5"));
    let hostile = "</script><script>window.hacked=1</script>,<img src=x onerror=window.hacked=1>";
    let pages =
        [vec!["relu.h5"], vec!["relu.h5", "tanh.h5"], vec!["directions.h5"], vec!["directions.h5", "tanh.h5"], vec!["shapes.h5"]];
    for (number, files) in pages.iter().enumerate() {
        let (out, files) = (place(&format!("{number}.html")), files.iter().map(|name| place(name)).collect::<Vec<_>>());
        let mut arguments = vec!["report", "--out", &out];
        arguments.extend(files.iter().map(String::as_str));
        if number == 1 {
            arguments.extend(["--label", hostile, "--title", hostile]);
        }
        stdout_of(&arguments);
        let python = std::env::var("ADVSTEP_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = format!("{}/tests/python/check_report.py", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python);
        command.args([script.as_str(), &out]);
        if let Ok(shots) = std::env::var("ADVSTEP_SHOTS") {
            command.args(["--shots", &format!("{shots}/{number}")]);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("report: ok"), "{files:?}: {said}");
    }
}
