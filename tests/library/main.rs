//! Tests of the library, in one process, laid out as `src/` is.

#[path = "../common/mod.rs"]
mod common;

mod audit;
mod bf16x3;
mod crash;
mod given;
mod infinite;
mod interchange;
mod kernels;
mod linalg;
mod math_library;
mod measure;
mod network;
mod plot;
mod random;
mod results;
mod search;
mod team;
mod untrusted;
