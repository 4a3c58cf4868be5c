//! Files of other programs: the corpus, written by NumPy, safetensors, h5py and onnx (`tests/python/make_networks.py`), and damaged copies of it.

use std::fs;
use std::path::{Path, PathBuf};

use advstep_hpc::interchange::Limit;
use advstep_hpc::interchange::inputs::{self, LabelSource, Labels, Source};
use advstep_hpc::interchange::network::{self, Format};
use advstep_hpc::interchange::npy;
use advstep_hpc::model::{Activation, Precision};
use rand::{Rng, RngExt};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

const NETWORKS: [&str; 7] =
    ["f64.safetensors", "f32.safetensors", "f16.safetensors", "stored.npz", "deflated.npz", "gemm.onnx", "matmul.onnx"];
const INPUTS: [&str; 3] = ["inputs.npz", "inputs.h5", "inputs.csv"];

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/networks").join(name)
}

#[test]
fn every_network_of_the_corpus_has_the_outputs_that_numpy_computed() {
    let x = inputs::read(&Source { path: corpus("inputs.npz"), array: None }, &LabelSource::Default, false, Limit::MOST).unwrap().x;
    let expected = npy::read(&fs::read(corpus("outputs.npy")).unwrap(), Limit::MOST).unwrap();
    let mut checksums = Vec::new();
    for name in NETWORKS {
        let read = network::read(&corpus(name), Some(Activation::Relu), Limit::MOST).unwrap();
        assert_eq!(read.network.outputs_at(x.view()).into_dyn(), expected, "{name}");
        assert_eq!(read.names.len(), 3);
        checksums.push(read.network.checksum());
    }
    assert!(checksums.iter().all(|checksum| *checksum == checksums[0]), "one network, whatever its file");
}

#[test]
fn every_file_of_inputs_has_the_same_rows_in_order() {
    let read =
        |name: &str| inputs::read(&Source { path: corpus(name), array: None }, &LabelSource::Default, false, Limit::MOST).unwrap();
    let all = INPUTS.map(read);
    assert!(all.iter().all(|inputs| inputs.x == all[0].x && inputs.x.dim() == (6, 3)));
    let numbers = Some(Labels::Numbers(vec![0, 1, 0, 1, 0, 1]));
    assert_eq!((&all[0].labels, &all[2].labels), (&numbers, &numbers));
    let texts = (0..6).map(|row| format!("class {}", row % 2)).collect();
    assert_eq!(all[1].labels, Some(Labels::Texts(texts)));
    let scaled =
        inputs::read(&Source { path: corpus("inputs.npz"), array: Some("X".into()) }, &LabelSource::Default, true, Limit::MOST)
            .unwrap()
            .x;
    for (row, raw) in scaled.rows().into_iter().zip(all[0].x.rows()) {
        assert!((row.dot(&row) - 3.0).abs() < 1e-12 && (row.dot(&raw).powi(2) - 3.0 * raw.dot(&raw)).abs() < 1e-9);
    }
    let labels = Source { path: corpus("inputs.h5"), array: Some("labels".into()) };
    let other =
        inputs::read(&Source { path: corpus("inputs.csv"), array: None }, &LabelSource::File(labels), false, Limit::MOST).unwrap();
    assert_eq!(other.labels, all[1].labels);
}

#[test]
fn every_format_gives_back_what_was_written_in_it() {
    let network = network::read(&corpus("f64.safetensors"), Some(Activation::Relu), Limit::MOST).unwrap().network;
    let directory = tempfile::tempdir().unwrap();
    for (name, format) in [("a.safetensors", Format::Safetensors), ("a.npz", Format::Npz), ("a.onnx", Format::Onnx)] {
        for precision in [Precision::F32, Precision::F64] {
            let path = directory.path().join(name);
            fs::write(&path, network::write(&network, format, precision).unwrap()).unwrap();
            assert_eq!(network::read(&path, Some(Activation::Relu), Limit::MOST).unwrap().network, network, "{name}");
        }
    }
}

