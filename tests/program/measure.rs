//! `measure` end to end: exported networks give the samples of their run in every format, ranks and threads change no byte, interruptions neither,
//! and files that are no networks or inputs are refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::jobs::{finish, job, stderr};
use advstep_hpc::given::{Measurement, file};
use advstep_hpc::interchange::Limit;
use advstep_hpc::interchange::network::{self, Format};
use advstep_hpc::model::Precision;
use advstep_hpc::record::{Sample, Status};
use advstep_hpc::results::first_difference;
use ndarray::Array2;

const FORMATS: [&str; 4] = ["net.h5", "net.safetensors", "net.npz", "net.onnx"];

fn program(directory: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_advstep-hpc")).args(arguments.split_whitespace()).current_dir(directory).output().unwrap()
}

fn succeed(directory: &Path, arguments: &str) -> String {
    let output = program(directory, arguments);
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn read(directory: &Path, name: &str) -> Measurement {
    file::read(&directory.join(name), false).unwrap()
}

/// Whether two samples are the same up to a relative `tolerance`.
fn agree(one: &Sample, other: &Sample, tolerance: f64) -> bool {
    let near = |a: f64, b: f64| (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * (1.0 + a.abs());
    one.status == other.status
        && near(one.step, other.step)
        && near(one.zero_step, other.zero_step)
        && near(one.distance, other.distance)
        && near(one.value, other.value)
        && near(one.gradient_norm, other.gradient_norm)
        && near(one.input_norm, other.input_norm)
}

#[test]
fn exported_networks_give_the_samples_of_their_run_in_every_format() {
    const LINES: &str = "gradient,sign,universal,random";
    for (shape, law, directions, tolerance) in [
        ("--dim 20 --depth 1 --width 60", "--readout gaussian", "gradient,sign,universal,random,descent,nearest", 1e-9),
        ("--dim 10 --depth 3 --width 30", "--gain 2", "gradient,sign,universal,random,descent,nearest", 1e-9),
        ("--dim 10 --hidden 30,10,20", "--gain 2 --activation leaky-relu", LINES, 1e-9),
        ("--dim 12 --depth 2 --width 20", "--gain 2 --bias", "gradient,sign,universal,descent", 1e-9),
        ("--dim 10 --depth 1 --width 40", "--activation softplus", LINES, 1e-8),
        ("--dim 10 --depth 2 --width 40", "--activation gelu --bias", "gradient,universal", 1e-4),
        ("--dim 10 --depth 2 --width 40", "--activation silu", "gradient", 1e-4),
        ("--dim 10 --depth 1 --width 40", "--activation sine", "gradient", 1e-8),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path();
        let grid = shape.replace("--dim ", "--dims ").replace("--depth ", "--depths ").replace("--width ", "--widths ");
        let common = format!("{law} --precision f64 --inputs 25 --seed 7");
        let run = format!("run {grid} {common} --networks 1 --engine dense --direction {directions} --quiet --out run.h5");
        succeed(directory, &run);
        let expected = advstep_hpc::results::read(&directory.join("run.h5")).unwrap().cells.remove(0).records.remove(0).samples;
        for format in FORMATS {
            succeed(directory, &format!("export {shape} {common} --out {format}"));
        }
        for format in FORMATS {
            // NPZ does not say which activation it has.
            let psi = law.split_once("--activation ").map_or("relu", |(_, rest)| rest.split(' ').next().unwrap());
            let arguments = format!("{format} --activation {psi} --inputs net.h5::X --direction {directions} --bound 20 --seed 7");
            succeed(directory, &format!("measure {arguments} --quiet --overwrite --out measure.h5"));
            let measured: Vec<Sample> = read(directory, "measure.h5").samples.concat();
            assert_eq!(measured.len(), expected.len());
            for (index, (one, other)) in measured.iter().zip(&expected).enumerate() {
                assert!(agree(one, other, tolerance), "{shape} {law}, {format}, sample {index}: {one:?} for {other:?}");
            }
        }
    }
}

#[test]
fn numpy_reads_exported_networks() {
    let python = std::env::var("ADVSTEP_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/check_network.py");
    for network in [
        "--dim 20 --depth 1 --width 60",
        "--dim 10 --depth 3 --width 30 --gain 2 --precision f64",
        "--dim 12 --hidden 20,5 --bias --precision f64",
        "--dim 10 --depth 2 --width 40 --activation softplus --precision f64",
        "--dim 10 --depth 2 --width 40 --activation gelu --bias",
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path();
        for format in ["net.h5", "net.safetensors", "net.npz"] {
            succeed(directory, &format!("export {network} --inputs 10 --out {format}"));
        }
        for format in ["net.safetensors", "net.npz"] {
            let output = Command::new(&python).args([script, format, "net.h5"]).current_dir(directory).output().unwrap();
            assert!(output.status.success(), "{python}: {network}, {format}: {}", stderr(&output));
            assert!(String::from_utf8_lossy(&output.stdout).contains("values agree"));
        }
    }
}

/// A trained-like network of three classes and 250 inputs with labels, in `directory`; returns the arguments that measure it.
fn small(directory: &Path) -> Vec<String> {
    use advstep_hpc::interchange::network::write;
    use advstep_hpc::model::Activation;
    use advstep_hpc::network::given::{Affine, GivenNetwork};
    let number = |i: usize| ((i * 7919 + 13) % 1009) as f64 / 504.5 - 1.0;
    let layer = |rows: usize, columns: usize, at: usize| Affine {
        weights: Array2::from_shape_fn((rows, columns), |(i, j)| number(at + 31 * i + 17 * j)),
        bias: (0..rows).map(|i| 0.3 * number(at + 5000 + i)).collect(),
    };
    let network = GivenNetwork::new(Activation::Relu, vec![layer(12, 5, 0), layer(8, 12, 700), layer(3, 8, 1400)]).unwrap();
    fs::write(directory.join("mlp.safetensors"), write(&network, Format::Safetensors, Precision::F32).unwrap()).unwrap();
    let rows: Vec<String> = (0..250)
        .map(|row| {
            let x: Vec<String> = (0..5).map(|j| number(9000 + 5 * row + j).to_string()).collect();
            format!("{},{}\n", x.join(","), row % 3)
        })
        .collect();
    fs::write(directory.join("x.csv"), format!("a,b,c,d,e,label\n{}", rows.concat())).unwrap();
    let path = |name: &str| directory.join(name).to_str().unwrap().to_string();
    let fixed = ["--logits", "predicted", "--direction", "gradient,random,nearest"];
    let files = ["measure".to_string(), path("mlp.safetensors"), "--inputs".to_string(), path("x.csv")];
    files.into_iter().chain(fixed.map(str::to_string)).collect()
}

fn measure(ranks: Option<usize>, arguments: &[String], out: &Path, options: &[&str]) -> PathBuf {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = finish(&mut job(ranks, &[&arguments[..], &["--quiet", "--out", out.to_str().unwrap()], options].concat()));
    assert!(output.status.success(), "{ranks:?} ranks, {options:?}: {}", stderr(&output));
    out.to_path_buf()
}

#[test]
fn threads_and_ranks_do_not_change_a_measurement_and_the_seed_does() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = small(directory.path());
    let path = |name: &str| directory.path().join(name);
    let plain = measure(None, &arguments, &path("plain.h5"), &["--threads", "1"]);
    let threads = measure(None, &arguments, &path("threads.h5"), &["--threads", "3"]);
    assert_eq!(first_difference(&plain, &threads).unwrap(), None);
    if cfg!(feature = "mpi") {
        for ranks in [1, 3] {
            let other = measure(Some(ranks), &arguments, &path("ranks.h5"), &["--threads", "1", "--overwrite"]);
            assert_eq!(first_difference(&plain, &other).unwrap(), None, "{ranks} ranks");
        }
    }
    let other = measure(None, &arguments, &path("other.h5"), &["--seed", "7"]);
    assert!(first_difference(&plain, &other).unwrap().is_some());
    assert_eq!(program(directory.path(), "compare plain.h5 threads.h5").status.code(), Some(0));
    assert_eq!(program(directory.path(), "compare plain.h5 other.h5").status.code(), Some(1));
}

#[test]
fn a_stopped_and_a_killed_measurement_resume_to_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = small(directory.path());
    let whole = measure(None, &arguments, &directory.path().join("whole.h5"), &["--threads", "1"]);
    let out = directory.path().join("measure.h5");
    let journal = directory.path().join("measure.h5.journal");
    for (fault, code) in [("stop:rank=0:unit=1", Some(75)), ("kill:rank=0:unit=2", None)] {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = job(None, &[&words[..], &["--threads", "1", "--out", out.to_str().unwrap()]].concat());
        let output = finish(command.env("ADVSTEP_FAULT", fault));
        assert_eq!(output.status.code(), code, "{fault}: {}", stderr(&output));
        assert!(journal.exists() && !out.exists(), "{fault}: {}", stderr(&output));
    }
    // Other inputs under the same name are another measurement.
    let rows = fs::read_to_string(directory.path().join("x.csv")).unwrap();
    fs::write(directory.path().join("x.csv"), rows.replacen(",0\n", ",1\n", 1)).unwrap();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = finish(&mut job(None, &[&words[..], &["--out", out.to_str().unwrap()]].concat()));
    assert!(output.status.code() == Some(2) && stderr(&output).contains("inputs_crc32"), "{}", stderr(&output));
    fs::write(directory.path().join("x.csv"), rows).unwrap();
    measure(None, &arguments, &out, &["--threads", "2"]);
    assert!(!journal.exists());
    assert_eq!(first_difference(&whole, &out).unwrap(), None);
}

