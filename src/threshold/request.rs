//! A validated search for thresholds.

use toml::{Table, Value};

use super::ladder;
use crate::error::BadInput;
use crate::experiment::Experiment;
use crate::model::{Cell, INFINITE_WIDTH};
use crate::stats::clusters::clusters_to_show;
use crate::text::short;

/// Default limits of the range searched.
pub const LARGEST_DIM: usize = 10_000;
pub const LARGEST_WIDTH: usize = 100_000;
/// Default wanted ratio of the limits of an interval.
pub const RATIO: f64 = 1.1;
/// Default level.
pub const LEVEL: f64 = 0.99;
/// The size measured first, or the nearest one in the range.
const START: usize = 32;
/// Cells that a search at one depth takes, for an estimate of memory.
pub const USUAL_CELLS: usize = 20;
/// Most samples that these may have.
const MAX_SAMPLES: f64 = 1e9;

/// The size that is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    Dim,
    Width,
}

impl Along {
    pub const ALL: [Along; 2] = [Along::Dim, Along::Width];

    pub fn name(self) -> &'static str {
        match self {
            Along::Dim => "dim",
            Along::Width => "width",
        }
    }

    /// The size of `cell` along this axis.
    pub fn size_of(self, cell: &Cell) -> usize {
        if self == Along::Dim { cell.dim } else { cell.width }
    }
}

/// A search for the threshold at every depth of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its depths, one dim and one width, of which one is the first of `sizes`; networks of the first stage.
    pub experiment: Experiment,
    pub along: Along,
    /// The fraction of inputs that switch, in (0, 1).
    pub level: f64,
    /// The wanted ratio of the limits of an interval, > 1.
    pub ratio: f64,
    /// Networks per cell of the last stage.
    pub max_networks: usize,
    /// The ladder of sizes, ascending.
    pub sizes: Vec<usize>,
}

impl Request {
    /// `experiment` has its depths, one direction, and one size along each axis.
    ///
    /// # Errors
    /// A value is out of range.
    pub fn new(
        experiment: Experiment,
        along: Along,
        [level, ratio]: [f64; 2],
        max_networks: Option<usize>,
        [from, to]: [usize; 2],
    ) -> Result<Self, BadInput> {
        if !(level > 0.0 && level < 1.0) {
            let what = format!("the level {} is not between 0 and 1", short(level));
            return Err(BadInput::new(
                what,
                "it is a fraction of the inputs, and no sample shows that none ever fails",
                "give --level such as 0.99",
            ));
        }
        if !(ratio > 1.0 && ratio.is_finite()) {
            let what = format!("the ratio {} is not above 1", short(ratio));
            return Err(BadInput::new(what, "the limits of an interval are two sizes", "give --ratio such as 1.1"));
        }
        if from >= to {
            let what = format!("the range from {from} to {to} is empty");
            return Err(BadInput::new(what, "a search takes more than one size", "give a larger --to or a smaller --from"));
        }
        if experiment.directions.len() > 1 {
            return Err(BadInput::new("there are several directions", "each has thresholds of its own", "give one --direction"));
        }
        let needed = clusters_to_show(level);
        let max_networks = max_networks.unwrap_or((needed * 21 / 20).max(4 * experiment.networks));
        if max_networks < needed {
            return Err(BadInput::new(
                format!("{max_networks} networks cannot show a level of {}", short(level)),
                format!(
                    "even if no input fails in any of them, the 95 % interval of the fraction reaches down to {:.4}",
                    0.025_f64.powf(1.0 / max_networks as f64)
                ),
                format!("give --max-networks {needed} or more, or a lower --level"),
            ));
        }
        if max_networks < experiment.networks {
            let what = format!("--max-networks {max_networks} is below --networks {}", experiment.networks);
            return Err(BadInput::new(
                what,
                "networks are added, not removed",
                format!("give --max-networks {} or more", experiment.networks),
            ));
        }
        let depths = experiment.depths.len();
        let samples = (depths * USUAL_CELLS) as f64 * max_networks as f64 * experiment.samples_of_network() as f64;
        if samples > MAX_SAMPLES {
            let what = format!(
                "the search may take about {samples:.0e} samples ({depths} depths × {USUAL_CELLS} cells × {max_networks} networks × {} inputs)",
                experiment.inputs
            );
            return Err(BadInput::new(
                what,
                "one rank has to hold them",
                format!("give fewer --inputs or --max-networks, for at most {}", short(MAX_SAMPLES)),
            ));
        }
        Ok(Self { experiment, along, level, ratio, max_networks, sizes: ladder::sizes(from, to) })
    }

