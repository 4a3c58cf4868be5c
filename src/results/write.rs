//! [`Results`] → an HDF5 file in netCDF-4 conventions, written atomically. A [`Writer`] takes the cells in any order, as they are finished.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, ensure};
use hdf5::filters::deflate_available;
use hdf5::plist::file_create::LinkCreationOrder;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, File, Group, H5Type};
use ndarray::{ArrayView3, ArrayView4};

use super::schema::{self, Axes, Axis, Variable};
use super::{CellResults, CellSummary, Results, scales};
use crate::experiment::Experiment;
use crate::files::attribute::{set_flags, set_number, set_text};
use crate::files::seal::Pieces;
use crate::files::{self, Existing, chunks, place};
use crate::measure::SCIENCE_VERSION;
use crate::method;
use crate::model::{Cell, INFINITE_WIDTH};
use crate::provenance::Provenance;
use crate::record::{Sample, UnitRecord};
use crate::threshold::Request;

/// Elements per chunk of the sample arrays: 512 KiB of f64, half of HDF5's default chunk cache.
const CHUNK_ELEMENTS: usize = 1 << 16;
/// Deflate level (1 to 9) of the integer sample arrays. Those of f64 are not compressed: with random mantissas it would save a fifth of the file
/// and make writing it five times as long.
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
        let mut writer = Writer::create(aside, &results.experiment, results.threshold.as_ref())?;
        places.iter().zip(&results.cells).try_for_each(|(&index, cell)| writer.write(index, cell))?;
        writer.finish(&results.provenance).map(drop)
    })
}

/// The index of each cell of `results` in the experiment, checking that they are in order and complete.
fn places(results: &Results) -> anyhow::Result<Vec<usize>> {
    let mut cells = results.experiment.cells().into_iter().enumerate();
    let mut place = |cell: &CellResults| {
        let index = cells.find(|(_, other)| *other == cell.cell).map(|(index, _)| index);
        let index = index.with_context(|| format!("cell {} is none of the experiment, or out of order", cell.cell))?;
        check_whole(&results.experiment, index, cell).map(|()| index)
    };
    results.cells.iter().map(&mut place).collect()
}

/// Checks that `results`, those of cell `index`, are complete and in order.
fn check_whole(experiment: &Experiment, index: usize, results: &CellResults) -> anyhow::Result<()> {
    let mut records = results.records.iter().enumerate();
    let is_whole = results.records.len() == experiment.networks
        && records.all(|(network, record)| {
            (record.unit.cell, record.unit.network) == (index, network) && record.samples.len() == experiment.samples_of_network()
        });
    ensure!(
        is_whole,
        "cell {} does not hold {} networks of {} inputs in network order",
        results.cell,
        experiment.networks,
        experiment.inputs
    );
    Ok(())
}

/// A results file that is written cell by cell, in any order, to a path that no other program reads yet. After an error it is of no use.
pub struct Writer {
    path: PathBuf,
    file: File,
    /// The same file, to read what is written.
    reader: std::fs::File,
    experiment: Experiment,
    all: Vec<Cell>,
    axes: Axes,
    provenance: Group,
    /// The arrays of the raw samples.
    samples: Vec<(Field, Dataset)>,
    /// The cells written, by index.
    cells: BTreeMap<usize, Written>,
    /// Checksums of the chunks written.
    pieces: Pieces,
}

/// What is left to write of a cell whose samples are written.
struct Written {
    summary: CellSummary,
    /// Of each network.
    seconds: Vec<f64>,
}

impl Writer {
    /// Creates or truncates the file at `path`.
    ///
    /// # Errors
    /// Those of HDF5 and the file system, here and below.
    pub fn create(path: &Path, experiment: &Experiment, threshold: Option<&Request>) -> anyhow::Result<Self> {
        Self::begin(path, experiment, threshold).map_err(files::hdf5::plain)
    }

