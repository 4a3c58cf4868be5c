//! Results → pictures.
