//! The vocabulary of the model: architectures, distributions, activations, names of engines and searches. Plain data.

pub mod activation;
pub mod bound;
pub mod cell;
pub mod inputs_law;
pub mod law;
pub mod method;

pub use activation::Activation;
pub use bound::Bound;
pub use cell::{Cell, INFINITE_WIDTH, Unit, width_label};
pub use inputs_law::{InputsFile, InputsLaw};
pub use law::{Direction, Precision, Readout};
pub use method::{EngineChoice, EngineName, Method, SearchChoice, SearchName};
