//! [`Results`] → an HDF5 file in netCDF-4 conventions, written atomically.

use std::path::Path;

use anyhow::{Context, ensure};
use hdf5::filters::deflate_available;
use hdf5::plist::file_create::LinkCreationOrder;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, File, H5Type};
use ndarray::{ArrayView3, ArrayView4};

use super::schema::{self, Axes, Axis, Variable};
use super::{CellResults, Results, Summary, scales};
use crate::experiment::Experiment;
use crate::files::attribute::{set_flags, set_number, set_text};
use crate::files::{self, Existing, place, seal};
use crate::measure::SCIENCE_VERSION;
use crate::method;
use crate::model::INFINITE_WIDTH;
use crate::record::Sample;

/// Elements per chunk of the sample arrays: 512 KiB of f64, half of HDF5's default chunk cache.
const CHUNK_ELEMENTS: usize = 1 << 16;
/// Deflate level (1 to 9) of the integer sample arrays. Those of f64 are not compressed: with random mantissas it would save a fifth of the file
/// and make the end of a run five times as long.
const DEFLATE_LEVEL: u8 = 4;

/// Writes complete `results` to `path`: to a temporary file in the same directory, synced and then renamed, so `path` is never half-written.
///
/// # Errors
/// If cells are missing or out of order, or writing fails.
pub fn write(path: &Path, existing: Existing, results: &Results) -> anyhow::Result<()> {
    let (found, cells) = (results.cells.len(), results.experiment.cells().len());
    ensure!(results.is_complete(), "the results hold {found} of the {cells} cells of the experiment");
    write_partial(path, existing, results)
}

/// As [`write`](fn@write), for `results` that hold only some cells of the experiment, each complete.
pub fn write_partial(path: &Path, existing: Existing, results: &Results) -> anyhow::Result<()> {
    let places = places(results)?;
    place::write(path, existing, |aside| {
        write_file(aside, results, &places).map_err(files::hdf5::plain)?;
        Ok(seal::seal(aside)?)
    })
}

/// The index of each cell of `results` in the experiment, checking that they are in order and complete.
fn places(results: &Results) -> anyhow::Result<Vec<usize>> {
    let experiment = &results.experiment;
    let mut cells = experiment.cells().into_iter().enumerate();
    let mut place = |results: &CellResults| {
        let index = cells.find(|(_, cell)| *cell == results.cell).map(|(index, _)| index);
        let index = index.with_context(|| format!("cell {} is none of the experiment, or out of order", results.cell))?;
        let in_order =
            results.records.iter().enumerate().all(|(network, record)| (record.unit.cell, record.unit.network) == (index, network));
        let full = results.records.iter().all(|record| record.samples.len() == experiment.samples_of_network());
        ensure!(
            in_order && full && results.records.len() == experiment.networks,
            "cell {} does not hold {} networks of {} inputs in network order",
            results.cell,
            experiment.networks,
            experiment.inputs
        );
        Ok(index)
    };
    results.cells.iter().map(&mut place).collect()
}

fn write_file(path: &Path, results: &Results, places: &[usize]) -> anyhow::Result<()> {
    let file = files::hdf5::create(path)?;
    let axes = Axes::of(&results.experiment, results.experiment.cells().len());
    write_root_attributes(&file, results)?;
    let scales = write_coordinates(&file, &axes)?;
    let mut group = file.create_group_builder();
    group.create_plist().link_creation_order(LinkCreationOrder::Indexed);
    let provenance = group.obj_track_times(false).create(schema::PROVENANCE)?;
    for variable in schema::variables_of(&results.experiment, &axes) {
        create(&file, &variable, &axes, &scales)?;
    }
    write_summaries(&file, results, places, &axes)?;
    write_cells(&file, results, places, &axes)?;
    write_samples(&file, results, places)?;
    results.provenance.write_to(&provenance)?;
    let mut seconds = vec![f64::NAN; axes.shape(schema::UNIT_SECONDS.axes).iter().product()];
    for (cell, &place) in results.cells.iter().zip(places) {
        let networks = seconds[place * results.experiment.networks..].iter_mut();
        networks.zip(&cell.records).for_each(|(seconds, record)| *seconds = record.seconds);
    }
    write_whole(&file, &schema::UNIT_SECONDS, &seconds)?;
    file.flush()?;
    Ok(())
}

