//! The cost model against measurement, on the cells of preset `paper` and on infinite width.
//!
//! `cargo bench --bench cost_model [-- [FROM] TO]` prints predicted and measured seconds of one network for every cell that is predicted to
//! take FROM (0) to TO (2) seconds, with the engine that `--engine auto` takes and, near the crossover, with the other one too; and at the end
//! how far the ratios go. Measured seconds are processor time of one thread, the mean of as many networks as take a second, and one of the
//! longest. All cells together take an hour and a half and 22 GiB.

use std::collections::BTreeMap;

use advstep_hpc::experiment::options::Options;
use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::experiment::{Cell, EngineChoice, Experiment, Unit};
use advstep_hpc::machine::blas;
use advstep_hpc::machine::clock::thread_time;
use advstep_hpc::plan::{CellPlan, Resources, plan};
use advstep_hpc::unit::measure;

const RESOURCES: Resources = Resources { threads: 1, memory: 1 << 45 };
/// Seconds that a cell is measured for, at least.
const MEASURED: f64 = 1.0;
/// Most networks of a cell.
const NETWORKS: usize = 500;
/// Cells that take longer are measured by one network, others by three at least.
const LONG: f64 = 2.0;
/// What the model promises.
const WITHIN: f64 = 0.4;

/// The cells of preset `paper`, and infinite width.
fn experiment(engine: EngineChoice) -> anyhow::Result<Experiment> {
    let paper = Preset::Paper.options();
    let mut widths = paper.widths.clone().unwrap_or_default();
    widths.push(f64::INFINITY);
    Ok(Options { widths: Some(widths), engine: Some(engine), ..Options::default() }.overlay(paper).validate()?)
}

/// Mean seconds of a network, and mean evaluations of a line.
fn measured(experiment: &Experiment, cell: &CellPlan) -> (f64, f64) {
    let fewest = if cell.cost.seconds < LONG { 3 } else { 1 };
    let networks = ((MEASURED / cell.cost.seconds) as usize).clamp(fewest, NETWORKS);
    let (mut seconds, mut points) = (0.0, 0.0);
    for network in 0..networks {
        let start = thread_time();
        let record = measure(experiment, cell, Unit { cell: 0, network });
        seconds += (thread_time() - start).as_secs_f64() / networks as f64;
        points += record.samples.iter().map(|sample| f64::from(sample.evaluations)).sum::<f64>();
    }
    (seconds, points / (networks * experiment.inputs) as f64)
}

/// Where both engines are measured.
fn is_near_crossover(cell: Cell) -> bool {
    cell.depth == 2 && (1000..=10_000).contains(&cell.width)
}

fn main() -> anyhow::Result<()> {
    blas::use_one_blas_thread()?;
    let numbers: Vec<f64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let (from, to) = match numbers[..] {
        [] => (0.0, LONG),
        [to] => (0.0, to),
        [from, to, ..] => (from, to),
    };
    let auto = experiment(EngineChoice::Auto)?;
    let chosen = plan(&auto, RESOURCES)?.cells;
    let mut rows: Vec<(CellPlan, Experiment)> = chosen.iter().map(|cell| (*cell, auto.clone())).collect();
    for engine in [EngineChoice::Dense, EngineChoice::Implicit] {
        let forced = experiment(engine)?;
        for (cell, auto) in plan(&forced, RESOURCES)?.cells.into_iter().zip(&chosen) {
            if is_near_crossover(cell.cell) && cell.engine != auto.engine {
                rows.push((cell, forced.clone()));
            }
        }
    }
    rows.retain(|(cell, _)| (from..to).contains(&cell.cost.seconds));

    println!("  L       d        k  engine    search  weights      predicted s   measured s   ratio   points");
    let mut ratios: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    for (cell, experiment) in rows {
        let (seconds, points) = measured(&experiment, &cell);
        let ratio = cell.cost.seconds / seconds;
        let Cell { depth, dim, .. } = cell.cell;
        println!(
            "{depth:>3} {dim:>7} {:>8}  {:<9} {:<7} {:<12} {:>10.5} {seconds:>12.5} {ratio:>7.2} {points:>8.1}{}",
            advstep_hpc::experiment::width_label(cell.cell.width),
            cell.engine.name(),
            cell.search.name(),
            format!("{:?}", cell.keep.weights).to_lowercase(),
            cell.cost.seconds,
            if (ratio - 1.0).abs() > WITHIN { "  *" } else { "" },
        );
        ratios.entry((cell.engine.name(), cell.search.name())).or_default().push(ratio);
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
