//! Transparent huge pages for large arrays, and releasing unused pages.

use std::mem::MaybeUninit;

/// Size of a huge page in bytes, on x86-64 and most other systems.
const HUGE_PAGE: usize = 2 << 20;

/// Requests huge pages (2 MiB) for the aligned part of `array`, which must not have been touched yet. A hint: it may have no effect.
pub fn prefer_large<T>(array: &mut [T]) {
    let start = array.as_mut_ptr().addr();
    let first = start.next_multiple_of(HUGE_PAGE);
    let bytes = (start + size_of_val(array)).saturating_sub(first) / HUGE_PAGE * HUGE_PAGE;
    if bytes > 0 {
        #[cfg(target_os = "linux")]
        // SAFETY: the range is within the array, and the hint keeps its contents.
        unsafe {
            libc::madvise(array.as_mut_ptr().byte_add(first - start).cast(), bytes, libc::MADV_HUGEPAGE);
        }
    }
}

/// Releases the pages of an unused `buffer` to the system until they are touched. A hint: it may have no effect.
pub fn discard<T>(buffer: &mut [MaybeUninit<T>]) {
    let start = buffer.as_mut_ptr().addr();
    let first = start.next_multiple_of(HUGE_PAGE);
    let bytes = (start + size_of_val(buffer)).saturating_sub(first) / HUGE_PAGE * HUGE_PAGE;
    if bytes > 0 {
        #[cfg(target_os = "linux")]
        // SAFETY: the range is within the buffer, whose contents are uninitialised.
        unsafe {
            libc::madvise(buffer.as_mut_ptr().byte_add(first - start).cast(), bytes, libc::MADV_DONTNEED);
        }
    }
}
