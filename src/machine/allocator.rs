//! The system's allocator, and memory that one network gives back kept for the next.
//!
//! The system clears every page that it maps, at a few gigabytes a second: a tenth of the time of a wide network. Arrays below [`LARGE`]
//! stay with glibc ([`keep_freed_memory`]); larger ones, which glibc always gives back, stay with the thread that frees them, while it
//! has a [`KeepLarge`]. The large arrays that a thread keeps and uses are together never more than the most that it has used. Smaller ones
//! that come later may come on top: [`BESIDE`].

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

/// Arrays below this size come from memory that glibc keeps: the most that it takes.
pub const LARGE: usize = 32 << 20;
/// What a network may need beside the large arrays that its thread keeps: a few arrays that are just not large.
pub const BESIDE: usize = 2 * LARGE;
/// Most arrays that a thread keeps.
const SLOTS: usize = 64;
/// Bytes of a page.
const PAGE: usize = 4096;
/// Arrays above this size cannot be.
const LARGEST: usize = isize::MAX as usize / 2;
/// Free memory at the end of what a thread has, above which glibc gives it back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MOST_KEPT: libc::c_int = 128 << 20;

/// Asks glibc to keep freed memory. To be called first thing in `main`. Advice: with another allocator nothing changes, nor where the user
/// has tuned it.
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

/// While there is one, this thread keeps the large arrays that it frees; when it is dropped, they go back to the system.
pub struct KeepLarge {
    /// It belongs to its thread.
    _not_send: PhantomData<*mut u8>,
}

impl KeepLarge {
    #[expect(clippy::new_without_default, reason = "it changes the thread")]
    pub fn new() -> Self {
        KEPT.with(|kept| {
            kept.is_on.set(true);
            kept.used.set(0);
            kept.most.set(0);
        });
        Self { _not_send: PhantomData }
    }

    /// Gives everything kept back to the system.
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

/// A freed array and its room; no array if that is 0.
type Slot = Cell<(*mut u8, usize)>;

/// What a thread keeps. Without a destructor, so that it can be used as long as the thread allocates.
struct Kept {
    is_on: Cell<bool>,
    /// Bytes of large arrays that this thread uses, of those that it keeps, and the most that it has used.
    used: Cell<usize>,
    kept: Cell<usize>,
    most: Cell<usize>,
    slots: [Slot; SLOTS],
}

thread_local! {
    static KEPT: Kept = const {
        Kept {
            is_on: Cell::new(false),
            used: Cell::new(0),
            kept: Cell::new(0),
            most: Cell::new(0),
            slots: [const { Cell::new((ptr::null_mut(), 0)) }; SLOTS],
        }
    };
}

impl Kept {
    /// A kept array, given this room, if there is one; notes that the room is used. The system changes the room of an array by moving its
    /// pages: only those that are new are cleared.
    fn take(&self, room: usize) -> Option<*mut u8> {
        self.used.set(self.used.get() + room);
        let kept = || self.slots.iter().filter(|slot| slot.get().1 > 0);
        let smallest_larger = kept().filter(|slot| slot.get().1 >= room).min_by_key(|slot| slot.get().1);
        let best = smallest_larger.or_else(|| kept().max_by_key(|slot| slot.get().1));
        let taken = best.map(|slot| slot.replace((ptr::null_mut(), 0)));
        self.kept.set(self.kept.get() - taken.map_or(0, |(_, room)| room));
        self.make_room();
        let (array, old) = taken?;
        if old == room {
            return Some(array);
        }
        // SAFETY: the array was allocated with its old room, and nobody uses it.
        let moved = unsafe { System.realloc(array, of_room(old), room) };
        if moved.is_null() {
            // SAFETY: as above; it is where it was.
            unsafe { System.dealloc(array, of_room(old)) };
            return None;
        }
        Some(moved)
    }

    /// An array in use is given another room.
    fn resize(&self, from: usize, to: usize) {
        self.used.set(self.used.get().saturating_sub(from) + to);
        self.make_room();
    }

