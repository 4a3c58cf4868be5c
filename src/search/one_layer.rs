//! Certified exact smallest step for one hidden layer, in a few passes over the neurons.
//!
//! With z = W x and u = W p, φ(t)·√k = s Σ a_j ψ(z_j + t u_j) is piecewise linear with slope jumps w_j = s a_j |u_j| at the
//! breakpoints t_j = −z_j/u_j. One pass lists the breakpoints in a window and sums them into bins: Σ w, Σ w t and Σ min(w, 0).
//! Prefix sums give φ exactly at every bin edge, and (slope at the edge) + Σ min(w, 0) is a lower bound on the slope inside the
//! bin, so bins that cannot contain a root are excluded with certainty. The breakpoints of the remaining bins are sorted and
//! walked in order.
//!
//! The list has a fixed capacity. When it is full, it keeps the breakpoints around the predicted step, and the others survive in
//! the bins only. If one of their bins may contain the root, a second pass gathers its breakpoints (or, if there are too many,
//! subdivides it as a window of its own). If the window has no root, the search continues with the next window. Neurons are
//! streamed block by block and all sums run in f64, in neuron order within a slab ([`SlabPass`]) and along the tree over slabs; the network is not
//! evaluated otherwise. Bins and lists grow as √k, like the number of breakpoints that cannot be told apart by the bound, so that the widest
//! networks take two or three passes.
//!
//! φ is 0 on an interval only if no neuron is active for all t ≥ 0 and the last falling one turns off before the first rising one turns on
//! ([`Zeros`]). The first pass notes a permanently active neuron, normally one of the first few; lines without one, which only narrow networks
//! have, are walked breakpoint by breakpoint beyond the interval.

use std::collections::VecDeque;

use crate::kernels::Real;
use crate::kernels::activation::linear_value_and_slope;
use crate::kernels::line::{Bin, Breakpoint, LineRow, Window, bin_breakpoints, find_breakpoints, value_slope_and_breakpoints};
use crate::network::{Lines, combine_over_first_layer};
use crate::record::Status;
use crate::team::slabs;
use crate::team::tree::Part;

use super::{NotFinite, Outcome, PHI, Start};

/// End of the first window in units of the predicted step; the second ends at the bound.
const FIRST_WINDOW: f64 = 2.0;
/// Neurons per bin, and limits on the number of bins of narrow layers; wider ones have √k divided by [`ROOT_PER_BIN`].
const NEURONS_PER_BIN: usize = 16;
const MIN_BINS: usize = 8;
const MAX_BINS: usize = 64;
const ROOT_PER_BIN: usize = 16;
/// A bin is excluded only if its lower bound exceeds this fraction of the sum of magnitudes it was computed from.
const ROUNDING: f64 = 1e-12;
/// Breakpoints gathered per line and pass, or [`ROOT_GATHERED`]·√k if that is more; unfinished lines share the budget of finished ones. A bin with more
/// is subdivided, unless it is too narrow ([`NARROWEST`]).
const MAX_GATHERED: usize = 8192;
const ROOT_GATHERED: usize = 8;
/// Capacity of the breakpoint list of a line, 16 B each, or [`ROOT_LISTED`]·√k if that is more. Not a power of two, so that lists do not compete for
/// the same cache sets.
const MAX_LISTED: usize = 20_000;
const ROOT_LISTED: usize = 2;
/// Least capacity of the list of a slab, whose share of a line's may be shorter: a list that is full costs a pass over it.
const MIN_LISTED: usize = 1000;
/// Factor by which the listed part of a window shrinks towards the predicted step whenever the list is full.
const NARROWING: f64 = 0.7;
/// Relative width below which bins are not subdivided and the listed part does not shrink further.
const NARROWEST: f64 = 1e-9;
/// φ counts as 0 below this fraction of the sum of magnitudes. (It is exactly 0 where all neurons are inactive and at the origin.)
const ZERO: f64 = 1e-14;

