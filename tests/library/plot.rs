//! Figures of synthetic but realistic summaries: their contents, the files written, and edge cases.

use std::collections::BTreeMap;
use std::path::Path;

use advstep_hpc::experiment::Experiment;
use advstep_hpc::model::Activation;
use advstep_hpc::model::InputsLaw;
use advstep_hpc::model::{Cell, Direction, EngineChoice, INFINITE_WIDTH, Precision, Readout, SearchChoice, Unit};
use advstep_hpc::model::{EngineName, Method, SearchName};
use advstep_hpc::plot::chart::{Along, Chart};
use advstep_hpc::plot::columns::Column;
use advstep_hpc::plot::look::{Band, Log, Look, Sheet, Style};
use advstep_hpc::plot::options::Options;
use advstep_hpc::plot::{self, ImageFormat, Input, Picture};
use advstep_hpc::provenance::Provenance;
use advstep_hpc::record::{Sample, Status, UnitRecord};
use advstep_hpc::results::{CellResults, Results, Summary};
use resvg::usvg;

const NOTE: &str = "100 networks × 100 inputs per point, ±1 readout, gain 1, *η* ≤ 20";

/// A realistic summary: curves saturate with width and dim, more slowly with depth.
fn summary(Cell { depth, dim, width, .. }: Cell) -> Summary {
    let (l, d, k) = (depth as f64, dim as f64, width as f64);
    let wiggle = ((l * 7919.0 + d * 104_729.0 + k * 1_299_709.0) % 1000.0) / 1000.0 - 0.5;
    let shortfall = (l * (2.2 / d + 0.9 / k) * (1.0 + 0.2 * wiggle)).min(4.0);
    let fraction = if shortfall < 0.02 { 1.0 } else { (-shortfall).exp() };
    let grad_mean = 0.5f64.powf(l / 2.0) * (1.0 - 0.3 / k) * (1.0 + 0.01 * wiggle);
    let step_mean = 1.13 * 2f64.powf((l - 1.0) / 2.0) * (1.0 + 1.5 * l / d + 2.0 / k) * (1.0 + 0.04 * wiggle);
    Summary {
        fraction,
        fraction_std_networks: (fraction * (1.0 - fraction)).sqrt() * 0.6,
        fraction_se: f64::NAN,
        fraction_lost: f64::NAN,
        fraction_lost_se: f64::NAN,
        step_se: f64::NAN,
        distance_se: f64::NAN,
        grad_se: f64::NAN,
        value_se: f64::NAN,
        dead: 0,
        step_mean,
        step_std: 0.75 * step_mean,
        step_std_networks: 0.1 * step_mean,
        step_q05: 0.1 * step_mean,
        step_q50: 0.8 * step_mean,
        step_q95: 2.5 * step_mean,
        distance_mean: step_mean * grad_mean,
        distance_std: 0.75 * step_mean * grad_mean,
        distance_q05: 0.1 * step_mean * grad_mean,
        distance_q50: 0.8 * step_mean * grad_mean,
        distance_q95: 2.5 * step_mean * grad_mean,
        relative_distance_mean: step_mean * grad_mean / d.sqrt(),
        relative_distance_std: 0.75 * step_mean * grad_mean / d.sqrt(),
        max_distance_mean: f64::NAN,
        path_mean: step_mean * grad_mean,
        ratio_q05: f64::NAN,
        ratio_q50: f64::NAN,
        ratio_q95: f64::NAN,
        certified_mean: f64::NAN,
        certified_ratio_q05: f64::NAN,
        certified_ratio_q50: f64::NAN,
        ratio_se: f64::NAN,
        grad_mean,
        grad_std: grad_mean * (0.3 * l / k.sqrt() + 0.4 / d.sqrt()),
        grad_std_networks: grad_mean * 0.3 / k.sqrt(),
        value_mean: 0.0,
        value_std: 0.5f64.powf(l / 2.0),
        evaluations: 4.0,
        seconds: 1.0,
    }
}

fn grid(depths: &[usize], dims: &[usize], widths: &[usize]) -> Vec<(Cell, Summary)> {
    let mut cells = Vec::new();
    for &depth in depths {
        for &dim in dims {
            for &width in widths {
                let cell = Cell::new(depth, dim, width);
                cells.push((cell, summary(cell)));
            }
        }
    }
    cells
}

