//! The law of the inputs, and the rows of a user's file as inputs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ndarray::{Array2, ArrayD, Axis};
use ndarray_npy::{ReadNpyError, ReadableElement, read_npy};
use serde::{Serialize, Serializer};

use super::Cell;
use crate::error::BadInput;
use crate::kernels::Real;
use crate::network::sphere_inputs;
use crate::random::NetworkStreams;

/// How x is drawn. With a bias unit x has one further coordinate, which is 1.
#[derive(Debug, Clone, PartialEq)]
pub enum InputsLaw {
    /// Uniform on the sphere of radius √d (the paper); √(d − 1) with a bias unit.
    Sphere,
    /// Independent N(0, 1) coordinates.
    Gaussian,
    /// Uniform on {−1, 1}^d.
    Hypercube,
    /// Rows of a file, drawn with replacement, each scaled to the length √d; √(d − 1) with a bias unit.
    File(InputsFile),
}

/// A file of inputs: `PATH.npy`, or a dataset of an HDF5 file.
#[derive(Clone)]
pub struct InputsFile {
    path: PathBuf,
    /// In HDF5 files; the only one of the file where it is `None`.
    dataset: Option<String>,
    /// CRC-32 (IEEE) of the file, when that is known.
    checksum: Option<u32>,
    rows: Arc<OnceLock<Array2<f32>>>,
}

impl PartialEq for InputsFile {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.dataset, self.checksum) == (&other.path, &other.dataset, other.checksum)
    }
}

impl fmt::Debug for InputsFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

/// As [`InputsLaw::parse`] reads it.
impl fmt::Display for InputsFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "file:{}", self.path.display())?;
        self.dataset.iter().try_for_each(|dataset| write!(out, ":{dataset}"))?;
        self.checksum.iter().try_for_each(|checksum| write!(out, "#{checksum:08x}"))
    }
}

impl fmt::Display for InputsLaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputsLaw::Sphere => out.write_str("sphere"),
            InputsLaw::Gaussian => out.write_str("gaussian"),
            InputsLaw::Hypercube => out.write_str("hypercube"),
            InputsLaw::File(file) => write!(out, "{file}"),
        }
    }
}

impl Serialize for InputsLaw {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl InputsLaw {
    /// The law in `text`: `sphere`, `gaussian`, `hypercube`, or `file:PATH.npy`, `file:PATH.h5`, `file:PATH.h5:DATASET`, the last three with
    /// `#` and the checksum of the file in 8 hexadecimal digits where that is known. Opens no file.
    pub fn parse(text: &str) -> Result<Self, BadInput> {
        match text {
            "sphere" => return Ok(InputsLaw::Sphere),
            "gaussian" => return Ok(InputsLaw::Gaussian),
            "hypercube" => return Ok(InputsLaw::Hypercube),
            _ => {}
        }
        let Some(file) = text.strip_prefix("file:").filter(|file| !file.is_empty()) else {
            return Err(BadInput::new(
                format!("there is no law of inputs `{text}`"),
                "it is none of those known",
                "give sphere, gaussian, hypercube or file:PATH",
            ));
        };
        let checksum = |digits: &str| (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok()).flatten();
        let (file, checksum) = match file.rsplit_once('#').and_then(|(file, digits)| Some((file, checksum(digits)?))) {
            Some((file, checksum)) => (file, Some(checksum)),
            None => (file, None),
        };
        let (path, dataset) = match file.rsplit_once(':') {
            Some((path, dataset)) if !file.ends_with(".npy") => (path, Some(dataset.to_string())),
            _ => (file, None),
        };
        Ok(InputsLaw::File(InputsFile { path: path.into(), dataset, checksum, rows: Arc::default() }))
    }

    /// Reads the file if there is one and it is not read yet.
    ///
    /// # Errors
    /// A file that cannot be read, is not the one whose checksum is known, or holds no rows that can be scaled.
    pub fn load(&mut self) -> Result<(), BadInput> {
        match self {
            InputsLaw::File(file) => file.load(),
            _ => Ok(()),
        }
    }

    /// Numbers in a row of the file, if that is read.
    pub fn columns(&self) -> Option<usize> {
        match self {
            InputsLaw::File(file) => file.rows.get().map(Array2::ncols),
            _ => None,
        }
    }

    pub fn is_file(&self) -> bool {
        matches!(self, InputsLaw::File(_))
    }

    /// Whether the checksum of the file is known, or there is no file.
    pub fn is_known(&self) -> bool {
        !matches!(self, InputsLaw::File(InputsFile { checksum: None, .. }))
    }

