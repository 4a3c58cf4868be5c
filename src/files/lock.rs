//! The lock of an output file: `.NAME.lock` beside it, held with flock(2) by the process that may write the output.
//!
//! The holder removes the lock file; a process that dies leaves it behind unlocked. On file systems without locks (NFS without lockd,
//! Lustre without `-o flock`, FUSE: ENOLCK, EOPNOTSUPP, ENOSYS, EIO or the kernel's internal 524) the lock is [not held](Lock::is_held)
//! and the caller proceeds without it.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::abandon::Abandoned;

/// Timeout for a lock: a killed process may take a while to exit.
const PATIENCE: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_millis(100);

/// A lock, held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// `None` where the file system has no locks.
    file: Option<File>,
    /// The error of such a file system.
    refused: Option<io::Error>,
    _abandoned: Option<Abandoned>,
}

/// Why a lock could not be taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it: its signature, such as `process 4242 on node17`.
    Busy(String),
    Io(io::Error),
}

impl Lock {
    /// Locks the file at `path`, in an existing directory. Waits up to 5 s for another holder.
    pub fn take(path: PathBuf) -> Result<Self, LockError> {
        let started = Instant::now();
        loop {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(LockError::Io)?;
            match file.try_lock() {
                // The previous holder may have removed the file between open and lock.
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

    /// Whether other processes are locked out.
    pub fn is_held(&self) -> bool {
        self.file.is_some()
    }

    /// The error of a file system without locks.
    pub fn refused(&self) -> Option<&io::Error> {
        self.refused.as_ref()
    }

    /// Takes the lock again if its file has been removed, for instance with the directory.
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
        // While still locked, so as not to remove the file of the next holder.
        if self.file.as_ref().is_some_and(|file| is_at(file, &self.path)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes this process into the lock file, for messages; a full disk does not matter.
fn sign(file: &mut File) {
    let host = crate::machine::host_name();
    let _ = file.set_len(0).and_then(|()| writeln!(file, "process {} on {host}", std::process::id()));
}

fn signature(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.take(200).read_to_string(&mut text);
    text.lines().next().map_or_else(|| "unknown".to_string(), |line| line.chars().filter(|c| !c.is_control()).collect())
}

/// Whether `path` names the open `file`. On errors other than a missing file the answer is yes: they may be temporary.
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
        // A lock file left by a dead process.
        fs::write(&path, "process 1 on elsewhere\n").unwrap();
        drop(Lock::take(path.clone()).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_waiter_gets_the_lock_after_its_holder() {
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
        assert!(path.exists(), "it is the other holder's file now");
        drop(other);
    }
}