    fn begin(path: &Path, experiment: &Experiment, threshold: Option<&Request>) -> anyhow::Result<Self> {
        let file = files::hdf5::create(path).context("cannot create it")?;
        let all = experiment.cells();
        let axes = Axes::of(experiment, all.len());
        write_root_attributes(&file, experiment, threshold)?;
        let scales = write_coordinates(&file, &axes)?;
        let mut group = file.create_group_builder();
        group.create_plist().link_creation_order(LinkCreationOrder::Indexed);
        let provenance = group.obj_track_times(false).create(schema::PROVENANCE)?;
        for variable in schema::variables_of(experiment, &axes) {
            create(&file, &variable, &axes, &scales)?;
        }
        let is_written = |field: &Field| schema::is_written(experiment, &field.variable);
        let open = |field: Field| Ok((field, file.dataset(field.variable.path)?));
        let samples = FIELDS.into_iter().filter(is_written).map(open).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            path: path.to_path_buf(),
            reader: std::fs::File::open(path)?,
            file,
            experiment: experiment.clone(),
            all,
            axes,
            provenance,
            samples,
            cells: BTreeMap::new(),
            pieces: Pieces::default(),
        })
    }

    /// Writes the samples of cell `index` of the experiment, once, and keeps its statistics for the end.
    ///
    /// # Errors
    /// Also if the cell is another one, or not complete.
    pub fn write(&mut self, index: usize, results: &CellResults) -> anyhow::Result<()> {
        ensure!(self.all.get(index) == Some(&results.cell), "cell {} is not number {index} of the experiment", results.cell);
        check_whole(&self.experiment, index, results)?;
        let experiment = self.experiment.clone();
        let summarised = || results.summarised(&experiment);
        let (written, summary) = thread::scope(|scope| {
            let beside = thread::Builder::new().spawn_scoped(scope, summarised);
            let written = self.write_samples(index, Some(&results.records));
            // Without another thread, in this one.
            let summary = beside.map_or_else(|_| summarised(), |thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            (written, summary)
        });
        written.map_err(files::hdf5::plain)?;
        let seconds = results.records.iter().map(|record| record.seconds).collect();
        self.cells.insert(index, Written { summary, seconds });
        Ok(())
    }

    /// Writes the rest, closes and seals the file; returns the cells written, in the order of the experiment. The other ones are blank.
    pub fn finish(self, provenance: &Provenance) -> anyhow::Result<Vec<CellSummary>> {
        self.end(provenance).map_err(files::hdf5::plain)
    }

    fn end(mut self, provenance: &Provenance) -> anyhow::Result<Vec<CellSummary>> {
        for index in (0..self.all.len()).filter(|index| !self.cells.contains_key(index)).collect::<Vec<_>>() {
            self.write_samples(index, None)?;
        }
        self.write_statistics()?;
        self.write_cells()?;
        provenance.write_to(&self.provenance)?;
        let mut seconds = vec![f64::NAN; self.axes.shape(schema::UNIT_SECONDS.axes).iter().product()];
        for (index, cell) in &self.cells {
            seconds[index * self.experiment.networks..][..cell.seconds.len()].copy_from_slice(&cell.seconds);
        }
        write_whole(&self.file, &schema::UNIT_SECONDS, &seconds)?;
        set_number(&self.file, "complete", u8::from(self.cells.len() == self.all.len()))?;
        let Self { path, file, provenance, samples, cells, pieces, .. } = self;
        file.flush()?;
        // The file is closed with the last handle.
        drop((provenance, samples, file));
        pieces.seal(&path)?;
        Ok(cells.into_values().map(|cell| cell.summary).collect())
    }

    fn write_statistics(&self) -> anyhow::Result<()> {
        let place = |(&index, cell): (&usize, &Written)| {
            let cell = &cell.summary.cell;
            Ok((index, self.axes.place(cell).with_context(|| format!("cell {cell} is not on the grid"))?))
        };
        let places = self.cells.iter().map(place).collect::<anyhow::Result<Vec<_>>>()?;
        let cells = || places.iter().zip(self.cells.values()).map(|(&(index, place), cell)| (index, place, &cell.summary.along));
        let grid: usize = self.axes.shape(schema::CELL_INDEX.axes).iter().product();
        for field in schema::SUMMARIES.iter().filter(|field| schema::is_written(&self.experiment, &field.variable)) {
            let mut values = vec![f64::NAN; self.axes.shape(field.variable.axes).iter().product()];
            for (_, place, summaries) in cells() {
                values.chunks_mut(grid).zip(summaries).for_each(|(values, summary)| values[place] = (field.of)(summary));
            }
            write_whole(&self.file, &field.variable, &values)?;
        }
        let (mut dead, mut cell_index) = (vec![0u64; self.experiment.directions.len() * grid], vec![-1i64; grid]);
        for (index, place, summaries) in cells() {
            dead.chunks_mut(grid).zip(summaries).for_each(|(dead, summary)| dead[place] = summary.dead);
            cell_index[place] = index as i64;
        }
        write_whole(&self.file, &schema::DEAD, &dead)?;
        write_whole(&self.file, &schema::CELL_INDEX, &cell_index)
    }

    fn write_cells(&self) -> anyhow::Result<()> {
        for (variable, values) in self.axes.architectures(&self.all) {
            write_whole(&self.file, &variable, &values)?;
        }
        let codes = |of: fn(&CellSummary) -> u8| -> Vec<u8> {
            let code = |index| self.cells.get(&index).map_or(schema::NO_METHOD, |cell| of(&cell.summary));
            (0..self.all.len()).map(code).collect()
        };
        write_whole(&self.file, &schema::ENGINE, &codes(|cell| cell.method.engine as u8))?;
        write_whole(&self.file, &schema::SEARCH, &codes(|cell| cell.method.search as u8))
    }

    /// Writes the samples of cell `index`, or blanks, and adds their checksums to the pieces.
    fn write_samples(&mut self, index: usize, records: Option<&[UnitRecord]>) -> anyhow::Result<()> {
        for (field, dataset) in &self.samples {
            match field.of {
                Column::Float(of) => self.write_column(dataset, index, records, of, f64::NAN),
                Column::Status(of) => self.write_column(dataset, index, records, of, schema::NOT_RUN),
                Column::Count(of) => self.write_column(dataset, index, records, of, 0),
            }
            .with_context(|| field.variable.path.to_string())?;
        }
        self.file.flush().with_context(|| format!("cell {index}"))?;
        let shape = self.axes.shape(schema::SAMPLES);
        for (_, dataset) in &self.samples {
            for (start, length) in chunks::of_row(dataset, index, &shape, &chunk(&shape)) {
                self.pieces.add(&self.reader, start, length)?;
            }
        }
        Ok(())
    }

    /// Writes one field of all samples of cell `index`; `blank` without records.
    fn write_column<T: H5Type + Copy>(
        &self,
        dataset: &Dataset,
        index: usize,
        records: Option<&[UnitRecord]>,
        of: fn(&Sample) -> T,
        blank: T,
    ) -> anyhow::Result<()> {
        let Experiment { networks, inputs, ref directions, .. } = self.experiment;
        let directions = directions.len();
        let values: Vec<T> = match records {
            Some(records) => records.iter().flat_map(|record| record.samples.iter().map(of)).collect(),
            None => vec![blank; networks * directions * inputs],
        };
        match directions {
            1 => dataset.write_slice(ArrayView3::from_shape((1, networks, inputs), &values)?, (index..index + 1, .., ..))?,
            _ => {
                let values = ArrayView4::from_shape((1, networks, directions, inputs), &values)?;
                dataset.write_slice(values, (index..index + 1, .., .., ..))?;
            }
        }
        Ok(())
    }
}

