//! How fast this machine is, by timing the kernels that the cost model counts. Corrects forecasts for people; the units are still ordered and
//! assigned by the constants of the model.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use ndarray::Array2;

use super::cost::{self, KernelSeconds, UnitCost};
use crate::kernels::Bf16Pair;
use crate::kernels::gaussian::{LANES, Lanes};
use crate::kernels::gemm::split::tiles::Availability;
use crate::kernels::line::{LineRow, value_slope_and_breakpoints};
use crate::kernels::linear_piece::{Piece, next_flip, propagate, value_and_slope};
use crate::linalg::matmul::{times, times_transposed};
use crate::machine::clock::thread_time;

/// Wall-clock time for each of the eight kernels.
const PER_KERNEL: Duration = Duration::from_millis(250);

/// Rates on a core of the machine whose rates the cost model has (AVX-512), at the shapes below: `cargo bench --bench kernels`. Normals/s;
/// flop/s; neurons/s of a line's first pass, and of the next flip.
const NORMALS: f64 = 2.78e9;
const MATMUL_F32: f64 = 2.29e11;
const MATMUL_F64: f64 = 1.0e11;
const PASS: f64 = 3.1e9;
const FLIP: f64 = 1.5e9;
/// Layers of [`NARROW`] neurons per second, not measured but set so that an Emerald Rapids core takes 1.85 times as long, as it does for whole narrow
/// traces (Zen 5: `benches/results/unit_times.jsonl`).
const NARROW_LAYER: f64 = 9.0e6;
/// Flop/s in bf16 parts, without tiles: as in f32, over 4.8 (AVX2 on Zen 3).
const MATMUL_BF16X3: f64 = MATMUL_F32 / 4.8;

/// Neurons × inputs × dim of the matmuls: a block of weights.
const SHAPE: [usize; 3] = [256, 100, 500];
/// α and β of half of 100 lines × fan-in × neurons of the matmuls of a trace.
const TRACE_SHAPE: [usize; 3] = [100, 100, 104];
/// Neurons of a layer of a narrow trace, padded.
const NARROW: [usize; 2] = [30, 32];
/// f64 numbers per cache line.
const CACHE_LINE: usize = 8;
/// Neurons of the passes over them, and of a draw: they stay in L2.
const NEURONS: usize = 16_384;

/// Times on this machine over those of the cost model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    pub kernels: KernelSeconds,
    /// Vector passes over neurons.
    pub passes: f64,
}

impl Machine {
    /// The machine of the cost model, with the products of tiles if it has them.
    pub fn of_model(tiles: Availability) -> Self {
        let matmul_bf16x3 = if tiles == Availability::Available { cost::MATMUL_BF16X3 / cost::MATMUL_TILES } else { 1.0 };
        Self {
            kernels: KernelSeconds {
                normals: 1.0,
                matmul_f32: 1.0,
                matmul_f64: 1.0,
                matmul_trace: 1.0,
                narrow_trace: 1.0,
                matmul_bf16x3,
                scalar: 1.0,
            },
            passes: 1.0,
        }
    }

    /// Measures for two seconds, on `threads` threads at once: they share caches, memory and power as those of a run. Processor time, so other
    /// programs disturb little.
    pub fn measure(threads: usize) -> Self {
        let each: Vec<[f64; 8]> = thread::scope(|scope| {
            // A thread that cannot start is left out, and the calling thread measures in any case.
            let others = (1..threads).map(|_| thread::Builder::new().spawn_scoped(scope, factors));
            let others: Vec<_> = others.filter_map(Result::ok).collect();
            let mine = factors();
            others.into_iter().filter_map(|thread| thread.join().ok()).chain([mine]).collect()
        });
        let mean = |kernel: usize| each.iter().map(|factors| factors[kernel]).sum::<f64>() / each.len() as f64;
        let [normals, matmul_f32, matmul_f64, matmul_trace, narrow_trace, matmul_bf16x3, passes, scalar] =
            std::array::from_fn(mean);
        Self {
            kernels: KernelSeconds { normals, matmul_f32, matmul_f64, matmul_trace, narrow_trace, matmul_bf16x3, scalar },
            passes,
        }
    }

    /// `cost` with its seconds on this machine.
    pub fn cost(&self, cost: UnitCost) -> UnitCost {
        let passes = (cost.seconds - cost.kernels.total()).max(0.0);
        let seconds = cost.kernels.dot(self.kernels) + self.passes * passes;
        // In proportion: it is not told apart by kernel.
        let undivided = if cost.seconds > 0.0 { cost.undivided * seconds / cost.seconds } else { 0.0 };
        UnitCost { seconds, undivided, ..cost }
    }

