//! The smallest step along the gradient line.
