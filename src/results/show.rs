//! Results as a table, JSON lines or CSV: one line per cell and direction.

use std::io::Write;

use comfy_table::{CellAlignment, LineStyle, Table, presets};
use serde::Serialize;

use super::switching::{Along, Switching, switching};
use super::{CellResults, CellSummary, Results, Summary, onset};
use crate::experiment::Experiment;
use crate::model::Activation;
use crate::model::InputsLaw;
use crate::model::cell::layers_label;
use crate::model::{Cell, Direction, Precision, width_label};
use crate::stats::Estimate;
use crate::text::{Number, counted, short, shortened};

/// Longest file name printed, in characters.
const LONGEST_NAME: usize = 40;
/// Columns of a terminal that a table with standard errors may take; a wider one is printed without them.
const WIDEST: usize = 150;

/// Output format of `show`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// A table for the terminal, rounded.
    #[default]
    Table,
    /// One JSON object per line and cell, in full precision; null for missing values and infinite width.
    Json,
    /// A header and one line per cell, in full precision; empty fields for missing values, inf for infinite width.
    Csv,
}

/// Prints the results of every cell to `out`.
///
/// # Errors
/// I/O errors of `out`, unwrapped: `serde_json` and `csv` would hide a closed pipe.
pub fn show(results: &Results, format: Format, out: &mut impl Write) -> anyhow::Result<()> {
    match format {
        Format::Table => {
            writeln!(out, "{}", table(&results.experiment, &results.summarised()))?;
            if let Some(text) = onset::text(results) {
                writeln!(out, "\n{text}")?;
            }
            let directions = if results.threshold.is_some() { &[][..] } else { &results.experiment.directions };
            for (index, direction) in directions.iter().enumerate() {
                let of = if directions.len() == 1 { String::new() } else { format!("Steps: {}. ", direction.name()) };
                for line in switching(&results.cells_along(index)) {
                    writeln!(out, "\n{of}{}", thresholds(&line))?;
                }
            }
        }
        Format::Json => {
            for cell in &results.cells {
                let hidden = (!results.experiment.hidden.is_empty()).then(|| cell.cell.widths().collect::<Vec<usize>>());
                for row in Row::of(&results.experiment, cell, json_width(cell.cell)) {
                    writeln!(out, "{}", serde_json::to_string(&Row { hidden: hidden.clone(), ..row })?)?;
                }
            }
        }
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            for cell in &results.cells {
                for row in Row::of(&results.experiment, cell, csv_width(cell.cell)) {
                    writer.serialize(row)?;
                }
            }
            out.write_all(&writer.into_inner()?)?;
        }
    }
    out.flush()?;
    Ok(())
}

/// A line of JSON or CSV. Names and order are a stable interface: new fields go last, before `shape`.
#[derive(Debug, Serialize)]
struct Row<W> {
    depth: usize,
    dim: usize,
    width: W,
    gain: Number,
    networks: usize,
    inputs: usize,
    fraction: Number,
    fraction_std_networks: Number,
    dead: u64,
    step_mean: Number,
    step_std: Number,
    step_std_networks: Number,
    step_q05: Number,
    step_q50: Number,
    step_q95: Number,
    grad_mean: Number,
    grad_std: Number,
    grad_std_networks: Number,
    value_mean: Number,
    value_std: Number,
    evaluations: Number,
    engine: &'static str,
    search: &'static str,
    seconds: Number,
    activation: &'static str,
    direction: &'static str,
    distance_mean: Number,
    distance_std: Number,
    fraction_se: Number,
    step_se: Number,
    distance_se: Number,
    grad_se: Number,
    value_se: Number,
    fraction_lost: Number,
    fraction_lost_se: Number,
    distance_q05: Number,
    distance_q50: Number,
    distance_q95: Number,
    relative_distance_mean: Number,
    relative_distance_std: Number,
    max_distance_mean: Number,
    path_mean: Number,
    ratio_q05: Number,
    ratio_q50: Number,
    ratio_q95: Number,
    ratio_se: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    certified_mean: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certified_ratio_q05: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certified_ratio_q50: Option<Number>,
    precision: &'static str,
    /// Widths of the hidden layers, in experiments made of shapes: as a label and, in JSON, as numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<Vec<usize>>,
}

/// JSON has no infinity.
fn json_width(cell: Cell) -> Option<usize> {
    (!cell.is_infinite()).then_some(cell.width)
}

