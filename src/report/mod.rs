//! Results → one HTML page: figures with values on hover, tables to sort, the experiment, the machine, and how to repeat it.
//!
//! The page is self-contained: its style and scripts stand in `style.css`, `figures.js`, `distributions.js` and `page.js` and are embedded, the numbers are JSON ([`json`]) that the
//! script draws, and the tables ([`tables`]) are readable without it. It is XML as well as HTML, so a parser can check it. Everything that comes
//! from files is escaped.

mod json;
mod tables;

use crate::plot::Input;
use crate::plot::columns::{self, Column};
use crate::plot::distribution::Quantity;
use crate::results::{Results, onset};
use crate::text::counted;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = concat!(include_str!("figures.js"), include_str!("distributions.js"), include_str!("page.js"));

/// Keeps a browser from loading anything from elsewhere.
const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\" \
                      content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; form-action 'none'\" />";

/// The columns with a figure of their own; one more figure has a column of the reader's choice.
const DRAWN: [&str; 5] = ["fraction", "step_mean", "distance_mean", "grad_mean", "ratio_q50"];

/// The fraction over width and dim.
const MAP: &str = "<figure id=\"map\"><figcaption>Fraction flipped over <i>k</i> and <i>d</i> <label>of <select></select></label></figcaption>\n\
                   <p class=\"value\" role=\"status\"></p></figure>\n";

/// The page of `inputs`, which hold a cell each, with this title.
pub fn page(inputs: &[Input], title: &str) -> String {
    let columns = drawable(inputs);
    let sections = [
        ("figures", "Figures", figures(inputs, &columns)),
        ("cells", "Cells", each(inputs, tables::cells)),
        ("experiment", "Experiment", each(inputs, tables::experiment)),
        ("machine", "Machine", each(inputs, tables::machine)),
        ("repeat", "Repeat", each(inputs, tables::repeat)),
    ];
    let links: String = sections.iter().map(|(id, name, _)| format!("<a href=\"#{id}\">{name}</a>\n")).collect();
    let body: String = sections
        .iter()
        .map(|(id, name, contents)| format!("<section id=\"{id}\" aria-label=\"{name}\">\n<h2>{name}</h2>\n{contents}</section>\n"))
        .collect();
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n{POLICY}\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n\
         <p class=\"note\">How small a gradient step flips the sign of a random network’s output: written by {}.</p>\n\
         <nav aria-label=\"sections\">\n{links}</nav>\n</header>\n<main>\n{body}</main>\n\
         <script type=\"application/json\" id=\"data\">{}</script>\n\
         <script>\n/*<![CDATA[*/\n{SCRIPT}/*]]>*/\n</script>\n</body>\n</html>\n",
        escape(&format!("advstep-hpc {}", crate::provenance::program_revision())),
        json::json(inputs, &columns),
    )
}

/// The columns with a finite value in some cell, those with figures first.
fn drawable(inputs: &[Input]) -> Vec<Column> {
    let summaries =
        || inputs.iter().flat_map(|input| input.results.cells.iter().flat_map(|cell| cell.summaries(&input.results.experiment)));
    let summaries: Vec<_> = summaries().collect();
    let has_values = |column: &Column| summaries.iter().any(|summary| (column.value)(summary).is_finite());
    let mut columns: Vec<Column> = columns::all().into_iter().filter(has_values).collect();
    columns.sort_by_key(|column| DRAWN.iter().position(|name| *name == column.name).unwrap_or(DRAWN.len()));
    columns
}

/// `contents` of each file, under its name if there are several.
fn each(inputs: &[Input], contents: fn(&Results) -> String) -> String {
    let one = |input: &Input| {
        let name = if inputs.len() > 1 { format!("<h3>{}</h3>\n", escape(&input.label)) } else { String::new() };
        name + &contents(&input.results)
    };
    inputs.iter().map(one).collect()
}

