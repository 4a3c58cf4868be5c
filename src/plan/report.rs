//! The plan for people: totals, and a table by depth or by cell.

use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};

use super::remaining::{Left, Remaining};
use super::teams::CellTeam;
use super::{CellPlan, UnitCost};
use crate::job::Taken;
use crate::model::{EngineName, width_label};
use crate::network::dense::Storage;
use crate::stats::distinct;
use crate::text::counted;

/// The totals: one line and, if `taken` names other files, one for each of them and one for what is left.
pub fn totals(left: &Remaining, taken: &[Taken]) -> String {
    let plan = left.plan;
    let sizes = format!("{} of {}", counted(plan.cells.len(), "cell"), counted(plan.networks, "network"));
    let cells = left.cells();
    let cost = work(cells.iter().map(|left| left.cost).fold(UnitCost::default(), UnitCost::plus));
    if taken.is_empty() {
        return format!("{sizes}: {cost}\n");
    }
    let (all, networks) = (plan.cells.len() * plan.networks, cells.iter().map(|left| left.networks).sum::<usize>());
    let taken: String = taken.iter().map(|taken| taken.text(all, "networks") + "\n").collect();
    format!("{sizes}\n{taken}{networks} of {all} networks to compute: {cost}\n")
}

fn work(cost: UnitCost) -> String {
    format!("{:.3e} normals, {:.3e} flops, {} of thread time", cost.normals, cost.flops, span(cost.seconds))
}

/// The cells of which something is left.
fn cells(left: &Remaining) -> Vec<(CellPlan, Left)> {
    let cells = left.plan.cells.iter().map(|cell| CellPlan { cost: left.of_machine(cell.cost), ..*cell });
    cells.zip(left.cells()).filter(|(_, left)| left.networks > 0).collect()
}

/// One row per depth.
pub fn by_depth(left: &Remaining) -> String {
    let mut titles = vec![
        "L",
        "cells",
        "d",
        "k",
        "engine and search",
        "networks",
        "normals",
        "flops",
        "most bytes/network",
        "most s/network",
        "thread-s",
    ];
    let cells = cells(left);
    let has_teams = cells.iter().any(|(cell, _)| cell.team.is_some());
    if has_teams {
        titles.insert(5, TEAMS);
    }
    let rows = cells.chunk_by(|(a, _), (b, _)| a.run.cell.depth == b.run.cell.depth).map(|cells| {
        let mut row = depth(cells);
        if has_teams {
            row.insert(5, teams(cells));
        }
        row
    });
    table(&titles, rows, &[4])
}

/// One row per cell.
pub fn by_cell(left: &Remaining) -> String {
    let mut titles = vec![
        "L",
        "d",
        "k",
        "engine",
        "search",
        "networks",
        "normals",
        "flops",
        "bytes/network",
        "weights",
        "s/network",
        "thread-s",
    ];
    let cells = cells(left);
    let has_teams = cells.iter().any(|(cell, _)| cell.team.is_some());
    if has_teams {
        titles.insert(5, TEAMS);
    }
    let rows = cells.iter().map(|cell| {
        let mut row = row(cell);
        if has_teams {
            row.insert(5, teams(std::slice::from_ref(cell)));
        }
        row
    });
    table(&titles, rows, if has_teams { &[3, 4, 10] } else { &[3, 4, 9] })
}

/// Title of a column that is left out where every unit has one thread.
const TEAMS: &str = "team";

/// Ranks × threads of the teams of `cells`, from the smallest to the largest; `1` is a single thread.
fn teams(cells: &[(CellPlan, Left)]) -> String {
    let text =
        |team: Option<CellTeam>| team.map_or("1".to_string(), |team| format!("{}×{}", team.ranks, team.members / team.ranks));
    let by_size = |(cell, _): &&(CellPlan, Left)| cell.team.map_or(1, |team| team.members);
    let [least, most] = [cells.iter().min_by_key(by_size), cells.iter().max_by_key(by_size)];
    range(text(least.and_then(|(cell, _)| cell.team)), text(most.and_then(|(cell, _)| cell.team)))
}

/// A table whose columns are aligned to the right, except for those in `left`.
fn table(titles: &[&str], rows: impl Iterator<Item = Vec<String>>, left: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(titles);
    rows.for_each(|row| _ = table.add_row(row));
    for (_, column) in table.column_iter_mut().enumerate().filter(|(index, _)| !left.contains(index)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}

/// The row of a depth with these cells.
fn depth(cells: &[(CellPlan, Left)]) -> Vec<String> {
    let total = cells.iter().map(|(_, left)| left.cost).fold(UnitCost::default(), UnitCost::plus);
    let networks: usize = cells.iter().map(|(_, left)| left.networks).sum();
    let cells: Vec<CellPlan> = cells.iter().map(|(cell, _)| *cell).collect();
    let dims = distinct(cells.iter().map(|cell| cell.run.cell.dim));
    let mut methods: Vec<String> = Vec::new();
    for method in cells.iter().map(|cell| cell.run.method.to_string()) {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    vec![
        cells[0].run.cell.depth.to_string(),
        cells.len().to_string(),
        range(dims[0].to_string(), dims[dims.len() - 1].to_string()),
        widths(&cells),
        methods.join(", "),
        networks.to_string(),
        format!("{:.2e}", total.normals),
        format!("{:.2e}", total.flops),
        ByteSize(cells.iter().map(|cell| cell.unit_bytes).max().unwrap_or(0)).to_string(),
        format!("{:.2e}", cells.iter().map(|cell| cell.cost.seconds).fold(0.0, f64::max)),
        format!("{:.1}", total.seconds),
    ]
}

/// `10–∞`, or the shapes of cells whose layers differ.
fn widths(cells: &[CellPlan]) -> String {
    let shapes = distinct(cells.iter().map(|cell| cell.run.cell.width_label()));
    match cells.iter().any(|cell| cell.run.cell.has_differing_layers()) {
        true if shapes.len() == 1 => shapes[0].clone(),
        true => format!("{} shapes", shapes.len()),
        false => {
            let widths = distinct(cells.iter().map(|cell| cell.run.cell.width));
            range(width_label(widths[0]), width_label(widths[widths.len() - 1]))
        }
    }
}

fn range(first: String, last: String) -> String {
    if first == last { first } else { format!("{first}–{last}") }
}

fn row((plan, left): &(CellPlan, Left)) -> Vec<String> {
    let weights = match (plan.run.method.engine, plan.run.keep.weights) {
        (EngineName::Implicit | EngineName::Shallow | EngineName::Limit, _) => "none",
        (_, Storage::Stored) => "stored",
        (_, Storage::Regenerated) => "regenerated",
    };
    vec![
        plan.run.cell.depth.to_string(),
        plan.run.cell.dim.to_string(),
        plan.run.cell.width_label(),
        plan.run.method.engine.name().to_string(),
        plan.run.method.search.name().to_string(),
        left.networks.to_string(),
        format!("{:.2e}", left.cost.normals),
        format!("{:.2e}", left.cost.flops),
        ByteSize(plan.unit_bytes).to_string(),
        weights.to_string(),
        format!("{:.2e}", plan.cost.seconds),
        format!("{:.1}", left.cost.seconds),
    ]
}

/// A time in s, min or h.
pub fn span(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.1} s"),
        seconds if seconds < 7200.0 => format!("{:.1} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}
