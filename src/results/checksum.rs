//! Checksums of what a file holds: HDF5 keeps none of most of it, and a flipped bit in a number is a number.
//!
//! They go over the contents in memory, not over the bytes of the file: CRC-32 (IEEE) over little-endian fields in a fixed order.

use crc32fast::Hasher;

use super::Results;

/// Over the experiment, and over method and samples of every cell: the root attribute `checksum`.
pub fn of_science(results: &Results) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(results.experiment.to_toml().as_bytes());
    let mut bytes = Vec::new();
    for cell in &results.cells {
        for size in [cell.cell.depth, cell.cell.dim, cell.cell.width] {
            hasher.update(&(size as u64).to_le_bytes());
        }
        hasher.update(&[cell.engine as u8, cell.search as u8]);
        for record in &cell.records {
            bytes.clear();
            for sample in &record.samples {
                for number in [sample.step, sample.gradient_norm, sample.value] {
                    bytes.extend(number.to_le_bytes());
                }
                bytes.extend(sample.evaluations.to_le_bytes());
                bytes.push(sample.status as u8);
            }
            hasher.update(&bytes);
        }
    }
    hasher.finalize()
}

/// Over the attributes and the seconds in `/provenance`: its attribute `checksum`.
pub fn of_provenance(results: &Results) -> u32 {
    let mut hasher = Hasher::new();
    let from = &results.provenance;
    for text in [
        &from.program_version,
        &from.git_revision,
        &from.command_line,
        &from.blas,
        &from.blas_core,
        &from.mpi_library,
        &from.hdf5_version,
        &from.host,
        &from.started,
        &from.ended,
    ] {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    }
    hasher.update(&from.ranks.to_le_bytes());
    hasher.update(&from.threads.to_le_bytes());
    for record in results.cells.iter().flat_map(|cell| &cell.records) {
        hasher.update(&record.seconds.to_le_bytes());
    }
    hasher.finalize()
}
