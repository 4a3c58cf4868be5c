//! What this process may use: cores, memory, BLAS threads; and the versions of what it is linked to.

/// The text of `--version`.
pub fn version_text() -> String {
    format!("advstep-hpc {}", env!("CARGO_PKG_VERSION"))
}
pub mod blas;
