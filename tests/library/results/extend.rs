//! Records rebuilt from files are those that were written, bit for bit; directions are taken where they stand alone.

use std::path::{Path, PathBuf};

use crate::common::synthetic::{differing_layers, experiment, synthetic};
use advstep_hpc::error::BadInput;
use advstep_hpc::experiment::Experiment;
use advstep_hpc::files::Existing;
use advstep_hpc::model::{Cell, Direction, EngineName, Method, SearchName, Unit};
use advstep_hpc::record::codec;
use advstep_hpc::results::extend::{Encoded, Extension, stands_alone};
use advstep_hpc::results::{self, Results};
use tempfile::TempDir;

/// Bytes, enough for any of these files.
const MEMORY: u64 = 1 << 30;

/// Synthetic results of this program, with `directions` of 11 inputs each.
fn results_along(base: &Experiment, directions: &[Direction]) -> Results {
    let mut results = synthetic(&Experiment { inputs: 11 * directions.len(), ..base.clone() }, 3);
    results.experiment = Experiment { inputs: 11, directions: directions.to_vec(), ..base.clone() };
    // As measured: numbers of every kind, among them a certified distance.
    let certify = directions.contains(&Direction::Nearest);
    results.experiment.certify = certify;
    for sample in results.cells.iter_mut().flat_map(|cell| &mut cell.records).flat_map(|record| &mut record.samples) {
        if certify && sample.status.is_found() {
            sample.certified = 0.5 * sample.distance;
        }
    }
    results
}

fn methods(results: &Results) -> Vec<Method> {
    results.cells.iter().map(|cell| cell.method).collect()
}

fn written(directory: &TempDir, results: &Results) -> PathBuf {
    let path = directory.path().join("results.h5");
    results::write(&path, Existing::Replace, results).unwrap();
    path
}

fn take(path: &Path, experiment: &Experiment, methods: &[Method]) -> Result<(Vec<Encoded>, usize), BadInput> {
    Extension::new(experiment, methods).take(path, MEMORY)
}

#[test]
fn records_come_back_from_a_file_bit_for_bit() {
    let directory = TempDir::new().unwrap();
    let one_layer = Experiment { depths: vec![1], ..experiment() };
    for (base, directions) in [
        (experiment(), &[Direction::Gradient][..]),
        (differing_layers(), &[Direction::Gradient, Direction::Descent]),
        (one_layer, &[Direction::Gradient, Direction::Sign, Direction::Nearest]),
    ] {
        let results = results_along(&base, directions);
        let path = written(&directory, &results);
        let (found, parts) = take(&path, &results.experiment, &methods(&results)).unwrap();
        let records = results.cells.iter().flat_map(|cell| &cell.records);
        let expected: Vec<(Unit, Vec<u8>)> =
            records.map(|record| (record.unit, codec::encode(&record.samples, record.seconds))).collect();
        assert!(found == expected && parts == 0, "{directions:?}");
    }
}

/// At least one network of the file is in memory at a time.
#[test]
fn a_network_that_does_not_fit_is_refused() {
    let directory = TempDir::new().unwrap();
    let results = results_along(&experiment(), &[Direction::Gradient]);
    let (path, methods) = (written(&directory, &results), methods(&results));
    let take = |memory| Extension::new(&results.experiment, &methods).take(&path, memory);
    let refused = take(100).unwrap_err();
    assert!(refused.why.starts_with("one of its networks needs "), "{}", refused.why);
    assert!(take(10_000).is_ok());
}

/// A run of part of the grid, with fewer networks: cells have other indices.
#[test]
fn networks_are_found_by_their_cells() {
    let directory = TempDir::new().unwrap();
    let results = results_along(&experiment(), &[Direction::Gradient]);
    let path = written(&directory, &results);
    let smaller = Experiment {
        depths: vec![2, 6, 7],
        dims: vec![3, 500],
        extra_widths: Default::default(),
        networks: 4,
        certify: false,
        ..results.experiment.clone()
    };
    let method = |cell: &Cell| results.cells.iter().find(|other| other.cell == *cell).map(|other| other.method);
    let unknown = Method { engine: EngineName::Dense, search: SearchName::Line };
    let cells = smaller.cells();
    let methods: Vec<Method> = cells.iter().map(|cell| method(cell).unwrap_or(unknown)).collect();
    let (found, _) = take(&path, &smaller, &methods).unwrap();
    // Depths 2 and 6, dim 500, widths 10 and 1000.
    assert_eq!(found.len(), 2 * 2 * 4);
    for (unit, bytes) in found {
        let of = results.cells.iter().find(|cell| cell.cell == cells[unit.cell]).unwrap();
        let record = &of.records[unit.network];
        assert_eq!(bytes, codec::encode(&record.samples, record.seconds), "{unit:?}");
    }
}

#[test]
fn the_gradient_stands_alone_where_its_slope_is_not_used() {
    let of = |directions: &[Direction], bias| Experiment { directions: directions.to_vec(), bias, ..experiment() };
    let (one, two) = (of(&[Direction::Gradient], false), of(&[Direction::Gradient, Direction::Sign], false));
    let method = |engine, search| Method { engine, search };
    let cell = Cell::new(2, 10, 50);
    for (search, expected) in [(SearchName::Trace, true), (SearchName::Line, true), (SearchName::Scan, false)] {
        assert_eq!(stands_alone(cell, method(EngineName::Dense, search), &one), expected, "{search:?}");
        assert!(stands_alone(cell, method(EngineName::Dense, search), &two));
        assert!(stands_alone(cell, method(EngineName::Dense, search), &of(&[Direction::Gradient], true)));
        assert!(!stands_alone(cell, method(EngineName::Implicit, search), &two));
    }
    assert!(!stands_alone(Cell::new(1, 1, 50), method(EngineName::Dense, SearchName::Line), &one));
}
