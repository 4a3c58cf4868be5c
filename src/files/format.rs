//! The kinds of HDF5 files that this program writes.

use std::path::Path;

use super::attribute::{Form, text};
use super::{hdf5, seal};

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

/// The kind of the file at `path`; `None` if it is none of ours. A file without a valid seal, which can crash the HDF5 library, is opened
/// only if `unsealed`.
pub fn of(path: &Path, unsealed: bool) -> Option<FileKind> {
    let may_open = seal::flaw(path).is_ok_and(|flaw| flaw.is_none()) || unsealed && hdf5::has_signature(path);
    let file = may_open.then(|| hdf5::open(path).ok()).flatten()?;
    let name = text(&file, "format", Form::Any).ok()?;
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
