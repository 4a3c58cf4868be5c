//! The tables of an audit: terminal, JSON, CSV, and Markdown for the documentation.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::Audit;
use super::entry::{Outcome, Scope, Verdict};
use super::{Entry, Layers, Regime, Setting, statements};
use crate::model::cell::layers_label;
use crate::model::{Activation, Cell};
use crate::stats::distinct;
use crate::text::Number;

/// The list of statements, one per line.
pub fn list() -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["STATEMENT", "WHERE", "WHAT IT SAYS"]);
    for statement in statements::ALL {
        table.add_row([statement.id(), statement.citation(), statement.claim()]);
    }
    format!("{}\n", trimmed(&table))
}

const COLUMNS: [&str; 11] = ["statement", "part", "ψ", "d", "k", "regime", "γ", "bound", "measured [95 %]", "margin", "verdict"];

/// An entry as table cells, in the order of [`COLUMNS`].
fn row(entry: &Entry) -> [String; 11] {
    let (activation, dim, width) = match entry.scope {
        Scope::One(setting) => (setting.activation, setting.dim.to_string(), setting.shape()),
        Scope::Across(activation) => (activation, "all".to_string(), "all".to_string()),
    };
    let why = if entry.why.is_empty() { String::new() } else { format!(" ({})", entry.why) };
    [
        entry.statement.to_string(),
        match (entry.part.is_empty(), entry.quantity.is_empty()) {
            (true, _) => entry.quantity.clone(),
            (_, true) => entry.part.clone(),
            _ => format!("{}, {}", entry.quantity, entry.part),
        },
        activation.name().to_string(),
        dim,
        width,
        entry.regime().map_or_else(|| "all".to_string(), |regime| regime.label().to_string()),
        entry.gamma.to_string(),
        number(entry.bound),
        measured(entry),
        number(entry.margin),
        format!("{}{why}", entry.verdict.label()),
    ]
}

fn measured(entry: &Entry) -> String {
    let estimate = entry.estimate;
    if estimate.value.is_nan() {
        return "–".to_string();
    }
    if estimate.low.is_nan() {
        return number(estimate.value);
    }
    format!("{} [{}, {}]", number(estimate.value), number(estimate.low), number(estimate.high))
}

/// Three significant digits; `–` for NaN.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "–".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".to_string() } else { "−∞".to_string() };
    }
    let sign = if value < 0.0 { "−" } else { "" };
    let size = value.abs();
    if size == 0.0 {
        return "0".to_string();
    }
    if !(1e-3..1e5).contains(&size) {
        let text = format!("{size:.2e}");
        return format!("{sign}{text}");
    }
    // The exponent after rounding: 0.9999 prints as 1.00.
    let exponent = format!("{size:.2e}").split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let decimals = (2 - exponent).max(0) as usize;
    format!("{sign}{size:.decimals$}")
}

