//! The depth conjecture in `show` and `plot`, on results with known failures.

use crate::common::synthetic::{experiment, synthetic};
use advstep_hpc::experiment::Experiment;
use advstep_hpc::plot::{self, ImageFormat};
use advstep_hpc::record::Status;
use advstep_hpc::results::show::{self, show};
use advstep_hpc::results::switching::{Along, switching};
use advstep_hpc::results::{CellResults, Results};

/// Depth L: one network fails at one input where d < 20 L or k < 50 L; all others switch.
fn results() -> Results {
    let experiment = Experiment {
        depths: vec![1, 2],
        dims: vec![10, 20, 50, 100],
        widths: vec![10, 100, 1000],
        extra_widths: [(1, vec![5000])].into(),
        ..experiment()
    };
    let mut results = synthetic(&experiment, 3);
    for CellResults { cell, records, .. } in &mut results.cells {
        for sample in records.iter_mut().flat_map(|record| &mut record.samples) {
            (sample.status, sample.step) = (Status::FoundExact, 1.0);
        }
        if cell.dim < 20 * cell.depth || cell.width < 50 * cell.depth {
            let sample = &mut records[3].samples[2];
            (sample.status, sample.step) = (Status::NoneWithinBound, f64::NAN);
        }
    }
    results
}

#[test]
fn thresholds_are_read_off_the_largest_common_width_and_dim() {
    let lines = switching(&results().cells);
    let held: Vec<_> = lines.iter().map(|line| (line.along, line.held, line.sizes.clone())).collect();
    assert_eq!(held, [(Along::Dim, 1000, vec![10, 20, 50, 100]), (Along::Width, 100, vec![10, 100, 1000])]);
    let all = |line: usize| -> Vec<_> { lines[line].thresholds.iter().map(|t| (t.depth, t.failing, t.all)).collect() };
    assert_eq!(all(0), [(1, Some(10), Some(20)), (2, Some(20), Some(50))]);
    assert_eq!(all(1), [(1, Some(10), Some(100)), (2, Some(10), Some(100))]);
}

#[test]
fn the_table_of_show_has_them_and_what_scripts_read_has_not() {
    let print = |format| {
        let mut out = Vec::new();
        show(&results(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let table = print(show::Format::Table);
    let after = table.split("Smallest d at which inputs switch, at k = 1000").nth(1).unwrap();
    let row = after.lines().find(|line| line.trim_start().starts_with("2 ")).unwrap();
    assert_eq!(row.split_whitespace().take(3).collect::<Vec<_>>(), ["2", "50", "20"]);
    assert!(table.contains("Smallest k at which inputs switch, at d = 100"));
    assert_eq!(print(show::Format::Json).lines().count(), results().cells.len());
    assert_eq!(print(show::Format::Csv).lines().count(), results().cells.len() + 1);
}

#[test]
fn the_picture_has_both_estimates_of_every_depth() {
    let directory = tempfile::tempdir().unwrap();
    let files = plot::plot(&results(), directory.path(), &[ImageFormat::Svg]).unwrap();
    let file = files.iter().find(|file| file.ends_with("depth_conjecture.svg")).unwrap();
    let svg = std::fs::read_to_string(file).unwrap();
    for class in ["all", "most"] {
        assert_eq!(svg.matches(&format!("class=\"{class}\"")).count(), 4);
    }
    assert!(!svg.contains("<tspan>?</tspan>") && !svg.contains("NaN"));

    let never = {
        let mut results = results();
        for sample in results.cells.iter_mut().flat_map(|cell| &mut cell.records).flat_map(|record| &mut record.samples) {
            (sample.status, sample.step) = (Status::NoneWithinBound, f64::NAN);
        }
        results
    };
    let files = plot::plot(&never, directory.path(), &[ImageFormat::Svg]).unwrap();
    let svg = std::fs::read_to_string(files.iter().find(|file| file.ends_with("depth_conjecture.svg")).unwrap()).unwrap();
    assert_eq!(svg.matches("<tspan>?</tspan>").count(), 8);
    assert!(!svg.contains("NaN") && !svg.contains("inf"));

    // Too few depths or sizes for an estimate.
    let few = synthetic(&experiment(), 1);
    let files = plot::plot(&few, directory.path(), &[ImageFormat::Svg]).unwrap();
    assert!(!files.iter().any(|file| file.ends_with("depth_conjecture.svg")));
}
