//! Which engine and search a cell gets: a rule that is frozen, because both decide bytes.
//!
//! The thresholds are round numbers near the break-even of the engines at the time when they were set (`cargo bench --bench cost_model`
//! shows how far they are from it now). They are integers and are compared as such: no constant that is tuned to a machine, and no function
//! whose last digit depends on one, has a part in the choice. A change raises [`VERSION`] and
//! [`SCIENCE_VERSION`](crate::measure::SCIENCE_VERSION).

use crate::experiment::Experiment;
use crate::model::{Activation, Cell, Direction, EngineChoice, EngineName, Method, SearchChoice, SearchName};

/// Version of the rule.
pub const VERSION: u32 = 1;

/// Widest deep network whose steps are traced exactly under `--search auto`. Above it a scan misses so few earlier crossings, and tracing
/// costs so much more, that steps are scanned: `cargo bench --bench search_threshold` prints both.
pub const WIDEST_TRACED: usize = 100;

/// Engine and search of `cell`, a cell of `experiment`. A function of the experiment alone, not of this machine.
pub fn of(cell: Cell, experiment: &Experiment) -> Method {
    if cell.is_infinite() {
        return Method { engine: EngineName::Limit, search: SearchName::Path };
    }
    let search = search(cell, experiment);
    let without_weights = if search == SearchName::Trace { SearchName::Scan } else { search };
    let implicit = if is_shallow(cell, experiment) { EngineName::Shallow } else { EngineName::Implicit };
    match experiment.engine {
        EngineChoice::Dense => Method { engine: EngineName::Dense, search },
        EngineChoice::Implicit => Method { engine: implicit, search: without_weights },
        EngineChoice::Auto => {
            let needs_weights = search == SearchName::Trace || experiment.directions.contains(&Direction::Descent);
            let is_dense = needs_weights || !pays_without_weights(cell, experiment, implicit, search);
            Method { engine: if is_dense { EngineName::Dense } else { implicit }, search }
        }
    }
}

/// The search in a cell of finite width by an engine that has weights.
fn search(cell: Cell, experiment: &Experiment) -> SearchName {
    if experiment.directions == [Direction::Descent] {
        return SearchName::Descent;
    }
    let is_piecewise_linear = experiment.activation.is_piecewise_linear();
    match (experiment.search, cell.depth) {
        (SearchChoice::Scan, _) => SearchName::Scan,
        (_, 1) if is_piecewise_linear => SearchName::Line,
        (_, 1) => SearchName::March,
        (SearchChoice::Exact, _) => SearchName::Trace,
        (SearchChoice::Auto, _) if is_piecewise_linear && cell.width <= WIDEST_TRACED => SearchName::Trace,
        (SearchChoice::Auto, _) => SearchName::Scan,
    }
}

/// Whether the products of a cell can be drawn in the few directions that matter: one hidden layer of ReLUs and exact steps along the
/// gradient, where inputs and their gradients need not span the whole space.
pub fn is_shallow(cell: Cell, experiment: &Experiment) -> bool {
    cell.depth == 1
        && experiment.activation == Activation::Relu
        && experiment.directions == [Direction::Gradient]
        && !experiment.bias
        && experiment.search != SearchChoice::Scan
        && cell.dim >= 2 * experiment.inputs
}

/// Whether `engine`, which draws products in place of weights, is the one to take for a cell of finite width.
fn pays_without_weights(cell: Cell, experiment: &Experiment, engine: EngineName, search: SearchName) -> bool {
    let (d, n, k) = (cell.dim as u128, experiment.inputs as u128, cell.width as u128);
    match engine {
        // The d weights of a neuron against some 3n numbers, and the weights of k neurons against n vectors of length d, made orthonormal.
        EngineName::Shallow => d > 3 * n && 4 * k * (d - 3 * n) >= n * d * (24 + (4 * n).isqrt()),
        // Points of a line cost the dense engine a product each.
        _ if cell.depth == 1 && search == SearchName::Scan => true,
        _ if cell.depth == 1 => d > 8 * n && k >= 20 * n,
        // Weights of a layer against products of n vectors, of which inputs of few dimensions take more.
        _ => {
            let n = n * experiment.directions.len() as u128;
            let least = 16 * n + (360_000 * n / d).isqrt();
            let weights: u128 = (2..=cell.depth).map(|layer| cell.width_of(layer) as u128 * cell.fan_in(layer) as u128).sum();
            weights >= (cell.depth as u128 - 1) * least * least
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::presets::Preset;

    fn methods(toml: &str) -> Vec<String> {
        let experiment = Experiment::from_toml(toml, "test").unwrap();
        experiment.cells().into_iter().map(|cell| of(cell, &experiment).to_string()).collect()
    }

    /// Of the release before the rule was frozen, by cost, but for the name of the shallow engine.
    #[test]
    fn cells_of_the_presets_keep_their_methods() {
        for preset in Preset::ALL {
            let experiment = preset.options().validate().unwrap();
            for cell in experiment.cells() {
                let (depth, dim, width) = (cell.depth, cell.dim, cell.width);
                let expected = match preset {
                    _ if cell.is_infinite() => "limit path",
                    Preset::Beyond if (depth, dim) == (1, 20) => "dense line",
                    Preset::Beyond if depth == 1 => "shallow line",
                    Preset::Beyond => "implicit scan",
                    Preset::Depth if depth == 1 => "shallow line",
                    Preset::Quick | Preset::Paper if depth == 1 && dim == 500 && width >= 3000 => "shallow line",
                    Preset::Quick | Preset::Paper if depth == 1 => "dense line",
                    _ if width <= 100 => "dense trace",
                    Preset::Depth => "implicit scan",
                    Preset::Quick | Preset::Paper if width >= if dim == 10 { 10_000 } else { 3000 } => "implicit scan",
                    Preset::Quick | Preset::Paper => "dense scan",
                };
                assert_eq!(of(cell, &experiment).to_string(), expected, "{}: {cell}", preset.name());
            }
        }
    }

    #[test]
    fn layers_of_different_widths_count_by_their_weights() {
        let toml = "dims = [100]\nhidden = [[10000, 1000], [30000, 100], [30000, 30, 30000]]\ninputs = 100\n";
        assert_eq!(methods(toml), ["implicit scan", "dense scan", "dense scan"]);
    }

    #[test]
    fn no_size_overflows() {
        let toml = "depths = [1, 2]\ndims = [1000000]\nwidths = [1000000000]\nnetworks = 1\ninputs = 1\ndirections = ['gradient', 'sign']\n";
        assert_eq!(methods(toml), ["implicit line", "implicit scan"]);
    }
}
