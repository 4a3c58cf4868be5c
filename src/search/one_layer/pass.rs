//! What one pass over the neurons finds on each line, slab by slab, and how the finds of successive slabs are merged.
//!
//! A slab lists breakpoints up to its share of the line's capacity. When its list is full it goes into the bins, and those around the predicted step stay
//! listed. So does a merge. All of it depends on the slabs alone, not on who visits them.

use super::window::{Interval, Segment};
use super::{LineSearch, MIN_LISTED, NARROWEST, NARROWING};
use crate::kernels::Real;
use crate::kernels::line::{Bin, Breakpoint, LineRow, Window, bin_breakpoints, find_breakpoints, value_slope_and_breakpoints};
use crate::team::tree::Part;

/// A window whose bins are being summed.
#[derive(Clone, Copy)]
pub(super) struct Binning {
    pub(super) window: Window,
    pub(super) start: Segment,
    /// Maximum length of the list of all slabs.
    pub(super) capacity: usize,
    /// Predicted step.
    pub(super) predicted: f64,
}

impl Binning {
    pub(super) fn new(start: Segment, end: f64, search: &LineSearch) -> Self {
        let window = Window { start: start.t, end, bins: search.bins };
        Self { window, start, capacity: search.capacity, predicted: search.predicted }
    }
}

/// The breakpoints of some successive slabs in a window.
#[derive(Clone)]
pub(super) struct Binned {
    pub(super) binning: Binning,
    /// Slabs in this part, and in all.
    pub(super) span: usize,
    pub(super) slabs: usize,
    /// Maximum length of both lists together.
    pub(super) capacity: usize,
    /// φ·√k and its derivative at t = 0, from these slabs; in the first pass only.
    pub(super) value: f64,
    pub(super) slope: f64,
    /// Sums over the breakpoints that have been dropped from the lists, or are in `binned`; empty if there are none.
    pub(super) bins: Vec<Bin>,
    /// Contains every one of these in `listed`.
    pub(super) binned: Vec<Breakpoint>,
    pub(super) listed: Interval,
    /// Breakpoints that the bins do not include yet.
    pub(super) fresh: Vec<Breakpoint>,
}

impl Binned {
    pub(super) fn new(binning: Binning, slabs: usize) -> Self {
        let Window { start, end, .. } = binning.window;
        let listed = Interval { start, end };
        let capacity = capacity(binning, 1, slabs);
        let (bins, binned, fresh) = Default::default();
        Self { binning, span: 1, slabs, capacity, value: 0.0, slope: 0.0, bins, binned, listed, fresh }
    }

    fn free(&self) -> usize {
        self.capacity - self.binned.len() - self.fresh.len()
    }

    /// Lists the breakpoints of a row; in the first pass also accumulates φ(0) and φ'(0).
    pub(super) fn visit<T: Real>(&mut self, mut row: LineRow<T>, is_first: bool) {
        while !row.z.is_empty() {
            if self.free() == 0 {
                self.spill();
            }
            let (neurons, rest) = row.split_at(row.z.len().min(self.free()));
            let Window { start, end, .. } = self.binning.window;
            if is_first {
                let (value, slope) = value_slope_and_breakpoints(neurons, end, &mut self.fresh);
                self.value += value;
                self.slope += slope;
            } else {
                find_breakpoints(neurons, (start, end), &mut self.fresh);
            }
            row = rest;
        }
    }

    pub(super) fn bin_fresh(&mut self) {
        if self.bins.is_empty() {
            self.bins = vec![Bin::default(); self.binning.window.bins];
        }
        bin_breakpoints(&self.fresh, self.binning.window, &mut self.bins);
    }

    /// Adds the fresh breakpoints to the bins and shrinks the list to at most half its capacity, keeping the breakpoints around the predicted step.
    fn spill(&mut self) {
        self.bin_fresh();
        let listed = self.listed;
        self.binned.extend(self.fresh.drain(..).filter(|point| listed.contains(point.t)));
        let Binning { window, predicted, .. } = self.binning;
        while self.binned.len() > self.capacity / 2 {
            let Interval { start, end } = self.listed;
            let towards = |edge: f64| predicted + NARROWING * (edge - predicted);
            let is_inside = self.listed.contains(predicted) && end - start > NARROWEST * window.end;
            self.listed = if is_inside { Interval { start: towards(start), end: towards(end) } } else { Interval::NONE };
            let listed = self.listed;
            keep_from(&mut self.binned, 0, |point| listed.contains(point.t));
        }
    }

    /// Takes in those of the slabs that follow.
    fn merge(&mut self, right: Self) {
        self.span += right.span;
        self.capacity = capacity(self.binning, self.span, self.slabs);
        self.value += right.value;
        self.slope += right.slope;
        if self.bins.is_empty() {
            self.bins = right.bins;
        } else {
            self.bins.iter_mut().zip(&right.bins).for_each(|(left, right)| left.add(right));
        }
        let listed = Interval { start: self.listed.start.max(right.listed.start), end: self.listed.end.min(right.listed.end) };
        self.listed = listed;
        self.binned.extend(right.binned);
        keep_from(&mut self.binned, 0, |point| listed.contains(point.t));
        self.fresh.extend(right.fresh);
        if self.binned.len() + self.fresh.len() > self.capacity {
            self.spill();
        }
    }
}

/// Maximum length of the lists of `span` of `slabs` slabs.
fn capacity(binning: Binning, span: usize, slabs: usize) -> usize {
    (binning.capacity * span / slabs).max(binning.capacity.min(MIN_LISTED))
}

/// What a pass finds on one line in some successive slabs.
#[derive(Clone)]
pub(super) struct SlabPass {
    /// Whether a neuron is active at all t ≥ 0; in the first pass only.
    pub(super) has_permanent: bool,
    pub(super) found: Found,
}

