//! A measurement ↔ an HDF5 file, written atomically and sealed like results files; contents in `docs/file-format.md`.

use std::path::Path;

use hdf5::types::{TypeDescriptor, VarLenUnicode};
use hdf5::{Dataset, File, H5Type};

use super::{Measurement, Options};
use crate::error::BadInput;
use crate::files::attribute::{Form, set_flags, set_number, set_text, text};
use crate::files::crash::guarded_as;
use crate::files::format::{self, FileKind};
use crate::files::{self, Existing, place, seal};
use crate::interchange::inputs::Labels;
use crate::measure::SCIENCE_VERSION;
use crate::measure::given::NO_CLASS;
use crate::model::Direction;
use crate::provenance::Provenance;
use crate::record::{Sample, Status, check_sample};
use crate::results::scales::{attach_scale, make_scale};

/// Bump when an older reader would fail or misread a file.
const VERSION: u32 = 1;
const REMEDY: &str = "give a file that `advstep-hpc measure` wrote";

/// Writes `measurement` to `path`.
pub fn write(path: &Path, existing: Existing, measurement: &Measurement, provenance: &Provenance) -> anyhow::Result<()> {
    place::write(path, existing, |aside| {
        write_file(aside, measurement, provenance).map_err(files::hdf5::plain)?;
        Ok(seal::seal(aside)?)
    })
}

fn write_file(path: &Path, measurement: &Measurement, provenance: &Provenance) -> anyhow::Result<()> {
    let Measurement { options, labels, samples, predicted, reached } = measurement;
    let file = files::hdf5::create(path)?;
    set_text(&file, "format", FileKind::Measurement.name())?;
    set_number(&file, "format_version", VERSION)?;
    set_number(&file, "science_version", SCIENCE_VERSION)?;
    set_text(&file, "options", &options.to_table().to_string())?;
    let input = dataset(&file, "input", "row of the input in its file", (0..options.rows as i64).collect())?;
    let direction = dataset(&file, "direction", "direction of the steps", codes(options))?;
    set_flags(&direction, &Direction::ALL.map(|direction| (direction as i64, direction.name())))?;
    make_scale(&input, "input")?;
    make_scale(&direction, "direction")?;
    let writer = Writer { file: &file, scales: [&input, &direction] };
    match labels {
        None => {}
        Some(Labels::Numbers(numbers)) => writer.of_inputs("label", "label of the input", numbers.clone())?,
        Some(Labels::Texts(texts)) => {
            let texts = texts.iter().map(|text| Ok(text.replace('\0', " ").parse()?)).collect::<anyhow::Result<_>>()?;
            writer.of_inputs::<VarLenUnicode>("label", "label of the input", texts)?;
        }
    }
    let of_inputs = |of: fn(&Sample) -> f64| samples[0].iter().map(of).collect();
    writer.of_inputs("value", "f(x)", of_inputs(|sample| sample.value))?;
    writer.of_inputs("gradient_norm", "norm of the gradient of f at x", of_inputs(|sample| sample.gradient_norm))?;
    writer.of_inputs("input_norm", "norm of x", of_inputs(|sample| sample.input_norm))?;
    writer.of_samples("step", "smallest step that flips the sign, NaN where none", samples, |sample| sample.step)?;
    let long_name = "smallest step at which f is 0 without a flip there, NaN if none before the flip";
    writer.of_samples("zero_step", long_name, samples, |sample| sample.zero_step)?;
    writer.of_samples("distance", "Euclidean distance from x to the flip, NaN where none", samples, |sample| sample.distance)?;
    writer.of_samples("relative_distance", "distance over the norm of x", samples, super::summary::relative)?;
    writer.of_samples("status", "what became of the search", samples, |sample| sample.status as u8)?;
    set_flags(&file.dataset("status")?, &Status::ALL.map(|status| (status as u8, status.name())))?;
    writer.of_samples("evaluations", "work of the search", samples, |sample| sample.evaluations)?;
    if options.is_margin() {
        writer.of_inputs("predicted", "predicted class", predicted.iter().map(|&class| class_code(class)).collect())?;
        let long_name = "class that passes the predicted one at the step, -1 where none";
        writer.of_samples("reached", long_name, reached, |&class| class_code(class))?;
    }
    provenance.write_to(&file.create_group("provenance")?)?;
    file.flush()?;
    Ok(file.close()?)
}

