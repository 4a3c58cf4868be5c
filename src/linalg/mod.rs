//! Linear algebra on the kernels: matrix products, orthonormal bases, factors of small matrices, and Gaussian matrices that are only ever
//! multiplied.

pub mod basis;
pub mod cholesky;
pub mod gaussian_matrix;
pub mod kept_blocks;
pub mod matmul;
pub mod workspace;
