//! The command line: what was typed. Nothing here is validated beyond its form.
