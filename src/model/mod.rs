//! The words of the model: architectures, laws, activations, and the names of engines and searches. Data that everybody shares.

pub mod activation;
pub mod cell;
pub mod inputs_law;
pub mod law;
pub mod method;

pub use activation::Activation;
pub use cell::{Cell, INFINITE_WIDTH, Unit, width_label};
pub use inputs_law::{InputsFile, InputsLaw};
pub use law::{Direction, Precision, Readout};
pub use method::{EngineChoice, EngineName, Method, SearchChoice, SearchName};
