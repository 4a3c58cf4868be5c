//! The file that a command will leave.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::check::{check_creatable_in, parent, unwritable};
use super::lock::{Lock, LockError};
use super::place::{self, Existing};
use crate::error::BadInput;

/// An output file that no other command may write: locked, and everything that writing it takes has been tried.
#[derive(Debug)]
pub struct Target {
    /// As it was typed.
    name: PathBuf,
    /// The file behind all links.
    path: PathBuf,
    /// The option that names it, such as `--out`.
    option: &'static str,
    lock: Lock,
}

impl Target {
    /// Claims the file at `name`, which `option` names, for this process, and so its `companions`: the paths of files that go with it. Its directory is made if need be. What dead processes left half-written is removed. What is there under the name stays.
    ///
    /// # Errors
    /// When it is no place for a file, when another process has it, and when anything fails that writing it will take.
    pub fn claim(name: &Path, option: &'static str, companions: &[fn(&Path) -> PathBuf]) -> Result<Self, BadInput> {
        check_place(name, option)?;
        let path = place::behind_links(name);
        let refuse = |error: io::Error| unwritable(name, option, &error);
        let directory = place::directory_of(&path);
        fs::create_dir_all(directory).map_err(refuse)?;
        check_length(name, &path, option, companions)?;
        let file_name = path.file_name().unwrap_or_default();
        let lock = Lock::take(path.with_file_name(place::hidden(file_name, ".lock", directory))).map_err(|error| match error {
            LockError::Io(error) => refuse(error),
            LockError::Busy(holder) => busy(name, option, &holder),
        })?;
        if lock.is_held() {
            place::remove_leftovers(&path);
        }
        place::rehearse(&path).map_err(refuse)?;
        Ok(Self { name: name.to_path_buf(), path, option, lock })
    }

    /// The file behind all links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether other processes are kept out: not so on a file system without locks.
    pub fn is_locked(&self) -> bool {
        self.lock.is_held()
    }

    /// As it was typed.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Whether there is a file.
    pub fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// Refuses a file that is there, unless it may be replaced.
    pub fn check_free(&self, existing: Existing) -> Result<(), BadInput> {
        if existing == Existing::Replace || !self.exists() {
            return Ok(());
        }
        let remedy = format!("give --overwrite to replace it, or {} another path", self.option);
        Err(BadInput::new(format!("will not write {}", self.name.display()), "the file exists", remedy))
    }

    /// What to say of a file system without locks, if it is on one.
    pub fn warning(&self) -> Option<String> {
        let error = self.lock.refused()?;
        Some(format!("no lock on {}: {error}; start no other command with this output meanwhile", self.name.display()))
    }

    /// Takes the lock again if its file was removed, with the directory perhaps.
    pub fn keep(&mut self) -> anyhow::Result<()> {
        fs::create_dir_all(place::directory_of(&self.path))?;
        self.lock.renew().map_err(|error| match error {
            LockError::Io(error) => anyhow::Error::from(error).context(format!("locking {}", self.name.display())),
            LockError::Busy(holder) => anyhow::anyhow!("{} is now written by {holder}", self.name.display()),
        })
    }

    /// Writes the file: see [`place::write`].
    pub fn write(&self, existing: Existing, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
        place::write(&self.path, existing, fill)
    }
}

fn busy(name: &Path, option: &str, holder: &str) -> BadInput {
    BadInput::new(
        format!("cannot write {}", name.display()),
        format!("another command is writing it at this moment: {holder}"),
        format!("wait for it, or give {option} another path"),
    )
}

/// Refuses what can be no file, changing nothing.
fn check_place(name: &Path, option: &str) -> Result<(), BadInput> {
    let shown = name.display();
    let refuse = |why: &str, remedy: String| Err(BadInput::new(format!("cannot write {shown}"), why, remedy));
    match fs::metadata(name) {
        Ok(found) if found.is_dir() => return refuse("it is a directory", format!("give {option} the path of a file")),
        Ok(found) if !found.is_file() => return refuse("it is not a regular file", format!("give {option} another path")),
        Ok(_) => {
            OpenOptions::new().write(true).open(name).map_err(|error| unwritable(name, option, &error))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if name == Path::new("-") {
                let remedy = format!("give {option} the path of a file: ./- if it is to be called so");
                return refuse("it cannot be written to standard output", remedy);
            }
            if name.file_name().is_none() || name.as_os_str().as_encoded_bytes().ends_with(b"/") {
                return Err(BadInput::new(
                    format!("cannot write `{shown}`"),
                    "it does not name a file",
                    format!("give {option} the path of a file"),
                ));
            }
        }
        Err(error) => return Err(unwritable(name, option, &error)),
    }
    check_creatable_in(parent(&place::behind_links(name)), name, option)
}

/// Refuses a name that is too long, or makes one of the `companions` too long.
fn check_length(name: &Path, path: &Path, option: &str, companions: &[fn(&Path) -> PathBuf]) -> Result<(), BadInput> {
    let longest = place::longest_name(place::directory_of(path));
    let length = |path: &Path| path.file_name().map_or(0, |name| name.len());
    let length = companions.iter().map(|companion| length(&companion(path))).fold(length(path), usize::max);
    if length <= longest {
        return Ok(());
    }
    Err(BadInput::new(
        format!("cannot write {}", name.display()),
        format!("the names of files beside it would have {length} bytes, and the file system takes {longest}"),
        format!("give {option} a name that is shorter by {}", length - longest),
    ))
}
