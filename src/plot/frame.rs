//! A panel's rectangle with axes, ticks, labels and title.

use super::axis::Tick;
use super::canvas::{Anchor, Canvas};
use super::look::Look;
use super::style;
use super::text;

/// Width of the longest label, in points.
pub fn widest(look: &Look, ticks: &[Tick]) -> f64 {
    let labels = ticks.iter().filter_map(|tick| tick.label.as_deref());
    labels.map(|label| look.length(label, look.tick)).fold(0.0, f64::max)
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
        let (look, bottom) = (canvas.look(), self.y(0.0));
        for tick in ticks {
            let x = self.x(tick.position);
            let length = if tick.label.is_some() { style::TICK } else { 0.6 * style::TICK };
            canvas.line((x, bottom), (x, bottom + length), style::AXIS);
            if let (Some(number), Some(_)) = (&tick.label, label) {
                let baseline = bottom + style::TICK + 2.5 + look.tick * 0.9;
                canvas.text((x, baseline), number, style::text(look.tick, Anchor::Middle));
            }
        }
        if let Some(label) = label {
            canvas.text((self.x(0.5), bottom + 22.0 * look.scale), label, style::text(look.label, Anchor::Middle));
        }
    }

    pub fn draw_y_axis(&self, canvas: &mut Canvas, ticks: &[Tick], label: Option<&str>) {
        let (look, left) = (canvas.look(), self.x(0.0));
        for tick in ticks {
            let y = self.y(tick.position);
            canvas.line((left - style::TICK, y), (left, y), style::AXIS);
            if let (Some(number), Some(_)) = (&tick.label, label) {
                let end = (left - style::TICK - 2.0, y + text::MIDDLE * look.tick);
                canvas.text(end, number, style::text(look.tick, Anchor::End));
            }
        }
        if let Some(label) = label {
            let x = left - style::TICK - 2.0 - widest(look, ticks) - 5.0 * look.scale;
            canvas.upward_text((x, self.y(0.5)), label, style::text(look.label, Anchor::Middle));
        }
    }

    pub fn draw_title(&self, canvas: &mut Canvas, title: &str) {
        let look = canvas.look();
        canvas.text((self.x(0.5), self.corner.1 - 4.5 * look.scale), title, style::text(look.panel_title, Anchor::Middle));
    }
}
