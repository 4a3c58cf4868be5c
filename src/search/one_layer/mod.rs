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
//! streamed block by block and all sums run in f64, in neuron order within a slab ([`pass`]) and along the tree over slabs; the network is not
//! evaluated otherwise. Bins and lists grow as √k, like the number of breakpoints that cannot be told apart by the bound, so that the widest
//! networks take two or three passes per line on average; passes continue until the slowest line is done.
//!
//! φ is 0 on an interval only if no neuron is active for all t ≥ 0 and the last falling one turns off before the first rising one turns on
//! ([`Zeros`]). The first pass notes a permanently active neuron, normally one of the first few; lines without one, which only narrow networks
//! have, are walked breakpoint by breakpoint beyond the interval.

mod pass;
mod window;
mod zeros;

use std::collections::VecDeque;

use crate::kernels::Real;
use crate::kernels::activation::linear_value_and_slope;
use crate::kernels::line::{Bin, Breakpoint, LineRow};
use crate::network::{Lines, combine_over_first_layer};
use crate::record::Status;
use crate::team::slabs;
use pass::{Binned, Binning, Found, Passes, SlabPass};
use window::{Gathering, OpenBin, Segment, Summed};
use zeros::{AllZeros, Zeros};

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

/// Upper bound on the memory of the search on one line, in bytes: bins of the window and of the parts on their way up the tree, the list, and gathered
/// breakpoints, whose vector may double.
pub fn line_bytes(width: usize) -> f64 {
    let bins = (2 + slabs::count(width).ilog2() as usize) * bins(width);
    let breakpoints = most_listed(width) + 2 * width.min(most_gathered(width));
    (bins * size_of::<Bin>() + breakpoints * size_of::<Breakpoint>()) as f64
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

/// Purpose of the next pass over the neurons.
enum Task {
    /// Sum the bins of a window; in the first pass also φ(0) and φ'(0).
    Bin(Binning),
    /// Collect the breakpoints of some bins of the innermost window.
    Gather(Gathering),
    Done(Outcome),
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