/// From the same journal: while the job runs, after it has stopped, and with nothing but a header.
#[test]
fn the_journal_of_a_measurement_shows_what_is_done() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    let arguments = small(directory);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let out = directory.join("measure.h5");
    let mut command = job(None, &[&words[..], &["--threads", "1", "--out", out.to_str().unwrap()]].concat());
    assert_eq!(finish(command.env("ADVSTEP_FAULT", "stop:rank=0:unit=2")).status.code(), Some(75));
    let text = succeed(directory, "show measure.h5.journal");
    assert!(text.starts_with("measure.h5.journal: 2 of 3 blocks of inputs and 0 of 1 networks are finished\nstarted "), "{text}");
    assert!(
        text.contains(" on 1 rank with 1 thread, last written ") && text.contains("x.csv: 250 rows, 200 of them so far"),
        "{text}"
    );
    // Two full blocks are the first 200 rows, or 150 with the last block.
    let whole = measure(None, &arguments, &directory.join("whole.h5"), &["--threads", "1"]);
    let whole = file::read(&whole, false).unwrap();
    let json = succeed(directory, "show measure.h5 --format json");
    for (line, samples) in json.lines().zip(&whole.samples) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let found = samples[..200].iter().filter(|sample| sample.status == Status::FoundExact).count();
        assert_eq!((line["rows"].as_u64(), line["found_exact"].as_u64()), (Some(200), Some(found as u64)));
    }
    assert_eq!(succeed(directory, "show measure.h5.journal --format csv").lines().count(), 4);
    let bytes = fs::read(directory.join("measure.h5.journal")).unwrap();
    let header = bytes.windows(8).position(|bytes| bytes == b"\xd7open\r\n\x1a").unwrap();
    fs::write(directory.join("measure.h5.journal"), &bytes[..header]).unwrap();
    let text = succeed(directory, "show measure.h5.journal");
    assert!(text.contains(": 0 of 3 blocks of inputs") && text.contains("250 rows, 0 of them so far"), "{text}");
}