    /// Frees what is kept beyond the most that has been used.
    fn make_room(&self) {
        self.most.set(self.most.get().max(self.used.get()));
        while self.used.get() + self.kept.get() > self.most.get()
            && let Some(largest) = self.slots.iter().filter(|slot| slot.get().1 > 0).max_by_key(|slot| slot.get().1)
        {
            self.free(largest);
        }
    }

    /// Keeps a freed array; returns whether there was a place for it.
    fn put(&self, array: *mut u8, room: usize) -> bool {
        self.used.set(self.used.get().saturating_sub(room));
        let free = self.slots.iter().find(|slot| slot.get().1 == 0);
        // Arrays of other threads may come on top of its own.
        let Some(slot) = free.filter(|_| self.used.get() + self.kept.get() + room <= self.most.get()) else { return false };
        self.kept.set(self.kept.get() + room);
        slot.set((array, room));
        true
    }

    fn give_back(&self) {
        self.slots.iter().filter(|slot| slot.get().1 > 0).for_each(|slot| self.free(slot));
        self.most.set(self.used.get());
    }

    fn free(&self, slot: &Slot) {
        let (array, room) = slot.replace((ptr::null_mut(), 0));
        self.kept.set(self.kept.get() - room);
        // SAFETY: the array was allocated with this room, and nobody uses it.
        unsafe { System.dealloc(array, of_room(room)) };
    }
}

/// The allocator of the program.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Whether arrays of this layout may be kept.
fn is_large(layout: Layout) -> bool {
    (LARGE..=LARGEST).contains(&layout.size()) && layout.align() <= ALIGNMENT
}

/// Of large arrays: with it the system can move them by their pages.
const ALIGNMENT: usize = 16;

/// What is allocated for a large array of `size` bytes: whole pages.
fn room(size: usize) -> usize {
    size.next_multiple_of(PAGE)
}

fn of_room(room: usize) -> Layout {
    Layout::from_size_align(room, ALIGNMENT).expect("room of an array")
}

/// What this thread keeps, while it does.
fn with_kept<R>(work: impl FnOnce(&Kept) -> Option<R>) -> Option<R> {
    KEPT.try_with(|kept| if kept.is_on.get() { work(kept) } else { None }).ok().flatten()
}

// SAFETY: memory comes from the system's allocator and goes back to it with the layout that it was allocated with: large arrays with that
// of their room, which follows from their size, others with their own. A kept array is nobody's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            return unsafe { System.alloc(layout) };
        }
        let room = room(layout.size());
        with_kept(|kept| kept.take(room)).unwrap_or_else(|| unsafe { System.alloc(of_room(room)) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            return unsafe { System.alloc_zeroed(layout) };
        }
        let room = room(layout.size());
        match with_kept(|kept| kept.take(room)) {
            Some(array) => {
                unsafe { array.write_bytes(0, layout.size()) };
                array
            }
            None => unsafe { System.alloc_zeroed(of_room(room)) },
        }
    }

    unsafe fn dealloc(&self, array: *mut u8, layout: Layout) {
        if !is_large(layout) {
            return unsafe { System.dealloc(array, layout) };
        }
        let room = room(layout.size());
        if with_kept(|kept| kept.put(array, room).then_some(())).is_none() {
            unsafe { System.dealloc(array, of_room(room)) };
        }
    }

    unsafe fn realloc(&self, array: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_large(layout), is_large(new_layout)) {
            (false, false) => unsafe { System.realloc(array, layout, size) },
            (true, true) => {
                let [old, new] = [layout.size(), size].map(room);
                with_kept(|kept| {
                    kept.resize(old, new);
                    None::<()>
                });
                unsafe { System.realloc(array, of_room(old), new) }
            }
            _ => unsafe {
                let new = self.alloc(new_layout);
                if !new.is_null() {
                    ptr::copy_nonoverlapping(array, new, layout.size().min(size));
                    self.dealloc(array, layout);
                }
                new
            },
        }
    }
}
