//! What networks, inputs and steps are drawn from and taken in.

use serde::{Deserialize, Serialize};

/// The law of the readout weights a_j.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Readout {
    /// ±1 with equal chance (the paper's equation 1).
    Sign,
    /// N(0, 1) (the paper's footnote 2).
    Gaussian,
}

/// The arithmetic in which a network is evaluated. The weights are the same numbers in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    F32,
    F64,
}

/// Where a step goes; `measure::directions` has the formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Direction {
    /// Against the gradient, or along it where f < 0: the paper's step.
    Gradient = 0,
    /// The signs of the gradient's coordinates: the fast gradient sign method.
    Sign = 1,
    /// The same for all inputs: the gradient of the network without its activations, Σ a_l w_l at depth 1.
    Universal = 2,
    /// Uniform on the sphere: a control.
    Random = 3,
    /// Many small steps along the gradient of where they are.
    Descent = 4,
}

impl Direction {
    pub const ALL: [Direction; 5] =
        [Direction::Gradient, Direction::Sign, Direction::Universal, Direction::Random, Direction::Descent];

    /// The name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Gradient => "gradient",
            Direction::Sign => "sign",
            Direction::Universal => "universal",
            Direction::Random => "random",
            Direction::Descent => "descent",
        }
    }
}
