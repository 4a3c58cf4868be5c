//! Whether two results files hold the same science: every dataset and attribute outside of the provenance, byte for byte.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};
use hdf5::types::{FloatSize, IntSize, TypeDescriptor, VarLenUnicode};
use hdf5::{Container, File, Location};

use super::schema;

/// HDF5's own bookkeeping of dimension scales: references, whose bytes are addresses.
const BOOKKEEPING: [&str; 2] = ["DIMENSION_LIST", "REFERENCE_LIST"];

/// The first thing that differs between the science of two files, or `None`.
pub fn first_difference(a: &Path, b: &Path) -> anyhow::Result<Option<String>> {
    let (a, b) = (open(a)?, open(b)?);
    let names = |file: &File| -> anyhow::Result<BTreeSet<String>> {
        Ok(file.member_names()?.into_iter().filter(|name| name != schema::PROVENANCE).collect())
    };
    let (names_a, names_b) = (names(&a)?, names(&b)?);
    if let Some(name) = names_a.symmetric_difference(&names_b).next() {
        return Ok(Some(format!("only one of the files has {name}")));
    }
    if let Some(name) = attribute_difference(&a, &b)? {
        return Ok(Some(format!("the root attribute {name}")));
    }
    for name in names_a {
        let (a, b) = (a.dataset(&name)?, b.dataset(&name)?);
        if let Some(attribute) = attribute_difference(&a, &b)? {
            return Ok(Some(format!("the attribute {attribute} of {name}")));
        }
        if a.shape() != b.shape() {
            return Ok(Some(format!("the shape of {name}")));
        }
        let (bytes_a, bytes_b) = (bytes(&a)?, bytes(&b)?);
        if let Some(place) = bytes_a.iter().zip(&bytes_b).position(|(a, b)| a != b) {
            return Ok(Some(format!("{name} at entry {place}")));
        }
    }
    Ok(None)
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}

fn attribute_difference(a: &Location, b: &Location) -> anyhow::Result<Option<String>> {
    let names = |place: &Location| -> anyhow::Result<BTreeSet<String>> {
        Ok(place.attr_names()?.into_iter().filter(|name| !BOOKKEEPING.contains(&name.as_str())).collect())
    };
    let (names_a, names_b) = (names(a)?, names(b)?);
    if let Some(name) = names_a.symmetric_difference(&names_b).next() {
        return Ok(Some(name.clone()));
    }
    for name in names_a {
        if bytes(&*a.attr(&name)?)? != bytes(&*b.attr(&name)?)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// The bits of every entry of a dataset or attribute.
fn bytes(container: &Container) -> anyhow::Result<Vec<Vec<u8>>> {
    macro_rules! numbers {
        ($type:ty) => {
            container.read_raw::<$type>()?.into_iter().map(|number| number.to_le_bytes().to_vec()).collect()
        };
    }
    Ok(match container.dtype()?.to_descriptor()? {
        TypeDescriptor::Float(FloatSize::U8) => numbers!(f64),
        TypeDescriptor::Float(FloatSize::U4) => numbers!(f32),
        TypeDescriptor::Unsigned(IntSize::U1) => numbers!(u8),
        TypeDescriptor::Unsigned(IntSize::U4) => numbers!(u32),
        TypeDescriptor::Unsigned(IntSize::U8) => numbers!(u64),
        TypeDescriptor::Integer(IntSize::U8) => numbers!(i64),
        TypeDescriptor::VarLenUnicode => {
            container.read_raw::<VarLenUnicode>()?.into_iter().map(|text| text.as_bytes().to_vec()).collect()
        }
        TypeDescriptor::FixedAscii(_) => vec![format!("{:?}", container.dtype()?.to_descriptor()?).into_bytes()],
        other => bail!("a type that results files do not have: {other}"),
    })
}
