use advstep_hpc::experiment::*;
use advstep_hpc::network::dense::*;
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::results::SearchName;
use advstep_hpc::unit::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let cell = Cell { depth: a[1].parse().unwrap(), dim: a[2].parse().unwrap(), width: a[3].parse::<f64>().unwrap() as usize };
    let nets: usize = a[4].parse().unwrap();
    let search = match a[5].as_str() { "line" => SearchName::Line, "trace" => SearchName::Trace, _ => SearchName::Scan };
    let keep = if a.len() > 6 { Keep { weights: Storage::Regenerated, line: Storage::Regenerated } } else { Keep { weights: Storage::Stored, line: Storage::Stored } };
    let t = std::time::Instant::now();
    let mut all = vec![];
    for n in 0..nets {
        let mut e = Dense::<f32>::new(NetworkStreams::new(1, cell, n, 1.0, Readout::Sign), cell, 100, keep);
        all.extend(samples(&mut e, search, 20.0));
    }
    let s = t.elapsed().as_secs_f64() / nets as f64;
    let found: Vec<&Sample> = all.iter().filter(|s| s.status.is_found()).collect();
    let m = |f: &dyn Fn(&Sample) -> f64, v: &[&Sample]| v.iter().map(|s| f(s)).sum::<f64>() / v.len() as f64;
    let every: Vec<&Sample> = all.iter().collect();
    println!("{cell} frac {:.4} step {:.4} grad {:.4} f2 {:.4} dead {} evals {:.1} {:.4} s/net", found.len() as f64 / all.len() as f64,
        m(&|s| s.step, &found), m(&|s| s.gradient_norm, &every), m(&|s| s.value * s.value, &every), all.iter().filter(|s| s.status == Status::Dead).count(), m(&|s| s.evaluations as f64, &every), s);
}
