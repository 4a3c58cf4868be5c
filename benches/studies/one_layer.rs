//! f and ‖∇f‖ of one network of one hidden layer by plain sums over its neurons: a check of the engines at widths that no test reaches.
//!
//! `cargo bench --bench one_layer -- WIDTH [--dim D] [--inputs I] [--seed S] [--threads T]` prints both for each input of network 0 of the cell
//! (1, D, WIDTH), readout ±1. It shares the random streams with the program, and nothing else: no slabs, masks, tables or GEMM. A block of neurons is
//! summed in f32, eight numbers at a time, and blocks in f64, so digits beyond the fifth may differ.

#[path = "../common/mod.rs"]
mod common;

use advstep_hpc::model::{Cell, Readout};
use advstep_hpc::random::{BLOCK_ROWS, NetworkStreams, block_rows, blocks};

/// Numbers summed side by side.
const LANES: usize = 8;

/// Adds the blocks `first`, `first` + `step`, … to √k ∇f at each of `inputs`.
fn sum_blocks(streams: NetworkStreams, width: usize, inputs: &[Vec<f32>], first: usize, step: usize) -> Vec<Vec<f64>> {
    let dim = inputs[0].len();
    let mut gradients = vec![vec![0.0; dim]; inputs.len()];
    // The block's weights, one column per coordinate, zero-padded past the last neuron.
    let (mut columns, mut z) = (vec![[0.0_f32; BLOCK_ROWS]; dim], [0.0_f32; BLOCK_ROWS]);
    for block in (first..blocks(width)).step_by(step) {
        let neurons = block_rows(width, block).len();
        let (mut weights, mut readout) = (vec![0.0_f32; neurons * dim], vec![0.0_f32; neurons]);
        streams.weight_block(1, block, &mut weights);
        streams.readout_block(block, &mut readout);
        readout.resize(BLOCK_ROWS, 0.0);
        for (coordinate, column) in columns.iter_mut().enumerate() {
            column.fill(0.0);
            column[..neurons].iter_mut().enumerate().for_each(|(neuron, w)| *w = weights[neuron * dim + coordinate]);
        }
        for (x, gradient) in inputs.iter().zip(&mut gradients) {
            z.fill(0.0);
            for (x, column) in x.iter().zip(&columns) {
                z.iter_mut().zip(column).for_each(|(z, w)| *z += w * x);
            }
            for (z, a) in z.iter_mut().zip(&readout) {
                *z = if *z > 0.0 { *a } else { 0.0 };
            }
            for (gradient, column) in gradient.iter_mut().zip(&columns) {
                let mut sums = [0.0_f32; LANES];
                for (masked, w) in z.as_chunks::<LANES>().0.iter().zip(column.as_chunks::<LANES>().0) {
                    sums.iter_mut().zip(masked.iter().zip(w)).for_each(|(sum, (masked, w))| *sum += masked * w);
                }
                *gradient += sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
            }
        }
    }
    gradients
}

fn main() {
    let arguments = common::arguments();
    let number = |name, default| common::number(&arguments, name, default);
    let width = arguments.first().and_then(|text| text.parse::<f64>().ok()).expect("WIDTH comes first") as usize;
    let (dim, count, threads) = (number("--dim", 20), number("--inputs", 10), number("--threads", 2));
    let streams = NetworkStreams::new(number("--seed", 2020) as u64, Cell::new(1, dim, width), 0, 1.0, Readout::Sign);
    let inputs: Vec<Vec<f32>> = (0..count)
        .map(|index| {
            let mut x = vec![0.0; dim];
            streams.input(index, &mut x);
            x
        })
        .collect();
    let parts: Vec<_> = std::thread::scope(|scope| {
        let inputs = &inputs;
        let threads: Vec<_> =
            (0..threads).map(|first| scope.spawn(move || sum_blocks(streams, width, inputs, first, threads))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let scale = 1.0 / (width as f64).sqrt();
    println!("| input | f | ‖∇f‖ |\n|---|---|---|");
    for (index, x) in inputs.iter().enumerate() {
        let gradient: Vec<f64> = (0..dim).map(|at| scale * parts.iter().map(|part| part[index][at]).sum::<f64>()).collect();
        let value: f64 = gradient.iter().zip(x).map(|(g, x)| g * f64::from(*x)).sum();
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        println!("| {index} | {value:.6} | {norm:.6} |");
    }
}
