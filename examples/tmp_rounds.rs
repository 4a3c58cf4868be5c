use advstep_hpc::activation::Activation;
use advstep_hpc::experiment::options::Options;
use advstep_hpc::experiment::*;
use advstep_hpc::network::dense::Dense;
use advstep_hpc::network::implicit::Implicit;
use advstep_hpc::network::*;
use advstep_hpc::plan::{Resources, plan};
use advstep_hpc::random::NetworkStreams;
use advstep_hpc::results::EngineName;
use advstep_hpc::unit::samples;
use ndarray::*;
use std::time::Instant;
struct T<'a> {
    e: &'a mut dyn Engine<f32>,
    quiet: bool,
}
impl Engine<f32> for T<'_> {
    fn depth(&self) -> usize {
        self.e.depth()
    }
    fn width(&self, l: usize) -> usize {
        self.e.width(l)
    }
    fn activation(&self) -> Activation {
        self.e.activation()
    }
    fn inputs(&self) -> ArrayView2<'_, f32> {
        self.e.inputs()
    }
    fn readout(&mut self) -> Vec<f32> {
        self.e.readout()
    }
    fn value_and_gradient(&mut self) -> ValueAndGradient<f32> {
        let s = Instant::now();
        let f = work().flops;
        let r = self.e.value_and_gradient();
        let t = s.elapsed().as_secs_f64();
        if !self.quiet {
            println!("  gradient {:.1} ms {:.1} GF/s", t * 1e3, (work().flops - f) / t / 1e9);
        }
        r
    }
    fn value_and_gradient_at(&mut self, x: ArrayView2<f32>) -> ValueAndGradient<f32> {
        self.e.value_and_gradient_at(x)
    }
    fn linear_gradient(&mut self) -> Array2<f32> {
        self.e.linear_gradient()
    }
    fn set_directions(&mut self, d: Array2<f32>) {
        let s = Instant::now();
        self.e.set_directions(d);
        if !self.quiet {
            println!("  directions {:.1} ms", s.elapsed().as_secs_f64() * 1e3);
        }
    }
    fn visit_first_layer(&mut self, v: &mut dyn FnMut(LineBlock<f32>)) {
        self.e.visit_first_layer(v)
    }
    fn evaluate(&mut self, p: &[LinePoint]) -> Vec<f64> {
        let s = Instant::now();
        let f = work().flops;
        let r = self.e.evaluate(p);
        let t = s.elapsed().as_secs_f64();
        if !self.quiet {
            println!("  {:4} points {:.1} ms {:.1} GF/s", p.len(), t * 1e3, (work().flops - f) / t / 1e9);
        }
        r
    }
    fn layer_weights(&mut self, l: usize) -> Option<Array2<f32>> {
        self.e.layer_weights(l)
    }
}
fn main() {
    advstep_hpc::machine::prepare().unwrap();
    let _k = advstep_hpc::machine::allocator::KeepLarge::new();
    let a: Vec<usize> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let cell = Cell::new(a[0], a[1], a[2]);
    let nets = a.get(3).copied().unwrap_or(2);
    let o = Options {
        depths: Some(vec![a[0] as f64]),
        dims: Some(vec![a[1] as f64]),
        widths: Some(vec![a[2] as f64]),
        networks: Some(4.),
        inputs: Some(100.),
        ..Options::default()
    };
    let ex = o.validate().unwrap();
    let cp = plan(&ex, Resources { threads: 1, memory: 1 << 36 }).unwrap().cells[0];
    for n in 0..nets {
        let s = Instant::now();
        let st = NetworkStreams::new(ex.seed, cell, n, ex.gain, ex.readout);
        let mut e: Box<dyn Engine<f32>> = match cp.engine {
            EngineName::Implicit => Box::new(Implicit::<f32>::new(st, cell, 100)),
            _ => Box::new(Dense::<f32>::new(st, cell, 100, cp.keep)),
        };
        println!("  new {:.1} ms", s.elapsed().as_secs_f64() * 1e3);
        let mut t = T { e: &mut *e, quiet: n + 1 != nets };
        let r = samples(&mut t, cp.search, ex.bound);
        let pts: f64 = r.iter().map(|s| s.evaluations as f64).sum::<f64>() / r.len() as f64;
        println!(
            "{:?} net {n}: {:.3} s predicted {:.3} points {pts:.2}",
            cp.engine.name(),
            s.elapsed().as_secs_f64(),
            cp.cost.seconds
        );
    }
}
