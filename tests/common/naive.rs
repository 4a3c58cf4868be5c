//! An independent slow reference: the network as nested loops in f64, sharing no code with the engines but the weights themselves.

use advstep_hpc::experiment::Cell;
use advstep_hpc::kernels::Real;
use advstep_hpc::network::dense::Dense;

/// A network with its inputs as plain vectors.
pub struct Naive {
    pub weights: Vec<Vec<Vec<f64>>>,
    pub readout: Vec<f64>,
    pub inputs: Vec<Vec<f64>>,
}

impl Naive {
    pub fn of<T: Real>(engine: &mut Dense<T>, cell: Cell) -> Self {
        let rows = |matrix: ndarray::ArrayView2<T>| -> Vec<Vec<f64>> {
            matrix.rows().into_iter().map(|row| row.iter().map(|w| w.to_f64()).collect()).collect()
        };
        Self {
            weights: (1..=cell.depth).map(|layer| rows(engine.matrix(layer).view())).collect(),
            readout: engine.readout().iter().map(|a| a.to_f64()).collect(),
            inputs: rows(engine.inputs()),
        }
    }

    /// f(x) = (1/√k) Σ_j a_j h_L[j].
    pub fn value(&self, x: &[f64]) -> f64 {
        let mut h = x.to_vec();
        for w in &self.weights {
            h = w.iter().map(|row| dot(row, &h).max(0.0)).collect();
        }
        dot(&self.readout, &h) / (h.len() as f64).sqrt()
    }

    /// ∇f(x) by the chain rule, in loops.
    pub fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let mut layers = vec![x.to_vec()];
        for w in &self.weights {
            let below = layers.last().unwrap();
            layers.push(w.iter().map(|row| dot(row, below)).collect::<Vec<f64>>().iter().map(|z| z.max(0.0)).collect());
        }
        let mut g: Vec<f64> = self.readout.iter().map(|a| a / (self.readout.len() as f64).sqrt()).collect();
        for (w, h) in self.weights.iter().zip(&layers[1..]).rev() {
            let mut below = vec![0.0; w[0].len()];
            for ((row, h), g) in w.iter().zip(h).zip(&g) {
                if *h > 0.0 {
                    for (below, w) in below.iter_mut().zip(row) {
                        *below += g * w;
                    }
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
