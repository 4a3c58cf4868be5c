//! The presets: TOML files in `presets/`, embedded in the binary.
