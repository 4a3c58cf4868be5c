//! Text for people: numbers and values at a readable length.

use serde::{Serialize, Serializer};
use toml::{Table, Value};

/// A number in JSON or CSV: null, or an empty field, if it is not finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { to.serialize_f64(self.0) } else { to.serialize_none() }
    }
}

/// The shortest exact notation of a number: `300`, `1.5`, `1e30`.
pub fn short(value: f64) -> String {
    let plain = value.to_string();
    if plain.len() <= 6 || !value.is_finite() {
        return plain;
    }
    let scientific = format!("{value:e}");
    if scientific.len() < plain.len() { scientific } else { plain }
}

/// A count and its noun: `1 network`, `3 networks`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `text`, truncated to `most` characters with an ellipsis.
pub fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() <= most {
        true => text.to_string(),
        false => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Characters of a long text that [`apart`] shows.
const SHOWN: usize = 60;
/// Characters shown before the first difference.
const BEFORE: usize = 20;

/// Two differing texts for a message; of long ones, an excerpt around the first difference.
pub fn apart(a: &str, b: &str) -> (String, String) {
    let first = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        let length = text.chars().count();
        if length <= SHOWN {
            return text.to_string();
        }
        let start = first.saturating_sub(BEFORE).min(length - 1);
        let start = if start <= 1 { 0 } else { start };
        let shown: String = text.chars().skip(start).take(SHOWN).collect();
        let end = if start + SHOWN < length { "…" } else { "" };
        format!("{}{shown}{end} ({length} characters)", if start > 0 { "…" } else { "" })
    };
    (around(a), around(b))
}

/// A key in which two tables differ, and its value in each.
pub type Difference<'t> = (&'t str, Option<&'t Value>, Option<&'t Value>);

/// The first key in which two tables differ; recursive for nested tables.
pub fn differing<'t>(a: &'t Table, b: &'t Table) -> Option<Difference<'t>> {
    let key = a.keys().chain(b.keys()).find(|&key| a.get(key) != b.get(key))?;
    match (a.get(key), b.get(key)) {
        (Some(Value::Table(a)), Some(Value::Table(b))) => differing(a, b),
        (a, b) => Some((key, a, b)),
    }
}

/// Two differing values for a message.
pub fn values_apart(a: Option<&Value>, b: Option<&Value>) -> (String, String) {
    let text = |value: Option<&Value>| match value {
        None => "not given".to_string(),
        Some(Value::Float(value)) => short(*value),
        Some(value) => value.to_string(),
    };
    apart(&text(a), &text(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_and_short() {
        for (value, text) in [
            (20.0, "20"),
            (1.5, "1.5"),
            (-0.25, "-0.25"),
            (1e9, "1e9"),
            (100_000.0, "100000"),
            (1_234_567.0, "1234567"),
            (0.001, "0.001"),
            (2.5e10, "2.5e10"),
            (1e-300, "1e-300"),
            (1e300, "1e300"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(short(value), text);
            assert!(value.is_nan() || short(value).parse::<f64>() == Ok(value));
        }
        for exponent in -308..308 {
            let value = format!("1.2345678901234567e{exponent}").parse().unwrap();
            assert!(short(value).len() <= 25, "{}", short(value));
        }
    }

    #[test]
    fn long_texts_are_truncated() {
        assert_eq!((shortened("abc", 3), shortened("abcd", 3)), ("abc".into(), "ab…".into()));
        assert_eq!(shortened("ηηηη", 2), "η…");
    }

    #[test]
    fn the_difference_of_long_texts_is_seen() {
        assert_eq!(apart("7", "8"), ("7".into(), "8".into()));
        let list = |last: usize| format!("{:?}", (1..100_000).chain([last]).collect::<Vec<_>>());
        let (a, b) = apart(&list(300), &list(40));
        assert!(a.contains("99999, 300]") && b.contains("99999, 40]"), "{a} {b}");
        assert!(a.starts_with('…') && a.chars().count() < 100 && b.chars().count() < 100, "{a} {b}");
        let (a, b) = apart(&list(1), &list(1).replacen("1, 2", "5, 2", 1));
        assert!(a.starts_with("[1, 2, 3") && b.starts_with("[5, 2, 3"), "{a} {b}");
        // One is a prefix of the other.
        let (a, b) = apart(&"x".repeat(200), &"x".repeat(100));
        assert!(a.ends_with("(200 characters)") && b.ends_with("(100 characters)"), "{a} {b}");
    }

    #[test]
    fn the_first_difference_is_found_in_nested_tables() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let (a, b) = (table("a = 1\n[b]\nc = 2\nd = 3.0\n"), table("a = 1\n[b]\nc = 2\nd = 4.5\ne = 1\n"));
        let (key, x, y) = differing(&a, &b).unwrap();
        assert_eq!((key, values_apart(x, y)), ("d", ("3".into(), "4.5".into())));
        let added = table("a = 1\nx = 2\n[b]\nc = 2\nd = 3.0\n");
        let (key, x, y) = differing(&a, &added).unwrap();
        assert_eq!((key, values_apart(x, y)), ("x", ("not given".into(), "2".into())));
        assert_eq!(differing(&a, &a), None);
    }
}
