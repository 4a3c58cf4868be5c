//! `export`: one network, exactly as `run --engine dense` uses it, for other frameworks: as HDF5 with its inputs and steps, or the network alone as
//! safetensors, NPZ or ONNX.
//!
//! f(x) = a·h_L/√width, with the width of the last hidden layer, h_l = ψ(W_l h_{l−1}) and h_0 = x; the sign of f flips at x + step·p.
//! `docs/file-format.md` lists the datasets.

use std::path::PathBuf;

use anyhow::Context;
use bytesize::ByteSize;
use hdf5::{Dataset, Group, H5Type};
use ndarray::{Array1, Array2, ArrayView, Axis, Dimension, s};

use super::print;
use crate::error::{BadInput, Failed};
use crate::experiment::Experiment;
use crate::files::attribute::{set_flags, set_number, set_text};
use crate::files::format::FileKind;
use crate::files::{self, Existing, Target};
use crate::interchange;
use crate::interchange::network::Format;
use crate::job::Resources;
use crate::kernels::{Bf16Pair, Real, Weight};
use crate::linalg::matmul::zeros;
use crate::linalg::workspace::Workspace;
use crate::machine;
use crate::measure::{CellRun, OutOfRange, Settings, check_samples, directions, samples_along};
use crate::model::{Direction, Precision, Readout, Unit};
use crate::network::dense::Dense;
use crate::network::given::{Affine, GivenNetwork};
use crate::network::inputs::inputs as draw_inputs;
use crate::network::{Engine, ValueAndGradient};
use crate::plan::{Plan, least_memory, number_bytes, plan};
use crate::provenance::program_revision;
use crate::random::NetworkStreams;
use crate::record::{Sample, Status};
use crate::results::write::flush;

/// One network to write to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportRequest {
    /// An experiment of one cell, with enough networks for `unit`.
    pub experiment: Experiment,
    pub unit: Unit,
    pub format: Format,
    /// The file to write.
    pub out: PathBuf,
    pub existing: Existing,
    /// The command line, quoted for a shell.
    pub command_line: String,
}

/// Writes the network of `request` to its file.
///
/// # Errors
/// [`BadInput`] before any work if the network does not fit the memory or the disk; later if a number is not finite or writing fails.
pub fn execute(request: &ExportRequest) -> anyhow::Result<()> {
    let experiment = &request.experiment;
    let memory = machine::memory_of_this_rank(1);
    let plan = planned(request, memory, machine::disk::free(&files::place::behind_links(&request.out)))?;
    let cell = &plan.cells[request.unit.cell].run;
    files::remove_on_signals()?;
    let target = Target::claim(&request.out, "--out", &[])?;
    target.check_free(request.existing)?;
    target.write(request.existing, |path| {
        if request.format != Format::Hdf5 {
            let network = match experiment.precision {
                Precision::F32 => given::<f32>(experiment, cell, request.unit.network),
                Precision::F64 => given::<f64>(experiment, cell, request.unit.network),
                Precision::Bf16x3 => given::<Bf16Pair>(experiment, cell, request.unit.network),
            };
            let network = network.map_err(|why| Failed::new("the network cannot be exported", why, "give another --precision"))?;
            let bytes = interchange::network::write(&network, request.format, experiment.precision);
            let remedy = "give --out with another extension: .h5, .safetensors, .npz or .onnx";
            return Ok(std::fs::write(path, bytes.map_err(|why| Failed::new("the network cannot be exported", why, remedy))?)?);
        }
        let file = files::hdf5::create(path)?;
        match experiment.precision {
            Precision::F32 => write_network::<f32>(&file, request, cell)?,
            Precision::F64 => write_network::<f64>(&file, request, cell)?,
            Precision::Bf16x3 => write_network::<Bf16Pair>(&file, request, cell)?,
        }
        Ok(file.close()?)
    })?;
    Ok(print(&format!("{}\n", request.out.display()))?)
}

