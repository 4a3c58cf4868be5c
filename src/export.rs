//! One network, exactly as `run` uses it, as an HDF5 file for other people’s frameworks.
