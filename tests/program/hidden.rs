//! Hidden layers of different widths: ranks, shards, interruptions, table, lines and figures; equal layers give the same networks as depths
//! and widths.

use std::path::{Path, PathBuf};

use crate::jobs::{outcome, stdout_of};
use advstep_hpc::results::{self, Results, first_difference};
use tempfile::TempDir;

/// 40 units in 8 cells, traced and scanned; two shapes with the same depth and widest layer.
const LAYERS: &str =
    "--hidden 60,20,40 --hidden 20,60,40 --hidden 300,10 --hidden 30,30 --dims 5,20 --networks 5 --inputs 7 --quiet";

/// Runs `words` with `options` on `ranks` ranks into `out`; returns exit code and messages.
fn run(words: &str, ranks: Option<usize>, options: &[&str], out: &Path, fault: Option<&str>) -> (i32, String) {
    let words: Vec<&str> = words.split(' ').collect();
    outcome(ranks, &[&words[..], &["--out", out.to_str().unwrap()], options].concat(), fault)
}

#[test]
fn ranks_shards_and_interruptions_give_the_same_science() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| -> PathBuf { directory.path().join(name) };
    let plain = at("plain.h5");
    assert_eq!(run(LAYERS, None, &["--threads", "1"], &plain, None), (0, String::new()));
    let ranks = cfg!(feature = "mpi").then_some(3);
    assert_eq!(run(LAYERS, ranks, &["--threads", "2", "--memory", "256MiB"], &at("ranks.h5"), None).0, 0);
    assert_eq!(first_difference(&plain, &at("ranks.h5")).unwrap(), None);

    let shards = ["1/2", "2/2"].map(|shard| at(&shard.replace('/', "-of-")));
    for (shard, out) in ["1/2", "2/2"].iter().zip(&shards) {
        assert_eq!(run(LAYERS, None, &["--shard", shard], out, None).0, 0);
    }
    let merged = at("merged.h5");
    stdout_of(&["merge", "--quiet", "--out", merged.to_str().unwrap(), shards[0].to_str().unwrap(), shards[1].to_str().unwrap()]);
    assert_eq!(first_difference(&plain, &merged).unwrap(), None);
    stdout_of(&["compare", plain.to_str().unwrap(), merged.to_str().unwrap()]);
    let status = stdout_of(
        &[
            &["status"],
            &LAYERS.split(' ').filter(|word| *word != "--quiet").collect::<Vec<_>>()[..],
            &["--out", plain.to_str().unwrap()],
        ]
        .concat(),
    );
    assert!(status.contains("finished"), "{status}");

    let stopped = at("stopped.h5");
    assert_eq!(run(LAYERS, None, &["--threads", "1"], &stopped, Some("stop:rank=0:unit=11")).0, 75);
    let (code, message) = run(&LAYERS.replace("60,20,40", "60,20,50"), None, &[], &stopped, None);
    assert_eq!(code, 2);
    let hidden = |last| format!("[[30, 30], [300, 10], [20, 60, 40], [60, 20, {last}]]");
    assert!(message.contains(&format!("its hidden is {}, that of this run is {}", hidden(40), hidden(50))), "{message}");
    assert_eq!(run(LAYERS, ranks, &["--threads", "1"], &stopped, None).0, 0);
    assert_eq!(first_difference(&plain, &stopped).unwrap(), None);

    // The stored experiment can be run.
    let toml = at("again.toml");
    std::fs::write(&toml, results::read(&plain).unwrap().experiment.to_toml()).unwrap();
    stdout_of(&["--config", toml.to_str().unwrap(), "--quiet", "--out", at("again.h5").to_str().unwrap()]);
    assert_eq!(first_difference(&plain, &at("again.h5")).unwrap(), None);

    // Other widths with the same label give different samples.
    let other = at("other.h5");
    assert_eq!(run(&LAYERS.replace("60,20,40", "60,20,50"), None, &[], &other, None).0, 0);
    let samples = |path: &Path| results::read(path).unwrap().cells.swap_remove(5).records.swap_remove(0).samples;
    assert!(samples(&plain).iter().zip(samples(&other)).all(|(one, other)| one.value != other.value));
}

#[test]
fn plans_tables_lines_and_figures_name_the_layers() {
    let plan = stdout_of(&["plan", "--hidden", "2000,500,100", "--dims", "10", "--ranks", "4"]);
    assert!(plan.contains("2000,500,100") && plan.contains("on 4 ranks"), "{plan}");
    assert!(stdout_of(&["plan", "--hidden", "2000,500,100", "--sbatch"]).contains("#SBATCH --time="));

    let directory = TempDir::new().unwrap();
    let out = directory.path().join("layers.h5");
    assert_eq!(run(LAYERS, None, &["--direction", "gradient,universal"], &out, None), (0, String::new()));
    let file = out.to_str().unwrap();
    let table = stdout_of(&["show", file]);
    assert!(table.contains("4 shapes of hidden layers") && table.contains(" shape "), "{table}");
    assert_eq!(table.lines().filter(|line| line.contains(" 300,10  ") && line.contains("scan")).count(), 4, "{table}");
    let csv = stdout_of(&["show", file, "--format", "csv"]);
    assert!(csv.lines().next().unwrap().ends_with(",shape"), "{csv}");
    assert_eq!(csv.matches(",\"60,20,40\"\n").count(), 4, "{csv}");
    let json = stdout_of(&["show", file, "--format", "json"]);
    assert_eq!(json.matches("\"shape\":\"300,10\",\"hidden\":[300,10]}").count(), 4, "{json}");
    let pictures = directory.path().join("pictures");
    let drawn = stdout_of(&["plot", file, "--format", "svg", "--out", pictures.to_str().unwrap()]);
    for name in ["shapes_fraction_universal.svg", "shapes_step_gradient.svg", "directions_distance.svg"] {
        assert!(drawn.contains(name), "{drawn}");
    }
}

#[test]
fn equal_layers_are_the_networks_of_depths_and_widths() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| -> PathBuf { directory.path().join(name) };
    let common = "--dims 5,20 --networks 5 --inputs 7 --quiet";
    assert_eq!(run(&format!("--depths 2 --widths 30,300 {common}"), None, &[], &at("grid.h5"), None).0, 0);
    assert_eq!(run(&format!("--hidden 300,300 --hidden 30,30 {common}"), None, &[], &at("equal.h5"), None).0, 0);
    assert_eq!(first_difference(&at("grid.h5"), &at("equal.h5")).unwrap(), None);

    // In an experiment that is not a grid the samples are bitwise the same.
    assert_eq!(run(LAYERS, None, &[], &at("layers.h5"), None).0, 0);
    let of_cell = |results: &Results| -> Vec<String> {
        let equal = results.cells.iter().filter(|cell| (cell.cell.depth, cell.cell.width) == (2, 30));
        equal
            .map(|cell| format!("{:?} {:?}", cell.cell, cell.records.iter().map(|record| &record.samples).collect::<Vec<_>>()))
            .collect()
    };
    let [grid, layers] = ["grid.h5", "layers.h5"].map(|name| of_cell(&results::read(&at(name)).unwrap()));
    assert_eq!(grid.len(), 2);
    assert_eq!(grid, layers);
}
