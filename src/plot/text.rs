//! Text: a small markup.
//!
//! `*k*` is italic, `10^{3}` a superscript, and the character after a backslash stands for itself.

/// Size and rise of superscripts, relative to the font size.
pub const RAISED_SIZE: f64 = 0.7;
pub const RAISED_BY: f64 = 0.38;

/// Distance of the baseline below the middle of digits and capitals, relative to the font size.
pub const MIDDLE: f64 = 0.365;

/// A run of text with one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub text: String,
    pub italic: bool,
    pub raised: bool,
}

/// Splits markup into spans.
pub fn spans(markup: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let (mut italic, mut raised) = (false, false);
    let mut rest = markup.chars().peekable();
    while let Some(character) = rest.next() {
        let character = match character {
            '\\' => match rest.next() {
                Some(escaped) => escaped,
                None => break,
            },
            '*' => {
                italic = !italic;
                continue;
            }
            '^' if rest.peek() == Some(&'{') => {
                rest.next();
                raised = true;
                continue;
            }
            '}' if raised => {
                raised = false;
                continue;
            }
            character => character,
        };
        match spans.last_mut() {
            Some(last) if (last.italic, last.raised) == (italic, raised) => last.text.push(character),
            _ => spans.push(Span { text: character.to_string(), italic, raised }),
        }
    }
    spans
}

/// Markup that shows `text` as it is.
pub fn plain(text: &str) -> String {
    let mut markup = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '*' | '^' | '}') {
            markup.push('\\');
        }
        markup.push(character);
    }
    markup
}

/// The text of `markup` without its styles.
pub fn unstyled(markup: &str) -> String {
    spans(markup).into_iter().map(|span| span.text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_split_into_spans() {
        let span = |text: &str, italic, raised| Span { text: text.to_owned(), italic, raised };
        assert_eq!(spans("width *k*"), [span("width ", false, false), span("k", true, false)]);
        assert_eq!(spans("3×10^{4}!"), [span("3×10", false, false), span("4", false, true), span("!", false, false)]);
        assert_eq!(spans("a^b}"), [span("a^b}", false, false)]);
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["a*b*c", "10^{3}", r"C:\*\x", "}", "", "ü^", r"\"] {
            assert_eq!(unstyled(&plain(text)), text);
            assert!(spans(&plain(text)).iter().all(|span| !span.italic && !span.raised), "{text}");
        }
        assert_eq!(unstyled("*k* = 10^{3}"), "k = 103");
    }
}
