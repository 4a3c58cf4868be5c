//! My units → records → rank 0.
