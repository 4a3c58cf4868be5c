//! The presets: TOML files in `presets/`, embedded in the binary.

use super::options::Options;

/// A built-in experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// Fewer dims and widths: minutes on two cores.
    Quick,
    /// The paper's grid, widths to 10⁶ at every depth.
    Paper,
    /// Where the paper could not go: a million neurons a layer at depth 6, a million coordinates, ten billion neurons.
    Beyond,
    /// How the sizes at which all inputs switch grow with depth: a minute on two cores.
    Depth,
    /// One gradient step against the nearest flip found: minutes on two cores.
    Nearest,
}

impl Preset {
    pub const ALL: [Preset; 5] = [Preset::Quick, Preset::Paper, Preset::Beyond, Preset::Depth, Preset::Nearest];

    pub fn name(self) -> &'static str {
        match self {
            Preset::Quick => "quick",
            Preset::Paper => "paper",
            Preset::Beyond => "beyond",
            Preset::Depth => "depth",
            Preset::Nearest => "nearest",
        }
    }

    /// The preset's file, in the format of `--config`.
    pub fn toml(self) -> &'static str {
        match self {
            Preset::Quick => include_str!("../../presets/quick.toml"),
            Preset::Paper => include_str!("../../presets/paper.toml"),
            Preset::Beyond => include_str!("../../presets/beyond.toml"),
            Preset::Depth => include_str!("../../presets/depth.toml"),
            Preset::Nearest => include_str!("../../presets/nearest.toml"),
        }
    }

    pub fn options(self) -> Options {
        Options::from_toml(self.toml(), self.name()).expect("the embedded presets are valid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cell;

    #[test]
    fn quick_is_the_grid_it_promises() {
        let quick = Preset::Quick.options().validate().unwrap();
        assert_eq!(quick.cells().len(), 6 * 4 * 3 + 4);
        assert!(quick.cells().contains(&Cell::new(1, 500, 10_000)));
        assert!(!quick.cells().iter().any(|cell| cell.depth > 1 && cell.width > 1000));
        assert_eq!((quick.networks, quick.inputs, quick.gain, quick.bound), (100, 100, 1.0, 20.0));
    }

    #[test]
    fn paper_is_the_grid_it_promises() {
        let paper = Preset::Paper.options().validate().unwrap();
        assert_eq!(paper.cells().len(), 6 * 6 * 11);
        assert!(paper.cells().contains(&Cell::new(1, 500, 1_000_000)));
        assert!(paper.cells().contains(&Cell::new(6, 10, 1_000_000)));
        assert_eq!((paper.networks, paper.inputs), (100, 100));
    }

    #[test]
    fn beyond_goes_beyond() {
        let beyond = Preset::Beyond.options().validate().unwrap();
        assert!(beyond.cells().contains(&Cell::new(6, 500, 1_000_000)));
        assert!(beyond.cells().contains(&Cell::new(1, 1_000_000, 1_000_000)));
        assert!(beyond.cells().contains(&Cell::new(1, 20, 1_000_000_000)));
        assert!(beyond.cells().contains(&Cell::new(1, 20, 10_000_000_000)));
        assert!(beyond.cells().contains(&Cell::new(2, 500, 10_000_000)));
        assert_eq!((beyond.cells().len(), beyond.networks, beyond.inputs), (8, 10, 20));
    }

    #[test]
    fn depth_has_independent_inputs_and_the_limit() {
        let depth = Preset::Depth.options().validate().unwrap();
        assert_eq!((depth.inputs, depth.gain), (1, 2.0));
        assert!(depth.cells().iter().filter(|cell| cell.is_infinite()).count() >= 6 * 5);
    }

    #[test]
    fn presets_differ_in_their_grid_only() {
        let grid_of_quick = Preset::Quick.options();
        let options = Options {
            dims: grid_of_quick.dims.clone(),
            widths: grid_of_quick.widths.clone(),
            extra_widths: grid_of_quick.extra_widths.clone(),
            extra_cells: grid_of_quick.extra_cells.clone(),
            ..Preset::Paper.options()
        };
        assert_eq!(options, grid_of_quick);
    }
}
