//! What this process may use: cores, memory, BLAS threads; and the versions of what it is linked to.
pub mod blas;
