//! Exact smallest step for one hidden layer, with a certificate, in a few passes over the neurons.
//!
//! With z = W x and u = W p, φ(t)·√k = s Σ a_j ψ(z_j + t u_j) is piecewise linear with slope jumps w_j = s a_j |u_j| at the breakpoints
//! t_j = −z_j/u_j. One pass sorts the breakpoints of a window into bins and adds up Σ w, Σ w t and Σ min(w, 0) of each. Prefix sums then
//! give φ exactly at every bin edge, and (slope at the edge) + Σ min(w, 0) bounds the slope inside the bin from below, so that bins
//! which cannot hold a root are excluded with certainty. A second pass gathers the breakpoints of the bins that could; they are sorted
//! and walked in order. If the window holds no root the search goes on with the next. The passes are fed block by block, all sums run in
//! f64 in neuron order, and no other evaluation of the network is needed.

use crate::kernels::Real;
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
/// φ counts as 0 below this fraction of them. (It is exactly 0 where all neurons are off, or where the line meets the origin.)
const ZERO: f64 = 1e-14;

/// Number of bins of a window at `width` neurons.
pub fn bins(width: usize) -> usize {
    (width / NEURONS_PER_BIN).clamp(MIN_BINS, MAX_BINS)
}

/// The smallest step on each of `lines`, for an engine of depth 1 whose directions are the negative signed gradients.
pub fn smallest_steps<T: Real>(engine: &mut dyn Engine<T>, lines: &[Start], bound: f64) -> Vec<Outcome> {
    assert_eq!(engine.depth(), 1, "the exact line search is for one hidden layer");
    let bins = bins(engine.width());
    let mut searches: Vec<LineSearch> = lines.iter().map(|line| LineSearch::new(line, bound, bins)).collect();
    while searches.iter().any(|search| !search.is_done()) {
        engine.visit_first_layer(&mut |block| {
            for search in &mut searches {
                let z = block.z.row(search.input).to_slice().expect("rows are contiguous");
                let u = block.u.row(search.input).to_slice().expect("rows are contiguous");
                search.visit(Row { z, u, a: block.readout, sign: search.sign });
            }
        });
        for search in &mut searches {
            search.end_pass();
        }
    }
    searches.into_iter().map(LineSearch::outcome).collect()
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
    start: Piece,
    end: f64,
    /// φ·√k of this size or below counts as 0.
    zero: f64,
}

/// What the next pass over the neurons is for.
enum Task {
    /// Sum up the bins of the window; in the first window also φ(0) and φ'(0).
    Bin(Vec<Bin>),
    /// Collect the breakpoints of the open bins.
    Gather {
        open: Vec<OpenBin>,
        opened: Opened,
        breakpoints: Vec<Breakpoint>,
        has_root: bool,
    },
    Done(Outcome),
}

/// The search on one line.
struct LineSearch {
    input: usize,
    sign: f64,
    bound: f64,
    window: Window,
    /// φ·√k at the start of the window.
    start: Piece,
    /// φ·√k at the end of the window, once its bins are summed.
    end: Piece,
    task: Task,
    passes: u32,
}

impl LineSearch {
    fn new(line: &Start, bound: f64, bins: usize) -> Self {
        let window = Window { start: 0.0, end: (FIRST_WINDOW * line.predicted_step()).min(bound), bins };
        let start = Piece { t: 0.0, value: 0.0, slope: 0.0 };
        let task = Task::Bin(vec![Bin::default(); bins]);
        Self { input: line.input, sign: line.sign, bound, window, start, end: start, task, passes: 0 }
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
        match &mut self.task {
            Task::Bin(bins) => {
                if self.window.start == 0.0 {
                    let (value, slope) = value_and_slope(row);
                    self.start.value += value;
                    self.start.slope += slope;
                }
                bin_breakpoints(row, self.window, bins);
            }
            Task::Gather { opened, breakpoints, .. } => gather_breakpoints(row, self.window, opened, breakpoints),
            Task::Done(_) => {}
        }
    }

    /// Draws the conclusion of a pass over all neurons.
    fn end_pass(&mut self) {
        let task = std::mem::replace(&mut self.task, Task::Done(Outcome::none(0)));
        self.passes += u32::from(!matches!(task, Task::Done(_)));
        self.task = match task {
            Task::Bin(bins) => self.after_binning(&bins),
            Task::Gather { open, breakpoints, has_root, .. } => self.after_gathering(&open, breakpoints, has_root),
            done @ Task::Done(_) => done,
        };
    }

    /// Excludes the bins that cannot hold the first root.
    fn after_binning(&mut self, bins: &[Bin]) -> Task {
        let mut open = Vec::new();
        let mut is_open = vec![false; bins.len()];
        let mut has_root = false;
        let Piece { t: origin, value, slope } = self.start;
        let (mut jump, mut jump_size, mut moment) = (0.0, 0.0, 0.0);
        let mut piece = self.start;
        for (index, bin) in bins.iter().enumerate() {
            let end = self.window.edge(index + 1);
            let lowest_slope = piece.slope + bin.falling;
            let lower_bound = piece.value + (end - piece.t) * lowest_slope.min(0.0);
            jump += bin.jump;
            jump_size += bin.jump - 2.0 * bin.falling;
            moment += bin.moment;
            let offset = end - origin;
            let next = Piece { t: end, value: value + (slope + jump) * offset - moment, slope: slope + jump };
            let magnitude = value + (slope.abs() + jump_size) * offset;
            has_root = next.value <= ZERO * magnitude;
            if has_root || lower_bound <= ROUNDING * magnitude {
                is_open[index] = true;
                open.push(OpenBin { bin: index, start: piece, end, zero: ZERO * magnitude });
            }
            piece = next;
            if has_root {
                break;
            }
        }
        self.end = piece;
        if open.is_empty() {
            return self.next_window();
        }
        Task::Gather { open, opened: Opened::new(self.window, is_open), breakpoints: Vec::new(), has_root }
    }

    /// Walks the open bins in order.
    fn after_gathering(&mut self, open: &[OpenBin], mut breakpoints: Vec<Breakpoint>, has_root: bool) -> Task {
        breakpoints.sort_by(|a, b| (a.bin, a.t).partial_cmp(&(b.bin, b.t)).expect("breakpoints are numbers"));
        for open in open {
            let first = breakpoints.partition_point(|point| point.bin < open.bin);
            let last = breakpoints.partition_point(|point| point.bin <= open.bin);
            if let Some(step) = first_root(open, &breakpoints[first..last]) {
                return Task::Done(Outcome { step, status: Status::FoundExact, evaluations: self.passes });
            }
        }
        match has_root {
            // φ ≤ 0 at the last edge by a rounding error that the walk did not repeat: the edge is the root to rounding.
            true => Task::Done(Outcome { step: self.end.t, status: Status::FoundExact, evaluations: self.passes }),
            false => self.next_window(),
        }
    }

    fn next_window(&mut self) -> Task {
        if self.window.end >= self.bound {
            return Task::Done(Outcome::none(self.passes));
        }
        self.window = Window { start: self.window.end, end: self.bound, bins: self.window.bins };
        self.start = self.end;
        Task::Bin(vec![Bin::default(); self.window.bins])
    }
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
