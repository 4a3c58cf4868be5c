//! The size (width or input dimension) from which on a fraction [`level`](Request::level) of the inputs switches: which cells to measure for
//! it, and what follows from them.
//!
//! Sizes are on a fixed [`ladder`]; [`search`] decides from the cells measured so far which to measure next. It draws nothing itself, so a
//! resumed search asks for the same cells, and its coverage is tested on simulated networks.

pub mod ladder;
pub mod request;
pub mod search;

pub use request::{Along, Request};
pub use search::{End, Line, Onset, Step};