/// The cells of the quick preset, with its extra width at depth 1.
fn quick() -> Vec<(Cell, Summary)> {
    let dims = [10, 50, 100, 500];
    let mut cells = grid(&[1, 2, 3, 4, 5, 6], &dims, &[10, 100, 1000]);
    cells.extend(grid(&[1], &dims, &[10_000]));
    cells
}

/// The cells of the paper preset.
fn paper() -> Vec<(Cell, Summary)> {
    let dims = [10, 20, 50, 100, 200, 500];
    let mut cells = grid(&[1], &dims, &[10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000]);
    cells.extend(grid(&[2, 3, 4, 5, 6], &dims, &[10, 30, 100, 300, 1000, 3000, 10_000]));
    cells
}

/// Nothing found at small dims and widths, some stds missing, one cell not run.
fn with_holes() -> Vec<(Cell, Summary)> {
    let mut cells = grid(&[1, 2], &[10, 50, 100], &[10, 100, 1000, 10_000]);
    for (cell, summary) in &mut cells {
        if cell.dim == 10 && cell.width == 100 {
            (summary.fraction, summary.fraction_std_networks) = (0.0, 0.0);
            (summary.step_mean, summary.step_std) = (f64::NAN, f64::NAN);
        }
        if cell.dim == 50 && cell.width >= 1000 {
            (summary.step_std, summary.grad_std, summary.fraction_std_networks) = (f64::NAN, f64::NAN, f64::NAN);
        }
    }
    cells.retain(|(cell, _)| (cell.depth, cell.dim, cell.width) != (2, 100, 100));
    cells
}

/// Cells without any step.
fn nothing_found() -> Vec<(Cell, Summary)> {
    let mut cells = grid(&[6], &[1], &[1, 2]);
    for (_, summary) in &mut cells {
        (summary.fraction, summary.fraction_std_networks) = (0.0, 0.0);
        (summary.step_mean, summary.step_std) = (f64::NAN, f64::NAN);
        (summary.grad_mean, summary.grad_std) = (0.0, 0.0);
    }
    cells
}

/// The edge cases, by name.
fn odd_cases() -> Vec<(&'static str, Vec<(Cell, Summary)>)> {
    let many: Vec<usize> = (1..=40).map(|i| 5 * i).collect();
    let widths: Vec<usize> = (0..60).map(|i| (10f64 * 1.2f64.powi(i)) as usize).collect();
    vec![
        ("holes", with_holes()),
        ("nothing-found", nothing_found()),
        ("one-cell", grid(&[1], &[10], &[100])),
        ("one-width", grid(&[1, 2], &[10, 100], &[30])),
        ("one-dim", grid(&[1, 2, 3], &[50], &[10, 100, 1000])),
        ("close-widths", grid(&[1, 2, 3, 4], &[50, 60], &[90, 100, 110])),
        ("smallest", grid(&[1], &[1], &[1])),
        ("many-dims", grid(&[1, 2, 3, 4, 5, 6], &[2, 5, 10, 20, 50, 100, 200, 500, 1000], &[10, 100, 1000])),
        ("many-depths", grid(&(1..=13).collect::<Vec<_>>(), &[10, 100, 1000], &[10, 100, 1000])),
        ("seven-depths", grid(&[1, 2, 3, 4, 6, 8, 12], &[10, 100], &[10, 30, 100, 300])),
        ("five-depths", grid(&[1, 2, 3, 4, 5], &[10, 100, 1_000_000], &[10, 100, 1000, 100_000_000])),
        ("long-lists", grid(&[1, 2], &many, &widths)),
        ("infinite", grid(&[1, 2, 3], &[10, 100, 500], &[10, 100, 1000, INFINITE_WIDTH])),
        ("one-width-and-infinite", grid(&[1, 2], &[10, 100], &[30, INFINITE_WIDTH])),
        ("infinite-only", grid(&[1, 2], &[10, 100], &[INFINITE_WIDTH])),
        ("largest", grid(&[1], &[usize::MAX], &[1, usize::MAX])),
    ]
}

fn tree(picture: &Picture) -> usvg::Tree {
    usvg::Tree::from_str(&picture.svg, &usvg::Options::default()).unwrap_or_else(|error| panic!("{}: {error}", picture.name))
}

fn count(picture: &Picture, class: &str) -> usize {
    picture.svg.matches(&format!("<g class=\"{class}\">")).count()
}