    /// One line for people.
    pub fn text(&self) -> String {
        let KernelSeconds { normals, matmul_f32, matmul_f64, matmul_trace, narrow_trace, matmul_bf16x3, scalar } = self.kernels;
        format!(
            "calibrated: times are {normals:.2} (normals), {matmul_f32:.2} (f32 matmuls), {matmul_f64:.2} (f64 matmuls), {matmul_trace:.2} \
             (those of traces), {narrow_trace:.2} (narrow traces), {matmul_bf16x3:.2} (bf16x3 matmuls), {:.2} (passes over neurons) and \
             {scalar:.2} (scalar work) times those of the cost model\n",
            self.passes
        )
    }
}

/// The times of the kernels on this thread over those of the model: normals, matmuls in f32, in f64, of a trace, the layers of a narrow one, matmuls in
/// bf16 parts, passes, flips.
fn factors() -> [f64; 8] {
    let mut lanes = Lanes::new([[0x9e37_79b9_7f4a_7c15; LANES]; 4]);
    let mut drawn = vec![0.0_f32; NEURONS];
    let normals = factor(NORMALS, NEURONS as f64, || lanes.fill(1.0, black_box(&mut drawn)));

    let [neurons, inputs, dim] = SHAPE;
    let flops = 2.0 * (neurons * inputs * dim) as f64;
    let (x, w) = (Array2::from_elem((inputs, dim), 0.5_f32), Array2::from_elem((neurons, dim), 0.25_f32));
    let mut out = Array2::zeros((inputs, neurons));
    let matmul_f32 = factor(MATMUL_F32, flops, || times_transposed(black_box(x.view()), w.view(), out.view_mut()));
    let pairs = w.mapv(Bf16Pair::rounded);
    let matmul_bf16x3 = factor(MATMUL_BF16X3, flops, || times_transposed(black_box(x.view()), pairs.view(), out.view_mut()));
    let (x, w) = (x.mapv(f64::from), w.mapv(f64::from));
    let mut out = Array2::zeros((inputs, neurons));
    let matmul_f64 = factor(MATMUL_F64, flops, || times_transposed(black_box(x.view()), w.view(), out.view_mut()));
    let [rows, fan_in, neurons] = TRACE_SHAPE;
    let (pairs, w) = (Array2::from_elem((rows, fan_in), 0.5_f64), Array2::from_elem((fan_in, neurons), 0.25_f64));
    let mut out = Array2::zeros((rows, neurons));
    let flops = 2.0 * (rows * fan_in * neurons) as f64;
    // This kernel was not measured on the model's machine; the model's rate for whole traces stands in.
    let matmul_trace = factor(cost::MATMUL_TRACE, flops, || times(black_box(pairs.view()), w.view(), out.view_mut()));

    // Normals as pre-activations, and as slopes that are small, so that few neurons have a breakpoint before 0.1: about 5 %.
    let a = vec![1.0_f32; NEURONS];
    lanes.fill(1.0, &mut drawn);
    let mut u = drawn.clone();
    lanes.fill(1.0, &mut u);
    let mut found = Vec::with_capacity(NEURONS);
    let passes = factor(PASS, NEURONS as f64, || {
        found.clear();
        let row = LineRow { z: black_box(&drawn), u: &u, a: &a, sign: 1.0 };
        black_box(value_slope_and_breakpoints(row, 0.15, &mut found));
    });

    let [alpha, beta] = [&drawn, &u].map(|row| row.iter().map(|&number| f64::from(number)).collect::<Vec<f64>>());
    let mask: Vec<f64> = alpha.iter().map(|&z| if z > 0.0 { 1.0 } else { 0.0 }).collect();
    // The speed depends on how rows are aligned to cache lines, and on their distances within a page: cycle through the alignments, in one allocation.
    let [neurons, padded] = NARROW;
    let (mut numbers, mut shift) = (vec![0.25; (neurons + 2) * padded + CACHE_LINE], 0);
    let narrow_trace = factor(NARROW_LAYER, 1.0, || {
        shift = (shift + 2) % CACHE_LINE;
        let row = shift..shift + padded;
        let below = Piece { alpha: &alpha[row.clone()], beta: &beta[row.clone()], mask: &mask[row.clone()] };
        let (weights, above) = numbers[shift..shift + (neurons + 2) * padded].split_at_mut(neurons * padded);
        let (alpha, beta) = above.split_at_mut(padded);
        propagate(black_box(weights), below, alpha, beta);
        let piece = Piece { alpha, beta, mask: below.mask };
        black_box((next_flip(black_box(piece), 0.0), value_and_slope(&weights[..padded], piece)));
    });
    let piece = Piece { alpha: &alpha, beta: &beta, mask: &mask };
    let flips = factor(FLIP, NEURONS as f64, || _ = black_box(next_flip(black_box(piece), 0.0)));
    [normals, matmul_f32, matmul_f64, matmul_trace, narrow_trace, matmul_bf16x3, passes, flips]
}

