//! The distribution of inputs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use serde::{Serialize, Serializer};

use crate::error::BadInput;

/// Distribution of x. With a bias unit the last of the d coordinates is 1.
#[derive(Debug, Clone, PartialEq)]
pub enum InputsLaw {
    /// Uniform on the sphere of radius √d (the paper, section 1); √(d − 1) with a bias unit.
    Sphere,
    /// iid N(0, 1) coordinates.
    Gaussian,
    /// Uniform on {−1, 1}^d.
    Hypercube,
    /// The rows of a file in order, the same for every network, scaled to norm √d; √(d − 1) with a bias unit.
    File(InputsFile),
}

/// A file of inputs: `PATH.npy`, or a dataset of an HDF5 file.
#[derive(Clone)]
pub struct InputsFile {
    pub path: PathBuf,
    /// Dataset of an HDF5 file; `None` selects its only one.
    pub dataset: Option<String>,
    /// CRC-32 (IEEE) of the file, if known.
    pub checksum: Option<u32>,
    /// rows × columns, each row of norm √columns; `None` until the file is read.
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

/// The form read by [`InputsLaw::parse`].
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
    /// Parses `sphere`, `gaussian`, `hypercube`, `file:PATH.npy`, `file:PATH.h5` or `file:PATH.h5:DATASET`; a file may be followed by `#` and its
    /// CRC-32 in 8 hexadecimal digits. Opens no file.
    ///
    /// # Errors
    /// Any other text.
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

    /// Columns of the file, once read.
    pub fn columns(&self) -> Option<usize> {
        match self {
            InputsLaw::File(file) => file.rows.as_ref().map(|rows| rows.ncols()),
            _ => None,
        }
    }

    /// Path of the file, if any.
    pub fn path(&self) -> Option<&Path> {
        match self {
            InputsLaw::File(file) => Some(&file.path),
            _ => None,
        }
    }

    pub fn is_file(&self) -> bool {
        matches!(self, InputsLaw::File(_))
    }

    /// Whether there is no file, or its checksum is known.
    pub fn is_known(&self) -> bool {
        !matches!(self, InputsLaw::File(InputsFile { checksum: None, .. }))
    }
}

impl InputsFile {
    /// File name and dataset, without the directory.
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
