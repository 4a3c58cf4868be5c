//! Precision bf16x3: its products against a scalar model of their definition at every level and with tiles, their accuracy, and networks
//! against the same weights in f64 and against f32.

use std::sync::Arc;

use advstep_hpc::kernels::gemm::split::{self, tiles};
use advstep_hpc::kernels::gemm::{self, kc};
use advstep_hpc::kernels::masks::Masks;
use advstep_hpc::kernels::{Bf16Pair, SimdLevel, Weight, at_level};
use advstep_hpc::linalg::workspace::Workspace;
use advstep_hpc::measure::{samples, shallow_samples};
use advstep_hpc::model::{Activation, Cell, Readout, SearchName};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::network::implicit::Implicit;
use advstep_hpc::network::inputs::sphere_inputs;
use advstep_hpc::network::shallow::Shallow;
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::record::Sample;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, ShapeBuilder, s};

const KC: usize = kc::<f32>();

/// Numbers of many sizes from a counter: of both signs, exponents within ±`spread`, all bits random.
fn numbers(seed: u64, shape: (usize, usize), spread: u32) -> Array2<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Array2::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bits = (state >> 32) as u32;
        let exponent = 127 - spread + (bits >> 8) % (2 * spread + 1);
        f32::from_bits((bits & 0x8000_0000) | exponent << 23 | (state as u32 >> 9))
    })
}

/// As [`numbers`], with zeros of both signs, subnormals, and numbers around the thresholds below which parts count as 0.
fn awkward(seed: u64, shape: (usize, usize)) -> Array2<f32> {
    let corners = [
        0.0,
        -0.0,
        1e-45,
        -f32::MIN_POSITIVE,
        2_f32.powi(-50),
        1.7 * 2_f32.powi(-51),
        2_f32.powi(-62),
        1.99 * 2_f32.powi(-63),
        1.0039 * 2_f32.powi(-60),
    ];
    let mut numbers = numbers(seed, shape, 9);
    for (index, number) in numbers.iter_mut().enumerate().filter(|(index, _)| (index + seed as usize) % 7 == 3) {
        *number = corners[index % corners.len()];
    }
    numbers
}

fn pairs(weights: &Array2<f32>) -> Array2<Bf16Pair> {
    weights.mapv(Bf16Pair::rounded)
}

/// `x` rounded to `digits` significant bits, ties to even, and to 0 if below 2^`least`.
fn rounded(x: f64, digits: i32, least: i32) -> f64 {
    if x == 0.0 {
        return 0.0;
    }
    let unit = 2_f64.powi(x.abs().log2().floor() as i32 + 1 - digits);
    let rounded = (x / unit).round_ties_even() * unit;
    if rounded.abs() < 2_f64.powi(least) { 0.0 } else { rounded }
}

/// `start` + `a`·`b` by the documented definition, with parts taken in f64.
fn by_definition(a: ArrayView2<f32>, b: ArrayView2<f32>, start: Option<&Array2<f32>>) -> Array2<f32> {
    let parts = a.mapv(|x| {
        let first = rounded(f64::from(x), 8, -62);
        let second = rounded(f64::from(x) - first, 8, -62);
        [first, second, rounded(f64::from(x) - first - second, 8, -62)].map(|part| part as f32)
    });
    let halves = b.mapv(|w| {
        let w = rounded(f64::from(w), 16, -200);
        let high = rounded(w, 8, -50);
        [high, rounded(w - high, 8, -50)].map(|part| part as f32)
    });
    Array2::from_shape_fn((a.nrows(), b.ncols()), |(i, j)| {
        let stretch = |first: usize| {
            let end = a.ncols().min(first + KC);
            let mut sum = 0.0_f32;
            for chain in (first..end).step_by(split::CHAIN) {
                for part in [2, 1, 0] {
                    let (mut even, mut odd) = (0.0_f32, 0.0_f32);
                    for k in chain..end.min(chain + split::CHAIN) {
                        let x = parts[[i, k]][part];
                        let [high, low] = halves[[k, j]];
                        if part < 2 {
                            even = x.mul_add(low, even);
                        }
                        odd = x.mul_add(high, odd);
                    }
                    sum += even + odd;
                }
            }
            sum
        };
        let sums = (0..a.ncols()).step_by(KC).map(stretch);
        start.map(|start| start[[i, j]]).into_iter().chain(sums).reduce(|sum, more| sum + more).unwrap_or(0.0)
    })
}

