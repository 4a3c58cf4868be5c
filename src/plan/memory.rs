//! Memory model: peak bytes of a unit for each storage choice, or of a member of a team that computes one, and of a rank besides its units.
//!
//! What is as long as a layer is divided among the members of a team by slabs; what has the length of an input, small matrices and the state of a
//! search each has whole.

use crate::experiment::Experiment;
use crate::infinite;
use crate::job::resources::{PROCESS, THREAD};
use crate::machine::allocator::LARGE;
use crate::model::Activation;
use crate::model::Cell;
use crate::model::{Direction, EngineName, Method, SearchName};
use crate::network::dense::{Keep, Storage};
use crate::network::implicit::FirstLayer;
use crate::random::BLOCK_ROWS;
use crate::record::Sample;
use crate::search::{certify, one_layer, scan};
use crate::team::slabs;

use super::{cost, number_bytes};

/// Freed arrays just below [`LARGE`] that the allocator recycles may stay beside larger ones.
const BESIDE: usize = 2 * LARGE;
/// Bytes of a record without its samples, with allocation overhead.
const UNIT: u64 = 160;

/// Bytes of a rank besides its running units; sized for rank 0, which gathers all samples.
pub fn process_bytes(experiment: &Experiment, threads: usize) -> u64 {
    let units = experiment.cells().len() as u64 * experiment.networks as u64;
    let samples = units * experiment.samples_of_network() as u64;
    // For the statistics of a cell: steps, distances and lower bounds, and the samples of one of several directions; beside it an array to be written.
    let of_cell = experiment.networks as u64 * experiment.samples_of_network() as u64;
    let directions = experiment.directions.len() as u64;
    let part = if directions > 1 { of_cell / directions * (size_of::<Sample>() as u64 + 8) } else { 0 };
    let column = (24 + 8 * u64::from(experiment.certify)) * of_cell + part;
    // A cell is decoded to be written while the job goes on.
    let written = if units > experiment.networks as u64 { of_cell * size_of::<Sample>() as u64 } else { 0 };
    PROCESS + THREAD * threads as u64 + units * UNIT + samples * size_of::<Sample>() as u64 + column + written
}

/// Bytes above which the weights at depth 1 are regenerated in each of the two passes: cheaper than page faults plus writing and reading them.
/// Deeper networks make more passes, so theirs are stored.
const MOST_STORED_AT_DEPTH_1: f64 = (16 << 20) as f64;

/// One storage choice for a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    pub keep: Keep,
    /// Peak bytes of a unit.
    pub bytes: u64,
}

/// The first of `footprints` that fits `threads` times into `memory` bytes, or else once.
pub fn fastest(footprints: &[Footprint], memory: u64, threads: usize) -> Option<Footprint> {
    let fits = |limit: u64| footprints.iter().copied().find(|footprint| footprint.bytes <= limit);
    fits(memory / threads as u64).or(fits(memory))
}

/// The storage choices for a unit of `cell`, fastest (and largest) first.
pub fn footprints(cell: Cell, experiment: &Experiment, method: Method) -> Vec<Footprint> {
    let Method { engine, search } = method;
    use Storage::{Regenerated, Stored};
    if engine == EngineName::Limit {
        let keep = Keep { weights: Regenerated, line: Regenerated };
        return vec![Footprint { keep, bytes: limit_bytes(cell, experiment) }];
    }
    if engine == EngineName::Shallow {
        let ways = [Stored, Regenerated].map(|line| Keep { weights: Regenerated, line });
        return ways.map(|keep| Footprint { keep, bytes: shallow_bytes(cell, experiment, keep, 1) }).into();
    }
    if engine == EngineName::Implicit {
        let keep = Keep { weights: Regenerated, line: Stored };
        return vec![Footprint { keep, bytes: implicit_bytes(cell, experiment, search, 1) }];
    }
    // At depth 1 a scan evaluates f at x + t·p directly and reads neither z nor u.
    let line = if cell.depth == 1 && search == SearchName::Scan { Regenerated } else { Stored };
    let mut ways = vec![(Stored, line), (Regenerated, line), (Regenerated, Regenerated)];
    ways.dedup();
    let ways = ways.into_iter().map(|(weights, line)| Keep { weights, line });
    let stores_weights = cell.depth > 1 || cell.weights() * number_bytes(experiment.precision) as f64 <= MOST_STORED_AT_DEPTH_1;
    let ways = ways.filter(|keep| keep.weights == Regenerated || stores_weights);
    let ways = ways.filter(|keep| cell.depth == 1 || keep.line == Stored);
    ways.map(|keep| Footprint { keep, bytes: unit_bytes(cell, experiment, search, keep) }).collect()
}

