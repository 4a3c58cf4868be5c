//! The options of `plot`: which figures, of what size and look, files and directions together, and the numbers as CSV.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use resvg::usvg::roxmltree::Document;
use tempfile::TempDir;

use crate::jobs::{finish, job, stderr, stdout_of};

/// Two runs on one grid, one with three directions and infinite width nowhere, one of shapes, and a smaller grid with infinite width.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { directory: TempDir::new().unwrap() };
        let grid = ["--depths", "1,2", "--dims", "5,20", "--widths", "10,30,100"];
        files.run(&grid, "relu.h5");
        files.run(&[&grid[..], &["--activation", "tanh"]].concat(), "tanh.h5");
        files.run(&[&grid[..], &["--direction", "gradient,sign,nearest"]].concat(), "directions.h5");
        files.run(&["--hidden", "30,20,10", "--hidden", "10,20,30", "--dims", "5,20"], "shapes.h5");
        files.run(&["--depths", "1", "--dims", "5,20", "--widths", "10,inf"], "infinite.h5");
        files
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn run(&self, options: &[&str], out: &str) {
        let size = ["--networks", "3", "--inputs", "8", "--threads", "1", "--quiet", "--out"];
        stdout_of(&[&["run"], options, &size, &[&self.path(out)]].concat());
    }

    /// Draws into a new directory; the files written, by name.
    fn plot(&self, files: &[&str], options: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let out = TempDir::new_in(self.directory.path()).unwrap();
        let files: Vec<String> = files.iter().map(|file| self.path(file)).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let printed = stdout_of(&[&["plot"], &files[..], options, &["--out", out.path().to_str().unwrap()]].concat());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        printed.lines().map(PathBuf::from).map(|path| (name(&path), fs::read(&path).unwrap())).collect()
    }

    fn svg(&self, files: &[&str], options: &[&str]) -> BTreeMap<String, String> {
        let drawn = self.plot(files, &[options, &["--format", "svg"]].concat());
        drawn.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
    }
}

fn names<T>(drawn: &BTreeMap<String, T>) -> Vec<&str> {
    drawn.keys().map(String::as_str).collect()
}

fn count(svg: &str, class: &str) -> usize {
    svg.matches(&format!("<g class=\"{class}\">")).count()
}

/// The text of an SVG without markup.
fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name((node.tag_name().namespace().unwrap_or(""), "text")));
    texts.map(|node| node.descendants().filter_map(|part| part.text().filter(|_| part.is_text())).collect()).collect()
}

#[test]
fn figures_and_cells_are_chosen() {
    let files = Files::new();
    let chosen = files.svg(&["relu.h5"], &["--figure", "switching,distance"]);
    assert_eq!(names(&chosen), ["distance.svg", "figure1_fraction.svg"]);
    assert_eq!(names(&files.svg(&["relu.h5"], &["--figure", "1,3"])), ["figure1_fraction.svg", "figure3_depth2.svg"]);
    let nearest = files.svg(&["directions.h5"], &["--figure", "nearest", "--direction", "nearest"]);
    assert_eq!(names(&nearest), ["directions_distance.svg", "directions_distance_depth.svg", "directions_distance_dim.svg"]);
    assert_eq!(count(&nearest["directions_distance.svg"], "curve"), 2, "one direction at each depth");
    let some = &files.svg(&["relu.h5"], &["--figure", "fraction", "--depths", "2", "--dims", "20", "--widths", "10,100"])["figure1_fraction.svg"];
    assert_eq!((count(some, "panel"), count(some, "curve")), (1, 1));
    assert!(!texts(some).iter().any(|text| text.contains("PARTIAL")));
    assert!(texts(some).contains(&"d = 20".to_owned()) && !texts(some).contains(&"d = 5".to_owned()));
}

