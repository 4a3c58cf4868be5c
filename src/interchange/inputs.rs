//! Inputs, each row once and in order, with their labels: NPY, NPZ, HDF5 and CSV.

use std::fmt;
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use hdf5::types::{TypeDescriptor, VarLenUnicode};
use ndarray::{Array2, ArrayD, Axis};

use super::npz::Npz;
use super::{Limit, MOST_NUMBERS, Why, bytes_of, csv_table, extension, network_file, npy};
use crate::error::BadInput;
use crate::files::crash::guarded;
use crate::files::{self, contained};
use crate::text::short;

/// Names of the array or column of labels.
pub const LABELS: [&str; 3] = ["label", "labels", "y"];
/// The array of inputs in a file with several.
const INPUTS: &str = "X";

/// A file, and an array or column in it: `PATH` or `PATH::NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub path: PathBuf,
    pub array: Option<String>,
}

impl Source {
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once("::") {
            Some((path, array)) => Self { path: path.into(), array: Some(array.to_string()) },
            None => Self { path: text.into(), array: None },
        }
    }

    /// File name and array, without the directory.
    pub fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.array.as_ref().map_or_else(|| file.to_string(), |array| format!("{file}::{array}"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.path.display())?;
        self.array.iter().try_for_each(|array| write!(out, "::{array}"))
    }
}

/// Where the labels are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelSource {
    /// Beside the inputs under one of the names [`LABELS`], if there are as many.
    Default,
    /// There are none: columns of any name are inputs.
    None,
    /// The array or column of this name beside the inputs.
    Beside(String),
    File(Source),
}

impl LabelSource {
    /// Parses `none`, `::NAME` or `FILE[::NAME]`.
    pub fn parse(text: Option<&str>) -> Self {
        match text {
            None => Self::Default,
            Some("none") => Self::None,
            Some(text) => match Source::parse(text) {
                Source { path, array: Some(name) } if path.as_os_str().is_empty() => Self::Beside(name),
                source => Self::File(source),
            },
        }
    }
}

/// One label per input.
#[derive(Debug, Clone, PartialEq)]
pub enum Labels {
    Numbers(Vec<i64>),
    Texts(Vec<String>),
}

impl Labels {
    /// Numbers, if all of `texts` are whole ones.
    fn of_texts(texts: Vec<String>) -> Self {
        let numbers: Option<Vec<i64>> = texts.iter().map(|text| whole(text.parse().ok()?)).collect();
        numbers.map_or(Labels::Texts(texts), Labels::Numbers)
    }

    /// Texts, unless all of `numbers` are whole ones.
    fn of_numbers(numbers: &[f64]) -> Self {
        let wholes: Option<Vec<i64>> = numbers.iter().map(|&number| whole(number)).collect();
        wholes.map_or_else(|| Labels::Texts(numbers.iter().map(|&number| short(number)).collect()), Labels::Numbers)
    }

