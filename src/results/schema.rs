//! Names and meanings of everything in a results file: the writer, the reader and the tables speak of nothing else.

use super::Summary;

/// Value of the root attribute `format`.
pub const FORMAT: &str = "advstep-hpc results";
/// Value of the root attribute `format_version`. Raised when a reader of the old version would misread the new one.
pub const VERSION: u32 = 1;
/// The group of everything that may differ between two runs of one experiment.
pub const PROVENANCE: &str = "provenance";
/// Thread-seconds of each unit, (cell, network), in [`PROVENANCE`].
pub const UNIT_SECONDS: &str = "unit_seconds";

/// An axis: a dimension scale at the root, named like the axis.
pub struct Axis {
    pub name: &'static str,
    pub long_name: &'static str,
}

pub const DEPTH: Axis = Axis { name: "depth", long_name: "number of hidden layers L" };
pub const DIM: Axis = Axis { name: "dim", long_name: "input dimension d" };
pub const WIDTH: Axis = Axis { name: "width", long_name: "neurons in each hidden layer k" };
pub const CELL: Axis = Axis { name: "cell", long_name: "index of the cell (one depth, dim and width)" };
pub const NETWORK: Axis = Axis { name: "network", long_name: "index of the network within its cell" };
pub const INPUT: Axis = Axis { name: "input", long_name: "index of the input of its network" };

/// A per-cell statistic over (depth, dim, width); NaN where the cell was not run.
pub struct Statistic {
    pub name: &'static str,
    pub long_name: &'static str,
    pub of: fn(&Summary) -> f64,
}

/// All per-cell statistics that are science, in file order. `dead` is written as integers beside them, `seconds` is provenance.
pub const STATISTICS: [Statistic; 14] = [
    Statistic { name: "fraction", long_name: "fraction of inputs whose sign is switched within the bound", of: |s| s.fraction },
    Statistic {
        name: "fraction_std_networks",
        long_name: "standard deviation over networks of the per-network fraction",
        of: |s| s.fraction_std_networks,
    },
    Statistic { name: "step_mean", long_name: "mean of the smallest step over the inputs found", of: |s| s.step_mean },
    Statistic { name: "step_std", long_name: "standard deviation of the smallest step over the inputs found", of: |s| s.step_std },
    Statistic {
        name: "step_std_networks",
        long_name: "standard deviation over networks of the per-network mean step",
        of: |s| s.step_std_networks,
    },
    Statistic { name: "step_q05", long_name: "5 % quantile of the smallest step", of: |s| s.step_q05 },
    Statistic { name: "step_q50", long_name: "median of the smallest step", of: |s| s.step_q50 },
    Statistic { name: "step_q95", long_name: "95 % quantile of the smallest step", of: |s| s.step_q95 },
    Statistic { name: "grad_mean", long_name: "mean of the gradient norm over all inputs", of: |s| s.grad_mean },
    Statistic { name: "grad_std", long_name: "standard deviation of the gradient norm over all inputs", of: |s| s.grad_std },
    Statistic {
        name: "grad_std_networks",
        long_name: "standard deviation over networks of the per-network mean gradient norm",
        of: |s| s.grad_std_networks,
    },
    Statistic { name: "value_mean", long_name: "mean of f(x) over all inputs", of: |s| s.value_mean },
    Statistic { name: "value_std", long_name: "standard deviation of f(x) over all inputs", of: |s| s.value_std },
    Statistic { name: "evaluations_mean", long_name: "mean work of the search for an input", of: |s| s.evaluations },
];

/// Per-sample arrays over (cell, network, input).
pub const STEP: (&str, &str) = ("step", "smallest step that switches the sign, NaN unless found");
pub const GRADIENT_NORM: (&str, &str) = ("gradient_norm", "Euclidean norm of the gradient of f at the input");
pub const VALUE: (&str, &str) = ("value", "f(x)");
pub const STATUS: (&str, &str) = ("status", "what became of the search");
pub const EVALUATIONS: (&str, &str) =
    ("evaluations", "work of the search: passes (line), linear pieces (trace) or evaluations (scan)");
pub const DEAD: (&str, &str) = ("dead", "number of inputs with f(x) = 0 or zero gradient; 0 where the cell was not run");

/// Per-cell arrays.
pub const CELL_DEPTH: (&str, &str) = ("cell_depth", "depth of the cell");
pub const CELL_DIM: (&str, &str) = ("cell_dim", "dim of the cell");
pub const CELL_WIDTH: (&str, &str) = ("cell_width", "width of the cell");
pub const ENGINE: (&str, &str) = ("engine", "engine that evaluated the cell");
pub const SEARCH: (&str, &str) = ("search", "search that found the steps of the cell");
