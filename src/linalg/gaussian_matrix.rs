//! A Gaussian matrix that is only ever multiplied: its products are drawn in place of its entries, exactly in joint law.
//!
//! Let A be p × q with iid N(0, σ²) entries. Say A Q = B is known for orthonormal Q (q × r), and Aᵀ P = C for orthonormal P (p × s). Given
//! that, A has the law of
//!
//! ```text
//! B Qᵀ + P Cᵀ (I − Q Qᵀ) + (I − P Pᵀ) Ã (I − Q Qᵀ),    Ã a fresh copy of A,
//! ```
//!
//! whatever rule chose Q and P, as long as each new direction depends on what was known before it only (Bolthausen's conditioning; as
//! an algorithm: Lu, "Householder Dice", arXiv 2101.07464). So for a new direction v ⊥ Q
//!
//! ```text
//! A v = P Cᵀ v + g − P Pᵀ g,    g = Ã v ~ N(0, σ² I),
//! ```
//!
//! and products with Aᵀ are the mirror image. Such an image is g plus a combination of the directions P, so that it need not be kept
//! either: the numbers g are a function of their stream, made again at every product, in chunks of rows that stay in cache while they are
//! multiplied, and the coefficients are a small matrix. Memory: r·q + s·p numbers, the directions. Time: O((p + q)·n·(r + s)) for n
//! products, all of it in matrix products, and the drawing of r·p + s·q normals.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, s};

use super::basis::{Basis, Coordinates};
use crate::kernels::Real;
use crate::linalg::matmul::{add_times, count_vectors, inner_products, times, zeros};
use crate::linalg::workspace::Workspace;
use crate::random::IMAGE_CHUNK;

/// Which way the matrix is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// A x.
    Times,
    /// Aᵀ y.
    TransposeTimes,
}

/// Writes N(0, σ²) numbers: those of a side, of a direction of it, and of one chunk of [`IMAGE_CHUNK`] entries of its image (the last
/// chunk may be shorter). Must give the same numbers whenever it is asked, and independent ones for each (side, direction, chunk).
pub type Fresh<T> = Box<dyn FnMut(Side, usize, usize, &mut [T]) + Send>;

/// The numbers of one side.
type Draw<'a, T> = dyn FnMut(usize, usize, &mut [T]) + 'a;

/// A p × q matrix of iid N(0, σ²). Vectors are rows of row-major arrays.
pub struct GaussianMatrix<T> {
    fresh: Fresh<T>,
    /// Q, and what B = A Q is made of.
    right: Known<T>,
    /// P, and what C = Aᵀ P is made of.
    left: Known<T>,
}

/// Orthonormal directions and what their images are made of: each has drawn numbers, and a combination of the other side's directions.
struct Known<T> {
    directions: Basis<T>,
    /// The combinations, (directions of this side) × (directions of the other side at the last product; later ones have no part in them).
    on_other: Array2<f64>,
}

impl<T: Real> GaussianMatrix<T> {
    /// A matrix of `rows` × `columns` of which nothing is known yet.
    pub fn new(rows: usize, columns: usize, fresh: Fresh<T>, workspace: &Workspace<T>) -> Self {
        let known = |dim| Known { directions: Basis::new(dim, workspace), on_other: Array2::zeros((0, 0)) };
        Self { fresh, right: known(columns), left: known(rows) }
    }

    /// A x for each row x of `x`: n × p from n × q.
    pub fn times(&mut self, x: Array2<T>) -> Array2<T> {
        multiply(&mut self.right, &self.left, x, Side::Times, &mut self.fresh)
    }

    /// Aᵀ y for each row y of `y`: n × q from n × p.
    pub fn transpose_times(&mut self, y: Array2<T>) -> Array2<T> {
        multiply(&mut self.left, &self.right, y, Side::TransposeTimes, &mut self.fresh)
    }

    /// Numbers of directions known, (r, s).
    pub fn ranks(&self) -> (usize, usize) {
        (self.right.directions.rank(), self.left.directions.rank())
    }
}

