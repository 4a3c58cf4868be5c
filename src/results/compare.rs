//! Compares two results files: every array and attribute outside `/provenance`, bit for bit.

use std::path::Path;

use anyhow::{Context, bail};
use hdf5::types::{FixedAscii, FloatSize, IntSize, TypeDescriptor, VarLenArray, VarLenUnicode};
use hdf5::{Container, Group, H5Type, Location, ObjectReference1, ReferencedObject};

use super::{CellResults, Results, schema};
use crate::error::BadInput;
use crate::files;
use crate::files::contained;
use crate::record::Sample;
use crate::text::{apart, short};

/// Attribute of a dimension scale that lists its users by file address; ignored because their `DIMENSION_LIST` has the same information.
const BACK_REFERENCES: &str = "REFERENCE_LIST";
/// Longest class or name of a dimension scale, in bytes.
const LONGEST_SCALE_NAME: usize = 64;

/// Help for a file with links or external storage.
const REMEDY: &str = "give a file that `advstep-hpc` wrote";

/// Describes the first difference between two files outside `/provenance`; `None` if there is none.
///
/// Floats are compared by bits: NaN equals the same NaN, 0 differs from −0.
///
/// # Errors
/// If a file cannot be read or holds a type that no results file has.
pub fn first_difference(a: &Path, b: &Path) -> anyhow::Result<Option<String>> {
    let open = |path: &Path| {
        let file = files::hdf5::open(path).with_context(|| format!("opening {}", path.display()))?;
        contained::check_file(&file).map_err(|why| BadInput::new(format!("cannot compare {}", path.display()), why, REMEDY))?;
        anyhow::Ok(file)
    };
    differing_groups(&*open(a)?, &*open(b)?)
}

/// Describes the first difference between the experiments, methods and samples of `a` and `b`; `None` if there is none. For files rewritten by
/// other programs: unlike [`first_difference`] it ignores attributes, types and the statistics, which follow from the samples.
pub fn first_differing_sample(a: &Results, b: &Results) -> Option<String> {
    if let Some(difference) = a.experiment.difference(&b.experiment) {
        return Some(difference);
    }
    let cells = |results: &Results| results.cells.iter().map(|cell| cell.cell).collect::<Vec<_>>();
    if cells(a) != cells(b) {
        return Some(format!("{} cells are finished in one, {} in the other, or not the same", a.cells.len(), b.cells.len()));
    }
    a.cells.iter().zip(&b.cells).find_map(|(a, b)| first_differing_in_cell(a, b))
}

/// Describes the first difference between the methods and samples of one cell in two files; `None` if there is none.
pub(super) fn first_differing_in_cell(a: &CellResults, b: &CellResults) -> Option<String> {
    if a.method != b.method {
        return Some(format!("cell {}: {} against {}", a.cell, a.method, b.method));
    }
    let difference = a.records.iter().zip(&b.records).find_map(|(a, b)| {
        let samples = a.samples.iter().zip(&b.samples).enumerate();
        samples.into_iter().find_map(|(at, (x, y))| Some((a.unit.network, at, differing_field(x, y)?)))
    });
    difference.map(|(network, at, field)| format!("cell {}, network {network}, sample {at}: {field}", a.cell))
}

/// The first field in which two samples differ, by bits; any NaN equals any other.
fn differing_field(a: &Sample, b: &Sample) -> Option<String> {
    let floats = [
        ("step", a.step, b.step),
        ("zero_step", a.zero_step, b.zero_step),
        ("distance", a.distance, b.distance),
        ("gradient_norm", a.gradient_norm, b.gradient_norm),
        ("value", a.value, b.value),
        ("input_norm", a.input_norm, b.input_norm),
        ("certified_distance", a.certified, b.certified),
    ];
    let is_other = |a: f64, b: f64| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan());
    if let Some((name, a, b)) = floats.into_iter().find(|&(_, a, b)| is_other(a, b)) {
        return Some(format!("{name} is {} against {}", short(a), short(b)));
    }
    match (a.status != b.status, a.evaluations != b.evaluations) {
        (true, _) => Some(format!("status is {} against {}", a.status.name(), b.status.name())),
        (_, true) => Some(format!("evaluations is {} against {}", a.evaluations, b.evaluations)),
        _ => None,
    }
}

fn differing_groups(a: &Group, b: &Group) -> anyhow::Result<Option<String>> {
    if let Some(difference) = differing_attributes(a, b)? {
        return Ok(Some(difference));
    }
    let names = members(a)?;
    if names != members(b)? {
        let (names, names_b) = apart(&format!("{names:?}"), &format!("{:?}", members(b)?));
        return Ok(Some(format!("{}: members {names} against {names_b}", a.name())));
    }
    for name in &names {
        let difference = match (a.dataset(name), b.dataset(name)) {
            (Ok(a), Ok(b)) => match differing_contents(&a, &b).with_context(|| a.name())? {
                Some(difference) => Some(format!("{}: {difference}", a.name())),
                None => differing_attributes(&a, &b)?,
            },
            _ => differing_groups(&a.group(name)?, &b.group(name)?)?,
        };
        if difference.is_some() {
            return Ok(difference);
        }
    }
    Ok(None)
}

