//! The lock of an output file: `.NAME.lock` beside it, held with flock(2) by the one process that may write it.
//!
//! The lock file is removed by its holder. A process that dies leaves it behind, but not locked. Where the file system has no locks (NFS without
//! lockd, Lustre without `-o flock`, FUSE: ENOLCK, EOPNOTSUPP, ENOSYS, EIO or the kernel's nameless 524) the lock [cannot be
//! had](Lock::is_held), and the caller goes on without.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::abandon::Abandoned;

/// How long a lock is waited for: a process that was killed may still be on its way out.
const PATIENCE: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_millis(100);

/// A lock, held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// `None` where the file system has no locks.
    file: Option<File>,
    /// Why not.
    refused: Option<io::Error>,
    _abandoned: Option<Abandoned>,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it; what that process wrote about itself, such as `process 4242 on node17`.
    Busy(String),
    Io(io::Error),
}

impl Lock {
    /// Takes the lock file at `path`, in a directory that exists. Waits a few seconds for a process that holds it.
    pub fn take(path: PathBuf) -> Result<Self, LockError> {
        let started = Instant::now();
        loop {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(LockError::Io)?;
            match file.try_lock() {
                // Its holder may have removed the file between our opening and our locking it.
                Ok(()) if !is_at(&file, &path) => continue,
                Ok(()) => {
                    sign(&mut file);
                    let abandoned = Abandoned::on_signal(&path);
                    return Ok(Self { path, file: Some(file), refused: None, _abandoned: Some(abandoned) });
                }
                Err(TryLockError::WouldBlock) if started.elapsed() >= PATIENCE => {
                    return Err(LockError::Busy(signature(&mut file)));
                }
                Err(TryLockError::WouldBlock) => sleep(INTERVAL),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => {
                    let _ = fs::remove_file(&path);
                    return Ok(Self { path, file: None, refused: Some(error), _abandoned: None });
                }
            }
        }
    }

    /// Whether other processes are kept out.
    pub fn is_held(&self) -> bool {
        self.file.is_some()
    }

    /// The error of a file system without locks.
    pub fn refused(&self) -> Option<&io::Error> {
        self.refused.as_ref()
    }

    /// Takes the lock again if its file was removed under it, for instance with the directory.
    pub fn renew(&mut self) -> Result<(), LockError> {
        if let Some(file) = &self.file
            && !is_at(file, &self.path)
        {
            *self = Self::take(self.path.clone())?;
        }
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is locked, so that nobody who holds the next lock loses its file.
        if self.file.as_ref().is_some_and(|file| is_at(file, &self.path)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Notes who holds the lock. For people: a file system without room for it is no matter.
fn sign(file: &mut File) {
    let host = crate::machine::host_name();
    let _ = file.set_len(0).and_then(|()| writeln!(file, "process {} on {host}", std::process::id()));
}

fn signature(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.take(200).read_to_string(&mut text);
    text.lines().next().map_or_else(|| "unknown".to_string(), |line| line.chars().filter(|c| !c.is_control()).collect())
}

/// Whether `path` is the name of the open `file`. A file system that does not answer is taken to say yes: it will answer later.
pub fn is_at(file: &File, path: &Path) -> bool {
    let identity = |found: Metadata| (found.dev(), found.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        (_, Err(error)) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_no_file_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".x.lock");
        let lock = Lock::take(path.clone()).unwrap();
        assert!(lock.is_held() && path.exists());
        let Err(LockError::Busy(holder)) = Lock::take(path.clone()) else { panic!("two holders") };
        assert!(holder.starts_with(&format!("process {} on ", std::process::id())), "{holder}");
        drop(lock);
        assert!(!path.exists());
        // One that a dead process has left.
        fs::write(&path, "process 1 on elsewhere\n").unwrap();
        drop(Lock::take(path.clone()).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_waiter_gets_the_lock_when_its_holder_is_done() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".x.lock");
        let turns = std::sync::atomic::AtomicUsize::new(0);
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let lock = Lock::take(path.clone()).unwrap();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        turns.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                        std::thread::yield_now();
                    }
                });
            }
        });
        assert_eq!((turns.into_inner(), path.exists()), (20, false));
    }

    #[test]
    fn a_lock_whose_file_is_gone_is_taken_again_unless_another_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".x.lock");
        let mut lock = Lock::take(path.clone()).unwrap();
        fs::remove_file(&path).unwrap();
        lock.renew().unwrap();
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
        let other = Lock::take(path.clone()).unwrap();
        assert!(matches!(lock.renew(), Err(LockError::Busy(_))));
        drop(lock);
        assert!(path.exists(), "it is the other's file now");
        drop(other);
    }
}
