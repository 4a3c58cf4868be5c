//! The kinds of HDF5 files that this program writes.

use std::path::Path;

use super::attribute::{Form, text};
use super::{hdf5, seal};

/// A kind of file, by its attribute `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Results,
    Audit,
    Network,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Results, Format::Audit, Format::Network];

    /// The value of the attribute.
    pub fn name(self) -> &'static str {
        match self {
            Format::Results => "advstep-hpc results",
            Format::Audit => "advstep-hpc audit",
            Format::Network => "advstep-hpc network",
        }
    }
}

/// The kind of the file at `path`; `None` if it is none of ours. A file without a valid seal is opened only if it has the HDF5 signature.
pub fn of(path: &Path) -> Option<Format> {
    let looks_sound = seal::flaw(path).is_ok_and(|flaw| flaw.is_none()) || hdf5::has_signature(path);
    let file = looks_sound.then(|| hdf5::open(path).ok()).flatten()?;
    let name = text(&file, "format", Form::Any).ok()?;
    Format::ALL.into_iter().find(|format| format.name() == name)
}
