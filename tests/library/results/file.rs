//! The results file: round trip; foreign, incomplete and out-of-range files are refused; files that differ only in provenance compare equal.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::synthetic::{differing_layers, experiment, synthetic};
use advstep_hpc::error::{BadInput, EXIT_BAD_INPUT, exit_code};
use advstep_hpc::experiment::Experiment;
use advstep_hpc::files::Existing;
use advstep_hpc::model::{Direction, INFINITE_WIDTH};
use advstep_hpc::model::{EngineName, SearchName};
use advstep_hpc::results::{self, Results, first_difference, schema};
use hdf5::types::VarLenUnicode;
use tempfile::TempDir;

fn written(directory: &TempDir, name: &str, results: &Results) -> PathBuf {
    let path = directory.path().join(name);
    results::write(&path, Existing::Replace, results).unwrap();
    path
}

/// NaN-aware equality: the bits of every number.
fn assert_same(a: &Results, b: &Results) {
    assert_eq!(a.experiment, b.experiment);
    assert_eq!(a.provenance, b.provenance);
    assert_eq!(a.cells.len(), b.cells.len());
    for (x, y) in a.cells.iter().zip(&b.cells) {
        assert_eq!((x.cell, x.method, x.records.len()), (y.cell, y.method, y.records.len()));
        for (x, y) in x.records.iter().zip(&y.records) {
            assert_eq!((x.unit, x.seconds.to_bits(), x.samples.len()), (y.unit, y.seconds.to_bits(), y.samples.len()));
            for (x, y) in x.samples.iter().zip(&y.samples) {
                let bits = |s: &advstep_hpc::record::Sample| (s.step.to_bits(), s.gradient_norm.to_bits(), s.value.to_bits());
                assert_eq!((bits(x), x.status, x.evaluations), (bits(y), y.status, y.evaluations));
            }
        }
    }
}

/// Modifies a file through the HDF5 library and reseals it.
fn edit(path: &Path, change: &dyn Fn(&hdf5::File)) {
    let file = advstep_hpc::files::hdf5::open_rw(path).unwrap();
    change(&file);
    file.close().unwrap();
    assert!(advstep_hpc::files::seal::flaw(path).unwrap().is_some());
    advstep_hpc::files::seal::seal(path).unwrap();
}

fn refused(path: &Path) -> BadInput {
    let error = results::read(path).map(|_| ()).expect_err("the file should be refused");
    assert_eq!(exit_code(&error), EXIT_BAD_INPUT);
    let bad = error.downcast::<BadInput>().unwrap();
    assert!(bad.what.contains(path.to_str().unwrap()) && !bad.why.is_empty() && !bad.remedy.is_empty());
    bad
}

#[test]
fn what_is_written_is_read() {
    let directory = TempDir::new().unwrap();
    let results = synthetic(&experiment(), 1);
    let path = written(&directory, "results.h5", &results);
    assert_same(&results, &results::read(&path).unwrap());
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["results.h5"], "a temporary file was left behind");
}

/// The axis `direction` holds names; until format version 7 it held codes, and such files are read.
#[test]
fn directions_are_names_and_were_codes() {
    let directory = TempDir::new().unwrap();
    for base in [experiment(), differing_layers()] {
        let mut results = synthetic(&Experiment { inputs: 22, ..base.clone() }, 1);
        results.experiment = Experiment { inputs: 11, directions: vec![Direction::Gradient, Direction::Descent], ..base };
        let path = written(&directory, "directions.h5", &results);
        let version = |path: &Path| {
            let file = advstep_hpc::files::hdf5::open(path).unwrap();
            file.attr("format_version").unwrap().read_scalar::<u32>().unwrap()
        };
        assert_eq!(version(&path), schema::DIRECTIONS_VERSION);
        let older = if results.experiment.hidden.is_empty() { schema::VERSION } else { schema::SHAPES_VERSION };
        let with_codes = |codes: [i64; 2]| {
            edit(&path, &|file| {
                file.unlink("direction").unwrap();
                file.new_dataset_builder().with_data(&codes).create("direction").unwrap();
                file.attr("format_version").unwrap().write_scalar(&older).unwrap();
            });
        };
        with_codes([0, 4]);
        assert_same(&results, &results::read(&path).unwrap());
        assert!(results::head::read(&path).is_ok_and(|head| head.is_complete && head.experiment == results.experiment));
        with_codes([0, 3]);
        assert!(refused(&path).why.contains("axis `direction` is not that of its experiment"));
        // Names that are not those of the experiment.
        let path = written(&directory, "directions.h5", &results);
        let name = "sign".parse::<VarLenUnicode>().unwrap();
        edit(&path, &|file| {
            file.dataset("direction").unwrap().write_slice(std::slice::from_ref(&name), ndarray::s![1..2]).unwrap();
        });
        assert!(refused(&path).why.contains("axis `direction` is not that of its experiment"));
    }
}

