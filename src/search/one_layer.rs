//! Exact smallest step for one hidden layer, with a certificate, in a few passes over the neurons.
//!
//! With z = W x and u = W p, φ(t)·√k = s Σ a_j ψ(z_j + t u_j) is piecewise linear with slope jumps w_j = s a_j |u_j| at the breakpoints
//! t_j = −z_j/u_j. One pass lists the breakpoints of a window, which are sorted into bins with Σ w, Σ w t and Σ min(w, 0) of each. Prefix
//! sums then give φ exactly at every bin edge, and (slope at the edge) + Σ min(w, 0) bounds the slope inside the bin from below, so that
//! bins which cannot hold a root are excluded with certainty. The breakpoints of the bins that could are sorted and walked in order. The
//! list is bounded: where there are more, it keeps those around the predicted step, the bins are what is kept of the others, and only if
//! the root may be there a second pass gathers those of the bins that could hold it (a bin with very many becomes a window of its own
//! instead). If the window holds no root the search goes on with the next. The passes are fed block by block, all sums run in f64 in
//! neuron order, and no other evaluation of the network is needed.

use std::collections::VecDeque;

use crate::kernels::Real;
use crate::kernels::activation::linear_value_and_slope;
use crate::kernels::line::{Bin, Breakpoint, LineRow, Window, bin_breakpoints, find_breakpoints, value_slope_and_breakpoints};
use crate::network::Lines;
use crate::record::Status;

use super::{NotFinite, Outcome, PHI, Start};

/// The first window ends at this multiple of the predicted step; the second at the bound.
const FIRST_WINDOW: f64 = 2.0;
/// Neurons for each bin, and limits of the number of bins.
const NEURONS_PER_BIN: usize = 16;
const MIN_BINS: usize = 8;
const MAX_BINS: usize = 64;
/// A bin is excluded only if its lower bound is above this fraction of the magnitudes summed to get it.
const ROUNDING: f64 = 1e-12;
/// Breakpoints that the lines may gather at once, a line; a bin with more than there is room for is cut into bins of its own, as
/// long as these can tell breakpoints apart.
const MAX_GATHERED: u64 = 8192;
/// Breakpoints that a line may list, of 16 bytes. (Lists that are apart by a power of two would evict one another from the cache.)
const MAX_LISTED: usize = 20_000;
/// What is left of the part of a window whose breakpoints are listed, each time that they become too many. (With half a million breakpoints
/// or more it is narrower than the two bins at the predicted step, and of no use.)
const NARROWING: f64 = 0.7;
/// Narrowest window, relative to its end, that is cut into bins again.
const NARROWEST: f64 = 1e-9;
/// φ counts as 0 below this fraction of them. (It is exactly 0 where all neurons are off, or where the line meets the origin.)
const ZERO: f64 = 1e-14;

/// Number of bins of a window at `width` neurons.
pub fn bins(width: usize) -> usize {
    (width / NEURONS_PER_BIN).clamp(MIN_BINS, MAX_BINS)
}

/// Most bytes that the search on one line holds at `width` neurons: bins, a list, and what is gathered, which may grow to twice its size.
pub fn line_bytes(width: usize) -> f64 {
    let breakpoints = width.min(MAX_LISTED) + 2 * width.min(MAX_GATHERED as usize);
    (2 * bins(width) * size_of::<Bin>() + breakpoints * size_of::<Breakpoint>()) as f64
}

/// The smallest step on each of `lines`, for an engine of depth 1 and a piecewise linear ψ.
///
/// With leak α, ψ(z) = (1 − α) max(z, 0) + αz: the jumps of the slope are those of ReLU times 1 − α, and a linear part is added.
///
/// # Errors
/// Sums over the neurons that are not finite.
pub fn smallest_steps<T: Real>(network: &mut impl Lines<T>, lines: &[Start], bound: f64) -> Result<Vec<Outcome>, NotFinite> {
    assert_eq!(network.depth(), 1, "the exact line search is for one hidden layer");
    let leak = network.activation().leak().expect("the exact line search is for a piecewise linear ψ");
    let width = network.width(1);
    let mut searches: Vec<LineSearch> = lines.iter().map(|line| LineSearch::new(line, bound, width, leak)).collect();
    loop {
        let active = searches.iter().filter(|search| !search.is_done()).count() as u64;
        if active == 0 {
            return Ok(searches.into_iter().map(LineSearch::outcome).collect());
        }
        // What the lines that are done do not need, the others share.
        let max_gathered = MAX_GATHERED * lines.len() as u64 / active;
        network.visit_first_layer(&mut |block| {
            for search in &mut searches {
                let z = block.z.row(search.input).to_slice().expect("rows are contiguous");
                let u = block.u.row(search.input).to_slice().expect("rows are contiguous");
                search.visit(LineRow { z, u, a: block.readout, sign: search.sign });
            }
        });
        for search in &mut searches {
            search.end_pass(max_gathered)?;
        }
    }
}

