//! Seeds → streams → Gaussian fills, inputs and readouts.
