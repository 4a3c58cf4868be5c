//! Random streams: known answers, uniqueness of keys, and statistical tests.
//!
//! Statistical assertions have a fixed seed and a stated false-alarm rate: the probability of failure for a perfect generator under another seed. Over
//! the whole file it is below 10⁻³.

use std::ops::Range;

use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::kernels::gaussian::{LANES, STEP};
use advstep_hpc::model::{Cell, Readout};
use advstep_hpc::random::stream::{NetworkKey, Role};
use advstep_hpc::random::{BLOCK_ROWS, NetworkStreams, blocks};
use ndarray::Array2;
use ndarray_linalg::SVD;
use rand::Rng;
use statrs::distribution::{ContinuousCDF, Normal};

const CELL: Cell = Cell::new(3, 256, 4096);

fn streams(cell: Cell, network: usize) -> NetworkStreams {
    NetworkStreams::new(2026, cell, network, 1.0, Readout::Sign)
}

/// The weights of a block, scaled to variance 1.
fn normals(cell: Cell, network: usize, layer: usize, block: usize) -> Vec<f32> {
    let fan_in = cell.fan_in(layer);
    let mut out = vec![0.0; BLOCK_ROWS * fan_in];
    streams(cell, network).weight_block(layer, block, &mut out);
    let scale = (fan_in as f32).sqrt();
    out.iter().map(|w| w * scale).collect()
}

#[test]
fn lanes_are_xoshiro_generators_through_box_muller() {
    // An independent implementation: rand_xoshiro's scalar generator, and Box–Muller in f64.
    let stream = NetworkKey::new(2026, CELL, 5).stream(Role::Weights { layer: 1 }, 7);
    let mut made = vec![0.0; 10 * STEP];
    stream.lanes().fill(1.0, &mut made);
    let mut generator = stream.generator();
    for step in made.chunks(STEP) {
        let word = generator.next_u64();
        let u = ((word >> 32) as f64 + 0.5) / 2_f64.powi(32);
        let base = f64::from(((word as u32) << 2) as i32) / 2_f64.powi(31) * std::f64::consts::FRAC_PI_4;
        let radius = (-2.0 * u.ln()).sqrt();
        let (sine, cosine) = base.sin_cos();
        let (first, second) = if word >> 30 & 1 == 1 { (sine, cosine) } else { (cosine, sine) };
        let sign = if word >> 31 & 1 == 1 { -1.0 } else { 1.0 };
        assert!((step[0] - sign * radius * first).abs() < 2e-6);
        assert!((step[LANES] - sign * radius * second).abs() < 2e-6);
    }
}

#[test]
fn known_answers() {
    // Golden bits: changing the streams would change every published result.
    let mut weights = vec![0.0_f32; 256 * 256];
    streams(CELL, 3).weight_block(1, 2, &mut weights);
    let mut input = vec![0.0; 256];
    streams(CELL, 3).input(4, &mut input);
    let mut readout = vec![0.0_f32; 256];
    streams(CELL, 3).readout_block(1, &mut readout);
    let signs = readout.iter().take(64).fold(0_u64, |bits, a| bits << 1 | u64::from(*a > 0.0));
    assert_eq!(weights[..4].iter().map(|w| w.to_bits()).collect::<Vec<_>>(), WEIGHTS);
    assert_eq!(input[..4].iter().map(|x| x.to_bits()).collect::<Vec<_>>(), INPUT);
    assert_eq!(signs, SIGNS);
}

const WEIGHTS: [u32; 4] = [1021800365, 3185645543, 3177398772, 3174093118];
const INPUT: [u32; 4] = [3190672228, 1044357807, 3212603597, 1060745548];
const SIGNS: u64 = 4149806272932839583;

