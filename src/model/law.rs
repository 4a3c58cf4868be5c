//! Readout distribution, precision and step direction.

use serde::{Deserialize, Serialize};

/// Distribution of the readout weights a_j.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Readout {
    /// Equiprobable ±1 (the paper, equation 1).
    Sign,
    /// N(0, 1) (the paper, footnote 2).
    Gaussian,
}

/// Precision of network evaluation. Weights are drawn in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    F32,
    F64,
    /// Weights rounded to 16 significant bits, vectors in f32; products of both in bf16 parts, which are exact, summed in f32.
    Bf16x3,
}

impl Precision {
    /// The name in options and files.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
            Precision::Bf16x3 => "bf16x3",
        }
    }
}

/// Step direction p, of length ‖∇f(x)‖; formulas in `measure::directions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Direction {
    /// Against the gradient, or along it if f < 0: the paper's step.
    Gradient = 0,
    /// Signs of the gradient's coordinates: FGSM.
    Sign = 1,
    /// One direction for all inputs: the gradient of the linearised network (ψ = id), Σ a_l w_l at depth 1.
    Universal = 2,
    /// Uniform on the sphere: a control.
    Random = 3,
    /// Gradient descent in many small steps.
    Descent = 4,
    /// The straight line to the nearest flip found: a local minimum of the distance.
    Nearest = 5,
}

impl Direction {
    pub const ALL: [Direction; 6] =
        [Direction::Gradient, Direction::Sign, Direction::Universal, Direction::Random, Direction::Descent, Direction::Nearest];

    /// Whether steps follow one line through the input, known before the search.
    pub fn is_line(self) -> bool {
        !matches!(self, Direction::Descent | Direction::Nearest)
    }

    /// The name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Gradient => "gradient",
            Direction::Sign => "sign",
            Direction::Universal => "universal",
            Direction::Random => "random",
            Direction::Descent => "descent",
            Direction::Nearest => "nearest",
        }
    }
}