/// Number of bins per window for `width` neurons.
pub fn bins(width: usize) -> usize {
    (width / NEURONS_PER_BIN).clamp(MIN_BINS, MAX_BINS).max(width.isqrt() / ROOT_PER_BIN)
}

/// Capacity of the list of a line.
fn most_listed(width: usize) -> usize {
    width.clamp(1, MAX_LISTED.max(ROOT_LISTED * width.isqrt()))
}

/// Breakpoints gathered per line and pass.
fn most_gathered(width: usize) -> usize {
    MAX_GATHERED.max(ROOT_GATHERED * width.isqrt())
}

/// Upper bound on the memory of the search on one line, in bytes: bins, list, and gathered breakpoints, whose vector may double. The parts of slabs on
/// their way up the tree may double bins and list.
pub fn line_bytes(width: usize) -> f64 {
    let parts = if slabs::count(width) > 1 { 2 } else { 1 };
    let breakpoints = parts * most_listed(width) + 2 * width.min(most_gathered(width));
    (2 * parts * bins(width) * size_of::<Bin>() + breakpoints * size_of::<Breakpoint>()) as f64
}

/// The smallest step on each of `lines`, for depth 1 and a piecewise linear ψ.
///
/// With leak α, ψ(z) = (1 − α) max(z, 0) + αz: slope jumps are those of ReLU times 1 − α, plus a linear term.
///
/// # Errors
/// If a sum over the neurons is not finite.
pub fn smallest_steps<T: Real>(network: &mut impl Lines<T>, lines: &[Start]) -> Result<Vec<Outcome>, NotFinite> {
    assert_eq!(network.depth(), 1, "the exact line search is for one hidden layer");
    let leak = network.activation().leak().expect("the exact line search is for a piecewise linear ψ");
    let width = network.width(1);
    let mut searches: Vec<LineSearch> = lines.iter().map(|line| LineSearch::new(line, width, leak)).collect();
    loop {
        let active = searches.iter().filter(|search| !search.is_done()).count() as u64;
        if active == 0 {
            break;
        }
        let max_gathered = most_gathered(width) as u64 * lines.len() as u64 / active;
        let slabs = network.share().slab_count();
        let start = || Passes(searches.iter().map(|search| search.start_slab(slabs)).collect());
        let Passes(passes) = combine_over_first_layer(network, start, |block, Passes(passes)| {
            for (search, pass) in searches.iter().zip(passes) {
                let z = block.z.row(search.input).to_slice().expect("rows are contiguous");
                let u = block.u.row(search.input).to_slice().expect("rows are contiguous");
                search.visit(LineRow { z, u, a: block.readout, sign: search.sign }, pass);
            }
        });
        for (search, pass) in searches.iter_mut().zip(passes) {
            search.end_pass(pass, max_gathered)?;
        }
    }
    let can_vanish: Vec<bool> = searches.iter().map(LineSearch::can_vanish).collect();
    let mut outcomes: Vec<Outcome> = searches.into_iter().map(LineSearch::outcome).collect();
    if can_vanish.contains(&true) {
        let start = || AllZeros(lines.iter().map(|_| Zeros::default()).collect());
        let AllZeros(zeros) = combine_over_first_layer(network, start, |block, AllZeros(zeros)| {
            for ((zeros, line), _) in zeros.iter_mut().zip(lines).zip(&can_vanish).filter(|(_, can_vanish)| **can_vanish) {
                for ((z, u), a) in block.z.row(line.input).iter().zip(block.u.row(line.input)).zip(block.readout) {
                    zeros.visit(z.to_f64(), u.to_f64(), line.sign * a.to_f64());
                }
            }
        });
        for (index, zeros) in zeros.into_iter().enumerate().filter(|(index, _)| can_vanish[*index]) {
            outcomes[index] = zeros.resolve(outcomes[index], lines[index].bound);
        }
    }
    Ok(outcomes)
}

