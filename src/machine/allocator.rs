//! Caches large freed buffers per thread for reuse by the next network.
//!
//! The kernel zeroes every page that it maps, at a few GB/s: 10 % of the time of a wide network. Buffers below [`LARGE`] are cached by glibc
//! ([`keep_freed_memory`]). Larger ones, which glibc always unmaps, are cached by the thread that frees them while it has a [`KeepLarge`].
//! The cached and live large buffers of a thread never exceed its peak of live ones; smaller buffers come on top ([`BESIDE`]).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

/// Size in bytes from which buffers are cached here: glibc's maximum for its own cache.
pub const LARGE: usize = 32 << 20;
/// Allowance in bytes for buffers just below [`LARGE`], which come on top of a thread's cache.
pub const BESIDE: usize = 2 * LARGE;
/// Maximum number of buffers that a thread caches.
const SLOTS: usize = 64;
/// Page size in bytes.
const PAGE: usize = 4096;
/// Upper limit of allocation sizes, in bytes.
const LARGEST: usize = isize::MAX as usize / 2;
/// Free memory at the top of the heap, in bytes, beyond which glibc trims it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MOST_KEPT: libc::c_int = 128 << 20;

/// Makes glibc cache freed memory. To be called first in `main`. No effect with another C library, or if the user has tuned malloc.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if ["GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"].iter().all(|name| std::env::var_os(name).is_none()) {
        // SAFETY: sets two parameters of malloc.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE as libc::c_int);
            libc::mallopt(libc::M_TRIM_THRESHOLD, MOST_KEPT);
        }
    }
}

/// While one exists, this thread caches the large buffers that it frees. Dropping it releases them to the system.
pub struct KeepLarge {
    /// Bound to its thread.
    _not_send: PhantomData<*mut u8>,
}

impl KeepLarge {
    #[expect(clippy::new_without_default, reason = "it changes the thread")]
    pub fn new() -> Self {
        KEPT.with(|kept| {
            kept.is_on.set(true);
            kept.live.set(0);
            kept.peak.set(0);
        });
        Self { _not_send: PhantomData }
    }

    /// Releases the cache to the system.
    pub fn give_back(&self) {
        KEPT.with(Kept::give_back);
    }
}

impl Drop for KeepLarge {
    fn drop(&mut self) {
        KEPT.with(|kept| {
            kept.is_on.set(false);
            kept.give_back();
        });
    }
}

/// A freed buffer and its capacity in bytes; empty if that is 0.
type Slot = Cell<(*mut u8, usize)>;

/// The cache of a thread. Without a destructor, so that it is usable as long as the thread allocates.
struct Kept {
    is_on: Cell<bool>,
    /// Bytes of live large buffers, of cached ones, and the peak of live ones.
    live: Cell<usize>,
    cached: Cell<usize>,
    peak: Cell<usize>,
    slots: [Slot; SLOTS],
}

thread_local! {
    static KEPT: Kept = const {
        Kept {
            is_on: Cell::new(false),
            live: Cell::new(0),
            cached: Cell::new(0),
            peak: Cell::new(0),
            slots: [const { Cell::new((ptr::null_mut(), 0)) }; SLOTS],
        }
    };
}

impl Kept {
    /// A cached buffer, resized to `capacity`, if there is one; counts it as live. mremap moves its pages, so only new ones are zeroed.
    fn take(&self, capacity: usize) -> Option<*mut u8> {
        self.live.set(self.live.get() + capacity);
        let kept = || self.slots.iter().filter(|slot| slot.get().1 > 0);
        let smallest_larger = kept().filter(|slot| slot.get().1 >= capacity).min_by_key(|slot| slot.get().1);
        let best = smallest_larger.or_else(|| kept().max_by_key(|slot| slot.get().1));
        let taken = best.map(|slot| slot.replace((ptr::null_mut(), 0)));
        self.cached.set(self.cached.get() - taken.map_or(0, |(_, capacity)| capacity));
        self.shrink_to_peak();
        let (buffer, old) = taken?;
        if old == capacity {
            return Some(buffer);
        }
        // SAFETY: the buffer was allocated with its old capacity and is not in use.
        let moved = unsafe { System.realloc(buffer, layout_of(old), capacity) };
        if moved.is_null() {
            // SAFETY: as above; a failed realloc leaves it in place.
            unsafe { System.dealloc(buffer, layout_of(old)) };
            return None;
        }
        Some(moved)
    }