    pub fn len(&self) -> usize {
        match self {
            Labels::Numbers(numbers) => numbers.len(),
            Labels::Texts(texts) => texts.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

/// The inputs of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// n × d, finite; n, d ≥ 1.
    pub x: Array2<f64>,
    pub labels: Option<Labels>,
}

impl Inputs {
    /// CRC-32 of shape, numbers and labels: the same in every file format.
    pub fn checksum(&self) -> u32 {
        let mut hasher = Hasher::new();
        for size in [self.x.nrows(), self.x.ncols()] {
            hasher.update(&(size as u64).to_le_bytes());
        }
        self.x.iter().for_each(|number| hasher.update(&number.to_le_bytes()));
        match &self.labels {
            None => {}
            Some(Labels::Numbers(numbers)) => numbers.iter().for_each(|number| hasher.update(&number.to_le_bytes())),
            Some(Labels::Texts(texts)) => texts.iter().for_each(|text| hasher.update(format!("{text}\0").as_bytes())),
        }
        hasher.finalize()
    }
}

/// Reads the inputs of `source`; with `rescale` each row is scaled to the norm √d.
///
/// # Errors
/// A file cannot be read, or holds more than `limit`, a number is not finite, there are no rows, or not as many labels.
pub fn read(source: &Source, labels: &LabelSource, rescale: bool, limit: Limit) -> Result<Inputs, BadInput> {
    let refuse = |source: &Source, why: Why, remedy: &str| BadInput::new(format!("cannot read {source}"), why, remedy);
    const REMEDY: &str = "give --inputs an array of numbers, a row an input, as NPY, NPZ, HDF5 or CSV";
    let refused = |why| refuse(source, why, REMEDY);
    let (array, found) = read_array(source, labels, limit).map_err(refused)?;
    let mut x = rows_of(array).map_err(refused)?;
    if let Some(((row, _), number)) = x.indexed_iter().find(|(_, number)| !number.is_finite()) {
        return Err(refused(format!("row {row} holds {number}")));
    }
    if rescale {
        scale_rows(&mut x).map_err(refused)?;
    }
    let labels = match labels {
        // As many values as inputs, or they are not labels.
        LabelSource::Default => found.filter(|found| found.len() == x.nrows()),
        LabelSource::None => None,
        LabelSource::Beside(_) => found,
        LabelSource::File(labels) => {
            const REMEDY: &str = "give --labels a file with one whole number or text per input, ::NAME for an array or column of the inputs file, or none";
            Some(read_labels(labels, limit).map_err(|why| refuse(labels, why, REMEDY))?)
        }
    };
    if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != x.nrows()) {
        let what = format!("the labels do not belong to {source}");
        let why = format!("there are {} of them, and {} inputs", labels.len(), x.nrows());
        return Err(BadInput::new(what, why, "give one label per input"));
    }
    Ok(Inputs { x, labels })
}

/// The array of inputs, and the labels beside it.
fn read_array(source: &Source, labels: &LabelSource, limit: Limit) -> Result<(ArrayD<f64>, Option<Labels>), Why> {
    let Source { path, array } = source;
    match extension(path).as_str() {
        "npy" => match (array, labels) {
            (Some(name), _) | (None, LabelSource::Beside(name)) => Err(format!("an NPY file has one array only, and no `{name}`")),
            (None, _) => Ok((npy::read(&read_bytes(path, limit)?, limit)?, None)),
        },
        "npz" => of_npz(&Npz::new(&read_bytes(path, limit)?, limit)?, array.as_deref(), labels),
        "csv" => match array {
            Some(name) => Err(format!("all columns of a CSV file are inputs, so ::{name} does not apply")),
            None => {
                let table = csv_table::read(&read_bytes(path, limit)?, labels, limit)?;
                Ok((table.x.into_dyn(), table.labels.map(Labels::of_texts)))
            }
        },
        _ => guarded(path, || of_hdf5(path, array.as_deref(), labels, limit)),
    }
}

fn read_bytes(path: &Path, limit: Limit) -> Result<Vec<u8>, Why> {
    bytes_of(path, limit).map_err(|error| error.to_string())
}

/// The name of the labels in a file with these arrays.
fn label_name<'a>(labels: &'a LabelSource, names: &[&str]) -> Option<&'a str> {
    match labels {
        LabelSource::Beside(name) => Some(name),
        LabelSource::Default => LABELS.into_iter().find(|name| names.contains(name)),
        LabelSource::None | LabelSource::File(_) => None,
    }
}

fn of_npz(file: &Npz, array: Option<&str>, labels: &LabelSource) -> Result<(ArrayD<f64>, Option<Labels>), Why> {
    let names: Vec<&str> = file.names().collect();
    let label = label_name(labels, &names);
    let labels = label.map(|name| npz_labels(file, name)).transpose()?;
    let others: Vec<&str> = names.iter().copied().filter(|name| !LABELS.contains(name) && Some(*name) != label).collect();
    let name = match (array, others.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, others) if others.contains(&INPUTS) => INPUTS,
        (None, _) => return Err(format!("it has the arrays {}, so PATH::NAME has to name one", names.join(", "))),
    };
    Ok((file.array(name)?.ok_or_else(|| format!("it has no array `{name}`"))?, labels))
}

fn npz_labels(file: &Npz, name: &str) -> Result<Labels, Why> {
    let contents = file.contents(name)?.ok_or_else(|| format!("it has no array `{name}`"))?;
    npy_labels(&contents, file.limit()).map_err(|why| format!("its array `{name}`: {why}"))
}

fn npy_labels(contents: &[u8], limit: Limit) -> Result<Labels, Why> {
    if let Some(texts) = npy::read_text(contents, limit)? {
        return Ok(Labels::of_texts(texts));
    }
    Ok(Labels::of_numbers(&npy::read(contents, limit)?.iter().copied().collect::<Vec<_>>()))
}

