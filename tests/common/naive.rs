//! An independent slow reference: the network as nested loops in f64, sharing no code with the engines but the weights themselves.

use advstep_hpc::kernels::{Real, Weight};
use advstep_hpc::model::Activation;
use advstep_hpc::model::Cell;
use advstep_hpc::network::Engine;
use advstep_hpc::network::dense::Dense;

/// A network with its inputs as plain vectors.
pub struct Naive {
    pub psi: Activation,
    pub weights: Vec<Vec<Vec<f64>>>,
    pub readout: Vec<f64>,
    pub inputs: Vec<Vec<f64>>,
}

impl Naive {
    pub fn of<W: Weight>(engine: &mut Dense<W>, cell: Cell) -> Self {
        let rows = |matrix: ndarray::ArrayView2<W::Real>| -> Vec<Vec<f64>> {
            matrix.rows().into_iter().map(|row| row.iter().map(|w| w.to_f64()).collect()).collect()
        };
        Self {
            psi: engine.activation(),
            weights: (1..=cell.depth).map(|layer| rows(engine.matrix(layer).view())).collect(),
            readout: engine.readout().iter().map(|a| a.to_f64()).collect(),
            inputs: rows(engine.inputs()),
        }
    }

    /// f(x) = (1/√k) Σ_j a_j h_L[j].
    pub fn value(&self, x: &[f64]) -> f64 {
        let mut h = x.to_vec();
        for w in &self.weights {
            h = w.iter().map(|row| self.psi.value(dot(row, &h))).collect();
        }
        dot(&self.readout, &h) / (h.len() as f64).sqrt()
    }

    /// ∇f(x) by the chain rule, in loops.
    pub fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let mut h = x.to_vec();
        let mut layers = Vec::new();
        for w in &self.weights {
            let z: Vec<f64> = w.iter().map(|row| dot(row, &h)).collect();
            h = z.iter().map(|&z| self.psi.value(z)).collect();
            layers.push(z);
        }
        let mut g: Vec<f64> = self.readout.iter().map(|a| a / (self.readout.len() as f64).sqrt()).collect();
        for (w, z) in self.weights.iter().zip(&layers).rev() {
            let mut below = vec![0.0; w[0].len()];
            for ((row, z), g) in w.iter().zip(z).zip(&g) {
                let slope = self.psi.derivative(*z);
                for (below, w) in below.iter_mut().zip(row) {
                    *below += slope * g * w;
                }
            }
            g = below;
        }
        g
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// x + t·p.
pub fn along(x: &[f64], p: &[f64], t: f64) -> Vec<f64> {
    x.iter().zip(p).map(|(x, p)| x + t * p).collect()
}
