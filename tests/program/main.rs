//! Tests that start programs: ours, plain and under `mpirun`, and others that read and write our files.

#[path = "../common/mod.rs"]
mod common;
mod jobs;

mod audit;
mod bad_input;
mod batch_scripts;
mod bf16x3;
#[cfg(target_arch = "x86_64")]
mod blas_kernels;
mod blas_threads;
mod changed_results;
mod cli;
mod engine_choice;
mod export;
mod extend;
mod faults;
mod foreign_links;
mod forms;
mod golden;
mod hidden;
mod long_values;
mod measure;
mod memory;
mod merge;
#[cfg(feature = "mpi")]
mod mpi;
mod out_of_range;
mod numbers;
mod outputs;
mod plan;
mod plot;
mod python;
#[cfg(feature = "mpi")]
mod readme;
mod report;
mod resume;
mod run_script;
mod setup;
mod shards;
mod so_far;
mod teams;
mod terminals;
mod threshold;