/// The controls and an empty figure per column, which the script fills.
fn figures(inputs: &[Input], columns: &[Column]) -> String {
    let directions = json::directions(inputs);
    let boxes: String = directions
        .iter()
        .map(|name| {
            format!("<label><input type=\"checkbox\" name=\"direction\" value=\"{name}\" checked=\"checked\" /> {name}</label>\n")
        })
        .collect();
    let directions = match directions.len() {
        1 => String::new(),
        _ => format!("<fieldset><legend>directions</legend>\n{boxes}</fieldset>\n"),
    };
    let option = |column: &Column| format!("<option value=\"{0}\">{0}</option>\n", escape(column.name));
    let choice: String = columns.iter().map(option).collect();
    let figure = |column: &Column| {
        let what = escape(column.what);
        format!(
            "<figure data-column=\"{}\"><figcaption>{what}</figcaption>\n<p class=\"value\" role=\"status\"></p></figure>\n",
            escape(column.name)
        )
    };
    let drawn: String = columns.iter().filter(|column| DRAWN.contains(&column.name)).map(figure).collect();
    let has_shapes = inputs.iter().any(|input| !input.results.experiment.hidden.is_empty());
    let map = if has_shapes { "" } else { MAP };
    let partial: String = inputs
        .iter()
        .filter(|input| !input.results.is_complete())
        .map(|input| {
            let (run, all) = (input.results.cells.len(), input.results.experiment.cells().len());
            format!("<p class=\"warning\">PARTIAL: {} holds {run} of {}.</p>\n", escape(&input.label), counted(all, "cell"))
        })
        .collect();
    let thresholds: String = inputs
        .iter()
        .filter_map(|input| onset::text(&input.results))
        .map(|text| format!("<pre tabindex=\"0\">{}</pre>\n", escape(&text)))
        .collect();
    format!(
        "{partial}<noscript><p class=\"warning\">Figures need JavaScript, which is part of this page. The tables hold all numbers.</p></noscript>\n\
         <form id=\"controls\" class=\"controls\" aria-label=\"what the figures show\" onsubmit=\"return false\">\n\
         <label>against <select id=\"x\">\n<option value=\"k\">width k</option>\n<option value=\"d\">input dimension d</option>\n\
         <option value=\"L\">hidden layers L</option>\n</select></label>\n\
         <label><span id=\"panel-name\">depth L</span> <select id=\"panel\"></select></label>\n{directions}\
         <label>band <select id=\"band\">\n<option value=\"std\">1 std</option>\n\
         <option value=\"stderr\" selected=\"selected\">2 standard errors</option>\n<option value=\"none\">none</option>\n</select></label>\n\
         <label><input type=\"checkbox\" id=\"log-x\" checked=\"checked\" /> log x</label>\n\
         <label><input type=\"checkbox\" id=\"log-y\" /> log y</label>\n</form>\n\
         <div id=\"legend\" class=\"legend\" role=\"group\" aria-label=\"curves shown\"></div>\n\
         <p class=\"note\" id=\"shown\" role=\"status\"></p>\n\
         <svg width=\"0\" height=\"0\" aria-hidden=\"true\"></svg>\n\
         <div class=\"cards\">\n{drawn}<figure data-column=\"\"><figcaption><label>Any column: <select>\n{choice}</select></label></figcaption>\n\
         <p class=\"value\" role=\"status\"></p></figure>\n{map}</div>\n{}{thresholds}",
        distributions()
    )
}

/// Controls, legend and empty figures of the distributions.
fn distributions() -> String {
    let figure = |(index, quantity): (usize, Quantity)| {
        let what = quantity.what();
        format!(
            "<figure data-distribution=\"{index}\"><figcaption>Distribution of {what} over inputs</figcaption>\n\
             <p class=\"value\" role=\"status\"></p></figure>\n"
        )
    };
    let drawn: String = Quantity::ALL.into_iter().enumerate().map(figure).collect();
    format!(
        "<h3>Distributions</h3>\n\
         <form id=\"distribution-controls\" class=\"controls\" aria-label=\"what the distributions show\" onsubmit=\"return false\">\n\
         <label><span id=\"at-name\">input dimension d</span> <select id=\"at\"></select></label>\n\
         <label><input type=\"checkbox\" id=\"log-value\" /> log values</label>\n\
         <label><input type=\"checkbox\" id=\"log-share\" /> log share</label>\n</form>\n\
         <div id=\"distribution-legend\" class=\"legend\" role=\"group\" aria-label=\"distributions shown\"></div>\n\
         <p class=\"note\" id=\"distribution-shown\" role=\"status\"></p>\n<div class=\"cards\">\n{drawn}</div>\n"
    )
}

/// Text for HTML and XML, in which control characters have no place.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_files_cannot_become_markup() {
        assert_eq!(escape("<b a='1' c=\"2\">&\u{0}\u{1b}\n"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{fffd}\u{fffd}\n");
    }

    #[test]
    fn the_script_can_stand_in_xml_and_html() {
        assert!(!SCRIPT.contains("]]>") && !SCRIPT.contains("</script") && !STYLE.contains(['<', '&']));
        for part in [SCRIPT, STYLE] {
            assert!(!part.contains("http") && !part.contains("url(") && !part.contains("@import"));
        }
    }
}
