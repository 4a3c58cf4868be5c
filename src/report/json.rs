//! The numbers of the page as JSON. Those that are not finite are `null`.

use serde_json::{Value, json};

use crate::model::cell::layers_label;
use crate::plot::Input;
use crate::plot::columns::Column;
use crate::plot::look::Band;
use crate::plot::text::unstyled;
use crate::results::Summary;
use crate::stats::distinct;

/// Columns, and the files with a row per cell and direction: the cell, and value, std and two standard errors of every column.
pub fn json(inputs: &[Input], columns: &[Column]) -> String {
    let column = |column: &Column| {
        json!({
            "name": column.name,
            "what": unstyled(column.what),
            "label": unstyled(column.label),
            "least": number(column.range.0),
            "most": number(column.range.1),
        })
    };
    let file = |input: &Input| {
        let experiment = &input.results.experiment;
        let names: Vec<&str> = experiment.directions.iter().map(|direction| direction.name()).collect();
        let rows: Vec<Value> = (input.results.cells.iter())
            .flat_map(|cell| {
                let row = |(direction, summary): (&&str, Summary)| {
                    let half = |band| {
                        columns.iter().map(|column| column.half(band, &summary).map_or(Value::Null, number)).collect::<Vec<_>>()
                    };
                    json!({
                        "L": cell.cell.depth,
                        "d": cell.cell.dim,
                        "k": if cell.cell.is_infinite() { Value::Null } else { cell.cell.width.into() },
                        "shape": (!experiment.hidden.is_empty()).then(|| layers_label(cell.cell.widths())),
                        "direction": direction,
                        "values": columns.iter().map(|column| number((column.value)(&summary))).collect::<Vec<_>>(),
                        "std": half(Band::Std),
                        "error": half(Band::Stderr),
                    })
                };
                names.iter().zip(cell.summaries(experiment)).map(row).collect::<Vec<_>>()
            })
            .collect();
        json!({ "label": input.label, "directions": names, "rows": rows })
    };
    let page = json!({
        "columns": columns.iter().map(column).collect::<Vec<_>>(),
        "directions": directions(inputs),
        "files": inputs.iter().map(file).collect::<Vec<_>>(),
    });
    // These characters could end the script or start markup; in JSON they occur in strings only.
    page.to_string()
        .replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'), "\u{fffd}")
}

/// The names of the directions of all files.
pub fn directions(inputs: &[Input]) -> Vec<&'static str> {
    let all = inputs.iter().flat_map(|input| input.results.experiment.directions.iter().copied());
    distinct(all).into_iter().map(|direction| direction.name()).collect()
}

fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}