#[test]
fn shapes_are_an_axis_of_the_file() {
    let directory = TempDir::new().unwrap();
    let results = synthetic(&differing_layers(), 1);
    let path = written(&directory, "layers.h5", &results);
    assert_same(&results, &results::read(&path).unwrap());
    let file = advstep_hpc::files::hdf5::open(&path).unwrap();
    let numbers = |name: &str| file.dataset(name).unwrap().read_raw::<i64>().unwrap();
    let labels: Vec<VarLenUnicode> = file.dataset("shape").unwrap().read_raw().unwrap();
    assert_eq!(labels.iter().map(|label| label.as_str()).collect::<Vec<_>>(), ["30,30", "20,60,40", "60,20,40"]);
    assert_eq!(file.attr("format_version").unwrap().read_scalar::<u32>().unwrap(), schema::SHAPES_VERSION);
    assert_eq!(file.dataset("shape_hidden").unwrap().shape(), [3, 3]);
    assert_eq!(numbers("shape_hidden"), [[30, 30, 0], [20, 60, 40], [60, 20, 40]].concat());
    assert_eq!((numbers("layer"), numbers("shape_depth")), (vec![1, 2, 3], vec![2, 3, 3]));
    // By depth, dim and shape, on axes (shape, dim).
    assert_eq!((numbers("cell_shape"), numbers("cell_dim")), (vec![0, 0, 1, 2, 1, 2], vec![10, 500, 10, 10, 500, 500]));
    assert_eq!((file.dataset("cell_index").unwrap().shape(), numbers("cell_index")), (vec![3, 2], vec![0, 1, 2, 4, 3, 5]));
    let fractions: Vec<f64> = file.dataset("fraction").unwrap().read_raw().unwrap();
    assert_eq!(fractions[4], results.cells[3].summary().fraction);
    for absent in ["depth", "width", "cell_depth", "cell_width"] {
        assert!(file.dataset(absent).is_err(), "{absent}");
    }
    drop(file);
    let damaged = |change: &dyn Fn(&hdf5::File)| {
        let path = written(&directory, "damaged.h5", &results);
        edit(&path, change);
        refused(&path).why
    };
    let hidden = damaged(&|file| file.dataset("shape_hidden").unwrap().write_slice(&[61_i64], ndarray::s![2, 0..1]).unwrap());
    assert!(hidden.contains("`shape_hidden` is not that of its experiment"), "{hidden}");
    let label = "60,20,41".parse::<VarLenUnicode>().unwrap();
    let labels =
        damaged(&|file| file.dataset("shape").unwrap().write_slice(std::slice::from_ref(&label), ndarray::s![2..3]).unwrap());
    assert!(labels.contains("axis `shape` is not that of its experiment"), "{labels}");
    // As before shapes had an axis.
    let old = damaged(&|file| file.attr("format_version").unwrap().write_scalar(&schema::VERSION).unwrap());
    assert!(old.contains("its format version is 5, that of experiments made of hidden layers is 6"), "{old}");

    let plain = advstep_hpc::files::hdf5::open(&written(&directory, "plain.h5", &synthetic(&experiment(), 1))).unwrap();
    assert_eq!(plain.attr("format_version").unwrap().read_scalar::<u32>().unwrap(), schema::VERSION);
    for absent in ["shape", "layer", "shape_depth", "shape_hidden", "cell_shape"] {
        assert!(plain.dataset(absent).is_err(), "{absent}");
    }
}

