//! An implicit Gaussian matrix: its products are drawn instead of its entries, exactly in joint law.
//!
//! Let A be p × q with iid N(0, σ²) entries. Suppose A Q = B is known for orthonormal Q (q × r), and Aᵀ P = C for orthonormal P
//! (p × s). Conditionally on these, A has the law of
//!
//! ```text
//! B Qᵀ + P Cᵀ (I − Q Qᵀ) + (I − P Pᵀ) Ã (I − Q Qᵀ),    Ã an independent copy of A,
//! ```
//!
//! however Q and P were chosen, provided each new direction depends only on what was known before it (Bolthausen's conditioning;
//! as an algorithm: Lu, "Householder Dice", arXiv 2101.07464). So for a new unit vector v ⊥ Q
//!
//! ```text
//! A v = P Cᵀ v + g − P Pᵀ g,    g = Ã v ~ N(0, σ² I),
//! ```
//!
//! and likewise for products with Aᵀ. Such an image is g plus a combination of the directions P, so it need not be stored: g is a
//! function of its stream and is regenerated for every product, in chunks of rows that stay in cache, and the coefficients form a
//! small matrix. In a team each member holds its share of every vector, and only inner products are sums over all. Memory: the directions, r·q + s·p entries. Time: O((p + q)·n·(r + s)) flops for n products, all in matmuls, plus
//! r·p + s·q normals, regenerated in every product.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, s};

use super::basis::{Basis, Coordinates};
use crate::kernels::{Real, Weight};
use crate::linalg::matmul::{
    add_times, count_vectors, inner_products, inner_products_of_weights, small_product, sum_over, times, zeros,
};
use crate::linalg::workspace::Workspace;
use crate::random::IMAGE_CHUNK;
use crate::team::Share;

/// A product with the matrix or with its transpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// A x.
    Times,
    /// Aᵀ y.
    TransposeTimes,
}

/// Fills a slice with the iid N(0, σ²) numbers g of (side, direction, chunk): one chunk of [`IMAGE_CHUNK`] entries (the last may
/// be shorter) of the image of a direction. Must be deterministic, and independent across keys.
pub type Fresh<W> = Box<dyn FnMut(Side, usize, usize, &mut [W]) + Send>;

/// [`Fresh`] for a fixed side: (direction, chunk, out).
type Draw<'a, W> = dyn FnMut(usize, usize, &mut [W]) + 'a;

/// A p × q matrix with iid N(0, σ²) entries, drawn in the format of `W`. Vectors are rows of row-major arrays.
pub struct GaussianMatrix<W: Weight> {
    fresh: Fresh<W>,
    /// Q, and the representation of B = A Q.
    right: Known<W::Real>,
    /// P, and the representation of C = Aᵀ P.
    left: Known<W::Real>,
}

/// Orthonormal directions and their images. An image is a drawn vector g plus a combination of the other side's directions.
struct Known<T> {
    directions: Basis<T>,
    /// Coefficients of these combinations: (directions of this side) × (directions of the other side at the last product).
    on_other: Array2<f64>,
}

impl<W: Weight> GaussianMatrix<W> {
    /// A matrix before any product, with rows and columns divided as these shares.
    pub fn new(rows: Share, columns: Share, fresh: Fresh<W>, workspace: &Workspace<W::Real>) -> Self {
        let known = |share| Known { directions: Basis::new(share, workspace), on_other: Array2::zeros((0, 0)) };
        Self { fresh, right: known(columns), left: known(rows) }
    }

    /// A x for each row x of `x`: n × p from n × q, or this member's share of them.
    pub fn times(&mut self, x: Array2<W::Real>) -> Array2<W::Real> {
        multiply(&mut self.right, &self.left, x, Side::Times, &mut self.fresh)
    }

    /// Aᵀ y for each row y of `y`: n × q from n × p, or this member's share of them.
    pub fn transpose_times(&mut self, y: Array2<W::Real>) -> Array2<W::Real> {
        multiply(&mut self.left, &self.right, y, Side::TransposeTimes, &mut self.fresh)
    }

    /// Number of known directions on each side, (r, s).
    pub fn ranks(&self) -> (usize, usize) {
        (self.right.directions.rank(), self.left.directions.rank())
    }
}

