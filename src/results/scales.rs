//! HDF5 dimension scales, which name axes for netCDF-4, xarray and h5py.
//!
//! `hdf5-metno-sys` links `libhdf5_hl` (feature `hl`) but does not declare its functions.

use std::ffi::CString;
use std::os::raw::{c_char, c_uint};

use anyhow::ensure;
use hdf5::Dataset;
use hdf5_sys::h5::herr_t;
use hdf5_sys::h5i::hid_t;

// https://support.hdfgroup.org/documentation/hdf5/latest/group___h5_d_s.html
unsafe extern "C" {
    fn H5DSset_scale(dsid: hid_t, dimname: *const c_char) -> herr_t;
    fn H5DSattach_scale(did: hid_t, dsid: hid_t, idx: c_uint) -> herr_t;
}

/// Makes the one-dimensional `dataset` the coordinates of dimension `name`.
pub fn make_scale(dataset: &Dataset, name: &str) -> anyhow::Result<()> {
    let c_name = CString::new(name)?;
    // SAFETY: the handle is open, the string outlives the call, and `sync` holds the process-wide HDF5 lock.
    let code = hdf5::sync::sync(|| unsafe { H5DSset_scale(dataset.id(), c_name.as_ptr()) });
    ensure!(code >= 0, "HDF5 refuses to make {name} a dimension scale");
    Ok(())
}

/// Attaches `scale` to `axis` of `dataset`.
pub fn attach_scale(dataset: &Dataset, scale: &Dataset, axis: usize) -> anyhow::Result<()> {
    let axis = c_uint::try_from(axis)?;
    // SAFETY: as above, with two open handles.
    let code = hdf5::sync::sync(|| unsafe { H5DSattach_scale(dataset.id(), scale.id(), axis) });
    ensure!(code >= 0, "HDF5 refuses to attach {} to axis {axis} of {}", scale.name(), dataset.name());
    Ok(())
}