fn named<'a>(pictures: &'a [Picture], name: &str) -> &'a Picture {
    pictures.iter().find(|picture| picture.name == name).unwrap()
}

#[test]
fn the_quick_preset_gives_nine_pictures_with_all_their_panels_and_curves() {
    let pictures = plot::draw(&quick(), NOTE);
    let names: Vec<&str> = pictures.iter().map(|picture| picture.name.as_str()).collect();
    let depths: Vec<String> = (1..=6).map(|depth| format!("figure{}_depth{depth}", depth + 1)).collect();
    let mut expected = vec!["figure1_fraction"];
    expected.extend(depths.iter().map(String::as_str));
    expected.extend(["distance", "phase_diagram"]);
    assert_eq!(names, expected);

    for picture in &pictures {
        let (panels, curves) = match picture.name.as_str() {
            "figure1_fraction" | "distance" => (6, 6 * 4),
            "phase_diagram" => (6, 0),
            _ => (2, 2 * 4),
        };
        assert_eq!((count(picture, "panel"), count(picture, "curve"), count(picture, "band")), (panels, curves, curves));
        let legends = usize::from(picture.name != "phase_diagram");
        assert_eq!(count(picture, "legend"), legends, "{}", picture.name);
    }
}

#[test]
fn a_curve_is_drawn_where_its_numbers_say() {
    // Two points at 0 and 1, the first and last tick of the axis, which goes 0.04 and 0.05 beyond them.
    let at = |width, fraction| {
        let cell = Cell::new(1, 10, width);
        (cell, Summary { fraction, fraction_std_networks: f64::NAN, ..summary(cell) })
    };
    let svg = &plot::draw(&[at(10, 0.0), at(1000, 1.0)], NOTE)[0].svg;
    let curve = &svg[svg.find("<g class=\"curve\">").unwrap()..];
    let path = curve.split('"').find(|piece| piece.starts_with('M')).unwrap();
    let numbers: Vec<f64> = path.replace(['M', 'L'], " ").split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [x0, y0, x1, y1] = numbers[..] else { panic!("{path}") };
    assert!((x1 - x0 - 240.0 / 1.1).abs() < 0.01, "{path}");
    assert!((y0 - y1 - 160.0 / 1.09).abs() < 0.01, "{path}");
}

#[test]
fn every_case_gives_well_formed_pictures_without_nan_and_inside_the_page() {
    let cases = odd_cases().into_iter().chain([("quick", quick()), ("paper", paper())]);
    for (case, cells) in cases {
        for picture in plot::draw(&cells, NOTE) {
            let body = &picture.svg[picture.svg.find("</style>").unwrap()..];
            assert!(!body.contains("NaN") && !body.contains("inf\"") && !body.contains("inf "), "{case}: {}", picture.name);
            let tree = tree(&picture);
            let (size, bounds) = (tree.size(), tree.root().abs_stroke_bounding_box());
            let inside = bounds.left() >= -0.01 && bounds.top() >= -0.01;
            assert!(
                inside && bounds.right() <= size.width() + 0.01 && bounds.bottom() <= size.height() + 0.01,
                "{case}: {}: {bounds:?} on a page of {size:?}",
                picture.name
            );
            assert!(count(&picture, "panel") >= 1);
        }
    }
}

#[test]
fn a_missing_mean_breaks_the_curve_and_a_missing_std_the_band_only() {
    let pictures = plot::draw(&with_holes(), NOTE);
    let picture = named(&pictures, "figure2_depth1");
    let panel = picture.svg.split("<g class=\"panel\">").nth(1).unwrap();
    let paths = |class: &str, index: usize| {
        let group = panel.split(&format!("<g class=\"{class}\">")).nth(index + 1).unwrap();
        group.split("</g>").next().unwrap().matches("<path").count()
    };
    // d = 10: nothing found at k = 100 leaves k = 10 alone (an error bar of three lines) and k = 1000, 10000 (area and two edges).
    assert_eq!(paths("band", 0), 3 + 3);
    // d = 50: no std from k = 1000 on: one area with its edges.
    assert_eq!(paths("band", 1), 3);
    // Markers at all points of d = 50 and the line between them: shape 1 is a path.
    assert_eq!(paths("curve", 1), 1 + 4);
}