fn bits(numbers: ArrayView2<f32>) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

type Product = fn(ArrayView2<f32>, ArrayView2<Bf16Pair>, bool, ArrayViewMut2<f32>);
type Way = Box<dyn Fn(ArrayView2<f32>, ArrayView2<Bf16Pair>, bool, ArrayViewMut2<f32>)>;

/// Every way to compute a product that this machine has; says which, and which not.
fn ways() -> Vec<(String, Way)> {
    let mut ways: Vec<(String, Way)> = Vec::new();
    for level in SimdLevel::ALL {
        match level.is_available() {
            true => ways.push((
                format!("{level:?}"),
                Box::new(move |a: ArrayView2<f32>, b: ArrayView2<Bf16Pair>, keep, out: ArrayViewMut2<f32>| {
                    at_level(level, || split::matmul(a, b, keep, out))
                }),
            )),
            false => println!("NOT TESTED: level {level:?}, which this processor lacks"),
        }
    }
    let by_model: Product = split::matmul_by_model_tiles;
    ways.push(("tiles in software".into(), Box::new(by_model)));
    let chosen: Product = split::matmul;
    match tiles::are_available() {
        true => ways.push(("AMX tiles".into(), Box::new(chosen))),
        false => {
            println!("NOT TESTED: AMX tiles ({})", tiles::availability().text());
            ways.push(("the best level".into(), Box::new(chosen)));
        }
    }
    println!("tested: {}", ways.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>().join(", "));
    ways
}

#[test]
fn products_are_their_definition_in_every_way_and_layout() {
    let ways = ways();
    // Around tiles, groups of vectors, chains and KC; rows 2048 B apart; more vectors than are split at a time.
    let shapes = [
        (1, 1, 1),
        (3, 5, 7),
        (2, 16, 8),
        (4, 17, 33),
        (5, 31, 16),
        (33, 48, 31),
        (2, 512, 9),
        (7, 530, 40),
        (3, 1030, 5),
        (131, 20, 35),
        (1, 1, 70),
        (9, 1, 1),
    ];
    for (n, q, m) in shapes.into_iter().chain([(0, 3, 2), (3, 0, 2), (3, 2, 0)]) {
        let (a, w, before) = (awkward(1, (n, q)), awkward(2, (q, m)), numbers(3, (n, m), 3));
        let b = pairs(&w);
        // The same in column-major order, and as submatrices.
        let b_in_columns = Array2::from_shape_fn((q, m).f(), |at| b[at]);
        let mut wide_a = numbers(4, (n, q + 5), 3);
        wide_a.slice_mut(s![.., 2..q + 2]).assign(&a);
        let a_in_columns = Array2::from_shape_fn((n, q).f(), |at| a[at]);
        let mut wide_b = pairs(&numbers(5, (q, 2 * m + 3), 3));
        wide_b.slice_mut(s![.., 3..m + 3]).assign(&b);
        let mut sparse_b = pairs(&numbers(5, (q, 2 * m), 3));
        sparse_b.slice_mut(s![.., ..;2]).assign(&b);
        let layouts = [
            (a.view(), b.view()),
            (a.view(), b_in_columns.view()),
            (wide_a.slice(s![.., 2..q + 2]), wide_b.slice(s![.., 3..m + 3])),
            (a_in_columns.view(), sparse_b.slice(s![.., ..;2])),
        ];
        for keep in [false, true] {
            let expected = bits(by_definition(a.view(), w.view(), keep.then_some(&before)).view());
            for (index, (a, b)) in layouts.into_iter().enumerate() {
                for (name, multiply) in &ways {
                    let mut out = numbers(6, (n, m + 3), 3);
                    out.slice_mut(s![.., ..m]).assign(&before);
                    let rest = out.slice(s![.., m..]).to_owned();
                    multiply(a, b, keep, out.slice_mut(s![.., ..m]));
                    assert_eq!(bits(out.slice(s![.., ..m])), expected, "{n} x {q} x {m}, layout {index}, {name}");
                    assert_eq!(out.slice(s![.., m..]), rest, "what is beside the result");
                }
            }
        }
    }
}

