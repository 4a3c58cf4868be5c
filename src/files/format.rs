//! The kinds of HDF5 files that this program writes.

use std::path::Path;

use super::attribute::{Form, number, text};
use super::crash::guarded_as;
use super::{contained, hdf5, seal};
use crate::error::BadInput;

/// A kind of file, by its attribute `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Results,
    Audit,
    Network,
    /// A given network at given inputs.
    Measurement,
}

impl FileKind {
    pub const ALL: [FileKind; 4] = [FileKind::Results, FileKind::Audit, FileKind::Network, FileKind::Measurement];

    /// The value of the attribute.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::Results => "advstep-hpc results",
            FileKind::Audit => "advstep-hpc audit",
            FileKind::Network => "advstep-hpc network",
            FileKind::Measurement => "advstep-hpc measurement",
        }
    }
}

/// Why a file is refused.
type Why = String;

/// The form in which the file at `path` is read: with a valid seal our own; without one any, if `unsealed`. `refused` is given the reason and the remedy
/// for a file without a valid seal, `remedy` if it is not even HDF5.
///
/// # Errors
/// It has no valid seal, and is to have one.
pub fn form(path: &Path, unsealed: bool, remedy: &str, refused: impl Fn(Why, &str) -> BadInput) -> Result<Form, BadInput> {
    const UNSEALED: &str = "give it as advstep-hpc wrote it, or --unsealed to read it after a check of every value";
    let is_hdf5 = hdf5::has_signature(path);
    match seal::flaw(path).map_err(|error| refused(error.to_string(), remedy))? {
        None => Ok(Form::Own),
        Some(_) if unsealed && is_hdf5 => Ok(Form::Any),
        Some(flaw) => Err(refused(flaw.to_string(), if is_hdf5 { UNSEALED } else { remedy })),
    }
}

/// Opens the file at `path`, which has to be self-contained, of this kind and these versions of format and science; returns it with its size in bytes.
///
/// # Errors
/// Why it is not.
pub fn open(
    path: &Path,
    form: Form,
    kind: FileKind,
    format_version: u32,
    science_version: u32,
) -> Result<(::hdf5::File, u64), Why> {
    let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    let file = hdf5::open(path).map_err(|error| format!("not an HDF5 file, or not a whole one: {error}"))?;
    contained::check_file(&file)?;
    let found = text(&file, "format", form)?;
    if found != kind.name() {
        return Err(format!("its format is `{found}`, not `{}`", kind.name()));
    }
    for (name, expected) in [("format_version", format_version), ("science_version", science_version)] {
        let found: u32 = number(&file, name, form)?;
        if found != expected {
            return Err(format!("its {name} is {found}, this program reads {expected}"));
        }
    }
    Ok((file, bytes))
}

/// The kind of the file at `path`; `None` if it is none of ours. A file without a valid seal is opened only if `unsealed`.
pub fn of(path: &Path, unsealed: bool) -> Option<FileKind> {
    let form = match seal::flaw(path).ok()? {
        None => Form::Own,
        Some(_) if unsealed && hdf5::has_signature(path) => Form::Any,
        Some(_) => return None,
    };
    let name = guarded_as(form, path, || {
        let file = hdf5::open(path).ok()?;
        text(&file, "format", Form::Any).ok()
    })?;
    FileKind::ALL.into_iter().find(|format| format.name() == name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::attribute::set_text;

    #[test]
    fn a_damaged_file_is_not_opened_unless_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.h5");
        let file = hdf5::create(&path).unwrap();
        set_text(&file, "format", FileKind::Audit.name()).unwrap();
        file.close().unwrap();
        seal::seal(&path).unwrap();
        assert_eq!(of(&path, false), Some(FileKind::Audit));
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!([false, true].map(|unsealed| of(&path, unsealed)), [None, Some(FileKind::Audit)]);
    }
}
