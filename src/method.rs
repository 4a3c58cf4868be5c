//! The engine and search of each cell, by a frozen rule, because both determine output bits.
//!
//! Thresholds are round numbers near the break-even of the engines when they were set; `cargo bench --bench cost_model` prints today's. The rule
//! uses integer arithmetic only: no machine-dependent constant or rounding takes part. Changing it requires a new [`VERSION`] and
//! [`SCIENCE_VERSION`](crate::measure::SCIENCE_VERSION).

use crate::experiment::Experiment;
use crate::model::{Activation, Cell, Direction, EngineChoice, EngineName, Method, SearchChoice, SearchName};

/// Version of the rule.
pub const VERSION: u32 = 1;

/// Widest deep network traced exactly under `--search auto`. Wider ones are scanned: a scan misses few earlier crossings there, and tracing
/// costs much more. `cargo bench --bench search_threshold` prints both.
pub const WIDEST_TRACED: usize = 100;

/// Engine and search of `cell` in `experiment`; independent of the machine.
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
            let needs_weights = search == SearchName::Trace || experiment.directions.iter().any(|direction| !direction.is_line());
            let is_dense = needs_weights || !pays_without_weights(cell, experiment, implicit, search);
            Method { engine: if is_dense { EngineName::Dense } else { implicit }, search }
        }
    }
}

/// The search in a cell of finite width, for an engine with explicit weights.
fn search(cell: Cell, experiment: &Experiment) -> SearchName {
    search_with_weights(cell, experiment.activation, &experiment.directions, experiment.search)
}

/// The search in a network of finite width whose weights are explicit.
pub fn search_with_weights(cell: Cell, activation: Activation, directions: &[Direction], choice: SearchChoice) -> SearchName {
    if directions == [Direction::Descent] {
        return SearchName::Descent;
    }
    let is_piecewise_linear = activation.is_piecewise_linear();
    match (choice, cell.depth) {
        (SearchChoice::Scan, _) => SearchName::Scan,
        (_, 1) if is_piecewise_linear => SearchName::Line,
        (_, 1) => SearchName::March,
        (SearchChoice::Exact, _) => SearchName::Trace,
        (SearchChoice::Auto, _) if is_piecewise_linear && cell.width <= WIDEST_TRACED => SearchName::Trace,
        (SearchChoice::Auto, _) => SearchName::Scan,
    }
}

/// Whether the shallow engine applies: one hidden ReLU layer, exact steps along the gradient, and 2n ≤ d, so that the n inputs and their
/// gradients do not span the input space.
pub fn is_shallow(cell: Cell, experiment: &Experiment) -> bool {
    cell.depth == 1
        && experiment.activation == Activation::Relu
        && experiment.directions == [Direction::Gradient]
        && !experiment.bias
        && experiment.search != SearchChoice::Scan
        && cell.dim >= 2 * experiment.inputs
}

/// Whether `engine`, which draws matrix products instead of weights, is faster than the dense one.
fn pays_without_weights(cell: Cell, experiment: &Experiment, engine: EngineName, search: SearchName) -> bool {
    let (d, n, k) = (cell.dim as u128, experiment.inputs as u128, cell.width as u128);
    match engine {
        // d weights per neuron against about 3n normals, and k·d weights against orthonormalising n vectors of length d.
        EngineName::Shallow => d > 3 * n && 4 * k * (d - 3 * n) >= n * d * (24 + (4 * n).isqrt()),
        // Every scanned point costs the dense engine a matmul.
        _ if cell.depth == 1 && search == SearchName::Scan => true,
        _ if cell.depth == 1 => d > 8 * n && k >= 20 * n,
        // Weights of the upper layers against products with n vectors; scans need more points at small d.
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

    /// The choices of the last release before the rule was frozen, which were made by predicted cost.
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
                    Preset::Nearest if depth == 1 => "dense line",
                    _ if width <= 100 => "dense trace",
                    Preset::Depth => "implicit scan",
                    Preset::Quick | Preset::Paper if width >= if dim == 10 { 10_000 } else { 3000 } => "implicit scan",
                    Preset::Quick | Preset::Paper | Preset::Nearest => "dense scan",
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
