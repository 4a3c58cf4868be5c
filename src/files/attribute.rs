//! HDF5 attributes as this program writes them and as other programs rewrite them.
//!
//! h5repack and h5py keep their form. nccopy and xarray turn scalars into arrays of one element, variable-length strings into fixed-length
//! ones, and empty strings into null dataspaces.

use hdf5::types::{TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Attribute, Dataset, H5Type, Location};
use hdf5_sys::h5a::H5Aread;

/// Which forms of attributes are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Only the form that this program writes.
    Own,
    /// Also the forms that other programs leave.
    Any,
}

/// Why a file is refused.
type Why = String;

/// Reads the string attribute `name` of `object`.
pub fn text(object: &Location, name: &str, form: Form) -> Result<String, Why> {
    let attribute = open(object, name)?;
    let bytes = match (form, descriptor(&attribute)) {
        (Form::Own, _) => scalar::<VarLenUnicode>(&attribute, name)?.as_bytes().to_vec(),
        (Form::Any, _) if attribute.size() == 0 => Vec::new(),
        (Form::Any, Some(TypeDescriptor::VarLenUnicode)) => only::<VarLenUnicode>(&attribute, name)?.as_bytes().to_vec(),
        (Form::Any, Some(TypeDescriptor::VarLenAscii)) => only::<VarLenAscii>(&attribute, name)?.as_bytes().to_vec(),
        (Form::Any, Some(TypeDescriptor::FixedAscii(length) | TypeDescriptor::FixedUnicode(length))) => {
            fixed_text(&attribute, name, length)?
        }
        (Form::Any, _) => return Err(format!("its attribute `{name}` is not a string")),
    };
    // Files of other programs may hold any bytes.
    String::from_utf8(bytes).map_err(|_| format!("its attribute `{name}` is not UTF-8"))
}

/// Reads the integer attribute `name` of `object`: of type T, or with [`Form::Any`] of any integer type.
pub fn number<T: H5Type + TryFrom<i128>>(object: &Location, name: &str, form: Form) -> Result<T, Why> {
    let attribute = open(object, name)?;
    if form == Form::Own {
        return scalar(&attribute, name);
    }
    let number = match descriptor(&attribute) {
        Some(TypeDescriptor::Integer(_)) => only::<i64>(&attribute, name)?.into(),
        Some(TypeDescriptor::Unsigned(_)) => only::<u64>(&attribute, name)?.into(),
        _ => return Err(format!("its attribute `{name}` is not an integer")),
    };
    T::try_from(number).map_err(|_| format!("its attribute `{name}` is {number}, which is out of range"))
}

fn open(object: &Location, name: &str) -> Result<Attribute, Why> {
    object.attr(name).map_err(|_| format!("it has no attribute `{name}`"))
}

fn descriptor(attribute: &Attribute) -> Option<TypeDescriptor> {
    attribute.dtype().and_then(|dtype| dtype.to_descriptor()).ok()
}

/// Reads a scalar of exactly this type.
fn scalar<T: H5Type>(attribute: &Attribute, name: &str) -> Result<T, Why> {
    if descriptor(attribute) != Some(T::type_descriptor()) {
        return Err(format!("its attribute `{name}` is not of type {}", T::type_descriptor()));
    }
    attribute.read_scalar().map_err(|error| damaged(name, &error))
}

/// Reads the only element, converted to this type.
fn only<T: H5Type + Clone>(attribute: &Attribute, name: &str) -> Result<T, Why> {
    if attribute.size() != 1 {
        return Err(format!("its attribute `{name}` has {} elements, not one", attribute.size()));
    }
    match attribute.read_raw::<T>().map_err(|error| damaged(name, &error))?.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(format!("its attribute `{name}` does not have one element")),
    }
}

/// Reads a string of fixed `length` in bytes, without its NUL or blank padding.
fn fixed_text(attribute: &Attribute, name: &str, length: usize) -> Result<Vec<u8>, Why> {
    if attribute.size() != 1 {
        return Err(format!("its attribute `{name}` has {} elements, not one", attribute.size()));
    }
    let kind = attribute.dtype().map_err(|error| damaged(name, &error))?;
    // Through the C API: the bindings' types for such strings have a length fixed at compile time.
    let mut bytes = vec![0; length.max(kind.size())];
    // SAFETY: the handles are open, the memory type is the file type, and the buffer holds one element of it.
    let code = hdf5::sync::sync(|| unsafe { H5Aread(attribute.id(), kind.id(), bytes.as_mut_ptr().cast()) });
    if code < 0 {
        return Err(format!("its attribute `{name}` is damaged"));
    }
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    while bytes.last() == Some(&b' ') {
        bytes.pop();
    }
    Ok(bytes)
}

fn damaged(name: &str, error: &hdf5::Error) -> Why {
    format!("its attribute `{name}` is damaged: {error}")
}

/// Writes the codes of an array and their meanings as CF attributes `flag_values` and `flag_meanings`.
pub fn set_flags<T: H5Type + Copy>(dataset: &Dataset, flags: &[(T, &str)]) -> anyhow::Result<()> {
    let (codes, meanings): (Vec<T>, Vec<&str>) = flags.iter().copied().unzip();
    dataset.new_attr_builder().with_data(&codes).create("flag_values")?;
    set_text(dataset, "flag_meanings", &meanings.join(" "))
}

pub fn set_text(object: &Location, name: &str, text: &str) -> anyhow::Result<()> {
    // HDF5 strings end at the first NUL.
    let value: VarLenUnicode = text.replace('\0', " ").parse()?;
    object.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&value)?;
    Ok(())
}

pub fn set_number<T: H5Type>(object: &Location, name: &str, value: T) -> anyhow::Result<()> {
    object.new_attr::<T>().create(name)?.write_scalar(&value)?;
    Ok(())
}