/// Plans the network for `memory` bytes, less its largest weight matrix, which is held in full while it is written. `free` is the free
/// disk space in bytes, if known.
fn planned(request: &ExportRequest, memory: u64, free: Option<u64>) -> Result<Plan, BadInput> {
    let alone = Experiment { networks: 1, ..request.experiment.clone() };
    let cell = alone.cells()[request.unit.cell];
    let number = number_bytes(alone.precision) as f64;
    let ends = 3.0 * alone.inputs as f64 * cell.dim as f64;
    let file = (number * (cell.weights() + ends)) as u64;
    let matrix = (number * (1..=cell.depth).map(|layer| cell.weights_of(layer)).fold(0.0, f64::max)) as u64;
    let needed = least_memory(&alone, 1).saturating_add(matrix);
    let refuse = |why: String| {
        let remedy = "give a smaller --dim or --width, fewer --inputs, or export it on a larger machine";
        Err(BadInput::new(format!("the network {cell} is too large to export here"), why, remedy))
    };
    match free {
        Some(free) if file > free => refuse(format!("its file needs {}, the disk has {} free", ByteSize(file), ByteSize(free))),
        _ if needed > memory => {
            refuse(format!("it needs {} of memory, this process may use {}", ByteSize(needed), ByteSize(memory)))
        }
        _ => plan(&alone, Resources { threads: 1, memory: memory - matrix }),
    }
}

/// The network by its weights alone: the column of a bias unit as biases, and 1/√k_L within the readout.
fn given<W: Weight>(experiment: &Experiment, run: &CellRun, network: usize) -> Result<GivenNetwork, String> {
    let Experiment { seed, gain, readout, activation, bias, .. } = *experiment;
    let streams = NetworkStreams::new(seed, run.cell, network, gain, readout);
    let mut engine = Dense::<W>::with(streams, run.cell, activation, zeros((0, run.cell.dim)), run.keep, &Workspace::default());
    let mut layers = Vec::new();
    for layer in 1..=run.cell.depth {
        let mut weights = engine.matrix(layer).mapv(|w| w.to_f64());
        let mut biases = vec![0.0; weights.nrows()];
        if bias && layer == 1 {
            let dim = weights.ncols() - 1;
            biases = weights.column(dim).to_vec();
            weights = weights.slice(s![.., ..dim]).to_owned();
        }
        layers.push(Affine { weights, bias: biases });
    }
    let scale = 1.0 / (run.cell.width_of(run.cell.depth) as f64).sqrt();
    let readout: Array1<f64> = engine.readout().iter().map(|a| scale * a.to_f64()).collect();
    layers.push(Affine { weights: readout.insert_axis(Axis(0)), bias: vec![0.0] });
    GivenNetwork::new(activation, layers)
}

fn write_network<W: Weight<Real: H5Type>>(file: &Group, request: &ExportRequest, run: &CellRun) -> anyhow::Result<()> {
    let Experiment { seed, inputs, gain, readout, bound, precision, activation, bias, .. } = request.experiment;
    let network = request.unit.network;
    let streams = NetworkStreams::new(seed, run.cell, network, gain, readout);
    let x = draw_inputs::<W::Real>(&request.experiment.inputs_law, streams, run.cell, inputs, bias);
    let mut engine = Dense::<W>::with(streams, run.cell, activation, x, run.keep, &Workspace::default());
    let settings = Settings {
        directions: &request.experiment.directions,
        bias,
        streams,
        search: run.method.search,
        bound: request.experiment.bounds(),
        nearest_starts: request.experiment.nearest_starts,
        certify: request.experiment.certify,
    };
    let out_of_range = |why| Failed::from(OutOfRange::new(run.cell, network, precision, why));
    let samples = samples_along(&mut engine, &settings).map_err(|error| out_of_range(error.to_string()))?;
    check_samples(&samples, &request.experiment).map_err(out_of_range)?;
    let direction = request.experiment.directions[0];
    let (ValueAndGradient { value, gradient }, steps) = gradients_and_steps(&mut engine, &samples, direction, bias, streams);

    set_text(file, "format", FileKind::Network.name())?;
    set_number(file, "format_version", interchange::network_file::VERSION)?;
    set_text(file, "program", &format!("advstep-hpc {}", program_revision()))?;
    set_text(file, "command_line", &request.command_line)?;
    let width = if run.cell.has_differing_layers() { "last of hidden" } else { "width" };
    set_text(
        file,
        "formula",
        &format!("f(x) = a . h_L / sqrt({width}), h_l = psi(W_l h_(l-1)), h_0 = x, psi(z) = {}", activation.formula()),
    )?;
    for (name, number) in [("depth", run.cell.depth), ("dim", run.cell.dim), ("width", run.cell.width), ("network", network)] {
        set_number(file, name, number as u64)?;
    }
    if run.cell.has_differing_layers() {
        let widths: Vec<u64> = run.cell.widths().map(|width| width as u64).collect();
        file.new_attr_builder().with_data(&widths).create("hidden")?;
    }
    set_number(file, "seed", seed)?;
    set_number(file, "gain", gain)?;
    set_number(file, "bound", bound)?;
    set_number(file, "bound_distance", request.experiment.bound_distance.unwrap_or(f64::INFINITY))?;
    set_number(file, "nearest_starts", request.experiment.nearest_starts as u64)?;
    set_text(file, "readout", if readout == Readout::Sign { "sign" } else { "gaussian" })?;
    set_text(file, "precision", precision.name())?;
    set_text(file, "search", run.method.search.name())?;
    set_text(file, "activation", activation.name())?;
    set_number(file, "bias", u8::from(bias))?;
    set_text(file, "inputs_law", &request.experiment.inputs_law.to_string())?;
    set_text(file, "direction", direction.name())?;

    for layer in 1..=run.cell.depth {
        write(file, &format!("W{layer}"), "weights, a row a neuron", engine.matrix(layer).view())?;
    }
    write(file, "a", "readout weights", Array1::from(engine.readout()).view())?;
    write(file, "X", "inputs, a row an input", engine.inputs())?;
    write(file, "f", "f at the inputs", Array1::from(value).view())?;
    write(file, "grad", "gradient of f at the inputs, a row an input", gradient.view())?;
    if let Some(steps) = steps {
        write(file, "p", "direction of the step, a row an input", steps.view())?;
    }
    let numbers = |of: fn(&Sample) -> f64| samples.iter().map(of).collect::<Array1<f64>>();
    write(file, "step", "smallest step that flips the sign, NaN where none", numbers(|sample| sample.step).view())?;
    let zero_steps = numbers(|sample| sample.zero_step);
    write(file, "zero_step", "smallest step at which f is 0 without a flip there, NaN if none before the flip", zero_steps.view())?;
    write(file, "distance", "Euclidean distance from x to the flip, NaN where none", numbers(|sample| sample.distance).view())?;
    if request.experiment.certify {
        let long_name = "certified lower bound on the distance at which f loses its sign";
        write(file, "certified_distance", long_name, numbers(|sample| sample.certified).view())?;
    }
    let codes: Array1<u8> = samples.iter().map(|sample| sample.status as u8).collect();
    let status = write(file, "status", "what became of the search", codes.view())?;
    set_flags(&status, &Status::ALL.map(|status| (status as u8, status.name())))
}

