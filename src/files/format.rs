//! What kind of file a sealed HDF5 file is.

use std::path::Path;

use super::attribute::{Form, text};
use super::{hdf5, seal};

/// The kinds of files that this program leaves, by their attribute `format`.
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

/// The kind of the file at `path`, by its words; `None` of any other file. A file that has lost its seal is opened only if it looks like HDF5.
pub fn of(path: &Path) -> Option<Format> {
    let looks_sound = seal::flaw(path).is_ok_and(|flaw| flaw.is_none()) || hdf5::has_signature(path);
    let file = looks_sound.then(|| hdf5::open(path).ok()).flatten()?;
    let name = text(&file, "format", Form::Any).ok()?;
    Format::ALL.into_iter().find(|format| format.name() == name)
}
