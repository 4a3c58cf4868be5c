//! The thresholds of a file whose cells a search chose ([`threshold`](crate::threshold)), as a table.

use comfy_table::{CellAlignment, LineStyle, Table, presets};

use super::Results;
use super::switching::{growth, switched};
use crate::model::width_label;
use crate::stats::bootstrap::{RESAMPLES, generator, interval};
use crate::stats::clusters::Clusters;
use crate::stats::crossing::crossing;
use crate::stats::{Estimate, SIDE};
use crate::text::short;
use crate::threshold::search::onset;
use crate::threshold::{Along, End, Line, Onset, Request};

/// The table of the thresholds and what their intervals cover; `None` if no search chose the cells. No trailing line break.
pub fn text(results: &Results) -> Option<String> {
    let request = results.threshold.as_ref()?;
    let by_depth = cells_by_depth(request, results);
    let onsets: Vec<(usize, Onset)> = request
        .experiment
        .depths
        .iter()
        .zip(&by_depth)
        .filter(|(_, cells)| !cells.is_empty())
        .map(|(&depth, cells)| {
            let line: Line = cells.iter().map(|(size, clusters)| (*size, clusters.interval())).collect();
            (depth, onset(request, &line))
        })
        .collect();
    let (size, held) = if request.along == Along::Dim { ("d", "k") } else { ("k", "d") };
    // 100 · 0.55 is 55.000…01.
    let level = format!("{} %", short((1e12 * request.level).round() / 1e10));
    let confidence = short(100.0 * (1.0 - 2.0 * SIDE));
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header([
        "L".to_string(),
        format!("{level} switch from {size} [{confidence} %]"),
        "found % there".to_string(),
        "networks".to_string(),
        "ended".to_string(),
    ]);
    for (depth, onset) in &onsets {
        table.add_row(row(request, *depth, onset, results.experiment.networks));
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let growth = per_layer(request, &by_depth)
        .map_or("growth per layer needs two depths with a threshold in the range".to_string(), |Estimate { value, low, high }| {
            format!("it grows by a factor of {value:.2} [{low:.2}, {high:.2}] per layer")
        });
    Some(format!(
        "Smallest {size} from which on {level} of the inputs switch, at {held} = {} ({growth}):\n{}\n\
         [{confidence} %] covers the networks and inputs drawn, networks as clusters, if the fraction rises with {size}: it is below {level} at the\n\
         lower limit and at least {level} at the upper one, each shown by a one-sided interval of {} %. Which sizes to measure was decided from\n\
         the results; the coverage with that is simulated. Other seeds of the same law are covered, other laws of weights and inputs are not.",
        width_label(request.held()),
        table.trim_fmt(),
        short(100.0 * (1.0 - SIDE)),
    ))
}

/// By depth: index in the ladder and switched inputs of each cell, by size.
fn cells_by_depth(request: &Request, results: &Results) -> Vec<Vec<(usize, Clusters)>> {
    let mut by_depth = vec![Vec::new(); request.experiment.depths.len()];
    for cell in &results.cells {
        if let Some((depth, size)) = request.place(&cell.cell) {
            by_depth[depth].push((size, switched(cell)));
        }
    }
    by_depth
}

fn row(request: &Request, depth: usize, onset: &Onset, networks: usize) -> [String; 5] {
    let (first, last) = (request.sizes[0], request.sizes[request.sizes.len() - 1]);
    let low = onset.low.map(|(size, _)| size.to_string());
    let high = onset.high.map(|(size, _)| size.to_string());
    let estimate = match (onset.value, low, high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.0} [{low}, {high}]"),
        (Some(value), Some(low), None) => format!("{value:.0} [{low}, beyond {last}]"),
        (Some(value), None, Some(high)) => format!("{value:.0} [{first} or less, {high}]"),
        (Some(value), None, None) => format!("{value:.0} [{first} or less, beyond {last}]"),
        (None, None, Some(high)) => format!("{first} or less [up to {high}]"),
        (None, low, _) => format!("beyond {last}{}", low.map_or(String::new(), |low| format!(" [from {low}]"))),
    };
    let percent = |end: Option<(usize, f64)>| end.map_or("–".to_string(), |(_, fraction)| format!("{:.2}", 100.0 * fraction));
    let end = match onset.end {
        End::Narrow => "as narrow as asked".to_string(),
        End::Neighbours => "no size in between".to_string(),
        End::Networks => "more networks needed".to_string(),
        End::Range => format!("range {first} to {last} ends"),
    };
    [depth.to_string(), estimate, format!("{}, {}", percent(onset.low), percent(onset.high)), networks.to_string(), end]
}

/// The factor by which the threshold grows per layer, with its bootstrap interval over networks; `None` unless it is in the range at two depths.
fn per_layer(request: &Request, by_depth: &[Vec<(usize, Clusters)>]) -> Option<Estimate> {
    let smallest = request.sizes[0] as f64;
    let of = |fraction: &mut dyn FnMut(&Clusters) -> f64| {
        let found = request.experiment.depths.iter().zip(by_depth).filter(|(_, cells)| !cells.is_empty());
        let (depths, crossings): (Vec<usize>, Vec<_>) = found
            .map(|(&depth, cells)| {
                let sizes: Vec<usize> = cells.iter().map(|(size, _)| request.sizes[*size]).collect();
                let fractions: Vec<f64> = cells.iter().map(|(_, clusters)| fraction(clusters)).collect();
                (depth, crossing(&sizes, &fractions, request.level))
            })
            .unzip();
        growth(&depths, &crossings, smallest)
    };
    let value = of(&mut Clusters::fraction)?;
    let mut generator = generator();
    Some(interval(value, (0..RESAMPLES).filter_map(|_| of(&mut |clusters| clusters.resampled(&mut generator)))))
}
