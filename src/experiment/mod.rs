//! A validated [`Experiment`], its [`Cell`]s (depth, dim, width) and their units (networks).
//!
//! [`options::Options::validate`] is the only way to make an `Experiment`, so later code can rely on its invariants. It holds exactly what
//! determines the output bits: no ranks, threads or memory.

pub mod file;
pub mod inputs_file;
mod layers;
pub mod options;
pub mod presets;
pub mod shard;
mod union;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use toml::Table;

use crate::model::{Activation, Bound, Cell, Direction, EngineChoice, INFINITE_WIDTH, InputsLaw, Precision, Readout, SearchChoice};
use crate::stats::distinct;
use crate::text::{differing, values_apart};
pub use shard::Shard;

/// The default of [`Experiment::nearest_starts`]: with it the mean distance is below that of 300 steps of the attack DDN (`tests/program/export.rs`).
pub const NEAREST_STARTS: usize = 4;

/// A validated experiment: everything that determines the results outside `/provenance`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Experiment {
    /// Numbers of hidden layers L ≥ 1, ascending, distinct. Empty if `hidden` is given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depths: Vec<usize>,
    /// Input dimensions d ≥ 1, ascending, distinct.
    pub dims: Vec<usize>,
    /// Hidden widths k ≥ 1, ascending, distinct; [`INFINITE_WIDTH`] for the limit. Empty if `hidden` is given.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "serialize_widths")]
    pub widths: Vec<usize>,
    /// Networks per cell.
    pub networks: usize,
    /// Inputs per network.
    pub inputs: usize,
    /// Weight variance of layers 2 .. L times fan-in: 1 in the paper, 2 is He scaling.
    pub gain: f64,
    pub readout: Readout,
    /// ψ of every layer.
    pub activation: Activation,
    /// Whether the last coordinate of every input is a bias unit: fixed at 1, not changed by steps.
    pub bias: bool,
    pub inputs_law: InputsLaw,
    /// Step directions, ascending, distinct; each is applied to the same networks and inputs.
    pub directions: Vec<Direction>,
    /// Starting points of direction nearest, per input.
    #[serde(skip_serializing_if = "is_default")]
    pub nearest_starts: usize,
    /// Whether direction nearest comes with a certified lower bound on the distance.
    #[serde(skip_serializing_if = "is_false")]
    pub certify: bool,
    /// Largest step searched (the paper, section 4: |η| < 20).
    pub bound: f64,
    /// Largest distance searched, in the Euclidean norm, besides `bound`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_distance: Option<f64>,
    /// At most 2⁶³ − 1, the largest TOML integer.
    pub seed: u64,
    pub precision: Precision,
    pub engine: EngineChoice,
    pub search: SearchChoice,
    /// In place of depths and widths: shapes, the hidden widths, first to last, of networks whose layers differ. Distinct, sorted by number of
    /// layers, widest layer and widths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<Vec<usize>>,
    /// Cells outside the grid, ascending, distinct.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "serialize_extra_cells")]
    pub extra_cells: Vec<Cell>,
    /// Additional widths per depth; none is in `widths`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "serialize_extra_widths")]
    pub extra_widths: BTreeMap<usize, Vec<usize>>,
}