/// φ·√k to the right of a point, up to the next breakpoint.
#[derive(Debug, Clone, Copy)]
struct Segment {
    t: f64,
    value: f64,
    slope: f64,
}

/// A bin that could hold the first root, and φ at its lower edge.
struct OpenBin {
    bin: usize,
    count: f64,
    start: Segment,
    end: f64,
    /// φ·√k of this size or below counts as 0.
    zero: f64,
}

/// A window whose bins are summed up.
struct Summed {
    window: Window,
    /// All breakpoints of the window in this part of it, and some others.
    listed: Vec<Breakpoint>,
    listed_part: Part,
    /// The bins that could hold the first root and have not been looked into, in order.
    open: VecDeque<OpenBin>,
    /// φ·√k at the end of the window, or of the first bin that ends at φ ≤ 0.
    end: Segment,
    has_root: bool,
}

impl Summed {
    /// Whether all breakpoints of an open bin are listed.
    fn lists(&self, open: &OpenBin) -> bool {
        let part = Part::of_bins(self.window, open.bin, open.bin);
        self.listed_part.start <= part.start && part.end <= self.listed_part.end
    }

    /// Leaves the room to another list.
    fn drop_list(&mut self) {
        (self.listed, self.listed_part) = (Vec::new(), Part::NONE);
    }
}

/// The t with `start` ≤ t < `end`.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: f64,
    end: f64,
}

impl Part {
    const NONE: Self = Self { start: 0.0, end: 0.0 };

    fn contains(self, t: f64) -> bool {
        (self.start <= t) & (t < self.end)
    }

    /// What certainly holds the breakpoints of bins `first` to `last` of `window`.
    fn of_bins(window: Window, first: usize, last: usize) -> Self {
        // A thousandth of a bin to each side, because bins are found by a rounded product.
        let margin = 1e-3 * (window.end - window.start) / window.bins as f64;
        Self { start: (window.edge(first) - margin).max(window.start), end: (window.edge(last + 1) + margin).min(window.end) }
    }
}

/// What the next pass over the neurons is for.
enum Task {
    /// Sum up the bins of a window that starts with this piece; in the first pass also φ(0) and φ'(0).
    Bin(Binning),
    /// Collect the breakpoints of these bins of the innermost window.
    Gather(Gathering),
    Done(Outcome),
}

/// Drops the points from place `first` on that are not to be kept, without a branch that depends on them.
fn keep_from(points: &mut Vec<Breakpoint>, first: usize, is_kept: impl Fn(&Breakpoint) -> bool) {
    let mut kept = first;
    for index in first..points.len() {
        let point = points[index];
        points[kept] = point;
        kept += usize::from(is_kept(&point));
    }
    points.truncate(kept);
}

/// A window whose breakpoints are being found.
struct Binning {
    window: Window,
    start: Segment,
    bins: Vec<Bin>,
    /// All breakpoints found so far in this part of the window, and some others.
    listed: Vec<Breakpoint>,
    listed_part: Part,
    /// How many of the listed, the first ones, are in the bins.
    binned: usize,
    /// Breakpoints that may be listed.
    capacity: usize,
    /// Where the root is expected.
    predicted: f64,
}

impl Binning {
    fn new(start: Segment, end: f64, search: &LineSearch) -> Self {
        Self {
            window: Window { start: start.t, end, bins: search.bins },
            start,
            bins: vec![Bin::default(); search.bins],
            listed: Vec::with_capacity(search.capacity),
            listed_part: Part { start: start.t, end },
            binned: 0,
            capacity: search.capacity,
            predicted: search.predicted,
        }
    }

