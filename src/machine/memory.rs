//! Default memory of this rank, and its memory use. All sizes in bytes.

use std::path::Path;

use super::cgroup;

/// The rest is for the system and for what is not accounted for (libraries, MPI buffers, stacks).
const USABLE_FRACTION: f64 = 0.8;

/// Memory for this rank, one of `ranks` on this node: an equal share of 80 % of the node's free memory, or of the cgroup limit if smaller.
pub fn memory_of_this_rank(ranks: usize) -> u64 {
    let available = available_on_node().unwrap_or_else(installed);
    let limit = cgroup_limit(Path::new(cgroup::MOUNT), &cgroup::membership());
    share(available, limit, ranks)
}

fn share(available: u64, limit: Option<u64>, ranks: usize) -> u64 {
    let usable = available.min(limit.unwrap_or(u64::MAX)) as f64 * USABLE_FRACTION;
    (usable / ranks.max(1) as f64) as u64
}

/// Current resident memory of this process; `None` if unknown.
pub fn resident() -> Option<u64> {
    kibibytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Peak resident memory of this process; `None` if unknown.
pub fn peak_resident() -> Option<u64> {
    kibibytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// Address space left under `ulimit -v`, which batch systems may set; `None` without a limit.
pub fn address_space_left() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills in the structure.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) } != 0;
    if failed || limit.rlim_cur == libc::RLIM_INFINITY {
        return None;
    }
    let taken = kibibytes(&std::fs::read_to_string("/proc/self/status").unwrap_or_default(), "VmSize:").unwrap_or(0);
    Some(limit.rlim_cur.saturating_sub(taken))
}

/// Memory available without swapping.
fn available_on_node() -> Option<u64> {
    kibibytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// Installed memory.
fn installed() -> u64 {
    // SAFETY: `sysconf` only reads its argument.
    let [pages, page] = [libc::_SC_PHYS_PAGES, libc::_SC_PAGESIZE].map(|name| unsafe { libc::sysconf(name) });
    u64::try_from(pages).unwrap_or(0) * u64::try_from(page).unwrap_or(0)
}

/// The value of `key`, at the start of a line of a `/proc` file, converted from `kB` (1024 bytes).
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The smallest limit of the control group and its ancestors; `None` without a limit.
fn cgroup_limit(mount: &Path, membership: &str) -> Option<u64> {
    let limit = cgroup::Limit { controller: "memory", name_v1: "memory.limit_in_bytes", name_v2: "memory.max" };
    // No limit is `max` in version 2, which does not parse, and a huge number in version 1.
    cgroup::limit_files(mount, membership, limit)
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_four_fifths_of_the_smaller_over_the_ranks() {
        assert_eq!(share(1000, None, 1), 800);
        assert_eq!(share(1000, Some(500), 2), 200);
        assert_eq!(share(1000, Some(u64::MAX), 4), 200);
    }

    #[test]
    fn proc_files_are_read_by_whole_keys() {
        let text = "MemTotal:       24682808 kB\nMemAvailable:   24246352 kB\n";
        assert_eq!(kibibytes(text, "MemAvailable:"), Some(24_246_352 * 1024));
        assert_eq!(kibibytes(text, "Available:"), None);
    }

    #[test]
    fn the_smallest_limit_of_all_ancestors_applies() {
        let mount = tempfile::tempdir().unwrap();
        let group = mount.path().join("job/step");
        std::fs::create_dir_all(&group).unwrap();
        std::fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(cgroup_limit(mount.path(), "0::/job/step\n"), None);
        std::fs::write(mount.path().join("job/memory.max"), "1048576\n").unwrap();
        assert_eq!(cgroup_limit(mount.path(), "0::/job/step\n"), Some(1_048_576));
        std::fs::write(group.join("memory.max"), "4096\n").unwrap();
        assert_eq!(cgroup_limit(mount.path(), "0::/job/step\n"), Some(4096));
    }

    #[test]
    fn touched_memory_shows() {
        let (Some(before), Some(_)) = (resident(), peak_resident()) else { return };
        let touched = std::hint::black_box(vec![1_u8; 64 << 20]);
        let peak = peak_resident().unwrap();
        assert!(peak >= before && peak >= touched.len() as u64, "{before} {peak}");
        assert!(memory_of_this_rank(1) > 0);
    }
}
