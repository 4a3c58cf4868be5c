//! Figures of an audit, two per activation: the margin (bound ÷ measured) of every statement at every setting, and measured values with the
//! paper's bounds against d.

use crate::audit::Audit;
use crate::audit::entry::Scope;
use crate::audit::{Entry, Outcome, Setting};
use crate::model::Activation;
use crate::plot::Picture;
use crate::plot::axis::{LogAxis, Tick, number_label};
use crate::plot::canvas::{Anchor, Canvas, Stroke};
use crate::plot::frame::{Frame, widest};
use crate::plot::layout::{Drawing, Page, Space, columns};
use crate::plot::legend::{self, Legend};
use crate::plot::look::Look;
use crate::plot::style::{self, CurveStyle};
use crate::plot::text;
use crate::stats::distinct;
use crate::text::counted;

/// Height of a row of the picture of margins.
const ROW: f64 = 11.0;
const MARGIN_WIDTH: f64 = 260.0;
/// Larger margins are drawn at the edge.
const LARGEST_MARGIN: f64 = 1e3;
/// Height of a panel of measured values against bounds.
const PANEL_HEIGHT: f64 = 96.0;

/// All figures of `audit`; none for an activation without a bound to compare with.
pub fn draw(audit: &Audit, look: &Look) -> Vec<Picture> {
    let mut activations: Vec<Activation> = audit.options.settings.iter().map(|setting| setting.activation).collect();
    activations.dedup();
    let networks = audit.options.max_networks;
    activations
        .into_iter()
        .flat_map(|activation| {
            let note = format!("at most {} per setting, activation {}", counted(networks, "network"), activation.name());
            let of_one = |entry: &&Entry| matches!(entry.scope, Scope::One(setting) if setting.activation == activation);
            // One γ is enough: the figures of the others look alike.
            let gamma = audit.options.gammas[0];
            let entries: Vec<&Entry> = audit.entries.iter().filter(of_one).filter(|entry| entry.gamma == gamma).collect();
            [margins(&entries, activation, look, &note), scaling(&entries, activation, look, &note)].into_iter().flatten()
        })
        .collect()
}

fn setting(entry: &Entry) -> Setting {
    match entry.scope {
        Scope::One(setting) => setting,
        Scope::Across(_) => unreachable!("only entries of one setting are drawn"),
    }
}

/// Statement, quantity and part: the entries of one row or panel differ in the setting only.
fn subject(entry: &Entry) -> (&'static str, &str, &str) {
    (entry.statement, &entry.quantity, &entry.part)
}