    /// The first `count` inputs of a network, n × d. A file must have been [loaded](Self::load).
    pub fn inputs<T: Real>(&self, streams: NetworkStreams, cell: Cell, count: usize, bias: bool) -> Array2<T> {
        if *self == InputsLaw::Sphere && !bias {
            return sphere_inputs(streams, cell, count);
        }
        let mut batch = Array2::from_elem((count, cell.dim), T::one());
        let mut numbers = vec![0.0_f32; cell.dim - usize::from(bias)];
        for (index, mut row) in batch.rows_mut().into_iter().enumerate() {
            match self {
                InputsLaw::Sphere => streams.input(index, &mut numbers),
                InputsLaw::Gaussian => streams.gaussian_input(index, &mut numbers),
                InputsLaw::Hypercube => streams.hypercube_input(index, &mut numbers),
                InputsLaw::File(file) => {
                    let rows = file.rows.get().expect("a file of inputs is read before any work");
                    numbers.copy_from_slice(rows.row(streams.row_of_input(index, rows.nrows())).to_slice().expect("contiguous"));
                }
            }
            row.iter_mut().zip(&numbers).for_each(|(x, number)| *x = T::of_f32(*number));
        }
        batch
    }
}

impl InputsFile {
    /// What the file and its dataset are called, without the directory.
    pub fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.dataset.as_ref().map_or_else(|| file.to_string(), |dataset| format!("{file}:{dataset}"))
    }

    fn load(&mut self) -> Result<(), BadInput> {
        if self.rows.get().is_some() {
            return Ok(());
        }
        let refuse =
            |why: String, remedy: &str| Err(BadInput::new(format!("cannot take inputs from {}", self.path.display()), why, remedy));
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) => return refuse(error.to_string(), "give file: and the path of an NPY or HDF5 file"),
        };
        let checksum = crc32fast::hash(&bytes);
        drop(bytes);
        if self.checksum.is_some_and(|known| known != checksum) {
            return refuse(
                "it is not the file with which the experiment began".into(),
                "give that file, or begin another experiment",
            );
        }
        let is_npy = self.path.extension().is_some_and(|extension| extension == "npy");
        let rows = if is_npy { npy(&self.path) } else { hdf5(&self.path, self.dataset.as_deref()) };
        match rows.and_then(scaled) {
            Ok(rows) => {
                self.checksum = Some(checksum);
                self.rows = Arc::new(OnceLock::from(rows));
                Ok(())
            }
            Err(why) => refuse(why, "give an array of numbers, a row an input"),
        }
    }
}

/// The array in an NPY file, of any type of numbers.
fn npy(path: &Path) -> Result<ArrayD<f64>, String> {
    fn read<A: ReadableElement + Copy>(path: &Path, widen: fn(A) -> f64) -> Result<ArrayD<f64>, ReadNpyError> {
        Ok(read_npy::<_, ArrayD<A>>(path)?.mapv(widen))
    }
    type Reader<'a> = &'a dyn Fn(&Path) -> Result<ArrayD<f64>, ReadNpyError>;
    let readers: [Reader; 8] = [
        &|path| read::<f64>(path, |x| x),
        &|path| read::<f32>(path, f64::from),
        &|path| read::<u8>(path, f64::from),
        &|path| read::<i8>(path, f64::from),
        &|path| read::<u16>(path, f64::from),
        &|path| read::<i16>(path, f64::from),
        &|path| read::<i32>(path, f64::from),
        &|path| read::<i64>(path, |x| x as f64),
    ];
    for reader in readers {
        match reader(path) {
            Err(ReadNpyError::WrongDescriptor(_)) => {}
            other => return other.map_err(|error| error.to_string()),
        }
    }
    Err("its numbers are of a type that this program does not read".into())
}

/// A dataset of an HDF5 file, or its only one.
fn hdf5(path: &Path, dataset: Option<&str>) -> Result<ArrayD<f64>, String> {
    let file = hdf5::File::open(path).map_err(|error| format!("it is neither .npy nor an HDF5 file: {error}"))?;
    let dataset = match dataset {
        Some(name) => file.dataset(name).map_err(|_| format!("it has no dataset `{name}`"))?,
        None => {
            let mut datasets = file.datasets().map_err(|error| error.to_string())?;
            match (datasets.pop(), datasets.is_empty()) {
                (Some(only), true) => only,
                _ => return Err("it does not have one dataset exactly, so file:PATH:DATASET has to name it".into()),
            }
        }
    };
    dataset.read_dyn::<f64>().map_err(|error| error.to_string())
}

