//! Free disk space, in bytes.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Free space for this user in the nearest existing parent directory of `path`; `None` if unknown.
#[allow(clippy::unnecessary_cast, reason = "macOS counts blocks in 32 bits")]
pub fn free(path: &Path) -> Option<u64> {
    let directory = path.ancestors().skip(1).find(|directory| directory.as_os_str().is_empty() || directory.is_dir())?;
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let name = CString::new(directory.as_os_str().as_bytes()).ok()?;
    // SAFETY: `statvfs` reads a C string and fills the given structure.
    unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(name.as_ptr(), &mut found) == 0).then(|| (found.f_bavail as u64).saturating_mul(found.f_frsize as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_does_not_exist_yet_has_the_space_of_its_ancestor() {
        let directory = tempfile::tempdir().unwrap();
        assert!(free(&directory.path().join("a/b/c.h5")).is_some_and(|bytes| bytes > 0));
        assert!(free(Path::new("new.h5")).is_some());
        assert_eq!(free(Path::new("/proc/new.h5")), Some(0));
    }
}