#[test]
fn infinite_widths_are_the_last_of_their_axis_and_are_read() {
    let directory = TempDir::new().unwrap();
    let mut infinite = experiment();
    infinite.widths.push(INFINITE_WIDTH);
    let mut results = synthetic(&infinite, 1);
    for cell in results.cells.iter_mut().filter(|cell| cell.cell.is_infinite()) {
        cell.method = advstep_hpc::model::Method { engine: EngineName::Limit, search: SearchName::Path };
    }
    let path = written(&directory, "results.h5", &results);
    assert_same(&results, &results::read(&path).unwrap());
    let file = advstep_hpc::files::hdf5::open(&path).unwrap();
    let widths: Vec<i64> = file.dataset("width").unwrap().read_raw().unwrap();
    assert_eq!(widths, [10, 100, 1000, 1_000_000, i64::MAX]);
    for name in ["width", "cell_width"] {
        let infinity: i64 = file.dataset(name).unwrap().attr("infinite_width").unwrap().read_scalar().unwrap();
        assert_eq!(infinity, i64::MAX, "{name}");
    }
    let engines: Vec<u8> = file.dataset("engine").unwrap().read_raw().unwrap();
    assert!(engines.contains(&2));
}

#[test]
fn one_cell_one_network_one_input() {
    let directory = TempDir::new().unwrap();
    let mut smallest = experiment();
    (smallest.depths, smallest.dims, smallest.widths) = (vec![1], vec![1], vec![1]);
    (smallest.networks, smallest.inputs, smallest.seed) = (1, 1, i64::MAX as u64);
    smallest.extra_widths.clear();
    let results = synthetic(&smallest, 2);
    assert_same(&results, &results::read(&written(&directory, "one.h5", &results)).unwrap());
}

/// More inputs than fit a chunk, so that a cell has several chunks.
#[test]
fn cells_larger_than_a_chunk() {
    let directory = TempDir::new().unwrap();
    let mut large = experiment();
    (large.depths, large.dims, large.widths) = (vec![1], vec![10], vec![10, 20]);
    (large.networks, large.inputs) = (3, 70_001);
    large.extra_widths.clear();
    let results = synthetic(&large, 3);
    assert_same(&results, &results::read(&written(&directory, "large.h5", &results)).unwrap());
}

/// Cells written one by one in another order make the same file as all at once; blanks for those that are missing.
#[test]
fn cells_may_be_written_in_any_order() {
    let directory = TempDir::new().unwrap();
    let wide = Experiment {
        depths: vec![1],
        dims: vec![10],
        networks: 3,
        inputs: 70_001,
        extra_widths: Default::default(),
        ..experiment()
    };
    let along = Experiment { directions: vec![Direction::Gradient, Direction::Sign], ..experiment() };
    for (number, experiment) in [experiment(), differing_layers(), along, wide].into_iter().enumerate() {
        let mut whole = synthetic(&experiment, 7);
        if experiment.directions.len() > 1 {
            // The same samples along both.
            let records = whole.cells.iter_mut().flat_map(|cell| &mut cell.records);
            records.for_each(|record| record.samples.extend_from_within(..));
        }
        let cells = whole.cells.len();
        let expected = written(&directory, &format!("{number}.h5"), &whole);
        // 5 has no factor in common with the numbers of cells.
        let order: Vec<usize> = (0..cells).map(|at| (3 + 5 * at) % cells).collect();
        let path = directory.path().join(format!("{number}-shuffled.h5"));
        let in_order = |order: &[usize]| {
            let mut writer = results::Writer::create(&path, &experiment, None).unwrap();
            order.iter().for_each(|&index| writer.write(index, &whole.cells[index]).unwrap());
            writer.finish(&whole.provenance).unwrap()
        };
        let summaries = in_order(&order);
        assert_eq!(first_difference(&path, &expected).unwrap(), None);
        assert_same(&results::read(&path).unwrap(), &whole);
        let table = |summaries: &[results::CellSummary]| results::show::table(&experiment, summaries);
        assert_eq!(table(&summaries), table(&whole.summarised()));
        in_order(&order[1..]);
        let mut partial = whole.clone();
        partial.cells.remove(order[0]);
        assert_same(&results::read(&path).unwrap(), &partial);
        let mut writer = results::Writer::create(&path, &experiment, None).unwrap();
        let refused = writer.write(0, &whole.cells[1]).unwrap_err().to_string();
        assert!(refused.contains("is not number 0 of the experiment"), "{refused}");
    }
}

