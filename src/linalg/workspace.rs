//! Large buffers reused by successive networks of one cell, on one thread.
//!
//! The kernel zeroes every page it maps, at a few GB/s, and glibc maps arrays of 32 MiB and more afresh each time: without reuse
//! that takes 12 % of the time of wide networks. Networks of one cell need buffers of the same sizes, so freed ones are kept for
//! the next request; [`release`](Workspace::release) frees them before the next cell. Live and free buffers together never exceed
//! the peak of the live ones.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use ndarray::{Array2, ArrayView2};

use crate::kernels::Real;
use crate::machine::pages;

/// A handle: clones share their buffers.
pub struct Workspace<T> {
    pool: Rc<RefCell<Pool<T>>>,
}

/// Sizes are capacities, in elements.
struct Pool<T> {
    free: Vec<Vec<T>>,
    live: usize,
    peak: usize,
}

impl<T> Pool<T> {
    /// Takes the smallest free vector of at least `capacity` whose excess does not raise the peak. `None` if there is none; the
    /// caller then allocates `capacity`, which counts as live already.
    fn take(&mut self, capacity: usize) -> Option<Vec<T>> {
        if capacity == 0 {
            return None;
        }
        let fits = |numbers: &Vec<T>| {
            let size = numbers.capacity();
            size >= capacity && (size == capacity || self.live + size <= self.peak)
        };
        let smallest =
            self.free.iter().enumerate().filter(|(_, numbers)| fits(numbers)).min_by_key(|(_, numbers)| numbers.capacity());
        let taken = smallest.map(|(at, _)| at).map(|at| self.free.swap_remove(at));
        self.live += taken.as_ref().map_or(capacity, Vec::capacity);
        self.peak = self.peak.max(self.live);
        self.trim();
        taken
    }

    fn put(&mut self, numbers: Vec<T>) {
        self.live = self.live.saturating_sub(numbers.capacity());
        if numbers.capacity() > 0 {
            self.free.push(numbers);
        }
        self.trim();
    }

    /// Frees the largest free vectors until live + free ≤ peak.
    fn trim(&mut self) {
        let mut size = self.live + self.free.iter().map(Vec::capacity).sum::<usize>();
        while size > self.peak
            && let Some(largest) = (0..self.free.len()).max_by_key(|&at| self.free[at].capacity())
        {
            size -= self.free.swap_remove(largest).capacity();
        }
    }
}

impl<T> Clone for Workspace<T> {
    fn clone(&self) -> Self {
        Self { pool: Rc::clone(&self.pool) }
    }
}

impl<T> Default for Workspace<T> {
    fn default() -> Self {
        Self { pool: Rc::new(RefCell::new(Pool { free: Vec::new(), live: 0, peak: 0 })) }
    }
}

impl<T: Real> Workspace<T> {
    /// An empty buffer with at least this capacity (elements).
    pub fn buffer(&self, capacity: usize) -> Buffer<T> {
        let recycled = self.pool.borrow_mut().take(capacity);
        let mut numbers = recycled.unwrap_or_else(|| {
            let mut numbers = Vec::with_capacity(capacity);
            pages::prefer_large(numbers.spare_capacity_mut());
            numbers
        });
        numbers.clear();
        Buffer { numbers, workspace: self.clone() }
    }

    /// A matrix with unspecified contents.
    pub fn matrix(&self, shape: (usize, usize)) -> Array2<T> {
        let length = shape.0 * shape.1;
        let recycled = self.pool.borrow_mut().take(length);
        let numbers = recycled.map_or_else(
            || {
                let mut numbers = vec![T::zero(); length];
                pages::prefer_large(&mut numbers);
                numbers
            },
            |mut numbers| {
                numbers.resize(length, T::zero());
                numbers
            },
        );
        Array2::from_shape_vec(shape, numbers).expect("same size")
    }

    /// A copy of `matrix`.
    pub fn copy(&self, matrix: ArrayView2<T>) -> Array2<T> {
        let mut copy = self.matrix(matrix.dim());
        copy.assign(&matrix);
        copy
    }

    /// Adds the memory of a matrix to the free buffers; it need not come from this workspace.
    pub fn recycle(&self, matrix: Array2<T>) {
        self.pool.borrow_mut().put(matrix.into_raw_vec_and_offset().0);
    }

    /// Frees all unused buffers.
    pub fn release(&self) {
        let mut pool = self.pool.borrow_mut();
        pool.free.clear();
        pool.peak = pool.live;
    }
}

/// A vector that returns its memory to the workspace when dropped.
pub struct Buffer<T> {
    numbers: Vec<T>,
    workspace: Workspace<T>,
}

impl<T> Deref for Buffer<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.numbers
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.numbers
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.workspace.pool.borrow_mut().put(std::mem::take(&mut self.numbers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (live, free, peak).
    fn sizes(workspace: &Workspace<f32>) -> (usize, usize, usize) {
        let pool = workspace.pool.borrow();
        (pool.live, pool.free.iter().map(Vec::capacity).sum(), pool.peak)
    }

    #[test]
    fn buffers_are_handed_on_empty() {
        let workspace = Workspace::<f32>::default();
        let mut first = workspace.buffer(100);
        first.extend([1.0; 100]);
        let place = first.as_ptr();
        drop(first);
        let (again, other) = (workspace.buffer(100), workspace.buffer(101));
        assert!(again.as_ptr() == place && again.is_empty());
        assert!(other.as_ptr() != place);
        drop((again, other));
        assert_eq!(workspace.buffer(0).capacity(), 0);
        workspace.release();
        assert_eq!(sizes(&workspace), (0, 0, 0));
    }

    #[test]
    fn live_and_free_buffers_keep_to_the_peak_of_live_ones() {
        let workspace = Workspace::default();
        let (a, b) = (workspace.matrix((10, 10)), workspace.matrix((5, 10)));
        workspace.recycle(a);
        assert_eq!(sizes(&workspace), (50, 100, 150));
        // The excess of the free vector does not raise the peak: reused.
        let c = workspace.matrix((9, 10));
        assert_eq!(sizes(&workspace), (150, 0, 150));
        workspace.recycle(c);
        // The free vector is too small: freed.
        let d = workspace.matrix((11, 10));
        assert_eq!(sizes(&workspace), (160, 0, 160));
        [b, d].into_iter().for_each(|matrix| workspace.recycle(matrix));
        assert_eq!(sizes(&workspace), (0, 160, 160));
        // Foreign memory does not raise the peak.
        workspace.recycle(Array2::zeros((3, 3)));
        assert_eq!(sizes(&workspace), (0, 59, 160));
    }
}
