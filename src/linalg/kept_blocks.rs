//! First-layer pre-activations of all inputs, stored block by block of neurons in one buffer.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::matmul::uninitialised;
use super::workspace::{Buffer, Workspace};
use crate::kernels::Real;
use crate::random::{BLOCK_ROWS, block_rows, blocks};

/// The leading blocks of an n × k matrix, filled in order.
pub struct KeptBlocks<T> {
    inputs: usize,
    width: usize,
    workspace: Workspace<T>,
    numbers: Buffer<T>,
}

impl<T: Real> KeptBlocks<T> {
    /// No blocks; memory is allocated by the first [`push`](Self::push).
    pub fn new(inputs: usize, width: usize, workspace: &Workspace<T>) -> Self {
        Self { inputs, width, workspace: workspace.clone(), numbers: workspace.buffer(0) }
    }

    /// Number of blocks.
    pub fn count(&self) -> usize {
        if self.numbers.is_empty() { 0 } else { self.numbers.len().div_ceil(self.inputs * BLOCK_ROWS) }
    }

    /// Block `block`, n × neurons.
    pub fn block(&self, block: usize) -> ArrayView2<'_, T> {
        let neurons = block_rows(self.width, block);
        let numbers = &self.numbers[neurons.start * self.inputs..neurons.end * self.inputs];
        ArrayView2::from_shape((self.inputs, neurons.len()), numbers).expect("same size")
    }

    /// Appends the next block, n × neurons, written by `fill`, and returns it.
    ///
    /// # Safety
    /// As for [`filled`](super::matmul::filled).
    pub unsafe fn push(&mut self, fill: impl FnOnce(ArrayViewMut2<T>)) -> ArrayView2<'_, T> {
        let block = self.count();
        assert!(block < blocks(self.width), "a block of the layer");
        if self.numbers.capacity() == 0 {
            self.numbers = self.workspace.buffer(self.inputs * self.width);
        }
        let neurons = block_rows(self.width, block).len();
        let memory = &mut self.numbers.spare_capacity_mut()[..self.inputs * neurons];
        // SAFETY: guaranteed by the caller.
        unsafe {
            fill(uninitialised((self.inputs, neurons), memory));
            let length = self.numbers.len() + self.inputs * neurons;
            self.numbers.set_len(length);
        }
        self.block(block)
    }
}
