//! A window of the line with its bins, as known after a pass over all neurons, and the walk through those that may contain the first root.

use std::collections::VecDeque;

use super::pass::keep_from;
use crate::kernels::Real;
use crate::kernels::line::{Breakpoint, LineRow, Window, find_breakpoints};

/// φ·√k on a linear segment: value at its left end `t`, and slope up to the next breakpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) t: f64,
    pub(super) value: f64,
    pub(super) slope: f64,
}

/// A bin that may contain the first root.
pub(super) struct OpenBin {
    pub(super) bin: usize,
    pub(super) count: f64,
    pub(super) start: Segment,
    pub(super) end: f64,
    /// φ·√k ≤ this counts as 0.
    pub(super) zero: f64,
}

/// A window with complete bin sums.
pub(super) struct Summed {
    pub(super) window: Window,
    /// Contains every breakpoint in `listed_interval`, and possibly others.
    pub(super) listed: Vec<Breakpoint>,
    pub(super) listed_interval: Interval,
    /// Bins that may contain the first root and have not been searched, ascending.
    pub(super) open: VecDeque<OpenBin>,
    /// φ·√k at the end of the window, or of the first bin with φ ≤ 0 at its upper edge.
    pub(super) end: Segment,
    pub(super) has_root: bool,
}

impl Summed {
    /// Whether every breakpoint of an open bin is listed.
    pub(super) fn lists(&self, open: &OpenBin) -> bool {
        let part = Interval::of_bins(self.window, open.bin, open.bin);
        self.listed_interval.start <= part.start && part.end <= self.listed_interval.end
    }

    /// Frees the list.
    pub(super) fn drop_list(&mut self) {
        (self.listed, self.listed_interval) = (Vec::new(), Interval::NONE);
    }
}

/// The interval `start` ≤ t < `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Interval {
    pub(super) const NONE: Self = Self { start: 0.0, end: 0.0 };

    pub(super) fn contains(self, t: f64) -> bool {
        (self.start <= t) & (t < self.end)
    }

    /// An interval that contains all breakpoints of bins `first` to `last` of `window`.
    pub(super) fn of_bins(window: Window, first: usize, last: usize) -> Self {
        // Bin indices are rounded: allow a thousandth of a bin on each side.
        let margin = 1e-3 * (window.end - window.start) / window.bins as f64;
        Self { start: (window.edge(first) - margin).max(window.start), end: (window.edge(last + 1) + margin).min(window.end) }
    }
}

/// Open bins whose breakpoints are being collected.
pub(super) struct Gathering {
    pub(super) window: Window,
    pub(super) open: Vec<OpenBin>,
    pub(super) is_open: Vec<bool>,
    /// Contains every open bin.
    pub(super) part: Interval,
}

impl Gathering {
    /// `open`: bins of `window`, ascending, at least one.
    pub(super) fn new(window: Window, open: Vec<OpenBin>) -> Self {
        let mut is_open = vec![false; window.bins];
        open.iter().for_each(|open| is_open[open.bin] = true);
        let part = Interval::of_bins(window, open[0].bin, open[open.len() - 1].bin);
        Self { window, open, is_open, part }
    }

    pub(super) fn visit<T: Real>(&self, row: LineRow<T>, points: &mut Vec<Breakpoint>) {
        let before = points.len();
        find_breakpoints(row, (self.part.start, self.part.end), points);
        keep_from(points, before, |point| self.is_open[self.window.bin(point.t)]);
    }

    /// The breakpoints of the open bins in `listed`, which must contain all of them.
    pub(super) fn select(&self, listed: &[Breakpoint]) -> Vec<Breakpoint> {
        listed.iter().filter(|point| self.is_open[self.window.bin(point.t)]).copied().collect()
    }

    /// The first root in the open bins, whose breakpoints are `points`.
    pub(super) fn walk(&self, mut points: Vec<Breakpoint>) -> Option<f64> {
        points.sort_unstable_by(|a, b| (a.t, a.jump).partial_cmp(&(b.t, b.jump)).expect("breakpoints are numbers"));
        self.open.iter().find_map(|open| {
            let first = points.partition_point(|point| self.window.bin(point.t) < open.bin);
            let last = points.partition_point(|point| self.window.bin(point.t) <= open.bin);
            first_root(open, &points[first..last])
        })
    }
}

/// The first root of φ in an open bin with these `breakpoints` (ascending).
fn first_root(open: &OpenBin, breakpoints: &[Breakpoint]) -> Option<f64> {
    let mut segment = open.start;
    if segment.value <= open.zero {
        return Some(segment.t);
    }
    let corners = breakpoints.iter().map(|point| (point.t, point.jump)).chain([(open.end, 0.0)]);
    for (t, jump) in corners {
        let value = segment.value + segment.slope * (t - segment.t);
        if value <= 0.0 {
            return Some((segment.t - segment.value / segment.slope).clamp(segment.t, t));
        }
        if value <= open.zero {
            return Some(t);
        }
        segment = Segment { t, value, slope: segment.slope + jump };
    }
    None
}