    /// Finds the breakpoints of a row; in the first pass also what it adds to φ(0) and φ'(0).
    fn visit<T: Real>(&mut self, mut row: LineRow<T>, is_first: bool) {
        while !row.z.is_empty() {
            if self.listed.len() == self.capacity {
                self.spill();
            }
            let (neurons, rest) = row.split_at(row.z.len().min(self.capacity - self.listed.len()));
            if is_first {
                let (value, slope) = value_slope_and_breakpoints(neurons, self.window.end, &mut self.listed);
                self.start.value += value;
                self.start.slope += slope;
            } else {
                find_breakpoints(neurons, (self.window.start, self.window.end), &mut self.listed);
            }
            row = rest;
        }
    }

    fn bin_listed(&mut self) {
        bin_breakpoints(&self.listed[self.binned..], self.window, &mut self.bins);
        self.binned = self.listed.len();
    }

    /// Puts the breakpoints into the bins, and keeps listed those around the predicted step that leave half of the room.
    fn spill(&mut self) {
        self.bin_listed();
        while self.listed.len() > self.capacity / 2 {
            let Part { start, end } = self.listed_part;
            let towards = |edge: f64| self.predicted + NARROWING * (edge - self.predicted);
            let is_inside = self.listed_part.contains(self.predicted) && end - start > NARROWEST * self.window.end;
            self.listed_part = if is_inside { Part { start: towards(start), end: towards(end) } } else { Part::NONE };
            keep_from(&mut self.listed, 0, |point| self.listed_part.contains(point.t));
        }
        self.binned = self.listed.len();
    }
}

/// Bins whose breakpoints are being collected.
struct Gathering {
    window: Window,
    open: Vec<OpenBin>,
    is_open: Vec<bool>,
    /// Holds every breakpoint of an open bin.
    part: Part,
    breakpoints: Vec<Breakpoint>,
}

impl Gathering {
    /// For bins of `window`, at least one.
    fn new(window: Window, open: Vec<OpenBin>) -> Self {
        let mut is_open = vec![false; window.bins];
        open.iter().for_each(|open| is_open[open.bin] = true);
        let part = Part::of_bins(window, open[0].bin, open[open.len() - 1].bin);
        let count: f64 = open.iter().map(|open| open.count).sum();
        Self { window, open, is_open, part, breakpoints: Vec::with_capacity(count as usize) }
    }

    fn visit<T: Real>(&mut self, row: LineRow<T>) {
        let before = self.breakpoints.len();
        find_breakpoints(row, (self.part.start, self.part.end), &mut self.breakpoints);
        keep_from(&mut self.breakpoints, before, |point| self.is_open[self.window.bin(point.t)]);
    }

    /// The breakpoints of the open bins out of `listed`, which has all in their part of the window.
    fn select(&mut self, listed: &[Breakpoint]) {
        self.breakpoints.extend(listed.iter().filter(|point| self.is_open[self.window.bin(point.t)]));
    }

    /// The first root in the open bins.
    fn walk(mut self) -> Option<f64> {
        self.breakpoints.sort_unstable_by(|a, b| (a.t, a.jump).partial_cmp(&(b.t, b.jump)).expect("breakpoints are numbers"));
        let points = &self.breakpoints;
        self.open.iter().find_map(|open| {
            let first = points.partition_point(|point| self.window.bin(point.t) < open.bin);
            let last = points.partition_point(|point| self.window.bin(point.t) <= open.bin);
            first_root(open, &points[first..last])
        })
    }
}

/// The search on one line.
struct LineSearch {
    input: usize,
    sign: f64,
    /// α.
    leak: f64,
    bound: f64,
    bins: usize,
    /// Breakpoints that may be listed.
    capacity: usize,
    /// The window at hand, inside of the crowded bin of the one before it, and so on.
    windows: Vec<Summed>,
    /// Sum of the magnitudes that were added up so far: the scale of rounding errors.
    magnitude: f64,
    /// η̂, the answer where φ(0) itself is 0 to rounding.
    predicted: f64,
    task: Task,
    passes: u32,
}

impl LineSearch {
    fn new(line: &Start, bound: f64, width: usize, leak: f64) -> Self {
        let mut search = Self {
            input: line.input,
            sign: line.sign,
            leak,
            bound,
            bins: bins(width),
            capacity: width.clamp(1, MAX_LISTED),
            windows: Vec::new(),
            magnitude: 0.0,
            predicted: line.predicted_step().min(bound),
            task: Task::Done(Outcome::none(0)),
            passes: 0,
        };
        let start = Segment { t: 0.0, value: 0.0, slope: 0.0 };
        search.task = Task::Bin(Binning::new(start, (FIRST_WINDOW * line.predicted_step()).min(bound), &search));
        search
    }