/// The entries along the first axis as rows of length √columns.
fn scaled(array: ArrayD<f64>) -> Result<Array2<f32>, String> {
    let shape = array.shape().to_vec();
    let [count, rest @ ..] = shape.as_slice() else { return Err("it holds a single number".into()) };
    let columns = rest.iter().product::<usize>();
    if *count == 0 || rest.is_empty() || columns == 0 {
        return Err(format!("its shape {shape:?} is not that of several numbers a row"));
    }
    let rows = array.to_shape((*count, columns)).map_err(|error| error.to_string())?;
    let mut scaled = Array2::zeros((*count, columns));
    for (index, (row, mut out)) in rows.axis_iter(Axis(0)).zip(scaled.rows_mut()).enumerate() {
        let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        if !(norm.is_finite() && norm > 0.0) {
            return Err(format!("row {index} has the length {norm} and cannot be scaled to √{columns}"));
        }
        let scale = (columns as f64).sqrt() / norm;
        out.iter_mut().zip(row).for_each(|(out, x)| *out = (x * scale) as f32);
    }
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Readout;
    use ndarray::{Array3, array};

    fn streams(cell: Cell) -> NetworkStreams {
        NetworkStreams::new(1, cell, 0, 1.0, Readout::Sign)
    }

    #[test]
    fn laws_survive_their_text() {
        for text in
            ["sphere", "gaussian", "hypercube", "file:a.npy", "file:a:b/c.npy#0000abcd", "file:a.h5", "file:a.h5:x#12345678"]
        {
            assert_eq!(InputsLaw::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "cube", "file:", "Sphere"] {
            assert!(InputsLaw::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn inputs_have_the_length_and_the_bias_they_should() {
        let cell = Cell::new(1, 30, 5);
        for text in ["sphere", "hypercube", "gaussian"] {
            let law = InputsLaw::parse(text).unwrap();
            for bias in [false, true] {
                let x = law.inputs::<f64>(streams(cell), cell, 200, bias);
                let squares: Vec<f64> = x.rows().into_iter().map(|row| row.dot(&row)).collect();
                if text == "gaussian" {
                    let mean = squares.iter().sum::<f64>() / 200.0;
                    assert!((mean - 30.0).abs() < 4.0 * (60.0_f64 / 200.0).sqrt(), "{mean}");
                } else {
                    assert!(squares.iter().all(|square| (square - 30.0).abs() < 1e-4), "{text}");
                }
                assert_eq!(x.column(29).iter().all(|&x| x == 1.0), bias);
            }
        }
        let cube = InputsLaw::Hypercube.inputs::<f32>(streams(cell), cell, 200, false);
        assert!(cube.iter().all(|x| x.abs() == 1.0) && cube.sum().abs() < 4.0 * 6000.0_f32.sqrt());
    }

    #[test]
    fn rows_of_a_file_are_scaled_and_the_file_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.npy");
        let images = Array3::from_shape_fn((3, 2, 2), |(image, i, j)| (1 + image + 2 * i + 3 * j) as u8);
        ndarray_npy::write_npy(&path, &images).unwrap();
        let mut law = InputsLaw::parse(&format!("file:{}", path.display())).unwrap();
        law.load().unwrap();
        assert_eq!((law.columns(), law.is_known()), (Some(4), true));
        let cell = Cell::new(1, 5, 5);
        let x = law.inputs::<f64>(streams(cell), cell, 50, true);
        let first = array![1.0, 4.0, 3.0, 6.0] * (4.0 / 62.0_f64).sqrt();
        let is_first = |row: &ndarray::ArrayView1<f64>| row.iter().zip(&first).all(|(x, y)| (x - y).abs() < 1e-6);
        let count = x.rows().into_iter().filter(is_first).count();
        assert!((5..30).contains(&count), "{count} of 50");
        // Another file under the same name is refused.
        let mut again = InputsLaw::parse(&law.to_string()).unwrap();
        again.load().unwrap();
        ndarray_npy::write_npy(&path, &images.mapv(|x| x + 1)).unwrap();
        let mut changed = InputsLaw::parse(&law.to_string()).unwrap();
        assert!(changed.load().unwrap_err().why.contains("began"));
        ndarray_npy::write_npy(&path, &Array2::<f32>::zeros((2, 3))).unwrap();
        assert!(InputsLaw::parse(&format!("file:{}", path.display())).unwrap().load().unwrap_err().why.contains("row 0"));
        assert!(InputsLaw::parse("file:/nowhere.npy").unwrap().load().is_err());
    }

    #[test]
    fn datasets_of_an_hdf5_file_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.h5");
        let file = hdf5::File::create(&path).unwrap();
        file.new_dataset_builder().with_data(&array![[3.0_f32, 4.0], [1.0, 0.0]]).create("images").unwrap();
        file.close().unwrap();
        for text in [format!("file:{}", path.display()), format!("file:{}:images", path.display())] {
            let mut law = InputsLaw::parse(&text).unwrap();
            law.load().unwrap();
            let InputsLaw::File(file) = &law else { panic!("a file") };
            let rows = file.rows.get().unwrap();
            assert!((rows[[0, 0]] - 0.6 * 2.0_f32.sqrt()).abs() < 1e-6 && (rows[[1, 0]] - 2.0_f32.sqrt()).abs() < 1e-6);
        }
        assert!(InputsLaw::parse(&format!("file:{}:labels", path.display())).unwrap().load().unwrap_err().why.contains("labels"));
    }
}
