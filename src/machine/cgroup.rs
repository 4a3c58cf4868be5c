//! Files with the limits of this process in Linux control groups (containers, batch jobs).

use std::path::{Path, PathBuf};

/// Mount point of the control groups.
pub const MOUNT: &str = "/sys/fs/cgroup";

/// The contents of `/proc/self/cgroup`; empty if there is none.
pub fn membership() -> String {
    std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}

/// The file of a limit in version 1, which has one tree per controller, and in version 2, which has a single tree.
#[derive(Debug, Clone, Copy)]
pub struct Limit<'a> {
    pub controller: &'a str,
    pub name_v1: &'a str,
    pub name_v2: &'a str,
}

/// The files that may hold `limit`, from the group of this process up to the root: a limit applies to all groups below it. `membership`
/// has lines `number:controllers:path`; number 0 without controllers is version 2. In a container the path may be that of the host and not
/// exist; the root of the mount is then the container's own group.
pub fn limit_files(mount: &Path, membership: &str, limit: Limit) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let (tree, name) = if number == "0" && controllers.is_empty() {
            (mount.to_owned(), limit.name_v2)
        } else if controllers.split(',').any(|controller| controller == limit.controller) {
            (mount.join(limit.controller), limit.name_v1)
        } else {
            continue;
        };
        let group = Path::new(path.trim_start_matches('/'));
        files.extend(group.ancestors().map(|ancestor| tree.join(ancestor).join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: Limit = Limit { controller: "memory", name_v1: "memory.limit_in_bytes", name_v2: "memory.max" };

    #[test]
    fn version_1_has_a_tree_for_each_controller() {
        let files = limit_files(Path::new("/cg"), "5:cpu,cpuacct:/other\n4:memory:/slurm/job_7\n", MEMORY);
        let expected =
            ["slurm/job_7/", "slurm/", ""].map(|group| PathBuf::from(format!("/cg/memory/{group}memory.limit_in_bytes")));
        assert_eq!(files, expected);
    }

    #[test]
    fn version_2_has_one_tree() {
        let files = limit_files(Path::new("/cg"), "0::/user.slice\n", MEMORY);
        assert_eq!(files, ["user.slice/", ""].map(|group| PathBuf::from(format!("/cg/{group}memory.max"))));
    }

    #[test]
    fn other_controllers_and_malformed_lines_are_skipped() {
        assert!(limit_files(Path::new("/cg"), "3:cpuset:/\nnonsense\n", MEMORY).is_empty());
    }
}