    fn is_done(&self) -> bool {
        matches!(self.task, Task::Done(_))
    }

    fn outcome(self) -> Outcome {
        match self.task {
            Task::Done(outcome) => outcome,
            _ => unreachable!("the passes go on until every search is done"),
        }
    }

    /// Feeds the neurons of one block to the task at hand.
    fn visit<T: Real>(&mut self, row: LineRow<T>) {
        let row = LineRow { sign: (1.0 - self.leak) * row.sign, ..row };
        match &mut self.task {
            Task::Bin(binning) => {
                binning.visit(row, self.passes == 0);
                if self.passes == 0 && self.leak != 0.0 {
                    let (value, slope) = linear_value_and_slope(LineRow { sign: self.leak * self.sign, ..row });
                    binning.start.value += value;
                    binning.start.slope += slope;
                }
            }
            Task::Gather(gathering) => gathering.visit(row),
            Task::Done(_) => {}
        }
    }

    /// Draws the conclusion of a pass over all neurons; the next may gather `max_gathered` breakpoints.
    fn end_pass(&mut self, max_gathered: u64) -> Result<(), NotFinite> {
        let task = std::mem::replace(&mut self.task, Task::Done(Outcome::none(0)));
        self.passes += u32::from(!matches!(task, Task::Done(_)));
        self.task = match task {
            Task::Bin(binning) => {
                let summed = self.exclude(binning);
                // The magnitude is the sum of all others.
                NotFinite::check_at(PHI, self.input, summed.window.end, self.magnitude + summed.end.value)?;
                self.windows.push(summed);
                self.next_task(max_gathered)
            }
            Task::Gather(gathering) => self.finish_gathering(gathering, max_gathered),
            done @ Task::Done(_) => done,
        };
        if self.is_done() {
            self.windows = Vec::new();
        }
        Ok(())
    }

    /// Excludes the bins that cannot hold the first root.
    fn exclude(&mut self, mut binning: Binning) -> Summed {
        binning.bin_listed();
        let Binning { window, start, bins, listed, listed_part, .. } = binning;
        let mut summed = Summed { window, listed, listed_part, open: VecDeque::new(), end: start, has_root: false };
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

    /// The next open bins, or the next window.
    fn next_task(&mut self, max_gathered: u64) -> Task {
        let Some(summed) = self.windows.last_mut() else { return Task::Done(Outcome::none(self.passes)) };
        let Some(first) = summed.open.front() else { return self.finish_window(max_gathered) };
        let first_is_listed = summed.lists(first);
        let is_crowded = !first_is_listed && first.count > max_gathered as f64;
        if is_crowded && first.end - first.start.t > NARROWEST * first.end {
            let first = summed.open.pop_front().expect("it was there just now");
            summed.drop_list();
            return Task::Bin(Binning::new(first.start, first.end, self));
        }
        // The next open bins that there is room for, as long as they are all listed or all are not.
        let (mut taken, mut count) = (0, 0.0);
        for open in &summed.open {
            count += open.count;
            if taken > 0 && (count > max_gathered as f64 || summed.lists(open) != first_is_listed) {
                break;
            }
            taken += 1;
        }
        let open: Vec<OpenBin> = summed.open.drain(..taken).collect();
        let mut gathering = Gathering::new(summed.window, open);
        if !first_is_listed {
            return Task::Gather(gathering);
        }
        gathering.select(&summed.listed);
        self.finish_gathering(gathering, max_gathered)
    }

    /// What comes after bins whose breakpoints are gathered.
    fn finish_gathering(&mut self, gathering: Gathering, max_gathered: u64) -> Task {
        match gathering.walk() {
            Some(step) => self.found(step),
            None => self.next_task(max_gathered),
        }
    }

    /// What comes after a window whose open bins are all looked into.
    fn finish_window(&mut self, max_gathered: u64) -> Task {
        let Summed { end, has_root, .. } = self.windows.pop().expect("only a window is left");
        if has_root {
            // φ ≤ 0 at the last edge by a rounding error that the walk did not repeat: the edge is the root to rounding.
            return self.found(end.t);
        }
        match self.windows.is_empty() && end.t < self.bound {
            true => Task::Bin(Binning::new(end, self.bound, self)),
            false => self.next_task(max_gathered),
        }
    }

    fn found(&self, step: f64) -> Task {
        let step = if step > 0.0 { step } else { self.predicted };
        Task::Done(Outcome { step, status: Status::FoundExact, evaluations: self.passes })
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