fn write_root_attributes(file: &File, results: &Results) -> anyhow::Result<()> {
    set_text(file, "format", schema::FORMAT)?;
    set_number(file, "format_version", schema::version_of(&results.experiment))?;
    set_text(file, "program", schema::PROGRAM)?;
    set_text(file, "experiment", &results.experiment.to_toml())?;
    if let Some(request) = &results.threshold {
        set_text(file, schema::THRESHOLD, &request.to_table().to_string())?;
    }
    set_number(file, "seed", results.experiment.seed)?;
    set_number(file, schema::SCIENCE_VERSION, SCIENCE_VERSION)?;
    set_number(file, schema::METHOD_VERSION, method::VERSION)?;
    set_number(file, "complete", u8::from(results.is_complete()))
}

/// Writes one dimension scale per present axis, in the order of [`Axis::ALL`].
fn write_coordinates(file: &File, axes: &Axes) -> anyhow::Result<Vec<(Axis, Dataset)>> {
    let mut scales = Vec::new();
    for axis in axes.all() {
        let builder = file.new_dataset_builder();
        let scale = match axes.labels(axis) {
            Some(labels) => builder.with_data(&strings(&labels)?).create(axis.name())?,
            None => builder.with_data(axes.along(axis)).create(axis.name())?,
        };
        scales::make_scale(&scale, axis.name())?;
        describe(&scale, "1", axis.long_name())?;
        if axis == Axis::Width {
            set_infinite_width(&scale)?;
        }
        scales.push((axis, scale));
    }
    Ok(scales)
}

fn strings(labels: &[String]) -> anyhow::Result<Vec<VarLenUnicode>> {
    labels.iter().map(|label| Ok(label.parse()?)).collect()
}

fn describe(dataset: &Dataset, units: &str, long_name: &str) -> anyhow::Result<()> {
    set_text(dataset, "units", units)?;
    set_text(dataset, "long_name", long_name)
}

/// Creates the array of `variable`, without data.
fn create(file: &File, variable: &Variable, axes: &Axes, scales: &[(Axis, Dataset)]) -> anyhow::Result<()> {
    let shape = axes.shape(variable.axes);
    let mut builder = file.new_dataset_builder();
    if variable.axes == schema::SAMPLES {
        builder = builder.chunk(chunk(&shape));
        if !matches!(variable.kind, schema::Kind::F64) && deflate_available() {
            builder = builder.shuffle().deflate(DEFLATE_LEVEL);
        }
        builder = builder.fletcher32();
    }
    let dataset = builder.empty_as(variable.kind.descriptor()).shape(shape).create(variable.path)?;
    for (index, axis) in axes.present(variable.axes).into_iter().enumerate() {
        let (_, scale) = scales.iter().find(|(of, _)| *of == axis).context("every axis that is present has a scale")?;
        scales::attach_scale(&dataset, scale, index)?;
    }
    describe(&dataset, variable.units, variable.long_name)?;
    if variable.axes.contains(&Axis::Cell) && !variable.path.starts_with("cell_") && !variable.path.contains('/') {
        // CF convention: xarray attaches these as coordinates.
        let architecture = if axes.has_shapes() { "cell_shape cell_dim" } else { "cell_depth cell_dim cell_width" };
        set_text(&dataset, "coordinates", architecture)?;
    }
    if let Some(flags) = schema::flags(variable) {
        set_flags(&dataset, &flags)?;
    }
    if variable.path == schema::CELL_WIDTH.path {
        set_infinite_width(&dataset)?;
    }
    Ok(())
}

/// Chunk shape: as many inputs, then networks, of one cell as fit [`CHUNK_ELEMENTS`].
fn chunk(shape: &[usize]) -> Vec<usize> {
    let inputs = shape[shape.len() - 1].min(CHUNK_ELEMENTS);
    let networks = (CHUNK_ELEMENTS / inputs).clamp(1, shape[1]);
    if shape.len() == 3 { vec![1, networks, inputs] } else { vec![1, networks, 1, inputs] }
}

fn write_summaries(file: &File, results: &Results, places: &[usize], axes: &Axes) -> anyhow::Result<()> {
    let on_grid: Vec<usize> = results
        .cells
        .iter()
        .map(|cell| axes.place(&cell.cell).with_context(|| format!("cell {} is not on the grid", cell.cell)))
        .collect::<anyhow::Result<_>>()?;
    let directions = results.experiment.directions.len();
    let summaries: Vec<Vec<Summary>> = results.cells.iter().map(|cell| cell.summaries(&results.experiment)).collect();
    let grid: usize = axes.shape(schema::CELL_INDEX.axes).iter().product();

    for field in schema::SUMMARIES.iter().filter(|field| schema::is_written(&results.experiment, &field.variable)) {
        let mut values = vec![f64::NAN; axes.shape(field.variable.axes).iter().product()];
        for (&place, summaries) in on_grid.iter().zip(&summaries) {
            for (values, summary) in values.chunks_mut(grid).zip(summaries) {
                values[place] = (field.of)(summary);
            }
        }
        write_whole(file, &field.variable, &values)?;
    }
    let (mut dead, mut cell_index) = (vec![0u64; directions * grid], vec![-1i64; grid]);
    for ((&place, &index), summaries) in on_grid.iter().zip(places).zip(&summaries) {
        dead.chunks_mut(grid).zip(summaries).for_each(|(dead, summary)| dead[place] = summary.dead);
        cell_index[place] = index as i64;
    }
    write_whole(file, &schema::DEAD, &dead)?;
    write_whole(file, &schema::CELL_INDEX, &cell_index)
}