/// Images of the rows of `x`, n × q, under the matrix with known directions `own`, `other` being those of its transpose: n × p.
/// NaN for rows whose squared norm overflows. Clobbers `x` or reuses its memory.
fn multiply<W: Weight>(
    own: &mut Known<W::Real>,
    other: &Known<W::Real>,
    mut x: Array2<W::Real>,
    side: Side,
    fresh: &mut Fresh<W>,
) -> Array2<W::Real> {
    let transposed = if side == Side::Times { Side::TransposeTimes } else { Side::Times };
    if other.directions.is_full() {
        return multiply_known(own, other, x.view(), &mut |d, c, out| fresh(transposed, d, c, out));
    }
    let before = own.directions.rank();
    let Coordinates { coefficients, overflowed } = own.directions.extend(&mut x);
    let shape = (x.nrows(), other.directions.share().len());
    let nan_if_overflowed = |mut image: Array2<W::Real>| {
        overflowed.iter().for_each(|&row| image.row_mut(row).fill(W::Real::of_f64(f64::NAN)));
        image
    };
    if own.directions.rank() == 0 {
        return nan_if_overflowed(zeros(shape));
    }
    // `extend` has clobbered x: reuse its memory if the size fits.
    let mut image = if x.ncols() == shape.1 {
        x
    } else {
        let workspace = own.directions.workspace();
        workspace.recycle(x);
        workspace.matrix(shape)
    };
    let (rank, others) = (own.directions.rank(), &other.directions);
    let mut on_other = Array2::zeros((rank, others.rank()));
    on_other.slice_mut(s![..before, ..own.on_other.ncols()]).assign(&own.on_other);
    own.on_other = on_other;

    // Writes x and the image; the coefficients on the other side read the new directions and those of the other side, and update
    // the image.
    let (length, image_length) = (own.directions.share().len(), others.share().len());
    count_vectors(image.nrows(), length);
    count_vectors(image.nrows(), image_length);
    if others.rank() > 0 {
        count_vectors(rank - before, length);
        count_vectors(2 * image.nrows() + others.rank(), image_length);
    }

    // Cᵀv: only the drawn part of C contributes, as v is orthogonal to the directions in the rest.
    if before < rank {
        let known = &own.directions;
        let on_drawn = sum_over(known.share(), (rank - before, others.rank()), |slab, mut sum| {
            let draw = &mut |d: usize, c: usize, out: &mut [W]| fresh(transposed, d, c, out);
            for_each_chunk(others.rank(), known.share(), slab, draw, |drawn, rows, chunk| {
                for (new, vectors) in known.vectors_from(before) {
                    let mut part = sum.slice_mut(s![new.start - before..new.end - before, drawn.clone()]);
                    part += &inner_products(vectors.slice(s![.., rows.clone()]), chunk);
                }
            });
        });
        own.on_other.slice_mut(s![before.., ..]).assign(&on_drawn);
    }
    let as_drawn = coefficients.mapv(W::Real::of_f64);
    // Pᵀg of the new directions.
    let on_others = sum_over(others.share(), (rank - before, others.rank()), |slab, mut sum| {
        for_each_chunk(rank, others.share(), slab, &mut |d, c, out| fresh(side, d, c, out), |drawn, rows, chunk| {
            let part = as_drawn.slice(s![.., drawn.clone()]);
            if drawn.start == 0 {
                times(part, chunk, image.slice_mut(s![.., rows.clone()]));
            } else {
                // Leading rows have zero coefficients on directions that later rows added.
                let above = part.rows().into_iter().take_while(|row| row.iter().all(|c| *c == W::Real::ZERO)).count();
                add_times(part.slice(s![above.., ..]), chunk, image.slice_mut(s![above.., rows.clone()]));
            }
            let new = drawn.start.max(before)..drawn.end;
            if !new.is_empty() {
                let chunk = chunk.slice(s![new.start - drawn.start.., ..]);
                for (numbers, vectors) in others.vectors_from(0) {
                    let mut part = sum.slice_mut(s![new.start - before..new.end - before, numbers]);
                    part += &inner_products_of_weights(chunk, vectors.slice(s![.., rows.clone()]));
                }
            }
        });
    });
    let mut new = own.on_other.slice_mut(s![before.., ..]);
    new -= &on_others;
    others.add_combinations(&small_product(coefficients.view(), own.on_other.view()), image.view_mut());
    nan_if_overflowed(image)
}

/// Images of the rows of `x` if `other` spans the whole space, so that the matrix is fully determined: A x = P Cᵀ x. `draw`
/// regenerates the drawn part of C.
fn multiply_known<W: Weight>(
    own: &Known<W::Real>,
    other: &Known<W::Real>,
    x: ArrayView2<W::Real>,
    draw: &mut Draw<W>,
) -> Array2<W::Real> {
    let on_own = own.directions.inner_products_with(x);
    let mut on_other = small_product(on_own.slice(s![.., ..other.on_other.ncols()]), other.on_other.t());
    let share = own.directions.share();
    on_other += &sum_over(share, (x.nrows(), other.directions.rank()), |slab, mut sum| {
        for_each_chunk(other.directions.rank(), share, slab, draw, |drawn, rows, chunk| {
            let mut part = sum.slice_mut(s![.., drawn]);
            part += &inner_products(x.slice(s![.., rows]), chunk);
        });
    });
    let mut image = zeros((x.nrows(), other.directions.share().len()));
    other.directions.add_combinations(&on_other, image.view_mut());
    image
}

/// Directions drawn and multiplied at a time, so that a chunk of them stays in cache.
const DRAWN_AT_ONCE: usize = 64;

/// Regenerates the drawn vectors of the first `count` directions on the entries `slab` of `share`. Calls `visit`(directions, rows, g) for each chunk of
/// rows, counted as in `slab`, and each group of [`DRAWN_AT_ONCE`] directions; g is directions × rows.
fn for_each_chunk<W: Weight>(
    count: usize,
    share: &Share,
    slab: Range<usize>,
    draw: &mut Draw<W>,
    mut visit: impl FnMut(Range<usize>, Range<usize>, ArrayView2<W>),
) {
    let mut numbers = zeros((DRAWN_AT_ONCE.min(count), IMAGE_CHUNK.min(slab.len())));
    for start in slab.clone().step_by(IMAGE_CHUNK) {
        let rows = start..slab.end.min(start + IMAGE_CHUNK);
        let chunk = (share.start() + start) / IMAGE_CHUNK;
        for first in (0..count).step_by(DRAWN_AT_ONCE) {
            let directions = first..count.min(first + DRAWN_AT_ONCE);
            let mut numbers = numbers.slice_mut(s![..directions.len(), ..rows.len()]);
            for (direction, mut row) in directions.clone().zip(numbers.rows_mut()) {
                draw(direction, chunk, row.as_slice_mut().expect("rows are contiguous"));
            }
            visit(directions, rows.clone(), numbers.view());
        }
    }
}