/// Every prefix, and many copies with up to three bytes changed: read or refused, but never a panic. HDF5 has its own test, because its library can crash on
/// damaged files.
#[test]
fn damaged_files_never_panic() {
    let directory = tempfile::tempdir().unwrap();
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(3);
    for name in NETWORKS.into_iter().chain(["inputs.npz", "inputs.csv"]) {
        let path = directory.path().join(name);
        let bytes = fs::read(corpus(name)).unwrap();
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            match name.starts_with("inputs") {
                true => {
                    inputs::read(&Source { path: path.clone(), array: None }, &LabelSource::Default, false, Limit::MOST).map(drop)
                }
                false => network::read(&path, Some(Activation::Relu), Limit::MOST).map(drop),
            }
        };
        assert_eq!(read(&bytes), Ok(()), "{name}");
        for length in 0..bytes.len() {
            // A table may end at any row, and anywhere in its last number.
            assert!(read(&bytes[..length]).is_err() || name.ends_with(".csv"), "{name}: {length}");
        }
        for _ in 0..2000 {
            let mut changed = bytes.clone();
            for _ in 0..generator.random_range(1..=3) {
                let at = generator.random_range(0..changed.len());
                changed[at] = generator.next_u64() as u8;
            }
            let _ = read(&changed);
        }
    }
}

/// Copies of an HDF5 file that are read in a child process.
const HDF5_COPIES: usize = 400;
/// The directory of these copies, and the first one to read, for the child.
const HDF5_TASK: &str = "ADVSTEP_TEST_HDF5";

/// Of every changed or cut copy the reader says something, without a panic, whatever the library does. The library itself can crash: the child goes
/// on with the next copy, and few of them may end so.
#[test]
fn damaged_hdf5_files_never_panic() {
    let directory = tempfile::tempdir().unwrap();
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(5);
    let bytes = fs::read(corpus("inputs.h5")).unwrap();
    for copy in 0..HDF5_COPIES {
        let mut changed = bytes.clone();
        match copy % 4 {
            0 => changed.truncate(generator.random_range(0..bytes.len())),
            _ => {
                for _ in 0..generator.random_range(1..=3) {
                    let at = generator.random_range(0..changed.len());
                    changed[at] = generator.next_u64() as u8;
                }
            }
        }
        fs::write(directory.path().join(format!("{copy}.h5")), changed).unwrap();
    }
    let (mut next, mut crashes) = (0, Vec::new());
    while next < HDF5_COPIES {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "interchange::reads_hdf5_copies", "--ignored", "--nocapture", "--test-threads=1"])
            .env(HDF5_TASK, format!("{next} {}", directory.path().display()))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        let done = text.split_whitespace().filter_map(|word| word.strip_prefix("copy=")?.parse::<usize>().ok()).next_back();
        let done = done.unwrap_or_else(|| panic!("the child did not begin: {text}{}", String::from_utf8_lossy(&child.stderr)));
        assert_ne!(child.status.code(), Some(101), "copy {done}: {text}{}", String::from_utf8_lossy(&child.stderr));
        if child.status.success() {
            assert_eq!(done, HDF5_COPIES - 1);
        } else {
            crashes.push(done);
        }
        next = done + 1;
    }
    println!("the HDF5 library crashed on {} of {HDF5_COPIES} copies: {crashes:?}", crashes.len());
    assert!(crashes.len() <= HDF5_COPIES / 50, "{crashes:?}");
}

/// The child of [`damaged_hdf5_files_never_panic`].
#[test]
#[ignore = "run by another test"]
fn reads_hdf5_copies() {
    let Ok(task) = std::env::var(HDF5_TASK) else { return };
    let (first, directory) = task.split_once(' ').unwrap();
    for copy in first.parse().unwrap()..HDF5_COPIES {
        println!("copy={copy}");
        let path = Path::new(directory).join(format!("{copy}.h5"));
        let limit = Limit::of_memory(1 << 28);
        let _ = inputs::read(&Source { path: path.clone(), array: None }, &LabelSource::Default, false, limit);
        let labels = LabelSource::File(Source { path: path.clone(), array: Some("labels".into()) });
        let _ = inputs::read(&Source { path: corpus("inputs.csv"), array: None }, &labels, false, limit);
        let _ = network::read(&path, Some(Activation::Relu), limit);
    }
}