fn write_cells(file: &File, results: &Results, places: &[usize], axes: &Axes) -> anyhow::Result<()> {
    let cells = results.experiment.cells();
    for (variable, values) in axes.architectures(&cells) {
        write_whole(file, &variable, &values)?;
    }
    let codes = |of: fn(&CellResults) -> u8| {
        let mut codes = vec![schema::NO_METHOD; cells.len()];
        places.iter().zip(&results.cells).for_each(|(&place, cell)| codes[place] = of(cell));
        codes
    };
    write_whole(file, &schema::ENGINE, &codes(|cell| cell.method.engine as u8))?;
    write_whole(file, &schema::SEARCH, &codes(|cell| cell.method.search as u8))
}

/// Writes a contiguous array.
fn write_whole<T: H5Type>(file: &File, variable: &Variable, values: &[T]) -> anyhow::Result<()> {
    let dataset = file.dataset(variable.path)?;
    dataset.write_raw(values).with_context(|| variable.path.to_string())?;
    flush(&dataset)
}

/// Flushes HDF5's buffers of an array. Closing would do so too, but lose the error of a full disk.
pub(crate) fn flush(dataset: &Dataset) -> anyhow::Result<()> {
    dataset.file().and_then(|file| file.flush()).with_context(|| dataset.name())
}

fn write_samples(file: &File, results: &Results, places: &[usize]) -> anyhow::Result<()> {
    write_field(file, results, places, &schema::STEP, f64::NAN, |sample| sample.step)?;
    write_field(file, results, places, &schema::ZERO_STEP, f64::NAN, |sample| sample.zero_step)?;
    write_field(file, results, places, &schema::DISTANCE, f64::NAN, |sample| sample.distance)?;
    write_field(file, results, places, &schema::INPUT_NORM, f64::NAN, |sample| sample.input_norm)?;
    if results.experiment.certify {
        write_field(file, results, places, &schema::CERTIFIED, f64::NAN, |sample| sample.certified)?;
    }
    write_field(file, results, places, &schema::GRADIENT_NORM, f64::NAN, |sample| sample.gradient_norm)?;
    write_field(file, results, places, &schema::VALUE, f64::NAN, |sample| sample.value)?;
    write_field(file, results, places, &schema::STATUS, schema::NOT_RUN, |sample| sample.status as u8)?;
    write_field(file, results, places, &schema::EVALUATIONS, 0, |sample| sample.evaluations)
}

/// Writes one field of all samples, cell by cell so that only one cell is copied at a time; `blank` for missing cells.
fn write_field<T: H5Type + Copy>(
    file: &File,
    results: &Results,
    places: &[usize],
    variable: &Variable,
    blank: T,
    of: fn(&Sample) -> T,
) -> anyhow::Result<()> {
    let dataset = file.dataset(variable.path)?;
    let Experiment { networks, inputs, ref directions, .. } = results.experiment;
    let directions = directions.len();
    let mut values: Vec<T> = Vec::new();
    let mut cells = places.iter().zip(&results.cells).peekable();
    for index in 0..results.experiment.cells().len() {
        values.clear();
        match cells.next_if(|(place, _)| **place == index) {
            Some((_, cell)) => values.extend(cell.records.iter().flat_map(|record| record.samples.iter().map(of))),
            None => values.resize(networks * directions * inputs, blank),
        }
        match directions {
            1 => dataset.write_slice(ArrayView3::from_shape((1, networks, inputs), &values)?, (index..index + 1, .., ..))?,
            _ => {
                let values = ArrayView4::from_shape((1, networks, directions, inputs), &values)?;
                dataset.write_slice(values, (index..index + 1, .., .., ..))?;
            }
        }
    }
    flush(&dataset)
}

/// Records the value that encodes infinite width.
fn set_infinite_width(dataset: &Dataset) -> anyhow::Result<()> {
    set_number(dataset, schema::INFINITE_WIDTH_ATTRIBUTE, INFINITE_WIDTH as i64)
}
