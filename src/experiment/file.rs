//! Experiments as TOML: reads a file into [`Options`], with errors that name file, line and the expected value.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use super::Experiment;
use super::options::Options;
use crate::error::BadInput;
use crate::model::InputsLaw;
use crate::text::shortened;

/// Every key of a file, with an example value.
const KEYS: [(&str, &str); 22] = [
    ("depths", "a list of whole numbers, such as [1, 2]"),
    ("dims", "a list of whole numbers, such as [10, 100]"),
    ("widths", "a list of whole numbers, such as [10, 1e3], or inf"),
    ("networks", "a whole number, such as 100"),
    ("inputs", "a whole number, such as 100"),
    ("gain", "a number, such as 1.0"),
    ("readout", "\"sign\" or \"gaussian\""),
    ("activation", "the name of one, such as \"tanh\""),
    ("bias", "true or false"),
    ("inputs_law", "\"sphere\", \"gaussian\", \"hypercube\" or \"file:PATH\""),
    ("directions", "a list of names, such as [\"gradient\", \"sign\"]"),
    ("nearest_starts", "a whole number, such as 4"),
    ("certify", "true or false"),
    ("bound", "a number, such as 20.0"),
    ("bound_distance", "a number, such as 3.0"),
    ("seed", "a whole number without exponent or fraction, such as 7"),
    ("precision", "\"f32\", \"f64\" or \"bf16x3\""),
    ("engine", "\"auto\", \"dense\" or \"implicit\""),
    ("search", "\"auto\", \"exact\" or \"scan\""),
    ("extra_widths", "a table of lists by depth, such as {1 = [1e4]}"),
    ("hidden", "a list of lists of whole numbers, such as [[1000, 500, 100]]"),
    ("extra_cells", "a list of [depth, dim, width], such as [[1, 20, 1e9]]"),
];

/// Largest file accepted, in bytes.
const LONGEST: u64 = 16 << 20;
/// Longest quotation from a file in an error, in characters.
const REPEATED: usize = 200;

/// Largest edit distance at which an unknown key is taken for a typo.
const NEAR_MISS_EDITS: usize = 3;

impl Options {
    /// Reads the TOML file at `path`.
    pub fn read(path: &Path) -> Result<Self, BadInput> {
        let source = path.display().to_string();
        let refuse =
            |why: String| BadInput::new(format!("cannot read {source}"), why, "give --config the path of a readable TOML file");
        // Pipes are allowed, so the size is not known beforehand.
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
        read.map_err(|error| refuse(error.to_string()))?;
        if bytes.len() as u64 > LONGEST {
            return Err(refuse(format!("it is longer than {}", bytesize::ByteSize(LONGEST))));
        }
        let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text".into()))?;
        Self::from_toml(&text, &source)
    }

    /// Parses `text`; `source` names it in errors.
    pub fn from_toml(text: &str, source: &str) -> Result<Self, BadInput> {
        let table = DeTable::parse(text).map_err(|error| {
            let what = format!("{} is not TOML", place(source, text, error.span()));
            BadInput::new(what, one_line(error.message()), "correct the line")
        })?;
        let keys: Vec<_> = table.get_ref().keys().collect();
        for key in &keys {
            if !KEYS.iter().any(|(known, _)| known == key.get_ref()) {
                return Err(unknown_key(key.get_ref(), &place(source, text, Some(key.span()))));
            }
        }
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let nearest = keys.iter().filter(|key| key.span().start <= at).max_by_key(|key| key.span().start);
            let known = nearest.and_then(|key| KEYS.iter().find(|(known, _)| known == key.get_ref()));
            let (key, form) = known.unwrap_or(&("a key", "values as in the presets"));
            let what = format!("{} holds a wrong value for {key}", place(source, text, error.span()));
            BadInput::new(what, one_line(error.message()), format!("give {form}"))
        })
    }
}

impl Experiment {
    /// The inverse of [`Experiment::to_toml`]; `source` names `text` in errors. Never opens a file named in `text`.
    pub fn from_toml(text: &str, source: &str) -> Result<Self, BadInput> {
        let options = Options::from_toml(text, source)?;
        let law = options.inputs_law.as_deref().map(InputsLaw::parse).transpose()?;
        if law.is_some_and(|law| law.is_file() && !(law.is_known() && options.dims.is_some())) {
            let what = format!("{source} has inputs from a file that is not told apart from others");
            return Err(BadInput::new(what, "a stored experiment has its checksum and the dims", "run the experiment again"));
        }
        options.validate()
    }
}