/// The journal of a job without a result does not bind the next one to its options; one with a result does.
#[test]
fn a_journal_without_a_block_does_not_stand_in_the_way() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    let arguments = small(directory);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let out = directory.join("measure.h5");
    let journal = directory.join("measure.h5.journal");
    let whole = measure(None, &arguments, &directory.join("whole.h5"), &["--seed", "9"]);
    for (kept, code) in [("xd7open", 0), ("xd7unit", 0), ("", 2)] {
        let mut command = job(None, &[&words[..], &["--threads", "1", "--out", out.to_str().unwrap()]].concat());
        assert_eq!(finish(command.env("ADVSTEP_FAULT", "stop:rank=0:unit=1")).status.code(), Some(75));
        let bytes = fs::read(&journal).unwrap();
        let mark = [b"\xd7", kept.trim_start_matches("xd7").as_bytes()].concat();
        let end = if kept.is_empty() { bytes.len() } else { bytes.windows(5).position(|bytes| bytes == mark).unwrap() };
        fs::write(&journal, &bytes[..end]).unwrap();
        let other = ["--quiet", "--seed", "9", "--out", out.to_str().unwrap()];
        let output = finish(&mut job(None, &[&words[..], &other].concat()));
        assert_eq!(output.status.code(), Some(code), "{kept}: {}", stderr(&output));
        if code == 0 {
            assert!(!journal.exists());
            assert_eq!(first_difference(&whole, &out).unwrap(), None);
            fs::remove_file(&out).unwrap();
        } else {
            assert!(stderr(&output).contains("cannot resume from"), "{}", stderr(&output));
            assert_eq!(fs::read(&journal).unwrap(), bytes, "a journal with results is left as it is");
        }
    }
}

