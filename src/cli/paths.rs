//! The files a command may read and write, checked before any work. Nothing is created, changed or removed here.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::BadInput;
use crate::results::aside::behind_links;

/// Checks that a file can be written at `path` later on, in a directory that may have to be created.
///
/// # Errors
/// When `path` exists and may not be replaced, or is not a regular file, or when it cannot be created.
pub fn check_output(path: &Path, overwrite: bool) -> Result<(), BadInput> {
    let name = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(BadInput::new(format!("cannot write {name}"), "it is a directory", "give --out the path of a file"));
        }
        Ok(found) if !found.is_file() => {
            return Err(BadInput::new(format!("cannot write {name}"), "it is not a regular file", "give --out another path"));
        }
        Ok(_) if !overwrite => {
            let remedy = "give --overwrite to replace it, or --out another path";
            return Err(BadInput::new(format!("will not write {name}"), "the file exists", remedy));
        }
        Ok(_) => {
            OpenOptions::new().write(true).open(path).map_err(|error| unwritable(path, error))?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if path.file_name().is_none() || path.to_string_lossy().ends_with('/') {
                let why = "it does not name a file";
                return Err(BadInput::new(format!("cannot write `{name}`"), why, "give --out the path of a file"));
            }
        }
        Err(error) => return Err(unwritable(path, error)),
    }
    check_creatable_in(parent(&behind_links(path)), path)
}

/// Checks that files can be written in the directory `path` later on, which may have to be created.
///
/// # Errors
/// When `path` is not a directory, or cannot be written in or created.
pub fn check_output_dir(path: &Path) -> Result<(), BadInput> {
    if path.as_os_str().is_empty() {
        return Err(BadInput::new("cannot write in ``", "it does not name a directory", "give --out the path of a directory"));
    }
    check_creatable_in(path.to_path_buf(), path)
}

/// Checks that `path` is a file that can be read, whatever is in it.
///
/// # Errors
/// When it is missing, not a regular file, or cannot be opened.
pub fn check_input(path: &Path) -> Result<(), BadInput> {
    let refuse = |why: String| {
        Err(BadInput::new(format!("cannot read `{}`", path.display()), why, "give the path of a file written by `advstep-hpc run`"))
    };
    match fs::metadata(path).and_then(|found| if found.is_file() { File::open(path).map(|_| true) } else { Ok(false) }) {
        Ok(true) => Ok(()),
        Ok(false) => refuse("it is not a regular file".to_string()),
        Err(error) => refuse(error.to_string()),
    }
}

/// Checks that `wanted` can be created in `directory`, or in directories made below its nearest ancestor that exists.
fn check_creatable_in(mut directory: PathBuf, wanted: &Path) -> Result<(), BadInput> {
    loop {
        match fs::metadata(&directory) {
            // Permission bits do not tell (read-only and virtual file systems, root): only a trial does. It leaves no trace.
            Ok(found) if found.is_dir() => {
                return tempfile::tempfile_in(&directory).map(drop).map_err(|error| unwritable(wanted, error));
            }
            Ok(_) => {
                let why = format!("{} is not a directory", directory.display());
                return Err(BadInput::new(format!("cannot write {}", wanted.display()), why, "give --out another path"));
            }
            Err(error) if error.kind() == ErrorKind::NotFound && directory != parent(&directory) => directory = parent(&directory),
            Err(error) => return Err(unwritable(wanted, error)),
        }
    }
}

/// The directory that holds `path`: `.` for a bare name, and `path` itself at the top.
fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_path_buf(),
        None => path.to_path_buf(),
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> BadInput {
    // The trial file's name would only confuse.
    let why = error.raw_os_error().map_or(error.kind().to_string(), |code| std::io::Error::from_raw_os_error(code).to_string());
    BadInput::new(format!("cannot write {}", path.display()), why, "give --out a path in a directory that can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_files_are_accepted_and_nothing_is_created() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["new.h5", "a/b/c/new.h5"] {
            check_output(&dir.path().join(name), false).unwrap();
        }
        check_output_dir(dir.path()).unwrap();
        check_output_dir(&dir.path().join("a/b")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_existing_file_is_replaced_only_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("old.h5");
        fs::write(&file, "old").unwrap();
        assert_eq!(check_output(&file, false).unwrap_err().why, "the file exists");
        check_output(&file, true).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [
            dir.path().to_path_buf(),
            file.join("below.h5"),
            file.join("far/below.h5"),
            dir.path().join("new/"),
            dir.path().join("new/.."),
            dir.path().join("n".repeat(300)),
            "".into(),
            "/proc/new.h5".into(),
            "/proc/new/new.h5".into(),
            "/dev/null".into(),
        ] {
            assert!(check_output(&path, true).is_err(), "{}", path.display());
        }
        for path in [file.clone(), file.join("below"), "".into(), "/proc/new".into()] {
            assert!(check_output_dir(&path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn only_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        check_input(&file).unwrap();
        for path in [dir.path(), &file.join("below"), &dir.path().join("missing"), Path::new("")] {
            assert!(check_input(path).is_err(), "{}", path.display());
        }
    }
}
