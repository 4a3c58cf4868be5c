//! What this process may use: cores, memory, BLAS threads; and the versions of what it is linked to.
//!
//! Everything here looks at one process on one machine. How many ranks there are in the job is known to [`crate::comm`].

pub mod allocator;
pub mod blas;
pub mod cgroup;
pub mod clock;
pub mod cores;
pub mod disk;
pub mod memory;
pub mod pages;
pub mod signals;
pub mod terminal;
pub mod versions;

pub use clock::now_utc;
pub use cores::cores_of_this_rank;
pub use memory::{address_space_left, memory_of_this_rank};
pub use signals::is_ignored;
pub use versions::{host_name, program_revision, provenance, version_text};

/// Sets allocator and BLAS up for the program. To be called first thing in `main`.
///
/// # Errors
/// Those of [`blas::use_one_blas_thread`].
pub fn prepare() -> anyhow::Result<()> {
    allocator::keep_freed_memory();
    blas::use_one_blas_thread()
}
