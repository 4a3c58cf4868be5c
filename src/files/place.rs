//! Files that appear whole or not at all: written under another name in the same directory, brought to the disk, renamed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::{NamedTempFile, TempPath};

use super::abandon::Abandoned;

/// Links in a row that Linux follows.
const MOST_LINKS: usize = 40;
/// How often a directory that is removed meanwhile is made again.
const ATTEMPTS: usize = 100;
/// Bytes of a file name, where the file system does not tell.
const LONGEST_NAME: usize = 255;

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the writing fails.
    Refuse,
    Replace,
}

/// Calls `fill` with the path of a new file, then puts that file at `path`, which must be no symbolic link. The directory is made if need be.
///
/// # Errors
/// Those of `fill` and of the file system; with [`Existing::Refuse`] also that there is a file. Nothing is left behind then.
pub fn write(path: &Path, existing: Existing, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (file, _abandoned) = aside(path).with_context(|| format!("creating a file beside {}", path.display()))?;
    fill(&openable(file.path(), file.as_file())).with_context(|| format!("writing {}", path.display()))?;
    put(file, path, existing).with_context(|| format!("moving the finished file to {}", path.display()))
}

/// As [`write`], with the bytes of the file.
pub fn write_bytes(path: &Path, existing: Existing, bytes: &[u8]) -> anyhow::Result<()> {
    write(path, existing, |aside| Ok(fs::write(aside, bytes)?))
}

/// Puts a new file of these bytes at `path`, whole or not at all, and leaves it open behind them. A directory that is removed meanwhile is
/// made again.
///
/// # Errors
/// Those of the file system, and that there is a file.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let create = || {
        let (mut file, _abandoned) = aside(path)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)
    };
    let mut attempts = 0..ATTEMPTS;
    let file = loop {
        match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts.next().is_some() => {}
            created => break created?,
        }
    };
    match sync_directory(directory_of(path)) {
        // Whoever keeps the file open finds out.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(file),
        synced => synced.map(|()| file),
    }
}

/// Creates, renames, syncs and removes a file beside `path` as [`write`] does, in a directory that exists.
pub fn rehearse(path: &Path) -> io::Result<()> {
    let (rehearsal, _abandoned) = aside(path)?;
    // No process has the number 0.
    let mut name = prefix(path).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    name.push("0");
    let moved = path.with_file_name(name);
    let _moved_too = Abandoned::on_signal(&moved);
    let _ = fs::remove_file(&moved);
    put(rehearsal, &moved, Existing::Refuse)?;
    fs::remove_file(&moved)
}

/// A new, empty file beside `path`. It is removed when dropped, or by a signal.
fn aside(path: &Path) -> io::Result<(NamedTempFile, Abandoned)> {
    let directory = directory_of(path);
    let mut name = prefix(path).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    name.push(std::process::id().to_string());
    let abandoned = Abandoned::on_signal(&directory.join(&name));
    fs::create_dir_all(directory)?;
    // One that is there was left by a dead process of the same number.
    let open = |path: &Path| OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
    Ok((tempfile::Builder::new().prefix(&name).rand_bytes(0).make_in(directory, open)?, abandoned))
}

fn put(file: NamedTempFile, path: &Path, existing: Existing) -> io::Result<()> {
    file.as_file().sync_all()?;
    let placed = match existing {
        Existing::Refuse => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    };
    placed.map_err(|error| error.error)?;
    sync_directory(directory_of(path))
}

/// Renames the finished file `from` to `path`, in the same directory. It keeps its name if that fails.
///
/// # Errors
/// Those of the file system; with [`Existing::Refuse`] also that there is a file.
pub fn rename(from: &Path, path: &Path, existing: Existing) -> io::Result<()> {
    match existing {
        Existing::Replace => fs::rename(from, path)?,
        Existing::Refuse => TempPath::try_from_path(from)?.persist_noclobber(path).map_err(|failed| {
            let _ = failed.path.keep();
            failed.error
        })?,
    }
    sync_directory(directory_of(path))
}

/// Brings the names in `directory` to the disk, where the file system can.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EBADF)) => Ok(()),
        synced => synced,
    }
}

/// Renames those of `paths` that exist to their names with `.old-N` appended, N ≥ 1 being the first number free for all of them.
pub fn move_aside(paths: &[&Path]) -> anyhow::Result<()> {
    let old = |path: &Path, number: u32| with_suffix(path, &format!(".old-{number}"));
    let is_free = |number: &u32| paths.iter().all(|path| old(path, *number).symlink_metadata().is_err());
    let number = (1..).find(is_free).context("there is no number left")?;
    for path in paths.iter().filter(|path| path.symlink_metadata().is_ok()) {
        let to = old(path, number);
        fs::rename(path, &to).with_context(|| format!("moving {} to {}", path.display(), to.display()))?;
    }
    Ok(())
}

