//! A network file of any format that is read, by its extension, as a [`GivenNetwork`]; and the formats that are written.
//!
//! The softplus of other programs is ln(1 + eᶻ), ours ln(1 + eᶻ) − ln 2: the difference moves into the biases, in both directions.

use std::f64::consts::LN_2;
use std::path::Path;

use super::{Limit, Why, bytes_of, extension, network_file, npz, onnx, safetensors, state_dict};
use crate::error::BadInput;
use crate::files::crash::guarded;
use crate::model::{Activation, Precision};
use crate::network::given::GivenNetwork;

const REMEDY: &str =
    "give a fully connected network: a PyTorch state_dict as .safetensors or .npz, an .onnx model, or an .h5 file of export";

/// A format of networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    Npz,
    Onnx,
    /// Our own, with inputs and steps.
    Hdf5,
}

impl Format {
    /// The format of a path by its extension.
    pub fn of(path: &Path) -> Option<Self> {
        match extension(path).as_str() {
            "safetensors" => Some(Format::Safetensors),
            "npz" => Some(Format::Npz),
            "onnx" => Some(Format::Onnx),
            "h5" | "hdf5" => Some(Format::Hdf5),
            _ => None,
        }
    }
}

/// Slopes below 0 of the leaky ReLU of a `state_dict`.
#[derive(Debug, Clone, PartialEq)]
pub enum Slopes {
    /// One for all hidden layers, or one per hidden layer.
    Given(Vec<f64>),
    /// The weights of its PReLU modules, one per layer or neuron.
    Prelu,
}

/// A network that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkRead {
    pub network: GivenNetwork,
    /// The names of its weights in the file, from the first layer to the readout.
    pub names: Vec<String>,
    /// Nodes behind its outputs that are left out.
    pub left_out: Vec<String>,
}

/// Reads the network at `path`. `activation` is that of formats that do not say; it may repeat what the file says. `slopes` are those of a leaky ReLU.
///
/// # Errors
/// The file cannot be read, holds more than `limit`, is no fully connected network, its activation is unknown or another, or its slopes are not those
/// of a `state_dict`.
pub fn read(path: &Path, activation: Option<Activation>, slopes: Option<&Slopes>, limit: Limit) -> Result<NetworkRead, BadInput> {
    let refuse = |why: Why, remedy: &str| BadInput::new(format!("cannot read the network {}", path.display()), why, remedy);
    let Some(format) = Format::of(path) else {
        return Err(refuse("its extension names no format that is read".to_string(), REMEDY));
    };
    if slopes.is_some() && matches!(format, Format::Onnx | Format::Hdf5) {
        return Err(refuse("--slope is given, and it says itself which slopes it has".to_string(), "omit --slope"));
    }
    // Before the HDF5 library, which cannot read pipes.
    let bytes = match format {
        Format::Hdf5 if std::fs::metadata(path).is_ok_and(|found| found.is_file()) => Ok(Vec::new()),
        _ => bytes_of(path, limit),
    };
    let bytes = bytes.map_err(|error| refuse(error.to_string(), REMEDY))?;
    let read = match format {
        Format::Hdf5 => {
            let read = guarded(path, || network_file::read(path, limit));
            read.map(|(network, names)| NetworkRead { network, names, left_out: Vec::new() })
        }
        Format::Safetensors => {
            let (tensors, named) = safetensors::read(&bytes, limit).map_err(|why| refuse(why, REMEDY))?;
            let named = named.map(|name| network_file::named(&name).ok_or_else(|| unknown(&name))).transpose();
            let named = named.map_err(|why| refuse(why, REMEDY))?;
            let activation = agreed(named, activation.or(of_linear(&tensors).filter(|_| named.is_none())), refuse)?;
            return of_tensors(tensors, activation, slopes, limit, refuse);
        }
        Format::Onnx => onnx::read(&bytes, limit).and_then(|chain| {
            let mut network = GivenNetwork::new(chain.activation, chain.layers)?;
            if chain.activation.is_piecewise_linear() {
                network = network.with_slopes(chain.slopes)?;
            }
            let network = network.with_shifted_activation(foreign_shift(chain.activation));
            Ok(NetworkRead { network, names: chain.names, left_out: chain.left_out })
        }),
        Format::Npz => {
            let tensors = npz::read(&bytes, limit).map_err(|why| refuse(why, REMEDY))?;
            let activation = agreed(None, activation.or(of_linear(&tensors)), refuse)?;
            return of_tensors(tensors, activation, slopes, limit, refuse);
        }
    };
    let read = read.map_err(|why| refuse(why, REMEDY))?;
    // A linear function has none.
    if read.network.widths().next().is_some() {
        agreed(Some(read.network.activation()), activation, refuse)?;
    }
    Ok(read)
}

