//! Settings of the system's allocator. The library brings no allocator of its own.
//!
//! glibc maps every array above a threshold afresh and the kernel clears its pages, at a few GB/s. With a threshold of [`LARGE`] smaller arrays
//! are recycled within the process.

/// Arrays below this many bytes are recycled: the largest threshold that glibc accepts.
pub const LARGE: usize = 32 << 20;
/// Free bytes at the top of the heap above which glibc returns them to the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MOST_KEPT: libc::c_int = 128 << 20;

/// Sets the thresholds of glibc's malloc, unless the user has set them; no effect with another allocator. Call first thing in `main`.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if ["GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"].iter().all(|name| std::env::var_os(name).is_none()) {
        // SAFETY: sets two numbers of the allocator.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE as libc::c_int);
            libc::mallopt(libc::M_TRIM_THRESHOLD, MOST_KEPT);
        }
    }
}