/// The images of the rows of `x` under the matrix whose known side is `own`; `other` is that of its transpose. NaN for rows whose squares
/// overflow.
fn multiply<T: Real>(own: &mut Known<T>, other: &Known<T>, mut x: Array2<T>, side: Side, fresh: &mut Fresh<T>) -> Array2<T> {
    let transposed = if side == Side::Times { Side::TransposeTimes } else { Side::Times };
    if other.directions.is_full() {
        return multiply_known(own, other, x.view(), &mut |d, c, out| fresh(transposed, d, c, out));
    }
    let before = own.directions.rank();
    let Coordinates { coefficients, overflowed } = own.directions.extend(&mut x);
    let shape = (x.nrows(), other.directions.dim());
    let lose_overflowed = |mut answer: Array2<T>| {
        overflowed.iter().for_each(|&row| answer.row_mut(row).fill(T::of_f64(f64::NAN)));
        answer
    };
    if own.directions.rank() == 0 {
        return lose_overflowed(zeros(shape));
    }
    // `extend` has clobbered x: the answer takes its memory if it fits.
    let mut answer = if x.ncols() == shape.1 {
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

    // What is asked is written, the answer too; what the two sides have in one another reads the new directions, those of the other
    // side, and the answer, which is written again.
    count_vectors(answer.nrows(), own.directions.dim());
    count_vectors(answer.nrows(), others.dim());
    if others.rank() > 0 {
        count_vectors(rank - before, own.directions.dim());
        count_vectors(2 * answer.nrows() + others.rank(), others.dim());
    }

    // ⟨C, v⟩: a new direction is orthogonal to those that the rest of C is made of.
    if before < rank {
        for_each_chunk(others.rank(), own.directions.dim(), &mut |d, c, out| fresh(transposed, d, c, out), |drawn, rows, chunk| {
            for (new, vectors) in own.directions.vectors_from(before) {
                let mut part = own.on_other.slice_mut(s![new, drawn.clone()]);
                part += &inner_products(vectors.slice(s![.., rows.clone()]), chunk);
            }
        });
    }
    let as_drawn = coefficients.mapv(T::of_f64);
    for_each_chunk(rank, answer.ncols(), &mut |d, c, out| fresh(side, d, c, out), |drawn, rows, chunk| {
        let part = as_drawn.slice(s![.., drawn.clone()]);
        if drawn.start == 0 {
            times(part, chunk, answer.slice_mut(s![.., rows.clone()]));
        } else {
            // The first rows know nothing of directions that later ones brought.
            let above = part.rows().into_iter().take_while(|row| row.iter().all(|c| *c == T::zero())).count();
            add_times(part.slice(s![above.., ..]), chunk, answer.slice_mut(s![above.., rows.clone()]));
        }
        // g − P Pᵀ g of those that are new.
        let new = drawn.start.max(before)..drawn.end;
        if !new.is_empty() {
            let chunk = chunk.slice(s![new.start - drawn.start.., ..]);
            for (numbers, vectors) in others.vectors_from(0) {
                let mut part = own.on_other.slice_mut(s![new.clone(), numbers]);
                part -= &inner_products(chunk, vectors.slice(s![.., rows.clone()]));
            }
        }
    });
    others.add_combinations(&coefficients.dot(&own.on_other), answer.view_mut());
    lose_overflowed(answer)
}

/// The images of the rows of `x` under a matrix of which everything is known, because `other` spans the whole space: A x = P ⟨C, x⟩. `draw`
/// gives the drawn numbers of C.
fn multiply_known<T: Real>(own: &Known<T>, other: &Known<T>, x: ArrayView2<T>, draw: &mut Draw<T>) -> Array2<T> {
    let on_own = own.directions.inner_products_with(x);
    let mut on_other = on_own.slice(s![.., ..other.on_other.ncols()]).dot(&other.on_other.t());
    for_each_chunk(other.directions.rank(), x.ncols(), draw, |drawn, rows, chunk| {
        let mut part = on_other.slice_mut(s![.., drawn]);
        part += &inner_products(x.slice(s![.., rows]), chunk);
    });
    let mut answer = zeros((x.nrows(), other.directions.dim()));
    other.directions.add_combinations(&on_other, answer.view_mut());
    answer
}

/// Directions whose numbers are drawn and multiplied at a time, so that they stay in cache.
const DRAWN_AT_ONCE: usize = 64;

/// Calls `visit` with the drawn numbers of the first `count` directions, chunk by chunk of their `length` entries and
/// [`DRAWN_AT_ONCE`] directions at a time: (directions) × (rows of the chunk).
fn for_each_chunk<T: Real>(
    count: usize,
    length: usize,
    draw: &mut Draw<T>,
    mut visit: impl FnMut(Range<usize>, Range<usize>, ArrayView2<T>),
) {
    let mut numbers = zeros((DRAWN_AT_ONCE.min(count), IMAGE_CHUNK.min(length)));
    for chunk in 0..length.div_ceil(IMAGE_CHUNK) {
        let rows = chunk * IMAGE_CHUNK..length.min((chunk + 1) * IMAGE_CHUNK);
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