/// Any activation, if there is one matrix only, and so no hidden layer.
fn of_linear(tensors: &[state_dict::Tensor]) -> Option<Activation> {
    let matrices = tensors.iter().filter(|tensor| tensor.shape.len() == 2).count();
    (matrices == 1).then_some(Activation::Relu)
}

fn unknown(name: &str) -> Why {
    format!("its metadata names an activation `{name}` that this program does not know")
}

/// The activation `named` by the file, or the one `given`.
fn agreed(
    named: Option<Activation>,
    given: Option<Activation>,
    refuse: impl Fn(Why, &str) -> BadInput,
) -> Result<Activation, BadInput> {
    match (named, given) {
        (Some(named), Some(given)) if named != given => {
            let why = format!("it says that its activation is {}, not {}", named.name(), given.name());
            Err(refuse(why, "omit --activation, and --slope if it is not leaky-relu"))
        }
        (Some(activation), _) | (None, Some(activation)) => Ok(activation),
        (None, None) => Err(refuse("it does not say which activation it has".to_string(), "give --activation, such as relu")),
    }
}

fn of_tensors(
    mut tensors: Vec<state_dict::Tensor>,
    activation: Activation,
    slopes: Option<&Slopes>,
    limit: Limit,
    refuse: impl Fn(Why, &str) -> BadInput,
) -> Result<NetworkRead, BadInput> {
    const SLOPES: &str = "give --slope one slope, one per hidden layer, or prelu for the weights of PReLU in a state_dict";
    let prelu = match slopes {
        Some(Slopes::Prelu) => Some(state_dict::take_slopes(&mut tensors).map_err(|why| refuse(why, SLOPES))?),
        _ => None,
    };
    let made = state_dict::layers(tensors, limit).and_then(|(layers, names)| Ok((GivenNetwork::new(activation, layers)?, names)));
    let (network, names) = made.map_err(|why| refuse(why, REMEDY))?;
    let hidden = network.widths().count();
    let by_layer = match slopes {
        Some(Slopes::Given(slopes)) if hidden == 0 || ![1, hidden].contains(&slopes.len()) => {
            let count = slopes.len();
            return Err(refuse(format!("--slope has {count} numbers, and its hidden layers are {hidden}"), SLOPES));
        }
        Some(Slopes::Given(slopes)) => Some(slopes.iter().cycle().take(hidden).map(|&slope| vec![slope]).collect()),
        _ => prelu,
    };
    let network = match by_layer {
        Some(slopes) => network.with_slopes(slopes).map_err(|why| refuse(why, SLOPES))?,
        None => network.with_shifted_activation(foreign_shift(activation)),
    };
    Ok(NetworkRead { network, names, left_out: Vec::new() })
}

/// What the ψ of other programs is more than ours.
fn foreign_shift(activation: Activation) -> f64 {
    if activation == Activation::Softplus { LN_2 } else { 0.0 }
}

/// The file of `network` in a format other than our own.
///
/// # Errors
/// The format cannot hold it.
pub fn write(network: &GivenNetwork, format: Format, precision: Precision) -> Result<Vec<u8>, Why> {
    let activation = network.activation();
    if !network.slopes().is_empty() && format != Format::Onnx {
        return Err("this format does not hold the slopes of an activation".to_string());
    }
    let foreign = network.clone().with_shifted_activation(-foreign_shift(activation));
    match format {
        Format::Safetensors => safetensors::write(&state_dict::tensors(&foreign), precision, activation.name()),
        Format::Npz => npz::write(&state_dict::tensors(&foreign), precision),
        Format::Onnx => Ok(onnx::write(&foreign, precision)),
        Format::Hdf5 => Err("the HDF5 format is written by `export` itself".to_string()),
    }
}
