//! A panel's rectangle with axes, ticks, labels and title.

use super::axis::Tick;
use super::canvas::{Anchor, Canvas};
use super::style;
use super::text;

/// Width of the longest label, in points.
pub fn widest(ticks: &[Tick]) -> f64 {
    let labels = ticks.iter().filter_map(|tick| tick.label.as_deref());
    labels.map(|label| text::length(label, style::TICK_SIZE)).fold(0.0, f64::max)
}

/// The rectangle of a panel on the page.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub corner: (f64, f64),
    pub size: (f64, f64),
}

impl Frame {
    pub fn x(&self, position: f64) -> f64 {
        self.corner.0 + position * self.size.0
    }

    pub fn y(&self, position: f64) -> f64 {
        self.corner.1 + (1.0 - position) * self.size.1
    }

    /// Draws outward ticks; tick labels only if the axis has a `label`.
    pub fn draw_x_axis(&self, canvas: &mut Canvas, ticks: &[Tick], label: Option<&str>) {
        let bottom = self.y(0.0);
        for tick in ticks {
            let x = self.x(tick.position);
            let length = if tick.label.is_some() { style::TICK } else { 0.6 * style::TICK };
            canvas.line((x, bottom), (x, bottom + length), style::AXIS);
            if let (Some(number), Some(_)) = (&tick.label, label) {
                let baseline = bottom + style::TICK + 2.5 + style::TICK_SIZE * 0.9;
                canvas.text((x, baseline), number, style::text(style::TICK_SIZE, Anchor::Middle));
            }
        }
        if let Some(label) = label {
            canvas.text((self.x(0.5), bottom + 22.0), label, style::text(style::LABEL_SIZE, Anchor::Middle));
        }
    }

    pub fn draw_y_axis(&self, canvas: &mut Canvas, ticks: &[Tick], label: Option<&str>) {
        let left = self.x(0.0);
        for tick in ticks {
            let y = self.y(tick.position);
            canvas.line((left - style::TICK, y), (left, y), style::AXIS);
            if let (Some(number), Some(_)) = (&tick.label, label) {
                let end = (left - style::TICK - 2.0, y + text::MIDDLE * style::TICK_SIZE);
                canvas.text(end, number, style::text(style::TICK_SIZE, Anchor::End));
            }
        }
        if let Some(label) = label {
            let x = left - style::TICK - 2.0 - widest(ticks) - 5.0;
            canvas.upward_text((x, self.y(0.5)), label, style::text(style::LABEL_SIZE, Anchor::Middle));
        }
    }

    pub fn draw_title(&self, canvas: &mut Canvas, title: &str) {
        canvas.text((self.x(0.5), self.corner.1 - 4.5), title, style::text(style::PANEL_TITLE_SIZE, Anchor::Middle));
    }
}
