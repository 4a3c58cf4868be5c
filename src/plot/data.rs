//! The numbers of a figure as CSV: one line per point. Numbers that are not finite are empty fields.

/// A table under construction.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    columns: usize,
    csv: String,
}

/// A field of a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Text(String),
    Number(f64),
}

impl From<f64> for Field {
    fn from(number: f64) -> Self {
        Field::Number(number)
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Field::Text(text.to_owned())
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Field::Text(text)
    }
}

/// A size; that of an infinite width is empty.
impl From<usize> for Field {
    fn from(size: usize) -> Self {
        Field::Text(if size == crate::model::INFINITE_WIDTH { String::new() } else { size.to_string() })
    }
}

impl Data {
    pub fn new(columns: &[&str]) -> Self {
        let mut data = Self { columns: columns.len(), csv: String::new() };
        data.line(columns.iter().map(|&column| column.into()).collect());
        data
    }

    /// Appends a line with a field for each column.
    pub fn line(&mut self, fields: Vec<Field>) {
        debug_assert_eq!(fields.len(), self.columns);
        let text = |field: &Field| match field {
            Field::Text(text) if text.contains([',', '"', '\n', '\r']) => format!("\"{}\"", text.replace('"', "\"\"")),
            Field::Text(text) => text.clone(),
            Field::Number(number) if number.is_finite() => number.to_string(),
            Field::Number(_) => String::new(),
        };
        self.csv.push_str(&fields.iter().map(text).collect::<Vec<_>>().join(","));
        self.csv.push('\n');
    }

    pub fn csv(self) -> String {
        self.csv
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::INFINITE_WIDTH;

    #[test]
    fn readers_of_csv_get_the_fields_back() {
        let mut data = Data::new(&["name", "x", "y"]);
        data.line(vec!["a,\"b\"\nc".into(), 10usize.into(), (0.1 + 0.2).into()]);
        data.line(vec!["".into(), INFINITE_WIDTH.into(), f64::NAN.into()]);
        data.line(vec!["z".into(), f64::INFINITY.into(), 1e300.into()]);
        let csv = data.csv();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let lines: Vec<Vec<String>> = reader.records().map(|line| line.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(lines[0], ["a,\"b\"\nc", "10", "0.30000000000000004"]);
        assert_eq!(lines[1], ["", "", ""]);
        assert_eq!(lines[2][2].parse::<f64>().unwrap(), 1e300);
    }
}
