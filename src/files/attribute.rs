//! Attributes of a file, as this program writes them, and as other programs leave them.
//!
//! h5repack and h5py leave them as they are; nccopy and xarray make arrays of one element of scalars, strings of fixed length of those of
//! variable length, and a null dataspace of an empty string.

use hdf5::types::{TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Attribute, Dataset, H5Type, Location};
use hdf5_sys::h5a::H5Aread;

/// How strict the form of attributes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As this program writes them.
    Own,
    /// As other programs leave them too.
    Any,
}

/// Why a file is refused, in a few words.
type Why = String;

/// The string in the attribute `name` of `object`.
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
    // A foreign file may hold any bytes.
    String::from_utf8(bytes).map_err(|_| format!("its attribute `{name}` is not UTF-8"))
}

/// The number in the attribute `name` of `object`, of type T or, in any form, of any type of whole numbers.
pub fn number<T: H5Type + TryFrom<i128>>(object: &Location, name: &str, form: Form) -> Result<T, Why> {
    let attribute = open(object, name)?;
    if form == Form::Own {
        return scalar(&attribute, name);
    }
    let number = match descriptor(&attribute) {
        Some(TypeDescriptor::Integer(_)) => only::<i64>(&attribute, name)?.into(),
        Some(TypeDescriptor::Unsigned(_)) => only::<u64>(&attribute, name)?.into(),
        _ => return Err(format!("its attribute `{name}` is not a whole number")),
    };
    T::try_from(number).map_err(|_| format!("its attribute `{name}` is {number}, which is out of its range"))
}

fn open(object: &Location, name: &str) -> Result<Attribute, Why> {
    object.attr(name).map_err(|_| format!("it has no attribute `{name}`"))
}

fn descriptor(attribute: &Attribute) -> Option<TypeDescriptor> {
    attribute.dtype().and_then(|dtype| dtype.to_descriptor()).ok()
}

/// A scalar of this type and no other.
fn scalar<T: H5Type>(attribute: &Attribute, name: &str) -> Result<T, Why> {
    if descriptor(attribute) != Some(T::type_descriptor()) {
        return Err(format!("its attribute `{name}` is not of type {}", T::type_descriptor()));
    }
    attribute.read_scalar().map_err(|error| damaged(name, &error))
}

/// The only element, converted to this type.
fn only<T: H5Type + Clone>(attribute: &Attribute, name: &str) -> Result<T, Why> {
    if attribute.size() != 1 {
        return Err(format!("its attribute `{name}` has {} elements, not one", attribute.size()));
    }
    match attribute.read_raw::<T>().map_err(|error| damaged(name, &error))?.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(format!("its attribute `{name}` has not one element")),
    }
}

/// The bytes of a string of `length` bytes, up to the first NUL or the blanks that fill it up.
fn fixed_text(attribute: &Attribute, name: &str, length: usize) -> Result<Vec<u8>, Why> {
    if attribute.size() != 1 {
        return Err(format!("its attribute `{name}` has {} elements, not one", attribute.size()));
    }
    let kind = attribute.dtype().map_err(|error| damaged(name, &error))?;
    // The library's own types of such strings have a length that is known when the program is compiled.
    let mut bytes = vec![0; length.max(kind.size())];
    // SAFETY: the handles are open; one element of this type has no more bytes than the buffer, and its type in memory is that in the file.
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

/// The codes of an array and their meanings, as CF flags.
pub fn set_flags<T: H5Type + Copy>(dataset: &Dataset, flags: &[(T, &str)]) -> anyhow::Result<()> {
    let (codes, meanings): (Vec<T>, Vec<&str>) = flags.iter().copied().unzip();
    dataset.new_attr_builder().with_data(&codes).create("flag_values")?;
    set_text(dataset, "flag_meanings", &meanings.join(" "))
}

pub fn set_text(object: &Location, name: &str, text: &str) -> anyhow::Result<()> {
    // HDF5's strings end at the first NUL.
    let value: VarLenUnicode = text.replace('\0', " ").parse()?;
    object.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&value)?;
    Ok(())
}

pub fn set_number<T: H5Type>(object: &Location, name: &str, value: T) -> anyhow::Result<()> {
    object.new_attr::<T>().create(name)?.write_scalar(&value)?;
    Ok(())
}
