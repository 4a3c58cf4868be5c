//! Large pages for large arrays: the system clears and maps 2 MiB at a time in place of 4 KiB.

/// Bytes of a large page on x86-64 and, mostly, elsewhere.
const LARGE_PAGE: usize = 2 << 20;

/// Asks for large pages in the part of `array` that can have them. Advice: where the system does not give them, nothing changes. To be
/// asked before the array is touched.
pub fn prefer_large<T>(array: &mut [T]) {
    let start = array.as_mut_ptr().addr();
    let first = start.next_multiple_of(LARGE_PAGE);
    let bytes = (start + size_of_val(array)).saturating_sub(first) / LARGE_PAGE * LARGE_PAGE;
    if bytes > 0 {
        #[cfg(target_os = "linux")]
        // SAFETY: the range lies within the array, and the advice changes no contents.
        unsafe {
            libc::madvise(array.as_mut_ptr().byte_add(first - start).cast(), bytes, libc::MADV_HUGEPAGE);
        }
    }
}
