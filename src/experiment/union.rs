//! The experiment of the cells of several experiments of one form.

use std::collections::{BTreeMap, BTreeSet};

use toml::Table;

use super::Experiment;
use crate::model::Cell;
use crate::stats::distinct;
use crate::text::{differing, values_apart};

/// Keys of an experiment that say which cells there are.
const CELLS: [&str; 6] = ["depths", "dims", "widths", "hidden", "extra_cells", "extra_widths"];

impl Experiment {
    /// The first key besides those of the cells in which `other` differs, as `seed is 7 against 8`; `None` if both are of one form.
    pub fn difference_of_form(&self, other: &Experiment) -> Option<String> {
        let form = |experiment: &Experiment| -> Table {
            let mut table: Table = experiment.to_toml().parse().expect("an experiment is TOML");
            CELLS.iter().for_each(|key| _ = table.remove(*key));
            table
        };
        let (mine, others) = (form(self), form(other));
        let (key, mine, others) = differing(&mine, &others)?;
        let (mine, others) = values_apart(mine, others);
        Some(format!("{key} is {mine} against {others}"))
    }

    /// The experiment of this form with all `cells`: what a run from scratch of them would be given.
    ///
    /// With equal layers: depths, dims and the widths that every pair of them has; widths that all dims have at some depths only; and the other
    /// cells one by one. If no width is common to all pairs, the first cell takes the place of the grid.
    ///
    /// # Errors
    /// What is missing, if layers differ and the cells are not all shapes at all dims, and if only some of them are made of shapes.
    pub fn with_cells(&self, cells: &[Cell], shapes: bool) -> Result<Experiment, String> {
        let cells = distinct(cells.iter().copied());
        let dims = distinct(cells.iter().map(|cell| cell.dim));
        let nowhere = Experiment {
            depths: Vec::new(),
            dims: dims.clone(),
            widths: Vec::new(),
            hidden: Vec::new(),
            extra_cells: Vec::new(),
            extra_widths: BTreeMap::new(),
            ..self.clone()
        };
        if shapes {
            return nowhere.with_shapes(&cells);
        }
        let depths = distinct(cells.iter().map(|cell| cell.depth));
        let widths_of = |depth: usize, dim: usize| -> BTreeSet<usize> {
            cells.iter().filter(|cell| (cell.depth, cell.dim) == (depth, dim)).map(|cell| cell.width).collect()
        };
        let at_depth = |&depth: &usize| common(dims.iter().map(|&dim| widths_of(depth, dim)));
        let by_depth: BTreeMap<usize, BTreeSet<usize>> = depths.iter().map(|depth| (*depth, at_depth(depth))).collect();
        let everywhere = common(by_depth.values().cloned());
        if everywhere.is_empty() {
            let (first, others) = cells.split_first().expect("a file has a cell");
            return Ok(Experiment {
                depths: vec![first.depth],
                dims: vec![first.dim],
                widths: vec![first.width],
                extra_cells: others.to_vec(),
                ..nowhere
            });
        }
        let extra =
            by_depth.iter().map(|(&depth, widths)| (depth, widths.difference(&everywhere).copied().collect::<Vec<usize>>()));
        let grid = Experiment {
            extra_widths: extra.filter(|(_, widths)| !widths.is_empty()).collect(),
            depths,
            widths: everywhere.into_iter().collect(),
            ..nowhere
        };
        let extra_cells = cells.into_iter().filter(|cell| !grid.is_in_grid(cell)).collect();
        Ok(Experiment { extra_cells, ..grid })
    }

    /// The same for shapes, of which every dim must have all.
    fn with_shapes(self, cells: &[Cell]) -> Result<Experiment, String> {
        let shape = |cell: &Cell| cell.widths().collect::<Vec<usize>>();
        // In the order of an experiment: by number of layers, widest layer and widths.
        let hidden = distinct(cells.iter().map(|cell| (cell.depth, cell.width, shape(cell))));
        let experiment = Experiment { hidden: hidden.into_iter().map(|(_, _, shape)| shape).collect(), ..self };
        let missing: Vec<String> =
            experiment.cells().iter().filter(|cell| !cells.contains(cell)).map(ToString::to_string).collect();
        match missing.len() {
            0 => Ok(experiment),
            count => {
                let named = missing.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
                let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
                Err(format!("shapes make a full grid with the dims, which lacks {named}{more}"))
            }
        }
    }
}