#[test]
fn a_measurement_is_shown_drawn_and_keeps_rows_and_labels() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    let arguments = small(directory);
    measure(None, &arguments, &directory.join("measure.h5"), &["--figures", directory.join("figures").to_str().unwrap()]);
    for name in ["measure_distance.svg", "measure_distance.png", "measure_ratio.svg", "measure_ratio.png"] {
        assert!(directory.join("figures").join(name).exists(), "{name}");
    }
    assert_eq!(succeed(directory, "plot measure.h5 --out again --format svg").lines().count(), 2);
    assert_eq!(succeed(directory, "status measure.h5"), "measure.h5: finished\n");

    let measurement = read(directory, "measure.h5");
    let table = succeed(directory, "show measure.h5");
    for part in
        ["mlp.safetensors: 5 → 12 → 8 → 3 relu, 203 parameters (0.weight, 2.weight, 4.weight)", "x.csv: 250 rows, with labels"]
    {
        assert!(table.contains(part), "{table}");
    }
    let found = measurement.samples[0].iter().filter(|sample| sample.status == Status::FoundExact).count();
    assert!(table.lines().any(|line| line.starts_with(" gradient ") && line.contains(&format!(" {found} "))), "{table}");
    let json = succeed(directory, "show measure.h5 --format json");
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((json.lines().count(), first["found_exact"].as_u64()), (3, Some(found as u64)));
    assert_eq!(succeed(directory, "show measure.h5 --format csv").lines().count(), 4);

    let opened = advstep_hpc::files::hdf5::open(&directory.join("measure.h5")).unwrap();
    let labels: Vec<i64> = opened.dataset("label").unwrap().read_raw().unwrap();
    assert_eq!(labels, (0..250).map(|row| row % 3).collect::<Vec<i64>>());
    assert_eq!(opened.dataset("distance").unwrap().shape(), [250, 3]);
    let rows: Vec<i64> = opened.dataset("input").unwrap().read_raw().unwrap();
    assert_eq!(rows, (0..250).collect::<Vec<i64>>());
}

