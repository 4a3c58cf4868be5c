//! The pictures of an audit, for each activation: the margin that every statement leaves at every setting, and what was measured against the
//! printed bound as d grows.

use crate::audit::Audit;
use crate::audit::entry::Scope;
use crate::audit::{Entry, Outcome, Setting};
use crate::model::Activation;
use crate::plot::Picture;
use crate::plot::axis::{LogAxis, Tick, number_label};
use crate::plot::canvas::{Anchor, Canvas, Stroke};
use crate::plot::frame::{Frame, widest};
use crate::plot::layout::{self, Grid, Legend, Page, columns};
use crate::plot::style::{self, CurveStyle};
use crate::plot::text;

/// Height of a row of the picture of margins.
const ROW: f64 = 11.0;
const MARGIN_WIDTH: f64 = 260.0;
/// Rooms beyond are drawn at the edge.
const LARGEST_MARGIN: f64 = 1e3;

/// All pictures of `audit`. An activation without a bound to compare with has none.
pub fn draw(audit: &Audit) -> Vec<Picture> {
    let mut activations: Vec<Activation> = audit.options.settings.iter().map(|setting| setting.activation).collect();
    activations.dedup();
    let networks = audit.options.networks;
    activations
        .into_iter()
        .flat_map(|activation| {
            let note = format!("{} networks at most a setting, activation {}", networks, activation.name());
            let of_one = |entry: &&Entry| matches!(entry.scope, Scope::One(setting) if setting.activation == activation);
            // The first γ: the pictures of several would look alike.
            let gamma = audit.options.gammas[0];
            let entries: Vec<&Entry> = audit.entries.iter().filter(of_one).filter(|entry| entry.gamma == gamma).collect();
            [margins(&entries, activation, &note), scaling(&entries, activation, &note)].into_iter().flatten()
        })
        .collect()
}

fn setting(entry: &Entry) -> Setting {
    match entry.scope {
        Scope::One(setting) => setting,
        Scope::Across(_) => unreachable!("only entries of one setting are drawn"),
    }
}

/// What a row or panel is about: entries that differ in the setting only.
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
fn look(entry: &Entry) -> (usize, &'static str) {
    match (entry.verdict.outcome, entry.verdict.outside) {
        (Outcome::Holds, false) => (0, "holds"),
        (Outcome::HoldsAsSearched, false) => (1, "holds as far as searched"),
        (Outcome::Holds | Outcome::HoldsAsSearched, true) => (2, "the same, outside its hypotheses"),
        (Outcome::Fails, false) => (3, "fails"),
        (Outcome::Fails, true) => (4, "fails, outside its hypotheses"),
        (Outcome::Measured | Outcome::NotTestable, _) => (5, "not testable"),
    }
}

/// A marker of its own for each verdict; failures are red.
fn marker(entry: &Entry) -> CurveStyle {
    let (index, _) = look(entry);
    let style = CurveStyle::of(index, 7);
    match index {
        3 | 4 => style.with_colour(style::RED),
        5 => style.with_colour(style::GREY),
        _ => style,
    }
}

