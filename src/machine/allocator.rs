//! The system's allocator: memory that one network gives back stays with the process for the next.

/// Arrays up to this size come from memory that is kept: the largest that glibc takes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: libc::c_int = 32 << 20;
/// Free memory at the end of what a thread has, above which it is given back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MOST_KEPT: libc::c_int = 128 << 20;

/// Asks the allocator to keep freed memory, so that the system does not clear and map the same pages again for every network. To be called
/// first thing in `main`. Advice: with another allocator than glibc's nothing changes, nor where the user has tuned it.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if ["GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"].iter().all(|name| std::env::var_os(name).is_none()) {
        // SAFETY: sets two numbers of the allocator.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
            libc::mallopt(libc::M_TRIM_THRESHOLD, MOST_KEPT);
        }
    }
}