/// Member names, sorted, without `/provenance`.
fn members(group: &Group) -> anyhow::Result<Vec<String>> {
    let mut names = group.member_names()?;
    names.retain(|name| !(group.name() == "/" && name == schema::PROVENANCE));
    names.sort();
    Ok(names)
}

fn differing_attributes(a: &Location, b: &Location) -> anyhow::Result<Option<String>> {
    let names = |object: &Location| -> anyhow::Result<Vec<String>> {
        let mut names = object.attr_names()?;
        names.retain(|name| name != BACK_REFERENCES);
        names.sort();
        Ok(names)
    };
    let (names_a, names_b) = (names(a)?, names(b)?);
    if names_a != names_b {
        let (names_a, names_b) = apart(&format!("{names_a:?}"), &format!("{names_b:?}"));
        return Ok(Some(format!("{}: attributes {names_a} against {names_b}", a.name())));
    }
    for name in names_a {
        let place = format!("{}@{name}", a.name());
        if let Some(difference) = differing_contents(&*a.attr(&name)?, &*b.attr(&name)?).context(place.clone())? {
            return Ok(Some(format!("{place}: {difference}")));
        }
    }
    Ok(None)
}

/// Compares type, shape and elements of two arrays or attributes.
fn differing_contents(a: &Container, b: &Container) -> anyhow::Result<Option<String>> {
    let (kind, kind_b) = (a.dtype()?.to_descriptor()?, b.dtype()?.to_descriptor()?);
    if kind != kind_b {
        return Ok(Some(format!("type {kind} against {kind_b}")));
    }
    let (shape, shape_b) = (a.get_shape()?, b.get_shape()?);
    if shape != shape_b {
        return Ok(Some(format!("shape {shape:?} against {shape_b:?}")));
    }
    match kind {
        TypeDescriptor::Float(FloatSize::U8) => differing_elements(a, b, |x: &f64| x.to_bits(), |x| short(*x)),
        TypeDescriptor::Integer(IntSize::U4) => differing_elements(a, b, |x: &i32| *x, i32::to_string),
        TypeDescriptor::Integer(IntSize::U8) => differing_elements(a, b, |x: &i64| *x, i64::to_string),
        TypeDescriptor::Unsigned(IntSize::U1) => differing_elements(a, b, |x: &u8| *x, u8::to_string),
        TypeDescriptor::Unsigned(IntSize::U4) => differing_elements(a, b, |x: &u32| *x, u32::to_string),
        TypeDescriptor::Unsigned(IntSize::U8) => differing_elements(a, b, |x: &u64| *x, u64::to_string),
        TypeDescriptor::VarLenUnicode => {
            differing_elements(a, b, |x: &VarLenUnicode| x.as_bytes().to_vec(), |x| String::from_utf8_lossy(x.as_bytes()).into())
        }
        // The class and name of a dimension scale.
        TypeDescriptor::FixedAscii(length) if length <= LONGEST_SCALE_NAME => differing_elements(
            a,
            b,
            |x: &FixedAscii<LONGEST_SCALE_NAME>| x.as_bytes().to_vec(),
            |x| String::from_utf8_lossy(x.as_bytes()).into(),
        ),
        TypeDescriptor::VarLenArray(_) => {
            let (names, names_b) = (referenced_names(a)?, referenced_names(b)?);
            Ok((names != names_b).then(|| format!("dimensions {names:?} against {names_b:?}")))
        }
        other => bail!("cannot compare elements of type {other}"),
    }
}

fn differing_elements<T: H5Type, K: PartialEq>(
    a: &Container,
    b: &Container,
    key: impl Fn(&T) -> K,
    print: impl Fn(&T) -> String,
) -> anyhow::Result<Option<String>> {
    let (values, values_b) = (a.read_raw::<T>()?, b.read_raw::<T>()?);
    let differing = values.iter().zip(&values_b).position(|(x, y)| key(x) != key(y));
    Ok(differing.map(|at| {
        let (value, value_b) = apart(&print(&values[at]), &print(&values_b[at]));
        format!("element {at} is {value} against {value_b}")
    }))
}

/// The paths of the scales in a `DIMENSION_LIST`, per axis.
fn referenced_names(attribute: &Container) -> anyhow::Result<Vec<Vec<String>>> {
    let lists = attribute.read_raw::<VarLenArray<ObjectReference1>>()?;
    let name = |reference: &ObjectReference1| match attribute.dereference(reference)? {
        ReferencedObject::Dataset(dataset) => Ok(dataset.name()),
        _ => bail!("a dimension that is no dataset"),
    };
    lists.iter().map(|list| list.iter().map(name).collect()).collect()
}
