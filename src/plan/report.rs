//! The plan as a table.

use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};

use super::{CellPlan, Plan};
use crate::model::EngineName;
use crate::network::dense::Storage;

/// One row per cell, and the totals.
pub fn table(plan: &Plan) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["L", "d", "k", "engine", "search", "normals", "flops", "bytes/network", "weights", "s/network", "thread-s"]);
    for cell in &plan.cells {
        table.add_row(row(cell, plan.networks));
    }
    for column in [0, 1, 2, 5, 6, 7, 9, 10] {
        table.column_mut(column).expect("the header has this column").set_cell_alignment(CellAlignment::Right);
    }
    let networks = plan.networks as f64;
    let total = |of: fn(&CellPlan) -> f64| plan.cells.iter().map(of).sum::<f64>() * networks;
    format!(
        "{table}\n\n{} cells of {} networks: {:.3e} normals, {:.3e} flops, {} of thread time\n",
        plan.cells.len(),
        plan.networks,
        total(|cell| cell.cost.normals),
        total(|cell| cell.cost.flops),
        span(plan.seconds()),
    )
}

fn row(plan: &CellPlan, networks: usize) -> Vec<String> {
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
        format!("{:.2e}", plan.cost.normals * networks as f64),
        format!("{:.2e}", plan.cost.flops * networks as f64),
        ByteSize(plan.unit_bytes).to_string(),
        weights.to_string(),
        format!("{:.2e}", plan.cost.seconds),
        format!("{:.1}", plan.cost.seconds * networks as f64),
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