/// Tiles flush denormals. A thread that does gets the same bits from the vector kernels, so no result of theirs depends on it: numbers and weights of all
/// sizes down to below the thresholds.
#[cfg(target_arch = "x86_64")]
#[test]
fn flushing_denormals_changes_nothing() {
    fn set(state: u32) {
        // SAFETY: strictly, Rust code may not run with these flags; only a product does, and a panic in it fails the test anyway.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &state, options(nostack, readonly)) };
    }
    let mut state = 0_u32;
    // SAFETY: stores the register.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut state, options(nostack)) };
    let sized = |seed, shape, exponent: i32| numbers(seed, shape, 5).mapv(|x| x * 2_f32.powi(exponent));
    for level in SimdLevel::ALL.into_iter().filter(|level| level.is_available()) {
        for (numbers, weights) in [(-57, -46), (-62, -50), (-60, -52), (-66, -44), (-30, -50), (0, -48)] {
            let (a, b) = (sized(1, (6, 100), numbers), pairs(&sized(2, (100, 40), weights)));
            let product = |flags: u32| {
                let mut out = Array2::zeros((6, 40));
                at_level(level, || {
                    set(state | flags);
                    split::matmul(a.view(), b.view(), false, out.view_mut());
                    set(state);
                });
                bits(out.view())
            };
            // Flush results and operands.
            let plain = product(0);
            assert_eq!(plain, product(1 << 15 | 1 << 6), "{level:?}: numbers of 2^{numbers}, weights of 2^{weights}");
            assert!(plain.iter().all(|&bits| f32::from_bits(bits) == 0.0 || f32::from_bits(bits).is_normal()));
        }
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    for (name, multiply) in ways() {
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            for at in [0, 15, 16, 39] {
                let (mut a, b) = (numbers(1, (5, 40), 3), pairs(&numbers(2, (40, 19), 3)));
                a[[3, at]] = bad;
                let mut out = Array2::zeros((5, 19));
                multiply(a.view(), b.view(), false, out.view_mut());
                for (row, out) in out.rows().into_iter().enumerate() {
                    assert!(out.iter().all(|out| out.is_finite() == (row != 3)), "{name}: {bad} at {at}, row {row}: {out}");
                }
            }
        }
    }
}

/// RMS error of products of standard normals, over the RMS of the exact products of the rounded weights: in bf16 parts, and of f32's chains.
fn errors(n: usize, q: usize, m: usize) -> [f64; 2] {
    let drawn = |seed, shape: (usize, usize)| {
        let cell = Cell::new(1, shape.1, shape.0);
        let streams = NetworkStreams::new(seed, cell, 0, 1.0, Readout::Sign);
        let mut rows = Array2::<f32>::zeros(shape);
        for (block, mut rows) in rows.axis_chunks_iter_mut(ndarray::Axis(0), 256).enumerate() {
            streams.weight_block(1, block, rows.as_slice_mut().unwrap());
        }
        rows
    };
    let (x, w) = (drawn(1, (n, q)), pairs(&drawn(2, (m, q))));
    let w32 = w.mapv(Bf16Pair::sum);
    let exact = x.mapv(f64::from).dot(&w32.mapv(f64::from).t());
    let rms = |error: &Array2<f64>| (error.iter().map(|e| e * e).sum::<f64>() / error.len() as f64).sqrt();
    let mut out = Array2::zeros((n, m));
    split::matmul(x.view(), w.t(), false, out.view_mut());
    let split = rms(&(&out.mapv(f64::from) - &exact));
    gemm::matmul(x.view(), w32.t(), false, out.view_mut());
    let chain = rms(&(&out.mapv(f64::from) - &exact));
    [split, chain].map(|error| error / rms(&exact))
}

#[test]
fn products_are_more_accurate_than_those_of_f32() {
    for (m, q) in [(1024, 64), (1024, 512), (5120, 5120)] {
        let [split, chain] = errors(4, q, m);
        println!("{m} x {q}: relative RMS error {split:.2e} in bf16 parts, {chain:.2e} in f32");
        assert!(split <= chain, "{m} x {q}: {split:e} against {chain:e}");
        // Exact parts: nothing but the rounding of some hundred sums.
        assert!(split < 1e-6);
    }
}

fn streams(cell: Cell, network: usize) -> NetworkStreams {
    NetworkStreams::new(91, cell, network, 1.0, Readout::Gaussian)
}

