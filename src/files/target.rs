//! The output file of a command.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::check::{check_creatable_in, parent, unwritable};
use super::lock::{Lock, LockError};
use super::place::{self, Existing};
use crate::error::BadInput;

/// An output file, locked against other commands, to which a trial write has succeeded.
#[derive(Debug)]
pub struct Target {
    /// As given on the command line.
    name: PathBuf,
    /// The file behind all links.
    path: PathBuf,
    /// The option that gave it, such as `--out`.
    option: &'static str,
    lock: Lock,
}

impl Target {
    /// Claims the output file `name`, given by `option`; `companions` map its path to those of files beside it, such as its journal. Creates
    /// the directory if necessary and removes temporary files of dead processes. An existing file is kept.
    ///
    /// # Errors
    /// It cannot be written, or another process has claimed it.
    pub fn claim(name: &Path, option: &'static str, companions: &[fn(&Path) -> PathBuf]) -> Result<Self, BadInput> {
        check_place(name, option)?;
        let path = place::behind_links(name);
        let refuse = |error: io::Error| unwritable(name, option, &error);
        let directory = place::directory_of(&path);
        place::create_directory(directory).map_err(refuse)?;
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

    /// Whether other processes are locked out; false on a file system without locks.
    pub fn is_locked(&self) -> bool {
        self.lock.is_held()
    }

    /// As given on the command line.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Whether the file exists.
    pub fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// Refuses an existing file, unless it may be replaced.
    pub fn check_free(&self, existing: Existing) -> Result<(), BadInput> {
        if existing == Existing::Replace || !self.exists() {
            return Ok(());
        }
        let remedy = format!("give --overwrite to replace it, or {} another path", self.option);
        Err(BadInput::new(format!("will not write {}", self.name.display()), "the file exists", remedy))
    }

    /// The warning for a file system without locks, if it is on one.
    pub fn warning(&self) -> Option<String> {
        let error = self.lock.refused()?;
        Some(format!("no lock on {}: {error}", self.name.display()))
    }

    /// Takes the lock again if its file has been removed, perhaps with the directory.
    ///
    /// # Errors
    /// Those of the file system, or another process has claimed the file.
    pub fn keep(&mut self) -> anyhow::Result<()> {
        place::create_directory(place::directory_of(&self.path))?;
        self.lock.renew().map_err(|error| match error {
            LockError::Io(error) => anyhow::Error::from(error).context(format!("cannot lock {}", self.name.display())),
            LockError::Busy(holder) => anyhow::anyhow!("cannot lock {}: {holder} is writing it", self.name.display()),
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
        format!("another command is writing it: {holder}"),
        format!("wait for it, or give {option} another path"),
    )
}

/// Refuses a path that cannot be a file, changing nothing.
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
                let remedy = format!("give {option} the path of a file, ./- for one of that name");
                return refuse("standard output is not supported", remedy);
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

/// Refuses a file name that is too long, also for its `companions`.
fn check_length(name: &Path, path: &Path, option: &str, companions: &[fn(&Path) -> PathBuf]) -> Result<(), BadInput> {
    let longest = place::longest_name(place::directory_of(path));
    let length = |path: &Path| path.file_name().map_or(0, |name| name.len());
    let length = companions.iter().map(|companion| length(&companion(path))).fold(length(path), usize::max);
    if length <= longest {
        return Ok(());
    }
    Err(BadInput::new(
        format!("cannot write {}", name.display()),
        format!("names of files beside it would have {length} bytes, but the file system allows {longest}"),
        format!("give {option} a name that is {} bytes shorter", length - longest),
    ))
}
