//! Linear algebra on top of the kernels: matrix products, orthonormal bases, small Cholesky factors, tridiagonal forms, and
//! implicit Gaussian matrices.

pub mod basis;
pub mod cholesky;
pub mod gaussian_matrix;
pub mod kept_blocks;
pub mod matmul;
pub mod tridiagonal;
pub mod workspace;
