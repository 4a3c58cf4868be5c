//! Exact smallest step for one hidden layer, with a certificate, in a few passes over the neurons.
//!
//! With z = W x and u = W p, φ(t)·√k = s Σ a_j ψ(z_j + t u_j) is piecewise linear with slope jumps w_j = s a_j |u_j| at the breakpoints
//! t_j = −z_j/u_j. One pass sorts the breakpoints of a window into bins and adds up Σ w, Σ w t and Σ min(w, 0) of each. Prefix sums then
//! give φ exactly at every bin edge, and (slope at the edge) + Σ min(w, 0) bounds the slope inside the bin from below, so that bins
//! which cannot hold a root are excluded with certainty. A second pass gathers the breakpoints of the bins that could; they are sorted
//! and walked in order (a bin with very many becomes a window of its own instead, so that memory is bounded). If the
//! window holds no root the search goes on with the next. The passes are fed block by block, all sums run in
//! f64 in neuron order, and no other evaluation of the network is needed.

use std::collections::VecDeque;

use crate::kernels::Real;
use crate::kernels::activation::linear_value_and_slope;
use crate::kernels::line::{Bin, Breakpoint, Opened, Row, Window, bin_breakpoints, gather_breakpoints, value_and_slope};
use crate::network::Engine;
use crate::unit::Status;

use super::{Outcome, Start};

/// The first window ends at this multiple of the predicted step; the second at the bound.
const FIRST_WINDOW: f64 = 4.0;
/// Neurons for each bin, and limits of the number of bins: those of 100 inputs, which take turns, have to stay in the second cache.
const NEURONS_PER_BIN: usize = 16;
const MIN_BINS: usize = 8;
const MAX_BINS: usize = 64;
/// A bin is excluded only if its lower bound is above this fraction of the magnitudes summed to get it.
const ROUNDING: f64 = 1e-12;
/// Breakpoints that the lines may gather at once, a line; a bin with more than there is room for is cut into bins of its own, as long as
/// these can tell breakpoints apart.
pub const MAX_GATHERED: u64 = 8192;
/// Narrowest window, relative to its end, that is cut into bins again.
const NARROWEST: f64 = 1e-9;
/// φ counts as 0 below this fraction of them. (It is exactly 0 where all neurons are off, or where the line meets the origin.)
const ZERO: f64 = 1e-14;

/// Number of bins of a window at `width` neurons.
pub fn bins(width: usize) -> usize {
    (width / NEURONS_PER_BIN).clamp(MIN_BINS, MAX_BINS)
}

/// The smallest step on each of `lines`, for an engine of depth 1 and a piecewise linear ψ.
///
/// With leak α, ψ(z) = (1 − α) max(z, 0) + αz: the jumps of the slope are those of ReLU times 1 − α, and a linear part is added.
pub fn smallest_steps<T: Real>(engine: &mut dyn Engine<T>, lines: &[Start], bound: f64) -> Vec<Outcome> {
    assert_eq!(engine.depth(), 1, "the exact line search is for one hidden layer");
    let leak = engine.activation().leak().expect("the exact line search is for a piecewise linear ψ");
    let bins = bins(engine.width(1));
    let mut searches: Vec<LineSearch> = lines.iter().map(|line| LineSearch::new(line, bound, bins, leak)).collect();
    loop {
        let active = searches.iter().filter(|search| !search.is_done()).count() as u64;
        if active == 0 {
            return searches.into_iter().map(LineSearch::outcome).collect();
        }
        // What the lines that are done do not need, the others share.
        let max_gathered = MAX_GATHERED * lines.len() as u64 / active;
        engine.visit_first_layer(&mut |block| {
            for search in &mut searches {
                let z = block.z.row(search.input).to_slice().expect("rows are contiguous");
                let u = block.u.row(search.input).to_slice().expect("rows are contiguous");
                search.visit(Row { z, u, a: block.readout, sign: search.sign });
            }
        });
        for search in &mut searches {
            search.end_pass(max_gathered);
        }
    }
}

