//! The machine as seen by one process: cores, memory, disk, BLAS, signals, terminal. Ranks are the business of [`crate::comm`].

pub mod allocator;
pub mod blas;
pub mod cgroup;
pub mod clock;
pub mod cores;
pub mod disk;
pub mod host;
pub mod last_words;
pub mod memory;
pub mod pages;
pub mod signals;
pub mod terminal;

pub use clock::now_utc;
pub use cores::cores_of_this_rank;
pub use host::host_name;
pub use memory::{address_space_left, memory_of_this_rank};
pub use signals::is_ignored;

/// Configures the allocator and BLAS. To be called first in `main`.
///
/// # Errors
/// Those of [`blas::use_one_blas_thread`].
pub fn prepare() -> anyhow::Result<()> {
    allocator::keep_freed_memory();
    blas::use_one_blas_thread()
}
