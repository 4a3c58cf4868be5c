//! An audit for people: the table on a terminal, and the two tables of the documentation in Markdown.

use comfy_table::{CellAlignment, Table, presets};

use super::entry::{Outcome, Scope};
use super::run::Audit;
use super::{Entry, statements};

/// The statements that can be audited, one a line.
pub fn list() -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["STATEMENT", "WHERE", "WHAT IT SAYS"]);
    for statement in statements::ALL {
        table.add_row([statement.id(), statement.citation(), statement.claim()]);
    }
    format!("{}\n", trimmed(&table))
}

const COLUMNS: [&str; 11] = ["statement", "part", "ψ", "d", "k", "regime", "γ", "bound", "measured [95 %]", "room", "verdict"];

/// The cells of an entry, in the order of [`COLUMNS`].
fn row(entry: &Entry) -> [String; 11] {
    let (activation, dim, width) = match entry.scope {
        Scope::One(setting) => (setting.activation, setting.dim.to_string(), setting.width.to_string()),
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
        number(entry.room),
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

/// Three significant digits; `–` for no number.
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
    let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
    format!("{sign}{size:.decimals$}")
}

/// The table on a terminal, one line an entry.
pub fn text(audit: &Audit) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(COLUMNS);
    for entry in &audit.entries {
        table.add_row(row(entry));
    }
    for index in [3, 4, 6, 7, 9] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n{}\n", trimmed(&table), tally(&audit.entries))
}

fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_string()).collect::<Vec<_>>().join("\n")
}

/// How many entries have which verdict, in a line.
fn tally(entries: &[Entry]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for entry in entries {
        let label = entry.verdict.label();
        match counts.iter_mut().find(|(other, _)| *other == label) {
            Some((_, count)) => *count += 1,
            None => counts.push((label, 1)),
        }
    }
    let parts: Vec<String> = counts.iter().map(|(label, count)| format!("{count} {label}")).collect();
    format!("{} entries: {}", entries.len(), parts.join("; "))
}

/// The short table (a line a statement and activation) and the full one (a line an entry), each between two comments by which
/// `scripts/audit-tables.sh` finds them.
pub fn markdown(audit: &Audit) -> String {
    let short = between("short", &short(audit));
    let full = between("full", &full(audit));
    format!("{short}\n{full}")
}

fn between(name: &str, table: &str) -> String {
    format!("<!-- audit {name} -->\n\n{table}\n<!-- audit {name} end -->\n")
}

fn full(audit: &Audit) -> String {
    let mut lines = vec![line(&COLUMNS), line(&["---"; 11])];
    lines.extend(audit.entries.iter().map(|entry| line(&row(entry))));
    lines.join("\n") + "\n\n" + &tally(&audit.entries) + "\n"
}

/// One line for each statement and activation: the range of the room, and the verdicts.
fn short(audit: &Audit) -> String {
    let header = ["statement", "what it says", "ψ", "room", "verdict"];
    let mut lines = vec![line(&header), line(&["---"; 5])];
    let activation = |entry: &Entry| match entry.scope {
        Scope::One(setting) => setting.activation,
        Scope::Across(activation) => activation,
    };
    for group in audit.entries.chunk_by(|a, b| a.statement == b.statement && activation(a) == activation(b)) {
        let statement = statements::ALL.iter().find(|statement| statement.id() == group[0].statement);
        let (citation, claim) = statement.map_or(("", ""), |statement| (statement.citation(), statement.claim()));
        let tested = group.iter().filter(|entry| entry.verdict.outcome != Outcome::NotTestable);
        let rooms: Vec<f64> = tested.map(|entry| entry.room).filter(|room| !room.is_nan()).collect();
        let (low, high) = (rooms.iter().copied().fold(f64::INFINITY, f64::min), rooms.iter().copied().fold(0.0, f64::max));
        let room = match rooms.len() {
            0 => "–".to_string(),
            1 => number(low),
            _ => format!("{} to {}", number(low), number(high)),
        };
        let verdict = tally(group);
        let verdict = verdict.split_once(": ").map_or("", |(_, rest)| rest).to_string();
        lines.push(line(&[citation.to_string(), claim.to_string(), activation(&group[0]).name().to_string(), room, verdict]));
    }
    lines.join("\n") + "\n"
}

fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.as_ref().replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}
