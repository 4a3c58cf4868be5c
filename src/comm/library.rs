//! Which MPI library the program is linked to.

/// The version string of the MPI library, or `None` in a serial build. May be called before MPI is initialised.
#[cfg(feature = "mpi")]
pub fn library_version() -> Option<String> {
    Some(mpi::environment::library_version().unwrap_or_else(|_| "unknown".to_owned()))
}

/// `None` in a serial build.
#[cfg(not(feature = "mpi"))]
pub fn library_version() -> Option<String> {
    None
}
