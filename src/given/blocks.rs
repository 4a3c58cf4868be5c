//! The results of a measurement by blocks of inputs: as bytes, and put together. Needs the options only, not the network.

use std::ops::Range;

use super::{Measurement, Options};
use crate::interchange::inputs::Labels;
use crate::job::{Group, Task};
use crate::measure::given::{BlockSamples, NO_CLASS};
use crate::record::{check_sample, codec};

/// Inputs per task: those of a network of the presets. Fixed, so that no number depends on ranks and threads.
pub const BLOCK: usize = 100;

/// The one group of tasks: block `index` of the inputs each.
pub fn group(options: &Options, seconds: f64, bytes: u64) -> Group {
    Group::on_threads(options.rows.div_ceil(BLOCK), seconds, bytes)
}

/// The rows of block `block`.
pub fn rows(options: &Options, block: usize) -> Range<usize> {
    block * BLOCK..((block + 1) * BLOCK).min(options.rows)
}

/// Largest size of a result, in bytes.
pub fn largest_result(options: &Options) -> usize {
    let (inputs, directions) = (BLOCK.min(options.rows), options.directions.len());
    codec::encoded_bytes(inputs * directions) + 4 * inputs * (1 + directions)
}

pub fn encode(block: &BlockSamples) -> Vec<u8> {
    let mut bytes = codec::encode(&block.samples, 0.0);
    bytes.extend(block.predicted.iter().chain(&block.reached).flat_map(|class| class.to_le_bytes()));
    bytes
}

/// The result of a block of `inputs` inputs.
fn decode(bytes: &[u8], inputs: usize, directions: usize) -> Result<BlockSamples, String> {
    let count = inputs * directions;
    let length = codec::encoded_bytes(count);
    if bytes.len() != length + 4 * (inputs + count) {
        return Err("it does not have the length of its inputs and directions".to_string());
    }
    let (samples, _) = codec::decode(&bytes[..length]).map_err(|error| error.to_string())?;
    let classes: Vec<u32> = bytes[length..].as_chunks().0.iter().map(|class| u32::from_le_bytes(*class)).collect();
    Ok(BlockSamples { samples, predicted: classes[..inputs].to_vec(), reached: classes[inputs..].to_vec() })
}

/// Validates the result of a block that there is.
///
/// # Errors
/// Why it is none.
pub fn check(options: &Options, block: usize, result: &[u8]) -> Result<(), String> {
    let outputs = options.outputs as u32;
    let block = decode(result, rows(options, block).len(), options.directions.len())?;
    let is_class = |class: &u32| *class == NO_CLASS || *class < outputs;
    if !block.predicted.iter().chain(&block.reached).all(is_class) {
        return Err("it names a class that the network does not have".to_string());
    }
    block.samples.iter().try_for_each(|sample| check_sample(sample, options.bounds()))
}

/// The measurement of the inputs in `blocks`, in their order: task and result. Of all inputs if those are all blocks.
///
/// # Errors
/// A result is damaged.
pub fn measurement<'r>(
    options: &Options,
    labels: Option<Labels>,
    blocks: impl Iterator<Item = (Task, &'r [u8])>,
) -> Result<Measurement, String> {
    let directions = options.directions.len();
    let mut samples = vec![Vec::new(); directions];
    let (mut predicted, mut reached) = (Vec::new(), vec![Vec::new(); directions]);
    for (task, result) in blocks {
        let inputs = rows(options, task.index).len();
        let block = decode(result, inputs, directions)?;
        samples.iter_mut().zip(block.samples.chunks(inputs)).for_each(|(all, block)| all.extend_from_slice(block));
        if options.is_margin() {
            predicted.extend_from_slice(&block.predicted);
            reached.iter_mut().zip(block.reached.chunks(inputs)).for_each(|(all, block)| all.extend_from_slice(block));
        }
    }
    let reached = if options.is_margin() { reached } else { Vec::new() };
    Ok(Measurement { options: options.clone(), labels, samples, predicted, reached })
}