/// An array of raw samples and what it holds of them.
#[derive(Clone, Copy)]
struct Field {
    variable: Variable,
    of: Column,
}

#[derive(Clone, Copy)]
enum Column {
    Float(fn(&Sample) -> f64),
    Status(fn(&Sample) -> u8),
    Count(fn(&Sample) -> u32),
}

const FIELDS: [Field; 9] = [
    Field { variable: schema::STEP, of: Column::Float(|sample| sample.step) },
    Field { variable: schema::ZERO_STEP, of: Column::Float(|sample| sample.zero_step) },
    Field { variable: schema::DISTANCE, of: Column::Float(|sample| sample.distance) },
    Field { variable: schema::INPUT_NORM, of: Column::Float(|sample| sample.input_norm) },
    Field { variable: schema::CERTIFIED, of: Column::Float(|sample| sample.certified) },
    Field { variable: schema::GRADIENT_NORM, of: Column::Float(|sample| sample.gradient_norm) },
    Field { variable: schema::VALUE, of: Column::Float(|sample| sample.value) },
    Field { variable: schema::STATUS, of: Column::Status(|sample| sample.status as u8) },
    Field { variable: schema::EVALUATIONS, of: Column::Count(|sample| sample.evaluations) },
];

fn write_root_attributes(file: &File, experiment: &Experiment, threshold: Option<&Request>) -> anyhow::Result<()> {
    set_text(file, "format", schema::FORMAT)?;
    set_number(file, "format_version", schema::version_of(experiment))?;
    set_text(file, "program", schema::PROGRAM)?;
    set_text(file, "experiment", &experiment.to_toml())?;
    if let Some(request) = threshold {
        set_text(file, schema::THRESHOLD, &request.to_table().to_string())?;
    }
    set_number(file, "seed", experiment.seed)?;
    set_number(file, schema::SCIENCE_VERSION, SCIENCE_VERSION)?;
    set_number(file, schema::METHOD_VERSION, method::VERSION)
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

/// Records the value that encodes infinite width.
fn set_infinite_width(dataset: &Dataset) -> anyhow::Result<()> {
    set_number(dataset, schema::INFINITE_WIDTH_ATTRIBUTE, INFINITE_WIDTH as i64)
}
