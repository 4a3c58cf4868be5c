mod closed_forms;
mod gradient;
mod implicit_law;
mod shallow;