#[test]
fn a_column_is_drawn_against_width_dim_or_depth() {
    let files = Files::new();
    for (x, panels, curves) in [("k", 2, 4), ("d", 2, 6), ("depth", 2, 6)] {
        for (y, name) in [
            ("eta", "step_mean"),
            ("distance/norm", "relative_distance_mean"),
            ("fraction_lost", "fraction_lost"),
            ("step_q95", "step_q95"),
            ("value", "value_mean"),
        ] {
            let x_name = match x {
                "k" => "width",
                "d" => "dim",
                _ => "depth",
            };
            let drawn = files.svg(&["relu.h5"], &["--x", x, "--y", y]);
            assert_eq!(names(&drawn), [format!("{name}_against_{x_name}.svg")]);
            let svg = drawn.values().next().unwrap();
            assert_eq!((count(svg, "panel"), count(svg, "curve")), (panels, curves), "{y} against {x}");
            assert!(!svg[svg.find("</style>").unwrap()..].contains("NaN"));
        }
    }
    // Shapes have no one width.
    assert_eq!(count(&files.svg(&["shapes.h5"], &["--y", "eta", "--x", "d"])["step_mean_against_dim.svg"], "curve"), 2);
    let infinite = &files.svg(&["infinite.h5"], &["--y", "fraction"])["fraction_against_width.svg"];
    assert_eq!((count(infinite, "limit"), count(infinite, "curve")), (2, 2));
}

#[test]
fn files_and_directions_share_figures() {
    let files = Files::new();
    let two = files.svg(&["relu.h5", "tanh.h5"], &["--label", "ReLU,a*b <i>"]);
    assert_eq!(names(&two), ["overlay_distance.svg", "overlay_fraction.svg", "overlay_gradient.svg", "overlay_step.svg"]);
    for svg in two.values() {
        assert_eq!((count(svg, "panel"), count(svg, "curve"), count(svg, "legend")), (2, 2 * 2 * 2, 1));
        let texts = texts(svg);
        assert!(texts.contains(&"ReLU".to_owned()) && texts.contains(&"a*b <i>".to_owned()), "{texts:?}");
        assert!(
            texts.iter().any(|text| text.contains("ReLU: 3 networks × 8 inputs")),
            "settings that differ are told apart: {texts:?}"
        );
    }
    let directions = files.svg(&["directions.h5"], &["--overlay"]);
    assert_eq!(
        names(&directions),
        ["overlay_distance.svg", "overlay_fraction.svg", "overlay_gradient.svg", "overlay_ratio.svg", "overlay_step.svg"]
    );
    assert_eq!(count(&directions["overlay_fraction.svg"], "curve"), 2 * 2 * 3);
    assert_eq!(count(&directions["overlay_gradient.svg"], "curve"), 2 * 2, "one gradient, whatever the directions");
    let in_legend =
        |figure: &str| texts(&directions[figure]).iter().filter(|text| ["gradient", "sign"].contains(&text.as_str())).count();
    assert_eq!(
        (in_legend("overlay_step.svg"), in_legend("overlay_ratio.svg")),
        (2, 1),
        "ratios are to the gradient, which has none"
    );
    let all = files.svg(&["directions.h5", "tanh.h5"], &["--y", "fraction", "--direction", "nearest,gradient", "--dims", "20"]);
    let texts = texts(&all["fraction_against_width.svg"]);
    for label in ["directions, gradient", "directions, nearest", "tanh, gradient"] {
        assert!(texts.contains(&label.to_owned()), "{texts:?}");
    }
}

