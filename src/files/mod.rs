//! Files on disk: path checks, locks, atomic writes and checksums.
//!
//! A command [claims](Target::claim) its output before any work: it locks the file behind all links until the command ends, and rehearses
//! every step of writing it. [`place`] writes files atomically, [`seal`] is the checksum at their end, and [`hdf5`](mod@hdf5) opens them
//! without HDF5's file locks.

mod abandon;
pub mod attribute;
pub mod check;
pub mod chunks;
pub mod contained;
pub mod crash;
pub mod format;
pub mod hdf5;
pub mod lock;
pub mod place;
pub mod seal;
pub mod target;

pub use abandon::remove_on_signals;
pub use check::{check_file, check_input, check_not_input, check_output_dir};
pub use place::Existing;
pub use target::Target;
