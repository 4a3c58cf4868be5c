//! Message passing behind one small trait; nothing else in the tree names the MPI crate.

pub mod library;