#[test]
fn the_phase_diagram_has_a_number_in_each_cell_and_marks_what_was_not_run() {
    let cells = quick();
    let pictures = plot::draw(&cells, NOTE);
    let phase = named(&pictures, "phase_diagram");
    assert!(phase.svg.contains("grey: not run"));
    let exact = cells.iter().filter(|(_, summary)| summary.fraction == 1.0).count();
    assert_eq!(phase.svg.matches("<tspan>1</tspan>").count(), exact);
    let two_decimals = phase.svg.matches("<tspan>0.").count() + phase.svg.matches("<tspan>1.00</tspan>").count();
    // The labels of the scale are 0.0, 0.2, …, 0.8, and 1.0.
    assert_eq!(two_decimals, cells.len() - exact + 5);
    let complete = plot::draw(&grid(&[1], &[10, 20], &[10, 20]), NOTE);
    assert!(!named(&complete, "phase_diagram").svg.contains("not run"));
}

#[test]
fn infinite_widths_are_dashed_lines_and_the_last_column() {
    let pictures = plot::draw(&grid(&[1, 2], &[10, 100, 500], &[10, 100, INFINITE_WIDTH]), NOTE);
    for (name, limits, ticks) in [("figure1_fraction", 6, 2), ("figure2_depth1", 6, 2)] {
        let picture = named(&pictures, name);
        assert_eq!(count(picture, "limit"), limits, "{name}");
        assert_eq!(picture.svg.matches("stroke-dasharray").count(), limits + 1, "{name}: one each, and the legend");
        assert_eq!(picture.svg.matches("<tspan>∞</tspan>").count(), ticks, "{name}");
    }
    // The curve itself ends before infinity.
    let panel = named(&pictures, "figure2_depth1").svg.split("<g class=\"panel\">").nth(1).unwrap();
    let curve = panel.split("<g class=\"curve\">").nth(1).unwrap();
    let path = curve.split('"').find(|piece| piece.starts_with('M')).unwrap();
    assert_eq!(path.matches(['M', 'L']).count(), 2, "{path}");
    assert_eq!(named(&pictures, "phase_diagram").svg.matches("<tspan>∞</tspan>").count(), 2);
}

#[test]
fn no_cells_no_pictures() {
    assert_eq!(plot::draw(&[], NOTE), []);
}

#[test]
fn files_of_each_format_are_written_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("a/b");
    let pictures = plot::draw(&grid(&[1], &[10, 100], &[10, 100]), NOTE);
    let formats = [ImageFormat::Pdf, ImageFormat::Svg, ImageFormat::Png, ImageFormat::Svg];
    // The second run replaces the files of the first.
    for _ in 0..2 {
        let mut files = plot::write(&pictures, &target, &formats).unwrap();
        let mut found: Vec<_> = std::fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.sort();
        files.sort();
        assert_eq!(found, files);
        assert_eq!(files.len(), 12);
    }

    let read = |name: &str| std::fs::read(target.join(name)).unwrap();
    let png = read("figure1_fraction.png");
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let big_endian = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    let page = tree(&pictures[0]).size();
    // usvg defaults to 96 dpi; a PNG has 300.
    for (pixels, length) in [(big_endian(16), page.width()), (big_endian(20), page.height())] {
        assert!((pixels as f32 - length / 96.0 * 300.0).abs() < 5.0, "{pixels} {length}");
    }
    let pdf = read("phase_diagram.pdf");
    assert_eq!(&pdf[..5], b"%PDF-");
    assert_eq!(String::from_utf8(read("figure1_fraction.svg")).unwrap(), pictures[0].svg);
}

#[test]
fn text_is_drawn_without_fonts_on_the_machine() {
    let directory = tempfile::tempdir().unwrap();
    let pictures = plot::draw(&grid(&[1], &[10], &[10, 100]), NOTE);
    let mut wordless = pictures.clone();
    for picture in &mut wordless {
        while let (Some(start), Some(end)) = (picture.svg.find("<text"), picture.svg.find("</text>")) {
            picture.svg.replace_range(start..end + "</text>".len(), "");
        }
    }
    let png = |pictures: &[Picture], name: &str| {
        let files = plot::write(pictures, &directory.path().join(name), &[ImageFormat::Png]).unwrap();
        std::fs::read(&files[0]).unwrap()
    };
    // Only the bundled fonts are loaded: without them both figures would be equal.
    assert!(png(&pictures, "words").len() > png(&wordless, "none").len() + 2000);
}

