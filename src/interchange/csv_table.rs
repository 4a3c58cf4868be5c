//! CSV: a table of numbers, with an optional header and a column of labels.

use csv::{ReaderBuilder, StringRecord, Trim};
use ndarray::Array2;

use super::{MOST_NUMBERS, Why};

/// A table, a row an input.
#[derive(Debug, PartialEq)]
pub struct CsvTable {
    pub x: Array2<f64>,
    /// The column of labels, as text.
    pub labels: Option<Vec<String>>,
}

/// Reads a table. If its first row has a field that is no number, that is the header. The column named `label`, or else one of those of
/// [`LABELS`](super::inputs::LABELS), is apart.
///
/// # Errors
/// Rows of different lengths, fields that are no numbers, or no such column.
pub fn read(bytes: &[u8], label: Option<&str>) -> Result<CsvTable, Why> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(false).trim(Trim::All).from_reader(bytes);
    let mut records = Vec::new();
    for (index, record) in reader.records().enumerate() {
        records.push(record.map_err(|error| ragged(index, &error))?);
    }
    let is_number = |field: &str| field.parse::<f64>().is_ok();
    let has_header = records.first().is_some_and(|first| !first.iter().all(is_number));
    let header = has_header.then(|| records.remove(0));
    let column = label_column(header.as_ref(), label)?;
    let columns = records.first().map_or(0, StringRecord::len);
    if records.len().saturating_mul(columns) > MOST_NUMBERS {
        return Err(format!("it holds more than {MOST_NUMBERS} numbers"));
    }
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

fn label_column(header: Option<&StringRecord>, label: Option<&str>) -> Result<Option<usize>, Why> {
    let find = |name: &str| header.and_then(|header| header.iter().position(|field| field.eq_ignore_ascii_case(name)));
    match label {
        Some(name) => find(name).map(Some).ok_or_else(|| format!("its header has no column `{name}`")),
        None => Ok(super::inputs::LABELS.into_iter().find_map(find)),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn tables_with_and_without_header_and_labels_are_read() {
        let plain = read(b"1,2.5\n-3e2, 4\n", None).unwrap();
        assert_eq!(plain, CsvTable { x: array![[1.0, 2.5], [-300.0, 4.0]], labels: None });
        let labelled = read(b"a,Label,b\r\n1,cat,2\r\n3,dog,4\r\n", None).unwrap();
        assert_eq!(labelled, CsvTable { x: array![[1.0, 2.0], [3.0, 4.0]], labels: Some(vec!["cat".into(), "dog".into()]) });
        assert_eq!(read(b"a,kind\n1,7\n", Some("kind")).unwrap().labels, Some(vec!["7".to_string()]));
    }

    #[test]
    fn tables_that_are_none_are_refused() {
        let why = |text: &str| read(text.as_bytes(), None).unwrap_err();
        assert_eq!(why("1,2\n3\n"), "line 2 has 1 fields, and the first one 2");
        assert_eq!(why("1,2\n3,x\n"), "row 1, column 1 is `x`, which is no number");
        assert!(read(b"1,2\n", Some("label")).unwrap_err().contains("no column `label`"));
        assert!(read(b"1,2\n\xff\xfe,3\n", None).is_err());
        assert_eq!(read(b"", None).unwrap().x.dim(), (0, 0));
        assert_eq!(read(b"a,b\n", None).unwrap().x.nrows(), 0);
    }
}
