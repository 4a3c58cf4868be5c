//! The fixed binary tree along which the parts of slabs are merged.
//!
//! Node (l, i) covers slabs i·2ˡ to (i + 1)·2ˡ − 1, as far as there are any; it is the merge of nodes (l − 1, 2i) and (l − 1, 2i + 1), or the first of
//! them if the second covers no slab. Whoever has both may merge them: the result does not depend on it.

/// The part of some successive slabs.
pub trait Part: Clone + Send + Sync {
    /// Takes in the part of the slabs that follow.
    fn merge(&mut self, right: Self);

    /// Length of [`to_numbers`](Self::to_numbers).
    fn size(&self) -> usize;

    /// As numbers, for a message.
    fn to_numbers(&self) -> Vec<f64>;

    /// The inverse of [`to_numbers`](Self::to_numbers).
    fn from_numbers(numbers: &[f64]) -> Self;
}

/// Sums over slabs.
impl Part for Vec<f64> {
    fn merge(&mut self, right: Self) {
        assert_eq!(self.len(), right.len(), "sums of one kind");
        self.iter_mut().zip(right).for_each(|(left, right)| *left += right);
    }

    fn size(&self) -> usize {
        self.len()
    }

    fn to_numbers(&self) -> Vec<f64> {
        self.clone()
    }

    fn from_numbers(numbers: &[f64]) -> Self {
        numbers.to_vec()
    }
}

/// The parts of successive slabs, merged as far as the tree allows: at most two for each level.
#[derive(Debug, Clone, PartialEq)]
pub struct Partials<P> {
    /// Slabs in all.
    slabs: usize,
    nodes: Vec<Node<P>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Node<P> {
    level: u32,
    index: usize,
    part: P,
}

impl<P: Part> Partials<P> {
    /// No part yet, of `slabs` slabs.
    pub fn new(slabs: usize) -> Self {
        Self { slabs, nodes: Vec::new() }
    }

    /// Adds the part of `slab`, the one after the last added.
    pub fn push(&mut self, slab: usize, part: P) {
        self.push_node(Node { level: 0, index: slab, part });
    }

    /// Adds the parts of the slabs that follow.
    pub fn append(&mut self, others: Self) {
        others.nodes.into_iter().for_each(|node| self.push_node(node));
    }

    fn push_node(&mut self, node: Node<P>) {
        self.nodes.push(node);
        while let Some(top) = self.nodes.last_mut()
            && (top.index > 0 || 1 << top.level < self.slabs)
        {
            if top.index.is_multiple_of(2) {
                if (top.index + 1) << top.level < self.slabs {
                    break;
                }
                (top.level, top.index) = (top.level + 1, top.index / 2);
                continue;
            }
            let (level, index) = (top.level, top.index);
            let Some(left) = self.nodes.len().checked_sub(2) else { break };
            if (self.nodes[left].level, self.nodes[left].index) != (level, index - 1) {
                break;
            }
            let right = self.nodes.pop().expect("two nodes");
            let left = &mut self.nodes[left];
            left.part.merge(right.part);
            (left.level, left.index) = (level + 1, index / 2);
        }
    }

    /// The whole.
    ///
    /// # Panics
    /// If a slab is missing.
    pub fn into_total(mut self) -> P {
        let total = self.nodes.pop().expect("the parts of all slabs");
        assert!(self.nodes.is_empty() && total.index == 0 && 1 << total.level >= self.slabs, "the parts of all slabs");
        total.part
    }

    /// As one message.
    pub fn to_message(&self) -> Vec<f64> {
        let mut message = Vec::new();
        for Node { level, index, part } in &self.nodes {
            let numbers = part.to_numbers();
            message.extend([f64::from(*level), *index as f64, numbers.len() as f64]);
            message.extend(numbers);
        }
        message
    }

    /// The inverse of [`to_message`](Self::to_message), for `slabs` slabs.
    ///
    /// # Panics
    /// If `message` is none.
    pub fn from_message(slabs: usize, mut message: &[f64]) -> Self {
        let mut nodes = Vec::new();
        while let [level, index, length, rest @ ..] = message {
            let (numbers, rest) = rest.split_at(*length as usize);
            nodes.push(Node { level: *level as u32, index: *index as usize, part: P::from_numbers(numbers) });
            message = rest;
        }
        assert!(message.is_empty(), "a message of parts");
        Self { slabs, nodes }
    }

    /// Slabs in all.
    pub fn slabs(&self) -> usize {
        self.slabs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records the shape of the merges: neither commutative nor associative.
    #[derive(Debug, Clone, PartialEq)]
    struct Shape(Vec<f64>);

    const OPEN: f64 = -1.0;
    const CLOSE: f64 = -2.0;

    impl Part for Shape {
        fn merge(&mut self, right: Self) {
            self.0 = [&[OPEN], &self.0[..], &right.0, &[CLOSE]].concat();
        }
        fn size(&self) -> usize {
            self.0.len()
        }
        fn to_numbers(&self) -> Vec<f64> {
            self.0.clone()
        }
        fn from_numbers(numbers: &[f64]) -> Self {
            Self(numbers.to_vec())
        }
    }

    fn parts(slabs: usize, range: std::ops::Range<usize>) -> Partials<Shape> {
        let mut partials = Partials::new(slabs);
        range.for_each(|slab| partials.push(slab, Shape(vec![slab as f64])));
        partials
    }

    #[test]
    fn five_slabs_are_merged_in_pairs() {
        let pairs = [OPEN, OPEN, OPEN, 0.0, 1.0, CLOSE, OPEN, 2.0, 3.0, CLOSE, CLOSE, 4.0, CLOSE];
        assert_eq!(parts(5, 0..5).into_total().0, pairs, "(((0 1) (2 3)) 4)");
    }

    #[test]
    fn any_split_gives_the_same_tree() {
        for slabs in 1..40 {
            let whole = parts(slabs, 0..slabs).into_total();
            for first in 0..=slabs {
                for second in first..=slabs {
                    let sent = |range| Partials::<Shape>::from_message(slabs, &parts(slabs, range).to_message());
                    let [mut left, mut middle, right] = [0..first, first..second, second..slabs].map(sent);
                    middle.append(right);
                    left.append(middle);
                    assert_eq!(left.into_total(), whole, "{slabs} slabs, split at {first} and {second}");
                }
            }
        }
    }

    #[test]
    fn few_parts_are_kept() {
        for slab in 1..256 {
            assert!(parts(256, 0..slab).nodes.len() <= 8);
        }
    }
}