#[test]
fn a_directory_that_cannot_be_made_is_bad_input() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let pictures = plot::draw(&quick(), NOTE);
    for directory in [file.path(), &file.path().join("below")] {
        let error = plot::write(&pictures, directory, &[ImageFormat::Svg]).unwrap_err();
        assert_eq!(advstep_hpc::error::exit_code(&error), 2, "{error}");
        let report = advstep_hpc::error::report(&error, "");
        assert!(report.contains("--out"), "{report}");
    }
}

/// Records of one network with steps 1, 2, 3 and none, and a gradient norm of 0.7.
fn record(cell: usize, network: usize) -> UnitRecord {
    let sample = |i: u32| {
        let status = if i == 3 { Status::NoneWithinBound } else { Status::FoundExact };
        let step = if status.is_found() { f64::from(i + 1) } else { f64::NAN };
        Sample::unsearched(0.1, 0.7, 1.0).flipping_at(step, status)
    };
    UnitRecord { unit: Unit { cell, network }, samples: (0..4).map(sample).collect(), seconds: 0.1 }
}

fn results(experiment: Experiment) -> Results {
    let cells = experiment.cells().into_iter().enumerate().map(|(index, cell)| CellResults {
        cell,
        method: Method { engine: EngineName::Dense, search: SearchName::Line },
        records: (0..experiment.networks).map(|network| record(index, network)).collect(),
    });
    let provenance = Provenance { ranks: 1, threads: 1, ..Provenance::default() };
    Results { cells: cells.collect(), experiment, provenance, threshold: None }
}

fn experiment(depths: Vec<usize>) -> Experiment {
    Experiment {
        depths,
        dims: vec![10, 100],
        widths: vec![10, 100],
        networks: 3,
        inputs: 4,
        gain: 2.0,
        readout: Readout::Gaussian,
        activation: Activation::Relu,
        bias: false,
        inputs_law: InputsLaw::Sphere,
        directions: vec![Direction::Gradient],
        nearest_starts: 4,
        certify: false,
        bound: 20.0,
        bound_distance: None,
        seed: 1,
        precision: Precision::F32,
        engine: EngineChoice::Auto,
        search: SearchChoice::Auto,
        extra_widths: BTreeMap::from([(1, vec![1000])]),
        hidden: Vec::new(),
        extra_cells: Vec::new(),
    }
}

#[test]
fn results_are_summarised_and_plotted() {
    let directory = tempfile::tempdir().unwrap();
    let files = plot::plot(&results(experiment(vec![1, 2])), directory.path(), &[ImageFormat::Svg]).unwrap();
    let names: Vec<&Path> = files.iter().map(|file| file.strip_prefix(directory.path()).unwrap()).collect();
    let expected = [
        "figure1_fraction.svg",
        "figure2_depth1.svg",
        "figure3_depth2.svg",
        "distance.svg",
        "phase_diagram.svg",
        "distribution_step_depth1.svg",
        "distribution_gradient_depth1.svg",
        "distribution_step_depth2.svg",
        "distribution_gradient_depth2.svg",
    ];
    assert_eq!(names, expected.map(Path::new));
    let phase = std::fs::read_to_string(&files[4]).unwrap();
    // Three of four inputs flip in each of the 2·3 + 2·2 cells.
    assert_eq!(phase.matches("<tspan>0.75</tspan>").count(), 10);
    assert!(phase.contains("3 networks × 4 inputs per point, Gaussian readout, gain 2"));
}