#[test]
fn a_file_whose_seal_was_lost_is_read_unsealed() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    measure(None, &small(directory), &directory.join("measure.h5"), &[]);
    let bytes = fs::read(directory.join("measure.h5")).unwrap();
    fs::write(directory.join("bare.h5"), &bytes[..bytes.len() - 20]).unwrap();
    assert_eq!(program(directory, "show bare.h5").status.code(), Some(2));
    assert_eq!(succeed(directory, "show bare.h5 --unsealed"), succeed(directory, "show measure.h5"));
}

/// The bytes of the network that [`small`] has written.
fn other_format(directory: &Path, format: Format) -> Vec<u8> {
    let read = network::read(&directory.join("mlp.safetensors"), None, None, Limit::MOST).unwrap();
    network::write(&read.network, format, Precision::F64).unwrap()
}

/// A leaky ReLU by `--slope` is that of the same network in ONNX, which holds its slopes.
#[test]
fn slopes_by_option_are_those_of_onnx() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    small(directory);
    fs::write(directory.join("bare.npz"), other_format(directory, Format::Npz)).unwrap();
    let relu = network::read(&directory.join("mlp.safetensors"), None, None, Limit::MOST).unwrap().network;
    // Of f32, which is what ONNX keeps of them.
    for (option, slopes) in [("0.25", [0.25, 0.25]), ("-0.5,0.125", [-0.5, 0.125])] {
        let leaky = relu.clone().with_slopes(slopes.map(|slope| vec![slope]).to_vec()).unwrap();
        fs::write(directory.join("leaky.onnx"), network::write(&leaky, Format::Onnx, Precision::F64).unwrap()).unwrap();
        let common = "--inputs x.csv --logits predicted --quiet --overwrite";
        succeed(directory, &format!("measure leaky.onnx {common} --out onnx.h5"));
        succeed(directory, &format!("measure bare.npz --slope {option} {common} --out slope.h5"));
        succeed(directory, &format!("measure bare.npz --activation relu {common} --out relu.h5"));
        let [onnx, slope, relu] = ["onnx.h5", "slope.h5", "relu.h5"].map(|name| read(directory, name).samples.concat());
        let same = |one: &[Sample], other: &[Sample]| one.iter().zip(other).all(|(one, other)| agree(one, other, 0.0));
        assert!(onnx.len() == 250 && same(&onnx, &slope), "{option}");
        assert!(!same(&relu, &slope), "{option}");
        let shown = succeed(directory, "show slope.h5");
        assert!(shown.contains(" leaky-relu of slopes "), "{shown}");
    }
}

