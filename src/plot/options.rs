//! What of one or several results files is drawn, and how.

use super::chart::Chart;
use super::figure::Figure;
use super::look::Look;
use crate::error::BadInput;
use crate::model::{Direction, width_label};
use crate::results::Results;
use crate::stats::distinct;

/// Choices of the user. The default draws every figure of one file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub look: Look,
    pub only: Only,
    /// Empty for all.
    pub figures: Vec<Figure>,
    /// One figure of a column of the table instead.
    pub chart: Option<Chart>,
    /// Whether the directions of a file share a figure; those of several files always do.
    pub overlay: bool,
}

/// Depths, dims, widths and directions to draw; empty for all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Only {
    pub depths: Vec<usize>,
    pub dims: Vec<usize>,
    /// Of the widest layer if layers differ.
    pub widths: Vec<usize>,
    pub directions: Vec<Direction>,
}

impl Only {
    /// Refuses a size or direction that none of `files` has.
    pub fn check(&self, files: &[&Results]) -> Result<(), BadInput> {
        let cells = || files.iter().flat_map(|file| &file.cells).map(|cell| cell.cell);
        let there = [
            distinct(cells().map(|cell| cell.depth)),
            distinct(cells().map(|cell| cell.dim)),
            distinct(cells().map(|cell| cell.width)),
        ];
        for ((wanted, there), name) in
            [&self.depths, &self.dims, &self.widths].into_iter().zip(there).zip(["depth", "dim", "width"])
        {
            if let Some(&missing) = wanted.iter().find(|size| !there.contains(size)) {
                let labels = there.iter().map(|&size| if name == "width" { width_label(size) } else { size.to_string() });
                let what = format!("there is no {name} {} to draw", width_label(missing));
                let why = format!("the results have {}", labels.collect::<Vec<_>>().join(", "));
                return Err(BadInput::new(what, why, format!("give --{name}s some of these")));
            }
        }
        let directions = distinct(files.iter().flat_map(|file| file.experiment.directions.iter().copied()));
        if let Some(missing) = self.directions.iter().find(|direction| !directions.contains(direction)) {
            let names: Vec<&str> = directions.iter().map(|direction| direction.name()).collect();
            let what = format!("there is no direction {} to draw", missing.name());
            return Err(BadInput::new(what, format!("the results have {}", names.join(", ")), "give --direction some of these"));
        }
        Ok(())
    }

    /// Whether cells of these sizes are drawn.
    pub fn has(&self, depth: usize, dim: usize, width: usize) -> bool {
        let has = |list: &[usize], size: usize| list.is_empty() || list.contains(&size);
        has(&self.depths, depth) && has(&self.dims, dim) && has(&self.widths, width)
    }

    pub fn has_direction(&self, direction: Direction) -> bool {
        self.directions.is_empty() || self.directions.contains(&direction)
    }
}
