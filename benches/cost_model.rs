//! The cost model against measurements, on the cells of preset `paper` and at infinite width.
//!
//! `cargo bench --bench cost_model [-- [FROM] TO] [--networks N] [--dims D,D…] [--unit-times FILE]` measures every cell predicted to take FROM (0) to
//! TO (4) s per network, with the engine of `--engine auto` and, near the crossover, also with the other one; appends to FILE
//! (`benches/results/unit_times.jsonl`); and prints predicted and measured seconds with the spread of their ratio. Measured seconds are CPU time of
//! one thread, averaged over the networks in FILE: at least N (1), at least one second in total, and three for short ones. Cells already in FILE
//! are not measured again, so an interrupted run can be resumed. All cells take two hours and 22 GiB.

mod common;
#[path = "common/unit_times.rs"]
mod unit_times;

use std::collections::BTreeMap;

use std::path::PathBuf;

use advstep_hpc::experiment::Experiment;
use advstep_hpc::experiment::options::Options;
use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::job::Resources;
use advstep_hpc::machine;
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::measure::{Workspace, measure_in};
use advstep_hpc::model::{Cell, EngineChoice, Unit, width_label};
use advstep_hpc::plan::{CellPlan, plan};
use unit_times::Measured;

const RESOURCES: Resources = Resources { threads: 1, memory: 1 << 45 };
/// Shortest measurement of a cell, in seconds.
const MEASURED: f64 = 1.0;
/// Most networks per cell.
const NETWORKS: usize = 500;
/// Cells up to this many seconds per network are measured with at least three networks.
const LONG: f64 = 4.0;
/// Advertised relative accuracy of the model.
const WITHIN: f64 = 0.4;

/// The cells of preset `paper`, and infinite width.
fn experiment(engine: EngineChoice) -> anyhow::Result<Experiment> {
    let paper = Preset::Paper.options();
    let mut widths = paper.widths.clone().unwrap_or_default();
    widths.push(f64::INFINITY);
    Ok(Options { widths: Some(widths), engine: Some(engine), ..Options::default() }.overlay(paper).validate()?)
}

/// Measures `networks` networks of a cell from `first` on.
fn measured(workspace: &Workspace, experiment: &Experiment, cell: &CellPlan, first: usize, networks: usize) -> Measured {
    let (mut seconds, mut points) = (0.0, 0.0);
    for network in first..first + networks {
        let start = thread_time();
        let record = measure_in(workspace, experiment, &cell.run, Unit { cell: 0, network }).unwrap();
        seconds += (thread_time() - start).as_secs_f64();
        points += record.samples.iter().map(|sample| f64::from(sample.evaluations)).sum::<f64>() / record.samples.len() as f64;
    }
    Measured::new(cell, first, networks, seconds, points)
}

/// Measures networks of a cell until `lines` and the file hold enough of them.
fn complete(
    lines: &mut Vec<Measured>,
    file: &std::path::Path,
    experiment: &Experiment,
    cell: &CellPlan,
    fewest: usize,
) -> anyhow::Result<()> {
    let fewest = if cell.cost.seconds < LONG { fewest.max(3) } else { fewest };
    let enough = ((MEASURED / cell.cost.seconds) as usize).clamp(fewest, NETWORKS.max(fewest));
    let known = unit_times::mean(lines, cell).map_or(0, |mean| mean.networks);
    // Short networks share a line; scatter is estimated from long ones.
    let at_once = if cell.cost.seconds < MEASURED / 10.0 { enough.saturating_sub(known).max(1) } else { 1 };
    let workspace = Workspace::default();
    if known < enough && cell.cost.seconds < LONG {
        // The first network fills the workspace.
        measured(&workspace, experiment, cell, known, 1);
    }
    for first in (known..enough).step_by(at_once) {
        let line = measured(&workspace, experiment, cell, first, at_once.min(enough - first));
        unit_times::append(file, &line)?;
        lines.push(line);
    }
    Ok(())
}

/// Cells for which both engines are measured.
fn is_near_crossover(cell: Cell) -> bool {
    cell.depth == 2 && (1000..=10_000).contains(&cell.width)
}

fn main() -> anyhow::Result<()> {
    machine::prepare()?;
    let arguments = common::arguments();
    let range: Vec<f64> = arguments.iter().map_while(|argument| argument.parse().ok()).collect();
    let (from, to) = match range[..] {
        [] => (0.0, LONG),
        [to] => (0.0, to),
        [from, to, ..] => (from, to),
    };
    let fewest = common::number(&arguments, "--networks", 1);
    let file = PathBuf::from(common::option(&arguments, "--unit-times").unwrap_or_else(|| unit_times::FILE.to_owned()));
    let dims: Option<Vec<usize>> = common::option(&arguments, "--dims")
        .map(|text| text.split(',').map(|dim| dim.parse().unwrap_or_else(|_| panic!("--dims wants whole numbers"))).collect());
    let auto = experiment(EngineChoice::Auto)?;
    let chosen = plan(&auto, RESOURCES)?.cells;
    let mut rows: Vec<(CellPlan, Experiment)> = chosen.iter().map(|cell| (*cell, auto.clone())).collect();
    for engine in [EngineChoice::Dense, EngineChoice::Implicit] {
        let forced = experiment(engine)?;
        for (cell, auto) in plan(&forced, RESOURCES)?.cells.into_iter().zip(&chosen) {
            if is_near_crossover(cell.run.cell) && cell.run.method.engine != auto.run.method.engine {
                rows.push((cell, forced.clone()));
            }
        }
    }
    rows.retain(|(cell, _)| (from..to).contains(&cell.cost.seconds));
    rows.retain(|(cell, _)| dims.as_ref().is_none_or(|dims| dims.contains(&cell.run.cell.dim)));

    println!("  L       d        k  engine    search  weights      predicted s   measured s   ratio   points  networks");
    let mut ratios: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    let mut lines = unit_times::read(&file)?;
    for (cell, experiment) in rows {
        complete(&mut lines, &file, &experiment, &cell, fewest)?;
        let mean = unit_times::mean(&lines, &cell).expect("at least one network was measured");
        let ratio = cell.cost.seconds / mean.seconds;
        let Cell { depth, dim, .. } = cell.run.cell;
        println!(
            "{depth:>3} {dim:>7} {:>8}  {:<9} {:<7} {:<12} {:>10.5} {:>12.5} {ratio:>7.2} {:>8.1} {:>9}{}",
            width_label(cell.run.cell.width),
            cell.run.method.engine.name(),
            cell.run.method.search.name(),
            format!("{:?}", cell.run.keep.weights).to_lowercase(),
            cell.cost.seconds,
            mean.seconds,
            mean.points,
            mean.networks,
            if (ratio - 1.0).abs() > WITHIN { "  *" } else { "" },
        );
        ratios.entry((cell.run.method.engine.name(), cell.run.method.search.name())).or_default().push(ratio);
    }
    println!("\nengine    search   cells   smallest ratio   median   largest   off by more than {:.0} %", 100.0 * WITHIN);
    for ((engine, search), mut ratios) in ratios {
        ratios.sort_by(f64::total_cmp);
        let off = ratios.iter().filter(|ratio| (*ratio - 1.0).abs() > WITHIN).count();
        let (least, median, most) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
        println!("{engine:<9} {search:<7} {:>6} {least:>16.2} {median:>8.2} {most:>9.2} {off:>8}", ratios.len());
    }
    Ok(())
}
