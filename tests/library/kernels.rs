//! Every kernel at every level against a scalar reference implementation, and all levels against each other bit for bit.

use advstep_hpc::kernels::gaussian::{LANES, Lanes};
use advstep_hpc::kernels::gemm;
use advstep_hpc::kernels::line::{self, Bin, Breakpoint, LineRow, Window};
use advstep_hpc::kernels::linear_piece::{self, Piece, padded};
use advstep_hpc::kernels::masks::Masks;
use advstep_hpc::kernels::{Bf16Pair, Real, SimdLevel, Weight, at_level, norm, relu};
use advstep_hpc::measure;
use advstep_hpc::model::SearchName;
use advstep_hpc::model::{Cell, Readout};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::random::NetworkStreams;
use ndarray::{Array2, ArrayView2, ShapeBuilder, s};

/// Lengths around the lane counts and group sizes of all kernels.
const LENGTHS: [usize; 11] = [0, 1, 7, 8, 9, 15, 33, 63, 64, 65, 1000];

/// The generator of the Gaussian fill.
fn lanes(seed: u64) -> Lanes {
    let mut words = [[0; LANES]; 4];
    for (index, word) in words.iter_mut().flatten().enumerate() {
        *word = ((seed << 32) | (index as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    Lanes::new(words)
}

/// Normals with edge cases mixed in: ±0, subnormals, equal neighbours.
fn numbers<T: Real>(seed: u64, len: usize) -> Vec<T> {
    let mut normals = vec![0.0_f32; len];
    lanes(seed).fill(1.0, &mut normals);
    let corners = [0.0, -0.0, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, 1e-45, -1e-45];
    for (index, normal) in normals.iter_mut().enumerate().filter(|(index, _)| (index + seed as usize) % 5 == 3) {
        *normal = corners[index % corners.len()];
    }
    for index in (11..len).step_by(13) {
        normals[index] = normals[index - 1];
    }
    normals.into_iter().map(T::of_f32).collect()
}

fn levels() -> impl Iterator<Item = SimdLevel> {
    SimdLevel::ALL.into_iter().filter(|level| level.is_available())
}

/// Bits of numbers, so that −0 and 0 differ.
fn bits<T: Real>(numbers: &[T]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_f64().to_bits()).collect()
}

/// Checks that `made` is `expected` at every level.
fn agree<R: PartialEq + std::fmt::Debug>(what: &str, len: usize, expected: &R, mut made: impl FnMut() -> R) {
    for level in levels() {
        assert_eq!(&at_level(level, &mut made), expected, "{what} of {len} numbers at {level:?}");
    }
}

#[test]
fn fills_agree_to_the_bit_in_every_format() {
    fn made<W: Weight>(len: usize) -> Vec<W> {
        let (mut lanes, mut out) = (lanes(1), vec![W::drawn(0.0); 2 * len]);
        let (first, second) = out.split_at_mut(len);
        lanes.fill(0.7, first);
        lanes.fill(0.7, second);
        out
    }
    fn check<W: Weight>(of_f32: fn(f32) -> W) {
        for len in LENGTHS {
            let single: Vec<f32> = at_level(SimdLevel::Portable, || made(len));
            let expected: Vec<W> = single.into_iter().map(of_f32).collect();
            agree("a fill", len, &expected, || made(len));
        }
    }
    check::<f32>(|x| x);
    check::<f64>(f64::from);
    check::<Bf16Pair>(Bf16Pair::rounded);
}

/// `start` + `a`·`b`, with the documented order of operations.
fn product_by_definition<T: Real>(
    a: ArrayView2<T>,
    b: ArrayView2<T>,
    start: Option<&Array2<T>>,
    fma: impl Fn(T, T, T) -> T,
) -> Array2<T> {
    Array2::from_shape_fn((a.nrows(), b.ncols()), |(i, j)| {
        let stretch = |first: usize| {
            let ks = first..a.ncols().min(first + gemm::kc::<T>());
            ks.fold(T::zero(), |sum, k| fma(a[[i, k]], b[[k, j]], sum))
        };
        let sums = (0..a.ncols()).step_by(gemm::kc::<T>()).map(stretch);
        start.map(|start| start[[i, j]]).into_iter().chain(sums).reduce(|sum, more| sum + more).unwrap_or(T::zero())
    })
}

#[test]
fn products_are_their_definition_at_every_level_in_every_layout() {
    products_are_their_definition(f32::mul_add);
    products_are_their_definition(f64::mul_add);
}

fn products_are_their_definition<T: Real>(fma: impl Fn(T, T, T) -> T) {
    let matrix =
        |seed, rows: usize, columns: usize| Array2::from_shape_vec((rows, columns), numbers::<T>(seed, rows * columns)).unwrap();
    // Around tile, group and KC sizes; rows 4096 B apart; empty.
    let small =
        [(1, 1, 1), (3, 5, 7), (12, 16, 32), (13, 17, 33), (31, 513, 25), (25, 30, 31), (2, 1030, 2), (5, 1024, 29), (100, 40, 50)];
    // Unpacked lanes, with a remainder and over two KC blocks; more lanes than a packed block, for few rows and for many; more rows of A than columns of
    // B.
    let large = [
        (2, 600, 75),
        (4, 40, 49),
        (6, 600, 75),
        (7, 33, 20),
        (8, 513, 40),
        (10, 40, 21),
        (11, 520, 33),
        (9, 520, 230),
        (13, 513, 300),
        (20, 3, 5000),
        (140, 515, 290),
        (150, 530, 21),
    ];
    let shapes = small.into_iter().chain(large);
    for (n, q, m) in shapes.chain([(0, 3, 2), (3, 0, 2), (3, 2, 0)]) {
        let (a, b, before) = (matrix(1, n, q), matrix(2, q, m), matrix(3, n, m));
        // The same in column-major order, and as submatrices.
        let b_in_columns = Array2::from_shape_fn((q, m).f(), |at| b[at]);
        let mut wide_a = matrix(4, n, q + 5);
        wide_a.slice_mut(s![.., 2..q + 2]).assign(&a);
        let a_in_columns = Array2::from_shape_fn((n, q).f(), |at| a[at]);
        let mut wide_b = matrix(5, q, 2 * m);
        wide_b.slice_mut(s![.., ..;2]).assign(&b);
        let layouts = [
            (a.view(), b.view()),
            (a.view(), b_in_columns.view()),
            (wide_a.slice(s![.., 2..q + 2]), b_in_columns.view()),
            (a_in_columns.view(), wide_b.slice(s![.., ..;2])),
        ];
        for keep in [false, true] {
            let expected = bits(product_by_definition(a.view(), b.view(), keep.then_some(&before), &fma).as_slice().unwrap());
            for (a, b) in layouts {
                agree(&format!("a product {n} x {q} x {m}"), n * m, &expected, || {
                    let mut out = matrix(6, n, m + 3);
                    out.slice_mut(s![.., ..m]).assign(&before);
                    let rest = out.slice(s![.., m..]).to_owned();
                    gemm::matmul(a, b, keep, out.slice_mut(s![.., ..m]));
                    assert_eq!(out.slice(s![.., m..]), rest, "what is beside the result");
                    bits(out.slice(s![.., ..m]).as_standard_layout().as_slice().unwrap())
                });
            }
        }
    }
}

#[test]
fn ragged_products_and_gram_matrices_are_their_definition_at_every_level() {
    ragged_products_and_gram_matrices::<f32>(f32::mul_add);
    ragged_products_and_gram_matrices::<f64>(f64::mul_add);
}

fn ragged_products_and_gram_matrices<T: Real>(fma: impl Fn(T, T, T) -> T) {
    let matrix =
        |seed, rows: usize, columns: usize| Array2::from_shape_vec((rows, columns), numbers::<T>(seed, rows * columns)).unwrap();
    // Smaller and larger than tiles, packed blocks and KC blocks; with B in columns, rows of A are the lanes at (5, 3, 7) and (13, 40, 33).
    for (n, q, m) in
        [(1, 1, 1), (5, 3, 7), (13, 40, 33), (100, 100, 256), (37, 1100, 45), (20, 70, 1030), (140, 515, 12), (3, 0, 2)]
    {
        let (mut a, b) = (matrix(1, n, q), matrix(2, q, m));
        let b_in_columns = Array2::from_shape_fn((q, m).f(), |at| b[at]);
        let triangle: Vec<usize> = (0..n).map(|row| (row + 1 + q.saturating_sub(n)).min(q)).collect();
        let scattered: Vec<usize> = (0..n).map(|row| row * 7919 % (q + 1)).collect();
        for ends in [triangle, scattered, vec![0; n]] {
            a.assign(&matrix(1, n, q));
            a.indexed_iter_mut().filter(|((row, column), _)| *column >= ends[*row]).for_each(|(_, number)| *number = T::zero());
            let expected = bits(product_by_definition(a.view(), b.view(), None, &fma).as_slice().unwrap());
            for b in [b.view(), b_in_columns.view()] {
                agree(&format!("a ragged product {n} x {q} x {m}"), n * m, &expected, || {
                    let mut out = matrix(6, n, m);
                    gemm::matmul_ragged(a.view(), &ends, b, out.view_mut());
                    bits(out.as_slice().unwrap())
                });
            }
        }
        let a = matrix(1, n, q);
        let mut expected = product_by_definition(a.view(), a.t(), None, &fma);
        let lower = |matrix: &mut Array2<T>| {
            matrix.indexed_iter_mut().filter(|((i, j), _)| j > i).for_each(|(_, number)| *number = T::zero());
            bits(matrix.as_slice().unwrap())
        };
        agree(&format!("a Gram matrix {n} x {q}"), n * n, &lower(&mut expected), || {
            let mut out = matrix(6, n, n);
            gemm::gram(a.view(), out.view_mut());
            lower(&mut out)
        });
    }
}

fn squared_norms<T: Real>() {
    for len in LENGTHS {
        let x = numbers::<T>(4, len);
        let exact = x.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>();
        let found = at_level(SimdLevel::Portable, || norm::squared(&x));
        assert!((found.to_f64() - exact).abs() <= 8.0 * T::EPSILON * exact, "{found:?} is not {exact}");
        agree("a squared norm", len, &bits(&[found]), || bits(&[norm::squared(&x)]));
    }
}

#[test]
fn squared_norms_agree_to_the_bit() {
    squared_norms::<f32>();
    squared_norms::<f64>();
}

fn relu_kernels<T: Real>() {
    let (zero, t) = (T::zero(), T::of_f64(0.37));
    let psi = |z: T| if z > zero { z } else { zero };
    for len in LENGTHS {
        let (a, z, u) = (numbers::<T>(1, len), numbers::<T>(2, len), numbers::<T>(3, len));
        let positive: Vec<T> = z.iter().map(|&z| psi(z)).collect();
        agree("relu", len, &bits(&positive), || {
            let mut z = z.clone();
            relu::relu(&mut z);
            bits(&z)
        });
        let masked: Vec<T> = z.iter().zip(&a).map(|(&z, &a)| if z > zero { a } else { zero }).collect();
        agree("mask_gradient", len, &bits(&masked), || {
            let mut gradient = a.clone();
            relu::mask_gradient(&z, &mut gradient);
            bits(&gradient)
        });
        let on_line: Vec<T> = z.iter().zip(&u).map(|(&z, &u)| psi(z + t * u)).collect();
        agree("relu_on_line", len, &bits(&on_line), || {
            let mut out = vec![T::one(); len];
            relu::relu_on_line(&z, &u, t, &mut out);
            bits(&out)
        });
        let sum = at_level(SimdLevel::Portable, || relu::readout(&a, &z));
        let terms = || a.iter().zip(&z).map(|(a, &z)| a.to_f64() * psi(z).to_f64());
        assert!((sum - terms().sum::<f64>()).abs() <= 1e-13 * terms().map(f64::abs).sum::<f64>());
        agree("readout", len, &sum.to_bits(), || relu::readout(&a, &z).to_bits());
        agree("readout_and_mask", len, &(sum.to_bits(), bits(&masked)), || {
            let mut z = z.clone();
            (relu::readout_and_mask(&a, &mut z).to_bits(), bits(&z))
        });
        agree("readout of masks", len, &sum.to_bits(), || {
            let mut masks = Masks::default();
            masks.reset(1, len);
            masks.read_out(0, &a, &z).to_bits()
        });
    }
}

#[test]
fn relu_kernels_are_their_definitions_at_every_level() {
    relu_kernels::<f32>();
    relu_kernels::<f64>();
}

/// An overflowed sum (NaN) must not count as an inactive neuron.
#[test]
fn what_is_not_a_number_reaches_the_readout_at_every_level() {
    fn check<T: Real>() {
        for len in LENGTHS.into_iter().filter(|&len| len > 0) {
            for (at, level) in [0, len / 2, len - 1].into_iter().flat_map(|at| levels().map(move |level| (at, level))) {
                let (a, mut z) = (numbers::<T>(1, len), numbers::<T>(2, len));
                z[at] = T::of_f64(f64::NAN);
                at_level(level, || {
                    let is_nan = |numbers: &[T]| numbers[at].to_f64().is_nan();
                    let mut h = z.clone();
                    relu::relu(&mut h);
                    assert!(is_nan(&h) && h.iter().filter(|h| h.to_f64().is_nan()).count() == 1);
                    relu::relu_on_line(&a, &z, T::one(), &mut h);
                    assert!(is_nan(&h));
                    assert!(relu::readout(&a, &z).is_nan());
                    assert!(relu::readout_and_mask(&a, &mut z.clone()).is_nan());
                    let mut masks = Masks::default();
                    masks.reset(1, len);
                    assert!(masks.read_out(0, &a, &z).is_nan());
                    let row = LineRow { z: &z[..], u: &a[..], a: &a[..], sign: 1.0 };
                    assert!(line::value_slope_and_breakpoints(row, 1.0, &mut Vec::new()).0.is_nan());
                });
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// The breakpoints of a row inside a window, in neuron order, by division in f64.
fn breakpoints<T: Real>(row: LineRow<T>, (start, end): (f64, f64)) -> Vec<Breakpoint> {
    let neurons = row.z.iter().zip(row.u).zip(row.a);
    let points = neurons.filter_map(|((z, u), a)| {
        let (z, u, a) = (z.to_f64(), u.to_f64(), a.to_f64());
        let t = -z / u;
        let crosses = (z > 0.0) != (u > 0.0);
        (crosses && t >= start && t < end).then_some(Breakpoint { t, jump: row.sign * a * u.abs() })
    });
    points.collect()
}

fn binned(points: &[Breakpoint], window: Window) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); window.bins];
    for point in points {
        let bin = (point.t - window.start) * (window.bins as f64 / (window.end - window.start));
        let bin = &mut bins[(bin as usize).min(window.bins - 1)];
        bin.jump += point.jump;
        bin.moment += point.jump * (point.t - window.start);
        bin.falling += point.jump.min(0.0);
        bin.count += 1.0;
    }
    bins
}

/// Bits of breakpoints, so that −0 and 0 differ.
fn bits_of(points: &[Breakpoint]) -> Vec<[u64; 2]> {
    points.iter().map(|point| [point.t.to_bits(), point.jump.to_bits()]).collect()
}

fn check_line_kernels<T: Real>(row: LineRow<T>, stretches: &[(f64, f64)]) {
    let len = row.z.len();
    // Earlier entries of the list are kept.
    let before = Breakpoint { t: 7.0, jump: -7.0 };
    for &(start, end) in stretches {
        let mut expected = vec![before];
        expected.extend(breakpoints(row, (start, end)));
        agree("find_breakpoints", len, &bits_of(&expected), || {
            let mut found = vec![before];
            line::find_breakpoints(row, (start, end), &mut found);
            bits_of(&found)
        });
        if start == 0.0 {
            let sums = |found: &mut Vec<Breakpoint>| {
                let (value, slope) = line::value_slope_and_breakpoints(row, end, found);
                (value.to_bits(), slope.to_bits())
            };
            let both = at_level(SimdLevel::Portable, || sums(&mut Vec::new()));
            let on = || row.z.iter().zip(row.u).zip(row.a).filter(|((z, _), _)| **z > T::zero());
            let value: f64 = on().map(|((z, _), a)| row.sign * a.to_f64() * z.to_f64()).sum();
            let slope: f64 = on().map(|((_, u), a)| row.sign * a.to_f64() * u.to_f64()).sum();
            let close = |bits: u64, expected: f64| (f64::from_bits(bits) - expected).abs() < 1e-10;
            assert!(close(both.0, value) && close(both.1, slope), "{both:?} against {value} and {slope}");
            agree("value_slope_and_breakpoints", len, &(both, bits_of(&expected)), || {
                let mut found = vec![before];
                (sums(&mut found), bits_of(&found))
            });
        }
        for bins in [1, 8, 100] {
            let window = Window { start, end, bins };
            let points = &expected[1..];
            agree("bin_breakpoints", len, &binned(points, window), || {
                let mut bins = vec![Bin::default(); bins];
                line::bin_breakpoints(points, window, &mut bins);
                bins
            });
        }
    }
}

fn line_kernels<T: Real>() {
    let stretches = [(0.0, 0.8), (0.8, 20.0), (0.0, 1e-3), (0.0, 1e-42), (1e-44, 1e-42), (3.0, 3.0001), (0.0, 1e30)];
    for len in LENGTHS {
        let (z, u, a) = (numbers::<T>(4, len), numbers::<T>(5, len), numbers::<T>(6, len));
        check_line_kernels(LineRow { z: &z, u: &u, a: &a, sign: -1.0 }, &stretches);
    }
}

#[test]
fn line_kernels_are_their_definitions_at_every_level() {
    line_kernels::<f32>();
    line_kernels::<f64>();
}

/// Every pair of `values` as z and u, with breakpoints everywhere from 0 to the ratio of the largest to the smallest.
fn corners_of_lines<T: Real>(values: &[f64]) {
    let signed: Vec<T> = values.iter().flat_map(|&value| [T::of_f64(value), T::of_f64(-value)]).collect();
    let pairs = || signed.iter().flat_map(|&z| signed.iter().map(move |&u| (z, u)));
    let (z, u): (Vec<T>, Vec<T>) = pairs().unzip();
    let a = vec![T::one(); z.len()];
    let ratios = pairs().map(|(z, u)| (z.to_f64() / u.to_f64()).abs()).filter(|ratio| *ratio > 0.0 && ratio.is_finite());
    let stretches: Vec<(f64, f64)> =
        ratios.flat_map(|t| [(0.0, t), (0.0, t.next_up()), (t, 2.0 * t), (t.next_up(), 2.0 * t)]).collect();
    for stretch in stretches.into_iter().filter(|(_, end)| end.is_finite()) {
        let row = LineRow { z: &z, u: &u, a: &a, sign: 1.0 };
        let expected = bits_of(&breakpoints(row, stretch));
        agree("find_breakpoints", z.len(), &expected, || {
            let mut found = Vec::new();
            line::find_breakpoints(row, stretch, &mut found);
            bits_of(&found)
        });
        agree("value_slope_and_breakpoints", z.len(), &bits_of(&breakpoints(row, (0.0, stretch.1))), || {
            let mut found = Vec::new();
            line::value_slope_and_breakpoints(row, stretch.1, &mut found);
            bits_of(&found)
        });
    }
}

#[test]
fn no_breakpoint_of_the_smallest_or_largest_numbers_is_sieved_out() {
    let smallest = f64::from(f32::from_bits(1));
    let of_f32 = [0.0, smallest, 3.0 * smallest, 1e-40, f64::from(f32::MIN_POSITIVE), 1e-20, 0.3, 1.0, 1e20, f64::from(f32::MAX)];
    corners_of_lines::<f32>(&of_f32);
    corners_of_lines::<f64>(&of_f32);
    corners_of_lines::<f64>(&[0.0, 5e-324, 15e-324, 1e-310, f64::MIN_POSITIVE, 1e-300, 1e-290]);
}

#[test]
fn breakpoints_on_the_edges_of_a_stretch_are_kept_or_dropped_exactly() {
    // t = 1 at every neuron, up to the rounding of u: inside [1, 2) and outside [0, 1).
    let u: Vec<f32> = (1..500).map(|i| i as f32 * 0.37).collect();
    let z: Vec<f32> = u.iter().map(|u| -u).collect();
    let a = vec![1.0; u.len()];
    let row = LineRow { z: &z, u: &u, a: &a, sign: 1.0 };
    for (start, end, count) in [(0.0, 1.0, 0), (1.0, 2.0, 499), (1.0 - 1e-15, 1.0, 0), (1.0, 1.0 + 1e-15, 499)] {
        agree("find_breakpoints", u.len(), &count, || {
            let mut found = Vec::new();
            line::find_breakpoints(row, (start, end), &mut found);
            found.len()
        });
    }
}

#[test]
fn a_row_in_two_parts_is_the_row() {
    let (z, u, a) = (numbers::<f32>(4, 700), numbers::<f32>(5, 700), numbers::<f32>(6, 700));
    let row = LineRow { z: &z, u: &u, a: &a, sign: -1.0 };
    let mut whole = Vec::new();
    line::find_breakpoints(row, (0.0, 3.0), &mut whole);
    for count in [0, 1, 255, 256, 300, 700] {
        let mut parts = Vec::new();
        let (first, second) = row.split_at(count);
        line::find_breakpoints(first, (0.0, 3.0), &mut parts);
        line::find_breakpoints(second, (0.0, 3.0), &mut parts);
        assert_eq!(bits_of(&parts), bits_of(&whole));
    }
}

/// Rows of α, β and masks of 0 and 1 for `width` neurons, padded with zeros.
fn piece_rows(seed: u64, width: usize) -> [Vec<f64>; 3] {
    let mut rows = [seed, seed + 1, seed + 2].map(|seed| numbers::<f64>(seed, width));
    rows[2].iter_mut().for_each(|mask| *mask = if *mask > 0.0 { 1.0 } else { 0.0 });
    rows.iter_mut().for_each(|row| row.resize(padded(width), 0.0));
    rows
}

#[test]
fn the_next_flip_is_the_first_of_all_at_every_level() {
    for len in LENGTHS {
        for (seed, now) in [(9, 0.0), (12, 0.01), (15, 0.5), (18, 50.0)] {
            let [alpha, beta, mask] = piece_rows(seed, len);
            let mut first = (f64::INFINITY, 0);
            for neuron in 0..len {
                let leaves = if mask[neuron] == 1.0 { beta[neuron] < 0.0 } else { beta[neuron] > 0.0 };
                let t = (-alpha[neuron] / beta[neuron]).max(now);
                if leaves && t < first.0 {
                    first = (t, neuron);
                }
            }
            let piece = Piece { alpha: &alpha, beta: &beta, mask: &mask };
            agree("next_flip", len, &first, || linear_piece::next_flip(piece, now));
        }
    }
}

#[test]
fn the_layer_above_a_piece_is_the_product_at_every_level() {
    for (fan_in, width) in [(0, 3), (1, 1), (7, 10), (10, 10), (10, 8), (32, 32), (33, 20), (64, 41)] {
        let [alpha, beta, mask] = piece_rows(21, fan_in);
        let piece = Piece { alpha: &alpha, beta: &beta, mask: &mask };
        let mut weights = numbers::<f64>(24, fan_in * padded(width));
        let mut expected = [vec![0.0; padded(width)], vec![0.0; padded(width)]];
        for (below, row) in weights.chunks_mut(padded(width)).enumerate() {
            row[width..].fill(0.0);
            for (neuron, weight) in row.iter().enumerate() {
                expected[0][neuron] += weight * (alpha[below] * mask[below]);
                expected[1][neuron] += weight * (beta[below] * mask[below]);
            }
        }
        agree("propagate", width, &expected, || {
            let mut above = [vec![1.0; padded(width)], vec![1.0; padded(width)]];
            let [alpha, beta] = &mut above;
            linear_piece::propagate(&weights, piece, alpha, beta);
            above
        });
    }
}

#[test]
fn value_and_slope_of_a_piece_are_their_sums_at_every_level() {
    for len in LENGTHS {
        let [alpha, beta, mask] = piece_rows(25, len);
        let mut readout = numbers::<f64>(28, len);
        readout.resize(padded(len), 0.0);
        let piece = Piece { alpha: &alpha, beta: &beta, mask: &mask };
        let both = at_level(SimdLevel::Portable, || linear_piece::value_and_slope(&readout, piece));
        let on = || (0..len).filter(|&neuron| mask[neuron] == 1.0);
        let value: f64 = on().map(|neuron| readout[neuron] * alpha[neuron]).sum();
        let slope: f64 = on().map(|neuron| readout[neuron] * beta[neuron]).sum();
        assert!((both.0 - value).abs() < 1e-10 && (both.1 - slope).abs() < 1e-10, "{both:?} against {value} and {slope}");
        agree("value_and_slope", len, &both, || linear_piece::value_and_slope(&readout, piece));
    }
}

#[test]
fn whole_networks_agree_to_the_bit_at_every_level() {
    let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
    for (depth, width, search) in
        [(1, 700, SearchName::Line), (3, 20, SearchName::Trace), (3, 40, SearchName::Trace), (2, 300, SearchName::Scan)]
    {
        let cell = Cell::new(depth, 20, width);
        let measured = || {
            let streams = NetworkStreams::new(5, cell, 0, 1.0, Readout::Sign);
            let samples = measure::samples(&mut Dense::<f32>::new(streams, cell, 30, keep), search, 20.0).unwrap();
            samples.iter().map(|sample| format!("{sample:?}")).collect::<Vec<_>>()
        };
        agree(&format!("{cell}"), width, &at_level(SimdLevel::Portable, measured), measured);
    }
}

#[test]
fn overlaps_are_numbers_of_neurons_that_are_on_at_both() {
    for (inputs, neurons) in [(1, 1), (2, 15), (31, 16), (32, 17), (33, 256), (100, 250)] {
        let z = Array2::from_shape_vec((inputs, neurons), numbers::<f32>(5, inputs * neurons)).unwrap();
        let a = numbers::<f32>(6, neurons);
        let before = Array2::from_shape_fn((inputs, inputs), |(i, j)| (i + 7 * j) as f64);
        let expected = Array2::from_shape_fn((inputs, inputs), |(i, j)| {
            let both = (0..neurons).filter(|&neuron| z[[i, neuron]] > 0.0 && z[[j, neuron]] > 0.0).count();
            before[[i, j]] + if j <= i { both as f64 } else { 0.0 }
        });
        agree("overlaps", neurons, &expected, || {
            let (mut masks, mut overlaps) = (Masks::default(), before.clone());
            // Stale contents of an earlier block must not matter.
            masks.reset(70, 300);
            (0..70).for_each(|input| {
                masks.read_out(input, &[1.0; 300], &[1.0; 300]);
            });
            masks.reset(inputs, neurons);
            for (input, z) in z.rows().into_iter().enumerate() {
                masks.read_out(input, &a, z.to_slice().unwrap());
            }
            masks.add_overlaps(overlaps.view_mut());
            overlaps
        });
    }
}

#[test]
fn masked_rows_are_the_sums_of_their_definition() {
    fn check<T: Real>() {
        for (inputs, neurons, columns) in
            [(1, 1, 1), (3, 15, 16), (5, 16, 17), (2, 17, 63), (4, 256, 100), (7, 250, 129), (1, 0, 3)]
        {
            let matrix = |seed, rows: usize, columns: usize| {
                Array2::from_shape_vec((rows, columns), numbers::<T>(seed, rows * columns)).unwrap()
            };
            let (z, rows, start) = (matrix(1, inputs, neurons), matrix(2, neurons, columns), matrix(3, inputs, columns));
            let a = numbers::<T>(4, neurons);
            let made = || {
                let (mut masks, mut out) = (Masks::default(), start.clone());
                // Stale contents of an earlier block must not matter.
                masks.reset(9, 40);
                masks.reset(inputs, neurons);
                for (input, z) in z.rows().into_iter().enumerate() {
                    masks.read_out(input, &a, z.to_slice().unwrap());
                }
                masks.add_weighted_rows(&a, rows.view(), out.view_mut());
                out
            };
            let first = made();
            for ((input, column), sum) in first.indexed_iter() {
                let terms = (0..neurons).filter(|&j| z[[input, j]] > T::zero()).map(|j| a[j].to_f64() * rows[[j, column]].to_f64());
                let expected = start[[input, column]].to_f64() + terms.clone().sum::<f64>();
                let size = start[[input, column]].to_f64().abs() + terms.map(f64::abs).sum::<f64>();
                let off = (sum.to_f64() - expected).abs();
                // Products of subnormals underflow.
                assert!(off <= 20.0 * T::EPSILON * size + 1e-36, "{inputs} × {neurons} × {columns}: {off} at {input}, {column}");
            }
            let bits = |out: &Array2<T>| bits(out.as_slice().unwrap());
            agree("masked rows", neurons, &bits(&first), || bits(&made()));
            // Inputs are independent of each other.
            let mut alone = (Masks::default(), start.slice(s![..1, ..]).to_owned());
            alone.0.reset(1, neurons);
            alone.0.read_out(0, &a, z.row(0).to_slice().unwrap());
            alone.0.add_weighted_rows(&a, rows.view(), alone.1.view_mut());
            assert_eq!(alone.1.row(0), first.row(0));
        }
    }
    check::<f32>();
    check::<f64>();
}