/// Groups of entries of one subject, in the order in which they first occur.
fn subjects<'a>(entries: &[&'a Entry]) -> Vec<Vec<&'a Entry>> {
    let mut groups: Vec<Vec<&Entry>> = Vec::new();
    for &entry in entries {
        match groups.iter_mut().find(|group| subject(group[0]) == subject(entry)) {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups
}

fn label((statement, quantity, part): (&str, &str, &str)) -> String {
    let parts = [quantity, part].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    format!("{statement}:  {parts}")
}

/// Colours of the verdicts, in the order of the legend.
fn verdict(entry: &Entry) -> (usize, &'static str) {
    match (entry.verdict.outcome, entry.verdict.outside) {
        (Outcome::Holds, false) => (0, "holds"),
        (Outcome::HoldsAsSearched | Outcome::NotRefuted, false) => (1, "holds as far as searched, or not refuted"),
        (Outcome::Holds | Outcome::HoldsAsSearched | Outcome::NotRefuted, true) => (2, "the same, outside its hypotheses"),
        (Outcome::Fails, false) => (3, "fails"),
        (Outcome::Fails, true) => (4, "fails, outside its hypotheses"),
        (Outcome::Measured | Outcome::Undecided | Outcome::NotTestable, _) => (5, "undecided or not testable"),
    }
}

/// One marker per verdict; failures are red.
fn marker(entry: &Entry) -> CurveStyle {
    let (index, _) = verdict(entry);
    let style = CurveStyle::of(index, 7);
    match index {
        3 | 4 => style.with_colour(style::RED),
        5 => style.with_colour(style::GREY),
        _ => style,
    }
}

/// Margins on a log axis: one row per subject, one marker per setting. `None` if no entry has a margin.
fn margins(entries: &[&Entry], activation: Activation, look: &Look, note: &str) -> Option<Picture> {
    let look = &look.over_both_columns();
    // Grouped before filtering, so that rows follow the order of the table.
    let mut groups = subjects(entries);
    groups.iter_mut().for_each(|group| group.retain(|entry| entry.margin > 0.0));
    groups.retain(|group| !group.is_empty());
    let shown: Vec<&Entry> = groups.concat();
    if groups.is_empty() {
        return None;
    }
    let axis = LogAxis::of_numbers(shown.iter().map(|entry| entry.margin.min(LARGEST_MARGIN)).chain([0.9, 10.0]));
    let labels = groups.iter().map(|group| look.length(&label(subject(group[0])), look.tick)).fold(0.0, f64::max);
    let mut kinds: Vec<&Entry> = shown.clone();
    kinds.sort_by_key(|entry| verdict(entry).0);
    kinds.dedup_by_key(|entry| verdict(entry).0);
    let legend = kinds.iter().map(|entry| legend::Entry::marker(verdict(entry).1.to_string(), marker(entry))).collect();
    let title = "Margin of the paper's bounds: bound over measured value";
    let page = Page { look, title, note, legend: Some(Legend { entries: legend }), panels: 1 };
    let rows = groups.len() as f64;
    let (left, bottom) = (labels + 6.0, 30.0 * look.scale);
    let panel = (MARGIN_WIDTH, ROW * look.scale * rows);
    let around = Space { panels: 1, columns: 1, panel, left, right: 8.0, column_gap: 0.0, row_gap: 0.0, bottom, title: 0.0 };
    let (width, height) = page.grid(around).panel();
    // The height is that of the rows, unless one is asked for.
    let size = (width, if look.sheet.height().is_some() { height } else { panel.1 });
    let row_height = size.1 / rows;
    let drawing = page.draw((left + size.0 + 8.0, size.1 + 4.0 + bottom), |canvas, (x, y)| {
        let frame = Frame { corner: (x + left, y + 4.0), size };
        for (row, group) in groups.iter().enumerate() {
            let middle = frame.corner.1 + (row as f64 + 0.5) * row_height;
            canvas.line((frame.x(0.0), middle), (frame.x(1.0), middle), style::GRID);
            let baseline = middle + text::MIDDLE * look.tick;
            canvas.text((frame.corner.0 - 5.0, baseline), &label(subject(group[0])), style::text(look.tick, Anchor::End));
        }
        let one = frame.x(axis.position(1.0));
        canvas.line((one, frame.y(0.0)), (one, frame.y(1.0)), Stroke { colour: style::GREY, width: 0.8 });
        for (row, group) in groups.iter().enumerate() {
            let middle = frame.corner.1 + (row as f64 + 0.5) * row_height;
            for entry in group {
                let margin = entry.margin.min(LARGEST_MARGIN);
                canvas.group("margin", |canvas| marker(entry).draw_marker(canvas, (frame.x(axis.position(margin)), middle)));
            }
        }
        let ticks = axis.ticks(size.0, |label| look.length(label, look.tick));
        frame.draw_x_axis(canvas, &ticks, Some("margin (violated below 1; clipped at 1000)"));
        canvas.frame(frame.corner, frame.size, style::AXIS);
    });
    let drawing = Drawing { fits: drawing.fits && row_height >= look.tick, ..drawing };
    Some(Picture::without_data(format!("audit_margin_{}", activation.name()), drawing))
}

/// Measured values with 95 % intervals, and bounds dashed, against d with one curve per k: one panel for the first subject of each statement that
/// has bounds at several d. `None` if no statement has.
fn scaling(entries: &[&Entry], activation: Activation, look: &Look, note: &str) -> Option<Picture> {
    let is_shown = |entry: &&&Entry| entry.bound > 0.0 && entry.estimate.value > 0.0;
    let shown: Vec<&Entry> = entries.iter().filter(is_shown).copied().collect();
    let mut groups: Vec<Vec<&Entry>> = Vec::new();
    for group in subjects(&shown) {
        let grows = group.iter().any(|entry| setting(entry).dim != setting(group[0]).dim);
        if grows && groups.iter().all(|other| other[0].statement != group[0].statement) {
            groups.push(group);
        }
    }
    if groups.is_empty() {
        return None;
    }
    let dims = distinct(groups.iter().flatten().map(|entry| setting(entry).dim));
    let widths = distinct(groups.iter().flatten().map(|entry| setting(entry).width));
    let x = LogAxis::of_sizes(&dims);
    let panels: Vec<(String, LogAxis)> = groups
        .iter()
        .map(|group| {
            (label(subject(group[0])), LogAxis::of_numbers(group.iter().flat_map(|entry| [entry.bound, entry.estimate.value])))
        })
        .collect();
    let columns = columns(panels.len()).min(3);
    let y_ticks: Vec<Vec<Tick>> = panels.iter().map(|(_, axis)| axis.ticks(PANEL_HEIGHT, |_| look.tick)).collect();
    let left = y_ticks.iter().map(|ticks| widest(look, ticks)).fold(0.0, f64::max) + 14.0;
    let title_width = panels.iter().map(|(title, _)| look.length(title, look.panel_title)).fold(0.0, f64::max);
    // Titles are centred over their panels and must not run into each other.
    let panel = (150.0_f64.max(title_width), PANEL_HEIGHT);
    let gaps = Space {
        columns,
        panels: panels.len(),
        panel,
        left,
        right: 8.0,
        column_gap: left + 8.0,
        row_gap: 30.0,
        bottom: 26.0,
        title: title_width,
    };
    let curve = |width: usize| CurveStyle::of(widths.binary_search(&width).unwrap_or_default(), widths.len());
    let entry = |&width: &usize| legend::Entry::with_band(format!("*k* = {}", number_label(width)), curve(width));
    let bound = legend::Entry::dashed("bound in the paper".to_string(), style::GREY);
    let legend = Legend { entries: widths.iter().map(entry).chain([bound]).collect() };
    let title = "Measured values (95 % intervals) and the paper's bounds (dashed) against the input dimension";
    let page = Page { look, title, note, legend: Some(legend), panels: panels.len() };
    let grid = page.grid(gaps);
    let (width, height) = grid.size();
    let drawing = page.draw((width + 8.0, height), |canvas, (left, top)| {
        for (index, (group, (title, y))) in groups.iter().zip(&panels).enumerate() {
            let corner = grid.corner(index);
            let frame = Frame { corner: (left + corner.0, top + corner.1), size: grid.panel() };
            canvas.group("panel", |canvas| {
                for tick in y_ticks[index].iter().filter(|tick| tick.label.is_some()) {
                    canvas.line((frame.x(0.0), frame.y(tick.position)), (frame.x(1.0), frame.y(tick.position)), style::GRID);
                }
                for &width in &widths {
                    let of_width: Vec<&Entry> = group.iter().filter(|entry| setting(entry).width == width).copied().collect();
                    draw_width(canvas, &of_width, curve(width), frame, &x, y);
                }
                let x_ticks = x.ticks(frame.size.0, |label| look.length(label, look.tick));
                frame.draw_x_axis(canvas, &x_ticks, Some(if grid.is_lowest(index) { "dimension *d*" } else { "" }));
                frame.draw_y_axis(canvas, &y_ticks[index], Some(""));
                canvas.frame(frame.corner, frame.size, style::AXIS);
                frame.draw_title(canvas, title);
            });
        }
    });
    Some(Picture::without_data(format!("audit_scaling_{}", activation.name()), drawing))
}

/// The measured curve with its intervals, and the bound, of one width.
fn draw_width(canvas: &mut Canvas, entries: &[&Entry], curve: CurveStyle, frame: Frame, x: &LogAxis, y: &LogAxis) {
    let place = |entry: &Entry, value: f64| {
        let height = y.position(value).clamp(0.0, 1.0);
        (frame.x(x.position(setting(entry).dim as f64)), frame.y(height))
    };
    let bounds: Vec<(f64, f64)> = entries.iter().map(|entry| place(entry, entry.bound)).collect();
    let values: Vec<(f64, f64)> = entries.iter().map(|entry| place(entry, entry.estimate.value)).collect();
    if entries.len() > 1 {
        canvas.dashed(&bounds, curve.line());
        canvas.polyline(&values, curve.line());
    }
    for (entry, &at) in entries.iter().zip(&values) {
        let (low, high) = (entry.estimate.low, entry.estimate.high);
        if low > 0.0 && high.is_finite() {
            canvas.line(place(entry, low), place(entry, high), curve.line());
        }
        curve.draw_marker(canvas, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::job;
    use crate::audit::options::Typed;

    #[test]
    fn every_margin_has_a_marker_and_every_bound_a_panel() {
        let typed = Typed {
            dims: Some(vec![10.0, 20.0]),
            widths: Some(vec![15.0]),
            networks: Some(40.0),
            statements: Some(vec!["lemma-8".to_string(), "lemma-1".to_string()]),
            ..Typed::default()
        };
        let audit = job::audit(&typed.validate().unwrap());
        let pictures = draw(&audit, &Look::default());
        let names: Vec<&str> = pictures.iter().map(|picture| picture.name.as_str()).collect();
        assert_eq!(names, ["audit_margin_relu", "audit_scaling_relu", "audit_margin_tanh", "audit_scaling_tanh"]);
        let count = |picture: &Picture, class: &str| picture.svg.matches(&format!("class=\"{class}\"")).count();
        let margins = |name: &str| {
            let has_margin = |entry: &&Entry| entry.margin > 0.0 && setting(entry).activation.name() == name;
            audit.entries.iter().filter(has_margin).count()
        };
        assert_eq!((count(&pictures[0], "margin"), count(&pictures[2], "margin")), (margins("relu"), margins("tanh")));
        assert_eq!((count(&pictures[1], "panel"), count(&pictures[3], "panel")), (2, 1));
    }
}