/// The [`Zeros`] of all lines.
#[derive(Clone)]
struct AllZeros(Vec<Zeros>);

impl Part for AllZeros {
    fn merge(&mut self, right: Self) {
        for (left, right) in self.0.iter_mut().zip(right.0) {
            left.falling.extend(right.falling);
            left.rising.extend(right.rising);
        }
    }

    fn size(&self) -> usize {
        self.0.iter().map(|zeros| 2 + zeros.falling.len() + 2 * zeros.rising.len()).sum()
    }

    fn to_numbers(&self) -> Vec<f64> {
        let mut numbers = Vec::with_capacity(self.size());
        for Zeros { falling, rising } in &self.0 {
            numbers.extend([falling.len() as f64, rising.len() as f64]);
            numbers.extend(falling);
            push_breakpoints(&mut numbers, rising);
        }
        numbers
    }

    fn from_numbers(mut numbers: &[f64]) -> Self {
        let mut all = Vec::new();
        while let [falling, rising, rest @ ..] = numbers {
            let (off, rest) = rest.split_at(*falling as usize);
            let (on, rest) = rest.split_at(2 * *rising as usize);
            all.push(Zeros { falling: off.to_vec(), rising: breakpoints(on) });
            numbers = rest;
        }
        Self(all)
    }
}

/// Appends the numbers of `points`.
fn push_breakpoints(numbers: &mut Vec<f64>, points: &[Breakpoint]) {
    numbers.extend(points.iter().flat_map(|point| [point.t, point.jump]));
}

/// The inverse of [`push_breakpoints`].
fn breakpoints(numbers: &[f64]) -> Vec<Breakpoint> {
    numbers.as_chunks().0.iter().map(|&[t, jump]| Breakpoint { t, jump }).collect()
}

/// The neurons of a line without a permanently active one, by breakpoint.
#[derive(Clone, Default)]
struct Zeros {
    /// t at which neurons turn off.
    falling: Vec<f64>,
    /// t at which neurons turn on, and the slope s·a·u that they add.
    rising: Vec<Breakpoint>,
}

impl Zeros {
    fn visit(&mut self, z: f64, u: f64, a: f64) {
        if z > 0.0 && u < 0.0 {
            self.falling.push(-z / u);
        } else if z <= 0.0 && u > 0.0 {
            self.rising.push(Breakpoint { t: -z / u, jump: a * u });
        }
    }

    /// `outcome`, the first root of φ, if φ flips there; else the flip beyond the interval of zeros that begins there.
    fn resolve(mut self, outcome: Outcome, bound: f64) -> Outcome {
        self.rising.sort_unstable_by(|a, b| (a.t, a.jump).partial_cmp(&(b.t, b.jump)).expect("breakpoints are numbers"));
        self.falling.sort_unstable_by(f64::total_cmp);
        let Some((&last_off, before)) = self.falling.split_last() else { return outcome };
        let first_on = self.rising.first().map_or(f64::INFINITY, |point| point.t);
        // Only one neuron is active on the last piece before the zeros, so φ has no root inside it.
        let piece_start = before.last().copied().unwrap_or(0.0);
        let flips_before = outcome.step <= 0.5 * (piece_start + last_off);
        if last_off >= first_on || flips_before || outcome.step.is_nan() && last_off > bound {
            return outcome;
        }
        let flip = self.first_flip().filter(|flip| *flip <= bound);
        let none = Outcome::none(outcome.evaluations);
        let beyond = flip.map_or(none, |flip| Outcome::found(flip, Status::FoundExact, outcome.evaluations));
        beyond.after_zero(last_off.min(bound))
    }