#[derive(Clone)]
pub(super) enum Found {
    Binned(Binned),
    /// Breakpoints of the bins that are being gathered.
    Gathered(Vec<Breakpoint>),
    /// The search is over.
    Nothing,
}

impl SlabPass {
    pub(super) fn size(&self) -> usize {
        2 + match &self.found {
            Found::Binned(binned) => 17 + 4 * binned.bins.len() + 2 * (binned.binned.len() + binned.fresh.len()),
            Found::Gathered(points) => 1 + 2 * points.len(),
            Found::Nothing => 0,
        }
    }

    pub(super) fn push_numbers(&self, numbers: &mut Vec<f64>) {
        numbers.push(f64::from(u8::from(self.has_permanent)));
        match &self.found {
            Found::Binned(Binned { binning, span, slabs, capacity: _, value, slope, bins, binned, listed, fresh }) => {
                let Binning { window, start, capacity, predicted } = *binning;
                numbers.extend([0.0, window.start, window.end, window.bins as f64, start.t, start.value, start.slope]);
                numbers.extend([capacity as f64, predicted, *span as f64, *slabs as f64, *value, *slope, listed.start, listed.end]);
                numbers.extend([bins.len(), binned.len(), fresh.len()].map(|count| count as f64));
                numbers.extend(bins.iter().flat_map(|bin| [bin.jump, bin.moment, bin.falling, bin.count]));
                push_breakpoints(numbers, binned);
                push_breakpoints(numbers, fresh);
            }
            Found::Gathered(points) => {
                numbers.extend([1.0, points.len() as f64]);
                push_breakpoints(numbers, points);
            }
            Found::Nothing => numbers.push(2.0),
        }
    }

    /// The first of `numbers` as pushed, and the rest.
    pub(super) fn split_from(numbers: &[f64]) -> (Self, &[f64]) {
        let (&[has_permanent, kind], rest) = numbers.split_first_chunk().expect("a pass");
        let (found, rest) = match kind {
            0.0 => {
                let (&head, rest) = rest.split_first_chunk::<17>().expect("a window");
                let [start, end, window_bins, t, start_value, start_slope, capacity, predicted, span, slabs, value, slope, ..] =
                    head;
                let [.., listed_start, listed_end, bins, binned, fresh] = head;
                let (bins, rest) = rest.split_at(4 * bins as usize);
                let (binned, rest) = rest.split_at(2 * binned as usize);
                let (fresh, rest) = rest.split_at(2 * fresh as usize);
                let bin = |&[jump, moment, falling, count]: &[f64; 4]| Bin { jump, moment, falling, count };
                let binning = Binning {
                    window: Window { start, end, bins: window_bins as usize },
                    start: Segment { t, value: start_value, slope: start_slope },
                    capacity: capacity as usize,
                    predicted,
                };
                let part = Binned {
                    binning,
                    span: span as usize,
                    slabs: slabs as usize,
                    capacity: self::capacity(binning, span as usize, slabs as usize),
                    value,
                    slope,
                    bins: bins.as_chunks().0.iter().map(bin).collect(),
                    binned: breakpoints(binned),
                    listed: Interval { start: listed_start, end: listed_end },
                    fresh: breakpoints(fresh),
                };
                (Found::Binned(part), rest)
            }
            1.0 => {
                let (count, rest) = rest.split_first().expect("a length");
                let (points, rest) = rest.split_at(2 * *count as usize);
                (Found::Gathered(breakpoints(points)), rest)
            }
            _ => (Found::Nothing, rest),
        };
        (Self { has_permanent: has_permanent != 0.0, found }, rest)
    }
}

/// Those of all lines.
#[derive(Clone)]
pub(super) struct Passes(pub(super) Vec<SlabPass>);

impl Part for Passes {
    fn merge(&mut self, right: Self) {
        for (left, right) in self.0.iter_mut().zip(right.0) {
            left.has_permanent |= right.has_permanent;
            match (&mut left.found, right.found) {
                (Found::Binned(left), Found::Binned(right)) => left.merge(right),
                (Found::Gathered(left), Found::Gathered(right)) => left.extend(right),
                _ => {}
            }
        }
    }

    fn size(&self) -> usize {
        self.0.iter().map(SlabPass::size).sum()
    }

    fn to_numbers(&self) -> Vec<f64> {
        let mut numbers = Vec::with_capacity(self.size());
        self.0.iter().for_each(|pass| pass.push_numbers(&mut numbers));
        numbers
    }

    fn from_numbers(mut numbers: &[f64]) -> Self {
        let mut passes = Vec::new();
        while !numbers.is_empty() {
            let (pass, rest) = SlabPass::split_from(numbers);
            passes.push(pass);
            numbers = rest;
        }
        Self(passes)
    }
}

/// Like `retain` for the points from index `first`, without data-dependent branches.
pub(super) fn keep_from(points: &mut Vec<Breakpoint>, first: usize, is_kept: impl Fn(&Breakpoint) -> bool) {
    let mut kept = first;
    for index in first..points.len() {
        let point = points[index];
        points[kept] = point;
        kept += usize::from(is_kept(&point));
    }
    points.truncate(kept);
}

/// Appends the numbers of `points`.
pub(super) fn push_breakpoints(numbers: &mut Vec<f64>, points: &[Breakpoint]) {
    numbers.extend(points.iter().flat_map(|point| [point.t, point.jump]));
}

/// The inverse of [`push_breakpoints`].
pub(super) fn breakpoints(numbers: &[f64]) -> Vec<Breakpoint> {
    numbers.as_chunks().0.iter().map(|&[t, jump]| Breakpoint { t, jump }).collect()
}