/// −1 for no class.
fn class_code(class: u32) -> i64 {
    if class == NO_CLASS { -1 } else { class.into() }
}

fn codes(options: &Options) -> Vec<i64> {
    options.directions.iter().map(|&direction| direction as i64).collect()
}

fn dataset<T: H5Type>(file: &File, name: &str, long_name: &str, values: Vec<T>) -> anyhow::Result<Dataset> {
    let dataset = file.new_dataset_builder().obj_track_times(false).with_data(&values).create(name)?;
    set_text(&dataset, "units", "1")?;
    set_text(&dataset, "long_name", long_name)?;
    Ok(dataset)
}

struct Writer<'a> {
    file: &'a File,
    /// `input` and `direction`.
    scales: [&'a Dataset; 2],
}

impl Writer<'_> {
    fn of_inputs<T: H5Type>(&self, name: &str, long_name: &str, values: Vec<T>) -> anyhow::Result<()> {
        attach_scale(&dataset(self.file, name, long_name, values)?, self.scales[0], 0)
    }

    /// An array over inputs and directions, from values by direction and input.
    fn of_samples<S, T: H5Type>(&self, name: &str, long_name: &str, values: &[Vec<S>], of: impl Fn(&S) -> T) -> anyhow::Result<()> {
        let (directions, inputs) = (values.len(), values[0].len());
        let rows: Vec<T> = (0..inputs).flat_map(|input| values.iter().map(move |along| &along[input])).map(of).collect();
        let rows = ndarray::Array2::from_shape_vec((inputs, directions), rows)?;
        let dataset = self.file.new_dataset_builder().obj_track_times(false).with_data(&rows).create(name)?;
        set_text(&dataset, "units", "1")?;
        set_text(&dataset, "long_name", long_name)?;
        self.scales.iter().enumerate().try_for_each(|(axis, scale)| attach_scale(&dataset, scale, axis))
    }
}

/// Why a file is refused.
type Why = String;

/// Reads the measurement at `path`; with `unsealed` also one whose seal was lost when another program rewrote it. Memory use is bounded by a multiple
/// of the file size.
///
/// # Errors
/// [`BadInput`] for any defect of the file.
pub fn read(path: &Path, unsealed: bool) -> Result<Measurement, BadInput> {
    let refused = |why, remedy: &str| BadInput::new(format!("cannot read the measurement {}", path.display()), why, remedy);
    let form = format::form(path, unsealed, REMEDY, refused)?;
    guarded_as(form, path, || read_file(path, form)).map_err(|why| refused(why, REMEDY))
}

fn read_file(path: &Path, form: Form) -> Result<Measurement, Why> {
    let (file, bytes) = format::open(path, form, FileKind::Measurement, VERSION, SCIENCE_VERSION)?;
    let options = text(&file, "options", form)?.parse().ok().and_then(Options::from_table);
    let options = options.ok_or("its attribute `options` is damaged")?;
    let source = Source { file: &file, bytes, inputs: options.rows, directions: options.directions.len() };
    if source.array::<i64>("direction", source.directions)? != codes(&options) {
        return Err("its directions are not those of its options".to_string());
    }
    let labels = source.labels()?;
    let samples = source.samples(&options)?;
    let (predicted, reached) = match options.is_margin() {
        true => {
            let predicted = source.array("predicted", source.inputs)?;
            let reached: Vec<i64> = source.array("reached", source.inputs.saturating_mul(source.directions))?;
            (classes(&predicted, &options)?, by_direction(&classes(&reached, &options)?, source.directions))
        }
        false => (Vec::new(), Vec::new()),
    };
    Ok(Measurement { options, labels, samples, predicted, reached })
}

