//! The network of a file that `export` wrote as HDF5: W_1 … W_L, a and ψ of f(x) = a·h_L/√k_L, without its inputs and samples.

use std::path::Path;

use hdf5::{Dataset, File};
use ndarray::{Array1, Array2, s};

use super::{Limit, Why};
use crate::files::attribute::{Form, number, text};
use crate::files::contained;
use crate::files::format::FileKind;
use crate::files::hdf5::open;
use crate::model::Activation;
use crate::network::given::{Affine, GivenNetwork, MOST_LAYERS};

/// Bump when an older reader would fail or misread an exported network.
pub const VERSION: u32 = 2;

/// The network, and the names of its arrays. The column of a bias unit becomes the biases of the first layer.
///
/// # Errors
/// Why it is not such a file.
pub fn read(path: &Path, limit: Limit) -> Result<(GivenNetwork, Vec<String>), Why> {
    let file = open(path).map_err(|error| format!("it is not an HDF5 file, or not a whole one: {error}"))?;
    if !is_export(&file) {
        return Err("it is an HDF5 file, but not one that `advstep-hpc export` wrote".to_string());
    }
    let version: u32 = number(&file, "format_version", Form::Any)?;
    if version != VERSION {
        return Err(format!("its format_version is {version}, this program reads {VERSION}"));
    }
    let depth: u64 = number(&file, "depth", Form::Any)?;
    let depth = usize::try_from(depth).ok().filter(|depth| (1..=MOST_LAYERS).contains(depth));
    let depth = depth.ok_or_else(|| format!("its attribute `depth` is not between 1 and {MOST_LAYERS}"))?;
    let name = text(&file, "activation", Form::Any)?;
    let activation = named(&name).ok_or_else(|| format!("it has an activation `{name}` that this program does not know"))?;
    let (mut layers, mut names, mut total) = (Vec::new(), Vec::new(), 0);
    for layer in 1..=depth {
        let name = format!("W{layer}");
        let dataset = array(&file, &name, 2, limit)?;
        total += dataset.size();
        limit.check_numbers(total)?;
        let weights: Array2<f64> = dataset.read_2d().map_err(|error| format!("`{name}`: {error}"))?;
        let bias = vec![0.0; weights.nrows()];
        layers.push(Affine { weights, bias });
        names.push(name);
    }
    if has_bias_unit(&file)? {
        let first = &mut layers[0];
        let dim = first.weights.ncols().checked_sub(1).ok_or("its `W1` has no column of the bias unit")?;
        first.bias = first.weights.column(dim).to_vec();
        first.weights = first.weights.slice(s![.., ..dim]).to_owned();
    }
    let readout: Array1<f64> = array(&file, "a", 1, limit)?.read_1d().map_err(|error| format!("`a`: {error}"))?;
    let scale = (readout.len() as f64).sqrt();
    let readout = readout.mapv(|a| a / scale).insert_axis(ndarray::Axis(0));
    layers.push(Affine { weights: readout, bias: vec![0.0] });
    names.push("a".to_string());
    Ok((GivenNetwork::new(activation, layers)?, names))
}

/// The activation of this name.
pub fn named(name: &str) -> Option<Activation> {
    Activation::ALL.into_iter().find(|activation| activation.name() == name)
}

pub fn is_export(file: &File) -> bool {
    text(file, "format", Form::Any).is_ok_and(|format| format == FileKind::Network.name())
}

/// Whether the last column of `X` and `W1` belongs to a bias unit.
pub fn has_bias_unit(file: &File) -> Result<bool, Why> {
    Ok(number::<u8>(file, "bias", Form::Any)? == 1)
}

/// The array `name`, within `limit`, in `dimensions` dimensions.
fn array(file: &File, name: &str, dimensions: usize, limit: Limit) -> Result<Dataset, Why> {
    let dataset = contained::dataset(file, name)?.ok_or_else(|| format!("it has no array `{name}`"))?;
    limit.count_of(&dataset.shape())?;
    match dataset.ndim() == dimensions {
        true => Ok(dataset),
        false => Err(format!("its array `{name}` has the shape {:?}", dataset.shape())),
    }
}