    /// Networks per cell of the first stage.
    pub fn networks(&self) -> usize {
        self.experiment.networks
    }

    /// Index of the size measured first.
    pub fn start(&self) -> usize {
        self.sizes.partition_point(|&size| size < START).min(self.sizes.len() - 1)
    }

    /// The fixed dim or width.
    pub fn held(&self) -> usize {
        if self.along == Along::Dim { self.experiment.widths[0] } else { self.experiment.dims[0] }
    }

    /// The experiment of all cells that may be measured, by depth and size, with `networks` each.
    pub fn candidates(&self, networks: usize) -> Experiment {
        let Experiment { dims, widths, .. } = self.experiment.clone();
        let (dims, widths) = match self.along {
            Along::Dim => (self.sizes.clone(), widths),
            Along::Width => (dims, self.sizes.clone()),
        };
        Experiment { dims, widths, networks, ..self.experiment.clone() }
    }

    /// The experiment of `cells`, ascending and distinct: a grid of the first one, and the others.
    pub fn measured(&self, cells: &[Cell], networks: usize) -> Experiment {
        let (first, others) = cells.split_first().expect("a search measures a cell");
        Experiment {
            depths: vec![first.depth],
            dims: vec![first.dim],
            widths: vec![first.width],
            extra_cells: others.to_vec(),
            networks,
            ..self.experiment.clone()
        }
    }

    /// What a results file holds besides the [measured](Self::measured) experiment.
    pub fn to_table(&self) -> Table {
        let whole = |number: usize| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
        Table::from_iter([
            ("along".to_string(), Value::from(self.along.name())),
            ("level".to_string(), Value::from(self.level)),
            ("ratio".to_string(), Value::from(self.ratio)),
            ("networks".to_string(), whole(self.networks())),
            ("max_networks".to_string(), whole(self.max_networks)),
            ("from".to_string(), whole(self.sizes[0])),
            ("to".to_string(), whole(self.sizes[self.sizes.len() - 1])),
        ])
    }

    /// The inverse of [`to_table`](Self::to_table), with the experiment of the measured cells.
    ///
    /// # Errors
    /// A value is missing or out of range, or the experiment is not that of a search.
    pub fn of_table(table: &Table, measured: &Experiment) -> Result<Self, BadInput> {
        let refuse = |why: &str| BadInput::new("the search for thresholds of this file cannot be read", why, "run it again");
        let whole = |key: &str| {
            let number = table.get(key).and_then(Value::as_integer).and_then(|number| usize::try_from(number).ok());
            number.filter(|number| (1..=1_000_000_000).contains(number)).ok_or_else(|| refuse(&format!("`{key}` is not a count")))
        };
        let number =
            |key: &str| table.get(key).and_then(Value::as_float).ok_or_else(|| refuse(&format!("`{key}` is not a number")));
        let name = table.get("along").and_then(Value::as_str);
        let along = Along::ALL
            .into_iter()
            .find(|along| Some(along.name()) == name)
            .ok_or_else(|| refuse("`along` is neither dim nor width"))?;
        let (networks, from, to) = (whole("networks")?, whole("from")?, whole("to")?);
        let mut experiment = Experiment { depths: measured.all_depths(), networks, extra_cells: Vec::new(), ..measured.clone() };
        let held = match along {
            Along::Dim => std::mem::replace(&mut experiment.dims, vec![from]).len() == 1 && experiment.widths.len() == 1,
            Along::Width => std::mem::replace(&mut experiment.widths, vec![from]).len() == 1 && experiment.dims.len() == 1,
        };
        if !held || !measured.hidden.is_empty() || !measured.extra_widths.is_empty() {
            return Err(refuse("its cells are not those of a search"));
        }
        let request = Self::new(experiment, along, [number("level")?, number("ratio")?], Some(whole("max_networks")?), [from, to])?;
        match measured.cells().iter().all(|cell| request.place(cell).is_some()) {
            true => Ok(request),
            false => Err(refuse("its cells are not those of a search")),
        }
    }

