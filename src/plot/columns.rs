//! The columns of the table that can be drawn against width, dim or depth: value, band, name and label.

use crate::error::BadInput;
use crate::results::Summary;
use crate::results::schema;

use super::look::Band;

/// A statistic of a cell.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// As in `show --format csv`.
    pub name: &'static str,
    /// Other names on the command line.
    aliases: &'static [&'static str],
    /// What it is, for titles.
    pub what: &'static str,
    /// Axis label, in the markup of [`super::text`].
    pub label: &'static str,
    pub value: fn(&Summary) -> f64,
    std: Option<fn(&Summary) -> f64>,
    /// What the std is over.
    over: &'static str,
    error: Option<fn(&Summary) -> f64>,
    /// Smallest and largest possible value.
    pub range: (f64, f64),
}

const POSITIVE: (f64, f64) = (0.0, f64::INFINITY);
const FRACTIONS: (f64, f64) = (0.0, 1.0);
const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
const NETWORKS: &str = "networks";
const INPUTS: &str = "inputs";

pub const FRACTION: Column = Column {
    name: "fraction",
    aliases: &["switched", "switching", "found"],
    what: "Fraction of inputs whose sign flips",
    label: "fraction flipped",
    value: |s| s.fraction,
    std: Some(|s| s.fraction_std_networks),
    over: NETWORKS,
    error: Some(|s| s.fraction_se),
    range: FRACTIONS,
};

pub const STEP: Column = Column {
    name: "step_mean",
    aliases: &["eta", "step"],
    what: "Smallest step that flips the sign",
    label: "step *η*",
    value: |s| s.step_mean,
    std: Some(|s| s.step_std),
    over: INPUTS,
    error: Some(|s| s.step_se),
    range: POSITIVE,
};

pub const GRADIENT: Column = Column {
    name: "grad_mean",
    aliases: &["gradient", "grad"],
    what: "Norm of the gradient",
    label: "‖∇*f*(*x*)‖",
    value: |s| s.grad_mean,
    std: Some(|s| s.grad_std),
    over: INPUTS,
    error: Some(|s| s.grad_se),
    range: POSITIVE,
};

pub const DISTANCE: Column = Column {
    name: "distance_mean",
    aliases: &["distance"],
    what: "Distance to the flip of the sign",
    label: "distance ‖*δ*‖",
    value: |s| s.distance_mean,
    std: Some(|s| s.distance_std),
    over: INPUTS,
    error: Some(|s| s.distance_se),
    range: POSITIVE,
};

pub const RATIO: Column = Column {
    name: "ratio_q50",
    aliases: &["ratio", "nearest"],
    what: "Median ratio of the distance to that along the first direction",
    label: "ratio of distances",
    value: |s| s.ratio_q50,
    std: None,
    over: INPUTS,
    error: Some(|s| s.ratio_se),
    range: POSITIVE,
};

/// Columns with a label of their own. The other statistics of a results file can be drawn, too.
pub const LABELLED: [Column; 12] = [
    FRACTION,
    Column {
        name: "fraction_lost",
        aliases: &["lost"],
        what: "Fraction of inputs whose sign flips or becomes 0",
        label: "fraction lost",
        value: |s| s.fraction_lost,
        std: None,
        error: Some(|s| s.fraction_lost_se),
        ..FRACTION
    },
    STEP,
    DISTANCE,
    Column {
        name: "relative_distance_mean",
        aliases: &["distance/norm", "relative"],
        what: "Distance to the flip over the norm of the input",
        label: "‖*δ*‖/‖*x*‖",
        value: |s| s.relative_distance_mean,
        std: Some(|s| s.relative_distance_std),
        error: None,
        ..DISTANCE
    },
    RATIO,
    Column {
        name: "certified_mean",
        aliases: &["certified"],
        what: "Certified lower bound on the distance",
        label: "certified distance",
        value: |s| s.certified_mean,
        std: None,
        error: None,
        ..DISTANCE
    },
    GRADIENT,
    Column {
        name: "value_mean",
        aliases: &["value", "f"],
        what: "Output of the network",
        label: "*f*(*x*)",
        value: |s| s.value_mean,
        std: Some(|s| s.value_std),
        over: INPUTS,
        error: Some(|s| s.value_se),
        range: ALL,
    },
    Column {
        name: "dead",
        aliases: &[],
        what: "Inputs with f = 0 or a zero gradient",
        label: "dead inputs",
        value: |s| s.dead as f64,
        std: None,
        error: None,
        ..STEP
    },
    Column {
        name: "evaluations",
        aliases: &["evals"],
        what: "Work of the search per input",
        label: "evaluations",
        value: |s| s.evaluations,
        std: None,
        error: None,
        ..STEP
    },
    Column {
        name: "seconds",
        aliases: &["thread-s"],
        what: "Time of all networks of a cell",
        label: "thread-seconds",
        value: |s| s.seconds,
        std: None,
        error: None,
        ..STEP
    },
];

