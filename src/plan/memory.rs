//! How many bytes a unit holds, in each of the ways it can be run.

use crate::experiment::{Cell, Experiment};
use crate::network::dense::{Keep, Storage};
use crate::random::BLOCK_ROWS;
use crate::results::SearchName;
use crate::search::{one_layer, scan};
use crate::unit::Sample;

use super::number_bytes;

/// Bytes of a rank besides its units: program, libraries, MPI and HDF5 buffers.
const PROCESS: u64 = 96 << 20;
/// Work space of BLAS and stack of one thread.
const THREAD: u64 = 40 << 20;

/// Bytes that a rank holds besides what its units hold; rank 0 gathers all samples.
pub fn process_bytes(experiment: &Experiment, threads: usize) -> u64 {
    let samples = experiment.cells().len() as u64 * experiment.networks as u64 * experiment.inputs as u64;
    PROCESS + THREAD * threads as u64 + samples * size_of::<Sample>() as u64
}

/// Weights of one hidden layer that take more than this are made again at each of the two passes: that costs less than to write them to
/// memory, in pages that the system has to clear, and to read them back. (Deeper networks make many passes.)
const MOST_STORED_AT_DEPTH_1: f64 = (16 << 20) as f64;

/// One way to run a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    pub keep: Keep,
    /// Peak bytes of a unit.
    pub bytes: u64,
}

/// The ways to run a unit of `cell`, the fastest and largest first.
pub fn footprints(cell: Cell, experiment: &Experiment, search: SearchName) -> Vec<Footprint> {
    use Storage::{Regenerated, Stored};
    let ways = [(Stored, Stored), (Regenerated, Stored), (Regenerated, Regenerated)].map(|(weights, line)| Keep { weights, line });
    let stores_weights = cell.depth > 1 || cell.weights() * number_bytes(experiment.precision) as f64 <= MOST_STORED_AT_DEPTH_1;
    let ways = ways.into_iter().filter(|keep| keep.weights == Regenerated || stores_weights);
    let ways = ways.filter(|keep| cell.depth == 1 || keep.line == Stored);
    ways.map(|keep| Footprint { keep, bytes: unit_bytes(cell, experiment, search, keep) }).collect()
}

/// Peak bytes of a unit. Summed in f64 so that no width overflows; the result saturates.
fn unit_bytes(cell: Cell, experiment: &Experiment, search: SearchName, keep: Keep) -> u64 {
    let number = number_bytes(experiment.precision) as f64;
    let (inputs, depth) = (experiment.inputs as f64, cell.depth as f64);
    let (dim, width) = (cell.dim as f64, cell.width as f64);
    let batch = inputs * width;
    let block = BLOCK_ROWS.min(cell.width) as f64;
    let fan_in = if cell.depth == 1 { dim } else { dim.max(width) };

    let ends = 4.0 * inputs * dim * number;
    let blocks = block * (3.0 * inputs * number + fan_in * (number + 4.0));
    let weights = if keep.weights == Storage::Stored { cell.weights() * number } else { 0.0 };
    let line = if keep.line == Storage::Stored { 2.0 * batch * number } else { 0.0 };
    let points = scan::FIRST_POINTS as f64 * inputs;
    let scanning = if cell.depth == 1 { points * (dim + block) * number } else { 2.0 * points * width * number };
    let searching = match search {
        SearchName::Line => inputs * one_layer::bins(cell.width) as f64 * 64.0 + 0.4 * batch,
        SearchName::Scan => scanning,
        SearchName::Trace => {
            scanning.max(8.0 * ((3.0 * depth + 6.0) * batch + (depth - 1.0) * width * width) + number * width * width)
        }
    };
    let gradient = if cell.depth == 1 { 0.0 } else { (depth + 1.0) * batch * number };
    (ends + blocks + weights + line + gradient.max(searching)) as u64
}
