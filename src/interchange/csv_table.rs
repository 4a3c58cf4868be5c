//! CSV: a table of numbers, with an optional header and a column of labels.

use csv::{ReaderBuilder, StringRecord, Trim};
use ndarray::Array2;

use super::inputs::{LABELS, LabelSource};
use super::{Limit, Why};

/// A table, a row an input.
#[derive(Debug, PartialEq)]
pub struct CsvTable {
    pub x: Array2<f64>,
    /// The column of labels, as text.
    pub labels: Option<Vec<String>>,
}

/// Reads a table. Its first row is a header if, and only if, at least one of its fields is no number; so `1,2` is an input, and `1,2,cat` a header.
/// In the header the column of labels is found by its name, in any case: that of `labels`, by default one of [`LABELS`].
///
/// # Errors
/// Rows of different lengths, fields that are no numbers, no such column or two of them, or more numbers than `limit`.
pub fn read(bytes: &[u8], labels: &LabelSource, limit: Limit) -> Result<CsvTable, Why> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(false).trim(Trim::All).from_reader(bytes);
    let mut records = Vec::new();
    for (index, record) in reader.records().enumerate() {
        records.push(record.map_err(|error| ragged(index, &error))?);
    }
    let is_number = |field: &str| field.parse::<f64>().is_ok();
    let has_header = records.first().is_some_and(|first| !first.iter().all(is_number));
    let header = has_header.then(|| records.remove(0));
    let column = label_column(header.as_ref(), labels)?;
    let columns = records.first().map_or(0, StringRecord::len);
    limit.check_numbers(records.len().saturating_mul(columns))?;
    let (mut numbers, mut labels) = (Vec::new(), Vec::new());
    for (row, record) in records.iter().enumerate() {
        for (at, field) in record.iter().enumerate() {
            if Some(at) == column {
                labels.push(field.to_string());
                continue;
            }
            numbers.push(field.parse().map_err(|_| format!("row {row}, column {at} is `{field:.30}`, which is no number"))?);
        }
    }
    let shape = (records.len(), columns - usize::from(column.is_some() && columns > 0));
    let x = Array2::from_shape_vec(shape, numbers).map_err(|error| error.to_string())?;
    Ok(CsvTable { x, labels: column.map(|_| labels) })
}

fn ragged(index: usize, error: &csv::Error) -> Why {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("line {} has {len} fields, and the first one {expected_len}", index + 1)
        }
        csv::ErrorKind::Utf8 { .. } => format!("line {} is not text", index + 1),
        _ => error.to_string(),
    }
}

fn label_column(header: Option<&StringRecord>, labels: &LabelSource) -> Result<Option<usize>, Why> {
    let is_wanted = |field: &str| match labels {
        LabelSource::Beside(name) => field.eq_ignore_ascii_case(name),
        LabelSource::Default => LABELS.iter().any(|name| field.eq_ignore_ascii_case(name)),
        LabelSource::None | LabelSource::File(_) => false,
    };
    let fields = header.iter().flat_map(|header| header.iter().enumerate());
    let found: Vec<(usize, &str)> = fields.filter(|(_, field)| is_wanted(field)).collect();
    match (found.as_slice(), labels) {
        (&[(at, _)], _) => Ok(Some(at)),
        ([], LabelSource::Beside(name)) if header.is_none() => Err(format!("it has no header, and so no column `{name}`")),
        ([], LabelSource::Beside(name)) => Err(format!("its header has no column `{name}`")),
        ([], _) => Ok(None),
        (several, _) => {
            let names: Vec<String> = several.iter().map(|(_, name)| format!("`{name}`")).collect();
            Err(format!(
                "its columns {} could each be the labels: --labels ::NAME names one, --labels none none",
                names.join(" and ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn read(text: &str, labels: Option<&str>) -> Result<CsvTable, Why> {
        super::read(text.as_bytes(), &LabelSource::parse(labels), Limit::MOST)
    }

    #[test]
    fn tables_with_and_without_header_and_labels_are_read() {
        let plain = read("1,2.5\n-3e2, 4\n", None).unwrap();
        assert_eq!(plain, CsvTable { x: array![[1.0, 2.5], [-300.0, 4.0]], labels: None });
        let labelled = read("a,Label,b\r\n1,cat,2\r\n3,dog,4\r\n", None).unwrap();
        assert_eq!(labelled, CsvTable { x: array![[1.0, 2.0], [3.0, 4.0]], labels: Some(vec!["cat".into(), "dog".into()]) });
        assert_eq!(read("a,kind\n1,7\n", Some("::kind")).unwrap().labels, Some(vec!["7".to_string()]));
    }

    #[test]
    fn a_first_row_is_a_header_only_with_a_field_that_is_no_number() {
        // Names that are numbers, as pandas writes them, are a row of inputs; one other name makes them a header.
        assert_eq!(read("0,1\n5,6\n", None).unwrap().x, array![[0.0, 1.0], [5.0, 6.0]]);
        assert_eq!(read("0,1,y\n5,6,7\n", None).unwrap(), CsvTable { x: array![[5.0, 6.0]], labels: Some(vec!["7".into()]) });
        assert_eq!(read(",0,1\n0,5,6\n", None).unwrap().x, array![[0.0, 5.0, 6.0]]);
        assert_eq!(read("1e3,inf\n5,6\n", None).unwrap().x.nrows(), 2);
    }

    #[test]
    fn columns_of_labels_are_inputs_without_labels_and_one_of_them_at_most_otherwise() {
        let text = "a,y\n1,2\n";
        for labels in ["none", "other.npy"] {
            assert_eq!(read(text, Some(labels)).unwrap(), CsvTable { x: array![[1.0, 2.0]], labels: None });
        }
        assert!(read("y,a,y\n1,2,3\n", None).unwrap_err().starts_with("its columns `y` and `y` could each be the labels"));
        assert!(read("y,a,Label\n1,2,3\n", None).unwrap_err().starts_with("its columns `y` and `Label` could"));
        assert_eq!(read("y,a,Label\n1,2,3\n", Some("::label")).unwrap().x, array![[1.0, 2.0]]);
        assert_eq!(read("y,a,y\n1,2,3\n", Some("none")).unwrap().x, array![[1.0, 2.0, 3.0]]);
        // Other names may repeat: columns count by their place.
        assert_eq!(read("a,a\n1,2\n", None).unwrap().x, array![[1.0, 2.0]]);
    }

    #[test]
    fn tables_that_are_none_are_refused() {
        let why = |text: &str| read(text, None).unwrap_err();
        assert_eq!(why("1,2\n3\n"), "line 2 has 1 fields, and the first one 2");
        assert_eq!(why("1,2\n3,x\n"), "row 1, column 1 is `x`, which is no number");
        assert!(read("1,2\n", Some("::label")).unwrap_err().contains("no header, and so no column `label`"));
        assert!(read("a,b\n1,2\n", Some("::label")).unwrap_err().contains("its header has no column `label`"));
        assert!(super::read(b"1,2\n\xff\xfe,3\n", &LabelSource::Default, Limit::MOST).is_err());
        assert!(super::read(b"1,2\n3,4\n", &LabelSource::Default, Limit::of_memory(16 * 3)).is_err());
        assert_eq!(read("", None).unwrap().x.dim(), (0, 0));
        assert_eq!(read("a,b\n", None).unwrap().x.nrows(), 0);
    }
}