/// Removes what processes that were killed while they wrote `path` have left. No process may be writing it.
pub fn remove_leftovers(path: &Path) {
    let Some(prefix) = prefix(path) else { return };
    let Ok(entries) = fs::read_dir(directory_of(path)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.as_bytes().strip_prefix(prefix.as_bytes()).and_then(|number| str::from_utf8(number).ok());
        if number.is_some_and(|number| number.parse::<u32>().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What the names of files begin with that are to be put at `path`: `.NAME.tmp-`; the number of the process follows. `None` if `path`
/// names no file.
fn prefix(path: &Path) -> Option<OsString> {
    Some(hidden(path.file_name()?, ".tmp-", directory_of(path)))
}

/// `.NAME` and a suffix, shortened where that leaves no place for the number of a process.
pub fn hidden(name: &OsStr, suffix: &str, directory: &Path) -> OsString {
    const NUMBER: usize = 10;
    let mut hidden = OsString::from(".");
    match 1 + name.len() + suffix.len() + NUMBER <= longest_name(directory) {
        true => hidden.push(name),
        false => hidden.push(format!("advstep-{:08x}", crc32fast::hash(name.as_bytes()))),
    }
    hidden.push(suffix);
    hidden
}

/// Bytes that the name of a file in `directory` may have.
pub fn longest_name(directory: &Path) -> usize {
    let Ok(path) = std::ffi::CString::new(directory.as_os_str().as_bytes()) else { return LONGEST_NAME };
    // SAFETY: reads a C string.
    usize::try_from(unsafe { libc::pathconf(path.as_ptr(), libc::_PC_NAME_MAX) }).unwrap_or(LONGEST_NAME)
}

/// `path` with `suffix` at its end.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    name.into()
}

/// What `path` leads to, whether that exists or not; `path` itself if it is no symbolic link.
pub fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = directory_of(&path).join(target);
    }
    path
}

/// The directory that holds `path`.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A path by which the HDF5 library, whose bindings take UTF-8 only, opens the file at `path`, which is open as `file`.
pub fn openable(path: &Path, file: &File) -> PathBuf {
    match path.to_str() {
        Some(_) => path.to_path_buf(),
        None => format!("/proc/self/fd/{}", file.as_raw_fd()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<OsString> {
        let mut names: Vec<OsString> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_only_when_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/x.txt");
        write_bytes(&path, Existing::Refuse, b"one").unwrap();
        let refused = write_bytes(&path, Existing::Refuse, b"two").unwrap_err();
        assert_eq!(refused.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_bytes(&path, Existing::Replace, b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(path.parent().unwrap())), (b"two".to_vec(), vec![OsString::from("x.txt")]));
        let failed = write(&path, Existing::Replace, |_| anyhow::bail!("no")).unwrap_err();
        assert!(format!("{failed:#}").ends_with("no"));
        assert_eq!((fs::read(&path).unwrap(), names(path.parent().unwrap()).len()), (b"two".to_vec(), 1));
    }

    #[test]
    fn a_directory_that_is_removed_meanwhile_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        std::thread::scope(|scope| {
            let remover = scope.spawn(|| {
                for _ in 0..100 {
                    let _ = fs::remove_dir_all(&inner);
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
            });
            for number in 0.. {
                if remover.is_finished() {
                    break;
                }
                let mut file = create(&inner.join(number.to_string()), b"header").unwrap();
                file.write_all(b"more").unwrap();
            }
        });
    }

    #[test]
    fn a_file_that_cannot_be_renamed_keeps_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| directory.path().join(name));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        assert_eq!(rename(&from, &to, Existing::Refuse).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&from).unwrap(), fs::read(&to).unwrap()), (b"new".to_vec(), b"old".to_vec()));
        rename(&from, &to, Existing::Replace).unwrap();
        assert_eq!((fs::read(&to).unwrap(), names(directory.path())), (b"new".to_vec(), vec![OsString::from("to")]));
        rename(&to, &from, Existing::Refuse).unwrap();
        assert_eq!(names(directory.path()), ["from"]);
    }

    #[test]
    fn any_name_that_the_file_system_takes_can_be_written() {
        let directory = tempfile::tempdir().unwrap();
        for name in [b"x".repeat(255), b"a\xffb".to_vec(), "ö".repeat(127).into_bytes(), b" ".to_vec(), b"-\n".to_vec()] {
            let path = directory.path().join(OsStr::from_bytes(&name));
            rehearse(&path).unwrap();
            write_bytes(&path, Existing::Refuse, &name).unwrap();
            assert_eq!((fs::read(&path).unwrap(), names(directory.path()).len()), (name, 1));
            fs::remove_file(path).unwrap();
        }
        assert!(rehearse(&directory.path().join("x".repeat(256))).is_ok(), "its own name is the caller's matter");
    }

    #[test]
    fn leftovers_are_those_of_this_file() {
        let directory = tempfile::tempdir().unwrap();
        for name in [".x.tmp-12", ".x.tmp-", ".x.tmp-mine", ".y.tmp-12", "x.tmp-12"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        remove_leftovers(&directory.path().join("x"));
        assert_eq!(names(directory.path()), [".x.tmp-", ".x.tmp-mine", ".y.tmp-12", "x.tmp-12"]);
    }
}
