//! The unvalidated form of an experiment: a TOML file or preset, overlaid with flags.