    /// The indices of the depth and the size of `cell`; `None` if the search has no such cell.
    pub fn place(&self, cell: &Cell) -> Option<(usize, usize)> {
        let held = if self.along == Along::Dim { cell.width } else { cell.dim };
        let depth = self.experiment.depths.binary_search(&cell.depth).ok()?;
        let size = self.sizes.binary_search(&self.along.size_of(cell)).ok()?;
        (held == self.held() && !cell.has_differing_layers()).then_some((depth, size))
    }

    /// The cell at a [place](Self::place).
    pub fn cell(&self, (depth, size): (usize, usize)) -> Cell {
        let (depth, size) = (self.experiment.depths[depth], self.sizes[size]);
        match self.along {
            Along::Dim => Cell::new(depth, size, self.held()),
            Along::Width => Cell::new(depth, self.held(), size),
        }
    }

    /// Whether the fixed size is k = ∞.
    pub fn is_at_infinite_width(&self) -> bool {
        self.along == Along::Dim && self.held() == INFINITE_WIDTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(text: &str) -> Experiment {
        Experiment::from_toml(text, "test").unwrap()
    }

    #[test]
    fn a_search_comes_back_from_the_file_of_its_cells() {
        let base = experiment("depths = [1, 2, 4]\ndims = [500]\nwidths = [1]\nnetworks = 50\ninputs = 30\nseed = 3");
        let request = Request::new(base, Along::Width, [0.99, 1.2], None, [1, 1000]).unwrap();
        assert_eq!((request.max_networks, request.sizes[request.start()]), (386, 32));
        let places = [(0, 3), (1, 7), (1, 9), (2, 50)];
        let cells: Vec<Cell> = places.iter().map(|&place| request.cell(place)).collect();
        assert!(cells.iter().zip(places).all(|(cell, place)| request.place(cell) == Some(place)));
        let measured = request.measured(&cells, 400);
        assert_eq!(measured.cells(), cells);
        assert_eq!(Experiment::from_toml(&measured.to_toml(), "test").unwrap(), measured);
        assert_eq!(Request::of_table(&request.to_table(), &measured).unwrap(), request);
        let other = experiment("depths = [1, 2, 4]\ndims = [500]\nwidths = [999]");
        assert!(Request::of_table(&request.to_table(), &other).is_err());
    }

    #[test]
    fn groups_are_by_depth_then_size() {
        let base = experiment("depths = [1, 3]\ndims = [1]\nwidths = [inf]");
        let request = Request::new(base, Along::Dim, [0.9, 1.1], None, [1, 64]).unwrap();
        assert!(request.is_at_infinite_width());
        let cells = request.candidates(7).cells();
        for (group, cell) in cells.iter().enumerate() {
            assert_eq!(request.place(cell), Some((group / request.sizes.len(), group % request.sizes.len())));
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let base = experiment("depths = [1]\ndims = [10]\nwidths = [1]");
        let new = |level, ratio, networks, range| Request::new(base.clone(), Along::Width, [level, ratio], networks, range);
        assert!(new(0.99, 1.1, Some(368), [1, 10]).is_ok());
        for level in [0.0, 1.0, -0.5, f64::NAN, f64::INFINITY] {
            assert!(new(level, 1.1, None, [1, 10]).unwrap_err().remedy.contains("--level"), "{level}");
        }
        for ratio in [1.0, 0.5, f64::NAN, f64::INFINITY] {
            assert!(new(0.99, ratio, None, [1, 10]).unwrap_err().remedy.contains("--ratio"), "{ratio}");
        }
        assert!(new(0.99, 1.1, Some(367), [1, 10]).unwrap_err().remedy.contains("--max-networks 368"));
        assert!(new(0.5, 1.1, Some(50), [1, 10]).unwrap_err().what.contains("below --networks 100"));
        assert!(new(0.99, 1.1, None, [10, 10]).is_err());
        assert!(new(0.99, 1.1, Some(10_000_000), [1, 10]).unwrap_err().remedy.contains("--inputs"));
    }
}
