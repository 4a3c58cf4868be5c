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

use ndarray::{Array2, ArrayView2, s};

use super::basis::Basis;
use crate::kernels::Real;
use crate::network::product::{add_times, inner_products, zeros};
use crate::random::PRODUCT_ROWS;

/// Which way the matrix is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// A x.
    Times,
    /// Aᵀ y.
    TransposeTimes,
}

/// Writes N(0, σ²) numbers: those of a side, of a direction of it, and of one chunk of [`PRODUCT_ROWS`] entries of its image (the last
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

/// Orthonormal directions, and what their images are made of, block by block.
struct Known<T> {
    directions: Basis<T>,
    images: Vec<Image>,
}

/// The images of a block of directions: drawn numbers and a combination of the other side's directions.
struct Image {
    /// The first direction of the block.
    first: usize,
    /// Whether there is a drawn part; not if the matrix was known by then.
    is_drawn: bool,
    /// The combination, for each block of the other side that was there: (directions of this block) × (directions of that one).
    on_other: Vec<Array2<f64>>,
}

impl<T: Real> GaussianMatrix<T> {
    /// A matrix of `rows` × `columns` of which nothing is known yet.
    pub fn new(rows: usize, columns: usize, fresh: Fresh<T>) -> Self {
        let known = |dim| Known { directions: Basis::new(dim), images: Vec::new() };
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

/// The images of the rows of `x` under the matrix whose known side is `own`; `other` is that of its transpose.
fn multiply<T: Real>(own: &mut Known<T>, other: &Known<T>, x: Array2<T>, side: Side, fresh: &mut Fresh<T>) -> Array2<T> {
    let mut first = own.directions.rank();
    let mut answer = zeros((x.nrows(), other.directions.dim()));
    let extension = own.directions.extend(x);
    for block in &own.directions.blocks()[extension.new_blocks..] {
        own.images.push(image(block.view(), other, first, side, fresh));
        first += block.nrows();
    }
    let mut on_other: Vec<Array2<f64>> =
        other.directions.blocks().iter().map(|block| Array2::zeros((answer.nrows(), block.nrows()))).collect();
    for (coefficients, image) in extension.coefficients.iter().zip(&own.images) {
        for (sum, part) in on_other.iter_mut().zip(&image.on_other) {
            *sum += &coefficients.dot(part);
        }
        if image.is_drawn {
            let coefficients = coefficients.mapv(T::of_f64);
            let drawn = coefficients.ncols();
            for_each_chunk(
                image.first..image.first + drawn,
                answer.ncols(),
                &mut |d, c, out| fresh(side, d, c, out),
                |rows, chunk| {
                    add_times(coefficients.view(), chunk, answer.slice_mut(s![.., rows]));
                },
            );
        }
    }
    for (coefficients, block) in on_other.iter().zip(other.directions.blocks()) {
        add_times(coefficients.mapv(T::of_f64).view(), block.view(), answer.view_mut());
    }
    answer
}

/// What the images of new orthonormal `directions`, of which the first is number `first`, are made of.
fn image<T: Real>(directions: ArrayView2<T>, other: &Known<T>, first: usize, side: Side, fresh: &mut Fresh<T>) -> Image {
    let is_drawn = !other.directions.is_full();
    let blocks = other.directions.blocks();
    // ⟨C, v⟩: a new direction is orthogonal to those that the rest of C is made of.
    let transposed = if side == Side::Times { Side::TransposeTimes } else { Side::Times };
    let mut on_other: Vec<Array2<f64>> = Vec::with_capacity(blocks.len());
    for (block, image) in blocks.iter().zip(&other.images) {
        let mut part = Array2::zeros((directions.nrows(), block.nrows()));
        let range = image.first..image.first + block.nrows();
        for_each_chunk(range, directions.ncols(), &mut |d, c, out| fresh(transposed, d, c, out), |rows, chunk| {
            part += &inner_products(directions.slice(s![.., rows]), chunk);
        });
        on_other.push(part);
    }
    if is_drawn && !blocks.is_empty() {
        let range = first..first + directions.nrows();
        for_each_chunk(range, other.directions.dim(), &mut |d, c, out| fresh(side, d, c, out), |rows, chunk| {
            for (part, block) in on_other.iter_mut().zip(blocks) {
                *part -= &inner_products(chunk, block.slice(s![.., rows.clone()]));
            }
        });
    }
    Image { first, is_drawn, on_other }
}

/// Calls `visit` with the drawn numbers of `directions`, chunk by chunk of their `length` entries: (directions) × (rows of the chunk).
fn for_each_chunk<T: Real>(
    directions: std::ops::Range<usize>,
    length: usize,
    draw: &mut Draw<T>,
    mut visit: impl FnMut(std::ops::Range<usize>, ArrayView2<T>),
) {
    let mut numbers = zeros((directions.len(), PRODUCT_ROWS.min(length)));
    for chunk in 0..length.div_ceil(PRODUCT_ROWS) {
        let rows = chunk * PRODUCT_ROWS..length.min((chunk + 1) * PRODUCT_ROWS);
        let mut numbers = numbers.slice_mut(s![.., ..rows.len()]);
        for (direction, mut row) in directions.clone().zip(numbers.rows_mut()) {
            draw(direction, chunk, row.as_slice_mut().expect("rows are contiguous"));
        }
        visit(rows, numbers.view());
    }
}
