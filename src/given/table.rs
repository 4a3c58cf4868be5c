//! A measurement for people and scripts: a table, JSON lines, CSV; one line per direction.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::summary::{Summary, accuracy};
use super::{Measurement, Options};
use crate::audit::table::number;
use crate::measure::given::Output;
use crate::record::Status;
use crate::text::{Number, counted, short, shortened};

/// Longest name and list of weights printed, in characters.
const LONGEST: usize = 60;

/// The heading: network, inputs and function, one per line.
fn heading(measurement: &Measurement) -> String {
    let Options { network, dim, hidden, outputs, parameters, weights, left_out, inputs, rows, .. } = &measurement.options;
    let shape: Vec<String> = [dim].into_iter().chain(hidden).chain([outputs]).map(usize::to_string).collect();
    let rescaled = if measurement.options.rescale { ", rescaled to norm √d" } else { "" };
    let left_out = match left_out.is_empty() {
        true => String::new(),
        false => format!("left out  {}: the outputs before it are measured\n", shortened(&left_out.join(", "), LONGEST)),
    };
    let so_far = match measurement.samples[0].len() {
        all if all == *rows => String::new(),
        some => format!(", {some} of them so far"),
    };
    let labels = if measurement.labels.is_some() { ", with labels" } else { "" };
    let accuracy = accuracy(measurement)
        .map_or_else(String::new, |accuracy| format!("; {} % of the predictions are the labels", number(100.0 * accuracy)));
    format!(
        "network   {}: {} {}, {} ({})\n{left_out}inputs    {}: {}{so_far}{labels}{rescaled}\nf         {}{accuracy}\nsearch    {}, {}\n",
        shortened(network, LONGEST),
        shape.join(" → "),
        activation(&measurement.options),
        counted(*parameters, "parameter"),
        shortened(&weights.join(", "), LONGEST),
        shortened(inputs, LONGEST),
        counted(*rows, "row"),
        function(&measurement.options),
        measurement.options.search,
        bounds(&measurement.options),
    )
}

/// The activation, in words.
pub fn activation(options: &Options) -> String {
    let slopes: Vec<String> = options.slopes.iter().map(|&slope| short(slope)).collect();
    match (options.hidden.is_empty(), slopes.is_empty()) {
        (true, _) => "linear".to_string(),
        (false, true) => options.activation.name().to_string(),
        (false, false) => {
            let kind = if options.slopes_by_neuron { "mean slopes" } else { "slopes" };
            format!("{} of {kind} {}", options.activation.name(), shortened(&slopes.join(" "), LONGEST))
        }
    }
}

/// The function measured, in words.
pub fn function(options: &Options) -> String {
    match options.output() {
        Some(Output::One(_)) if options.outputs == 1 => "the output".to_string(),
        Some(Output::One(output)) => format!("output {output}"),
        Some(Output::Difference(one, other)) => format!("output {one} less output {other}"),
        _ => "the margin of the predicted class".to_string(),
    }
}

/// The bounds, in words.
pub fn bounds(options: &Options) -> String {
    let step = options.bound.is_finite().then(|| format!("η ≤ {}", short(options.bound)));
    let distance = options.bound_distance.is_finite().then(|| format!("‖δ‖ ≤ {}", number(options.bound_distance)));
    step.into_iter().chain(distance).collect::<Vec<_>>().join(", ")
}

/// The terminal table.
pub fn text(measurement: &Measurement) -> String {
    let summaries = Summary::all(measurement);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let statuses = Status::ALL.map(Status::name);
    // Ratios only if there is a direction besides the gradient.
    let has_ratio = summaries.iter().any(|summary| summary.pairs > 0);
    let mut header = vec!["direction", "found %"];
    header.extend(statuses);
    header.extend(["‖δ‖ 5 % 50 % 95 %", "‖δ‖/‖x‖ 50 %", "η* 50 %"]);
    header.extend(has_ratio.then_some("‖δ‖ over gradient's 5 % 50 % 95 %"));
    let columns = header.len();
    table.set_header(header);
    for summary in &summaries {
        let all = |values: [f64; 3]| values.map(number).join(" ");
        let found = match summary.fraction() {
            1.0 => "100".to_string(),
            none if none.is_nan() => "–".to_string(),
            fraction => format!("{:.2}", 100.0 * fraction),
        };
        let mut row = vec![summary.direction.name().to_string(), found];
        row.extend(summary.counts.map(|count| count.to_string()));
        row.extend([all(summary.distance), number(summary.relative_distance[1]), number(summary.step[1])]);
        row.extend(has_ratio.then(|| if summary.pairs > 0 { all(summary.ratio) } else { "–".to_string() }));
        table.add_row(row);
    }
    for index in 1..columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_string()).collect();
    format!("{}\n{}\n", heading(measurement), lines.join("\n"))
}

/// A line of JSON or CSV; new fields go last.
#[derive(Serialize)]
struct Row<'a> {
    network: &'a str,
    inputs: &'a str,
    output: &'a str,
    direction: &'static str,
    search: &'a str,
    rows: usize,
    fraction: Number,
    found_exact: usize,
    found_scan: usize,
    none_within_bound: usize,
    dead: usize,
    vanished: usize,
    step_q05: Number,
    step_q50: Number,
    step_q95: Number,
    distance_q05: Number,
    distance_q50: Number,
    distance_q95: Number,
    relative_distance_q05: Number,
    relative_distance_q50: Number,
    relative_distance_q95: Number,
    ratio_q05: Number,
    ratio_q50: Number,
    ratio_q95: Number,
    accuracy: Option<f64>,
}

fn rows(measurement: &Measurement) -> Vec<Row<'_>> {
    let Options { network, inputs, output, search, .. } = &measurement.options;
    let accuracy = accuracy(measurement);
    let row = |summary: Summary| Row {
        network,
        inputs,
        output,
        direction: summary.direction.name(),
        search,
        rows: summary.inputs,
        fraction: Number(summary.fraction()),
        found_exact: summary.counts[Status::FoundExact as usize],
        found_scan: summary.counts[Status::FoundScan as usize],
        none_within_bound: summary.counts[Status::NoneWithinBound as usize],
        dead: summary.counts[Status::Dead as usize],
        vanished: summary.counts[Status::Vanished as usize],
        step_q05: Number(summary.step[0]),
        step_q50: Number(summary.step[1]),
        step_q95: Number(summary.step[2]),
        distance_q05: Number(summary.distance[0]),
        distance_q50: Number(summary.distance[1]),
        distance_q95: Number(summary.distance[2]),
        relative_distance_q05: Number(summary.relative_distance[0]),
        relative_distance_q50: Number(summary.relative_distance[1]),
        relative_distance_q95: Number(summary.relative_distance[2]),
        ratio_q05: Number(summary.ratio[0]),
        ratio_q50: Number(summary.ratio[1]),
        ratio_q95: Number(summary.ratio[2]),
        accuracy,
    };
    Summary::all(measurement).into_iter().map(row).collect()
}

/// One object per line and direction; null for what is not known.
///
/// # Errors
/// A row cannot be serialised.
pub fn json(measurement: &Measurement) -> anyhow::Result<String> {
    let lines = rows(measurement).iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

/// A header and one line per direction; empty fields for what is not known.
///
/// # Errors
/// A row cannot be serialised.
pub fn csv(measurement: &Measurement) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows(measurement).iter().try_for_each(|row| writer.serialize(row))?;
    Ok(String::from_utf8(writer.into_inner()?)?)
}