/// Values of samples, input-major, by direction.
fn by_direction<T: Clone>(values: &[T], directions: usize) -> Vec<Vec<T>> {
    (0..directions).map(|direction| values.iter().skip(direction).step_by(directions).cloned().collect()).collect()
}

fn classes(codes: &[i64], options: &Options) -> Result<Vec<u32>, Why> {
    let class = |code: &i64| match *code {
        -1 => Some(NO_CLASS),
        code => u32::try_from(code).ok().filter(|&class| (class as usize) < options.outputs),
    };
    codes.iter().map(class).collect::<Option<_>>().ok_or_else(|| "it names a class that the network does not have".to_string())
}

/// An open file.
struct Source<'a> {
    file: &'a File,
    bytes: u64,
    inputs: usize,
    directions: usize,
}

impl Source<'_> {
    /// The array `name`, which has to have `count` elements. A small file may declare any size.
    fn array<T: H5Type>(&self, name: &str, count: usize) -> Result<Vec<T>, Why> {
        let dataset = self.file.dataset(name).map_err(|_| format!("it has no array `{name}`"))?;
        if dataset.size() != count || count.saturating_mul(size_of::<T>()) as u64 > self.bytes {
            return Err(format!(
                "its array `{name}` has {} elements in place of {count}, or more than the file holds",
                dataset.size()
            ));
        }
        dataset.read_raw().map_err(|error| format!("its array `{name}` cannot be read: {error}"))
    }

    fn labels(&self) -> Result<Option<Labels>, Why> {
        let Ok(dataset) = self.file.dataset("label") else { return Ok(None) };
        let descriptor = dataset.dtype().and_then(|dtype| dtype.to_descriptor()).map_err(|error| error.to_string())?;
        if matches!(descriptor, TypeDescriptor::Integer(_)) {
            return Ok(Some(Labels::Numbers(self.array("label", self.inputs)?)));
        }
        let texts: Vec<VarLenUnicode> = self.array("label", self.inputs)?;
        let utf8 =
            |text: &VarLenUnicode| String::from_utf8(text.as_bytes().to_vec()).map_err(|_| "a label is not UTF-8".to_string());
        Ok(Some(Labels::Texts(texts.iter().map(utf8).collect::<Result<_, _>>()?)))
    }

    fn samples(&self, options: &Options) -> Result<Vec<Vec<Sample>>, Why> {
        let count = self.inputs.saturating_mul(self.directions);
        let [value, gradient_norm, input_norm] =
            [self.array("value", self.inputs)?, self.array("gradient_norm", self.inputs)?, self.array("input_norm", self.inputs)?];
        let [step, zero_step, distance]: [Vec<f64>; 3] =
            [self.array("step", count)?, self.array("zero_step", count)?, self.array("distance", count)?];
        let status: Vec<u8> = self.array("status", count)?;
        let evaluations: Vec<u32> = self.array("evaluations", count)?;
        let sample = |at: usize| {
            let input = at / self.directions;
            let status = Status::from_code(status[at]).ok_or_else(|| format!("{} is not the code of a status", status[at]))?;
            let sample = Sample {
                step: step[at],
                zero_step: zero_step[at],
                distance: distance[at],
                status,
                evaluations: evaluations[at],
                ..Sample::unsearched(value[input], gradient_norm[input], input_norm[input])
            };
            check_sample(&sample, options.bounds()).map_err(|why| format!("its input {input} has {why}"))?;
            Ok(sample)
        };
        let samples = (0..count).map(sample).collect::<Result<Vec<_>, Why>>()?;
        Ok(by_direction(&samples, self.directions))
    }
}