fn of_hdf5(path: &Path, array: Option<&str>, labels: &LabelSource, limit: Limit) -> Result<(ArrayD<f64>, Option<Labels>), Why> {
    let file = open(path)?;
    let names = contained::names(&file)?;
    let label = label_name(labels, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let read = |name: &str| hdf5_labels(&file, name, limit).map_err(|why| format!("its labels `{name}`: {why}"));
    let labels = match labels {
        // An array that merely has the name of labels need not hold any.
        LabelSource::Default => label.and_then(|name| read(name).ok()),
        _ => label.map(read).transpose()?,
    };
    let named = array.or_else(|| names.iter().map(String::as_str).find(|name| *name == INPUTS));
    let dataset = match named {
        Some(name) => contained::dataset(&file, name)?.ok_or_else(|| format!("it has no dataset `{name}`"))?,
        None => {
            let found = names.iter().map(|name| contained::dataset(&file, name));
            let found: Vec<_> = found.filter_map(Result::transpose).collect::<Result<_, _>>()?;
            match found.iter().filter(|dataset| dataset.ndim() >= 2).collect::<Vec<_>>().as_slice() {
                [only] => (*only).clone(),
                _ => return Err("it does not have one dataset of rows exactly, so PATH::DATASET has to name it".to_string()),
            }
        }
    };
    limit.count_of(&dataset.shape())?;
    let mut array = dataset.read_dyn::<f64>().map_err(|error| error.to_string())?;
    // The bias unit of an export is part of its network here.
    let is_x = dataset.name().trim_start_matches('/') == INPUTS;
    if is_x && network_file::is_export(&file) && network_file::has_bias_unit(&file)? && array.ndim() == 2 && array.shape()[1] > 0 {
        let dim = array.shape()[1] - 1;
        array.slice_axis_inplace(Axis(1), (..dim).into());
    }
    Ok((array, labels))
}

/// Opens an HDF5 file. Checks first that it is a regular one: the library would block on a pipe.
fn open(path: &Path) -> Result<hdf5::File, Why> {
    if !std::fs::metadata(path).map_err(|error| error.to_string())?.is_file() {
        return Err("it is not a regular file".to_string());
    }
    files::hdf5::open(path).map_err(|error| format!("it is neither .npy, .npz nor .csv, and no HDF5 file: {error}"))
}

fn hdf5_labels(file: &hdf5::File, name: &str, limit: Limit) -> Result<Labels, Why> {
    let dataset = contained::dataset(file, name)?.ok_or_else(|| format!("it has no dataset `{name}`"))?;
    limit.count_of(&dataset.shape())?;
    let descriptor = dataset.dtype().and_then(|dtype| dtype.to_descriptor()).map_err(|error| error.to_string())?;
    if matches!(descriptor, TypeDescriptor::VarLenUnicode) {
        let texts: Vec<VarLenUnicode> = dataset.read_raw().map_err(|error| error.to_string())?;
        let text =
            |text: &VarLenUnicode| String::from_utf8(text.as_bytes().to_vec()).map_err(|_| "a label is not UTF-8".to_string());
        return texts.iter().map(text).collect::<Result<Vec<_>, _>>().map(Labels::of_texts);
    }
    Ok(Labels::of_numbers(&dataset.read_raw::<f64>().map_err(|error| error.to_string())?))
}

fn read_labels(source: &Source, limit: Limit) -> Result<Labels, Why> {
    let Source { path, array } = source;
    let only = |names: Vec<String>| match (array, names.as_slice()) {
        (Some(name), _) => Ok(name.clone()),
        (None, [only]) => Ok(only.clone()),
        (None, names) => {
            let named = LABELS.into_iter().find(|name| names.iter().any(|other| other == name)).map(str::to_string);
            named.ok_or_else(|| format!("it has the arrays {}, so PATH::NAME has to name one", names.join(", ")))
        }
    };
    match extension(path).as_str() {
        "npy" => npy_labels(&read_bytes(path, limit)?, limit),
        "npz" => {
            let bytes = read_bytes(path, limit)?;
            let file = Npz::new(&bytes, limit)?;
            let name = only(file.names().map(str::to_string).collect())?;
            npz_labels(&file, &name)
        }
        "csv" => labels_of_csv(&read_bytes(path, limit)?, array.as_deref(), limit),
        _ => guarded(path, || {
            let file = open(path)?;
            hdf5_labels(&file, &only(contained::names(&file)?)?, limit)
        }),
    }
}

/// The labels of a CSV file of their own: its column `name`, or its only one, with or without a header.
fn labels_of_csv(bytes: &[u8], name: Option<&str>, limit: Limit) -> Result<Labels, Why> {
    if let Some(name) = name {
        let table = csv_table::read(bytes, &LabelSource::Beside(name.to_string()), limit)?;
        return Ok(Labels::of_texts(table.labels.unwrap_or_default()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
    let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_string()).collect();
    if lines.first().is_some_and(|first| LABELS.iter().any(|name| first.eq_ignore_ascii_case(name))) {
        lines.remove(0);
    }
    match lines.iter().any(|line| line.contains(',')) {
        true => Err("it has several columns, so PATH::NAME has to name one".to_string()),
        false => Ok(Labels::of_texts(lines)),
    }
}

/// Flattens the entries along the first axis to rows.
fn rows_of(array: ArrayD<f64>) -> Result<Array2<f64>, Why> {
    let shape = array.shape().to_vec();
    let [count, rest @ ..] = shape.as_slice() else { return Err("it holds a single number".to_string()) };
    let columns = rest.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).unwrap_or(usize::MAX);
    if *count == 0 {
        return Err("it has no rows".to_string());
    }
    if rest.is_empty() || columns == 0 || columns > MOST_NUMBERS {
        return Err(format!("its shape {shape:?} is not that of rows of numbers"));
    }
    let rows = array.as_standard_layout().into_owned();
    rows.into_shape_with_order((*count, columns)).map_err(|error| error.to_string())
}

/// Scales each row to the norm √columns.
fn scale_rows(x: &mut Array2<f64>) -> Result<(), Why> {
    let length = (x.ncols() as f64).sqrt();
    for (index, mut row) in x.rows_mut().into_iter().enumerate() {
        // Scaled first so that squares neither overflow nor underflow.
        let largest = row.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        if largest == 0.0 {
            return Err(format!("row {index} is 0 and cannot be scaled to the length √{}", row.len()));
        }
        let norm = row.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt();
        row.mapv_inplace(|x| x / largest * (length / norm));
    }
    Ok(())
}
