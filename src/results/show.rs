//! Results as a table for people, or as JSON or CSV for other programs.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::{CellResults, Results, Summary};
use crate::cli::args::ShowFormat;

/// `results` in the form that was asked for, ending with a newline.
pub fn text(results: &Results, format: ShowFormat) -> anyhow::Result<String> {
    Ok(match format {
        ShowFormat::Table => format!("{}\n", table(results)),
        ShowFormat::Json => json(results)?,
        ShowFormat::Csv => csv(results)?,
    })
}

/// One cell as other programs see it. Statistics of nothing are null in JSON and empty in CSV.
#[derive(Serialize)]
struct Row {
    depth: usize,
    dim: usize,
    width: usize,
    gain: f64,
    networks: usize,
    inputs: usize,
    fraction: f64,
    fraction_std_networks: Option<f64>,
    dead: u64,
    step_mean: Option<f64>,
    step_std: Option<f64>,
    step_std_networks: Option<f64>,
    step_q05: Option<f64>,
    step_q50: Option<f64>,
    step_q95: Option<f64>,
    grad_mean: f64,
    grad_std: Option<f64>,
    grad_std_networks: Option<f64>,
    value_mean: f64,
    value_std: Option<f64>,
    evaluations: f64,
    engine: &'static str,
    search: &'static str,
    seconds: f64,
}

impl Row {
    fn of(results: &Results, cell: &CellResults) -> Self {
        let number = |value: f64| value.is_finite().then_some(value);
        let summary = Summary::of(&cell.records);
        Self {
            depth: cell.cell.depth,
            dim: cell.cell.dim,
            width: cell.cell.width,
            gain: results.experiment.gain,
            networks: results.experiment.networks,
            inputs: results.experiment.inputs,
            fraction: summary.fraction,
            fraction_std_networks: number(summary.fraction_std_networks),
            dead: summary.dead,
            step_mean: number(summary.step_mean),
            step_std: number(summary.step_std),
            step_std_networks: number(summary.step_std_networks),
            step_q05: number(summary.step_q05),
            step_q50: number(summary.step_q50),
            step_q95: number(summary.step_q95),
            grad_mean: summary.grad_mean,
            grad_std: number(summary.grad_std),
            grad_std_networks: number(summary.grad_std_networks),
            value_mean: summary.value_mean,
            value_std: number(summary.value_std),
            evaluations: summary.evaluations,
            engine: cell.engine.name(),
            search: cell.search.name(),
            seconds: summary.seconds,
        }
    }
}

fn json(results: &Results) -> anyhow::Result<String> {
    let mut lines = String::new();
    for cell in &results.cells {
        lines += &serde_json::to_string(&Row::of(results, cell))?;
        lines.push('\n');
    }
    Ok(lines)
}

fn csv(results: &Results) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for cell in &results.cells {
        writer.serialize(Row::of(results, cell))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// A table for people, a row a cell.
pub fn table(results: &Results) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "L",
        "d",
        "k",
        "switched %",
        "smallest step",
        "|gradient|",
        "f",
        "dead",
        "engine",
        "search",
        "work",
        "seconds",
    ]);
    for cell in &results.cells {
        let summary = Summary::of(&cell.records);
        table.add_row([
            cell.cell.depth.to_string(),
            cell.cell.dim.to_string(),
            cell.cell.width.to_string(),
            format!("{:.2}", 100.0 * summary.fraction),
            mean_and_std(summary.step_mean, summary.step_std),
            mean_and_std(summary.grad_mean, summary.grad_std),
            mean_and_std(summary.value_mean, summary.value_std),
            summary.dead.to_string(),
            cell.engine.name().to_string(),
            cell.search.name().to_string(),
            format!("{:.1}", summary.evaluations),
            format!("{:.2}", summary.seconds),
        ]);
    }
    for column in table.column_iter_mut().enumerate().filter(|(index, _)| !(8..10).contains(index)).map(|(_, column)| column) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn mean_and_std(mean: f64, std: f64) -> String {
    match (mean.is_finite(), std.is_finite()) {
        (true, true) => format!("{mean:.4} ± {std:.4}"),
        (true, false) => format!("{mean:.4}"),
        _ => "none".to_string(),
    }
}
