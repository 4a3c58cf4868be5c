//! Files of other programs: the corpus, written by NumPy, safetensors, h5py and onnx (`tests/python/make_networks.py`), and damaged copies of it and of
//! `export.h5`, which `advstep-hpc export --depth 2 --dim 4 --width 5 --bias --inputs 3 --out export.h5` wrote.

use std::fs;
use std::path::{Path, PathBuf};

use crate::crash::CRASHED;
use advstep_hpc::interchange::Limit;
use advstep_hpc::interchange::inputs::{self, LabelSource, Labels, Source};
use advstep_hpc::interchange::network::{self, Format, Slopes};
use advstep_hpc::interchange::state_dict::{Tensor, tensors};
use advstep_hpc::interchange::{npy, npz, safetensors};
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
        let read = network::read(&corpus(name), Some(Activation::Relu), None, Limit::MOST).unwrap();
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
    let network = network::read(&corpus("f64.safetensors"), Some(Activation::Relu), None, Limit::MOST).unwrap().network;
    let directory = tempfile::tempdir().unwrap();
    for (name, format) in [("a.safetensors", Format::Safetensors), ("a.npz", Format::Npz), ("a.onnx", Format::Onnx)] {
        for precision in [Precision::F32, Precision::F64] {
            let path = directory.path().join(name);
            fs::write(&path, network::write(&network, format, precision).unwrap()).unwrap();
            assert_eq!(network::read(&path, Some(Activation::Relu), None, Limit::MOST).unwrap().network, network, "{name}");
        }
    }
}

/// The slopes of a leaky ReLU, which a `state_dict` does not have, and the weights of PReLU, which it has.
#[test]
fn slopes_of_a_state_dict_are_given_or_its_prelu_weights() {
    let network = network::read(&corpus("f64.safetensors"), Some(Activation::Relu), None, Limit::MOST).unwrap().network;
    let widths: Vec<usize> = network.widths().collect();
    assert_eq!(widths.len(), 2);
    let by_neuron = widths.iter().map(|&width| (0..width).map(|neuron| 0.5 - neuron as f64 / 8.0).collect::<Vec<f64>>());
    let by_neuron: Vec<Vec<f64>> = by_neuron.collect();
    let directory = tempfile::tempdir().unwrap();
    let read = |prelu: &[&Vec<f64>], slopes: Slopes| {
        let mut tensors = tensors(&network);
        // `0.weight`, `1.weight` of PReLU, `2.weight` … as in an `nn.Sequential`.
        tensors.extend(prelu.iter().enumerate().map(|(layer, slopes)| Tensor {
            name: format!("{}.weight", 2 * layer + 1),
            shape: vec![slopes.len()],
            numbers: slopes.to_vec(),
        }));
        let files = [
            ("a.npz", npz::write(&tensors, Precision::F64).unwrap()),
            ("a.safetensors", safetensors::write(&tensors, Precision::F64, "leaky-relu").unwrap()),
        ];
        let [one, other] = files.map(|(name, bytes)| {
            let path = directory.path().join(name);
            fs::write(&path, bytes).unwrap();
            network::read(&path, Some(Activation::LeakyRelu), Some(&slopes), Limit::MOST)
        });
        assert_eq!(one.is_ok(), other.is_ok());
        one.map(|read| (read.network, read.names))
    };
    let with = |slopes: Vec<Vec<f64>>| network.clone().with_slopes(slopes).unwrap();
    let names: Vec<String> = [0, 2, 4].map(|module| format!("{module}.weight")).to_vec();
    for (prelu, slopes, expected) in [
        (vec![], Slopes::Given(vec![0.2]), vec![vec![0.2]; 2]),
        (vec![], Slopes::Given(vec![0.2, -0.1]), vec![vec![0.2], vec![-0.1]]),
        (vec![&by_neuron[0], &by_neuron[1]], Slopes::Prelu, by_neuron.clone()),
        (vec![&vec![0.25], &by_neuron[1]], Slopes::Prelu, vec![vec![0.25], by_neuron[1].clone()]),
        (vec![&vec![0.25]], Slopes::Prelu, vec![vec![0.25]; 2]),
    ] {
        assert_eq!(read(&prelu, slopes).unwrap(), (with(expected), names.clone()));
    }
    for (prelu, slopes, why) in [
        (vec![], Slopes::Given(vec![0.1; 3]), "--slope has 3 numbers, and its hidden layers are 2"),
        (vec![], Slopes::Prelu, "it holds 0 vectors of PReLU weights for 2 hidden layers"),
        (vec![&by_neuron[0]; 3], Slopes::Prelu, "it holds 3 vectors of PReLU weights for 2 hidden layers"),
        (vec![&vec![0.1; 3], &by_neuron[1]], Slopes::Prelu, "hidden layer 1 has 3 slopes"),
        (vec![&vec![f64::NAN], &by_neuron[1]], Slopes::Prelu, "the slope NaN"),
        (vec![&by_neuron[0], &by_neuron[1]], Slopes::Given(vec![0.1]), "its vector `1.weight` is no bias"),
    ] {
        let refused = read(&prelu, slopes).unwrap_err();
        assert!(refused.why.contains(why) && !refused.remedy.is_empty(), "{refused}");
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
                false => network::read(&path, Some(Activation::Relu), None, Limit::MOST).map(drop),
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

/// HDF5 files of inputs, and of a network with its inputs.
const HDF5_FILES: [&str; 2] = ["inputs.h5", "export.h5"];
/// Copies of each of them that are read in a child process.
const HDF5_COPIES: usize = 400;
/// The directory of these copies, and the first one to read, for the child.
const HDF5_TASK: &str = "ADVSTEP_TEST_HDF5";

/// Every changed or cut copy is read or refused, without a panic. On a few of them the library may crash, which ends the child with an error; another child
/// goes on with the next copy.
#[test]
fn damaged_hdf5_files_never_panic() {
    let directory = tempfile::tempdir().unwrap();
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(5);
    for (file, name) in HDF5_FILES.into_iter().enumerate() {
        let bytes = fs::read(corpus(name)).unwrap();
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
            fs::write(directory.path().join(format!("{}.h5", file * HDF5_COPIES + copy)), changed).unwrap();
        }
    }
    let all = HDF5_FILES.len() * HDF5_COPIES;
    let (mut next, mut whole, mut crashes) = (0, 0, Vec::new());
    while next < all {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "interchange::reads_hdf5_copies", "--ignored", "--nocapture", "--test-threads=1"])
            .env(HDF5_TASK, format!("{next} {}", directory.path().display()))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        let done = text.split_whitespace().filter_map(|word| word.strip_prefix("copy=")?.parse::<usize>().ok()).next_back();
        let done = done.unwrap_or_else(|| panic!("the child did not begin: {text}{}", String::from_utf8_lossy(&child.stderr)));
        let error = String::from_utf8_lossy(&child.stderr);
        if child.status.success() {
            assert_eq!(done, all - 1);
        } else {
            assert!(child.status.code() == Some(2) && error.contains(CRASHED), "copy {done}: {:?}: {text}{error}", child.status);
            crashes.push(done);
        }
        whole += text.matches("whole\n").count();
        next = done + 1;
    }
    // Of exported files; the others are no networks.
    assert!((1..HDF5_COPIES).contains(&whole), "{whole}");
    println!("the HDF5 library crashed on {} of {all} copies: {crashes:?}", crashes.len());
    assert!(crashes.len() <= all / 50, "{crashes:?}");
}