/// CSV readers parse `inf` as a number.
fn csv_width(cell: Cell) -> String {
    if cell.is_infinite() { "inf".to_string() } else { cell.width.to_string() }
}

impl<W: Clone> Row<W> {
    /// One row per direction, without `hidden`.
    fn of(experiment: &Experiment, results: &CellResults, width: W) -> Vec<Self> {
        let summaries = results.summaries(experiment);
        let row = |(&direction, summary): (&Direction, Summary)| Self {
            depth: results.cell.depth,
            dim: results.cell.dim,
            width: width.clone(),
            gain: Number(experiment.gain),
            networks: results.records.len(),
            inputs: experiment.inputs,
            fraction: Number(summary.fraction),
            fraction_std_networks: Number(summary.fraction_std_networks),
            dead: summary.dead,
            step_mean: Number(summary.step_mean),
            step_std: Number(summary.step_std),
            step_std_networks: Number(summary.step_std_networks),
            step_q05: Number(summary.step_q05),
            step_q50: Number(summary.step_q50),
            step_q95: Number(summary.step_q95),
            grad_mean: Number(summary.grad_mean),
            grad_std: Number(summary.grad_std),
            grad_std_networks: Number(summary.grad_std_networks),
            value_mean: Number(summary.value_mean),
            value_std: Number(summary.value_std),
            evaluations: Number(summary.evaluations),
            engine: results.method.engine.name(),
            search: results.search_along(direction).name(),
            seconds: Number(summary.seconds),
            activation: experiment.activation.name(),
            direction: direction.name(),
            distance_mean: Number(summary.distance_mean),
            distance_std: Number(summary.distance_std),
            fraction_se: Number(summary.fraction_se),
            step_se: Number(summary.step_se),
            distance_se: Number(summary.distance_se),
            grad_se: Number(summary.grad_se),
            value_se: Number(summary.value_se),
            fraction_lost: Number(summary.fraction_lost),
            fraction_lost_se: Number(summary.fraction_lost_se),
            distance_q05: Number(summary.distance_q05),
            distance_q50: Number(summary.distance_q50),
            distance_q95: Number(summary.distance_q95),
            relative_distance_mean: Number(summary.relative_distance_mean),
            relative_distance_std: Number(summary.relative_distance_std),
            max_distance_mean: Number(summary.max_distance_mean),
            path_mean: Number(summary.path_mean),
            ratio_q05: Number(summary.ratio_q05),
            ratio_q50: Number(summary.ratio_q50),
            ratio_q95: Number(summary.ratio_q95),
            ratio_se: Number(summary.ratio_se),
            certified_mean: experiment.certify.then_some(Number(summary.certified_mean)),
            certified_ratio_q05: experiment.certify.then_some(Number(summary.certified_ratio_q05)),
            certified_ratio_q50: experiment.certify.then_some(Number(summary.certified_ratio_q50)),
            precision: experiment.precision.name(),
            shape: (!experiment.hidden.is_empty()).then(|| layers_label(results.cell.widths())),
            hidden: None,
        };
        experiment.directions.iter().zip(summaries).map(row).collect()
    }
}

/// The table of `show` and of the end of a run: one line that says what was run, then one line per cell. No trailing line break. Means carry
/// their standard errors where that keeps the table within [`WIDEST`] columns.
pub fn table(experiment: &Experiment, cells: &[CellSummary]) -> String {
    format!("{}{}\n{}", partial(experiment, cells.len()), heading(experiment), cells_as_fits(experiment, cells))
}

/// The table of a run that is not finished: complete cells and, with their numbers of networks, cells in part. No trailing line break.
pub fn table_so_far(results: &Results) -> String {
    let networks = results.experiment.networks;
    let part = results.cells.iter().filter(|cell| cell.records.len() < networks).count();
    let note = match part {
        0 => String::new(),
        1 => format!("\n1 of these cells is in part, with fewer than {networks} networks: its numbers will change."),
        _ => format!("\n{part} of these cells are in part, with fewer than {networks} networks: their numbers will change."),
    };
    match results.cells.is_empty() {
        true => heading(&results.experiment),
        false => format!("{}\n{}{note}", heading(&results.experiment), cells_as_fits(&results.experiment, &results.summarised())),
    }
}

fn cells_as_fits(experiment: &Experiment, cells: &[CellSummary]) -> String {
    let with_errors = cells_table(experiment, cells, true);
    let fits = with_errors.lines().all(|line| line.chars().count() <= WIDEST);
    if fits { with_errors } else { cells_table(experiment, cells, false) }
}

