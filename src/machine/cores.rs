//! Default number of cores of this rank.
//!
//! Limited by the CPU affinity set by the launcher, by the cpuset and quota of the container or batch job, and by the other ranks on the
//! node. `mpirun` binds two ranks to one core each, more ranks to a socket that they share, and none with `--bind-to none`. The rule for
//! all: an equal share of the node, at most the affinity.

use std::path::Path;

use super::cgroup;

/// Cores for this rank, one of `ranks` on this node; at least 1.
pub fn cores_of_this_rank(ranks: usize) -> usize {
    let affinity = affinity().unwrap_or_else(online);
    // The minimum of the affinity and the cgroup quota.
    let parallelism = std::thread::available_parallelism().map_or(affinity, |cores| cores.get());
    let job = cores_of_job().unwrap_or_else(online);
    let node = if parallelism < affinity { job.min(parallelism) } else { job };
    share(parallelism, node, ranks)
}

/// An equal share of `node` cores among `ranks`, at most `allowed` and at least 1.
fn share(allowed: usize, node: usize, ranks: usize) -> usize {
    allowed.min(node / ranks.max(1)).max(1)
}

/// Cores in the affinity mask of this process.
#[cfg(target_os = "linux")]
fn affinity() -> Option<usize> {
    // SAFETY: the kernel fills in the set of the given size; all-zero is a valid set.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let failed = libc::sched_getaffinity(0, size_of_val(&set), &mut set) != 0;
        (!failed).then(|| libc::CPU_COUNT(&set) as usize)
    }
}

#[cfg(not(target_os = "linux"))]
fn affinity() -> Option<usize> {
    None
}

/// Online cores of the machine.
fn online() -> usize {
    // SAFETY: `sysconf` only reads its argument.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(1).max(1)
}

/// Cores in the cpuset of the batch job or container.
fn cores_of_job() -> Option<usize> {
    let limit = cgroup::Limit { controller: "cpuset", name_v1: "cpuset.cpus", name_v2: "cpuset.cpus.effective" };
    cgroup::limit_files(Path::new(cgroup::MOUNT), &cgroup::membership(), limit)
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .find_map(|list| count_cpus(&list))
}

/// Number of CPUs in a kernel list such as `0-3,8,10-11`; `None` if it is empty or malformed.
fn count_cpus(list: &str) -> Option<usize> {
    let range = |entry: &str| -> Option<usize> {
        let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(last.checked_sub(first)? + 1)
    };
    list.trim().split(',').map(range).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_divided_once() {
        assert_eq!(share(64, 64, 1), 64, "one unbound rank");
        assert_eq!(share(64, 64, 8), 8, "unbound ranks divide the node");
        assert_eq!(share(1, 64, 2), 1, "a rank bound to one core");
        assert_eq!(share(4, 64, 2), 4, "bound to four cores each: not divided again");
        assert_eq!(share(32, 64, 8), 8, "eight ranks bound to two sockets share them");
        assert_eq!(share(2, 2, 7), 1, "more ranks than cores");
        assert_eq!(share(3, 3, 2), 1, "rounded down");
    }

    #[test]
    fn cpu_lists_are_counted() {
        assert_eq!(count_cpus("0-3,8,10-11\n"), Some(7));
        assert_eq!(count_cpus("0\n"), Some(1));
        assert_eq!(count_cpus("\n"), None);
        assert_eq!(count_cpus("3-1"), None);
    }

    #[test]
    fn this_machine_has_cores() {
        let cores = cores_of_this_rank(1);
        assert!((1..=online()).contains(&cores), "{cores}");
        assert_eq!(cores_of_this_rank(10_000), 1);
    }
}
