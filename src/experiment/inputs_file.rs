//! Reads the rows of a user's file as inputs.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crc32fast::Hasher;
use ndarray::{Array2, ArrayD, Axis};

use crate::error::BadInput;
use crate::files::contained;
use crate::files::crash::guarded;
use crate::interchange::{Limit, MOST_BYTES, MOST_NUMBERS, npy};
use crate::model::{InputsFile, InputsLaw};

/// Reads the file of `law`, if it has one that is not read yet, for `inputs` inputs a network.
///
/// # Errors
/// If the file cannot be read, its checksum differs from the known one, its rows cannot be scaled, or there are fewer of them.
pub fn load(law: &mut InputsLaw, inputs: usize) -> Result<(), BadInput> {
    let InputsLaw::File(file) = law else { return Ok(()) };
    load_file(file)?;
    match file.rows.as_ref().map_or(0, |rows| rows.nrows()) {
        rows if rows < inputs => Err(BadInput::new(
            format!("{} has no {inputs} inputs", file.path.display()),
            format!("it has {rows} rows, and each is one input"),
            format!("give --inputs {rows} or less"),
        )),
        _ => Ok(()),
    }
}

fn load_file(inputs: &mut InputsFile) -> Result<(), BadInput> {
    if inputs.rows.is_some() {
        return Ok(());
    }
    let refuse =
        |why: String, remedy: &str| Err(BadInput::new(format!("cannot take inputs from {}", inputs.path.display()), why, remedy));
    let is_npy = inputs.path.extension().is_some_and(|extension| extension == "npy");
    let (checksum, bytes) = match read(&inputs.path, is_npy) {
        Ok(read) => read,
        Err(error) => return refuse(error.to_string(), "give file: and the path of an NPY or HDF5 file"),
    };
    if inputs.checksum.is_some_and(|known| known != checksum) {
        return refuse("it is not the file with which the experiment began".into(), "give that file, or begin another experiment");
    }
    let rows = match is_npy {
        true => npy::read(&bytes, Limit::MOST),
        false => guarded(&inputs.path, || hdf5(&inputs.path, inputs.dataset.as_deref())),
    };
    drop(bytes);
    match rows.and_then(scaled) {
        Ok(rows) => {
            inputs.checksum = Some(checksum);
            inputs.rows = Some(Arc::new(rows));
            Ok(())
        }
        Err(why) => refuse(why, "give an array of numbers, a row an input"),
    }
}

/// The CRC-32 of a file, and the bytes of an NPY file.
fn read(path: &Path, is_npy: bool) -> io::Result<(u32, Vec<u8>)> {
    let mut file = File::open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if is_npy && found.len() > MOST_BYTES {
        return Err(io::Error::other(format!("it has {} bytes, and no more than {MOST_BYTES} are read", found.len())));
    }
    let (mut checksum, mut bytes, mut part) = (Hasher::new(), Vec::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok((checksum.finalize(), bytes)),
            count => {
                checksum.update(&part[..count]);
                bytes.extend_from_slice(if is_npy { &part[..count] } else { &[] });
            }
        }
    }
}

/// Reads a dataset of an HDF5 file; without a name, its only one.
fn hdf5(path: &Path, dataset: Option<&str>) -> Result<ArrayD<f64>, String> {
    let file = crate::files::hdf5::open(path).map_err(|error| format!("it is neither .npy nor an HDF5 file: {error}"))?;
    let dataset = match dataset {
        Some(name) => contained::dataset(&file, name)?.ok_or_else(|| format!("it has no dataset `{name}`"))?,
        None => {
            let found = contained::names(&file)?.into_iter().map(|name| contained::dataset(&file, &name));
            match found.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?.as_slice() {
                [only] => only.clone(),
                _ => return Err("it does not have one dataset exactly, so file:PATH:DATASET has to name it".into()),
            }
        }
    };
    if dataset.size() > MOST_NUMBERS {
        return Err(format!("it holds {} numbers, and no more than {MOST_NUMBERS} are read", dataset.size()));
    }
    dataset.read_dyn::<f64>().map_err(|error| error.to_string())
}