/// Missing cells named in an error.
const NAMED: usize = 5;

/// What all sets have in common.
fn common(mut sets: impl Iterator<Item = BTreeSet<usize>>) -> BTreeSet<usize> {
    let first = sets.next().unwrap_or_default();
    sets.fold(first, |common, set| common.intersection(&set).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(toml: &str) -> Experiment {
        Experiment::from_toml(toml, "test").unwrap()
    }

    fn united(tomls: &[&str]) -> Result<Experiment, String> {
        let all: Vec<Experiment> = tomls.iter().map(|toml| experiment(toml)).collect();
        let cells: Vec<Cell> = all.iter().flat_map(Experiment::cells).collect();
        let union = all[0].with_cells(&cells, !all[0].hidden.is_empty())?;
        // The same in any order, and a valid experiment that holds just these cells.
        let reversed: Vec<Cell> = cells.iter().rev().copied().collect();
        assert_eq!(all[0].with_cells(&reversed, !all[0].hidden.is_empty()).as_ref(), Ok(&union));
        assert_eq!(experiment(&union.to_toml()), union);
        assert_eq!(union.cells(), distinct(cells));
        Ok(union)
    }

    #[test]
    fn a_union_is_the_experiment_that_one_would_type() {
        let grid = "depths = [1]\ndims = [5, 20]\nwidths = [10, 100]";
        for (other, expected) in [
            (grid, grid),
            ("depths = [1]\ndims = [5, 20]\nwidths = [1000, inf]", "depths = [1]\ndims = [5, 20]\nwidths = [10, 100, 1000, inf]"),
            ("depths = [1]\ndims = [7]\nwidths = [10, 100]", "depths = [1]\ndims = [5, 7, 20]\nwidths = [10, 100]"),
            ("depths = [2, 3]\ndims = [5, 20]\nwidths = [10, 100]", "depths = [1, 2, 3]\ndims = [5, 20]\nwidths = [10, 100]"),
            (
                "depths = [2]\ndims = [5, 20]\nwidths = [100, 300]",
                "depths = [1, 2]\ndims = [5, 20]\nwidths = [100]\nextra_widths = { 1 = [10], 2 = [300] }",
            ),
            (
                "depths = [1]\ndims = [7]\nwidths = [100, 300]",
                "depths = [1]\ndims = [5, 7, 20]\nwidths = [100]\nextra_cells = [[1, 5, 10], [1, 7, 300], [1, 20, 10]]",
            ),
            (
                "depths = [2]\ndims = [7]\nwidths = [300]",
                "depths = [1]\ndims = [5]\nwidths = [10]\nextra_cells = [[1, 5, 100], [1, 20, 10], [1, 20, 100], [2, 7, 300]]",
            ),
        ] {
            assert_eq!(united(&[grid, other]).unwrap(), experiment(expected), "{other}");
        }
        let three = [
            "depths = [1]\ndims = [5]\nwidths = [10]",
            "depths = [1]\ndims = [6]\nwidths = [10]",
            "depths = [2]\ndims = [5, 6]\nwidths = [10]",
        ];
        assert_eq!(united(&three).unwrap(), experiment("depths = [1, 2]\ndims = [5, 6]\nwidths = [10]"));
    }

    #[test]
    fn shapes_need_a_full_grid() {
        let one = "dims = [5]\nhidden = [[20, 10], [10, 20]]";
        let more = united(&[one, "dims = [5]\nhidden = [[30, 30, 1], [9, 9]]"]).unwrap();
        assert_eq!(more, experiment("dims = [5]\nhidden = [[9, 9], [10, 20], [20, 10], [30, 30, 1]]"));
        let missing = united(&[one, "dims = [6]\nhidden = [[20, 10]]"]).unwrap_err();
        assert_eq!(missing, "shapes make a full grid with the dims, which lacks (L=2, d=6, k=10,20)");
    }

    #[test]
    fn cells_are_no_difference_of_form() {
        let of = |more: &str| experiment(&format!("depths = [1]\ndims = [5]\nwidths = [10]\n{more}"));
        assert_eq!(of("").difference_of_form(&experiment("dims = [7]\nhidden = [[2, 3]]")), None);
        assert_eq!(of("seed = 7").difference_of_form(&of("seed = 8")).unwrap(), "seed is 7 against 8");
        assert_eq!(of("networks = 7").difference_of_form(&of("networks = 8")).unwrap(), "networks is 7 against 8");
    }
}