#[test]
fn pages_have_the_size_that_is_asked_for() {
    let files = Files::new();
    let drawn = files.plot(&["relu.h5"], &["--size", "3.3in,2.5in", "--figure", "1,distance,phase", "--format", "svg,png,pdf"]);
    assert_eq!(drawn.len(), 9);
    for (name, bytes) in &drawn {
        if name.ends_with(".svg") {
            let svg = String::from_utf8_lossy(bytes);
            assert!(svg.contains("width=\"237.6pt\" height=\"180pt\""), "{name}: {}", &svg[..200]);
        } else if name.ends_with(".png") {
            let pixels = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
            assert!(pixels(16).abs_diff(990) <= 4 && pixels(20).abs_diff(750) <= 4, "{name}: {} × {}", pixels(16), pixels(20));
        }
    }
    let paper = files.svg(&["relu.h5"], &["--style", "paper"]);
    for (name, svg) in &paper {
        let texts = texts(svg);
        assert!(svg.contains("width=\"489.6pt\"") || svg.contains("width=\"237.6pt\""), "{name}");
        assert!(!texts.iter().any(|text| text.contains("networks") || text.contains("inputs whose")), "{name}: {texts:?}");
    }
    let titled = files.svg(&["relu.h5"], &["--style", "paper", "--title", "My *k* & <more>", "--figure", "1"]);
    assert!(texts(&titled["figure1_fraction.svg"]).contains(&"My k & <more>".to_owned()));
    let serif = files.svg(&["relu.h5"], &["--font", "dejavu sans,10", "--figure", "1"]);
    assert!(serif["figure1_fraction.svg"].contains("font-size=\"10\""));
}