/// Flattens the entries along the first axis to rows, scaled to norm √columns.
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
        if let Some(x) = row.iter().find(|x| !x.is_finite()) {
            return Err(format!("row {index} holds {x} and cannot be scaled to the length √{columns}"));
        }
        // Scaled first so that squares neither overflow nor underflow.
        let largest = row.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        if largest == 0.0 {
            return Err(format!("row {index} is 0 and cannot be scaled to the length √{columns}"));
        }
        let norm = row.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt();
        let length = (columns as f64).sqrt();
        out.iter_mut().zip(row).for_each(|(out, x)| *out = (x / largest * (length / norm)) as f32);
    }
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cell, Readout};
    use crate::network::inputs::inputs;
    use crate::random::NetworkStreams;
    use ndarray::{Array3, array};

    fn streams(cell: Cell) -> NetworkStreams {
        NetworkStreams::new(1, cell, 0, 1.0, Readout::Sign)
    }

    #[test]
    fn rows_of_a_file_are_scaled_and_the_file_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.npy");
        let images = Array3::from_shape_fn((3, 2, 2), |(image, i, j)| (1 + image + 2 * i + 3 * j) as u8);
        ndarray_npy::write_npy(&path, &images).unwrap();
        let mut law = InputsLaw::parse(&format!("file:{}", path.display())).unwrap();
        load(&mut law, 1).unwrap();
        assert_eq!((law.columns(), law.is_known()), (Some(4), true));
        let cell = Cell::new(1, 5, 5);
        let x = inputs::<f64>(&law, streams(cell), cell, 3, true);
        let rows = array![[1.0_f64, 4.0, 3.0, 6.0], [2.0, 5.0, 4.0, 7.0], [3.0, 6.0, 5.0, 8.0]];
        for (x, row) in x.rows().into_iter().zip(rows.rows()) {
            let scaled = &row * (4.0 / row.dot(&row)).sqrt();
            assert!(x.iter().zip(scaled.iter().chain([&1.0])).all(|(x, y)| (x - y).abs() < 1e-6), "{x} against {row}");
        }
        assert!(load(&mut law, 4).unwrap_err().remedy.contains("--inputs 3"));
        // Another file under the same name is refused.
        let mut again = InputsLaw::parse(&law.to_string()).unwrap();
        load(&mut again, 1).unwrap();
        ndarray_npy::write_npy(&path, &images.mapv(|x| x + 1)).unwrap();
        let mut changed = InputsLaw::parse(&law.to_string()).unwrap();
        assert!(load(&mut changed, 1).unwrap_err().why.contains("began"));
        ndarray_npy::write_npy(&path, &Array2::<f32>::zeros((2, 3))).unwrap();
        assert!(load(&mut InputsLaw::parse(&format!("file:{}", path.display())).unwrap(), 1).unwrap_err().why.contains("row 0"));
        assert!(load(&mut InputsLaw::parse("file:/nowhere.npy").unwrap(), 1).is_err());
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
            load(&mut law, 1).unwrap();
            let InputsLaw::File(file) = &law else { panic!("a file") };
            let rows = file.rows.as_ref().unwrap();
            assert!((rows[[0, 0]] - 0.6 * 2.0_f32.sqrt()).abs() < 1e-6 && (rows[[1, 0]] - 2.0_f32.sqrt()).abs() < 1e-6);
        }
        assert!(
            load(&mut InputsLaw::parse(&format!("file:{}:labels", path.display())).unwrap(), 1).unwrap_err().why.contains("labels")
        );
    }

    /// An NPY file of version 1 with this header and data.
    fn npy_file(header: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{header:<117}\n");
        [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), data].concat()
    }

    fn header(descr: &str, fortran: bool, shape: &str) -> String {
        let fortran = if fortran { "True" } else { "False" };
        format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}")
    }

    fn doubles(numbers: &[f64]) -> Vec<u8> {
        numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    /// The rows of a file with these bytes, or the reason to refuse it.
    fn rows_of(name: &str, bytes: &[u8]) -> Result<Array2<f32>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut law = InputsLaw::parse(&format!("file:{}", path.display())).unwrap();
        load(&mut law, 1).map_err(|error| error.why)?;
        let InputsLaw::File(file) = &law else { panic!("a file") };
        Ok(file.rows.as_deref().unwrap().clone())
    }

    #[test]
    fn every_layout_of_an_npy_file_gives_the_same_rows() {
        let expected = array![[0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]] * 2.0_f64.sqrt();
        let check = |rows: Result<Array2<f32>, String>| {
            let rows = rows.unwrap();
            assert!(rows.iter().zip(&expected).all(|(got, expected)| (f64::from(*got) - expected).abs() < 1e-6), "{rows}");
        };
        let numbers = [3.0, 4.0, 0.0, 2.0, -5.0, 0.0];
        let by_columns = [3.0, 0.0, -5.0, 4.0, 2.0, 0.0];
        check(rows_of("a,b#1:2.npy", &npy_file(&header("'<f8'", false, "(3, 2)"), &doubles(&numbers))));
        check(rows_of("fortran.npy", &npy_file(&header("'<f8'", true, "(3, 2)"), &doubles(&by_columns))));
        check(rows_of("cube.npy", &npy_file(&header("'<f8'", false, "(3, 1, 2)"), &doubles(&numbers))));
        let big: Vec<u8> = numbers.iter().flat_map(|&x| (x as f32).to_be_bytes()).collect();
        check(rows_of("big.npy", &npy_file(&header("'>f4'", false, "(3, 2)"), &big)));
        // Squares that overflow, or vanish.
        for scale in [1e-200, 1e200] {
            check(rows_of("far.npy", &npy_file(&header("'<f8'", false, "(3, 2)"), &doubles(&numbers.map(|x| x * scale)))));
        }
    }

    #[test]
    fn malformed_files_are_refused_with_the_reason() {
        let refuse = |name: &str, bytes: &[u8], why: &str| {
            let refused = rows_of(name, bytes).unwrap_err();
            assert!(refused.contains(why), "{name}: {refused}");
        };
        let good = doubles(&[3.0, 4.0, 0.0, 2.0]);
        let plain = |shape: &str, data: &[u8]| npy_file(&header("'<f8'", false, shape), data);
        refuse("empty.npy", b"", "");
        refuse("text.npy", b"3.0,4.0\n", "");
        refuse("header.npy", &plain("(2, 2)", &good)[..60], "");
        refuse("cut.npy", &plain("(2, 2)", &good[..20]), "");
        refuse("long.npy", &plain("(2, 2)", &doubles(&[1.0; 5])), "");
        refuse("vast.npy", &plain("(1000000000, 1000000)", &good), "it is cut short");
        refuse("beyond.npy", &plain("(18446744073709551615, 18446744073709551615, 9)", &good), "it is cut short");
        refuse("vector.npy", &plain("(4,)", &good), "its shape [4] is not that of several numbers a row");
        refuse("scalar.npy", &plain("()", &good[..8]), "a single number");
        refuse("none.npy", &plain("(0, 4)", b""), "its shape [0, 4]");
        refuse("narrow.npy", &plain("(4, 0)", b""), "its shape [4, 0]");
        refuse("nan.npy", &plain("(2, 2)", &doubles(&[1.0, 2.0, f64::NAN, 1.0])), "row 1 holds NaN");
        refuse("inf.npy", &plain("(2, 2)", &doubles(&[1.0, f64::NEG_INFINITY, 0.0, 1.0])), "row 0 holds -inf");
        refuse("zero.npy", &plain("(2, 2)", &doubles(&[1.0, 2.0, 0.0, -0.0])), "row 1 is 0");
        for descr in ["'|O'", "'<U3'", "'<c16'", "'|b1'", "[('x', '<f8')]"] {
            refuse("type.npy", &npy_file(&header(descr, false, "(2, 2)"), &good), "of a type that this program does not read");
        }
        refuse("text.h5", b"no HDF5 file", "neither .npy nor an HDF5 file");
        refuse("nothing.h5", b"", "neither .npy nor an HDF5 file");
        let directory = tempfile::tempdir().unwrap();
        let folder = load(&mut InputsLaw::parse(&format!("file:{}", directory.path().display())).unwrap(), 1).unwrap_err();
        assert_eq!(folder.why, "it is not a regular file");
    }

    #[test]
    fn malformed_datasets_are_refused_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.h5");
        let file = hdf5::File::create(&path).unwrap();
        let text: Vec<hdf5::types::VarLenUnicode> = ["a", "b"].map(|text| text.parse().unwrap()).into();
        file.new_dataset_builder().with_data(&text).create("text").unwrap();
        file.new_dataset::<f64>().create("scalar").unwrap();
        file.new_dataset::<f32>().chunk((1, 1 << 10)).shape((1 << 30, 1 << 10)).create("vast").unwrap();
        file.create_group("group").unwrap();
        file.close().unwrap();
        let why = |path: &Path, dataset: &str| {
            load(&mut InputsLaw::parse(&format!("file:{}{dataset}", path.display())).unwrap(), 1).unwrap_err().why
        };
        assert!(why(&path, "").contains("file:PATH:DATASET has to name it"));
        assert!(why(&path, ":group").contains("no dataset `group`"));
        assert!(why(&path, ":scalar").contains("a single number"), "{}", why(&path, ":scalar"));
        assert!(why(&path, ":vast").contains("no more than"), "{}", why(&path, ":vast"));
        assert!(!why(&path, ":text").is_empty());
        let bytes = std::fs::read(&path).unwrap();
        let cut = directory.path().join("cut.h5");
        for length in [bytes.len() / 2, 100] {
            std::fs::write(&cut, &bytes[..length]).unwrap();
            assert!(why(&cut, ":text").contains("neither .npy nor an HDF5 file"));
        }
    }
}
