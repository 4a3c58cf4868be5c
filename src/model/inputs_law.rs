//! The law of the inputs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use serde::{Serialize, Serializer};

use crate::error::BadInput;

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
    pub path: PathBuf,
    /// In HDF5 files; the only one of the file where it is `None`.
    pub dataset: Option<String>,
    /// CRC-32 (IEEE) of the file, when that is known.
    pub checksum: Option<u32>,
    /// Its rows, each of length √columns, once the file has been read.
    pub rows: Option<Arc<Array2<f32>>>,
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
        Ok(InputsLaw::File(InputsFile { path: path.into(), dataset, checksum, rows: None }))
    }

    /// Numbers in a row of the file, if that is read.
    pub fn columns(&self) -> Option<usize> {
        match self {
            InputsLaw::File(file) => file.rows.as_ref().map(|rows| rows.ncols()),
            _ => None,
        }
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            InputsLaw::File(file) => Some(&file.path),
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
}

impl InputsFile {
    /// What the file and its dataset are called, without the directory.
    pub fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.dataset.as_ref().map_or_else(|| file.to_string(), |dataset| format!("{file}:{dataset}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