#[test]
fn writing_replaces_and_failing_to_write_leaves_the_old() {
    let directory = TempDir::new().unwrap();
    let first = synthetic(&experiment(), 1);
    let path = written(&directory, "results.h5", &first);
    let second = synthetic(&experiment(), 2);
    results::write(&path, Existing::Replace, &second).unwrap();
    assert_same(&second, &results::read(&path).unwrap());

    let mut incomplete = first.clone();
    incomplete.cells[2].records.pop();
    let message = results::write(&path, Existing::Replace, &incomplete).unwrap_err().to_string();
    assert!(message.contains("does not hold 7 networks of 11 inputs"), "{message}");
    let mut disordered = first;
    disordered.cells.swap(0, 1);
    assert!(results::write(&path, Existing::Replace, &disordered).is_err());
    assert_same(&second, &results::read(&path).unwrap());
    assert!(results::write(&path.join("below/a/file.h5"), Existing::Replace, &second).is_err());
}

#[test]
fn partial_results_come_back_and_say_so() {
    let directory = TempDir::new().unwrap();
    let whole = synthetic(&experiment(), 1);
    let path = directory.path().join("some.partial.h5");
    for keep in [&[0, 3, 4, 15][..], &[15], &[]] {
        let mut partial = whole.clone();
        partial.cells = keep.iter().map(|&index| whole.cells[index].clone()).collect();
        results::write_partial(&path, Existing::Replace, &partial).unwrap();
        let back = results::read(&path).unwrap();
        assert!(!back.is_complete());
        assert_same(&partial, &back);
        let table = results::show::table(&back.experiment, &back.summarised());
        assert!(table.starts_with(&format!("PARTIAL: {} of 16 cells\n", keep.len())), "{table}");
        assert!(results::write(&path, Existing::Replace, &partial).unwrap_err().to_string().contains("of the 16 cells"));
    }
    results::write_partial(&path, Existing::Replace, &whole).unwrap();
    assert_eq!(first_difference(&path, &written(&directory, "whole.h5", &whole)).unwrap(), None);
}

/// A complete file with a cell missing and a partial one with half a cell are refused.
#[test]
fn partial_results_are_checked() {
    let directory = TempDir::new().unwrap();
    let mut partial = synthetic(&experiment(), 1);
    partial.cells.remove(2);
    let path = directory.path().join("some.partial.h5");
    let with = |change: &dyn Fn(&hdf5::File)| {
        results::write_partial(&path, Existing::Replace, &partial).unwrap();
        edit(&path, change);
        refused(&path).why
    };
    let status = |at: usize, code: u8| {
        move |file: &hdf5::File| {
            file.dataset("status").unwrap().write_slice(&ndarray::arr3(&[[[code]]]), (at..at + 1, 1..2, 2..3)).unwrap()
        }
    };
    assert!(with(&|file| file.attr("complete").unwrap().write_scalar(&1u8).unwrap()).contains("`engine` holds 255"));
    assert!(with(&|file| file.attr("complete").unwrap().write_scalar(&2u8).unwrap()).contains("`complete` is 2"));
    assert!(with(&status(2, 0)).contains("was not run and has a sample of status 0"));
    assert!(with(&status(3, 9)).contains("`status` holds 9"));
}

#[test]
fn files_that_are_not_ours_are_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file.h5");
    refused(&path);
    refused(directory.path());
    for contents in [&b""[..], b"not HDF5 at all", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n and then nothing of the kind"] {
        fs::write(&path, contents).unwrap();
        assert!(refused(&path).why.starts_with("it "), "{}", refused(&path));
        advstep_hpc::files::seal::seal(&path).unwrap();
        assert!(refused(&path).why.contains("not an HDF5 file, or not a whole one"));
    }
    let foreign = advstep_hpc::files::hdf5::create(&path).unwrap();
    foreign.new_dataset_builder().with_data(&[1.0, 2.0]).create("step").unwrap();
    drop(foreign);
    assert!(refused(&path).why.contains("it has no seal") && refused(&path).remedy.contains("--unsealed"));
    advstep_hpc::files::seal::seal(&path).unwrap();
    assert!(refused(&path).why.contains("no attribute `format`"));
}