    /// Accounts for resizing a live buffer.
    fn resize(&self, from: usize, to: usize) {
        self.live.set(self.live.get().saturating_sub(from) + to);
        self.shrink_to_peak();
    }

    /// Frees cached buffers in excess of the peak.
    fn shrink_to_peak(&self) {
        self.peak.set(self.peak.get().max(self.live.get()));
        while self.live.get() + self.cached.get() > self.peak.get()
            && let Some(largest) = self.slots.iter().filter(|slot| slot.get().1 > 0).max_by_key(|slot| slot.get().1)
        {
            self.free(largest);
        }
    }

    /// Caches a freed buffer; returns whether there was a slot for it within the peak.
    fn put(&self, buffer: *mut u8, capacity: usize) -> bool {
        self.live.set(self.live.get().saturating_sub(capacity));
        let free = self.slots.iter().find(|slot| slot.get().1 == 0);
        // Buffers allocated by other threads may exceed the peak of this one.
        let Some(slot) = free.filter(|_| self.live.get() + self.cached.get() + capacity <= self.peak.get()) else { return false };
        self.cached.set(self.cached.get() + capacity);
        slot.set((buffer, capacity));
        true
    }

    fn give_back(&self) {
        self.slots.iter().filter(|slot| slot.get().1 > 0).for_each(|slot| self.free(slot));
        self.peak.set(self.live.get());
    }

    fn free(&self, slot: &Slot) {
        let (buffer, capacity) = slot.replace((ptr::null_mut(), 0));
        self.cached.set(self.cached.get() - capacity);
        // SAFETY: the buffer was allocated with this capacity and is not in use.
        unsafe { System.dealloc(buffer, layout_of(capacity)) };
    }
}

/// The global allocator.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Whether buffers of this layout may be cached.
fn is_large(layout: Layout) -> bool {
    (LARGE..=LARGEST).contains(&layout.size()) && layout.align() <= ALIGNMENT
}

/// Alignment of large buffers: malloc's own, so that realloc can use mremap.
const ALIGNMENT: usize = 16;

/// The capacity allocated for a large buffer of `size` bytes: whole pages.
fn capacity(size: usize) -> usize {
    size.next_multiple_of(PAGE)
}

fn layout_of(capacity: usize) -> Layout {
    Layout::from_size_align(capacity, ALIGNMENT).expect("capacity of a buffer")
}

/// Runs `work` on the cache of this thread, if it has one.
fn with_kept<R>(work: impl FnOnce(&Kept) -> Option<R>) -> Option<R> {
    KEPT.try_with(|kept| if kept.is_on.get() { work(kept) } else { None }).ok().flatten()
}

// SAFETY: memory comes from the system allocator and is freed with the layout it was allocated with: for large buffers that of their
// capacity, which follows from the size, for others their own. A cached buffer has no user.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            return unsafe { System.alloc(layout) };
        }
        let capacity = capacity(layout.size());
        with_kept(|kept| kept.take(capacity)).unwrap_or_else(|| unsafe { System.alloc(layout_of(capacity)) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            return unsafe { System.alloc_zeroed(layout) };
        }
        let capacity = capacity(layout.size());
        match with_kept(|kept| kept.take(capacity)) {
            Some(buffer) => {
                unsafe { buffer.write_bytes(0, layout.size()) };
                buffer
            }
            None => unsafe { System.alloc_zeroed(layout_of(capacity)) },
        }
    }

    unsafe fn dealloc(&self, buffer: *mut u8, layout: Layout) {
        if !is_large(layout) {
            return unsafe { System.dealloc(buffer, layout) };
        }
        let capacity = capacity(layout.size());
        if with_kept(|kept| kept.put(buffer, capacity).then_some(())).is_none() {
            unsafe { System.dealloc(buffer, layout_of(capacity)) };
        }
    }

    unsafe fn realloc(&self, buffer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_large(layout), is_large(new_layout)) {
            (false, false) => unsafe { System.realloc(buffer, layout, size) },
            (true, true) => {
                let [old, new] = [layout.size(), size].map(capacity);
                with_kept(|kept| {
                    kept.resize(old, new);
                    None::<()>
                });
                unsafe { System.realloc(buffer, layout_of(old), new) }
            }
            _ => unsafe {
                let new = self.alloc(new_layout);
                if !new.is_null() {
                    ptr::copy_nonoverlapping(buffer, new, layout.size().min(size));
                    self.dealloc(buffer, layout);
                }
                new
            },
        }
    }
}
