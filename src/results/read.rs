//! HDF5 file → results. A file is not trusted: every shape and code is checked, and nothing is allocated for what cannot be there.

use std::path::Path;

use anyhow::Context;
use hdf5::types::VarLenUnicode;
use hdf5::{Group, H5Type};
use ndarray::{Array1, Array2, s};

use super::schema;
use super::{CellResults, EngineName, Provenance, Results, SearchName};
use crate::error::BadInput;
use crate::experiment::{Cell, Experiment, Unit};
use crate::unit::{Sample, Status, UnitRecord};

/// Deflate makes nothing smaller than by this factor, and a sample has this many bytes: a bound of what a file can hold.
const MAX_COMPRESSION: u64 = 1100;
const SAMPLE_BYTES: u64 = 29;

/// Reads a results file.
///
/// # Errors
/// [`BadInput`] for a file that is not one of ours, is of another version, is damaged, or contradicts itself.
pub fn read(path: &Path) -> Result<Results, BadInput> {
    hdf5::silence_errors(true);
    let file = hdf5::File::open(path).map_err(|error| {
        refusal(path, &format!("HDF5 cannot open it: {}", first_line(&error.to_string())), "is not an HDF5 file, or is damaged")
    })?;
    let root = file.as_group().map_err(|error| damaged(path, &error.into()))?;
    check_format(path, &root)?;
    read_root(path, &root).map_err(|error| damaged(path, &error))
}

fn refusal(path: &Path, why: &str, what: &str) -> BadInput {
    let what = format!("{} {what}", path.display());
    BadInput::new(what, why, "give a results file that `advstep-hpc run` of this version has written")
}

fn damaged(path: &Path, error: &anyhow::Error) -> BadInput {
    refusal(path, first_line(&format!("{error:#}")), "is damaged")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn check_format(path: &Path, root: &Group) -> Result<(), BadInput> {
    match text(root, "format") {
        Ok(format) if format == schema::FORMAT => {}
        _ => return Err(refusal(path, "its root has no attribute `format` with our name", "is not a results file of advstep-hpc")),
    }
    match number::<u32>(root, "format_version") {
        Ok(version) if version == schema::VERSION => Ok(()),
        Ok(version) => {
            let why = format!("its format version is {version}, this program reads {}", schema::VERSION);
            Err(refusal(path, &why, "is of another version"))
        }
        Err(error) => Err(damaged(path, &error)),
    }
}

fn read_root(path: &Path, root: &Group) -> anyhow::Result<Results> {
    let experiment = Experiment::from_toml(&text(root, "experiment")?, "the attribute `experiment`")?;
    let cells = experiment.cells();
    let shape = [cells.len(), experiment.networks, experiment.inputs];
    let samples = shape.iter().map(|&length| length as u128).product::<u128>();
    let bytes = std::fs::metadata(path)?.len();
    anyhow::ensure!(
        samples * u128::from(SAMPLE_BYTES) <= u128::from(bytes) * u128::from(MAX_COMPRESSION),
        "it should hold {samples} samples and has {bytes} bytes"
    );
    check_cells(root, &cells)?;
    let codes = |(name, _), count| read_codes(root, name, cells.len(), count);
    let engines = codes(schema::ENGINE, EngineName::ALL.len())?;
    let searches = codes(schema::SEARCH, SearchName::ALL.len())?;
    for (name, _) in [schema::STEP, schema::GRADIENT_NORM, schema::VALUE, schema::STATUS, schema::EVALUATIONS] {
        let found = root.dataset(name).with_context(|| format!("it has no dataset {name}"))?.shape();
        anyhow::ensure!(found == shape, "{name} has the shape {found:?} and should have {shape:?}");
    }
    let provenance = root.group(schema::PROVENANCE).context("it has no group provenance")?;
    let seconds = provenance.dataset(schema::UNIT_SECONDS)?;
    anyhow::ensure!(seconds.shape() == shape[..2], "{} has a wrong shape", schema::UNIT_SECONDS);
    let seconds: Array2<f64> = seconds.read()?;

    let cells = cells.into_iter().enumerate().map(|(index, cell)| {
        let samples = read_samples(root, index)?;
        let records = samples.chunks(experiment.inputs).enumerate().map(|(network, samples)| UnitRecord {
            unit: Unit { cell: index, network },
            samples: samples.to_vec(),
            seconds: seconds[[index, network]],
        });
        Ok(CellResults {
            cell,
            engine: EngineName::from_code(engines[index]).expect("the codes have been checked"),
            search: SearchName::from_code(searches[index]).expect("the codes have been checked"),
            records: records.collect(),
        })
    });
    let cells = cells.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Results { cells, provenance: read_provenance(&provenance)?, experiment })
}

