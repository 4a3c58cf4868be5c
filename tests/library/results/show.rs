//! `show`: JSON and CSV have full precision, the table fits a terminal.

use crate::common::synthetic::{experiment, synthetic};
use advstep_hpc::experiment::Experiment;
use advstep_hpc::model::{Direction, INFINITE_WIDTH};
use advstep_hpc::results::show::{Format, show};
use serde_json::Value;

/// The keys that scripts rely on.
const KEYS: &str = "depth dim width gain networks inputs fraction fraction_std_networks dead step_mean step_std step_std_networks \
                    step_q05 step_q50 step_q95 grad_mean grad_std grad_std_networks value_mean value_std evaluations engine search \
                    seconds activation direction distance_mean distance_std fraction_se step_se distance_se grad_se value_se \
                    fraction_lost fraction_lost_se distance_q05 distance_q50 distance_q95 relative_distance_mean relative_distance_std \
                    max_distance_mean path_mean ratio_q05 ratio_q50 ratio_q95 ratio_se precision";

fn shown(format: Format) -> String {
    let mut out = Vec::new();
    show(&synthetic(&experiment(), 1), format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The number under `key`, exactly; serde_json's parser may be off in the last bit.
fn number(line: &str, key: &str) -> Option<f64> {
    let start = line.find(&format!("\"{key}\":")).unwrap() + key.len() + 3;
    line[start..].split([',', '}']).next().unwrap().parse().ok()
}

#[test]
fn json_is_an_object_a_line_with_the_agreed_keys() {
    let results = synthetic(&experiment(), 1);
    let text = shown(Format::Json);
    assert_eq!(text.lines().count(), results.cells.len());
    for (line, cell) in text.lines().zip(&results.cells) {
        let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        let mut keys: Vec<&str> = KEYS.split_whitespace().collect();
        keys.sort_unstable();
        assert_eq!(object.keys().map(String::as_str).collect::<Vec<_>>(), keys); // serde_json sorts
        let summary = cell.summary();
        assert_eq!(object["width"], cell.cell.width);
        assert_eq!(object["search"], cell.method.search.name());
        assert_eq!(object["dead"], summary.dead);
        let of_networks = summary.fraction_std_networks / 7_f64.sqrt();
        assert!((number(line, "fraction_se").unwrap() - of_networks).abs() < 1e-12, "{line}");
        for (key, value) in [("fraction", summary.fraction), ("grad_se", summary.grad_se), ("seconds", summary.seconds)] {
            assert_eq!(number(line, key), Some(value), "{key}");
        }
        assert_eq!(number(line, "step_mean"), Some(summary.step_mean).filter(|mean| !mean.is_nan()));
    }
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(last["step_mean"].is_null() && last["step_q50"].is_null() && last["fraction"] == 0.0);
}

#[test]
fn csv_has_the_columns_of_json_in_order() {
    let results = synthetic(&experiment(), 1);
    let text = shown(Format::Csv);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), KEYS.split_whitespace().collect::<Vec<_>>());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), results.cells.len());
    assert!(
        !text.contains("NaN") && records.last().unwrap().iter().any(str::is_empty),
        "nothing is found in the last cell: {text}"
    );
    for (record, cell) in records.iter().zip(&results.cells) {
        let at = |key| &record[KEYS.split_whitespace().position(|k| k == key).unwrap()];
        assert_eq!(at("depth").parse::<usize>().unwrap(), cell.cell.depth);
        assert_eq!(at("value_std").parse::<f64>().unwrap(), cell.summary().value_std);
        assert_eq!(at("step_q05").is_empty(), cell.summary().step_q05.is_nan());
    }
}

#[test]
fn the_table_has_a_line_a_cell_and_fits_150_columns() {
    let results = synthetic(&experiment(), 1);
    let text = shown(Format::Table);
    let width = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(width <= 150, "{width} columns:\n{text}");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    for cell in &results.cells {
        let key = [cell.cell.depth, cell.cell.dim, cell.cell.width].map(|number| number.to_string());
        let fraction = cell.summary().fraction;
        let found = if fraction == 1.0 { "100".to_string() } else { format!("{:.2}", 100.0 * fraction) };
        assert!(rows.iter().any(|row| row.len() > 3 && row[..3] == key && row[3] == found), "no row for {}:\n{text}", cell.cell);
    }
    assert_eq!(text.matches("(s.e.)").count(), 0, "{text}");
    assert!(text.starts_with("7 networks × 11 inputs per cell, gain 1, ±1 readout, η* ≤ 20, seed 42\n"), "{text}");
}

#[test]
fn an_infinite_width_is_null_in_json_and_inf_in_csv() {
    let experiment = Experiment { depths: vec![1], dims: vec![10], widths: vec![10, INFINITE_WIDTH], ..experiment() };
    let experiment = Experiment { extra_widths: Default::default(), ..experiment };
    let shown = |format| {
        let mut out = Vec::new();
        show(&synthetic(&experiment, 1), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let lines = shown(Format::Json);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["width"] == 10 && lines[1]["width"].is_null());
    assert!(shown(Format::Csv).lines().nth(2).unwrap().starts_with("1,10,inf,"));
    assert!(shown(Format::Table).contains('∞'));
}

/// ‖δ‖∞ of the sign direction and the path of a descent are columns where there is one, and dashes along the other directions.
#[test]
fn the_table_has_the_measures_of_its_directions() {
    let directions = vec![Direction::Gradient, Direction::Sign, Direction::Descent];
    let experiment = Experiment { dims: vec![10], depths: vec![2], extra_widths: Default::default(), ..experiment() };
    let mut results = synthetic(&Experiment { inputs: 33, ..experiment.clone() }, 1);
    results.experiment = Experiment { inputs: 11, directions, ..experiment };
    results.cells.truncate(1); // in the other nothing is found
    for sample in results.cells[0].records.iter_mut().flat_map(|record| &mut record.samples[22..]) {
        sample.distance *= 0.5; // a path twice as long as the way
    }
    let mut out = Vec::new();
    show(&results, Format::Table, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(["‖δ‖∞", "path"].iter().all(|title| text.split_whitespace().any(|word| word == *title)), "{text}");
    let summaries = results.cells[0].summaries(&results.experiment);
    let measured = [None, Some(summaries[1].max_distance_mean), Some(summaries[2].path_mean)];
    for ((name, expected), summary) in ["gradient", "sign", "descent"].into_iter().zip(measured).zip(&summaries) {
        let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
        let row = rows.into_iter().find(|row| row.get(3) == Some(&name)).unwrap();
        let before = format!("{:.4}", summary.relative_distance_mean);
        let place = row.iter().position(|word| *word == before).unwrap();
        let measures = &row[place + 1..place + 3];
        match expected {
            None => assert_eq!(measures, ["–", "–"], "{text}"),
            Some(value) => {
                let [shown, dash] = if name == "sign" { [measures[0], measures[1]] } else { [measures[1], measures[0]] };
                assert!(
                    dash == "–" && (shown.parse::<f64>().unwrap() / value - 1.0).abs() < 0.01,
                    "{shown} is not {value}: {text}"
                );
            }
        }
    }
    assert!(!shown(Format::Table).contains("‖δ‖∞"));
}