#[test]
fn bands_and_axes_are_chosen() {
    let files = Files::new();
    let fraction = |options: &[&str]| {
        let drawn = files.svg(&["relu.h5"], &[&["--figure", "fraction"], options].concat());
        let svg = drawn["figure1_fraction.svg"].clone();
        (svg.matches("fill-opacity").count(), texts(&svg))
    };
    let is_said = |texts: &[String], what: &str| texts.iter().any(|text| text.contains(what));
    let (bands, texts) = fraction(&["--band", "none"]);
    assert!(bands == 0 && !is_said(&texts, "std"), "{bands}: {texts:?}");
    let (bands, texts) = fraction(&["--band", "stderr"]);
    assert!(bands > 2 && is_said(&texts, "mean ± 2 standard errors"), "{texts:?}");
    assert_eq!(fraction(&["--band", "std"]), fraction(&[]));
    assert_eq!(fraction(&["--log", "x"]), fraction(&[]));
    let (_, linear) = fraction(&["--log", "none"]);
    assert!(linear.contains(&"100".to_owned()) && linear.contains(&"80".to_owned()), "{linear:?}");
    // Steps, on a logarithmic axis: three points as far apart as their logarithms.
    let drawn =
        files.plot(&["relu.h5"], &["--y", "eta", "--log", "xy", "--dims", "20", "--depths", "1", "--data", "--format", "svg"]);
    let svg = String::from_utf8_lossy(&drawn["step_mean_against_width.svg"]);
    let curve = svg.split("<g class=\"curve\">").nth(1).unwrap();
    let path = curve.split('"').find(|piece| piece.starts_with('M')).unwrap();
    let heights: Vec<f64> = path[1..].split('L').map(|point| point.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    let rows = rows(&drawn["step_mean_against_width.csv"]);
    let logs: Vec<f64> = rows[1..].iter().map(|row| row[5].parse::<f64>().unwrap().ln()).collect();
    let scale = (heights[2] - heights[0]) / (logs[2] - logs[0]);
    assert!(((heights[1] - heights[0]) - scale * (logs[1] - logs[0])).abs() < 0.01 && scale < 0.0, "{heights:?} {logs:?}");
}

fn rows(csv: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// Every figure has a table, with finite numbers or empty fields only; those of fraction and step are those of `show`.
#[test]
fn the_numbers_of_a_figure_are_those_of_the_table() {
    let files = Files::new();
    for (name, options) in [
        ("relu.h5", &[][..]),
        ("directions.h5", &[]),
        ("shapes.h5", &[]),
        ("infinite.h5", &[]),
        ("directions.h5", &["--overlay"]),
        ("infinite.h5", &["--y", "fraction", "--x", "d"]),
    ] {
        let drawn = files.plot(&[name], &[options, &["--data", "--format", "svg"]].concat());
        let figures = names(&drawn).iter().filter(|name| name.ends_with(".svg")).count();
        assert_eq!(drawn.len(), 2 * figures, "{:?}", names(&drawn));
        for (file, bytes) in drawn.iter().filter(|(file, _)| file.ends_with(".csv")) {
            let rows = rows(bytes);
            assert!(rows.len() > 1, "{name}: {file}");
            for field in rows.iter().flatten() {
                let number = field.parse::<f64>();
                assert!(number.is_err() || number.unwrap().is_finite(), "{name}: {file} holds {field}");
            }
        }
    }
    let shown = rows(stdout_of(&["show", &files.path("relu.h5"), "--format", "csv"]).as_bytes());
    let column = |name: &str| shown[0].iter().position(|column| column == name).unwrap();
    let drawn = files.plot(&["relu.h5"], &["--figure", "1", "--data", "--band", "none", "--format", "svg"]);
    let table = rows(&drawn["figure1_fraction.csv"]);
    assert_eq!(table[0], ["depth", "dim", "width", "fraction", "low", "high"]);
    assert_eq!(table.len(), shown.len());
    let of = |row: &Vec<String>| [row[column("depth")].clone(), row[column("dim")].clone(), row[column("width")].clone()];
    let number = |text: &str| text.parse::<f64>().unwrap();
    for row in &shown[1..] {
        let line = table.iter().find(|line| line[..3] == of(row)).unwrap();
        assert_eq!((number(&line[3]), line[4].as_str()), (number(&row[column("fraction")]), ""));
    }
    let drawn = files.plot(&["relu.h5"], &["--y", "eta", "--data", "--format", "svg"]);
    let table = rows(&drawn["step_mean_against_width.csv"]);
    assert_eq!(table[0], ["depth", "file", "direction", "dim", "width", "step_mean", "low", "high"]);
    for row in &shown[1..] {
        let [depth, dim, width] = of(row);
        let line = table.iter().find(|line| [&line[0], &line[3], &line[4]] == [&depth, &dim, &width]).unwrap();
        let (mean, std) = (number(&row[column("step_mean")]), number(&row[column("step_std")]));
        assert_eq!([number(&line[5]), number(&line[6]), number(&line[7])], [mean, (mean - std).max(0.0), mean + std]);
    }
}

#[test]
fn what_cannot_be_drawn_is_refused_and_nothing_is_written() {
    let files = Files::new();
    let out = files.path("none");
    for (names, options, message) in [
        (&["relu.h5"][..], &["--figure", "bogus"][..], "there is no figure `bogus`: the figures are fraction, switching, step"),
        (&["relu.h5"], &["--figure", "nearest"], "there is no figure `nearest` of these results: it needs several directions"),
        (&["relu.h5"], &["--figure", "9"], "there is no figure `9` of these results"),
        (&["relu.h5", "tanh.h5"], &["--figure", "phase"], "there is no figure `phase` of these results"),
        (&["relu.h5"], &["--y", "height"], "there is no column `height`: the columns are switched, lost, eta"),
        (&["relu.h5"], &["--y", "ratio"], "there is nothing to draw: no cell has a value of ratio_q50"),
        (&["relu.h5"], &["--x", "d"], "missing --y"),
        (&["relu.h5"], &["--dims", "7"], "there is no dim 7 to draw: the results have 5, 20"),
        (&["relu.h5"], &["--widths", "inf"], "there is no width ∞ to draw: the results have 10, 30, 100"),
        (&["relu.h5"], &["--depths", "1.5"], "--depths holds 1.5"),
        (&["relu.h5"], &["--direction", "sign"], "there is no direction sign to draw: the results have gradient"),
        (&["relu.h5", "infinite.h5"], &["--depths", "2"], "there is nothing to draw of infinite"),
        (&["relu.h5"], &["--size", "0.6in,0.6in"], "does not fit its page"),
        (&["relu.h5"], &["--size", "3.3in"], "not a width and a height"),
        (&["relu.h5"], &["--size", "3.3in,1km"], "not a width and a height"),
        (&["relu.h5"], &["--font", "No Such Font"], "there is no font `No Such Font`: this machine has "),
        (&["relu.h5"], &["--font", "DejaVu Sans,100"], "text of 100 points cannot be set"),
        (&["relu.h5"], &["--label", "a,b"], "--label has 2 names for 1 files"),
        (&["shapes.h5"], &["--y", "eta"], "cannot draw against the width: hidden layers of these networks differ in width"),
        (&["relu.h5", "shapes.h5"], &[], "cannot draw against the width"),
    ] {
        let paths: Vec<String> = names.iter().map(|name| files.path(name)).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let output = finish(&mut job(None, &[&["plot"], &paths[..], options, &["--out", &out]].concat()));
        let messages = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {messages}");
        assert!(messages.contains(message) && messages.contains("\nhelp: "), "{options:?}: {messages}");
        assert!(!Path::new(&out).exists(), "{options:?}");
    }
    let audit = files.path("audit.h5");
    let options = ["--dims", "10", "--widths", "10", "--networks", "2", "--statements", "lemma-8", "--quiet", "--out"];
    stdout_of(&[&["audit"], &options[..], &[&audit]].concat());
    for options in [&["--data"][..], &["--figure", "1"], &["--band", "none"], &["--overlay"], &[&files.path("relu.h5")]] {
        let output = finish(&mut job(None, &[&["plot", &audit], options, &["--out", &out]].concat()));
        let messages = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {messages}");
        assert!(
            messages.contains("cannot draw the audit file") && messages.contains("\nhelp: give one FILE"),
            "{options:?}: {messages}"
        );
        assert!(!Path::new(&out).exists(), "{options:?}");
    }
}

#[test]
fn figures_of_audits_have_the_look_asked_for() {
    let directory = TempDir::new().unwrap();
    let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let options = ["--dims", "10,20", "--widths", "10", "--networks", "2", "--statements", "lemma-8", "--quiet"];
    let audit = place("audit.h5");
    stdout_of(&[&["audit"], &options[..], &["--out", &audit]].concat());
    let plot = |options: &[&str]| {
        let out = TempDir::new_in(directory.path()).unwrap();
        let arguments = [&["plot", &audit, "--format", "svg", "--out", out.path().to_str().unwrap()], options].concat();
        let drawn: Vec<String> = stdout_of(&arguments).lines().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert_eq!(drawn.len(), 2);
        drawn
    };
    for svg in plot(&["--size", "5in,4in", "--title", "Mine *k*"]) {
        assert!(svg.contains("width=\"360pt\" height=\"288pt\"") && texts(&svg).contains(&"Mine k".to_owned()), "{svg}");
    }
    for svg in plot(&["--style", "paper"]) {
        assert!(!texts(&svg).iter().any(|text| text.contains("networks per setting")), "{svg}");
    }
}

/// The labels of all statements leave a single column no panel, so margins take both.
#[test]
fn margins_of_all_statements_fit_both_columns_of_a_paper() {
    let directory = TempDir::new().unwrap();
    let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let audit = place("audit.h5");
    stdout_of(&["audit", "--dims", "10,20", "--widths", "10", "--networks", "5", "--quiet", "--out", &audit]);
    let drawn = stdout_of(&["plot", &audit, "--style", "paper", "--format", "svg", "--out", &place("figures")]);
    assert_eq!(drawn.lines().count(), 4);
    for path in drawn.lines() {
        let svg = fs::read_to_string(path).unwrap();
        assert!(svg.contains(" width=\"489.6pt\""), "{path}: {}", svg.lines().next().unwrap());
        let labels = texts(&svg).iter().filter(|text| text.contains(":  ")).count();
        assert!(labels > 3, "{path}: {labels} statements");
    }
}