/// A line of the table.
struct Line<'a> {
    cell: &'a CellSummary,
    direction: Direction,
    /// Whether it is the first line of its cell.
    is_first: bool,
    summary: &'a Summary,
}

/// A column of the table: its title, and what it holds of a line.
type Column = (String, Box<dyn Fn(&Line) -> String>);

fn cells_table(experiment: &Experiment, cells: &[CellSummary], errors: bool) -> String {
    let lines: Vec<Line> = cells
        .iter()
        .flat_map(|cell| {
            let lines = experiment.directions.iter().zip(&cell.along).enumerate();
            lines.map(move |(index, (&direction, summary))| Line { cell, direction, is_first: index == 0, summary })
        })
        .collect();
    let columns = columns(experiment, &lines, errors);

    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header(columns.iter().map(|(title, _)| title));
    for line in &lines {
        table.add_row(columns.iter().map(|(_, print)| print(line)));
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
        column.set_padding((1, 0));
    }
    table.trim_fmt()
}

/// The columns for these lines, with standard errors if wanted.
fn columns(experiment: &Experiment, lines: &[Line], errors: bool) -> Vec<Column> {
    let directions = &experiment.directions;
    let digits = |of: fn(&Summary) -> f64| Digits::for_column(lines.iter().map(|line| of(line.summary)));
    let step = digits(|summary| summary.step_mean);
    let gradient = digits(|summary| summary.grad_mean);
    let distance = digits(|summary| summary.distance_mean);
    let titled = |title: &str| if errors { format!("{title}\n(s.e.)") } else { title.to_string() };
    let error = move |digits: Digits, value: f64| if errors { digits.error(value) } else { String::new() };

    let mut columns: Vec<Column> = Vec::new();
    let mut add = |title: &str, print: Box<dyn Fn(&Line) -> String>| columns.push((title.to_string(), print));
    add("L", Box::new(|line| line.cell.cell.depth.to_string()));
    add("d", Box::new(|line| line.cell.cell.dim.to_string()));
    match experiment.hidden.is_empty() {
        true => add("k", Box::new(|line| line.cell.cell.width_label())),
        false => add("shape", Box::new(|line| layers_label(line.cell.cell.widths()))),
    }
    if *directions != [Direction::Gradient] {
        add("direction", Box::new(|line| line.direction.name().to_string()));
    }
    if lines.iter().any(|line| line.cell.networks != experiment.networks) {
        let all = experiment.networks;
        let networks = move |networks: usize| if networks < all { format!("{networks}/{all}") } else { networks.to_string() };
        add("networks", Box::new(move |line| networks(line.cell.networks)));
    }
    let found = move |summary: &Summary| percentage(summary.fraction) + &error(Digits::Fixed(2), 100.0 * summary.fraction_se);
    add(&titled("found %"), Box::new(move |line| found(line.summary)));
    if lines.iter().any(|line| line.summary.fraction_lost != line.summary.fraction) {
        add("lost %", Box::new(|line| percentage(line.summary.fraction_lost)));
    }
    let steps = move |summary: &Summary| step.with_std(summary.step_mean, summary.step_std) + &error(step, summary.step_se);
    add(&titled("η* mean ± std"), Box::new(move |line| steps(line.summary)));
    add("η* 5 %", Box::new(move |line| step.print(line.summary.step_q05)));
    add("50 %", Box::new(move |line| step.print(line.summary.step_q50)));
    add("95 %", Box::new(move |line| step.print(line.summary.step_q95)));
    let distances = move |summary: &Summary| distance.print(summary.distance_mean) + &error(distance, summary.distance_se);
    add(&titled("‖δ‖ mean"), Box::new(move |line| distances(line.summary)));
    add("‖δ‖/‖x‖", Box::new(|line| fixed(line.summary.relative_distance_mean, 4)));
    if directions.contains(&Direction::Sign) {
        let digits = digits(|summary| summary.max_distance_mean);
        add("‖δ‖∞", Box::new(move |line| digits.print(line.summary.max_distance_mean)));
    }
    if directions.contains(&Direction::Descent) {
        // Along lines it is ‖δ‖.
        let path = |line: &Line| if line.direction == Direction::Descent { line.summary.path_mean } else { f64::NAN };
        add("path", Box::new(move |line| distance.print(path(line))));
    }
    if directions.len() > 1 {
        let ratio = move |summary: &Summary| fixed(summary.ratio_q50, 3) + &error(Digits::Fixed(3), summary.ratio_se);
        add(&titled("ratio 50 %"), Box::new(move |line| ratio(line.summary)));
        add("[5 %, 95 %]", Box::new(|line| ratio_range(line.summary)));
    }
    if experiment.certify {
        add("certified", Box::new(|line| fixed(line.summary.certified_mean, 3)));
        add("÷ ‖δ‖ 50 %", Box::new(|line| fixed(line.summary.certified_ratio_q50, 3)));
    }
    let gradients =
        move |summary: &Summary| gradient.with_std(summary.grad_mean, summary.grad_std) + &error(gradient, summary.grad_se);
    add(&titled("‖∇f‖ mean ± std"), Box::new(move |line| gradients(line.summary)));
    add("dead", Box::new(|line| line.summary.dead.to_string()));
    add("evals", Box::new(|line| fixed(line.summary.evaluations, 1)));
    add("search", Box::new(|line| line.cell.search_along(line.direction).name().to_string()));
    // All directions of a network are measured at once.
    add("thread-s", Box::new(|line| if line.is_first { fixed(line.summary.seconds, 2) } else { String::new() }));
    columns
}