#[test]
fn shapes_are_labelled_points() {
    let directory = tempfile::tempdir().unwrap();
    let hidden = vec![vec![10, 10], vec![20, 60, 40], vec![60, 20, 40]];
    let layers = Experiment { widths: vec![], extra_widths: BTreeMap::new(), hidden, ..experiment(vec![]) };
    let files = plot::plot(&results(layers), directory.path(), &[ImageFormat::Svg]).unwrap();
    let names: Vec<&Path> = files.iter().map(|file| file.strip_prefix(directory.path()).unwrap()).collect();
    let expected = [
        "shapes_fraction.svg",
        "shapes_step.svg",
        "distribution_step_depth2.svg",
        "distribution_gradient_depth2.svg",
        "distribution_step_depth3.svg",
        "distribution_gradient_depth3.svg",
    ];
    assert_eq!(names, expected.map(Path::new));
    let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    for (text, panels) in texts.iter().zip([1, 3]) {
        // Two dims at each of three shapes.
        assert_eq!(text.matches("<g class=\"panel\">").count(), panels);
        assert_eq!(text.matches("<g class=\"point\">").count(), 6 * panels);
        for label in ["10,10", "20,60,40", "60,20,40"] {
            assert_eq!(text.matches(&format!(">{label}<")).count(), 1, "{label}");
        }
    }
    // Both shapes of three layers have a curve in each of two panels.
    assert_eq!((texts[4].matches("<g class=\"curve\">").count(), texts[4].matches(">60,20,40<").count()), (4, 1));
}

#[test]
fn ratios_are_drawn_against_width_dim_and_depth_where_there_are_several() {
    let directory = tempfile::tempdir().unwrap();
    let with_directions = |experiment: Experiment| {
        let directions = vec![Direction::Gradient, Direction::Sign];
        let mut results = results(Experiment { directions, ..experiment });
        for record in results.cells.iter_mut().flat_map(|cell| &mut cell.records) {
            let mut longer = record.samples.clone();
            longer.iter_mut().for_each(|sample| sample.distance *= 1.25);
            record.samples.extend(longer);
        }
        results
    };
    let drawn = |results: &Results| -> BTreeMap<String, String> {
        let files = plot::plot(results, directory.path(), &[ImageFormat::Svg]).unwrap();
        let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let named = files.iter().map(|file| (stem(file), std::fs::read_to_string(file).unwrap()));
        named.filter(|(name, _)| name.starts_with("directions_distance")).collect()
    };
    let all = drawn(&with_directions(experiment(vec![1, 2, 3])));
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    assert_eq!(names, ["directions_distance", "directions_distance_depth", "directions_distance_dim"]);
    // Three depths, two dims.
    let panels = |name: &str| all[name].matches("<g class=\"panel\">").count();
    assert_eq!(names.iter().map(|name| panels(name)).collect::<Vec<_>>(), [3, 2, 3]);
    // Every ratio is 1.25: the curve is level, at 1.25 of an axis that ends 5 % above it.
    let curve = all["directions_distance_depth"].split("<g class=\"curve\">").nth(1).unwrap();
    let path = curve.split('"').find(|piece| piece.starts_with('M')).unwrap();
    let points: Vec<(f64, f64)> = path[1..]
        .split('L')
        .map(|point| point.trim().split_once(' ').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap())
        .collect();
    assert!(points.len() == 3 && points.iter().all(|point| point.1 == points[0].1), "{path}");
    assert!((points[2].0 - points[1].0 - (points[1].0 - points[0].0)).abs() < 0.02, "{path}");

    let single = Experiment { dims: vec![10], ..experiment(vec![2]) };
    assert_eq!(drawn(&with_directions(single)).keys().collect::<Vec<_>>(), ["directions_distance"]);
}

#[test]
fn distributions_say_which_dims_and_widths_they_leave_out() {
    let directory = tempfile::tempdir().unwrap();
    let many = |dims: usize, widths: usize| {
        let (dims, widths) = ((1..=dims).collect(), (1..=widths).collect());
        let experiment = Experiment { dims, widths, extra_widths: BTreeMap::new(), ..experiment(vec![1]) };
        let files = plot::plot(&results(experiment), directory.path(), &[ImageFormat::Svg]).unwrap();
        let file = files.iter().find(|file| file.ends_with("distribution_step_depth1.svg")).unwrap();
        std::fs::read_to_string(file)
            .unwrap()
            .replace("<tspan font-style=\"italic\">", "")
            .replace("<tspan>", "")
            .replace("</tspan>", "")
    };
    let all = many(9, 12);
    assert!(!all.contains("not drawn") && all.matches("<g class=\"curve\">").count() == 9 * 12);
    let some = many(10, 14);
    assert!(some.contains("not drawn: d = 5 and k = 4, 11"), "{}", &some[..3000]);
}

