//! The numbers of the page as JSON. Those that are not finite are `null`.
//!
//! An empirical distribution is kept by up to [`POINTS`] of its order statistics, evenly spaced and with both ends: the script knows their ranks.

use serde_json::{Value, json};

use crate::model::cell::layers_label;
use crate::plot::Input;
use crate::plot::columns::Column;
use crate::plot::distribution::Quantity;
use crate::plot::look::Band;
use crate::plot::text::unstyled;
use crate::results::Summary;
use crate::stats::distinct;

/// Most order statistics of a distribution; a curve is then at most 1 % off.
const POINTS: usize = 100;

/// Columns, and the files with a row per cell and direction: the cell, value, std and two standard errors of every column, and the distributions.
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
                let row = |(index, (direction, summary)): (usize, (&&str, Summary))| {
                    let samples = cell.along(index, names.len());
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
                        "distributions": Quantity::ALL.map(|quantity| distribution(&quantity.values(&samples))),
                    })
                };
                names.iter().zip(cell.summaries(experiment)).enumerate().map(row).collect::<Vec<_>>()
            })
            .collect();
        json!({ "label": input.label, "directions": names, "rows": rows })
    };
    let page = json!({
        "columns": columns.iter().map(column).collect::<Vec<_>>(),
        "distributions": Quantity::ALL.map(|quantity| {
            let (label, share) = quantity.labels();
            json!({ "what": quantity.what(), "label": unstyled(label), "share": unstyled(share) })
        }),
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

/// The number of ascending `values`, how many of them are finite, and order statistics of those: number i of n has rank ⌊i (finite − 1) / (n − 1)⌋.
fn distribution(values: &[f64]) -> Value {
    let finite = values.partition_point(|value| value.is_finite());
    let count = finite.min(POINTS);
    let rank = |i: usize| i * finite.saturating_sub(1) / count.saturating_sub(1).max(1);
    let shown: Vec<Value> = (0..count).map(|i| number(four_digits(values[rank(i)]))).collect();
    json!({ "count": values.len(), "finite": finite, "values": shown })
}

/// `value` with the four significant digits that the page shows.
fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().expect("a number as written is a number")
}

/// The names of the directions of all files.
pub fn directions(inputs: &[Input]) -> Vec<&'static str> {
    let all = inputs.iter().flat_map(|input| input.results.experiment.directions.iter().copied());
    distinct(all).into_iter().map(|direction| direction.name()).collect()
}

fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_all_there() {
        let expected = json!({ "count": 4, "finite": 3, "values": [0.1235, 2.0, 12350.0] });
        assert_eq!(distribution(&[0.123_456, 2.0, 12_346.0, f64::INFINITY]), expected);
        assert_eq!(distribution(&[f64::INFINITY]), json!({ "count": 1, "finite": 0, "values": [] }));
        assert_eq!(distribution(&[3.0]), json!({ "count": 1, "finite": 1, "values": [3.0] }));
    }

    #[test]
    fn many_values_keep_both_ends() {
        let values: Vec<f64> = (0..1234).map(f64::from).collect();
        let shown = distribution(&values);
        let shown: Vec<f64> = shown["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        assert_eq!((shown.len(), shown[0], shown[99]), (POINTS, 0.0, 1233.0));
        assert!(shown.windows(2).all(|pair| (12.0..=13.0).contains(&(pair[1] - pair[0]))));
    }
}