impl Column {
    /// The column of this name or alias.
    ///
    /// # Errors
    /// There is none; the message lists all.
    pub fn named(name: &str) -> Result<Self, BadInput> {
        let all = all();
        let is_meant = |column: &&Column| column.name == name || column.aliases.contains(&name);
        all.iter().find(is_meant).copied().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|column| column.aliases.first().copied().unwrap_or(column.name)).collect();
            let what = format!("there is no column `{name}`");
            BadInput::new(what, format!("the columns are {}", names.join(", ")), "give --y one of these")
        })
    }

    /// Half the height of `band` at a cell; NaN where unknown, `None` without a band.
    pub fn half(&self, band: Band, summary: &Summary) -> Option<f64> {
        match band {
            Band::Std => self.std.map(|std| std(summary)),
            Band::Stderr => self.error.map(|error| 2.0 * error(summary)),
            Band::None => None,
        }
    }

    /// What a point and its band are, for the note of a figure: text that ends with a semicolon, or nothing.
    pub fn band_note(&self, band: Band) -> String {
        let centre = if self.name.ends_with("_q50") { "median" } else { "mean" };
        match band {
            Band::Std if self.std.is_some() => format!("{centre} ± 1 std over {}; ", self.over),
            Band::Stderr if self.error.is_some() => format!("{centre} ± 2 standard errors, networks as clusters; "),
            _ if self.std.is_some() || self.error.is_some() => format!("{centre}; "),
            _ => String::new(),
        }
    }
}

/// Every column that can be drawn.
pub fn all() -> Vec<Column> {
    let others = schema::SUMMARIES.iter().filter(|field| !field.variable.path.contains('/'));
    let column = |field: &schema::SummaryVariable| Column {
        name: field.variable.path,
        aliases: &[],
        what: field.variable.long_name,
        label: field.variable.path,
        value: field.of,
        std: None,
        over: INPUTS,
        error: None,
        range: ALL,
    };
    let is_labelled = |column: &Column| {
        // `evaluations_mean` is the name in the file of the column `evaluations`.
        LABELLED.iter().any(|labelled| labelled.name == column.name) || column.name == "evaluations_mean"
    };
    LABELLED.into_iter().chain(others.map(column).filter(|column| !is_labelled(column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::distinct;

    #[test]
    fn every_name_means_one_column() {
        let all = all();
        let names: Vec<&str> = all.iter().flat_map(|column| column.aliases.iter().copied().chain([column.name])).collect();
        assert_eq!(distinct(names.iter().copied()).len(), names.len(), "{names:?}");
        for name in names {
            let column = Column::named(name).unwrap();
            assert!(column.name == name || column.aliases.contains(&name));
        }
        for (name, column) in [("eta", "step_mean"), ("distance/norm", "relative_distance_mean"), ("step_q95", "step_q95")] {
            assert_eq!(Column::named(name).unwrap().name, column);
        }
        let refused = Column::named("height").unwrap_err();
        assert!(refused.why.contains("fraction_lost") || refused.why.contains("lost"), "{refused}");
    }

    #[test]
    fn bands_are_those_of_the_summary() {
        let summary = Summary { step_std: 3.0, step_se: 0.5, fraction_std_networks: 0.1, ..Summary::of(&[]) };
        assert_eq!(STEP.half(Band::Std, &summary), Some(3.0));
        assert_eq!(STEP.half(Band::Stderr, &summary), Some(1.0));
        assert_eq!(STEP.half(Band::None, &summary), None);
        assert_eq!(FRACTION.half(Band::Std, &summary), Some(0.1));
        assert_eq!(RATIO.half(Band::Std, &summary), None);
    }
}