const KEEP: Keep = Keep { weights: Storage::Stored, line: Storage::Stored };

/// Most inputs at which a neuron's side changes with the rounding, which changes the gradient by a few per cent: of the 120,000 neurons × inputs of the
/// largest network a half is expected to.
const TURNED: usize = 3;

/// Checks f, ‖∇f‖ and η* of two engines with (nearly) the same weights: their relative errors, of ‖∇f‖ for all but [`TURNED`] inputs and of η* for all but
/// `strays`: a rounding can move a step to another zero.
fn agree(what: &str, ours: &[Sample], theirs: &[Sample], [of_value, of_gradient, of_step]: [f64; 3], strays: usize) {
    assert_eq!(ours.len(), theirs.len());
    let size = (theirs.iter().map(|sample| sample.value.powi(2)).sum::<f64>() / theirs.len() as f64).sqrt();
    let (mut turned, mut far) = (0, 0);
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours.value - theirs.value).abs() < of_value * size, "{what}: f {} against {}", ours.value, theirs.value);
        let off = (ours.gradient_norm / theirs.gradient_norm - 1.0).abs();
        assert!(off < 0.05, "{what}: {ours:?} {theirs:?}");
        turned += usize::from(off > of_gradient);
        let is_near = ours.status == theirs.status
            && (!ours.status.is_found() || (ours.step - theirs.step).abs() < of_step * (1.0 + theirs.step));
        far += usize::from(!is_near);
    }
    assert!(turned <= TURNED && far <= strays, "{what}: of {} inputs {turned} gradients and {far} steps differ", ours.len());
}

/// The dense engine against itself in f64 with the same rounded weights.
#[test]
fn dense_networks_are_those_of_their_rounded_weights() {
    let layers = Cell::of_layers(30, &[120, 40, 300]);
    for cell in [Cell::new(1, 50, 1000), Cell::new(2, 30, 300), Cell::new(4, 20, 64), layers] {
        for (psi, search) in [
            (Activation::Relu, if cell.depth == 1 { SearchName::Line } else { SearchName::Trace }),
            (Activation::Tanh, SearchName::Scan),
        ] {
            let inputs = sphere_inputs::<f32>(streams(cell, 0), cell, 50);
            let workspace = Workspace::default();
            let mut ours = Dense::<Bf16Pair>::with(streams(cell, 0), cell, psi, inputs.clone(), KEEP, &workspace);
            let matrices: Vec<Array2<f64>> = (1..=cell.depth).map(|layer| ours.matrix(layer).mapv(f64::from)).collect();
            let mut drawn = Dense::<f32>::with(streams(cell, 0), cell, psi, inputs.clone(), KEEP, &workspace);
            for (layer, matrix) in matrices.iter().enumerate() {
                assert_eq!(matrix, drawn.matrix(layer + 1).mapv(|w| rounded(f64::from(w), 16, -200)), "weights of 16 bits");
            }
            let readout = ours.readout().into_iter().map(f64::from).collect();
            let mut theirs = Dense::<f64>::given(cell, psi, Arc::new(matrices), readout, inputs.mapv(f64::from));
            let [ours, theirs] = [samples(&mut ours, search, 20.0).unwrap(), samples(&mut theirs, search, 20.0).unwrap()];
            agree(&format!("{cell}, {}", psi.name()), &ours, &theirs, [2e-6, 5e-6, 1e-3], 1);
        }
    }
}