/// The storage choices of a member of a team of `members` that computes a unit of `cell`, fastest first; none if no team can.
///
/// Teams compute all that the implicit and the shallow engine do, and the dense engine's networks of one hidden layer whose lines are searched while
/// the weights are drawn again in every pass.
pub fn of_member(cell: Cell, experiment: &Experiment, method: Method, members: usize) -> Vec<Footprint> {
    use Storage::{Regenerated, Stored};
    let keep = |line| Keep { weights: Regenerated, line };
    match method.engine {
        EngineName::Implicit => {
            vec![Footprint { keep: keep(Stored), bytes: implicit_bytes(cell, experiment, method.search, members) }]
        }
        EngineName::Shallow => [Stored, Regenerated]
            .map(|line| Footprint { keep: keep(line), bytes: shallow_bytes(cell, experiment, keep(line), members) })
            .into(),
        EngineName::Dense if is_streaming(cell, experiment, method.search) => {
            let keep = keep(Regenerated);
            vec![Footprint { keep, bytes: unit_bytes(cell, experiment, method.search, keep) }]
        }
        EngineName::Dense | EngineName::Limit => Vec::new(),
    }
}

/// Whether the dense engine can go through the neurons of a network without keeping any.
fn is_streaming(cell: Cell, experiment: &Experiment, search: SearchName) -> bool {
    cell.depth == 1
        && matches!(search, SearchName::Line | SearchName::March | SearchName::Scan)
        && !experiment.certify
        && experiment.directions.iter().all(|direction| direction.is_line())
}

/// Most neurons of a layer of `length` that a member of a team of `members` has.
pub fn longest_part(length: usize, members: usize) -> f64 {
    let slabs = slabs::count(length);
    let members = members.min(slabs);
    let start = |member: usize| match member * slabs / members {
        slab if slab == slabs => length,
        slab => slabs::range(length, slab).start,
    };
    (0..members).map(|member| start(member + 1) - start(member)).max().unwrap_or(length) as f64
}

/// Peak bytes of a unit at infinite width: the packed Cholesky factor on the grid, and per-point data.
fn limit_bytes(cell: Cell, experiment: &Experiment) -> u64 {
    let points = infinite::points(cell, experiment.gain, experiment.bound) as u64;
    4 * points * (points + 1) + 512 * points + experiment.inputs as u64 * size_of::<Sample>() as u64
}

/// Peak bytes of a dense unit. Computed in f64 so that no width overflows; saturates.
fn unit_bytes(cell: Cell, experiment: &Experiment, search: SearchName, keep: Keep) -> u64 {
    let number = number_bytes(experiment.precision) as f64;
    let inputs = experiment.inputs as f64;
    let (dim, width, neurons) = (cell.dim as f64, cell.width as f64, cell.neurons());
    let block = BLOCK_ROWS.min(cell.width) as f64;
    let largest = |of: &dyn Fn(usize) -> f64| (1..=cell.depth).map(of).fold(0.0, f64::max);

    // Inputs, gradients and directions; several directions keep the gradients. A descent has its own, and so has the search for the nearest flip, with
    // three unit vectors in f64.
    let directions = &experiment.directions;
    let keeps = directions.len() > 1 || directions.iter().any(|direction| !direction.is_line());
    let of_walks = if directions.contains(&Direction::Nearest) { 24.0 } else { 0.0 };
    let ends = inputs * dim * (number * if keeps { 7.0 } else { 4.0 } + of_walks);
    let rows = |layer: usize| BLOCK_ROWS.min(cell.width_of(layer)) as f64;
    let blocks = largest(&|layer| rows(layer) * (3.0 * inputs * number + cell.fan_in(layer) as f64 * (number + 4.0)));
    let weights = if keep.weights == Storage::Stored { cell.weights() * number } else { 0.0 };
    let line = if keep.line == Storage::Stored { 2.0 * inputs * cell.width_of(1) as f64 * number } else { 0.0 };
    let points = scan::ROUND_POINTS as f64 * inputs;
    // A layer and the one below it.
    let pair = |layer: usize| if layer == 1 { 0.0 } else { (cell.fan_in(layer) + cell.width_of(layer)) as f64 };
    let scanning = points * number * if cell.depth == 1 { dim + block } else { largest(&pair) };
    let searching = match search {
        SearchName::Line => inputs * one_layer::line_bytes(cell.width),
        SearchName::Scan => scanning,
        // Paths are in limit_bytes; march and descent need no more than gradients do.
        SearchName::Path | SearchName::March | SearchName::Descent => 0.0,
        SearchName::Trace => {
            let matrix = |layer: usize| if layer == 1 { 0.0 } else { cell.weights_of(layer) };
            let traced = inputs * (3.0 * neurons + 6.0 * width) + cell.weights_above_first();
            scanning.max(8.0 * traced + number * largest(&matrix))
        }
    };
    let of_layer = if experiment.activation == Activation::Relu { 1.0 } else { 2.0 };
    let gradient = if cell.depth == 1 { 0.0 } else { (of_layer * neurons + width) * inputs * number };
    let certifying = if experiment.certify { certify::bytes(dim, width) } else { 0.0 };
    (ends + blocks + weights + line + gradient.max(searching) + certifying) as u64
}