/// The child of [`damaged_hdf5_files_never_panic`].
#[test]
#[ignore = "run by another test"]
fn reads_hdf5_copies() {
    let Ok(task) = std::env::var(HDF5_TASK) else { return };
    let (first, directory) = task.split_once(' ').unwrap();
    for copy in first.parse().unwrap()..HDF5_FILES.len() * HDF5_COPIES {
        println!("copy={copy}");
        let path = Path::new(directory).join(format!("{copy}.h5"));
        let limit = Limit::of_memory(1 << 28);
        let _ = inputs::read(&Source { path: path.clone(), array: None }, &LabelSource::Default, false, limit);
        let labels = LabelSource::File(Source { path: path.clone(), array: Some("labels".into()) });
        let _ = inputs::read(&Source { path: corpus("inputs.csv"), array: None }, &labels, false, limit);
        match network::read(&path, Some(Activation::Relu), None, limit) {
            Ok(_) => println!("whole"),
            Err(error) => assert!(!error.why.is_empty() && !error.remedy.is_empty(), "{error}"),
        }
    }
}

/// What an exported file of a sound HDF5 may lack, by what the error says of it.
#[test]
fn exported_files_that_are_not_whole_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("export.h5");
    let read = || network::read(&path, None, None, Limit::of_memory(1 << 28));
    fs::copy(corpus("export.h5"), &path).unwrap();
    let network = read().unwrap().network;
    assert_eq!((network.dim(), network.widths().collect::<Vec<_>>(), network.outputs()), (3, vec![5, 5], 1));
    type Change = fn(&hdf5::File);
    fn set<T: hdf5::H5Type>(file: &hdf5::File, name: &str, value: T) {
        file.delete_attr(name).unwrap();
        file.new_attr::<T>().create(name).unwrap().write_scalar(&value).unwrap();
    }
    fn text(file: &hdf5::File, name: &str, value: &str) {
        set(file, name, value.parse::<hdf5::types::VarLenUnicode>().unwrap());
    }
    fn replace(file: &hdf5::File, name: &str, shape: &[usize]) {
        file.unlink(name).unwrap();
        file.new_dataset::<f32>().shape(shape.to_vec()).create(name).unwrap();
    }
    let changes: [(Change, &str); 15] = [
        (|file| text(file, "format", "another"), "not one that `advstep-hpc export` wrote"),
        (|file| set(file, "format_version", 1_u32), "its format_version is 1, this program reads 2"),
        (|file| set(file, "depth", 0_u64), "its attribute `depth` is not between 1 and 1000"),
        (|file| set(file, "depth", u64::MAX), "its attribute `depth` is not between 1 and 1000"),
        (|file| set(file, "depth", 3_u64), "it has no array `W3`"),
        (|file| text(file, "activation", "step"), "an activation `step` that this program does not know"),
        (|file| file.delete_attr("bias").unwrap(), "bias"),
        (|file| file.unlink("a").unwrap(), "it has no array `a`"),
        (|file| replace(file, "a", &[5, 1]), "its array `a` has the shape [5, 1]"),
        (|file| replace(file, "W1", &[5]), "its array `W1` has the shape [5]"),
        (|file| replace(file, "W1", &[5, 0]), "its `W1` has no column of the bias unit"),
        (|file| replace(file, "W2", &[5, 4]), "do not chain: layer 2 of 3 is 5 × 4"),
        (|file| replace(file, "W2", &[0, 5]), "is empty"),
        (|file| replace(file, "W2", &[1 << 40, 5]), "more than"),
        (|file| file.unlink("W2").and_then(|()| file.link_soft("/W1", "W2")).unwrap(), "`W2` is a soft link"),
    ];
    for (change, why) in changes {
        fs::copy(corpus("export.h5"), &path).unwrap();
        let file = advstep_hpc::files::hdf5::open_rw(&path).unwrap();
        change(&file);
        file.close().unwrap();
        let error = read().unwrap_err();
        assert!(error.why.contains(why) && !error.remedy.is_empty(), "{why}: {error}");
    }
}