#[test]
fn no_two_streams_of_the_presets_are_the_same() {
    let mut ids = Vec::new();
    for preset in Preset::ALL {
        let experiment = preset.options().validate().unwrap();
        for cell in experiment.cells() {
            for network in 0..experiment.networks {
                let key = NetworkKey::new(experiment.seed, cell, network);
                if cell.is_infinite() {
                    ids.extend((0..experiment.inputs).map(|input| key.stream(Role::Path, input).id()));
                    continue;
                }
                ids.extend((0..experiment.inputs).map(|input| key.stream(Role::Input, input).id()));
                // Wide cells have millions of blocks per network, so two networks per cell must do.
                if network < 2 {
                    for (layer, transposed) in (1..=cell.depth).flat_map(|layer| [(layer, false), (layer, true)]) {
                        for direction in 0..500 {
                            ids.extend((0..3).map(|chunk| key.stream(Role::Image { layer, transposed, direction }, chunk).id()));
                        }
                    }
                } else if cell.width > 10_000 {
                    continue;
                }
                for block in 0..blocks(cell.width) {
                    ids.push(key.stream(Role::Readout, block).id());
                    ids.extend((1..=cell.depth).map(|layer| key.stream(Role::Weights { layer }, block).id()));
                }
            }
        }
        let streams = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), streams, "{} streams collide", streams - ids.len());
        // Cells shared by presets have the same streams.
        ids.clear();
    }
}

#[test]
fn every_field_of_a_key_matters() {
    let base = (1, Cell::new(2, 3, 4), 5, Role::Weights { layer: 1 }, 6);
    let id = |(seed, cell, network, role, block)| NetworkKey::new(seed, cell, network).stream(role, block).id();
    let mut ids = vec![id(base)];
    for field in 0..7 {
        let (mut seed, mut cell, mut network, mut role, mut block) = base;
        match field {
            0 => seed += 1,
            1 => cell.depth += 1,
            2 => cell.dim += 1,
            3 => cell.width += 1,
            4 => network += 1,
            5 => role = Role::Weights { layer: 2 },
            _ => block += 1,
        }
        ids.push(id((seed, cell, network, role, block)));
    }
    for role in [Role::Readout, Role::Input] {
        ids.push(id((base.0, base.1, base.2, role, base.4)));
    }
    // The widths of hidden layers that differ, in their order, and the equal width of the same label.
    for widths in [[4, 3], [3, 4], [4, 2], [2, 4]] {
        ids.push(id((base.0, Cell::of_layers(3, &widths), base.2, base.3, base.4)));
    }
    assert_eq!(id((base.0, Cell::of_layers(3, &[4, 4]), base.2, base.3, base.4)), id(base));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 14);
}

/// Moments, tails and a Kolmogorov–Smirnov statistic of a large sample, in one pass.
struct Law {
    count: f64,
    powers: [f64; 8],
    beyond: [u64; 4],
    /// Counts by the upper 16 bits of the ordered bit pattern: an exact distribution function at 65,536 points.
    histogram: Vec<u64>,
}

impl Law {
    fn of(samples: impl Iterator<Item = Vec<f32>>) -> Self {
        let mut law = Law { count: 0.0, powers: [0.0; 8], beyond: [0; 4], histogram: vec![0; 1 << 16] };
        for sample in samples {
            law.count += sample.len() as f64;
            for &value in &sample {
                let x = f64::from(value);
                let mut power = 1.0;
                for sum in &mut law.powers {
                    power *= x;
                    *sum += power;
                }
                for (sigmas, count) in (3..).zip(&mut law.beyond) {
                    *count += u64::from(x.abs() > f64::from(sigmas));
                }
                law.histogram[usize::from((ordered(value) >> 16) as u16)] += 1;
            }
        }
        law
    }

    /// √n·sup |F_n − F| over the histogram's edges.
    fn kolmogorov_smirnov(&self, cdf: impl Fn(f64) -> f64) -> f64 {
        let mut below = 0;
        let mut largest: f64 = 0.0;
        for (bin, count) in self.histogram.iter().enumerate() {
            let edge = unordered((bin as u32) << 16);
            if edge.is_finite() {
                largest = largest.max((below as f64 / self.count - cdf(f64::from(edge))).abs());
            }
            below += count;
        }
        largest * self.count.sqrt()
    }
}