/// A dash along the first direction.
fn ratio_range(summary: &Summary) -> String {
    match summary.ratio_q50.is_nan() {
        true => fixed(f64::NAN, 0),
        false => format!("[{}, {}]", fixed(summary.ratio_q05, 3), fixed(summary.ratio_q95, 3)),
    }
}

/// The smallest sizes at which inputs switch, one line per depth. No trailing line break.
fn thresholds(line: &Switching) -> String {
    let (held, size) = match line.along {
        Along::Dim => ("k", "d"),
        Along::Width => ("d", "k"),
    };
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header(["L", "all switch from", "not all at", "networks failing (95 %)", "99 % switch from [95 %]"]);
    let (first, last) = (line.sizes[0], line.sizes[line.sizes.len() - 1]);
    let name = |size: f64| match size {
        0.0 => format!("≤ {first}"),
        size if size.is_finite() => format!("{size:.0}"),
        _ => format!("> {last}"),
    };
    let estimate = |Estimate { value, low, high }: Estimate| match value {
        value if value <= first as f64 => format!("≤ {first} [to {}]", name(high)),
        value if value.is_finite() => format!("{value:.0} [{}, {}]", name(low), name(high)),
        _ => format!("beyond the grid [from {}]", name(low)),
    };
    for threshold in &line.thresholds {
        table.add_row([
            threshold.depth.to_string(),
            threshold.all.map_or("–".to_string(), |size| size.to_string()),
            threshold.failing.map_or("–".to_string(), |size| size.to_string()),
            threshold.all.map_or("–".to_string(), |_| format!("< {:.2} %", 100.0 * threshold.unseen)),
            estimate(threshold.most),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let growth =
        line.growth.map_or("growth per layer needs two depths inside the grid".to_string(), |Estimate { value, low, high }| {
            format!("the 99 % size grows by a factor of {value:.2} [{low:.2}, {high:.2}] per layer")
        });
    let held_size = width_label(line.held);
    format!(
        "Smallest {size} at which inputs switch, at {held} = {held_size} ({growth}):\n{}\n[95 %] covers the networks and inputs drawn, if the \
         fraction rises with {size}: from a size of the grid that is below 99 % to one that is not.",
        table.trim_fmt()
    )
}

/// A warning line for partial results.
fn partial(experiment: &Experiment, found: usize) -> String {
    let cells = experiment.cells().len();
    if found == cells { String::new() } else { format!("PARTIAL: {found} of {}\n", counted(cells, "cell")) }
}

fn heading(experiment: &Experiment) -> String {
    let readout = match experiment.readout {
        crate::model::Readout::Sign => "±1",
        crate::model::Readout::Gaussian => "Gaussian",
    };
    format!(
        "{} × {} per cell, gain {}, {readout} readout, {}η* ≤ {}{}, seed {}",
        counted(experiment.networks, "network"),
        counted(experiment.inputs, "input"),
        short(experiment.gain),
        form(experiment),
        short(experiment.bound),
        experiment.bound_distance.map_or(String::new(), |bound| format!(", ‖δ‖ ≤ {}", short(bound))),
        experiment.seed
    )
}

/// Settings that differ from the paper's experiments, each followed by a comma.
pub fn form(experiment: &Experiment) -> String {
    let mut form = String::new();
    if !experiment.hidden.is_empty() {
        let count = experiment.hidden.len();
        form.push_str(&format!("{count} shape{} of hidden layers, ", if count == 1 { "" } else { "s" }));
    }
    if experiment.activation != Activation::Relu {
        form.push_str(&format!("{}, ", experiment.activation.name()));
    }
    if experiment.precision != Precision::F32 {
        form.push_str(&format!("{}, ", experiment.precision.name()));
    }
    if experiment.bias {
        form.push_str("bias unit, ");
    }
    match &experiment.inputs_law {
        InputsLaw::Sphere => {}
        InputsLaw::Gaussian => form.push_str("Gaussian inputs, "),
        InputsLaw::Hypercube => form.push_str("inputs ±1, "),
        InputsLaw::File(file) => form.push_str(&format!("inputs from {}, ", shortened(&file.name(), LONGEST_NAME))),
    }
    form
}

/// Number format of a column, with aligned decimal points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digits {
    Fixed(usize),
    Scientific,
}

impl Digits {
    /// At least three significant digits for the smallest of `means`; scientific if that would be too wide.
    fn for_column(means: impl Iterator<Item = f64>) -> Self {
        let sizes: Vec<f64> = means.map(f64::abs).filter(|size| *size > 0.0 && size.is_finite()).collect();
        let smallest = sizes.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        match sizes.is_empty() {
            true => Digits::Fixed(3),
            false if smallest < 1e-3 || largest >= 1e5 => Digits::Scientific,
            false => Digits::Fixed((2.0 - smallest.log10().floor()).clamp(1.0, 5.0) as usize),
        }
    }

    fn print(self, value: f64) -> String {
        match self {
            Digits::Fixed(decimals) => fixed(value, decimals),
            Digits::Scientific if value.is_nan() => fixed(value, 0),
            Digits::Scientific => format!("{value:.2e}"),
        }
    }

    fn with_std(self, mean: f64, std: f64) -> String {
        match mean.is_nan() {
            true => self.print(mean),
            false => format!("{} ± {}", self.print(mean), self.print(std)),
        }
    }

    /// A standard error in parentheses; nothing where it is unknown, or 0 because all samples are equal.
    fn error(self, error: f64) -> String {
        if error > 0.0 { format!(" ({})", self.print(error)) } else { String::new() }
    }
}

/// Two decimals of a percentage; 100 where every input flips, and nowhere else.
fn percentage(fraction: f64) -> String {
    match fraction {
        1.0 => "100".to_string(),
        0.9999..1.0 => "99.99".to_string(),
        _ => fixed(100.0 * fraction, 2),
    }
}

/// A dash for NaN.
fn fixed(value: f64, decimals: usize) -> String {
    if value.is_nan() { "–".to_string() } else { format!("{value:.decimals$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_follow_the_smallest_mean() {
        assert_eq!(Digits::for_column([1.128, 12.0].into_iter()), Digits::Fixed(2));
        assert_eq!(Digits::for_column([0.5, 0.125].into_iter()), Digits::Fixed(3));
        assert_eq!(Digits::for_column([0.01, f64::NAN].into_iter()), Digits::Fixed(4));
        assert_eq!(Digits::for_column([250.0].into_iter()), Digits::Fixed(1));
        assert_eq!(Digits::for_column([1e-5, 1.0].into_iter()), Digits::Scientific);
        assert_eq!(Digits::for_column([f64::NAN, 0.0].into_iter()), Digits::Fixed(3));
    }

    #[test]
    fn only_all_switched_is_100_percent() {
        assert_eq!([1.0, 0.999_999, 0.9999, 0.973_14, 0.0].map(percentage), ["100", "99.99", "99.99", "97.31", "0.00"]);
        assert_eq!(percentage(f64::NAN), "–");
    }

    #[test]
    fn standard_errors_are_in_parentheses() {
        assert_eq!(Digits::Fixed(2).error(0.0314), " (0.03)");
        assert_eq!(Digits::Scientific.error(1.5e-7), " (1.50e-7)");
        assert_eq!([0.0, f64::NAN].map(|error| Digits::Fixed(2).error(error)), ["", ""]);
    }

    #[test]
    fn no_value_is_a_dash() {
        assert_eq!(Digits::Fixed(3).with_std(f64::NAN, f64::NAN), "–");
        assert_eq!(Digits::Fixed(2).with_std(1.5, f64::NAN), "1.50 ± –");
        assert_eq!(Digits::Scientific.with_std(1.5e-7, 1e-8), "1.50e-7 ± 1.00e-8");
    }
}