/// Every engine against itself in f32: the same random numbers, of 16 bits in one. A weight is off by up to 2⁻¹⁷, relatively, and errors of
/// many weights average out.
#[test]
fn networks_are_near_those_of_f32_in_every_engine() {
    let layers = Cell::of_layers(20, &[2000, 300, 40]);
    for cell in [Cell::new(1, 100, 3000), Cell::new(1, 10, 500), Cell::new(2, 50, 400), Cell::new(3, 20, 1000), layers] {
        let search = if cell.depth == 1 { SearchName::Line } else { SearchName::Scan };
        fn dense<W: Weight<Real = f32>>(cell: Cell, search: SearchName) -> Vec<Sample> {
            samples(&mut Dense::<W>::new(streams(cell, 1), cell, 40, KEEP), search, 20.0).unwrap()
        }
        fn implicit<W: Weight<Real = f32>>(cell: Cell, search: SearchName) -> Vec<Sample> {
            samples(&mut Implicit::<W>::new(streams(cell, 1), cell, 40), search, 20.0).unwrap()
        }
        fn shallow<W: Weight<Real = f32>>(cell: Cell) -> Vec<Sample> {
            let inputs = sphere_inputs(streams(cell, 1), cell, 40);
            shallow_samples(
                &mut Shallow::<W>::new(streams(cell, 1), cell, inputs, Storage::Stored, &Workspace::default()),
                SearchName::Line,
                20.0,
            )
            .unwrap()
        }
        let errors = [2e-4, 2e-4, 2e-2];
        agree(&format!("dense {cell}"), &dense::<Bf16Pair>(cell, search), &dense::<f32>(cell, search), errors, 2);
        // In deep implicit networks rounding decides the order of directions on lines: other networks there.
        let strays = if cell.depth == 1 { 2 } else { 40 };
        agree(&format!("implicit {cell}"), &implicit::<Bf16Pair>(cell, search), &implicit::<f32>(cell, search), errors, strays);
        if cell.depth == 1 && cell.dim >= 80 {
            agree(&format!("shallow {cell}"), &shallow::<Bf16Pair>(cell), &shallow::<f32>(cell), errors, 2);
        }
    }
}

/// Stored and regenerated weights, all levels.
#[test]
fn storage_and_level_change_no_bit() {
    let words = |samples: Vec<Sample>| -> Vec<[u64; 3]> {
        samples.iter().map(|s| [s.value, s.gradient_norm, s.step].map(f64::to_bits)).collect()
    };
    for cell in [Cell::new(1, 30, 700), Cell::new(2, 17, 300)] {
        let search = if cell.depth == 1 { SearchName::Line } else { SearchName::Scan };
        let measure = |weights, line| {
            words(samples(&mut Dense::<Bf16Pair>::new(streams(cell, 2), cell, 13, Keep { weights, line }), search, 20.0).unwrap())
        };
        let expected = measure(Storage::Stored, Storage::Stored);
        for (weights, line) in [(Storage::Regenerated, Storage::Stored), (Storage::Regenerated, Storage::Regenerated)] {
            assert_eq!(measure(weights, line), expected, "{cell}");
        }
        for level in SimdLevel::ALL.into_iter().filter(|level| level.is_available()) {
            assert_eq!(at_level(level, || measure(Storage::Stored, Storage::Stored)), expected, "{cell} at {level:?}");
        }
    }
    let deep = Cell::new(2, 17, 300);
    let implicit = || words(samples(&mut Implicit::<Bf16Pair>::new(streams(deep, 2), deep, 13), SearchName::Scan, 20.0).unwrap());
    let wide = Cell::new(1, 40, 700);
    let shallow = || {
        let inputs = sphere_inputs(streams(wide, 2), wide, 13);
        let mut network = Shallow::<Bf16Pair>::new(streams(wide, 2), wide, inputs, Storage::Stored, &Workspace::default());
        words(shallow_samples(&mut network, SearchName::Line, 20.0).unwrap())
    };
    let expected = (implicit(), shallow());
    for level in SimdLevel::ALL.into_iter().filter(|level| level.is_available()) {
        assert_eq!(at_level(level, || (implicit(), shallow())), expected, "{level:?}");
    }
}

/// Products with masks take the weights' values.
#[test]
fn masked_rows_are_those_of_the_values() {
    let (z, w) = (numbers(1, (7, 250), 3), pairs(&numbers(2, (250, 77), 3)));
    let a: Vec<f32> = numbers(3, (1, 250), 3).into_iter().collect();
    let mut masks = Masks::default();
    masks.reset(7, 250);
    for (input, z) in z.rows().into_iter().enumerate() {
        masks.read_out(input, &a, z.to_slice().unwrap());
    }
    let (mut of_pairs, mut of_values) = (Array2::zeros((7, 77)), Array2::zeros((7, 77)));
    masks.add_weighted_rows(&a, w.view(), of_pairs.view_mut());
    masks.add_weighted_rows(&a, w.mapv(Bf16Pair::sum).view(), of_values.view_mut());
    assert_eq!(bits(of_pairs.view()), bits(of_values.view()));
    assert!(of_pairs.iter().all(|sum| *sum != 0.0));
}
