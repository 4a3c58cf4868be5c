//! Which MPI library the program is linked to.

/// What the MPI library tells of itself, or `None` in a serial build. Can be called before MPI is initialised.
#[cfg(feature = "mpi")]
pub fn library_version() -> Option<String> {
    Some(mpi::environment::library_version().unwrap_or_else(|_| "unknown".to_owned()))
}

/// `None`: this is a serial build.
#[cfg(not(feature = "mpi"))]
pub fn library_version() -> Option<String> {
    None
}
