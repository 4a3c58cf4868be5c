//! Checks of paths before any work. They leave no trace on disk.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::BadInput;

/// Checks that files can be written to the directory `path`, given by `option`; it need not exist yet.
///
/// # Errors
/// `path` is not a directory, or cannot be written to or created.
pub fn check_output_dir(path: &Path, option: &str) -> Result<(), BadInput> {
    if path.as_os_str().is_empty() {
        let remedy = format!("give {option} the path of a directory");
        return Err(BadInput::new("cannot write to ``", "the path is empty", remedy));
    }
    check_creatable_in(path.to_path_buf(), path, option)
}

/// Checks that `path` is a readable regular file, whatever its contents.
///
/// # Errors
/// It is missing, not a regular file, or cannot be opened.
pub fn check_input(path: &Path) -> Result<(), BadInput> {
    check_file(path, "give the path of a file written by `advstep-hpc run`")
}

/// [`check_input`] of a file of another kind, with what to give instead.
///
/// # Errors
/// As there.
pub fn check_file(path: &Path, remedy: &str) -> Result<(), BadInput> {
    let refuse = |why: String| Err(BadInput::new(format!("cannot read `{}`", path.display()), why, remedy));
    match fs::metadata(path).and_then(|found| if found.is_file() { File::open(path).map(|_| true) } else { Ok(false) }) {
        Ok(true) => Ok(()),
        Ok(false) => refuse("it is not a regular file".to_string()),
        Err(error) => refuse(error.to_string()),
    }
}

/// Refuses an output that is one of the `inputs`, also under another name: it would be overwritten.
pub fn check_not_input<'a>(out: &Path, option: &str, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), BadInput> {
    let Ok(file) = fs::canonicalize(out) else { return Ok(()) };
    let is_out = |input: &&Path| fs::canonicalize(input).is_ok_and(|input| input == file);
    match inputs.into_iter().find(is_out) {
        None => Ok(()),
        Some(input) => Err(BadInput::new(
            format!("will not write {}", out.display()),
            format!("it is the same file as the input {}", input.display()),
            format!("give {option} another path"),
        )),
    }
}

/// Checks that `wanted` can be created in `directory`, which may have to be created below its nearest existing ancestor.
pub(super) fn check_creatable_in(mut directory: PathBuf, wanted: &Path, option: &str) -> Result<(), BadInput> {
    loop {
        match fs::metadata(&directory) {
            // Permission bits are not enough (read-only or virtual file systems, root), so create an unnamed file.
            Ok(found) if found.is_dir() => {
                return tempfile::tempfile_in(&directory).map(drop).map_err(|error| unwritable(wanted, option, &error));
            }
            Ok(_) => {
                let why = format!("{} is not a directory", directory.display());
                return Err(BadInput::new(
                    format!("cannot write {}", wanted.display()),
                    why,
                    format!("give {option} another path"),
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotFound && directory != parent(&directory) => directory = parent(&directory),
            Err(error) => return Err(unwritable(wanted, option, &error)),
        }
    }
}

/// The parent directory of `path`: `.` for a bare name, `path` itself at the root.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_path_buf(),
        None => path.to_path_buf(),
    }
}

/// The error that `path`, given by `option`, cannot be written.
pub(super) fn unwritable(path: &Path, option: &str, error: &io::Error) -> BadInput {
    // Without the name of the temporary file.
    let why = error.raw_os_error().map_or(error.kind().to_string(), |code| io::Error::from_raw_os_error(code).to_string());
    BadInput::new(format!("cannot write {}", path.display()), why, format!("give {option} a path in a writable directory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_can_be_created_are_accepted_and_not_created() {
        let dir = tempfile::tempdir().unwrap();
        check_output_dir(dir.path(), "--out").unwrap();
        check_output_dir(&dir.path().join("a/b"), "--out").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below"), "".into(), "/proc/new".into()] {
            let refused = check_output_dir(&path, "--figures").unwrap_err();
            assert!(refused.remedy.contains("--figures"), "{refused}");
        }
    }

    #[test]
    fn inputs_are_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let [one, link, other] = ["one", "link", "other"].map(|name| dir.path().join(name));
        fs::write(&one, "").unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        for out in [&one, &link, &dir.path().join("./one")] {
            assert!(check_not_input(out, "--out", [other.as_path(), &one]).unwrap_err().why.contains("the same file as the input"));
        }
        check_not_input(&other, "--out", [one.as_path(), &link]).unwrap();
        check_not_input(&one, "--out", []).unwrap();
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