#[test]
fn distributions_are_those_of_the_samples() {
    let directory = tempfile::tempdir().unwrap();
    let infinite = Experiment { widths: vec![10, 100, INFINITE_WIDTH], ..experiment(vec![1]) };
    let files = plot::plot(&results(infinite), directory.path(), &[ImageFormat::Svg]).unwrap();
    let svg = std::fs::read_to_string(&files[4]).unwrap();
    assert!(files[4].ends_with("distribution_step_depth1.svg"));
    assert!(!svg.contains("NaN"));
    // Two dims; widths 10, 100, 1000 and the limit in each.
    let groups = |class: &str| svg.matches(&format!("<g class=\"{class}\">")).count();
    assert_eq!((groups("panel"), groups("curve"), groups("limit"), groups("legend")), (2, 6, 2, 1));
    // Steps 1, 2, 3 and none: the curve climbs by a quarter of the axis (1.09 long, 130 points) at each, and ends at three quarters.
    let curve = svg.split("<g class=\"curve\">").nth(1).unwrap();
    let path = curve.split('"').find(|piece| piece.starts_with('M')).unwrap();
    let heights = path.split('L').map(|point| point.split(' ').next_back().unwrap().parse::<f64>().unwrap());
    let mut heights: Vec<f64> = heights.collect();
    heights.dedup();
    assert_eq!(heights.len(), 4, "{heights:?}");
    assert!(heights.windows(2).all(|pair| (pair[0] - pair[1] - 130.0 / 1.09 / 4.0).abs() < 0.01), "{heights:?}");
}

/// Results of one file under a name.
fn input(label: &str, experiment: Experiment) -> Input {
    let mut results = results(experiment);
    let directions = results.experiment.directions.len();
    for record in results.cells.iter_mut().flat_map(|cell| &mut cell.records) {
        record.samples = record.samples.repeat(directions);
    }
    Input { label: label.to_owned(), results }
}

/// Grids with and without infinite width, several directions, shapes, many panels.
fn inputs() -> Vec<(&'static str, Vec<Input>)> {
    let hidden = vec![vec![10, 10], vec![20, 60, 40], vec![60, 20, 40]];
    let shapes = Experiment { widths: vec![], extra_widths: BTreeMap::new(), hidden, ..experiment(vec![]) };
    let infinite = Experiment { widths: vec![10, 100, INFINITE_WIDTH], ..experiment(vec![1, 2]) };
    let directions = Experiment { directions: vec![Direction::Gradient, Direction::Sign], ..experiment(vec![1, 2, 3]) };
    let many = Experiment { dims: vec![2, 5, 10, 20, 50, 100, 200], ..experiment(vec![1, 2, 3, 4, 5, 6, 7]) };
    let label = "a name that is *long* & has <signs> and 10^{3}";
    vec![
        ("grid", vec![input("a", experiment(vec![1, 2]))]),
        ("one depth", vec![input("a", experiment(vec![3]))]),
        ("infinite", vec![input("a", infinite.clone())]),
        ("directions", vec![input("a", directions.clone())]),
        ("shapes", vec![input("a", shapes)]),
        ("many", vec![input("a", many)]),
        ("two files", vec![input("a", infinite), input(label, experiment(vec![1, 2]))]),
        ("files with directions", vec![input("b\u{1b}\n", directions.clone()), input(label, directions)]),
    ]
}

fn looks() -> Vec<(&'static str, Look)> {
    let sized = |width: f64, height: f64| Look { sheet: Sheet::Exact(72.0 * width, 72.0 * height), ..Look::default() };
    let with = |band, log| Look { band: Some(band), log: Some(log), ..Look::default() };
    vec![
        ("screen", Look::default()),
        ("paper", Look::of(Style::Paper)),
        ("large text", Look::default().with_label_size(16.0)),
        ("small text on paper", Look::of(Style::Paper).with_label_size(6.0)),
        ("large", sized(14.0, 11.0)),
        ("wide", Look { has_note: false, heading: Some(String::new()), ..sized(14.0, 4.5) }),
        ("titled", Look { heading: Some("*Some* <title> ".repeat(20)), ..Look::default() }),
        ("logarithmic", with(Band::Std, Log::Xy)),
        ("linear", with(Band::Stderr, Log::None)),
        ("without bands", with(Band::None, Log::Y)),
    ]
}

