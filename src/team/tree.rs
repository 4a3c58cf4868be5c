//! The fixed binary tree along which the parts of slabs are merged.
//!
//! Node (l, i) covers slabs i·2ˡ to (i + 1)·2ˡ − 1, as far as there are any; it is the merge of nodes (l − 1, 2i) and (l − 1, 2i + 1), or the first of
//! them if the second covers no slab. Whoever has both may merge them: the result does not depend on it.

/// Merges the part to the right, in slab order, into the part to the left.
pub type Merge<'m> = dyn Fn(&mut Vec<f64>, &[f64]) + 'm;

/// The parts of successive slabs, merged as far as the tree allows: at most two for each level.
#[derive(Debug, Clone, PartialEq)]
pub struct Partials {
    /// Slabs in all.
    slabs: usize,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq)]
struct Node {
    level: u32,
    index: usize,
    value: Vec<f64>,
}

impl Partials {
    /// No part yet, of `slabs` slabs.
    pub fn new(slabs: usize) -> Self {
        Self { slabs, nodes: Vec::new() }
    }

    /// Adds the part of `slab`, the one after the last added.
    pub fn push(&mut self, slab: usize, value: Vec<f64>, merge: &Merge) {
        self.push_node(Node { level: 0, index: slab, value }, merge);
    }

    /// Adds the parts of the slabs that follow.
    pub fn append(&mut self, others: Partials, merge: &Merge) {
        others.nodes.into_iter().for_each(|node| self.push_node(node, merge));
    }

    fn push_node(&mut self, node: Node, merge: &Merge) {
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
            merge(&mut left.value, &right.value);
            (left.level, left.index) = (level + 1, index / 2);
        }
    }

    /// The whole.
    ///
    /// # Panics
    /// If a slab is missing.
    pub fn into_total(mut self) -> Vec<f64> {
        let total = self.nodes.pop().expect("the parts of all slabs");
        assert!(self.nodes.is_empty() && total.index == 0 && 1 << total.level >= self.slabs, "the parts of all slabs");
        total.value
    }

    /// As one message.
    pub fn to_message(&self) -> Vec<f64> {
        let length = self.nodes.iter().map(|node| 3 + node.value.len()).sum();
        let mut message = Vec::with_capacity(length);
        for Node { level, index, value } in &self.nodes {
            message.extend([f64::from(*level), *index as f64, value.len() as f64]);
            message.extend(value);
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
            let (value, rest) = rest.split_at(*length as usize);
            nodes.push(Node { level: *level as u32, index: *index as usize, value: value.to_vec() });
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
    fn merge(left: &mut Vec<f64>, right: &[f64]) {
        *left = [&[-1.0], &left[..], right, &[-2.0]].concat();
    }

    fn all(slabs: usize) -> Vec<f64> {
        let mut partials = Partials::new(slabs);
        (0..slabs).for_each(|slab| partials.push(slab, vec![slab as f64], &merge));
        partials.into_total()
    }

    #[test]
    fn five_slabs_are_merged_in_pairs() {
        let [open, close] = [-1.0, -2.0];
        assert_eq!(all(5), [open, open, open, 0.0, 1.0, close, open, 2.0, 3.0, close, close, 4.0, close], "(((0 1) (2 3)) 4)");
    }

    #[test]
    fn any_split_gives_the_same_tree() {
        for slabs in 1..40 {
            let whole = all(slabs);
            for first in 0..=slabs {
                for second in first..=slabs {
                    let mut parts = [0..first, first..second, second..slabs].map(|range| {
                        let mut partials = Partials::new(slabs);
                        range.for_each(|slab| partials.push(slab, vec![slab as f64], &merge));
                        Partials::from_message(slabs, &partials.to_message())
                    });
                    let [left, middle, right] = &mut parts;
                    middle.append(right.clone(), &merge);
                    left.append(middle.clone(), &merge);
                    assert_eq!(left.clone().into_total(), whole, "{slabs} slabs, split at {first} and {second}");
                }
            }
        }
    }

    #[test]
    fn few_parts_are_kept() {
        let mut partials = Partials::new(256);
        for slab in 0..255 {
            partials.push(slab, vec![0.0], &|_, _| {});
            assert!(partials.nodes.len() <= 8);
        }
    }
}
