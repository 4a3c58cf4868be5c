//! Dimension scales (HDF5's high-level interface, `H5DS`), which the HDF5 crate has no bindings for.

use std::ffi::{CString, c_char, c_int, c_uint};

use anyhow::ensure;
use hdf5::Dataset;

unsafe extern "C" {
    fn H5DSset_scale(dataset: i64, name: *const c_char) -> c_int;
    fn H5DSattach_scale(dataset: i64, scale: i64, axis: c_uint) -> c_int;
}

/// Makes the one-dimensional `dataset` the scale of an axis called `name`.
pub fn make_scale(dataset: &Dataset, name: &str) -> anyhow::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: a valid identifier and a C string; HDF5 is called under the crate's global lock.
    let code = hdf5::sync::sync(|| unsafe { H5DSset_scale(dataset.id(), name.as_ptr()) });
    ensure!(code >= 0, "HDF5 cannot make {} a dimension scale", dataset.name());
    Ok(())
}

/// Attaches one scale to each axis of `dataset`, in order.
pub fn attach_scales(dataset: &Dataset, scales: &[&Dataset]) -> anyhow::Result<()> {
    for (axis, scale) in (0..).zip(scales) {
        // SAFETY: two valid identifiers; HDF5 is called under the crate's global lock.
        let code = hdf5::sync::sync(|| unsafe { H5DSattach_scale(dataset.id(), scale.id(), axis) });
        ensure!(code >= 0, "HDF5 cannot attach the scale {} to {}", scale.name(), dataset.name());
    }
    Ok(())
}