/// Bits that sort like the numbers.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 0x8000_0000 }
}

fn unordered(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & 0x7fff_ffff } else { !bits })
}

#[test]
fn a_hundred_million_weights_are_normal() {
    // 100 blocks of 256 × 4096 from layer 2 of several networks.
    let samples = (0..6).flat_map(|network| (0..16).map(move |block| normals(CELL, network, 2, block)));
    let law = Law::of(samples);
    assert!(law.count > 1e8);
    // Moment q has mean (q−1)!! or 0 and variance E x^2q − (E x^q)². Bound 4.8 standard errors: 8 moments, false alarm 1.3e-5.
    let double_factorial = |q: i32| (1..=q).step_by(2).map(f64::from).product::<f64>();
    let moment = |q: i32| if q % 2 == 0 { double_factorial(q - 1) } else { 0.0 };
    for (q, sum) in (1..).zip(law.powers) {
        let z = (sum / law.count - moment(q)) / ((moment(2 * q) - moment(q).powi(2)) / law.count).sqrt();
        assert!(z.abs() < 4.8, "moment {q} is {z} standard errors off");
    }
    // Counts beyond 3, 4 and 5 σ are Poisson. Bound 4.8 standard errors: false alarm 1e-5.
    let normal = Normal::standard();
    for (sigmas, count) in (3..6).zip(law.beyond) {
        let expected = 2.0 * law.count * normal.cdf(-f64::from(sigmas));
        assert!((count as f64 - expected).abs() < 4.8 * expected.sqrt(), "{count} beyond {sigmas} σ, {expected} expected");
    }
    // Kolmogorov's distribution: 2 exp(−2 D²) = 1e-4 at D = 2.225.
    let statistic = law.kolmogorov_smirnov(|x| normal.cdf(x));
    assert!(statistic < 2.225, "Kolmogorov–Smirnov statistic {statistic}");
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Fails if a correlation of `n` pairs is not 0 within 5 standard errors (false alarm 5.7e-7 each).
fn assert_uncorrelated(a: &[f32], b: &[f32], what: &str) {
    let z = correlation(a, b) * (a.len() as f64).sqrt();
    assert!(z.abs() < 5.0, "{what}: correlation is {z} standard errors from 0");
}

#[test]
fn streams_and_lanes_are_uncorrelated() {
    let base = normals(CELL, 0, 2, 0);
    let squares = |sample: &[f32]| sample.iter().map(|x| x * x - 1.0).collect::<Vec<f32>>();
    let neighbours = [
        ("next network", normals(CELL, 1, 2, 0)),
        ("next block", normals(CELL, 0, 2, 1)),
        ("next layer", normals(CELL, 0, 3, 0)),
        ("other depth", normals(Cell::new(4, CELL.dim, CELL.width), 0, 2, 0)),
        ("other dim", normals(Cell::new(CELL.depth, 257, CELL.width), 0, 2, 0)),
    ];
    for (what, other) in &neighbours {
        assert_uncorrelated(&base, other, what);
        assert_uncorrelated(&squares(&base), &squares(other), &format!("squares, {what}"));
    }
    // Lanes of one fill: positions within a step of 32, and the same position in successive steps.
    let column = |position: usize| base.iter().skip(position).step_by(STEP).copied().collect::<Vec<f32>>();
    let columns: Vec<Vec<f32>> = (0..STEP).map(column).collect();
    for first in 0..STEP {
        for second in first + 1..STEP {
            assert_uncorrelated(&columns[first], &columns[second], &format!("lanes {first} and {second}"));
            let (a, b) = (squares(&columns[first]), squares(&columns[second]));
            assert_uncorrelated(&a, &b, &format!("squares, lanes {first} and {second}"));
        }
        let n = columns[first].len();
        assert_uncorrelated(&columns[first][1..], &columns[first][..n - 1], &format!("successive steps, lane {first}"));
    }
}

#[test]
fn inputs_are_uniform_on_the_sphere() {
    let (dim, count) = (20, 20_000);
    let cell = Cell::new(1, dim, 10);
    let mut sums = vec![0.0; dim];
    let mut fourth = 0.0;
    let mut x = vec![0.0; dim];
    for index in 0..count {
        streams(cell, index / 100).input(index % 100, &mut x);
        let norm = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        assert!((norm / dim as f64 - 1.0).abs() < 1e-6, "|x|² = {norm}");
        for (sum, x) in sums.iter_mut().zip(&x) {
            *sum += f64::from(*x);
            fourth += f64::from(*x).powi(4);
        }
    }
    // Each coordinate has mean 0 and variance 1: 5 standard errors, 20 coordinates, false alarm 1e-5.
    for sum in sums {
        assert!(sum.abs() < 5.0 * f64::from(count as u32).sqrt(), "mean of a coordinate {}", sum / count as f64);
    }
    // E x₁⁴ = 3 d/(d+2) on the sphere of radius √d; the variance of x⁴ is below that of a normal, 96: 5 standard errors.
    let expected = 3.0 * dim as f64 / (dim as f64 + 2.0);
    let samples = (count * dim) as f64;
    assert!((fourth / samples - expected).abs() < 5.0 * (96.0 / samples).sqrt(), "fourth moment {}", fourth / samples);
}

#[test]
fn readouts_have_their_law() {
    let cell = Cell::new(1, 10, 1 << 20);
    let drawn = |readout| -> Vec<f32> {
        let streams = NetworkStreams::new(2026, cell, 0, 1.0, readout);
        let block = |block| {
            let mut out = vec![0.0_f32; BLOCK_ROWS];
            streams.readout_block(block, &mut out);
            out
        };
        (0..blocks(cell.width)).flat_map(block).collect()
    };
    let signs = drawn(Readout::Sign);
    assert!(signs.iter().all(|a| a.abs() == 1.0));
    let n = signs.len();
    // Balance and lag correlations of the signs: 5 standard errors, 130 statistics, false alarm 8e-5.
    let sum: f64 = signs.iter().map(|a| f64::from(*a)).sum();
    assert!(sum.abs() < 5.0 * (n as f64).sqrt(), "sum of the signs {sum}");
    for lag in 1..130 {
        assert_uncorrelated(&signs[lag..], &signs[..n - lag], &format!("signs, lag {lag}"));
    }
    let law = Law::of(std::iter::once(drawn(Readout::Gaussian)));
    let statistic = law.kolmogorov_smirnov(|x| Normal::standard().cdf(x));
    assert!(statistic < 2.225, "Kolmogorov–Smirnov statistic of the Gaussian readout {statistic}");
}

#[test]
fn singular_values_fill_the_marchenko_pastur_interval() {
    let cell = Cell::new(1, 200, 800);
    let mut entries = Vec::new();
    for Range { start, end } in (0..blocks(cell.width)).map(|block| advstep_hpc::random::block_rows(cell.width, block)) {
        let mut rows = vec![0.0_f32; (end - start) * cell.dim];
        streams(cell, 0).weight_block(1, start / BLOCK_ROWS, &mut rows);
        entries.extend(rows);
    }
    let (_, values, _) = Array2::from_shape_vec((cell.width, cell.dim), entries).unwrap().svd(false, false).unwrap();
    let ratio = (cell.width as f32 / cell.dim as f32).sqrt();
    // W has N(0, 1/d) entries: singular values between √(k/d) ± 1. The extremes fluctuate like d^(−2/3) = 0.03 (Tracy–Widom); 5 of these.
    let (largest, smallest) = (values[0], values[values.len() - 1]);
    assert!((largest - (ratio + 1.0)).abs() < 0.15, "largest singular value {largest}");
    assert!((smallest - (ratio - 1.0)).abs() < 0.15, "smallest singular value {smallest}");
    // Σ σ² = ‖W‖² has mean k and variance 2k/d.
    let energy: f32 = values.iter().map(|value| value * value).sum();
    assert!((energy - 800.0).abs() < 5.0 * 8_f32.sqrt(), "Σ σ² = {energy}");
}