/// `rate` over that of `kernel`, which does `work` per call.
fn factor(rate: f64, work: f64, mut kernel: impl FnMut()) -> f64 {
    // Fills caches and packing buffers.
    kernel();
    let (begun, started, mut calls) = (Instant::now(), thread_time(), 0.0);
    loop {
        kernel();
        calls += 1.0;
        if begun.elapsed() >= PER_KERNEL {
            return rate * (thread_time() - started).as_secs_f64() / (work * calls);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;
    use crate::job::Resources;
    use crate::plan::plan;

    fn of_kernels(
        [normals, matmul_f32, matmul_f64, matmul_trace, narrow_trace, matmul_bf16x3, passes, scalar]: [f64; 8],
    ) -> Machine {
        Machine {
            kernels: KernelSeconds { normals, matmul_f32, matmul_f64, matmul_trace, narrow_trace, matmul_bf16x3, scalar },
            passes,
        }
    }

    /// Engines and searches of every kind, ψ of both kinds, all precisions.
    #[test]
    fn the_kernels_of_every_cell_are_parts_of_its_time() {
        for form in [
            "",
            "activation = 'tanh'",
            "precision = 'f64'",
            "precision = 'bf16x3'",
            "directions = ['gradient', 'nearest']\ncertify = true",
        ] {
            let (widths, dims) = if form.is_empty() { ("10, 1000, 10000, inf", "10, 3000") } else { ("10, 1000", "10, 300") };
            let depths = if form.contains("certify") { "1" } else { "1, 2, 3" };
            let toml = format!("depths = [{depths}]\ndims = [{dims}]\nwidths = [{widths}]\nnetworks = 1\ninputs = 20\n{form}");
            let experiment = Experiment::from_toml(&toml, "test").unwrap();
            let plan = plan(&experiment, Resources { threads: 1, memory: 1 << 40 }).unwrap();
            for cell in plan.cells {
                let (cost, same) = (cell.cost, of_kernels([1.0; 8]).cost(cell.cost));
                assert!(
                    (same.seconds / cost.seconds - 1.0).abs() < 1e-12,
                    "{} {}: {same:?} {cost:?}",
                    cell.run.cell,
                    cell.run.method
                );
                assert!(cost.kernels.total() > 0.0 && cost.kernels.total() <= cost.seconds * (1.0 + 1e-12), "{cost:?}");
                assert_eq!((same.normals, same.flops), (cost.normals, cost.flops));
                // Twice as slow in everything; or in one kernel after the other.
                let twice = of_kernels([2.0; 8]).cost(cost).seconds;
                assert!((twice / cost.seconds - 2.0).abs() < 1e-12);
                let one_by_one = [0, 1, 2, 3, 4, 5, 6, 7].map(|slow| {
                    let factors = [0, 1, 2, 3, 4, 5, 6, 7].map(|kernel| if kernel == slow { 2.0 } else { 1.0 });
                    of_kernels(factors).cost(cost).seconds - cost.seconds
                });
                assert!((one_by_one.iter().sum::<f64>() / cost.seconds - 1.0).abs() < 1e-9, "{one_by_one:?}");
            }
        }
    }

    #[test]
    fn this_machine_has_a_speed() {
        let Machine { kernels, passes } = Machine::measure(2);
        let KernelSeconds { normals, matmul_f32, matmul_f64, matmul_trace, narrow_trace, matmul_bf16x3, scalar } = kernels;
        let all = [normals, matmul_f32, matmul_f64, matmul_trace, narrow_trace, matmul_bf16x3, scalar, passes];
        assert!(all.iter().all(|factor| factor.is_finite() && *factor > 0.01), "{all:?}");
    }
}