/// The default of `nearest_starts` is left out, so that experiments without that direction do not mention it.
fn is_default(starts: &usize) -> bool {
    *starts == NEAREST_STARTS
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A width in TOML: an integer or `inf`.
#[derive(Serialize)]
#[serde(untagged)]
enum TomlWidth {
    Finite(usize),
    Infinite(f64),
}

fn toml_widths(widths: &[usize]) -> Vec<TomlWidth> {
    let width = |&width| if width == INFINITE_WIDTH { TomlWidth::Infinite(f64::INFINITY) } else { TomlWidth::Finite(width) };
    widths.iter().map(width).collect()
}

fn serialize_widths<S: Serializer>(widths: &[usize], to: S) -> Result<S::Ok, S::Error> {
    toml_widths(widths).serialize(to)
}

fn serialize_extra_widths<S: Serializer>(extra: &BTreeMap<usize, Vec<usize>>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(extra.iter().map(|(depth, widths)| (depth, toml_widths(widths))))
}

fn serialize_extra_cells<S: Serializer>(cells: &[Cell], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(cells.iter().map(|cell| toml_widths(&[cell.depth, cell.dim, cell.width])))
}

impl Experiment {
    /// The limits of the searches.
    pub fn bounds(&self) -> Bound {
        Bound { step: self.bound, distance: self.bound_distance.unwrap_or(f64::INFINITY), parts: 0.0 }
    }

    /// The cells, distinct, sorted by depth, dim, (widest) width and widths of layers that differ: the order of all arrays and tables.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &depth in &self.depths {
            let widths = self.widths_at(depth);
            for &dim in &self.dims {
                cells.extend(widths.iter().map(|&width| Cell::new(depth, dim, width)));
            }
        }
        for layers in &self.hidden {
            cells.extend(self.dims.iter().map(|&dim| Cell::of_layers(dim, layers)));
        }
        cells.extend(&self.extra_cells);
        cells.sort_unstable();
        cells
    }

    /// `cells().len()` without building them; saturates.
    pub fn cell_count(&self) -> usize {
        let widths = |depth| self.widths.len() + self.extra_widths.get(depth).map_or(0, Vec::len);
        let shapes = self.depths.iter().map(widths).fold(self.hidden.len(), usize::saturating_add);
        let grid = shapes.saturating_mul(self.dims.len());
        grid.saturating_add(self.extra_cells.len())
    }

    /// Samples per network: directions × inputs.
    pub fn samples_of_network(&self) -> usize {
        self.inputs.saturating_mul(self.directions.len())
    }

    /// Describes the first field in which `other` differs, as `seed is 7 against 8`; `None` if equal.
    pub fn difference(&self, other: &Experiment) -> Option<String> {
        let fields = |experiment: &Experiment| -> Table { experiment.to_toml().parse().expect("an experiment is TOML") };
        let (mine, others) = (fields(self), fields(other));
        let (name, mine, others) = differing(&mine, &others)?;
        let (mine, others) = values_apart(mine, others);
        Some(format!("{name} is {mine} against {others}"))
    }

    /// Whether the grid of depths, dims and widths holds `cell`.
    fn is_in_grid(&self, cell: &Cell) -> bool {
        self.depths.contains(&cell.depth) && self.dims.contains(&cell.dim) && self.widths_at(cell.depth).contains(&cell.width)
    }

    /// The depths, dims and (widest) widths of all cells, each ascending and distinct.
    pub fn axes(&self) -> [Vec<usize>; 3] {
        let of_layers: Vec<Cell> = self.hidden.iter().map(|layers| Cell::of_layers(self.dims[0], layers)).collect();
        let more = || self.extra_cells.iter().chain(&of_layers);
        let widths = self.depths.iter().flat_map(|&depth| self.widths_at(depth));
        [
            distinct(self.depths.iter().copied().chain(more().map(|cell| cell.depth))),
            distinct(self.dims.iter().copied().chain(more().map(|cell| cell.dim))),
            distinct(widths.chain(more().map(|cell| cell.width))),
        ]
    }

    /// The depths of all cells, ascending and distinct.
    pub fn all_depths(&self) -> Vec<usize> {
        let [depths, ..] = self.axes();
        depths
    }

    /// All widths run at `depth`, ascending.
    fn widths_at(&self, depth: usize) -> Vec<usize> {
        let extra = self.extra_widths.get(&depth).into_iter().flatten();
        distinct(self.widths.iter().chain(extra).copied())
    }

    /// The experiment in the format of `--config`; inverse of [`Experiment::from_toml`].
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field of an experiment is a TOML value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_two_experiments_is_named() {
        let experiment = |more: &str| {
            let toml = format!("depths = [1, 2]\ndims = [10]\nwidths = [10]\n{more}");
            Experiment::from_toml(&toml, "test").unwrap()
        };
        assert_eq!(experiment("").difference(&experiment("")), None);
        assert_eq!(experiment("seed = 7").difference(&experiment("seed = 8")).unwrap(), "seed is 7 against 8");
        let extra = experiment("extra_widths = { 2 = [20, 30] }");
        assert!(extra.difference(&experiment("")).unwrap().starts_with("extra_widths is "));
        assert!(experiment("").difference(&extra).unwrap().starts_with("extra_widths is not given against "));
        assert_eq!((extra.cell_count(), extra.cells().len()), (4, 4));
    }
}
