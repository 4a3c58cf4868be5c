//! The resources of a rank: threads, memory and address space.

use crate::comm::Comm;
use crate::error::BadInput;
use crate::machine::{self, blas};

/// The resources of one rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Bytes.
    pub memory: u64,
}

/// The ranks of a job, as one of them sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranks {
    /// Number of ranks.
    pub count: usize,
    /// The resources of this rank.
    pub own: Resources,
    /// The fewest threads and the least memory of any rank.
    pub least: Resources,
    /// The most threads of any rank.
    pub most_threads: usize,
    /// Whether several ranks can compute a task together.
    pub are_linked: bool,
}

impl Ranks {
    /// `count` equal ranks.
    pub fn equal(count: usize, resources: Resources) -> Self {
        Self { count, own: resources, least: resources, most_threads: resources.threads, are_linked: true }
    }

    /// The ranks of `comm`; this one has `own`. Collective.
    pub fn of(comm: &dyn Comm, own: Resources) -> Self {
        // Not u64::MAX: see `agree`.
        const MOST: u64 = i64::MAX as u64;
        let lowest = |value: u64| comm.lowest(value.min(MOST));
        let least = Resources { threads: lowest(own.threads as u64) as usize, memory: lowest(own.memory) };
        let most_threads = (MOST - lowest(MOST - own.threads as u64)) as usize;
        Self { count: comm.size(), own, least, most_threads, are_linked: lowest(u64::from(comm.has_links())) == 1 }
    }
}

/// Memory of a rank besides its tasks, in bytes: program, libraries, MPI and HDF5 buffers.
pub const PROCESS: u64 = 96 << 20;
/// Memory of a worker thread besides its task, in bytes: BLAS buffers and stack.
pub const THREAD: u64 = 40 << 20;
/// Address space of a worker thread besides its memory, in bytes: its OpenBLAS buffer, malloc arena and stack.
const ADDRESSES: u64 = 320 << 20;

/// The resources of this rank, one of `ranks` on its node: `threads` and `memory` (bytes) if given, else all that it may use.
///
/// # Errors
/// They do not fit the address space limit (`ulimit -v`), where OpenBLAS would retry mapping its buffer for ever.
pub fn resources(threads: Option<usize>, memory: Option<u64>, ranks: usize) -> Result<Resources, BadInput> {
    let wanted = match blas::is_safe_for_threads() {
        true => threads.unwrap_or_else(|| machine::cores_of_this_rank(ranks)),
        false => 1,
    };
    within(machine::address_space_left(), threads, wanted, memory, machine::memory_of_this_rank(ranks))
}

/// `wanted` threads, fewer unless `threads` is given, and `memory`, else at most `all`, within `left` bytes of address space.
fn within(left: Option<u64>, threads: Option<usize>, wanted: usize, memory: Option<u64>, all: u64) -> Result<Resources, BadInput> {
    let Some(left) = left else { return Ok(Resources { threads: wanted, memory: memory.unwrap_or(all) }) };
    let least = PROCESS + THREAD;
    let fit = usize::try_from(left.saturating_sub(least) / (ADDRESSES + THREAD)).unwrap_or(usize::MAX);
    let threads = if threads.is_some() { wanted } else { wanted.min(fit.max(1)) };
    let addresses = ADDRESSES * threads as u64;
    let memory = memory.unwrap_or_else(|| all.min(left.saturating_sub(addresses)).max(least));
    if addresses.saturating_add(memory) > left {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        return Err(BadInput::new(
            format!("{threads} threads and {} MiB of memory do not fit the address space", mebibytes(memory)),
            format!("ulimit -v leaves {} MiB, and each thread maps another {} MiB", left >> 20, mebibytes(ADDRESSES)),
            "raise the limit (ulimit -v unlimited, or the memory requested from the batch system), or give fewer --threads or less --memory",
        ));
    }
    Ok(Resources { threads, memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_and_memory_fit_the_address_space() {
        let gib = 1u64 << 30;
        let take = |left, threads, memory| within(left, threads, threads.unwrap_or(4), memory, 8 * gib);
        assert_eq!(take(None, Some(9), None), Ok(Resources { threads: 9, memory: 8 * gib }));
        assert_eq!(take(Some(100 * gib), None, None), Ok(Resources { threads: 4, memory: 8 * gib }));
        for left in [gib / 2, gib, 2 * gib, 3 * gib] {
            let Resources { threads, memory } = take(Some(left), None, None).unwrap();
            assert!(threads as u64 * ADDRESSES + memory <= left && memory >= PROCESS + THREAD, "{left}: {threads} {memory}");
        }
        assert!(take(Some(gib), Some(4), None).unwrap_err().why.contains("leaves 1024 MiB"));
        assert!(take(Some(3 * gib), Some(4), Some(2 * gib)).is_err());
        assert!(take(Some(gib / 4), None, None).is_err());
    }
}
