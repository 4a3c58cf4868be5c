//! Errors of the argument parser in the form of all others: what, why and what to do.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Error};

use super::args::Cli;
use crate::error::BadInput;

/// The usage error `error` of the arguments `words`, the program's name excluded.
pub fn bad_input(error: &Error, words: &[String]) -> BadInput {
    let command = command(words);
    let see = format!("see {command} --help");
    let get = |kind| error.get(kind).map(texts).unwrap_or_default();
    let list = |kind| get(kind).iter().map(|argument| name(argument)).collect::<Vec<_>>().join(", ");
    let (argument, value) = (list(ContextKind::InvalidArg), get(ContextKind::InvalidValue).concat());
    let invalid = || format!("invalid value `{value}` for {argument}");
    match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() => BadInput::new(format!("{argument} has no value"), "it needs one", see),
        ErrorKind::InvalidValue => {
            let valid = get(ContextKind::ValidValue).join(", ");
            let remedy = suggestion(get(ContextKind::SuggestedValue), "give one of these values");
            BadInput::new(invalid(), format!("it is none of {valid}"), remedy)
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            match why.split_once("; ") {
                Some((why, remedy)) => BadInput::new(invalid(), why, remedy),
                None => BadInput::new(invalid(), why, see),
            }
        }
        ErrorKind::TooManyValues => {
            BadInput::new(format!("unexpected value `{value}` for {argument}"), "it takes none", "omit the value")
        }
        ErrorKind::UnknownArgument => {
            if let Some(option) = optional_value_before(&argument, words) {
                return separate_value(&argument, &option);
            }
            let why = match argument.starts_with('-') {
                true => format!("{command} has no such option"),
                false => format!("{command} takes no further argument"),
            };
            let similar = get(ContextKind::SuggestedArg).iter().map(|argument| name(argument).to_string()).collect();
            BadInput::new(format!("unexpected argument `{argument}`"), why, suggestion(similar, &see))
        }
        ErrorKind::InvalidSubcommand => {
            let unknown = get(ContextKind::InvalidSubcommand).concat();
            let similar = get(ContextKind::SuggestedSubcommand);
            BadInput::new(format!("unknown command `{unknown}`"), "advstep-hpc has no such command", suggestion(similar, &see))
        }
        ErrorKind::MissingRequiredArgument => BadInput::new(format!("missing {argument}"), format!("required by {command}"), see),
        ErrorKind::ArgumentConflict => {
            conflict(&argument, &get(ContextKind::InvalidSubcommand).concat(), &get(ContextKind::PriorArg))
        }
        _ => {
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            BadInput::new(line.strip_prefix("error: ").unwrap_or(line), "the command line is not valid", see)
        }
    }
}

/// An argument, or else a command, that may not follow the arguments `prior`.
fn conflict(argument: &str, subcommand: &str, prior: &[String]) -> BadInput {
    let names: Vec<&str> = prior.iter().map(|argument| name(argument)).collect();
    let names = names.join(", ");
    if argument == names {
        return BadInput::new(format!("{argument} is given more than once"), "only one can apply", "give it once");
    }
    if subcommand.is_empty() {
        return BadInput::new(format!("{argument} and {names} cannot go together"), "one replaces the other", "omit one of them");
    }
    if prior.iter().any(|argument| argument.contains("[=")) {
        return separate_value(subcommand, &names);
    }
    let what = format!("`{subcommand}` cannot follow {names}");
    BadInput::new(what, "a command comes before its options", format!("write advstep-hpc {subcommand} {names} …"))
}

/// A value given as a word of its own to an option that takes one only after an equals sign.
fn separate_value(value: &str, option: &str) -> BadInput {
    let what = format!("`{value}` cannot follow {option}");
    BadInput::new(what, "the value of this option needs an equals sign", format!("write {option}={value}"))
}