#[test]
fn truncated_files_are_refused() {
    let directory = TempDir::new().unwrap();
    let whole = fs::read(written(&directory, "whole.h5", &synthetic(&experiment(), 1))).unwrap();
    let path = directory.path().join("cut.h5");
    for keep in [1, 7, 8, 100, 512, 2048, whole.len() / 3, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        fs::write(&path, &whole[..keep]).unwrap();
        assert!(refused(&path).why.starts_with("it "), "{keep} of {} bytes: {}", whole.len(), refused(&path).why);
    }
}

/// Corrupts one thing in a valid file and expects the reader to name it.
#[test]
fn values_out_of_range_are_refused() {
    let directory = TempDir::new().unwrap();
    let results = synthetic(&experiment(), 1);
    let found = results.cells[0].records[0].samples.iter().position(|sample| sample.status.is_found()).unwrap();
    type Damage = Box<dyn Fn(&hdf5::File)>;
    let set_step = move |step: f64| -> Damage {
        Box::new(move |file| {
            file.dataset("step").unwrap().write_slice(&ndarray::arr3(&[[[step]]]), (0..1, 0..1, found..found + 1)).unwrap();
        })
    };
    fn set(array: &'static str, value: f64) -> Damage {
        Box::new(move |file| file.dataset(array).unwrap().write_slice(&ndarray::arr3(&[[[value]]]), (0..1, 0..1, 0..1)).unwrap())
    }
    fn set_seconds(seconds: f64) -> Damage {
        Box::new(move |file| {
            let array = file.dataset("provenance/unit_seconds").unwrap();
            array.write_slice(&ndarray::arr2(&[[seconds]]), (0..1, 2..3)).unwrap()
        })
    }
    fn rename(file: &hdf5::File, name: &str) {
        file.relink(name, "elsewhere").unwrap();
    }
    let cases: Vec<(&str, Damage)> = vec![
        ("format version is 6", Box::new(|file| file.attr("format_version").unwrap().write_scalar(&6u32).unwrap())),
        ("format version is 8", Box::new(|file| file.attr("format_version").unwrap().write_scalar(&8u32).unwrap())),
        ("format version is 4", Box::new(|file| file.attr("format_version").unwrap().write_scalar(&4u32).unwrap())),
        ("seed", Box::new(|file| file.attr("seed").unwrap().write_scalar(&43u64).unwrap())),
        ("a step of -1 is found", set_step(-1.0)),
        ("a step of 21 is found", set_step(21.0)),
        ("a step of NaN is found", set_step(f64::NAN)),
        (
            "`status` holds 9",
            Box::new(|file| file.dataset("status").unwrap().write_slice(&ndarray::arr3(&[[[9u8]]]), (2..3, 0..1, 0..1)).unwrap()),
        ),
        ("`engine` holds 200", Box::new(|file| file.dataset("engine").unwrap().write(&ndarray::arr1(&[200u8; 16])).unwrap())),
        ("a gradient of norm -1", set("gradient_norm", -1.0)),
        ("a distance of -1", set("distance", -1.0)),
        ("a distance of 100", set("distance", 100.0)),
        ("f vanishes at a step of -1", set("zero_step", -1.0)),
        ("f vanishes at a step of 30", set("zero_step", 30.0)),
        ("an input of norm -1", set("input_norm", -1.0)),
        ("a gradient of norm NaN", set("gradient_norm", f64::NAN)),
        ("a gradient of norm inf", set("gradient_norm", f64::INFINITY)),
        ("a value of NaN", set("value", f64::NAN)),
        ("a value of -inf", set("value", f64::NEG_INFINITY)),
        ("network 2: a time of -1 s", set_seconds(-1.0)),
        ("network 2: a time of NaN s", set_seconds(f64::NAN)),
        ("network 2: a time of inf s", set_seconds(f64::INFINITY)),
        ("no array `cell_width`", Box::new(|file| rename(file, "cell_width"))),
        ("no array `step_q95`", Box::new(|file| rename(file, "step_q95"))),
        ("no group `provenance`", Box::new(|file| rename(file, "provenance"))),
        (
            "`width` is not that of its experiment",
            Box::new(|file| file.dataset("width").unwrap().write(&ndarray::arr1(&[1i64, 2, 3, 4])).unwrap()),
        ),
        ("no attribute `host`", Box::new(|file| file.group("provenance").unwrap().delete_attr("host").unwrap())),
        (
            "`dead` is not of type uint64",
            Box::new(|file| {
                rename(file, "dead");
                file.new_dataset::<f64>().shape((3, 2, 4)).create("dead").unwrap();
            }),
        ),
        (
            "`value` has shape [16, 7]",
            Box::new(|file| {
                rename(file, "value");
                file.new_dataset::<f64>().shape((16, 7)).create("value").unwrap();
            }),
        ),
    ];
    for (expected, damage) in cases {
        let path = written(&directory, "damaged.h5", &results);
        edit(&path, &damage);
        let bad = refused(&path);
        assert!(bad.why.contains(expected), "expected `{expected}` in `{bad}`");
    }
}

