//! Networks whose hidden layers differ in width: lists of widths in place of a grid of depths and widths.

use super::options::WIDTH;
use crate::error::BadInput;
use crate::model::cell::MOST_DIFFERING;
use crate::stats::distinct;
use crate::text::short;

/// Depths, widths, and lists of hidden widths.
pub(super) type Layers = (Vec<usize>, Vec<usize>, Vec<Vec<usize>>);

/// The networks of `hidden`, sorted and distinct; converted to depths and widths if they form a grid, so that equal experiments have equal TOML.
/// `others` names options given that `hidden` excludes.
pub(super) fn layers(hidden: Vec<Vec<f64>>, others: [(&str, bool); 4]) -> Result<Layers, BadInput> {
    if let Some((other, _)) = others.iter().find(|(_, is_given)| *is_given) {
        return Err(BadInput::new(
            format!("hidden and {other} cannot go together"),
            "hidden layers of given widths take the place of depths and widths",
            format!("leave out {other}, or run two experiments"),
        ));
    }
    if hidden.is_empty() {
        let what = "the list of hidden layers is empty";
        return Err(BadInput::new(what, "there would be nothing to run", "give at least one network, such as [1000, 500, 100]"));
    }
    let mut hidden: Vec<Vec<usize>> = hidden.into_iter().map(widths).collect::<Result<_, _>>()?;
    hidden.sort_by_cached_key(|widths| (key(widths), widths.clone()));
    hidden.dedup();
    Ok(as_grid(&hidden).map_or((Vec::new(), Vec::new(), hidden), |(depths, widths)| (depths, widths, Vec::new())))
}

/// Validates the widths of one network.
fn widths(values: Vec<f64>) -> Result<Vec<usize>, BadInput> {
    let widths = values.into_iter().map(|value| WIDTH.whole(value)).collect::<Result<Vec<_>, _>>()?;
    if widths.is_empty() {
        let why = "a network needs at least one hidden layer";
        return Err(BadInput::new(
            "a list of hidden layers is empty",
            why,
            "give the width of each layer, such as [1000, 500, 100]",
        ));
    }
    if widths.len() > MOST_DIFFERING && widths.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(BadInput::new(
            format!("{} hidden layers of given widths are too many", widths.len()),
            format!("networks whose layers differ have at most {MOST_DIFFERING}"),
            "give fewer layers, or depths and widths",
        ));
    }
    if let Some(&width) = widths.iter().find(|&&width| width > u32::MAX as usize)
        && widths.iter().any(|other| *other != width)
    {
        return Err(BadInput::new(
            format!("the width {} is too large beside other widths", short(width as f64)),
            "layers that differ have at most 2^32 − 1 neurons",
            "give narrower layers, or layers of one width",
        ));
    }
    Ok(widths)
}

/// (number of layers, widest layer).
fn key(widths: &[usize]) -> (usize, usize) {
    (widths.len(), widths.iter().copied().max().unwrap_or(0))
}

