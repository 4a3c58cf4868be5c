//! Results → HDF5 file: written aside, synchronised, renamed, so that a reader never sees half of it.

use std::fs::File;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Group, H5Type};
use ndarray::{Array2, ArrayD, ArrayView, IxDyn, s};

use super::scales::{attach_scales, make_scale};
use super::schema::{self, Axis};
use super::{CellResults, EngineName, Provenance, Results, SearchName, Summary};
use crate::unit::{Sample, Status};

/// Samples of a chunk of the per-sample arrays, at most.
const CHUNK: usize = 1 << 17;
const DEFLATE_LEVEL: u8 = 4;

/// Writes `results` to `path`, in place of a file that is there.
pub fn write(path: &Path, results: &Results) -> anyhow::Result<()> {
    replace_file(path, |aside| write_file(aside, results))
}

/// Creates a file with `fill` under another name in the same directory, synchronises it, and renames it to `path`.
pub fn replace_file(path: &Path, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create the directory {}", directory.display()))?;
    let aside = tempfile::Builder::new()
        .prefix(".advstep-")
        .suffix(".h5.part")
        .tempfile_in(directory)
        .with_context(|| format!("cannot create a file in {}", directory.display()))?
        .into_temp_path();
    fill(&aside).with_context(|| format!("cannot write {}", path.display()))?;
    File::open(&aside)?.sync_all().with_context(|| format!("cannot synchronise {}", path.display()))?;
    make_readable(&aside)?;
    aside.persist(path).with_context(|| format!("cannot rename the finished file to {}", path.display()))?;
    File::open(directory)?.sync_all().with_context(|| format!("cannot synchronise {}", directory.display()))
}

/// Gives a temporary file, which is private, the permissions of an ordinary new file.
fn make_readable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // SAFETY: umask has no failure; it is set back at once.
    let mask = unsafe {
        let mask = libc::umask(0o077);
        libc::umask(mask);
        mask
    };
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666 & !mask))?)
}

fn write_file(path: &Path, results: &Results) -> anyhow::Result<()> {
    let file = hdf5::File::create(path)?;
    let root = file.as_group()?;
    text_attribute(&root, "Conventions", "CF-1.10")?;
    text_attribute(&root, "title", "Smallest gradient steps that switch the sign of random ReLU networks")?;
    text_attribute(&root, "format", schema::FORMAT)?;
    number_attribute(&root, "format_version", schema::VERSION)?;
    text_attribute(&root, "experiment", &results.experiment.to_toml())?;
    number_attribute(&root, "seed", results.experiment.seed)?;

    let experiment = &results.experiment;
    let depth = axis(&root, &schema::DEPTH, &distinct(results, |cell| cell.cell.depth))?;
    let dim = axis(&root, &schema::DIM, &distinct(results, |cell| cell.cell.dim))?;
    let width = axis(&root, &schema::WIDTH, &distinct(results, |cell| cell.cell.width))?;
    let cell = axis(&root, &schema::CELL, &(0..results.cells.len()).collect::<Vec<_>>())?;
    let network = axis(&root, &schema::NETWORK, &(0..experiment.networks).collect::<Vec<_>>())?;
    let input = axis(&root, &schema::INPUT, &(0..experiment.inputs).collect::<Vec<_>>())?;

    write_statistics(&root, results, [&depth, &dim, &width])?;
    write_cells(&root, results, &cell)?;
    let samples = [&cell, &network, &input];
    write_samples(&root, results, schema::STEP, samples, |sample| sample.step)?;
    write_samples(&root, results, schema::GRADIENT_NORM, samples, |sample| sample.gradient_norm)?;
    write_samples(&root, results, schema::VALUE, samples, |sample| sample.value)?;
    let status = write_samples(&root, results, schema::STATUS, samples, |sample| sample.status as u8)?;
    flags(&status, &Status::ALL.map(Status::name))?;
    write_samples(&root, results, schema::EVALUATIONS, samples, |sample| sample.evaluations)?;
    write_provenance(&root, results, [&cell, &network])?;
    file.flush()?;
    Ok(file.close()?)
}