/// A row for each subject, a marker for each setting, against the margin. `None` if there is no margin to show.
fn margins(entries: &[&Entry], activation: Activation, note: &str) -> Option<Picture> {
    // Grouped before they are sieved, so that the rows are in the order of the table.
    let mut groups = subjects(entries);
    groups.iter_mut().for_each(|group| group.retain(|entry| entry.margin > 0.0));
    groups.retain(|group| !group.is_empty());
    let shown: Vec<&Entry> = groups.concat();
    if groups.is_empty() {
        return None;
    }
    let axis = Decades::spanning(shown.iter().map(|entry| entry.margin.min(LARGEST_MARGIN)).chain([0.9, 10.0]));
    let labels = groups.iter().map(|group| text::length(&label(subject(group[0])), style::TICK_SIZE)).fold(0.0, f64::max);
    let size = (MARGIN_WIDTH, ROW * groups.len() as f64);
    let mut kinds: Vec<&Entry> = shown.clone();
    kinds.sort_by_key(|entry| look(entry).0);
    kinds.dedup_by_key(|entry| look(entry).0);
    let legend = kinds.iter().map(|entry| layout::Entry::marker(look(entry).1.to_string(), marker(entry))).collect();
    let title = "Room that the bounds of the paper leave: how many times the measured number fits in";
    let page = Page { title, note, contents: (labels + size.0 + 14.0, size.1 + 34.0), legend: Some(Legend { entries: legend }) };
    let svg = page.draw(|canvas, (x, y)| {
        let frame = Frame { corner: (x + labels + 6.0, y + 4.0), size };
        for (row, group) in groups.iter().enumerate() {
            let middle = frame.corner.1 + (row as f64 + 0.5) * ROW;
            canvas.line((frame.x(0.0), middle), (frame.x(1.0), middle), style::GRID);
            let baseline = middle + text::MIDDLE * style::TICK_SIZE;
            canvas.text((frame.corner.0 - 5.0, baseline), &label(subject(group[0])), style::text(style::TICK_SIZE, Anchor::End));
        }
        let one = frame.x(axis.position(1.0));
        canvas.line((one, frame.y(0.0)), (one, frame.y(1.0)), Stroke { colour: style::GREY, width: 0.8 });
        for (row, group) in groups.iter().enumerate() {
            let middle = frame.corner.1 + (row as f64 + 0.5) * ROW;
            for entry in group {
                let margin = entry.margin.min(LARGEST_MARGIN);
                canvas.group("margin", |canvas| marker(entry).draw_marker(canvas, (frame.x(axis.position(margin)), middle)));
            }
        }
        frame.draw_x_axis(canvas, &axis.ticks(), Some("margin; left of 1 the bound is broken, beyond 1000 at the edge"));
        canvas.frame(frame.corner, frame.size, style::AXIS);
    });
    Some(Picture { name: format!("audit_margin_{}", activation.name()), svg })
}

/// A panel for the first subject of each statement that has a bound at several d: measured with intervals, and the bound dashed, against d, a
/// curve for each k. `None` if there is no such statement.
fn scaling(entries: &[&Entry], activation: Activation, note: &str) -> Option<Picture> {
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
    let sorted = |of: fn(&Setting) -> usize| {
        let mut sizes: Vec<usize> = groups.iter().flatten().map(|entry| of(&setting(entry))).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    };
    let (dims, widths) = (sorted(|setting| setting.dim), sorted(|setting| setting.width));
    let x = LogAxis::spanning(&dims);
    let panels: Vec<(String, Decades)> = groups
        .iter()
        .map(|group| {
            (label(subject(group[0])), Decades::spanning(group.iter().flat_map(|entry| [entry.bound, entry.estimate.value])))
        })
        .collect();
    let columns = columns(panels.len()).min(3);
    let left = panels.iter().map(|(_, axis)| widest(&axis.ticks())).fold(0.0, f64::max) + 14.0;
    let title_width = panels.iter().map(|(title, _)| text::length(title, style::PANEL_TITLE_SIZE)).fold(0.0, f64::max);
    // Titles stand in the middle of their panels.
    let panel = (150.0_f64.max(title_width), 96.0);
    let grid = Grid { columns, panels: panels.len(), panel, left, column_gap: left + 8.0, row_gap: 30.0, bottom: 26.0 };
    let (width, height) = grid.size();
    let curve = |width: usize| CurveStyle::of(widths.binary_search(&width).unwrap_or_default(), widths.len());
    let entry = |&width: &usize| layout::Entry::with_band(format!("*k* = {}", number_label(width)), curve(width));
    let bound = layout::Entry::dashed("bound in the paper".to_string(), style::GREY);
    let legend = Legend { entries: widths.iter().map(entry).chain([bound]).collect() };
    let title = "Measured numbers (95 % intervals) and the bounds of the paper (dashed) against the dimension";
    let page = Page { title, note, contents: (width + 8.0, height), legend: Some(legend) };
    let svg = page.draw(|canvas, (left, top)| {
        for (index, (group, (title, y))) in groups.iter().zip(&panels).enumerate() {
            let corner = grid.corner(index);
            let frame = Frame { corner: (left + corner.0, top + corner.1), size: grid.panel };
            canvas.group("panel", |canvas| {
                for tick in y.ticks().iter().filter(|tick| tick.label.is_some()) {
                    canvas.line((frame.x(0.0), frame.y(tick.position)), (frame.x(1.0), frame.y(tick.position)), style::GRID);
                }
                for &width in &widths {
                    let of_width: Vec<&Entry> = group.iter().filter(|entry| setting(entry).width == width).copied().collect();
                    draw_width(canvas, &of_width, curve(width), frame, &x, y);
                }
                let x_ticks = x.ticks(frame.size.0, |label| text::length(label, style::TICK_SIZE));
                frame.draw_x_axis(canvas, &x_ticks, Some(if grid.is_lowest(index) { "dimension *d*" } else { "" }));
                frame.draw_y_axis(canvas, &y.ticks(), Some(""));
                canvas.frame(frame.corner, frame.size, style::AXIS);
                frame.draw_title(canvas, title);
            });
        }
    });
    Some(Picture { name: format!("audit_scaling_{}", activation.name()), svg })
}

