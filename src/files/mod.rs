//! Files on disk: what may be read and written, who may write it, and how it appears: whole or not at all.
//!
//! A command that leaves a file [claims](Target::claim) it before any work: one lock for the file behind all links, held until the
//! command ends, and a trial of every step that the writing will take. [`place`] puts finished files in place, [`seal`] is the checksum at
//! their end, and [`hdf5`](mod@hdf5) opens them without the HDF5 library's own locks.

mod abandon;
pub mod attribute;
pub mod check;
pub mod contained;
pub mod format;
pub mod hdf5;
pub mod lock;
pub mod place;
pub mod seal;
pub mod target;

pub use abandon::remove_on_signals;
pub use check::{check_input, check_not_input, check_output_dir};
pub use place::Existing;
pub use target::Target;