/// The option just before `argument` if it is one that takes a value only after an equals sign.
fn optional_value_before(argument: &str, words: &[String]) -> Option<String> {
    let before = words.windows(2).find(|pair| pair[1] == argument)?[0].strip_prefix("--")?.to_string();
    let commands = Cli::command();
    let needs_equals = |command: &Command| {
        command.get_arguments().any(|argument| argument.get_long() == Some(&before) && argument.is_require_equals_set())
    };
    let is_option = needs_equals(&commands) || commands.get_subcommands().any(needs_equals);
    is_option.then(|| format!("--{before}"))
}

/// The command that the user meant, for a pointer to its help.
fn command(words: &[String]) -> String {
    let commands = Cli::command();
    let named = words.first().and_then(|word| commands.find_subcommand(word));
    named.map_or_else(|| "advstep-hpc".to_string(), |command| format!("advstep-hpc {}", command.get_name()))
}

fn texts(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::String(text) => vec![text.clone()],
        ContextValue::Strings(texts) => texts.clone(),
        other => vec![other.to_string()],
    }
}

/// `--widths` of `--widths <K,...>`; a positional argument stays `<FILE>`.
fn name(argument: &str) -> &str {
    match argument.starts_with('-') {
        true => argument.split([' ', '[', '=']).next().unwrap_or(argument),
        false => argument,
    }
}

fn suggestion(similar: Vec<String>, otherwise: &str) -> String {
    match similar.first() {
        Some(similar) => format!("write {similar}"),
        None => otherwise.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn usage_errors_have_what_why_and_remedy() {
        for (typed, report) in [
            ("--bogus", "unexpected argument `--bogus`: advstep-hpc has no such option | write --bound"),
            ("plan --zzz", "unexpected argument `--zzz`: advstep-hpc plan has no such option | see advstep-hpc plan --help"),
            ("show a b", "unexpected argument `b`: advstep-hpc show takes no further argument | see advstep-hpc show --help"),
            ("run --widths abc", "invalid value `abc` for --widths: not a number | write it as 10 or 1e3"),
            ("--seed 1.5", "invalid value `1.5` for --seed: not a whole number below 2^63 | write it as 2020"),
            ("--memory lots", "invalid value `lots` for --memory: not a size | write it as 8GiB or 500MB"),
            ("--team 0", "invalid value `0` for --team: not a team | write it as auto, none or a number of ranks"),
            ("--widths", "--widths has no value: it needs one | see advstep-hpc --help"),
            (
                "--preset papr",
                "invalid value `papr` for --preset: it is none of quick, paper, beyond, depth, nearest | write paper",
            ),
            ("--readout xyz", "invalid value `xyz` for --readout: it is none of sign, gaussian | give one of these values"),
            ("rnu", "unknown command `rnu`: advstep-hpc has no such command | see advstep-hpc --help"),
            ("show", "missing <FILE>: required by advstep-hpc show | see advstep-hpc show --help"),
            ("export --depth 1 --width 2", "missing --dim, --out: required by advstep-hpc export | see advstep-hpc export --help"),
            ("--networks 1 --networks 2", "--networks is given more than once: only one can apply | give it once"),
            ("--preset quick --config x", "--preset and --config cannot go together: one replaces the other | omit one of them"),
            ("run --plot svg", "`svg` cannot follow --plot: the value of this option needs an equals sign | write --plot=svg"),
            ("--plot svg", "`svg` cannot follow --plot: the value of this option needs an equals sign | write --plot=svg"),
            ("--seed 1 plan", "`plan` cannot follow --seed: a command comes before its options | write advstep-hpc plan --seed …"),
            ("--quiet=3", "unexpected value `3` for --quiet: it takes none | omit the value"),
        ] {
            let words: Vec<String> = typed.split(' ').map(str::to_string).collect();
            let error = Cli::try_parse_from([&["advstep-hpc".to_string()], &words[..]].concat()).unwrap_err();
            let bad = bad_input(&error, &words);
            assert_eq!(format!("{bad} | {}", bad.remedy), report, "{typed}");
        }
    }
}
