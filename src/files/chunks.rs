//! Where the chunks of an HDF5 array are in the file.

use hdf5::Dataset;

/// Start and length in bytes of the chunks of row `row` along the first axis of `dataset`, which are written and flushed. `shape` is that of the
/// array; chunks of shape `chunk` hold one row each. Empty if the HDF5 library cannot tell (before 1.10.5).
pub fn of_row(dataset: &Dataset, row: usize, shape: &[usize], chunk: &[usize]) -> Vec<(u64, u64)> {
    let counts: Vec<usize> = shape.iter().zip(chunk).skip(1).map(|(all, part)| all.div_ceil(*part)).collect();
    let offset = |mut number: usize| {
        let mut offset = vec![row as u64; shape.len()];
        for axis in (1..shape.len()).rev() {
            offset[axis] = (number % counts[axis - 1] * chunk[axis]) as u64;
            number /= counts[axis - 1];
        }
        offset
    };
    (0..counts.iter().product()).filter_map(|number| place(dataset, &offset(number))).collect()
}

#[cfg(hdf5_chunk_places)]
fn place(dataset: &Dataset, offset: &[u64]) -> Option<(u64, u64)> {
    use hdf5_sys::h5d::H5Dget_chunk_info_by_coord;
    let (mut mask, mut start, mut length) = (0, 0, 0);
    // SAFETY: the handle is open, `offset` has a number per axis, and `sync` holds the process-wide HDF5 lock.
    let code = hdf5::sync::sync(|| unsafe {
        H5Dget_chunk_info_by_coord(dataset.id(), offset.as_ptr(), &mut mask, &mut start, &mut length)
    });
    (code >= 0 && length > 0).then_some((start, length))
}

#[cfg(not(hdf5_chunk_places))]
fn place(_dataset: &Dataset, _offset: &[u64]) -> Option<(u64, u64)> {
    None
}
