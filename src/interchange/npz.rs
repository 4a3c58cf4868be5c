//! NPZ: a ZIP archive of NPY arrays, as `numpy.savez` and `numpy.savez_compressed` write it.

use ndarray::{ArrayD, IxDyn};
use ndarray_npy::WriteNpyExt;

use super::archive::{Member, archive, extract, members};
use super::state_dict::Tensor;
use super::{Limit, Why, npy};
use crate::model::Precision;

/// The arrays of an archive, not yet read.
pub struct Npz<'a> {
    bytes: &'a [u8],
    members: Vec<Member>,
    limit: Limit,
}

impl<'a> Npz<'a> {
    /// # Errors
    /// `bytes` are no archive that can be read, or it has two arrays of one name.
    pub fn new(bytes: &'a [u8], limit: Limit) -> Result<Self, Why> {
        let members = members(bytes, limit)?;
        for (at, member) in members.iter().enumerate() {
            if members[..at].iter().any(|other| other.name == member.name) {
                return Err(format!("it has two members `{}`", member.name));
            }
        }
        Ok(Self { bytes, members, limit })
    }

    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// The names of the arrays, without `.npy`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.strip_suffix(".npy").unwrap_or(&member.name))
    }

    /// The NPY file of an array, if there is one of this name.
    pub fn contents(&self, name: &str) -> Result<Option<Vec<u8>>, Why> {
        let at = self.names().position(|other| other == name);
        at.map(|at| extract(self.bytes, &self.members[at])).transpose()
    }

    /// An array of numbers, if there is one of this name.
    pub fn array(&self, name: &str) -> Result<Option<ArrayD<f64>>, Why> {
        let read = |contents: Vec<u8>| npy::read(&contents, self.limit).map_err(|why| format!("its array `{name}`: {why}"));
        self.contents(name)?.map(read).transpose()
    }
}

/// All arrays, as tensors.
///
/// # Errors
/// A member cannot be read.
pub fn read(bytes: &[u8], limit: Limit) -> Result<Vec<Tensor>, Why> {
    let file = Npz::new(bytes, limit)?;
    let tensor = |name: &str| {
        let array = file.array(name)?.ok_or_else(|| format!("it has no array `{name}`"))?;
        Ok(Tensor { name: name.to_string(), shape: array.shape().to_vec(), numbers: array.iter().copied().collect() })
    };
    file.names().map(tensor).collect()
}

/// An archive of `tensors` in `precision`.
///
/// # Errors
/// The archive would exceed 4 GiB.
pub fn write(tensors: &[Tensor], precision: Precision) -> Result<Vec<u8>, Why> {
    let member = |tensor: &Tensor| {
        let shape = IxDyn(&tensor.shape);
        let array = ArrayD::from_shape_vec(shape, tensor.numbers.clone()).map_err(|error| error.to_string())?;
        let mut contents = Vec::new();
        let written = match precision {
            Precision::F64 => array.write_npy(&mut contents),
            Precision::F32 | Precision::Bf16x3 => array.mapv(|number| number as f32).write_npy(&mut contents),
        };
        written.map_err(|error| error.to_string())?;
        Ok((format!("{}.npy", tensor.name), contents))
    };
    archive(&tensors.iter().map(member).collect::<Result<Vec<_>, Why>>()?)
}