/// f and ∇f at the inputs, and the directions of the steps, n × d; none where they are not known before the search.
fn gradients_and_steps<W: Weight>(
    engine: &mut Dense<W>,
    samples: &[Sample],
    direction: Direction,
    bias: bool,
    streams: NetworkStreams,
) -> (ValueAndGradient<W::Real>, Option<Array2<W::Real>>) {
    let (result, mut network) = engine.differentiate();
    if !direction.is_line() {
        return (result, None);
    }
    let mut movable = result.gradient.clone();
    if bias {
        directions::zero_bias(&mut movable);
    }
    let norm: Vec<f64> = samples.iter().map(|sample| sample.gradient_norm).collect();
    let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
    let steps = directions::steps(&mut network, direction, &values, &movable, &norm, bias, streams);
    (result, Some(steps))
}

fn write<T: H5Type, D: Dimension>(file: &Group, name: &str, long_name: &str, array: ArrayView<T, D>) -> anyhow::Result<Dataset> {
    let dataset = file.new_dataset_builder().with_data(array).create(name).with_context(|| format!("cannot write {name}"))?;
    set_text(&dataset, "long_name", long_name)?;
    flush(&dataset)?;
    Ok(dataset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_memory_or_disk_cannot_hold_is_refused() {
        let toml = "depths = [1]\ndims = [1e5]\nwidths = [1e6]\nnetworks = 1\ninputs = 10\nengine = 'dense'\n";
        let request = ExportRequest {
            experiment: Experiment::from_toml(toml, "test").unwrap(),
            unit: Unit { cell: 0, network: 0 },
            format: Format::Hdf5,
            out: "net.h5".into(),
            existing: files::Existing::Refuse,
            command_line: String::new(),
        };
        let why = |memory, free| planned(&request, memory, free).unwrap_err().why;
        // 10¹¹ weights of 4 bytes.
        assert_eq!(why(u64::MAX, Some(100 << 30)), "its file needs 372.5 GiB, the disk has 100.0 GiB free");
        assert!(why(24 << 30, None).starts_with("it needs 372."), "{}", why(24 << 30, None));
        let enough = 400_000_000_000 + (1 << 30);
        let plan = planned(&request, enough, Some(enough)).unwrap();
        assert!(plan.cells[0].unit_bytes + plan.process_bytes + 400_000_000_000 <= enough);
    }
}
