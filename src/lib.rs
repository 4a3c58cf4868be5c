//! `advstep-hpc`: the smallest gradient step that flips the sign of a random network, ReLU unless said otherwise.
//!
//! Data flows one way through the modules, in the order in which they are listed here: an [`experiment`] becomes cells and units,
//! a [`plan`] prices them and assigns them to ranks, each [`unit`] builds its [`network`] (or, at infinite width, its [`limit`]) from
//! [`random`] streams with the [`kernels`] and [`search`]es for the smallest step, [`run`] moves the records through [`comm`] to rank 0,
//! and [`results`] and [`figures`] are what is left on disk.
//! [`audit`] measures the paper's statements on networks of the same streams.

// Links the system BLAS: without a mention of the crate the linker drops it.
extern crate openblas_src as _;

pub mod cli;
pub mod error;
pub mod experiment;
pub mod plan;
pub mod text;

pub mod activation;
pub mod kernels;
pub mod limit;
pub mod network;
pub mod random;
pub mod search;
pub mod unit;

pub mod comm;
pub mod files;
pub mod machine;
pub mod run;

pub mod audit;
pub mod export;
pub mod figures;
pub mod results;
pub mod shard;
pub mod status;