fn unknown_key(key: &str, place: &str) -> BadInput {
    let names = || KEYS.iter().map(|(known, _)| *known);
    let nearest = names().min_by_key(|known| strsim::damerau_levenshtein(known, key)).filter(|known| {
        let edits = strsim::damerau_levenshtein(known, key);
        edits <= NEAR_MISS_EDITS && edits < known.len() / 2 + 1
    });
    let remedy = match nearest {
        Some(known) => format!("write `{known}` if that is meant"),
        None => format!("use only {}", names().collect::<Vec<_>>().join(", ")),
    };
    BadInput::new(format!("{place} holds `{}`", shortened(key, REPEATED)), "an experiment has no such key", remedy)
}

/// `FILE line N`, or `FILE` if the position is unknown.
fn place(source: &str, text: &str, span: Option<Range<usize>>) -> String {
    match span.and_then(|span| text.get(..span.start)) {
        Some(before) => format!("{source} line {}", before.matches('\n').count() + 1),
        None => source.to_string(),
    }
}

fn one_line(message: &str) -> String {
    shortened(&message.lines().map(str::trim).collect::<Vec<_>>().join(", "), REPEATED)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The error of `text`, read from a file called `my.toml`.
    fn error(text: &str) -> String {
        let error = Options::from_toml(text, "my.toml").unwrap_err();
        format!("{error}\nhelp: {}", error.remedy)
    }

    #[test]
    fn unknown_keys_name_the_near_miss_and_the_line() {
        assert_eq!(
            error("dims = [1]\nwidhts = [3]\n"),
            "my.toml line 2 holds `widhts`: an experiment has no such key\nhelp: write `widths` if that is meant"
        );
        assert!(error("netwroks = 3").contains("write `networks`"));
        assert!(error("extra-widths = 3").contains("write `extra_widths`"));
        assert!(error("colour = 3").contains("use only depths, dims, widths"));
        assert!(error("x = 3").contains("use only depths, dims, widths"));
    }

    #[test]
    fn broken_toml_names_the_line_and_what_was_expected() {
        let unclosed = error("dims = [1]\nwidths = [3\n");
        assert!(unclosed.starts_with("my.toml line 2 is not TOML: ") && unclosed.contains("expected `]`"), "{unclosed}");
        assert!(error("dims = [1]\ndims = [2]").contains("my.toml line 2 is not TOML: duplicate key"));
        assert!(error("dims [1]").starts_with("my.toml line 1 is not TOML: "));
    }

    #[test]
    fn wrong_types_name_the_key_and_its_form() {
        for (text, key, form) in [
            ("\nwidths = 10", "widths", "a list of whole numbers"),
            ("\nwidths = [10, \"a\"]", "widths", "a list of whole numbers"),
            ("\ngain = true", "gain", "a number"),
            ("\nseed = 1.5", "seed", "a whole number without exponent"),
            ("\nseed = 18446744073709551615", "seed", "a whole number without exponent"),
            ("\nreadout = \"Sing\"", "readout", "\"sign\" or \"gaussian\""),
            ("\nwidths = [99999999999999999999]", "widths", "a list of whole numbers"),
            ("[extra_widths]\n1 = 3", "extra_widths", "a table of lists by depth"),
            ("\nextra_widths = [1]", "extra_widths", "a table of lists by depth"),
        ] {
            let error = error(text);
            assert!(error.starts_with(&format!("my.toml line 2 holds a wrong value for {key}: ")), "{error}");
            assert!(error.contains(&format!("\nhelp: give {form}")), "{error}");
        }
    }

    #[test]
    fn an_experiment_survives_its_toml() {
        let text = "depths = [3, 1]\ndims = [7]\nwidths = [1e3, 10, 10]\nnetworks = 3\ninputs = 2\ngain = 1.7\nreadout = 'gaussian'\nactivation = 'leaky-relu'\nbias = true\ninputs_law = 'hypercube'\ndirections = ['random', 'sign']\n\
                    bound = 0.1\nseed = 9223372036854775807\nprecision = 'f64'\nengine = 'dense'\nsearch = 'scan'\n\
                    [extra_widths]\n1 = [1e9, 10, 20]\n3 = [10]\n";
        let experiment = Experiment::from_toml(text, "test").unwrap();
        assert_eq!(experiment.extra_widths, BTreeMap::from([(1, vec![20, 1_000_000_000])]));
        assert_eq!(experiment.seed, i64::MAX as u64);
        assert_eq!(Experiment::from_toml(&experiment.to_toml(), "test").unwrap(), experiment);
    }
}
