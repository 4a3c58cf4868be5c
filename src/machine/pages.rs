//! Pages of large arrays: large ones, which the system clears and maps 2 MiB at a time in place of 4 KiB, and those that are not used.

use std::mem::MaybeUninit;

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

/// Gives the pages of `room`, of which nothing is used yet, back to the system until they are touched. Advice: where the system does not
/// take them, nothing changes.
pub fn give_back<T>(room: &mut [MaybeUninit<T>]) {
    let start = room.as_mut_ptr().addr();
    let first = start.next_multiple_of(LARGE_PAGE);
    let bytes = (start + size_of_val(room)).saturating_sub(first) / LARGE_PAGE * LARGE_PAGE;
    if bytes > 0 {
        #[cfg(target_os = "linux")]
        // SAFETY: the range lies within the room, whose contents nobody needs.
        unsafe {
            libc::madvise(room.as_mut_ptr().byte_add(first - start).cast(), bytes, libc::MADV_DONTNEED);
        }
    }
}