/// The measured curve, its intervals and the bound, of the entries of one width.
fn draw_width(canvas: &mut Canvas, entries: &[&Entry], curve: CurveStyle, frame: Frame, x: &LogAxis, y: &Decades) {
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

/// A logarithmic axis of positive numbers, with labels at 1, and where there are few decades at 2 and 5, times powers of ten.
struct Decades {
    /// log10 of the ends.
    low: f64,
    high: f64,
}

impl Decades {
    fn spanning(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value.log10()), high.max(value.log10())));
        let margin = (0.05 * (high - low)).max((0.4 - (high - low)) / 2.0);
        Self { low: low - margin, high: high + margin }
    }

    fn position(&self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> Vec<Tick> {
        let labelled: &[i32] = match self.high - self.low {
            range if range > 2.5 => &[1],
            range if range > 1.2 => &[1, 3],
            _ => &[1, 2, 5],
        };
        let decades = self.low.floor() as i32..=self.high.floor() as i32;
        let multiples = decades.flat_map(|decade| (1..=9).map(move |mantissa| (mantissa, decade)));
        let tick = |(mantissa, decade): (i32, i32)| {
            let position = self.position(f64::from(mantissa) * 10f64.powi(decade));
            let label = || match decade {
                -3..=-1 => format!("{:.*}", decade.unsigned_abs() as usize, f64::from(mantissa) * 10f64.powi(decade)),
                0..=3 => (mantissa * 10_i32.pow(decade as u32)).to_string(),
                _ if mantissa == 1 => format!("10^{{{decade}}}").replace('-', "−"),
                _ => format!("{mantissa}×10^{{{decade}}}").replace('-', "−"),
            };
            Tick { position, label: labelled.contains(&mantissa).then(label) }
        };
        multiples.map(tick).filter(|tick| (0.0..=1.0).contains(&tick.position)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::job;
    use crate::audit::options::Typed;

    #[test]
    fn axes_have_labels_whatever_they_span() {
        for values in [[1.0, 1.01], [0.3, 0.9], [0.002, 7.0], [1e-9, 1e7], [5.0, 5.0], [9.99, 10.01]] {
            let axis = Decades::spanning(values.into_iter());
            assert!(axis.ticks().iter().any(|tick| tick.label.is_some()), "{values:?}");
            assert!(values.iter().all(|&value| (0.0..=1.0).contains(&axis.position(value))));
        }
    }

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
        let pictures = draw(&audit);
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