/// The distinct values of one axis, ascending.
fn distinct(results: &Results, of: fn(&CellResults) -> usize) -> Vec<usize> {
    let mut values: Vec<usize> = results.cells.iter().map(of).collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn axis(root: &Group, axis: &Axis, values: &[usize]) -> anyhow::Result<Dataset> {
    let values: Vec<i64> = values.iter().map(|&value| value as i64).collect();
    let dataset = root.new_dataset_builder().with_data(&values).create(axis.name)?;
    describe(&dataset, axis.long_name)?;
    make_scale(&dataset, axis.name)?;
    Ok(dataset)
}

/// The statistics over (depth, dim, width).
fn write_statistics(root: &Group, results: &Results, axes: [&Dataset; 3]) -> anyhow::Result<()> {
    let values: Vec<Vec<i64>> = axes.iter().map(|axis| axis.read_raw()).collect::<Result<_, _>>()?;
    let place = |cell: &CellResults| -> IxDyn {
        let wanted = [cell.cell.depth, cell.cell.dim, cell.cell.width];
        let index = |axis: usize| values[axis].binary_search(&(wanted[axis] as i64)).expect("axes hold the values of all cells");
        IxDyn(&[index(0), index(1), index(2)])
    };
    let shape = IxDyn(&[values[0].len(), values[1].len(), values[2].len()]);
    let summaries: Vec<(IxDyn, Summary)> = results.cells.iter().map(|cell| (place(cell), Summary::of(&cell.records))).collect();
    for statistic in &schema::STATISTICS {
        let mut array = ArrayD::from_elem(shape.clone(), f64::NAN);
        for (place, summary) in &summaries {
            array[place] = (statistic.of)(summary);
        }
        write_array(root, (statistic.name, statistic.long_name), &array, &axes)?;
    }
    let mut dead = ArrayD::from_elem(shape, 0_u64);
    for (place, summary) in &summaries {
        dead[place] = summary.dead;
    }
    write_array(root, schema::DEAD, &dead, &axes)?;
    Ok(())
}

/// What each cell is.
fn write_cells(root: &Group, results: &Results, cell: &Dataset) -> anyhow::Result<()> {
    let numbers = |of: fn(&CellResults) -> usize| -> ArrayD<i64> {
        results.cells.iter().map(|cell| of(cell) as i64).collect::<ndarray::Array1<i64>>().into_dyn()
    };
    let codes = |of: fn(&CellResults) -> u8| results.cells.iter().map(of).collect::<ndarray::Array1<u8>>().into_dyn();
    write_array(root, schema::CELL_DEPTH, &numbers(|cell| cell.cell.depth), &[cell])?;
    write_array(root, schema::CELL_DIM, &numbers(|cell| cell.cell.dim), &[cell])?;
    write_array(root, schema::CELL_WIDTH, &numbers(|cell| cell.cell.width), &[cell])?;
    let engine = write_array(root, schema::ENGINE, &codes(|cell| cell.engine as u8), &[cell])?;
    flags(&engine, &EngineName::ALL.map(EngineName::name))?;
    let search = write_array(root, schema::SEARCH, &codes(|cell| cell.search as u8), &[cell])?;
    flags(&search, &SearchName::ALL.map(SearchName::name))
}

fn write_array<T: H5Type>(
    root: &Group,
    (name, long_name): (&str, &str),
    array: &ArrayD<T>,
    axes: &[&Dataset],
) -> anyhow::Result<Dataset> {
    let dataset = root.new_dataset_builder().with_data(array.view()).create(name)?;
    describe(&dataset, long_name)?;
    attach_scales(&dataset, axes)?;
    Ok(dataset)
}

/// One per-sample array over (cell, network, input), a cell at a time.
fn write_samples<T: H5Type>(
    root: &Group,
    results: &Results,
    (name, long_name): (&str, &str),
    axes: [&Dataset; 3],
    of: impl Fn(&Sample) -> T,
) -> anyhow::Result<Dataset> {
    let (networks, inputs) = (results.experiment.networks, results.experiment.inputs);
    let chunk_inputs = inputs.min(CHUNK);
    let chunk = (1, networks.min((CHUNK / chunk_inputs).max(1)), chunk_inputs);
    let mut builder = root.new_dataset::<T>().chunk(chunk);
    if hdf5::filters::deflate_available() {
        builder = builder.shuffle().deflate(DEFLATE_LEVEL);
    }
    let dataset = builder.fletcher32().shape((results.cells.len(), networks, inputs)).create(name)?;
    for (index, cell) in results.cells.iter().enumerate() {
        let values: Vec<T> = cell.records.iter().flat_map(|record| &record.samples).map(&of).collect();
        let values = ArrayView::from_shape((networks, inputs), &values).context("a cell lacks samples")?;
        dataset.write_slice(values, s![index, .., ..])?;
    }
    describe(&dataset, long_name)?;
    attach_scales(&dataset, &axes)?;
    Ok(dataset)
}

fn write_provenance(root: &Group, results: &Results, axes: [&Dataset; 2]) -> anyhow::Result<()> {
    let group = root.create_group(schema::PROVENANCE)?;
    let Provenance { ranks, threads, .. } = results.provenance;
    for (name, text) in texts(&results.provenance) {
        text_attribute(&group, name, text)?;
    }
    number_attribute(&group, "ranks", ranks)?;
    number_attribute(&group, "threads", threads)?;
    let seconds = results.cells.iter().flat_map(|cell| cell.records.iter().map(|record| record.seconds)).collect();
    let seconds =
        Array2::from_shape_vec((results.cells.len(), results.experiment.networks), seconds).context("a cell lacks networks")?;
    let names = (schema::UNIT_SECONDS, "thread-seconds of the network with all its inputs");
    let dataset = write_array(&group, names, &seconds.into_dyn(), &axes)?;
    dataset.delete_attr("units")?;
    text_attribute(&dataset, "units", "s")
}

/// The texts of a provenance with their names in the file.
pub(super) fn texts(provenance: &Provenance) -> [(&'static str, &String); 10] {
    [
        ("program_version", &provenance.program_version),
        ("git_revision", &provenance.git_revision),
        ("command_line", &provenance.command_line),
        ("blas", &provenance.blas),
        ("blas_core", &provenance.blas_core),
        ("mpi_library", &provenance.mpi_library),
        ("hdf5_version", &provenance.hdf5_version),
        ("host", &provenance.host),
        ("started", &provenance.started),
        ("ended", &provenance.ended),
    ]
}

/// `units` and `long_name`; everything an experiment measures is dimensionless.
fn describe(dataset: &Dataset, long_name: &str) -> anyhow::Result<()> {
    text_attribute(dataset, "long_name", long_name)?;
    text_attribute(dataset, "units", "1")
}

/// The meanings of the codes 0, 1, 2, … of a dataset, as netCDF flags.
pub fn flags(dataset: &Dataset, meanings: &[&str]) -> anyhow::Result<()> {
    let codes: Vec<u8> = (0..meanings.len() as u8).collect();
    dataset.new_attr_builder().with_data(&codes).create("flag_values")?;
    text_attribute(dataset, "flag_meanings", &meanings.join(" "))
}

/// Writes a text attribute; NUL characters, which HDF5's strings cannot hold, become spaces.
pub fn text_attribute(place: &hdf5::Location, name: &str, text: &str) -> anyhow::Result<()> {
    let text = VarLenUnicode::from_str(&text.replace('\0', " "))?;
    Ok(place.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text)?)
}

pub fn number_attribute<T: H5Type>(place: &hdf5::Location, name: &str, number: T) -> anyhow::Result<()> {
    Ok(place.new_attr::<T>().create(name)?.write_scalar(&number)?)
}
