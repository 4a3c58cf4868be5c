//! The tables of the page, as HTML: cells, experiment, machine, and the commands that repeat the run.

use toml::{Table, Value};

use super::escape;
use crate::model::cell::layers_label;
use crate::model::{Direction, INFINITE_WIDTH};
use crate::results::{CellResults, Results, Summary};
use crate::text::counted;

/// A numeric column of the table of cells: its title and value.
type Numeric = (&'static str, fn(&Summary) -> f64);

const NUMBERS: [Numeric; 22] = [
    ("found", |s| s.fraction),
    ("s.e.", |s| s.fraction_se),
    ("lost", |s| s.fraction_lost),
    ("η* mean", |s| s.step_mean),
    ("std", |s| s.step_std),
    ("s.e.", |s| s.step_se),
    ("5 %", |s| s.step_q05),
    ("50 %", |s| s.step_q50),
    ("95 %", |s| s.step_q95),
    ("‖δ‖ mean", |s| s.distance_mean),
    ("s.e.", |s| s.distance_se),
    ("‖δ‖/‖x‖", |s| s.relative_distance_mean),
    ("ratio 50 %", |s| s.ratio_q50),
    ("s.e.", |s| s.ratio_se),
    ("certified", |s| s.certified_mean),
    ("÷ ‖δ‖ 50 %", |s| s.certified_ratio_q50),
    ("‖∇f‖ mean", |s| s.grad_mean),
    ("std", |s| s.grad_std),
    ("s.e.", |s| s.grad_se),
    ("dead", |s| s.dead as f64),
    ("evals", |s| s.evaluations),
    ("thread-s", |s| s.seconds),
];

/// One row per cell and direction. A cell has its number in full in `data-v`, empty if there is none.
pub fn cells(results: &Results) -> String {
    let experiment = &results.experiment;
    let rows: Vec<(&CellResults, Direction, Summary)> = (results.cells.iter())
        .flat_map(|cell| {
            let summaries = cell.summaries(experiment).into_iter().enumerate();
            // Directions are measured together: the time stands in the first of their rows.
            let once = |(index, summary): (usize, Summary)| match index {
                0 => summary,
                _ => Summary { seconds: f64::NAN, ..summary },
            };
            experiment.directions.iter().zip(summaries.map(once)).map(move |(&direction, summary)| (cell, direction, summary))
        })
        .collect();
    let is_known = |(_, of): &&Numeric| rows.iter().any(|(_, _, summary)| of(summary).is_finite());
    let numbers: Vec<&Numeric> = NUMBERS.iter().filter(is_known).collect();
    let width = if experiment.hidden.is_empty() { "k" } else { "shape" };
    let direction = (experiment.directions != [Direction::Gradient]).then_some("direction");
    let names: Vec<&str> = ["L", "d", width].into_iter().chain(direction).collect();
    let titles = names.iter().copied().chain(numbers.iter().map(|(title, _)| *title)).chain(["search"]);
    let heading = |title| format!("<th scope=\"col\" aria-sort=\"none\"><button type=\"button\">{title}</button></th>");
    let head: String = titles.map(heading).collect();
    let row = |(cell, direction, summary): &(&CellResults, Direction, Summary)| {
        let size = match cell.cell.width {
            _ if !experiment.hidden.is_empty() => text_cell(&layers_label(cell.cell.widths())),
            INFINITE_WIDTH => "<td data-v=\"inf\">∞</td>".to_owned(),
            width => text_cell(&width.to_string()),
        };
        let along = if names.len() > 3 { text_cell(direction.name()) } else { String::new() };
        let numbers: String = numbers.iter().map(|(_, of)| number_cell(of(summary))).collect();
        let search = text_cell(cell.search_along(*direction).name());
        format!("<tr><td>{}</td><td>{}</td>{size}{along}{numbers}{search}</tr>\n", cell.cell.depth, cell.cell.dim)
    };
    let body: String = rows.iter().map(row).collect();
    format!(
        "<p class=\"note\">{} × {} per cell; std over inputs, s.e.: standard error of the mean, networks as clusters. The \
         headings sort.</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table of cells\">\n<table>\n<thead><tr>{head}</tr></thead>\n\
         <tbody>\n{body}</tbody>\n</table>\n</div>\n",
        counted(experiment.networks, "network"),
        counted(experiment.inputs, "input")
    )
}

fn text_cell(text: &str) -> String {
    format!("<td>{}</td>", escape(text))
}

fn number_cell(number: f64) -> String {
    match number.is_finite() {
        true => format!("<td data-v=\"{number}\">{}</td>", rounded(number)),
        false => "<td data-v=\"\">–</td>".to_owned(),
    }
}

/// Four significant digits, or a whole number.
fn rounded(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if number.fract() == 0.0 && size < 1e6 => number.to_string(),
        size if (1e-3..1e5).contains(&size) => format!("{number:.*}", (3.0 - size.log10().floor()).max(0.0) as usize),
        _ => format!("{number:.2e}"),
    }
}

/// A heading and a text per row.
fn facts(rows: impl IntoIterator<Item = (String, String)>) -> String {
    let row =
        |(name, value): (String, String)| format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(&name), escape(&value));
    format!("<table class=\"facts\"><tbody>\n{}</tbody></table>\n", rows.into_iter().map(row).collect::<String>())
}

pub fn experiment(results: &Results) -> String {
    let table: Table = results.experiment.to_toml().parse().expect("an experiment is TOML");
    let value = |value: Value| match value {
        Value::String(text) => text,
        Value::Array(values) => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            values.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    facts(table.into_iter().map(|(name, of)| (name, value(of))))
}

pub fn machine(results: &Results) -> String {
    let table: Table = results.provenance.to_toml().parse().expect("provenance is TOML");
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let seconds: f64 = results.cells.iter().flat_map(|cell| &cell.records).map(|record| record.seconds).sum();
    let rows = table.into_iter().filter(|(name, _)| name != "command_line").map(|(name, value)| (name, text(value)));
    facts(rows.chain([("thread-seconds of all networks".to_owned(), format!("{seconds:.2}"))]))
}

/// The command that wrote the file, and the experiment as a file for `--config`.
pub fn repeat(results: &Results) -> String {
    let command = match results.provenance.command_line.as_str() {
        "" => String::new(),
        command => format!("<p>The results were written by</p>\n<pre tabindex=\"0\">{}</pre>\n", escape(command)),
    };
    let revision = match results.provenance.program_version.as_str() {
        "" => String::new(),
        version => {
            let revision = escape(&results.provenance.git_revision);
            format!(
                "<p class=\"note\">advstep-hpc {} (git {revision}); the same program version gives the same bytes on any machine.</p>\n",
                escape(version)
            )
        }
    };
    format!(
        "{command}<p>The same experiment as a file for <code>advstep-hpc run --config experiment.toml --out again.h5</code>:</p>\n\
         <pre tabindex=\"0\">{}</pre>\n{revision}",
        escape(&results.experiment.to_toml())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_for_reading_only() {
        let shown = [0.0, 3.0, 0.123_456, 12.345_6, 12_345.678, 1e-7, 1.5e9, -0.5].map(rounded);
        assert_eq!(shown, ["0", "3", "0.1235", "12.35", "12346", "1.00e-7", "1.50e9", "-0.5000"]);
        assert_eq!(number_cell(0.1 + 0.2), "<td data-v=\"0.30000000000000004\">0.3000</td>");
        assert_eq!(number_cell(f64::NAN), "<td data-v=\"\">–</td>");
    }
}