/// φ·√k to the right of a point, up to the next breakpoint.
#[derive(Debug, Clone, Copy)]
struct Piece {
    t: f64,
    value: f64,
    slope: f64,
}

/// A bin that could hold the first root, and φ at its lower edge.
struct OpenBin {
    bin: usize,
    count: u64,
    start: Piece,
    end: f64,
    /// φ·√k of this size or below counts as 0.
    zero: f64,
}

/// A window whose bins are summed up.
struct Summed {
    window: Window,
    /// The bins that could hold the first root and have not been looked into, in order.
    open: VecDeque<OpenBin>,
    /// φ·√k at the end of the window, or of the first bin that ends at φ ≤ 0.
    end: Piece,
    has_root: bool,
}

/// What the next pass over the neurons is for.
enum Task {
    /// Sum up the bins of a window that starts with this piece; in the first pass also φ(0) and φ'(0).
    Bin {
        window: Window,
        start: Piece,
        bins: Vec<Bin>,
    },
    /// Collect the breakpoints of these bins of the innermost window.
    Gather {
        open: Vec<OpenBin>,
        opened: Opened,
        breakpoints: Vec<Breakpoint>,
    },
    Done(Outcome),
}

impl Task {
    fn bin(start: Piece, end: f64, bins: usize) -> Self {
        Task::Bin { window: Window { start: start.t, end, bins }, start, bins: vec![Bin::default(); bins] }
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
    fn new(line: &Start, bound: f64, bins: usize, leak: f64) -> Self {
        let start = Piece { t: 0.0, value: 0.0, slope: 0.0 };
        Self {
            input: line.input,
            sign: line.sign,
            leak,
            bound,
            bins,
            windows: Vec::new(),
            magnitude: 0.0,
            predicted: line.predicted_step().min(bound),
            task: Task::bin(start, (FIRST_WINDOW * line.predicted_step()).min(bound), bins),
            passes: 0,
        }
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
    fn visit<T: Real>(&mut self, row: Row<T>) {
        let row = Row { sign: (1.0 - self.leak) * row.sign, ..row };
        match &mut self.task {
            Task::Bin { window, start, bins } => {
                if self.passes == 0 {
                    let (value, slope) = value_and_slope(row);
                    start.value += value;
                    start.slope += slope;
                    if self.leak != 0.0 {
                        let (value, slope) = linear_value_and_slope(Row { sign: self.leak * self.sign, ..row });
                        start.value += value;
                        start.slope += slope;
                    }
                }
                bin_breakpoints(row, *window, bins);
            }
            Task::Gather { opened, breakpoints, .. } => {
                let window = self.windows.last().expect("gathering is for a window").window;
                gather_breakpoints(row, window, opened, breakpoints);
            }
            Task::Done(_) => {}
        }
    }

    /// Draws the conclusion of a pass over all neurons; the next may gather `max_gathered` breakpoints.
    fn end_pass(&mut self, max_gathered: u64) {
        let task = std::mem::replace(&mut self.task, Task::Done(Outcome::none(0)));
        self.passes += u32::from(!matches!(task, Task::Done(_)));
        self.task = match task {
            Task::Bin { window, start, bins } => {
                let summed = self.exclude(window, start, &bins);
                self.windows.push(summed);
                self.look_into_next(max_gathered)
            }
            Task::Gather { open, breakpoints, .. } => match walk(&open, breakpoints) {
                Some(step) => self.found(step),
                None => self.look_into_next(max_gathered),
            },
            done @ Task::Done(_) => done,
        };
    }

    /// Excludes the bins that cannot hold the first root.
    fn exclude(&mut self, window: Window, start: Piece, bins: &[Bin]) -> Summed {
        let mut summed = Summed { window, open: VecDeque::new(), end: start, has_root: false };
        let Piece { t: origin, value, slope } = start;
        let (mut jump, mut jump_size, mut moment) = (0.0, 0.0, 0.0);
        let before = self.magnitude.max(value);
        for (index, bin) in bins.iter().enumerate() {
            let piece = summed.end;
            let end = window.edge(index + 1);
            let lowest_slope = piece.slope + bin.falling;
            let lower_bound = piece.value + (end - piece.t) * lowest_slope.min(0.0);
            jump += bin.jump;
            jump_size += bin.jump - 2.0 * bin.falling;
            moment += bin.moment;
            let offset = end - origin;
            summed.end = Piece { t: end, value: value + (slope + jump) * offset - moment, slope: slope + jump };
            self.magnitude = before + (slope.abs() + jump_size) * offset;
            let zero = ZERO * self.magnitude;
            summed.has_root = summed.end.value <= zero;
            if summed.has_root || lower_bound <= ROUNDING * self.magnitude {
                summed.open.push_back(OpenBin { bin: index, count: bin.count, start: piece, end, zero });
            }
            if summed.has_root {
                break;
            }
        }
        summed
    }

    /// The next open bins, or the next window.
    fn look_into_next(&mut self, max_gathered: u64) -> Task {
        let Some(summed) = self.windows.last_mut() else { return Task::Done(Outcome::none(self.passes)) };
        let Some(first) = summed.open.front() else { return self.leave_window(max_gathered) };
        let is_crowded = first.count > max_gathered;
        if is_crowded && first.end - first.start.t > NARROWEST * first.end {
            let first = summed.open.pop_front().expect("it was there just now");
            return Task::bin(first.start, first.end, self.bins);
        }
        let (mut open, mut count) = (Vec::new(), 0);
        let mut is_open = vec![false; self.bins];
        while summed.open.front().is_some_and(|next| open.is_empty() || count + next.count <= max_gathered) {
            let Some(next) = summed.open.pop_front() else { break };
            count += next.count;
            is_open[next.bin] = true;
            open.push(next);
        }
        Task::Gather { open, opened: Opened::new(summed.window, is_open), breakpoints: Vec::with_capacity(count as usize) }
    }

    /// What comes after a window whose open bins are all looked into.
    fn leave_window(&mut self, max_gathered: u64) -> Task {
        let Summed { end, has_root, .. } = self.windows.pop().expect("only a window is left");
        if has_root {
            // φ ≤ 0 at the last edge by a rounding error that the walk did not repeat: the edge is the root to rounding.
            return self.found(end.t);
        }
        match self.windows.is_empty() && end.t < self.bound {
            true => Task::bin(end, self.bound, self.bins),
            false => self.look_into_next(max_gathered),
        }
    }

    fn found(&self, step: f64) -> Task {
        let step = if step > 0.0 { step } else { self.predicted };
        Task::Done(Outcome { step, status: Status::FoundExact, evaluations: self.passes })
    }
}

/// The first root in these bins, taken in order.
fn walk(open: &[OpenBin], mut breakpoints: Vec<Breakpoint>) -> Option<f64> {
    breakpoints.sort_by(|a, b| (a.bin, a.t).partial_cmp(&(b.bin, b.t)).expect("breakpoints are numbers"));
    open.iter().find_map(|open| {
        let first = breakpoints.partition_point(|point| point.bin < open.bin);
        let last = breakpoints.partition_point(|point| point.bin <= open.bin);
        first_root(open, &breakpoints[first..last])
    })
}

/// The first root of φ in an open bin with these `breakpoints` (ascending).
fn first_root(open: &OpenBin, breakpoints: &[Breakpoint]) -> Option<f64> {
    let mut piece = open.start;
    if piece.value <= open.zero {
        return Some(piece.t);
    }
    let corners = breakpoints.iter().map(|point| (point.t, point.jump)).chain([(open.end, 0.0)]);
    for (t, jump) in corners {
        let value = piece.value + piece.slope * (t - piece.t);
        if value <= 0.0 {
            return Some((piece.t - piece.value / piece.slope).clamp(piece.t, t));
        }
        if value <= open.zero {
            return Some(t);
        }
        piece = Piece { t, value, slope: piece.slope + jump };
    }
    None
}
