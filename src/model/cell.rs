//! An architecture (depth, dim, hidden widths), and a network of it as a unit of work.

/// Encodes k = ∞: the largest int64, so that it sorts last and fits the arrays in files.
pub const INFINITE_WIDTH: usize = i64::MAX as usize;

/// `100` or `∞`.
pub fn width_label(width: usize) -> String {
    if width == INFINITE_WIDTH { "∞".to_string() } else { width.to_string() }
}

/// Most hidden layers of a cell whose layers differ in width; keeps [`Cell`] small and `Copy`.
pub const MOST_DIFFERING: usize = 16;

/// One architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Hidden layers, L.
    pub depth: usize,
    /// Input dimension, d.
    pub dim: usize,
    /// Neurons per hidden layer, k, or in the widest if they differ; [`INFINITE_WIDTH`] for the limit.
    pub width: usize,
    /// k_1 … k_L, zero-padded, if they differ; all zeros otherwise.
    differing: [u32; MOST_DIFFERING],
}

impl Cell {
    /// `depth` hidden layers of `width` neurons each.
    pub const fn new(depth: usize, dim: usize, width: usize) -> Self {
        Self { depth, dim, width, differing: [0; MOST_DIFFERING] }
    }

    /// Hidden layers of these widths, first to last. Equal widths give the same cell as [`new`](Self::new).
    ///
    /// # Panics
    /// Without a layer, or if widths differ and there are more than [`MOST_DIFFERING`] or one is not in 1..2³².
    pub fn of_layers(dim: usize, widths: &[usize]) -> Self {
        let cell = Self::new(widths.len(), dim, *widths.iter().max().expect("a network has a hidden layer"));
        if widths.iter().all(|&width| width == cell.width) {
            return cell;
        }
        let mut differing = [0; MOST_DIFFERING];
        for (place, &width) in differing[..widths.len()].iter_mut().zip(widths) {
            assert!(width > 0, "a layer has a neuron");
            *place = u32::try_from(width).expect("validated widths are below 2^32");
        }
        Self { differing, ..cell }
    }

    /// Whether k = ∞.
    pub fn is_infinite(&self) -> bool {
        self.width == INFINITE_WIDTH
    }

    /// Whether hidden layers differ in width.
    pub fn has_differing_layers(&self) -> bool {
        self.differing[0] != 0
    }

    /// k_l: neurons of hidden layer `layer` (1-based), the rows of its weight matrix.
    pub fn width_of(&self, layer: usize) -> usize {
        if self.has_differing_layers() { self.differing[layer - 1] as usize } else { self.width }
    }

    /// The widths k_1 … k_L.
    pub fn widths(&self) -> impl Iterator<Item = usize> {
        (1..=self.depth).map(|layer| self.width_of(layer))
    }

    /// Columns of the weight matrix of `layer` (1-based): d in the first, k_(l−1) above.
    pub fn fan_in(&self, layer: usize) -> usize {
        if layer == 1 { self.dim } else { self.width_of(layer - 1) }
    }

    /// Weights of `layer` (1-based), in f64 to avoid overflow.
    pub fn weights_of(&self, layer: usize) -> f64 {
        self.width_of(layer) as f64 * self.fan_in(layer) as f64
    }

    /// Weights of all hidden layers.
    pub fn weights(&self) -> f64 {
        self.weights_of(1) + self.weights_above_first()
    }

    /// Weights of the hidden layers above the first.
    pub fn weights_above_first(&self) -> f64 {
        (2..=self.depth).map(|layer| self.weights_of(layer)).sum()
    }

    /// Neurons of all hidden layers.
    pub fn neurons(&self) -> f64 {
        self.widths().map(|width| width as f64).sum()
    }

    /// `100`, `∞`, or `1000,500,100` if layers differ.
    pub fn width_label(&self) -> String {
        if !self.has_differing_layers() {
            return width_label(self.width);
        }
        layers_label(self.widths())
    }
}

/// One network of a cell with all its inputs: the unit of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unit {
    /// Index into the cells of the experiment.
    pub cell: usize,
    /// Index of the network within its cell.
    pub network: usize,
}

/// `1000,500,100`.
pub fn layers_label(widths: impl Iterator<Item = usize>) -> String {
    widths.map(|width| width.to_string()).collect::<Vec<_>>().join(",")
}

impl std::fmt::Display for Cell {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "(L={}, d={}, k={})", self.depth, self.dim, self.width_label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_one_width_are_no_other_cell() {
        assert_eq!(Cell::of_layers(7, &[5, 5, 5]), Cell::new(3, 7, 5));
        assert_eq!(Cell::of_layers(7, &[100; 1000]), Cell::new(1000, 7, 100));
        let cell = Cell::of_layers(7, &[5, 3, 4]);
        assert_eq!((cell.depth, cell.dim, cell.width, cell.has_differing_layers()), (3, 7, 5, true));
        assert_eq!([1, 2, 3].map(|layer| (cell.width_of(layer), cell.fan_in(layer))), [(5, 7), (3, 5), (4, 3)]);
        assert_eq!((cell.weights(), cell.weights_above_first(), cell.neurons()), (62.0, 27.0, 12.0));
        assert_eq!(cell.to_string(), "(L=3, d=7, k=5,3,4)");
        let equal = Cell::new(4, 3, 5);
        assert_eq!((equal.weights(), equal.neurons()), (5.0 * (3.0 + 3.0 * 5.0), 20.0));
    }

    #[test]
    fn cells_are_in_order_of_depth_dim_and_widest_layer() {
        let mut cells =
            [Cell::of_layers(2, &[9, 1]), Cell::new(2, 2, 8), Cell::of_layers(1, &[9, 9, 1]), Cell::of_layers(3, &[2, 7])];
        cells.sort();
        assert_eq!(cells.map(|cell| (cell.depth, cell.dim, cell.width)), [(2, 2, 8), (2, 2, 9), (2, 3, 7), (3, 1, 9)]);
    }
}
