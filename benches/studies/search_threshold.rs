//! Trace against scan: inputs that a scan misses, and the cost of tracing, by depth, dim and width.
//!
//! `cargo bench --bench search_threshold` prints the table behind `method::WIDEST_TRACED`. A scan misses an input if tracing finds a smaller step,
//! because two crossings fell between grid points. Steps are compared in f64 with relative tolerance 10⁻³.

use std::time::Instant;

use advstep_hpc::measure::samples;
use advstep_hpc::model::SearchName;
use advstep_hpc::model::{Cell, Readout};
use advstep_hpc::network::dense::{Dense, Keep, Storage};
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::record::Sample;

const BOUND: f64 = 20.0;
const INPUTS: usize = 100;

/// All samples, and seconds per network.
fn run(cell: Cell, networks: usize, search: SearchName) -> (Vec<Sample>, f64) {
    let keep = Keep { weights: Storage::Stored, line: Storage::Stored };
    let start = Instant::now();
    let all = (0..networks).flat_map(|network| {
        let streams = NetworkStreams::new(2020, cell, network, 1.0, Readout::Sign);
        samples(&mut Dense::<f64>::new(streams, cell, INPUTS, keep), search, BOUND).unwrap()
    });
    (all.collect(), start.elapsed().as_secs_f64() / networks as f64)
}

fn main() {
    println!("  L    d     k  inputs   found  missed   missed/found   pieces   points   trace s/net   scan s/net   trace/scan");
    for depth in [2, 3, 6] {
        for dim in [10, 100] {
            for (width, networks) in [(10, 100), (30, 100), (100, 100), (200, 40), (300, 20)] {
                let cell = Cell::new(depth, dim, width);
                let (traced, trace_seconds) = run(cell, networks, SearchName::Trace);
                let (scanned, scan_seconds) = run(cell, networks, SearchName::Scan);
                let found = traced.iter().filter(|sample| sample.status.is_found()).count();
                let pairs = traced.iter().zip(&scanned);
                let missed = pairs
                    .filter(|(trace, scan)| trace.step < scan.step * (1.0 - 1e-3) || trace.step.is_finite() && scan.step.is_nan());
                let missed = missed.count();
                let mean =
                    |samples: &[Sample]| samples.iter().map(|s| f64::from(s.evaluations)).sum::<f64>() / samples.len() as f64;
                println!(
                    "{depth:>3} {dim:>4} {width:>5} {:>7} {found:>7} {missed:>7} {:>12.3} % {:>8.1} {:>8.1} {trace_seconds:>13.5} {scan_seconds:>12.5} {:>12.1}",
                    traced.len(),
                    100.0 * missed as f64 / found as f64,
                    mean(&traced),
                    mean(&scanned),
                    trace_seconds / scan_seconds,
                );
            }
        }
    }
}