/// The cells listed in the file are those of its experiment.
fn check_cells(root: &Group, cells: &[Cell]) -> anyhow::Result<()> {
    let expected: [((&str, &str), fn(&Cell) -> usize); 3] =
        [(schema::CELL_DEPTH, |cell| cell.depth), (schema::CELL_DIM, |cell| cell.dim), (schema::CELL_WIDTH, |cell| cell.width)];
    for ((name, _), of) in expected {
        let found: Array1<i64> = read_vector(root, name, cells.len())?;
        let agrees = found.iter().zip(cells).all(|(found, cell)| *found == of(cell) as i64);
        anyhow::ensure!(agrees, "{name} is not that of its experiment");
    }
    Ok(())
}

fn read_codes(root: &Group, name: &str, length: usize, count: usize) -> anyhow::Result<Array1<u8>> {
    let codes: Array1<u8> = read_vector(root, name, length)?;
    anyhow::ensure!(codes.iter().all(|&code| usize::from(code) < count), "{name} holds a code that has no meaning");
    Ok(codes)
}

fn read_vector<T: H5Type>(root: &Group, name: &str, length: usize) -> anyhow::Result<Array1<T>> {
    let dataset = root.dataset(name).with_context(|| format!("it has no dataset {name}"))?;
    anyhow::ensure!(dataset.shape() == [length], "{name} has the shape {:?} and should have {length} entries", dataset.shape());
    dataset.read_1d().with_context(|| format!("cannot read {name}"))
}

/// All samples of cell `index`, networks one after the other.
fn read_samples(root: &Group, index: usize) -> anyhow::Result<Vec<Sample>> {
    let step: Vec<f64> = read_slab(root, schema::STEP.0, index)?;
    let gradient_norm: Vec<f64> = read_slab(root, schema::GRADIENT_NORM.0, index)?;
    let value: Vec<f64> = read_slab(root, schema::VALUE.0, index)?;
    let status: Vec<u8> = read_slab(root, schema::STATUS.0, index)?;
    let evaluations: Vec<u32> = read_slab(root, schema::EVALUATIONS.0, index)?;
    (0..step.len())
        .map(|i| {
            let status = Status::from_code(status[i]).with_context(|| format!("status {} has no meaning", status[i]))?;
            anyhow::ensure!(status.is_found() == step[i].is_finite(), "a step contradicts its status {}", status.name());
            Ok(Sample { step: step[i], gradient_norm: gradient_norm[i], value: value[i], status, evaluations: evaluations[i] })
        })
        .collect()
}

fn read_slab<T: H5Type>(root: &Group, name: &str, index: usize) -> anyhow::Result<Vec<T>> {
    let slab: Array2<T> = root.dataset(name)?.read_slice(s![index, .., ..]).with_context(|| format!("cannot read {name}"))?;
    Ok(slab.into_raw_vec_and_offset().0)
}

fn read_provenance(group: &Group) -> anyhow::Result<Provenance> {
    Ok(Provenance {
        program_version: text(group, "program_version")?,
        git_revision: text(group, "git_revision")?,
        command_line: text(group, "command_line")?,
        blas: text(group, "blas")?,
        blas_core: text(group, "blas_core")?,
        mpi_library: text(group, "mpi_library")?,
        hdf5_version: text(group, "hdf5_version")?,
        ranks: number(group, "ranks")?,
        threads: number(group, "threads")?,
        host: text(group, "host")?,
        started: text(group, "started")?,
        ended: text(group, "ended")?,
    })
}

fn text(place: &Group, name: &str) -> anyhow::Result<String> {
    let attribute = place.attr(name).with_context(|| format!("it has no attribute {name}"))?;
    let text: VarLenUnicode = attribute.read_scalar().with_context(|| format!("the attribute {name} is no text"))?;
    Ok(text.as_str().to_owned())
}

fn number<T: H5Type>(place: &Group, name: &str) -> anyhow::Result<T> {
    let attribute = place.attr(name).with_context(|| format!("it has no attribute {name}"))?;
    attribute.read_scalar().with_context(|| format!("the attribute {name} is not the number it should be"))
}