    /// The first t beyond the zeros from which φ < 0; `rising` is sorted.
    fn first_flip(&self) -> Option<f64> {
        let mut segment = Segment { t: 0.0, value: 0.0, slope: 0.0 };
        let ends = self.rising.iter().map(|point| (point.t, point.jump)).chain([(f64::INFINITY, 0.0)]);
        for (t, jump) in ends {
            let Segment { t: start, value, slope } = segment;
            if slope < 0.0 && value + slope * (t - start) < 0.0 {
                return Some(start - value / slope);
            }
            let value = if slope == 0.0 { value } else { value + slope * (t - start) };
            segment = Segment { t, value, slope: slope + jump };
        }
        None
    }
}

/// φ·√k on a linear segment: value at its left end `t`, and slope up to the next breakpoint.
#[derive(Debug, Clone, Copy)]
struct Segment {
    t: f64,
    value: f64,
    slope: f64,
}

/// A bin that may contain the first root.
struct OpenBin {
    bin: usize,
    count: f64,
    start: Segment,
    end: f64,
    /// φ·√k ≤ this counts as 0.
    zero: f64,
}

/// A window with complete bin sums.
struct Summed {
    window: Window,
    /// Contains every breakpoint in `listed_interval`, and possibly others.
    listed: Vec<Breakpoint>,
    listed_interval: Interval,
    /// Bins that may contain the first root and have not been searched, ascending.
    open: VecDeque<OpenBin>,
    /// φ·√k at the end of the window, or of the first bin with φ ≤ 0 at its upper edge.
    end: Segment,
    has_root: bool,
}

impl Summed {
    /// Whether every breakpoint of an open bin is listed.
    fn lists(&self, open: &OpenBin) -> bool {
        let part = Interval::of_bins(self.window, open.bin, open.bin);
        self.listed_interval.start <= part.start && part.end <= self.listed_interval.end
    }

    /// Frees the list.
    fn drop_list(&mut self) {
        (self.listed, self.listed_interval) = (Vec::new(), Interval::NONE);
    }
}

/// The interval `start` ≤ t < `end`.
#[derive(Debug, Clone, Copy)]
struct Interval {
    start: f64,
    end: f64,
}

impl Interval {
    const NONE: Self = Self { start: 0.0, end: 0.0 };

    fn contains(self, t: f64) -> bool {
        (self.start <= t) & (t < self.end)
    }

    /// An interval that contains all breakpoints of bins `first` to `last` of `window`.
    fn of_bins(window: Window, first: usize, last: usize) -> Self {
        // Bin indices are rounded: allow a thousandth of a bin on each side.
        let margin = 1e-3 * (window.end - window.start) / window.bins as f64;
        Self { start: (window.edge(first) - margin).max(window.start), end: (window.edge(last + 1) + margin).min(window.end) }
    }
}

/// Purpose of the next pass over the neurons.
enum Task {
    /// Sum the bins of a window; in the first pass also φ(0) and φ'(0).
    Bin(Binning),
    /// Collect the breakpoints of some bins of the innermost window.
    Gather(Gathering),
    Done(Outcome),
}

/// Like `retain` for the points from index `first`, without data-dependent branches.
fn keep_from(points: &mut Vec<Breakpoint>, first: usize, is_kept: impl Fn(&Breakpoint) -> bool) {
    let mut kept = first;
    for index in first..points.len() {
        let point = points[index];
        points[kept] = point;
        kept += usize::from(is_kept(&point));
    }
    points.truncate(kept);
}

/// A window whose bins are being summed.
#[derive(Clone, Copy)]
struct Binning {
    window: Window,
    start: Segment,
    /// Maximum length of the list of all slabs.
    capacity: usize,
    /// Predicted step.
    predicted: f64,
}

impl Binning {
    fn new(start: Segment, end: f64, search: &LineSearch) -> Self {
        let window = Window { start: start.t, end, bins: search.bins };
        Self { window, start, capacity: search.capacity, predicted: search.predicted }
    }
}

