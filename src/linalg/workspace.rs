//! What a thread brings to the networks of a cell: large buffers that successive networks reuse, and its place in a team.
//!
//! The kernel zeroes every page it maps, at a few GB/s, and glibc maps arrays of 32 MiB and more afresh each time, which
//! costs wide networks a noticeable part of their time. Networks of one cell need buffers of the same sizes, so freed ones are kept for
//! the next request; [`release`](Workspace::release) frees them before the next cell. Live and free buffers together never exceed
//! the peak of the live ones.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use ndarray::{Array2, ArrayView2};

use crate::kernels::Real;
use crate::machine::pages;
use crate::team::{Share, Team};

/// A handle: clones share their buffers.
pub struct Workspace<T> {
    pool: Rc<RefCell<Pool<T>>>,
    team: Team,
}

/// Sizes are capacities, in elements.
struct Pool<T> {
    /// With the number of the request that each last served.
    free: Vec<(usize, Vec<T>)>,
    /// Requests of this network so far.
    requests: usize,
    live: usize,
    peak: usize,
}

impl<T> Pool<T> {
    /// Takes the smallest free vector of at least `capacity` whose excess does not raise the peak, of equal ones that which served this
    /// request of the last network. `None` if there is none; the caller then allocates `capacity`, which counts as live already. Also
    /// returns the number of the request, and whether the vector has served it before.
    fn take(&mut self, capacity: usize) -> (Option<Vec<T>>, usize, bool) {
        if capacity == 0 {
            return (None, usize::MAX, false);
        }
        let request = self.requests;
        self.requests += 1;
        let fits = |numbers: &Vec<T>| {
            let size = numbers.capacity();
            size >= capacity && (size == capacity || self.live + size <= self.peak)
        };
        let fitting = self.free.iter().enumerate().filter(|(_, (_, numbers))| fits(numbers));
        let best = fitting.min_by_key(|(_, (served, numbers))| (numbers.capacity(), *served != request)).map(|(at, _)| at);
        let taken = best.map(|at| self.free.swap_remove(at));
        self.live += taken.as_ref().map_or(capacity, |(_, numbers)| numbers.capacity());
        self.peak = self.peak.max(self.live);
        self.trim();
        let is_same = taken.as_ref().is_some_and(|(served, _)| *served == request);
        (taken.map(|(_, numbers)| numbers), request, is_same)
    }

    fn put(&mut self, request: usize, numbers: Vec<T>) {
        self.live = self.live.saturating_sub(numbers.capacity());
        if numbers.capacity() > 0 {
            self.free.push((request, numbers));
        }
        self.trim();
    }

    /// Frees the largest free vectors until live + free ≤ peak.
    fn trim(&mut self) {
        let mut size = self.live + self.free.iter().map(|(_, numbers)| numbers.capacity()).sum::<usize>();
        while size > self.peak
            && let Some(largest) = (0..self.free.len()).max_by_key(|&at| self.free[at].1.capacity())
        {
            size -= self.free.swap_remove(largest).1.capacity();
        }
    }
}

impl<T> Clone for Workspace<T> {
    fn clone(&self) -> Self {
        Self { pool: Rc::clone(&self.pool), team: self.team.clone() }
    }
}

impl<T> Default for Workspace<T> {
    fn default() -> Self {
        Self::in_team(&Team::alone())
    }
}

impl<T> Workspace<T> {
    /// An empty workspace of a member of `team`.
    pub fn in_team(team: &Team) -> Self {
        let pool = Pool { free: Vec::new(), requests: 0, live: 0, peak: 0 };
        Self { pool: Rc::new(RefCell::new(pool)), team: team.clone() }
    }

    /// The part of a layer's `neurons` that this thread computes.
    pub fn share(&self, neurons: usize) -> Share {
        Share::of(neurons, &self.team)
    }
}

impl<T: Real> Workspace<T> {
    /// To be called before each network: its requests are matched with those of the network before.
    pub fn begin_network(&self) {
        self.pool.borrow_mut().requests = 0;
    }

    /// An empty buffer with at least this capacity (elements).
    pub fn buffer(&self, capacity: usize) -> Buffer<T> {
        let (recycled, request, is_same) = self.pool.borrow_mut().take(capacity);
        let mut numbers = recycled.unwrap_or_else(|| {
            let mut numbers = Vec::with_capacity(capacity);
            pages::prefer_large(numbers.spare_capacity_mut());
            numbers
        });
        numbers.clear();
        Buffer { numbers, request, is_same, workspace: self.clone() }
    }

    /// A matrix with unspecified contents.
    pub fn matrix(&self, shape: (usize, usize)) -> Array2<T> {
        let length = shape.0 * shape.1;
        let (recycled, ..) = self.pool.borrow_mut().take(length);
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
        self.pool.borrow_mut().put(usize::MAX, matrix.into_raw_vec_and_offset().0);
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
    request: usize,
    is_same: bool,
    workspace: Workspace<T>,
}

impl<T> Buffer<T> {
    /// Whether it served the same request of the last network, so that as many of its pages are mapped as are needed now.
    pub fn is_same(&self) -> bool {
        self.is_same
    }
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
        self.workspace.pool.borrow_mut().put(self.request, std::mem::take(&mut self.numbers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (live, free, peak).
    fn sizes(workspace: &Workspace<f32>) -> (usize, usize, usize) {
        let pool = workspace.pool.borrow();
        (pool.live, pool.free.iter().map(|(_, numbers)| numbers.capacity()).sum(), pool.peak)
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
    fn requests_get_the_buffers_that_served_them_before() {
        let workspace = Workspace::<f32>::default();
        workspace.begin_network();
        let first = [workspace.buffer(50), workspace.buffer(50), workspace.buffer(50)];
        let places = first.each_ref().map(|buffer| buffer.as_ptr());
        let [a, b, c] = first;
        drop((c, a, b));
        workspace.begin_network();
        let again = [workspace.buffer(50), workspace.buffer(50), workspace.buffer(50)];
        assert_eq!(again.each_ref().map(|buffer| buffer.as_ptr()), places);
        assert!(again.iter().all(Buffer::is_same));
        drop(again);
        // Without a new network these are further requests.
        assert!(!workspace.buffer(50).is_same());
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