#[test]
fn every_look_gives_well_formed_pictures_inside_the_page() {
    for (case, inputs) in inputs() {
        for (name, look) in looks() {
            let sheet = look.sheet;
            let options = Options { look, ..Options::default() };
            let pictures = match plot::figures(inputs.clone(), &options) {
                Ok(pictures) => pictures,
                Err(refused) => {
                    assert!(sheet != Sheet::Natural && refused.what.contains("does not fit"), "{case}, {name}: {refused}");
                    continue;
                }
            };
            assert!(!pictures.is_empty());
            for picture in pictures {
                let place = format!("{case}, {name}: {}", picture.name);
                let body = &picture.svg[picture.svg.find("</style>").unwrap()..];
                assert!(!body.contains("NaN") && !body.contains("inf\"") && !body.contains("inf "), "{place}");
                let tree = tree(&picture);
                let (size, bounds) = (tree.size(), tree.root().abs_stroke_bounding_box());
                let inside = bounds.left() >= -0.01 && bounds.top() >= -0.01;
                let inside = inside && bounds.right() <= size.width() + 0.01 && bounds.bottom() <= size.height() + 0.01;
                assert!(inside, "{place}: {bounds:?} on a page of {size:?}");
                // usvg counts in pixels, of which 96 are an inch.
                let [width, height] = [size.width(), size.height()].map(|pixels| f64::from(pixels) * 72.0 / 96.0);
                match sheet {
                    Sheet::Exact(w, h) => assert!((width - w).abs() < 0.01 && (height - h).abs() < 0.01, "{place}: {size:?}"),
                    Sheet::Columns => {
                        assert!([237.6, 489.6].iter().any(|column| (width - column).abs() < 0.01), "{place}: {size:?}")
                    }
                    Sheet::Natural | Sheet::BothColumns => {}
                }
                assert!(!picture.data.is_empty() && !picture.data.contains("NaN") && !picture.data.contains("inf"), "{place}");
            }
        }
    }
}

/// The chosen pages of the test above are large enough for most figures: a page that refuses everything would prove nothing.
#[test]
fn figures_that_fit_their_page_are_drawn() {
    for (case, inputs) in inputs() {
        for (name, look) in looks().into_iter().filter(|(name, _)| ["paper", "large"].contains(name)) {
            let options = Options { look, ..Options::default() };
            let drawn = plot::figures(inputs.clone(), &options);
            assert!(drawn.is_ok() || case == "many", "{case}, {name}: {}", drawn.unwrap_err());
        }
    }
}

#[test]
fn curves_of_several_files_are_where_their_numbers_say() {
    let chart = Chart { x: Along::Width, y: Column::named("eta").unwrap() };
    let options = Options { chart: Some(chart), ..Options::default() };
    let longer = |mut input: Input| {
        for sample in input.results.cells.iter_mut().flat_map(|cell| &mut cell.records).flat_map(|record| &mut record.samples) {
            sample.step *= 2.0;
        }
        input
    };
    let only = |dims| Experiment { dims, ..experiment(vec![1]) };
    let pictures = plot::figures(vec![input("a", only(vec![10])), longer(input("b", only(vec![10])))], &options).unwrap();
    let curves: Vec<&str> = pictures[0].svg.split("<g class=\"curve\">").skip(1).collect();
    let height = |curve: &str| -> f64 {
        let path = curve.split('"').find(|piece| piece.starts_with('M')).unwrap();
        path[1..].split('L').next().unwrap().split(' ').nth(1).unwrap().parse().unwrap()
    };
    // Mean steps 2 and 4 on an axis from 0 to 5 % above the highest value drawn.
    let bottom = pictures[0].svg.split("<rect").nth(2).unwrap();
    let number =
        |name: &str| bottom.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse::<f64>().unwrap();
    let zero = number("y") + number("height");
    assert!(((zero - height(curves[1])) / (zero - height(curves[0])) - 2.0).abs() < 1e-3, "{zero}: {curves:?}");
    let steps: Vec<f64> = pictures[0].data.lines().skip(1).map(|line| line.split(',').nth(5).unwrap().parse().unwrap()).collect();
    assert_eq!(steps, [2.0, 2.0, 2.0, 4.0, 4.0, 4.0]);
}

#[test]
fn results_without_cells_are_bad_input() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("pictures");
    let error = plot::plot(&results(experiment(vec![])), &target, &[ImageFormat::Svg]).unwrap_err();
    assert_eq!(advstep_hpc::error::exit_code(&error), 2);
    assert!(!target.exists());
}
