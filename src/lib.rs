//! `advstep-hpc`: how small a gradient step flips the sign of a random network's output.
//!
//! The modules are listed from the ground up; each imports from those above it in this list only (`tests/architecture.rs` checks).
//! An [`experiment`] becomes cells and units; [`method`] says which engine and search a cell gets, [`plan`] what that costs, [`threshold`] which cells
//! tell from which size on inputs switch. [`measure`]
//! builds a [`network`] (or takes its law at [`infinite`] width) from [`random`] streams with the [`kernels`] and [`search`]es for the
//! smallest step: the science, which knows nothing of MPI, files or terminals. [`job`] shares the units out over ranks and threads and
//! gathers their records; [`results`], [`plot`] and [`report`] are what is left on disk. [`audit`] measures the paper's statements on networks
//! of the same streams, as a second client of [`job`], and [`given`] networks of other programs, which [`interchange`] reads, as a third.
//! [`commands`] has one file for each command, and [`cli`] fills their requests.

// The documentation is for contributors, too: `cargo doc --document-private-items` follows these links.
#![allow(rustdoc::private_intra_doc_links)]

// Links the system BLAS: without a mention of the crate the linker drops it.
extern crate openblas_src as _;

pub mod error;
pub mod text;

pub mod machine;
pub mod team;
pub mod comm;
pub mod files;
pub mod provenance;
pub mod job;

pub mod model;
pub mod stats;
pub mod kernels;
pub mod random;
pub mod linalg;
pub mod record;
pub mod network;
pub mod search;
pub mod infinite;
pub mod interchange;
pub mod experiment;
pub mod method;
pub mod measure;
pub mod plan;
pub mod threshold;

pub mod results;
pub mod plot;
pub mod report;
pub mod audit;
pub mod given;
pub mod commands;
pub mod cli;