/// Peak bytes of a member of a team of `members` of the shallow engine.
fn shallow_bytes(cell: Cell, experiment: &Experiment, keep: Keep, members: usize) -> u64 {
    let number = number_bytes(experiment.precision) as f64;
    let (inputs, dim, width) = (experiment.inputs as f64, cell.dim as f64, longest_part(cell.width, members));
    let block = BLOCK_ROWS.min(cell.width) as f64;
    // Inputs, their basis and that of the gradients, gradients or directions, and their components orthogonal to the inputs.
    let ends = 5.5 * inputs * dim * number;
    let blocks = block * inputs * (6.0 * number + 4.0);
    let line = if keep.line == Storage::Stored { 2.0 * inputs * width * number } else { 0.0 };
    // inputs × inputs matrices, mostly f64.
    let small = 110.0 * inputs * inputs;
    let searching = inputs * one_layer::line_bytes(cell.width);
    let beside = if inputs * width * number >= LARGE as f64 { BESIDE as f64 } else { 0.0 };
    (ends + blocks + line + small + searching + beside + 16.0 * dim) as u64
}

/// Scanned points to reserve memory for, over the expected number; the implicit engine keeps all of them.
const SCAN_RESERVE: f64 = 1.15;

/// Peak bytes of a member of a team of `members` of the implicit engine: one vector per product and layer, and a few batches in flight.
fn implicit_bytes(cell: Cell, experiment: &Experiment, search: SearchName, members: usize) -> u64 {
    let number = number_bytes(experiment.precision) as f64;
    let (inputs, depth) = (experiment.inputs as f64, cell.depth as f64);
    let part = |layer: usize| longest_part(cell.width_of(layer), members);
    let (dim, width) = (cell.dim as f64, longest_part(cell.width, members));
    let points =
        if search == SearchName::Scan { SCAN_RESERVE * cost::scan_points(cell) * experiment.directions.len() as f64 } else { 0.0 };

    let first = match FirstLayer::of(cell, experiment.inputs) {
        FirstLayer::Drawn => BLOCK_ROWS as f64 * dim * 2.0,
        FirstLayer::Implicit => {
            let first = cell.width_of(1) as f64;
            dim.min((1.0 + experiment.directions.len() as f64) * inputs) * dim + first.min(inputs) * part(1)
        }
    };
    let directions = |layer: usize| {
        let [below, here] = [cell.fan_in(layer) as f64, cell.width_of(layer) as f64];
        below.min((1.0 + points) * inputs) * part(layer - 1) + here.min(inputs) * part(layer)
    };
    let hidden: f64 = (2..=cell.depth).map(directions).sum();
    // Vectors in the basis of their side and images in that of the other side, f64, doubled while growing.
    let small = |layer: usize| {
        let known = (cell.fan_in(layer) as f64).min((1.0 + points) * inputs);
        known * (scan::ROUND_POINTS as f64 * inputs + (cell.width_of(layer) as f64).min(inputs))
    };
    let small = 16.0 * (2..=cell.depth).map(small).sum::<f64>();
    let flight = (2.0 + depth.clamp(2.0, 4.0)) * inputs * width;
    let line = if cell.depth == 1 { inputs * one_layer::line_bytes(cell.width) } else { 0.0 };
    let beside = if inputs * width * number >= LARGE as f64 { BESIDE as f64 } else { 0.0 };
    ((first + hidden + flight + 3.0 * inputs * dim) * number + small + line + beside + 16.0 * width + 16.0 * dim) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::{Share, Team};

    #[test]
    fn no_member_has_more_than_the_longest_part() {
        for length in [1, 5000, 10_000, 1_000_000, 1_048_577, 10_000_000] {
            for members in [1, 2, 3, 4, 7, 64, 300] {
                let teams = Team::of_threads(members, None, 0, members);
                let most = teams.iter().map(|team| Share::of(length, team).len()).max().unwrap();
                assert_eq!(longest_part(length, members), most as f64, "{length} neurons, {members} members");
            }
        }
    }
}