/// An experiment of 10⁸ samples in a file of a few kilobytes must not be believed.
#[test]
fn claims_larger_than_the_file_are_refused() {
    let directory = TempDir::new().unwrap();
    let path = written(&directory, "huge.h5", &synthetic(&experiment(), 1));
    let mut huge = experiment();
    (huge.networks, huge.inputs) = (10_000, 1_000);
    let toml: hdf5::types::VarLenUnicode = huge.to_toml().parse().unwrap();
    edit(&path, &|file| file.attr("experiment").unwrap().write_scalar(&toml).unwrap());
    assert!(refused(&path).why.contains("larger than a file of"));
}

#[test]
fn same_science_whatever_the_provenance() {
    let directory = TempDir::new().unwrap();
    let results = synthetic(&experiment(), 1);
    let a = written(&directory, "a.h5", &results);
    let mut elsewhere = results.clone();
    elsewhere.provenance.host = "a much longer name of another host".repeat(1000);
    elsewhere.provenance.ranks = 7;
    elsewhere.cells.iter_mut().flat_map(|cell| &mut cell.records).for_each(|record| record.seconds *= 3.0);
    let b = written(&directory, "b.h5", &elsewhere);
    assert_eq!(first_difference(&a, &b).unwrap(), None);
    assert_ne!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
}

#[test]
fn the_first_difference_is_named() {
    let directory = TempDir::new().unwrap();
    let results = synthetic(&experiment(), 1);
    let a = written(&directory, "a.h5", &results);
    let difference = |change: &dyn Fn(&mut Results)| {
        let mut other = results.clone();
        change(&mut other);
        first_difference(&a, &written(&directory, "b.h5", &other)).unwrap().expect("a difference")
    };
    // −0 for 0 differs in one bit but in no statistic.
    let dead = results.cells[0].records.iter().position(|r| r.samples.iter().any(|s| s.value == 0.0)).unwrap();
    let flip = |r: &mut Results| r.cells[0].records[dead].samples.iter_mut().filter(|s| s.value == 0.0).for_each(|s| s.value = 0.0);
    let text = difference(&flip);
    assert!(text.starts_with("/value: element ") && text.ends_with(" is -0 against 0"), "{text}");
    let text = difference(&|r| r.cells[3].records[2].samples[1].evaluations += 1);
    assert!(text.starts_with("/evaluations: element 254 is"), "{text}");
    let text = difference(&|r| r.cells[5].method.search = advstep_hpc::model::SearchName::Line);
    assert_eq!(text, "/search: element 5 is 5 against 0");
    let text = difference(&|r| r.experiment.seed = 43);
    assert!(text.starts_with("/@experiment: ") || text.starts_with("/@seed: "), "{text}");
    let text = difference(&|r| {
        *r = synthetic(
            &{
                let mut e = experiment();
                e.inputs = 12;
                e
            },
            1,
        )
    });
    assert!(text.starts_with("/@experiment: "), "{text}");

    // Attributes, axes and members count as well.
    let with = |change: &dyn Fn(&hdf5::File)| {
        let b = written(&directory, "b.h5", &results);
        let file = advstep_hpc::files::hdf5::open_rw(&b).unwrap();
        change(&file);
        file.close().unwrap();
        first_difference(&a, &b).unwrap().expect("a difference")
    };
    assert!(with(&|file| file.unlink("fraction").unwrap()).starts_with("/: members "));
    assert!(with(&|file| file.dataset("step").unwrap().delete_attr("units").unwrap()).starts_with("/step: attributes "));
    assert!(with(&|file| file.dataset("step").unwrap().delete_attr("DIMENSION_LIST").unwrap()).starts_with("/step: attributes "));
}
