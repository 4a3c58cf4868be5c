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
//! and products with Aᵀ are the mirror image. Memory: 2 numbers times (p + q)/2 for each direction asked; time O((p + q)·n·(r + s)) for n
//! products, all of it in matrix products.

use ndarray::{Array2, ArrayView2};

use super::basis::Basis;
use crate::kernels::Real;
use crate::network::product::{add_times, inner_products};

/// Which way the matrix is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// A x.
    Times,
    /// Aᵀ y.
    TransposeTimes,
}

/// Writes N(0, σ²) numbers: those that belong to direction `usize` of a side. Must give independent numbers for each (side, direction).
pub type Fresh<T> = Box<dyn FnMut(Side, usize, &mut [T]) + Send>;

/// A p × q matrix of iid N(0, σ²). Vectors are rows of row-major arrays.
pub struct GaussianMatrix<T> {
    fresh: Fresh<T>,
    /// Q and B = A Q, in rows.
    right: Known<T>,
    /// P and C = Aᵀ P, in rows.
    left: Known<T>,
}

/// Orthonormal directions and their images, block by block.
struct Known<T> {
    directions: Basis<T>,
    images: Vec<Array2<T>>,
}

impl<T: Real> GaussianMatrix<T> {
    /// A matrix of `rows` × `columns` of which nothing is known yet.
    pub fn new(rows: usize, columns: usize, fresh: Fresh<T>) -> Self {
        let known = |dim| Known { directions: Basis::new(dim), images: Vec::new() };
        Self { fresh, right: known(columns), left: known(rows) }
    }

    /// A x for each row x of `x`: n × p from n × q.
    pub fn times(&mut self, x: Array2<T>) -> Array2<T> {
        multiply(&mut self.right, &self.left, x, &mut |direction, out| (self.fresh)(Side::Times, direction, out))
    }

    /// Aᵀ y for each row y of `y`: n × q from n × p.
    pub fn transpose_times(&mut self, y: Array2<T>) -> Array2<T> {
        multiply(&mut self.left, &self.right, y, &mut |direction, out| (self.fresh)(Side::TransposeTimes, direction, out))
    }

    /// Numbers of directions known, (r, s).
    pub fn ranks(&self) -> (usize, usize) {
        (self.right.directions.rank(), self.left.directions.rank())
    }
}

/// The images of the rows of `x` under the matrix whose known images are `own`, and those of its transpose `other`.
fn multiply<T: Real>(own: &mut Known<T>, other: &Known<T>, x: Array2<T>, fresh: &mut dyn FnMut(usize, &mut [T])) -> Array2<T> {
    let shape = (x.nrows(), other.directions.dim());
    let mut first = own.directions.rank();
    let extension = own.directions.extend(x);
    for block in &own.directions.blocks()[extension.new_blocks..] {
        own.images.push(image(block.view(), other, first, fresh));
        first += block.nrows();
    }
    let mut answer = Array2::from_elem(shape, T::zero());
    for (coefficients, image) in extension.coefficients.iter().zip(&own.images) {
        add_times(coefficients.mapv(T::of_f64).view(), image.view(), answer.view_mut());
    }
    answer
}

/// The images of new orthonormal `directions`, of which the first is number `first`.
fn image<T: Real>(directions: ArrayView2<T>, other: &Known<T>, first: usize, fresh: &mut dyn FnMut(usize, &mut [T])) -> Array2<T> {
    let mut image = Array2::from_elem((directions.nrows(), other.directions.dim()), T::zero());
    let is_known = other.directions.is_full();
    if !is_known {
        for (index, mut row) in image.rows_mut().into_iter().enumerate() {
            fresh(first + index, row.as_slice_mut().expect("rows are contiguous"));
        }
    }
    for (basis, known) in other.directions.blocks().iter().zip(&other.images) {
        let mut part = inner_products(directions, known.view());
        if !is_known {
            part -= &inner_products(image.view(), basis.view());
        }
        add_times(part.mapv(T::of_f64).view(), basis.view(), image.view_mut());
    }
    image
}