/// The terminal table: one row per subject, activation and γ, summarising its settings; with `full` one row per entry.
pub fn text(audit: &Audit, full: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let right: &[usize] = match full {
        true => {
            table.set_header(COLUMNS);
            table.add_rows(audit.entries.iter().map(row));
            &[3, 4, 6, 7, 9]
        }
        false => {
            table.set_header(["statement", "quantity", "ψ", "γ", "settings", "measured", "margin", "verdict"]);
            table.add_rows(groups(&audit.entries, subject).iter().map(|group| sum_row(group)));
            &[3, 4]
        }
    };
    for &index in right {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n{}\n{}", trimmed(&table), tally(&audit.entries.iter().collect::<Vec<_>>()), meanings(audit))
}

/// What the verdicts that occur mean, one per line.
fn meanings(audit: &Audit) -> String {
    let occurs = |outcome: &Outcome| audit.entries.iter().any(|entry| entry.verdict.outcome == *outcome);
    let label = |outcome| Verdict { outcome, outside: false }.label();
    let mut lines: Vec<String> =
        Outcome::ALL.into_iter().filter(occurs).map(|outcome| format!("  {}: {}", label(outcome), outcome.meaning())).collect();
    if audit.entries.iter().any(|entry| entry.verdict.outside && entry.verdict.outcome != Outcome::Measured) {
        lines.push("  outside its hypotheses: a condition on d, k or γ is not met, so the paper claims nothing here".to_string());
    }
    if audit.entries.iter().any(|entry| entry.estimate.low == f64::NEG_INFINITY || entry.estimate.high == f64::INFINITY) {
        lines.push("  ∞ at an end of an interval: the networks are too few to bound the quantile on that side".to_string());
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The key of a summary row. Entries over several settings have rows of their own.
fn subject(entry: &Entry) -> (&'static str, &str, &str, &'static str, u64, bool) {
    let is_across = matches!(entry.scope, Scope::Across(_));
    (entry.statement, &entry.quantity, &entry.part, activation(entry).name(), entry.gamma.to_bits(), is_across)
}

/// Entries with the same key, in the order in which the keys first occur.
fn groups<'a, K: PartialEq>(entries: &'a [Entry], key: impl Fn(&'a Entry) -> K) -> Vec<Vec<&'a Entry>> {
    let mut groups: Vec<(K, Vec<&Entry>)> = Vec::new();
    for entry in entries {
        let key = key(entry);
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(entry),
            None => groups.push((key, vec![entry])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The cells of a summary row.
fn sum_row(group: &[&Entry]) -> [String; 8] {
    let first = group[0];
    let measured = if group.len() == 1 { measured(first) } else { range(group.iter().map(|entry| entry.estimate.value)) };
    let settings = if matches!(first.scope, Scope::Across(_)) { "all".to_string() } else { group.len().to_string() };
    let margin = range(group.iter().map(|entry| entry.margin));
    let [statement, subject, ..] = row(first);
    [statement, subject, activation(first).name().to_string(), first.gamma.to_string(), settings, measured, margin, verdicts(group)]
}

/// The range of the values that are not NaN.
fn range(values: impl Iterator<Item = f64>) -> String {
    let values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    match values.len() {
        0 => "–".to_string(),
        _ if number(low) == number(high) => number(low),
        _ => format!("{} to {}", number(low), number(high)),
    }
}

fn activation(entry: &Entry) -> Activation {
    match entry.scope {
        Scope::One(setting) => setting.activation,
        Scope::Across(activation) => activation,
    }
}

fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_string()).collect::<Vec<_>>().join("\n")
}

/// Counts of verdicts, in one line.
fn tally(entries: &[&Entry]) -> String {
    format!("{} entries: {}", entries.len(), verdicts(entries))
}

/// The verdicts with their counts.
fn verdicts(entries: &[&Entry]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for entry in entries {
        let label = entry.verdict.label();
        match counts.iter_mut().find(|(other, _)| *other == label) {
            Some((_, count)) => *count += 1,
            None => counts.push((label, 1)),
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    counts.iter().map(|(label, count)| format!("{count} {label}")).collect::<Vec<_>>().join("; ")
}

/// A line of JSON or CSV. Names and order are a stable interface.
#[derive(Serialize)]
struct Row<'a> {
    statement: &'a str,
    quantity: &'a str,
    part: &'a str,
    activation: &'a str,
    /// `None` for entries of several settings.
    dim: Option<usize>,
    width: Option<usize>,
    regime: Option<&'a str>,
    gamma: Number,
    bound: Number,
    estimate: Number,
    estimate_low: Number,
    estimate_high: Number,
    failures: Option<u64>,
    trials: Option<u64>,
    networks: usize,
    margin: Number,
    verdict: &'a str,
    why: &'a str,
    /// Hidden widths, first to last, such as `100,10,100`, and gain of a multi-layer statement.
    hidden: Option<String>,
    gain: Option<Number>,
}

impl<'a> Row<'a> {
    fn of(entry: &'a Entry) -> Self {
        let setting = if let Scope::One(setting) = entry.scope { Some(setting) } else { None };
        let layers = setting.and_then(|setting| setting.layers);
        Self {
            statement: entry.statement,
            quantity: &entry.quantity,
            part: &entry.part,
            activation: activation(entry).name(),
            dim: setting.map(|setting| setting.dim),
            width: setting.map(|setting| setting.width),
            regime: entry.regime().map(Regime::label),
            gamma: Number(entry.gamma),
            bound: Number(entry.bound),
            estimate: Number(entry.estimate.value),
            estimate_low: Number(entry.estimate.low),
            estimate_high: Number(entry.estimate.high),
            failures: entry.failures.map(|(failures, _)| failures),
            trials: entry.failures.map(|(_, trials)| trials),
            networks: entry.networks,
            margin: Number(entry.margin),
            verdict: entry.verdict.label(),
            why: &entry.why,
            hidden: layers.map(|layers| layers_label(layers.cell.widths())),
            gain: layers.map(|layers| Number(layers.gain)),
        }
    }
}

/// One JSON object per line and entry, in full precision; null for missing values.
pub fn json(audit: &Audit) -> anyhow::Result<String> {
    let line = |entry: &Entry| Ok(serde_json::to_string(&Row::of(entry))? + "\n");
    audit.entries.iter().map(line).collect()
}

/// CSV with a header and one line per entry, in full precision; empty fields for missing values and infinite ends of intervals.
pub fn csv(audit: &Audit) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    audit.entries.iter().try_for_each(|entry| writer.serialize(Row::of(entry)))?;
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// The short table (one row per statement) and the full one (one row per entry), between the comment markers that `scripts/audit-tables.sh`
/// looks for.
pub fn markdown(audit: &Audit) -> String {
    let command = between("command", &format!("    {}\n", command(audit)));
    format!("{command}\n{}\n{}", between("short", &short(audit)), between("full", &full(audit)))
}

fn between(name: &str, table: &str) -> String {
    format!("<!-- audit {name} -->\n\n{table}\n<!-- audit {name} end -->\n")
}

/// The command that reproduces `audit`.
fn command(audit: &Audit) -> String {
    let list = |numbers: Vec<String>| numbers.join(",");
    let sizes = |of: fn(&Setting) -> usize| {
        let sizes = distinct(audit.options.settings.iter().map(of));
        list(sizes.iter().map(usize::to_string).collect())
    };
    let mut activations: Vec<&str> = audit.options.settings.iter().map(|setting| setting.activation.name()).collect();
    activations.dedup();
    let chosen: Vec<&str> = audit.options.statements().map(|(_, statement)| statement.id()).collect();
    let layers: Vec<Layers> = audit.options.settings.iter().filter_map(|setting| setting.layers).collect();
    let all = statements::ALL.iter().filter(|statement| statement.is_multilayer() != layers.is_empty()).count();
    let statements = match chosen.len() == all {
        true => String::new(),
        false => format!(" --statements {}", chosen.join(",")),
    };
    // Each shape as its own --hidden, which also says what --depths and --widths say.
    let hidden = distinct(layers.iter().map(|layers| layers.cell.widths().collect::<Vec<_>>()));
    let mut shapes: Vec<String> =
        hidden.iter().map(|widths| format!("--hidden {}", layers_label(widths.iter().copied()))).collect();
    let mut gains: Vec<f64> = layers.iter().map(|layers| layers.gain).collect();
    gains.sort_by(f64::total_cmp);
    gains.dedup();
    let equal: Vec<Cell> = layers.iter().map(|layers| layers.cell).filter(|cell| !cell.has_differing_layers()).collect();
    let (depths, widths) = (distinct(equal.iter().map(|cell| cell.depth)), distinct(equal.iter().map(|cell| cell.width)));
    if !equal.is_empty() && hidden.len() == depths.len() * widths.len() {
        shapes = vec![format!("--depths {} --widths {}", layers_label(depths.into_iter()), layers_label(widths.into_iter()))];
    }
    let shapes = match layers.is_empty() {
        true => format!("--widths {}", sizes(|setting| setting.width)),
        false => format!("{} --gain {}", shapes.join(" "), list(gains.iter().map(f64::to_string).collect())),
    };
    format!(
        "advstep-hpc audit --dims {} {shapes} --activation {} --gamma {} --networks {} --max-networks {} --seed {}{statements}",
        sizes(|setting| setting.dim),
        activations.join(","),
        list(audit.options.gammas.iter().map(f64::to_string).collect()),
        audit.options.networks,
        audit.options.max_networks,
        audit.options.seed,
    )
}

fn full(audit: &Audit) -> String {
    let mut lines = vec![line(&COLUMNS), line(&["---"; 11])];
    lines.extend(audit.entries.iter().map(|entry| line(&row(entry))));
    lines.join("\n") + "\n\n" + &tally(&audit.entries.iter().collect::<Vec<_>>()) + "\n"
}

/// One row per statement: the range of the margin, or of the measured value if there is no bound, and the verdicts.
fn short(audit: &Audit) -> String {
    let header = ["statement", "what it says", "margin", "verdicts"];
    let mut lines = vec![line(&header), line(&["---"; 4])];
    for group in groups(&audit.entries, |entry| entry.statement) {
        let statement = statements::ALL.iter().find(|statement| statement.id() == group[0].statement);
        let (citation, claim) = statement.map_or(("", ""), |statement| (statement.citation(), statement.claim()));
        let margins = range(group.iter().map(|entry| entry.margin));
        let margin = match margins.as_str() {
            "–" => {
                let first = group[0];
                let alike = group.iter().filter(|entry| (&entry.quantity, &entry.part) == (&first.quantity, &first.part));
                let [_, subject, ..] = row(first);
                format!("{subject}: {}", range(alike.map(|entry| entry.estimate.value)))
            }
            _ => margins,
        };
        lines.push(line(&[citation.to_string(), claim.to_string(), margin, verdicts(&group)]));
    }
    lines.join("\n") + "\n"
}

fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.as_ref().replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let cases = [(0.0, "0"), (1.0, "1.00"), (-0.0166, "−0.0166"), (15.12, "15.1"), (251.4, "251"), (5011.0, "5011")];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
        assert_eq!((number(f64::NAN), number(f64::INFINITY), number(1.5e-7)), ("–".into(), "∞".into(), "1.50e-7".into()));
        assert_eq!(number(0.9999), "1.00");
    }
}
