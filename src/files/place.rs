//! Atomic writes: to a temporary file in the same directory, then fsync and rename.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use anyhow::Context;
use tempfile::{NamedTempFile, TempPath};

use super::abandon::Abandoned;

/// Length of a chain of symbolic links that Linux follows.
const MOST_LINKS: usize = 40;
/// How often a directory that is removed concurrently is created again.
const ATTEMPTS: usize = 100;
/// Longest file name in bytes, if the file system does not tell.
const LONGEST_NAME: usize = 255;

/// What to do with an existing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Keep it, and fail.
    Refuse,
    Replace,
}

/// Calls `fill` with the path of a temporary file, then renames it to `path`, which must not be a symbolic link. Creates the directory if
/// necessary.
///
/// # Errors
/// Those of `fill` and the file system; with [`Existing::Refuse`] also if the file exists. Nothing is left behind.
pub fn write(path: &Path, existing: Existing, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let aside = Aside::create(path)?;
    fill(&aside.openable()).with_context(|| format!("cannot write {}", path.display()))?;
    aside.put(existing)
}

/// A file that is written beside its path and gets that name when it is complete. Removed if dropped before, or by a signal. A process has one at
/// a time for a path.
pub struct Aside {
    path: PathBuf,
    file: NamedTempFile,
    _abandoned: Abandoned,
}

impl Aside {
    /// Creates an empty file for `path`, which must not be a symbolic link. Creates the directory if necessary.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let (file, abandoned) = aside(path).with_context(|| format!("cannot create a file beside {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), file, _abandoned: abandoned })
    }

    /// Its path for now, see [`openable`].
    pub fn openable(&self) -> PathBuf {
        openable(self.file.path(), self.file.as_file())
    }

    /// A thread that returns once what is written so far is on the disk; if none can be started, waits for the disk here.
    pub fn start_sync(&self) -> io::Result<Option<JoinHandle<io::Result<()>>>> {
        let file = self.file.as_file();
        let start = |file: File| thread::Builder::new().name("sync".to_string()).spawn(move || file.sync_data());
        match file.try_clone().and_then(start) {
            Ok(thread) => Ok(Some(thread)),
            Err(_) => file.sync_data().map(|()| None),
        }
    }

    /// Gives the finished file its name.
    ///
    /// # Errors
    /// Those of the file system; with [`Existing::Refuse`] also if the name is taken.
    pub fn put(self, existing: Existing) -> anyhow::Result<()> {
        put(self.file, &self.path, existing).with_context(|| format!("cannot rename the finished file to {}", self.path.display()))
    }
}

/// [`write`](fn@write) for given bytes.
pub fn write_bytes(path: &Path, existing: Existing, bytes: &[u8]) -> anyhow::Result<()> {
    write(path, existing, |aside| Ok(fs::write(aside, bytes)?))
}

/// Creates the file `path` with these bytes, atomically, and returns it open at its end. A directory that is removed concurrently is
/// created again.
///
/// # Errors
/// Those of the file system, also if the file exists.
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
        // Detected later by the user of the open file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(file),
        synced => synced.map(|()| file),
    }
}

/// Tries all steps of [`write`](fn@write) on an empty file beside `path`, in an existing directory, and removes it.
pub fn rehearse(path: &Path) -> io::Result<()> {
    let (rehearsal, _abandoned) = aside(path)?;
    // No process has the ID 0.
    let mut name = prefix(path).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    name.push("0");
    let moved = path.with_file_name(name);
    let _moved_too = Abandoned::on_signal(&moved);
    let _ = fs::remove_file(&moved);
    put(rehearsal, &moved, Existing::Refuse)?;
    fs::remove_file(&moved)
}

/// A new temporary file beside `path`, removed when dropped or by a signal.
fn aside(path: &Path) -> io::Result<(NamedTempFile, Abandoned)> {
    let directory = directory_of(path);
    let mut name = prefix(path).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    name.push(std::process::id().to_string());
    let abandoned = Abandoned::on_signal(&directory.join(&name));
    create_directory(directory)?;
    // An existing one was left by a dead process with the same ID.
    let open = |path: &Path| OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
    Ok((tempfile::Builder::new().prefix(&name).rand_bytes(0).make_in(directory, open)?, abandoned))
}

/// Creates `directory` and its parents unless it exists. `create_dir_all` fails with "exists" if another process removes it just after it was found
/// to exist; here that is "not found".
pub fn create_directory(directory: &Path) -> io::Result<()> {
    match fs::create_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !directory.metadata()?.is_dir() => Err(error),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
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

/// Renames the finished file `from` to `path`, in the same directory.
///
/// # Errors
/// Those of the file system; with [`Existing::Refuse`] also if the file exists. `from` then keeps its name.
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

/// fsync of a directory, where the file system supports it.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EBADF)) => Ok(()),
        synced => synced,
    }
}

/// Appends `.old-N` to the names of the existing `paths`, with the smallest N ≥ 1 that is free for all of them.
pub fn move_aside(paths: &[&Path]) -> anyhow::Result<()> {
    let old = |path: &Path, number: u32| with_suffix(path, &format!(".old-{number}"));
    let is_free = |number: &u32| paths.iter().all(|path| old(path, *number).symlink_metadata().is_err());
    let number = (1..).find(is_free).context("no free .old-N name")?;
    for path in paths.iter().filter(|path| path.symlink_metadata().is_ok()) {
        let to = old(path, number);
        fs::rename(path, &to).with_context(|| format!("cannot move {} to {}", path.display(), to.display()))?;
    }
    Ok(())
}

/// Removes temporary files of `path` left by killed processes. No process may be writing it.
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

/// Prefix of the names of temporary files of `path`, `.NAME.tmp-`, followed by the process ID. `None` if `path` has no file name.
fn prefix(path: &Path) -> Option<OsString> {
    Some(hidden(path.file_name()?, ".tmp-", directory_of(path)))
}

/// `.NAME` and a suffix; NAME is replaced by its hash if the name would be too long with a process ID appended.
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

/// Longest file name in `directory`, in bytes.
pub fn longest_name(directory: &Path) -> usize {
    let Ok(path) = std::ffi::CString::new(directory.as_os_str().as_bytes()) else { return LONGEST_NAME };
    // SAFETY: reads a C string.
    usize::try_from(unsafe { libc::pathconf(path.as_ptr(), libc::_PC_NAME_MAX) }).unwrap_or(LONGEST_NAME)
}

/// `path` with `suffix` appended.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    name.into()
}

/// The target of `path`, existing or not, after resolving symbolic links of its last component.
pub fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = directory_of(&path).join(target);
    }
    path
}

/// The parent directory of `path`.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A UTF-8 path for the HDF5 bindings to the file at `path`, which is open as `file`.
pub fn openable(path: &Path, file: &File) -> PathBuf {
    match path.to_str() {
        Some(_) => path.to_path_buf(),
        None => {
            let directory = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
            format!("{directory}/{}", file.as_raw_fd()).into()
        }
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
    fn a_directory_that_is_removed_concurrently_is_created_again() {
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
        assert!(rehearse(&directory.path().join("x".repeat(256))).is_ok(), "the length of its own name is for the caller to check");
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
