//! The names by which figures are chosen.

use super::Picture;
use crate::error::BadInput;

/// A kind of figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    Fraction,
    /// Step and gradient norm at every depth, or at one.
    Step(Option<usize>),
    Distance,
    Phase,
    Distributions,
    Conjecture,
    Ratios,
}

/// Names on the command line, the first of each kind being the one that errors print.
const NAMES: [(Figure, &[&str]); 7] = [
    (Figure::Fraction, &["fraction", "switching"]),
    (Figure::Step(None), &["step", "gradient"]),
    (Figure::Distance, &["distance"]),
    (Figure::Phase, &["phase"]),
    (Figure::Distributions, &["distributions", "distribution"]),
    (Figure::Conjecture, &["conjecture", "depth"]),
    (Figure::Ratios, &["nearest", "ratio", "directions"]),
];

impl Figure {
    /// The figure of this name, or of this number in the paper: 1 is the fraction, `n` from 2 on are step and gradient norm at depth n − 1.
    ///
    /// # Errors
    /// There is none; the message lists all.
    pub fn named(name: &str) -> Result<Self, BadInput> {
        match name.parse() {
            Ok(1) => return Ok(Figure::Fraction),
            Ok(number @ 2..=1000) => return Ok(Figure::Step(Some(number - 1_usize))),
            _ => {}
        }
        let found = NAMES.iter().find(|(_, names)| names.contains(&name));
        found.map(|(figure, _)| *figure).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
            let why = format!("the figures are {}, or 1, 2, … as in the paper", names.join(", "));
            BadInput::new(format!("there is no figure `{name}`"), why, "give --figure one of these")
        })
    }

    fn name(self) -> String {
        match self {
            Figure::Step(Some(depth)) => (depth + 1).to_string(),
            figure => NAMES.iter().find(|(other, _)| *other == figure).map_or(String::new(), |(_, names)| names[0].to_owned()),
        }
    }

    /// Whether a picture of this name is of this kind.
    fn is(self, name: &str) -> bool {
        let starts = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
        match self {
            Figure::Fraction => starts(&["figure1_fraction", "shapes_fraction", "overlay_fraction"]),
            Figure::Step(None) => {
                starts(&["shapes_step", "overlay_step", "overlay_gradient"]) || starts(&["figure"]) && name.contains("_depth")
            }
            Figure::Step(Some(depth)) => starts(&[&format!("figure{}_depth{depth}", depth + 1)]),
            Figure::Distance => starts(&["distance", "overlay_distance"]),
            Figure::Phase => starts(&["phase_diagram"]),
            Figure::Distributions => starts(&["distribution_"]),
            Figure::Conjecture => starts(&["depth_conjecture"]),
            Figure::Ratios => starts(&["directions_distance", "overlay_ratio"]),
        }
    }

    /// What a results file needs for this figure.
    fn needs(self) -> &'static str {
        match self {
            Figure::Step(Some(_)) => "it needs cells of this depth, and a figure of one file",
            Figure::Phase | Figure::Distributions => "it is a figure of one file, with cells of equal layers",
            Figure::Conjecture => "it needs one file with two depths and three dims or widths",
            Figure::Ratios => "it needs several directions",
            _ => "these files do not give it",
        }
    }
}

/// Those of `pictures` that are of one of `figures`, in the order of `figures`.
///
/// # Errors
/// There is no picture of one of them.
pub fn chosen(pictures: Vec<Picture>, figures: &[Figure]) -> Result<Vec<Picture>, BadInput> {
    let missing = figures.iter().find(|figure| !pictures.iter().any(|picture| figure.is(&picture.name)));
    if let Some(figure) = missing {
        let there =
            NAMES.iter().map(|(figure, _)| *figure).filter(|figure| pictures.iter().any(|picture| figure.is(&picture.name)));
        let there: Vec<String> = there.map(Figure::name).collect();
        let what = format!("there is no figure `{}` of these results", figure.name());
        return Err(BadInput::new(what, figure.needs(), format!("give --figure one of {}", there.join(", "))));
    }
    let mut chosen: Vec<Picture> = Vec::new();
    for figure in figures {
        let here = pictures.iter().filter(|picture| figure.is(&picture.name));
        chosen.extend(here.filter(|picture| !chosen.contains(picture)).cloned().collect::<Vec<_>>());
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_names_and_the_numbers_of_the_paper() {
        for (figure, names) in NAMES {
            assert!(names.iter().all(|name| Figure::named(name).unwrap() == figure));
        }
        assert_eq!([Figure::named("1").unwrap(), Figure::named("7").unwrap()], [Figure::Fraction, Figure::Step(Some(6))]);
        for name in ["", "0", "-1", "figure", "1.5", "fractions"] {
            let refused = Figure::named(name).unwrap_err();
            assert!(refused.why.contains("phase") && refused.remedy.contains("--figure"), "{refused}");
        }
    }

    #[test]
    fn a_number_is_one_depth() {
        for (depth, name) in [(1, "figure2_depth1"), (1, "figure2_depth1_sign"), (10, "figure11_depth10")] {
            assert!(Figure::Step(Some(depth)).is(name) && Figure::Step(None).is(name), "{name}");
        }
        assert!(!Figure::Step(Some(1)).is("figure12_depth11") && !Figure::Step(None).is("figure1_fraction"));
        assert!(!Figure::Distance.is("directions_distance") && !Figure::Step(None).is("distribution_step_depth1"));
    }
}