/// Files that are no networks or no inputs, by what the error says of them.
#[test]
fn bad_files_are_refused_and_nothing_is_written() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    small(directory);
    let good = fs::read(directory.join("mlp.safetensors")).unwrap();
    let exported = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/networks/export.h5")).unwrap();
    let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let npy = |array: Array2<f64>| {
        let mut bytes = Vec::new();
        ndarray_npy::WriteNpyExt::write_npy(&array, &mut bytes).unwrap();
        bytes
    };
    let mut nan = Array2::zeros((2, 5));
    nan[[1, 2]] = f64::NAN;
    for (name, bytes) in [
        ("cut.safetensors", good[..good.len() - 7].to_vec()),
        ("vast.safetensors", (1_u64 << 60).to_le_bytes().to_vec()),
        ("chain.safetensors", {
            let a = r#""a.weight":{"dtype":"F64","shape":[2,5],"data_offsets":[0,80]}"#;
            let b = r#""b.weight":{"dtype":"F64","shape":[1,3],"data_offsets":[80,104]}"#;
            [header(&format!("{{{a},{b}}}")), vec![0; 104]].concat()
        }),
        ("bare.npz", other_format(directory, Format::Npz)),
        ("chain.onnx", other_format(directory, Format::Onnx)),
        ("text.npz", b"no archive".to_vec()),
        ("text.onnx", b"no model".to_vec()),
        ("text.h5", b"no HDF5".to_vec()),
        ("cut.h5", exported[..exported.len() / 2].to_vec()),
        ("net.pt", b"pickle".to_vec()),
        ("ragged.csv", b"1,2,3,4,5\n1,2\n".to_vec()),
        ("words.csv", b"1,2,3,4,5\n1,2,x,4,5\n".to_vec()),
        ("none.csv", b"a,b,c,d,e\n".to_vec()),
        ("narrow.npy", npy(Array2::ones((2, 4)))),
        ("nan.npy", npy(nan)),
        ("zero.npy", npy(Array2::zeros((2, 5)))),
        ("empty.npy", npy(Array2::zeros((0, 5)))),
        ("few.npy", npy(Array2::ones((1, 249)))),
    ] {
        fs::write(directory.join(name), bytes).unwrap();
    }
    // Sizes that are declared, with little behind them on the disk.
    let declare = |name: &str, rows: usize| {
        let file = advstep_hpc::files::hdf5::create(&directory.join(name)).unwrap();
        file.new_dataset::<u8>().chunk((1 << 20, 5)).shape((rows, 5)).create("X").unwrap();
    };
    declare("vast.h5", 1 << 60);
    declare("unwritten.h5", 20_000_000);
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (20000000, 5), }\n";
    let declared = [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    fs::write(directory.join("large.npy"), &declared).unwrap();
    let large = fs::File::options().append(true).open(directory.join("large.npy")).unwrap();
    large.set_len(declared.len() as u64 + 100_000_000).unwrap();
    let mut archive = advstep_hpc::interchange::archive::archive(&[("X.npy".to_string(), declared)]).unwrap();
    let central = archive.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    archive[central + 24..central + 28].copy_from_slice(&500_000_000_u32.to_le_bytes());
    fs::write(directory.join("large.npz"), archive).unwrap();
    let before = fs::read_dir(directory).unwrap().count();
    let net = "mlp.safetensors --activation relu";
    for (arguments, complaint) in [
        ("cut.safetensors --inputs x.csv", "cannot read the network cut.safetensors: it is not a whole safetensors file"),
        ("vast.safetensors --inputs x.csv", "cannot read the network vast.safetensors: it is not a whole safetensors file"),
        ("chain.safetensors --activation relu --inputs x.csv", "do not chain in the order a.weight 2 × 5, b.weight 1 × 3"),
        ("text.npz --activation relu --inputs x.csv", "it is not a ZIP archive"),
        ("text.onnx --inputs x.csv", "it is not a whole ONNX model"),
        ("text.h5 --inputs x.csv", "it is not an HDF5 file"),
        ("cut.h5 --inputs x.csv", "cannot read the network cut.h5: it is not an HDF5 file, or not a whole one"),
        ("net.pt --inputs x.csv", "its extension names no format that is read"),
        ("absent.npz --inputs x.csv", "give NET the path of a network as .safetensors, .npz, .onnx or .h5"),
        (&format!("{net} --logits 0,1 --inputs absent.npy"), "give --inputs the path of inputs as .npy, .npz, .h5 or .csv"),
        (&format!("{net} --logits 0,1 --inputs x.csv --labels absent.npy"), "give --labels the path of labels, ::NAME for"),
        (&format!("{net} --logits 0,1 --inputs x.csv --format pdf"), "--figures"),
        (&format!("{net} --logits 0,1 --inputs x.csv --labels none"), "they have 6 coordinates, and its first layer takes 5"),
        (&format!("{net} --logits 0,1 --inputs vast.h5"), "an array of shape [1152921504606846976, 5] has more than"),
        (&format!("{net} --logits 0,1 --inputs unwritten.h5 --memory 300MB"), "which do not fit the memory of this rank"),
        (&format!("{net} --logits 0,1 --inputs large.npy --memory 300MB"), "which do not fit the memory of this rank"),
        (&format!("{net} --logits 0,1 --inputs large.npz --memory 300MB"), "which do not fit the memory of this rank"),
        (&format!("{net} --inputs x.csv"), "--logits is missing: the network has 3 outputs"),
        (&format!("{net} --inputs x.csv --logits 3"), "there is no output 3: the network has 3"),
        (&format!("{net} --inputs x.csv --logits 1,1"), "names one output twice"),
        (&format!("{net} --inputs x.csv --logits best"), "invalid value `best` for --logits"),
        ("mlp.safetensors --activation tanh --inputs x.csv --logits 0,1", "it says that its activation is relu, not tanh"),
        (&format!("{net} --logits 0,1 --inputs x.csv --slope 0.1"), "--slope does not apply: relu has no slope to choose"),
        ("mlp.safetensors --logits 0,1 --inputs x.csv --slope 0.1", "it says that its activation is relu, not leaky-relu"),
        ("bare.npz --logits 0,1 --inputs x.csv --slope 0.1,0.2,0.3", "--slope has 3 numbers, and its hidden layers are 2"),
        ("bare.npz --logits 0,1 --inputs x.csv --slope prelu", "it holds 0 vectors of PReLU weights for 2 hidden layers"),
        ("bare.npz --logits 0,1 --inputs x.csv --slope steep", "invalid value `steep` for --slope: not a list of slopes"),
        ("bare.npz --logits 0,1 --inputs x.csv --slope inf", "invalid value `inf` for --slope: not a list of slopes"),
        ("chain.onnx --logits 0,1 --inputs x.csv --slope 0.1", "it says itself which slopes it has"),
        (&format!("{net} --logits 0,1 --inputs ragged.csv"), "line 2 has 2 fields, and the first one 5"),
        (&format!("{net} --logits 0,1 --inputs words.csv"), "row 1, column 2 is `x`, which is no number"),
        (&format!("{net} --logits 0,1 --inputs none.csv"), "it has no rows"),
        (&format!("{net} --logits 0,1 --inputs empty.npy"), "it has no rows"),
        (&format!("{net} --logits 0,1 --inputs narrow.npy"), "they have 4 coordinates, and its first layer takes 5"),
        (&format!("{net} --logits 0,1 --inputs nan.npy"), "row 1 holds NaN"),
        (&format!("{net} --logits 0,1 --inputs zero.npy --rescale"), "row 0 is 0 and cannot be scaled"),
        (&format!("{net} --logits 0,1 --inputs x.csv --labels few.npy"), "there are 249 of them, and 250 inputs"),
        (&format!("{net} --logits 0,1 --inputs x.csv --labels ::kind"), "its header has no column `kind`"),
        (&format!("{net} --logits 0,1 --inputs x.csv --bound 0"), "--bound 0 is not positive"),
        (&format!("{net} --logits 0,1 --inputs x.csv --bound inf"), "the steps have no bound"),
        (&format!("{net} --logits 0,1 --inputs x.csv --bound 1e300"), "--bound 1e300 is too large"),
        (&format!("{net} --logits 0,1 --inputs x.csv --bound-distance 1e200"), "--bound-distance 1e200 is too large"),
        (&format!("{net} --logits 0,1 --inputs x.csv --nearest-starts 0.5"), "--nearest-starts 0.5 is not a number of starts"),
        (&format!("{net} --logits 0,1 --inputs x.csv --seed -1"), "the seed -1 is negative"),
        (&format!("{net} --logits 0,1 --inputs x.csv --out x.csv"), "x.csv"),
        (&format!("{net} --logits 0,1 --inputs x.csv --memory 1MB"), "the measurement does not fit the memory of this rank"),
    ] {
        let output = program(directory, &format!("measure {arguments}"));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
        assert!(said.contains(complaint) && said.contains("\nhelp: ") && said.lines().count() == 2, "{arguments}: {said}");
        assert_eq!(fs::read_dir(directory).unwrap().count(), before, "{arguments} wrote something");
    }
    let output = program(directory, "export --depth 1 --dim 2 --width 3 --out net.pt");
    assert!(output.status.code() == Some(2) && stderr(&output).contains("names no format that is written"), "{}", stderr(&output));
}