/// The depths and widths of the grid formed by `hidden`, if it is one.
fn as_grid(hidden: &[Vec<usize>]) -> Option<(Vec<usize>, Vec<usize>)> {
    let (depths, widths): (Vec<usize>, Vec<usize>) = hidden.iter().map(|widths| key(widths)).unzip();
    let (depths, widths) = (distinct(depths), distinct(widths));
    let is_even = |layers: &Vec<usize>| layers.iter().all(|width| *width == layers[0]);
    (hidden.iter().all(is_even) && hidden.len() == depths.len() * widths.len()).then_some((depths, widths))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;
    use crate::experiment::options::Options;
    use crate::experiment::presets::Preset;
    use crate::model::Cell;

    fn from(text: &str) -> Result<Experiment, BadInput> {
        Experiment::from_toml(&format!("dims = [10, 5]\n{text}\n"), "test")
    }

    #[test]
    fn widths_that_differ_fit_32_bits() {
        for hidden in ["[4294967296, 10]", "[5e9, 3]", "[1e11, 3]"] {
            let refused = from(&format!("hidden = [{hidden}]")).unwrap_err();
            assert!(refused.what.contains(" is too large beside other widths"), "{refused:?}");
        }
        assert!(from("hidden = [[4294967295, 10]]").is_ok() && from("hidden = [[5e9, 5e9]]").is_ok());
    }

    #[test]
    fn hidden_layers_are_swept_over_dims_and_survive_their_toml() {
        let experiment = from("hidden = [[1e3, 500, 100], [7, 9], [1000, 500, 100], [8, 8]]").unwrap();
        assert_eq!(experiment.hidden, [vec![8, 8], vec![7, 9], vec![1000, 500, 100]]);
        assert!(experiment.depths.is_empty() && experiment.widths.is_empty());
        assert_eq!(experiment.axes(), [vec![2, 3], vec![5, 10], vec![8, 9, 1000]]);
        assert_eq!(experiment.all_depths(), [2, 3]);
        let cells = experiment.cells();
        assert_eq!((cells.len(), experiment.cell_count()), (6, 6));
        assert_eq!(cells[0], Cell::new(2, 5, 8));
        assert_eq!(cells[5], Cell::of_layers(10, &[1000, 500, 100]));
        assert_eq!(Experiment::from_toml(&experiment.to_toml(), "test").unwrap(), experiment);
    }

    #[test]
    fn shapes_with_the_same_widest_layer_go_together() {
        let experiment = from("hidden = [[3, 1, 3], [3, 3], [1, 3, 3], [3, 3, 1], [3, 3, 3], [1, 3, 3]]").unwrap();
        assert_eq!(experiment.hidden, [vec![3, 3], vec![1, 3, 3], vec![3, 1, 3], vec![3, 3, 1], vec![3, 3, 3]]);
        let cells = experiment.cells();
        assert_eq!((cells.len(), experiment.cell_count()), (10, 10));
        assert!(cells.windows(2).all(|pair| pair[0] < pair[1]), "{cells:?}");
        assert_eq!(Experiment::from_toml(&experiment.to_toml(), "test").unwrap(), experiment);
    }

    #[test]
    fn equal_layers_are_depths_and_widths() {
        let grid = from("depths = [1, 2]\nwidths = [5, 7]").unwrap();
        assert_eq!(from("hidden = [[7], [5, 5], [7, 7], [5]]").unwrap(), grid);
        assert!(!grid.to_toml().contains("hidden"), "{}", grid.to_toml());
        assert_eq!(from("hidden = [[7], [5, 5], [7, 7]]").unwrap().hidden.len(), 3);
    }

    #[test]
    fn hidden_layers_replace_the_grid_of_a_preset_and_the_other_way_round() {
        let flags = Options { hidden: Some(vec![vec![3.0, 2.0]]), ..Options::default() };
        let experiment = flags.overlay(Preset::Quick.options()).validate().unwrap();
        let quick = Preset::Quick.options().validate().unwrap();
        assert_eq!((experiment.hidden.len(), experiment.cells().len()), (1, quick.dims.len()));
        assert_eq!((experiment.extra_widths.len(), experiment.extra_cells.len()), (0, 0));
        let file = || Options::from_toml("dims = [4]\nhidden = [[3, 2]]", "test").unwrap();
        let flags = Options { depths: Some(vec![1.0]), widths: Some(vec![6.0]), ..Options::default() };
        assert_eq!(flags.overlay(file()).validate().unwrap().cells(), [Cell::new(1, 4, 6)]);
        let flags = Options { dims: Some(vec![9.0]), ..Options::default() };
        assert_eq!(flags.overlay(file()).validate().unwrap().cells(), [Cell::of_layers(9, &[3, 2])]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, what) in [
            ("hidden = [[2, 3]]\ndepths = [2]", "hidden and depths cannot go together"),
            ("hidden = [[2, 3]]\nwidths = [2]", "hidden and widths cannot go together"),
            ("hidden = [[2, 3]]\nextra_widths = { 1 = [2] }", "hidden and extra_widths cannot go together"),
            ("hidden = [[2, 3]]\nextra_cells = [[1, 2, 3]]", "hidden and extra_cells cannot go together"),
            ("hidden = []", "the list of hidden layers is empty"),
            ("hidden = [[]]", "a list of hidden layers is empty"),
            ("hidden = [[2, inf]]", "the width inf is not finite"),
            ("hidden = [[2, 0]]", "the width 0 is too small"),
            ("hidden = [[2, 1.5]]", "the width 1.5 is not a whole number"),
            ("hidden = [[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]]", "17 hidden layers of given widths are too many"),
        ] {
            assert_eq!(from(text).unwrap_err().what, what);
        }
        assert!(from("hidden = [2, 3]").unwrap_err().remedy.contains("a list of lists"));
        assert_eq!(from("hidden = [[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]]").unwrap().cells()[0].width_of(16), 16);
    }
}