/// The breakpoints of some successive slabs in a window.
#[derive(Clone)]
struct Binned {
    binning: Binning,
    /// Slabs in this part, and in all.
    span: usize,
    slabs: usize,
    /// Maximum length of both lists together.
    capacity: usize,
    /// φ·√k and its derivative at t = 0, from these slabs; in the first pass only.
    value: f64,
    slope: f64,
    /// Sums over the breakpoints that have been dropped from the lists, or are in `binned`; empty if there are none.
    bins: Vec<Bin>,
    /// Contains every one of these in `listed`.
    binned: Vec<Breakpoint>,
    listed: Interval,
    /// Breakpoints that the bins do not include yet.
    fresh: Vec<Breakpoint>,
}

impl Binned {
    fn new(binning: Binning, slabs: usize) -> Self {
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
    fn visit<T: Real>(&mut self, mut row: LineRow<T>, is_first: bool) {
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

    fn bin_fresh(&mut self) {
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
struct SlabPass {
    /// Whether a neuron is active at all t ≥ 0; in the first pass only.
    has_permanent: bool,
    found: Found,
}

#[derive(Clone)]
enum Found {
    Binned(Binned),
    /// Breakpoints of the bins that are being gathered.
    Gathered(Vec<Breakpoint>),
    /// The search is over.
    Nothing,
}

impl SlabPass {
    fn size(&self) -> usize {
        2 + match &self.found {
            Found::Binned(binned) => 17 + 4 * binned.bins.len() + 2 * (binned.binned.len() + binned.fresh.len()),
            Found::Gathered(points) => 1 + 2 * points.len(),
            Found::Nothing => 0,
        }
    }

    fn push_numbers(&self, numbers: &mut Vec<f64>) {
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
    fn split_from(numbers: &[f64]) -> (Self, &[f64]) {
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
struct Passes(Vec<SlabPass>);

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

/// Open bins whose breakpoints are being collected.
struct Gathering {
    window: Window,
    open: Vec<OpenBin>,
    is_open: Vec<bool>,
    /// Contains every open bin.
    part: Interval,
}

impl Gathering {
    /// `open`: bins of `window`, ascending, at least one.
    fn new(window: Window, open: Vec<OpenBin>) -> Self {
        let mut is_open = vec![false; window.bins];
        open.iter().for_each(|open| is_open[open.bin] = true);
        let part = Interval::of_bins(window, open[0].bin, open[open.len() - 1].bin);
        Self { window, open, is_open, part }
    }

    fn visit<T: Real>(&self, row: LineRow<T>, points: &mut Vec<Breakpoint>) {
        let before = points.len();
        find_breakpoints(row, (self.part.start, self.part.end), points);
        keep_from(points, before, |point| self.is_open[self.window.bin(point.t)]);
    }

    /// The breakpoints of the open bins in `listed`, which must contain all of them.
    fn select(&self, listed: &[Breakpoint]) -> Vec<Breakpoint> {
        listed.iter().filter(|point| self.is_open[self.window.bin(point.t)]).copied().collect()
    }

    /// The first root in the open bins, whose breakpoints are `points`.
    fn walk(&self, mut points: Vec<Breakpoint>) -> Option<f64> {
        points.sort_unstable_by(|a, b| (a.t, a.jump).partial_cmp(&(b.t, b.jump)).expect("breakpoints are numbers"));
        self.open.iter().find_map(|open| {
            let first = points.partition_point(|point| self.window.bin(point.t) < open.bin);
            let last = points.partition_point(|point| self.window.bin(point.t) <= open.bin);
            first_root(open, &points[first..last])
        })
    }
}

/// Search state of one line.
struct LineSearch {
    input: usize,
    sign: f64,
    /// α.
    leak: f64,
    bound: f64,
    bins: usize,
    /// Maximum length of the breakpoint list.
    capacity: usize,
    /// Stack of windows; each subdivides a bin of the one before it.
    windows: Vec<Summed>,
    /// Sum of the magnitudes of all terms so far, the scale of rounding errors.
    magnitude: f64,
    /// η̂, the result if φ(0) itself is 0 up to rounding.
    predicted: f64,
    /// Whether a neuron is active at all t ≥ 0, so that φ does not vanish. Known after the first pass.
    has_permanent: bool,
    task: Task,
    passes: u32,
}

impl LineSearch {
    fn new(line: &Start, width: usize, leak: f64) -> Self {
        let mut search = Self {
            input: line.input,
            sign: line.sign,
            leak,
            bound: line.bound,
            bins: bins(width),
            capacity: most_listed(width),
            windows: Vec::new(),
            magnitude: 0.0,
            predicted: line.predicted_step().min(line.bound),
            has_permanent: leak != 0.0,
            task: Task::Done(Outcome::none(0)),
            passes: 0,
        };
        let start = Segment { t: 0.0, value: 0.0, slope: 0.0 };
        search.task = Task::Bin(Binning::new(start, (FIRST_WINDOW * line.predicted_step()).min(line.bound), &search));
        search
    }

    fn is_done(&self) -> bool {
        matches!(self.task, Task::Done(_))
    }

    fn outcome(self) -> Outcome {
        match self.task {
            Task::Done(outcome) => outcome,
            _ => unreachable!("passes end when every search is done"),
        }
    }

    /// Whether φ may be 0 on an interval.
    fn can_vanish(&self) -> bool {
        !self.has_permanent
    }

    /// The current task in a slab, before its first block; there are `slabs` in all.
    fn start_slab(&self, slabs: usize) -> SlabPass {
        let found = match &self.task {
            Task::Bin(binning) => Found::Binned(Binned::new(*binning, slabs)),
            Task::Gather(_) => Found::Gathered(Vec::new()),
            Task::Done(_) => Found::Nothing,
        };
        SlabPass { has_permanent: false, found }
    }

    /// Feeds one block of neurons of a slab to the current task.
    fn visit<T: Real>(&self, row: LineRow<T>, pass: &mut SlabPass) {
        let is_first = self.passes == 0;
        let is_permanent = |(z, u): (&T, &T)| *z > T::zero() && *u >= T::zero();
        pass.has_permanent = pass.has_permanent || is_first && row.z.iter().zip(row.u).any(is_permanent);
        let row = LineRow { sign: (1.0 - self.leak) * row.sign, ..row };
        match (&self.task, &mut pass.found) {
            (Task::Bin(_), Found::Binned(binned)) => {
                binned.visit(row, is_first);
                if is_first && self.leak != 0.0 {
                    let (value, slope) = linear_value_and_slope(LineRow { sign: self.leak * self.sign, ..row });
                    binned.value += value;
                    binned.slope += slope;
                }
            }
            (Task::Gather(gathering), Found::Gathered(points)) => gathering.visit(row, points),
            _ => {}
        }
    }

    /// Updates the state after a full pass over the neurons; the next may gather `max_gathered` breakpoints.
    ///
    /// # Errors
    /// If a sum over the neurons is not finite.
    fn end_pass(&mut self, pass: SlabPass, max_gathered: u64) -> Result<(), NotFinite> {
        let task = std::mem::replace(&mut self.task, Task::Done(Outcome::none(0)));
        self.passes += u32::from(!matches!(task, Task::Done(_)));
        self.has_permanent |= pass.has_permanent;
        self.task = match (task, pass.found) {
            (Task::Bin(_), Found::Binned(binned)) => {
                let summed = self.exclude(binned);
                // Not finite if any term is not.
                NotFinite::check_at(PHI, self.input, summed.window.end, self.magnitude + summed.end.value)?;
                self.windows.push(summed);
                self.next_task(max_gathered)
            }
            (Task::Gather(gathering), Found::Gathered(points)) => self.finish_gathering(&gathering, points, max_gathered),
            (task, _) => task,
        };
        if self.is_done() {
            self.windows = Vec::new();
        }
        Ok(())
    }

    /// Excludes bins that cannot contain the first root.
    fn exclude(&mut self, mut binned: Binned) -> Summed {
        binned.bin_fresh();
        let Binned {
            binning: Binning { window, mut start, .. },
            value,
            slope,
            bins,
            binned: mut listed,
            listed: listed_interval,
            fresh,
            ..
        } = binned;
        listed.extend(fresh);
        start.value += value;
        start.slope += slope;
        let mut summed = Summed { window, listed, listed_interval, open: VecDeque::new(), end: start, has_root: false };
        let Segment { t: origin, value, slope } = start;
        let (mut jump, mut jump_size, mut moment) = (0.0, 0.0, 0.0);
        let before = self.magnitude.max(value);
        for (index, bin) in bins.iter().enumerate() {
            let segment = summed.end;
            let end = window.edge(index + 1);
            let lowest_slope = segment.slope + bin.falling;
            let lower_bound = segment.value + (end - segment.t) * lowest_slope.min(0.0);
            jump += bin.jump;
            jump_size += bin.jump - 2.0 * bin.falling;
            moment += bin.moment;
            let offset = end - origin;
            summed.end = Segment { t: end, value: value + (slope + jump) * offset - moment, slope: slope + jump };
            self.magnitude = before + (slope.abs() + jump_size) * offset;
            let zero = ZERO * self.magnitude;
            summed.has_root = summed.end.value <= zero;
            if summed.has_root || lower_bound <= ROUNDING * self.magnitude {
                summed.open.push_back(OpenBin { bin: index, count: bin.count, start: segment, end, zero });
            }
            if summed.has_root {
                break;
            }
        }
        if !summed.open.iter().any(|open| summed.lists(open)) {
            summed.drop_list();
        }
        summed
    }

    /// Continues with the next open bins, or the next window.
    fn next_task(&mut self, max_gathered: u64) -> Task {
        let Some(summed) = self.windows.last_mut() else { return Task::Done(Outcome::none(self.passes)) };
        let Some(first) = summed.open.front() else { return self.finish_window(max_gathered) };
        let first_is_listed = summed.lists(first);
        let is_crowded = !first_is_listed && first.count > max_gathered as f64;
        if is_crowded && first.end - first.start.t > NARROWEST * first.end {
            let first = summed.open.pop_front().expect("front is some");
            summed.drop_list();
            return Task::Bin(Binning::new(first.start, first.end, self));
        }
        // As many open bins as the budget allows, either all listed or none.
        let (mut taken, mut count) = (0, 0.0);
        for open in &summed.open {
            count += open.count;
            if taken > 0 && (count > max_gathered as f64 || summed.lists(open) != first_is_listed) {
                break;
            }
            taken += 1;
        }
        let open: Vec<OpenBin> = summed.open.drain(..taken).collect();
        let gathering = Gathering::new(summed.window, open);
        if !first_is_listed {
            return Task::Gather(gathering);
        }
        let points = gathering.select(&summed.listed);
        self.finish_gathering(&gathering, points, max_gathered)
    }

    /// Searches bins whose breakpoints are complete; continues if they have no root.
    fn finish_gathering(&mut self, gathering: &Gathering, points: Vec<Breakpoint>, max_gathered: u64) -> Task {
        match gathering.walk(points) {
            Some(step) => self.found(step),
            None => self.next_task(max_gathered),
        }
    }

    /// Continues after a window whose open bins have no root.
    fn finish_window(&mut self, max_gathered: u64) -> Task {
        let Summed { end, has_root, .. } = self.windows.pop().expect("called with a window");
        if has_root {
            // φ ≤ 0 at the last edge by a rounding error absent from the walk: the edge is the root up to rounding.
            return self.found(end.t);
        }
        match self.windows.is_empty() && end.t < self.bound {
            true => Task::Bin(Binning::new(end, self.bound, self)),
            false => self.next_task(max_gathered),
        }
    }

    fn found(&self, step: f64) -> Task {
        let step = if step > 0.0 { step } else { self.predicted };
        Task::Done(Outcome::found(step, Status::FoundExact, self.passes))
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
